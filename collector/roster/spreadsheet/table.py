"""What every kind of file becomes: lines of cells, each with the place where a person finds it."""

from msgspec import Struct

from classready.documents import Problem

LINES_MAX = 50_000
CELLS_MAX = 200
"""Of one line."""
SHOWN_MAX_CHARACTERS = 40
_LETTERS = 26


class Cell(Struct, frozen=True):
    """``text`` is what a person sees; ``trouble`` says why that is not what was typed (a date, an error, ...)."""

    text: str
    trouble: str | None = None


EMPTY = Cell("")


class Line(Struct, frozen=True):
    """``number`` counts from 1, as an editor does; ``row`` is the spreadsheet's where that differs."""

    number: int
    cells: tuple[Cell, ...]
    row: int | None = None

    def cell(self, index: int) -> Cell:
        return self.cells[index] if index < len(self.cells) else EMPTY

    @property
    def first_text(self) -> str:
        return next((cell.text.strip() for cell in self.cells if cell.text.strip()), "")


class Sheet(Struct, frozen=True):
    """``name`` is empty for a text file. ``lines`` holds no blank ones; ``notes`` say what else was seen."""

    file: str
    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def problem(self, line: Line, heading: str, text: str, index: int | None = None) -> Problem:
        """Name file, line, cell and heading: ``rooms.xlsx:7: Sheet1!C7 教室: ...``."""
        place = [f"row {line.row},"] if line.row else []
        if self.name:
            place = [f"{self.name}!{letters(index)}{line.number}" if index is not None else self.name]
        return Problem(self.file, line.number, " ".join([*place, heading]).strip(), text)


def letters(index: int) -> str:
    """The name of a column, counted from 0, as spreadsheets write it: A, Z, AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, _LETTERS)
        name = chr(ord("A") + rest) + name
    return name


def shown(text: str) -> str:
    """A cell as it stands in the file, on one line, cut where it is long."""
    return repr(text if len(text) <= SHOWN_MAX_CHARACTERS else text[:SHOWN_MAX_CHARACTERS] + "…")
