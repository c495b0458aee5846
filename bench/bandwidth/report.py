"""From single tests to JSON lines. Modes and directions are never put together; only a day is of a whole line."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import fmean, median
from typing import Final

import msgspec
from msgspec import Struct

from bench.bandwidth.cases import DIRECTIONS, Case, Direction, Mode, right_verdict
from bench.lines import Metric
from classready.observation import Outcome
from classready.units import MBIT, MBYTE, bps_to_mbps

IPERF_CUT_BPS: Final = 97.5 * MBIT
"""Where iperf3's reading, turned into layer 1, is split into "enough" and "too slow": the kindest place for it."""
NAIVE_CUT_BPS: Final = 100 * MBIT
"""Where people split it who compare goodput with what was promised: a perfect 100 Mbit/s line has 94.1."""
TCP_TO_LAYER1: Final = 1538 / 1448
USUAL_MBPS: Final = 100.0
"""The line on which added delay is measured, unless the name of the bench says another."""

DAY_MBPS: Final = (90.0, 100.0, 120.0, 300.0, 1000.0)
"""The lines whose days are simulated, where their tests were measured."""


class Run(Struct, frozen=True, kw_only=True):
    """One test. ``bytes`` are layer-1 bytes sent by the side that sends the load."""

    case: Case
    outcome: Outcome
    reason: str | None
    bytes: int | None
    seconds: float | None
    estimate_bps: float | None
    cpu_seconds: float
    """Of the agent."""
    responder_cpu_seconds: float
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
    def name(self) -> str:
        return f"iperf3 -t {self.seconds}"

    @property
    def wrong(self) -> bool:
        return self._wrong(self.rate_bps >= IPERF_CUT_BPS)

    @property
    def naive_wrong(self) -> bool:
        return self._wrong(self.rate_bps / TCP_TO_LAYER1 >= NAIVE_CUT_BPS)

    def _wrong(self, enough: bool) -> bool:  # noqa: FBT001 - what was read
        right = right_verdict(self.case.rate_mbps)
        return right is not None and (Outcome.PASS if enough else Outcome.FAIL) is not right


class Delay(Struct, frozen=True, kw_only=True):
    """One ping; ``loaded`` = asked while a test was on. ``mode`` None: the load was iperf3's."""

    mode: Mode | None
    direction: Direction
    rate_mbps: float
    loaded: bool
    took_s: float


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was seen, never one between two."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def metrics(runs: Sequence[Run], peers: Sequence[Peer], delays: Sequence[Delay]) -> Iterator[Metric]:
    """What was not measured has no line."""
    for mode, direction in _groups(runs, delays):
        bench = f"bandwidth.{mode}.{direction}"
        mine = [run for run in runs if (run.case.mode, run.case.direction) == (mode, direction)]
        theirs = [peer for peer in peers if peer.case.direction == direction]
        if mine:
            yield from _rightness(bench, mine, theirs)
            yield from _cost(bench, mode, mine, theirs)
        yield from _delay(bench, mode, [d for d in delays if d.direction == direction])


def _groups(runs: Iterable[Run], delays: Iterable[Delay]) -> list[tuple[Mode, Direction]]:
    seen = {(run.case.mode, run.case.direction) for run in runs}
    return sorted(seen | {(d.mode, d.direction) for d in delays if d.mode is not None})


def _rightness(bench: str, runs: Sequence[Run], peers: Sequence[Peer]) -> Iterator[Metric]:
    labelled = [run for run in runs if run.labelled]
    wrong_count = sum(run.wrong for run in labelled)
    groups = _by_name(peers)
    yield from _beside(
        Metric(bench=bench, metric="wrong_verdicts", value=wrong_count, unit="verdicts", n=len(labelled)),
        {name: sum(p.wrong for p in group) for name, group in groups.items()}
        | {f"{name}, goodput >= 100": sum(p.naive_wrong for p in group) for name, group in groups.items()},
    )
    share = sum(run.inconclusive for run in runs) / len(runs)
    yield Metric(bench=bench, metric="inconclusive_share", value=share, unit="ratio", n=len(runs))


def _cost(bench: str, mode: Mode, runs: Sequence[Run], peers: Sequence[Peer]) -> Iterator[Metric]:
    sizes = [float(run.bytes) for run in runs if run.bytes is not None]
    times = [run.seconds for run in runs if run.seconds is not None]
    groups = _by_name(peers)
    peer_bytes = {name: median(p.bytes for p in group) for name, group in groups.items()}
    peer_times = {name: float(group[0].seconds) for name, group in groups.items()}
    yield from _distribution(bench, f"{mode}_bytes", "bytes", sizes, peer_bytes)
    yield from _distribution(bench, f"{mode}_seconds", "seconds", times, peer_times)
    yield from _byte_ratio(bench, mode, runs, [peer for peer in peers if peer.seconds == 10])
    for name, each in (
        ("cpu_seconds_per_verdict", [run.cpu_seconds for run in runs]),
        ("responder_cpu_seconds_per_verdict", [run.responder_cpu_seconds for run in runs]),
    ):
        yield Metric(bench=bench, metric=name, value=fmean(each), unit="seconds", n=len(runs))


