"""One database of records, on disk or in memory: it numbers, bounds and hands them out, and lets them go."""

import contextlib
import errno
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from agent.spool import seal
from agent.spool.room import COMPANIONS, LEAST_BYTES, Room
from classready.codec import encode
from classready.report import Record, Rejected

Lane = Literal["live", "backlog"]

FORMAT_VERSION = 1
APPLICATION_ID = 0x636C7273
"""``clrs``: how the file is told from any other SQLite file."""

ROW_OVERHEAD_BYTES = 32
ASIDE_MAX_ROWS = 500
ASIDE_PART = 8
"""What was set aside for people may take one part of so many of the room."""
CHUNK_ROWS = 256
"""Most that one transaction deletes, so that the log stays short."""
NOTHING = (0, 0)
SPARE_PAGES = 4
"""What an append may need beyond its rows: splits of the table's and the index's pages."""
BUSY_S = 5.0
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

_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
"""The second comes of a quota, and of any other error than ENOSPC. (SQLite's os_unix.c)"""

_Row = tuple[int, float | None, bytes]

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

    def __init__(
        self, path: str, max_bytes: int, max_age_s: float, room: Room | None = None, *, check: bool = False
    ) -> None:
        """``room``: how much of the disk it may take; None in memory, where there is only ``max_bytes`` of records."""
        self._path, self._max_bytes, self._max_age_s, self._room = path, max_bytes, max_age_s, room
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            self._prepare(check=check)
        except BaseException:
            self._db.close()
            raise
        self._recent: deque[tuple[float, int]] = deque()
        self.on_its_way = NOTHING
        """First and last sequence of what was taken to be sent, and is not settled yet."""
        self.last_sequence = self._last_sequence()
        self._live_from = self.last_sequence + 1
        self._fit()
        self._places = _places(path)

    def _prepare(self, *, check: bool) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -512"):
            self._db.execute(f"PRAGMA {pragma}")
        self._page_bytes = int(str(self._one("PRAGMA page_size")))
        if self._room is not None:
            self._db.execute(f"PRAGMA journal_size_limit = {self._room.log_bytes}")
            self._db.execute(f"PRAGMA wal_autocheckpoint = {self._room.log_bytes * 3 // 4 // self._page_bytes - 4}")
        if check and (found := self._one("PRAGMA quick_check(1)")) != "ok":
            raise NotASpoolError(str(found))
        if self._one("SELECT count(*) FROM sqlite_schema") == 0:
            self._db.executescript(_SCHEMA)
        marks = (self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        if marks != (APPLICATION_ID, FORMAT_VERSION):
            raise NotASpoolError("not a spool, or of another version")
        self.spool_id = str(self._one("SELECT spool_id FROM identity"))
        sequences = dict(self._db.execute("SELECT name, seq FROM sqlite_sequence"))
        newest = int(str(self._one("SELECT max(sequence) FROM record") or 0))
        if not seal.is_head_sound(self.spool_id, sequences, newest):
            raise NotASpoolError("its identity or last sequence is damaged")
        self._measure()

    def _measure(self) -> None:
        overhead = f"count(*) * {ROW_OVERHEAD_BYTES}"
        row = self._db.execute(f"SELECT count(*), coalesce(sum(length(body)), 0) + {overhead} FROM record")  # noqa: S608
        self.held_count, self.held_bytes = row.fetchone()

    def _fit(self) -> None:
        """Make the files smaller that are larger than they may be: ``max_bytes`` was lowered, or had no such meaning.

        SQLite gives nothing back by itself. Where the disk has no room to write the database anew, it stays as it is.
        """
        if self._room is None or self._room.total_bytes() <= self._room.most_bytes + self._room.log_bytes:
            return
        self._room.remove_bad()
        enough = False
        while not enough:
            with self._transaction():
                enough = self._make_room([], self._room.most_bytes)
        with contextlib.suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
        """Number and keep ``records``, and push the oldest out where the bounds or the disk leave them no room.

        Raises:
            OSError: the disk leaves so little that memory holds more.
        """
        try:
            self._append(records)
        except sqlite3.OperationalError as error:
            if self._room is None or error.sqlite_errorcode not in _NO_ROOM:
                raise
            self._db.execute("PRAGMA wal_checkpoint(RESTART)")
            with self._room.not_growing():
                self._append(records)

    def _append(self, records: Sequence[Record]) -> None:
        last = self.last_sequence + len(records)
        rows = [_row(self.last_sequence + 1 + i, record) for i, record in enumerate(records)]
        limit_bytes = self._limit_bytes(rows)
        done = False
        while not done:
            with self._transaction():
                if self._last_sequence() != self.last_sequence:
                    raise NotASpoolError("it no longer knows its last sequence")
                if done := self._make_room(rows, limit_bytes):
                    self._insert(rows, last)
        if records:
            self._recent.append((records[0].monotonic_s, self.last_sequence + 1))
        self.last_sequence = last

    def _limit_bytes(self, rows: list[_Row]) -> int:
        if self._room is None:
            return 0
        limit_bytes = self._room.database_bytes()
        # A record is worth more than what is left of a broken file.
        if self._room.bad_bytes and self._excess(rows, limit_bytes)[0] > 0:
            self._room.remove_bad()
            limit_bytes = self._room.database_bytes()
        return limit_bytes

    def _insert(self, rows: list[_Row], last: int) -> None:
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
        heads = [(last, "record"), *seal.head(self.spool_id, last)]
        self._db.execute("DELETE FROM sqlite_sequence WHERE name IN ('record', 'sealed', 'seal')")
        self._db.executemany("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", heads)
        self._add(len(rows), sum(len(body) for _, _, body in rows))
        self._drop_expired(max((wall for _, wall, _ in rows if wall is not None), default=None))

    def _add(self, count: int, body_bytes: int) -> None:
        self.held_count += count
        self.held_bytes += body_bytes + count * ROW_OVERHEAD_BYTES

    def _make_room(self, rows: list[_Row], limit_bytes: int) -> bool:
        """Drop the oldest, at most ``CHUNK_ROWS``, the first of ``rows`` being the last of them; say whether all fit.

        Raises:
            OSError: the disk leaves less than memory would.
        """
        excess_bytes, reason = self._excess(rows, limit_bytes)
        if excess_bytes <= 0:
            return True
        if reason == "disk_full" and self._room is not None and limit_bytes < LEAST_BYTES:
            raise OSError(errno.ENOSPC, "no room for records")
        dropped_count = self._drop_oldest(excess_bytes) or _leave_out(rows, excess_bytes)
        self._count(f"dropped.{reason}", dropped_count)
        return not dropped_count or self._excess(rows, limit_bytes)[0] <= 0

    def _excess(self, rows: list[_Row], limit_bytes: int) -> tuple[int, str]:
        """Return by how much ``rows`` exceed a bound, and which."""
        more_bytes = sum(len(body) + ROW_OVERHEAD_BYTES for _, _, body in rows)
        excess_bytes = self.held_bytes + more_bytes - self._max_bytes
        if self._room is None:
            return excess_bytes, "disk_full"
        # Pages, not rows: they alone say what the disk holds, half empty ones and what was set aside included.
        used_pages = int(str(self._one("PRAGMA page_count"))) - int(str(self._one("PRAGMA freelist_count")))
        pages = used_pages + SPARE_PAGES + sum(self._pages(body) for _, _, body in rows)
        over_bytes = int(pages * self._page_bytes) - limit_bytes
        reason = "disk_full" if over_bytes > excess_bytes and limit_bytes < self._room.most_bytes else "spool_full"
        return max(excess_bytes, over_bytes), reason

    def _pages(self, body: bytes) -> float:
        """Return how many pages a row takes: a long one has its end on pages of its own."""
        pages = (len(body) + ROW_OVERHEAD_BYTES) / self._page_bytes
        return pages if pages < 1 / 4 else pages + 1

    def _drop_oldest(self, excess_bytes: int) -> int:
        """Delete the oldest records, but not what is on its way: that may be stored, and would be called lost."""
        query = "SELECT sequence, length(body) FROM record WHERE sequence NOT BETWEEN ? AND ? ORDER BY sequence LIMIT ?"
        last = 0
        for last, size in self._db.execute(query, [*self.on_its_way, CHUNK_ROWS]).fetchall():  # noqa: B007
            excess_bytes -= size + ROW_OVERHEAD_BYTES
            if excess_bytes <= 0:
                break
        first_sent, last_sent = self.on_its_way
        return self._delete(1, min(last, first_sent - 1)) + self._delete(last_sent + 1, last)

    def _drop_expired(self, now_s: float | None) -> None:
        """Drop by age where both now and the record's wall time are known to be good; a wrong clock drops nothing."""
        if now_s is None:
            return
        query = "SELECT sequence FROM record WHERE good_wall_s < ? ORDER BY good_wall_s DESC LIMIT 1"
        if row := self._db.execute(query, [now_s - self._max_age_s]).fetchone():
            self._count("dropped.spool_age", self._delete(1, row[0]))

    def _delete(self, first: int, last: int, most_count: int = CHUNK_ROWS) -> int:
        """Delete the first records of a range; return how many there were."""
        chosen = "SELECT sequence FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?"
        query = f"DELETE FROM record WHERE sequence IN ({chosen}) RETURNING length(body)"  # noqa: S608 - ours
        sizes = [size for (size,) in self._db.execute(query, [first, last, most_count])]
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
        damaged: list[int] = []
        size = 0
        more = False
        for sequence, marked in cursor:
            if (body := seal.unmark(sequence, marked)) is None:
                damaged.append(sequence)
                continue
            size += len(body) + 1
            if more := bool(taken) and size > limit_bytes:
                break
            taken.append((sequence, body))
        cursor.close()
        for sequence in damaged:
            self.set_aside(sequence, "damaged")
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
        last = self._last_sequence()
        ranges = [(max(first, 1), min(until, last)) for first, until in committed]
        refusals = [refusal for refusal in rejected if 1 <= refusal.sequence <= last]
        left_count = 0
        while left_count == 0:
            left_count = CHUNK_ROWS
            with self._transaction():
                for first, until in ranges:
                    left_count -= self._delete(first, until, left_count)
                for refusal in refusals:
                    self._set_aside(refusal.sequence, refusal.reason[:40], "rejected")
        self.on_its_way = NOTHING

    def set_aside(self, sequence: int, reason: str) -> None:
        """Take a record out of the way that no report gets through; the collector hears of it as dropped."""
        with self._transaction():
            self._set_aside(sequence, reason, "dropped")

    def _set_aside(self, sequence: int, reason: str, group: str) -> None:
        query = "INSERT OR IGNORE INTO aside SELECT sequence, ?, body FROM record WHERE sequence = ?"
        self._db.execute(query, [reason, sequence])
        self._count(f"{group}.{reason}", self._delete(sequence, sequence))
        held = "SELECT sequence, sum(length(body)) OVER newest AS bytes, count(*) OVER newest AS rows FROM aside"
        oldest = (
            f"SELECT max(sequence) FROM ({held} WINDOW newest AS (ORDER BY sequence DESC)) WHERE bytes > ? OR rows > ?"  # noqa: S608
        )
        most = [max(self._max_bytes, LEAST_BYTES) // ASIDE_PART, ASIDE_MAX_ROWS]
        self._db.execute(f"DELETE FROM aside WHERE sequence <= ({oldest})", most)  # noqa: S608 - ours

    def is_moved(self) -> bool:
        """Say whether the files are no longer where they were opened: what is written now ends with the process."""
        return _places(self._path) != self._places

    def copy_to(self, path: str) -> None:
        """Write everything, with its identity and numbers, to a new file."""
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)

    def close(self) -> None:
        self._db.close()


def _row(sequence: int, record: Record) -> _Row:
    body = seal.mark(sequence, encode(msgspec.structs.replace(record, sequence=sequence)))
    return sequence, record.wall_s if record.clock_quality == "good" else None, body


def _leave_out(rows: list[_Row], excess_bytes: int) -> int:
    """Take the first of ``rows`` away; return how many."""
    before = len(rows)
    while rows and excess_bytes > 0:
        excess_bytes -= len(rows.pop(0)[2]) + ROW_OVERHEAD_BYTES
    return before - len(rows)


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
