"""From single tests to JSON lines. Modes and directions are never put together."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from bench.bandwidth.cases import Case, Direction, Mode, right_verdict
from classready.observation import Outcome
from classready.units import MBIT, MBYTE, bps_to_mbps

IPERF_CUT_BPS: Final = 97.5 * MBIT
"""Where iperf3's reading, turned into layer 1, is split into "enough" and "too slow": the kindest place for it."""


class Run(Struct, frozen=True, kw_only=True):
    """One test. ``bytes`` are layer-1 bytes sent by the side that sends the load."""

    case: Case
    outcome: Outcome
    reason: str | None
    bytes: int | None
    seconds: float | None
    estimate_bps: float | None
    cpu_seconds: float
    detail: str | None = None

    @property
    def inconclusive(self) -> bool:
        return self.outcome not in {Outcome.PASS, Outcome.FAIL}

    @property
    def labelled(self) -> bool:
        return right_verdict(self.case.rate_mbps) is not None

    @property
    def wrong(self) -> bool:
        return self.labelled and not self.inconclusive and self.outcome is not right_verdict(self.case.rate_mbps)


class Peer(Struct, frozen=True, kw_only=True):
    """One run of iperf3; everything layer-1 equivalent."""

    case: Case
    seconds: int
    bytes: float
    rate_bps: float

    @property
    def wrong(self) -> bool:
        right = right_verdict(self.case.rate_mbps)
        read = Outcome.PASS if self.rate_bps >= IPERF_CUT_BPS else Outcome.FAIL
        return right is not None and read is not right


class Delay(Struct, frozen=True, kw_only=True):
    """One ping; ``loaded`` = asked while a test was on."""

    mode: Mode
    direction: Direction
    loaded: bool
    took_s: float


class Metric(Struct, frozen=True, kw_only=True):
    """One line. ``ratio`` = peer_value / value: how many times more the other tool costs."""

    bench: str
    metric: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    n: int


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was seen, never one between two."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def json_line(metric: Metric) -> str:
    return msgspec.json.encode(metric).decode()


def metrics(runs: Sequence[Run], peers: Sequence[Peer], delays: Sequence[Delay]) -> Iterator[Metric]:
    """What was not measured has no line."""
    for mode, direction in _groups(runs, delays):
        bench = f"bandwidth.{mode}.{direction}"
        mine = [run for run in runs if (run.case.mode, run.case.direction) == (mode, direction)]
        theirs = [peer for peer in peers if peer.case.direction == direction]
        if mine:
            yield from _rightness(bench, mine, theirs)
            yield from _cost(bench, mode, mine, theirs)
        yield from _delay(bench, [d for d in delays if (d.mode, d.direction) == (mode, direction)])


def _groups(runs: Iterable[Run], delays: Iterable[Delay]) -> list[tuple[Mode, Direction]]:
    seen = {(run.case.mode, run.case.direction) for run in runs} | {(d.mode, d.direction) for d in delays}
    return sorted(seen)


def _rightness(bench: str, runs: Sequence[Run], peers: Sequence[Peer]) -> Iterator[Metric]:
    labelled = [run for run in runs if run.labelled]
    wrong_count = sum(run.wrong for run in labelled)
    yield from _beside(
        Metric(bench=bench, metric="wrong_verdicts", value=wrong_count, unit="verdicts", n=len(labelled)),
        {seconds: sum(p.wrong for p in group) for seconds, group in _by_seconds(peers)},
    )
    share = sum(run.inconclusive for run in runs) / len(runs)
    yield Metric(bench=bench, metric="inconclusive_share", value=share, unit="ratio", n=len(runs))


def _cost(bench: str, mode: Mode, runs: Sequence[Run], peers: Sequence[Peer]) -> Iterator[Metric]:
    sizes = [float(run.bytes) for run in runs if run.bytes is not None]
    times = [run.seconds for run in runs if run.seconds is not None]
    peer_bytes = {seconds: median(p.bytes for p in group) for seconds, group in _by_seconds(peers)}
    peer_times = {seconds: float(seconds) for seconds in peer_bytes}
    yield from _distribution(bench, f"{mode}_bytes", "bytes", sizes, peer_bytes)
    yield from _distribution(bench, f"{mode}_seconds", "seconds", times, peer_times)
    yield from _byte_ratio(bench, mode, runs, [peer for peer in peers if peer.seconds == 10])
    cpu = sum(run.cpu_seconds for run in runs) / len(runs)
    yield Metric(bench=bench, metric="cpu_seconds_per_verdict", value=cpu, unit="seconds", n=len(runs))


