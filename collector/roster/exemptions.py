"""Exemptions that end: from then on the room is judged again, as if its roster did not say `exempt`."""

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from classready.settings import Loaded
from collector.core.roster import SchoolRoster
from collector.roster.files import SchoolEntry
from collector.roster.loading import Roster
from collector.roster.notes import Note, note_of
from collector.roster.windows import moments


def in_force(roster: Roster, now: float) -> Roster:
    """The roster with the exemptions that are not over."""
    over: dict[str, set[str]] = {}
    for school, room, end in _ends(roster):
        if end <= now:
            over.setdefault(school, set()).add(room)
    judged = {school: _judged(roster.schools[school], rooms) for school, rooms in over.items()}
    return replace(roster, schools={**roster.schools, **judged}) if judged else roster


def _judged(school: SchoolRoster, over: set[str]) -> SchoolRoster:
    rooms = {id_: replace(room, exempt=None) if id_ in over else room for id_, room in school.classrooms.items()}
    return replace(school, classrooms=rooms)


def next_end(roster: Roster, now: float) -> float | None:
    """When the next exemption ends; None = none does."""
    return min((end for _, _, end in _ends(roster) if end > now), default=None)


def _ends(roster: Roster) -> Iterator[tuple[str, str, float]]:
    """School, room, and the midnight at the school after the last day."""
    for name, entry in roster.entries.items():
        for room in entry.classrooms:
            if room.exempt_until is not None:
                yield name, room.id, _midnight_after(entry, room.exempt_until)


def _midnight_after(entry: SchoolEntry, day: str) -> float:
    return moments(date.fromisoformat(day), "24:00", ZoneInfo(entry.timezone))[0]


def over_notes(loaded: Loaded, today: date) -> Iterator[Note]:
    """Exemptions of an office's file that are over."""
    for i, school in enumerate(loaded.value.schools):
        for j, room in enumerate(school.classrooms):
            if room.exempt_until is not None and date.fromisoformat(room.exempt_until) < today:
                place = f"schools[{i}].classrooms[{j}].exempt_until"
                yield note_of(loaded, place, "exemption_over", day=room.exempt_until, reason=room.exempt)
