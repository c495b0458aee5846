"""Exits of the metropolitan network: blamed only when the school's own line alone is enough."""

import pytest

from classready.observation import Outcome
from classready.units import MBIT
from collector.core.bureau.step import step as told_by
from collector.core.bureau.words import Bureau, Notice
from collector.core.directives import directives
from collector.core.events import AlertChange, Heard, Observed, RosterChanged
from collector.core.policy import Policy
from collector.core.step import step
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, bandwidth, exit_test, roster, school

UNDECIDED = {"outcome": Outcome.UNMEASURED, "at_least_bps": None, "at_most_bps": None}


def told(line: str, beyond: str) -> Story:
    """A school in a lesson; tests of its own line, then tests beyond the exit: P passed, F failed, ? undecided."""
    story = Story().heard().platform()
    for result in line:
        story.later(60).saw(bandwidth(passed=result == "P", **(UNDECIDED if result == "?" else {})))
    for result in beyond:
        story.later(60).heard().platform().saw(exit_test(passed=result == "P"))
    return story.room_well("r1").room_well("r2").event(Tick())


@pytest.mark.parametrize(
    ("line", "beyond", "ready", "causes"),
    [
        pytest.param("P", "", "yes", [], id="no exit tested"),
        pytest.param("P", "P", "yes", [], id="both enough"),
        pytest.param("P", "F", "yes", [], id="one failure beyond is not confirmed"),
        pytest.param("P", "FF", "no", ["exit_below_required"], id="line enough, beyond short: the exit"),
        pytest.param("P", "FFPP", "yes", [], id="the exit is enough again"),
        pytest.param("FF", "FF", "no", ["uplink_below_required"], id="line short: the line alone"),
        pytest.param("FF", "PP", "no", ["uplink_below_required"], id="line short: a pass beyond heals nothing"),
        pytest.param("F", "FF", "unknown", ["not_measured"], id="line unknown: nobody is blamed"),
        pytest.param("PF", "FF", "unknown", ["not_measured"], id="line undecided"),
        pytest.param("?", "FF", "unknown", ["not_measured"], id="line never measured, but it has a target"),
        pytest.param("", "F", "unknown", ["not_measured"], id="only beyond: it is the line, not confirmed"),
        pytest.param("", "FF", "no", ["uplink_below_required"], id="only beyond: it is the line"),
        pytest.param("", "P", "yes", [], id="only beyond: it proves the line"),
    ],
)
def test_who_is_blamed(line, beyond, ready, causes):
    """The table of the own line against the test beyond the exit."""
    story = told(line, beyond)
    assert (story.ready(), story.causes()) == (ready, causes)
    open_causes = {alert.cause for alert in story.school.state.alerts}
    assert open_causes == set(causes) - {"not_measured"}


def test_exit_alert_names_exit_rooms_and_rate():
    """The alert is about the exit, for all rooms behind it; two passes close it."""
    story = told("P", "")
    for passed in (False, False, True, True):
        story.later(60).heard().saw(exit_test(passed=passed, estimate_mbps=120 if passed else 60))
    opened, closed = story.told(AlertChange)
    assert (opened.change, opened.subject.label, opened.cause) == ("opened", "exit:metro", "exit_below_required")
    assert (opened.classrooms, opened.measured, opened.limit) == (("r1", "r2"), 60e6, 100e6)
    assert (closed.change, closed.subject.label) == ("closed", "exit:metro")


def test_the_line_proven_later_blames_the_exit():
    """Failures beyond wait until the line itself is known; then they are the exit's."""
    story = told("?", "FF")
    assert story.told(AlertChange) == []
    story.later(60).heard().saw(bandwidth())
    assert [(c.change, c.subject.label) for c in story.told(AlertChange)] == [("opened", "exit:metro")]


def test_a_line_of_its_own_takes_the_blame_off():
    """A school blamed by tests beyond the exit alone is cleared when its line is tested by itself."""
    story = told("", "FF")
    story.later(60).heard().saw(bandwidth())
    assert [(c.change, c.cause) for c in story.told(AlertChange)] == [
        ("opened", "uplink_below_required"),
        ("closed", "uplink_below_required"),
        ("opened", "exit_below_required"),
    ]
    assert story.causes() == ["exit_below_required"]


def test_a_line_that_fails_later_does_not_clear_the_exit():
    """Unknown neither raises nor clears: the exit's alert stays, the line gets its own."""
    story = told("P", "FF")
    for _ in range(2):
        story.later(60).heard().platform().room_well().uplink(passed=False, estimate_mbps=50)
    assert story.causes() == ["uplink_below_required"]
    assert [(c.change, c.cause) for c in story.told(AlertChange)] == [
        ("opened", "exit_below_required"),
        ("opened", "uplink_below_required"),
    ]


def test_two_exits_are_two_subjects():
    """One exit may be short while another is enough."""
    story = told("P", "FF")
    story.later(60).heard().saw(exit_test("backup"))
    assert story.causes() == ["exit_below_required"]
    assert [c.subject.label for c in story.told(AlertChange)] == ["exit:metro"]


def test_own_line_that_is_no_longer_tested_stops_counting():
    """After 16 school hours without any attempt on the line alone, the tests beyond the exit are its evidence again."""
    story = told("?", "")
    story.now = at("2026-11-25 16:30")
    story.heard().platform().event(Tick())
    for _ in range(2):
        story.later(60).heard().platform().saw(exit_test(passed=False)).room_well()
    assert story.causes() == ["uplink_below_required"]


