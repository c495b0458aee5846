"""Rules that are a line each: what they say at and beside their limits."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from classready.units import MBIT
from collector.core import link as links
from collector.core.case import shared
from collector.core.events import Observed, RosterChanged, VerdictChanged
from collector.core.evidence import BandwidthTest, Leg
from collector.core.facts import is_news
from collector.core.folded import Folded
from collector.core.hours import before_school_hours
from collector.core.link import failing_for_s, legs_interval, newest_test_at, weakest
from collector.core.platforms import every
from collector.core.roster import Hours, SchoolDay
from collector.core.school_findings import of_school
from collector.core.state import Interval, SchoolState
from collector.core.words import Cause, Grade, NextStep
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, at, bandwidth, device, exit_test, port, roster, school

M = MBIT
THETAS = POLICY.theta_down_bps


def made_at(at_s: float, *, passed: bool = True, late: bool = False) -> BandwidthTest:
    return BandwidthTest(observed_at=at_s, seen=bandwidth(passed=passed), late=late)


def leg(*tests: BandwidthTest, **fields: object) -> Leg:
    return replace(Leg(gateway=GATEWAY, target="t", direction="down", tests=tests), **fields)


# --- tests of a line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "seconds"),
    [
        (leg(), 0.0),
        (leg(made_at(100)), 0.0),
        (leg(made_at(100, passed=False), failing_since=100.0), 0.0),
        (leg(made_at(100, passed=False), made_at(400, passed=False), failing_since=40.0), 360.0),
        (leg(failing_since=40.0), 0.0),
    ],
)
def test_how_long_a_line_has_failed(one: Leg, seconds: float) -> None:
    """From the first failing test to the last; nothing where it does not fail, and of one test alone."""
    assert failing_for_s(one) == seconds


def test_the_newest_test_of_all_parts() -> None:
    """Whatever it said; None where nothing was tested."""
    one, other = (
        links.tested_legs((leg(made_at(5), made_at(90)),), THETAS),
        links.tested_legs((leg(made_at(70)), leg()), THETAS),
    )
    assert newest_test_at([one, other]) == 90
    assert newest_test_at([other]) == 70
    assert newest_test_at([links.tested_legs((leg(),), THETAS)]) is None


def test_the_weakest_grade() -> None:
    assert weakest([Grade.ACTIVE, Grade.PASSIVE, Grade.SELF_TEST]) == Grade.PASSIVE
    assert weakest([Grade.ACTIVE, Grade.SELF_TEST]) == Grade.SELF_TEST
    assert weakest([]) is None


def test_a_part_that_is_short() -> None:
    """Since the first failing leg, decided by the newest failing test, in doubt until the tests lie apart."""
    first = leg(made_at(100, passed=False), made_at(200, passed=False), failing_since=100.0)
    second = leg(made_at(150, passed=False), made_at(2_000, passed=False, late=True), failing_since=150.0)
    part = links.tested_legs((first, second), THETAS)
    assert (part.state, part.failing_since, part.decided_at, part.is_late) == ("short", 100.0, 2_000, True)
    spaced = replace(POLICY, blame_spacing_s=1_800.0)
    assert not part.is_in_doubt(spaced)
    assert links.tested_legs((first,), THETAS).is_in_doubt(spaced)
    assert links.tested_legs((first,), THETAS).is_late is False
    enough = links.tested_legs((leg(made_at(1), made_at(2)),), THETAS)
    assert (enough.state, enough.failing_since, enough.decided_at) == ("enough", None, 2)
    assert not enough.is_in_doubt(spaced)


def test_a_part_that_nobody_tested() -> None:
    """A leg that was only tried says nothing; an interval from elsewhere does."""
    untried = links.tested_legs((leg(last_unmeasured_at=5.0),), THETAS)
    assert (untried.was_tested, untried.state, untried.decided_at) == (False, "unknown", None)
    assert links.Tested(legs=(), interval=Interval(at_least_bps=95 * M), state="enough").was_tested
    assert links.tested_legs((leg(made_at(1, passed=False)),), THETAS).was_tested
    assert legs_interval((leg(), leg(made_at(1)))) == legs_interval((leg(made_at(1)),))


# --- what is new ----------------------------------------------------------------------------------------------------


def state_with(one: Leg) -> SchoolState:
    return SchoolState(paths={"k": one})


@pytest.mark.parametrize(
    ("before_at", "after_at", "news"),
    [
        pytest.param(10.0, 20.0, False, id="both before the test"),
        pytest.param(110.0, 120.0, False, id="both after it"),
        pytest.param(90.0, 110.0, True, id="the first attempt after it"),
        pytest.param(100.0, 90.0, False, id="at the very moment is not after it"),
        pytest.param(100.0, 100.1, True, id="a moment later is"),
    ],
)
def test_an_attempt_in_vain_after_a_test_is_news_once(before_at: float, after_at: float, *, news: bool) -> None:
    """The next step is told from whether the newest attempt came after the test."""
    before, after = (leg(made_at(100), last_unmeasured_at=each) for each in (before_at, after_at))
    assert is_news(state_with(before), state_with(after)) is news


# --- readings -------------------------------------------------------------------------------------------------------


def test_evidence_of_a_clock_that_was_ahead_gives_way() -> None:
    """What is dated later than now replaces nothing for long, and everybody is judged anew; an older date does not."""
    folded = Folded(school(), 1_000.0, POLICY)
    assert [folded.is_newer(500.0, before) for before in (None, 400.0, 500.0, 600.0)] == [True, True, False, False]
    assert not folded.everybody
    assert folded.is_newer(500.0, 1_001.0)
    assert folded.everybody


@pytest.mark.parametrize(
    ("before", "after", "growth"),
    [
        ({"fcs_error_count": 5}, {"fcs_error_count": 5}, 0),
        ({"fcs_error_count": 5}, {"fcs_error_count": 8}, 3),
        ({"fcs_error_count": 5}, {"fcs_error_count": 4}, None),
        ({"fcs_error_count": 2**32 - 1}, {"fcs_error_count": 2}, 3),
        ({"fcs_error_count": 2**31}, {"fcs_error_count": 0}, 2**31),
        ({"fcs_error_count": 2**31 - 1}, {"fcs_error_count": 0}, None),
        ({"fcs_error_count": 2**30 + 1}, {"fcs_error_count": 0}, None),
        ({"fcs_error_count": 5, "late_collision_count": 1}, {"fcs_error_count": 6, "late_collision_count": 3}, 3),
        ({}, {}, None),
        ({}, {"fcs_error_count": 8}, None),
    ],
)
def test_bad_frames_of_a_port(before: dict[str, int], after: dict[str, int], growth: int | None) -> None:
    """Since the reading before: none where nothing grew, unknown where the switch does not count, or restarted."""
    story = Story().heard().saw(port("r1", **before), "r1")
    story.later(60).saw(port("r1", **after), "r1")
    reading = story.school.state.classrooms["r1"].last_port
    assert reading is not None
    assert reading.bad_frame_count == growth


def test_an_exit_fails_since_the_first_gateway_saw_it() -> None:
    """Two gateways test the same exit: the earlier of their first failing tests is when it began."""
    listed = roster(gateways=(GATEWAY, "dem-gw-02"))
    story = Story(replace(school(), roster=listed), policy=POLICY)
    for n in range(3):
        story.now = MONDAY + n * 300
        for gateway, is_bad in ((GATEWAY, n >= 1), ("dem-gw-02", True)):
            story.heard(gateway)
            for seen in (bandwidth(), exit_test(passed=not is_bad)):
                story.event(Observed(gateway=gateway, observation=seen, classroom=None, observed_at=story.now))
    found = of_school(shared(story.school, story.now, POLICY))
    assert [f.since for f in found if f.cause is Cause.EXIT_BELOW_REQUIRED] == [MONDAY]


def test_duplex_is_unknown_without_a_valid_port() -> None:
    """A card does not tell its duplex: what it says of its speed clears no half duplex."""
    story = Story().all_well()
    for _ in range(4):
        story.later(60).heard().room_well("r1", 1000, full=False)
    assert Cause.PORT_HALF_DUPLEX.value in story.causes("r1")
    alerts = [alert for alert in story.school.state.alerts if alert.cause is Cause.PORT_HALF_DUPLEX]
    assert [alert.opened_at is not None for alert in alerts] == [True]
    # two days of lessons later the port's reading is too old, and the card speaks
    story.now = at("2026-11-25 10:00")
    for _ in range(4):
        story.later(60).heard().saw(replace(device("r1"), nic_speed_bps=1000 * M), "r1")
    alerts = [alert for alert in story.school.state.alerts if alert.cause is Cause.PORT_HALF_DUPLEX]
    assert [alert.opened_at is not None for alert in alerts] == [True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), "yes"), (("yes", "unknown"), "unknown"), (("no", "unknown"), "no"), (("yes", "no"), "no"), (("yes",), "yes")],
)
def test_every(values: tuple[str, ...], expected: str) -> None:
    assert every(values) == expected  # type: ignore[arg-type]


# --- what is shown --------------------------------------------------------------------------------------------------


def test_no_transition_without_a_change_and_one_for_each_room_that_is_relisted() -> None:
    """The same roster once more changes nothing; a room that is exempted is another value at once."""
    story = Story().all_well()
    before = len(story.told(VerdictChanged))
    story.event(RosterChanged(roster=replace(story.school.roster), hours=story.school.hours))
    assert len(story.told(VerdictChanged)) == before
    rooms = dict(story.school.roster.classrooms)
    rooms["r2"] = replace(rooms["r2"], exempt="demolished")
    story.event(RosterChanged(roster=replace(story.school.roster, classrooms=rooms), hours=story.school.hours))
    changed = story.told(VerdictChanged)[before:]
    assert {(c.classroom, c.verdict, c.after) for c in changed} == {
        ("r2", "ready", "exempt"), ("r2", "compliant", "exempt")
    }  # fmt: skip


def test_an_attempt_at_the_moment_of_a_test_is_not_waited_for() -> None:
    """One failing test, and an attempt of the same second: what it wanted is not what is waited for."""
    story = Story().heard().platform().room_well().saw(bandwidth(passed=False))
    again = bandwidth(outcome=Outcome.UNMEASURED, reason=Reason.CLOCK, at_least_bps=None, mode=None)
    story.saw(again)
    assert story.school.state.classrooms["r1"].verdict.next_step is NextStep.WAIT_FOR_TEST


# --- hours ----------------------------------------------------------------------------------------------------------


def test_hours_before_the_first_lessons() -> None:
    """Where exactly so many hours were taught it is the first lesson's begin that nothing lies before."""
    hours = Hours((SchoolDay("2026-11-23", ((at("2026-11-23 08:00"), at("2026-11-23 17:00")),)),))
    ten = at("2026-11-23 10:00")
    assert before_school_hours(hours, ten, 1.0) == at("2026-11-23 09:00")
    assert before_school_hours(hours, ten, 2.0) == float("-inf")
    assert before_school_hours(hours, ten, 1.9999) == pytest.approx(at("2026-11-23 08:00") + 0.36)
