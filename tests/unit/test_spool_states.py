"""Every state in which a power cut or a bad disk may leave the spool's two files: no wrong record, no refusal to start.

``CLASSREADY_SPOOL_STATES=20000`` tries as many; without it, what fits into some seconds.
"""

import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from agent.settings import SpoolSettings
from agent.spool import FILE_NAME
from agent.spool.store import Store
from classready.report import Record, Rejected
from tests.support.records import ping_record

STATE_COUNT = int(os.environ.get("CLASSREADY_SPOOL_STATES", "1200"))
SHM = Path("/dev/shm")
SECTOR_BYTES = 512
"""What a disk writes at once; of a page, some may be new and some old."""
LOG_HEADER_BYTES = 32
SETTINGS = SpoolSettings(max_bytes=262_144)
NAMES = (FILE_NAME, f"{FILE_NAME}-wal")


class Snapshot(NamedTuple):
    """The two files after a call of the spool returned, and the sequences that are durable by that."""

    files: tuple[bytes, bytes]
    held: frozenset[int]


class History(NamedTuple):
    spool_id: str
    bodies: dict[int, bytes]
    snapshots: list[Snapshot]


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        yield Path(name)


def taken(store):
    """Return the records of the spool on the disk by sequence."""
    batches = [store.take(lane, 0.0, 10**9) for lane in ("live", "backlog")]
    return {sequence: body for batch in batches if batch for sequence, body in batch.records}


def snapshot(folder, store):
    files = tuple((folder / name).read_bytes() for name in NAMES)
    return Snapshot(files, frozenset(taken(store)))


@pytest.fixture(scope="module")
def history(folder):
    """Appends of several sizes, settled here and there, over several checkpoints of the log."""
    store = Store(folder / "made", SETTINGS, 1.0)
    spool_id = store.heartbeat().spool_id
    bodies, snapshots, sizes = {}, [], random.Random(7)
    for step in range(60):
        store.append([ping_record(detail="x" * sizes.randint(0, 200)) for _ in range(sizes.randint(1, 6))])
        held = taken(store)
        bodies |= held
        if step % 5 == 4:
            gone = sizes.sample(sorted(held), 4)
            refusals = [Rejected(sequence=gone[0], reason="schema")]
            assert store.on(
                spool_id, lambda file, gone=gone, why=refusals: file.settle([(n, n) for n in gone[1:]], why)
            )
        files = tuple((folder / "made" / name).read_bytes() for name in NAMES)
        snapshots.append(Snapshot(files, frozenset(taken(store))))
    store.close()
    return History(spool_id, bodies, snapshots)


def torn(dice, old, new):
    """Some sectors of ``new`` in the place of ``old``; what lies beyond the end of the old file may be missing."""
    end = dice.choice([len(old), len(new), dice.randint(len(old), len(new))]) if len(new) > len(old) else len(new)
    mixed = bytearray(old[:end].ljust(end, b"\0"))
    for at in range(0, len(mixed), SECTOR_BYTES):
        if new[at : at + SECTOR_BYTES] != bytes(mixed[at : at + SECTOR_BYTES]) and dice.random() < 0.5:
            mixed[at : at + SECTOR_BYTES] = new[at : at + SECTOR_BYTES][: len(mixed) - at]
    return bytes(mixed)


def power_cut(dice, history):
    """What was synced is there; of what was written since, any part: of the log, then of the database."""
    at = dice.randrange(len(history.snapshots) - 1)
    before, after = history.snapshots[at], history.snapshots[at + 1]
    (old, old_log), (new, new_log) = before.files, after.files
    if old != new and dice.random() < 0.5:
        return (torn(dice, old, new), new_log), before.held & after.held
    # A log that begins anew has its header synced before anything follows. (SQLite's wal.c, ticket ff5be73dee)
    started = new_log[:LOG_HEADER_BYTES] + old_log[LOG_HEADER_BYTES:]
    return (old, torn(dice, started, new_log)), before.held & after.held


