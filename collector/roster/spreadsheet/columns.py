"""The columns of a list of rooms, and under which headings people have them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from classready.lookalikes import to_plain
from collector.roster.spreadsheet.table import Cell, Line, letters

HEADING_WITHIN_LINES = 40
HEADING_MAX_CHARACTERS = 100
_CLOSE = 0.75


class Column(Struct, frozen=True):
    """``field`` is that of the roster; ``headings`` are tried in this order, the first is the template's."""

    name: str
    level: Literal["office", "school", "classroom"]
    field: str
    headings: tuple[str, ...]


COLUMNS = (
    Column(
        "office",
        "office",
        "office",
        (
            "区县代码",
            "区县编码",
            "县区代码",
            "区划代码",
            "行政区划代码",
            "管理单位代码",
            "教育局代码",
            "officeid",
            "countycode",
            "countyid",
        ),
    ),
    Column("office_name", "office", "name", ("区县名称", "区县", "县区", "所属区县", "管理单位", "教育局", "county")),
    Column(
        "school",
        "school",
        "id",
        (
            "学校代码",
            "学校标识码",
            "学校机构标识码",
            "学校编码",
            "学校编号",
            "机构代码",
            "教学点代码",
            "schoolid",
            "schoolcode",
        ),
    ),
    Column("school_name", "school", "name", ("学校名称", "学校", "校名", "学校全称", "教学点名称")),
    Column("kind", "school", "kind", ("学校类型", "schoolkind")),
    Column("hub", "school", "hub", ("中心校代码", "所属中心校代码", "所属中心校", "中心校")),
    Column("operator", "school", "operator", ("运营商", "线路运营商", "宽带运营商", "接入运营商")),
    Column(
        "rural_weak",
        "school",
        "rural_weak",
        ("薄弱学校", "是否薄弱学校", "农村薄弱学校", "乡村薄弱学校", "是否农村薄弱学校"),
    ),
    Column(
        "classroom",
        "classroom",
        "id",
        (
            "教室代码",
            "教室编号",
            "教室编码",
            "教室号",
            "房间编号",
            "房间号",
            "教室",
            "房间",
            "classroomid",
            "roomid",
            "roomcode",
            "room",
        ),
    ),
    Column(
        "classroom_name",
        "classroom",
        "name",
        ("班级名称", "班级", "班名", "所在班级", "教室名称", "classname", "class", "roomname"),
    ),
    Column("access", "classroom", "access", ("接入方式", "网络接入方式", "联网方式", "上网方式")),
    Column(
        "device",
        "classroom",
        "device",
        ("设备类型", "大屏类型", "交互设备", "多媒体设备", "显示设备", "设备", "大屏"),
    ),
    Column(
        "exempt",
        "classroom",
        "exempt",
        ("免考核原因", "免检原因", "豁免原因", "不考核原因", "停用原因", "免考核", "免检", "豁免"),
    ),
    Column(
        "exempt_until",
        "classroom",
        "exempt_until",
        (
            "免考核截止日期",
            "免考核截止",
            "免考核至",
            "免检截止日期",
            "免检至",
            "豁免截止日期",
            "豁免到期日",
            "豁免至",
            "不考核截止日期",
            "停用截止日期",
            "停用至",
        ),
    ),
)
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
NEEDED = ("office", "school", "classroom")
CHOSEN = frozenset({"kind", "access", "device", "rural_weak"})
"""Columns that take one of a few words."""

_REMARKS = frozenset({"必填", "选填", "可选", "required", "optional"})


def _key(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


_RANKS = {
    _key(heading): (column.name, rank)
    for column in COLUMNS
    for rank, heading in enumerate((column.name, *column.headings))
}


class Headings(Struct, frozen=True):
    """Which cell of a line belongs to which column. ``unused``: the others, with a reason where there is one."""

    line: Line
    places: Mapping[str, int]
    unused: Mapping[int, str] = {}
    doubtful: tuple[tuple[int, str], ...] = ()
    """What is no matter of taste: one heading for two columns, the same heading twice."""

    def text(self, name: str) -> str:
        """The heading as it stands in the file."""
        return one_line(self.line.cell(self.places[name]).text)


def one_line(text: str) -> str:
    """A heading or name for a message: nothing in it steers a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def columns_of(heading: str) -> dict[str, int]:
    """Column -> rank. Several columns are a heading like 教室/班级; none is one that is not ours.

    Brackets hold remarks (学校代码（10位）) unless the heading reads on through them (学校（代码）).
    """
    if len(heading) > HEADING_MAX_CHARACTERS:
        return {}
    plain = to_plain(heading).casefold()
    if found := _RANKS.get(_key(plain)):
        return dict([found])
    pieces = [_key(piece) for piece in re.split(r"[\s/|]+", re.sub(r"[(\[<].*?[)\]>]", " ", plain))]
    pieces = [piece for piece in pieces if piece and piece not in _REMARKS]
    return dict(_RANKS[piece] for piece in pieces) if all(piece in _RANKS for piece in pieces) else {}


def find_headings(lines: Sequence[Line], needed: Sequence[str]) -> Headings | None:
    """The first line that has every needed column, else the one that has most; None if no line has any.

    Two lines may be one's headings: 学校 over 代码 and 名称.
    """
    best: Headings | None = None
    head = lines[:HEADING_WITHIN_LINES]
    for line in (*head, *(_joined(*pair) for pair in pairwise(head))):
        found = _read_headings(line)
        if all(name in found.places for name in needed):
            return found
        if len(found.places) > (len(best.places) if best else 0):
            best = found
    return best


def _joined(upper: Line, lower: Line) -> Line:
    """The lower of two lines, each cell behind what stands over it, or left of that, where they make a heading."""
    cells: list[Cell] = []
    over = ""
    for index in range(max(len(upper.cells), len(lower.cells))):
        over = one_line(upper.cell(index).text) or over
        own = one_line(lower.cell(index).text)
        tries = (f"{over} {own}" if over != own else own, own, one_line(upper.cell(index).text))
        cells.append(Cell(next((text for text in tries if columns_of(text)), own)))
    return Line(lower.number, tuple(cells), lower.row)


def _read_headings(line: Line) -> Headings:
    candidates: dict[str, list[tuple[int, int]]] = {}
    doubtful: list[tuple[int, str]] = []
    for index, cell in enumerate(line.cells):
        meanings = columns_of(cell.text)
        if len(meanings) > 1:
            doubtful.append((index, f"is a heading for {' and '.join(meanings)}: give each a column of its own"))
        for name, rank in meanings.items() if len(meanings) == 1 else ():
            candidates.setdefault(name, []).append((rank, index))
    places: dict[str, int] = {}
    unused: dict[int, str] = {}
    for name, found in candidates.items():
        (best, index), *others = sorted(found)
        places[name] = index
        for rank, other in others:
            if rank == best:
                doubtful.append((other, f"stands twice, in the columns {letters(index)} and {letters(other)}"))
            unused[other] = f"{name} is taken from {one_line(line.cell(index).text)}"
    for index in set(range(len(line.cells))) - set(places.values()) - set(unused):
        unused[index] = ""
    return Headings(line, places, unused, tuple(doubtful))


def meant(heading: str) -> str:
    """Ask about a heading that is nearly one of ours."""
    key = _key(to_plain(heading[:HEADING_MAX_CHARACTERS]).casefold())
    close = difflib.get_close_matches(key, _RANKS, n=1, cutoff=_CLOSE) if key else []
    return f"did you mean {close[0]}?" if close else ""
