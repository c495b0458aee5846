"""When a target is due."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.schedule import first_start, next_start, phase

intervals = st.floats(0.1, 86_400)
times = st.floats(0, 1e9)
ratios = st.floats(0, 1, exclude_max=True)


@given(times, intervals, ratios)
def test_first_start_lies_within_one_interval(now_s, interval_s, ratio):
    """Nothing waits longer than its interval for its first probe."""
    assert now_s <= first_start(now_s, interval_s, ratio) <= now_s + interval_s


@given(times, st.floats(0, 1e6), intervals, ratios)
def test_next_start_is_never_early(previous_s, elapsed_s, interval_s, ratio):
    """Two starts of one target are never closer than its interval, and never in the past."""
    now_s = previous_s + elapsed_s
    due_s = next_start(previous_s, now_s, interval_s, ratio)
    assert due_s >= previous_s + interval_s
    assert due_s >= now_s


def test_a_steady_target_keeps_its_interval():
    """A probe that is quicker than its interval neither drifts nor skips."""
    starts = [7.0]
    for _ in range(5):
        starts.append(next_start(starts[-1], starts[-1] + 3, 60, 0.4))
    assert starts == [7.0 + 60 * i for i in range(6)]


def test_a_pause_is_no_burst():
    """After a night of sleep a hundred targets are spread over their interval again."""
    night_s = 8 * 3600.0
    due = [next_start(0, night_s, 60, phase("gw-1", f"target-{i}")) for i in range(100)]
    per_second = [sum(second <= due_s - night_s < second + 1 for due_s in due) for second in range(60)]
    assert sum(per_second) == 100
    assert max(per_second) <= 8


def test_phase_is_spread_and_stable():
    """The phase depends on names only, and fills the interval evenly."""
    phases = sorted(phase("gw-1", f"t{i}") for i in range(200))
    assert phases == sorted(phase("gw-1", f"t{i}") for i in range(200))
    assert phase("gw-1", "t1") != phase("gw-2", "t1")
    assert max(b - a for a, b in itertools.pairwise(phases)) < 0.05
