"""An upgrade, and the way back, with a full spool: each release reads what the other wrote, and goes on numbering.

``tests/data/spool/first-release.db`` was written by the first release (commit 9a21226): 60 records, of which ten were
acknowledged, one was refused by the collector, and one set aside as refused. It is never edited.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from agent.settings import SpoolSettings
from agent.spool import FILE_NAME
from agent.spool.store import Store
from classready.report import Record, Rejected
from tests.support.records import ping_record

FIRST = Path(__file__).parents[1] / "data" / "spool" / "first-release.db"
SPOOL_ID = "a995cc67078c226225eda3392185e3e7"
HELD = range(13, 61)
SMALL = SpoolSettings(max_bytes=262_144)


def opened(folder):
    return Store(folder, SMALL, 1.0)


def taken(store):
    batches = [store.take(lane, 0.0, 10**9) for lane in ("live", "backlog")]
    return {n: msgspec.json.decode(body, type=Record) for batch in batches if batch for n, body in batch.records}


@pytest.fixture
def upgraded(tmp_path):
    """The folder of a gateway that was upgraded just now."""
    shutil.copy(FIRST, tmp_path / FILE_NAME)
    return tmp_path


def test_an_upgrade_keeps_what_waits(upgraded):
    """Same spool, same numbers, same content, same counts; the next record gets the next number."""
    store = opened(upgraded)
    held = taken(store)
    assert (store.heartbeat().spool_id, sorted(held)) == (SPOOL_ID, list(HELD))
    assert all(held[n].observation.detail.startswith(f"{n}: 第") for n in HELD)
    assert (store.statistics().dropped, store.statistics().rejected) == ({"refused": 1}, {"identity": 1})
    store.append([ping_record()])
    assert max(taken(store)) == 61
    store.close()
    assert [path.name for path in upgraded.iterdir()] == [FILE_NAME]


def fill(folder):
    """Until old records make room for new ones, with some settled in between."""
    store = opened(folder)
    for step in range(150):
        store.append([ping_record(detail="y" * 150) for _ in range(5)])
        if step % 40 == 0:
            refusals = [Rejected(sequence=max(taken(store)), reason="schema")]
            assert store.on(SPOOL_ID, lambda file, why=refusals: file.settle([], why))
    held = taken(store)
    assert store.statistics().dropped["spool_full"] > 0
    store.close()
    return held


def as_the_first_release_reads(db):
    """All that it asks of a file before it takes it for its own, and what it sends of it."""
    marks = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version", "quick_check")]
    assert marks == [0x636C7273, 1, "ok"]
    assert db.execute("SELECT spool_id FROM identity").fetchone() == (SPOOL_ID,)
    rows = db.execute("SELECT sequence, CAST(body AS BLOB) FROM record ORDER BY sequence").fetchall()
    return {n: msgspec.json.decode(body, type=Record) for n, body in rows}


def test_the_way_back_and_up_again_with_a_full_spool(upgraded):
    """The release before reads all that today's wrote and adds its own; today's then has both, and no number twice."""
    held = fill(upgraded)
    with contextlib.closing(sqlite3.connect(upgraded / FILE_NAME)) as db, db:
        assert as_the_first_release_reads(db) == held
        last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()[0]
        made = msgspec.structs.replace(ping_record(target="before"), sequence=last + 1)
        db.execute("INSERT INTO record (good_wall_s, body) VALUES (NULL, ?)", [msgspec.json.encode(made)])
        db.execute("DELETE FROM record WHERE sequence = ?", [min(held)])  # and what was acknowledged to it
    store = opened(upgraded)
    again = taken(store)
    assert set(again) == set(held) - {min(held)} | {last + 1}
    assert (store.heartbeat().spool_id, again[last + 1].observation.target) == (SPOOL_ID, "before")
    store.append([ping_record()])
    assert max(taken(store)) == last + 2
    assert not store.statistics().dropped.get("damaged")
    store.close()
