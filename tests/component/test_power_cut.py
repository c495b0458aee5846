"""The power goes at any moment, and the disk has of what was not synced whatever it likes: what was promised is there.

The calls of the real programs are recorded once; each state that follows from them is started on. With
``CLASSREADY_POWER_CUTS=20000`` it is so many states of the spool and of the store; without it 500.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from itertools import chain
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from agent.settings import SpoolSettings
from agent.spool import FILE_NAME
from agent.spool.store import Store
from bench.chaos import ledgers
from collector.store.database import close_store, open_store, store_url
from tests.support import collecting
from tests.support.power_cut import Said, calls_in, pid_in, recorder, states

pytestmark = pytest.mark.servers("strace")

STATE_COUNT = int(os.environ.get("CLASSREADY_POWER_CUTS", "500"))
SHM = Path("/dev/shm")
SPOOL_FILES = (FILE_NAME, f"{FILE_NAME}-wal")
STORE_FILES = ("collector.db", "collector.db-wal")
PROMISE = re.compile(rb'"spool_id":"([0-9a-f]{32})","committed":(\[\[.*?\]\])')
REPORTS_PER_SENDER = 60


@pytest.fixture
def folder():
    """Where a state is started on; in memory where that is possible, for there are many."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        yield Path(name)


def laid_out(folder, state):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in state.files.items():
        (folder / name).write_bytes(data)


def test_what_the_spool_holds_outlives_the_power(tmp_path, folder):
    """Each record whose append returned is there again, with its number; the agent starts on every state."""
    made = tmp_path / "made"
    subprocess.run(
        [*recorder(tmp_path / "trace"), sys.executable, "-m", "tests.support.appending", str(made)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    calls = calls_in(tmp_path / "trace", [made / name for name in SPOOL_FILES], re.compile(rb"^(holds|gone) "))
    dice = random.Random(20261129)
    for state in states(calls, dice, STATE_COUNT):
        held = set()
        for line in state.said:
            word, _, numbers = line.decode().partition(" ")
            held = held | set(json.loads(numbers)) if word == "holds" else held - set(json.loads(numbers))
        laid_out(folder / "cut", state)
        store = Store(folder / "cut", SpoolSettings(max_bytes=262_144), 1.0)
        taken = [store.take(lane, 0.0, 10**9) for lane in ("live", "backlog")]
        found = set(chain.from_iterable(batch.sequences for batch in taken if batch))
        assert held <= found
        assert not store.statistics().dropped
        store.close()


def keep_reporting(collector, gateway, spool_id):
    for n in range(REPORTS_PER_SENDER):
        body = collecting.body(collecting.pings(range(3 * n + 1, 3 * n + 4)), gateway=gateway, spool_id=spool_id)
        headers = {"Authorization": f"Bearer {collecting.TOKENS[gateway]}"}
        with urlopen(Request(f"{collector.url}/api/v1/reports", body, headers), timeout=60) as answer:
            assert answer.status == 200


@pytest.fixture
def recorded_collector(tmp_path):
    """What a real collector did to its store while two gateways reported, and all that it acknowledged on the wire."""
    trace, made = tmp_path / "trace", tmp_path / "made"
    made.mkdir()
    collector = collecting.Collector(made, "store: sqlite+aiosqlite:///collector.db\n")
    collector.start(under=recorder(trace), deadline_s=60.0)
    try:
        senders = [
            threading.Thread(target=keep_reporting, args=(collector, gateway, f"{n:032x}"))
            for n, gateway in enumerate(collecting.TOKENS)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    finally:
        os.kill(pid_in(trace), signal.SIGKILL)
        collector.process.wait(timeout=10)
    return calls_in(trace, [made / name for name in STORE_FILES], PROMISE)


def promised(state):
    """Spool -> the sequences that acks named before the power went."""
    told = {}
    for data in state.said:
        for spool_id, committed in PROMISE.findall(data):
            named = {n for first, last in json.loads(committed) for n in range(first, last + 1)}
            told.setdefault(spool_id.decode(), set()).update(named)
    return told


async def test_what_was_acknowledged_outlives_the_power(recorded_collector, folder):
    """``acked_not_stored`` is 0 in each state, and the store opens: for SQLite, and here and there for the product."""
    calls = recorded_collector
    assert sum(isinstance(call, Said) for call in calls) >= REPORTS_PER_SENDER
    for n, state in enumerate(states(calls, random.Random(20261129), STATE_COUNT)):
        laid_out(folder / "cut", state)
        file = folder / "cut" / "collector.db"
        with contextlib.closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = ledgers.read_ledgers(file)
        for spool_id, sequences in promised(state).items():
            assert sequences <= stored[spool_id].stored
        if n % 50 == 0:
            await close_store(await open_store(store_url("sqlite+aiosqlite:///collector.db", file.parent)))
