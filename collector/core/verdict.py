"""The verdict on a classroom: three bases of its link, four clauses of ``ready``, causes, and the ``compliant`` latch.

A part of the link (port, segment, path, uplink, exit) is *short* when its upper bound is at most what is required and
it is not itself enough; one short part makes the link short. The link is *enough* when every part that must be known
is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from collector.core.hours import in_lesson, is_school_day, local_date, school_days_between, school_hours_between
from collector.core.policy import Policy
from collector.core.state import (
    BandwidthTest,
    Basis,
    Cause,
    Classroom,
    ClassroomState,
    Clauses,
    CompliantValue,
    Direction,
    GatewayState,
    Grade,
    Interval,
    Latch,
    Leg,
    LinkState,
    NextStep,
    PathState,
    PortReading,
    School,
    SegmentReading,
    UplinkState,
    Verdict,
    VerdictValue,
)

Thetas = tuple[float, float]

_LINK_CLAUSE: dict[LinkState, VerdictValue] = {"enough": "yes", "short": "no", "unknown": "unknown"}
_PORT = (Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX)
_GRADES = tuple(Grade)


# --- parts of the link ----------------------------------------------------------------------------------------------


def part_state(part: Interval, thetas: Thetas) -> LinkState:
    """Judge one part on its own."""
    theta0_bps, theta1_bps = thetas
    if part.half_duplex:
        return "short"
    if part.at_least_bps is not None and part.at_least_bps >= theta0_bps:
        return "enough"
    if part.at_most_bps is not None and part.at_most_bps <= theta1_bps:
        return "short"
    return "unknown"


def port_interval(port: PortReading | None, nic_speed_bps: int | None) -> Interval | None:
    """P: the slower end of the classroom's cable. None when neither end is known.

    Unknown duplex counts as full (many switches have no EtherLike-MIB); half duplex is short at any speed.
    """
    usable = port is not None and port.oper_up is not False
    speeds = [speed for speed in (port.speed_bps if port and usable else None, nic_speed_bps) if speed]
    half_duplex = port is not None and usable and port.full_duplex is False
    if not speeds:
        return Interval(half_duplex=True) if half_duplex else None
    speed_bps = float(min(speeds))
    return Interval(None if half_duplex else speed_bps, speed_bps, None, half_duplex)


def segment_interval(segment: SegmentReading) -> Interval:
    if segment.full_duplex is False or not segment.speed_bps:
        return Interval(at_most_bps=segment.speed_bps or None, half_duplex=segment.full_duplex is False)
    return Interval(float(segment.speed_bps), float(segment.speed_bps))


def uplink_result(tests: tuple[BandwidthTest, ...]) -> bool | None:
    """Majority of the last three counted tests: two equal ones decide; one alone proves only a pass."""
    passed = sum(test.passed for test in tests)
    failed = len(tests) - passed
    if passed >= 2 or (passed == 1 and failed == 0):
        return True
    return False if failed >= 2 else None


def decisive_test(leg: Leg) -> BandwidthTest | None:
    """Find the newest test that agrees with the majority; None while there is none."""
    result = uplink_result(leg.tests)
    return next((test for test in reversed(leg.tests) if test.passed is result), None)


def leg_interval(leg: Leg) -> Interval:
    """Say what is known of one target and direction; empty while no majority is."""
    test = decisive_test(leg)
    return Interval(test.at_least_bps, test.at_most_bps, test.estimate_bps) if test else Interval()


def legs_interval(legs: Iterable[Leg]) -> Interval:
    """The worst of ``legs``; empty when none was tested."""
    return narrowest([leg_interval(leg) for leg in legs if leg.tests])


def grade_of(test: BandwidthTest) -> Grade:
    return Grade.PASSIVE if test.mode == "passive" else Grade.ACTIVE


def gateway_uplink(school: School, gateway: str, direction: Direction) -> Interval:
    """U of a gateway: the worst of the targets on the school's own line; empty when none was tested."""
    return legs_interval(line_legs(school, gateway, direction))


