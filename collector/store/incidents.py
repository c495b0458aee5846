"""Incidents, one row each, and the desks: what else an office's messages rest on. The closed ones are the history."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.bureau.step import resume
from collector.core.bureau.words import STATE_VERSION, Bureau, Desk, Incident, IncidentChanged
from collector.core.state import DeviceMoved
from collector.store.states import NewerStoreError, StaleStateError, changed_count
from collector.store.tables import incident as incident_table
from collector.store.tables import office_desk


class Revisions(Struct, frozen=True):
    """Which revision of each row is in memory: only that one may be replaced."""

    incidents: Mapping[str, int] = {}
    desks: Mapping[str, int] = {}


class _StoredDesk(Struct, frozen=True, kw_only=True):
    version: int = STATE_VERSION
    moves: tuple[DeviceMoved, ...] = ()
    sent_at: tuple[float, ...] = ()


_encode = msgspec.json.Encoder().encode
_incident = msgspec.json.Decoder(Incident)
_desk = msgspec.json.Decoder(_StoredDesk)


async def load(connection: AsyncConnection) -> tuple[Bureau, Revisions]:
    """Return the bureau as it was stored.

    Raises:
        NewerStoreError: by a newer release.
    """
    still_open = select(incident_table).where(incident_table.c.closed_at.is_(None))
    rows = (await connection.execute(still_open.order_by(incident_table.c.opened_at, incident_table.c.id))).all()
    incidents = [_known(_incident.decode(row.state)) for row in rows]
    desk_rows = (await connection.execute(select(office_desk))).all()
    desks = {row.office: _known(_desk.decode(row.state)) for row in desk_rows}
    bureau = resume(
        incidents,
        {office: Desk(moves=desk.moves, sent_at=desk.sent_at) for office, desk in desks.items()},
        await _last_number(connection),
    )
    return bureau, Revisions({row.id: row.revision for row in rows}, {row.office: row.revision for row in desk_rows})


async def save(
    connection: AsyncConnection,
    known: Revisions,
    incidents: Iterable[Incident],
    closed: Iterable[IncidentChanged],
    desks: Mapping[str, Desk],
) -> Revisions:
    """Store what changed; return the revisions that are known once this is committed.

    Raises:
        StaleStateError: the store does not hold what is to be replaced.
    """
    ended = {change.incident.id: change for change in closed}
    rows = [_incident_row(change.incident, change.at) for change in ended.values()]
    rows += [_incident_row(incident, None) for incident in incidents if incident.id not in ended]
    desk_rows = [
        {"id": office, "state": _json(_StoredDesk(moves=desk.moves, sent_at=desk.sent_at))}
        for office, desk in desks.items()
    ]
    kept = await _replace(connection, incident_table, "id", known.incidents, rows)
    return Revisions(
        {name: revision for name, revision in kept.items() if name not in ended},
        await _replace(connection, office_desk, "office", known.desks, desk_rows),
    )


async def _replace(
    connection: AsyncConnection, table: Table, key: str, known: Mapping[str, int], rows: list[dict[str, Any]]
) -> dict[str, int]:
    """Insert or update ``rows``; return the revisions of all that are known then."""
    if not rows:
        return dict(known)
    names = [name for name in rows[0] if name != "id"]
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in names} | {"revision": bindparam("b_revision")}
    revisions = {row["id"]: known.get(row["id"], 0) + 1 for row in rows}
    bound = [
        {f"b_{name}": value for name, value in row.items()}
        | {"b_revision": revisions[row["id"]], "b_before": revisions[row["id"]] - 1}
        for row in rows
    ]
    if added := [row for row in bound if row["b_before"] == 0]:
        await connection.execute(insert(table).values({key: bindparam("b_id"), **values}), added)
    if replaced := [row for row in bound if row["b_before"] != 0]:
        mine = (table.c[key] == bindparam("b_id"), table.c.revision == bindparam("b_before"))
        if await changed_count(connection, update(table).where(*mine).values(values), replaced) != len(replaced):
            raise StaleStateError
    return {**known, **revisions}


def _incident_row(incident: Incident, closed_at: float | None) -> dict[str, Any]:
    """Of one that is over the members are no longer needed: how many rooms there were at most stays."""
    return {
        "id": incident.id,
        "scope": incident.scope,
        "office": incident.office,
        "cause": incident.cause,
        "since": incident.since,
        "opened_at": incident.opened_at,
        "closed_at": closed_at,
        "classroom_count": incident.classroom_peak_count,
        "state": _json(incident) if closed_at is None else None,
    }


async def _last_number(connection: AsyncConnection) -> int:
    """Return the highest number ever given: they are written with leading zeros, the longest is the highest."""
    name = incident_table.c.id
    last = (await connection.execute(select(name).order_by(func.length(name).desc(), name.desc()).limit(1))).scalar()
    return int(last or 0)


def _json(value: Struct) -> str:
    return _encode(value).decode()


def _known(state: Any) -> Any:
    if state.version > STATE_VERSION:
        raise NewerStoreError(f"incident version {state.version}, this release knows {STATE_VERSION}")
    return state
