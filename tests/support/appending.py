"""``python -m tests.support.appending FOLDER``: a spool at work, which says on stdout what it has promised.

``holds [n, ...]`` once an append returned; ``gone [n, ...]`` before these are settled, for from then on they may go.
"""

import os
import random
import sys
from pathlib import Path

from agent.settings import SpoolSettings
from agent.spool.store import Store
from classready.report import Rejected
from tests.support.records import ping_record


def say(word: str, sequences: list[int]) -> None:
    os.write(1, f"{word} {sequences}\n".encode())


def main() -> None:
    dice, store = random.Random(7), Store(Path(sys.argv[1]), SpoolSettings(max_bytes=262_144), 1.0)
    spool_id, last, held = store.heartbeat().spool_id, 0, list[int]()
    for step in range(60):
        count = dice.randint(1, 6)
        store.append([ping_record(detail="x" * dice.randint(0, 200)) for _ in range(count)])
        held += range(last + 1, last + count + 1)
        last += count
        say("holds", held[-count:])
        if step % 5 == 4:
            gone = dice.sample(held, 4)
            say("gone", gone)
            refusals = [Rejected(sequence=gone[0], reason="schema")]
            assert store.on(spool_id, lambda file, gone=gone, why=refusals: file.settle([(n, n) for n in gone], why))  # type: ignore[misc]
            held = [n for n in held if n not in gone]


if __name__ == "__main__":
    main()
