"""Which reading of a port becomes evidence, what its octets prove, and since when a board's link is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from classready.units import MBIT
from collector.core.events import Observed, RosterChanged
from collector.core.state import ClassroomState
from tests.support.school import GATEWAY, MONDAY, Story, bandwidth, device, path_test, port, roster, school

OTHER = "dem-gw-02"


def r1(story: Story) -> ClassroomState:
    return story.school.state.classrooms["r1"]


@pytest.mark.parametrize(
    ("reading", "awake_after_s", "counts"),
    [
        pytest.param(port("r1"), 0, True, id="awake in the same poll"),
        pytest.param(port("r1"), 60, True, id="awake a minute later"),
        pytest.param(port("r1"), 61, False, id="too long after it"),
        pytest.param(port("r1"), -0.5, False, id="awake before it, and not since"),
        pytest.param(port("r1", oper_up=False), 1, False, id="no link: what speed it still shows says nothing"),
        pytest.param(port("r1", oper_up=None), 1, True, id="a switch that does not tell of the link"),
    ],
)
def test_a_reading_counts_once_its_board_was_awake(reading: Any, awake_after_s: float, *, counts: bool) -> None:
    """By the board's own word: within a minute, or the interval of its gateway."""
    story = Story().heard().later(1).saw(reading, "r1").later(awake_after_s).saw(device("r1"), "r1")
    assert (r1(story).port is not None) is counts


@pytest.mark.parametrize(
    ("interval_s", "awake_after_s", "counts"), [(30, 60, True), (30, 61, False), (300, 300, True), (300, 301, False)]
)
def test_boards_that_are_asked_seldom(interval_s: float, awake_after_s: float, *, counts: bool) -> None:
    """A gateway that reports each five minutes asks them no more often."""
    story = Story().heard(interval_s=interval_s).saw(port("r1"), "r1").later(awake_after_s).saw(device("r1"), "r1")
    assert (r1(story).port is not None) is counts


@pytest.mark.parametrize(
    ("octets", "after_s", "fields", "counts"),
    [
        pytest.param((100, 101), 60, {}, True, id="octets came"),
        pytest.param((100, 100), 60, {}, False, id="none came"),
        pytest.param((100, 99), 60, {}, False, id="the counter began anew"),
        pytest.param((None, 100), 60, {}, False, id="nothing to compare with"),
        pytest.param((100, None), 60, {}, False, id="the switch does not count them any more"),
        pytest.param((100, 200), 60, {"if_name": "Gi0/9"}, False, id="another port"),
        pytest.param((100, 200), 60, {"switch": "sw2"}, False, id="the same port of another switch"),
        pytest.param((100, 200), 3_600, {}, True, id="ports that are polled once an hour"),
        pytest.param((100, 200), 3_601, {}, False, id="more seldom: nobody knows when"),
    ],
)
def test_octets_prove_a_board_awake(
    octets: tuple[int | None, int | None], after_s: float, fields: dict[str, Any], *, counts: bool
) -> None:
    """The reading before them is then evidence; that the board was awake holds in any case."""
    first, second = octets
    story = Story().heard().saw(port("r1", in_octets=first), "r1").later(after_s).heard()
    story.saw(port("r1", in_octets=second, **fields), "r1")
    accepted = r1(story).port
    assert (accepted is not None and accepted.observed_at == MONDAY) is counts
    if counts:
        assert (r1(story).last_awake_at, r1(story).device.state) == (story.now, "awake")  # type: ignore[union-attr]
    elif after_s == 60:
        assert (r1(story).last_awake_at, r1(story).device) == (None, None)


