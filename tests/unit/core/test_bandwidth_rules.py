"""Edges of what bandwidth tests say: of which part, since when, and how sure that is."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from classready.units import MBIT
from collector.core.events import AlertChange, Observed
from collector.core.evidence import BandwidthTest, UplinkState
from collector.core.link import NOTHING, gateway_uplink, grade_of, legs_interval
from collector.core.words import Grade
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, Tick, bandwidth, exit_test, path_test, port, school

FAILED = BandwidthTest(observed_at=MONDAY, seen=bandwidth(passed=False))
LEG = UplinkState(gateway=GATEWAY, target="uplink", direction="down")


@pytest.mark.parametrize(
    ("tests", "tried_at", "waits"),
    [
        pytest.param((), None, False, id="never tried"),
        pytest.param((), MONDAY, True, id="never tested"),
        pytest.param((FAILED,), None, False, id="tested"),
        pytest.param((FAILED, replace(FAILED, observed_at=MONDAY + 9)), MONDAY + 5, False, id="a test followed"),
    ],
)
def test_a_target_waits_until_a_test_follows(tests: tuple[BandwidthTest, ...], tried_at: float, *, waits: bool) -> None:
    """Pages, next steps and facts ask the same."""
    assert replace(LEG, tests=tests, last_unmeasured_at=tried_at).waits is waits


def test_a_line_fails_since_the_first_of_many_tests() -> None:
    """Also when that one is not held any more."""
    story = Story()
    for _ in range(6):
        story.later(3_600).heard().uplink(passed=False)
    (leg,) = story.school.state.uplinks.values()
    assert leg.failing_since == MONDAY + 3_600
    assert leg.failing_since < leg.tests[0].observed_at


def test_a_room_that_only_a_test_reached_belongs_to_the_gateway_that_made_it() -> None:
    """An attempt in vain did not get there; and a room whose port another gateway reads stays with that one."""
    second = "dem-gw-02"
    story = Story(school(gateways=(GATEWAY, second))).heard()
    seen = port("r2")
    story.event(Observed(gateway=second, observation=seen, classroom="r2", observed_at=story.now, late=False))
    in_vain = path_test(outcome=Outcome.UNMEASURED, reason=Reason.BUDGET, at_least_bps=None)
    story.saw(in_vain, "r1")
    assert "r1" not in story.school.state.classrooms or story.school.state.classrooms["r1"].gateway is None
    story.later(60).saw(path_test("r1"), "r1").saw(path_test("r2", target="pc2"), "r2")
    assert {name: room.gateway for name, room in story.school.state.classrooms.items()} == {"r1": GATEWAY, "r2": second}


@pytest.mark.parametrize(("apart_s", "count"), [(98, 1), (99, 2), (100, 2)])
def test_two_tests_a_hundredth_short_of_their_spacing_are_two(apart_s: float, count: int) -> None:
    """A clock that is slewed shortens what lies between; a test that is closer is no second opinion."""
    story = Story(policy=replace(POLICY, confirm_spacing_s=100)).heard().uplink().later(apart_s).uplink()
    assert [len(leg.tests) for leg in story.school.state.uplinks.values()] == [count]


def test_a_teachers_own_test_of_the_same_target_is_another_leg() -> None:
    """It neither confirms what the gateway measured, nor takes its place."""
    story = Story().heard().uplink().later(3_600)
    own = bandwidth(passed=False)
    event = Observed(gateway=GATEWAY, observation=own, classroom=None, observed_at=story.now, late=False)
    story.event(replace(event, source="self_test"))
    legs = story.school.state.uplinks.values()
    assert [(leg.source, len(leg.tests)) for leg in legs] == [("gateway", 1), ("self_test", 1)]


def test_one_tested_target_of_two_is_what_is_known_of_the_line() -> None:
    """A pass beyond an exit bounds a line of which nothing else is known, and only that."""
    story = Story().heard()
    in_vain = bandwidth(target="second", outcome=Outcome.UNMEASURED, reason=Reason.BUDGET, at_least_bps=None)
    story.uplink().saw(in_vain).saw(exit_test(at_least_bps=500.0 * MBIT))
    assert gateway_uplink(story.school, GATEWAY, "down").at_least_bps == 95 * MBIT


def test_one_passed_exit_of_two_bounds_the_line() -> None:
    """It crossed the line; what is too slow beyond the other says nothing of that."""
    in_vain = bandwidth(outcome=Outcome.UNMEASURED, reason=Reason.BUDGET, at_least_bps=None)
    story = Story().heard().saw(in_vain)
    for _ in range(2):
        story.later(60).heard().saw(exit_test("a")).saw(exit_test("b", passed=False))
    known = gateway_uplink(story.school, GATEWAY, "down")
    assert (known.at_least_bps, known.at_most_bps) == (95 * MBIT, None)


def test_nothing_is_known_of_legs_without_tests() -> None:
    assert legs_interval(()) == legs_interval((LEG,)) == NOTHING


@pytest.mark.parametrize(
    ("source", "mode", "grade"),
    [
        ("gateway", "drain", Grade.ACTIVE),
        ("gateway", "passive", Grade.PASSIVE),
        ("self_test", "drain", Grade.SELF_TEST),
        ("self_test", "passive", Grade.SELF_TEST),
    ],
)
def test_a_teachers_own_test_is_the_weakest_word(source, mode, grade) -> None:
    """However it was made: it is called what it is, and never a test of the gateway."""
    test = BandwidthTest(observed_at=MONDAY, seen=bandwidth(mode=mode))
    assert grade_of(replace(LEG, source=source), test) is grade


def test_late_failures_open_nothing_when_a_live_test_passes() -> None:
    """Two of the last three tests failed, while the line was cut off; the one that is news is good."""
    story = Story().all_well()
    for ago_s in (400, 300):
        story.later(500).heard().saw(bandwidth(passed=False), ago_s=ago_s, late=True)
    story.later(70).heard().uplink().event(Tick())
    assert story.told(AlertChange) == []