def line_legs(school: School, gateway: str, direction: Direction) -> tuple[UplinkState, ...]:
    """What tests the school's own line. Where nothing tests it alone, the tests beyond an exit stand for it."""
    legs = tuple(
        leg
        for leg in school.state.uplinks.values()
        if leg.gateway == gateway and leg.direction == direction and (leg.tests or leg.last_unmeasured_at is not None)
    )
    return tuple(leg for leg in legs if leg.beyond is None) or legs


def exits_of(school: School, gateway: str) -> tuple[str, ...]:
    """Names of the exits that a gateway tests."""
    return tuple(sorted({u.beyond for u in school.state.uplinks.values() if u.gateway == gateway and u.beyond}))


def exit_legs(school: School, gateway: str, exit_name: str, direction: Direction) -> tuple[UplinkState, ...]:
    return tuple(
        leg
        for leg in school.state.uplinks.values()
        if leg.gateway == gateway and leg.beyond == exit_name and leg.direction == direction and leg.tests
    )


def exit_state(school: School, gateway: str, exit_name: str, direction: Direction, thetas: Thetas) -> LinkState:
    """Judge an exit. A test beyond it crosses the school's line, too: short only where that line alone is enough."""
    state = part_state(legs_interval(exit_legs(school, gateway, exit_name, direction)), thetas)
    if state == "short" and part_state(gateway_uplink(school, gateway, direction), thetas) != "enough":
        return "unknown"
    return state


def path_legs(school: School, room_id: str, gateway: str, direction: Direction) -> tuple[PathState, ...]:
    """What tests the way from a gateway to a classroom."""
    return tuple(
        leg
        for leg in school.state.paths.values()
        if leg.classroom == room_id and leg.gateway == gateway and leg.direction == direction and leg.tests
    )


def narrowest(parts: Iterable[Interval]) -> Interval:
    """A chain of parts: its upper bound is the least known one, its lower bound needs every part's."""
    parts = tuple(parts)
    lower = [p.at_least_bps for p in parts]
    upper = [p.at_most_bps for p in parts if p.at_most_bps is not None]
    plateaus = [p.estimate_bps for p in parts if p.estimate_bps is not None]
    return Interval(
        at_least_bps=None if None in lower else min((b for b in lower if b is not None), default=None),
        at_most_bps=min(upper, default=None),
        estimate_bps=min([*plateaus, *upper]) if plateaus else None,
        half_duplex=any(p.half_duplex for p in parts),
    )


def link_bps(interval: Interval) -> float | None:
    """The number to show: the estimate where a plateau was seen, else the proven bound; None while unknown."""
    if interval.estimate_bps is not None:
        return interval.estimate_bps
    return interval.at_least_bps if interval.at_least_bps is not None else interval.at_most_bps


def link_ratio(verdict: Verdict, policy: Policy) -> float | None:
    interval = verdict.link.get(policy.basis)
    rate_bps = link_bps(interval) if interval else None
    return None if rate_bps is None else rate_bps / policy.required_down_bps


# --- what of a school concerns a classroom --------------------------------------------------------------------------


def gateway_of(school: School, room_id: str) -> str | None:
    """The gateway that reports the room, or the only one the school has."""
    state = school.state.classrooms.get(room_id)
    if state and state.gateway in school.roster.gateways:
        return state.gateway
    return school.roster.gateways[0] if len(school.roster.gateways) == 1 else None


def switch_of(school: School, room_id: str) -> str | None:
    """The switch that the room was last seen on."""
    state = school.state.classrooms.get(room_id)
    return state.last_port.switch if state and state.last_port else None


def sharing_port(school: School, room_id: str) -> tuple[str, ...]:
    """Other classrooms on the same switch port: an unmanaged switch stands between."""
    states = school.state.classrooms
    own = states.get(room_id, ClassroomState())
    if own.place is None:
        return ()
    return tuple(
        other
        for other in school.roster.classrooms
        if other != room_id
        and (state := states.get(other)) is not None
        and (state.gateway, state.place) == (own.gateway, own.place)
    )


def judged_rooms(school: School, gateway: str | None = None) -> tuple[str, ...]:
    """Rooms that are not exempt, of the whole school or of one gateway."""
    return tuple(
        room.id
        for room in school.roster.classrooms.values()
        if room.exempt is None and (gateway is None or gateway_of(school, room.id) == gateway)
    )


