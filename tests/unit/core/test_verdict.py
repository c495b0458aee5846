"""The verdict, as a decision table: what is seen, what is concluded."""

import pytest

from classready.observation import Bandwidth, Outcome, Port, Reason, Segment
from classready.units import MBIT
from collector.core.events import RosterChanged, VerdictChanged
from collector.core.evidence import BandwidthTest
from collector.core.figures import contention_ratio, counts
from collector.core.link import link_bps, link_ratio, majority, part_state, port_interval
from collector.core.platforms import platform_over_gateways
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import Interval
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, Tick, at, bandwidth, device, http, port, roster, school

THETAS = (95.0 * MBIT, 100.0 * MBIT)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(Interval(95 * MBIT, None), "enough", id="proven at theta0"),
        pytest.param(Interval(100 * MBIT, 100 * MBIT), "enough", id="a 100BASE-TX port is enough, not short"),
        pytest.param(Interval(None, 100 * MBIT), "short", id="bounded at theta1"),
        pytest.param(Interval(10 * MBIT, 10 * MBIT), "short", id="10M port"),
        pytest.param(Interval(None, 120 * MBIT), "unknown", id="bounded above theta1"),
        pytest.param(Interval(), "unknown", id="nothing known"),
        pytest.param(Interval(None, 1000 * MBIT, None, half_duplex=True), "short", id="half duplex at any speed"),
    ],
)
def test_part_state(part, expected):
    """A part is enough by its lower bound, short by its upper one, and unknown otherwise."""
    assert part_state(part, THETAS) == expected


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("", None),
        ("P", True),
        ("F", None),
        ("PF", None),
        ("FP", None),
        ("FF", False),
        ("PP", True),
        ("PPF", True),
        ("PFF", False),
        ("FPF", False),
        ("FFP", False),
        ("FPP", True),
    ],
)
def test_uplink_majority(results, expected):
    """Two equal results of the last three decide; a single pass is enough, a single fail is not."""
    tests = tuple(BandwidthTest(observed_at=i, seen=bandwidth(passed=r == "P")) for i, r in enumerate(results))
    assert majority(tests) is expected


def test_port_interval_is_the_slower_end():
    """P is the slower of port and NIC, and nothing when neither is known."""
    assert port_interval(None, None) is None
    assert port_interval(None, 100 * MBIT) == Interval(100 * MBIT, 100 * MBIT)


def test_all_well_is_ready_and_compliant():
    """Port, device, uplink and platform good in a lesson: ready, compliant, no cause, no next step."""
    story = Story().all_well()
    verdict = story.school.state.classrooms["r1"].verdict
    assert (story.ready(), story.compliant(), story.causes(), verdict.next_step) == ("yes", "yes", [], None)
    assert link_bps(verdict.link["reach"]) == 120 * MBIT
    assert link_bps(verdict.link["share"]) == 60 * MBIT
    assert link_ratio(verdict, POLICY) == pytest.approx(1.2)
    assert contention_ratio(story.school, POLICY) == pytest.approx(200 / 120)
    assert counts(story.school)["ready"] == {"yes": 2, "no": 0, "unknown": 0}


def test_nothing_measured_is_unknown_with_a_next_step():
    """Before any report every room is unknown, never not ready, and says what to do."""
    story = Story().event(Tick())
    assert (story.ready(), story.causes()) == ("unknown", ["not_measured"])
    assert story.school.state.classrooms["r1"].verdict.next_step == "install_gateway"


def test_a_100m_port_with_unmeasured_uplink_is_not_short():
    """An upper bound of exactly the requirement on one part must not fail a link whose uplink is unknown."""
    story = Story().heard().platform().room_well("r1", 100)
    assert (story.ready(), story.causes()) == ("unknown", ["not_measured"])
    assert story.school.state.classrooms["r1"].verdict.next_step == "add_test"


def test_uplink_fails_only_when_confirmed():
    """One failed test after a good one makes the link unknown, two make every room not ready."""
    story = Story().all_well().later(60).uplink(passed=False, estimate_mbps=80)
    assert (story.ready(), story.causes()) == ("unknown", ["not_measured"])
    story.later(60).heard().room_well().platform().uplink(passed=False, estimate_mbps=80)
    assert (story.ready(), story.causes()) == ("no", ["uplink_below_required"])
    assert story.ready("r2") == "no"
    assert story.compliant() == "yes"


