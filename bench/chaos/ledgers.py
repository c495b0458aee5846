"""What each side says it has, and what follows from that: set algebra, as docs/testing.md describes it."""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from classready.report import Ack


class Spool(Struct, frozen=True, kw_only=True):
    """A gateway's file: sequences 1 .. ``last`` were given to records that were on the disk."""

    spool_id: str
    last: int
    held: frozenset[int]
    aside: frozenset[int]
    dropped_count: int


class Ledger(Struct, frozen=True, kw_only=True):
    """What the collector's store says of a spool. ``counted`` = how many records it says it applied or refused."""

    stored: frozenset[int]
    counted: int


class Verdict(Struct, frozen=True, kw_only=True):
    """Counts of records; the first four must be 0. ``elsewhere``: of spools in memory, which left no file."""

    lost: int
    phantom: int
    doubled: int
    acked_not_stored: int
    stored: int
    dropped: int
    elsewhere: int


def read_spool(file: Path) -> Spool:
    """Read a spool, also while its agent runs."""
    with _reading(file) as db:
        ((spool_id,),) = db.execute("SELECT spool_id FROM identity")
        last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
        dropped = db.execute("SELECT coalesce(sum(value), 0) FROM counter WHERE name LIKE 'dropped.%'").fetchone()
        return Spool(
            spool_id=spool_id,
            last=last[0] if last else 0,
            held=_numbers(db, "SELECT sequence FROM record"),
            aside=_numbers(db, "SELECT sequence FROM aside"),
            dropped_count=dropped[0],
        )


def read_ledgers(store: Path) -> dict[str, Ledger]:
    with _reading(store) as db:
        rows = db.execute("SELECT spool_id, ranges, applied_records + rejected_records + closed_records FROM ledger")
        return {spool_id: Ledger(stored=_spread(json.loads(ranges)), counted=count) for spool_id, ranges, count in rows}


def read_outbox(store: Path) -> dict[str, int]:
    """State -> how many messages."""
    with _reading(store) as db:
        return dict(db.execute("SELECT state, count(*) FROM outbox GROUP BY state"))


def is_sound(store: Path) -> bool:
    with _reading(store) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def compare(spools: Iterable[Spool], ledgers: Mapping[str, Ledger], acks: Mapping[str, Sequence[Ack]]) -> Verdict:
    """``acks``: spool -> what its gateway was told. Drops are declared by number, not by sequence."""
    own = {spool.spool_id: spool for spool in spools}
    none = Ledger(stored=frozenset(), counted=0)
    lost = phantom = 0
    for spool in own.values():
        stored = ledgers.get(spool.spool_id, none).stored
        made = frozenset(range(1, spool.last + 1))
        lost += max(0, len(made - stored - spool.held - spool.aside) - spool.dropped_count)
        phantom += len(stored - made)
    return Verdict(
        lost=lost,
        phantom=phantom,
        doubled=sum(abs(ledger.counted - len(ledger.stored)) for ledger in ledgers.values()),
        acked_not_stored=sum(len(_acked(told) - ledgers.get(spool_id, none).stored) for spool_id, told in acks.items()),
        stored=sum(len(ledger.stored) for ledger in ledgers.values()),
        dropped=sum(spool.dropped_count for spool in own.values()),
        elsewhere=sum(len(ledger.stored) for spool_id, ledger in ledgers.items() if spool_id not in own),
    )


def doubled_texts(texts: Iterable[str]) -> int:
    """How many messages somebody read again: their words hold times and schools, so two are never alike by chance."""
    return sum(count - 1 for count in Counter(texts).values())


def _acked(acks: Iterable[Ack]) -> frozenset[int]:
    return frozenset().union(*(_spread(ack.committed) for ack in acks))


def _spread(ranges: Iterable[Sequence[int]]) -> frozenset[int]:
    return frozenset(n for first, last in ranges for n in range(first, last + 1))


def _numbers(db: sqlite3.Connection, query: str) -> frozenset[int]:
    return frozenset(n for (n,) in db.execute(query))


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as db:
        yield db
