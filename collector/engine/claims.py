"""Whose record bears a number? A spool that was copied, or set back to what it was, gives numbers a second time.

An honest agent uses a number once, and sends its record again as it was. So a number that is settled and comes in
another boot, or with another time on the boot's own clock, is another record: it is not acknowledged, and its agent is
told to go on under another spool id, by which both are kept. Which boot a number came from is in the ledger; the clocks
of the last records are in memory alone, for copies that share a boot (containers, a suspended machine).
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from classready.codec import ranges
from classready.report import Record
from collector.store.ledgers import Boots, Ledger, Spool, contains, union

BOOTS_MAX: Final = 8
"""Of a spool, the newest. What an earlier one made is taken for what it says it is."""
BOOT_RANGES_MAX: Final = 64
PRINTS_MAX: Final = 64
"""Of a spool, the newest: what a school's two last reports hold, and a copy comes within an interval. At 20,000
gateways they take some 25 MB."""
SPOOLS_MAX: Final = 3
"""Of a gateway, those heard last: a copy that was told to go on under another spool id is heard under that one at once,
and what it left under the first must still be known when the other machine comes with its own."""


class Prints:
    """Gateway -> spool -> the newest numbers that were applied, each with its record's ``monotonic_s``."""

    def __init__(self) -> None:
        self._by_gateway: dict[str, dict[str, array[float]]] = {}

    def keep(self, spool: Spool, records: Iterable[Record]) -> None:
        """Before it is durable: what is not settled is looked at by nobody."""
        gateway, spool_id = spool
        spools = self._by_gateway.setdefault(gateway, {})
        kept = spools.pop(spool_id, array("d"))
        for record in records:
            kept.extend((record.sequence, record.monotonic_s))  # whole numbers up to 2**53 are exact
        spools[spool_id] = kept[-2 * PRINTS_MAX :]
        if len(spools) > SPOOLS_MAX:
            del spools[next(iter(spools))]

    def of(self, spool: Spool) -> Mapping[int, float]:
        kept = self._by_gateway.get(spool[0], {}).get(spool[1], ())
        return {int(number): at for number, at in zip(kept[::2], kept[1::2], strict=True)}

    def forget_others(self, gateways: Iterable[str]) -> None:
        """Keep those of the roster."""
        self._by_gateway = {name: self._by_gateway[name] for name in gateways if name in self._by_gateway}


def taken(records: Sequence[Record], known: Ledger, prints: Mapping[int, float]) -> set[int]:
    """Return the numbers of ``records`` that another record was settled under."""
    boots = dict(known.boots)
    return {
        record.sequence
        for record in records
        if contains(known.ranges, record.sequence) and _is_another(record, boots, prints)
    }


def _is_another(record: Record, boots: Mapping[str, tuple[tuple[int, int], ...]], prints: Mapping[int, float]) -> bool:
    n, own = record.sequence, boots.get(record.boot_id, ())
    if contains(own, n):
        return prints.get(n, record.monotonic_s) != record.monotonic_s
    return any(contains(other, n) for other in boots.values())


def with_claims(boots: Boots, records: Iterable[Record]) -> Boots:
    """Enter which boot made ``records``; the one that was heard last is last, and the oldest are forgotten."""
    numbers: dict[str, list[int]] = {}
    for record in records:
        numbers.setdefault(record.boot_id, []).append(record.sequence)
    if not numbers:
        return boots
    known = dict(boots)
    for boot, made in numbers.items():
        known[boot] = union(known.pop(boot, ()), ranges(made))
    newest = list(known.items())[-BOOTS_MAX:]
    while len(newest) > 1 and sum(len(made) for _, made in newest) > BOOT_RANGES_MAX:
        newest = newest[1:]
    return tuple((boot, made[-BOOT_RANGES_MAX:]) for boot, made in newest)
