"""From what somebody wrote on a port, or how a device calls itself, to the room of the roster that is meant.

People write what they like: ``3-2班 大屏``, ``b2-301``, ``教学楼301``, ``Classroom 301``. A text is read in three ways:
the id of a room, the class that sits there, the number at the end of an id. Where they point to several rooms there is
no proposal: a wrong room that is confirmed by one click is worse than a row without one.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from msgspec import Struct

from classready.lookalikes import to_plain

Why = Literal["id", "class", "number", "port", "name", "none", "several", "other_device", "rivals", "taken"]
"""By what a room was found; or why there is none. ``port``, ``name``: of a device, by where it hangs, by what it calls
itself; ``rivals``: others may as well be what is looked for in that room; ``taken``: it has one already."""

TEXT_MAX_CHARACTERS = 200

_DIGITS = {character: number for number, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_COUNTED = re.compile(r"(?P<n>[零〇一二两三四五六七八九十]{1,3})(?=\s*(?:年级|年|[(（]|班|号|栋|幢|楼|级|\d|[-－]))")
_STAGES = {"小": 0, "初": 6, "高": 9}
"""初一 is the seventh year (七年级), 高一 the tenth."""

_YEARS = 12

_NOT_ROOMS = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}"  # an IPv4 address
    r"|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}[.-]){2}[0-9a-f]{4}"  # a MAC
    r"|(?:19|20)\d\d[-/.年]\d{1,2}(?:[-/.月]\d{1,2}日?)?"  # a date
    r"|\b\d+(?:\.\d+)?\s*[mgk](?:bps|bit/s|b/s|b)?\b"  # a speed
    r"|\b(?:[a-z]*ethernet|[xg]?ge|eth|gi|te|fa|port|unit|vlan(?:-interface)?|slot|stack|trunk|lag|null|interface)"
    r"[\s-]?\d+(?:[/.:]\d+)*"  # an interface
    r"|\b\d+/\d+(?:/\d+)*\b"
    r"|\d{6,}"  # a telephone, a serial number
)
_OTHER_DEVICE = re.compile(
    r"监控|摄像|门禁|广播|电话|打印|办公|机房|服务器|上联|上行|级联|核心|汇聚|交换机|路由|考勤|电子班牌|班牌"
    r"|(?<![a-z])(?:ap|cctv|camera|ipc|nvr|dvr|printer|office|server|uplink|trunk|core|phone|switch|router|sw\d*)(?![a-z])"
)
_BOARD = re.compile(r"大屏|一体机|白板|黑板|班班通|触控|多媒体|(?<![a-z])(?:board|panel|screen|display|ifp|smart)")
"""What names the device that is looked for, where several stand in one room."""

_CLASS = re.compile(
    r"(?P<stage>[小初高])?(?P<year>20\d\d|\d{1,2})(?:年级|年|级|届)?\s*[-.·、(]?\s*(?P<number>\d{1,2})\s*\)?\s*班"
)
_SHORT_CLASS = re.compile(r"(?<!\d)(?P<year>\d)(?P<number>\d\d)\s*班")
"""``301班``: the first class of the third year."""
_BUILDING = re.compile(
    r"(?:(?<![a-z0-9])([a-z])\s*(\d{1,2})(?=[-_ ]\d{3,4}(?!\d)))|(?:(?<!\d)(\d{1,2})\s*(?:号楼|栋|幢|#))"
)
_NAMED_BUILDING = re.compile(r"([\u4e00-\u9fff]{1,6}楼)")
_NUMBER = re.compile(r"(?<!\d)(\d{3,4})(?!\d)")
_TOKEN = re.compile(r"\d+|[a-z]+|[\u4e00-\u9fff]+")


class Room(Struct, frozen=True):
    """``ref``: how the gateway names it."""

    ref: str
    id: str
    name: str = ""


class Placed(Struct, frozen=True):
    """``room``: the ref of the one that is meant. ``candidates``: of those that may be meant, at most eight."""

    room: str | None
    why: Why
    candidates: tuple[str, ...] = ()


class _Read(NamedTuple):
    """What of a text may name a room."""

    tokens: tuple[str, ...]
    classes: frozenset[tuple[int, int]]
    numbers: frozenset[str]
    buildings: frozenset[int]
    named_buildings: frozenset[str]


NOWHERE = Placed(None, "none")
CANDIDATES_MAX = 8
_ALONE_MIN_CHARACTERS = 3
"""A single digit or letter stands in any text."""


class Rooms:
    """The rooms of a gateway, looked up by all that may name one: a search may bring thousands of texts."""

    def __init__(self, rooms: Iterable[Room]) -> None:
        self._by_id: dict[tuple[str, ...], list[Room]] = {}
        self._by_class: dict[tuple[int, int], list[Room]] = {}
        self._by_number: dict[str, list[tuple[Room, _Read, _Read]]] = {}
        for room in rooms:
            of_id, of_name = _read(room.id.casefold()), _read(_plain(room.name))
            if len(of_id.tokens) > 1 or len("".join(of_id.tokens)) >= _ALONE_MIN_CHARACTERS:
                self._by_id.setdefault(of_id.tokens, []).append(room)
            for each in of_name.classes:
                self._by_class.setdefault(each, []).append(room)
            for number in of_id.numbers or of_name.numbers:
                self._by_number.setdefault(number, []).append((room, of_id, of_name))
        self._longest = max(map(len, self._by_id), default=0)

    def place(self, text: str) -> Placed:
        """Return the room that ``text`` means."""
        plain = _plain(text)
        if not plain:
            return NOWHERE
        if _OTHER_DEVICE.search(plain):
            return Placed(None, "other_device")
        said = _read(plain)
        by_id = self._named(said.tokens)
        by_class = [room for each in sorted(said.classes) for room in self._by_class.get(each, ())]
        if strong := list(dict.fromkeys([*by_id, *by_class])):
            return _one_of(strong, "id" if by_id else "class")
        numbered = (found for number in sorted(said.numbers) for found in self._by_number.get(number, ()))
        return _one_of(list(dict.fromkeys(room for room, *own in numbered if _may_be_there(said, *own))), "number")

    def _named(self, tokens: Sequence[str]) -> list[Room]:
        """Those whose id stands in what was said, token by token: ``b1-101`` is not ``101``, though that is in it."""
        for length in range(min(self._longest, len(tokens)), 0, -1):
            windows = (tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1))
            if found := [room for window in windows for room in self._by_id.get(window, ())]:
                return found
        return []


def names_board(text: str) -> bool:
    """Whether ``text`` says that a board hangs there, and not something else of the same room."""
    return bool(_BOARD.search(_plain(text)))


def _one_of(found: Sequence[Room], why: Why) -> Placed:
    refs = tuple(room.ref for room in found)
    if len(refs) == 1:
        return Placed(refs[0], why, refs)
    return Placed(None, "several", refs[:CANDIDATES_MAX]) if refs else NOWHERE


def _plain(text: str) -> str:
    """In plain lower case, numerals as digits, without what only looks like a room."""
    lower = to_plain(text[:TEXT_MAX_CHARACTERS]).casefold()
    return _COUNTED.sub(_counted, _NOT_ROOMS.sub(" ", lower)).strip()


def _counted(match: re.Match[str]) -> str:
    """``初一12班`` is class 12 of the first year, not of the 112th."""
    followed = match.string[match.end() : match.end() + 1]
    return f"{_number(match['n'])}{' ' if followed.isdigit() else ''}"


def _number(numeral: str) -> int:
    """``十二`` is 12, ``二十`` is 20, ``三`` is 3; digits in a row are read as such."""
    tens, ten, ones = numeral.partition("十")
    if not ten:
        return int("".join(str(_DIGITS[character]) for character in numeral))
    return (_DIGITS[tens[-1]] if tens else 1) * 10 + (_DIGITS[ones[0]] if ones and ones[0] in _DIGITS else 0)


@lru_cache(maxsize=4_096)
def _read(plain: str) -> _Read:
    found = [(m["stage"], int(m["year"]), int(m["number"])) for m in _CLASS.finditer(plain)]
    found += [(None, int(m["year"]), int(m["number"])) for m in _SHORT_CLASS.finditer(plain)]
    return _Read(
        tokens=tuple(_TOKEN.findall(plain)),
        classes=frozenset((_year(stage, year), number) for stage, year, number in found),
        numbers=frozenset(number.lstrip("0") for number in _NUMBER.findall(_SHORT_CLASS.sub(" ", plain))),
        buildings=frozenset(int(m[2] or m[3]) for m in _BUILDING.finditer(plain)),
        named_buildings=frozenset(_NAMED_BUILDING.findall(plain)),
    )


def _year(stage: str | None, year: int) -> int:
    """Of school, as 七年级; a year of entry (2024级) stays what it is."""
    return year if year > _YEARS else _STAGES.get(stage or "", 0) + year


def _may_be_there(said: _Read, of_id: _Read, of_name: _Read) -> bool:
    """Whether what was said names no other building than the room's."""
    buildings = of_id.buildings or of_name.buildings
    if said.buildings and buildings and not said.buildings & buildings:
        return False
    named = of_name.named_buildings
    return not (said.named_buildings and named) or bool(said.named_buildings & named)
