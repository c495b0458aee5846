"""Rectification (发现问题、整改落实): what an office was told stays for years, with what became of it.

The record of an incident is its own row, and beside it a row for each alert that was told. It is written with the
messages themselves, in one transaction: what was said stands in it, and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.bureau.rectification import Ending, Joined, News, Told, ending_of, lesson_s, reopens_from
from collector.core.bureau.words import Incident
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.store.tables import incident as incident_table
from collector.store.tables import incident_told, objection

ROWS_PER_STATEMENT = 400
"""So many values in one IN: both kinds of store take far more."""

Row = dict[str, Any]
Key = tuple[str, str, str]
"""Incident, school, subject."""
HoursOf = Callable[[str], Hours]
"""Office -> its hours."""

_KEY = ("incident", "school", "subject")
_rooms = msgspec.json.Decoder(tuple[str, ...])


async def note(connection: AsyncConnection, news: Sequence[News], policy: Policy, hours_of: HoursOf) -> None:
    """Keep what was told. Incidents must have been stored before, and are closed after it (`close`)."""
    if not news:
        return
    told = [each for each in news if isinstance(each, Told)]
    joined = [each for each in news if isinstance(each, Joined)]
    rows = await _known(connection, told, joined)
    before = {key: dict(row) for key, row in rows.items()}
    for each in news:
        if isinstance(each, Told):
            _tell(rows, each)
        else:
            _join(rows, each)
    added = {key: row for key, row in rows.items() if key not in before}
    await _look_back(connection, [each for each in told if _key(each) in added], rows, policy, hours_of)
    await _write(connection, added.values(), [row for key, row in rows.items() if before.get(key, row) != row])
    links = {row["incident"]: row["reopened_from"] for row in added.values() if row["reopened_from"]}
    await _set(connection, "reopened_from", links, only_first=True)
    await _set(connection, "joined_to", {one.incident: one.goes_on_as for one in joined})
    for one in joined:
        raised = update(objection).where(objection.c.incident == one.incident)
        await connection.execute(raised.values(incident=one.goes_on_as))


def _tell(rows: dict[Key, Row], each: Told) -> None:
    alert = each.alert
    row = rows.setdefault(_key(each), _begun(each))
    row["school_name"] = alert.school_name
    if alert.change == "opened":
        row |= {"classrooms": _together(row, alert.classrooms), "ended_at": None, "ending": None}
    else:
        row |= {"ended_at": alert.at, "ending": ending_of(alert)}


def _together(row: Row, rooms: Iterable[str]) -> str:
    """All rooms that ever belonged to it, in the order in which they were told."""
    return _json(dict.fromkeys((*_rooms.decode(row["classrooms"]), *rooms)))


def _begun(each: Told) -> Row:
    """A row; of what an earlier release told of, only the end is known."""
    alert, began = each.alert, each.alert.change == "opened"
    return {
        "incident": each.incident,
        "school": alert.school,
        "subject": alert.subject.label,
        "school_name": alert.school_name,
        "classrooms": _json(alert.classrooms),
        "since": (alert.at if alert.since is None else alert.since) if began else alert.since,
        "told_at": each.at if began else None,
        "ended_at": None,
        "ending": None,
        "reopened_from": None,
    }


def _join(rows: dict[Key, Row], each: Joined) -> None:
    """What of it is open goes on under the other number, told when it was told."""
    ending: Ending = "joined"
    for key, row in [(key, row) for key, row in rows.items() if key[0] == each.incident and row["ending"] is None]:
        there = rows.setdefault((each.goes_on_as, *key[1:]), {**row, "incident": each.goes_on_as})
        there |= {"classrooms": _together(there, _rooms.decode(row["classrooms"])), "ended_at": None, "ending": None}
        row |= {"ended_at": each.at, "ending": ending}


async def _known(connection: AsyncConnection, told: Sequence[Told], joined: Sequence[Joined]) -> dict[Key, Row]:
    """What stands of the alerts that were told of, and of all in incidents that became one."""
    table, found = incident_told.c, dict[Key, Row]()
    schools: dict[str, set[str]] = {}
    for each in told:
        schools.setdefault(each.incident, set()).add(each.alert.school)
    whole = sorted({number for each in joined for number in (each.incident, each.goes_on_as)})
    wanted: list[ColumnElement[bool]] = [table.incident.in_(some) for some in _slices(whole)]
    for name, of_it in schools.items():
        wanted += [(table.incident == name) & table.school.in_(some) for some in _slices(sorted(of_it))]
    for clause in wanted:
        for row in await connection.execute(select(incident_told).where(clause)):
            found[row.incident, row.school, row.subject] = row._asdict()
    return found


async def _look_back(
    connection: AsyncConnection, begun: Iterable[Told], rows: Mapping[Key, Row], policy: Policy, hours_of: HoursOf
) -> None:
    """Link what begins to what was fixed lately, and was the same: school, subject and cause."""
    by_kind: dict[tuple[str, str], list[Told]] = {}
    for each in begun:
        if each.alert.change == "opened":
            by_kind.setdefault((each.alert.office, each.alert.cause), []).append(each)
    for (office, cause), some in by_kind.items():
        fixed_after = reopens_from(hours_of(office), max(each.at for each in some), policy)
        last = await _last_fixed(connection, sorted({each.alert.school for each in some}), cause, fixed_after)
        for each in some:
            was = last.get((each.alert.school, each.alert.subject.label))
            if was not in {None, each.incident}:
                rows[_key(each)]["reopened_from"] = was


async def _last_fixed(
    connection: AsyncConnection, schools: Sequence[str], cause: str, fixed_after: float
) -> dict[tuple[str, str], str]:
    """(school, subject) -> the incident in which it was fixed last, at or after ``fixed_after``."""
    table, found = incident_told.c, dict[tuple[str, str], str]()
    fixed = select(table.school, table.subject, table.incident).join(
        incident_table, incident_table.c.id == table.incident
    )
    fixed = fixed.where(
        incident_table.c.cause == cause, table.ending == "recovered", table.ended_at >= max(fixed_after, 0.0)
    )
    for some in _slices(schools):
        for row in await connection.execute(fixed.where(table.school.in_(some)).order_by(table.ended_at)):
            found[row.school, row.subject] = row.incident
    return found


async def _set(
    connection: AsyncConnection, column: str, values: Mapping[str, str], *, only_first: bool = False
) -> None:
    """Write ``column`` of these incidents; ``only_first``: what stands there stays."""
    if not values:
        return
    table = incident_table.c
    mine = [table.id == bindparam("b_incident"), *([table[column].is_(None)] if only_first else [])]
    bound = [{"b_incident": number, "b_value": value} for number, value in values.items()]
    await connection.execute(update(incident_table).where(*mine).values({column: bindparam("b_value")}), bound)


async def _write(connection: AsyncConnection, added: Iterable[Row], replaced: Iterable[Row]) -> None:
    if new := list(added):
        await connection.execute(insert(incident_told), new)
    if bound := [{f"b_{name}": value for name, value in row.items()} for row in replaced]:
        mine = [incident_told.c[name] == bindparam(f"b_{name}") for name in _KEY]
        values: Row = {c.name: bindparam(f"b_{c.name}") for c in incident_told.c if c.name not in _KEY}
        await connection.execute(update(incident_told).where(*mine).values(values), bound)


# --- the end --------------------------------------------------------------------------------------------------------


async def close(connection: AsyncConnection, closed: Sequence[Incident], hours_of: HoursOf) -> None:
    """Say how these ended, from how all that was told of them did."""
    by_number = {each.id: each for each in closed if each.notified_at is not None}
    table = incident_told.c
    for some in _slices(list(by_number)):
        ends = select(table.incident, table.ending, func.max(table.ended_at).label("at"))
        ends = ends.where(table.incident.in_(some), table.ending.is_not(None))
        found: dict[str, dict[Ending, float]] = {}
        for row in await connection.execute(ends.group_by(table.incident, table.ending)):
            found.setdefault(row.incident, {})[row.ending] = row.at
        bound = [_end(by_number[number], ended, hours_of) for number, ended in found.items()]
        if bound:
            mine = update(incident_table).where(incident_table.c.id == bindparam("b_incident"))
            values: Row = {name: bindparam(f"b_{name}") for name in ("ending", "fixed_at", "fix_lesson_s")}
            await connection.execute(mine.values(values), bound)


def _end(each: Incident, ended: Mapping[Ending, float], hours_of: HoursOf) -> Row:
    """Where something recovered, that is when it was fixed: what was withdrawn beside it nobody mended."""
    fixed_at = ended.get("recovered")
    return {
        "b_incident": each.id,
        "b_ending": "recovered" if fixed_at is not None else max(ended, key=lambda ending: ended[ending]),
        "b_fixed_at": fixed_at,
        "b_fix_lesson_s": None if fixed_at is None else lesson_s(hours_of(each.office), each.since, fixed_at),
    }


def _json(rooms: Iterable[str]) -> str:
    return msgspec.json.encode(list(rooms)).decode()


def _key(each: Told) -> Key:
    return each.incident, each.alert.school, each.alert.subject.label


def _slices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + ROWS_PER_STATEMENT] for at in range(0, len(names), ROWS_PER_STATEMENT))
