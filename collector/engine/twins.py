"""Two boxes with one identity: a disk that was copied, with its token, to a second school.

Each sees another school, so what both tell would come and go with every report; and where the spool was copied, too,
the records of one bear the numbers of the other's and would be taken for repetitions. A boot of a machine that goes on
after another one was heard can only be a second machine. The one that was heard first stays, the other is refused and
keeps what it has.

Copies that share a boot (containers, a suspended machine) show otherwise: whoever was told to leave a spool, because
its numbers bear other records, leaves it (see ``claims``). A spool that is heard again after that is a second
machine's. Both are kept then, and it is told. A disk that was set back, by a restore or a power cut, leaves its spool
as well, and nobody is heard there any more: that is no copy.
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
ON_ITS_WAY_S: Final = 2.0
"""After its agent was heard elsewhere, something sent before may still come under the spool that was left; of one that
reports more often than that, for half an interval."""

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


class _Left(Struct):
    """A spool that was to be left at ``asked_at``, and since when its gateway was heard under another one."""

    spool_id: str
    asked_at: float
    left_at: float | None = None


class Twins:
    """In memory alone: after a restart of the collector a few reports show it anew."""

    def __init__(self) -> None:
        self._by_gateway: dict[str, _Gateway] = {}
        self._left: dict[str, _Left] = {}
        self._copies: dict[str, Refused] = {}

    def asked_to_leave(self, gateway: str, spool_id: str, now: float) -> None:
        """Under numbers of this spool other records were settled, and its agent was told so."""
        known = self._left.get(gateway)
        if known is None or known.spool_id != spool_id:
            self._left[gateway] = _Left(spool_id, now)

    def note_spool(self, gateway: str, spool_id: str, report_interval_s: float, now: float) -> None:
        """Look whether a spool that was left is heard again."""
        left = self._left.get(gateway)
        if left is None:
            return
        if spool_id != left.spool_id:
            left.left_at = now if left.left_at is None else left.left_at
        elif left.left_at is not None and now - left.left_at > min(ON_ITS_WAY_S, report_interval_s / 2):
            told = self._copies.get(gateway) or Refused("copy", 0, now, now)
            if told.refused_count == 0:
                _log.warning("gateway_copied", gateway=gateway)
            self._copies[gateway] = told._replace(refused_count=told.refused_count + 1, last_at=now)

    def found(self, now: float) -> set[str]:
        """Gateways of which there is something to tell."""
        return {name for name in {*self._by_gateway, *self._copies} if self.of(name, now)}

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
        told = known.told if known and known.told else self._copies.get(gateway)
        return [told] if told and now - told.last_at < KNOWN_S else []

    def forget_others(self, gateways: Iterable[str]) -> None:
        """Keep those of the roster."""
        kept = set(gateways)
        self._by_gateway = {name: known for name, known in self._by_gateway.items() if name in kept}
        self._left = {name: left for name, left in self._left.items() if name in kept}
        self._copies = {name: told for name, told in self._copies.items() if name in kept}

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
