"""The queue from the schools to the bureau: written with the commit that caused it, deleted with what it caused.

In between it is durable, so that a kill at any moment neither loses a change nor has it told twice.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.bureau.words import Acknowledged, BureauEvent, SchoolChanged, SchoolGone
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.store.tables import alert_change

_KINDS: Mapping[str, type[Any]] = {
    "alert": AlertChange,
    "moved": DeviceMoved,
    "meanwhile": Meanwhile,
    "school_changed": SchoolChanged,
    "school_gone": SchoolGone,
    "acknowledged": Acknowledged,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()}

_encode = msgspec.json.Encoder().encode


class Queued(NamedTuple):
    id: int
    event: BureauEvent


async def append(connection: AsyncConnection, events: Iterable[BureauEvent], now: float) -> None:
    rows = [{"at": now, "kind": _NAMES[type(event)], "change": _encode(event).decode()} for event in events]
    if rows:
        await connection.execute(insert(alert_change), rows)


async def take(connection: AsyncConnection, limit_count: int) -> list[Queued]:
    """Return the oldest ones, in order; they stay until they are removed."""
    rows = await connection.execute(select(alert_change).order_by(alert_change.c.id).limit(limit_count))
    return [Queued(row.id, _DECODERS[row.kind].decode(row.change)) for row in rows]


async def remove(connection: AsyncConnection, ids: Collection[int]) -> None:
    """Delete exactly these: one with a lower number may still be on its way in another transaction."""
    if ids:
        await connection.execute(delete(alert_change).where(alert_change.c.id.in_(list(ids))))
