"""The decision: right on every line outside 95..100, whatever bucket, queue, noise or stall; cheap where it can be."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.bandwidth.decider import (
    Continue,
    Decider,
    Plan,
    Result,
    SetRate,
    Window,
    log_likelihood_ratio,
    robust_sigma,
)
from classready.observation import Outcome, Reason
from classready.units import MBIT, MBYTE
from tests.support.fluid_line import Cost, FluidLine, run

PLAN = Plan(theta0_bps=95 * MBIT, theta1_bps=100 * MBIT, start_bps=300 * MBIT, max_bytes=20 * MBYTE, max_seconds=3.0)


def on(line: FluidLine, **conditions) -> Cost:
    return run(Decider(PLAN), line, **conditions)


@pytest.mark.parametrize("bucket_bytes", [16_000, 32_000, 1_000_000, 5_000_000])
@pytest.mark.parametrize("queue_bytes", [16_000, 400_000])
@pytest.mark.parametrize("mbps", [10, 20, 50, 80, 90, 94, 100.5, 105, 120, 150, 200, 290, 350, 1_000])
def test_the_verdict_is_right_whatever_the_bucket(mbps: float, queue_bytes: int, bucket_bytes: int) -> None:
    """Shaped or policed, small bucket or 5 MB: below 95 FAIL, from 100 PASS, within 0.5 s and 13 MB."""
    cost = on(FluidLine(mbps * MBIT, bucket_bytes, queue_bytes))
    assert cost.result.outcome == (Outcome.PASS if mbps >= 100 else Outcome.FAIL)
    assert cost.seconds <= 0.5
    assert cost.sent_bytes <= 13 * MBYTE


@pytest.mark.parametrize(
    ("mbps", "bucket_bytes", "megabytes", "seconds"),
    [
        (80, 32_000, 1.8, 0.1),
        (100, 32_000, 1.8, 0.1),
        (120, 32_000, 2.0, 0.1),
        (150, 32_000, 4.0, 0.12),
        (80, 5_000_000, 9.5, 0.32),
    ],
)
def test_the_cost_is_small(mbps: float, bucket_bytes: int, megabytes: float, seconds: float) -> None:
    """What a decision may cost on a clean line."""
    cost = on(FluidLine(mbps * MBIT, bucket_bytes))
    assert cost.sent_bytes <= megabytes * MBYTE
    assert cost.seconds <= seconds


@pytest.mark.parametrize(("mbps", "outcome"), [(80, "fail"), (120, "pass"), (150, "pass")])
def test_a_plateau_is_the_estimate(mbps: float, outcome: str) -> None:
    """PASS proves a lower bound only, FAIL an upper bound only; a plateau gives the estimate."""
    result = on(FluidLine(mbps * MBIT)).result
    assert result.outcome == outcome
    assert result.estimate_bps == pytest.approx(mbps * MBIT, rel=0.02)
    assert result.at_least_bps == (95 * MBIT if outcome == "pass" else None)
    assert result.at_most_bps == (None if outcome == "pass" else 100 * MBIT)
    assert result.bucket_bytes == 6 * MBYTE


def test_a_line_too_fast_to_saturate_passes_beyond_the_bucket() -> None:
    """No plateau: the bound is what no bucket of 6 MB explains, and there is no estimate."""
    cost = on(FluidLine(1_000 * MBIT))
    assert cost.result.outcome == Outcome.PASS
    assert cost.result.estimate_bps is None
    assert 100 * MBIT <= cost.result.at_least_bps < 110 * MBIT
    assert cost.rates_bps == [300 * MBIT]


def test_after_a_knee_the_load_is_gentle() -> None:
    """Once the bucket is empty the sender is told to go on just above the threshold or the plateau."""
    assert on(FluidLine(80 * MBIT)).rates_bps == [300 * MBIT, pytest.approx(110 * MBIT)]
    assert on(FluidLine(120 * MBIT)).rates_bps == [300 * MBIT, pytest.approx(132 * MBIT, rel=0.03)]


@given(
    line=st.builds(
        FluidLine,
        rate_bps=(st.floats(2, 95) | st.floats(101, 1_000)).map(lambda mbps: mbps * MBIT),
        bucket_bytes=st.integers(3_000, 5_900_000),
        queue_bytes=st.integers(15_000, 1_000_000),
    ),
    stall_ratio=st.sampled_from([0.0, 0.0, 0.02, 0.1]),
    sigma=st.floats(0, 0.01),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_no_wrong_verdict(line: FluidLine, stall_ratio: float, sigma: float, seed: int) -> None:
    """Random line, noise and stalls: the verdict may be missing, never wrong."""
    rng = random.Random(seed)
    stalled_until = 0.0

    def can_send(at_s: float) -> bool:
        nonlocal stalled_until
        if rng.random() < stall_ratio / 10:
            stalled_until = at_s + rng.uniform(0.005, 0.06)
        return at_s >= stalled_until

    right = Outcome.PASS if line.rate_bps >= 100 * MBIT else Outcome.FAIL
    cost = on(line, can_send=can_send, sigma=sigma, seed=seed)
    assert cost.result.outcome in {Outcome.UNMEASURED, right}
    assert cost.sent_bytes <= PLAN.max_bytes + 0.5 * MBYTE
    assert cost.seconds <= PLAN.max_seconds + 0.02


@pytest.mark.parametrize("mbps", [80, 90])
def test_a_stalled_sender_is_not_a_knee(mbps: float) -> None:
    """A sender that stalls half of the time while a 5 MB bucket is full must not make a slow line pass."""
    cost = on(FluidLine(mbps * MBIT, 5_000_000), can_send=lambda at_s: int(at_s * 1_000) % 20 < 10)
    assert cost.result.outcome in {Outcome.FAIL, Outcome.UNMEASURED}


def test_a_sender_that_stalls_after_the_knee_does_not_refill_the_bucket_into_a_pass() -> None:
    """60 ms of silence save 0.6 MB of tokens: they must drain again before anything counts."""
    cost = on(FluidLine(80 * MBIT, 5_000_000, 16_000), can_send=lambda at_s: not 0.23 < at_s < 0.29)
    assert cost.result.outcome == Outcome.FAIL


def test_a_stalled_sender_never_fails_a_good_line() -> None:
    """Windows in which little was sent are no evidence, however little arrived."""
    cost = on(FluidLine(1_000 * MBIT), can_send=lambda at_s: int(at_s * 1_000) % 50 < 15)
    assert cost.result.outcome in {Outcome.PASS, Outcome.UNMEASURED}
    cost = on(FluidLine(105 * MBIT), can_send=lambda at_s: int(at_s * 1_000) % 50 < 35)
    assert cost.result.outcome in {Outcome.PASS, Outcome.UNMEASURED}


def test_a_pause_within_a_window_is_no_evidence() -> None:
    """85 of 90 arrived because the sender paused: it lost a few, but says nothing about the line."""
    paused = Window(seconds=0.01, received_bytes=85 * MBIT / 8 * 0.01, sent_bps=90e6, wanted_bps=115e6, lost_count=9)
    decider = Decider(PLAN)
    assert {type(decider.feed(paused)) for _ in range(30)} == {Continue}
    assert not decider.saturated


def test_a_slow_sender_is_named() -> None:
    """A responder that cannot send the threshold proves nothing about the line."""
    cost = on(FluidLine(1_000 * MBIT), sender_max_bps=80 * MBIT)
    assert cost.result.outcome == Outcome.UNMEASURED
    assert cost.result.reason == Reason.SENDER_LIMITED
    assert cost.result.estimate_bps is None


def test_a_slow_receiver_is_named() -> None:
    """Packets that this machine lost are never held against the line."""
    cost = on(FluidLine(150 * MBIT), receiver_drops=0.4)
    assert cost.result.outcome == Outcome.UNMEASURED
    assert cost.result.reason == Reason.RECEIVER_LIMITED


@pytest.mark.parametrize("loss_ratio", [0.001, 0.02])
def test_random_loss_alone_is_no_plateau(loss_ratio: float) -> None:
    """A fast line that loses a few packets passes, without being slowed down first."""
    cost = on(FluidLine(1_000 * MBIT, loss_ratio=loss_ratio))
    assert cost.result.outcome == Outcome.PASS
    assert cost.rates_bps == [300 * MBIT]


# --- quick mode -----------------------------------------------------------------------------------------------------

QUICK = replace(PLAN, start_bps=110 * MBIT, bucket_bytes=56_000, mode="quick")


def quick(line: FluidLine, plan: Plan = QUICK, **conditions) -> Cost:
    return run(Decider(plan), line, window_steps=5, **conditions)


@pytest.mark.parametrize("queue_bytes", [16_000, 400_000])
@pytest.mark.parametrize("mbps", [10, 50, 80, 90, 94, 100.5, 105, 120, 1_000])
def test_a_quick_test_is_right_and_cheap(mbps: float, queue_bytes: int) -> None:
    """With a bucket within the bound: right, below 1.1 MB and 0.1 s, and never more than 1.1 x theta offered."""
    cost = quick(FluidLine(mbps * MBIT, 32_000, queue_bytes))
    assert cost.result.outcome == (Outcome.PASS if mbps >= 100 else Outcome.FAIL)
    assert cost.sent_bytes <= 1.1 * MBYTE
    assert cost.seconds <= 0.1
    assert cost.rates_bps == [110 * MBIT]
    assert cost.result.bucket_bytes == 56_000
    assert cost.result.learned_bytes is None


def test_a_quick_pass_needs_a_plateau_or_the_bound() -> None:
    """A full bucket that looks saturated for a moment (queue, then the offered rate) is no plateau."""
    decider = Decider(replace(QUICK, bucket_bytes=5 * MBYTE))
    first = decider.feed(_window(90, sent=110))
    full = [decider.feed(_window(109, sent=110)) for _ in range(2)]
    assert {type(d) for d in (first, *full)} == {Continue}
    assert {type(decider.feed(_window(108, sent=110))) for _ in range(20)} == {Continue}


@given(
    line=st.builds(
        FluidLine,
        rate_bps=(st.floats(2, 95) | st.floats(101, 1_000)).map(lambda mbps: mbps * MBIT),
        bucket_bytes=st.integers(3_000, 50_000),
        queue_bytes=st.integers(15_000, 1_000_000),
    ),
    stall_ratio=st.sampled_from([0.0, 0.02, 0.1]),
    sigma=st.floats(0, 0.01),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_no_wrong_quick_verdict(line: FluidLine, stall_ratio: float, sigma: float, seed: int) -> None:
    """Any bucket within the bound, noise and stalls: the verdict may be missing, never wrong."""
    rng = random.Random(seed)
    stalled_until = 0.0

    def can_send(at_s: float) -> bool:
        nonlocal stalled_until
        if rng.random() < stall_ratio / 10:
            stalled_until = at_s + rng.uniform(0.005, 0.06)
        return at_s >= stalled_until

    right = Outcome.PASS if line.rate_bps >= 100 * MBIT else Outcome.FAIL
    assert quick(line, can_send=can_send, sigma=sigma, seed=seed).result.outcome in {Outcome.UNMEASURED, right}


@pytest.mark.parametrize("mbps", [80, 90, 100.5, 120, 150])
@pytest.mark.parametrize("bucket_bytes", [16_000, 32_000, 1_000_000, 5_000_000])
def test_a_drain_test_learns_the_bucket(mbps: float, bucket_bytes: int) -> None:
    """The bound covers the true bucket, and is not far above it."""
    learned = on(FluidLine(mbps * MBIT, bucket_bytes)).result.learned_bytes
    if (mbps, bucket_bytes) == (150, 5_000_000):
        assert learned is None  # passed beyond 6 MB before this bucket was empty
        return
    assert learned is not None
    assert bucket_bytes <= learned <= 1.4 * bucket_bytes + 40_000


@pytest.mark.parametrize("mbps", [105, 120, 130])
@pytest.mark.parametrize("late_s", [0.0, 0.002, 0.004])
def test_a_late_start_does_not_make_the_bucket_smaller(mbps: float, late_s: float) -> None:
    """A sender that is held up for a moment, as on a busy machine, while the bucket is full and saves no more."""
    cost = run(Decider(PLAN), FluidLine(mbps * MBIT), can_send=lambda at_s: at_s >= late_s, window_steps=40)
    assert cost.result.learned_bytes is not None
    assert FluidLine(mbps).bucket_bytes <= cost.result.learned_bytes <= 200_000


@given(
    mbps=st.floats(60, 94) | st.floats(100.5, 128),
    bucket_bytes=st.integers(12_000, 70_000),
    late_ms=st.tuples(st.sampled_from([0, 1, 2, 4, 6, 10, 15, 21]), st.integers(0, 3)),
)
@settings(max_examples=150, deadline=None)
def test_a_sender_that_was_late_and_caught_up_does_not_make_the_bucket_smaller(
    mbps: float, bucket_bytes: int, late_ms: tuple[int, int]
) -> None:
    """Held up for up to 3 ms, then it sends at once what was due: the window looks whole, the bucket ran over."""
    start_s, end_s = late_ms[0] / 1_000, sum(late_ms) / 1_000
    line = FluidLine(mbps * MBIT, bucket_bytes)
    cost = run(Decider(PLAN), line, can_send=lambda at_s: not start_s - 1e-6 < at_s < end_s - 1e-6, catch_up_s=0.003)
    assert cost.result.learned_bytes is not None
    assert bucket_bytes <= cost.result.learned_bytes <= 1.25 * bucket_bytes + 100_000


@pytest.mark.parametrize("opening_bytes", [0, 12_240, 67_320])
def test_what_came_with_the_opening_read_is_learned_and_never_judged(opening_bytes: int) -> None:
    """A full read of joined packets is in no window: it is the bucket's, and no part of any rate or bound."""
    results = []
    for opening in (0, opening_bytes):
        decider = Decider(PLAN)
        windows = [replace(_window(130, sent=300), opening_bytes=opening), *[_window(90, sent=300)] * 20]
        results.append(next(d for d in map(decider.feed, windows) if isinstance(d, Result)))
    without, with_it = results
    assert replace(with_it, learned_bytes=None) == replace(without, learned_bytes=None)
    assert without.learned_bytes == 1.25 * 40 * MBIT / 8 * 0.01 + 11_000
    assert with_it.learned_bytes == without.learned_bytes + opening_bytes


