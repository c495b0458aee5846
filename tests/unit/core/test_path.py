"""T, the tested way from the gateway to a classroom, and evidence from counters: what each is worth."""

import pytest

from classready.observation import Outcome, Reason, Segment
from classready.units import MBIT
from collector.core.directives import directives
from collector.core.events import AlertChange, Heard, Observed, RosterChanged
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.words import Grade, NextStep
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, bandwidth, device, path_test, roster, school, trunk


def after(story: Story, results: str, room: str = "r1", **fields: object) -> Story:
    """Tests of the way to a room, a minute apart: P passed, F failed, ? undecided."""
    for result in results:
        story.later(60).heard().platform()
        if result == "?":
            undecided = {"outcome": Outcome.UNMEASURED, "at_least_bps": None, "reason": Reason.PEER_BUSY}
            story.saw(path_test(room, **{**fields, **undecided}), room)
        else:
            story.saw(path_test(room, passed=result == "P", **fields), room)
    return story


def wifi() -> Story:
    """A Wi-Fi room with its device awake and a good line: nothing speaks for its link but a test."""
    rooms = {"r1": Classroom(id="r1", access="wifi", device="panel")}
    return Story(school(classrooms=rooms)).heard().uplink().platform().saw(device("r1"), "r1")


@pytest.mark.parametrize(
    ("results", "wired", "by_air"),
    [
        pytest.param("", "enough", "unknown", id="not tested: the port speaks, a Wi-Fi room has none"),
        pytest.param("P", "enough", "enough", id="one pass proves"),
        pytest.param("F", "enough", "unknown", id="one failure is not confirmed"),
        pytest.param("PF", "enough", "unknown", id="no majority"),
        pytest.param("FF", "short", "short", id="confirmed"),
        pytest.param("PFF", "short", "short", id="the last three: two failed"),
        pytest.param("FFP", "short", "short", id="one pass against two"),
        pytest.param("FFPP", "enough", "enough", id="two of three passed again"),
        pytest.param("?", "enough", "unknown", id="undecided says nothing"),
        pytest.param("P?", "enough", "enough", id="undecided takes nothing away"),
        pytest.param("FF?", "short", "short", id="undecided heals nothing"),
    ],
)
def test_path_decides_by_majority(results, wired, by_air):
    """The same majority rule as for the line; the lower bound needs the line and one of port and path."""
    for story, expected in ((Story().all_well(), wired), (wifi(), by_air)):
        verdict = after(story, results).school.state.classrooms["r1"].verdict
        assert verdict.link_state == expected
        assert ("segment_below_required" in verdict.causes) == (expected == "short")


def test_path_is_never_the_uplink():
    """A test to a room leaves the school's line and the other rooms as they were."""
    story = Story().all_well()
    uplinks = story.school.state.uplinks
    after(story, "FF").room_well("r2")
    assert story.school.state.uplinks == uplinks
    assert list(story.school.state.paths) == [f"{GATEWAY}/pc/down"]
    assert (story.ready("r1"), story.ready("r2")) == ("no", "yes")


def test_path_without_the_uplink_is_not_enough():
    """The way inside the school proves nothing of the line beyond the gateway."""
    story = Story().heard().platform().room_well()
    verdict = after(story, "P").school.state.classrooms["r1"].verdict
    assert (verdict.link_state, verdict.next_step) == ("unknown", NextStep.ADD_TEST)
    assert verdict.link["reach"].at_least_bps is None


def test_first_failure_of_a_path_waits_for_the_next_test():
    """Nobody needs to go to a screen while the retest that is ordered will tell."""
    assert wifi().school.state.classrooms["r1"].verdict.next_step is NextStep.TEST_ROOM
    assert after(wifi(), "F").school.state.classrooms["r1"].verdict.next_step is NextStep.WAIT_FOR_TEST


def test_path_proves_what_no_port_tells():
    """With T proven, a segment of unknown speed does not hide what was driven through it."""
    story = after(wifi(), "P").saw(Segment(name="ap-1", outcome=Outcome.ANSWERED))
    verdict = story.school.state.classrooms["r1"].verdict
    assert (verdict.link_state, verdict.link["reach"].at_least_bps) == ("enough", 95 * MBIT)
    assert verdict.grade is Grade.ACTIVE


def test_short_segment_on_a_passed_path_is_short():
    """One bad part is enough: half duplex stays a fault, whatever one test found."""
    story = after(wifi(), "P")
    story.saw(Segment(name="ap-1", outcome=Outcome.ANSWERED, speed_bps=1000 * MBIT, full_duplex=False))
    assert story.causes() == ["segment_below_required"]


