"""The upgrade of the fleet: one plan, and a mark for each gateway that was offered its release."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.fleet.staging import Mark, Plan
from collector.store.tables import upgrade_mark, upgrade_plan

_plan = msgspec.json.Decoder(Plan)
_mark = msgspec.json.Decoder(Mark)
_encode = msgspec.json.Encoder().encode
_ONLY = 1
"""There is one upgrade at a time."""


async def load(connection: AsyncConnection) -> tuple[Plan | None, dict[str, Mark]]:
    text = await connection.scalar(select(upgrade_plan.c.plan))
    rows = await connection.execute(select(upgrade_mark.c.mark))
    marks = [_mark.decode(row.mark) for row in rows]
    return None if text is None else _plan.decode(text), {mark.gateway: mark for mark in marks}


async def put_plan(connection: AsyncConnection, plan: Plan) -> None:
    await connection.execute(delete(upgrade_plan))
    await connection.execute(insert(upgrade_plan).values(id=_ONLY, plan=_encode(plan).decode()))


async def put_marks(connection: AsyncConnection, marks: Iterable[Mark]) -> None:
    """Store ``marks`` in place of those that their gateways had."""
    rows = [{"gateway": mark.gateway, "mark": _encode(mark).decode()} for mark in marks]
    await remove_marks(connection, [str(row["gateway"]) for row in rows])
    if rows:
        await connection.execute(insert(upgrade_mark), rows)


async def remove_marks(connection: AsyncConnection, gateways: Iterable[str] | None = None) -> None:
    """Remove those of ``gateways``; None = all."""
    if gateways is None:
        await connection.execute(delete(upgrade_mark))
        return
    for gateway in gateways:
        await connection.execute(delete(upgrade_mark).where(upgrade_mark.c.gateway == gateway))
