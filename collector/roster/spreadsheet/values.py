"""A cell -> the value of the roster's field, or why it cannot be one."""

from collections.abc import Collection, Mapping
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from classready.settings import expected
from collector.roster.files import ClassroomEntry, OfficeFile, SchoolEntry
from collector.roster.spreadsheet import cells, dates
from collector.roster.spreadsheet.columns import COLUMNS, Column
from collector.roster.spreadsheet.table import Cell, shown

KEPT: Any = object()
"""An empty cell names nothing: what the roster has stays."""

NO_ROOMS = "无"
"""In the room's column: a school without rooms, so far."""

_STRUCTS = {"office": OfficeFile, "school": SchoolEntry, "classroom": ClassroomEntry}
_TYPES = {c.name: get_type_hints(_STRUCTS[c.level], include_extras=True)[c.field] for c in COLUMNS}
_DEFAULTS: Mapping[str, Any] = {
    "classroom_name": "",
    "operator": None,
    "exempt": None,
    "exempt_until": None,
    "hub": None,
}
_WORDS: Mapping[str, Mapping[Any, tuple[str, ...]]] = {
    "kind": cells.KIND,
    "access": cells.ACCESS,
    "device": cells.DEVICE,
    "rural_weak": {True: cells.YES, False: cells.NO},
}
_MAY_BE_DATE = frozenset({"exempt", "operator"})


class CellError(Exception):
    """What the person who filled in the cell must know."""


def read_id(column: Column, cell: Cell, known: Collection[str]) -> str:
    """Read an id. One that the roster has already is no slip, whatever it looks like.

    Raises:
        CellError: empty, mangled by a spreadsheet, or no id.
    """
    typed = cells.as_typed(cell.text).strip()
    found = next((text for text in (cell.text, typed, cells.as_id(cell.text)) if text in known), None)
    if found is not None and not cell.trouble:
        return found
    if cell.trouble or (trouble := cells.mangled(typed)):
        raise CellError(f"{shown(cell.text)} {cell.trouble or trouble}")
    if not typed:
        raise CellError("is empty")
    if cells.as_word(typed) in cells.NO_CELL | cells.CLEARED:
        raise CellError(f"is empty; found {shown(cell.text)}")
    if typed.upper() in {"TRUE", "FALSE"}:
        raise CellError(f"{shown(cell.text)} is a truth value; {cells.AS_TEXT}")
    return str(_checked(column, cells.as_id(cell.text), cell))


def read_value(column: Column, cell: Cell, present: object) -> Any:
    """Read what is no id; ``present`` is what the roster has. ``KEPT`` for an empty cell.

    Raises:
        CellError: mangled by a spreadsheet, or not what the column takes.
    """
    if cell.trouble and not (column.name == "exempt_until" and cell.trouble is cells.IS_DATE):
        raise CellError(f"{shown(cell.text)} {cell.trouble}")
    typed = cells.as_typed(cell.text)
    if present is not None and present in (cell.text, typed):
        return present
    if not typed.strip() or cells.as_word(typed) in cells.NO_CELL:
        return KEPT
    if column.name in _WORDS:
        return _word(column, cell, present)
    return _day(cell) if column.name == "exempt_until" else _text(column, cell, typed)


def _text(column: Column, cell: Cell, typed: str) -> Any:
    if trouble := cells.mangled(typed, may_be_date=column.name in _MAY_BE_DATE):
        raise CellError(f"{shown(cell.text)} {trouble}")
    if column.name in _DEFAULTS and cells.as_word(cell.text) in cells.CLEARED:
        return _DEFAULTS[column.name]
    if column.name == "exempt" and cells.as_word(cell.text) in cells.NO:
        return None
    if column.name == "exempt" and cells.as_word(cell.text) in cells.YES:
        raise CellError(f"must say why the room is not judged; found {shown(cell.text)}")
    if column.name == "hub":
        found = cells.as_id(cell.text)
        return found if is_id("hub", found) else cells.as_text(cell.text)
    return _checked(column, cells.as_text(cell.text), cell)


def clears(name: str) -> bool:
    """Say whether a column has something that its empty cell does not take away, and 无 does."""
    return name in _DEFAULTS or name == "device"


def is_id(name: str, text: str) -> bool:
    """Say whether a text can be an id of this column; a hub's name in its place cannot."""
    try:
        msgspec.convert(text, _TYPES[name])
    except msgspec.ValidationError:
        return False
    return True


def word_for(name: str, value: object) -> str:
    """A value as the template writes it."""
    if name in _WORDS:
        return _WORDS[name][value][0]
    return "" if value is None else str(value)


def words_of(name: str) -> list[str]:
    """The words among which a cell of this column chooses; none = it is free."""
    return [words[0] for words in _WORDS.get(name, {}).values()]


def _day(cell: Cell) -> str | None:
    if cells.as_word(cell.text) in cells.CLEARED or dates.is_endless(cell.text):
        return None
    try:
        return dates.read_day(cells.as_typed(cell.text))
    except ValueError as error:
        raise CellError(f"{shown(cell.text)} {error}, or 无 for an exemption without an end") from None


def _word(column: Column, cell: Cell, present: object) -> Any:
    found, words = cells.as_word(cell.text), _WORDS[column.name]
    for value, spoken in words.items():
        if found in spoken or (isinstance(value, str) and found == value):
            return value
    if column.name == "device" and (device := _device(found, present)) is not KEPT:
        return device
    accepted = (f"{word[0]} ({value})" if isinstance(value, str) else word[0] for value, word in words.items())
    raise CellError(f"must be one of: {', '.join(accepted)}; found {shown(cell.text)}")


def _device(word: str, present: object) -> Any:
    """What people say of a device besides its kind; ``KEPT`` if they say something else."""
    if word in cells.YES:  # there is one; which, is not said: a panel that is listed stays one
        return present or ClassroomEntry(id="any").device
    if word in cells.NO:
        return None
    spoken = {value: tuple(w for w in words if len(w) > 1) for value, words in cells.DEVICE.items() if value}
    kinds = [value for value, words in spoken.items() if word.endswith(words)]  # maker and size come before it
    return kinds[0] if len(kinds) == 1 else KEPT


def _checked(column: Column, value: str, cell: Cell) -> Any:
    type_ = _TYPES[column.name]
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        info = inspect.type_info(type_)
        if isinstance(info, inspect.UnionType):
            info = next(t for t in info.types if not isinstance(t, inspect.NoneType))
        raise CellError(f"must {expected(info)}; found {shown(cell.text)}") from None
