"""A list of rooms and the present roster -> the office as it will be. What the list does not name stays as it is."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from classready.documents import Problem, SettingsError
from collector.roster.files import ClassroomEntry, OfficeFile, SchoolEntry
from collector.roster.spreadsheet.cells import AS_TEXT
from collector.roster.spreadsheet.columns import BY_NAME, COLUMNS
from collector.roster.spreadsheet.rows import RoomList, Row
from collector.roster.spreadsheet.table import Cell, shown
from collector.roster.spreadsheet.values import KEPT, NO_ROOMS, CellError, clears, is_id, read_id, read_value

_SCHOOL_COLUMNS = [c for c in COLUMNS if c.level == "school" and c.name != "school"]
_ROOM_COLUMNS = [c for c in COLUMNS if c.level == "classroom" and c.name != "classroom"]


class Merged(Struct, frozen=True):
    """``places``: path in the roster file (``schools[0].hub``) -> row and column of the list."""

    office: OfficeFile
    places: Mapping[str, tuple[Row, str]]
    notes: tuple[str, ...]


def merge(rooms: RoomList, present: Sequence[OfficeFile], wanted: str | None) -> Merged:
    """Bring one office up to date; its rows are all its schools and rooms.

    Raises:
        SettingsError: with every problem, by row and heading.
    """
    merging = _Merging(rooms)
    office, rows = merging.office(present, wanted)
    known = next((file for file in present if file.office == office), None) or OfficeFile(office=office, name=office)
    merged = merging.schools(known, rows)
    elsewhere = {school.id: file.office for file in present if file.office != office for school in file.schools}
    merging.look_alikes("school", merging.first_rows, {s.id for s in known.schools}, elsewhere)
    merging.hubs(merged, known)
    name, _ = merging.shared(rows, "office_name", known.name)
    if merging.problems:
        raise SettingsError(sorted(merging.problems, key=lambda p: p.line))
    changed = {} if name is KEPT else {"name": name}
    office_file = msgspec.structs.replace(known, schools=tuple(merged.values()), **changed)
    return Merged(office_file, merging.places, (*rooms.notes, *merging.notes()))


class _Merging:
    """Collects problems on the way, so that one run tells all of them."""

    def __init__(self, rooms: RoomList) -> None:
        self.rooms = rooms
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[Row, str]] = {}
        self.first_rows: dict[str, Row] = {}
        """School -> where it stands first."""
        self.kept: Counter[str] = Counter()
        self.told: list[str] = []

    def notes(self) -> list[str]:
        kept = [
            f"{count} empty cells in {self.rooms.headings.text(name)!r} keep what the roster has (无 would clear it)"
            for name, count in self.kept.items()
        ]
        return [*self.told, *kept]

    def wrong(self, row: Row, name: str, text: str) -> None:
        self.problems.append(self.rooms.problem(row, name, text))

    # --- single cells ---

    def id(self, row: Row, name: str, known: Collection[str]) -> str | None:
        try:
            return read_id(BY_NAME[name], row.cells[name], known)
        except CellError as error:
            self.wrong(row, name, str(error))
            return None

    def value(self, row: Row, name: str, present: object) -> Any:
        if name not in row.cells:
            return KEPT
        try:
            return read_value(BY_NAME[name], row.cells[name], present)
        except CellError as error:
            self.wrong(row, name, str(error))
            return KEPT

    def _check_rest(self, row: Row, ids: Iterable[str]) -> None:
        """Check what stands in a row that belongs nowhere, so that its other mistakes need no second run."""
        for name in ids:
            self.id(row, name, ())
        for column in (*_SCHOOL_COLUMNS, *_ROOM_COLUMNS):
            self.value(row, column.name, None)

    def shared(self, rows: Sequence[Row], name: str, present: object) -> tuple[Any, Row]:
        """Read what all rows of a school (or office) say: the one value that some of them give, and where first."""
        first: Row | None = None
        found = KEPT
        for row in rows:
            value = self.value(row, name, present)
            if value is KEPT:
                continue
            if first is None:
                first, found = row, value
            elif value != found:
                here, there = shown(row.cells[name].text), shown(first.cells[name].text)
                self.wrong(row, name, f"{here} contradicts {there} on line {first.line.number}")
        return found, first or rows[0]

    # --- office ---

    def office(self, present: Sequence[OfficeFile], wanted: str | None) -> tuple[str, list[Row]]:
        rows = list(self.rooms.rows)
        if "office" not in self.rooms.headings.places:
            return self._given_office(str(wanted)), rows
        known = {file.office for file in present}
        by_office: dict[str, list[Row]] = {}
        for row in rows:
            if found := self.id(row, "office", known):
                by_office.setdefault(found, []).append(row)
            else:
                self._check_rest(row, ["school", "classroom"])
        if wanted is not None and wanted in by_office:
            if others := len(rows) - len(by_office[wanted]):
                self.told.append(f"{others} rows of other offices are left out")
            return wanted, by_office[wanted]
        if len(by_office) == 1 and wanted is None:
            return next(iter(by_office.items()))
        if not by_office:
            raise SettingsError(self.problems)
        found = ", ".join(sorted(by_office))
        text = (
            f"no rows of {wanted!r}; found {found}"
            if wanted
            else f"one file, one office; found {found}; pick one with --office"
        )
        headings, index = self.rooms.headings, self.rooms.headings.places["office"]
        heading = self.rooms.sheet.problem(headings.line, headings.text("office"), text, index)
        raise SettingsError([*self.problems, heading])

    def _given_office(self, wanted: str) -> str:
        try:
            return read_id(BY_NAME["office"], Cell(wanted), ())
        except CellError as error:
            sheet, line = self.rooms.sheet, self.rooms.headings.line
            raise SettingsError([sheet.problem(line, "--office", str(error))]) from None

    # --- schools and rooms ---

    def schools(self, known: OfficeFile, rows: Iterable[Row]) -> dict[str, SchoolEntry]:
        entries = {school.id: school for school in known.schools}
        by_school: dict[str, list[Row]] = {}
        for row in rows:
            if school := self.id(row, "school", entries):
                by_school.setdefault(school, []).append(row)
            else:
                self._check_rest(row, ["classroom"])
        self.first_rows = {school: found[0] for school, found in by_school.items()}
        merged = {
            school: self._school(f"schools[{i}]", entries.get(school) or SchoolEntry(id=school, name=school), found)
            for i, (school, found) in enumerate(by_school.items())
        }
        self._tell_twins([(school.name, id_) for id_, school in merged.items()], "schools")
        return merged

    def _school(self, path: str, base: SchoolEntry, rows: Sequence[Row]) -> SchoolEntry:
        self.places[path] = self.places[f"{path}.id"] = (rows[0], "school")
        given: dict[str, Any] = {}
        for column in _SCHOOL_COLUMNS:
            present = getattr(base, column.field)
            value, row = self.shared(rows, column.name, present)
            self.places[f"{path}.{column.field}"] = (row, column.name)
            if value is not KEPT:
                given[column.field] = value
            else:
                self._note_kept(rows[0], column.name, present)
        if given.get("name", base.name) == base.id:
            self.told.append(f"school {base.id} has no name; its code stands for it")
        return msgspec.structs.replace(base, classrooms=tuple(self._rooms(path, base, rows)), **given)

    def _rooms(self, path: str, school: SchoolEntry, rows: Iterable[Row]) -> list[ClassroomEntry]:
        known = {room.id: room for room in school.classrooms}
        first: dict[str, Row] = {}
        found: list[ClassroomEntry] = []
        for row in rows:
            if row.cells["classroom"].text.strip() == NO_ROOMS:
                continue
            room = self.id(row, "classroom", known)
            if room is None:
                continue
            if room in first:
                self._twice(row, first[room], room, school.id)
                continue
            first[room] = row
            place = f"{path}.classrooms[{len(found)}]"
            self.places[f"{place}.id"] = (row, "classroom")
            self.places[f"{place}.exempt_until"] = (row, "exempt_until" if "exempt_until" in row.cells else "exempt")
            found.append(self._room(known.get(room) or ClassroomEntry(id=room), row))
        self.look_alikes("classroom", first, known, {})
        self._tell_twins([(room.name, room.id) for room in found if room.name], f"rooms of {school.id}")
        return found

    def _room(self, base: ClassroomEntry, row: Row) -> ClassroomEntry:
        given: dict[str, Any] = {}
        for column in _ROOM_COLUMNS:
            if column.name == "exempt_until" and given.get("exempt", base.exempt) != base.exempt:
                base = msgspec.structs.replace(base, exempt_until=None)  # the day belonged to the reason before
            present = getattr(base, column.field)
            value = self.value(row, column.name, present)
            if value is KEPT:
                self._note_kept(row, column.name, present)
            else:
                given[column.field] = value
        return msgspec.structs.replace(base, **given)

    def _note_kept(self, row: Row, name: str, present: object) -> None:
        if present and clears(name) and name in row.cells:
            self.kept[name] += 1

    def _twice(self, row: Row, first: Row, room: str, school: str) -> None:
        differing = [
            self.rooms.headings.text(name)
            for name, cell in row.cells.items()
            if cell.text.strip() != first.cells[name].text.strip()
        ]
        how = f"the rows differ in {', '.join(differing)}" if differing else "the rows are the same; delete one"
        self.wrong(
            row, "classroom", f"{room!r} is given twice in school {school} (first on line {first.line.number}); {how}"
        )

    def _tell_twins(self, named: Iterable[tuple[str, str]], what: str) -> None:
        by_name: dict[str, list[str]] = {}
        for name, id_ in named:
            by_name.setdefault(name, []).append(id_)
        self.told += [
            f"one name for several {what}: {name!r} is {', '.join(ids)}"
            for name, ids in by_name.items()
            if len(ids) > 1
        ]

    # --- across rows ---

    def look_alikes(
        self, name: str, given: Mapping[str, Row], known: Collection[str], elsewhere: Mapping[str, str]
    ) -> None:
        """Refuse a new id that is another one but for its case or its leading zeros: a slip that makes two of one."""
        by_case: dict[str, str] = {}
        for other in (*elsewhere, *known, *given):
            by_case.setdefault(other.casefold(), other)
        shortened = {
            other.lstrip("0"): other for other in known if other not in given and re.fullmatch("0[0-9]+", other)
        }
        for id_, row in given.items():
            if id_ in known or id_ in elsewhere:
                continue
            other = by_case[id_.casefold()]
            if other != id_:
                where = f"line {given[other].line.number}" if other in given else "the roster"
                self.wrong(row, name, f"{id_!r} differs only in case from {other!r} ({where})")
            elif full := shortened.get(id_.lstrip("0")):
                self.wrong(row, name, f"{id_!r} is {full!r} of the roster without its leading zeros; {AS_TEXT}")

    def hubs(self, merged: dict[str, SchoolEntry], known: OfficeFile) -> None:
        """Find the hub that is given by its name; only one school may have it."""
        by_name: dict[str, set[str]] = {}
        for school in (*merged.values(), *known.schools):
            by_name.setdefault(school.name, set()).add(school.id)
        for i, (id_, school) in enumerate(list(merged.items())):
            if school.hub is None or is_id("hub", school.hub):
                continue
            found = by_name.get(school.hub, set())
            if len(found) == 1:
                merged[id_] = msgspec.structs.replace(school, hub=next(iter(found)))
            else:
                row, name = self.places[f"schools[{i}].hub"]
                count = "several schools have" if found else "no school of this office has"
                self.wrong(row, name, f"{count} the name {shown(school.hub)}; give the school's code")
