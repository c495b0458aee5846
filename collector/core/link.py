"""Capacities: intervals of the parts of a link, what tests say of a gateway's line, and the three bases of a room.

A part is *short* when its upper bound is at most what is required and it is not itself enough. A test gives an
interval, never a speed; intervals of different tests of one part are never intersected.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from collector.core.evidence import BandwidthTest, Leg, PathState, PortReading, SegmentReading, UplinkState
from collector.core.policy import Policy
from collector.core.state import Interval, School, Verdict
from collector.core.words import Basis, Direction, Grade, LinkState

Thetas = tuple[float, float]

NOTHING = Interval()
NEARLY = 0.99
"""Two tests a clock's slew short of what they must lie apart still lie apart."""
_GRADES = tuple(Grade)
"""The best first."""


# --- one part -------------------------------------------------------------------------------------------------------


def part_state(part: Interval, thetas: Thetas) -> LinkState:
    """Judge one part on its own."""
    theta0_bps, theta1_bps = thetas
    # half duplex is mostly one end that negotiates and one that does not: late collisions, whatever the speed
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
    # a port without link has no speed, whatever its ifSpeed still says (RFC 2863)
    seen = port.seen if port is not None and port.seen.oper_up is not False else None
    speeds = [speed for speed in (seen.speed_bps if seen else None, nic_speed_bps) if speed]
    half_duplex = seen is not None and seen.full_duplex is False
    if not speeds:
        return Interval(half_duplex=True) if half_duplex else None
    speed_bps = float(min(speeds))
    return Interval(None if half_duplex else speed_bps, speed_bps, None, half_duplex)


def segment_interval(segment: SegmentReading) -> Interval:
    speed_bps, full_duplex = segment.seen.speed_bps, segment.seen.full_duplex
    if full_duplex is False or not speed_bps:
        return Interval(at_most_bps=speed_bps or None, half_duplex=full_duplex is False)
    return Interval(float(speed_bps), float(speed_bps))


def narrowest(parts: Iterable[Interval]) -> Interval:
    """A chain of parts: its upper bound is the least known one, its lower bound needs every part's."""
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    # what one part is not known to carry, nobody knows of the chain; what one part cannot carry, the chain cannot
    lower = [p.at_least_bps for p in parts if p.at_least_bps is not None]
    upper = [p.at_most_bps for p in parts if p.at_most_bps is not None]
    plateaus = [p.estimate_bps for p in parts if p.estimate_bps is not None]
    return Interval(
        at_least_bps=min(lower, default=None) if len(lower) == len(parts) else None,
        at_most_bps=min(upper, default=None),
        estimate_bps=min([*plateaus, *upper]) if plateaus else None,
        half_duplex=any(p.half_duplex for p in parts),
    )


def divided(interval: Interval, count: int) -> Interval:
    """U shared by ``count`` classrooms; a layer-1 capacity divides evenly."""

    def part(rate_bps: float | None) -> float | None:
        return None if rate_bps is None else rate_bps / count

    return Interval(part(interval.at_least_bps), part(interval.at_most_bps), part(interval.estimate_bps))


def link_bps(interval: Interval) -> float | None:
    """The number to show: the estimate where a plateau was seen, else the proven bound; None while unknown."""
    if interval.estimate_bps is not None:
        return interval.estimate_bps
    return interval.at_least_bps if interval.at_least_bps is not None else interval.at_most_bps


def link_ratio(verdict: Verdict, policy: Policy) -> float | None:
    interval = verdict.link.get(policy.basis)
    rate_bps = link_bps(interval) if interval else None
    return None if rate_bps is None else rate_bps / policy.required_down_bps


# --- tests ----------------------------------------------------------------------------------------------------------


def majority(tests: tuple[BandwidthTest, ...]) -> bool | None:
    """Of the last three counted tests: two equal ones decide; one alone proves only a pass."""
    passed = sum(test.passed for test in tests)
    failed = len(tests) - passed
    # a test can fail by other traffic or a busy gateway; none can pass on a line that is too slow
    if passed >= 2 or (passed == 1 and failed == 0):
        return True
    return False if failed >= 2 else None


