"""The spool on a disk that goes bad while the agent runs: nothing raises, and every record is sent, held or counted."""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from agent.settings import SpoolSettings
from agent.spool import FILE_NAME, Spool
from tests.support.records import ping_record

SETTINGS = SpoolSettings()
COUNT = 2_500
"""Larger than SQLite's cache (512 kB), so that some must be read from the disk again."""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """Every append looks after the disk again."""
    monkeypatch.setattr("agent.spool.store.RETRY_S", 0.0)


@contextlib.asynccontextmanager
async def opened(folder):
    spool = await Spool.open(folder, SETTINGS, live_s=10.0)
    try:
        yield spool
    finally:
        await spool.close()


def records(count, size=150):
    return [ping_record(detail="x" * size) for _ in range(count)]


async def use_everything(spool):
    """Whatever the agent asks of its spool, in the order of a report."""
    await spool.heartbeat()
    await spool.statistics()
    for lane in ("live", "backlog"):
        if batch := await spool.take(lane, 0.0, 1_000):
            await spool.settle(batch.spool_id, [])
            await spool.set_aside(batch.spool_id, 2**40, "refused")


async def drain(spool):
    """Send everything; return what was sent and then deleted, by its full name."""
    sent = []
    for lane in ("live", "backlog"):
        while batch := await spool.take(lane, 0.0, 60_000):
            if await spool.settle(batch.spool_id, [(n, n) for n in batch.sequences]):
                sent += [(batch.spool_id, n) for n in batch.sequences]
    return sent