def rooms_behind(school: School, segment: SegmentReading) -> tuple[str, ...]:
    """Judged rooms whose traffic passes ``segment``."""
    rooms = judged_rooms(school, segment.gateway)
    return tuple(room for room in rooms if segment.serves(switch_of(school, room)))


def segments_of(school: School, gateway: str, now: float, policy: Policy) -> Iterator[SegmentReading]:
    """What ``gateway`` lately told of trunks."""
    for segment in school.state.segments.values():
        if segment.gateway == gateway and _is_valid(school, segment, now, policy):
            yield segment


def segments_on_the_way(school: School, room_id: str, now: float, policy: Policy) -> Iterator[SegmentReading]:
    """Those of them that the room's traffic passes."""
    gateway, switch = gateway_of(school, room_id), switch_of(school, room_id)
    for segment in school.state.segments.values():
        if segment.gateway == gateway and segment.serves(switch) and _is_valid(school, segment, now, policy):
            yield segment


def _is_valid(school: School, segment: SegmentReading, now: float, policy: Policy) -> bool:
    return school_hours_between(school.hours, segment.observed_at, now) <= policy.port_max_school_hours


def is_fresh(at: float | None, gateway: GatewayState | None, now: float, policy: Policy) -> bool:
    """Device and platform evidence is good for a few report intervals."""
    return at is not None and gateway is not None and now - at <= policy.fresh_intervals * gateway.report_interval_s


def platform_state(school: School, platform: str, gateway: str, now: float, policy: Policy) -> VerdictValue:
    """Reachable from ``gateway``: every target of the platform that is fetched over HTTP must answer."""
    if platform in school.state.platform_faults:
        return "unknown"
    heard = school.state.gateways.get(gateway)
    readings = [school.state.platforms.get(f"{gateway}/{t}") for t in school.roster.platforms.get(platform, ())]
    fetched = [r for r in readings if r is None or r.http_at is not None]
    ups = [r.up if r and is_fresh(r.http_at, heard, now, policy) else None for r in fetched]
    if False in ups:
        return "no"
    return "unknown" if not ups or None in ups else "yes"


# --- the verdict on one classroom -----------------------------------------------------------------------------------


class Link(Struct, frozen=True, kw_only=True):
    """The three bases of one classroom, its state on the deciding one, and which parts are short."""

    bases: Mapping[Basis, Interval]
    state: LinkState
    causes: tuple[Cause, ...]
    uplink_known: bool
    path_tested: bool
    grade: Grade | None
    evidence_at: float | None
    contrary_at: float | None
    """When the evidence that makes the link short was observed; None where it may not speak against ``compliant``."""


class Tested(Struct, frozen=True, kw_only=True):
    """A part of the way as bandwidth tests found it."""

    legs: tuple[Leg, ...]
    interval: Interval
    state: LinkState


class Way(Struct, frozen=True, kw_only=True):
    """What the tests of one direction say of a classroom's link: U, the exits beyond it, and T inside the school."""

    thetas: Thetas
    uplink: Tested
    exits: Tested
    path: Tested

    @property
    def parts(self) -> tuple[tuple[Cause, Tested], ...]:
        """Each part with the cause that it would be."""
        return (
            (Cause.UPLINK_BELOW_REQUIRED, self.uplink),
            (Cause.EXIT_BELOW_REQUIRED, self.exits),
            (Cause.SEGMENT_BELOW_REQUIRED, self.path),
        )

    @property
    def legs(self) -> tuple[Leg, ...]:
        return (*self.uplink.legs, *self.exits.legs, *self.path.legs)


class Case(Struct, frozen=True, kw_only=True):
    """One classroom before its judge: everything that the rules below look at."""

    school: School
    room: Classroom
    state: ClassroomState
    gateway: str
    heard: GatewayState
    now: float
    policy: Policy

    def in_lesson(self) -> bool:
        return in_lesson(self.school.hours, self.now)

    def age_hours(self, at: float) -> float:
        return school_hours_between(self.school.hours, at, self.now)

    def fresh(self, at: float | None) -> bool:
        return is_fresh(at, self.heard, self.now, self.policy)

    def device_up(self) -> bool | None:
        if self.state.device is None or not self.fresh(self.state.device.observed_at):
            return None
        return self.state.device.state == "awake"


