"""One database of records, on disk or in memory: it numbers, bounds and hands them out, and lets them go."""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from classready.codec import encode
from classready.report import Record, Rejected

Lane = Literal["live", "backlog"]

FORMAT_VERSION = 1
APPLICATION_ID = 0x636C7273
"""``clrs``: how the file is told from any other SQLite file."""

ROW_OVERHEAD_BYTES = 32
ASIDE_MAX_ROWS = 500
BUSY_S = 5.0
COMPANIONS = ("", "-wal", "-shm")
"""The database, its log and the log's index: SQLite holds all three open, and finds them by name at the next start."""

FAULTS = (sqlite3.Error, OSError, TypeError, ValueError)
"""What a file that goes bad underneath can raise; a row may hold something else than what was written."""

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""The disk, or who else holds the file, is at fault: the same file may be well again. (www.sqlite.org/rescode.html)"""

_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
"""Errors of the disk, but of what lies there already: another file lies elsewhere."""

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


class NotASpoolError(sqlite3.DatabaseError):
    """A healthy database of somebody else, or of a later version."""


class File:
    """One database, on disk or in memory. Every method is one transaction and may raise any of ``FAULTS``."""

    def __init__(self, path: str, max_bytes: int, max_age_s: float, full_reason: str, *, check: bool = False) -> None:
        self._path, self._max_bytes, self._max_age_s, self._full_reason = path, max_bytes, max_age_s, full_reason
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            self._prepare(check=check)
        except BaseException:
            self._db.close()
            raise
        self._recent: deque[tuple[float, int]] = deque()
        self.last_sequence = self._last_sequence()
        self._live_from = self.last_sequence + 1
        self._places = _places(path)

    def _prepare(self, *, check: bool) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 1048576", "cache_size = -512"):
            self._db.execute(f"PRAGMA {pragma}")
        if check and (found := self._one("PRAGMA quick_check(1)")) != "ok":
            raise NotASpoolError(str(found))
        if self._one("SELECT count(*) FROM sqlite_schema") == 0:
            self._db.executescript(_SCHEMA)
        marks = (self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        if marks != (APPLICATION_ID, FORMAT_VERSION):
            raise NotASpoolError("not a spool, or of another version")
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
        """Commit what the block did, or undo it, and what it counted."""
        before = self.held_count, self.held_bytes
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self.held_count, self.held_bytes = before
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Number and keep ``records``, then push the oldest out until the bounds hold again."""
        with self._transaction():
            if self._last_sequence() != self.last_sequence:
                raise NotASpoolError("it no longer knows its last sequence")
            first = self.last_sequence + 1
            rows = [_row(first + i, record) for i, record in enumerate(records)]
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            self._add(len(rows), sum(len(body) for _, _, body in rows))
            self._drop_excess()
            self._drop_expired(max((wall for _, wall, _ in rows if wall is not None), default=None))
        self.last_sequence += len(rows)
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

    def count(self, name: str, by: int) -> None:
        with self._transaction():
            self._count(name, by)

    def oldest_at(self) -> float | None:
        row = self._db.execute("SELECT good_wall_s FROM record ORDER BY sequence LIMIT 1").fetchone()
        return row[0] if row else None

    def take(self, lane: Lane, live_since_s: float, limit_bytes: int) -> Batch | None:
        """Return records of a lane that fit into ``limit_bytes`` (at least one): newest live ones, or oldest others."""
        boundary = self._boundary(live_since_s)
        where = "sequence >= ? ORDER BY sequence DESC" if lane == "live" else "sequence < ? ORDER BY sequence"
        cursor = self._db.execute(f"SELECT sequence, CAST(body AS BLOB) FROM record WHERE {where}", [boundary])  # noqa: S608
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

    def is_moved(self) -> bool:
        """Say whether the files are no longer where they were opened: what is written now ends with the process."""
        return _places(self._path) != self._places

    def copy_to(self, path: str) -> None:
        """Write everything, with its identity and numbers, to a new file."""
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)

    def close(self) -> None:
        self._db.close()


def _row(sequence: int, record: Record) -> tuple[int, float | None, bytes]:
    body = encode(msgspec.structs.replace(record, sequence=sequence))
    return sequence, record.wall_s if record.clock_quality == "good" else None, body


def _places(path: str) -> dict[str, tuple[int, int]]:
    """Device and inode of the files that there are."""
    found = {}
    for suffix in COMPANIONS:
        with contextlib.suppress(OSError):
            status = Path(f"{path}{suffix}").stat()
            found[suffix] = status.st_dev, status.st_ino
    return found


def is_broken(error: Exception) -> bool:
    """Say whether the file itself is at fault, so that only looking into it, or another one, can help."""
    if (code := getattr(error, "sqlite_errorcode", None)) is None:
        return not isinstance(error, OSError)
    return code in _UNREADABLE or code & 0xFF not in _PASSING  # the lower byte is the kind, the rest says more of it
