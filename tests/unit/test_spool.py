"""The spool: what it keeps, hands out, drops and survives."""

import contextlib
import os
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import msgspec
import pytest

from agent.settings import SpoolSettings
from agent.spool import FILE_NAME, Spool, SpoolInUseError
from agent.spool.store import Store
from classready.report import Record, Rejected
from tests.support.records import ping_record

LIVE_S = 10.0
SETTINGS = SpoolSettings()
SHM = Path("/dev/shm")


@contextlib.asynccontextmanager
async def opened(folder, settings=SETTINGS):
    spool = await Spool.open(folder, settings, live_s=LIVE_S)
    try:
        yield spool
    finally:
        await spool.close()


async def drain(spool, now_s=0.0, limit_bytes=1_000_000):
    """Take and settle everything; return the sequences in the order of travel."""
    order = []
    for lane in ("live", "backlog"):
        while batch := await spool.take(lane, now_s, limit_bytes):
            order.append(batch.sequences)
            assert await spool.settle(batch.spool_id, [(n, n) for n in batch.sequences])
    return order


async def test_records_survive_a_restart_with_their_numbers(tmp_path):
    """What was appended is there after a restart, numbered, and no number is used twice."""
    async with opened(tmp_path) as spool:
        await spool.append([ping_record(target="a"), ping_record(target="b")])
        identity = (await spool.heartbeat()).spool_id
        await drain(spool)
    async with opened(tmp_path) as spool:
        await spool.append([ping_record(target="c")])
        batch = await spool.take("live", 0, 10_000)
    assert batch.spool_id == identity
    assert batch.sequences == (3,)
    record = msgspec.json.decode(batch.records[0][1], type=Record)
    assert (record.sequence, record.observation.target) == (3, "c")


async def test_live_records_travel_newest_first_and_before_the_backlog(tmp_path):
    """After a long outage the newest state goes first, then the oldest backlog."""
    async with opened(tmp_path) as spool:
        for second in range(40):
            await spool.append([ping_record(monotonic_s=second)])
        size = len((await spool.take("live", 39, 1)).records[0][1])
        order = await drain(spool, now_s=39, limit_bytes=4 * (size + 3))
    live = [sequences for sequences in order if min(sequences) >= 30]
    assert order[: len(live)] == live
    assert live[0][-1] == 40
    assert [s[0] for s in live] == sorted((s[0] for s in live), reverse=True)
    assert sorted(n for s in live for n in s) == list(range(30, 41))
    assert [n for s in order[len(live) :] for n in s] == list(range(1, 30))


async def test_a_record_larger_than_the_limit_still_travels(tmp_path):
    """The limit never starves a record; cutting is the courier's business."""
    async with opened(tmp_path) as spool:
        await spool.append([ping_record(), ping_record()])
        batch = await spool.take("live", 0, 1)
    assert (batch.sequences, batch.more) == ((2,), True)


async def test_excess_is_dropped_oldest_first_and_counted(tmp_path):
    """The bound in bytes holds, and generated = held + dropped."""
    settings = msgspec.structs.replace(SETTINGS, max_bytes=10_000)
    async with opened(tmp_path, settings) as spool:
        for _ in range(20):
            await spool.append([ping_record() for _ in range(10)])
        held = await spool.statistics()
        assert held.held_bytes <= 10_000
        assert held.held_count + held.dropped["spool_full"] == 200
    async with opened(tmp_path, settings) as spool:
        batch = await spool.take("backlog", 0, 1_000_000)
        assert batch.sequences == tuple(range(201 - held.held_count, 201))
        assert batch.dropped == {"spool_full": 200 - held.held_count}


async def test_age_counts_only_by_good_clocks(tmp_path):
    """A gateway that woke in 1970 and then learnt the time drops nothing of that boot."""
    day_s = 86_400.0
    async with opened(tmp_path) as spool:
        await spool.append([ping_record(wall_s=None)])
        await spool.append([ping_record(wall_s=1_800_000_000.0)])
        assert (await spool.statistics()).dropped == {}
        await spool.append([ping_record(wall_s=1_800_000_000.0 + 31 * day_s)])
        assert (await spool.statistics()).dropped == {"spool_age": 2}


async def test_rejected_records_are_set_aside_and_counted(tmp_path):
    """A refusal takes the record out of the way, keeps it for people, and is not called a loss."""
    async with opened(tmp_path) as spool:
        await spool.append([ping_record() for _ in range(4)])
        identity = (await spool.heartbeat()).spool_id
        await spool.settle(identity, [(1, 2)], [Rejected(sequence=3, reason="identity")])
        await spool.set_aside(identity, 4, "refused")
        held = await spool.statistics()
        assert (held.held_count, held.rejected, held.dropped) == (0, {"identity": 1}, {"refused": 1})
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        assert db.execute("SELECT sequence, reason FROM aside").fetchall() == [(3, "identity"), (4, "refused")]


