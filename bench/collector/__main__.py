"""python -m bench.collector: what the collector's parts cost, each in this process.

JSON lines on stdout, progress on stderr. Where a line has a peer, it is the same work done the plain way.
"""

import argparse
from collections.abc import Callable, Sequence

from bench.collector import decoding, pages, rosters
from bench.lines import Metric, json_line, say

PARTS: dict[str, Callable[[bool], list[Metric]]] = {
    "decode": lambda quick: decoding.measure(times=20 if quick else 300),
    "pages": lambda quick: pages.measure(school_count=50 if quick else 2_000),
    "roster": lambda quick: rosters.measure(school_counts=(50,) if quick else (1_000, 20_000)),
}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.collector", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs, ends within 30 s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args(arguments)


def main() -> None:
    chosen = options()
    for part in chosen.parts:
        say(f"{part} ...")
        for metric in PARTS[part](chosen.quick):
            print(json_line(metric), flush=True)


if __name__ == "__main__":
    main()