def assess(school: School, room: Classroom, now: float, policy: Policy) -> tuple[Verdict, Latch]:
    """Judge one classroom: ``ready`` as of now, and ``compliant`` with the present evidence folded in."""
    state = school.state.classrooms.get(room.id, ClassroomState())
    aged = _aged(school, state.latch, now, policy)
    gateway = gateway_of(school, room.id)
    heard = school.state.gateways.get(gateway) if gateway else None
    if gateway is None or heard is None:
        return _since(state, Verdict(causes=(Cause.NOT_MEASURED,), next_step=_step_unheard(school)), now), aged
    if heard.silent:
        return _since(state, Verdict(causes=(Cause.GATEWAY_SILENT,), next_step=NextStep.CHECK_GATEWAY), now), aged
    case = Case(school=school, room=room, state=state, gateway=gateway, heard=heard, now=now, policy=policy)
    link = judge_link(case)
    latch = _latch(case, aged, link)
    return _since(state, _verdict(case, link, latch), now), latch


def _verdict(case: Case, link: Link, latch: Latch) -> Verdict:
    clauses, causes = _clauses(case, link)
    ready = _every((clauses.link, clauses.way, clauses.device, clauses.platforms))
    if ready == "unknown" and not causes:
        causes = (Cause.NOT_MEASURED,)
    undecided = ready == "unknown" or (ready == "yes" and case.room.exempt is None and latch.value == "unknown")
    return Verdict(
        ready=ready,
        clauses=clauses,
        causes=causes,
        next_step=_next_step(case, clauses, causes, link) if undecided else None,
        link=link.bases,
        link_state=link.state,
        grade=link.grade,
        device_up=case.device_up(),
    )


def _since(state: ClassroomState, verdict: Verdict, now: float) -> Verdict:
    unchanged = state.verdict.ready == verdict.ready and state.verdict.ready_since is not None
    return replace(verdict, ready_since=state.verdict.ready_since if unchanged else now)


def _every(values: Iterable[VerdictValue]) -> VerdictValue:
    """Any no -> no, else any unknown -> unknown, else yes."""
    values = set(values)
    if "no" in values:
        return "no"
    return "unknown" if "unknown" in values else "yes"


# --- the link -------------------------------------------------------------------------------------------------------


def judge_link(case: Case) -> Link:
    """Judge the three bases (port, reach, share) of one classroom's link."""
    port = _port_part(case)
    readings = tuple(segments_on_the_way(case.school, case.room.id, case.now, case.policy))
    segments = [part for part in map(segment_interval, readings) if part != Interval()]
    ways = [_way_tested(case, direction, thetas) for direction, thetas in _judged_directions(case.policy)]
    reaches = [_reach(port, segments, way) for way in ways]
    bases: dict[Basis, Interval] = {"reach": reaches[0]}
    if port is not None:
        bases["port"] = port
    if case.in_lesson():
        bases["share"] = _divided(ways[0].uplink.interval, max(1, len(judged_rooms(case.school, case.gateway))))
    causes = tuple(_link_causes(case.policy, port, segments, ways))
    uplink_state = _worst(way.uplink.state for way in ways)
    reach_state = _worst(part_state(reach, way.thetas) for reach, way in zip(reaches, ways, strict=True))
    state = _decided_state(case.policy, bases, causes, uplink_state, reach_state)
    if state == "short" and not causes:
        causes = (Cause.UPLINK_BELOW_REQUIRED,)
    seen_at = [test.observed_at for way in ways for leg in way.legs for test in leg.tests]
    seen_at += [case.state.port.observed_at] if case.state.port else []
    return Link(
        bases=bases,
        state=state,
        causes=causes,
        uplink_known=uplink_state != "unknown",
        path_tested=any(way.path.legs for way in ways),
        grade=_grade(port, segments, ways),
        evidence_at=max(seen_at, default=None),
        contrary_at=_contrary_at(case, readings, ways, causes),
    )


def _judged_directions(policy: Policy) -> Iterator[tuple[Direction, Thetas]]:
    """Directions with a requirement, download first."""
    yield "down", policy.theta_down_bps
    if policy.theta_up_bps is not None:
        yield "up", policy.theta_up_bps


