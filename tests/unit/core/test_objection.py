"""申诉: what is tested again, when that is an answer, and which; decision tables."""

import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Outcome, Reason
from collector.core.directives import directives
from collector.core.objection import Objection, answer, found, orders, quiet_until
from collector.core.policy import Policy
from collector.core.roster import Classroom, Hours
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, exit_test, path_test, port, roster, school

DAY_S = 86_400.0


def unmeasured(reason=Reason.PEER_BUSY, **fields):
    return Bandwidth(target="uplink", direction="down", outcome=Outcome.UNMEASURED, reason=reason, **fields)


def objected(story: Story, room: str | None = None) -> Objection:
    before = found(story.school, room, story.now, story.policy)
    return Objection(id=1, school="s1", classroom=room, at=story.now, before=before)


def failing() -> Story:
    """A school whose line is short by two tests, a minute apart."""
    return Story().heard().uplink(passed=False).later(60).uplink(passed=False).later(300)


FAIL, PASS, BUSY = bandwidth(passed=False), bandwidth(passed=True), unmeasured()


@pytest.mark.parametrize(
    ("seen", "after_s", "expected"),
    [
        pytest.param([], 60, None, id="nothing yet"),
        pytest.param([FAIL], 60, ("upheld", None, "short"), id="short again: the last word agrees with the majority"),
        pytest.param([PASS], 60, None, id="one pass against two failures is no answer"),
        pytest.param([PASS, PASS], 60, ("changed", None, "enough"), id="two passes are"),
        pytest.param([PASS, FAIL], 60, ("upheld", None, "short"), id="a stray pass"),
        pytest.param([BUSY], 60, None, id="not measured: it is tried again"),
        pytest.param([BUSY], 3 * DAY_S, ("unmeasured", "peer_busy", "unknown"), id="days of no measurement say why"),
        pytest.param([], 3 * DAY_S, ("unmeasured", "not_tested", "unknown"), id="nobody tested in days"),
        pytest.param([PASS], 3 * DAY_S, ("upheld", None, "short"), id="days are over: what stands by the rules then"),
        pytest.param([exit_test(passed=True)], 60, None, id="an exit is not the line"),
        pytest.param([path_test("r1", passed=True)], 60, None, id="the way to a room is not the line"),
    ],
)
def test_what_came_of_an_objection_to_a_line(seen, after_s, expected):
    story = failing()
    objection = objected(story)
    for one in seen:
        story.later(70).saw(one)
    if after_s > DAY_S and len(seen) < 1:
        story.heard()
    said = answer(story.school, objection, story.now + after_s, POLICY)
    link = said and found(story.school, None, story.now, POLICY).link
    if expected is None:
        assert said is None
    else:
        assert (said.outcome, said.reason) == expected[:2]
        assert said.after.link == expected[2] or expected[0] == "unmeasured", link
    assert objection.before.link == "short"


