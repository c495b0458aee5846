"""Histories that were once judged wrongly, each with what is right."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Outcome, Reason
from classready.units import MBIT
from collector.core.events import AlertChange, Observed, Resumed, RosterChanged, VerdictChanged
from collector.core.link import gateway_uplink
from collector.core.policy import Policy
from tests.support.school import (
    GATEWAY,
    Story,
    Tick,
    at,
    bandwidth,
    device,
    exit_test,
    http,
    path_test,
    port,
    roster,
    school,
    trunk,
)

OTHER = "dem-gw-02"


def two_gateways() -> Story:
    return Story(school(gateways=(GATEWAY, OTHER))).heard().heard(OTHER)


def from_gateway(story: Story, gateway: str, seen: object) -> None:
    story.heard(gateway)
    story.event(Observed(gateway=gateway, observation=seen, classroom=None, observed_at=story.now))


def labels(story: Story) -> list[tuple[str, str]]:
    return [(change.change, change.subject.label) for change in story.told(AlertChange)]


def test_a_platform_fails_from_one_of_two_gateways() -> None:
    """Each gateway's view is its own subject: the other one's good answers do not hide it."""
    story = two_gateways()
    for _ in range(5):
        for gateway, up in ((GATEWAY, False), (OTHER, True)):
            story.later(30)
            from_gateway(story, gateway, http(up=up))
    assert labels(story) == [("opened", f"platform:{GATEWAY}/national")]


def test_a_platform_fails_from_both_gateways() -> None:
    """Two gateways are not twice the evidence: each alert needs its own three pieces."""
    story = two_gateways()
    opened = []
    for _ in range(3):
        for gateway in (GATEWAY, OTHER):
            story.later(30)
            from_gateway(story, gateway, http(up=False))
            opened.append(len(labels(story)))
    assert opened == [0, 0, 0, 0, 1, 2]


def test_late_readings_close_nothing() -> None:
    """What was already true twenty minutes ago does not end what is open: stale is not good."""
    story = Story().all_well()
    for _ in range(3):
        story.later(60).heard().saw(port("r1", admin_up=False), "r1")
    story.later(1_200).heard()
    for ago_s in (1_100, 1_000):
        story.saw(port("r1", admin_up=False), "r1", ago_s=ago_s, late=True)
    story.event(Tick())
    assert labels(story) == [("opened", "classroom:r1")]


def test_late_evidence_opens_nothing_later_either() -> None:
    """A backlog that says bad waits for evidence that is not late, whatever time goes by."""
    story = Story().all_well().later(1_200).heard()
    for ago_s in (900, 800, 700, 600):
        story.saw(trunk(10), ago_s=ago_s, late=True).event(Tick())
    story.later(30).event(Tick())
    assert labels(story) == []
    for _ in range(3):
        story.later(60).heard().saw(trunk(10))
    assert labels(story) == [("opened", f"segment:{GATEWAY}/sw1:uplink")]


def test_exempting_and_removing_a_room_are_transitions() -> None:
    """The history shows what became of a room that is no longer judged."""
    story = Story().all_well()
    rooms = dict(story.school.roster.classrooms)
    steps = [{**rooms, "r1": replace(rooms["r1"], exempt="图书室")}, {"r2": rooms["r2"]}, rooms]
    found = []
    for listed in steps:
        story.effects.clear()
        story.event(RosterChanged(roster=roster(classrooms=listed), hours=story.school.hours))
        found.append([(e.verdict, e.before, e.after) for e in story.told(VerdictChanged) if e.classroom == "r1"])
    assert found == [
        [("ready", "yes", "exempt"), ("compliant", "yes", "exempt")],
        [("ready", "exempt", "removed"), ("compliant", "exempt", "removed")],
        [("ready", "removed", "unknown"), ("compliant", "removed", "unknown")],
    ]


def school_days(first: str, count: int) -> list[date]:
    days = [date.fromisoformat(first) + timedelta(days=n) for n in range(count)]
    return [day for day in days if day.weekday() < 5]


def told_on(story: Story, moment: str, *, passed: bool) -> None:
    """Three tests a minute apart, the room awake and its port good."""
    story.now = at(moment)
    for _ in range(3):
        story.later(61).heard().uplink(passed=passed, estimate_mbps=120 if passed else 40).room_well("r1")


def test_short_every_noon_is_not_saved_by_its_mornings() -> None:
    """Two school days with a confirmed shortfall take compliant away, whatever the mornings were; and it stays away."""
    story, found = Story(now=at("2026-11-02 08:00")).all_well(), []
    for day in school_days("2026-11-02", 10):
        told_on(story, f"{day} 08:40", passed=True)
        told_on(story, f"{day} 12:10", passed=False)
        found.append(story.compliant())
    assert found == ["yes"] + ["no"] * (len(found) - 1)


def test_two_days_without_a_shortfall_give_it_back() -> None:
    """The same number of days gives it back, and one short noon in between starts the count anew."""
    story, found = Story(now=at("2026-11-02 08:00")).all_well(), []
    noons = [False, False, True, False, True, True, True]
    for day, noon in zip(school_days("2026-11-02", 9), noons, strict=True):
        told_on(story, f"{day} 08:40", passed=True)
        told_on(story, f"{day} 12:10", passed=noon)
        found.append(story.compliant())
    assert found == ["yes", "no", "no", "no", "no", "yes", "yes"]


def test_a_port_polled_more_seldom_than_reports_go() -> None:
    """Every five minutes, reports every minute: octets that grow prove the reading before them."""
    story = Story()
    for n in range(5):
        story.later(300).heard(interval_s=60).saw(port("r1", 100, in_octets=1_000 * n), "r1")
    accepted = story.school.state.classrooms["r1"].port
    assert accepted is not None
    assert accepted.seen.speed_bps == 100 * MBIT


def test_a_port_polled_by_the_hour_is_tied_to_nothing() -> None:
    """Beyond an hour nobody knows when in between the device was awake."""
    story = Story()
    for n in range(5):
        story.later(7_200).heard(interval_s=60).saw(port("r1", 10, in_octets=1_000 * n), "r1")
    assert story.school.state.classrooms["r1"].port is None


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_pass_beyond_the_exit_proves_the_line(attempts: int) -> None:
    """The line's own test brought nothing; what passed beyond the exit has crossed the line."""
    story = Story().heard().platform()
    for _ in range(attempts):
        story.later(60).heard().platform()
        story.saw(Bandwidth(target="line", direction="down", outcome=Outcome.UNMEASURED, reason=Reason.PEER_BUSY))
        story.saw(exit_test("metro", passed=True))
    story.room_well("r1")
    assert gateway_uplink(story.school, GATEWAY, "down").at_least_bps == 95 * MBIT
    assert story.ready() == "yes"


