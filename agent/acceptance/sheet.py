"""What a sheet holds, and what follows from it. Pure.

Each fact stands in it once, as it was observed: rooms, trunks and lines are read from the observations.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from agent.findings import Finding
from classready.codec import encode
from classready.ids import ClassroomRef, GatewayId
from classready.observation import Bandwidth, Device, Observation, Port, Segment
from classready.report import Thetas

FORMAT = 1
MAX_BYTES = 4_000_000
"""Of a kept sheet: a gateway of 500 rooms takes a fifth of it."""

TARGET_CHECKS = frozenset({"ping", "http", "switch", "whiteboard", "bandwidth"})
"""Checks that are targets of agent.yml: what is not measured there is missing from the sheet."""


class SwitchPort(Struct, frozen=True, kw_only=True):
    """A port of a switch, bound or not; None where the switch does not say."""

    name: str
    alias: str = ""
    up: bool | None = None
    speed_bps: int | None = None
    full_duplex: bool | None = None


class Switch(Struct, frozen=True, kw_only=True):
    """All Ethernet ports of a switch. ``problem``: why they could not be read."""

    name: str
    host: str
    description: str = ""
    """What it says of itself (sysDescr): model and firmware."""
    ports: tuple[SwitchPort, ...] = ()
    problem: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    """Something that is otherwise than on the sheet before. ``subject``: whom it speaks of."""

    code: str
    subject: str = ""
    values: Mapping[str, Any] = {}


class Forced(Struct, frozen=True, kw_only=True):
    """Bandwidth was tested because somebody insisted; ``in_lessons``: while the collector asked for quiet."""

    in_lessons: bool


class Sheet(Struct, frozen=True, kw_only=True):
    """``made_at``: Unix seconds of this gateway's clock. ``before``: number of the sheet that ``changes`` are since."""

    format: int = FORMAT
    number: str
    gateway: GatewayId
    school: str = ""
    agent_version: str
    made_at: float
    made_local: str
    """The same on a clock of ``timezone``, to the minute."""
    timezone: str
    clock_good: bool
    findings: tuple[Finding, ...]
    observations: tuple[Observation, ...]
    switches: tuple[Switch, ...] = ()
    theta: Thetas | None = None
    """What the collector requires of lines, as it was last told; None = it has not said."""
    forced: Forced | None = None
    before: str | None = None
    changes: tuple[Change, ...] = ()


class Room(Struct, frozen=True, kw_only=True):
    classroom: ClassroomRef
    ports: tuple[Port, ...]
    boards: tuple[Device, ...]


def packed(sheet: Sheet) -> bytes:
    """The sheet as it is kept: its digest is that of these bytes."""
    return encode(sheet) + b"\n"


def digest(kept: bytes) -> str:
    """What ``sha256sum`` says of the kept file: equal on every copy, in either language."""
    return hashlib.sha256(kept).hexdigest()


def rooms(sheet: Sheet) -> list[Room]:
    """Every room that a port or a board is bound to, in the order in which people count: b2-9 before b2-10."""
    ports: dict[str, list[Port]] = {}
    boards: dict[str, list[Device]] = {}
    for seen in sheet.observations:
        if isinstance(seen, Port):
            ports.setdefault(seen.classroom, []).append(seen)
        elif isinstance(seen, Device):
            boards.setdefault(seen.classroom, []).append(seen)
    names = sorted({*ports, *boards}, key=_counted)
    return [Room(classroom=n, ports=tuple(ports.get(n, ())), boards=tuple(boards.get(n, ()))) for n in names]


def _counted(name: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def trunks(sheet: Sheet) -> list[Segment]:
    return [seen for seen in sheet.observations if isinstance(seen, Segment)]


def lines(sheet: Sheet) -> list[Bandwidth]:
    return [seen for seen in sheet.observations if isinstance(seen, Bandwidth)]


def unbound(sheet: Sheet, switch: Switch) -> list[SwitchPort]:
    """Ports in use that the settings bind to no room and that are no trunk."""
    bound = {seen.if_name for seen in sheet.observations if isinstance(seen, Port) and seen.switch == switch.name}
    bound |= {trunk.if_name for trunk in trunks(sheet) if trunk.name.startswith(f"{switch.name}:")}
    return [port for port in switch.ports if port.up and port.name not in bound]


def is_enough(speed_bps: int | None, *, full_duplex: bool | None, theta: Thetas | None) -> bool | None:
    """Compare what a port negotiated with what the collector requires; None = one of the two is not known."""
    if theta is None or theta.down is None:
        return None
    if full_duplex is False:
        return False
    return None if speed_bps is None else speed_bps >= theta.down[0]


def enough(room: Room, theta: Thetas | None) -> bool | None:
    """Whether what the room's ports and boards negotiated is enough: one that is too little decides."""
    told = [
        *(is_enough(p.speed_bps, full_duplex=p.full_duplex, theta=theta) for p in room.ports if p.oper_up is not False),
        *(is_enough(b.nic_speed_bps, full_duplex=None, theta=theta) for b in room.boards),
    ]
    known = [each for each in told if each is not None]
    return all(known) if known else None


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether nothing is left to do. A target that was not measured is missing: then there is."""
    return not any(
        found.result in {"failed", "warning"} or (found.result == "not_checked" and found.check in TARGET_CHECKS)
        for found in findings
    )
