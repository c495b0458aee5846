"""Edges of rules that a small breakage of the core went past unseen."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from collector.core.bureau.root import Root, Scope, root_of
from collector.core.bureau.step import resume
from collector.core.events import AlertChange, Observed, RosterChanged, VerdictChanged
from collector.core.evidence import BandwidthTest, UplinkState
from collector.core.figures import segments_on_the_way
from collector.core.folded import Folded
from collector.core.hours import before_school_hours, period_at
from collector.core.link import LinkState, failing_for_s, worst
from collector.core.platforms import platform_over_gateways
from collector.core.roster import Hours, Period, SchoolDay
from collector.core.words import Cause
from collector.engine.identity import Router
from tests.support.offices import Bureau, change
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, device, http, port, school, trunk, weekdays

LEG = UplinkState(gateway=GATEWAY, target="uplink", direction="down")


def test_a_device_on_another_switch_of_its_gateway_leaves_the_old_trunk_at_once() -> None:
    """The trunk that it left serves nobody now: what was told of it is taken back with that very reading."""
    story = Story(policy=POLICY).all_well()
    for room in ("r1", "r2"):
        story.saw(port(room), room)
    for _ in range(4):
        story.later(60).heard().saw(trunk(10))
    assert [c.change for c in story.told(AlertChange)] == ["opened"]
    for room in ("r1", "r2"):
        story.later(1).saw(port(room, switch="sw2"), room)
    assert [(c.change, c.why) for c in story.told(AlertChange)][1:] == [("closed", "withdrawn")]


def test_a_switch_that_was_not_asked_is_neither_there_nor_silent() -> None:
    """No credentials, no time: that says nothing of the switch."""
    for reason in (Reason.PERMISSION, Reason.DEADLINE):
        story = Story().heard()
        story.saw(replace(port("r1"), outcome=Outcome.UNMEASURED, reason=reason), "r1")
        assert story.school.state.switches == {}
    story.saw(replace(port("r1"), outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "r1")
    assert [reading.reachable for reading in story.school.state.switches.values()] == [False]


def test_an_unlisted_room_outlives_a_roster_that_does_not_list_it() -> None:
    """It goes with the roster that does."""
    story = Story().heard().saw(device("r9"), "r9")
    roster = story.school.roster
    story.event(RosterChanged(roster=replace(roster, name="新名小学"), hours=story.school.hours))
    assert list(story.school.state.unlisted) == ["r9"]
    rooms = {**roster.classrooms, "r9": replace(roster.classrooms["r1"], id="r9")}
    story.event(RosterChanged(roster=replace(roster, classrooms=rooms), hours=story.school.hours))
    assert story.school.state.unlisted == {}


def test_what_is_known_stays_welcome_under_a_smaller_cap() -> None:
    """A trunk that lists as many as before, after the policy allows fewer."""
    story = Story().heard().saw(trunk(name="sw1:up", switches=("a", "b", "c")))
    tight = replace(POLICY, switches_behind_trunks_max=2)
    seen = trunk(name="sw1:up", switches=("d", "e", "f"))
    assert Router(GATEWAY, {"s1": story.school}, tight).route(seen).schools == ("s1",)


def test_a_trunk_of_another_switch_is_not_on_the_way() -> None:
    """Nor is one that was told of too long ago; an access point, of no switch, may be on any room's."""
    story = Story().all_well().saw(port("r1", switch="sw1"), "r1")
    for name in ("sw1:up", "sw2:up", "ap-1"):
        story.saw(trunk(name=name))
    found = segments_on_the_way(story.school, "r1", story.now, story.policy)
    assert sorted(segment.seen.name for segment in found) == ["ap-1", "sw1:up"]
    later = story.now + 30 * 86_400
    assert list(segments_on_the_way(story.school, "r1", later, story.policy)) == []


def test_a_bureau_that_was_put_together_again_knows_whose_alerts_are_open() -> None:
    """After a restart an alert that closes is told to be over, and a school that leaves is withdrawn."""
    before = Bureau()
    before.step(0, change("s1"))
    before.step(30)
    after = Bureau()
    after.state = resume(before.incidents, {}, before.state.incident_count)
    assert dict(after.state.holders) == {"s1": "511402"}
    after.step(100, change("s1", "closed"))
    assert [notice.kind for notice in after.wait(200)] == ["resolved"]


# --- the line -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        (("enough", "short"), "short"),
        (("short", "unknown", "enough"), "short"),
        (("enough", "unknown"), "unknown"),
        (("enough", "enough"), "enough"),
    ],
)
def test_a_way_is_as_good_as_its_worst_part(states: tuple[LinkState, ...], whole: LinkState) -> None:
    assert worst(states) == whole


def test_a_line_that_does_not_fail_has_failed_for_no_time() -> None:
    tests = (BandwidthTest(observed_at=50.0, seen=bandwidth(passed=False)),)
    assert failing_for_s(LEG) == failing_for_s(replace(LEG, tests=tests)) == 0.0
    assert failing_for_s(replace(LEG, tests=tests, failing_since=20.0)) == 30.0