def flip(dice, data):
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def cut(dice, data):
    return data[: dice.choice([dice.randrange(len(data)), dice.randrange(len(data)) // 4096 * 4096])]


def zero_the_end(dice, data):
    return cut(dice, data).ljust(len(data), b"\0")


def zero_a_part(dice, data):
    at = dice.randrange(len(data)) // SECTOR_BYTES * SECTOR_BYTES
    size = dice.choice([SECTOR_BYTES, 4_096])
    return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


def bad_disk(dice, history):
    """One of the files is damaged where it was sound; nobody can promise what was there."""
    files = list(dice.choice(history.snapshots).files)
    which = dice.choice([at for at, data in enumerate(files) if data])
    files[which] = dice.choice([flip, flip, flip, cut, zero_the_end, zero_a_part])(dice, files[which])
    return tuple(files), frozenset()


def start(folder, history, files):
    """Start on these files and go on; return what was read, or None where they were set aside."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in zip(NAMES, files, strict=True):
        (folder / name).write_bytes(data)
    store = Store(folder, SpoolSettings(), 1.0)
    found = taken(store)
    assert {n for n, body in found.items() if history.bodies[n] != body} == set()
    for _ in range(3):  # what only an append finds out ends in memory; a file that failed twice is replaced
        store.append([ping_record(target="after")])
    held = store.statistics()
    assert not held.degraded
    is_same = store.heartbeat().spool_id == history.spool_id
    if is_same:
        is_there = max(taken(store), default=0) > max(found, default=0)
        assert is_there or store.statistics().dropped.get("damaged"), store.statistics()
    else:
        assert held.dropped["spool_replaced"] >= 1
        assert any(folder.glob(f"{FILE_NAME}.bad*"))
    store.close()
    return found if is_same else None


@pytest.mark.parametrize("kind", [power_cut, bad_disk])
def test_no_state_of_the_files_gives_a_wrong_record_or_ends_the_agent(folder, history, kind):
    """After a power cut all that was synced is there; a file that is damaged otherwise is set aside and counted."""
    dice = random.Random(20261129)
    for _ in range(STATE_COUNT // 2):
        files, durable = kind(dice, history)
        found = start(folder / "cut", history, files)
        if kind is power_cut:
            assert found is not None
            assert durable <= set(found)


def test_the_check_sum_is_what_finds_a_changed_digit(folder, history):
    """SQLite has none over its pages: a digit that becomes another one is found by ours, set aside and counted."""
    store = Store(folder / "digit", SETTINGS, 1.0)
    store.append([ping_record(detail="line 1"), ping_record(detail="line 2")])
    store.close()
    path = folder / "digit" / FILE_NAME
    path.write_bytes(path.read_bytes().replace(b"line 1", b"line 9"))
    store = Store(folder / "digit", SETTINGS, 1.0)
    assert list(taken(store)) == [2]
    assert store.statistics().dropped == {"damaged": 1}
    assert store.statistics().held_count == 1
    store.close()


def test_a_spool_of_before_there_were_check_sums(folder, history):
    """It is read, its records too, and what an agent of before reads in one of today it can send."""
    store = Store(folder / "before", SETTINGS, 1.0)
    spool_id = store.heartbeat().spool_id
    store.append([ping_record(target="a"), ping_record(target="b")])
    made = taken(store)
    store.close()
    with contextlib.closing(sqlite3.connect(folder / "before" / FILE_NAME)) as db, db:
        marked = db.execute("SELECT body FROM record").fetchone()[0]
        db.executemany("UPDATE record SET body = ? WHERE sequence = ?", [(body, n) for n, body in made.items()])
        db.execute("DELETE FROM sqlite_sequence WHERE name != 'record'")
    assert msgspec.json.decode(marked, type=Record) == msgspec.json.decode(made[1], type=Record)
    store = Store(folder / "before", SETTINGS, 1.0)
    assert taken(store) == made
    store.append([ping_record(target="c")])
    assert (store.heartbeat().spool_id, max(taken(store))) == (spool_id, 3)
    store.close()


def test_what_was_appended_is_synced(tmp_path):
    """What the states above take for granted: SQLite's log, synced with each transaction (FULL; NORMAL does not)."""
    store = Store(tmp_path, SETTINGS, 1.0)
    asked = ("journal_mode", "synchronous", "journal_size_limit")
    assert [store._disk._table._one(f"PRAGMA {name}") for name in asked] == ["wal", 2, 65_536]
    store.close()
