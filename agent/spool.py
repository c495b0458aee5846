"""Records on their way to the collector: written and synced before anything else may happen to them.

One SQLite file, touched by one thread. A record leaves it only when the collector named it as durable, when the bounds
of the spool push it out (counted), or when it is set aside (counted). While the disk cannot be written, a small spool
in memory, with an identity of its own, takes its place: records keep flowing, and no sequence is ever used twice.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import structlog
from msgspec import Struct

from agent.settings import SpoolSettings
from classready.codec import encode
from classready.report import Record, Rejected

T = TypeVar("T")
Lane = Literal["live", "backlog"]

FILE_NAME = "spool.db"
FORMAT_VERSION = 1
APPLICATION_ID = 0x636C7273
"""``clrs``: how the file is told from any other SQLite file."""

ROW_OVERHEAD_BYTES = 32
ASIDE_MAX_ROWS = 500
MEMORY_MAX_BYTES = 256 * 1024
"""Some 500 records."""
RETRY_S = 10.0

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (sequence INTEGER PRIMARY KEY AUTOINCREMENT, good_wall_s REAL, body BLOB NOT NULL);
CREATE INDEX record_age ON record (good_wall_s) WHERE good_wall_s IS NOT NULL;
CREATE TABLE aside (sequence INTEGER PRIMARY KEY, reason TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE identity (spool_id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""  # noqa: S608 - both numbers are ours

_log = structlog.get_logger()


class SpoolInUseError(Exception):
    """Another process holds this state directory."""


class Batch(Struct, frozen=True, kw_only=True):
    """Some records of one spool, by sequence, and what its report must say. ``more`` = its lane holds further ones."""

    spool_id: str
    records: tuple[tuple[int, bytes], ...] = ()
    dropped: dict[str, int] = {}
    held_count: int = 0
    more: bool = False

    @property
    def sequences(self) -> tuple[int, ...]:
        return tuple(sequence for sequence, _ in self.records)


class Statistics(Struct, frozen=True, kw_only=True):
    held_count: int
    held_bytes: int
    limit_bytes: int
    degraded: bool
    dropped: dict[str, int]
    rejected: dict[str, int]


class _NotASpoolError(sqlite3.DatabaseError):
    """A healthy database of somebody else, or of a later version."""


class _File:
    """One database, on disk or in memory. Every method is one transaction and raises sqlite3.Error."""

    def __init__(self, path: str, max_bytes: int, max_age_s: float, full_reason: str, *, check: bool = False) -> None:
        self._max_bytes, self._max_age_s, self._full_reason = max_bytes, max_age_s, full_reason
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            self._prepare(check=check)
        except BaseException:
            self._db.close()
            raise
        self._recent: deque[tuple[float, int]] = deque()
        self._live_from = self._last_sequence() + 1

    def _prepare(self, *, check: bool) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 1048576", "cache_size = -512"):
            self._db.execute(f"PRAGMA {pragma}")
        if check and (found := self._one("PRAGMA quick_check(1)")) != "ok":
            raise _NotASpoolError(str(found))
        if self._one("SELECT count(*) FROM sqlite_schema") == 0:
            self._db.executescript(_SCHEMA)
        marks = (self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        if marks != (APPLICATION_ID, FORMAT_VERSION):
            raise _NotASpoolError("not a spool, or of another version")
        self.spool_id = str(self._one("SELECT spool_id FROM identity"))
        self._measure()

    def _measure(self) -> None:
        overhead = f"count(*) * {ROW_OVERHEAD_BYTES}"
        row = self._db.execute(f"SELECT count(*), coalesce(sum(length(body)), 0) + {overhead} FROM record")  # noqa: S608
        self.held_count, self.held_bytes = row.fetchone()

    def _one(self, query: str) -> object:
        row = self._db.execute(query).fetchone()
        return row[0] if row else None

    def _last_sequence(self) -> int:
        return int(str(self._one("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block did, or undo it and count anew what is held."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            self._measure()
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Number and keep ``records``, then push the oldest out until the bounds hold again."""
        with self._transaction():
            first = self._last_sequence() + 1
            rows = [_row(first + i, record) for i, record in enumerate(records)]
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            self._add(len(rows), sum(len(body) for _, _, body in rows))
            self._drop_excess()
            self._drop_expired(max((wall for _, wall, _ in rows if wall is not None), default=None))
        if rows:
            self._recent.append((records[0].monotonic_s, first))

    def _add(self, count: int, body_bytes: int) -> None:
        self.held_count += count
        self.held_bytes += body_bytes + count * ROW_OVERHEAD_BYTES

    def _drop_excess(self) -> None:
        excess = self.held_bytes - self._max_bytes
        if excess <= 0:
            return
        last = 0
        for last, size in self._db.execute("SELECT sequence, length(body) FROM record ORDER BY sequence"):  # noqa: B007
            excess -= size + ROW_OVERHEAD_BYTES
            if excess <= 0:
                break
        self._count(f"dropped.{self._full_reason}", self._delete(1, last))

    def _drop_expired(self, now_s: float | None) -> None:
        """Drop by age where both now and the record's wall time are known to be good; a wrong clock drops nothing."""
        if now_s is None:
            return
        query = "SELECT sequence FROM record WHERE good_wall_s < ? ORDER BY good_wall_s DESC LIMIT 1"
        if row := self._db.execute(query, [now_s - self._max_age_s]).fetchone():
            self._count("dropped.spool_age", self._delete(1, row[0]))

    def _delete(self, first: int, last: int) -> int:
        query = "DELETE FROM record WHERE sequence BETWEEN ? AND ? RETURNING length(body)"
        sizes = [size for (size,) in self._db.execute(query, [first, last])]
        self._add(-len(sizes), -sum(sizes))
        return len(sizes)

    def _count(self, name: str, by: int) -> None:
        if by:
            query = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
            self._db.execute(query, [name, by])

    def count(self, name: str) -> None:
        with self._transaction():
            self._count(name, 1)

    def take(self, lane: Lane, live_since_s: float, limit_bytes: int) -> Batch | None:
        """Return records of a lane that fit into ``limit_bytes`` (at least one): newest live ones, or oldest others."""
        boundary = self._boundary(live_since_s)
        where = "sequence >= ? ORDER BY sequence DESC" if lane == "live" else "sequence < ? ORDER BY sequence"
        cursor = self._db.execute(f"SELECT sequence, body FROM record WHERE {where}", [boundary])  # noqa: S608
        taken: list[tuple[int, bytes]] = []
        size = 0
        more = False
        for sequence, body in cursor:
            size += len(body) + 1
            if more := bool(taken) and size > limit_bytes:
                break
            taken.append((sequence, body))
        cursor.close()
        return msgspec.structs.replace(self.heartbeat(), records=tuple(sorted(taken)), more=more) if taken else None

    def _boundary(self, live_since_s: float) -> int:
        while self._recent and self._recent[0][0] < live_since_s:
            self._recent.popleft()
            self._live_from = self._recent[0][1] if self._recent else self._last_sequence() + 1
        return self._recent[0][1] if self._recent else self._live_from

    def heartbeat(self) -> Batch:
        """Return a batch without records: what even an empty report says."""
        return Batch(spool_id=self.spool_id, dropped=self.counters("dropped"), held_count=self.held_count)

    def counters(self, group: str) -> dict[str, int]:
        rows = self._db.execute("SELECT name, value FROM counter WHERE name LIKE ? || '.%'", [group]).fetchall()
        return {name.partition(".")[2]: value for name, value in rows}

    def settle(self, committed: Sequence[tuple[int, int]], rejected: Sequence[Rejected]) -> None:
        """Delete what is durable at the collector, and set aside what it will never accept."""
        with self._transaction():
            last = self._last_sequence()
            for first, until in committed:
                self._delete(max(first, 1), min(until, last))
            for refusal in rejected:
                if 1 <= refusal.sequence <= last:
                    self._set_aside(refusal.sequence, refusal.reason[:40], "rejected")

    def set_aside(self, sequence: int, reason: str) -> None:
        """Take a record out of the way that no report gets through; the collector hears of it as dropped."""
        with self._transaction():
            self._set_aside(sequence, reason, "dropped")

    def _set_aside(self, sequence: int, reason: str, group: str) -> None:
        query = "INSERT OR IGNORE INTO aside SELECT sequence, ?, body FROM record WHERE sequence = ?"
        self._db.execute(query, [reason, sequence])
        self._count(f"{group}.{reason}", self._delete(sequence, sequence))
        oldest_kept = "SELECT sequence FROM aside ORDER BY sequence DESC LIMIT 1 OFFSET ?"
        self._db.execute(f"DELETE FROM aside WHERE sequence <= ({oldest_kept})", [ASIDE_MAX_ROWS])  # noqa: S608

    def close(self) -> None:
        self._db.close()


