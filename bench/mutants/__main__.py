"""python -m bench.mutants: do the tests notice six deliberate breakages, and how many small ones of the core?

The six take away what promises rest on (a sync, the collector's own ack, ...); each must fail one named test. The small
ones are picked at random. Each breakage stands alone in a copy of the project in a temporary folder. JSON lines on
stdout, progress and every survivor on stderr. Ends with 1 where one of the six survived, or fewer than the goal of the
others were noticed.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from bench.lines import Metric, json_line, say
from bench.mutants import deliberate
from bench.mutants.places import Mutant, mutants_of
from bench.mutants.tree import PROJECT, Tree

GOAL_RATIO = 0.92
SIDE_BY_SIDE = 2
CORE = Path("collector/core")


class Breakage(NamedTuple):
    path: Path
    mutant: Mutant

    def __str__(self) -> str:
        return f"{self.path}:{self.mutant.line}: {_short(self.mutant.before)}  ->  {_short(self.mutant.after)}"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many breakages")
    parser.add_argument("--seed", type=int, default=1, help="which ones; the same seed picks the same")
    parser.add_argument("--only", default="", help="only modules whose path has this in it")
    parser.add_argument("--quick", action="store_true", help="the six, and ten others")
    parser.add_argument("--deliberate", action="store_true", help="the six alone: within a minute")
    return parser.parse_args(arguments)


def main() -> int:
    chosen = options()
    all_caught = True
    for line in deliberate.lines():
        all_caught &= bool(line.value)
        print(json_line(line), flush=True)
    if chosen.deliberate:
        return 0 if all_caught else 1
    return _walk(chosen) if all_caught else 1


def _walk(chosen: argparse.Namespace) -> int:
    everything, skipped_count = breakages(chosen.only)
    count = min(10 if chosen.quick else chosen.count, len(everything))
    picked = random.Random(chosen.seed).sample(everything, count)
    say(f"{count} of {len(everything)} breakages, seed {chosen.seed}; {skipped_count} more could decide nothing")
    survivors = [breakage for breakage, survived in _tried(picked) if survived]
    noticed_ratio = 1 - len(survivors) / count
    for breakage in sorted(survivors):
        say(f"survived: {breakage}")
    if survivors:
        say("what cannot be noticed, because nothing can come of it, counts as survived, too: no list leaves it out")
    print(json_line(_metric("noticed", noticed_ratio, "ratio", count, goal=GOAL_RATIO)))
    print(json_line(_metric("skipped", skipped_count, "places", len(everything) + skipped_count)))
    return 0 if noticed_ratio >= GOAL_RATIO else 1


def breakages(only: str = "") -> tuple[list[Breakage], int]:
    """Everything that can be broken in the core, and how many places were left out."""
    found, skipped_count = list[Breakage](), 0
    for file in sorted((PROJECT / CORE).rglob("*.py")):
        path = file.relative_to(PROJECT)
        if only in str(path):
            of_module = mutants_of(file.read_text(encoding="utf-8"))
            found += [Breakage(path, mutant) for mutant in of_module.mutants]
            skipped_count += of_module.skipped_count
    return found, skipped_count


def _tried(picked: Sequence[Breakage]) -> Iterator[tuple[Breakage, bool]]:
    """Each breakage, and whether it survived."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        trees = SimpleQueue[Tree]()
        for n in range(SIDE_BY_SIDE):
            trees.put(Tree(Path(folder) / str(n)))
        _must_pass(trees)

        def survived(breakage: Breakage) -> bool:
            tree = trees.get()
            try:
                return tree.survives(breakage.path, breakage.mutant.text)
            finally:
                trees.put(tree)

        for n, (breakage, alive) in enumerate(zip(picked, pool.map(survived, picked), strict=True), start=1):
            say(f"{n:4}/{len(picked)} {'SURVIVED' if alive else 'noticed '} {breakage}")
            yield breakage, alive


def _must_pass(trees: SimpleQueue[Tree]) -> None:
    """Without that nothing would count as noticed; the trees are alike."""
    tree = trees.get()
    if not tree.is_tested() or not tree.passes():
        raise SystemExit("the tests do not pass, or not on the copy, before anything is broken")
    trees.put(tree)


def _metric(metric: str, value: float, unit: str, n: int, goal: float | None = None) -> Metric:
    peer = None if goal is None else "goal"
    return Metric(bench="mutants", metric=metric, value=value, unit=unit, peer=peer, peer_value=goal, n=n)


def _short(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    raise SystemExit(main())
