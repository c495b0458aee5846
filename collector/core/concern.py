"""Which open alert may new evidence be about? While something is open, that and nothing else is judged anew for it.

Streaks count dates of evidence that moved (``alerts``), so an alert about which nothing was seen stays as it is. A
trunk that is half duplex stays so until somebody comes, for weeks: its rooms need not be judged once a minute for that.
"""

from collections.abc import Sequence

from msgspec.structs import astuple

from classready.observation import Http, Port, Segment
from collector.core.events import Event, Observed
from collector.core.folded import NOBODY, Folded
from collector.core.hours import school_days_between
from collector.core.roster import SchoolRoster
from collector.core.state import SchoolState


def look_again(folded: Folded, before: SchoolState, events: Sequence[Event]) -> None:
    """Have judged what ``events`` may change of the alerts of ``before``: those that are open, and what may become one.

    Gateways and bandwidth tests are not looked for: whatever counts of them has everybody judged.
    """
    counted_at = {astuple(alert.subject): alert.evidence_at or 0.0 for alert in before.alerts}
    for event in events:
        if isinstance(event, Observed):
            for subject in _subjects(event, folded.school.roster):
                if (at := counted_at.get(subject)) is not None:
                    _look_at(folded, subject, event, at)
    # a good day is one on which the room was seen awake with enough; so the first sight of each day is looked at
    for room_id in folded.listed:
        was_at, at = before.classrooms.get(room_id, NOBODY).last_awake_at, folded.room(room_id).last_awake_at
        if at != was_at and not _is_same_day(folded, at or 0.0, was_at or 0.0):
            folded.rooms.add(room_id)


def _look_at(folded: Folded, subject: tuple[str, str, str], event: Observed, counted_at: float) -> None:
    folded.counts = True
    kind, _, name = subject
    if kind == "classroom":
        folded.rooms.add(name)
    elif not _is_same_day(folded, event.observed_at, counted_at):
        folded.rooms.update(folded.listed)


def _is_same_day(folded: Folded, at: float, before: float) -> bool:
    """Compliance counts days: the first evidence of one is looked at, even if it only confirms what is known."""
    return school_days_between(folded.school.hours, before, at) == 0


def _subjects(event: Observed, roster: SchoolRoster) -> list[tuple[str, str, str]]:
    """About what the evidence may be a finding: the fields of ``Subject``, for there are two of each record."""
    found = [] if event.classroom is None else [("classroom", "", event.classroom)]
    match event.observation:
        case Port(switch=str(name)):
            found.append(("switch", event.gateway, name))
        case Segment(name=name):
            found.append(("segment", event.gateway, name))
        case Http(target=target):
            platforms = roster.platforms.items()
            found += [("platform", event.gateway, platform) for platform, targets in platforms if target in targets]
        case _:
            pass
    return found
