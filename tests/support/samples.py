"""Hand-built schools and notices for what people and Prometheus see. Nothing here is judged: verdicts are given."""

from typing import Any

from msgspec.structs import replace

from classready.observation import (
    Bandwidth,
    Device,
    Http,
    Outcome,
    Phases,
    Ping,
    Port,
    Rtt,
    Segment,
    WindowSummary,
)
from classready.units import MBIT
from collector.core.bureau.words import Notice
from collector.core.events import AlertChange
from collector.core.evidence import (
    BandwidthTest,
    DeviceReading,
    GatewayState,
    HttpReading,
    PathState,
    PingReading,
    PlatformReading,
    PortReading,
    SegmentReading,
    UplinkState,
)
from collector.core.roster import Classroom, Hours, SchoolDay, SchoolRoster
from collector.core.state import ClassroomState, Clauses, Interval, Latch, School, SchoolState, Verdict
from collector.core.subject import Subject
from collector.core.words import Basis, Cause, Grade, NextStep
from collector.text import Names

NOW = 1_760_500_800.0
"""2025-10-15 12:00 at the schools."""

NAMES = Names(
    offices={"511402": "东坡区教育和体育局", "511421": "仁寿县教育和体育局"},
    platforms={"national": "国家中小学智慧教育平台", "sichuan": "四川智慧教育平台"},
)
PLATFORMS = {"national": ("smartedu", "smartedu-content"), "sichuan": ("sc-smartedu",)}
HOURS = Hours(days=(SchoolDay("2025-10-15", ((NOW - 4 * 3_600, NOW + 5 * 3_600),)),))

GOOD = Interval(95.0 * MBIT, None, None)
PORT_GOOD = Interval(1_000.0 * MBIT, 1_000.0 * MBIT)
LINK_GOOD: dict[Basis, Interval] = {"port": PORT_GOOD, "reach": GOOD, "share": Interval(13.5 * MBIT)}


def port_reading(gateway: str, age_s: float = 40, **changes: Any) -> PortReading:
    seen = Port(
        classroom="b2-301", outcome=Outcome.ANSWERED, switch="sw1", if_name="Gi0/3", admin_up=True, oper_up=True,
        speed_bps=1_000 * MBIT, full_duplex=True,
    )  # fmt: skip
    return PortReading(observed_at=NOW - age_s, gateway=gateway, seen=replace(seen, **changes))


def device_reading(gateway: str, state: Any = "awake", seen_by: Any = "snmp") -> DeviceReading:
    seen = Device(classroom="b2-301", outcome=Outcome.ANSWERED, state=state, seen_by=seen_by)
    return DeviceReading(observed_at=NOW - 25, gateway=gateway, state=state, seen=seen)


def classroom_ready(gateway: str, **changes: Any) -> ClassroomState:
    verdict = Verdict(
        ready="yes",
        clauses=Clauses(link="yes", way="yes", device="yes", platforms="yes"),
        link=LINK_GOOD,
        link_state="enough",
        grade=Grade.NEGOTIATED,
        device_up=True,
        ready_since=NOW - 5_400,
    )
    port = port_reading(gateway)
    state = ClassroomState(
        gateway=gateway,
        port=port,
        last_port=port,
        device=device_reading(gateway),
        last_awake_at=NOW - 25,
        watched_since=NOW - 86_400,
        verdict=verdict,
        latch=Latch(value="yes", since=NOW - 86_400, evidence_at=NOW - 40),
    )
    return replace(state, **changes)


def classroom_slow(gateway: str) -> ClassroomState:
    """A 10M half-duplex port with its device awake."""
    good = classroom_ready(gateway)
    port = port_reading(gateway, speed_bps=10 * MBIT, full_duplex=False, if_name="Gi0/7")
    slow = Interval(None, 10.0 * MBIT, None, half_duplex=True)
    verdict = replace(
        good.verdict,
        ready="no",
        clauses=replace(good.verdict.clauses, link="no"),
        causes=(Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX),
        link={**good.verdict.link, "port": slow, "reach": slow},
        link_state="short",
    )
    return replace(good, port=port, last_port=port, verdict=verdict, latch=Latch(value="no", since=NOW - 86_400))


