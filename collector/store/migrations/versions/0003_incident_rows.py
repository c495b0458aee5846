# ruff: noqa: INP001 - alembic loads these files by path
"""One row an incident and one a member school instead of one for the whole bureau; desks; the queue to the bureau.

Nothing that the offices were told, or still are to be told, is forgotten. Subjects are taken apart here for the last
time: from now on they are structs.
"""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

Json = dict[str, Any]


def upgrade() -> None:
    op.create_table(
        "alert_change",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("change", sa.Text, nullable=False),
    )
    op.create_table(
        "incident_member",
        sa.Column("incident", sa.String(200), primary_key=True),
        sa.Column("school", sa.String(32), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "office_desk",
        sa.Column("office", sa.String(32), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.execute(sa.text("ALTER TABLE incident RENAME COLUMN incident TO id"))
    op.add_column("incident", sa.Column("revision", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("incident", sa.Column("scope", sa.String(8), nullable=False, server_default="office"))
    op.add_column("incident", sa.Column("since", sa.Double, nullable=False, server_default="0"))
    op.add_column("incident", sa.Column("state", sa.Text))
    op.execute(sa.text("UPDATE incident SET since = opened_at"))
    connection = op.get_bind()
    states = connection.execute(sa.text("SELECT school, state FROM school_state")).all()
    seen_by = {row.school: _witnesses(json.loads(row.state)) for row in states}
    for row in connection.execute(sa.text("SELECT state FROM bureau_state")).all():
        _carry_over(connection, json.loads(row.state), seen_by)
    _end_orphans(connection)
    op.drop_table("bureau_state")
    pending = connection.execute(sa.text("SELECT id, notice FROM outbox WHERE state = 'pending'")).all()
    for row in pending:
        text = _dump(_notice(json.loads(row.notice)))
        connection.execute(sa.text("UPDATE outbox SET notice = :text WHERE id = :id"), {"text": text, "id": row.id})


def _carry_over(connection: sa.Connection, bureau: Json, seen_by: Mapping[str, list[str]]) -> None:
    for old in bureau["incidents"].values():
        members_of = {school: members for school, members in _schools(old, seen_by).items() if members}
        incident = _incident(old, members_of)
        if not members_of:
            continue
        for school, members in members_of.items():
            statement = "INSERT INTO incident_member (incident, school, state) VALUES (:incident, :school, :state)"
            row = {"incident": incident["id"], "school": school, "state": _dump(members)}
            connection.execute(sa.text(statement), row)
        values = {
            "id": incident["id"],
            "since": incident["since"],
            "count": incident["classroom_peak_count"],
            "state": _dump(incident),
        }
        statement = "UPDATE incident SET since = :since, classroom_count = :count, state = :state WHERE id = :id"
        connection.execute(sa.text(statement), values)
    moves, sent_at = bureau.get("moves", {}), bureau.get("sent_at", {})
    for office in {**moves, **sent_at}:
        desk = {"version": 1, "moves": moves.get(office, []), "sent_at": sent_at.get(office, [])}
        statement = "INSERT INTO office_desk (office, revision, state) VALUES (:office, 1, :state)"
        connection.execute(sa.text(statement), {"office": office, "state": _dump(desk)})


def _end_orphans(connection: sa.Connection) -> None:
    """Whatever the history calls open and no state explains can never be closed by a change."""
    connection.execute(sa.text("UPDATE incident SET closed_at = opened_at WHERE closed_at IS NULL AND state IS NULL"))


def _schools(old: Json, seen_by: Mapping[str, list[str]]) -> dict[str, list[Json]]:
    told, schools = set(old.get("told", ())), dict[str, list[Json]]()
    for key, alert in [*old.get("members", {}).items(), *old.get("resolved_members", {}).items()]:
        members = schools.setdefault(alert["school"], [])
        rooms = alert["classrooms"] if key in told else None
        found = _seen(_alert(alert), seen_by.get(alert["school"], []), is_told=rooms is not None)
        members += [{"alert": one, "told": rooms} for one in found]
    return schools


def _incident(old: Json, schools: Mapping[str, list[Json]]) -> Json:
    """The incident without its members: they have rows of their own."""
    members = [member for found in schools.values() for member in found]
    opened = [member["alert"] for member in members if member["alert"]["change"] == "opened"]
    is_news = any(member["told"] is None or member["alert"]["change"] == "closed" for member in members)
    due_at = old["opened_at"] if old.get("due_at") is None else old["due_at"]
    return {
        "version": 1,
        "id": old["id"],
        "scope": "office",
        "office": old["office"],
        "cause": old["cause"],
        "opened_at": old["opened_at"],
        "since": min([old["opened_at"], *(member["alert"]["at"] for member in members)]),
        "schools": {},
        "classroom_peak_count": len({(alert["school"], room) for alert in opened for room in alert["classrooms"]}),
        "due_at": due_at if is_news else None,
        "notified_at": old.get("notified_at"),
    }


def _witnesses(school: Json) -> list[str]:
    """Whose platform failed was not kept: the gateways that did not reach one, or else the first."""
    readings = school.get("platforms", {}).values()
    failing = sorted({reading["gateway"] for reading in readings if reading.get("up") is False})
    return failing or sorted(school.get("gateways", {}))[:1]


def _seen(alert: Json, gateways: list[str], *, is_told: bool) -> list[Json]:
    """A platform's alert is now about the platform as one gateway sees it. Seen by none, nothing could ever end it."""
    subject = alert["subject"]
    if subject["kind"] != "platform" or alert["change"] == "closed":
        return [alert]
    if not gateways:
        return [{**alert, "change": "closed", "why": "withdrawn"}] if is_told else []
    return [{**alert, "subject": {**subject, "gateway": gateway}} for gateway in gateways]


def _alert(old: Json) -> Json:
    return {**old, "subject": _subject(old["subject"])}


def _subject(written: str) -> Json:
    kind, _, rest = written.partition(":")
    if kind in {"switch", "segment"}:
        gateway, _, name = rest.partition("/")
        return {"kind": kind, "gateway": gateway, "name": name}
    if kind in {"gateway", "uplink"}:
        return {"kind": kind, "gateway": rest, "name": ""}
    return {"kind": kind, "gateway": "", "name": rest}


def _notice(old: Json) -> Json:
    kept = {name: value for name, value in old.items() if name not in {"subject", "opened_at"}}
    return {**kept, "since": old["opened_at"], "members": [_alert(alert) for alert in old["members"]]}


def _dump(value: Json | list[Json]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def downgrade() -> None:
    """Go back without what is open: the release before cannot read it, and begins its incidents anew."""
    op.execute(sa.text("UPDATE incident SET closed_at = opened_at WHERE closed_at IS NULL"))
    for column in ("state", "since", "scope", "revision"):
        op.drop_column("incident", column)
    op.execute(sa.text("ALTER TABLE incident RENAME COLUMN id TO incident"))
    op.drop_table("office_desk")
    op.drop_table("incident_member")
    op.drop_table("alert_change")
    op.create_table(
        "bureau_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
