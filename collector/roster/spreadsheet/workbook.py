"""Sheets of an .xlsx file as a person sees them: stored results of formulas, merged cells filled downwards.

openpyxl reads the cells, row by row. In that mode it tells neither which cells are merged, nor which rows are hidden,
nor which formulas have no stored result: one pass of our own over the sheet's XML does (``_Layout``).
"""

import io
import re
import warnings
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from msgspec import Struct

from classready.documents import Problem, SettingsError
from collector.roster.spreadsheet.cells import IS_DATE, IS_ERROR, IS_LONG_NUMBER, IS_SHORTENED
from collector.roster.spreadsheet.table import CELLS_MAX, EMPTY, LINES_MAX, Cell, Line, Sheet, letters

UNPACKED_MAX_BYTES = 64 * 2**20
PARTS_MAX = 1_000
ROW_MAX = 1_048_576
"""Excel's own."""
MERGED_MAX_CELLS = 1_000_000
EXACT_BELOW = 10**15
"""Spreadsheets keep 15 digits of a number."""

SAVE_AGAIN = "open it in Excel or WPS and save it again as Excel 工作簿 (.xlsx), not as Strict Open XML"
IS_UNFINISHED = "is a formula without a stored result; open the file in Excel or WPS, save it, and import it again"

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""How XML holds a character that it cannot hold (ECMA-376, ST_Xstring): _x000B_ is U+000B."""
_ENTITIES = tuple(
    word.encode(code) for word in ("<!DOCTYPE", "<!ENTITY") for code in ("utf-8", "utf-16-le", "utf-16-be")
)
_FOREIGN = (
    ("content.xml", "is an OpenDocument file (.ods)"),
    ("xl/workbook.bin", "is a binary workbook (.xlsb)"),
    ("word/document.xml", "is a text document (.docx)"),
    ("Index/Document.iwa", "is a Numbers file"),
)


class _Layout(Struct):
    """What the sheet's XML says besides values. Rows and columns count from 1."""

    filled: set[int]
    hidden_count: int
    width: int
    formulas: dict[tuple[int, int], str]
    """Those without a stored result."""
    merged: list[tuple[int, int, int]]
    """Column, first row, last row."""


def read_workbook(file: str, raw: bytes, wanted: str | None) -> list[Sheet]:
    """Read the visible sheets that hold anything, or the one named ``wanted``, visible or not.

    Raises:
        SettingsError: no workbook that we read, or larger than the bounds above.
    """
    archive = _opened(file, raw)
    try:
        with warnings.catch_warnings():  # about drawings, styles and validations, which nobody asked for
            warnings.simplefilter("ignore")
            return _sheets(file, archive, io.BytesIO(raw), wanted)
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a broken file makes the libraries raise is the file's fault
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        problem = f"cannot be read as a workbook ({reason}); open it in Excel or WPS and save it as .xlsx again"
        raise SettingsError([Problem(file, 1, "", problem)]) from None


def _sheets(file: str, archive: zipfile.ZipFile, stream: io.BytesIO, wanted: str | None) -> list[Sheet]:
    from openpyxl import load_workbook

    book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    names = [sheet.title for sheet in book.worksheets]
    if not names:  # openpyxl finds none in the "Strict" variant of the format
        problem = f"holds no sheet that can be read; {SAVE_AGAIN}"
        raise SettingsError([Problem(file, 1, "", problem)])
    if wanted is not None and wanted not in names:
        raise SettingsError([Problem(file, 1, "", f"no sheet {wanted!r}; there are: {', '.join(names)}")])
    chosen = [s for s in book.worksheets if s.title == wanted or (wanted is None and s.sheet_state == "visible")]
    unread = [s.title for s in book.worksheets if wanted is None and s.sheet_state != "visible"]
    read = [_sheet(file, archive, sheet) for sheet in chosen]
    notes = tuple(f"hidden sheet {name!r} is not read; --sheet reads it" for name in unread)
    return [Sheet(s.file, s.name, s.lines, (*s.notes, *notes)) for s in read if s.lines]


def _sheet(file: str, archive: zipfile.ZipFile, sheet: Any) -> Sheet:
    # Private, but nothing public says which part of the archive a sheet is; the version is held below 4.
    part = sheet._worksheet_path  # noqa: SLF001
    layout = _layout(file, sheet.title, archive, part)
    sheet.reset_dimensions()  # some programs write a wrong size, and openpyxl would believe it
    lines = [
        Line(number, tuple(_cell(cell, layout.formulas.get((number, i + 1))) for i, cell in enumerate(row)))
        for number, row in enumerate(sheet.iter_rows(max_col=layout.width), 1)
        if number in layout.filled
    ]
    if len(lines) < len(layout.filled):
        problem = f"{len(layout.filled) - len(lines)} of its rows cannot be read; {SAVE_AGAIN}"
        raise SettingsError([Problem(file, 1, sheet.title, problem)])
    lines = [line for line in lines if any(cell.text.strip() or cell.trouble for cell in line.cells)]
    notes = (f"{layout.hidden_count} hidden or filtered rows are read like the others",) if layout.hidden_count else ()
    return Sheet(file, sheet.title, tuple(_filled_down(lines, layout.merged)), notes)


# --- the archive ----------------------------------------------------------------------------------------------------


def _opened(file: str, raw: bytes) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        parts = archive.infolist()
        problem = _archive_problem(parts) or next(filter(None, (_part_problem(archive, part) for part in parts)), "")
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, EOFError) as error:
        problem = f"is damaged ({error}); open it in Excel or WPS and save it again"
    if problem:
        raise SettingsError([Problem(file, 1, "", problem)])
    return archive


