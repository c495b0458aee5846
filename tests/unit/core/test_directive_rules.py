"""What a gateway is told to do next: to the second, for tests that are made again and for times without load."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.directives import directives
from collector.core.evidence import BandwidthTest, Leg, PathState, UplinkState
from collector.core.objection import Found, Objection
from collector.core.policy import Policy
from collector.core.roster import Hours, Mute, SchoolDay
from collector.core.state import School, SchoolState
from tests.support.school import GATEWAY, at, bandwidth, school

NOW = at("2026-11-23 10:00")
DAY_S = 86_400
OTHER = "dem-gw-02"
POLICY = Policy()
UPWARDS = Policy(required_up_bps=100_000_000)


def results_at(*results: tuple[float, bool]) -> dict[str, Any]:
    return {"tests": tuple(BandwidthTest(observed_at=NOW - ago_s, seen=bandwidth(passed=ok)) for ago_s, ok in results)}


def line(*results: tuple[float, bool], **fields: Any) -> UplinkState:
    return UplinkState(**{"gateway": GATEWAY, "target": "t", "direction": "down", **results_at(*results), **fields})


def way(*results: tuple[float, bool]) -> PathState:
    return PathState(gateway=GATEWAY, target="t", direction="down", classroom="r1", **results_at(*results))


def county(*legs: Leg) -> School:
    state = SchoolState(
        uplinks={f"u{n}": leg for n, leg in enumerate(legs) if isinstance(leg, UplinkState)},
        paths={f"p{n}": leg for n, leg in enumerate(legs) if isinstance(leg, PathState)},
    )
    return replace(school(), state=state)


def unclear(**fields: Any) -> dict[str, Any]:
    """One test that says neither that it is enough nor that it is short."""
    seen = bandwidth(at_least_bps=None, at_most_bps=None, **fields)
    return {"tests": (BandwidthTest(observed_at=NOW - 60, seen=seen),)}


@pytest.mark.parametrize(
    ("leg", "policy", "again"),
    [
        pytest.param(line(), POLICY, False, id="never tested: that is no test to make again"),
        pytest.param(line((60, True)), POLICY, False, id="it passed"),
        pytest.param(line((60, False)), POLICY, True, id="one failure is no majority"),
        pytest.param(line((59, False)), POLICY, False, id="too near to count as another one"),
        pytest.param(line((60, False), gateway=OTHER), POLICY, False, id="another's"),
        pytest.param(way((60, False)), POLICY, True, id="the way to a room"),
        pytest.param(line((500, False), (300, False), (60, True)), POLICY, True, id="it speaks against the others"),
        pytest.param(line((500, True), (300, False), (60, True)), POLICY, False, id="it is of the majority"),
        pytest.param(line(**unclear()), POLICY, True, id="it decides nothing"),
        pytest.param(line(**unclear(), direction="up"), POLICY, False, id="where nothing is asked of uploads"),
        pytest.param(line(**unclear(), direction="up"), UPWARDS, True, id="where something is"),
    ],
)
def test_what_is_tested_again(leg: Leg, policy: Policy, again: bool) -> None:  # noqa: FBT001 - a table
    assert directives([county(leg)], GATEWAY, policy, NOW).retest == (("t",) if again else ())


@pytest.mark.parametrize(
    ("first_ago_s", "last_ago_s", "again"),
    [
        pytest.param(1_799, 1_000, False, id="it is not half an hour yet"),
        pytest.param(1_800, 1_000, True, id="half an hour after the first"),
        pytest.param(1_800, 60, True, id="the last one lies too near to the first, by a little"),
        pytest.param(4_000, 4_000 - 1_782, False, id="two nearly half an hour apart: as good as that"),
        pytest.param(4_000, 4_000 - 1_781, True, id="two a little less apart"),
    ],
)
def test_a_shortfall_is_confirmed_before_anybody_is_blamed(first_ago_s: float, last_ago_s: float, again: bool) -> None:  # noqa: FBT001 - a table
    """By a test half an hour after the first that failed."""
    failing = line((first_ago_s, False), (last_ago_s, False), failing_since=NOW - first_ago_s)
    assert directives([county(failing)], GATEWAY, POLICY, NOW).retest == (("t",) if again else ())
    well = line((first_ago_s, True), (last_ago_s, True))
    assert directives([county(well)], GATEWAY, POLICY, NOW).retest == ()


def taught(*spans: tuple[float, float]) -> School:
    """Lessons, in seconds from now."""
    lessons = tuple((NOW + begin, NOW + end) for begin, end in spans)
    return replace(school(), hours=Hours((SchoolDay("2026-11-23", lessons),)))


@pytest.mark.parametrize(
    ("spans", "quiet"),
    [
        pytest.param([(DAY_S, DAY_S + 9)], 0, id="a lesson begins in a day"),
        pytest.param([(DAY_S - 0.5, DAY_S + 9)], 1, id="in a little less"),
        pytest.param([(-9, 0)], 0, id="it ends now"),
        pytest.param([(-9, 1)], 1, id="in a second"),
        pytest.param([(0, DAY_S)], 0, id="all day: no better time will come"),
        pytest.param([(0, 9_000), (9_001, DAY_S)], 0, id="all day but for a second"),
        pytest.param([(0, 9_000), (9_001.5, DAY_S)], 2, id="all day but for more than a second"),
        pytest.param([(0, DAY_S / 2)], 1, id="half of the day"),
    ],
)
def test_which_lessons_are_quiet(spans: list[tuple[float, float]], quiet: int) -> None:
    assert len(directives([taught(*spans)], GATEWAY, POLICY, NOW).quiet) == quiet


@pytest.mark.parametrize(
    ("begin_s", "end_s", "is_told"),
    [
        pytest.param(DAY_S, DAY_S + 9, False, id="it begins in a day"),
        pytest.param(DAY_S - 0.5, DAY_S + 9, True, id="in a little less"),
        pytest.param(-9, 0, False, id="it ends now"),
        pytest.param(-9, 1, True, id="in a second"),
    ],
)
def test_which_examinations_are_told(begin_s: float, end_s: float, is_told: bool) -> None:  # noqa: FBT001 - a table
    """A day ahead, and not a moment after them."""
    told = replace(school(), hours=Hours(mutes=(Mute(NOW + begin_s, NOW + end_s, "exam"),)))
    spans = directives([told], GATEWAY, POLICY, NOW).no_load
    assert spans == (((NOW + begin_s, NOW + end_s),) if is_told else ())


def test_an_objection_orders_the_lines_of_its_gateway() -> None:
    """Beside what is tested again anyway, each target once and in order."""
    before = Found(at=NOW - 900, link="short")
    raised = Objection(id=1, school="s1", classroom=None, at=NOW - 900, before=before)
    settled = line((2_000, True), target="b")
    elsewhere = line((2_000, True), target="c", gateway=OTHER)
    told = county(settled, elsewhere, line((60, False), target="a"))
    assert directives([told], GATEWAY, POLICY, NOW).retest == ("a",)
    assert directives([told], GATEWAY, POLICY, NOW, [raised]).retest == ("a", "b")
    assert directives([told], OTHER, POLICY, NOW, [raised]).retest == ("c",)
