"""Who is judged anew while something is open: whom the new evidence is about, and nobody else."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from collector.core import judge
from collector.core.events import AlertChange, Heard, Observed, Resumed
from collector.core.state import School
from collector.core.step import step
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, bandwidth, device, http, path_test, port, trunk

DEAF = Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)

BOTH = trunk(switches=("sw2",))
"""The second room is on a switch behind that of the first."""
SLOW = replace(BOTH, full_duplex=False)

Seen = tuple[Any, str | None]

OPEN: dict[str, tuple[Cause, Seen, Seen]] = {
    "a trunk": (Cause.SEGMENT_BELOW_REQUIRED, (SLOW, None), (BOTH, None)),
    "a switch": (Cause.SWITCH_UNREACHABLE, (DEAF, "r1"), (port("r1"), "r1")),
    "a platform": (Cause.PLATFORM_UNREACHABLE, (http(up=False), None), (http(), None)),
    "a port that is down": (Cause.PORT_DOWN, (port("r1", admin_up=False), "r1"), (port("r1"), "r1")),
    "a device": (Cause.DEVICE_OFFLINE, (device("r1", "away"), "r1"), (device("r1"), "r1")),
}
"""What is open -> its cause, what was seen of it, and what ends it."""


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rooms that were judged since, in their order."""
    rooms: list[str] = []
    real = judge._judged

    def counting(common: Any, room: Any, of_school: Any) -> Any:
        rooms.append(room.id)
        return real(common, room, of_school)

    monkeypatch.setattr(judge, "_judged", counting)
    return rooms


def report(story: Story, *seen: Seen) -> Story:
    events = [Heard(gateway=GATEWAY, report_interval_s=60)]
    observed = (
        Observed(gateway=GATEWAY, observation=observation, classroom=room, observed_at=story.now)
        for observation, room in seen
    )
    story.school, effects, story.wake_at = step(story.school, [*events, *observed], story.now, POLICY)
    story.effects += effects
    return story


def confirmed(but: Seen) -> list[Seen]:
    """All of a school that is well, with ``but`` in the place of what it is about."""
    well: list[Seen] = [(port("r1"), "r1"), (port("r2", switch="sw2"), "r2"), (BOTH, None), (http(), None)]
    well += [(device("r1"), "r1"), (device("r2"), "r2")]
    of = (type(but[0]), but[1])
    return [*(seen for seen in well if (type(seen[0]), seen[1]) != of), but]


def with_open(what: str) -> Story:
    cause, bad, _ = OPEN[what]
    story = Story().all_well().saw(BOTH)
    for _ in range(POLICY.raise_after + 1):
        report(story.later(60), *confirmed(bad))
    assert [alert.cause for alert in story.school.state.alerts if alert.opened_at] == [cause]
    return story


@pytest.mark.parametrize("what", OPEN)
def test_a_report_while_something_is_open(what: str, judged: list[str]) -> None:
    """The usual report judges the room that something is open about, or none; and its bad streak is counted."""
    story = with_open(what)
    (before,) = story.school.state.alerts
    judged.clear()
    report(story.later(60), *confirmed(OPEN[what][1]))
    assert set(judged) <= ({before.subject.name} if before.subject.kind == "classroom" else set())
    (after,) = story.school.state.alerts
    assert after.bad_streak == before.bad_streak + 1


@pytest.mark.parametrize("what", OPEN)
def test_evidence_of_another_subject_judges_nobody(what: str, judged: list[str]) -> None:
    story = with_open(what)
    judged.clear()
    others = [seen for seen in confirmed(OPEN[what][1]) if seen[1] == "r2" and not isinstance(seen[0], Port)]
    before = story.school.state.alerts
    report(story.later(10), *others)
    assert judged == []
    assert story.school.state.alerts == before


@pytest.mark.parametrize("what", OPEN)
def test_it_closes_by_its_own_evidence_alone(what: str) -> None:
    """Good sightings are counted whether or not anything else is seen."""
    story = with_open(what)
    for _ in range(POLICY.clear_after):
        assert [change.change for change in story.told(AlertChange)] == ["opened"]
        report(story.later(20), OPEN[what][2])
    assert [change.change for change in story.told(AlertChange)] == ["opened", "closed"]
    assert story.school.state.alerts == ()


def test_the_first_evidence_of_a_day_is_for_everybody(judged: list[str]) -> None:
    """A slow trunk takes a school day from each room behind it, whose own evidence only confirms what is known."""
    story = with_open("a trunk")
    story.event(Tick(), now=at("2026-11-24 08:00")).heard()
    judged.clear()
    report(story.later(30), (SLOW, None))
    assert judged == ["r1", "r2"]
    assert story.school.state.classrooms["r2"].latch.short_days == ("2026-11-23", "2026-11-24")


