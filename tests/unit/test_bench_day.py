"""The simulated school day: what it promises of ordinary lines, and what it does not promise of others."""

import pytest

from bench.bandwidth.day import DayResult, share, simulate
from classready.units import MBYTE

COSTS = {"quick_bytes": 880_000, "drain_bytes": 9_200_000}


def test_the_same_seed_is_the_same_day() -> None:
    """No clock and no dice of its own."""
    assert simulate(200, seed=1, **COSTS) == simulate(200, seed=1, **COSTS)


@pytest.mark.parametrize(("line_mbps", "most_bytes"), [(120, 30 * MBYTE), (200, 30 * MBYTE), (1_000, 70 * MBYTE)])
def test_an_ordinary_day(line_mbps: float, most_bytes: int) -> None:
    """At least 70 % of the verdicts, and 90 % of the downloads', cost nothing; a line without a plateau is dear."""
    days = [simulate(line_mbps, seed=seed, **COSTS) for seed in (1, 2, 3)]
    assert share([each for day in days for each in (*day.down, *day.up)]) >= 0.7
    assert share([each for day in days for each in day.down]) >= 0.9
    assert sum(day.bytes for day in days) / 3 <= most_bytes
    for day in days:
        assert len(day.down) >= 24
        assert len(day.up) >= 24
        assert day.up.count("passive") == 0


@pytest.mark.parametrize(("line_mbps", "demand_ratio"), [(50, 1.0), (95, 1.0), (200, 0.0)])
def test_what_counters_never_prove(line_mbps: float, demand_ratio: float) -> None:
    """A line below the threshold, and one that is never used: every verdict is bought, in the hours for it."""
    day = simulate(line_mbps, seed=2, demand_ratio=demand_ratio, **COSTS)
    assert day.passive_share == 0
    assert "quick" in day.down
    assert "quick" in day.up
    assert day.bytes == sum({"quick": 880_000, "drain": 9_200_000}.get(each, 0) for each in (*day.down, *day.up))


def test_room_for_quick_tests_in_lessons() -> None:
    """Where the hours allow it, a line with room is tested in lessons too, and one without room is not."""
    always = (("00:00", "24:00"),)
    roomy = simulate(200, seed=3, demand_ratio=0.0, allowed_hours=always, **COSTS)
    full = simulate(101, seed=3, demand_ratio=0.0, allowed_hours=always, **COSTS)
    assert roomy.up.count("unmeasured") < full.up.count("unmeasured")
    assert full.up.count("unmeasured") >= 7


def test_no_verdict_is_no_share() -> None:
    """Unknown is not 0."""
    assert DayResult(down=("unmeasured",), up=(), bytes=0).passive_share is None