def _worst(states: Iterable[LinkState]) -> LinkState:
    states = set(states)
    return next((state for state in ("short", "unknown") if state in states), "enough")


def _port_part(case: Case) -> Interval | None:
    """P as far as its evidence is young enough; Wi-Fi and cellular rooms have none."""
    if case.room.access != "wired":
        return None
    port, awake_at = case.state.port, case.state.last_awake_at
    limit_hours = case.policy.port_max_school_hours
    valid_port = port if port and case.age_hours(port.observed_at) <= limit_hours else None
    nic_is_valid = awake_at is not None and case.age_hours(awake_at) <= limit_hours
    return port_interval(valid_port, case.state.nic_speed_bps if nic_is_valid else None)


def _way_tested(case: Case, direction: Direction, thetas: Thetas) -> Way:
    """Put the tests together; an exit that is not known neither proves nor blames."""
    school, gateway = case.school, case.gateway
    exits = [
        leg
        for name in exits_of(school, gateway)
        if exit_state(school, gateway, name, direction, thetas) != "unknown"
        for leg in exit_legs(school, gateway, name, direction)
    ]
    return Way(
        thetas=thetas,
        uplink=_tested(line_legs(school, gateway, direction), thetas),
        exits=_tested(tuple(exits), thetas),
        path=_tested(path_legs(school, case.room.id, gateway, direction), thetas),
    )


def _tested(legs: tuple[Leg, ...], thetas: Thetas) -> Tested:
    interval = legs_interval(legs) if legs else Interval()
    return Tested(legs=legs, interval=interval, state=part_state(interval, thetas))


def _reach(port: Interval | None, segments: list[Interval], way: Way) -> Interval:
    """B: known parts bound it from above; from below it needs the uplink and one of port and path."""
    path = way.path.interval
    parts = (port or Interval(), *segments, path, way.exits.interval)
    reach = narrowest([*(part for part in parts if part != Interval()), way.uplink.interval])
    return reach if path.at_least_bps is not None or port is not None else replace(reach, at_least_bps=None)


def _divided(interval: Interval, count: int) -> Interval:
    """U shared by ``count`` classrooms; a layer-1 capacity divides evenly."""

    def part(rate_bps: float | None) -> float | None:
        return None if rate_bps is None else rate_bps / count

    return Interval(part(interval.at_least_bps), part(interval.at_most_bps), part(interval.estimate_bps))


def _link_causes(policy: Policy, port: Interval | None, segments: list[Interval], ways: list[Way]) -> Iterator[Cause]:
    port_causes = tuple(_port_causes(policy, port))
    if policy.basis != "port":
        short = {cause for way in ways for cause, part in way.parts if part.state == "short"}
        if port_causes:
            short.discard(Cause.SEGMENT_BELOW_REQUIRED)
        if any(part_state(s, policy.theta_down_bps) == "short" for s in segments):
            short.add(Cause.SEGMENT_BELOW_REQUIRED)
        yield from short
    yield from port_causes


def _port_causes(policy: Policy, port: Interval | None) -> Iterator[Cause]:
    """What is wrong with the port itself; it then also explains a path that falls short."""
    if port is not None and port.at_most_bps is not None and port.at_most_bps < policy.theta_down_bps[0]:
        yield Cause.PORT_BELOW_REQUIRED
    if port is not None and port.half_duplex:
        yield Cause.PORT_HALF_DUPLEX


def _decided_state(
    policy: Policy,
    bases: Mapping[Basis, Interval],
    causes: tuple[Cause, ...],
    uplink_state: LinkState,
    reach_state: LinkState,
) -> LinkState:
    """State on the basis that policy names; outside lessons a share is nobody's, so reach decides."""
    if causes:
        return "short"
    if policy.basis == "port":
        return part_state(bases["port"], policy.theta_down_bps) if "port" in bases else "unknown"
    if policy.basis == "share" and "share" in bases and uplink_state == "enough":
        return part_state(bases["share"], policy.theta_down_bps)
    return "enough" if uplink_state == "enough" and reach_state == "enough" else "unknown"