def test_both_results_keep_what_they_rest_on():
    story = failing()
    objection = objected(story)
    first_at = story.now - 300
    story.later(70).saw(bandwidth(passed=True, estimate_mbps=120)).later(70).saw(
        bandwidth(passed=True, estimate_mbps=118)
    )
    said = answer(story.school, objection, story.now, POLICY)
    before, after = objection.before.tests[0], said.after.tests[0]
    assert (before.target, before.observed_at, before.passed, before.at_most_bps) == ("uplink", first_at, False, 1e8)
    assert (after.observed_at, after.passed, after.estimate_bps) == (story.now, True, 118e6)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([], None, id="neither its line nor its port was seen since"),
        pytest.param([PASS], None, id="its port is still to be read"),
        pytest.param([port("r1", 10)], None, id="its line is still to be tested"),
        pytest.param([PASS, port("r1", 10)], "upheld", id="a port at 10M still"),
        pytest.param([PASS, port("r1", 1000)], "changed", id="a new cable"),
    ],
)
def test_what_came_of_an_objection_to_a_room(seen, expected):
    """A room is its line, its port and the way between: all of them are looked at anew."""
    story = Story().all_well().room_well("r1", 10).later(60)
    objection = objected(story, "r1")
    assert (objection.before.link, objection.before.ready) == ("short", "no")
    for one in seen:
        story.later(70).heard()
        if one is PASS:
            story.saw(one)
        else:
            story.room_well("r1", one.speed_bps // 10**6)
    said = answer(story.school, objection, story.now, POLICY)
    assert (said and said.outcome) == expected


@pytest.mark.parametrize(
    ("change", "room", "reason"),
    [
        pytest.param(lambda story: story, "r9", "removed", id="the room left the roster"),
        pytest.param(lambda _: Story().heard(), None, "no_test", id="nothing tests the line"),
        pytest.param(lambda _: Story().heard(), "r1", "no_test", id="nothing tests the room either"),
    ],
)
def test_what_nothing_can_answer_is_said_at_once(change, room, reason):
    story = change(failing())
    said = answer(story.school, objected(story, room), story.now, POLICY)
    assert (said.outcome, said.reason) == ("unmeasured", reason)


def test_a_silent_gateway_is_why_nothing_was_tested():
    story = failing()
    objection = objected(story)
    gateways = {name: replace(one, silent=True) for name, one in story.school.state.gateways.items()}
    silent = replace(story.school, state=replace(story.school.state, gateways=gateways))
    assert answer(silent, objection, story.now + 4 * DAY_S, POLICY).reason == "silent"


@pytest.mark.parametrize(
    ("raised", "asked", "hours", "is_over"),
    [
        pytest.param("2026-11-23 11:00", "2026-11-25 23:00", None, False, id="two school days later"),
        pytest.param("2026-11-23 11:00", "2026-11-26 08:00", None, True, id="three"),
        pytest.param("2026-11-27 16:00", "2026-12-01 16:00", None, False, id="a weekend does not count"),
        pytest.param("2026-11-27 16:00", "2026-11-30 16:00", Hours(), True, id="no days known: those of the calendar"),
    ],
)
def test_when_nobody_waits_any_longer(raised, asked, hours, is_over):
    story = failing()
    at_school = replace(story.school, hours=story.school.hours if hours is None else hours)
    objection = replace(objected(story), at=at(raised))
    assert (answer(at_school, objection, at(asked), POLICY) is not None) is is_over


# --- orders ---------------------------------------------------------------------------------------------------------


def test_a_retest_is_ordered_until_it_is_answered_and_never_closer_than_the_spacing():
    """At once where the last test is old enough; then a spacing after each, while the tests disagree."""
    story = failing()
    objection = objected(story)

    def ordered(*objections):
        return directives([story.school], GATEWAY, POLICY, story.now, objections).retest

    assert (ordered(), ordered(objection)) == ((), ("uplink",))
    story.saw(PASS)
    assert ordered(objection) == (), "a moment ago"
    assert (story.later(59) and ordered(objection)) == ()
    assert (story.later(1) and ordered(objection)) == ("uplink",)
    story.saw(PASS)
    assert (story.later(60) and ordered(objection)) == ()


def test_orders_are_for_the_gateway_that_tests():
    """Another gateway of the school, a room on another gateway, an exit and a direction that is not judged: none."""
    two = roster(gateways=(GATEWAY, "gw-two"), classrooms={"r1": Classroom(id="r1"), "r2": Classroom(id="r2")})
    story = Story(replace(school(), roster=two)).heard().saw(FAIL).saw(exit_test(passed=False))
    story.saw(bandwidth(passed=False, direction="up")).saw(path_test("r1", passed=False), "r1").later(300)
    policy = Policy(confirm_spacing_s=60)
    whole, room, other = objected(story), objected(story, "r1"), objected(story, "r2")
    assert [leg.target for leg in orders(story.school, whole, story.now, policy)] == ["uplink"]
    assert [leg.target for leg in orders(story.school, room, story.now, policy)] == ["uplink", "pc"]
    assert [leg.target for leg in orders(story.school, other, story.now, policy)] == []
    upwards = replace(policy, required_up_bps=10_000_000)
    assert [leg.direction for leg in orders(story.school, whole, story.now, upwards)] == ["down", "up"]
    assert "uplink" not in directives([story.school], "gw-two", policy, story.now, [whole]).retest


@pytest.mark.parametrize(
    ("now", "expected"),
    [(5.0, None), (10.0, 20.0), (19.9, 20.0), (20.0, 30.0), (30.0, None)],
)
def test_until_when_no_load_may_be_sent(now, expected):
    assert quiet_until([(10.0, 20.0), (20.0, 30.0)], now) == expected