@pytest.mark.parametrize(("tried_at", "waits"), [(None, False), (49.0, False), (50.0, False), (51.0, True)])
def test_a_target_waits_for_what_its_newest_attempt_lacked(tried_at: float | None, *, waits: bool) -> None:
    """An attempt of the very second of a test that counted is not newer: nothing is lacking."""
    tests = (BandwidthTest(observed_at=50.0, seen=bandwidth()),)
    assert replace(LEG, tests=tests, last_unmeasured_at=tried_at).waits is waits


def test_tests_of_an_earlier_release_fail_since_the_first_of_them() -> None:
    """What it stored did not say since when; a pass in between ends what was before it."""
    story = Story().heard().uplink().later(3_600).uplink(passed=False)
    first_at = story.now
    story.later(3_600).uplink(passed=False)
    ((key, leg),) = story.school.state.uplinks.items()
    state = replace(story.school.state, uplinks={key: replace(leg, failing_since=None)})
    story.school = replace(story.school, state=state)
    story.later(3_600).uplink(passed=False)
    assert story.school.state.uplinks[key].failing_since == first_at


# --- rooms and devices ----------------------------------------------------------------------------------------------


def test_octets_do_not_wake_a_board_that_said_later_that_it_sleeps() -> None:
    """A port reading that comes late shows traffic from before the board's own, newer word."""
    story = Story().heard().saw(port("r1", in_octets=1), "r1", ago_s=40).saw(device("r1", "standby"), "r1")
    story.saw(port("r1", in_octets=900), "r1", ago_s=20)
    known = story.school.state.classrooms["r1"].device
    assert known is not None
    assert (known.state, known.by_traffic, known.observed_at) == ("asleep", False, story.now)


def test_a_board_that_is_awake_by_its_traffic_is_still_the_board_that_was_seen() -> None:
    story = Story().heard().saw(device("r1"), "r1").saw(port("r1", in_octets=1), "r1")
    story.later(60).saw(port("r1", in_octets=900), "r1")
    known = story.school.state.classrooms["r1"].device
    assert known is not None
    assert known.by_traffic
    assert known.seen == device("r1")


def test_what_no_cable_negotiated_is_no_evidence_of_one() -> None:
    folded = Folded(school(), at("2026-11-23 10:00"), POLICY)
    assert [folded.is_port_valid(seen) for seen in (None, folded.now)] == [False, True]


def test_a_room_that_the_roster_exempts_is_told_of_with_that_roster() -> None:
    """Nothing was seen of it anew: what changed is how its verdict is shown."""
    story = Story().all_well()
    before = len(story.told(VerdictChanged))
    rooms = story.school.roster.classrooms
    for listed in ({**rooms, "r1": replace(rooms["r1"], exempt="拆除")}, {"r2": rooms["r2"]}):
        changed = replace(story.school.roster, classrooms=listed)
        story.event(RosterChanged(roster=changed, hours=story.school.hours))
    assert {told.classroom for told in story.told(VerdictChanged)[before:]} == {"r1"}


# --- platforms ------------------------------------------------------------------------------------------------------


def test_a_gateway_that_looks_at_another_platform_leaves_this_one_known() -> None:
    """Two gateways, each with a platform of its own to look at."""
    start = school(gateways=(GATEWAY, "gw2"), platforms={"national": ("national",), "city": ("city",)})
    story = Story(start).heard().heard("gw2").platform()
    story.event(Observed(gateway="gw2", observation=http(target="city"), classroom=None, observed_at=story.now))
    found = [platform_over_gateways(story.school, name, story.now, POLICY) for name in ("national", "city", "none")]
    assert found == ["yes", "yes", "unknown"]


# --- school time ----------------------------------------------------------------------------------------------------


def test_evening_study_may_end_after_the_midnight_of_the_kept_offset() -> None:
    """Where clocks are set, the next day seems to begin an hour early: the evening is still the evening."""
    evening = Period(at("2026-11-23 23:10"), at("2026-11-24 00:40"), "evening_study")
    hours = Hours((SchoolDay("2026-11-23", (), (evening,)), SchoolDay("2026-11-24")))
    times = ("2026-11-23 23:09", "2026-11-23 23:10", "2026-11-24 00:39", "2026-11-24 00:40")
    assert [period_at(hours, at(time)) for time in times] == [None, "evening_study", "evening_study", None]


def test_the_first_second_of_the_first_lesson_counts() -> None:
    hours = weekdays("2026-10-05")
    assert before_school_hours(hours, at("2026-10-05 09:00:01"), 1.0) == at("2026-10-05 08:00:01")
    assert before_school_hours(hours, at("2026-10-05 09:00"), 1.0) == float("-inf")


# --- who is to act --------------------------------------------------------------------------------------------------


def test_an_operator_is_not_blamed_where_the_one_other_school_fails_as_well() -> None:
    scope = Scope(school_count=4, operators={"电信": 3})
    alerts = [change(f"s{n}", cause=Cause.GATEWAY_SILENT, operator="电信") for n in range(3)]
    other = change("s9", cause=Cause.GATEWAY_SILENT, operator="移动")
    assert root_of(Cause.GATEWAY_SILENT, alerts, scope) == Root("operator", "电信")
    assert root_of(Cause.GATEWAY_SILENT, [*alerts, other], scope) == Root("bureau")