def classroom_away(gateway: str) -> ClassroomState:
    good = classroom_ready(gateway)
    verdict = replace(
        good.verdict,
        ready="no",
        clauses=replace(good.verdict.clauses, device="no"),
        causes=(Cause.DEVICE_OFFLINE,),
        device_up=False,
    )
    device = device_reading(gateway, "away", "icmp")
    return replace(good, device=device, verdict=verdict)


def classroom_unknown(gateway: str) -> ClassroomState:
    verdict = Verdict(
        clauses=Clauses(way="yes", device="yes", platforms="yes"),
        causes=(Cause.NOT_MEASURED,),
        next_step=NextStep.SHOW_LINK,
        link={"reach": Interval()},
        device_up=True,
        ready_since=NOW - 7_000,
    )
    device = device_reading(gateway, "awake", "icmp")
    return ClassroomState(gateway=gateway, device=device, last_awake_at=NOW - 25, verdict=verdict)


def bandwidth_test(age_s: float, *, passed: bool = True, **changes: Any) -> BandwidthTest:
    seen = Bandwidth(
        target="bureau",
        direction="down",
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        mode="drain",
        at_least_bps=95.0 * MBIT if passed else None,
        at_most_bps=None if passed else 100.0 * MBIT,
        estimate_bps=None if passed else 80.4 * MBIT,
        bytes=1_240_000,
        seconds=0.104,
    )
    return BandwidthTest(observed_at=NOW - age_s, seen=replace(seen, **changes))


EVIDENCE: dict[str, Any] = {
    "theta0_bps": 95.0 * MBIT,
    "theta1_bps": 100.0 * MBIT,
    "bucket_bytes": 500_000,
    "loss_ratio": 0.0123,
    "windows": WindowSummary(
        count=12, min_bps=78.0 * MBIT, median_bps=80.4 * MBIT, max_bps=82.0 * MBIT, cross_bytes=400_000.0,
        max_queue_s=0.035,
    ),
}  # fmt: skip
"""Everything that an agent can say of a test."""


def uplink(gateway: str, *tests: BandwidthTest, **changes: Any) -> UplinkState:
    return replace(UplinkState(gateway=gateway, target="bureau", direction="down", tests=tests), **changes)


def leg_school() -> School:
    """A school whose line, exit and way to its first room were tested, each with all evidence."""
    school = demo_school()
    (gateway,) = school.roster.gateways
    failed = bandwidth_test(600, passed=False, **EVIDENCE)
    watched = bandwidth_test(300, mode="passive", bytes=0, seconds=30.0)
    path = PathState(gateway=gateway, target="pc", direction="down", classroom="b2-301", tests=(failed,))
    return with_state(
        school,
        uplinks={
            "line": uplink(gateway, bandwidth_test(1_800), watched),
            "exit": uplink(gateway, failed, failed, target="far", beyond="metro-exit"),
        },
        paths={"path": path},
    )


def trunk(gateway: str, **changes: Any) -> SegmentReading:
    seen = Segment(
        name="sw1:uplink", outcome=Outcome.ANSWERED, if_name="Gi0/24", speed_bps=100 * MBIT, full_duplex=True
    )
    of_reading = {name: changes.pop(name) for name in ("switches", "observed_at") if name in changes}
    reading = SegmentReading(observed_at=NOW - 40, gateway=gateway, switches=("sw1",), seen=replace(seen, **changes))
    return replace(reading, **of_reading)


def platform(gateway: str, target: str, **changes: Any) -> PlatformReading:
    """What was fetched and pinged; ``http_at``, ``ping_at`` None = it was not."""
    http_at, ping_at = changes.pop("http_at", NOW - 20), changes.pop("ping_at", NOW - 22)
    rtt_s, loss_ratio = changes.pop("rtt_s", 0.0213), changes.pop("loss_ratio", 0.0)
    up = changes.pop("up", True)
    seen = Http(
        target=target,
        outcome={True: Outcome.ANSWERED, False: Outcome.NO_ANSWER, None: Outcome.UNMEASURED}[up],
        status=200,
        phases_s=Phases(resolve=0.004, connect=0.021, tls=0.043, processing=0.08, transfer=0.012),
        certificate_expires_at=NOW + 60 * 86_400,
    )
    http = replace(seen, **changes)
    received_count = None if loss_ratio is None else round(1_000 * (1 - loss_ratio))
    rtt = None if rtt_s is None else Rtt(median=rtt_s)
    ping = Ping(target=target, outcome=Outcome.ANSWERED, sent_count=1_000, received_count=received_count, rtt_s=rtt)
    return PlatformReading(
        gateway=gateway,
        target=target,
        http=None if http_at is None else HttpReading(observed_at=http_at, gateway=gateway, seen=http),
        ping=None if ping_at is None else PingReading(observed_at=ping_at, gateway=gateway, seen=ping),
    )