def test_target_moved_beyond_an_exit_starts_anew():
    """What a target found of the line is not held against the exit."""
    story = told("FF", "").later(60).saw(exit_test(passed=False, target="uplink"))
    leg = story.school.state.uplinks[f"{GATEWAY}/uplink/down"]
    assert (leg.beyond, len(leg.tests)) == ("metro", 1)


def test_older_record_of_a_moved_target_changes_nothing():
    """A record from before the change, late, is no evidence for what the target tests now."""
    story = Story().heard().saw(exit_test(target="uplink", **UNDECIDED))
    before = story.school.state.uplinks
    story.saw(bandwidth(passed=False), ago_s=600, late=True)
    assert story.school.state.uplinks == before
    (leg,) = before.values()
    story.saw(bandwidth(passed=False, target=leg.target), ago_s=story.now - leg.told_at)
    assert story.school.state.uplinks == before, "nor does one of the same moment"


def test_exit_from_two_gateways_is_one_subject():
    """Short from one gateway is short, whatever the other one sees; only its rooms are named."""
    other = "dem-gw-02"
    story = Story(school(gateways=(GATEWAY, other)))
    story.heard().event(Heard(gateway=other, report_interval_s=60))
    story.room_well("r1").room_well("r2").uplink()
    for passed in (True, False, False):
        story.later(60).heard().heard(other).saw(exit_test(passed=passed))
        for seen in (bandwidth(), exit_test()):
            story.event(Observed(gateway=other, observation=seen, classroom=None, observed_at=story.now))
    opened = story.told(AlertChange)
    assert [(c.change, c.subject.label, c.classrooms) for c in opened] == [("opened", "exit:metro", ("r1", "r2"))]


@pytest.mark.parametrize(("late_from_both", "opened"), [(False, ["exit:metro"]), (True, [])])
def test_an_exit_is_told_when_one_gateway_found_it_short_in_time(late_from_both, opened):
    """A backlog from the other gateway agrees and holds nothing back; alone it opens nothing."""
    other = "dem-gw-02"
    story = Story(school(gateways=(GATEWAY, other)))
    for _ in range(2):
        story.later(60).heard().heard(other).uplink().saw(exit_test(passed=False), late=True)
        for seen in (bandwidth(), exit_test(passed=False)):
            story.event(
                Observed(
                    gateway=other, observation=seen, classroom=None, observed_at=story.now - 1, late=late_from_both
                )
            )
    assert [c.subject.label for c in story.told(AlertChange)] == opened


def test_exit_gone_with_its_gateway_closes():
    """An exit that no gateway of the roster tests any more has no alert."""
    story = told("P", "FF")
    story.event(RosterChanged(roster=roster(gateways=("dem-gw-09",)), hours=story.school.hours))
    assert [c.change for c in story.told(AlertChange)] == ["opened", "closed"]


def test_exit_does_not_bound_the_share():
    """Share divides the school's line; reach ends at the narrowest known part, the exit."""
    story = told("P", "")
    for _ in range(2):
        story.later(60).heard().saw(exit_test(passed=False, estimate_mbps=60))
    link = story.school.state.classrooms["r1"].verdict.link
    assert (link["share"].at_least_bps, link["reach"].estimate_bps) == (47.5 * MBIT, 60 * MBIT)
    assert link["reach"].at_most_bps == 100 * MBIT


def test_basis_port_asks_no_exit():
    """Where the port alone decides, an exit is not held against a room."""
    story = Story(policy=Policy(basis="port", observation_school_days=0)).all_well()
    for _ in range(2):
        story.later(60).heard().platform().saw(exit_test(passed=False)).room_well()
    assert story.ready() == "yes"


def test_exit_shortfall_takes_compliant_away_after_two_days():
    """The link of a room ends at the platforms: a confirmed shortfall on two school days counts."""
    story = Story().all_well()
    for day, expected in (("24", "yes"), ("25", "no")):
        story.now = at(f"2026-11-{day} 10:00")
        story.heard().room_well().uplink()
        for _ in range(2):
            story.later(60).heard().saw(exit_test(passed=False))
        assert story.compliant() == expected


def test_retest_covers_exits():
    """A first failure beyond an exit is tested again."""
    story = told("P", "F").later(60)
    assert directives([story.school], GATEWAY, POLICY, story.now).retest == ("beyond-metro",)


def test_one_incident_for_all_schools_of_an_office():
    """One exit, two schools: one incident, one message that names both."""
    bureau, now = Bureau(), 0.0
    for name in ("s1", "s2"):
        story = told("P", "FF")
        changes = [c for c in story.effects if isinstance(c, AlertChange)]
        moved = [AlertChange(**{f: getattr(c, f) for f in c.__struct_fields__} | {"school": name}) for c in changes]
        bureau = told_by(bureau, moved, now, Policy(group_wait_s=30)).bureau
    effects = told_by(bureau, [], now + 30, Policy(group_wait_s=30)).effects
    (notice,) = [e for e in effects if isinstance(e, Notice)]
    assert (notice.cause, len(notice.members), notice.remaining_classrooms) == ("exit_below_required", 2, 4)
    assert {m.subject.label for m in notice.members} == {"exit:metro"}


def test_tick_leaves_a_fresh_school_alone():
    """Time that makes nothing old changes no evidence."""
    story = told("P", "FF")
    after, effects, _ = step(story.school, [], story.now, POLICY)
    assert (after.state, effects) == (story.school.state, ())
