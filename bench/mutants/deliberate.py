"""Six breakages that nobody makes by chance: each takes away what a promise of the product rests on.

Each is written into a copy of the project, where one named test must fail that passed before.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from bench.lines import Metric, say
from bench.mutants.tree import COPIED, Tree

_ALL_COPIED: Final = (*COPIED, "agent", "configs")
_LIMIT_S: Final = 180.0
_SIDE_BY_SIDE: Final = 2
_FAILURE: Final = re.compile(r"\.py:\d+: ")


class Breakage(NamedTuple):
    """``text`` stands once in the file; ``test`` is what must notice that ``broken`` stands there."""

    name: str
    path: str
    text: str
    broken: str
    test: str


BREAKAGES: Final = (
    Breakage(
        "spool_without_fsync",
        "agent/spool/table.py",
        '"synchronous = FULL"',
        '"synchronous = OFF"',
        "tests/component/test_power_cut.py::test_what_the_spool_holds_outlives_the_power",
    ),
    Breakage(
        "delete_on_puback",
        "agent/links/mqtt.py",
        "return await self._answer(body, sequences)",
        'return Acked(acks=(Ack(spool_id=body.split(b\'"spool_id":"\')[1][:32].decode(), '
        "committed=tuple((n, n) for n in sequences)),))",
        "tests/component/test_broker_overflow.py::test_what_the_queue_of_the_broker_had_no_room_for_comes_again",
    ),
    Breakage(
        "store_without_fsync",
        "collector/store/database.py",
        '"synchronous=FULL"',
        '"synchronous=OFF"',
        "tests/component/test_power_cut.py::test_what_was_acknowledged_outlives_the_power",
    ),
    Breakage(
        "no_deduplication",
        "collector/engine/reports.py",
        "if n in taken or n in refused or n <= known.closed_through or contains(known.ranges, n):",
        "if n in taken:",
        "tests/component/test_engine.py::test_redelivery",
    ),
    Breakage(
        "raw_label",
        "collector/exposition/render.py",
        "if _PLAIN.fullmatch(text):",
        "if True:",
        "tests/properties/test_exposition.py::test_labels_and_values_round_trip",
    ),
    Breakage(
        "http_200_is_success",
        "collector/notify/robot/reply.py",
        "    reply = _object(body)\n",
        '    return 0, ""\n    reply = _object(body)\n',
        "tests/component/test_notify_contract.py::test_what_is_not_success_is_deferred",
    ),
)


def lines(breakages: Sequence[Breakage] = BREAKAGES) -> Iterator[Metric]:
    """One a breakage, 1 where its test noticed.

    Raises:
        SystemExit: a test does not pass before anything is broken, or a text to be broken is not there (any more).
    """
    with tempfile.TemporaryDirectory(prefix="breakages-") as folder, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        whole = _copy(Path(folder) / "whole")
        copies = [_copy(Path(folder) / breakage.name) for breakage in breakages]
        for breakage, copy in zip(breakages, copies, strict=True):
            _break(breakage, copy.folder)
        say(f"{len(breakages)} deliberate breakages; first their tests as they are")
        for breakage, why in zip(breakages, pool.map(lambda b: _failure(whole, b.test), breakages), strict=True):
            if why is not None:
                raise SystemExit(f"{breakage.test} does not pass before anything is broken: {why}")
        found = pool.map(lambda b, copy: _failure(copy, b.test), breakages, copies)
        for breakage, why in zip(breakages, found, strict=True):
            say(f"{'SURVIVED' if why is None else 'caught'}  {breakage.name} ({breakage.path}) by {breakage.test}")
            say(f"          {why or 'it passed'}")
            yield Metric(
                bench="mutants",
                metric=f"caught_{breakage.name}",
                value=float(why is not None),
                unit="count",
                peer="goal",
                peer_value=1.0,
                n=1,
            )


def _copy(folder: Path) -> Tree:
    tree = Tree(folder, _ALL_COPIED)
    if not tree.is_tested():
        raise SystemExit("the tests would not see the copy")
    return tree


def _break(breakage: Breakage, folder: Path) -> None:
    module = folder / breakage.path
    text = module.read_text(encoding="utf-8")
    if text.count(breakage.text) != 1:
        raise SystemExit(f"{breakage.name}: {breakage.path} does not hold {breakage.text!r} once")
    module.write_text(text.replace(breakage.text, breakage.broken), encoding="utf-8")


def _failure(tree: Tree, test: str) -> str | None:
    """What the test failed with; None where it passed. A test that could not even begin is neither."""
    pytest = (sys.executable, "-m", "pytest", "-x", "-q", "-rfEs", "--tb=line", "-p", "no:cacheprovider")
    done = subprocess.run(
        (*pytest, "--hypothesis-profile=mutants", test),
        cwd=tree.folder,
        capture_output=True,
        check=False,
        text=True,
        timeout=_LIMIT_S,
    )
    failed = f"FAILED {test}" in done.stdout
    if (done.returncode, failed) not in {(0, False), (1, True)} or "SKIPPED" in done.stdout:
        raise SystemExit(f"{test} could not be run:\n{done.stdout[-2_000:]}")
    return next((line for line in done.stdout.splitlines() if _FAILURE.search(line)), "") if failed else None
