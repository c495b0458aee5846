"""The verdict over TCP streams: only a level rate under losses accuses the line."""

import itertools
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classready.bandwidth.decider import BUCKET_BYTES, Result
from classready.bandwidth.streams import Interval, judge
from classready.observation import Outcome, Reason
from classready.units import MBIT, bps_to_bytes_per_s

THETAS_BPS = (95.0 * MBIT, 100.0 * MBIT)
RATIO = 1538 / 1448
RUNS = json.loads((Path(__file__).parents[1] / "data" / "bandwidth" / "iperf3-runs.json").read_text())


def intervals(mbps: Sequence[float], cross_mbps: float = 0.0) -> list[Interval]:
    """Tenths of a second in which the line carried ``mbps``, of which ``cross_mbps`` were not ours."""
    return [
        Interval(
            seconds=0.1,
            payload_bytes=round(bps_to_bytes_per_s((rate - cross_mbps) * MBIT) * 0.1 / RATIO),
            cross_bytes=bps_to_bytes_per_s(cross_mbps * MBIT) * 0.1,
        )
        for rate in mbps
    ]


def verdict(mbps: Sequence[float], bucket_bytes: int = BUCKET_BYTES, *, congested: bool = True) -> Result:
    return judge(intervals(mbps), THETAS_BPS, layer1_ratio=RATIO, bucket_bytes=bucket_bytes, congested=congested)


SAW_TOOTH = [90 + 4 * math.sin(step) for step in range(20)]


@pytest.mark.parametrize(
    ("mbps", "outcome", "reason"),
    [
        pytest.param([159.0] * 20, Outcome.PASS, None, id="fast: beyond the bucket"),
        pytest.param([122.0] * 20, Outcome.PASS, None, id="just beyond the bucket"),
        pytest.param([100.0] * 20, Outcome.PASS, None, id="plateau above"),
        pytest.param([95.0] * 20, Outcome.FAIL, None, id="plateau below"),
        pytest.param([2.0] * 20, Outcome.FAIL, None, id="far below"),
        pytest.param([97.5] * 20, Outcome.UNMEASURED, Reason.TIME_LIMIT, id="in the middle"),
        pytest.param([159.0] * 8 + [90.0] * 12, Outcome.FAIL, None, id="a bucket, then the line"),
        pytest.param([159.0] * 8 + [100.0] * 12, Outcome.PASS, None, id="a bucket, then the line, above"),
        pytest.param([159.0] * 14 + [20.0] * 6, Outcome.UNMEASURED, Reason.NO_DATA, id="the line for too short a time"),
        pytest.param([40.0] * 8 + [90.0] * 12, Outcome.UNMEASURED, Reason.NO_DATA, id="only just risen"),
        pytest.param([60.0 + step for step in range(20)], Outcome.UNMEASURED, Reason.NO_DATA, id="still rising"),
        pytest.param(SAW_TOOTH, Outcome.UNMEASURED, Reason.NO_DATA, id="saw-tooth"),
        pytest.param(
            [90.0, 90.1, 0.0, 179.8, 90.0, 89.9, 90.0] * 3,
            Outcome.FAIL,
            None,
            id="level but for stalls of the receiver",
        ),
        pytest.param([90.0] * 8, Outcome.UNMEASURED, Reason.NO_DATA, id="too short"),
        pytest.param([0.0] * 20, Outcome.UNMEASURED, Reason.NO_DATA, id="nothing arrived"),
        pytest.param([], Outcome.UNMEASURED, Reason.NO_DATA, id="no interval"),
    ],
)
def test_the_verdict(mbps: list[float], outcome: Outcome, reason: Reason | None) -> None:
    """The decision table."""
    result = verdict(mbps)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.bucket_bytes == BUCKET_BYTES


@pytest.mark.parametrize("mbps", [50.0, 95.0, 100.0, 110.0])
def test_a_plateau_counts_only_when_the_line_was_the_limit(mbps: float) -> None:
    """Without losses something else may have held TCP back: the rate says nothing."""
    result = verdict([mbps] * 20, congested=False)
    assert (result.outcome, result.reason) == (Outcome.UNMEASURED, Reason.SENDER_LIMITED)


def test_what_a_bucket_cannot_hold_needs_no_losses() -> None:
    """And it says how much: (D - B) / T."""
    result = verdict([150.0] * 20, congested=False)
    assert result.outcome is Outcome.PASS
    assert result.at_least_bps == pytest.approx(126 * MBIT, rel=1e-3)


def test_a_known_small_bucket_passes_sooner() -> None:
    """64 kB instead of 6 MB: 98 Mbit/s are enough without any plateau."""
    assert verdict(SAW_TOOTH).outcome is Outcome.UNMEASURED
    assert verdict([rate + 9 for rate in SAW_TOOTH], 64_000).outcome is Outcome.PASS


def test_other_traffic_counts_for_the_line() -> None:
    """60 of ours and 40 of others are 100."""
    result = judge(intervals([100.0] * 20, 40.0), THETAS_BPS, layer1_ratio=RATIO, bucket_bytes=BUCKET_BYTES)
    assert result.outcome is Outcome.PASS
    assert result.estimate_bps == pytest.approx(100 * MBIT, rel=1e-3)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["line"])
