"""python -m bench.scenarios: is the right cause told to the right person, and is it quiet when nothing is wrong?

JSON lines on stdout, progress on stderr. Everything happens in simulated time and in this process: the world of an
office with its faults, gateways that see of it what agents see, and the collector's own judge and bureau. The same seed
gives the same lines. What the figures mean is in docs/alerts-evaluation.md.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.lines import say
from bench.scenarios.figures import Figure
from bench.scenarios.lines import GOALS, Line, Miss, for_people, json_line
from bench.scenarios.parts import FULL, PARTS, QUICK

ROOT: Final = Path(__file__).parents[2]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another office, with other faults at other times (1)")
    parser.add_argument("--quick", action="store_true", help="24 schools for eight days: less than a minute")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), metavar=",".join(PARTS))
    return parser.parse_args(arguments)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return [part for part in PARTS if part in parts]


def _commit() -> str:
    described = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"


def main() -> int:
    chosen, commit = options(), _commit()

    def tell(part: str, metric: str, figure: Figure) -> None:
        goal = GOALS.get(metric)
        line = Line(
            bench=f"scenarios.{part}",
            metric=metric,
            value=figure.value,
            n=figure.n,
            seed=chosen.seed,
            quick=chosen.quick,
            goal=goal.value if goal else None,
            note=figure.note,
            commit=commit,
        )
        print(json_line(line), flush=True)
        say(for_people(line))

    for part in chosen.parts:
        began_s = time.process_time()
        for found in PARTS[part](chosen.seed, QUICK if chosen.quick else FULL):
            if isinstance(found, Miss):
                print(json_line(found), flush=True)
            else:
                tell(part, *found)
        tell(part, "cpu_seconds", Figure(round(time.process_time() - began_s, 1), 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
