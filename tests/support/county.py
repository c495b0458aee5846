"""Three offices with thirteen gateways, as a board must show them: asymmetric lines, bounds without an estimate, a
silent gateway, one never heard, rooms unknown and exempt, a platform down, a school that waits for its gateway.

Verdicts are given, not judged. Readings are dated from ``now``: freshness and ``time()`` are asked of a real clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from classready.units import MBIT
from collector.core.evidence import UplinkState
from collector.core.roster import Classroom, SchoolRoster
from collector.core.state import ClassroomState, School, SchoolState, Verdict
from collector.core.words import Cause, Direction, NextStep
from collector.text import Names
from tests.support.samples import (
    HOURS,
    PLATFORMS,
    bandwidth_test,
    classroom_away,
    classroom_ready,
    classroom_slow,
    classroom_unknown,
    gateway_heard,
    platform,
    trunk,
)

DAY_S = 86_400.0
NAMES = Names(
    offices={"511402": "东坡区", "511421": "仁寿县", "511423": "洪雅县"},
    platforms={"national": "国家中小学智慧教育平台", "sichuan": "四川智慧教育平台"},
)


class Line(NamedTuple):
    """Estimates and bounds of one gateway's line in Mbit/s; None = nothing is known."""

    gateway: str
    down: float | None = None
    up: float | None = None
    down_at_least: float | None = 95
    up_at_least: float | None = 20
    heard: str = "yes"
    """yes | silent | never"""


class Plan(NamedTuple):
    """``rooms``: one letter each: (r)eady, (s)low, (a)way, (u)nknown, e(x)empt."""

    office: str
    school: str
    name: str
    rooms: str
    lines: tuple[Line, ...] = ()
    platforms_down: tuple[str, ...] = ()
    certificate_days: float = 60


PLANS = (
    Plan("511402", "5114020001", "城关小学", "rrrsaux", (Line("gw-a1", 480, 95), Line("gw-a2", 940, 940))),
    Plan("511402", "5114020002", "实验小学", "rr", (Line("gw-b1", 300, 40, heard="silent"),)),
    Plan("511402", "5114020003", "东坡中学", "rr", (Line("gw-c1", None, None, None, None, heard="never"),)),
    Plan("511402", "5114020004", "苏祠小学", "", (Line("gw-d1", 200, 200),)),
    Plan(
        "511421", "5114210001", "文林小学", "rrrr",
        (Line("gw-e1", 100, 0, 95, None), Line("gw-e2", None, 50), Line("gw-e3", 90, 90)),
    ),
    Plan("511421", "5114210002", "文宫中学", "rrs", (Line("gw-f1", 95.5, 30),), ("sichuan",), 3.5),
    Plan("511421", "5114210003", "富加小学", "xx", (Line("gw-g1", None, None),)),
    Plan("511423", "5114230001", "洪川小学", "rrrrrr", (Line("gw-h1", 1_000, 1_000), Line("gw-h2", 500, 400))),
    Plan("511423", "5114230002", "柳江小学", "uuu", (Line("gw-i1", None, None, None, None),), (), -2.5),
    Plan("511423", "parent-01", "高庙教学点", "r"),
)  # fmt: skip
GATEWAYS = tuple(line for plan in PLANS for line in plan.lines)


def county(now: float, plans: Iterable[Plan] = PLANS) -> Mapping[str, School]:
    """The schools by id, as they stand at ``now``."""
    return {plan.school: _school(plan, now) for plan in plans}


def _school(plan: Plan, now: float) -> School:
    gateways = tuple(line.gateway for line in plan.lines)
    silent = bool(plan.lines) and all(line.heard != "yes" for line in plan.lines)
    rooms = [_room(n, letter) for n, letter in enumerate(plan.rooms, start=1)]
    roster = SchoolRoster(
        office=plan.office,
        school=plan.school,
        name=plan.name,
        classrooms={room.id: room for room in rooms},
        gateways=gateways,
        platforms=PLATFORMS,
    )
    speaking = [line for line in plan.lines if line.heard == "yes"]
    readings = [
        platform(
            line.gateway,
            target,
            http_at=now - 20,
            ping_at=now - 20,
            up=name not in plan.platforms_down,
            certificate_expires_at=now + plan.certificate_days * DAY_S,
        )
        for line in speaking
        for name, members in PLATFORMS.items()
        for target in members
    ]
    state = SchoolState(
        gateways=dict(_heard(plan.lines, now)),
        uplinks={f"{leg.gateway}/{leg.direction}": leg for line in plan.lines for leg in _legs(line, now)},
        segments={
            f"{line.gateway}/sw1:uplink": replace(trunk(line.gateway), observed_at=now - 40) for line in speaking
        },
        platforms={f"{reading.gateway}/{reading.target}": reading for reading in readings},
        classrooms={
            room.id: _state(letter, gateways[0] if gateways else "", silent=silent)
            for room, letter in zip(rooms, plan.rooms, strict=True)
        },
    )
    return School(roster=roster, hours=HOURS, state=state)


def _room(number: int, letter: str) -> Classroom:
    exempt = "2026 年拆除" if letter == "x" else None
    return Classroom(id=f"b{number}", name=f"三年级{number}班", device="whiteboard", exempt=exempt)


def _state(letter: str, gateway: str, *, silent: bool) -> ClassroomState:
    make = {
        "r": classroom_ready,
        "s": classroom_slow,
        "a": classroom_away,
        "u": classroom_unknown,
        "x": classroom_ready,
    }
    state = make[letter](gateway)
    if not silent:
        return state
    return replace(state, verdict=Verdict(causes=(Cause.GATEWAY_SILENT,), next_step=NextStep.CHECK_GATEWAY))


def _heard(lines: Iterable[Line], now: float) -> Iterator[tuple[str, object]]:
    for line in lines:
        if line.heard != "never":
            silent = line.heard == "silent"
            yield line.gateway, gateway_heard(last_committed_at=now - (4_000 if silent else 12), silent=silent)


def _legs(line: Line, now: float) -> Iterator[UplinkState]:
    directions: tuple[tuple[Direction, float | None, float | None], ...] = (
        ("down", line.down, line.down_at_least),
        ("up", line.up, line.up_at_least),
    )
    for direction, estimate, at_least in directions:
        if estimate is None and at_least is None:
            continue
        test = bandwidth_test(
            600,
            estimate_bps=None if estimate is None else estimate * MBIT,
            at_least_bps=None if at_least is None else at_least * MBIT,
        )
        test = replace(test, observed_at=now - 600)
        yield UplinkState(gateway=line.gateway, target="bureau", direction=direction, tests=(test,))
