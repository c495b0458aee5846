"""Which open alert may new evidence be about? While something is open, that and nothing else is judged anew for it.

Streaks count dates of evidence that moved (``alerts``), so an alert about which nothing was seen stays as it is. That a
trunk has 100M stays open until the school is rewired, for weeks: its rooms need not be judged once a minute for that.
"""

from collections.abc import Iterator, Sequence

from classready.observation import Http, Port, Segment
from collector.core.events import Event, Observed
from collector.core.folded import Folded
from collector.core.hours import local_date
from collector.core.roster import SchoolRoster
from collector.core.state import AlertState
from collector.core.subject import Subject


def look_again(folded: Folded, remembered: Sequence[AlertState], events: Sequence[Event]) -> None:
    """Have judged what ``events`` may change of ``remembered``: alerts, and what may become one.

    Gateways and bandwidth tests are not looked for: whatever counts of them has everybody judged.
    """
    counted_at = {alert.subject: alert.evidence_at or 0.0 for alert in remembered}
    for event in events:
        if isinstance(event, Observed):
            for subject in _subjects(event, folded.school.roster):
                if (at := counted_at.get(subject)) is not None:
                    _look_at(folded, subject, event, at)


def _look_at(folded: Folded, subject: Subject, event: Observed, counted_at: float) -> None:
    folded.counts = True
    if subject.kind == "classroom":
        folded.rooms.add(subject.name)
    elif not _is_same_day(folded, event.observed_at, counted_at):
        # compliance counts days with a shortfall, also of a room whose own evidence only confirms what is known
        folded.rooms.update(folded.listed)


def _is_same_day(folded: Folded, one: float, other: float) -> bool:
    hours = folded.school.hours
    return local_date(hours, one) == local_date(hours, other)


def _subjects(event: Observed, roster: SchoolRoster) -> Iterator[Subject]:
    """About what the evidence may be a finding."""
    if event.classroom is not None:
        yield Subject("classroom", name=event.classroom)
    match event.observation:
        case Port(switch=str(name)):
            yield Subject("switch", event.gateway, name)
        case Segment(name=name):
            yield Subject("segment", event.gateway, name)
        case Http(target=target):
            for platform, targets in roster.platforms.items():
                if target in targets:
                    yield Subject("platform", event.gateway, platform)
        case _:
            return
