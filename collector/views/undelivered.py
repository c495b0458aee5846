"""Receivers that do not get their messages: nobody misses a message that never came, so the board says it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from collector.text import Language, delivery_problem, duration, say

WAITING_S = 600.0
"""A robot may be full or away for some minutes without anybody having to know."""


class Undelivered(Struct, frozen=True, kw_only=True):
    """One receiver. ``failing`` is why the last try failed, None = it did not; ``lost_reason`` is of the last one.

    ``misconfigured`` is what somebody must mend before it takes anything.
    """

    receiver: str
    waiting_count: int = 0
    oldest_age_s: float = 0.0
    failing: str | None = None
    misconfigured: str | None = None
    replaced: str | None = None
    """Why its ``fallback`` gets its messages now, None = it takes them itself."""
    fallback: str | None = None
    lost_count: int = 0
    lost_at: float | None = None
    lost_reason: str = ""


class Sentence(Struct, frozen=True, kw_only=True):
    text: str
    at: float | None
    """When it last happened; None = it lasts."""


def sentences(found: Iterable[Undelivered], language: Language) -> Iterator[Sentence]:
    """Say what did not arrive, and what waits for too long."""
    for one in found:
        if one.misconfigured:
            why = delivery_problem(one.misconfigured, language)
            yield Sentence(text=say("board.misconfigured", language, receiver=one.receiver, reason=why), at=None)
        if one.replaced:
            why = delivery_problem(one.replaced, language)
            text = say("board.replaced", language, receiver=one.receiver, fallback=one.fallback, reason=why)
            yield Sentence(text=text, at=None)
        if one.lost_count:
            why = delivery_problem(one.lost_reason, language)
            text = say("board.lost", language, receiver=one.receiver, count=one.lost_count, reason=why)
            yield Sentence(text=text, at=one.lost_at)
        if one.waiting_count and one.failing and one.oldest_age_s >= WAITING_S:
            why, age = delivery_problem(one.failing, language), duration(one.oldest_age_s, language)
            fields = {"receiver": one.receiver, "count": one.waiting_count, "age": age, "reason": why}
            yield Sentence(text=say("board.waiting", language, **fields), at=None)
