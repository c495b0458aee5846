"""State of schools: versioned JSON, replaced only by whoever read the revision it replaces."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.state import STATE_VERSION, SchoolState
from collector.store.tables import school_state

_encode = msgspec.json.Encoder().encode
_school = msgspec.json.Decoder(SchoolState)


class StaleStateError(Exception):
    """Another writer changed the store behind our back: what is in memory is no longer true."""


class NewerStoreError(Exception):
    """The store was written by a newer release."""


async def load_schools(connection: AsyncConnection, schools: Collection[str]) -> dict[str, tuple[int, SchoolState]]:
    """Return school -> (revision, state) for those of ``schools`` that were stored before."""
    rows = await connection.stream(select(school_state))
    return {
        row.school: (row.revision, _known(_school.decode(row.state))) async for row in rows if row.school in schools
    }


async def save_schools(connection: AsyncConnection, states: Mapping[str, tuple[int, SchoolState]]) -> None:
    """Store school -> (revision that is replaced, state).

    Raises:
        StaleStateError: a revision in the store is not the one that is replaced.
    """
    rows = [_row(school, old, state) for school, (old, state) in states.items()]
    await _save(connection, school_state, "school", rows)


def _row(key: str, old: int, state: SchoolState) -> dict[str, Any]:
    return {"key": key, "old": old, "new": old + 1, "text": _encode(state).decode()}


async def _save(connection: AsyncConnection, table: Table, key: str, rows: list[dict[str, Any]]) -> None:
    values: dict[str, Any] = {"revision": bindparam("new"), "state": bindparam("text")}
    if added := [row for row in rows if row["old"] == 0]:
        await connection.execute(insert(table).values({key: bindparam("key"), **values}), added)
    if replaced := [row for row in rows if row["old"] != 0]:
        mine = (table.c[key] == bindparam("key"), table.c.revision == bindparam("old"))
        if await changed_count(connection, update(table).where(*mine).values(values), replaced) != len(replaced):
            raise StaleStateError


async def changed_count(connection: AsyncConnection, statement: Any, rows: list[dict[str, Any]]) -> int:
    """Execute ``statement`` with each of ``rows``; return how many rows of the store it changed."""
    if connection.dialect.supports_sane_multi_rowcount:
        return (await connection.execute(statement, rows)).rowcount
    return sum([(await connection.execute(statement, row)).rowcount for row in rows])


def _known(state: Any) -> Any:
    if state.version > STATE_VERSION:
        raise NewerStoreError(f"state version {state.version}, this release knows {STATE_VERSION}")
    return state
