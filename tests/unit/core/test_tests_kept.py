"""What of a bandwidth test is kept: what it was measured against, in the direction that it went; and a restart."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from classready.units import MBIT
from collector.core.events import Resumed
from collector.core.evidence import Leg
from collector.core.fold.link import KEPT_TESTS
from tests.support.school import POLICY, Story, Tick, bandwidth, path_test

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


VAIN = {"outcome": Outcome.UNMEASURED, "at_least_bps": None}


def line(story: Story) -> Leg:
    (leg,) = story.school.state.uplinks.values()
    return leg


@pytest.mark.parametrize(
    ("results", "kept", "failing_for_s"),
    [
        pytest.param("P", "P", None, id="a pass"),
        pytest.param("F", "F", 0, id="it fails from now on"),
        pytest.param("FF", "FF", 60, id="from the first on"),
        pytest.param("FFFFF", "FFF", 240, id="also of one that is no longer held"),
        pytest.param("FFP", "FFP", None, id="no more"),
        pytest.param("FPF", "FPF", 0, id="anew"),
        pytest.param("PFPFF", "PFF", 60, id="since the last pass"),
    ],
)
def test_since_when_tests_fail(results: str, kept: str, failing_for_s: float | None) -> None:
    """Without a break; the last three are held."""
    assert KEPT_TESTS == 3
    story = Story().heard()
    for result in results:
        story.later(60).uplink(passed=result == "P")
    leg = line(story)
    assert "".join("P" if test.passed else "F" for test in leg.tests) == kept
    assert leg.failing_since == (None if failing_for_s is None else story.now - failing_for_s)


@pytest.mark.parametrize(
    ("results", "stored", "since_s"),
    [
        pytest.param("FFF", None, 180, id="an earlier release did not store it: since the first that is held"),
        pytest.param("FPF", None, 60, id="or that no pass followed"),
        pytest.param("FFF", 5_000, 5_000, id="as stored"),
        pytest.param("FFF", -90, 180, id="a date in the future was none"),
    ],
)
def test_since_when_it_fails_by_what_was_stored(results: str, stored: float | None, since_s: float) -> None:
    """With the next failing test."""
    story = Story().heard()
    for result in results:
        story.later(60).uplink(passed=result == "P")
    story.later(60)
    ((key, leg),) = story.school.state.uplinks.items()
    since = None if stored is None else story.now - stored
    state = replace(story.school.state, uplinks={key: replace(leg, failing_since=since)})
    story.school = replace(story.school, state=state)
    assert line(story.uplink(passed=False)).failing_since == story.now - since_s


@pytest.mark.parametrize(
    ("seen", "ago_s", "told_ago_s", "test_count"),
    [
        pytest.param(bandwidth(), 0, 0, 1, id="too close to the last to count: still it was asked"),
        pytest.param(bandwidth(), 10, 10, 1, id="at the very second of the last"),
        pytest.param(bandwidth(), 500, 10, 1, id="older than the last"),
        pytest.param(bandwidth(**VAIN), 0, 0, 1, id="in vain"),
        pytest.param(bandwidth(**VAIN), 500, 10, 1, id="in vain, before the last"),
    ],
)
def test_when_a_target_told_something_last(seen, ago_s: float, told_ago_s: float, test_count: int) -> None:
    """What is no second opinion shows that it is still asked; what is old does not."""
    leg = line(Story().heard().uplink().later(10).saw(seen, ago_s=ago_s))
    assert (10 - told_ago_s, len(leg.tests)) == (leg.told_at - leg.tests[-1].observed_at, test_count)


def test_the_newest_attempt_in_vain_says_why() -> None:
    """An older one changes nothing, one without a reason has none."""
    story = Story().heard().saw(bandwidth(**VAIN, reason=Reason.BUDGET))
    assert (line(story).last_unmeasured_at, line(story).last_unmeasured_reason) == (story.now, "budget")
    story.saw(bandwidth(**VAIN, reason=Reason.TIMEOUT), ago_s=60)
    assert line(story).last_unmeasured_reason == "budget"
    story.later(60).saw(bandwidth(**VAIN))
    assert (line(story).last_unmeasured_at, line(story).last_unmeasured_reason) == (story.now, None)


@pytest.mark.parametrize(
    ("ago_s", "is_anew"), [(0, True), (59, True), (60, False), (61, False)], ids=["now", "newer", "as old", "older"]
)
def test_a_target_that_tests_another_way_starts_anew(ago_s: float, *, is_anew: bool) -> None:
    """What a backlog tells of the way that was tested before is not taken for the new one."""
    story = Story().heard().uplink().later(60).saw(bandwidth(beyond="metro"), ago_s=ago_s)
    leg = line(story)
    assert (getattr(leg, "beyond", None), len(leg.tests)) == ("metro" if is_anew else None, 1)


def test_a_test_that_was_dated_into_the_future_gives_way() -> None:
    """Its clock was a day ahead: what comes by then counts, and that one is forgotten."""
    story = Story().heard().saw(bandwidth(passed=False), ago_s=-86_400).later(10).uplink()
    assert [(test.observed_at, test.passed) for test in line(story).tests] == [(story.now, True)]


@pytest.mark.parametrize(("ago_hours", "is_forgotten"), [(1, False), (24 * 21, True)])
def test_a_way_that_was_tested_long_ago(ago_hours: float, *, is_forgotten: bool) -> None:
    """A backlog of weeks is dropped at once, as it would have been in its time."""
    story = Story().all_well().saw(path_test(), "r1", ago_s=3_600 * ago_hours, late=True)
    assert any(leg.tests for leg in story.school.state.paths.values()) is not is_forgotten


def test_a_direction_that_is_not_told_is_the_download() -> None:
    """Of the line, and of the way to a room."""
    story = Story().heard().saw(bandwidth(direction=None)).saw(path_test(direction=None), "r1")
    legs = (*story.school.state.uplinks.values(), *story.school.state.paths.values())
    assert [leg.direction for leg in legs] == ["down", "down"]
