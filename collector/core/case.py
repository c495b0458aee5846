"""What the rules about one classroom look at, and what it has in common with others: each worked out once."""

from collections.abc import Mapping

from msgspec import Struct

from collector.core.age import is_fresh, ports_valid_from
from collector.core.evidence import GatewayState, PortReading, SegmentReading
from collector.core.hours import in_lesson, school_days_between
from collector.core.link import (
    NOTHING,
    Line,
    Tested,
    divided,
    judged_directions,
    line_of,
    newest_test_at,
    path_legs,
    port_interval,
    segment_interval,
    tested_legs,
    weakest_grade,
    worst,
)
from collector.core.platforms import platform_state
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Interval, School
from collector.core.wiring import gateway_of, judged_rooms, switch_of
from collector.core.words import Grade, LinkState, VerdictValue


class Upstream(Struct, frozen=True, kw_only=True):
    """What lies beyond a gateway: the same for all of its rooms."""

    lines: tuple[Line, ...]
    """One a judged direction, download first."""
    rooms: tuple[str, ...]
    """Those that are judged."""
    share: Interval
    """What each of them has of the line where all of them are busy."""
    state: LinkState
    """Of the line, in its worst direction."""
    grade: Grade | None
    """Of the weakest test that the line and its exits rest on."""
    evidence_at: float | None
    """Of the newest of these tests."""
    platforms: Mapping[str, VerdictValue]
    """Which of them are reachable."""


class Shared(Struct, frozen=True, kw_only=True):
    """Looked at once a judgement, for all rooms."""

    school: School
    now: float
    policy: Policy
    in_lesson: bool
    upstream: Mapping[str, Upstream]
    """Gateway -> what is beyond it."""
    ports_valid_from: float
    trunks: tuple[tuple[SegmentReading, Interval], ...]
    """Those of a valid date of which something is known."""


def shared(school: School, now: float, policy: Policy) -> Shared:
    valid_from = ports_valid_from(school, now, policy)
    trunks = ((s, segment_interval(s)) for s in school.state.segments.values() if s.observed_at >= valid_from)
    return Shared(
        school=school,
        now=now,
        policy=policy,
        in_lesson=in_lesson(school.hours, now),
        upstream={gateway: _upstream(school, gateway, now, policy) for gateway in school.roster.gateways},
        ports_valid_from=valid_from,
        trunks=tuple((trunk, interval) for trunk, interval in trunks if interval != NOTHING),
    )


def _upstream(school: School, gateway: str, now: float, policy: Policy) -> Upstream:
    lines = tuple(line_of(school, gateway, *direction) for direction in judged_directions(policy))
    rooms = judged_rooms(school, gateway)
    parts = [line.uplink for line in lines]
    # an exit that is not known neither proves nor blames
    parts += [part for line in lines for part in line.exits.values() if part.state != "unknown"]
    return Upstream(
        lines=lines,
        rooms=rooms,
        share=divided(lines[0].uplink.interval, max(1, len(rooms))),
        state=worst(line.uplink.state for line in lines),
        grade=weakest_grade(parts),
        evidence_at=newest_test_at(parts),
        platforms={p: platform_state(school, p, gateway, now, policy) for p in school.roster.platforms},
    )


class Case(Struct, frozen=True, kw_only=True):
    """One classroom before its judge."""

    shared: Shared
    room: Classroom
    state: ClassroomState
    gateway: str
    heard: GatewayState
    upstream: Upstream
    device_up: bool | None
    """Awake, by evidence that is fresh; None = not known."""
    valid_port: PortReading | None
    """The accepted reading of the port, while it is young enough."""
    valid_nic_bps: int | None
    """What the device's own card said, awake, while that is young enough."""
    port: Interval | None
    """P, as far as its evidence is young enough; Wi-Fi and cellular rooms have none."""
    trunks: tuple[Interval, ...]
    """What is known of the trunks that the room's traffic passes."""
    ways: tuple[Tested, ...]
    """T, the way from the gateway to the room as tests found it: one a judged direction."""

    @property
    def school(self) -> School:
        return self.shared.school

    @property
    def now(self) -> float:
        return self.shared.now

    @property
    def policy(self) -> Policy:
        return self.shared.policy

    @property
    def device_is_proven(self) -> bool:
        """Whether it was seen awake so lately that it is no fault if it is off now."""
        # teachers switch boards off at noon, a tenth of them is unused on any day, a master switch cuts whole buildings
        days, at = self.policy.device_proof_school_days, self.state.last_awake_at
        return days > 0 and at is not None and school_days_between(self.school.hours, at, self.now) <= days

    def is_fresh(self, at: float | None) -> bool:
        return is_fresh(self.school, at, self.gateway, self.now, self.policy)


def case_of(common: Shared, room: Classroom) -> Case | None:
    """The room's case; None where no gateway that was ever heard tells of it."""
    school = common.school
    gateway = gateway_of(school, room.id)
    if gateway is None or (heard := school.state.gateways.get(gateway)) is None:
        return None
    state = school.state.classrooms.get(room.id, ClassroomState())
    device, upstream = state.device, common.upstream[gateway]
    # boards are switched on and off during the day: what was seen some intervals ago says nothing of now
    seen = device is not None and is_fresh(school, device.observed_at, gateway, common.now, common.policy)
    port = state.port if state.port and state.port.observed_at >= common.ports_valid_from else None
    nic_is_valid = state.last_awake_at is not None and state.last_awake_at >= common.ports_valid_from
    nic_bps = state.nic_speed_bps if nic_is_valid else None
    switch = switch_of(school, room.id)
    return Case(
        shared=common,
        room=room,
        state=state,
        gateway=gateway,
        heard=heard,
        upstream=upstream,
        device_up=device.state == "awake" if device is not None and seen else None,
        valid_port=port,
        valid_nic_bps=nic_bps,
        port=port_interval(port, nic_bps) if room.access == "wired" else None,
        trunks=tuple(part for trunk, part in common.trunks if trunk.gateway == gateway and trunk.serves(switch)),
        ways=tuple(
            tested_legs(path_legs(school, room.id, gateway, line.direction), line.thetas) for line in upstream.lines
        ),
    )
