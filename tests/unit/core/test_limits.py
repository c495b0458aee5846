"""Every number of the policy that ends something, at other values than its default: at the limit, and just after."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from collector.core.events import AlertChange
from collector.core.policy import Policy
from tests.support.school import Story, Tick, at, device, port, trunk

JUST_S = 0.01


def told(story: Story) -> list[str]:
    return [change.change for change in story.told(AlertChange)]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_so_many_bad_ones_open_and_so_many_good_ones_close(limit):
    """In a row: one of the other kind between, and the count begins anew."""
    story = Story(policy=Policy(raise_after=limit, clear_after=limit, observation_school_days=0)).all_well()

    def see(*, up: bool, count: int) -> list[str]:
        for _ in range(count):
            story.later(30).heard().saw(port("r1", admin_up=up), "r1")
        return told(story)

    assert see(up=False, count=limit - 1) == []
    assert see(up=True, count=1) == []
    assert see(up=False, count=limit - 1) == []
    assert see(up=False, count=1) == ["opened"]
    assert see(up=True, count=limit - 1) == ["opened"]
    if limit > 1:
        see(up=False, count=1)
    assert see(up=True, count=limit - 1) == ["opened"]
    assert see(up=True, count=1) == ["opened", "closed"]


def gateway_speaks(story: Story, limit: int, beyond: float) -> bool:
    story.heard(interval_s=30).later(30 * limit + beyond).event(Tick())
    return not any(heard.silent for heard in story.school.state.gateways.values())


def device_is_up(story: Story, limit: int, beyond: float) -> bool:
    story.heard(interval_s=30).saw(device("r1"), "r1").later(30 * limit + beyond).event(Tick())
    return story.school.state.classrooms["r1"].verdict.device_up is True


def port_counts(story: Story, limit: int, beyond: float) -> bool:
    story.heard().uplink().room_well()
    read_at = story.school.state.classrooms["r1"].port.observed_at
    story.now = read_at + 3_600 * limit + beyond
    return story.heard().uplink().event(Tick()).school.state.classrooms["r1"].verdict.link_state == "enough"


def line_counts(story: Story, limit: int, beyond: float) -> bool:
    story.heard().uplink().later(3_600 * limit + beyond).heard().event(Tick())
    return any(leg.tests for leg in story.school.state.uplinks.values())


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("silent_after_intervals", gateway_speaks),
        ("fresh_intervals", device_is_up),
        ("port_max_school_hours", port_counts),
        ("uplink_max_school_hours", line_counts),
    ],
)
def test_what_is_good_for_a_while(name: str, holds: Callable[[Story, int, float], bool], limit: int):
    """It is at the last moment, and no more just after it; it is Monday at ten, lessons go on until five."""
    for beyond, expected in ((0, True), (JUST_S, False)):
        story = Story(policy=Policy(**{"fresh_intervals": 1_000, "silent_after_intervals": 1_000, name: limit}))
        assert holds(story, limit, beyond) is expected


def room_is_there(story: Story, now: float) -> bool:
    story.heard().saw(device("r1", answered=False), "r1")
    story.now = now
    return "device_absent" not in story.heard().saw(device("r1", answered=False), "r1").causes()


def trunk_is_there(story: Story, now: float) -> bool:
    story.heard().saw(trunk())
    story.now = now
    return bool(story.heard().event(Tick()).school.state.segments)


def nobody_is_told(story: Story, now: float) -> bool:
    story.heard()
    story.now = now
    for _ in range(3):
        story.heard().saw(port("r1", admin_up=False), "r1").later(30)
    return told(story) == []


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("time", ["00:00", "12:00", "23:58"])
@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("absent_after_school_days", room_is_there),
        ("forget_after_school_days", trunk_is_there),
    ],
)
def test_what_is_good_for_school_days(name: str, holds: Callable[[Story, float], bool], limit: int, time: str):
    """From Monday at ten on: over with the first second of the day, a week of five has no weekend."""
    policy = {"observation_school_days": 0, name: limit}
    days = [day for n in range(1, 9) if (day := date(2026, 11, 23) + timedelta(days=n)).weekday() < 5]
    over = at(f"{days[limit - 1]} {time}")
    assert not holds(Story(policy=Policy(**policy)), over)
    assert holds(Story(policy=Policy(**policy)), at(f"{days[limit - 1]} 00:00") - 180)


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize(("time", "is_over"), [("00:00", False), ("07:56", False), ("08:00", True), ("23:58", True)])
def test_the_observation_period_ends_as_a_lesson_begins(limit: int, time: str, *, is_over: bool):
    """Not at midnight, when a week's alerts would come at once and nobody is there."""
    days = [day for n in range(1, 9) if (day := date(2026, 11, 23) + timedelta(days=n)).weekday() < 5]
    story = Story(policy=Policy(observation_school_days=limit))
    assert nobody_is_told(story, at(f"{days[limit - 1]} {time}")) is not is_over


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_what_was_proven_is_proven_for_school_days(limit):
    """The last of them is one of them."""
    story = Story(policy=Policy(compliant_max_age_school_days=limit)).all_well()
    days = [day for n in range(1, 9) if (day := date(2026, 11, 23) + timedelta(days=n)).weekday() < 5]
    story.event(Tick(), now=at(f"{days[limit - 1]} 23:59"))
    assert story.compliant() == "yes"
    story.event(Tick(), now=at(f"{days[limit]} 00:00"))
    assert story.compliant() == "unknown"