@pytest.mark.parametrize(("opening_bytes", "learned_bytes"), [(0, None), (12_000, None), (13_000, 24_000)])
def test_less_than_the_plateau_teaches_nothing(opening_bytes: int, learned_bytes: int | None) -> None:
    """Less came than the plateau explains, even with the opening read: the plateau is too high, the bucket unknown."""
    decider = Decider(PLAN)
    windows = [replace(_window(80, sent=300), opening_bytes=opening_bytes), *[_window(90, sent=300)] * 20]
    result = next(d for d in map(decider.feed, windows) if isinstance(d, Result))
    assert (result.outcome, result.learned_bytes) == (Outcome.FAIL, learned_bytes)


def test_what_a_drain_test_cannot_tell_is_not_learned() -> None:
    """No verdict, a pause of the sender, other traffic, too fast to show one: nothing is learned."""
    slow = run(Decider(replace(PLAN, max_seconds=0.1)), FluidLine(1_000 * MBIT)).result
    paused = on(FluidLine(80 * MBIT, 5_000_000), can_send=lambda at_s: not 0.05 < at_s < 0.09).result
    assert slow.learned_bytes is None
    assert (paused.outcome, paused.learned_bytes) == (Outcome.FAIL, None)
    assert on(FluidLine(1_000 * MBIT)).result.learned_bytes is None
    decider = Decider(PLAN)
    busy = [decider.feed(_window(60, sent=110, cross=20)) for _ in range(10)]
    assert next(d.learned_bytes for d in busy if isinstance(d, Result)) is None