def gateway_heard(**changes: Any) -> GatewayState:
    state = GatewayState(
        first_committed_at=NOW - 86_400,
        last_committed_at=NOW - 12,
        report_interval_s=60.0,
        clock_skew_s=0.2,
        spool_records=0,
        agent_version="0.1.0",
    )
    return replace(state, **changes)


def demo_school(office: str = "511402", school: str = "5114020001", name: str = "城关小学", **roster: Any) -> School:
    """Seven rooms: four ready, one slow, one away, one unknown, and an exempt eighth; one unlisted room reports."""
    gateway = f"gw-{school.lower()}"
    rooms = [Classroom(id=f"b2-30{n}", name=f"三年级{n}班", device="whiteboard") for n in range(1, 8)]
    rooms.append(Classroom(id="lab-1", name="旧实验室", device=None, exempt="2026 年拆除"))
    states = [classroom_ready(gateway) for _ in range(4)]
    states += [classroom_slow(gateway), classroom_away(gateway), classroom_unknown(gateway)]
    readings = [platform(gateway, target) for targets in PLATFORMS.values() for target in targets]
    fields: dict[str, Any] = {
        "office": office,
        "school": school,
        "name": name,
        "kind": "hub",
        "classrooms": {room.id: room for room in rooms},
        "gateways": (gateway,),
        "platforms": PLATFORMS,
    }
    return School(
        roster=SchoolRoster(**{**fields, **roster}),
        hours=HOURS,
        state=SchoolState(
            gateways={gateway: gateway_heard()},
            uplinks={f"{gateway}/bureau/down": uplink(gateway, bandwidth_test(9_000), bandwidth_test(1_800))},
            segments={f"{gateway}/sw1:uplink": trunk(gateway)},
            platforms={f"{gateway}/{reading.target}": reading for reading in readings},
            classrooms={room.id: state for room, state in zip(rooms, states, strict=False)},
            unlisted={"b9-101": NOW - 30},
        ),
    )


def with_state(school: School, **changes: Any) -> School:
    return replace(school, state=replace(school.state, **changes))


def silenced(school: School) -> School:
    """The same school after its gateway fell silent, as the core would leave it."""
    quiet = Verdict(causes=(Cause.GATEWAY_SILENT,), next_step=NextStep.CHECK_GATEWAY)
    return with_state(
        school,
        gateways={
            name: replace(g, silent=True, last_committed_at=NOW - 400) for name, g in school.state.gateways.items()
        },
        classrooms={name: replace(room, verdict=quiet) for name, room in school.state.classrooms.items()},
    )


def alert(school: str = "5114020001", name: str = "城关小学", rooms: int = 7, **changes: Any) -> AlertChange:
    change = AlertChange(
        change="opened",
        office="511402",
        school=school,
        school_name=name,
        subject=Subject("uplink", f"gw-{school.lower()}"),
        cause=Cause.UPLINK_BELOW_REQUIRED,
        at=NOW - 600,
        classrooms=tuple(f"b2-{300 + n}" for n in range(1, rooms + 1)),
        measured=80.4 * MBIT,
        limit=100.0 * MBIT,
    )
    return replace(change, **changes)


def notice(*members: AlertChange, **changes: Any) -> Notice:
    """``remaining_classrooms`` is what the members hold unless told."""
    rooms = {(m.school, room) for m in members for room in m.classrooms}
    base = Notice(
        kind="opened",
        incident="000001",
        office="511402",
        cause=members[0].cause if members else Cause.UPLINK_BELOW_REQUIRED,
        at=NOW,
        since=NOW - 1_500,
        members=members,
        remaining_classrooms=len(rooms),
    )
    return replace(base, **changes)
