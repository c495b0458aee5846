"""Values in the messages of a device: the whole text, or what stands at a path in its JSON."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from classready.codec import UNDECODABLE

Read = Callable[[bytes], str]
"""Payload → the value as text. Raises ``Unreadable``."""

_STEP = re.compile(r"([^.\[\]]+)|\[(\d{1,4})\]")
_SHOWN_CHARACTERS = 40


class Unreadable(Exception):  # noqa: N818 - what it is, like Unanswered of the pings
    """A message, or the announcement of one, that cannot be understood; the text names what and why."""


def shown(value: object) -> str:
    """``value`` as a reason quotes it."""
    try:
        text = str(value)
    except RecursionError:
        text = "a value nested too deeply"
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def decoded(payload: bytes | str) -> Any:
    """The JSON in ``payload``.

    Raises:
        Unreadable: it is none, or nested too deeply.
    """
    try:
        return msgspec.json.decode(payload)
    except (*UNDECODABLE, UnicodeError):
        text = payload.decode(errors="replace") if isinstance(payload, bytes) else payload
        raise Unreadable(f"{shown(text)} is no JSON") from None


def text_of(value: Any) -> str:
    """A JSON scalar as text, booleans as ``true`` and ``false``.

    Raises:
        Unreadable: null, a list or an object.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise Unreadable(f"{shown(value)} is no single value")


def steps(path: str) -> tuple[str | int, ...]:
    """``power.inputs[0]`` as names and indexes."""
    return tuple(name or int(index) for name, index in _STEP.findall(path))


def whole(payload: bytes) -> str:
    return payload.decode(errors="replace").strip()


def at(way: Sequence[str | int]) -> Read:
    """Reads what stands at ``way`` in the JSON of a message; the whole message where it is empty."""
    if not way:
        return whole

    def read(payload: bytes) -> str:
        value = decoded(payload)
        for step in way:
            value = _child(value, step)
        return text_of(value)

    return read


def _child(value: Any, step: str | int) -> Any:
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(step, int) and isinstance(value, list) and step < len(value):
        return value[step]
    raise Unreadable(f"there is no {step!r} in {shown(value)}")