def _distribution(
    bench: str, name: str, unit: str, values: Sequence[float], theirs: Mapping[str, float]
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


def _delay(bench: str, mode: Mode, delays: Sequence[Delay]) -> Iterator[Metric]:
    """One metric for each line that was tried; another than the usual one is named."""
    for rate_mbps in sorted({d.rate_mbps for d in delays}):
        here = [d for d in delays if d.rate_mbps == rate_mbps]
        added_s, peer_s = _added_s(here, mode), _added_s(here, None)
        if added_s is None:
            continue
        name = bench if rate_mbps == USUAL_MBPS else f"{bench}.{rate_mbps:.4g}M"
        n = sum(d.loaded for d in here if d.mode == mode)
        yield from _beside(
            Metric(bench=name, metric="added_delay_p95_seconds", value=added_s, unit="seconds", n=n),
            {} if peer_s is None else {"iperf3 -t 1": peer_s},
        )


def _added_s(delays: Sequence[Delay], mode: Mode | None) -> float | None:
    loaded = [d.took_s for d in delays if d.mode == mode and d.loaded]
    idle = [d.took_s for d in delays if d.mode == mode and not d.loaded]
    return percentile(loaded, 0.95) - percentile(idle, 0.95) if loaded and idle else None


def day_metrics(runs: Sequence[Run], peers: Sequence[Peer], seeds: Sequence[int]) -> Iterator[Metric]:
    """Simulated school days (``bench.bandwidth.day``) at the cost of the tests measured; means over ``seeds``.

    A line on which no quick or no drain test was measured has no day. iperf3 stands beside with as many verdicts.
    """
    from bench.bandwidth import day

    peer_bytes = {name: median(p.bytes for p in group) for name, group in _by_name(peers).items()}
    for rate_mbps in DAY_MBPS:
        quick_bytes, drain_bytes = _usual_bytes(runs, "quick", rate_mbps), _usual_bytes(runs, "drain", rate_mbps)
        if quick_bytes is None or drain_bytes is None:
            continue
        days = [day.simulate(rate_mbps, quick_bytes=quick_bytes, drain_bytes=drain_bytes, seed=seed) for seed in seeds]
        bench, n = f"bandwidth.day.{rate_mbps:.4g}M", len(days)
        down, up = [each for one in days for each in one.down], [each for one in days for each in one.up]
        for name, evidence in ((bench, down + up), (f"{bench}.down", down), (f"{bench}.up", up)):
            if (share := day.share(evidence)) is not None:
                yield Metric(bench=name, metric="passive_share", value=share, unit="ratio", n=n)
            yield Metric(bench=name, metric="day_verdicts", value=_verdicts(evidence) / n, unit="verdicts", n=n)
        yield from _beside(
            Metric(bench=bench, metric="day_bytes_per_link", value=fmean(d.bytes for d in days), unit="bytes", n=n),
            {name: _verdicts(down + up) / n * each for name, each in peer_bytes.items()},
        )


def _verdicts(evidence: Sequence[str]) -> int:
    return sum(each != "unmeasured" for each in evidence)


def _usual_bytes(runs: Sequence[Run], mode: Mode, rate_mbps: float) -> int | None:
    """The median of the dearer direction, on lines of that rate."""
    mine = [run for run in runs if (run.case.mode, run.case.rate_mbps) == (mode, rate_mbps)]
    by_direction = [[run.bytes for run in mine if run.case.direction == d and run.bytes] for d in DIRECTIONS]
    return max((round(median(sizes)) for sizes in by_direction if sizes), default=None)


def _by_name(peers: Sequence[Peer]) -> dict[str, list[Peer]]:
    """The longest runs first."""
    ordered = sorted(peers, key=lambda peer: -peer.seconds)
    return {name: list(group) for name, group in groupby(ordered, key=lambda peer: peer.name)}


def _beside(metric: Metric, theirs: Mapping[str, float]) -> Iterator[Metric]:
    """The same metric beside each peer; once, alone, when there is none."""
    if not theirs:
        yield metric
    for name, value in theirs.items():
        ratio = value / metric.value if metric.value else None
        yield msgspec.structs.replace(metric, peer=name, peer_value=float(value), ratio=ratio)


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
        mark = " WRONG" * peer.wrong + " (taken as goodput: WRONG)" * peer.naive_wrong
        text = f"{bps_to_mbps(peer.rate_bps):6.1f} Mbit/s at layer 1{mark}"
        line = f"{peer.case.rate_mbps:7.1f} Mbit/s {peer.case.burst_bytes / 1_000:5.0f} kB {peer.case.direction:4s}"
        yield f"{peer.name:12s} {line}: {text}, {peer.bytes / MBYTE:.1f} MB"


def _order(case: Case) -> tuple[str, str, str, int, float]:
    return (case.mode, case.direction, case.condition, case.burst_bytes, case.rate_mbps)