async def test_strange_acks_do_no_harm(tmp_path):
    """Ranges beyond the spool, empty ones and foreign identities delete nothing that they do not name."""
    async with opened(tmp_path) as spool:
        await spool.append([ping_record() for _ in range(3)])
        identity = (await spool.heartbeat()).spool_id
        assert await spool.settle("f" * 32, [(1, 3)])
        assert await spool.settle(identity, [(4, 2**53), (3, 2)], [Rejected(sequence=99, reason="schema")])
        assert (await spool.statistics()).held_count == 3
        assert await spool.settle(identity, [(2, 2**53)])
        assert (await spool.take("live", 0, 10_000)).sequences == (1,)


@pytest.mark.parametrize("kind", ["garbage", "foreign", "newer", "torn"])
async def test_a_broken_or_foreign_file_is_renamed_aside(tmp_path, kind):
    """Whatever lies there, the agent starts, with a new identity, and says so."""
    path = tmp_path / FILE_NAME
    if kind == "garbage":
        path.write_bytes(b"not a database " * 500)
    elif kind == "foreign":
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript("CREATE TABLE precious (x); INSERT INTO precious VALUES (1);")
    else:
        async with opened(tmp_path) as spool:
            await spool.append([ping_record(detail="x" * 100) for _ in range(300)])
        damage(path, kind)
    async with opened(tmp_path) as spool:
        await spool.append([ping_record()])
        assert (await spool.take("live", 0, 10_000)).sequences == (1,)
        held = await spool.statistics()
    assert (held.dropped, held.degraded) == ({"spool_replaced": 1}, False)
    assert (tmp_path / f"{FILE_NAME}.bad").exists()


def damage(path, kind):
    if kind == "newer":
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
    else:
        body = bytearray(path.read_bytes())
        body[8192:20480] = os.urandom(12288)
        path.write_bytes(body)


async def test_two_agents_cannot_share_a_state_directory(tmp_path):
    """The second one is told, and does not touch the file."""
    async with opened(tmp_path):
        with pytest.raises(SpoolInUseError, match="in use by another agent"):
            await Spool.open(tmp_path, SETTINGS, live_s=LIVE_S)


async def test_without_a_directory_records_live_in_memory(tmp_path):
    """A state directory that cannot be made means a spool in memory: bounded, counted, with its own identity."""
    (tmp_path / "file").write_text("")
    async with opened(tmp_path / "file" / "state") as spool:
        for _ in range(200):
            await spool.append([ping_record(detail="x" * 100) for _ in range(10)])
        held = await spool.statistics()
        assert held.degraded
        assert 0 < held.held_bytes <= 262_144
        assert held.held_count + held.dropped["disk_full"] == 2_000
        assert len([n for s in await drain(spool) for n in s]) == held.held_count


@contextlib.contextmanager
def small_disk_of(tmp_path, size):
    """A file system of that size; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with small_disk_of(tmp_path, "1m") as folder:
        yield folder


@pytest.mark.netns
async def test_a_full_disk_heals_by_itself(small_disk, monkeypatch):
    """While the disk is full nothing crashes or is lost silently; when space returns, records reach the disk again."""
    monkeypatch.setattr("agent.spool.store.RETRY_S", 0.0)
    async with opened(small_disk) as spool:
        await spool.append([ping_record() for _ in range(5)])
        disk = (await spool.heartbeat()).spool_id
        with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        generated = 5
        while not (await spool.statistics()).degraded:
            await spool.append([ping_record(detail="x" * 150) for _ in range(50)])
            generated += 50
        held = await spool.statistics()
        assert held.held_count + sum(held.dropped.values()) == generated
        (small_disk / "ballast").unlink()
        await spool.append([ping_record()])
        held = await spool.statistics()
        assert not held.degraded
        assert held.held_count + sum(held.dropped.values()) == generated + 1
        sent = [n for s in await drain(spool) for n in s]
        assert len(sent) == held.held_count
        assert (await spool.heartbeat()).spool_id == disk


def size_of(folder):
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != "ballast")


def fill(store, folder, *, appends=300):
    """Append far more than there is room for; return how many, and the most that lay on the disk."""
    most_bytes = 0
    for second in range(appends):
        store.append([ping_record(monotonic_s=float(second), detail="x" * 150) for _ in range(20)])
        most_bytes = max(most_bytes, size_of(folder))
    return 20 * appends, most_bytes


def send_all(store):
    sent = []
    for lane in ("live", "backlog"):
        while batch := store.take(lane, 1_000.0, 60_000):
            assert store.on(
                batch.spool_id, lambda file, batch=batch: file.settle([(n, n) for n in batch.sequences], ())
            )
            sent += batch.sequences
    return sent


@pytest.mark.netns
@pytest.mark.parametrize("size", ["1m", "2m", "3m", "4m"])
def test_a_partition_smaller_than_the_bound(tmp_path, size):
    """The spool takes what there is, keeps the newest on the disk, declares the rest exactly, and is never degraded."""
    with small_disk_of(tmp_path, size) as folder:
        store = Store(folder, SETTINGS, LIVE_S)
        made, _ = fill(store, folder, appends=100 * (1 + int(size[0])))
        held = store.statistics()
        assert not held.degraded
        assert held.held_bytes > int(size[0]) * 2**19
        assert set(held.dropped) == {"disk_full"}
        assert held.held_count + held.dropped["disk_full"] == made
        store.close()
        store = Store(folder, SETTINGS, LIVE_S)
        assert store.statistics() == held
        assert sorted(send_all(store)) == list(range(made - held.held_count + 1, made + 1))
        store.close()


@pytest.mark.parametrize("max_bytes", [262_144, 1_000_000])
def test_the_bound_is_one_of_the_disk(max_bytes):
    """Database, log and index together stay below ``max_bytes``, with large records that were set aside, too."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        folder = Path(name)
        store = Store(folder, SpoolSettings(max_bytes=max_bytes), LIVE_S)
        made, most_bytes = fill(store, folder)
        for _ in range(100):
            store.append([ping_record(detail="x" * 200)] * 5)
            batch = store.take("live", 1_000.0, 10**6) or store.take("backlog", 1_000.0, 10**6)
            store.on(batch.spool_id, lambda file, batch=batch: file.set_aside(batch.sequences[-1], "refused"))
            made, most_bytes = made + 5, max(most_bytes, size_of(folder))
        held = store.statistics()
        assert most_bytes <= max_bytes
        assert held.held_count + sum(held.dropped.values()) == made
        assert held.held_bytes > max_bytes / 5
        store.close()


