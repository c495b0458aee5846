"""Decide from windows of arrivals whether a line carries theta, without measuring its speed first.

A window is *saturated* when less arrived than was sent and the path shows why: loss, or a queue. Then the bucket is
empty, and it stays empty while the sender keeps on without a pause: from there on, the windows' rates say what the line
can do. A stalled sender, an idle line or a full bucket never look like that. So one rule serves the whole test: a
sequential probability ratio test (Wald) over those windows, with a sigma inflated for correlated noise. A line too fast
to saturate passes once it has delivered more than any bucket could have saved up.
A drain test assumes a bucket of up to 6 MB and empties it fast; it learns how large the bucket is. A quick test trusts
what was learned, and so never sends more than 1.1 x theta1.
Rates are layer-1 equivalent. Why each number is what it is: docs/bandwidth.md.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from msgspec import Struct

from classready.observation import Outcome, Reason, WindowSummary
from classready.units import MBYTE, bps, bps_to_bytes_per_s

BUCKET_BYTES: Final = 6 * MBYTE
"""B_max: the largest token bucket that a drain test sees through."""
START_RATIO: Final = 3.0
TEST_RATIO: Final = 1.1
"""Offered rates in units of theta1: until a bucket is empty, and afterwards."""
QUICK_MAX_BUCKET_BYTES: Final = int(MBYTE * (TEST_RATIO - 1) / TEST_RATIO)
"""B R / (R - theta1) bytes prove a pass at R = 1.1 theta1: 11 B. A larger bucket would cost more than 1 MB."""
QUICK_MAX_BYTES: Final = 5 * MBYTE
CROSS_SLACK_BYTES: Final = 12_000
"""Our own packets between the counter and the socket, which could pass for others' once."""

_ERROR = 0.005
_PASS_AT = math.log((1 - _ERROR) / _ERROR)
_FAIL_AT = -_PASS_AT
_SIGMA_FLOOR = 0.03
_CLIP = (0.85, 1.15)
_MIN_WINDOWS = 6
_SATURATED_BELOW_START = 0.85
_SATURATED_BELOW_TEST = 0.975
_QUEUE_S = {"drain": 0.002, "quick": 0.001}
_KNEE_BELOW = 1.3
_LEVEL_WITHIN = 0.2
_LOADED_FROM = 1.02
_STEADY_FROM = 0.9
_CALM_WINDOWS = 3
_UNLOADED_WINDOWS = 60
_DROPPING_WINDOWS = 30
_LEARN_FACTOR = 1.25
_LEARN_MARGIN_BYTES = 11_000
"""Most of a batch: so much may wait between the line and the socket when a window ends."""
_LEARN_CROSS_BELOW = 0.02

Mode = Literal["quick", "drain"]


class Plan(Struct, frozen=True, kw_only=True):
    """What to decide and what it may cost. ``start_bps`` is the rate granted, at most ``start_ratio`` x theta1."""

    theta0_bps: float
    theta1_bps: float
    start_bps: float
    max_bytes: float
    max_seconds: float
    bucket_bytes: int = BUCKET_BYTES
    mode: Mode = "drain"
    slack_bytes: int = CROSS_SLACK_BYTES
    """By so much the sum of others' traffic may be wrong."""


class Window(Struct, frozen=True, kw_only=True):
    """About 10 ms of arrivals. ``sent_bps`` is what the sender did meanwhile, by its own clock and sequence numbers.

    ``wanted_bps`` is what it had been told to, ``late_s`` how far it was behind that at worst, even if it caught up.
    ``opening_bytes`` came at most with the read that opened the first window of all. They are in no window, since the
    time that they took is not known, and so never count for a verdict. ``cross_bytes`` is other traffic through the
    same port; without ``cross_sure`` it was offered, and some of it may not have arrived. ``queue_delay_s`` is the
    last packet's delay above the smallest one seen. ``dropped_count`` was lost by our own socket, not by the line.
    """

    seconds: float
    received_bytes: float
    sent_bps: float
    wanted_bps: float = 0.0
    late_s: float = 0.0
    opening_bytes: float = 0.0
    queue_delay_s: float = 0.0
    lost_count: int = 0
    received_count: int = 0
    cross_bytes: float = 0.0
    cross_sure: bool = True
    dropped_count: int = 0

    @property
    def rate_bps(self) -> float:
        """What the line carried, at most."""
        return bps(self.received_bytes + self.cross_bytes, self.seconds)

    @property
    def sure_bytes(self) -> float:
        """What the line carried, at least."""
        return self.received_bytes + (self.cross_bytes if self.cross_sure else 0.0)

    @property
    def offered_bps(self) -> float:
        return self.sent_bps + bps(self.cross_bytes, self.seconds)


