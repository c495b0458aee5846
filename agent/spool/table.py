"""The spool's tables in SQLite, on disk or in memory: opened, sealed, counted. What may stay, ``file`` decides."""

import contextlib
import sqlite3
import uuid
from collections.abc import Generator, Iterator, Sequence

import msgspec

from agent.spool import seal
from agent.spool.faults import NotASpoolError
from classready.codec import encode
from classready.report import Record

FORMAT_VERSION = 1
APPLICATION_ID = 0x636C7273
"""``clrs``: how the file is told from any other SQLite file."""

ROW_OVERHEAD_BYTES = 32
CHUNK_ROWS = 256
"""Most that one transaction deletes, so that the log stays short."""
BUSY_S = 5.0

Row = tuple[int, float | None, bytes]
"""Sequence, wall time where it is known to be right, and the record with its check sum."""

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


def row_of(sequence: int, record: Record) -> Row:
    body = seal.mark(sequence, encode(msgspec.structs.replace(record, sequence=sequence)))
    return sequence, record.wall_s if record.clock_quality == "good" else None, body


class Table:
    """One database. What changes it belongs into a ``transaction``; any method may raise any of ``FAULTS``."""

    def __init__(self, path: str, log_bytes: int | None, *, check: bool) -> None:
        """``log_bytes``: what SQLite's log may take; None in memory."""
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            self._prepare(log_bytes, check=check)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, log_bytes: int | None, *, check: bool) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -512"):
            self._db.execute(f"PRAGMA {pragma}")
        self.page_bytes = self._number("PRAGMA page_size")
        if log_bytes is not None:
            self._db.execute(f"PRAGMA journal_size_limit = {log_bytes}")
            self._db.execute(f"PRAGMA wal_autocheckpoint = {log_bytes * 3 // 4 // self.page_bytes - 4}")
        if check and (found := self._one("PRAGMA quick_check(1)")) != "ok":
            raise NotASpoolError(str(found))
        if self._one("SELECT count(*) FROM sqlite_schema") == 0:
            self._db.executescript(_SCHEMA)
        marks = (self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        if marks != (APPLICATION_ID, FORMAT_VERSION):
            raise NotASpoolError("not a spool, or of another version")
        self.spool_id = str(self._one("SELECT spool_id FROM identity"))
        sequences = dict(self._db.execute("SELECT name, seq FROM sqlite_sequence"))
        if not seal.is_head_sound(self.spool_id, sequences, self._number("SELECT max(sequence) FROM record")):
            raise NotASpoolError("its identity or last sequence is damaged")
        self._measure()

    def _measure(self) -> None:
        overhead = f"count(*) * {ROW_OVERHEAD_BYTES}"
        row = self._db.execute(f"SELECT count(*), coalesce(sum(length(body)), 0) + {overhead} FROM record")  # noqa: S608
        held: tuple[int, int] = row.fetchone()
        self.held_count, self.held_bytes = held

    def _one(self, query: str) -> object:
        row = self._db.execute(query).fetchone()
        return row[0] if row else None

    def _number(self, query: str) -> int:
        return int(str(self._one(query) or 0))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
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

    def last_sequence(self) -> int:
        return self._number("SELECT seq FROM sqlite_sequence WHERE name = 'record'")

    def used_pages(self) -> int:
        """Pages, not rows: they alone say what the disk holds, half empty ones and what was set aside included."""
        return self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")

    def insert(self, rows: Sequence[Row], last: int) -> None:
        """``last``: the last sequence that is given away, which is sealed."""
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
        heads = [(last, "record"), *seal.head(self.spool_id, last)]
        self._db.execute("DELETE FROM sqlite_sequence WHERE name IN ('record', 'sealed', 'seal')")
        self._db.executemany("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", heads)
        self._add(len(rows), sum(len(body) for _, _, body in rows))

    def _add(self, count: int, body_bytes: int) -> None:
        self.held_count += count
        self.held_bytes += body_bytes + count * ROW_OVERHEAD_BYTES

    def delete(self, first: int, last: int, most_count: int = CHUNK_ROWS) -> int:
        """Delete the first records of a range; return how many there were."""
        chosen = "SELECT sequence FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?"
        query = f"DELETE FROM record WHERE sequence IN ({chosen}) RETURNING length(body)"  # noqa: S608 - ours
        sizes = [size for (size,) in self._db.execute(query, [first, last, most_count])]
        self._add(-len(sizes), -sum(sizes))
        return len(sizes)

    def oldest(self, besides: tuple[int, int]) -> list[tuple[int, int]]:
        """Sequence and size of the oldest records, without those from the first to the last of ``besides``."""
        query = "SELECT sequence, length(body) FROM record WHERE sequence NOT BETWEEN ? AND ? ORDER BY sequence LIMIT ?"
        return self._db.execute(query, [*besides, CHUNK_ROWS]).fetchall()

    def newest_before(self, wall_s: float) -> int | None:
        """The sequence of the newest record that is known to be older than ``wall_s``."""
        query = "SELECT sequence FROM record WHERE good_wall_s < ? ORDER BY good_wall_s DESC LIMIT 1"
        row = self._db.execute(query, [wall_s]).fetchone()
        return row[0] if row else None

    def oldest_at(self) -> float | None:
        row = self._db.execute("SELECT good_wall_s FROM record ORDER BY sequence LIMIT 1").fetchone()
        return row[0] if row else None

    def bodies(self, boundary: int, *, newest_first: bool) -> Generator[tuple[int, bytes | None]]:
        """Records from ``boundary`` on, newest first, or those before it, oldest first; None = a damaged one."""
        where = "sequence >= ? ORDER BY sequence DESC" if newest_first else "sequence < ? ORDER BY sequence"
        cursor = self._db.execute(f"SELECT sequence, CAST(body AS BLOB) FROM record WHERE {where}", [boundary])  # noqa: S608
        with contextlib.closing(cursor):
            for sequence, marked in cursor:
                yield sequence, seal.unmark(sequence, marked)

    def count(self, name: str, by: int) -> None:
        if by:
            query = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
            self._db.execute(query, [name, by])

    def counters(self, group: str) -> dict[str, int]:
        rows = self._db.execute("SELECT name, value FROM counter WHERE name LIKE ? || '.%'", [group]).fetchall()
        return {name.partition(".")[2]: value for name, value in rows}

    def set_aside(self, sequence: int, reason: str, group: str, most: tuple[int, int]) -> None:
        """Keep a record for people, counted in ``group``, and ``most`` bytes and rows of such."""
        query = "INSERT OR IGNORE INTO aside SELECT sequence, ?, body FROM record WHERE sequence = ?"
        self._db.execute(query, [reason, sequence])
        self.count(f"{group}.{reason}", self.delete(sequence, sequence))
        held = "SELECT sequence, sum(length(body)) OVER newest AS bytes, count(*) OVER newest AS rows FROM aside"
        oldest = (
            f"SELECT max(sequence) FROM ({held} WINDOW newest AS (ORDER BY sequence DESC)) WHERE bytes > ? OR rows > ?"  # noqa: S608
        )
        self._db.execute(f"DELETE FROM aside WHERE sequence <= ({oldest})", most)  # noqa: S608 - ours

    def renumber(self) -> None:
        """Take another identity; what was declared under the one before is not declared again."""
        self.spool_id = uuid.uuid4().hex
        self._db.execute("UPDATE identity SET spool_id = ?", [self.spool_id])
        self._db.execute("DELETE FROM counter WHERE name LIKE 'dropped.%'")
        heads = [(n, name) for n, name in seal.head(self.spool_id, self.last_sequence())]
        self._db.execute("DELETE FROM sqlite_sequence WHERE name IN ('sealed', 'seal')")
        self._db.executemany("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", heads)

    def empty_log(self) -> None:
        """So that what follows is written over the log's begin, and not behind its end."""
        self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def shrink(self) -> None:
        """Give what is not used back to the disk, which SQLite does not by itself."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, path: str) -> None:
        """Write everything, with its identity and numbers, to a new file."""
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)

    def close(self) -> None:
        self._db.close()
