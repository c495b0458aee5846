"""One office into the roster folder, from YAML or a list of rooms: validated whole, asked about, replaced atomically.

A list has one row per room. Its rows are all rooms of the office: a school or room that is not in them leaves the
roster, if a person says so. What the list does not name, a column or a cell, stays as it is (so do gateways).
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import NODEFAULT, Struct

from classready.documents import FILE_MAX_BYTES, Problem, SettingsError, read_text
from classready.settings import Loaded, load_with_lines
from collector.core.hours import Calendar
from collector.roster.changes import Changes, compare
from collector.roster.files import OfficeFile
from collector.roster.loading import NO_CALENDAR, Platforms, build_roster, load_files
from collector.roster.spreadsheet.merging import merge
from collector.roster.spreadsheet.reading import read_sheets
from collector.roster.spreadsheet.rows import RoomList, Row, read_rows

PROBLEMS_MAX = 50
"""Told in one run; a wrong column is understood before that."""
_DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
YAML_SUFFIXES = (".yml", ".yaml")


class Imported(Struct, frozen=True, kw_only=True):
    """What an import does, or did. ``file`` is the roster's; ``notes`` say what of the source is not used, and why."""

    file: Path
    schools: int
    classrooms: int
    changes: Changes
    notes: tuple[str, ...] = ()
    is_new: bool
    is_change: bool
    is_written: bool = False

    @property
    def schools_gone(self) -> tuple[str, ...]:
        return self.changes.schools_gone

    @property
    def classrooms_gone(self) -> tuple[str, ...]:
        return self.changes.classrooms_gone


class _Source(Struct, frozen=True):
    """The office of a file, where its entries stand, and the text that the roster file will have."""

    loaded: Loaded
    text: str
    notes: tuple[str, ...] = ()
    rooms: RoomList | None = None
    places: Mapping[str, tuple[Row, str]] = {}

    @property
    def office(self) -> OfficeFile:
        office: OfficeFile = self.loaded.value
        return office


def import_office(  # noqa: PLR0913 - three that say what and where, three that say how
    source: Path,
    folder: Path,
    platforms: Platforms,
    *,
    calendar: Calendar = NO_CALENDAR,
    sheet: str | None = None,
    office: str | None = None,
    agree: Callable[[Imported], bool] = lambda _: True,
) -> Imported:
    """Put the office in ``source`` into the roster ``folder``, if ``agree`` says so of what will change.

    ``calendar`` is the bureau's, whose timetables may be named; ``sheet`` names one of a workbook; ``office`` takes the
    place of the column, or picks its rows.

    Raises:
        SettingsError: with every problem (at most ``PROBLEMS_MAX``); the folder is as it was.
    """
    present = {Path(loaded.file): loaded for loaded in load_files(sorted(folder.glob("*.yml")))}
    try:
        read = _read(source, [loaded.value for loaded in present.values()], sheet, office)
        target = next((path for path, file in present.items() if file.value.office == read.office.office), None)
        _check(read, [loaded for path, loaded in present.items() if path != target], platforms, calendar)
    except SettingsError as error:
        raise SettingsError(_capped(error.problems)) from None
    before: OfficeFile | None = present[target].value if target else None
    text_before = target.read_bytes() if target else None
    done = _planned(read, target or folder / f"{read.office.office}.yml", before)
    if not agree(done) or not done.is_change:
        return done
    if target and target.read_bytes() != text_before:
        raise SettingsError([Problem(str(target), 1, "", "was changed meanwhile; nothing is written, import again")])
    _replace(done.file, read.text)
    return msgspec.structs.replace(done, is_written=True)


def _planned(read: _Source, file: Path, before: OfficeFile | None) -> Imported:
    notes, is_change = read.notes, before != read.office
    if before is not None and is_change and read.rooms and re.search(r"(^|\s)#", file.read_text("utf-8"), re.MULTILINE):
        notes = (*notes, f"comments in {file.name} are not kept; {_backup(file).name} will have them")
    return Imported(
        file=file,
        schools=len(read.office.schools),
        classrooms=sum(len(school.classrooms) for school in read.office.schools),
        changes=compare(before, read.office),
        notes=notes,
        is_new=before is None,
        is_change=is_change,
    )