def _row(sequence: int, record: Record) -> tuple[int, float | None, bytes]:
    body = encode(msgspec.structs.replace(record, sequence=sequence))
    return sequence, record.wall_s if record.clock_quality == "good" else None, body


class _Store:
    """The file on disk, and the spool in memory while the disk cannot be written. Synchronous; one thread."""

    def __init__(self, folder: Path, settings: SpoolSettings, live_s: float) -> None:
        self._path, self._settings, self._live_s = folder / FILE_NAME, settings, live_s
        self._disk: _File | None = None
        self._memory: _File | None = None
        self._retry_at_s = 0.0
        self.degraded = False
        self._lock = _lock(folder)
        self._open(check=True)

    def _open(self, *, check: bool) -> None:
        try:
            self._disk = self._open_disk(check=check)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _open_disk(self, *, check: bool) -> _File:
        max_age_s = self._settings.max_age_days * 86_400
        args = (str(self._path), self._settings.max_bytes, max_age_s, "spool_full")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _File(*args, check=check)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            _log.error("spool_replaced", path=str(self._path), error=str(error))
        _rename_aside(self._path)
        file = _File(*args)
        file.count("dropped.spool_replaced")
        return file

    def _failed(self, error: Exception) -> None:
        """Go on in memory for a while. What is on the disk can mostly still be read, sent and deleted."""
        if not self.degraded:
            _log.error("spool_degraded", path=str(self._path), error=str(error))
        self.degraded = True
        self._retry_at_s = time.monotonic() + RETRY_S
        if self._disk is not None and _is_broken(error):
            self._disk.close()
            self._disk = None

    def _healed(self) -> None:
        if self.degraded:
            _log.info("spool_healed", path=str(self._path))
        self.degraded = False

    def append(self, records: Sequence[Record]) -> None:
        if not self.degraded or time.monotonic() >= self._retry_at_s:
            if self._disk is None:
                self._open(check=False)
            if self._disk is not None and self._appended(self._disk, records):
                return
        if self._memory is None:
            self._memory = _File(":memory:", MEMORY_MAX_BYTES, float("inf"), "disk_full")
        self._memory.append(records)

    def _appended(self, disk: _File, records: Sequence[Record]) -> bool:
        try:
            disk.append(records)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        self._healed()
        return True

    def _files(self) -> list[_File]:
        return [file for file in (self._memory, self._disk) if file is not None]

    def take(self, lane: Lane, now_s: float, limit_bytes: int) -> Batch | None:
        for file in self._files():
            try:
                if batch := file.take(lane, now_s - self._live_s, limit_bytes):
                    return msgspec.structs.replace(batch, held_count=self._held_count())
            except sqlite3.Error as error:
                self._failed(error)
        return None

    def heartbeat(self) -> Batch:
        file = self._disk or self._memory
        if file is None:
            self._memory = file = _File(":memory:", MEMORY_MAX_BYTES, float("inf"), "disk_full")
        return msgspec.structs.replace(file.heartbeat(), held_count=self._held_count())

    def _held_count(self) -> int:
        return sum(file.held_count for file in self._files())

    def on(self, spool_id: str, change: Callable[[_File], None]) -> bool:
        """Change the spool of that identity; an unknown one is none of ours. False = it could not be written."""
        for file in self._files():
            if file.spool_id == spool_id:
                try:
                    change(file)
                except sqlite3.Error as error:
                    self._failed(error)
                    return False
        return True

    def statistics(self) -> Statistics:
        files = self._files()
        return Statistics(
            held_count=self._held_count(),
            held_bytes=sum(file.held_bytes for file in files),
            limit_bytes=self._settings.max_bytes,
            degraded=self.degraded,
            dropped=_sum(file.counters("dropped") for file in files),
            rejected=_sum(file.counters("rejected") for file in files),
        )

    def close(self) -> None:
        for file in self._files():
            file.close()
        if self._lock is not None:
            os.close(self._lock)