def _distribution(
    bench: str, name: str, unit: str, values: Sequence[float], theirs: dict[int, float]
) -> Iterator[Metric]:
    if not values:
        return
    n = len(values)
    yield from _beside(Metric(bench=bench, metric=f"{name}_median", value=median(values), unit=unit, n=n), theirs)
    yield Metric(bench=bench, metric=f"{name}_p95", value=percentile(values, 0.95), unit=unit, n=n)
    yield Metric(bench=bench, metric=f"{name}_max", value=max(values), unit=unit, n=n)


def _byte_ratio(bench: str, mode: Mode, runs: Sequence[Run], peers: Sequence[Peer]) -> Iterator[Metric]:
    """On the same lines only: the median over them of iperf3's bytes by ours."""
    ratios = []
    for peer in peers:
        same = [run.bytes for run in runs if run.bytes and _same_line(run.case, peer.case)]
        if same:
            ratios.append(peer.bytes / median(same))
    if ratios:
        name = f"{mode}_bytes_ratio_iperf3_10s"
        yield Metric(bench=bench, metric=name, value=median(ratios), unit="ratio", n=len(ratios))


def _same_line(one: Case, other: Case) -> bool:
    return one.plain and other.plain and (one.rate_mbps, one.burst_bytes) == (other.rate_mbps, other.burst_bytes)


def _delay(bench: str, delays: Sequence[Delay]) -> Iterator[Metric]:
    loaded = [d.took_s for d in delays if d.loaded]
    idle = [d.took_s for d in delays if not d.loaded]
    if loaded and idle:
        added_s = percentile(loaded, 0.95) - percentile(idle, 0.95)
        yield Metric(bench=bench, metric="added_delay_p95_seconds", value=added_s, unit="seconds", n=len(loaded))


def _by_seconds(peers: Sequence[Peer]) -> list[tuple[int, list[Peer]]]:
    return [(s, [p for p in peers if p.seconds == s]) for s in sorted({p.seconds for p in peers}, reverse=True)]


def _beside(metric: Metric, theirs: dict[int, float]) -> Iterator[Metric]:
    """The same metric beside each peer; once, alone, when there is none."""
    if not theirs:
        yield metric
    for seconds, value in theirs.items():
        ratio = value / metric.value if metric.value else None
        yield msgspec.structs.replace(metric, peer=f"iperf3 -t {seconds}", peer_value=float(value), ratio=ratio)


def text_table(runs: Sequence[Run]) -> Iterator[str]:
    """For people: one row for each line."""
    yield f"{'mode  dir   Mbit/s  bucket kB  condition':44s} {'verdicts':29s} MB median (max)    s median (max)"
    for case in sorted({run.case for run in runs}, key=_order):
        mine = [run for run in runs if run.case == case]
        sizes = [run.bytes / MBYTE for run in mine if run.bytes is not None] or [math.nan]
        times = [run.seconds for run in mine if run.seconds is not None] or [math.nan]
        counts = Counter(f"{run.outcome.value}{' WRONG' if run.wrong else ''}" for run in mine)
        verdicts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        yield (
            f"{case.mode:5s} {case.direction:4s} {case.rate_mbps:7.1f} {case.burst_bytes / 1_000:10.0f}"
            f"  {case.condition:16s}  {verdicts:28s} {median(sizes):6.2f} ({max(sizes):5.2f})"
            f"     {median(times):5.3f} ({max(times):5.3f})"
        )


def notes(runs: Sequence[Run]) -> Iterator[str]:
    """What a reader of the tables must know."""
    if any(run.case.rtt_s for run in runs):
        yield "ms: a relay holds each read of its socket back; the load arrives in bunches, with 0.1 ms of jitter"
    if any(run.case.kind == "policer" for run in runs):
        yield "policer: tbf with 16 kB of queue, which drops as the police action does"


def peer_table(peers: Sequence[Peer]) -> Iterator[str]:
    for peer in peers:
        mark = " WRONG" if peer.wrong else ""
        text = f"{bps_to_mbps(peer.rate_bps):6.1f} Mbit/s at layer 1{mark}"
        line = f"{peer.case.rate_mbps:7.1f} Mbit/s {peer.case.burst_bytes / 1_000:5.0f} kB {peer.case.direction:4s}"
        yield f"iperf3 -t {peer.seconds:<2d} {line}: {text}, {peer.bytes / MBYTE:.1f} MB"


def _order(case: Case) -> tuple[str, str, str, int, float]:
    return (case.mode, case.direction, case.condition, case.burst_bytes, case.rate_mbps)
