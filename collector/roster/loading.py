"""roster/*.yml -> ``Roster``: every problem of every file in one run, and the checks across files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from classready.settings import Loaded, Problem, SettingsError
from collector.core.hours import Calendar
from collector.core.maintenance import OfficeMaintenance
from collector.core.roster import Classroom, SchoolRoster
from collector.core.timetable import PeriodEntry
from collector.roster.calendar_checks import calendar_problems, period_problem
from collector.roster.files import ClassroomEntry, GatewayEntry, SchoolEntry
from collector.roster.maintenance_checks import unknown_subjects, window_problems
from collector.roster.reading import Known, Office, read_office
from collector.roster.sharing import Shared

NO_CALENDAR = Calendar()
EXEMPT_UNTIL_YEAR_MAX = 9998

Platforms = Mapping[str, tuple[str, ...]]
"""Platform id -> the agents' targets that make it up."""


class Roster(Struct, frozen=True, kw_only=True):
    offices: Mapping[str, str] = {}
    """Office id -> name."""
    schools: Mapping[str, SchoolRoster] = {}
    entries: Mapping[str, SchoolEntry] = {}
    """The same schools as they stand in the files: what the calendar needs."""
    calendars: Mapping[str, Calendar] = {}
    """Office -> what it decides itself."""
    maintenance: Mapping[str, OfficeMaintenance] = {}
    """Office -> its windows."""
    gateways: Mapping[str, GatewayEntry] = {}
    files: Known = {}
    """What it was read from: for the next reading."""

    def classroom_name(self, school: str, classroom: str) -> str:
        """The name of a room (三年级2班); empty where the roster has none."""
        listed = self.schools.get(school)
        room = listed.classrooms.get(classroom) if listed else None
        return room.name if room else ""

    def is_rural_weak(self, school: str) -> bool:
        listed = self.schools.get(school)
        return listed is not None and listed.rural_weak


class _Place(Struct, frozen=True):
    """An entry and where it stands."""

    file: Loaded
    path: str
    entry: Any

    def problem(self, field: str, text: str) -> Problem:
        path = f"{self.path}.{field}" if f"{self.path}.{field}" in self.file.lines else self.path
        return self.file.problem(path, text)


def load_roster(
    folder: Path, platforms: Platforms, known: Known = MappingProxyType({}), calendar: Calendar = NO_CALENDAR
) -> Roster:
    """Read every ``*.yml`` of ``folder``, but those that are ``known`` from the roster before.

    ``calendar`` is the bureau's, whose timetables schools may name.

    Raises:
        SettingsError: with every problem of every file.
    """
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise SettingsError([Problem(str(folder), 1, "", "no roster file (*.yml) here")])
    offices, problems = _load(files, known)
    loaded = [office.loaded for office in offices]
    problems += [*_cross_checks(loaded, complete=not problems), *unknown_timetables(loaded, calendar)]
    problems += _unknown_in_windows(loaded, platforms)
    if problems:
        raise SettingsError(problems)
    return msgspec.structs.replace(_roster(loaded, platforms), files={o.digest: o.loaded.value for o in offices})


def load_files(files: Iterable[Path], known: Known = MappingProxyType({})) -> list[Loaded]:
    """Read files by name, each for itself, but those that are ``known``.

    Raises:
        SettingsError: with every problem of every file.
    """
    offices, problems = _load(files, known)
    if problems:
        raise SettingsError(problems)
    return [office.loaded for office in offices]


def build_roster(loaded: Sequence[Loaded], platforms: Platforms, calendar: Calendar = NO_CALENDAR) -> Roster:
    """Put files together that were read already; ``calendar`` is the bureau's.

    Raises:
        SettingsError: they contradict each other.
    """
    problems = [*_cross_checks(loaded, complete=True), *unknown_timetables(loaded, calendar)]
    if problems := [*problems, *_unknown_in_windows(loaded, platforms)]:
        raise SettingsError(problems)
    return _roster(loaded, platforms)


def _load(files: Iterable[Path], known: Known) -> tuple[list[Office], list[Problem]]:
    offices: list[Office] = []
    problems: list[Problem] = []
    shared = Shared()
    for path in files:
        try:
            offices.append(read_office(path, known, shared))
        except SettingsError as error:
            problems += error.problems
    return offices, problems


def _roster(loaded: Sequence[Loaded], platforms: Platforms) -> Roster:
    gateways = [gateway for f in loaded for gateway in f.value.gateways]
    of_school: dict[str, list[str]] = {}
    for gateway in gateways:
        for school in gateway.schools:
            of_school.setdefault(school, []).append(gateway.id)
    rooms_of = cache(_rooms)
    return Roster(
        offices={f.value.office: f.value.name for f in loaded},
        schools={
            s.id: _school(f.value.office, s, rooms_of(s.classrooms), tuple(of_school.get(s.id, ())), platforms)
            for f in loaded
            for s in f.value.schools
        },
        entries={s.id: s for f in loaded for s in f.value.schools},
        calendars={f.value.office: f.value.calendar for f in loaded},
        maintenance={f.value.office: f.value.maintenance for f in loaded},
        gateways={gateway.id: gateway for gateway in gateways},
    )


def _rooms(entries: tuple[ClassroomEntry, ...]) -> Mapping[str, Classroom]:
    return {
        entry.id: Classroom(id=entry.id, name=entry.name, access=entry.access, device=entry.device, exempt=entry.exempt)
        for entry in entries
    }