def decisive_test(leg: Leg) -> BandwidthTest | None:
    """Find the newest test that agrees with the majority; None while there is none."""
    result = majority(leg.tests)
    return next((test for test in reversed(leg.tests) if test.passed is result), None)


def test_interval(test: BandwidthTest) -> Interval:
    seen = test.seen
    # between the thetas either outcome is right, and either way the line is enough
    at_least_bps = seen.at_least_bps or (seen.theta0_bps if test.is_in_band else None)
    return Interval(at_least_bps, seen.at_most_bps, seen.estimate_bps)


def leg_interval(leg: Leg) -> Interval:
    """Say what is known of one target and direction; empty while no majority is."""
    test = decisive_test(leg)
    return test_interval(test) if test else NOTHING


def failing_for_s(leg: Leg) -> float:
    """Between the first and the last of the failing tests that no passing one followed; of one alone nothing."""
    if leg.failing_since is None or not leg.tests:
        return 0.0
    return leg.tests[-1].observed_at - leg.failing_since


def legs_interval(legs: Iterable[Leg]) -> Interval:
    """The worst of ``legs``; empty when none was tested."""
    return narrowest(leg_interval(leg) for leg in legs if leg.tests)


def grade_of(leg: Leg, test: BandwidthTest) -> Grade:
    if leg.source == "self_test":
        return Grade.SELF_TEST
    return Grade.PASSIVE if test.seen.mode == "passive" else Grade.ACTIVE


def judged_directions(policy: Policy) -> Iterator[tuple[Direction, Thetas]]:
    """Directions with a requirement, download first."""
    yield "down", policy.theta_down_bps
    if policy.theta_up_bps is not None:
        yield "up", policy.theta_up_bps


# --- the line of a gateway ------------------------------------------------------------------------------------------


class Tested(Struct, frozen=True, kw_only=True):
    """A part of the way as bandwidth tests found it."""

    legs: tuple[Leg, ...]
    interval: Interval
    state: LinkState

    @property
    def was_tested(self) -> bool:
        """Whether any test says something: a direction that nobody tests speaks neither for nor against."""
        return self.interval != NOTHING or any(leg.tests for leg in self.legs)

    @property
    def decided_at(self) -> float | None:
        """When the newest test was made that makes the part what it is."""
        result = {"short": False, "enough": True}.get(self.state)
        times = [test.observed_at for leg in self.legs for test in leg.tests if test.passed is result]
        return max(times, default=None)

    @property
    def failing_since(self) -> float | None:
        return min((leg.failing_since for leg in self.legs if leg.failing_since is not None), default=None)

    def is_in_doubt(self, policy: Policy) -> bool:
        """Whether it is short by tests that lie too close together to blame anybody: five bad minutes fail no line."""
        failing_s = max((failing_for_s(leg) for leg in self.legs), default=0.0)
        return self.state == "short" and failing_s < policy.blame_spacing_s * NEARLY

    @property
    def is_late(self) -> bool:
        """Whether the newest of the failing tests was late when it arrived: a good one after it makes it no news."""
        failing = (test for leg in self.legs for test in leg.tests if not test.passed)
        newest = max(failing, key=_observed_at, default=None)
        return newest is not None and newest.late


class Line(Struct, frozen=True, kw_only=True):
    """What the tests of one direction say of a gateway's line (U) and of each exit beyond it."""

    direction: Direction
    thetas: Thetas
    uplink: Tested
    exits: Mapping[str, Tested]


def line_of(school: School, gateway: str, direction: Direction, thetas: Thetas) -> Line:
    """Put the tests together.

    A test beyond an exit crosses the school's line, too: an exit is short only where that line alone is enough, and it
    is unknown, blaming nobody, where the line is not.
    """
    uplink = tested(line_legs(school, gateway, direction), gateway_uplink(school, gateway, direction), thetas)
    exits = {}
    for name in exits_of(school, gateway):
        if not (legs := exit_legs(school, gateway, name, direction)):
            continue
        found = tested_legs(legs, thetas)
        # the exit cannot be seen through a line that is narrower: who pays for the line is not who runs the exit
        blind = found.state == "short" and uplink.state != "enough"
        exits[name] = replace(found, state="unknown") if blind else found
    return Line(direction=direction, thetas=thetas, uplink=uplink, exits=exits)