def test_tests_too_close_together_count_once():
    """A second test within the confirmation spacing is no second opinion."""
    story = Story().heard().uplink(passed=False).later(10).uplink(passed=False)
    assert len(story.school.state.uplinks["dem-gw-01/uplink/down"].tests) == 1


def test_inconclusive_test_is_unmeasured_and_changes_no_verdict():
    """UNMEASURED keeps the last interval and is remembered with its reason."""
    story = Story().all_well().later(61)
    story.heard().platform().room_well().saw(
        Bandwidth(target="uplink", direction="down", outcome=Outcome.UNMEASURED, reason=Reason.PEER_BUSY)
    )
    assert story.ready() == "yes"
    assert story.school.state.uplinks["dem-gw-01/uplink/down"].last_unmeasured_reason == "peer_busy"


def test_10m_port_of_an_awake_device_fails_exactly_its_room():
    """A port at 10M half duplex, seen with its device awake, fails that room with both causes."""
    story = Story().all_well().later(30).heard().room_well("r1", 10, full=False)
    assert (story.ready("r1"), story.ready("r2")) == ("no", "yes")
    assert story.causes() == ["port_below_required", "port_half_duplex"]


def test_10m_port_of_a_sleeping_device_is_no_evidence():
    """A sleeping board renegotiates to 10M: the last accepted reading stays."""
    evening = at("2026-11-23 20:00")
    story = Story().all_well()
    story.now = evening
    story.heard().platform().saw(port("r1", 10), "r1").later(5).saw(device("r1", answered=False), "r1")
    assert story.ready() == "yes"
    assert story.school.state.classrooms["r1"].port.seen.speed_bps == 1000 * MBIT


@pytest.mark.parametrize("by_traffic", [False, True])
def test_waking_board_leaves_no_10m_reading_behind(by_traffic):
    """The reading from before a board woke up never counts, however soon it wakes; the next one does."""
    story = Story().all_well().later(30).saw(device("r1", answered=False), "r1")
    story.later(10).heard().saw(port("r1", 10, in_octets=100), "r1").later(10)
    if by_traffic:
        story.saw(port("r1", 1000, in_octets=900), "r1").later(10).saw(port("r1", 1000, in_octets=1900), "r1")
    else:
        story.saw(device("r1"), "r1")
    assert story.school.state.classrooms["r1"].port.seen.speed_bps == 1000 * MBIT
    story.later(10).heard().room_well("r1", 100)
    assert story.school.state.classrooms["r1"].port.seen.speed_bps == 100 * MBIT


def test_awake_too_long_after_a_reading_discards_it():
    """A reading older than the awake window never becomes evidence."""
    story = Story().all_well().later(30).saw(port("r1", 10), "r1").later(61).saw(device("r1"), "r1")
    assert story.school.state.classrooms["r1"].port.seen.speed_bps == 1000 * MBIT


def test_growing_octets_prove_awake():
    """A device that answers nothing but sends octets is awake, and its earlier port reading counts."""
    story = Story().heard().uplink().platform()
    story.saw(port("r1", 100, in_octets=1000), "r1").later(30).saw(port("r1", 100, in_octets=5000), "r1")
    assert story.ready() == "yes"
    assert story.school.state.classrooms["r1"].device.seen_by == "traffic"
    story.later(1).saw(device("r1", answered=False), "r1")
    assert story.ready() == "yes"


@pytest.mark.parametrize(
    ("hour", "oper_up", "expected"),
    [
        pytest.param("10:00", True, "asleep", id="link up, no answer"),
        pytest.param("10:00", False, "away", id="no link in a lesson"),
        pytest.param("20:00", False, "asleep", id="no link outside lessons"),
    ],
)
def test_silence_of_a_device(hour, oper_up, expected):
    """Asleep and away are told apart by the port and the timetable."""
    story = Story(now=at(f"2026-11-23 {hour}")).heard()
    story.saw(port("r1", 1000, oper_up=oper_up), "r1").later(1).saw(device("r1", answered=False), "r1")
    assert story.school.state.classrooms["r1"].device.state == expected


