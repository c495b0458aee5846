"""State of schools: versioned JSON, replaced only by whoever read the revision it replaces."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.state import STATE_VERSION, ClassroomState, SchoolState
from collector.store.tables import school_state

FEW_SCHOOLS = 500
"""Up to so many are asked for by name; for more the whole table is read."""

_VALUES: dict[str, Any] = {"revision": bindparam("new"), "state": bindparam("text"), "saved_at": bindparam("now")}
_ADD = insert(school_state).values(school=bindparam("name"), **_VALUES)
_REPLACE = (
    update(school_state)
    .where(school_state.c.school == bindparam("name"), school_state.c.revision == bindparam("old"))
    .values(_VALUES)
)

_encode = msgspec.json.Encoder().encode
_school = msgspec.json.Decoder(SchoolState)


class StaleStateError(Exception):
    """Another writer changed the store behind our back: what is in memory is no longer true."""


class NewerStoreError(Exception):
    """The store was written by a newer release."""


class Stored(NamedTuple):
    """A school's row. ``saved_at``: the collector's clock when it was written."""

    revision: int
    state: SchoolState
    saved_at: float


async def load_schools(connection: AsyncConnection, schools: Collection[str]) -> dict[str, Stored]:
    """Return those of ``schools`` that were stored before."""
    wanted = select(school_state)
    if len(schools) <= FEW_SCHOOLS:
        wanted = wanted.where(school_state.c.school.in_(list(schools)))
    rows = await connection.stream(wanted)
    return {
        row.school: Stored(row.revision, _readings_once(_known(_school.decode(row.state))), row.saved_at)
        async for row in rows
        if row.school in schools
    }


async def save_schools(connection: AsyncConnection, states: Mapping[str, tuple[int, SchoolState]], now: float) -> None:
    """Store school -> (revision that is replaced, state).

    Raises:
        StaleStateError: a revision in the store is not the one that is replaced.
    """
    rows = [
        {"name": school, "old": old, "new": old + 1, "text": _encode(state).decode(), "now": now}
        for school, (old, state) in states.items()
    ]
    if added := [row for row in rows if row["old"] == 0]:
        await connection.execute(_ADD, added)
    replaced = [row for row in rows if row["old"] != 0]
    if replaced and await changed_count(connection, _REPLACE, replaced) != len(replaced):
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


def _readings_once(state: SchoolState) -> SchoolState:
    """The reading of a port that counts is mostly its newest one itself: in JSON it stands twice, in memory once.

    That is a sixth of what a school takes.
    """
    return replace(state, classrooms={name: _with_readings_once(room) for name, room in state.classrooms.items()})


def _with_readings_once(room: ClassroomState) -> ClassroomState:
    last = room.last_port
    port, pending = (last if reading == last else reading for reading in (room.port, room.pending_port))
    return replace(room, port=port, pending_port=pending)
