"""The rows of a list that are rooms: behind the headings, without totals and remarks, shared cells filled downwards."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from classready.documents import Problem, SettingsError
from collector.roster.spreadsheet.cells import as_id, as_text
from collector.roster.spreadsheet.columns import (
    BY_NAME,
    CHOSEN,
    NEEDED,
    Headings,
    columns_of,
    find_headings,
    meant,
    one_line,
)
from collector.roster.spreadsheet.table import EMPTY, Cell, Line, Sheet, letters, shown

_TOTAL = re.compile(
    r".{0,20}(合计|总计|小计|共计|汇总|总数|平均)([(（].{0,8}[)）])?[:：]?[\d.间个所校室班教]{0,12}"
    r"|.{0,6}共\d+[间个所校室班教]{1,4}|(sub|grand)?totals?:?\d*",
    re.IGNORECASE,
)
"""小计 is a subtotal, 小计算机教室 a small computer room."""
_REMARK = re.compile(
    r"填表|填报|制表|审核|审批|负责人|联系人|联系电话|电话|手机|日期|时间|备注|说明|注意|注[:：\d一]|单位|盖章|签字|签名"
    r"|报送|附件|必填|选填|示例|样例|例如|填写|请|notes?[:：]",
    re.IGNORECASE,
)
_ID = re.compile(r"[A-Za-z0-9-]{1,32}")
_HEADINGS = "headings again"


class Row(Struct, frozen=True):
    """One room. ``cells`` holds the columns that the file has; office and school also where a row above gave them."""

    line: Line
    cells: Mapping[str, Cell]


class RoomList(Struct, frozen=True):
    """``notes`` say what was read, what was not, and why."""

    sheet: Sheet
    headings: Headings
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def used(self) -> str:
        """Say which heading was read as what."""
        pairs = (f"{self.headings.text(name)} = {name}" for name in self.headings.places)
        where = f"sheet {self.sheet.name!r}, " if self.sheet.name else ""
        return f"{where}headings on line {self.headings.line.number}: {', '.join(pairs)}"

    def problem(self, row: Row, name: str, text: str) -> Problem:
        index = self.headings.places.get(name)
        heading = self.headings.text(name) if index is not None else name
        return self.sheet.problem(row.line, one_line(heading), text, index)


def read_rows(file: str, sheets: Sequence[Sheet], office: str | None, known: Collection[str]) -> RoomList:
    """Find the one sheet with rooms, its headings and its rows. ``known``: ids that the roster has already.

    Raises:
        SettingsError: none or several, or a needed column is missing (``office`` only if it was not given).
    """
    needed = [name for name in NEEDED if name != "office" or office is None]
    sheet, headings = _pick(file, sheets, needed)
    if problems := _heading_problems(sheet, headings, needed):
        raise SettingsError(problems)
    notes = [*sheet.notes, *_unused(sheet, headings)]
    if len(sheets) > 1:
        others = ", ".join(repr(s.name) for s in sheets if s is not sheet)
        notes.append(f"sheet {sheet.name!r} is read; not {others}")
    rows = tuple(_rows(sheet, headings, known, notes))
    if not rows:
        raise SettingsError([sheet.problem(headings.line, "", "no rows with rooms below the headings")])
    return RoomList(sheet, headings, rows, tuple(notes))


def _pick(file: str, sheets: Sequence[Sheet], needed: Sequence[str]) -> tuple[Sheet, Headings]:
    found = [(sheet, headings) for sheet in sheets if (headings := find_headings(sheet.lines, needed))]
    full = [each for each in found if all(name in each[1].places for name in needed)]
    if len(full) > 1:
        names = ", ".join(repr(sheet.name) for sheet, _ in full)
        raise SettingsError([Problem(file, 1, "", f"several sheets hold rooms: {names}; name one with --sheet")])
    if not sheets:
        raise SettingsError([Problem(file, 1, "", "its visible sheets are empty")])
    if not found:
        columns = ", ".join(f"{BY_NAME[name].headings[0]} ({name})" for name in needed)
        line = sheets[0].lines[0].number if sheets[0].lines else 1
        yaml = "" if sheets[0].name else " (a roster file in YAML must end in .yml)"
        raise SettingsError([Problem(file, line, "", f"no headings found; needed: {columns}{yaml}")])
    return max(full or found, key=lambda each: len(each[1].places))


def _heading_problems(sheet: Sheet, headings: Headings, needed: Sequence[str]) -> list[Problem]:
    line = headings.line
    problems = [sheet.problem(line, one_line(line.cell(i).text), text, i) for i, text in headings.doubtful]
    for name in needed:
        if name not in headings.places and not any(name in text for _, text in headings.doubtful):
            hint = ", or say which with --office" if name == "office" else ""
            problems.append(sheet.problem(line, name, f"missing column {BY_NAME[name].headings[0]!r}{hint}"))
    return problems


def _unused(sheet: Sheet, headings: Headings) -> Iterator[str]:
    for index, reason in sorted(headings.unused.items()):
        heading = one_line(headings.line.cell(index).text)
        below = (line for line in sheet.lines if line.number > headings.line.number)
        if heading or any(line.cell(index).text.strip() for line in below):
            name = shown(heading) if heading else "without a heading"
            why = reason or meant(heading)
            yield f"column {letters(index)} {name} is not used" + (f": {why}" if why else "")


# --- rows -----------------------------------------------------------------------------------------------------------


def _rows(sheet: Sheet, headings: Headings, known: Collection[str], notes: list[str]) -> Iterator[Row]:
    above: Row | None = None
    between: Line | None = None
    filled = blank = 0
    below = [line for line in sheet.lines if line.number > headings.line.number]
    for line in below:
        own = {name: line.cell(index) for name, index in headings.places.items()}
        if reason := _no_room(line, own, known, is_first=line is below[0]):
            notes.append(f"line {line.number} is not read: {reason}, {shown(line.first_text)}")
            between = between if reason == _HEADINGS else line
            continue
        if not any(cell.text.strip() or cell.trouble for cell in own.values()):
            blank += 1  # numbered beforehand, and never filled in
            continue
        if any(own[name].text.strip() for name in ("school", "school_name") if name in own):
            between = None
        row = Row(line, own | _from_above(own, above, between))
        filled += row.cells["school"].text != own["school"].text
        above = row
        yield row
    if blank:
        notes.append(f"{blank} rows hold nothing in the columns that are used")
    if filled:
        notes.append(f"{filled} rows without a school code belong to the school above them")


def _no_room(line: Line, own: Mapping[str, Cell], known: Collection[str], *, is_first: bool) -> str:
    """Why a line is no room: a total, a remark, the headings once more; "" if it is one, perhaps a wrong one."""
    if _is_heading(own, is_first=is_first):
        return _HEADINGS
    ids = [as_id(own[name].text) for name in NEEDED if name in own]
    if all(_ID.fullmatch(text) for text in ids) and not any(
        _TOTAL.fullmatch(text) for text in ids if text not in known
    ):
        return ""  # a code may be Total, too, but not a new one
    first = re.sub(r"\s", "", line.first_text)
    named = [own[name].text for name in ("school", "school_name", "classroom", "classroom_name") if name in own]
    if any(_TOTAL.fullmatch(re.sub(r"\s", "", text)) for text in (first, *named)):
        return "a total"
    return "a remark" if _REMARK.match(first) or _stands_alone(line, own) else ""


def _stands_alone(line: Line, own: Mapping[str, Cell]) -> bool:
    """A line of one text that is no id, in its first cell or outside the columns: not a room without its code."""
    filled = [index for index, cell in enumerate(line.cells) if cell.text.strip()]
    if len(filled) != 1 or own["classroom"].text.strip() or _ID.fullmatch(as_id(line.first_text)):
        return False
    return filled == [0] or not any(cell.text.strip() for cell in own.values())


def _is_heading(own: Mapping[str, Cell], *, is_first: bool) -> bool:
    """Headings are repeated on each page, in the other language, or have a second line under some of them only."""
    given = {name: cell.text for name, cell in own.items() if cell.text.strip()}
    ids = [name for name in NEEDED if name in given]
    if not ids:
        return is_first and bool(given) and given.keys() <= CHOSEN
    return all(name in columns_of(given[name]) for name in ids)


def _from_above(own: Mapping[str, Cell], above: Row | None, between: Line | None) -> dict[str, Cell]:
    """Office and school of the row above, as people write them once for all rooms: merged, or only the first time.

    ``between`` is a total or a remark that was passed over: it ends one school, or is the heading of another.
    """
    if above is None:
        return {}
    found = {}
    if "office" in own and not own["office"].text.strip():
        found["office"] = above.cells["office"]
    name, name_above = (as_text(cells.get("school_name", EMPTY).text) for cells in (own, above.cells))
    if between:
        passed = f"line {between.number}, {shown(between.first_text)}, stands between it and the school above"
        found["school"] = Cell("", f"is no school code, and {passed}; write the code into this row")
    elif not own["school"].text.strip() and name in {"", name_above}:
        found |= {"school": above.cells["school"], "school_name": above.cells.get("school_name", EMPTY)}
    return {column: cell for column, cell in found.items() if column in own}