def test_device_offline_only_in_lessons():
    """Not awake in a lesson is device_offline; in the evening nobody asks."""
    story = Story().all_well().later(30).saw(device("r1", answered=False), "r1")
    assert (story.ready(), story.causes()) == ("no", ["device_offline"])
    story.now = at("2026-11-23 18:00")
    story.heard().platform().event(Tick())
    assert (story.ready(), story.causes()) == ("yes", [])


def test_device_absent_after_five_school_days():
    """Looked for and not seen on five school days is absent; the weekend does not count."""
    story = Story().heard().saw(device("r1", answered=False), "r1")
    story.event(Tick(), now=at("2026-11-27 10:00"))
    assert "device_absent" not in story.causes()
    story.heard().event(Tick(), now=at("2026-11-30 10:00"))
    story.heard().event(Tick())
    assert "device_absent" in story.causes()


def test_port_down_needs_an_administrator_or_an_awake_device():
    """An operationally down port alone is a device that is off, not a broken port."""
    story = Story().all_well().later(30)
    story.saw(port("r1", 0, oper_up=False), "r1")
    assert story.causes() == ["port_down"], "device was seen awake a moment ago by another path"
    story = Story().heard().uplink().platform().saw(port("r1", 0, oper_up=False, admin_up=False), "r1")
    assert story.causes() == ["port_down"]
    story = Story().heard().uplink().platform().saw(port("r1", 0, oper_up=False), "r1")
    assert "port_down" not in story.causes()


def test_unreachable_switch_makes_its_rooms_unknown():
    """What hangs on a switch that does not answer is unknown, and the device's silence blames nobody."""
    story = Story().all_well().later(30)
    story.saw(Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "r1")
    story.later(1).saw(device("r1", answered=False), "r1")
    assert (story.ready(), story.causes()) == ("unknown", ["switch_unreachable"])
    assert story.ready("r2") == "unknown"


def test_an_unreachable_switch_concerns_nobody_on_another():
    """Rooms of the same gateway that hang on a switch which answers stay what they are."""
    story = Story().all_well().later(30).saw(port("r2", switch="sw2"), "r2").later(1).saw(device("r2"), "r2")
    story.saw(Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "r1")
    assert (story.ready("r1"), story.causes("r1")) == ("unknown", ["switch_unreachable"])
    assert (story.ready("r2"), story.causes("r2")) == ("yes", [])


def test_slow_trunk_fails_the_rooms_of_its_switch():
    """A segment below what is required is one bad part, for the rooms that it serves."""
    story = (
        Story()
        .all_well()
        .saw(Segment(name="sw1:Gi0/24", outcome=Outcome.ANSWERED, speed_bps=10 * MBIT, full_duplex=True))
    )
    assert story.causes() == ["segment_below_required"]
    story = (
        Story()
        .all_well()
        .saw(Segment(name="sw9:Gi0/24", outcome=Outcome.ANSWERED, speed_bps=10 * MBIT, full_duplex=True))
    )
    assert story.causes() == []


def test_platform_down_blames_nobodys_link():
    """An unreachable platform makes rooms not ready with that cause alone, and leaves compliant."""
    story = Story().all_well().later(30).platform(up=False)
    assert (story.ready(), story.causes(), story.compliant()) == ("no", ["platform_unreachable"], "yes")


def test_wifi_room_needs_a_test_into_it():
    """Without a port or a path test the lower bound of a Wi-Fi room is unknown."""
    rooms = {"r1": Classroom(id="r1", access="wifi", device="panel")}
    story = Story(school(classrooms=rooms)).heard().uplink().platform().saw(device("r1"), "r1")
    assert story.ready() == "unknown"
    assert story.school.state.classrooms["r1"].verdict.next_step == "test_room"


