"""An office's file in one pass over libyaml's events: the plain and good file at a seventh of the cost.

It only ever says "this file is good, and means that". Whatever is wrong, or merely unusual, it leaves to
``classready.settings``, which says what and where. So there is one place that refuses, and one set of messages.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from classready.documents import LOADER, unreadable
from classready.settings import NULLS, plain

Reader = Callable[[Any, Callable[[], Any]], Any]
"""Takes the event that begins a value, and what brings the next event; returns the value for ``msgspec.convert``."""


class CannotTellError(Exception):
    """Nobody's fault, or the operator's: the thorough reader knows."""


def read_fast(text: str, type_: Any) -> Any:
    """Read YAML ``text`` into ``type_``.

    Raises:
        CannotTellError: it may be wrong.
    """
    if unreadable("", text):
        raise CannotTellError
    loader = LOADER(text)
    try:
        tree = _document(_with_anchors_once(loader.get_event), _reader_of(type_))
        return msgspec.convert(tree, type_)
    except (yaml.YAMLError, msgspec.ValidationError):
        raise CannotTellError from None
    finally:
        loader.dispose()


def _document(next_event: Callable[[], Any], reader: Reader) -> Any:
    _expect(next_event(), yaml.StreamStartEvent)
    _expect(next_event(), yaml.DocumentStartEvent)
    tree = reader(next_event(), next_event)
    _expect(next_event(), yaml.DocumentEndEvent)
    _expect(next_event(), yaml.StreamEndEvent)
    return tree


def _with_anchors_once(next_event: Callable[[], Any]) -> Callable[[], Any]:
    """An anchor is of no use without aliases, which are refused; one that stands twice PyYAML refuses."""
    seen: set[str] = set()

    def checked_event() -> Any:
        event = next_event()
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            if anchor in seen:
                raise CannotTellError
            seen.add(anchor)
        return event

    return checked_event


def _expect(event: Any, kind: type[Any]) -> None:
    if type(event) is not kind or getattr(event, "tag", None) is not None:
        raise CannotTellError


# --- one reader a type ----------------------------------------------------------------------------------------------


@cache
def _reader_of(type_: Any) -> Reader:
    return _reader(inspect.type_info(type_))


def _reader(type_: inspect.Type) -> Reader:
    match type_:
        case inspect.Metadata():
            return _reader(type_.type)
        case inspect.UnionType():
            return _union_reader(type_)
        case inspect.StructType():
            return _mapping_reader({f.encode_name: _reader(f.type) for f in type_.fields}.get)
        case inspect.DictType():
            value = _reader(type_.value_type)
            return _mapping_reader(lambda _name: value)
        case inspect.VarTupleType():
            return _list_reader(_reader(type_.item_type))
        case inspect.TupleType() if all(item == type_.item_types[0] for item in type_.item_types):
            return _list_reader(_reader(type_.item_types[0]))
        case inspect.StrType() | inspect.LiteralType() | inspect.BoolType() | inspect.IntType() | inspect.FloatType():
            return _scalar_reader(type_)
        case _:
            raise TypeError(f"no roster file may have type {type_!r}")


def _union_reader(type_: inspect.UnionType) -> Reader:
    """Tell the members apart by the kind of node alone: a struct or a dict, a list, a scalar, or nothing."""
    readers = {_event_of(member): _reader(member) for member in type_.types if not isinstance(member, inspect.NoneType)}
    nullable = type_.includes_none

    def read(event: Any, next_event: Callable[[], Any]) -> Any:
        kind = type(event)
        if nullable and kind is yaml.ScalarEvent and not event.style and event.value in NULLS and event.tag is None:
            return None
        reader = readers.get(kind)
        if reader is None:
            raise CannotTellError
        return reader(event, next_event)

    return read


def _event_of(type_: inspect.Type) -> type[Any]:
    match type_:
        case inspect.Metadata():
            return _event_of(type_.type)
        case inspect.StructType() | inspect.DictType():
            return yaml.MappingStartEvent
        case inspect.VarTupleType() | inspect.TupleType():
            return yaml.SequenceStartEvent
        case _:
            return yaml.ScalarEvent


def _mapping_reader(reader_of: Callable[[str], Reader | None]) -> Reader:
    def read(event: Any, next_event: Callable[[], Any]) -> Any:
        if type(event) is not yaml.MappingStartEvent or event.tag is not None:
            raise CannotTellError
        found: dict[str, Any] = {}
        while type(key := next_event()) is yaml.ScalarEvent and key.tag is None:
            name = key.value
            reader = reader_of(name)
            if reader is None or name in found:
                raise CannotTellError
            found[name] = reader(next_event(), next_event)
        if type(key) is not yaml.MappingEndEvent:
            raise CannotTellError
        return found

    return read


def _list_reader(reader: Reader) -> Reader:
    def read(event: Any, next_event: Callable[[], Any]) -> Any:
        if type(event) is not yaml.SequenceStartEvent or event.tag is not None:
            raise CannotTellError
        found = []
        while type(item := next_event()) is not yaml.SequenceEndEvent:
            found.append(reader(item, next_event))
        return found

    return read


def _scalar_reader(type_: inspect.Type) -> Reader:
    """A plain scalar is read by the type that the setting has, not by how it looks: ``NO`` and ``301`` are text."""
    is_text = isinstance(type_, inspect.StrType | inspect.LiteralType)

    def read(event: Any, _next_event: Callable[[], Any]) -> Any:
        if type(event) is not yaml.ScalarEvent or event.tag is not None:
            raise CannotTellError
        value = event.value
        if event.style:
            return value
        if value in NULLS or _may_hold_more(event, value):
            raise CannotTellError
        return value if is_text else plain(value, type_)

    return read


def _may_hold_more(event: Any, value: str) -> bool:
    """Whether YAML may have taken a comment, or further lines, into an unquoted value: then look-alikes are looked for.

    Where a value goes on in another line, a space or a line feed stands for the break.
    """
    return "#" in value or ((" " in value or "\n" in value) and event.start_mark.line != event.end_mark.line)