def tested(legs: tuple[Leg, ...], interval: Interval, thetas: Thetas) -> Tested:
    return Tested(legs=legs, interval=interval, state=part_state(interval, thetas))


def tested_legs(legs: tuple[Leg, ...], thetas: Thetas) -> Tested:
    """A part of which nothing but its own tests tells."""
    return tested(legs, legs_interval(legs), thetas)


def weakest_grade(parts: Iterable[Tested]) -> Grade | None:
    """What rests on several tests is as good as the least of them."""
    return weakest(grade_of(leg, test) for part in parts for leg in part.legs if (test := decisive_test(leg)))


def weakest(grades: Iterable[Grade]) -> Grade | None:
    return max(grades, key=_GRADES.index, default=None)


def newest_test_at(parts: Iterable[Tested]) -> float | None:
    return max((leg.tests[-1].observed_at for part in parts for leg in part.legs if leg.tests), default=None)


def worst(states: Iterable[LinkState]) -> LinkState:
    found = set(states)
    return "short" if "short" in found else "unknown" if "unknown" in found else "enough"


def gateway_uplink(school: School, gateway: str, direction: Direction) -> Interval:
    """U of a gateway: the worst of the targets on the school's own line; empty when none was tested.

    Where the line's own tests brought nothing, a pass beyond an exit bounds the line from below: it crossed it.
    """
    # the worst of the targets, not the best: each stands for a way that pupils take
    legs = line_legs(school, gateway, direction)
    if any(leg.tests for leg in legs):
        return legs_interval(legs)
    beyond = (leg_interval(leg) for leg in _legs(school, gateway, direction) if leg.beyond is not None)
    return Interval(at_least_bps=max((b.at_least_bps for b in beyond if b.at_least_bps is not None), default=None))


def line_legs(school: School, gateway: str, direction: Direction) -> tuple[UplinkState, ...]:
    """What tests the school's own line. Where nothing tests it alone, the tests beyond an exit stand for it."""
    legs = _legs(school, gateway, direction)
    return tuple(leg for leg in legs if leg.beyond is None) or legs


def exits_of(school: School, gateway: str) -> tuple[str, ...]:
    """Names of the exits that a gateway tests."""
    return tuple(sorted({u.beyond for u in school.state.uplinks.values() if u.gateway == gateway and u.beyond}))


def exit_legs(school: School, gateway: str, exit_name: str, direction: Direction) -> tuple[UplinkState, ...]:
    return tuple(leg for leg in _legs(school, gateway, direction) if leg.beyond == exit_name and leg.tests)


def path_legs(school: School, room_id: str, gateway: str, direction: Direction) -> tuple[PathState, ...]:
    """What tests the way from a gateway to a classroom."""
    return tuple(
        leg
        for leg in school.state.paths.values()
        if leg.classroom == room_id and leg.gateway == gateway and leg.direction == direction and leg.tests
    )


def _legs(school: School, gateway: str, direction: Direction) -> tuple[UplinkState, ...]:
    return tuple(
        leg
        for leg in school.state.uplinks.values()
        if leg.gateway == gateway and leg.direction == direction and (leg.tests or leg.last_unmeasured_at is not None)
    )


def _observed_at(test: BandwidthTest) -> float:
    return test.observed_at


# --- the three bases of a room --------------------------------------------------------------------------------------


def reach(port: Interval | None, segments: Iterable[Interval], path: Interval, line: Line) -> Interval:
    """B: known parts bound it from above; from below it needs the uplink and one of port and path.

    An exit that is not known neither proves nor blames.
    """
    # each known part bounds what the room can have; a part that is not known bounds nothing
    exits = (part.interval for part in line.exits.values() if part.state != "unknown")
    parts = [part for part in (port or NOTHING, *segments, path, *exits) if part != NOTHING]
    found = narrowest([*parts, line.uplink.interval])
    return found if path.at_least_bps is not None or port is not None else replace(found, at_least_bps=None)


def bases_of(reach_down: Interval, port: Interval | None, share: Interval | None) -> dict[Basis, Interval]:
    bases: dict[Basis, Interval] = {"reach": reach_down}
    if port is not None:
        bases["port"] = port
    if share is not None:
        bases["share"] = share
    return bases
