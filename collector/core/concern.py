"""Which open alert may new evidence be about? While something is open, that and nothing else is judged anew for it.

Streaks count dates of evidence that moved (``alerts``), so an alert about which nothing was seen stays as it is. That a
trunk has 100M stays open until the school is rewired, for weeks: its rooms need not be judged once a minute for that.
"""

from collections.abc import Iterator, Sequence

from classready.observation import Http, Port, Segment
from collector.core.events import Event, Observed
from collector.core.folded import NOBODY, Folded
from collector.core.hours import school_days_between
from collector.core.roster import SchoolRoster
from collector.core.state import SchoolState
from collector.core.subject import Subject


def look_again(folded: Folded, before: SchoolState, events: Sequence[Event]) -> None:
    """Have judged what ``events`` may change of the alerts of ``before``: those that are open, and what may become one.

    Gateways and bandwidth tests are not looked for: whatever counts of them has everybody judged.
    """
    counted_at = {alert.subject: alert.evidence_at or 0.0 for alert in before.alerts}
    for event in events:
        if isinstance(event, Observed):
            for subject in _subjects(event, folded.school.roster):
                if (at := counted_at.get(subject)) is not None:
                    _look_at(folded, subject, event, at)
    for room_id in folded.listed:
        was_at, at = before.classrooms.get(room_id, NOBODY).last_awake_at, folded.room(room_id).last_awake_at
        if at != was_at and not _is_same_day(folded, at or 0.0, was_at or 0.0):
            folded.rooms.add(room_id)


def _look_at(folded: Folded, subject: Subject, event: Observed, counted_at: float) -> None:
    folded.counts = True
    if subject.kind == "classroom":
        folded.rooms.add(subject.name)
    elif not _is_same_day(folded, event.observed_at, counted_at):
        folded.rooms.update(folded.listed)


def _is_same_day(folded: Folded, at: float, before: float) -> bool:
    """Compliance counts days: the first evidence of one is looked at, even if it only confirms what is known."""
    return school_days_between(folded.school.hours, before, at) == 0


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
