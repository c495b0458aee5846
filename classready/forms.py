"""Texts of a record whose patterns are matched beside msgspec: each text once, however many records say it.

msgspec matches a pattern for every text that it decodes. That was two thirds of the time a report took to decode, and a
gateway names the same rooms, ports and pages each minute.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

S = TypeVar("S", bound=Struct)
_Read = Callable[[Sequence[Struct]], Iterable[str | None]]

KNOWN_MAX: Final = 5_000
"""Good texts kept of one form: 5 MB where each is 200 of the widest characters, 0.6 MB of usual ones.

Senders choose what they are. A flood of new ones has the others match their own again, once a report: dearer than
knowing them, cheaper than a match for each time that they are said.
"""


class Form:
    """One annotated type of text, and texts that are known to have its form."""

    def __init__(self, type_: Any) -> None:
        self._set: Any = set[type_]
        self.known: set[str | None] = {None}

    def learn(self, texts: Iterable[str | None]) -> None:
        """Raise ``msgspec.ValidationError`` unless each of ``texts`` has the form, or is None."""
        new = set(texts) - self.known
        msgspec.convert(new, self._set)
        if len(self.known) + len(new) > KNOWN_MAX:
            self.known = {None}
        self.known |= new


CHECKS: Final[dict[type[Struct], tuple[tuple[Form, _Read], ...]]] = {}
"""What ``check`` looks at: the forms of a kind of struct, each with the way to its texts."""
ANNOTATED: Final[dict[type[Struct], dict[str, Any]]] = {}
"""The fields of such a struct as they are written, with the forms that msgspec is not shown."""
_form: Final = cache(Form)


def checked_apart(cls: type[S]) -> type[S]:
    """Let msgspec decode the texts of ``cls`` without matching their patterns: whoever decodes one calls ``check``.

    What its fields are annotated with stays the one home of their forms; texts in structs within it are not meant.

    Raises:
        TypeError: a field has texts where nothing here would look for them.
    """
    ANNOTATED[cls] = get_type_hints(cls, include_extras=True)
    forms = {name: form for name, form in ANNOTATED[cls].items() if _bare(form) != form}
    CHECKS[cls] = tuple(
        (_form(leaf), read) for name, form in forms.items() for leaf, read in _leaves(form, attrgetter(name))
    )
    cls.__annotations__.update({name: _bare(form) for name, form in forms.items()})
    return cls


def check(cls: type[S], structs: Sequence[S]) -> None:
    """Check the texts of ``structs``, all of which are a ``cls``.

    Raises:
        msgspec.ValidationError: one has not the form that its field asks for.
    """
    for form, read in CHECKS[cls]:
        if not form.known.issuperset(read(structs)):
            form.learn(read(structs))


def _leaves(form: Any, get: Callable[[Any], Any]) -> Iterator[tuple[Any, _Read]]:
    """Each type of text in a field's ``form``, with what reads all such texts out of structs."""
    match get_origin(form), get_args(form):
        case _ if _has_pattern(form):
            yield form, lambda structs: map(get, structs)
        case (origin, args) if origin in (Union, UnionType):
            for arg in args:
                if arg is not NoneType:
                    yield from _leaves(arg, get)
        case (origin, (inner, *_)) if origin is Annotated:
            yield from _leaves(inner, get)
        case (origin, (item, end)) if origin is tuple and end is ... and _has_pattern(item):
            yield item, lambda structs: chain.from_iterable(_given(get, structs))
        case (origin, (key, value)) if origin is dict and _has_pattern(key) and _has_pattern(value):
            yield key, lambda structs: chain.from_iterable(_given(get, structs))
            yield value, lambda structs: chain.from_iterable(map(dict.values, _given(get, structs)))
        case _:
            raise TypeError(f"cannot check the texts in {form}")


def _given(get: Callable[[Any], Any], structs: Sequence[Struct]) -> Iterable[Any]:
    """The collections that are there and not empty."""
    return filter(None, map(get, structs))


def _has_pattern(form: Any) -> bool:
    return get_origin(form) is Annotated and any(isinstance(m, Meta) and m.pattern for m in get_args(form))


def _bare(form: Any) -> Any:
    """``form`` with plain ``str`` for each text that must match a pattern."""
    origin, args = get_origin(form), tuple(map(_bare, get_args(form)))
    if _has_pattern(form):
        return args[0]
    if origin is None or args == get_args(form):
        return form
    return Union[args] if origin is UnionType else origin[args]  # noqa: UP007 - of a tuple