def test_reach_is_bounded_by_the_path():
    """Reach shows the narrowest known part, from above and from below."""
    story = Story().all_well()
    after(story, "P", estimate_bps=200.0 * MBIT, at_least_bps=180.0 * MBIT, at_most_bps=220.0 * MBIT)
    reach = story.school.state.classrooms["r1"].verdict.link["reach"]
    assert (reach.at_least_bps, reach.at_most_bps, reach.estimate_bps) == (95 * MBIT, 220 * MBIT, 120 * MBIT)
    after(story, "FF", estimate_bps=40.0 * MBIT)
    reach = story.school.state.classrooms["r1"].verdict.link["reach"]
    assert (reach.at_least_bps, reach.at_most_bps, reach.estimate_bps) == (None, 100 * MBIT, 40 * MBIT)


def test_short_port_explains_a_short_path():
    """A port at 10M is why the path fails: the port is blamed, and told, once."""
    story = Story().all_well()
    for _ in range(3):
        story.later(60).heard().platform().room_well("r1", 10).saw(path_test(passed=False), "r1")
    assert story.causes() == ["port_below_required"]
    assert [c.cause for c in story.told(AlertChange)] == ["port_below_required"]


def test_path_alert_follows_the_majority():
    """Two failures open one alert about the room with what was measured; the second pass in three closes it."""
    story = after(Story().all_well(), "FFPP", estimate_bps=42.0 * MBIT)
    opened, closed = story.told(AlertChange)
    assert (opened.change, opened.subject.label, opened.cause) == ("opened", "classroom:r1", "segment_below_required")
    assert (opened.classrooms, opened.measured, opened.limit) == (("r1",), 42e6, 100e6)
    assert (closed.change, closed.subject.label) == ("closed", "classroom:r1")


def test_path_alert_is_told_when_the_observation_period_ends():
    """观察期: a shortfall that still holds after it is told at the next Tick, without a new test."""
    story = after(Story(policy=Policy(observation_school_days=1, blame_spacing_s=0)).all_well(), "FF")
    assert story.told(AlertChange) == []
    story.now = at("2026-11-24 10:00")
    story.heard().event(Tick())
    assert [(c.change, c.subject.label) for c in story.told(AlertChange)] == [("opened", "classroom:r1")]


def test_late_path_tests_open_no_alert():
    """Evidence from the backlog changes the verdict; nobody is told of it."""
    story = Story().all_well()
    for ago_s in (1_200, 600):
        story.saw(path_test(passed=False), "r1", ago_s=ago_s, late=True)
    assert story.ready() == "no"
    assert story.told(AlertChange) == []


def test_path_ages_in_school_hours():
    """A test of the way to a room is good for 16 school hours, and not for a Tick longer."""
    story = wifi()
    after(story, "P")
    story.event(Tick(), now=at("2026-11-24 16:30"))
    assert story.school.state.paths[f"{GATEWAY}/pc/down"].tests
    story.event(Tick(), now=at("2026-11-25 09:00"))
    assert story.school.state.paths[f"{GATEWAY}/pc/down"].tests == ()


def test_path_tests_too_close_together_count_once():
    """A second test within the spacing is no second opinion."""
    story = Story().all_well().saw(path_test(passed=False), "r1").later(10).saw(path_test(passed=False), "r1")
    assert len(story.school.state.paths[f"{GATEWAY}/pc/down"].tests) == 1


def test_path_of_an_unlisted_room():
    """A room outside the roster is remembered as 未登记, as with a port; its tests are nobody's."""
    story = Story().all_well().saw(path_test("r9", passed=False), "r9")
    assert list(story.school.state.unlisted) == ["r9"]
    assert story.school.state.paths == {}


def test_paths_of_removed_rooms_are_forgotten():
    """What leaves the roster takes its tests with it."""
    story = after(Story().all_well(), "FF")
    rooms = {"r2": Classroom(id="r2", device="panel")}
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours))
    assert story.school.state.paths == {}
    assert [c.change for c in story.told(AlertChange)] == ["opened", "closed"]


def test_target_that_moves_to_another_room_starts_anew():
    """What a target found of one room never speaks for another one; an older record of the first changes nothing."""
    story = after(Story().all_well(), "FF").later(60).saw(path_test("r2"), "r2")
    path = story.school.state.paths[f"{GATEWAY}/pc/down"]
    assert (path.classroom, [t.passed for t in path.tests]) == ("r2", [True])
    story.saw(path_test("r1", passed=False), "r1", ago_s=30, late=True)
    assert story.school.state.paths[f"{GATEWAY}/pc/down"] == path


