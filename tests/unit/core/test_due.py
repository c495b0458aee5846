"""When a school must be looked at next, for each piece of evidence alone."""

from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping, Reason
from collector.core.due import JUST_AFTER_S, next_due
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
    SwitchReading,
    UplinkState,
)
from collector.core.policy import Policy
from collector.core.state import AlertState, ClassroomState, Cut, SchoolState
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, at, bandwidth, http, port, school, trunk

NINE = at("2026-11-23 09:00")
"""When everything was seen. Eight hours of lessons later it is Monday at five, sixteen later Tuesday at four."""
NOON = at("2026-11-23 12:00")
SAME: dict[str, Any] = {"observed_at": NINE, "gateway": GATEWAY}
PORT = PortReading(seen=port("r1"), **SAME)
DEVICE = DeviceReading(state="awake", **SAME)
TEST = BandwidthTest(observed_at=NINE, seen=bandwidth())
LEG: dict[str, Any] = {"gateway": GATEWAY, "target": "t", "direction": "down"}
PLATFORM = {"gateway": GATEWAY, "target": "t"}
VAIN = {"last_unmeasured_at": NINE, "last_unmeasured_reason": "budget"}


def in_room(**fields: Any) -> SchoolState:
    return SchoolState(classrooms={"r1": ClassroomState(**fields)})


SHORT_LIVED = {
    "device": in_room(device=DEVICE),
    "device of a room whose gateway is known": in_room(device=replace(DEVICE, gateway="gone"), gateway=GATEWAY),
    "newest port": in_room(last_port=PORT),
    "newest port of a room whose gateway is known": in_room(last_port=replace(PORT, gateway="gone"), gateway=GATEWAY),
    "switch": SchoolState(switches={"k": SwitchReading(switch="sw1", reachable=True, **SAME)}),
    "platform": SchoolState(platforms={"k": PlatformReading(http=HttpReading(seen=http(), **SAME), **PLATFORM)}),
}
PORTS = {
    "accepted port": in_room(port=PORT),
    "card of the device": in_room(nic_speed_bps=10**9, last_awake_at=NINE),
    "trunk": SchoolState(segments={"k": SegmentReading(seen=trunk(), **SAME)}),
}
TESTS = {
    "test of the line": SchoolState(uplinks={"k": UplinkState(tests=(TEST,), **LEG)}),
    "test of a way": SchoolState(paths={"k": PathState(classroom="r1", tests=(TEST,), **LEG)}),
    "vain attempt": SchoolState(uplinks={"k": UplinkState(**VAIN, **LEG)}),
}
NOTHING_DUE = {
    "ping, which nobody judges": SchoolState(
        platforms={
            "k": PlatformReading(
                ping=PingReading(seen=Ping(target="t", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), **SAME),
                **PLATFORM,
            )
        }
    ),
    "port that waits": in_room(pending_port=PORT),
    "card without a sighting": in_room(nic_speed_bps=10**9),
}


TOLD_AT_ONCE = Policy(silence_hold_s=0)


def due(state: SchoolState, after: float, *, silent: bool = True, policy: Policy | None = None) -> float:
    """Of a school whose gateway reports every minute, and last did at nine; a silent one was told of before."""
    heard = GatewayState(first_committed_at=NINE, last_committed_at=NINE - silent, report_interval_s=60, silent=silent)
    whole = replace(school(), state=replace(state, gateways={GATEWAY: heard}))
    return next_due(whole, after, policy or TOLD_AT_ONCE)


@pytest.mark.parametrize("kind", SHORT_LIVED)
def test_what_is_good_for_three_intervals(kind: str) -> None:
    """Looked at just after them, and no more when that has passed."""
    over = NINE + 180 + JUST_AFTER_S
    assert due(SHORT_LIVED[kind], NINE) == due(SHORT_LIVED[kind], NINE + 180) == over
    assert due(SHORT_LIVED[kind], over) == at("2026-11-23 17:00")


@pytest.mark.parametrize("kind", PORTS)
def test_what_is_good_for_hours_of_lessons(kind: str) -> None:
    """Three of them: at noon."""
    policy = Policy(silence_hold_s=0, port_max_school_hours=3, uplink_max_school_hours=4)
    assert due(PORTS[kind], NINE, policy=policy) == NOON + JUST_AFTER_S
    assert due(PORTS[kind], NOON + 1, policy=policy) == at("2026-11-23 17:00")


