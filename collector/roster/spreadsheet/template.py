"""A list of rooms to fill in, empty or filled with an office as it stands: what is read back changes nothing."""

import csv
from collections.abc import Iterator
from pathlib import Path

from collector.roster.files import OfficeFile
from collector.roster.spreadsheet.cells import inert
from collector.roster.spreadsheet.columns import COLUMNS
from collector.roster.spreadsheet.table import letters
from collector.roster.spreadsheet.values import NO_ROOMS, word_for, words_of

EMPTY_ROWS = 2_000
"""Rows of an .xlsx whose drop-down lists work."""
_WIDTH_CHARACTERS = 22


def write_template(path: Path, office: OfficeFile | None) -> None:
    """Write a new file, .xlsx or CSV by its name.

    Raises:
        OSError: it exists, or cannot be written.
    """
    rows = [[f"{column.headings[0]} {column.name}" for column in COLUMNS], *(_rows(office) if office else ())]
    if path.suffix.lower() == ".csv":
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([[inert(text) for text in row] for row in rows])
    else:
        _write_workbook(path, rows)


def _rows(office: OfficeFile) -> Iterator[list[str]]:
    for school in office.schools:
        of_school = {"office": office.office, "office_name": office.name} | {
            column.name: word_for(column.name, getattr(school, column.field))
            for column in COLUMNS
            if column.level == "school"
        }
        for room in school.classrooms:
            of_room = {c.name: word_for(c.name, getattr(room, c.field)) for c in COLUMNS if c.level == "classroom"}
            yield [(of_school | of_room)[column.name] for column in COLUMNS]
        if not school.classrooms:
            yield [(of_school | {"classroom": NO_ROOMS}).get(column.name, "") for column in COLUMNS]


def _write_workbook(path: Path, rows: list[list[str]]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "教室"
    sheet.freeze_panes = "A2"
    for i, column in enumerate(COLUMNS):
        # Text from the first key on: otherwise 3-1 becomes a date and 0012 becomes 12.
        sheet.column_dimensions[letters(i)].number_format = "@"
        sheet.column_dimensions[letters(i)].width = _WIDTH_CHARACTERS
        if words := words_of(column.name):
            choice = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True)
            choice.add(f"{letters(i)}2:{letters(i)}{max(EMPTY_ROWS, len(rows))}")
            sheet.add_data_validation(choice)
    for number, row in enumerate(rows, 1):
        for index, text in enumerate(row, 1):
            cell = sheet.cell(number, index, f"'{text}" if text.startswith(("'", "＇", "‘", "’")) else text or None)
            cell.number_format = "@"
            if text:
                cell.data_type = "s"  # openpyxl takes a leading = for a formula
            if number == 1:
                cell.font = Font(bold=True)
    with path.open("xb") as file:
        book.save(file)
