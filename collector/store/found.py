"""What gateways found in their own networks: one row an address, replaced by newer evidence, bounded a gateway.

The search itself stands under no address. What a later search did not find any more is kept for a while: a board that
is off at noon was not taken away.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
from msgspec import Struct
from sqlalchemy import and_, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.observation import Found
from collector.core.proposals import Sight
from collector.store.tables import found, found_asked

SWITCHES_PER_GATEWAY_MAX = 128
OTHERS_PER_GATEWAY_MAX = 2_000
GONE_S = 30 * 86_400.0
"""So long after it was last seen a row is kept, if a later search did not find it: over a winter holiday."""
SWEEP_HOST = ""
_GATEWAYS_AT_ONCE = 500
"""Fewer than SQLite takes parameters (32,766), in a statement of reasonable length."""

_column, _asked = found.c, found_asked.c
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Found).decode


class Sighting(Struct, frozen=True, kw_only=True):
    """What a gateway's record says of one address, which it must name, or of its search."""

    gateway: str
    seen: Found
    observed_at: float

    @property
    def host(self) -> str:
        return SWEEP_HOST if self.seen.what == "sweep" else self.seen.host or ""


async def keep(connection: AsyncConnection, sightings: Sequence[Sighting]) -> None:
    """Let each replace what is older of its address, and forget what is too much or gone for long."""
    for gateway, group in groupby(sorted(sightings, key=attrgetter("gateway")), attrgetter("gateway")):
        newest = {each.host: each for each in sorted(group, key=attrgetter("observed_at"))}
        await _keep_of(connection, gateway, newest)


async def _keep_of(connection: AsyncConnection, gateway: str, newest: Mapping[str, Sighting]) -> None:
    rows = await connection.execute(
        select(_column.host, _column.what, _column.observed_at).where(_column.gateway == gateway)
    )
    known = {row.host: (row.what, row.observed_at) for row in rows}
    news = [each for host, each in newest.items() if host not in known or known[host][1] < each.observed_at]
    if added := [_row(each) for each in news if each.host not in known]:
        await connection.execute(insert(found), [{**row, "first_seen_at": row["observed_at"]} for row in added])
    if replaced := [_row(each) for each in news if each.host in known]:
        await connection.execute(_REPLACE, [{f"{name}_": value for name, value in row.items()} for row in replaced])
    held = known | {each.host: (each.seen.what, each.observed_at) for each in news}
    surplus = [host for some in _by_kind(held) for host in some]
    if (sweep := newest.get(SWEEP_HOST)) is not None:
        gone = (host for host, (_, observed_at) in held.items() if observed_at < sweep.observed_at - GONE_S)
        surplus += gone
    await forget(connection, gateway, surplus)


def _by_kind(held: Mapping[str, tuple[str, float]]) -> Iterable[list[str]]:
    """The addresses beyond each bound, those that were seen last kept."""
    newest_first = sorted(held, key=lambda host: -held[host][1])
    switches = [host for host in newest_first if held[host][0] == "switch"]
    others = [host for host in newest_first if held[host][0] not in {"switch", "sweep"}]
    return switches[SWITCHES_PER_GATEWAY_MAX:], others[OTHERS_PER_GATEWAY_MAX:]


async def forget(connection: AsyncConnection, gateway: str, hosts: Collection[str]) -> None:
    for some in _some(hosts):
        await connection.execute(delete(found).where(_column.gateway == gateway, _column.host.in_(some)))


async def forget_others(connection: AsyncConnection, gateways: Collection[str], seen_before: float) -> int:
    """Forget what other gateways than these found before then; return how many those were."""
    newest = select(_column.gateway, func.max(_column.observed_at).label("at")).group_by(_column.gateway)
    known = set(gateways)
    gone = [
        row.gateway for row in await connection.execute(newest) if row.gateway not in known and row.at < seen_before
    ]
    for some in _some(gone):
        await connection.execute(delete(found).where(_column.gateway.in_(some)))
        await connection.execute(delete(found_asked).where(_asked.gateway.in_(some)))
    return len(gone)


async def of(connection: AsyncConnection, gateways: Collection[str]) -> dict[str, list[Sight]]:
    """Gateway -> its rows, in the order of their addresses as text."""
    rows: dict[str, list[Sight]] = {}
    for some in _some(gateways):
        statement = select(found).where(_column.gateway.in_(some)).order_by(_column.gateway, _column.host)
        for row in await connection.execute(statement):
            rows.setdefault(row.gateway, []).append(_read(row._asdict()))
    return rows


async def ignore(connection: AsyncConnection, gateway: str, hosts: Collection[str], by: str, now: float) -> None:
    for some in _some(hosts):
        mine = update(found).where(_column.gateway == gateway, _column.host.in_(some))
        await connection.execute(mine.values(ignored_at=now, ignored_by=by))


async def heed(connection: AsyncConnection, gateway: str, hosts: Collection[str]) -> None:
    """Take back what ``ignore`` said."""
    for some in _some(hosts):
        mine = update(found).where(_column.gateway == gateway, _column.host.in_(some))
        await connection.execute(mine.values(ignored_at=None, ignored_by=None))


async def asked(connection: AsyncConnection) -> dict[str, float]:
    """Gateway -> when somebody last asked it to look again."""
    return {row.gateway: row.asked_at for row in await connection.execute(select(found_asked))}


async def ask(connection: AsyncConnection, gateway: str, by: str, now: float) -> None:
    await connection.execute(delete(found_asked).where(_asked.gateway == gateway))
    await connection.execute(insert(found_asked).values(gateway=gateway, asked_at=now, asked_by=by))


def _some(names: Collection[str]) -> Iterable[Sequence[str]]:
    ordered = list(names)
    return (ordered[i : i + _GATEWAYS_AT_ONCE] for i in range(0, len(ordered), _GATEWAYS_AT_ONCE))


_REPLACE = (
    update(found)
    .where(and_(_column.gateway == bindparam("gateway_"), _column.host == bindparam("host_")))
    .values(what=bindparam("what_"), seen=bindparam("seen_"), observed_at=bindparam("observed_at_"))
)


def _row(each: Sighting) -> dict[str, object]:
    return {
        "gateway": each.gateway,
        "host": each.host,
        "what": each.seen.what,
        "seen": _encode(_short(each.seen)).decode(),
        "observed_at": each.observed_at,
    }


def _short(seen: Found) -> Found:
    """Without what nobody looks at later: only switches have ports."""
    ports = seen.ports if seen.what == "switch" else None
    return msgspec.structs.replace(seen, elapsed_s=None, ports=ports)


def _read(row: dict[str, object]) -> Sight:
    del row["what"]
    return Sight(**{**row, "seen": _decode(str(row["seen"]))})  # type: ignore[arg-type]