def test_the_first_time_a_device_is_awake_on_a_day(judged: list[str]) -> None:
    """A good day is one on which a room was seen awake with enough: it is noted when it is seen."""
    story = with_open("a platform").event(Tick(), now=at("2026-11-23 23:58")).heard()
    both: list[Seen] = [(device("r1"), "r1"), (device("r2"), "r2")]
    report(story.later(60), *both).event(Tick(), now=at("2026-11-24 00:00"))
    judged.clear()
    report(story.later(30), both[0])
    report(story.later(30), *both)
    report(story.later(30), *both)
    assert judged == ["r1", "r2"]


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda s: s.later(10).uplink(estimate_mbps=120), id="line"),
        pytest.param(lambda s: s.later(10).saw(path_test("r1"), "r1"), id="path"),
    ],
)
def test_a_test_that_does_not_count_judges_nobody(again: Callable[[Story], Story], judged: list[str]) -> None:
    """Where counters are read every few seconds, most tests are too close to the last; the target is still asked."""
    story = Story().all_well().uplink(estimate_mbps=120).saw(path_test("r1"), "r1")
    told_at = [leg.told_at for leg in (*story.school.state.uplinks.values(), *story.school.state.paths.values())]
    judged.clear()
    again(story)
    assert judged == []
    now = [leg.told_at for leg in (*story.school.state.uplinks.values(), *story.school.state.paths.values())]
    assert sorted(now) > sorted(told_at)


def in_vain(story: Story, reason: Reason, target: str = "uplink") -> Story:
    return story.later(20).saw(bandwidth(target=target, outcome=Outcome.UNMEASURED, reason=reason, at_least_bps=None))


def test_an_attempt_in_vain_again_judges_nobody(judged: list[str]) -> None:
    """Outside lessons they come by the minute; another reason, or another target's attempt, is looked at."""
    story = in_vain(Story().heard().room_well(), Reason.OUTSIDE_HOURS)
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_hours"
    judged.clear()
    in_vain(in_vain(story, Reason.OUTSIDE_HOURS), Reason.OUTSIDE_HOURS)
    assert judged == []
    in_vain(story, Reason.BUDGET)
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_budget"
    in_vain(story, Reason.OUTSIDE_HOURS, "second")
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_hours"
    in_vain(story, Reason.BUDGET)
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_budget"


def test_of_two_attempts_at_once_the_one_that_comes_again_is_the_newest() -> None:
    """The same reason as before is news where another target's attempt was as new as its last."""
    story = in_vain(Story().heard().room_well(), Reason.BUDGET)
    in_vain(story.later(-20), Reason.OUTSIDE_HOURS, "second")
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_budget"
    in_vain(story, Reason.OUTSIDE_HOURS, "second")
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_hours"


def test_an_attempt_at_another_way_is_looked_at(judged: list[str]) -> None:
    """In vain for the same reason, but no longer of the line: what the line waits for is another matter."""
    story = in_vain(Story().heard().room_well(), Reason.BUDGET)
    judged.clear()
    vain = {"outcome": Outcome.UNMEASURED, "reason": Reason.BUDGET, "at_least_bps": None}
    story.later(20).saw(bandwidth(beyond="metro", **vain))
    assert judged == ["r1", "r2"]


def test_a_test_of_the_way_that_came_too_late_is_none() -> None:
    """A backlog of last week brings a test that is older than any that counts: it is history when it arrives."""
    story = Story().all_well().saw(path_test("r1"), "r1", ago_s=7 * 86_400, late=True)
    assert [leg.tests for leg in story.school.state.paths.values()] == [()]
    assert story.school.state.classrooms == anew(story.school, story.now).state.classrooms


def test_a_target_that_tests_another_room_leaves_nothing_behind() -> None:
    """What was open about the way to the first room is withdrawn at once, with something else open, too."""
    story = with_open("a trunk")
    for _ in range(2):
        story.later(60).heard().saw(path_test("r1", passed=False), "r1")
    story.saw(path_test("r2"), "r2", ago_s=-1)
    told = [(c.subject.name, c.change, c.why) for c in story.told(AlertChange) if c.subject.kind == "classroom"]
    assert told == [("r1", "opened", "recovered"), ("r1", "closed", "withdrawn")]


def anew(school: School, now: float) -> School:
    return step(replace(school, judged_at=None), [], now, POLICY).school


def test_what_a_wrong_clock_dated_is_taken_back() -> None:
    """Awake tomorrow, said a gateway; then its clock was set, and the newest that is known of the device is old."""
    story = Story().all_well().later(60).saw(device("r1"), "r1", ago_s=-86_400)
    assert story.school.state.classrooms["r1"].verdict.device_up is True
    story.later(60).saw(device("r1"), "r1", ago_s=1_000)
    assert story.school.state.classrooms["r1"].verdict.device_up is None
    assert story.school.state.classrooms == anew(story.school, story.now).state.classrooms


def test_judged_before_the_absence_was_known() -> None:
    """The clock stepped forward and the devices seemed silent; a moment later it is known that nobody was listening."""
    story = Story().all_well().later(60).heard().later(150).event(Tick())
    assert story.school.state.classrooms["r1"].verdict.device_up is None
    story.event(Resumed(away_from=story.now - 140, away_to=story.now))
    assert story.school.state.classrooms["r1"].verdict.device_up is True
