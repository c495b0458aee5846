"""What of each gateway was refused or given up of late: metrics carry no names, and a keeper must know whom to ask."""

from collections.abc import Iterable

from collector.engine.draft import Draft

SHOWN_S = 86_400.0
"""What did not happen again for so long is over."""

Refused = tuple[str, int, float]
"""(reason, how many since it began, when last); reasons are those of a rejection (for ``inventory``: of what there was
too much), ``gaps``, ``late_gaps`` and ``spools``."""


class Refusals:
    """In memory alone: after a restart a gateway that goes on doing it shows within its next report."""

    def __init__(self) -> None:
        self._by_gateway: dict[str, dict[str, tuple[int, float]]] = {}

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
        told = ((reason, count, at) for reason, (count, at) in found.items() if now - at < SHOWN_S)
        return sorted(told, key=lambda refused: -refused[2])

    def forget_others(self, gateways: Iterable[str]) -> None:
        """Keep those of the roster."""
        self._by_gateway = {g: self._by_gateway[g] for g in gateways if g in self._by_gateway}

    def _add(self, gateway: str, reason: str, count: int, now: float) -> None:
        reasons = self._by_gateway.setdefault(gateway, {})
        before, at = reasons.get(reason, (0, now))
        reasons[reason] = (count if now - at >= SHOWN_S else before + count, now)