def test_budgets_end_a_test_without_a_verdict() -> None:
    """Too few bytes or too little time: UNMEASURED with the reason, and the bucket bound stays named."""
    cheap = run(Decider(replace(PLAN, max_bytes=2 * MBYTE)), FluidLine(1_000 * MBIT)).result
    short = run(Decider(replace(PLAN, max_seconds=0.1)), FluidLine(1_000 * MBIT)).result
    assert (cheap.outcome, cheap.reason) == (Outcome.UNMEASURED, Reason.BUDGET)
    assert (short.outcome, short.reason) == (Outcome.UNMEASURED, Reason.TIME_LIMIT)
    assert cheap.bucket_bytes == 6 * MBYTE
    assert cheap.at_least_bps is cheap.at_most_bps is None


def test_other_traffic_counts_for_the_line() -> None:
    """60 of ours and 40 of others through a 100M line is a 100M line; without the credit it would be 60."""
    seen = _outcome(_window(60, sent=110, cross=41))
    blind = _outcome(_window(60, sent=110))
    assert (seen, blind) == (Outcome.PASS, Outcome.FAIL)


def test_an_uneven_plateau_far_above_is_not_trusted() -> None:
    """A rate that jumps between 150 and 250 is no level of the line; only the bucket bound can pass it."""
    decider = Decider(PLAN)
    decisions = [decider.feed(_window(150 if i % 2 else 250, sent=300)) for i in range(12)]
    assert {type(d) for d in decisions} == {Continue}


