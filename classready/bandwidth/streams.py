"""Judge a load of TCP streams from what arrived in each tenth of a second.

TCP chooses its own rate, so a low one accuses the line only when nothing else can have caused it. The proof is a level
rate on a path that is full (packets get lost, or wait): a loss makes TCP slow down, and if as much arrives all the
same, a queue before the line filled the gap. Whatever else limits TCP (losses elsewhere, the round trip, a busy
machine) gives a saw-tooth, a slope, or no sign of a full path.
Rates are layer-1 equivalent. What this method cannot see: docs/bandwidth.md.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from classready.bandwidth.decider import Result
from classready.observation import Outcome, Reason
from classready.units import bps

SKIP_S: Final = 1.0
"""The start that callers leave out: TCP is still looking for its rate, and a bucket is still being emptied."""
STREAMS: Final = 4
OFFERED_RATIO: Final = 1.5
"""Payload rate of all streams together, in units of theta1: enough to empty a bucket soon, not what a fast line has."""
SECONDS: Final = 3.0
"""Skipped start included. At the offered rate a bucket of 6 MB is empty 0.8 s after TCP found its rate."""

_MIN_S, _MIN_INTERVAL_S, _MIN_INTERVALS = 0.9, 0.02, 14
_NEAR = 0.02
_NEAR_SHARE = 0.7
_MARGIN = 0.005


class Interval(Struct, frozen=True, kw_only=True):
    """``payload_bytes`` arrived in all streams together, ``cross_bytes`` of other traffic (layer 1) meanwhile."""

    seconds: float
    payload_bytes: int
    cross_bytes: float = 0.0


def judge(
    intervals: Sequence[Interval],
    thetas_bps: tuple[float, float],
    *,
    layer1_ratio: float,
    bucket_bytes: int,
    congested: bool = True,
) -> Result:
    """Give the verdict on ``intervals`` of about 0.1 s, in order, after a skipped start.

    PASS: more came than a bucket of ``bucket_bytes`` can have added, or a level rate above the middle of the thetas.
    FAIL: a level rate below it. A level rate counts only when ``congested``: the streams had more to send, and losses
    or a queue after the start showed that the path was full. False also when the receiver was the limit. All else is
    UNMEASURED, with the reason. ``layer1_ratio`` = layer-1 bytes for each byte of payload.

    Source: docs/bandwidth.md, "TCP and iperf3", for why each number is what it is.
    """
    middle_bps = sum(thetas_bps) / 2
    carried_bytes = [interval.payload_bytes * layer1_ratio + interval.cross_bytes for interval in intervals]
    seconds = sum(interval.seconds for interval in intervals)
    if seconds < _MIN_S:
        return _unmeasured(Reason.NO_DATA, f"only {seconds:.1f} s were seen", bucket_bytes)
    bound_bps = bps(sum(carried_bytes) - bucket_bytes, seconds)
    if bound_bps >= middle_bps:
        why = "more delivered than any bucket holds"
        return Result(outcome=Outcome.PASS, why=why, at_least_bps=bound_bps, bucket_bytes=bucket_bytes)
    rates_bps = [
        bps(size, interval.seconds)
        for size, interval in zip(carried_bytes, intervals, strict=True)
        if interval.seconds >= _MIN_INTERVAL_S
    ]
    plateau_bps = _plateau_bps(rates_bps)
    if not congested:
        return _unmeasured(Reason.SENDER_LIMITED, "nothing shows that the line was the limit", bucket_bytes)
    if plateau_bps is None:
        return _unmeasured(Reason.NO_DATA, "the rate was not level: it may not be the line's", bucket_bytes)
    if plateau_bps >= (1 + _MARGIN) * middle_bps:
        return Result(
            outcome=Outcome.PASS,
            why="plateau",
            at_least_bps=thetas_bps[0],
            estimate_bps=plateau_bps,
            bucket_bytes=bucket_bytes,
        )
    if plateau_bps <= (1 - _MARGIN) * middle_bps:
        return Result(
            outcome=Outcome.FAIL,
            why="plateau below the requirement",
            at_most_bps=thetas_bps[1],
            estimate_bps=plateau_bps,
            bucket_bytes=bucket_bytes,
        )
    return _unmeasured(Reason.TIME_LIMIT, "too close to the requirement to tell", bucket_bytes)


def _plateau_bps(rates_bps: Sequence[float]) -> float | None:
    """Return the level rate at the end of the load; None = there is none.

    What came before it must have been faster (a bucket): a rate that has just stopped rising may rise again.
    """
    for start in range(len(rates_bps) - _MIN_INTERVALS + 1):
        before, tail = rates_bps[:start], rates_bps[start:]
        if _level(tail) and (not before or median(before) >= median(tail)):
            return median(tail) or None
    return None


def _level(rates_bps: Sequence[float]) -> bool:
    """Most of the rates are one rate, and it does not drift. The rest may be stalls of the receiving program."""
    middle_bps, half = median(rates_bps), len(rates_bps) // 2
    near_bps = _NEAR * middle_bps
    near_count = sum(abs(rate - middle_bps) <= near_bps for rate in rates_bps)
    drift_bps = abs(median(rates_bps[:half]) - median(rates_bps[half:]))
    return near_count >= _NEAR_SHARE * len(rates_bps) and drift_bps <= near_bps


def _unmeasured(reason: Reason, why: str, bucket_bytes: int) -> Result:
    return Result(outcome=Outcome.UNMEASURED, why=why, reason=reason, bucket_bytes=bucket_bytes)