class Continue(Struct, frozen=True):
    """Nothing to do yet."""


class SetRate(Struct, frozen=True):
    """Tell the sender to go on at this rate."""

    rate_bps: float


class Result(Struct, frozen=True, kw_only=True):
    """PASS, FAIL, or UNMEASURED with its reason. ``estimate_bps`` is set where a plateau was seen.

    ``learned_bytes`` is the bucket bound that later quick tests may use, None where this test cannot tell.
    """

    outcome: Outcome
    why: str
    reason: Reason | None = None
    at_least_bps: float | None = None
    at_most_bps: float | None = None
    estimate_bps: float | None = None
    bucket_bytes: int
    learned_bytes: int | None = None
    loss_ratio: float | None = None
    windows: WindowSummary | None = None


Decision = Continue | SetRate | Result

_CONTINUE = Continue()


def start_ratio(mode: Mode) -> float:
    """Offered rate at the start, in units of theta1."""
    return TEST_RATIO if mode == "quick" else START_RATIO


class Decider:
    """Feed it windows until it returns a ``Result``. After that it must not be used again."""

    def __init__(self, plan: Plan) -> None:
        self.rate_bps = plan.start_bps
        self._plan = plan
        self._all: list[Window] = []
        self._evidence: list[Window] = []
        self._total_bytes = self._sure_bytes = self._cross_bytes = self._sent_bytes = self._seconds = 0.0
        self._busy_s = 0.0
        """``_seconds`` without the part in which the sender was late: see ``_learned_bytes``."""
        self._until_drained = (0.0, 0.0)
        self._unbroken = True
        self._received_count = self._lost_count = 0
        self._unloaded_count = self._dropping_count = self._calm_count = 0
        self.saturated = False
        """Whether the last window was."""
        self._lossy = self._drained = False

    def feed(self, window: Window) -> Decision:
        self._count(window)
        if self._bound_bps() >= self._plan.theta1_bps:
            return self._passed("more delivered than any bucket holds")
        # A pause within the window leaves the line idle for a moment, and lets the bucket fill.
        steady = window.sent_bps >= _STEADY_FROM * window.wanted_bps
        usable, drained = steady and self._loads(window) and not window.dropped_count, self._drained
        self.saturated = self._saturates(window) and usable
        self._drained = usable and (drained or self.saturated)
        self._unbroken = self._unbroken and usable
        if self._drained and not drained:
            self._until_drained = (self._total_bytes, self._busy_s)
        if usable and drained:
            self._evidence.append(window)
            if (result := self._judge()) is not None:
                return result
        self._calm_count = self._calm_count + 1 if usable and not self.saturated else 0
        return self._spent() or self._steer()

    def inconclusive(self, reason: Reason, why: str) -> Result:
        """Say that nothing was decided, also when something outside ended the test."""
        return self._result(Outcome.UNMEASURED, why, reason=reason)

    def _count(self, window: Window) -> None:
        self._all.append(window)
        self._total_bytes += window.received_bytes + window.cross_bytes
        self._sure_bytes += window.sure_bytes
        self._cross_bytes += window.cross_bytes
        self._sent_bytes += bps_to_bytes_per_s(window.sent_bps) * window.seconds
        self._seconds += window.seconds
        self._busy_s += window.seconds - window.late_s
        self._received_count += window.received_count
        self._lost_count += window.lost_count
        self._dropping_count += window.dropped_count > 0
        self._unloaded_count += not self._loads(window)

    def _loads(self, window: Window) -> bool:
        """Say whether the line had more to carry than the threshold."""
        return window.offered_bps >= _LOADED_FROM * self._plan.theta1_bps

    def _saturates(self, window: Window) -> bool:
        """Loss counts for the next window too: a policer drops whole batches, not one in every window.

        Before a knee much must be missing, so that a line that just loses some packets is not taken for a full one.
        """
        lossy, self._lossy = self._lossy or window.lost_count > 0, window.lost_count > 0
        start = self._plan.mode == "drain" and self.rate_bps >= self._plan.start_bps
        below = _SATURATED_BELOW_START if start else _SATURATED_BELOW_TEST
        held_up = lossy or window.queue_delay_s > _QUEUE_S[self._plan.mode]
        return held_up and window.rate_bps < below * window.offered_bps

    def _bound_bps(self) -> float:
        """The sustained rate cannot be below this if the bucket is no larger than assumed."""
        slack_bytes = self._plan.slack_bytes if self._cross_bytes else 0
        return bps(self._sure_bytes - self._plan.bucket_bytes - slack_bytes, self._seconds)

    def _judge(self) -> Result | None:
        """Test the evidence once there is enough of it."""
        if len(self._evidence) < _MIN_WINDOWS:
            return None
        thetas_bps = self._plan.theta0_bps, self._plan.theta1_bps
        at_most = log_likelihood_ratio([w.rate_bps for w in self._evidence], *thetas_bps)
        at_least = log_likelihood_ratio([bps(w.sure_bytes, w.seconds) for w in self._evidence], *thetas_bps)
        if at_most <= _FAIL_AT:
            return self._result(Outcome.FAIL, "plateau below the requirement", at_most_bps=thetas_bps[1])
        if at_least >= _PASS_AT and self._level() and self._held_up():
            return self._passed(self._plateau_text())
        return None

    def _plateau_text(self) -> str:
        far_above = self._evidence[-1].rate_bps >= _KNEE_BELOW * self._plan.theta1_bps
        return "level plateau, taken for the line's one rate" if far_above else "plateau"

    def _level(self) -> bool:
        """A plateau far above theta is trusted as the line's rate (no second, lower one) only while it stays level."""
        rates = [w.rate_bps for w in self._evidence[-_MIN_WINDOWS:]]
        mean = sum(rates) / len(rates)
        return mean < _KNEE_BELOW * self._plan.theta1_bps or max(rates) - min(rates) <= _LEVEL_WITHIN * mean

    def _held_up(self) -> bool:
        """Say whether less came than was offered: else a quick test may have seen the bucket, not the line."""
        carried, offered = sum(w.rate_bps for w in self._evidence), sum(w.offered_bps for w in self._evidence)
        return self._plan.mode == "drain" or carried < _SATURATED_BELOW_TEST * offered

    def _spent(self) -> Result | None:
        plan = self._plan
        if self._dropping_count >= _DROPPING_WINDOWS:
            return self.inconclusive(Reason.RECEIVER_LIMITED, "the receiving machine lost packets that had arrived")
        if self._unloaded_count >= _UNLOADED_WINDOWS:
            return self.inconclusive(Reason.SENDER_LIMITED, "less than the threshold was sent")
        if self._seconds >= plan.max_seconds:
            return self.inconclusive(Reason.TIME_LIMIT, f"undecided after {self._seconds:.1f} s")
        if self._sent_bytes >= plan.max_bytes:
            return self.inconclusive(Reason.BUDGET, f"undecided after {self._sent_bytes / MBYTE:.1f} MB")
        return None

    def _steer(self) -> Decision:
        """Slow down at a knee; if then nothing holds the load up, it was none: forget it, and back to the start."""
        plan = self._plan
        if self._calm_count >= _CALM_WINDOWS:
            self._evidence.clear()
            self._drained = False
            return self._set_rate(plan.start_bps) if self.rate_bps < plan.start_bps else _CONTINUE
        if self.rate_bps < plan.start_bps or not (self.saturated and self._evidence):
            return _CONTINUE
        plateau_bps = self._evidence[-1].rate_bps
        wanted_bps = TEST_RATIO * max(plan.theta1_bps, plateau_bps)
        knee = plateau_bps < _KNEE_BELOW * plan.theta1_bps and wanted_bps < self.rate_bps
        return self._set_rate(wanted_bps) if knee else _CONTINUE

    def _set_rate(self, rate_bps: float) -> SetRate:
        self.rate_bps = rate_bps
        self._calm_count = 0
        return SetRate(rate_bps)

    def _passed(self, why: str) -> Result:
        at_least_bps = max(self._plan.theta0_bps, self._bound_bps())
        return self._result(Outcome.PASS, why, at_least_bps=at_least_bps)

    def _result(
        self,
        outcome: Outcome,
        why: str,
        *,
        reason: Reason | None = None,
        at_least_bps: float | None = None,
        at_most_bps: float | None = None,
    ) -> Result:
        sent_count = self._received_count + self._lost_count
        estimate_bps = None if outcome is Outcome.UNMEASURED else self._plateau_bps()
        return Result(
            outcome=outcome,
            why=why,
            reason=reason,
            at_least_bps=at_least_bps,
            at_most_bps=at_most_bps,
            estimate_bps=estimate_bps,
            bucket_bytes=self._plan.bucket_bytes,
            learned_bytes=self._learned_bytes(estimate_bps) if outcome is not Outcome.UNMEASURED else None,
            loss_ratio=self._lost_count / sent_count if sent_count else None,
            windows=self._summary(),
        )

    def _learned_bytes(self, plateau_bps: float | None) -> int | None:
        """What came above the plateau before the bucket was empty, with a margin.

        A pause lets the bucket fill again, other traffic may have emptied it before: then nothing is learned. A sender
        that was late and caught up (busy machines: 3 ms, 36 kB at 100 Mbit/s) may have left a full bucket unused, which
        no byte shows afterwards: that time does not count, so that the bound is rather too large.
        """
        if self._plan.mode == "quick":
            return None
        total_bytes, seconds = self._until_drained
        if plateau_bps is None or not self._unbroken or self._cross_bytes > _LEARN_CROSS_BELOW * self._total_bytes:
            return None
        saved_bytes, opening_bytes = total_bytes - bps_to_bytes_per_s(plateau_bps) * seconds, self._all[0].opening_bytes
        if saved_bytes + opening_bytes <= 0:  # no line brings less than its plateau: that estimate is too high
            return None
        return round(_LEARN_FACTOR * max(0.0, saved_bytes) + opening_bytes) + _LEARN_MARGIN_BYTES

    def _summary(self) -> WindowSummary | None:
        """Of the plateau's windows, or of all when there was none."""
        told = self._evidence if len(self._evidence) >= _MIN_WINDOWS else self._all
        if not told:
            return None
        rates_bps = [w.rate_bps for w in told]
        return WindowSummary(
            count=len(told),
            min_bps=min(rates_bps),
            median_bps=median(rates_bps),
            max_bps=max(rates_bps),
            cross_bytes=sum(w.cross_bytes for w in told),
            max_queue_s=max(w.queue_delay_s for w in told),
        )

    def _plateau_bps(self) -> float | None:
        """The median: a single stall of this machine must not colour the rate that people read."""
        return median(w.rate_bps for w in self._evidence) if len(self._evidence) >= _MIN_WINDOWS else None