def test_upload_is_judged_when_asked():
    """With a requirement for upload, a way that is short upwards is short."""
    policy = Policy(observation_school_days=0, required_up_bps=20 * MBIT)
    story = Story(policy=policy).all_well().saw(bandwidth(target="up", direction="up"))
    assert story.ready() == "yes"
    after(story, "FF", direction="up", at_most_bps=20.0 * MBIT).room_well()
    assert (story.ready(), story.causes()) == ("no", ["segment_below_required"])


def test_retest_is_ordered_for_paths_too():
    """One failure is tested again after the spacing, until a second opinion is there."""
    story = Story().all_well().saw(path_test(passed=False), "r1")

    def retest() -> tuple[str, ...]:
        return directives([story.school], GATEWAY, POLICY, story.now).retest

    assert retest() == ()
    assert (story.later(60) and retest()) == ("pc",)
    story.saw(path_test(passed=False), "r1")
    assert (story.later(60) and retest()) == ()


def test_room_of_two_gateways_uses_its_own_path():
    """The way from another gateway says nothing of the one that serves the room."""
    other = "dem-gw-02"
    story = Story(school(gateways=(GATEWAY, other))).all_well().event(Heard(gateway=other, report_interval_s=60))
    for _ in range(2):
        story.later(60).heard().platform().room_well()
        seen = {"observation": path_test(passed=False), "classroom": "r1", "observed_at": story.now}
        story.event(Observed(gateway=other, **seen))
    assert story.school.state.paths[f"{other}/pc/down"].tests
    assert (story.ready(), story.told(AlertChange)) == ("yes", [])


# --- counters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        pytest.param(["drain"], Grade.ACTIVE, id="active"),
        pytest.param(["passive"], Grade.PASSIVE, id="counters"),
        pytest.param(["drain", "passive"], Grade.PASSIVE, id="the newest one speaks"),
        pytest.param(["passive", "quick"], Grade.ACTIVE, id="and is taken over by a test"),
    ],
)
def test_grade_of_a_line_by_its_newest_evidence(modes, expected):
    """A pass of the counters is a result like any other, and is shown for what it is."""
    rooms = {"r1": Classroom(id="r1", access="wifi", device="panel")}
    story = Story(school(classrooms=rooms)).heard().platform().saw(device("r1"), "r1").saw(path_test(), "r1")
    for mode in modes:
        story.later(60).heard().platform().saw(bandwidth(mode=mode))
    verdict = story.school.state.classrooms["r1"].verdict
    assert (verdict.link_state, verdict.grade) == ("enough", expected)


def test_grade_is_of_the_weakest_part():
    """A wired room rests on its port's negotiated speed, until its way is tested; then on the tests."""
    story = Story().all_well().saw(trunk())
    assert story.school.state.classrooms["r1"].verdict.grade is Grade.NEGOTIATED
    after(story, "P", mode="passive")
    assert story.school.state.classrooms["r1"].verdict.grade is Grade.PASSIVE


def test_counters_keep_the_spacing():
    """A pass seen by counters right after a failed test is the same moment, not a second opinion."""
    story = Story().all_well().later(60).heard().uplink(passed=False)
    key = f"{GATEWAY}/uplink/down"
    story.later(10).saw(bandwidth(mode="passive"))
    assert [t.passed for t in story.school.state.uplinks[key].tests] == [True, False]
    story.later(60).saw(bandwidth(mode="passive"))
    assert [t.passed for t in story.school.state.uplinks[key].tests] == [True, False, True]


def test_counters_can_fail_a_line():
    """A WAN port at half duplex is conclusive like a test: confirmed once more, it makes the line short."""
    story = Story().all_well()
    for expected in ("unknown", "no"):
        story.later(60).heard().platform().room_well().saw(bandwidth(passed=False, mode="passive", bytes=0))
        assert story.ready() == expected
    assert story.causes() == ["uplink_below_required"]


def test_a_target_that_leaves_a_room_takes_its_proof_along():
    """The room that it no longer tests is judged at once, without anything open."""
    rooms = {name: Classroom(id=name, access="wifi", device="panel") for name in ("r1", "r2")}
    story = Story(school(classrooms=rooms)).heard().uplink().platform()
    story.saw(device("r1"), "r1").saw(device("r2"), "r2").saw(path_test("r1"), "r1")
    assert (story.ready("r1"), story.ready("r2")) == ("yes", "unknown")
    story.later(60).saw(path_test("r2"), "r2")
    assert (story.ready("r1"), story.ready("r2")) == ("unknown", "yes")
