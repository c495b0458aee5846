"""Sheets of an .xlsx file as a person sees them: stored results of formulas, merged cells filled downwards.

openpyxl reads the cells, row by row. In that mode it tells neither which cells are merged, nor which rows are hidden,
nor which formulas have no stored result: one pass of our own over the sheet's XML does (``layout``).
"""

import io
import re
import warnings
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from classready.documents import Problem, SettingsError
from collector.roster.spreadsheet.archive import open_archive
from collector.roster.spreadsheet.cells import IS_DATE, IS_ERROR, IS_LONG_NUMBER, IS_SHORTENED
from collector.roster.spreadsheet.layout import SAVE_AGAIN, read_layout
from collector.roster.spreadsheet.table import EMPTY, Cell, Line, Sheet

MERGED_MAX_CELLS = 1_000_000
EXACT_BELOW = 10**15
"""Spreadsheets keep 15 digits of a number."""

IS_UNFINISHED = "is a formula without a stored result; open the file in Excel or WPS, save it, and import it again"

_CHINESE_DATES: Mapping[int, str] = {
    **dict.fromkeys((27, 36, 50, 52, 57), "month"),
    **dict.fromkeys((28, 29, 30, 31, 51, 53, 54, 58), "day"),
}
"""Formats that a Chinese Excel knows by number alone (ECMA-376 part 1, 18.8.30, zh-cn): 31 is yyyy年m月d日. openpyxl
takes such a cell for a number."""
_DAYS = 2_958_466
"""Of 1 January 10000, which no spreadsheet has."""
_NOT_A_DATE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
"""Of a number format: literal text, a colour or language, an escaped character."""
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""How XML holds a character that it cannot hold (ECMA-376, ST_Xstring): _x000B_ is U+000B."""


def read_workbook(file: str, raw: bytes, wanted: str | None) -> list[Sheet]:
    """Read the visible sheets that hold anything, or the one named ``wanted``, visible or not.

    Raises:
        SettingsError: no workbook that we read, or larger than the bounds of ``archive`` and ``layout``.
    """
    archive = open_archive(file, raw)
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
    layout = read_layout(file, sheet.title, archive, part)
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
            return _dated(value, is_month=not _has_day(cell.number_format or ""))
        case int(value) | float(value) if (
            form := _CHINESE_DATES.get(cell.style_array.numFmtId)
        ) and 1 <= value < _DAYS:
            return _dated(_from_serial(value, cell), is_month=form == "month")
        case int(value) | float(value):
            return _number(value, cell.number_format or "")
        case value:
            return Cell(_ESCAPE.sub(_unescaped, str(value)))


def _dated(value: date | time | timedelta, *, is_month: bool) -> Cell:
    """What a person sees: of a month there is a day beneath, and nobody typed it."""
    if is_month and isinstance(value, date):
        return Cell(f"{value:%Y-%m}", IS_DATE)
    return Cell(str(value).removesuffix(" 00:00:00"), IS_DATE)


def _has_day(number_format: str) -> bool:
    return "d" in _NOT_A_DATE.sub("", number_format.lower())


def _from_serial(value: float, cell: Any) -> datetime:
    from openpyxl.utils.datetime import from_excel

    found: datetime = from_excel(value, cell.parent.parent.epoch, timedelta=False)
    return found


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