def _sum(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, value in each.items():
            total[name] = total.get(name, 0) + value
    return total


def _lock(folder: Path) -> int | None:
    """Lock the state directory for this process; None where it cannot even be opened."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise SpoolInUseError(f"{folder} is in use by another agent") from None
    return handle


def _is_broken(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _NotASpoolError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _rename_aside(path: Path) -> None:
    """Keep the last broken file for whoever wants to look into it, and its log, which must not meet the new file."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{path}.bad{suffix}")


class Spool:
    """The spool as the event loop sees it: every call runs in the one thread that owns the database.

    ``live_s``: records younger than this travel before all others.
    """

    def __init__(self, thread: ThreadPoolExecutor, store: _Store) -> None:
        self._thread, self._store = thread, store
        self.appended = asyncio.Event()

    @classmethod
    async def open(cls, folder: Path, settings: SpoolSettings, *, live_s: float) -> "Spool":
        """Open or make the spool in ``folder``; a broken or foreign file there is renamed aside.

        Raises:
            SpoolInUseError: another agent runs on this folder.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        try:
            store = await asyncio.get_running_loop().run_in_executor(thread, _Store, folder, settings, live_s)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, store)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def append(self, records: Sequence[Record]) -> None:
        """Keep ``records`` (their ``sequence`` is given here) until they are settled. Returns when they are on disk."""
        await self._call(lambda: self._store.append(records))
        self.appended.set()

    async def take(self, lane: Lane, now_s: float, limit_bytes: int) -> Batch | None:
        return await self._call(lambda: self._store.take(lane, now_s, limit_bytes))

    async def heartbeat(self) -> Batch:
        return await self._call(self._store.heartbeat)

    async def settle(
        self, spool_id: str, committed: Sequence[tuple[int, int]], rejected: Sequence[Rejected] = ()
    ) -> bool:
        return await self._call(lambda: self._store.on(spool_id, lambda file: file.settle(committed, rejected)))

    async def set_aside(self, spool_id: str, sequence: int, reason: str) -> bool:
        return await self._call(lambda: self._store.on(spool_id, lambda file: file.set_aside(sequence, reason)))

    async def statistics(self) -> Statistics:
        return await self._call(self._store.statistics)

    async def close(self) -> None:
        await self._call(self._store.close)
        self._thread.shutdown(wait=False)