def test_a_false_knee_is_taken_back() -> None:
    """When the lower rate comes through whole, the line was not saturated: back to the start rate, evidence dropped."""
    decider = Decider(PLAN)
    for _ in range(2):
        knee = decider.feed(_window(90, sent=300))
    assert knee == SetRate(pytest.approx(110 * MBIT))
    calm = [decider.feed(_window(110, sent=110, queue_s=0.0, lost=0)) for _ in range(4)]
    assert SetRate(300 * MBIT) in calm


def test_noise_is_not_counted_as_independent() -> None:
    """Correlated windows weigh less: sigma is inflated, and so the likelihood ratio stays smaller."""
    slow = [1.0, 1.02, 1.03, 1.02, 1.0, 0.98, 0.97, 0.98] * 3
    quick = sorted(slow, key=lambda v: hash(v * 1e6) % 97)
    plain = (sum((v - 1.0) ** 2 for v in slow) / (len(slow) - 1)) ** 0.5
    assert robust_sigma(slow) > 1.5 * plain
    assert robust_sigma(slow) > robust_sigma([1.02, 0.98] * 12)
    assert robust_sigma(quick) >= plain * 0.99
    assert robust_sigma([1.0] * 8) == 0.0


@pytest.mark.parametrize(("mbps", "sign"), [(90, -1), (97.5, 0), (105, 1), (100_000, 1), (0, -1)])
def test_the_likelihood_ratio_points_the_right_way(mbps: float, sign: int) -> None:
    """It is zero in the middle of the zone and clipped far away from it."""
    llr = log_likelihood_ratio([mbps * MBIT] * 6, 95 * MBIT, 100 * MBIT)
    assert (llr > 0.001) - (llr < -0.001) == sign
    assert abs(llr) < 60


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=40))
@settings(max_examples=100)
def test_the_statistics_never_fail(rates: list[float]) -> None:
    """Any rates give a finite ratio."""
    assert abs(log_likelihood_ratio(rates, 95 * MBIT, 100 * MBIT)) < 1e6


