"""Numbers of a school: how crowded its lines are, and which trunks are told of lately."""

import pytest

from classready.units import MBIT
from collector.core.events import Observed
from collector.core.figures import contention_ratio, segments_of
from collector.core.roster import Classroom
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, port, school, trunk

OTHER = "dem-gw-02"
ROOMS = {name: Classroom(id=name, device="panel") for name in ("r1", "r2", "r3")}


def test_the_most_crowded_line_of_a_school() -> None:
    """Two rooms on one gateway, one on another; a line that nobody tested is none."""
    story = Story(school(classrooms=ROOMS, gateways=(GATEWAY, OTHER, "dem-gw-03"))).heard().heard(OTHER)
    assert contention_ratio(story.school, POLICY) is None
    for gateway, rooms, mbps in ((GATEWAY, ("r1", "r2"), 400), (OTHER, ("r3",), 1_000)):
        for room in rooms:
            story.event(Observed(gateway=gateway, observation=port(room), classroom=room, observed_at=story.now))
        line = bandwidth(at_least_bps=mbps * MBIT)
        story.event(Observed(gateway=gateway, observation=line, classroom=None, observed_at=story.now))
    assert contention_ratio(story.school, POLICY) == 0.5


@pytest.mark.parametrize(
    ("seen", "now", "is_told"),
    [
        pytest.param("2026-11-23 08:00", "2026-11-23 08:00", True, id="just now"),
        pytest.param("2026-11-23 08:00", "2026-11-23 16:00", True, id="eight hours of lessons ago"),
        pytest.param("2026-11-23 08:00", "2026-11-23 16:01", False, id="longer ago, on the same day"),
        pytest.param("2026-11-23 16:00", "2026-11-24 09:00", True, id="yesterday in the afternoon"),
        pytest.param("2026-11-23 16:00", "2026-11-24 15:00", True, id="eight hours of lessons over a night"),
        pytest.param("2026-11-23 16:00", "2026-11-24 15:01", False, id="longer ago, over a night"),
    ],
)
def test_trunks_that_are_told_of_lately(seen: str, now: str, *, is_told: bool) -> None:
    """Aged in hours of lessons, and only those of the gateway that is asked for."""
    story = Story(school(gateways=(GATEWAY, OTHER)), now=at(seen)).heard().saw(trunk())
    assert len(list(segments_of(story.school, GATEWAY, at(now), POLICY))) == int(is_told)
    assert list(segments_of(story.school, OTHER, at(now), POLICY)) == []
