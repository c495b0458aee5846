# ruff: noqa: INP001 - alembic loads these files by path
"""The state of schools, from fields that were copied one by one to the observations themselves (version 1 -> 2).

Nothing that is a fact is lost: evidence with its dates, verdicts, latches, what was open and what of it was told. What
a row never held (who made an observation, whether it was late) is that of a gateway and not late.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SCHOOLS = sa.table("school_state", sa.column("school", sa.String), sa.column("state", sa.Text))

State = dict[str, Any]

_PORT = (
    "switch", "if_name", "admin_up", "oper_up", "speed_bps", "full_duplex", "in_octets", "fcs_error_count",
    "alignment_error_count", "late_collision_count",
)  # fmt: skip
_TEST = (
    "mode", "at_least_bps", "at_most_bps", "estimate_bps", "bytes", "seconds", "theta0_bps", "theta1_bps",
    "bucket_bytes", "loss_ratio", "windows",
)  # fmt: skip


def upgrade() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_SCHOOLS)).all():
        state = json.loads(row.state)
        if state.get("version") == 1:
            text = _dump(converted(state))
            connection.execute(sa.update(_SCHOOLS).where(_SCHOOLS.c.school == row.school).values(state=text))


def _dump(value: State) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def downgrade() -> None:
    """Go back without the state of schools: the release before cannot read it. The history of verdicts stays."""
    op.execute(sa.text("DELETE FROM school_state"))


def converted(old: State) -> State:
    """A state of version 1 as one of version 2."""
    return {
        **old,
        "version": 2,
        "uplinks": {key: _leg(leg, {"beyond": leg.get("beyond")}) for key, leg in old.get("uplinks", {}).items()},
        "paths": {
            key: _leg(leg, {"classroom": leg["classroom"]}, classroom=leg["classroom"])
            for key, leg in old.get("paths", {}).items()
        },
        "segments": {key: _segment(reading) for key, reading in old.get("segments", {}).items()},
        "platforms": {key: _platform(reading) for key, reading in old.get("platforms", {}).items()},
        "classrooms": {room: _room(room, state) for room, state in old.get("classrooms", {}).items()},
        "alerts": [alert for key, kept in old.get("alerts", {}).items() for alert in _alerts(key, kept, old)],
    }


def _without_none(**fields: Any) -> State:
    return {name: value for name, value in fields.items() if value is not None}


def _leg(leg: State, own: State, **of_test: str) -> State:
    common = {name: leg[name] for name in ("gateway", "target", "direction")}
    kept = {name: leg.get(name) for name in ("last_unmeasured_at", "last_unmeasured_reason")}
    told = [leg.get("last_unmeasured_at") or 0.0, *(test["observed_at"] for test in leg.get("tests", ()))]
    named = {"target": leg["target"], "direction": leg["direction"], "beyond": leg.get("beyond"), **of_test}
    return {
        **common,
        **own,
        **kept,
        "told_at": max(told),
        "tests": [_test(test, named) for test in leg.get("tests", ())],
    }


def _test(test: State, named: State) -> State:
    seen = _without_none(
        kind="bandwidth",
        outcome="pass" if test["passed"] else "fail",
        **named,
        **{name: test.get(name) for name in _TEST},
    )
    return {"observed_at": test["observed_at"], "seen": seen}


def _segment(reading: State) -> State:
    switches = reading.get("switches")
    seen = _without_none(
        kind="segment",
        outcome="answered",
        **{name: reading.get(name) for name in ("name", "if_name", "speed_bps", "full_duplex")},
        switches=switches[1:] if switches else None,
    )
    return {"observed_at": reading["observed_at"], "gateway": reading["gateway"], "switches": switches, "seen": seen}


def _platform(reading: State) -> State:
    gateway, target = reading["gateway"], reading["target"]
    new = {"gateway": gateway, "target": target}
    if reading.get("http_at") is not None:
        outcome = {True: "answered", False: "no_answer", None: "unmeasured"}[reading.get("up")]
        seen = _without_none(
            kind="http",
            target=target,
            outcome=outcome,
            **{name: reading.get(name) for name in ("reason", "status", "certificate_expires_at")},
            phases_s=reading.get("phases_s") or None,
        )
        new["http"] = {"observed_at": reading["http_at"], "gateway": gateway, "seen": seen}
    if reading.get("ping_at") is not None:
        new["ping"] = {"observed_at": reading["ping_at"], "gateway": gateway, "seen": _ping(target, reading)}
    return new


def _ping(target: str, reading: State) -> State:
    """The counts themselves were not kept: a ratio of a thousand stands for them."""
    loss_ratio, rtt_s = reading.get("loss_ratio"), reading.get("rtt_s")
    return _without_none(
        kind="ping",
        target=target,
        outcome="answered",
        sent_count=None if loss_ratio is None else 1_000,
        received_count=None if loss_ratio is None else round(1_000 * (1 - loss_ratio)),
        rtt_s=None if rtt_s is None else {"median": rtt_s},
    )


def _room(room: str, old: State) -> State:
    latch = dict(old.get("latch") or {})
    latch["short_days"], latch["good_days"] = _days(latch.pop("contrary_days", ()), latch.get("value"))
    ports = {name: _port(room, old.get(name)) for name in ("port", "pending_port", "last_port")}
    return {**old, **ports, "device": _device(room, old.get("device")), "latch": latch}


def _days(contrary: Any, value: str | None) -> tuple[list[str], list[str]]:
    """Days that spoke against the latched value: short ones, or good ones where it is ``no``."""
    return ([], list(contrary)) if value == "no" else (list(contrary), [])


def _port(room: str, old: State | None) -> State | None:
    if old is None:
        return None
    seen = _without_none(kind="port", classroom=room, outcome="answered", **{name: old.get(name) for name in _PORT})
    kept = {name: old[name] for name in ("observed_at", "gateway")}
    return {
        **kept,
        "seen": seen,
        "bad_frame_count": old.get("bad_frame_count"),
        "while_asleep": old.get("while_asleep", False),
    }


def _device(room: str, old: State | None) -> State | None:
    if old is None:
        return None
    by_traffic = old.get("seen_by") == "traffic"
    seen = _without_none(
        kind="device",
        classroom=room,
        outcome="answered" if old["state"] == "awake" else "no_answer",
        state=old["state"],
        seen_by=None if by_traffic else old.get("seen_by"),
        nic_speed_bps=old.get("nic_speed_bps"),
        facts=old.get("facts") or None,
    )
    kept = {name: old[name] for name in ("observed_at", "gateway", "state")}
    return {**kept, "seen": seen, "by_traffic": by_traffic}


def _alerts(key: str, kept: State, old: State) -> list[State]:
    """The key was ``kind:name|cause``; a platform's alert is now about the platform as one gateway sees it."""
    label, _, cause = key.partition("|")
    kind, _, name = label.partition(":")
    return [{"subject": subject, "cause": cause, **kept} for subject in _subjects(kind, name, old)]


def _subjects(kind: str, name: str, old: State) -> list[State]:
    if kind in ("gateway", "uplink"):
        return [{"kind": kind, "gateway": name}]
    if kind in ("switch", "segment"):
        gateway, _, rest = name.partition("/")
        return [{"kind": kind, "gateway": gateway, "name": rest}]
    if kind == "platform":
        readings = old.get("platforms", {}).values()
        failing = sorted({reading["gateway"] for reading in readings if reading.get("up") is False})
        gateways = failing or sorted(old.get("gateways", {}))[:1]
        return [{"kind": kind, "gateway": gateway, "name": name} for gateway in gateways]
    return [{"kind": kind, "name": name}]
