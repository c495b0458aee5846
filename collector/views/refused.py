"""What the collector refused of a gateway of late, and what to do about it."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from collector.core.inventory import SETTINGS
from collector.core.policy import Policy
from collector.text import Language, say

Refused = tuple[str, int, float, float]
"""(reason, how many, since when, when last)."""
Refusals = Callable[[str], Iterable[Refused]]
"""What of a gateway was refused of late."""

_REMEMBERED: Mapping[str, str] = {
    "gaps": "ranges_per_spool_max",
    "late_gaps": "ranges_per_spool_max",
    "spools": "spools_per_gateway_max",
}
"""Which entry of the policy bounds what is remembered of a spool, beside what a gateway may name."""


class RefusedView(Struct, frozen=True, kw_only=True):
    reason: str
    count: int
    since_at: float
    last_at: float
    setting: str | None
    """The entry of the policy that bounds it, where one does."""
    text: str


def nothing_refused(_gateway: str) -> Iterable[Refused]:
    """Where nobody keeps count."""
    return ()


def refused_views(refused: Iterable[Refused], policy: Policy, language: Language) -> tuple[RefusedView, ...]:
    return tuple(
        RefusedView(
            reason=reason,
            count=count,
            since_at=since_at,
            last_at=last_at,
            setting=SETTINGS.get(reason) or _REMEMBERED.get(reason),
            text=_text(reason, count, policy, language),
        )
        for reason, count, since_at, last_at in refused
    )


def _text(reason: str, count: int, policy: Policy, language: Language) -> str:
    text = say(f"refused.{reason}", language, count=count)
    for sentence, settings in (("refused.beyond", SETTINGS), ("refused.remembered", _REMEMBERED)):
        if setting := settings.get(reason):
            text += say(sentence, language, limit=getattr(policy, setting), setting=setting)
    return text
