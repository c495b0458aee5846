"""What a sheet's XML says besides values, which openpyxl does not tell when it reads row by row."""

import re
import zipfile
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree as ET

from msgspec import Struct

from classready.documents import Problem, SettingsError
from collector.roster.spreadsheet.table import CELLS_MAX, LINES_MAX, letters

ROW_MAX = 1_048_576
"""Excel's own."""
ROW_MAX_ELEMENTS = 65_536
"""Excel's 16,384 columns; a parser holds a row as a whole."""

SAVE_AGAIN = "open it in Excel or WPS and save it again as Excel 工作簿 (.xlsx), not as Strict Open XML"


class Layout(Struct):
    """Rows and columns count from 1."""

    filled: set[int]
    """Rows that hold anything."""
    hidden_count: int
    width: int
    """The last column that holds anything."""
    formulas: dict[tuple[int, int], str]
    """(row, column) -> a formula without a stored result."""
    merged: list[tuple[int, int, int]]
    """Column, first row, last row of each area that reaches downwards."""


def read_layout(file: str, name: str, archive: zipfile.ZipFile, part: str) -> Layout:
    """Read the sheet ``name``, which is ``part`` of the archive.

    Raises:
        SettingsError: larger than a list of rooms can be, or in a disorder that would lose rows.
    """
    with archive.open(part) as source:
        layout = Layout(set(), 0, 1, {}, [])
        row = 0
        for element in _elements(source):
            if element is None:
                raise SettingsError([Problem(file, row + 1, name, f"more than {ROW_MAX_ELEMENTS:,} elements in a row")])
            if _local(element.tag) == "mergeCell":
                layout.merged += _downwards(element.get("ref") or "")
                continue
            above, row = row, int(element.get("r") or row + 1)
            _read_row(layout, row, element)
            element.clear()
            if problem := _problem(layout, row, above):
                raise SettingsError([Problem(file, row, name, problem)])
    return layout


def _elements(source: IO[bytes]) -> Iterator[ET.Element | None]:
    """Yield rows and merged areas; None, and no more, where a row does not end."""
    inside = 0
    for event, element in ET.iterparse(source, events=("start", "end")):  # noqa: S314 - entities were refused
        if event == "start":
            inside = 0 if _local(element.tag) == "row" else inside + 1
            if inside > ROW_MAX_ELEMENTS:
                yield None
        elif _local(element.tag) in {"row", "mergeCell"}:
            yield element


def _problem(layout: Layout, row: int, above: int) -> str:
    if row <= above:  # openpyxl would pass over such a row without a word
        return f"row {row} stands below row {above}; {SAVE_AGAIN}"
    if row > ROW_MAX:
        return f"a row number above {ROW_MAX:,}"
    if len(layout.filled) > LINES_MAX:
        return f"more than {LINES_MAX:,} rows"
    if layout.width > CELLS_MAX:
        return f"something stands in column {letters(layout.width - 1)}, beyond the {CELLS_MAX} that are read"
    return ""


def _read_row(layout: Layout, row: int, element: ET.Element) -> None:
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
    for letter in re.match(r"[A-Z]{0,4}", reference or "")[0]:  # type: ignore[index]
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _downwards(reference: str) -> Iterator[tuple[int, int, int]]:
    """Columns and rows of a merged area that reaches further down than one row."""
    ends = re.fullmatch(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", reference)
    if ends and int(ends[4]) > int(ends[2]):
        yield _column(ends[1]), int(ends[2]), int(ends[4])
