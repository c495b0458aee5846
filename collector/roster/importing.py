"""One office from a YAML or CSV file into the roster folder: validated against the whole roster, replaced atomically.

CSV has one row per classroom and a heading row. The rows are the whole office: a school or classroom that is not in
them leaves the roster. What CSV cannot say (timetables, gateways, ...) is kept as it stands in the present file.
"""

import csv
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import NODEFAULT, Struct

from classready.settings import FILE_MAX_BYTES, Problem, SettingsError, load
from collector.roster.files import ClassroomEntry, OfficeFile, SchoolEntry
from collector.roster.loading import Platforms, load_files

T = TypeVar("T")

REQUIRED_COLUMNS = ("office", "school", "classroom")
SCHOOL_COLUMNS: Mapping[str, str] = {"school_name": "name", "kind": "kind", "hub": "hub", "operator": "operator"}
CLASSROOM_COLUMNS: Mapping[str, str] = {
    "classroom": "id",
    "classroom_name": "name",
    "access": "access",
    "device": "device",
    "exempt": "exempt",
}
COLUMNS = (*REQUIRED_COLUMNS, "office_name", *SCHOOL_COLUMNS, *(c for c in CLASSROOM_COLUMNS if c != "classroom"))


class Imported(Struct, frozen=True, kw_only=True):
    """What changed. ``file`` is the roster file that was written."""

    file: Path
    schools: int
    classrooms: int
    schools_gone: tuple[str, ...]


class _Row(Struct, frozen=True):
    line: int
    cells: Mapping[str, str]


def import_office(source: Path, folder: Path, platforms: Platforms) -> Imported:
    """Put the office in ``source`` into the roster ``folder``.

    Raises:
        SettingsError: with every problem; the folder is as it was.
    """
    present = {path: load(path, OfficeFile) for path in sorted(folder.glob("*.yml"))}
    is_csv = source.suffix.lower() == ".csv"
    office = _read_csv(source, list(present.values())) if is_csv else load(source, OfficeFile)
    target = next((path for path, file in present.items() if file.office == office.office), None)
    before = present[target].schools if target else ()
    target = target or folder / f"{office.office}.yml"
    text = yaml.safe_dump(_plain(office), allow_unicode=True, sort_keys=False)
    _check(source, text, [path for path in present if path != target], platforms)
    _replace(target, text)
    return Imported(
        file=target,
        schools=len(office.schools),
        classrooms=sum(len(s.classrooms) for s in office.schools),
        schools_gone=tuple(sorted({s.id for s in before} - {s.id for s in office.schools})),
    )


def _check(source: Path, text: str, others: list[Path], platforms: Platforms) -> None:
    """Load the roster as it will be; problems in the new file are told as problems of ``source``."""
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Path(scratch) / "candidate.yml"
        candidate.write_text(text, encoding="utf-8")
        try:
            load_files([*others, candidate], platforms)
        except SettingsError as error:
            mine = str(candidate)
            raise SettingsError(
                [Problem(str(source), 1, p.path, p.problem) if p.file == mine else p for p in error.problems]
            ) from None


