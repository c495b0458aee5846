"""CSV and its relatives: comma, semicolon or tab, in the encodings that spreadsheets in China write."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from classready.documents import Problem, SettingsError
from collector.roster.spreadsheet.columns import HEADING_WITHIN_LINES, NEEDED, find_headings
from collector.roster.spreadsheet.table import CELLS_MAX, LINES_MAX, Cell, Line, Sheet

SEPARATORS = (",", ";", "\t", "，")
_SAMPLE_CHARACTERS = 65_536
_DAMAGED_UTF8_RATIO = 0.1
"""Below it, what is not UTF-8 is a slip in a UTF-8 file; GB 18030 read as UTF-8 is wrong at nearly every character."""


def read_text(file: str, raw: bytes) -> Sheet:
    """Read the table in ``raw``. A line is numbered by where its row begins.

    Raises:
        SettingsError: no text, quotation marks that do not pair, more than ``LINES_MAX`` rows.
    """
    text = _decoded(file, raw)
    return Sheet(file, "", tuple(line for line in _lines(file, text) if any(c.text.strip() for c in line.cells)))


def _lines(file: str, text: str) -> Iterator[Line]:
    # newline="": the csv module itself must see the ends of lines, and U+000B or U+2028 is none.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    row = 0
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SettingsError([Problem(file, begins, "", _reason(error))]) from None
        row += 1
        if row > LINES_MAX:
            raise SettingsError([Problem(file, begins, "", f"more than {LINES_MAX:,} rows")])
        if len(cells) > CELLS_MAX:
            raise SettingsError([Problem(file, begins, "", f"more than {CELLS_MAX} columns")])
        yield Line(begins, tuple(Cell(cell) for cell in cells), row if row != begins else None)


def _separator(text: str) -> str:
    """The separator with which most headings are ours; ``sep=;`` on the first line is Excel's own way to say it."""
    if text.startswith("sep=") and text[4:5] in SEPARATORS:
        return text[4]
    return max(SEPARATORS, key=lambda separator: _headings_count(text[:_SAMPLE_CHARACTERS], separator))


def _headings_count(sample: str, separator: str) -> int:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    try:
        rows = list(islice(reader, HEADING_WITHIN_LINES))
    except csv.Error:
        return 0
    found = find_headings([Line(i, tuple(Cell(cell) for cell in row)) for i, row in enumerate(rows)], NEEDED)
    return len(found.places) if found else 0


def _reason(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell of more than {csv.field_size_limit():,} characters"
    if "end of data" in str(error):
        return 'a quotation mark (") opens here and is never closed'
    return 'a quotation mark (") inside a cell: write it twice, and one around the whole cell'


def _decoded(file: str, raw: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"), (b"", "gb18030")):
        if not raw.startswith(mark):
            continue
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            if encoding == "utf-8-sig" and _is_nearly_utf8(raw):
                line = raw.count(b"\n", 0, error.start) + 1
                raise SettingsError([Problem(file, line, "", "not UTF-8 text here; save the file anew")]) from None
            continue
        if "\0" in text:
            break
        return text
    raise SettingsError([Problem(file, 1, "", "no text in UTF-8, GB 18030 or UTF-16; save it as .xlsx or CSV UTF-8")])


def _is_nearly_utf8(raw: bytes) -> bool:
    text = raw.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return wrong < _DAMAGED_UTF8_RATIO * (sum(character > "\x7f" for character in text) - wrong)
