"""What time does: the last moment at which something counts, and the first at which it does not."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Outcome, Ping, Port, Reason
from classready.units import MBIT
from collector.core.directives import directives
from collector.core.events import AlertChange, Heard
from collector.core.evidence import Leg
from collector.core.state import SchoolState
from tests.support.school import (
    GATEWAY,
    MONDAY,
    POLICY,
    Story,
    Tick,
    at,
    bandwidth,
    device,
    http,
    path_test,
    port,
    trunk,
)

VAIN = Bandwidth(target="vain", direction="down", outcome=Outcome.UNMEASURED, reason=Reason.BUDGET)


def everything() -> Story:
    """A school of which something of every kind is known, all of it seen on Monday at ten."""
    story = Story().heard().saw(port("r1"), "r1").saw(device("r1"), "r1").saw(trunk()).platform()
    story.saw(Ping(target="other", outcome=Outcome.ANSWERED, sent_count=1, received_count=1))
    return story.uplink().saw(VAIN).saw(path_test("r1"), "r1").saw(replace(VAIN, target="way"), "r1")


KEPT: dict[str, Callable[[SchoolState], object]] = {
    "switch": lambda state: state.switches,
    "trunk": lambda state: state.segments,
    "platform": lambda state: f"{GATEWAY}/national" in state.platforms,
    "platform that is only pinged": lambda state: f"{GATEWAY}/other" in state.platforms,
    "port": lambda state: state.classrooms["r1"].last_port,
    "accepted port": lambda state: state.classrooms["r1"].port,
    "place": lambda state: state.classrooms["r1"].place,
    "device": lambda state: state.classrooms["r1"].device,
    "line": lambda state: f"{GATEWAY}/uplink/down" in state.uplinks,
    "way": lambda state: f"{GATEWAY}/pc/down" in state.paths,
    "vain attempt": lambda state: f"{GATEWAY}/vain/down" in state.uplinks,
    "vain attempt at the way": lambda state: f"{GATEWAY}/way/down" in state.paths,
}


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize(
    ("day", "silent", "kept"),
    [
        pytest.param("2026-12-04 23:59", False, True, id="the ninth school day"),
        pytest.param("2026-12-07 00:00", False, False, id="the tenth"),
        pytest.param("2026-12-07 00:00", True, True, id="the tenth, but nobody reports"),
    ],
)
def test_what_is_not_told_of_for_ten_school_days_is_forgotten(kind, day, silent, kept):
    """While its gateway reports: a gateway that says nothing at all says nothing about what it sees, either."""
    story = everything()
    story.now = at(day)
    if not silent:
        story.heard()
    assert bool(KEPT[kind](story.event(Tick()).school.state)) is kept


@pytest.mark.parametrize(
    ("time", "tests", "vain"),
    [
        # Monday 10:00 to 17:00 are 7 hours, Tuesday's are 9: 16 in all.
        ("2026-11-24 17:00", 1, "budget"),
        ("2026-11-25 08:00", 1, "budget"),
        ("2026-11-25 08:00:01", 0, None),
    ],
)
def test_a_bandwidth_test_counts_for_sixteen_hours_of_lessons(time, tests, vain):
    """Of the line and of the way to a room; so does the reason why one brought nothing."""
    state = everything().event(Tick(), now=at(time)).school.state
    legs: list[Leg] = [state.uplinks[f"{GATEWAY}/uplink/down"], state.paths[f"{GATEWAY}/pc/down"]]
    assert [len(leg.tests) for leg in legs] == [tests, tests]
    vain_legs: list[Leg] = [state.uplinks[f"{GATEWAY}/vain/down"], state.paths[f"{GATEWAY}/way/down"]]
    assert [leg.last_unmeasured_reason for leg in vain_legs] == [vain, vain]
    assert [leg.last_unmeasured_at is None for leg in vain_legs] == [vain is None, vain is None]


@pytest.mark.parametrize(("apart_s", "counted"), [(59.3, 1), (59.4, 2), (60, 2)])
def test_a_clock_that_is_slewed_loses_no_second_opinion(apart_s, counted):
    """Two tests count as two from a hundredth less than the spacing on."""
    story = Story().heard().uplink(passed=False).later(apart_s).uplink(passed=False)
    assert len(story.school.state.uplinks[f"{GATEWAY}/uplink/down"].tests) == counted


def test_three_tests_are_kept():
    """The majority is of the last three."""
    story = Story().heard()
    for passed in (False, True, False, True):
        story.later(60).uplink(passed=passed)
    assert [t.passed for t in story.school.state.uplinks[f"{GATEWAY}/uplink/down"].tests] == [True, False, True]


@pytest.mark.parametrize(
    ("interval_s", "after_s", "accepted"),
    [(10, 60, True), (10, 61, False), (300, 300, True), (300, 301, False)],
)
def test_a_port_counts_if_its_device_was_awake_soon_after(interval_s, after_s, accepted):
    """Within a minute, or an interval of the reports where that is longer."""
    story = Story().heard(interval_s=interval_s).saw(port("r1"), "r1").later(after_s).saw(device("r1"), "r1")
    assert (story.school.state.classrooms["r1"].port is not None) is accepted


@pytest.mark.parametrize(("apart_s", "accepted"), [(3_600, True), (3_601, False)])
def test_octets_prove_a_port_over_an_hour_at_most(apart_s, accepted):
    """Polled more seldom than that, nothing ties its speed to the moment in which the device was awake."""
    story = Story().heard().saw(port("r1", in_octets=1), "r1").later(apart_s).saw(port("r1", in_octets=2), "r1")
    assert (story.school.state.classrooms["r1"].port is not None) is accepted


@pytest.mark.parametrize(("after_s", "ready"), [(180, "yes"), (180.5, "unknown")])
def test_a_platform_counts_for_three_report_intervals(after_s, ready):
    """Reports go on, and nobody fetches the platform any more."""
    story = Story().all_well()
    seen_at = story.school.state.platforms[f"{GATEWAY}/national"].http.observed_at
    story.now = seen_at + after_s
    story.heard()
    for room in ("r1", "r2"):
        story.saw(device(room), room)
    assert story.event(Tick()).ready() == ready


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-22 07:59", []),
        ("2026-11-22 08:00", []),
        ("2026-11-22 08:01", ["2026-11-23 08:00"]),
        ("2026-11-23 16:59", ["2026-11-23 08:00", "2026-11-24 08:00"]),
        ("2026-11-23 17:00", ["2026-11-24 08:00"]),
    ],
)
def test_quiet_reaches_a_day_ahead(now, expected):
    """A lesson that ends now is over; one that begins in a day is not named yet."""
    quiet = directives([Story().school], GATEWAY, POLICY, at(now)).quiet
    assert [begin for begin, _ in quiet] == [at(time) for time in expected]


def test_retests_are_ordered_from_the_spacing_on():
    """To the second; and never of another gateway."""
    story = Story().heard().uplink(passed=False)
    for after_s, expected in ((59, ()), (60, ("uplink",))):
        assert directives([story.school], GATEWAY, POLICY, story.now + after_s).retest == expected
        assert directives([story.school], "another", POLICY, story.now + after_s).retest == ()


@pytest.mark.parametrize(("hold_s", "told"), [(119, 0), (120, 1)])
def test_a_platform_is_held_to_the_second(hold_s, told):
    """From when the evidence first was bad."""
    story = Story(policy=replace(POLICY, platform_hold_s=120)).all_well()
    bad_from = story.later(10).now
    for _ in range(3):
        story.heard().saw(http(up=False))
        story.later(20)
    story.event(Tick(), now=bad_from + hold_s)
    assert len(story.told(AlertChange)) == told


def test_a_gateway_remembers_when_it_was_first_heard():
    """The observation period counts from there, and what it says of itself is the newest."""
    story = Story()
    for n in range(2):
        story.event(Heard(gateway=GATEWAY, report_interval_s=60, agent_version=str(n), spool_records=n), MONDAY + n)
    heard = story.school.state.gateways[GATEWAY]
    assert (heard.first_committed_at, heard.last_committed_at) == (MONDAY, MONDAY + 1)
    assert (heard.agent_version, heard.spool_records, heard.silent) == ("1", 1, False)


AGAIN: dict[str, Callable[[Story], Story]] = {
    "device": lambda story: story.saw(device("r1"), "r1").saw(device("r2"), "r2"),
    "platform": lambda story: story.platform(),
}


@pytest.mark.parametrize("missing", AGAIN)
def test_what_was_too_old_and_is_seen_again_counts_at_once(missing: str):
    """The same reading as before, after nobody told of it for a while: it is news that it still holds."""
    story = Story().all_well()
    for _ in range(5):
        story.later(60).heard()
        for kind, see in AGAIN.items():
            if kind != missing:
                see(story)
    assert story.event(Tick()).ready() == "unknown"
    assert AGAIN[missing](story).ready() == "yes"
    assert AGAIN[missing](story.later(20)).ready() == "yes"


def test_a_port_that_was_too_old_and_is_accepted_again_counts_at_once():
    """A day and a half of lessons later the same speed is evidence again, as soon as the device speaks."""
    story = Story().all_well()
    story.now = at("2026-11-24 16:00")
    story.heard().uplink().platform().saw(device("r1"), "r1").saw(device("r2"), "r2").event(Tick())
    assert story.ready() == "unknown"
    assert story.room_well("r1").ready() == "yes"
    assert story.ready("r2") == "unknown"


def test_a_trunk_that_was_too_old_bounds_again_at_once():
    """A slow trunk, told of again with the same speed after it had become history."""
    story = Story().all_well().saw(trunk(10))
    story.now = at("2026-11-24 16:00")
    story.heard().uplink().platform().room_well("r1").room_well("r2").event(Tick())
    assert story.causes() == []
    assert story.saw(trunk(10)).causes() == ["segment_below_required"]


def test_a_switch_that_was_silent_long_ago_is_silent_again_at_once():
    """Between, its ports were not polled; the second silence makes its rooms unknown as the first did."""
    silent = Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
    story = Story().all_well().later(30).saw(silent, "r1")
    for _ in range(5):
        story.later(60).heard().platform().saw(device("r1"), "r1").saw(device("r2"), "r2")
    assert story.event(Tick()).causes() == []
    assert story.saw(silent, "r1").causes() == ["switch_unreachable"]


def test_the_newest_ping_is_shown():
    """An older one, and an attempt that brought nothing, leave it."""
    story = Story().heard()
    answered = Ping(target="t", outcome=Outcome.ANSWERED, sent_count=4, received_count=4)
    story.saw(answered).later(10)
    story.saw(replace(answered, received_count=1), ago_s=60)
    story.saw(Ping(target="t", outcome=Outcome.UNMEASURED, reason=Reason.BUDGET))
    assert story.school.state.platforms[f"{GATEWAY}/t"].ping.loss_ratio == 0
    story.saw(replace(answered, received_count=0, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT))
    assert story.school.state.platforms[f"{GATEWAY}/t"].ping.loss_ratio == 1


@pytest.mark.parametrize(("time", "state"), [("2026-11-24 09:00", "enough"), ("2026-11-24 09:00:01", "unknown")])
def test_a_port_counts_for_eight_hours_of_lessons(time, state):
    """Read on Monday at ten: seven hours are left of that day, one of the next, and the last second is in it."""
    story = Story().heard().uplink().saw(port("r1"), "r1").later(1).saw(device("r1"), "r1")
    assert story.school.state.classrooms["r1"].port.observed_at == MONDAY
    story.now = at(time)
    assert story.heard().event(Tick()).school.state.classrooms["r1"].verdict.link_state == state


@pytest.mark.parametrize(("time", "state"), [("2026-11-24 09:00", "enough"), ("2026-11-24 09:00:01", "unknown")])
def test_a_card_counts_as_long_as_a_port(time, state):
    """From the moment in which its device was last seen awake; no port is known."""
    story = Story().heard().uplink().saw(replace(device("r1"), nic_speed_bps=1000 * MBIT), "r1")
    story.now = at(time)
    assert story.heard().event(Tick()).school.state.classrooms["r1"].verdict.link_state == state


@pytest.mark.parametrize("room", [None, "r1"])
def test_an_older_test_moves_nothing(room):
    """Not the date at which its target was last told of; and told again it is no reason to judge anybody."""

    def saw(outcome: Outcome, ago_s: float) -> SchoolState:
        seen = path_test("r1", outcome=outcome) if room else bandwidth(outcome=outcome)
        return story.saw(seen, room, ago_s=ago_s).school.state

    story = Story().all_well().later(60)
    saw(Outcome.PASS, 0)
    for outcome in (Outcome.UNMEASURED, Outcome.PASS):
        state = saw(outcome, 300)
        (leg,) = state.paths.values() if room else state.uplinks.values()
        assert leg.told_at == story.now
        assert saw(outcome, 300) is state
