"""Incidents, one row each, and the desks: what else an office's messages rest on. The closed ones are the history.

Members of an open incident stand beside it, a row for each school: one change costs the same however large the outage.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.bureau.step import resume
from collector.core.bureau.words import STATE_VERSION, Bureau, Desk, Incident, IncidentChanged, Member, Morning, Since
from collector.core.events import DeviceMoved
from collector.store.states import NewerStoreError, StaleStateError, changed_count
from collector.store.tables import incident as incident_table
from collector.store.tables import incident_member, office_desk


class Revisions(Struct, frozen=True):
    """Which revision of each row is in memory: only that one may be replaced."""

    incidents: Mapping[str, int] = {}
    desks: Mapping[str, int] = {}


class _StoredDesk(Struct, frozen=True, kw_only=True):
    version: int = STATE_VERSION
    moves: tuple[DeviceMoved, ...] = ()
    sent_at: tuple[float, ...] = ()
    followed_at: float | None = None
    openings: Mapping[str, tuple[float, ...]] = {}
    since_digest: Since = Since()
    morning: Morning | None = None


_KEPT = tuple(name for name in _StoredDesk.__struct_fields__ if name != "version")
_Schools = Mapping[str, tuple[Member, ...]]
_NO_DESK = Desk()

_encode = msgspec.json.Encoder().encode
_incident = msgspec.json.Decoder(Incident)
_members = msgspec.json.Decoder(tuple[Member, ...])
_desk = msgspec.json.Decoder(_StoredDesk)


async def load(connection: AsyncConnection) -> tuple[Bureau, Revisions]:
    """Return the bureau as it was stored.

    Raises:
        NewerStoreError: by a newer release.
    """
    still_open = select(incident_table).where(incident_table.c.closed_at.is_(None))
    rows = (await connection.execute(still_open.order_by(incident_table.c.opened_at, incident_table.c.id))).all()
    schools: dict[str, dict[str, tuple[Member, ...]]] = {row.id: {} for row in rows}
    for row in await connection.execute(select(incident_member).order_by(incident_member.c.school)):
        if row.incident in schools:
            schools[row.incident][row.school] = _members.decode(row.state)
    found = [replace(_known(_incident.decode(row.state)), schools=schools[row.id]) for row in rows]
    desk_rows = (await connection.execute(select(office_desk))).all()
    stored = {row.office: _known(_desk.decode(row.state)) for row in desk_rows}
    desks = {office: _resumed(desk) for office, desk in stored.items()}
    revisions = Revisions({row.id: row.revision for row in rows}, {row.office: row.revision for row in desk_rows})
    return resume(found, desks, await _last_number(connection)), revisions


async def save(
    connection: AsyncConnection, known: Revisions, before: Bureau, after: Bureau, closed: Iterable[IncidentChanged]
) -> Revisions:
    """Store where ``after`` differs from ``before``, and what closed; return what is known once this is committed.

    Raises:
        StaleStateError: the store does not hold what is to be replaced.
    """
    ended = {change.incident.id: change for change in closed}
    rows = [_incident_row(change.incident, change.at) for change in ended.values()]
    members, desk_rows = _Members(), list[dict[str, Any]]()
    for office, desk in after.desks.items():
        was = before.desks.get(office, _NO_DESK)
        if desk is was:
            continue
        for name, incident in desk.incidents.items():
            if (prior := was.incidents.get(name)) is not incident:
                prior = prior or _elsewhere(before, name)
                rows.append(_incident_row(incident, None))
                members.compare(name, prior.schools if prior else {}, incident.schools)
        if (stored := _stored(desk)) != _stored(was):
            desk_rows.append({"id": office, "state": _json(stored)})
    try:
        kept = await _replace(connection, incident_table, "id", known.incidents, rows)
        desks = await _replace(connection, office_desk, "office", known.desks, desk_rows)
        await members.write(connection, ended)
    except IntegrityError as error:  # a row that should be new is there
        raise StaleStateError from error
    return Revisions({name: revision for name, revision in kept.items() if name not in ended}, desks)


def _elsewhere(before: Bureau, name: str) -> Incident | None:
    """The incident that stood at another desk: one of an office may turn out to be everybody's."""
    return next((desk.incidents[name] for desk in before.desks.values() if name in desk.incidents), None)