async def test_what_is_on_its_way_is_not_called_lost(tmp_path):
    """The collector may have stored it: the oldest after it are dropped instead, and the declaration stays exact."""
    async with opened(tmp_path, msgspec.structs.replace(SETTINGS, max_bytes=20_000)) as spool:
        await spool.append([ping_record() for _ in range(20)])
        batch = await spool.take("backlog", 1_000.0, 4_000)
        for _ in range(10):
            await spool.append([ping_record() for _ in range(20)])
        assert await spool.settle(batch.spool_id, [(batch.sequences[0], batch.sequences[-1])])
        held = await spool.statistics()
        assert batch.sequences[0] == 1
        assert len(batch.sequences) + held.held_count + held.dropped["spool_full"] == 220


def test_a_bound_that_was_lowered(tmp_path):
    """The file shrinks at the next start; the newest records are kept, the others declared."""
    store = Store(tmp_path, SpoolSettings(max_bytes=2**23), LIVE_S)
    for _ in range(6):
        store.append([ping_record(detail="x" * 150) for _ in range(1_000)])
    store.close()
    assert size_of(tmp_path) > 2**21
    (tmp_path / f"{FILE_NAME}.bad").write_bytes(bytes(200_000))
    store = Store(tmp_path, SpoolSettings(max_bytes=262_144), LIVE_S)
    assert size_of(tmp_path) <= 262_144
    held = store.statistics()
    assert held.held_count + held.dropped["spool_full"] == 6_000
    assert held.held_bytes > 50_000
    assert sorted(send_all(store)) == list(range(6_001 - held.held_count, 6_001))
    store.append([ping_record()])
    assert list(send_all(store)) == [6_001]
    store.close()


@pytest.mark.netns
async def test_a_directory_of_somebody_else(monkeypatch):
    """Records go on in memory, and that is said; when the directory is ours again they go to the disk."""
    monkeypatch.setattr("agent.spool.store.RETRY_S", 0.0)
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        folder = Path(name) / "state"
        folder.mkdir(mode=0o700)
        Path(name).chmod(0o755)
        os.seteuid(65_534)
        try:
            async with opened(folder) as spool:
                await spool.append([ping_record()])
                assert spool.degraded
                os.seteuid(0)
                os.chown(folder, 65_534, 65_534)
                os.seteuid(65_534)
                await spool.append([ping_record()])
                held = await spool.statistics()
                assert (spool.degraded, held.held_count, held.dropped) == (False, 2, {})
        finally:
            os.seteuid(0)


async def test_another_identity(tmp_path):
    """Everything is still there under the same numbers, also after a restart; drops declared before are not again."""
    settings = SpoolSettings()
    spool = await Spool.open(tmp_path, settings, live_s=180)
    await spool.append([ping_record() for _ in range(3)])
    before = await spool.heartbeat()
    await spool.set_aside(before.spool_id, 1, "refused")
    assert (await spool.heartbeat()).dropped == {"refused": 1}
    assert await spool.renumber("f" * 32), "none of ours"
    assert (await spool.heartbeat()).spool_id == before.spool_id
    assert await spool.renumber(before.spool_id)
    await spool.close()
    spool = await Spool.open(tmp_path, settings, live_s=180)
    batch = await spool.take("backlog", 1e9, 10_000)
    assert batch.spool_id != before.spool_id
    assert (batch.sequences, batch.dropped) == ((2, 3), {})
    await spool.settle(before.spool_id, [(1, 9)])
    assert (await spool.heartbeat()).held_count == 2, "an answer that was late speaks of the one before"
    await spool.append([ping_record()])
    await spool.close()
    spool = await Spool.open(tmp_path, settings, live_s=180)
    assert (await spool.take("backlog", 1e9, 10_000)).sequences == (2, 3, 4)
    await spool.close()