def test_real_runs(run: dict) -> None:
    """Runs of iperf3 over shaped lines, and over fast ones with losses or small windows: never wrong."""
    seen = [Interval(seconds=0.1, payload_bytes=size) for size in run["payload_bytes"]]
    result = judge(seen, THETAS_BPS, layer1_ratio=RATIO, bucket_bytes=BUCKET_BYTES, congested=run["congested"])
    if run["expected"] == "not fail":
        assert result.outcome is not Outcome.FAIL
    else:
        assert result.outcome in {run["expected"], Outcome.UNMEASURED}


def test_most_real_lines_are_decided() -> None:
    """Of the shaped lines at least nine in ten."""
    shaped = [run for run in RUNS if run["expected"] != "not fail"]
    decided = [
        judge(
            [Interval(seconds=0.1, payload_bytes=size) for size in run["payload_bytes"]],
            THETAS_BPS,
            layer1_ratio=RATIO,
            bucket_bytes=BUCKET_BYTES,
        ).outcome
        is not Outcome.UNMEASURED
        for run in shaped
    ]
    assert sum(decided) >= 0.9 * len(shaped) > 20


@given(
    line_mbps=st.floats(5, 95) | st.floats(100, 1_000),
    bucket_bytes=st.integers(0, BUCKET_BYTES),
    noise=st.floats(0, 0.3),
    seed=st.integers(0, 2**32),
)
def test_a_bucket_and_noise_never_turn_a_verdict(line_mbps: float, bucket_bytes: int, noise: float, seed: int) -> None:
    """A line behind a full bucket, paced streams, intervals that borrow from their neighbours: undecided, or right."""
    luck = random.Random(seed)
    rates: list[float] = []
    left, borrowed = float(bucket_bytes), 0.0
    for _ in range(20):
        offered_bytes, line_bytes = (bps_to_bytes_per_s(rate * MBIT) * 0.1 for rate in (159.0, line_mbps))
        carried_bytes = min(offered_bytes, line_bytes + left)
        left = max(0.0, left + line_bytes - carried_bytes) if carried_bytes > line_bytes else left
        late_bytes = carried_bytes * noise * luck.random()
        rates.append((carried_bytes + borrowed - late_bytes) / bps_to_bytes_per_s(0.1 * MBIT))
        borrowed = late_bytes
    assert verdict(rates).outcome in {Outcome.PASS if line_mbps >= 100 else Outcome.FAIL, Outcome.UNMEASURED}


def held_back_mbps(luck: random.Random, mbps: float) -> list[float]:
    """Four streams that grow at one pace, and fall to 0.7 at each loss: what cubic does on a line that is not full."""
    loss_ratio, growth = luck.uniform(0.05, 0.4), luck.uniform(0.02, 0.15)
    shares = [luck.uniform(0.7, 1) for _ in range(4)]
    rates = []
    for _ in range(20):
        shares = [share * (0.7 if luck.random() < loss_ratio else 1 + growth) for share in shares]
        rates.append(mbps * sum(shares) / 4)
    return rates


@pytest.mark.parametrize("mbps", [20.0, 40.0, 60.0, 80.0])
def test_a_tcp_that_losses_hold_back_accuses_no_line(mbps: float) -> None:
    """Their sum is level by chance in less than one of a hundred loads."""
    outcomes = [verdict(held_back_mbps(random.Random(seed), mbps)).outcome for seed in range(1_000)]
    assert outcomes.count(Outcome.FAIL) < 10


@given(
    raw=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10**9), st.floats(0, 1e9))),
    bucket_bytes=st.integers(0, 10**8),
    congested=st.booleans(),
)
def test_any_intervals_give_a_verdict_that_holds_together(
    raw: list[tuple[float, int, float]], bucket_bytes: int, *, congested: bool
) -> None:
    """Nothing crashes; a bound goes with its verdict, a reason with none; PASS is at least theta0."""
    seen = [Interval(seconds=s, payload_bytes=size, cross_bytes=cross) for s, size, cross in raw]
    result = judge(seen, THETAS_BPS, layer1_ratio=RATIO, bucket_bytes=bucket_bytes, congested=congested)
    assert (result.reason is None) == (result.outcome in {Outcome.PASS, Outcome.FAIL})
    assert (result.at_least_bps is not None) == (result.outcome is Outcome.PASS)
    assert (result.at_most_bps is not None) == (result.outcome is Outcome.FAIL)
    assert result.at_least_bps is None or THETAS_BPS[0] <= result.at_least_bps < math.inf


@given(mbps=st.lists(st.floats(0, 200), min_size=10, max_size=30), congested=st.booleans())
def test_a_larger_bucket_never_helps(mbps: list[float], *, congested: bool) -> None:
    """What is undecided or short with a small bucket is not proved with a larger one by the bytes alone."""
    at_least = [verdict(mbps, bucket_bytes, congested=congested).at_least_bps for bucket_bytes in (0, 10**6, 10**7)]
    assert all((small or 0) >= (large or 0) for small, large in itertools.pairwise(at_least))