def _stored(desk: Desk) -> _StoredDesk:
    """What opened once is not worth a row each time: after a restart it opens once more before it flaps."""
    again = {key: times for key, times in desk.openings.items() if len(times) > 1}
    kept = {name: getattr(desk, name) for name in _KEPT}
    return _StoredDesk(**{**kept, "openings": again})


def _resumed(stored: _StoredDesk) -> Desk:
    return Desk(**{name: getattr(stored, name) for name in _KEPT})


async def closed_page(
    connection: AsyncConnection, office: str | None, offset: int, limit: int
) -> tuple[int, list[Mapping[str, Any]]]:
    """Return how many incidents are over, of ``office`` or of all, and some of their rows, the newest first."""
    table = incident_table.c
    over = [table.closed_at.is_not(None), *([] if office is None else [table.office == office])]
    count = (await connection.execute(select(func.count()).select_from(incident_table).where(*over))).scalar_one()
    newest = select(incident_table).where(*over).order_by(table.closed_at.desc(), table.id.desc())
    return count, [row._asdict() for row in await connection.execute(newest.offset(offset).limit(limit))]


async def closed_row(connection: AsyncConnection, number: str) -> Mapping[str, Any] | None:
    """Return the row of an incident that is over, or None."""
    one = select(incident_table).where(incident_table.c.id == number, incident_table.c.closed_at.is_not(None))
    row = (await connection.execute(one)).one_or_none()
    return None if row is None else row._asdict()


class _Members:
    """The rows of members that differ. Their incident's row differs as well, and its revision guards them."""

    def __init__(self) -> None:
        self._added: list[dict[str, str]] = []
        self._replaced: list[dict[str, str]] = []
        self._gone: list[dict[str, str]] = []

    def compare(self, incident: str, before: _Schools, after: _Schools) -> None:
        for school, members in after.items():
            if (was := before.get(school)) is not members:
                row = {"b_incident": incident, "b_school": school, "b_state": _encode(members).decode()}
                (self._added if was is None else self._replaced).append(row)
        self._gone += [{"b_incident": incident, "b_school": school} for school in before if school not in after]

    async def write(self, connection: AsyncConnection, ended: Iterable[str]) -> None:
        table = incident_member.c
        mine = (table.incident == bindparam("b_incident"), table.school == bindparam("b_school"))
        values: dict[str, Any] = {
            "incident": bindparam("b_incident"),
            "school": bindparam("b_school"),
            "state": bindparam("b_state"),
        }
        if self._gone:
            await connection.execute(delete(incident_member).where(*mine), self._gone)
        if self._replaced:
            await connection.execute(update(incident_member).where(*mine).values(state=values["state"]), self._replaced)
        if self._added:
            await connection.execute(insert(incident_member).values(values), self._added)
        if all_of := list(ended):
            await connection.execute(delete(incident_member).where(table.incident.in_(all_of)))


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
    """Of one that is over the members are no longer needed: what its office was told of them stands beside it."""
    ack = incident.acknowledgement
    return {
        "id": incident.id,
        "scope": incident.scope,
        "office": incident.office,
        "cause": incident.cause,
        "since": incident.since,
        "opened_at": incident.opened_at,
        "closed_at": closed_at,
        "classroom_count": incident.classroom_peak_count,
        "state": _json(replace(incident, schools={})) if closed_at is None else None,
        "notified_count": _notified_count(incident),
        "told_at": incident.told_at,
        "actor": incident.actor,
        "root_name": incident.root_name,
        "acknowledged_at": ack and ack.at,
        "acknowledged_by": ack and ack.by,
        "acknowledged_note": ack and ack.note,
    }


def _notified_count(incident: Incident) -> int | None:
    """None = it was told by a release that did not count."""
    return None if incident.notified_at is not None and not incident.notified_count else incident.notified_count


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
