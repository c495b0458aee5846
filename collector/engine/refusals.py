"""What of each gateway was refused or given up of late: metrics carry no names, and a keeper must know whom to ask."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.engine.draft import Draft

SHOWN_S = 86_400.0
"""What did not happen again for so long is over."""


class Refused(NamedTuple):
    """So many since ``since_at``, for the last time at ``last_at``.

    Reasons are those of a rejection (for ``inventory``: of what there was too much), and ``gaps``, ``late_gaps``,
    ``spools``.
    """

    reason: str
    refused_count: int
    since_at: float
    last_at: float


class Refusals:
    """In memory alone: after a restart a gateway that goes on doing it shows within its next report."""

    def __init__(self) -> None:
        self._by_gateway: dict[str, dict[str, Refused]] = {}

    def note(self, draft: Draft) -> None:
        """Add what a committed draft refused."""
        for (gateway, _), refusal in draft.refusals:
            if refusal.reason != "inventory":  # told by what there was too much of
                self._add(gateway, refusal.reason, 1, draft.now)
        for gateway, reason, count in draft.given_up:
            self._add(gateway, reason, count, draft.now)

    def of(self, gateway: str, now: float) -> list[Refused]:
        """Return what there is to tell of ``gateway``, newest first."""
        found = self._by_gateway.get(gateway, {})
        for reason, refused in found.items():
            found[reason] = _not_after(refused, now)
        told = (refused for refused in found.values() if now - refused.last_at < SHOWN_S)
        return sorted(told, key=lambda refused: -refused.last_at)

    def forget_others(self, gateways: Iterable[str]) -> None:
        """Keep those of the roster."""
        self._by_gateway = {g: self._by_gateway[g] for g in gateways if g in self._by_gateway}

    def _add(self, gateway: str, reason: str, count: int, now: float) -> None:
        reasons = self._by_gateway.setdefault(gateway, {})
        before = reasons.get(reason)
        if before is None or now - before.last_at >= SHOWN_S:
            reasons[reason] = Refused(reason, count, now, now)
        else:
            reasons[reason] = Refused(reason, before.refused_count + count, min(before.since_at, now), now)


def _not_after(refused: Refused, now: float) -> Refused:
    """A clock that was wrong and set back: what happened by it happened by now at the latest, and is over in a day."""
    return refused._replace(since_at=min(refused.since_at, now), last_at=min(refused.last_at, now))