def _read(source: Path, present: Sequence[OfficeFile], sheet: str | None, office: str | None) -> _Source:
    if source.suffix.lower() in YAML_SUFFIXES:
        if sheet or office:
            raise SettingsError([Problem(str(source), 1, "", "is YAML: --sheet and --office are for lists of rooms")])
        loaded = load_with_lines(source, OfficeFile)
        return _Source(loaded, read_text(source))
    known = {id_ for file in present for s in file.schools for id_ in (s.id, *(room.id for room in s.classrooms))}
    rooms = read_rows(str(source), read_sheets(source, sheet), office, known)
    merged = merge(rooms, present, office)
    text = yaml.dump(_plain(merged.office), Dumper=_DUMPER, allow_unicode=True, sort_keys=False)
    if len(text.encode()) > FILE_MAX_BYTES:
        raise SettingsError(
            [Problem(str(source), 1, "", f"the roster file would be larger than {FILE_MAX_BYTES:,} bytes")]
        )
    lines = {path: row.line.number for path, (row, _) in merged.places.items()}
    for i, gateway in enumerate(merged.office.gateways):
        lines |= {f"gateways[{i}].schools[{j}]": rooms.headings.line.number for j in range(len(gateway.schools))}
    loaded = Loaded(merged.office, str(source), lines)
    return _Source(loaded, text, (rooms.used, *merged.notes), rooms, merged.places)


def _check(read: _Source, others: Sequence[Loaded], platforms: Platforms, calendar: Calendar) -> None:
    """Put the roster together as it will be; what is wrong with the new office is told by its row."""
    try:
        build_roster([*others, read.loaded], platforms, calendar)
    except SettingsError as error:
        raise SettingsError([_by_row(read, p) if p.file == read.loaded.file else p for p in error.problems]) from None


_IS_SCHOOL = re.compile(r"schools\[\d+\]\.id")
"""The list has a school once only, so whatever is wrong with its code here is that another office has it."""


def _by_row(read: _Source, problem: Problem) -> Problem:
    if read.rooms is None:
        return problem
    if problem.path in read.places:
        row, name = read.places[problem.path]
        elsewhere = (
            "; mend the office's code, or take the school away there" if _IS_SCHOOL.fullmatch(problem.path) else ""
        )
        return read.rooms.problem(row, name, problem.problem + elsewhere)
    text = problem.problem
    if found := re.match(r"gateways\[(\d+)\]", problem.path):
        gateway = read.office.gateways[int(found[1])].id
        text += (
            f", as the list leaves it out; gateway {gateway} reports for it: take it from the gateway's schools first"
        )
    return Problem(problem.file, problem.line, problem.path, text)


def _capped(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= PROBLEMS_MAX:
        return problems
    last = problems[PROBLEMS_MAX]
    more = f"... and {len(problems) - PROBLEMS_MAX} more problems from here on"
    return [*problems[:PROBLEMS_MAX], Problem(last.file, last.line, "", more)]


# --- writing --------------------------------------------------------------------------------------------------------


def _replace(target: Path, text: str) -> None:
    """Write ``target`` so that whoever reads it sees the old text or the new one, also after a power cut."""
    before = target.stat() if target.exists() else None
    if before:
        _write(_backup(target), target.read_bytes(), before)
    draft = target.with_name(f".{target.name}.new")
    try:
        _write(draft, text.encode(), before)
        draft.replace(target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _backup(target: Path) -> Path:
    return target.with_name(f"{target.name}.bak")


def _write(path: Path, body: bytes, like: os.stat_result | None) -> None:
    """Write a file that the same people may read as the one it takes the place of: it holds digests of tokens."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if like else 0o644), "wb") as file:
        if like:
            with suppress(PermissionError):  # only root gives files away
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), like.st_mode & 0o777)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


@cache
def _defaults(type_: type[Struct]) -> dict[str, Any]:
    return {field.name: field.default for field in msgspec.structs.fields(type_)}


def _plain(value: Any) -> Any:
    """A struct as mappings and lists, without what is the default anyway."""
    if isinstance(value, Struct):
        given = ((name, getattr(value, name), default) for name, default in _defaults(type(value)).items())
        return {name: _plain(own) for name, own, default in given if default is NODEFAULT or own != default}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
