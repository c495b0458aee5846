"""Two boxes with one identity: a disk that was copied, with its token, to a second school.

Each sees another school, so what both tell would come and go with every report; and where the spool was copied, too,
the records of one bear the numbers of the other's and would be taken for repetitions. A boot of a machine that goes on
after another one was heard can only be a second machine. The one that was heard first stays, the other is refused and
keeps what it has.
"""

from collections.abc import Iterable
from typing import Final

import structlog
from msgspec import Struct

from collector.engine.refusals import Refused

RETURNS_MIN: Final = 3
"""A message that a broker held back may come after the first of a new boot, and with bad luck a second."""
RETURNS_WITHIN_S: Final = 7_200.0
"""Of each other: two restarts of a month, each with something held back, are no twin."""
QUIET_S: Final = 3_600.0
"""The one that stays has been silent for so long: then the other may be the one that is left."""
KNOWN_S: Final = 7 * 86_400.0
"""For so long after a twin was heard it is known that there are two: both may have been switched off over night."""
BOOTS_MAX: Final = 8

_log = structlog.get_logger()


class _Gateway(Struct):
    """``boots``: boot id -> the latest ``sent_monotonic_s`` of it, the one that was heard first is first."""

    present: str
    heard_at: float
    boots: dict[str, float]
    refused: set[str]
    returns_count: int = 0
    returned_at: float = 0.0
    told: Refused | None = None


class Twins:
    """In memory alone: after a restart of the collector a few reports show it anew."""

    def __init__(self) -> None:
        self._by_gateway: dict[str, _Gateway] = {}

    def admits(self, gateway: str, boot_id: str | None, sent_monotonic_s: float, now: float) -> bool:
        """Whether a report is the gateway's own; None = an agent of which nobody can tell."""
        if boot_id is None:
            return True
        known = self._by_gateway.get(gateway)
        if known is None:
            self._by_gateway[gateway] = _Gateway(boot_id, now, {boot_id: sent_monotonic_s}, set())
            return True
        if boot_id != known.present and not self._takes(gateway, known, boot_id, sent_monotonic_s, now):
            return False
        known.boots[boot_id] = max(sent_monotonic_s, known.boots.get(boot_id, 0.0))
        if boot_id == known.present:
            known.heard_at = now
        return True

    def of(self, gateway: str, now: float) -> list[Refused]:
        """What there is to tell of ``gateway``."""
        known = self._by_gateway.get(gateway)
        if known is None or known.told is None or now - known.told.last_at >= KNOWN_S:
            return []
        return [known.told]

    def forget_others(self, gateways: Iterable[str]) -> None:
        """Keep those of the roster."""
        self._by_gateway = {name: self._by_gateway[name] for name in gateways if name in self._by_gateway}

    def _takes(self, gateway: str, known: _Gateway, boot_id: str, sent_monotonic_s: float, now: float) -> bool:
        """One that is not the present boot: a restart, something held back on its way, or a second machine."""
        if boot_id in known.refused:
            if now - known.heard_at <= QUIET_S:
                return _refuse(known, now)
            known.refused.clear()
            known.present = boot_id
            return True
        before = known.boots.get(boot_id)
        if before is None:
            _remember(known, boot_id)
            known.present = boot_id
            return True
        if sent_monotonic_s <= before:
            return True  # sent before: the ledger knows what is new in it
        return self._returns(gateway, known, boot_id, now)

    def _returns(self, gateway: str, known: _Gateway, boot_id: str, now: float) -> bool:
        """An earlier boot goes on, so it never ended: there are two machines."""
        is_known = known.told is not None and now - known.told.last_at < KNOWN_S
        known.returns_count = known.returns_count + 1 if now - known.returned_at < RETURNS_WITHIN_S else 1
        known.returned_at = now
        if known.returns_count < RETURNS_MIN and not is_known:
            known.present = boot_id
            return True
        order = list(known.boots)
        first, other = sorted((boot_id, known.present), key=order.index)
        known.present = first
        known.refused.add(other)
        _log.warning("gateway_twice", gateway=gateway, stays=first, refused=other)
        return boot_id == first or _refuse(known, now)


def _remember(known: _Gateway, boot_id: str) -> None:
    while len(known.boots) >= BOOTS_MAX:
        oldest = next(boot for boot in known.boots if boot != known.present)
        del known.boots[oldest]
        known.refused.discard(oldest)
    known.boots[boot_id] = 0.0


def _refuse(known: _Gateway, now: float) -> bool:
    told = known.told or Refused("twin", 0, now, now)
    known.told = told._replace(refused_count=told.refused_count + 1, last_at=now)
    return False