def overwrite(path, at, size, data=b"\0"):
    with path.open("r+b") as file:
        file.seek(at)
        file.write((data * (size // len(data) + 1))[:size])


def zeros_in_the_middle(path):
    for each in (path, Path(f"{path}-wal")):
        if size := each.stat().st_size:
            overwrite(each, size // 4 // 4096 * 4096, size // 2)


def zeros_at_the_head(path):
    overwrite(path, 0, 8_192)
    overwrite(Path(f"{path}-wal"), 0, 65_536)


def rubbish(path):
    for each in (path, Path(f"{path}-wal")):
        overwrite(each, 0, each.stat().st_size, os.urandom(4_096))


def cut_to_nothing(path):
    for each in (path, Path(f"{path}-wal")):
        os.truncate(each, 0)


def cut_in_half(path):
    for each in (path, Path(f"{path}-wal")):
        os.truncate(each, each.stat().st_size // 2 + 100)


def tables_gone(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE record; DROP TABLE counter")


def set_back(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("DELETE FROM record; UPDATE sqlite_sequence SET seq = 7")


DAMAGES = [zeros_in_the_middle, zeros_at_the_head, rubbish, cut_to_nothing, cut_in_half, tables_gone, set_back]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("first", ["append", "take", "heartbeat", "statistics", "settle"])
async def test_a_file_that_is_damaged_underneath(tmp_path, damage, first):
    """Whoever meets the damage first: a new file with a new identity, and what the old one held is counted as lost."""
    async with opened(tmp_path) as spool:
        await spool.append(records(COUNT))
        old = (await spool.heartbeat()).spool_id
        damage(tmp_path / FILE_NAME)
        await {
            "append": lambda: spool.append([]),
            "take": lambda: spool.take("backlog", 100.0, 10**7),
            "heartbeat": spool.heartbeat,
            "statistics": spool.statistics,
            "settle": lambda: spool.settle(old, [(COUNT, COUNT + 1)]),
        }[first]()
        made = COUNT
        for _ in range(4):
            await use_everything(spool)
            await spool.append(records(10))
            made += 10
        sent = await drain(spool)
        await spool.append(records(1))
        held = await spool.statistics()
        assert not held.degraded
        assert held.held_count == 1
        assert len(set(sent)) == len(sent)
        settled_first = 1 if first == "settle" and held.dropped.get("spool_replaced") != COUNT else 0
        assert made + 1 == len(sent) + settled_first + held.held_count + sum(held.dropped.values())
        if held.dropped:
            assert set(held.dropped) == {"spool_replaced"}
            assert (await spool.heartbeat()).spool_id != old
            assert (tmp_path / f"{FILE_NAME}.bad").exists() or damage is cut_to_nothing
    async with opened(tmp_path) as spool:
        assert (await spool.statistics()).held_count == 1


def deleted(folder):
    (folder / FILE_NAME).unlink()


def log_deleted(folder):
    (folder / f"{FILE_NAME}-wal").unlink()


def index_deleted(folder):
    (folder / f"{FILE_NAME}-shm").unlink()


def all_deleted(folder):
    for path in folder.iterdir():
        path.unlink()


def moved_away(folder):
    (folder / FILE_NAME).rename(folder / "elsewhere.db")


def another_in_its_place(folder):
    (folder / "new").write_text("a note\n")
    (folder / "new").replace(folder / FILE_NAME)


def folder_removed(folder):
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "remove", [deleted, log_deleted, index_deleted, all_deleted, moved_away, another_in_its_place, folder_removed]
)
async def test_files_that_are_removed_underneath(tmp_path, remove):
    """All that was held can be read through the open file: it is put back under the same identity, nothing lost."""
    folder = tmp_path / "state"
    async with opened(folder) as spool:
        await spool.append(records(50))
        old = (await spool.heartbeat()).spool_id
        remove(folder)
        await use_everything(spool)
        await spool.append(records(1))
        held = await spool.statistics()
        assert (held.held_count, held.dropped, held.degraded) == (51, {}, False)
    async with opened(folder) as spool:
        assert (await spool.heartbeat()).spool_id == old
        assert sorted(await drain(spool)) == [(old, n) for n in range(1, 52)]
    if remove is another_in_its_place:
        assert (folder / f"{FILE_NAME}.bad").read_text() == "a note\n"


async def test_a_folder_that_another_agent_took_meanwhile(tmp_path):
    """It is left to the other one; what is held stays readable, and goes on in memory."""
    folder = tmp_path / "state"
    async with opened(folder) as spool:
        await spool.append(records(5))
        shutil.rmtree(folder)
        async with opened(folder) as other:
            await other.append(records(1))
            await spool.append(records(5))
            held = await spool.statistics()
            assert (held.held_count, held.degraded) == (10, True)
            assert len(await drain(spool)) == 10
            assert (await other.statistics()).held_count == 1
        await spool.append(records(1))
        assert not (await spool.statistics()).degraded


async def test_a_file_that_another_process_holds(tmp_path, monkeypatch):
    """Records go to memory while it is locked, and to the disk again afterwards."""
    monkeypatch.setattr("agent.spool.table.BUSY_S", 0.1)
    async with opened(tmp_path) as spool:
        await spool.append(records(3))
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await use_everything(spool)
            await spool.append(records(3))
            held = await spool.statistics()
            assert (held.held_count, held.dropped, held.degraded) == (6, {}, True)
            other.execute("ROLLBACK")
        await spool.append(records(3))
        assert not (await spool.statistics()).degraded
        assert len(await drain(spool)) == 9


async def test_a_disk_that_gives_errors(tmp_path):
    """SQLite's "disk I/O error" (here the kernel refuses to let the log grow): memory, and then the disk again."""
    async with opened(tmp_path) as spool:
        await spool.append(records(3))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
        try:
            for _ in range(20):
                await spool.append(records(20))
                await use_everything(spool)
            held = await spool.statistics()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert held.degraded
        await spool.append(records(1))
        assert not (await spool.statistics()).degraded
        assert len(await drain(spool)) == 404
        assert (await spool.statistics()).dropped == {}


@pytest.mark.netns
async def test_a_disk_that_is_read_only_at_the_start(tmp_path):
    """After a power cut the kernel may mount it read-only: records flow through memory until it can be written."""
    folder = tmp_path / "disk"
    folder.mkdir()
    async with opened(folder) as spool:
        await spool.append(records(2))
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        async with opened(folder) as spool:
            await use_everything(spool)
            await spool.append(records(2))
            held = await spool.statistics()
            assert (held.degraded, held.dropped) == (True, {})
            subprocess.run(["mount", "-o", "remount,bind,rw", folder], check=True)
            await spool.append(records(1))
            assert not (await spool.statistics()).degraded
            assert len(await drain(spool)) == 5
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_what_memory_holds_at_the_end_is_counted(tmp_path):
    """It cannot be kept, but the collector hears of it with the next report."""
    (tmp_path / "in the way").write_text("")
    folder = tmp_path / "in the way"
    async with opened(folder) as spool:
        await spool.append(records(4))
        folder.unlink()
        await spool.append(records(1))
        held = await spool.statistics()
        assert (held.degraded, held.held_count) == (False, 5)
    async with opened(folder) as spool:
        held = await spool.statistics()
        assert (held.held_count, held.dropped) == (1, {"disk_full": 4})


async def test_nothing_of_it_stops_the_others(tmp_path):
    """The watchdog's look, the metrics and the reports go on while the file is damaged again and again."""
    async with opened(tmp_path) as spool:
        for _ in range(10):
            await spool.append(records(5))
            rubbish(tmp_path / FILE_NAME)
            await asyncio.gather(*(use_everything(spool) for _ in range(5)))
        await spool.append(records(1))
        assert not (await spool.statistics()).degraded


def directory(path):
    path.mkdir()
    (path / "of somebody").write_text("")


@pytest.mark.parametrize("make", [directory, os.mkfifo], ids=["directory", "pipe"])
@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_something_else_in_the_place_of_a_file(tmp_path, make, suffix):
    """It is set aside and counted, and again if it comes again; the agent does not wait for it."""
    for starts in (1, 2):
        make(tmp_path / f"{FILE_NAME}{suffix}")
        async with opened(tmp_path) as spool:
            await spool.append(records(1))
            held = await spool.statistics()
            assert (held.degraded, held.held_count) == (False, 1)
            assert held.dropped == {"spool_replaced": 1}
            assert len(list(tmp_path.glob(f"{FILE_NAME}.bad{suffix}*"))) >= (1 if make is os.mkfifo else starts)
        for each in tmp_path.glob(f"{FILE_NAME}{'*' if suffix else ''}"):
            if "bad" not in each.name:
                each.unlink()


async def test_a_spool_of_a_newer_version_is_kept_for_it(tmp_path):
    """It is set aside whole, and not opened by one that does not know what it means."""
    async with opened(tmp_path) as spool:
        await spool.append(records(7))
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 2")
    before = (tmp_path / FILE_NAME).read_bytes()
    async with opened(tmp_path) as spool:
        await spool.append(records(1))
        assert (await spool.statistics()).dropped == {"spool_replaced": 1}
    assert (tmp_path / f"{FILE_NAME}.bad").read_bytes() == before


async def test_what_was_set_aside_makes_room_for_records(tmp_path):
    """All that lies there stays within ``max_bytes``: a broken file is kept until a record needs its place."""
    settings = SpoolSettings(max_bytes=262_144)
    (tmp_path / FILE_NAME).write_bytes(os.urandom(150_000))
    spool = await Spool.open(tmp_path, settings, live_s=10.0)
    assert (tmp_path / f"{FILE_NAME}.bad").exists()
    for _ in range(40):
        await spool.append(records(20))
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 262_144 + 4_096
    assert not (tmp_path / f"{FILE_NAME}.bad").exists()
    held = await spool.statistics()
    assert held.held_count + held.dropped["spool_full"] == 800
    await spool.close()


@pytest.mark.netns
async def test_no_inode_is_left(tmp_path):
    """A file cannot be made: records go on in memory, and to the disk once one can."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=3", "none", folder], check=True)
    try:
        (folder / "1").touch()
        async with opened(folder) as spool:
            await spool.append(records(5))
            assert (await spool.statistics()).degraded
            (folder / "1").unlink()
            subprocess.run(["mount", "-o", "remount,nr_inodes=10", folder], check=True)
            await spool.append(records(5))
            held = await spool.statistics()
            assert (held.degraded, held.held_count, held.dropped) == (False, 10, {})
            assert len(await drain(spool)) == 10
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