def test_device_that_nobody_asks_is_to_be_listed():
    """A room whose port is known by traffic of the past, with no device target: the next step is to list the device."""
    story = Story().heard().uplink().platform()
    story.saw(port("r1", in_octets=1), "r1").later(30).saw(port("r1", in_octets=9), "r1")
    story.later(181).heard().platform().event(Tick())
    verdict = story.school.state.classrooms["r1"].verdict
    assert (verdict.ready, verdict.next_step) == ("unknown", "list_device")


def test_silence_makes_ready_unknown_and_keeps_compliant():
    """Three intervals without a commit: ready unknown with gateway_silent; compliant stays; a report brings it back."""
    story = Story().all_well()
    story.event(Tick(), now=MONDAY + 180)
    assert story.causes() != ["gateway_silent"]
    story.event(Tick(), now=MONDAY + 181)
    assert (story.ready(), story.causes(), story.compliant()) == ("unknown", ["gateway_silent"], "yes")
    story.heard().platform().room_well()
    assert story.ready() == "yes"


def test_evidence_ages_in_school_hours():
    """A port reading is good for 8 school hours: it survives the night and the weekend, not the next school day."""
    story = Story(now=at("2026-11-20 16:00")).all_well()
    story.now = at("2026-11-23 08:30")
    story.heard().platform().saw(device("r2"), "r2").event(Tick())
    assert story.school.state.classrooms["r1"].verdict.link_state == "enough"
    story.now = at("2026-11-23 16:00")
    story.heard().event(Tick())
    assert story.school.state.classrooms["r1"].verdict.link_state == "unknown"


def test_compliant_falls_on_two_school_days_and_returns_the_same_way():
    """The latch changes its mind only on evidence of two different school days, both ways."""
    story = Story().all_well()
    for day, expected in (("24", "yes"), ("25", "no")):
        story.now = at(f"2026-11-{day} 10:00")
        story.heard().room_well("r1", 10).later(30).room_well("r1", 10)
        assert story.compliant() == expected
    for day, expected in (("26", "no"), ("27", "yes")):
        story.now = at(f"2026-11-{day} 10:00")
        story.heard().room_well("r1", 1000).uplink()
        assert story.compliant() == expected


def test_a_good_day_between_forgets_the_bad_one():
    """Bad days must follow each other: a day of good evidence in between starts the count anew."""
    story = Story().all_well()
    for day, speed in (("24", 10), ("25", 1000), ("26", 10)):
        story.now = at(f"2026-11-{day} 10:00")
        story.heard().room_well("r1", speed).uplink()
    assert story.compliant() == "yes"


def test_compliant_is_unknown_again_after_great_age():
    """Evidence older than 20 school days proves nothing any more."""
    story = Story(now=at("2026-10-12 10:00")).all_well()
    story.event(Tick(), now=at("2026-11-09 10:00"))
    assert story.compliant() == "yes"
    story.event(Tick(), now=at("2026-11-10 10:00"))
    assert story.compliant() == "unknown"


def test_exempt_room_is_counted_apart():
    """An exempt classroom is neither compliant nor not, and never in the counts of ready."""
    rooms = {"r1": Classroom(id="r1", exempt="拆除中"), "r2": Classroom(id="r2", device="panel")}
    story = Story(school(classrooms=rooms)).event(Tick())
    assert counts(story.school)["compliant"] == {"yes": 0, "no": 0, "unknown": 1, "exempt": 1}
    assert sum(counts(story.school)["ready"].values()) == 1


def test_transitions_are_recorded():
    """Each change of either verdict becomes one effect with its causes."""
    story = Story().all_well()
    of_r1 = [(t.verdict, t.before, t.after) for t in story.told(VerdictChanged) if t.classroom == "r1"]
    assert of_r1 == [("ready", "unknown", "yes"), ("compliant", "unknown", "yes")]


def test_older_evidence_never_replaces_newer():
    """A record from the backlog, older than what is known, changes no verdict."""
    story = Story().all_well().later(30)
    before = story.school
    story.saw(device("r1", answered=False), "r1", ago_s=3600, late=True).saw(
        port("r1", 10), "r1", ago_s=3600, late=True
    )
    assert story.school.state.classrooms == before.state.classrooms