def _grade(port: Interval | None, segments: list[Interval], ways: list[Way]) -> Grade | None:
    """The weakest evidence that the link rests on; a path that was proven needs no port or trunk to speak for it."""
    tests = [test for way in ways for leg in way.legs if (test := decisive_test(leg))]
    grades = [grade_of(test) for test in tests]
    if port is not None and all(way.path.interval.at_least_bps is None for way in ways):
        grades.append(Grade.NEGOTIATED if segments else Grade.PARTIAL)
    return max(grades, key=_GRADES.index, default=None)


def _contrary_at(
    case: Case, segments: Iterable[SegmentReading], ways: list[Way], causes: tuple[Cause, ...]
) -> float | None:
    """A port failure speaks against ``compliant`` only when it was seen in lesson time."""
    port, theta_bps = case.state.port, case.policy.theta_down_bps
    times = [at for way in ways for cause, part in way.parts if cause in causes for at in _failed_at(part, way.thetas)]
    if Cause.SEGMENT_BELOW_REQUIRED in causes:
        times += [s.observed_at for s in segments if part_state(segment_interval(s), theta_bps) == "short"]
    if port and port.in_lesson and set(_PORT) & set(causes):
        times.append(port.observed_at)
    return max(times, default=None)


def _failed_at(part: Tested, thetas: Thetas) -> Iterator[float]:
    """When those tests failed that make the part short."""
    for leg in part.legs:
        if part_state(leg_interval(leg), thetas) == "short":
            yield from (test.observed_at for test in leg.tests if not test.passed)


# --- clauses, causes, next step -------------------------------------------------------------------------------------


def _clauses(case: Case, link: Link) -> tuple[Clauses, tuple[Cause, ...]]:
    way, way_causes = _way(case)
    device, device_causes = _device(case)
    platforms = _every(
        platform_state(case.school, p, case.gateway, case.now, case.policy) for p in case.school.roster.platforms
    )
    clauses = Clauses(link=_LINK_CLAUSE[link.state], way=way, device=device, platforms=platforms)
    causes = {*link.causes, *way_causes, *device_causes}
    if platforms == "no":
        causes.add(Cause.PLATFORM_UNREACHABLE)
    return clauses, tuple(cause for cause in Cause if cause in causes)


def _way(case: Case) -> tuple[VerdictValue, tuple[Cause, ...]]:
    """Nothing on the way may be down. An unreachable switch makes what hangs on it unknown, not bad."""
    if _is_switch_unreachable(case):
        return "unknown", (Cause.SWITCH_UNREACHABLE,)
    return ("no", (Cause.PORT_DOWN,)) if _is_port_down(case) else ("yes", ())


def _is_switch_unreachable(case: Case) -> bool:
    switch = case.school.state.switches.get(f"{case.gateway}/{switch_of(case.school, case.room.id)}")
    return switch is not None and not switch.reachable and case.fresh(switch.observed_at)


def _is_port_down(case: Case) -> bool:
    """Down as a fault: switched off by an administrator, or down while its device is awake by another path."""
    port = case.state.last_port
    if port is None or not case.fresh(port.observed_at):
        return False
    return port.admin_up is False or (port.oper_up is False and case.device_up() is True)


def _device(case: Case) -> tuple[VerdictValue, tuple[Cause, ...]]:
    if _is_device_absent(case):
        return "no", (Cause.DEVICE_ABSENT,)
    up = case.device_up()
    if up or not case.in_lesson():
        return "yes", ()
    if up is None or _is_switch_unreachable(case):
        return "unknown", ()
    return "no", (Cause.DEVICE_OFFLINE,)


def _is_device_absent(case: Case) -> bool:
    """None of an interactive kind listed, or looked for and not seen awake on enough school days."""
    if case.room.device is None:
        return True
    if case.state.watched_since is None:
        return False
    since = max(case.state.watched_since, case.state.last_awake_at or case.state.watched_since)
    return school_days_between(case.school.hours, since, case.now) >= case.policy.absent_after_school_days