def test_a_failure_beyond_the_exit_does_not_blame_the_line() -> None:
    """Where the line has a target of its own that brings nothing, nobody is blamed."""
    story = Story().heard().platform()
    story.saw(Bandwidth(target="line", direction="down", outcome=Outcome.UNMEASURED, reason=Reason.PEER_BUSY))
    for _ in range(2):
        story.later(60).heard().saw(exit_test("metro", passed=False))
    assert (story.told(AlertChange), gateway_uplink(story.school, GATEWAY, "down").at_most_bps) == ([], None)


def test_late_is_at_least_three_report_intervals() -> None:
    """Where reports come every five minutes, four minutes are not late."""
    policy = Policy(late_after_s=180)
    assert [policy.late_after(interval_s) for interval_s in (10, 60, 300)] == [180, 180, 900]


def test_a_short_upload_is_told() -> None:
    """Where upload is required, its shortfall opens an alert that names direction, rate and limit."""
    story = Story(policy=Policy(observation_school_days=0, blame_spacing_s=0, required_up_bps=20 * MBIT)).all_well()
    for _ in range(2):
        story.later(60).heard().saw(
            bandwidth(passed=False, target="up", direction="up", at_most_bps=20.0 * MBIT, estimate_mbps=8)
        )
    (opened,) = story.told(AlertChange)
    assert (opened.subject.label, opened.direction, opened.measured, opened.limit) == (
        f"uplink:{GATEWAY}", "up", 8 * MBIT, 20 * MBIT,
    )  # fmt: skip


def test_the_collector_s_own_absence_silences_nobody() -> None:
    """Ten minutes down: nothing turns, nobody is called silent, and what was fresh ages on from where it stood."""
    story = Story().all_well()
    before = story.school.state
    story.effects.clear()
    down = story.now + 10
    story.event(Resumed(away_from=down, away_to=down + 600), now=down + 600)
    assert (story.school.state, story.effects) == (before, [])
    story.event(Tick(), now=down + 600 + 165)
    assert story.ready() == "yes"
    story.event(Tick(), now=down + 600 + 181)
    assert story.causes() == ["gateway_silent"]


def test_evidence_from_the_future_gives_way() -> None:
    """The collector's clock was a day ahead and was set right: what it dated then holds back nothing that comes."""
    story = Story().all_well()
    story.now += 86_400
    story.heard().room_well("r1", 100).platform().uplink(passed=False).saw(trunk(100))
    story.now -= 86_400 - 120
    story.heard().room_well("r1", 1_000).platform(up=False).uplink().saw(trunk(1_000))
    state = story.school.state
    room = state.classrooms["r1"]
    assert room.port is not None
    assert room.port.seen.speed_bps == 1_000 * MBIT
    assert state.platforms[f"{GATEWAY}/national"].http.up is False
    assert state.uplinks[f"{GATEWAY}/uplink/down"].tests[-1].passed
    assert state.segments[f"{GATEWAY}/sw1:uplink"].seen.speed_bps == 1_000 * MBIT


def test_a_device_that_is_asked_again_after_weeks_starts_anew() -> None:
    """Not looked for in two weeks of reports, it is neither absent nor offline until somebody looks again."""
    story = Story().all_well()
    for _ in range(16):
        story.later(86_400).heard().event(Tick())
    assert story.school.state.classrooms["r1"].watched_since is None
    story.heard().saw(device("r1", answered=False), "r1")
    assert "device_absent" not in story.causes()


@pytest.mark.parametrize(
    ("seen", "room", "label"),
    [
        (bandwidth(passed=False), None, f"uplink:{GATEWAY}"),
        (exit_test(passed=False), None, "exit:metro"),
        (path_test(passed=False), "r1", "classroom:r1"),
    ],
)
def test_a_test_that_brings_nothing_any_more_clears_nothing(seen: Bandwidth, room: str | None, label: str) -> None:
    """Three school days without a result: what failed before is history, and still nobody says that it is well."""
    story = Story().all_well()
    for _ in range(2):
        story.later(60).heard().uplink(passed=seen.beyond is not None or room is not None).saw(seen, room)
    for day in ("24", "25", "26"):
        for hour in ("09", "11", "15"):
            story.now = at(f"2026-11-{day} {hour}:00")
            busy = replace(seen, outcome=Outcome.UNMEASURED, reason=Reason.PEER_BUSY, at_most_bps=None)
            story.heard().saw(busy, room).event(Tick())
    assert label in {alert.subject.label for alert in story.school.state.alerts}
    assert ("closed", label) not in labels(story)
