"""Records that nobody sends any more and nobody said were dropped: looked for now and then, in what the store holds.

A gap in a ledger is a loss once nothing can fill it: of an old spool at once (its gateway has another one by now), of
the spool in use when it stood in two looks between which the spool reported, with less to send than a report holds:
a backlog goes out oldest first, several reports a second.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from collector.engine import metrics
from collector.engine.errors import CommitFailedError
from collector.engine.writing import Writer
from collector.store import ledgers
from collector.store.ledgers import Gapped, Ledger, Ranges, Spool

LOOK_EVERY_S = 600.0
HELD_MAX = 2_000
"""What one report may hold (docs/wire.md)."""

_log = structlog.get_logger()


class Seen(NamedTuple):
    gaps: Ranges
    at: float


def gaps_of(ledger: Ledger) -> Ranges:
    """What lies between the ranges. What was before the first one an earlier store may have had."""
    return tuple((a[1] + 1, b[0] - 1) for a, b in zip(ledger.ranges, ledger.ranges[1:], strict=False))


def lost_count(ledger: Ledger, gaps: Ranges) -> int:
    """How many of ``gaps``, and of those closed before, no declared drop explains."""
    settled = sum(last - first + 1 for first, last in ledger.ranges)
    # in a store of an older release refusals stand beside the ranges
    beside = max(0, ledger.applied_records + ledger.rejected_records + ledger.closed_records - settled)
    missing = sum(last - first + 1 for first, last in gaps) + ledger.closed_records
    return max(0, missing - beside - sum(ledger.declared_drops.values()))


class Losses:
    """``held`` says how many records a gateway's spool still held when it last reported; None = it never said."""

    def __init__(self, writer: Writer, held: Callable[[str], int | None]) -> None:
        self._writer = writer
        self._held = held
        self._seen: dict[Spool, Seen] = {}
        self._counted: dict[Spool, int] = {}

    async def run(self, every_s: float = LOOK_EVERY_S) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.look()
            except CommitFailedError:
                continue

    async def look(self) -> None:
        """Count what is known to be lost by now, each record once.

        Raises:
            CommitFailedError: the store is away.
        """
        async with self._writer.read() as connection:
            found = await ledgers.load_gapped(connection)
        self.take(found)

    def take(self, found: Sequence[Gapped]) -> None:
        seen: dict[Spool, Seen] = {}
        for one in found:
            gaps = gaps_of(one.ledger)
            before = self._seen.get(one.spool)
            is_settled = not one.is_in_use or self._is_done(one, before)
            # those that were there before, and nothing has come into since
            lasting = gaps if not one.is_in_use else ledgers.common(gaps, before.gaps if before else ())
            seen[one.spool] = before if before and one.updated_at == before.at else Seen(gaps, one.updated_at)
            if is_settled:
                self._count(one, lost_count(one.ledger, lasting))
        self._seen = seen
        self._counted = {spool: count for spool, count in self._counted.items() if spool in seen}

    def _is_done(self, one: Gapped, before: Seen | None) -> bool:
        held = self._held(one.spool[0])
        return before is not None and one.updated_at > before.at and held is not None and held <= HELD_MAX

    def _count(self, one: Gapped, count: int) -> None:
        new = count - self._counted.get(one.spool, 0)
        if new > 0:
            self._counted[one.spool] = count
            metrics.RECORDS_LOST_UNEXPLAINED.inc(new)
            _log.error("records_lost", gateway=one.spool[0], spool=one.spool[1], count=new)
