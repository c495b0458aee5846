"""What a room's link rests on: which basis decides when, the weaker of two directions, and what is down on the way."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from classready.units import MBIT
from collector.core.roster import Classroom
from collector.core.state import Verdict
from collector.core.words import Grade
from tests.support.school import POLICY, Story, at, bandwidth, path_test, port, school

BOTH = replace(POLICY, required_up_bps=20 * MBIT)
"""Uploads are judged, too."""
BY_SHARE = replace(POLICY, basis="share")
ROOMS = {name: Classroom(id=name, device="panel") for name in ("r1", "r2")}
UP = {"direction": "up", "target": "up"}


def verdict(story: Story) -> Verdict:
    return story.school.state.classrooms["r1"].verdict


@pytest.mark.parametrize(
    ("room_count", "hour", "proven_mbps", "state"),
    [
        pytest.param(1, 10, 95, "enough", id="the one room has all that was proven"),
        pytest.param(2, 10, 95, "unknown", id="of 95M each has half, and nobody knows of more"),
        pytest.param(2, 10, 300, "enough", id="half of 300M is enough"),
        pytest.param(2, 18, 95, "enough", id="after lessons nobody shares it"),
    ],
)
def test_a_share_is_judged_in_lessons(room_count: int, hour: int, proven_mbps: int, state: str) -> None:
    """What a line is proven to carry for all is not proven for each."""
    rooms = dict(list(ROOMS.items())[:room_count])
    story = Story(school(classrooms=rooms), policy=BY_SHARE, now=at(f"2026-11-23 {hour}:00"))
    story.heard().platform().saw(bandwidth(at_least_bps=proven_mbps * MBIT)).room_well()
    assert verdict(story).link_state == state
    assert ("share" in verdict(story).link) is (hour == 10)


def test_what_is_shown_of_a_room_is_its_download() -> None:
    """Where uploads are judged, too: lessons are watched, and the requirement that is shown is that of downloads."""
    story = Story(policy=BOTH).heard().platform().saw(bandwidth()).saw(bandwidth(at_least_bps=300 * MBIT, **UP))
    story.room_well()
    shown = verdict(story)
    assert (shown.link_state, shown.link["reach"].at_least_bps) == ("enough", 95 * MBIT)
    assert shown.link["share"].at_least_bps == 47.5 * MBIT


def test_a_way_that_is_proven_in_one_direction_still_rests_on_its_port() -> None:
    """The grade is that of the weakest evidence: once both directions are proven the port need not speak."""
    story = Story(policy=BOTH).heard().platform().saw(bandwidth()).saw(bandwidth(**UP)).room_well()
    story.saw(path_test(), "r1")
    assert verdict(story).grade is Grade.PARTIAL
    story.saw(path_test(direction="up", target="pc-up"), "r1")
    assert verdict(story).grade is Grade.ACTIVE


@pytest.mark.parametrize(
    ("reading", "way"),
    [
        (port("r1"), "yes"),
        (port("r1", 0, admin_up=False, oper_up=False), "no"),
        (Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "unknown"),
    ],
)
def test_what_is_down_on_the_way(reading: Port, way: str) -> None:
    """A port that was switched off is; behind a switch that does not answer nobody knows."""
    story = Story().all_well().later(30).heard().saw(reading, "r1")
    assert verdict(story).clauses.way == way


def test_a_board_is_expected_in_lessons_only() -> None:
    """Whose state nobody knows is unknown at ten, and nobody's trouble in the evening."""
    for hour, expected in ((10, "unknown"), (18, "yes")):
        story = Story(now=at(f"2026-11-23 {hour}:00")).all_well()
        story.later(400).heard().platform()
        assert verdict(story).clauses.device == expected
