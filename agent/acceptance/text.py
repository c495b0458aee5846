"""A sheet as plain text: for a terminal, a printer without a browser, a message. Pure."""

from collections.abc import Iterator

from agent.acceptance.cells import Cell
from agent.acceptance.document import Document, Table
from agent.words.columns import padded, width

COLUMN_MAX = 30
"""Of all columns but the last: one long name must not push the others from the screen."""
RULE = "=" * 72


def render(document: Document) -> str:
    return "\n".join(_rendered(document)) + "\n"


def _rendered(document: Document) -> Iterator[str]:
    yield from (document.title, RULE)
    name_width = max(width(name) for name, _ in document.facts)
    yield from (f"{padded(name, name_width)}  {value}" for name, value in document.facts)
    yield ""
    yield from document.notes
    for table in document.tables:
        yield from ("", f"== {table.title} ==")
        yield from table.lines
        yield from _table(table)
    yield from ("", f"== {document.signatures} ==")
    for party, sign, date in document.parties:
        yield f"{padded(party, 18)}{sign}{'_' * 20}  {date}{'_' * 12}"
    yield from ("", document.foot)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        return
    rows = [[_lines(cell) for cell in row] for row in table.rows]
    columns = [[title, *(line for row in rows for line in row[i])] for i, title in enumerate(table.head)]
    widths = [min(COLUMN_MAX, max(map(width, column))) for column in columns]
    yield _joined(list(table.head), widths)
    for row in rows:
        for i in range(max(map(len, row))):
            yield _joined([lines[i] if i < len(lines) else "" for lines in row], widths)


def _lines(cell: Cell) -> list[str]:
    return [*cell.text.split("\n"), *(f"  {line}" for line in cell.more.split("\n") if line)]


def _joined(parts: list[str], widths: list[int]) -> str:
    return "  ".join(padded(part, columns) for part, columns in zip(parts, widths, strict=True)).rstrip()
