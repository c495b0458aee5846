"""What of a bandwidth test is kept: what it was measured against, in the direction that it went; and a restart."""

import pytest
from msgspec.structs import replace

from classready.units import MBIT
from collector.core.events import Resumed
from tests.support.school import POLICY, Story, Tick, bandwidth

BOTH = replace(POLICY, required_up_bps=20 * MBIT)
"""Uploads are judged, too."""


@pytest.mark.parametrize(
    ("policy", "direction", "given", "kept"),
    [
        (BOTH, "down", None, (95 * MBIT, 100 * MBIT)),
        (BOTH, "up", None, (19 * MBIT, 20 * MBIT)),
        (BOTH, "up", (1.0, 2.0), (1.0, 2.0)),
        (POLICY, "down", (1.0, 2.0), (1.0, 2.0)),
        (POLICY, "up", None, (None, None)),
    ],
)
def test_what_a_test_was_measured_against(policy, direction: str, given, kept) -> None:
    """What it says itself, else what is asked of its direction; where nothing is asked it is shown, and no more."""
    fields = {} if given is None else {"theta0_bps": given[0], "theta1_bps": given[1]}
    story = Story(policy=policy).heard().saw(bandwidth(direction=direction, **fields))
    ((test,),) = (leg.tests for leg in story.school.state.uplinks.values())
    assert (test.seen.theta0_bps, test.seen.theta1_bps) == kept


@pytest.mark.parametrize(("away_after_s", "is_judged"), [(-1, True), (0, False), (1, False)])
def test_who_was_judged_while_nobody_listened_is_judged_again(away_after_s: float, *, is_judged: bool) -> None:
    """Evidence only seemed too old then; who was judged before that is not."""
    story = Story().all_well().later(1).heard().event(Tick())
    judged_at = story.school.judged_at
    assert judged_at is not None
    story.now += 30
    story.event(Resumed(away_from=judged_at + away_after_s, away_to=story.now))
    assert (story.school.judged_at == story.now) is is_judged
