"""The ledger: which sequences of which spool are durable, and which were refused and why."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.report import Rejected
from collector.store.states import StaleStateError
from collector.store.tables import ledger, ledger_rejected

Ranges = tuple[tuple[int, int], ...]
Spool = tuple[str, str]
"""(gateway, spool_id)."""

_encode = msgspec.json.Encoder().encode
_ranges = msgspec.json.Decoder(Ranges)
_drops = msgspec.json.Decoder(dict[str, int])


class Ledger(Struct, frozen=True, kw_only=True):
    """``applied_records`` counts what was applied, so that doubling shows: it must equal the length of ``ranges``."""

    ranges: Ranges = ()
    applied_records: int = 0
    rejected_records: int = 0
    declared_drops: Mapping[str, int] = {}


async def load(connection: AsyncConnection, spools: Collection[Spool]) -> dict[Spool, Ledger]:
    """Return the ledgers that exist among ``spools``."""
    wanted = tuple_(ledger.c.gateway, ledger.c.spool_id).in_(list(spools))
    rows = await connection.execute(select(ledger).where(wanted))
    return {
        (row.gateway, row.spool_id): Ledger(
            ranges=_ranges.decode(row.ranges),
            applied_records=row.applied_records,
            rejected_records=row.rejected_records,
            declared_drops=_drops.decode(row.declared_drops),
        )
        for row in rows
    }


async def load_rejected(connection: AsyncConnection, spool: Spool, first: int, last: int) -> dict[int, str]:
    """Return sequence -> reason of what was refused before, within ``first .. last``."""
    table = ledger_rejected.c
    statement = select(table.sequence, table.reason).where(
        table.gateway == spool[0], table.spool_id == spool[1], table.sequence.between(first, last)
    )
    return {row.sequence: row.reason for row in await connection.execute(statement)}


async def save(connection: AsyncConnection, spool: Spool, before: Ledger | None, after: Ledger, now: float) -> None:
    """Store ``after`` in place of ``before`` (None = a spool not heard before).

    Raises:
        StaleStateError: the store does not hold ``before``.
    """
    values = {
        "ranges": _encode(after.ranges).decode(),
        "applied_records": after.applied_records,
        "rejected_records": after.rejected_records,
        "declared_drops": _encode(after.declared_drops).decode(),
        "updated_at": now,
    }
    if before is None:
        await connection.execute(insert(ledger).values(gateway=spool[0], spool_id=spool[1], **values))
        return
    mine = (ledger.c.gateway == spool[0], ledger.c.spool_id == spool[1])
    unchanged = (
        ledger.c.applied_records == before.applied_records,
        ledger.c.rejected_records == before.rejected_records,
    )
    if (await connection.execute(update(ledger).where(*mine, *unchanged).values(**values))).rowcount != 1:
        raise StaleStateError


async def add_rejected(connection: AsyncConnection, refusals: Iterable[tuple[Spool, Rejected]]) -> None:
    rows = [
        {"gateway": spool[0], "spool_id": spool[1], "sequence": refusal.sequence, "reason": refusal.reason}
        for spool, refusal in refusals
    ]
    if rows:
        await connection.execute(insert(ledger_rejected), rows)
