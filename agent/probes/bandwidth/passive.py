"""What counters prove of a line without one byte of load. Pure.

A line that brought D bytes in T seconds carries at least 8 (D - B) / (T + delta): B is what a token bucket may have
saved up, delta how late the counters may be. So counters can only pass. They do it deterministically, as soon as the
bound reaches the middle of theta0 and theta1, and only for the download of the school's own line: what was *sent*
towards a line may have been dropped behind the port, and traffic of the line says nothing of one exit or one room.
Joined packets that are counted once (GRO) are credited less than they took; an own test counts as traffic.
A port that negotiated less than theta0, or half duplex, fails its line.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from classready.bandwidth.decider import BUCKET_BYTES
from classready.observation import Bandwidth, Outcome, clean_text
from classready.targets import BandwidthTarget
from classready.units import bps, bps_to_mbps

SHORTEST_S: Final = 9.0
"""Ten seconds, less the haste of a reading that comes after a late one."""
LONGEST_S: Final = 300.0
"""The longer, the less B and delta take away: a full line of 100 Mbit/s is proved after a minute and a half."""
USE_S: Final = 60.0
_RECENT_S = 45.0


class Sample(Struct, frozen=True, kw_only=True):
    """What a port had carried in all, layer-1 bytes, at a moment of the boot clock.

    The counters show the port as it was at most ``stale_s`` before. Samples of different ``port`` are of different
    counters. ``limit_bps`` is its negotiated speed, None where it has none.
    """

    at_s: float
    stale_s: float
    port: str
    limit_bps: float | None
    down_bytes: int
    up_bytes: int


class Proof(Struct, frozen=True, kw_only=True):
    """The window that proves most. ``used_bytes`` are layer-1 bytes."""

    at_least_bps: float
    seconds: float
    used_bytes: int
    bucket_bytes: int


def provable(target: BandwidthTarget) -> bool:
    return target.direction == "down" and target.classroom is None and target.beyond is None


def best(samples: Sequence[Sample], direction: str, bucket_bytes: int | None) -> Proof | None:
    """The highest lower bound over all windows of ``SHORTEST_S`` to ``LONGEST_S``; None = there is no window."""
    assumed_bytes = BUCKET_BYTES if bucket_bytes is None else bucket_bytes
    proofs = (
        Proof(
            at_least_bps=max(0.0, bps(used - assumed_bytes, seconds + stale_s)),
            seconds=seconds,
            used_bytes=used,
            bucket_bytes=assumed_bytes,
        )
        for run in _unbroken(samples)
        for used, seconds, stale_s in _windows(run, direction)
    )
    return max(proofs, key=lambda proof: proof.at_least_bps, default=None)


def use_bps(samples: Sequence[Sample], direction: str, now_s: float) -> float | None:
    """The most that went through the port within the last minute; None = not known, or not known for all of it."""
    recent = [sample for sample in samples if sample.at_s >= now_s - USE_S - _RECENT_S]
    if len(recent) < 2 or now_s - recent[-1].at_s > _RECENT_S or recent[0].at_s > now_s - USE_S:
        return None
    if len(list(_unbroken(recent))) != 1:
        return None
    return max(bps(_used(a, b, direction), b.at_s - a.at_s) for a, b in pairwise(recent))


def proves(proof: Proof | None, thetas_bps: tuple[float, float]) -> bool:
    return proof is not None and proof.at_least_bps >= sum(thetas_bps) / 2


def passed(target: BandwidthTarget, proof: Proof, thetas_bps: tuple[float, float]) -> Bandwidth:
    theta0_bps, theta1_bps = thetas_bps
    return Bandwidth(
        target=target.name,
        direction=target.direction,
        mode="passive",
        outcome=Outcome.PASS,
        detail=clean_text(text(proof)),
        at_least_bps=max(theta0_bps, proof.at_least_bps),
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        bucket_bytes=proof.bucket_bytes,
        bytes=0,
        seconds=proof.seconds,
    )


def text(proof: Proof | None) -> str:
    """What the counters say, for people."""
    if proof is None:
        return "counters: not watched long enough"
    return (
        f"counters: {bps_to_mbps(bps(proof.used_bytes, proof.seconds)):.1f} Mbit/s used for {proof.seconds:.0f} s,"
        f" so at least {bps_to_mbps(proof.at_least_bps):.1f} is carried"
    )


def too_little(
    target: BandwidthTarget, port: tuple[int | None, bool | None], thetas_bps: tuple[float, float]
) -> Bandwidth | None:
    """Fail the line if its port negotiated too little; None = it did not, or nobody knows.

    ``port`` is its speed in bit/s, and whether it is full duplex.
    """
    theta0_bps, theta1_bps = thetas_bps
    speed_bps, full_duplex = port
    slow = speed_bps is not None and speed_bps < theta0_bps
    if not slow and full_duplex is not False:
        return None
    speed = f"{bps_to_mbps(speed_bps):g} Mbit/s" if speed_bps is not None else "an unknown speed"
    duplex = {True: "full duplex", False: "half duplex", None: "unknown duplex"}[full_duplex]
    return Bandwidth(
        target=target.name,
        direction=target.direction,
        mode="passive",
        outcome=Outcome.FAIL,
        detail=f"the gateway's port negotiated {speed}, {duplex}: look at cable, plug and the settings of both ends",
        at_most_bps=theta1_bps if speed_bps is None else min(speed_bps, theta1_bps),
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        bytes=0,
    )


def _unbroken(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Part the samples where the counters were reset, wrapped or another port's, or counted what no port can carry."""
    run: list[Sample] = []
    for sample in samples:
        if run and not _follows(run[-1], sample):
            yield run
            run = []
        run.append(sample)
    if run:
        yield run


def _follows(before: Sample, after: Sample) -> bool:
    seconds = after.at_s - before.at_s
    used = (after.down_bytes - before.down_bytes, after.up_bytes - before.up_bytes)
    same = (before.port, before.limit_bps) == (after.port, after.limit_bps)
    if not same or min(used) < 0 or not 0 < seconds <= LONGEST_S:
        return False
    stale_s = max(before.stale_s, after.stale_s)
    return after.limit_bps is None or bps(max(used), seconds + stale_s) <= after.limit_bps


def _windows(run: Sequence[Sample], direction: str) -> Iterator[tuple[int, float, float]]:
    """(bytes, seconds, how late the counters may be) of each window."""
    for i, first in enumerate(run):
        for last in run[i + 1 :]:
            seconds = last.at_s - first.at_s
            if seconds > LONGEST_S:
                break
            if seconds >= SHORTEST_S:
                yield _used(first, last, direction), seconds, max(first.stale_s, last.stale_s)


def _used(before: Sample, after: Sample, direction: str) -> int:
    if direction == "down":
        return after.down_bytes - before.down_bytes
    return after.up_bytes - before.up_bytes
