"""An acceptance sheet of a small school, with one of each thing that a sheet can show."""

from typing import Any

from msgspec.structs import replace

from agent.acceptance.sheet import Sheet, Switch, SwitchPort
from agent.findings import Finding
from classready.observation import Bandwidth, Device, Outcome, Port, Reason, Segment
from classready.report import Thetas
from classready.units import MBIT

THETA = Thetas(down=(95 * MBIT, 100 * MBIT), up=None)


def port(classroom: str, if_name: str | None, mbps: int | None = 1_000, **more: Any) -> Port:
    known = {"outcome": Outcome.ANSWERED, "admin_up": True, "oper_up": True, "full_duplex": True}
    speed_bps = mbps * MBIT if mbps else None
    return Port(classroom=classroom, switch="sw1", if_name=if_name, speed_bps=speed_bps, **{**known, **more})


def board(classroom: str, mbps: int | None = 1_000, **more: Any) -> Device:
    known: dict[str, Any] = {"outcome": Outcome.ANSWERED, "state": "awake", "seen_by": "snmp"}
    return Device(classroom=classroom, nic_speed_bps=mbps * MBIT if mbps else None, **{**known, **more})


def line(target: str = "uplink", **more: Any) -> Bandwidth:
    known: dict[str, Any] = {"direction": "down", "mode": "quick", "bytes": 1_200_000, "seconds": 0.1}
    theta = {"theta0_bps": 95.0 * MBIT, "theta1_bps": 100.0 * MBIT}
    return Bandwidth(target=target, **{**known, **theta, **more})


def found(check: str, result: Any, code: str, subject: str = "", /, **values: Any) -> Finding:
    return Finding(check=check, result=result, code=code, subject=subject, values=values)


SHEET = Sheet(
    number="gw-dongpo-01-20261201-120500",
    gateway="gw-dongpo-01",
    school="东坡区苏南小学",
    agent_version="0.1.0",
    made_at=1_796_097_900.0,
    made_local="2026-12-01 12:05",
    timezone="Asia/Shanghai",
    clock_good=True,
    theta=THETA,
    findings=(
        found("python", "ok", "python_ok", python="3.11.2", agent="0.1.0"),
        found("tcp", "ok", "tcp_ok", "collector.example:443", subject="collector.example:443"),
        found("agents", "warning", "agent_none"),
        found("switch", "failed", "switch_deaf", "sw2", reason="reason.timeout", detail="no answer", name="sw2"),
        found(
            "whiteboard",
            "warning",
            "board_silent",
            "b2-302-board",
            reason="reason.timeout",
            detail="",
            name="b2-302-board",
        ),
        found(
            "bandwidth", "not_checked", "target_unmeasured", "up", reason="reason.outside_hours", detail="x", name="up"
        ),
    ),
    observations=(
        line(outcome=Outcome.PASS, at_least_bps=97.0 * MBIT, estimate_bps=412.0 * MBIT),
        Bandwidth(target="up", direction="up", outcome=Outcome.UNMEASURED, reason=Reason.OUTSIDE_HOURS),
        port("b2-301", "GE0/0/1"),
        board("b2-301", facts={"firmware": "HiteVision 3.2.1", "temperature_c": "41", "name": "panel-301"}),
        port("b2-302", "GE0/0/2", 100, full_duplex=False),
        board("b2-302", None, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, state=None, detail="timed out"),
        port("b2-303", "GE0/0/3", 10),
        port("b2-304", "GE0/0/4", None, oper_up=False, full_duplex=None),
        board("b2-305", 1_000),
        port("b2-306", None, None, outcome=Outcome.UNMEASURED, reason=Reason.NOT_FOUND, detail="no port is called 'x'"),
        Segment(
            name="sw1:uplink", if_name="GE0/0/24", outcome=Outcome.ANSWERED, speed_bps=1_000 * MBIT, full_duplex=True
        ),
    ),
    switches=(
        Switch(
            name="sw1",
            host="192.168.1.2",
            description="S5735S-L24T4S V200R021C00SPC100",
            ports=(
                *(SwitchPort(name=f"GE0/0/{i}", up=i < 4, speed_bps=10**9, full_duplex=True) for i in range(1, 23)),
                SwitchPort(name="GE0/0/23", alias="教师办公室", up=True, speed_bps=100 * MBIT, full_duplex=True),
                SwitchPort(name="GE0/0/24", up=True, speed_bps=10**9, full_duplex=True),
            ),
        ),
        Switch(name="sw2", host="192.168.1.3", problem="192.168.1.3 port 161, SNMP 2c: no answer"),
    ),
)


def otherwise(sheet: Sheet = SHEET, **changes: Any) -> Sheet:
    """The same a month later, but for ``changes``."""
    return replace(sheet, number="gw-dongpo-01-20270101-120500", **changes)


def exchanged(sheet: Sheet, *observations: Any) -> Sheet:
    """With ``observations`` in the place of those of the same kind about the same subject."""

    def subject(seen: Any) -> tuple[Any, ...]:
        names = ("classroom", "target", "name", "direction")
        return type(seen), *(getattr(seen, name, None) for name in names)

    subjects = {subject(seen) for seen in observations}
    kept = [seen for seen in sheet.observations if subject(seen) not in subjects]
    return otherwise(sheet, observations=(*kept, *observations))