def _school(
    office: str,
    entry: SchoolEntry,
    rooms: Mapping[str, Classroom],
    gateways: tuple[str, ...],
    platforms: Platforms,
) -> SchoolRoster:
    return SchoolRoster(
        office=office,
        school=entry.id,
        name=entry.name,
        kind=entry.kind,
        rural_weak=entry.rural_weak,
        operator=entry.operator,
        hub=entry.hub,
        classrooms=rooms,
        gateways=gateways,
        platforms=platforms,
    )


# --- checks across entries ------------------------------------------------------------------------------------------


def _cross_checks(loaded: Sequence[Loaded], *, complete: bool) -> Iterator[Problem]:
    """``complete`` = every file could be read, so that a name not found is really missing."""
    for file in loaded:
        yield from calendar_problems(file, "calendar", file.value.calendar)
        yield from window_problems(file, file.value.maintenance)
    offices = [_Place(f, "", f.value) for f in loaded]
    schools = [_Place(f, f"schools[{i}]", s) for f in loaded for i, s in enumerate(f.value.schools)]
    gateways = [_Place(f, f"gateways[{i}]", g) for f in loaded for i, g in enumerate(f.value.gateways)]
    yield from _given_twice(offices, "office")
    yield from _given_twice(schools, "id")
    yield from _given_twice(gateways, "id")
    yield from _given_twice(gateways, "token_sha256")
    for place in schools:
        yield from _school_problems(place)
    if complete:
        yield from _missing_names(schools, gateways)


def _given_twice(places: Iterable[_Place], field: str) -> Iterator[Problem]:
    first: dict[str, _Place] = {}
    for place in places:
        value = getattr(place.entry, field)
        if value is None:
            continue
        other = first.setdefault(value, place)
        if other is not place:
            line = other.problem(field, "").line
            where = _Place(place.file, field, place.entry) if not place.path else place
            yield where.problem(field, f"{value!r} is given twice (first in {other.file.file}:{line})")


def _school_problems(place: _Place) -> Iterator[Problem]:
    entry: SchoolEntry = place.entry
    rooms = (_Place(place.file, f"{place.path}.classrooms[{i}]", c) for i, c in enumerate(entry.classrooms))
    yield from _given_twice(rooms, "id")
    for i, room in enumerate(entry.classrooms):
        if room.exempt_until is not None and (text := _exemption_problem(room)):
            yield place.problem(f"classrooms[{i}].exempt_until", text)
    try:
        ZoneInfo(entry.timezone)
    except (ValueError, OSError, LookupError):
        yield place.problem("timezone", f"unknown time zone {entry.timezone!r}")
    if isinstance(entry.timetable, dict):
        for weekday, spans in entry.timetable.items():
            if found := period_problem([PeriodEntry(begins=begins, ends=ends) for begins, ends in spans]):
                yield place.problem(f"timetable.{weekday}", found[1])
    if entry.timetable is not None and entry.follows is not None:
        yield place.problem("follows", f"two timetables: {entry.follows!r} and its own: leave out one of them")


def _exemption_problem(room: ClassroomEntry) -> str | None:
    if room.exempt is None:
        return f"until {room.exempt_until}, and why not at all: write the reason into exempt, or take this away"
    try:
        last = date.fromisoformat(room.exempt_until or "")
    except ValueError:
        return f"no such day: {room.exempt_until}"
    # the midnight after it must still be a day that can be reckoned with
    if last.year > EXEMPT_UNTIL_YEAR_MAX:
        return f"{last} is later than can be reckoned with: leave it out for an exemption without an end"
    return None


def unknown_timetables(loaded: Sequence[Loaded], bureau: Calendar) -> Iterator[Problem]:
    """Names of timetables that neither an office nor the bureau has."""
    for file in loaded:
        names = {found.name for found in (*file.value.calendar.timetables, *bureau.timetables)}
        for path, name in _followed(file.value.schools):
            if name not in names:
                known = ", ".join(sorted(names)) or "none"
                yield file.problem(path, f"no timetable {name!r} in calendar.timetables (there is: {known})")


def _unknown_in_windows(loaded: Sequence[Loaded], platforms: Platforms) -> Iterator[Problem]:
    """An office's windows are about its own schools."""
    for file in loaded:
        known = {"schools": {school.id for school in file.value.schools}, "platforms": platforms}
        yield from unknown_subjects(file, file.value.maintenance, known)


def _followed(schools: Sequence[SchoolEntry]) -> Iterator[tuple[str, str]]:
    for i, school in enumerate(schools):
        if school.follows is not None:
            yield f"schools[{i}].follows", school.follows
        for j, room in enumerate(school.classrooms):
            if room.follows is not None:
                yield f"schools[{i}].classrooms[{j}].follows", room.follows


def _missing_names(schools: Sequence[_Place], gateways: Sequence[_Place]) -> Iterator[Problem]:
    known = {place.entry.id for place in schools}
    for place in schools:
        if place.entry.hub is not None and place.entry.hub not in known:
            yield place.problem("hub", f"no school {place.entry.hub!r} in the roster")
    for place in gateways:
        for i, school in enumerate(place.entry.schools):
            if school not in known:
                yield place.problem(f"schools[{i}]", f"no school {school!r} in the roster")