_PASSING_REASONS: dict[str | None, NextStep] = {
    None: NextStep.WAIT_FOR_TEST,
    "no_policy": NextStep.WAIT_FOR_TEST,
    "peer_busy": NextStep.WAIT_FOR_TEST,
    "time_limit": NextStep.WAIT_FOR_TEST,
    "deadline": NextStep.WAIT_FOR_TEST,
    "outside_hours": NextStep.WAIT_FOR_HOURS,
    "budget": NextStep.WAIT_FOR_BUDGET,
    "clock": NextStep.SET_CLOCK,
}
"""What a test without result waits for; every other reason stays until somebody looks."""


def _next_step(case: Case, clauses: Clauses, causes: tuple[Cause, ...], link: Link) -> NextStep:
    if Cause.SWITCH_UNREACHABLE in causes:
        return NextStep.CHECK_SWITCH
    if clauses.link == "unknown":
        return _step_of_link(case, link)
    if clauses.device == "unknown":
        return NextStep.LIST_DEVICE if case.state.watched_since is None else NextStep.CHECK_DEVICE_PROBE
    if clauses.platforms == "unknown":
        return _step_of_platforms(case)
    return _step_of_device(case)


def _step_unheard(school: School) -> NextStep:
    """For a room of which no gateway tells."""
    heard = [school.state.gateways[g] for g in school.roster.gateways if g in school.state.gateways]
    if not heard:
        return NextStep.INSTALL_GATEWAY
    return NextStep.CHECK_GATEWAY if all(gateway.silent for gateway in heard) else NextStep.NAME_ROOM


def _step_of_link(case: Case, link: Link) -> NextStep:
    school, directions = case.school, dict(_judged_directions(case.policy))
    if not link.uplink_known:
        return _step_of_tests(case, (leg for d in directions for leg in line_legs(school, case.gateway, d)))
    way = (case.room.id, case.gateway)
    paths = [leg for leg in school.state.paths.values() if (leg.classroom, leg.gateway) == way]
    if (step := _step_of_tests(case, paths)) is not NextStep.ADD_TEST:
        return step
    match case.room.access:
        case "cellular":
            return NextStep.WIRE_ROOM
        case "wifi":
            return NextStep.TEST_ROOM
        case "wired":
            return _step_of_port(case)


def _step_of_tests(case: Case, legs: Iterable[Leg]) -> NextStep:
    """What the newest attempt without result waits for, where tests decide nothing yet; else the next test will."""
    thetas = dict(_judged_directions(case.policy))
    tried = [
        leg
        for leg in legs
        if (leg.tests or leg.last_unmeasured_at is not None)
        and leg.direction in thetas
        and part_state(leg_interval(leg), thetas[leg.direction]) == "unknown"
    ]
    if not tried:
        return NextStep.ADD_TEST
    newest = max(tried, key=lambda leg: leg.last_unmeasured_at or 0.0)
    tested_at = max((test.observed_at for test in newest.tests), default=0.0)
    reason = newest.last_unmeasured_reason if (newest.last_unmeasured_at or 0.0) > tested_at else None
    return _PASSING_REASONS.get(reason, NextStep.CHECK_TEST)


def _step_of_port(case: Case) -> NextStep:
    """For a wired room whose port, as far as it is known, is no evidence."""
    port = case.state.last_port
    if port is None:
        return _step_without_port(case)
    if case.device_up() is not True:
        return NextStep.WAKE_DEVICE
    if not case.fresh(port.observed_at):
        return NextStep.CHECK_SWITCH_PROBE
    return NextStep.WAIT_FOR_READING if port.speed_bps else NextStep.TEST_ROOM


def _step_without_port(case: Case) -> NextStep:
    """What a card once said of its speed, or a managed switch that is read, is the shortest way to a port."""
    if case.state.nic_speed_bps is not None:
        return NextStep.WAKE_DEVICE
    state = case.school.state
    switches = [switch for switch in state.switches.values() if switch.gateway == case.gateway]
    if switches and not any(switch.reachable for switch in switches):
        return NextStep.CHECK_SWITCH
    has_trunk = any(segment.gateway == case.gateway for segment in state.segments.values())
    return NextStep.PLACE_ROOM if switches or has_trunk else NextStep.SHOW_LINK


