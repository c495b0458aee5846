"""What is known of the spools that report: from the store, or from memory while nobody can have changed it."""

from collections.abc import Mapping, Sequence

from classready.codec import DecodedReport
from collector.engine.draft import Draft
from collector.engine.reports import sequences, spool_of
from collector.engine.writing import Writer
from collector.store import ledgers
from collector.store.ledgers import Ledger, Spool

KEPT_RANGES_MAX = 64
"""A spool has two ranges or three. What has many is read again each time: memory is not for a sender to fill."""


class Spools:
    """Of each gateway the ledger of the spool heard last is kept: a gateway has one, and makes another when it is lost.

    It is taken out while a transaction may change it and put back when that is durable, so after a failure, or one of
    which nobody knows how it ended, the store is asked.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._kept: dict[str, tuple[str, Ledger]] = {}

    async def load(self, reports: Sequence[DecodedReport]) -> tuple[dict[Spool, Ledger], dict[Spool, dict[int, str]]]:
        """Return the ledgers that exist of the spools of ``reports``, and what of these was refused before, and why.

        Nobody but reports changes them, so no turn is needed.
        """
        found = dict(self._taken_out(reports))
        missing = {spool_of(decoded) for decoded in reports} - found.keys()
        if not missing and not any(_may_be_refused(found, decoded) for decoded in reports):
            return found, {}
        refused: dict[Spool, dict[int, str]] = {}
        async with self._writer.read() as connection:
            if missing:
                found |= await ledgers.load(connection, missing)
            for decoded in reports:
                if _may_be_refused(found, decoded):
                    spool, named = spool_of(decoded), sequences(decoded)
                    again = await ledgers.load_rejected(connection, spool, min(named), max(named))
                    refused.setdefault(spool, {}).update(again)
        return found, refused

    def keep(self, draft: Draft) -> None:
        """Remember what ``draft`` left in the store."""
        for (gateway, spool_id), (before, ledger) in draft.ledgers.items():
            is_stored = before is not None or ledger != Ledger()
            if is_stored and len(ledger.ranges) <= KEPT_RANGES_MAX:
                self._kept[gateway] = (spool_id, ledger)
        for gateway, what, _ in draft.given_up:
            if what == "spools":
                self._kept.pop(gateway, None)

    def _taken_out(self, reports: Sequence[DecodedReport]) -> Sequence[tuple[Spool, Ledger]]:
        gateways = {decoded.report.gateway for decoded in reports}
        taken = [(gateway, self._kept.pop(gateway, None)) for gateway in gateways]
        return [((gateway, kept[0]), kept[1]) for gateway, kept in taken if kept is not None]


def _may_be_refused(known: Mapping[Spool, Ledger], decoded: DecodedReport) -> bool:
    """Whether the report may name something that was refused before: what is beyond all that is settled was not."""
    ledger = known.get(spool_of(decoded))
    if ledger is None or not ledger.rejected_records:
        return False
    settled_count = sum(last - first + 1 for first, last in ledger.ranges)
    known_count = ledger.applied_records + ledger.rejected_records + ledger.closed_records
    if known_count != settled_count:  # a store of an older release: what was refused stands beside the ranges
        return True
    return any(n <= ledger.ranges[-1][1] for n in sequences(decoded))
