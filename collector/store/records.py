"""The records of what was told and mended, for those who ask: pages, counts, and their end after years.

A record is an incident that its office was told of. What an earlier release did not keep is NULL, and read as that.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, case, delete, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import objections
from collector.store.tables import incident, incident_told

RecordState = Literal["open", "acknowledged", "fixed", "withdrawn", "joined", "unknown"]
"""``joined``: it goes on as another incident. ``unknown``: it is over, and how was not kept (an earlier release)."""
STATES: Final[tuple[RecordState, ...]] = get_args(RecordState)

TOLD_PER_PAGE_MAX = 20_000
DELETED_PER_TRANSACTION = 200

Row = Mapping[str, Any]

_column = incident.c
_state = case(
    (_column.closed_at.is_(None) & _column.acknowledged_at.is_(None), "open"),
    (_column.closed_at.is_(None), "acknowledged"),
    (_column.ending.is_(None), "unknown"),
    (_column.ending == "recovered", "fixed"),
    (_column.ending == "joined", "joined"),
    else_="withdrawn",
).label("record_state")
_was_told = _column.notified_count.is_(None) | (_column.notified_count > 0)
_fix_s = _column.fixed_at - _column.since


class Wanted(Struct, frozen=True, kw_only=True):
    """Which records; None = all. ``opened_from`` counts in, ``opened_until`` does not."""

    office: str | None = None
    school: str | None = None
    state: RecordState | None = None
    opened_from: float | None = None
    opened_until: float | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """``reopened``: those that had been fixed shortly before. Medians are of the fixed ones; null = there is none."""

    open: int = 0
    acknowledged: int = 0
    fixed: int = 0
    withdrawn: int = 0
    joined: int = 0
    unknown: int = 0
    reopened: int = 0
    median_fix_s: float | None = None
    median_fix_lesson_s: float | None = None


class Page(Struct, frozen=True, kw_only=True):
    """Some records, the newest first, and what was told of their schools.

    ``school_counts`` holds true numbers; of ``told`` there may be less than that, if one page had too much.
    """

    total: int
    rows: Sequence[Row]
    told: Sequence[Row]
    school_counts: Mapping[str, int]


async def page(connection: AsyncConnection, wanted: Wanted, offset: int, limit: int) -> Page:
    where = _where(wanted)
    total = (await connection.execute(select(func.count()).select_from(incident).where(*where))).scalar_one()
    newest = select(incident, _state).where(*where).order_by(_column.opened_at.desc(), _column.id.desc())
    return await _with_schools(connection, total, newest.offset(offset).limit(limit))


async def one(connection: AsyncConnection, number: str) -> Page:
    """Return a page with that record, or an empty one."""
    return await _with_schools(connection, 1, select(incident, _state).where(_was_told, _column.id == number))


async def counts(connection: AsyncConnection, wanted: Wanted) -> Counts:
    """Count all states, whichever of them ``wanted`` names."""
    where = _where(Wanted(**{**_fields(wanted), "state": None}))
    by_state = select(_state, func.count(), func.count(_column.reopened_from)).where(*where).group_by(_state)
    rows = (await connection.execute(by_state)).all()
    return Counts(
        **{state: count for state, count, _ in rows},
        reopened=sum(count for _, _, count in rows),
        median_fix_s=await _median(connection, _fix_s, where),
        median_fix_lesson_s=await _median(connection, _column.fix_lesson_s, where),
    )


async def _median(
    connection: AsyncConnection, value: ColumnElement[Any], where: Sequence[ColumnElement[bool]]
) -> float | None:
    known = (*where, value.is_not(None))
    count = (await connection.execute(select(func.count()).select_from(incident).where(*known))).scalar_one()
    middle = select(value).where(*known).order_by(value).offset(max(0, count - 1) // 2).limit(2 - count % 2)
    found = list((await connection.execute(middle)).scalars())
    return sum(found) / len(found) if found else None


def _where(wanted: Wanted) -> list[ColumnElement[bool]]:
    return [_was_told, *(_CLAUSES[name](value) for name, value in _fields(wanted).items() if value is not None)]


_CLAUSES: Final[Mapping[str, Callable[[Any], ColumnElement[bool]]]] = {
    "office": lambda office: _column.office == office,
    "school": lambda school: _column.id.in_(select(incident_told.c.incident).where(incident_told.c.school == school)),
    "state": lambda state: _state.element == state,
    "opened_from": lambda at: _column.opened_at >= at,
    "opened_until": lambda at: _column.opened_at < at,
}


def _fields(wanted: Wanted) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in wanted.__struct_fields__}


async def _with_schools(connection: AsyncConnection, total: int, records: Select[Any]) -> Page:
    rows = [row._asdict() for row in await connection.execute(records)]
    told = incident_told.c
    mine = told.incident.in_([row["id"] for row in rows])
    counted = (
        select(told.incident, func.count(distinct(told.school)).label("school_count"))
        .where(mine)
        .group_by(told.incident)
    )
    school_counts = {row.incident: row.school_count for row in await connection.execute(counted)}
    ordered = select(incident_told).where(mine).order_by(told.incident.desc(), told.school, told.subject)
    found = await connection.execute(ordered.limit(TOLD_PER_PAGE_MAX))
    return Page(total=total, rows=rows, told=[row._asdict() for row in found], school_counts=school_counts)


async def prune(connection: AsyncConnection, now: float, kept_s: float) -> int:
    """Delete some of what is kept longer: incidents, with all that was told of them, and objections; return how many.

    The newest number of all stays, whatever its age: no other incident may ever get it. And years count from the
    newest incident at the latest: a clock that is years ahead deletes nothing by itself.
    """
    newest_at = (await connection.execute(select(func.max(_column.opened_at)))).scalar()
    newest = select(_column.id).order_by(func.length(_column.id).desc(), _column.id.desc()).limit(1).scalar_subquery()
    kept_from = min(now, newest_at or now) - kept_s
    old = select(_column.id).where(_column.closed_at < kept_from, _column.id != newest).order_by(_column.closed_at)
    numbers = list((await connection.execute(old.limit(DELETED_PER_TRANSACTION))).scalars())
    if numbers:
        await connection.execute(delete(incident_told).where(incident_told.c.incident.in_(numbers)))
        await connection.execute(delete(incident).where(_column.id.in_(numbers)))
    return len(numbers) + await objections.prune(connection, kept_from)