def _step_of_platforms(case: Case) -> NextStep:
    """Nobody at the school can do anything while all that is unknown is the platforms' own fault."""
    school, faults = case.school, case.school.state.platform_faults
    states = {p: platform_state(school, p, case.gateway, case.now, case.policy) for p in school.roster.platforms}
    unknown = [platform for platform, state in states.items() if state == "unknown"]
    return NextStep.WAIT_FOR_PLATFORM if set(unknown) <= set(faults) else NextStep.CHECK_PLATFORM_PROBE


def _step_of_device(case: Case) -> NextStep:
    """For a room that is ready, and whose device was never seen awake: outside lessons nobody expects it to be."""
    if case.state.watched_since is None and case.state.last_port is None:
        return NextStep.LIST_DEVICE
    later = any(start > case.now for day in case.school.hours.days[-1:] for start, _ in day.lessons)
    return NextStep.WAIT_FOR_LESSONS if later else NextStep.WAKE_DEVICE


# --- compliant ------------------------------------------------------------------------------------------------------


def _latch(case: Case, prior: Latch, link: Link) -> Latch:
    """Fold the present evidence into the latched verdict. Unknown never changes it; great age did, before."""
    absent = _is_device_absent(case)
    if absent or link.state == "short":
        contrary_at = case.now if absent and link.contrary_at is None else link.contrary_at
        return prior if contrary_at is None else _fold(case, prior, "no", contrary_at)
    if link.state == "enough" and case.state.last_awake_at is not None:
        return _fold(case, prior, "yes", max(link.evidence_at or 0.0, case.state.last_awake_at))
    return prior


def _fold(case: Case, prior: Latch, value: VerdictValue, at: float) -> Latch:
    """One more piece of evidence: the first proof is taken at once, a change of mind needs several school days."""
    hours, day = case.school.hours, local_date(case.school.hours, at)
    if value == prior.value:
        contrary = prior.contrary_days if day in prior.contrary_days else ()
        return replace(prior, evidence_at=max(at, prior.evidence_at or at), contrary_days=contrary)
    if value == "yes" and prior.value == "unknown":
        return Latch(value="yes", since=case.now, evidence_at=at)
    if day in prior.contrary_days or not is_school_day(hours, at):
        return prior
    contrary = (*prior.contrary_days, day)
    if len(contrary) >= case.policy.compliant_fail_days:
        return Latch(value=value, since=case.now, evidence_at=at)
    return replace(prior, contrary_days=contrary)


def _aged(school: School, prior: Latch, now: float, policy: Policy) -> Latch:
    if prior.evidence_at is None or prior.value == "unknown":
        return prior
    age_days = school_days_between(school.hours, prior.evidence_at, now)
    return Latch(since=now) if age_days > policy.compliant_max_age_school_days else prior


def compliant(room: Classroom, state: ClassroomState) -> CompliantValue:
    """``compliant`` as it is shown and exported."""
    return "exempt" if room.exempt is not None else state.latch.value


# --- figures of a school --------------------------------------------------------------------------------------------


def counts(school: School) -> dict[str, dict[str, int]]:
    """Classrooms by state of each verdict; exempt ones are in ``compliant`` only, unlisted ones in neither."""
    rooms = [
        (room, school.state.classrooms.get(room.id, ClassroomState())) for room in school.roster.classrooms.values()
    ]
    ready = Counter(state.verdict.ready for room, state in rooms if room.exempt is None)
    latched = Counter(compliant(room, state) for room, state in rooms)
    return {
        "ready": {value: ready[value] for value in ("yes", "no", "unknown")},
        "compliant": {value: latched[value] for value in ("yes", "no", "unknown", "exempt")},
    }


def contention_ratio(school: School, policy: Policy) -> float | None:
    """What all classrooms would need at once over what the uplink has: the largest over the school's gateways."""
    ratios = []
    for gateway in school.roster.gateways:
        uplink_bps = link_bps(gateway_uplink(school, gateway, "down"))
        if uplink_bps:
            ratios.append(len(judged_rooms(school, gateway)) * policy.required_down_bps / uplink_bps)
    return max(ratios, default=None)


def segment_contention_ratio(school: School, segment: SegmentReading, policy: Policy) -> float | None:
    """What the classrooms behind a trunk would need at once over what it has."""
    rate_bps = link_bps(segment_interval(segment))
    return len(rooms_behind(school, segment)) * policy.required_down_bps / rate_bps if rate_bps else None
