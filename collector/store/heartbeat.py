"""A sign of life: when the collector last lived, and the proof that the store takes what is written."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store.tables import heartbeat

_ONLY = 1


async def beat(connection: AsyncConnection, now: float) -> None:
    if (await connection.execute(update(heartbeat).values(at=now))).rowcount == 0:
        await connection.execute(insert(heartbeat).values(id=_ONLY, at=now))


async def last_beat(connection: AsyncConnection) -> float:
    """Return when the last one was; 0 = never."""
    return (await connection.execute(select(heartbeat.c.at))).scalar_one_or_none() or 0.0