def _window(mbps: float, *, sent: float, cross: float = 0.0, queue_s: float = 0.01, lost: int = 10) -> Window:
    return Window(
        seconds=0.01,
        received_bytes=mbps * MBIT / 8 * 0.01,
        sent_bps=sent * MBIT,
        queue_delay_s=queue_s,
        lost_count=lost,
        received_count=60,
        cross_bytes=cross * MBIT / 8 * 0.01,
    )


def _outcome(window: Window) -> Outcome | None:
    decider = Decider(PLAN)
    for _ in range(30):
        decision = decider.feed(window)
        if not isinstance(decision, Continue | SetRate):
            return decision.outcome
    return None


def test_what_may_not_have_arrived_fails_nobody_and_passes_nobody() -> None:
    """Others offered 40: alone our 65 would fail the line, with all of it 105 would pass it. Neither is known."""
    decider = Decider(replace(PLAN, mode="quick", bucket_bytes=64_000, start_bps=110 * MBIT))
    unsure = replace(_window(65, sent=110, cross=40), cross_sure=False)
    assert not any(isinstance(decider.feed(unsure), Result) for _ in range(25))
    low = replace(_window(50, sent=110, cross=40), cross_sure=False)
    decider = Decider(replace(PLAN, mode="quick", bucket_bytes=64_000, start_bps=110 * MBIT))
    results = [d for d in (decider.feed(low) for _ in range(25)) if isinstance(d, Result)]
    assert results[0].outcome is Outcome.FAIL


def test_the_evidence_is_summed_up() -> None:
    """Of the plateau where there is one, else of all windows."""
    plateau = on(FluidLine(80 * MBIT, 32_000)).result.windows
    fast = on(FluidLine(1_000 * MBIT)).result.windows
    assert plateau is not None
    assert fast is not None
    assert plateau.count >= 6
    assert plateau.min_bps <= plateau.median_bps <= plateau.max_bps
    assert plateau.median_bps == pytest.approx(80 * MBIT, rel=0.03)
    assert plateau.max_queue_s > 0.002
    assert fast.median_bps == pytest.approx(300 * MBIT, rel=0.03)
    assert Decider(PLAN).inconclusive(Reason.NO_DATA, "nothing came").windows is None