def test_octets_and_a_word_of_the_same_second() -> None:
    """The board does not answer, and sends: it is awake. What it says itself later stands."""
    story = Story().heard().saw(port("r1", in_octets=1), "r1").later(30)
    story.saw(device("r1", answered=False), "r1").saw(port("r1", in_octets=9), "r1")
    assert r1(story).device.state == "awake"  # type: ignore[union-attr]
    later = Story().heard().saw(port("r1", in_octets=1), "r1").later(30).saw(device("r1", "asleep"), "r1")
    later.saw(port("r1", in_octets=9), "r1", ago_s=1)
    assert (later.now - 30, r1(later).device.state) == (MONDAY, "asleep")  # type: ignore[union-attr]


def lost() -> Story:
    """Awake until it lost its link in the midst of the morning."""
    return Story().all_well().later(30).heard().saw(port("r1", oper_up=False), "r1")


LOST: dict[str, tuple[Callable[[Story], Story], bool]] = {
    "nothing since": (lambda story: story, True),
    "still no link": (lambda story: story.later(30).saw(port("r1", oper_up=False), "r1"), True),
    "a switch that no longer tells of links": (lambda story: story.later(30).saw(port("r1", oper_up=None), "r1"), True),
    "its link is back": (lambda story: story.later(30).saw(port("r1"), "r1"), False),
    "switched off by hand": (lambda story: story.later(30).saw(port("r1", oper_up=False, admin_up=False), "r1"), False),
    "found on another port": (lambda story: story.later(30).saw(port("r1", oper_up=False, if_name="Gi9"), "r1"), False),
    "awake in the same second": (lambda story: story.saw(device("r1"), "r1"), False),
    "awake by its own word": (lambda story: story.later(30).saw(device("r1"), "r1"), False),
    "it does not answer": (lambda story: story.later(30).saw(device("r1", answered=False), "r1"), True),
}


@pytest.mark.parametrize("then", LOST)
def test_since_when_a_link_is_lost(then: str) -> None:
    """Until something shows that there is power, or that it is no loss."""
    story = lost()
    lost_at = story.now
    happened, is_lost = LOST[then]
    assert r1(happened(story)).link_lost_at == (lost_at if is_lost else None)


@pytest.mark.parametrize(
    ("awake_ago_s", "read_ago_s", "is_lost"),
    [(180, 180, True), (181, 180, False), (180, 181, False), (10, 10, True)],
)
def test_what_was_looked_at_too_long_ago_is_no_loss(awake_ago_s: float, read_ago_s: float, *, is_lost: bool) -> None:
    """Nobody knows when it went: three intervals of its gateway are the longest that it may have been."""
    story = Story().heard().later(300).heard()
    for ago_s, observation in sorted(
        ((awake_ago_s, device("r1")), (read_ago_s, port("r1"))), key=lambda each: -each[0]
    ):
        story.saw(observation, "r1", ago_s=ago_s)
    story.saw(port("r1", oper_up=False), "r1")
    assert (r1(story).link_lost_at is not None) is is_lost


def test_a_record_without_a_room_or_of_an_unlisted_one() -> None:
    """Is remembered by its name, and nothing of what it tells is; a test of the line is of no room."""
    story = Story().heard().saw(port("r1")).saw(path_test("r9"), "r9").saw(device("r8"), "r8").saw(bandwidth())
    assert sorted(story.school.state.unlisted) == ["", "r8", "r9"]
    assert (story.school.state.paths, len(story.school.state.uplinks)) == ({}, 1)
    assert story.school.state.classrooms.keys() == {"r1", "r2"}


def test_what_a_gateway_that_left_told_goes_with_it() -> None:
    """Its switch and its trunk are nobody's any more."""
    story = Story(school(gateways=(GATEWAY, OTHER))).all_well().heard(OTHER)
    silent = port("r2", 100 * MBIT, switch="sw9")
    story.event(Observed(gateway=OTHER, observation=silent, classroom="r2", observed_at=story.now + 1))
    assert f"{OTHER}/sw9" in story.school.state.switches
    story.event(RosterChanged(roster=roster(), hours=story.school.hours))
    assert list(story.school.state.switches) == [f"{GATEWAY}/sw1"]
    assert list(story.school.state.gateways) == [GATEWAY]
