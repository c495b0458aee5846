"""When the collector lived: a row from each start on, kept up to date while it lives.

Time in which nobody could be heard ages nothing: so after a restart all absences must be known, not the last alone.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store.tables import life

LIVES_MAX = 200
"""What is older than so many starts has been told of by everybody who still speaks."""

Spans = Sequence[tuple[float, float]]
"""Disjoint, oldest first."""


async def load(connection: AsyncConnection) -> Spans:
    rows = await connection.execute(select(life).order_by(life.c.id))
    return [(row.since, row.until) for row in rows]


async def begin(connection: AsyncConnection, now: float, ended_at: float) -> None:
    """A life begins; the one before went on until ``ended_at``."""
    newest = select(func.max(life.c.id)).scalar_subquery()
    await connection.execute(update(life).where(life.c.id == newest).values(until=ended_at))
    made = await connection.execute(insert(life).values(since=now, until=now).returning(life.c.id))
    await connection.execute(delete(life).where(life.c.id <= made.scalar_one() - LIVES_MAX))


async def go_on(connection: AsyncConnection, now: float) -> None:
    """Leave a sign of life."""
    newest = select(func.max(life.c.id)).scalar_subquery()
    await connection.execute(update(life).where(life.c.id == newest).values(until=now))


def lived_s(lives: Spans, since: float, until: float) -> float:
    """How long the collector lived between the two moments."""
    return sum(max(0.0, min(end, until) - max(start, since)) for start, end in lives)