def _replace(target: Path, text: str) -> None:
    """Write ``target`` so that whoever reads it sees the old text or the new one, also after a power cut."""
    draft = target.with_name(f".{target.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if target.exists():
        draft.chmod(target.stat().st_mode & 0o777)
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _plain(value: Any) -> Any:
    """A struct as mappings and lists, without what is the default anyway."""
    if isinstance(value, Struct):
        fields = msgspec.structs.fields(value)
        given = {f.name: getattr(value, f.name) for f in fields}
        return {f.name: _plain(given[f.name]) for f in fields if f.default is NODEFAULT or given[f.name] != f.default}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


# --- CSV ------------------------------------------------------------------------------------------------------------


def _read_csv(source: Path, present: list[OfficeFile]) -> OfficeFile:
    rows = _rows(source)
    problems: list[Problem] = []
    offices = sorted({row.cells["office"] for row in rows})
    if len(offices) != 1:
        raise SettingsError([Problem(str(source), 1, "office", f"one file, one office; found {', '.join(offices)}")])
    known = next((file for file in present if file.office == offices[0]), None)
    entries = {s.id: s for s in known.schools} if known else {}
    by_school: dict[str, list[_Row]] = {}
    for row in rows:
        by_school.setdefault(row.cells["school"], []).append(row)
    schools = tuple(_school(source, entries.get(s), s, found, problems) for s, found in by_school.items())
    name = next((row.cells["office_name"] for row in rows if row.cells.get("office_name")), None)
    base = {"region": known.region, "gateways": known.gateways} if known else {}
    fields = {**base, "office": offices[0], "name": name or (known.name if known else offices[0])}
    office = _convert(source, rows[0].line, fields, OfficeFile, problems)
    if problems or office is None:
        raise SettingsError(problems)
    return msgspec.structs.replace(office, schools=tuple(s for s in schools if s is not None))


def _school(
    source: Path, known: SchoolEntry | None, school: str, rows: list[_Row], problems: list[Problem]
) -> SchoolEntry | None:
    base = msgspec.structs.asdict(known) if known else {"name": school}
    first = _given(rows[0], SCHOOL_COLUMNS)
    rooms = [_convert(source, r.line, _given(r, CLASSROOM_COLUMNS), ClassroomEntry, problems) for r in rows]
    fields = {**base, **first, "id": school, "classrooms": [r for r in rooms if r is not None]}
    return _convert(source, rows[0].line, fields, SchoolEntry, problems)


def _given(row: _Row, columns: Mapping[str, str]) -> dict[str, Any]:
    """The cells that are filled in; ``none`` in ``device`` says that there is no device."""
    found: dict[str, Any] = {field: row.cells[column] for column, field in columns.items() if row.cells.get(column)}
    if found.get("device") == "none":
        found["device"] = None
    return found


def _convert(source: Path, line: int, fields: Mapping[str, Any], type_: type[T], problems: list[Problem]) -> T | None:
    try:
        return msgspec.convert(msgspec.to_builtins(fields), type_)
    except msgspec.ValidationError as error:
        problems.append(Problem(str(source), line, "", str(error)))
        return None


def _rows(source: Path) -> list[_Row]:
    reader = csv.DictReader(_text(source).splitlines())
    columns = [c.strip() for c in reader.fieldnames or ()]
    reader.fieldnames = columns
    problems = [Problem(str(source), 1, c, "unknown column") for c in columns if c not in COLUMNS]
    problems += [Problem(str(source), 1, c, "missing column") for c in REQUIRED_COLUMNS if c not in columns]
    if problems:
        raise SettingsError([*problems, Problem(str(source), 1, "", f"columns are: {', '.join(COLUMNS)}")])
    rows = [_Row(reader.line_num, {k: (v or "").strip() for k, v in cells.items() if k}) for cells in reader]
    problems = [*_empty_cells(source, rows)]
    if problems or not rows:
        raise SettingsError(problems or [Problem(str(source), 1, "", "no rows")])
    return rows


def _empty_cells(source: Path, rows: list[_Row]) -> Iterator[Problem]:
    for row in rows:
        for column in REQUIRED_COLUMNS:
            if not row.cells.get(column):
                yield Problem(str(source), row.line, column, "is empty")


def _text(source: Path) -> str:
    """The file as text: UTF-8, or GB 18030 as spreadsheets in China write it."""
    try:
        if source.stat().st_size > FILE_MAX_BYTES:
            raise SettingsError([Problem(str(source), 1, "", f"larger than {FILE_MAX_BYTES} bytes")])
        raw = source.read_bytes()
    except OSError as error:
        raise SettingsError([Problem(str(source), 1, "", f"cannot be read: {error.strerror}")]) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SettingsError([Problem(str(source), 1, "", "neither UTF-8 nor GB 18030")])