def log_likelihood_ratio(rates_bps: Sequence[float], theta0_bps: float, theta1_bps: float) -> float:
    """Of "the line carries theta1" against "it carries theta0", for normal noise; positive speaks for theta1.

    Rates are clipped so that one burst or stall cannot outvote all other windows.
    """
    clipped = [min(max(rate / theta1_bps, _CLIP[0]), _CLIP[1]) for rate in rates_bps]
    mean = sum(clipped) / len(clipped)
    low = theta0_bps / theta1_bps
    sigma = max(robust_sigma(clipped), _SIGMA_FLOOR)
    return (1 - low) / sigma**2 * len(clipped) * (mean - (1 + low) / 2)


def robust_sigma(values: Sequence[float]) -> float:
    """Return the standard deviation, inflated as for AR(1) noise: correlated windows tell less than independent ones.

    The lag-1 correlation is taken at its bias-corrected estimate plus one standard error, between 0 and 0.9.
    """
    n = len(values)
    mean = sum(values) / n
    deviations = [v - mean for v in values]
    power = sum(d * d for d in deviations)
    sigma = math.sqrt(power / (n - 1)) if n > 1 else 0.0
    if n <= 4 or sigma < _SIGMA_FLOOR / 10:
        return sigma
    lagged = sum(a * b for a, b in pairwise(deviations)) / power
    rho = min(max((n * lagged + 1) / (n - 4) + 1 / math.sqrt(n), 0.0), 0.9)
    return sigma * math.sqrt((1 + rho) / (1 - rho))
