"""python -m bench.bandwidth: the threshold test on labelled lines, beside iperf3 on the same lines.

JSON lines on stdout, progress and tables on stderr. Needs root (network namespaces), tc and iperf3. Run it alone.
day_bytes_per_link and passive_share come from simulated school days, at the cost of the tests measured before.
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bench.bandwidth import characteristic, links, report
from bench.bandwidth.cases import (
    BURSTS_BYTES,
    DIRECTIONS,
    MODES,
    RATES_MBPS,
    Case,
    Direction,
    Mode,
    drawn_bursts,
    drawn_rates,
    right_verdict,
    table,
)
from bench.bandwidth.report import USUAL_MBPS
from bench.bandwidth.run import DELAY_MBPS, IPERF_SECONDS, Scope, can_do, measure
from bench.lines import json_line, say

QUICK_RATES: Final = (50.0, 90.0, 95.0, 100.0, 105.0, 150.0)
QUICK_BURSTS: Final = (32_000, 5_000_000)
LIMIT_S: Final = 1_500.0
QUICK_LIMIT_S: Final = 44.0
DAYS: Final = 3
_PEER_LINES = 8


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.bandwidth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few lines, ends within 60 s")
    parser.add_argument("--rates", type=_rates, metavar="20,95,...", help="Mbit/s at layer 1, separated by commas")
    parser.add_argument("--bursts", type=_bursts, metavar="16000,...", help="bucket sizes in bytes")
    parser.add_argument("--seed", type=int, help="draw all that --rates and --bursts do not say")
    parser.add_argument("--modes", type=_modes, default=list(MODES), metavar=",".join(MODES))
    parser.add_argument("--runs", type=_positive, help="tests on each line (5; quick: 2)")
    parser.add_argument("--seconds", type=_positive, help=f"leave out what does not fit ({LIMIT_S:.0f})")
    parser.add_argument("--characteristic", action="store_true", help="write the decider's operating characteristic")
    parser.add_argument("--n", type=_positive, default=characteristic.N, help="--characteristic: trials in each cell")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _rates(text: str) -> list[float]:
    rates = [float(part) for part in text.split(",")]
    if not all(1 <= rate <= 2_000 for rate in rates):
        raise argparse.ArgumentTypeError("rates are Mbit/s from 1 to 2000")
    return rates


def _bursts(text: str) -> list[int]:
    bursts = [int(part) for part in text.split(",")]
    if not all(4_000 <= burst <= 50_000_000 for burst in bursts):
        raise argparse.ArgumentTypeError("bursts are bytes from 4000 to 50000000")
    return bursts


def _modes(text: str) -> list[str]:
    modes = text.split(",")
    if unknown := set(modes) - set(MODES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    return modes


def scope(chosen: argparse.Namespace) -> Scope:
    rng = random.Random(chosen.seed if chosen.seed is not None else 0)
    rates, bursts = _lines(chosen, rng)
    both = [(mode, direction) for mode in chosen.modes for direction in DIRECTIONS if can_do(direction, mode)]
    directions = sorted({direction for _, direction in both})
    cases = list(table(chosen.modes, directions, rates, bursts))
    rng.shuffle(cases)
    # The usual line comes first: however short the run, there is a day to simulate.
    cases.sort(key=lambda case: not (case.plain and (case.rate_mbps, case.burst_bytes) == (USUAL_MBPS, min(bursts))))
    limit_s = chosen.seconds or (QUICK_LIMIT_S if chosen.quick else LIMIT_S)
    return Scope(
        cases=cases,
        peers=_peers(cases, quick=chosen.quick),
        delays=list(_delays(both, quick=chosen.quick)),
        runs=chosen.runs or (2 if chosen.quick else 5),
        until_s=time.monotonic() + limit_s,
    )


def _seeds(chosen: argparse.Namespace) -> range:
    """One for each simulated day."""
    first = chosen.seed or 0
    return range(first, first + (1 if chosen.quick else DAYS))


def _delays(both: Sequence[tuple[Mode, Direction]], *, quick: bool) -> Iterator[tuple[Mode | None, Direction, float]]:
    """Ours, and iperf3 on the same lines; the quick bench has time for what lessons may see, which is quick tests."""
    for rate_mbps in DELAY_MBPS:
        yield from ((mode, direction, rate_mbps) for mode, direction in both if mode == "quick" or not quick)
        if not quick:
            yield from ((None, direction, rate_mbps) for direction in sorted({direction for _, direction in both}))


def _lines(chosen: argparse.Namespace, rng: random.Random) -> tuple[list[float], list[int]]:
    seeded = chosen.seed is not None
    rates = drawn_rates(rng) if seeded else list(QUICK_RATES if chosen.quick else RATES_MBPS)
    bursts = drawn_bursts(rng) if seeded else list(QUICK_BURSTS if chosen.quick else BURSTS_BYTES)
    return chosen.rates or rates, chosen.bursts or bursts


def _peers(cases: Sequence[Case], *, quick: bool) -> list[tuple[Case, int]]:
    """The plain lines nearest to the threshold with the smallest and the largest bucket, once whatever the modes."""
    plain = [case for case in cases if case.plain and right_verdict(case.rate_mbps) is not None]
    bursts = {case.burst_bytes for case in plain}
    lines = {
        (abs(case.rate_mbps - 97.5), case.rate_mbps, case.burst_bytes, case.direction): case
        for case in plain
        if case.burst_bytes in {min(bursts), max(bursts)}
    }
    nearest = [lines[key] for key in sorted(lines)]
    if quick:
        return [(case, 10) for case in nearest[:1]]
    return [(case, seconds) for case in nearest[:_PEER_LINES] for seconds in IPERF_SECONDS]


def main() -> int:
    chosen = options()
    if chosen.characteristic:
        return characteristic.main(chosen.n)
    if (why_not := links.missing()) is not None:
        say(f"bench.bandwidth cannot run: {why_not}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = measure(scope(chosen))
    other_modes = Counter(run.case.mode for run in found.runs if run.case.mode not in chosen.modes)
    for mode, count in other_modes.items():
        say(f"not in what follows: {count} tests that the product made in mode {mode}")
    found.runs = [run for run in found.runs if run.case.mode in chosen.modes]
    for text in (*report.text_table(found.runs), *report.notes(found.runs), *report.peer_table(found.peers)):
        say(text)
    for metric in report.metrics(found.runs, found.peers, found.delays):
        print(json_line(metric), flush=True)
    say("simulated school days")
    for metric in report.day_metrics(found.runs, found.peers, _seeds(chosen)):
        print(json_line(metric), flush=True)
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main())
