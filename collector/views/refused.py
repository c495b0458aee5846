"""What the collector refused of a gateway of late, and what to do about it."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from collector.text import Language, say

Refusals = Callable[[str], Iterable[tuple[str, int, float]]]
"""Gateway -> (reason, how many, when last)."""


class RefusedView(Struct, frozen=True, kw_only=True):
    reason: str
    count: int
    last_at: float
    text: str


def nothing_refused(_gateway: str) -> Iterable[tuple[str, int, float]]:
    """Where nobody keeps count."""
    return ()


def refused_views(refused: Iterable[tuple[str, int, float]], language: Language) -> tuple[RefusedView, ...]:
    return tuple(
        RefusedView(reason=reason, count=count, last_at=at, text=say(f"refused.{reason}", language, count=count))
        for reason, count, at in refused
    )
