"""申诉: which tests answer, whether they do, and what is said where they do not; tables of the states that decide."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.evidence import BandwidthTest, GatewayState, Leg, PathState, PortReading, UplinkState
from collector.core.objection import Found, Objection, answer, found, legs_of, orders, quiet_until, unmeasured
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours
from collector.core.state import ClassroomState, Latch, School, SchoolState, Verdict
from tests.support.school import GATEWAY, POLICY, at, bandwidth, port, school

RAISED = at("2026-11-23 10:00")
NOW = RAISED + 600
OTHER = "dem-gw-02"
BOTH_WAYS = Policy(required_up_bps=20_000_000)


def results(*passed: bool, last_at: float = NOW - 100) -> tuple[BandwidthTest, ...]:
    first_at = last_at - 60 * (len(passed) - 1)
    return tuple(
        BandwidthTest(observed_at=first_at + 60 * n, seen=bandwidth(passed=each)) for n, each in enumerate(passed)
    )


def line(*passed: bool, last_at: float = NOW - 100, **fields: Any) -> UplinkState:
    given = {"gateway": GATEWAY, "target": "uplink", "direction": "down", "tests": results(*passed, last_at=last_at)}
    return UplinkState(**{**given, **fields})


def way(*passed: bool, **fields: Any) -> PathState:
    given = {"gateway": GATEWAY, "target": "pc", "direction": "down", "classroom": "r1", "tests": results(*passed)}
    return PathState(**{**given, **fields})


def county(*legs: Leg, room: ClassroomState | None = None, **fields: Any) -> School:
    heard = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)
    state = SchoolState(
        gateways={GATEWAY: heard},
        uplinks={f"u{n}": leg for n, leg in enumerate(legs) if isinstance(leg, UplinkState)},
        paths={f"p{n}": leg for n, leg in enumerate(legs) if isinstance(leg, PathState)},
        classrooms={} if room is None else {"r1": room},
    )
    return replace(school(**fields), state=state)


def objection(room: str | None = None, link: Any = "short") -> Objection:
    return Objection(id=1, school="s1", classroom=room, at=RAISED, before=Found(at=RAISED, link=link))


def reads(at_: float = NOW, switch: str | None = "sw1", **fields: Any) -> ClassroomState:
    seen = port("r1", switch=switch, **fields)
    return ClassroomState(
        gateway=GATEWAY,
        last_port=PortReading(observed_at=at_, gateway=GATEWAY, seen=seen),
        verdict=Verdict(ready="no", link_state="short"),
        latch=Latch(value="yes"),
    )


@pytest.mark.parametrize(
    ("leg", "school_wide", "room", "policy"),
    [
        pytest.param(line(), True, True, POLICY, id="the line"),
        pytest.param(line(direction="up"), False, False, POLICY, id="upwards, where nothing is asked of it"),
        pytest.param(line(direction="up"), True, True, BOTH_WAYS, id="upwards"),
        pytest.param(line(beyond="metro"), False, False, POLICY, id="an exit"),
        pytest.param(line(gateway=OTHER), True, False, POLICY, id="the line of another gateway"),
        pytest.param(way(), False, True, POLICY, id="the way to the room"),
        pytest.param(way(direction="up"), False, False, POLICY, id="back from it, where nothing is asked of that"),
        pytest.param(way(classroom="r2"), False, False, POLICY, id="the way to another room"),
    ],
)
def test_which_tests_can_answer(leg: Leg, school_wide: bool, room: bool, policy: Policy) -> None:  # noqa: FBT001 - a table
    """Those of the line, and of the way to the room; of a whole school, all its lines."""
    told = county(leg, room=reads(), gateways=(GATEWAY, OTHER))
    assert (legs_of(told, None, policy) == (leg,)) is school_wide
    assert (legs_of(told, "r1", policy) == (leg,)) is room


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        pytest.param([], "unknown", id="no test at all"),
        pytest.param([line()], "unknown", id="never tested"),
        pytest.param([line(False)], "unknown", id="one failure alone"),
        pytest.param([line(True)], "enough", id="a pass"),
        pytest.param([line(False, False)], "short", id="two failures"),
        pytest.param([line(True), line(False, False, direction="up")], "short", id="short one way"),
        pytest.param([line(True), line(False, direction="up")], "unknown", id="not known one way"),
        pytest.param([line(True), line(True, direction="up")], "enough", id="enough both ways"),
        pytest.param([line(False, False), line(False, direction="up")], "short", id="short, and not known"),
    ],
)
def test_how_the_lines_of_a_school_stand(legs: list[Leg], expected: str) -> None:
    """Short in any direction is short; enough only where nothing is unknown. A direction nobody tests has no say."""
    stands = found(county(*legs), None, NOW, replace(BOTH_WAYS, required_up_bps=100_000_000))
    assert stands.link == expected
    assert (stands.ready, stands.compliant, stands.at) == (None, None, NOW)
    assert [test.direction for test in stands.tests] == [leg.direction for leg in legs if leg.tests]


def test_each_direction_is_judged_by_what_is_asked_of_it() -> None:
    """20M upwards are enough where that is asked, and say nothing of downloads."""
    upwards = BandwidthTest(observed_at=NOW, seen=bandwidth(direction="up", at_least_bps=20e6))
    legs = (line(True), line(direction="up", tests=(upwards,)))
    assert found(county(*legs), None, NOW, BOTH_WAYS).link == "enough"
    assert found(county(*legs), None, NOW, replace(BOTH_WAYS, required_up_bps=25_000_000)).link == "unknown"


def test_one_new_test_is_an_answer_when_time_is_over() -> None:
    """The other way was not tested again in days; what stands by the rules then, stands."""
    legs = (line(True), line(True, direction="up", last_at=RAISED - 9))
    assert answer(county(*legs), objection(), NOW, BOTH_WAYS) is None
    said = answer(county(*legs), objection(), ENDS, BOTH_WAYS)
    assert said is not None
    assert (said.outcome, said.reason) == ("changed", None)


def test_how_a_room_stands() -> None:
    """By its verdict, with the newest test of its line and its port; nobody ever saw the other one."""
    told = county(line(True, False), way(), room=reads())
    stands = found(told, "r1", NOW, POLICY)
    assert (stands.link, stands.ready, stands.compliant) == ("short", "no", "yes")
    (test, cable) = stands.tests
    assert (test.target, test.observed_at, test.passed, test.at_most_bps) == ("uplink", NOW - 100, False, 1e8)
    assert (cable.target, cable.direction, cable.observed_at) == ("sw1:Gi0/r1", None, NOW)
    assert (cable.at_least_bps, cable.at_most_bps, cable.passed) == (1e9, 1e9, None)
    other = found(told, "r2", NOW, POLICY)
    assert (other.link, other.ready, other.compliant) == ("unknown", "unknown", "unknown")


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(reads(if_name=None), [("sw1", 1e9)], id="a port without a name"),
        pytest.param(reads(switch=None), [], id="a port of no switch says nothing"),
        pytest.param(ClassroomState(gateway=GATEWAY), [], id="no port"),
    ],
)
def test_what_is_kept_of_a_port(room: ClassroomState, expected: list[tuple[str, float | None]]) -> None:
    tests = found(county(room=room), "r1", NOW, POLICY).tests
    assert [(test.target, test.at_least_bps) for test in tests] == expected


def test_a_port_without_a_speed_has_none() -> None:
    """Not known is not zero."""
    room = reads()
    assert room.last_port is not None
    dark = replace(room.last_port, seen=replace(room.last_port.seen, speed_bps=None))
    (test,) = found(county(room=replace(room, last_port=dark)), "r1", NOW, POLICY).tests
    assert (test.at_least_bps, test.at_most_bps) == (None, None)


@pytest.mark.parametrize(
    ("leg", "ordered"),
    [
        pytest.param(line(), True, id="never tested"),
        pytest.param(line(False, last_at=RAISED - 9), True, id="not since"),
        pytest.param(line(False, False, last_at=RAISED), True, id="at that very moment: it is what was objected to"),
        pytest.param(line(False, False, last_at=RAISED + 1), False, id="twice short, and since then"),
        pytest.param(line(True, last_at=NOW - 60), False, id="passed since"),
        pytest.param(line(False, last_at=NOW - 60), True, id="one failure proves nothing; a spacing ago"),
        pytest.param(line(False, last_at=NOW - 59), False, id="it would not count as another one yet"),
        pytest.param(line(False, False, True, last_at=NOW - 99), True, id="a stray pass"),
        pytest.param(line(True, True, False, last_at=NOW - 99), True, id="a stray failure"),
    ],
)
def test_when_a_line_is_tested_again(leg: Leg, ordered: bool) -> None:  # noqa: FBT001 - a table
    """Until the last word agrees with the majority, and never closer together than tests that count as two."""
    told = [*orders(county(leg), objection(), NOW, POLICY)]
    assert told == ([leg] if ordered else [])


@pytest.mark.parametrize(
    ("legs", "room", "about", "expected"),
    [
        pytest.param([line(False, False)], None, None, ("upheld", None), id="short still"),
        pytest.param([line(True)], None, None, ("changed", None), id="enough now"),
        pytest.param([line(True, last_at=RAISED)], None, None, None, id="the test that was objected to is no answer"),
        pytest.param([line(True), line(direction="up")], None, None, None, id="one of two ways is still to be tested"),
        pytest.param([line(True)], reads(), "r1", ("upheld", None), id="line and port, both since then"),
        pytest.param([line(True)], reads(RAISED), "r1", None, id="the port was read before"),
        pytest.param([], reads(), "r1", ("upheld", None), id="nothing tests the line: the port alone"),
        pytest.param([], reads(RAISED), "r1", None, id="the port alone, and it is still to be read"),
        pytest.param([], reads(switch=None), "r1", ("unmeasured", "no_test"), id="neither test nor port"),
        pytest.param([line(True)], None, "r1", ("unmeasured", "undecided"), id="tested, and it says nothing of a room"),
        pytest.param([line(True)], None, "r9", ("unmeasured", "removed"), id="a room that left"),
    ],
)
def test_what_came_of_it(
    legs: list[Leg], room: ClassroomState | None, about: str | None, expected: tuple[str, str | None] | None
) -> None:
    """It is answered when all that can answer was looked at since it was raised."""
    told = answer(county(*legs, room=room), objection(about), NOW, BOTH_WAYS)
    assert (told and (told.outcome, told.reason)) == expected


DAYS = POLICY.objection_school_days
ENDS = at("2026-11-26 00:00")
"""As the third school day begins."""


@pytest.mark.parametrize(
    ("hours", "now", "is_over"),
    [
        pytest.param(None, ENDS - 1, False, id="two school days"),
        pytest.param(None, ENDS, True, id="as the third begins"),
        pytest.param(Hours(), RAISED + DAYS * DAY_S, False, id="without a calendar: two days to the second"),
        pytest.param(Hours(), RAISED + DAYS * DAY_S + 1, True, id="and no longer"),
    ],
)
def test_until_when_it_waits(hours: Hours | None, now: float, is_over: bool) -> None:  # noqa: FBT001 - a table
    told = county(line())
    told = told if hours is None else replace(told, hours=hours)
    said = answer(told, objection(), now, POLICY)
    assert (said is not None) is is_over
    assert said is None or (said.outcome, said.reason, said.after.at) == ("unmeasured", "not_tested", now)


def tried(at_: float | None, reason: str | None, **fields: Any) -> UplinkState:
    return line(last_unmeasured_at=at_, last_unmeasured_reason=reason, **fields)


GONE = GatewayState(first_committed_at=0.0, last_committed_at=0.0, report_interval_s=60.0, silent=True)


@pytest.mark.parametrize(
    ("legs", "gateways", "reason"),
    [
        pytest.param([tried(NOW, "peer_busy")], {}, "peer_busy", id="the agent says why"),
        pytest.param([tried(RAISED, "peer_busy")], None, "not_tested", id="it said so before: of this it says nothing"),
        pytest.param([tried(NOW, None)], None, "not_tested", id="it said that it tried, and not why"),
        pytest.param([tried(NOW, "a"), tried(NOW + 1, "b")], None, "b", id="the last reason"),
        pytest.param([tried(NOW + 1, "a"), tried(NOW, "b")], None, "a", id="the last reason, whichever leg has it"),
        pytest.param([tried(None, "a"), tried(NOW, "b")], None, "b", id="one that was never tried"),
        pytest.param([line()], {GATEWAY: GONE}, "silent", id="the gateway is silent"),
        pytest.param([line()], {}, "silent", id="it was never heard"),
        pytest.param([line(False)], None, "undecided", id="one failure since, and nothing more"),
        pytest.param([line(False, last_at=RAISED)], None, "not_tested", id="at that very moment"),
        pytest.param([line(False), line(False, last_at=RAISED)], None, "undecided", id="one of two lines, since"),
        pytest.param(
            [line(False, True, last_at=RAISED + 30)], None, "undecided", id="before and since, and they differ"
        ),
        pytest.param([line(False, False, last_at=RAISED)], None, "not_tested", id="known, and not by a new test"),
    ],
)
def test_why_it_could_not_be_measured(legs: list[Leg], gateways: dict[str, GatewayState] | None, reason: str) -> None:
    """What the agent said last, else whatever kept it from trying."""
    told = county(*legs)
    told = told if gateways is None else replace(told, state=replace(told.state, gateways=gateways))
    said = answer(told, objection(), ENDS, POLICY)
    assert said is not None
    assert (said.outcome, said.reason) == ("unmeasured", reason)


def test_what_is_said_of_one_that_nobody_can_measure() -> None:
    """How things stand where that is known; else that nothing is known."""
    assert unmeasured(NOW, "removed").after == Found(at=NOW, link="unknown")
    stands = Found(at=NOW, link="short", ready="no")
    assert unmeasured(NOW, "no_test", stands).after == stands
    assert (unmeasured(NOW, "no_test").outcome, unmeasured(NOW, "no_test").reason) == ("unmeasured", "no_test")


@pytest.mark.parametrize(("now", "expected"), [(9.0, None), (10.0, 30.0), (22.0, 30.0), (29.0, 30.0), (30.0, None)])
def test_the_quiet_of_several_schools_ends_with_the_last(now: float, expected: float | None) -> None:
    assert quiet_until([(10.0, 30.0), (20.0, 25.0)], now) == expected