def _archive_problem(parts: Sequence[zipfile.ZipInfo]) -> str:
    if len(parts) > PARTS_MAX:
        return f"holds more than {PARTS_MAX:,} parts: no list of rooms"
    # zipfile reads no more of a part than it declares here, so that a bomb is known before it is unpacked.
    if sum(part.file_size for part in parts) > UNPACKED_MAX_BYTES:
        return f"larger than {UNPACKED_MAX_BYTES:,} bytes when unpacked; leave pictures and other sheets out"
    if any(part.flag_bits & 1 for part in parts):
        return "is protected by a password; save it without one"
    names = {part.filename for part in parts}
    for name, kind in _FOREIGN:
        if name in names:
            return f"{kind}; save it as .xlsx (另存为 → Excel 工作簿)"
    return "" if "[Content_Types].xml" in names else "is an archive, no workbook; unpack it first"


def _part_problem(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> str:
    """No program writes entities into a workbook; whoever does wants them to grow."""
    body = archive.read(part) if part.filename.endswith((".xml", ".rels")) else b""
    return f"holds an XML entity declaration in {part.filename}" if any(word in body for word in _ENTITIES) else ""


# --- layout ---------------------------------------------------------------------------------------------------------


def _layout(file: str, name: str, archive: zipfile.ZipFile, part: str) -> _Layout:
    layout = _Layout(set(), 0, 1, {}, [])
    row = 0
    with archive.open(part) as source:
        for _, element in ET.iterparse(source):  # noqa: S314 - entities were refused
            match _local(element.tag):
                case "row":
                    above, row = row, int(element.get("r") or row + 1)
                    _read_row(layout, row, element)
                    element.clear()
                    if problem := _layout_problem(layout, row, above):
                        raise SettingsError([Problem(file, row, name, problem)])
                case "mergeCell":
                    layout.merged += _downwards(element.get("ref") or "")
                case _:
                    pass
    return layout


def _layout_problem(layout: _Layout, row: int, above: int) -> str:
    if row <= above:  # openpyxl would pass over such a row without a word
        return f"row {row} stands below row {above}; {SAVE_AGAIN}"
    if row > ROW_MAX:
        return f"a row number above {ROW_MAX:,}"
    if len(layout.filled) > LINES_MAX:
        return f"more than {LINES_MAX:,} rows"
    if layout.width > CELLS_MAX:
        return f"something stands in column {letters(layout.width - 1)}, beyond the {CELLS_MAX} that are read"
    return ""


def _read_row(layout: _Layout, row: int, element: ET.Element) -> None:
    layout.hidden_count += element.get("hidden") in {"1", "true"} and len(element) > 0
    column = 0
    for cell in element:
        column = _column(cell.get("r")) or column + 1
        inside = {_local(child.tag): child for child in cell}
        formula, value = inside.get("f"), inside.get("v")
        # An empty text is a result, too, as of =IF(A2="","",...): it is stored with its type.
        has_value = (value is not None and bool(value.text or cell.get("t") == "str")) or "is" in inside
        if formula is not None and not has_value:
            layout.formulas[row, column] = f"={formula.text or ''}"
        if formula is not None or has_value:
            layout.filled.add(row)
            layout.width = max(layout.width, column)


def _local(tag: str) -> str:
    return tag[tag.rfind("}") + 1 :]


def _column(reference: str | None) -> int:
    number = 0
    for letter in re.match(r"[A-Z]*", reference or "")[0]:  # type: ignore[index]
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _downwards(reference: str) -> Iterator[tuple[int, int, int]]:
    """Columns and rows of a merged area that reaches further down than one row."""
    ends = re.fullmatch(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", reference)
    if ends and int(ends[4]) > int(ends[2]):
        yield _column(ends[1]), int(ends[2]), int(ends[4])


def _filled_down(lines: list[Line], merged: Sequence[tuple[int, int, int]]) -> list[Line]:
    numbers = [line.number for line in lines]
    cells = [list(line.cells) for line in lines]
    left = MERGED_MAX_CELLS
    for column, first, last in merged:
        begin, end = bisect_left(numbers, first), bisect_right(numbers, last)
        left -= end - begin
        if left < 0 or begin == len(lines) or numbers[begin] != first or column > len(cells[begin]):
            continue
        for below in cells[begin + 1 : end]:
            below.extend([EMPTY] * (column - len(below)))
            below[column - 1] = cells[begin][column - 1]
    return [Line(line.number, tuple(own), line.row) for line, own in zip(lines, cells, strict=True)]


# --- cells ----------------------------------------------------------------------------------------------------------


def _cell(cell: Any, formula: str | None) -> Cell:
    match cell.value:
        case None:
            return Cell(formula, IS_UNFINISHED) if formula is not None else EMPTY
        case _ if cell.data_type == "e":
            return Cell(str(cell.value), IS_ERROR)
        case bool(value):
            return Cell(str(value).upper())
        case date() | time() | timedelta() as value:
            return Cell(str(value).removesuffix(" 00:00:00"), IS_DATE)
        case int(value) | float(value):
            return _number(value, cell.number_format or "")
        case value:
            return Cell(_ESCAPE.sub(_unescaped, str(value)))


def _unescaped(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code < 0xE000 else chr(code)


def _number(value: float, number_format: str) -> Cell:
    """A number as digits. A format of zeros only (0000) shows leading zeros, and they belong to an id."""
    if "E+" in number_format.upper():
        return Cell(f"{value:.2E}", IS_SHORTENED)
    if value != value or abs(value) >= EXACT_BELOW:  # noqa: PLR0124 - not a number
        return Cell(f"{value:.15g}", IS_LONG_NUMBER)
    if value == int(value):
        return Cell(str(int(value)).zfill(len(number_format) if set(number_format) == {"0"} else 0))
    text = f"{value:.15g}"
    return Cell(text, IS_SHORTENED if "e" in text else None)