@pytest.mark.parametrize("kind", TESTS)
def test_tests_are_good_for_hours_of_lessons(kind: str) -> None:
    """They have a limit of their own."""
    policy = Policy(silence_hold_s=0, port_max_school_hours=1, uplink_max_school_hours=3)
    assert due(TESTS[kind], NINE, policy=policy) == NOON + JUST_AFTER_S
    assert due(TESTS[kind], NOON + 1, policy=policy) == at("2026-11-23 17:00")


@pytest.mark.parametrize("kind", NOTHING_DUE)
def test_what_is_no_evidence_wakes_nobody(kind: str) -> None:
    """The end of the lesson is the next moment."""
    assert due(NOTHING_DUE[kind], NINE, policy=Policy(silence_hold_s=0, port_max_school_hours=3)) == at(
        "2026-11-23 17:00"
    )


def test_a_gateway_is_watched_until_it_is_silent() -> None:
    """Three of its intervals after it was heard."""
    assert due(SchoolState(), NINE, silent=False) == NINE + 180 + JUST_AFTER_S
    assert due(SchoolState(), NINE, silent=True) == at("2026-11-23 17:00")


def test_a_silence_is_told_after_its_hold() -> None:
    """A quarter of an hour of lessons after the last report; then there is nothing more to wait for."""
    assert due(SchoolState(), NINE, policy=Policy()) == NINE - 1 + 900 + JUST_AFTER_S
    assert due(SchoolState(), NINE + 900, policy=Policy()) == at("2026-11-23 17:00")


def test_a_hold_is_waited_for() -> None:
    """An unreachable platform's; other causes are held by nothing."""
    held = AlertState(subject=Subject("platform", GATEWAY, "p"), cause=Cause.PLATFORM_UNREACHABLE, bad_since=NINE)
    assert due(SchoolState(alerts=(held,)), NINE) == NINE + 120
    assert due(SchoolState(alerts=(held,)), NINE + 120) == at("2026-11-23 17:00"), "its moment has come"
    other = replace(held, cause=Cause.SWITCH_UNREACHABLE)
    assert due(SchoolState(alerts=(other,)), NINE) == at("2026-11-23 17:00")


def test_what_was_told_late_is_looked_at_when_it_settles() -> None:
    """Once."""
    cut = SchoolState(meanwhile={GATEWAY: Cut(look_at=NOON)})
    assert due(cut, NINE) == NOON
    assert due(cut, NOON) == at("2026-11-23 17:00")


def test_the_oldest_of_a_gateway_is_due_first() -> None:
    """What is younger is good for longer."""
    younger = replace(DEVICE, observed_at=NINE + 100)
    rooms = {
        "r1": ClassroomState(device=younger),
        "r2": ClassroomState(device=DEVICE),
        "r3": ClassroomState(device=younger),
    }
    assert due(SchoolState(classrooms=rooms), NINE) == NINE + 180 + JUST_AFTER_S
    assert due(SchoolState(classrooms=rooms), NINE + 200) == NINE + 280 + JUST_AFTER_S


@pytest.mark.parametrize("kinds", [("last_port", "device"), ("device", "last_port")])
def test_of_two_that_are_good_for_intervals_the_older_is_due_first(kinds: tuple[str, str]) -> None:
    """Whichever is looked at first."""
    readings = {"last_port": PORT, "device": DEVICE}
    old, young = kinds
    room = {old: readings[old], young: replace(readings[young], observed_at=NINE + 60)}
    assert due(in_room(**room), NINE + 1) == NINE + 180 + JUST_AFTER_S
    assert due(in_room(**room), NINE + 180 + JUST_AFTER_S) == NINE + 240 + JUST_AFTER_S


def test_of_what_is_good_for_hours_the_oldest_that_counts_is_due_first() -> None:
    """What is older has expired, what is younger is good for longer."""
    policy = Policy(silence_hold_s=0, port_max_school_hours=2)
    times = (NINE - 1_800, NINE, NINE + 600)
    rooms = {f"r{n}": ClassroomState(port=replace(PORT, observed_at=seen_at)) for n, seen_at in enumerate(times)}
    for after, oldest in (
        (NINE, times[0]),
        (NINE + 5_400, times[0]),
        (NINE + 5_401, times[1]),
        (NINE + 7_201, times[2]),
    ):
        assert due(SchoolState(classrooms=rooms), after, policy=policy) == oldest + 7_200 + JUST_AFTER_S


def test_what_is_due_at_that_moment_is_not_due_again() -> None:
    """Whoever was just woken for the end of the lesson sleeps until the next morning."""
    assert due(SchoolState(), at("2026-11-23 17:00")) == at("2026-11-24 00:00")


def test_without_days_nothing_is_due() -> None:
    """A school that has no timetable any more and knows nothing sleeps for good."""
    assert due(SchoolState(), at("2027-11-23 09:00")) == inf
