"""Objections (申诉) with both results: kept as long as the records of incidents."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.objection import Answer, Found, Objection
from collector.store.tables import objection

DELETED_PER_TRANSACTION = 200

Row = Mapping[str, Any]

_column = objection.c
_encode = msgspec.json.Encoder().encode
_found = msgspec.json.Decoder(Found)


class NewObjection(Struct, frozen=True, kw_only=True):
    """``incident``: the number of the one that it was raised against; None = there was none."""

    school: str
    classroom: str | None
    office: str
    incident: str | None
    by: str
    note: str
    at: float
    before: Found


async def add(connection: AsyncConnection, new: NewObjection) -> Objection:
    values = {name: getattr(new, name) for name in new.__struct_fields__}
    values["before"] = _json(new.before)
    number = (await connection.execute(insert(objection).values(values).returning(_column.id))).scalar_one()
    return Objection(id=number, school=new.school, classroom=new.classroom, at=new.at, before=new.before)


async def unanswered(connection: AsyncConnection) -> list[Objection]:
    rows = await connection.execute(select(objection).where(_column.outcome.is_(None)).order_by(_column.id))
    return [
        Objection(id=row.id, school=row.school, classroom=row.classroom, at=row.at, before=_found.decode(row.before))
        for row in rows
    ]


async def settle(connection: AsyncConnection, number: int, answer: Answer, now: float) -> None:
    """Write the answer, once: an earlier one stays."""
    mine = update(objection).where(_column.id == number, _column.outcome.is_(None))
    values = {"settled_at": now, "outcome": answer.outcome, "reason": answer.reason, "after": _json(answer.after)}
    await connection.execute(mine.values(values))


async def count_since(connection: AsyncConnection, school: str, since: float) -> int:
    counted = select(func.count()).select_from(objection).where(_column.school == school, _column.at > since)
    return int((await connection.execute(counted)).scalar_one())


async def page(
    connection: AsyncConnection, wanted: Mapping[str, str], offset: int, limit: int
) -> tuple[int, Sequence[Row]]:
    """Return how many there are with these values of columns, and some of them, the newest first."""
    where: list[ColumnElement[bool]] = [_column[name] == value for name, value in wanted.items()]
    count = (await connection.execute(select(func.count()).select_from(objection).where(*where))).scalar_one()
    newest = select(objection).where(*where).order_by(_column.at.desc(), _column.id.desc())
    rows = [row._asdict() for row in await connection.execute(newest.offset(offset).limit(limit))]
    return count, [{**row, "before": _decoded(row["before"]), "after": _decoded(row["after"])} for row in rows]


async def prune(connection: AsyncConnection, kept_from: float) -> int:
    """Delete some that were answered before then; return how many."""
    old = select(_column.id).where(_column.settled_at < kept_from).order_by(_column.settled_at)
    numbers = list((await connection.execute(old.limit(DELETED_PER_TRANSACTION))).scalars())
    if numbers:
        await connection.execute(delete(objection).where(_column.id.in_(numbers)))
    return len(numbers)


def _json(found: Found) -> str:
    return _encode(found).decode()


def _decoded(text: str | None) -> Found | None:
    return None if text is None else _found.decode(text)