def test_unlisted_room_is_kept_and_never_judged():
    """A room that is not in the roster is remembered as 未登记 and nothing more."""
    story = Story().heard().saw(device("r9"), "r9")
    assert list(story.school.state.unlisted) == ["r9"]
    assert "r9" not in story.school.state.classrooms


@pytest.mark.parametrize(
    ("basis", "estimate_mbps", "expected"),
    [("port", 120, "yes"), ("reach", 120, "yes"), ("share", 120, "no"), ("share", 300, "yes")],
)
def test_basis_decides(basis, estimate_mbps, expected):
    """A line of 120M is enough for reach, and too small when two rooms must share it."""
    story = Story(policy=Policy(basis=basis))
    story.heard().platform().room_well("r1").room_well("r2")
    rate_bps = estimate_mbps * MBIT
    line = {"at_least_bps": rate_bps, "at_most_bps": rate_bps, "estimate_bps": rate_bps}
    story.saw(Bandwidth(target="uplink", direction="down", outcome=Outcome.PASS, **line))
    assert story.ready() == expected


def test_required_up_is_judged_when_asked():
    """With a requirement for upload an unmeasured upload keeps the link unknown."""
    story = Story(policy=Policy(required_up_bps=20 * MBIT)).all_well()
    assert story.ready() == "unknown"


def test_roster_change_forgets_removed_rooms():
    """What the roster no longer lists is no longer judged or kept."""
    story = Story().all_well()
    rooms = {"r1": story.school.roster.classrooms["r1"]}
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours))
    assert list(story.school.state.classrooms) == ["r1"]
    assert story.ready() == "yes"


def test_a_verdict_dates_from_its_last_change():
    """Confirmed it keeps its date; another one, also back to what it was, has a new one."""
    story = Story().all_well()

    def since() -> float:
        return story.school.state.classrooms["r1"].verdict.ready_since

    well_at = since()
    assert (story.later(30).heard().room_well() and since()) == well_at
    story.later(30).saw(device("r1", answered=False), "r1")
    assert (story.ready(), since()) == ("no", story.now)
    off_at = story.now
    assert (story.later(30).saw(device("r1", answered=False), "r1") and since()) == off_at
    story.later(30).saw(device("r1"), "r1")
    assert (story.ready(), since()) == ("yes", story.now)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([], "unknown", id="nobody looks"),
        pytest.param([("other", True)], "unknown", id="only something else is looked at"),
        pytest.param([("national", True)], "yes", id="the one that looks sees it"),
        pytest.param([("national", False)], "no", id="it does not"),
        pytest.param([("national", True), ("other", False)], "yes", id="another target is not the platform"),
    ],
)
def test_a_platform_over_the_gateways_that_look_at_it(readings, expected):
    """A second gateway that looks at no platform makes it neither better nor worse."""
    story = Story(school(gateways=(GATEWAY, "dem-gw-02"))).heard().heard("dem-gw-02")
    for target, up in readings:
        story.saw(http(up=up, target=target))
    assert platform_over_gateways(story.school, "national", story.now, POLICY) == expected


def test_a_port_that_is_slow_outside_lessons_speaks_against_nobody():
    """Boards sleep then and negotiate down; a line that is short is short at any hour of a school day."""
    story = Story().all_well()
    story.now = at("2026-11-23 18:00")
    story.heard().room_well("r1", 10)
    assert (story.causes(), story.school.state.classrooms["r1"].latch.short_days) == (["port_below_required"], ())
    story.room_well("r1", 1000).uplink(passed=False).later(60).uplink(passed=False)
    assert story.school.state.classrooms["r1"].latch.short_days == ("2026-11-23",)


def test_the_newest_vain_attempt_says_what_is_waited_for():
    """Of several targets without result."""
    story = Story().heard().room_well()
    for target, reason in (("a", Reason.BUDGET), ("b", Reason.OUTSIDE_HOURS), ("c", Reason.CLOCK)):
        story.later(1).saw(
            Bandwidth(target=target, direction="down", outcome=Outcome.UNMEASURED, reason=reason),
            ago_s=10 if target == "c" else 0,
        )
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_hours"
