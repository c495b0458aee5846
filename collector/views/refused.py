"""What the collector refused of a gateway of late, and what to do about it."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from collector.core.inventory import SETTINGS
from collector.core.policy import Policy
from collector.text import Language, say

Refusals = Callable[[str], Iterable[tuple[str, int, float]]]
"""Gateway -> (reason, how many, when last)."""


class RefusedView(Struct, frozen=True, kw_only=True):
    reason: str
    count: int
    last_at: float
    setting: str | None
    """The entry of the policy that bounds it, where one does."""
    text: str


def nothing_refused(_gateway: str) -> Iterable[tuple[str, int, float]]:
    """Where nobody keeps count."""
    return ()


def refused_views(
    refused: Iterable[tuple[str, int, float]], policy: Policy, language: Language
) -> tuple[RefusedView, ...]:
    return tuple(
        RefusedView(
            reason=reason,
            count=count,
            last_at=at,
            setting=SETTINGS.get(reason),
            text=_text(reason, count, policy, language),
        )
        for reason, count, at in refused
    )


def _text(reason: str, count: int, policy: Policy, language: Language) -> str:
    text = say(f"refused.{reason}", language, count=count)
    if (setting := SETTINGS.get(reason)) is None:
        return text
    return text + say("refused.beyond", language, limit=getattr(policy, setting), setting=setting)
