"""The ledger: which sequences of which spool are settled, which of them were refused and why.

Bounded, whatever a sender does: so many ranges and so many refusals a spool, so many spools a gateway.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.report import Rejected
from collector.store.states import StaleStateError, changed_count
from collector.store.tables import ledger, ledger_rejected

GAPPED_MAX = 5_000
"""A spool has gaps while a backlog is on its way, and after losses."""

Ranges = tuple[tuple[int, int], ...]
Boots = tuple[tuple[str, Ranges], ...]
"""Boot id -> what it made, in the order in which they were heard."""
Spool = tuple[str, str]
"""(gateway, spool_id)."""

_encode = msgspec.json.Encoder().encode
_ranges = msgspec.json.Decoder(Ranges)
_boots = msgspec.json.Decoder(Boots)
_drops = msgspec.json.Decoder(dict[str, int])


class Ledger(Struct, frozen=True, kw_only=True):
    """``ranges`` = what is settled: applied, refused, or in a gap that was closed.

    Doubling shows: applied + rejected + closed records must be as many as ``ranges`` hold. (Refusals fill their gaps:
    else a gateway of which one record in each report is refused had a range more with each report, for ever.)
    """

    ranges: Ranges = ()
    applied_records: int = 0
    rejected_records: int = 0
    closed_through: int = 0
    """Up to here a sequence is settled, and nobody knows any more whether it ever came."""
    closed_records: int = 0
    declared_drops: Mapping[str, int] = {}
    boots: Boots = ()
    """Of what is settled, which boot it came from, as far as that is remembered."""


class Gapped(NamedTuple):
    """A ledger that is not one range. ``is_in_use``: no other spool of the gateway was written to since."""

    spool: Spool
    ledger: Ledger
    updated_at: float
    is_in_use: bool


async def load(connection: AsyncConnection, spools: Collection[Spool]) -> dict[Spool, Ledger]:
    """Return the ledgers that exist among ``spools``."""
    rows = await connection.execute(_OF_SPOOLS, {"spools": list(spools)})
    return {(row.gateway, row.spool_id): _ledger(row) for row in rows}


def _ledger(row: Any) -> Ledger:
    return Ledger(
        ranges=_ranges.decode(row.ranges),
        applied_records=row.applied_records,
        rejected_records=row.rejected_records,
        closed_through=row.closed_through,
        closed_records=row.closed_records,
        declared_drops=_drops.decode(row.declared_drops),
        boots=_boots.decode(row.boots),
    )


async def load_gapped(connection: AsyncConnection) -> list[Gapped]:
    """Return the ledgers with gaps, or in which some were closed, the newest of them (at most ``GAPPED_MAX``)."""
    newest = select(ledger.c.gateway, func.max(ledger.c.updated_at).label("at")).group_by(ledger.c.gateway).subquery()
    has_gaps = or_(ledger.c.ranges.like("%],[%"), ledger.c.closed_records > 0)
    joined = select(ledger, newest.c.at).join(newest, newest.c.gateway == ledger.c.gateway).where(has_gaps)
    rows = await connection.execute(joined.order_by(ledger.c.updated_at.desc()).limit(GAPPED_MAX))
    return [
        Gapped((row.gateway, row.spool_id), _ledger(row), row.updated_at, is_in_use=row.updated_at >= row.at)
        for row in rows
    ]


async def load_rejected(connection: AsyncConnection, spool: Spool, first: int, last: int) -> dict[int, str]:
    """Return sequence -> reason of what was refused before, within ``first .. last``."""
    table = ledger_rejected.c
    statement = select(table.sequence, table.reason).where(*_of(table, spool), table.sequence.between(first, last))
    return {row.sequence: row.reason for row in await connection.execute(statement)}


async def save(connection: AsyncConnection, changes: Mapping[Spool, tuple[Ledger | None, Ledger]], now: float) -> None:
    """Store spool -> (what it replaces, what it is); None = a spool not heard before.

    Raises:
        StaleStateError: the store does not hold what is to be replaced.
    """
    rows = [(before, _row(spool, before or Ledger(), after, now)) for spool, (before, after) in changes.items()]
    if added := [row for before, row in rows if before is None]:
        await connection.execute(_ADD, added)
    replaced = [row for before, row in rows if before is not None]
    if replaced and await changed_count(connection, _REPLACE, replaced) != len(replaced):
        raise StaleStateError


async def add_rejected(connection: AsyncConnection, refusals: Iterable[tuple[Spool, Rejected]], now: float) -> None:
    rows = [
        {"gateway": spool[0], "spool_id": spool[1], "sequence": refusal.sequence, "reason": refusal.reason, "at": now}
        for spool, refusal in refusals
    ]
    if rows:
        await connection.execute(insert(ledger_rejected), rows)


async def forget_rejected(connection: AsyncConnection, spool: Spool, keep_count: int) -> None:
    """Keep the newest refusals of a spool. An older one that comes again is called settled.

    An agent has one report in flight and sends nothing again that was answered; a report holds at most 2,000 records.
    """
    table = ledger_rejected.c
    newest = select(table.at).where(*_of(table, spool)).order_by(table.at.desc()).offset(keep_count - 1).limit(1)
    oldest_kept_at = (await connection.execute(newest)).scalar_one_or_none()
    if oldest_kept_at is not None:
        await connection.execute(delete(ledger_rejected).where(*_of(table, spool), table.at < oldest_kept_at))


async def forget_spools(connection: AsyncConnection, gateway: str, keep_count: int) -> int:
    """Keep the spools of a gateway that were heard last; return how many were forgotten.

    A gateway has one spool. What was forgotten could be applied again, but its spool is gone: the agent made a new one.
    """
    heard = select(ledger.c.spool_id).where(ledger.c.gateway == gateway)
    newest_first = heard.order_by(ledger.c.updated_at.desc(), ledger.c.spool_id).offset(keep_count)
    old = list((await connection.execute(newest_first)).scalars())
    for table in (ledger, ledger_rejected) if old else ():
        await connection.execute(delete(table).where(table.c.gateway == gateway, table.c.spool_id.in_(old)))
    return len(old)


async def load_heard(connection: AsyncConnection) -> dict[str, float]:
    """Return gateway -> when a ledger of it was last written."""
    statement = select(ledger.c.gateway, func.max(ledger.c.updated_at).label("at")).group_by(ledger.c.gateway)
    return {row.gateway: row.at for row in await connection.execute(statement)}


def _of(table: Any, spool: Spool) -> tuple[Any, Any]:
    return table.gateway == spool[0], table.spool_id == spool[1]


_VALUES: Mapping[str, Any] = {
    "ranges": bindparam("ranges_"),
    "applied_records": bindparam("applied"),
    "rejected_records": bindparam("rejected"),
    "closed_through": bindparam("through"),
    "closed_records": bindparam("closed"),
    "declared_drops": bindparam("drops"),
    "updated_at": bindparam("now"),
    "boots": bindparam("boots_"),
}
# Built once: to put a statement together costs more than to have it done.
_ADD = insert(ledger).values(gateway=bindparam("g"), spool_id=bindparam("s"), **_VALUES)
_OF_SPOOLS = select(ledger).where(tuple_(ledger.c.gateway, ledger.c.spool_id).in_(bindparam("spools", expanding=True)))
_REPLACE = (
    update(ledger)
    .where(
        ledger.c.gateway == bindparam("g"),
        ledger.c.spool_id == bindparam("s"),
        ledger.c.applied_records == bindparam("was"),
        ledger.c.rejected_records == bindparam("was_rejected"),
    )
    .values(_VALUES)
)


def _row(spool: Spool, before: Ledger, after: Ledger, now: float) -> dict[str, Any]:
    return {
        "g": spool[0],
        "s": spool[1],
        "was": before.applied_records,
        "was_rejected": before.rejected_records,
        "ranges_": _encode(after.ranges).decode(),
        "applied": after.applied_records,
        "rejected": after.rejected_records,
        "through": after.closed_through,
        "closed": after.closed_records,
        "drops": _encode(after.declared_drops).decode(),
        "boots_": _encode(after.boots).decode(),
        "now": now,
    }


# --- ranges ---------------------------------------------------------------------------------------------------------


def union(one: Ranges, other: Ranges) -> Ranges:
    """Closed, disjoint, ascending ranges that cover exactly what the two cover."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted((*one, *other)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def common(one: Ranges, other: Ranges) -> Ranges:
    """Ranges that cover exactly what both cover; each is disjoint and ascending."""
    found: list[tuple[int, int]] = []
    for first, last in one:
        at = max(0, bisect_right(other, first, key=lambda r: r[0]) - 1)
        while at < len(other) and other[at][0] <= last:
            if other[at][1] >= first:
                found.append((max(first, other[at][0]), min(last, other[at][1])))
            at += 1
    return tuple(found)


def contains(within: Ranges, n: int) -> bool:
    index = bisect_right(within, n, key=lambda r: r[0]) - 1
    return index >= 0 and n <= within[index][1]


def with_gaps_closed(known: Ledger, ranges_max: int) -> Ledger:
    """Close the lowest gaps until there are no more than ``ranges_max`` ranges.

    A spool's records come in order, and live ones before a backlog: two ranges, and one more wherever the gateway lost
    some. The lowest gaps are the oldest: of what was lost there nothing will come any more.
    """
    surplus = len(known.ranges) - ranges_max
    if surplus <= 0:
        return known
    lowest, above = known.ranges[: surplus + 1], known.ranges[surplus + 1 :]
    first, last = lowest[0][0], lowest[-1][1]
    held_count = sum(b - a + 1 for a, b in lowest)
    return msgspec.structs.replace(
        known,
        ranges=((first, last), *above),
        closed_through=lowest[-1][0] - 1,
        closed_records=known.closed_records + (last - first + 1) - held_count,
    )
