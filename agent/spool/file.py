"""One database of records, on disk or in memory: it numbers, bounds and hands them out, and lets them go."""

import contextlib
import errno
import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from agent.spool import files
from agent.spool.faults import NotASpoolError, is_without_room
from agent.spool.room import LEAST_BYTES, Room
from agent.spool.table import CHUNK_ROWS, ROW_OVERHEAD_BYTES, Row, Table, row_of
from classready.report import Record, Rejected

Lane = Literal["live", "backlog"]

ASIDE_MAX_ROWS = 500
ASIDE_PART = 8
"""What was set aside for people may take one part of so many of the room."""
NOTHING = (0, 0)
SPARE_PAGES = 4
"""What an append may need beyond its rows: splits of the table's and the index's pages."""


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


class File:
    """One database, on disk or in memory. Every method is one transaction and may raise any of ``FAULTS``."""

    def __init__(
        self, path: str, max_bytes: int, max_age_s: float, room: Room | None = None, *, check: bool = False
    ) -> None:
        """``room``: how much of the disk it may take; None in memory, where there is only ``max_bytes`` of records."""
        self._path, self._max_bytes, self._max_age_s, self._room = path, max_bytes, max_age_s, room
        self._table = Table(path, room.log_bytes if room is not None else None, check=check)
        self._recent: deque[tuple[float, int]] = deque()
        self.on_its_way = NOTHING
        """First and last sequence of what was taken to be sent, and is not settled yet."""
        self.last_sequence = self._table.last_sequence()
        self._live_from = self.last_sequence + 1
        self._fit()
        self._places = files.places(path)

    @property
    def spool_id(self) -> str:
        return self._table.spool_id

    @property
    def held_count(self) -> int:
        return self._table.held_count

    @property
    def held_bytes(self) -> int:
        return self._table.held_bytes

    def _fit(self) -> None:
        """Make the files smaller that are larger than they may be: ``max_bytes`` was lowered, or had no such meaning.

        Where the disk has no room to write the database anew, it stays as it is.
        """
        if self._room is None or self._room.total_bytes() <= self._room.most_bytes + self._room.log_bytes:
            return
        self._room.remove_bad()
        enough = False
        while not enough:
            with self._table.transaction():
                enough = self._make_room([], self._room.most_bytes)
        with contextlib.suppress(sqlite3.OperationalError):
            self._table.shrink()

    def append(self, records: Sequence[Record]) -> None:
        """Number and keep ``records``, and push the oldest out where the bounds or the disk leave them no room.

        Raises:
            OSError: the disk leaves so little that memory holds more.
        """
        try:
            self._append(records)
        except sqlite3.OperationalError as error:
            if self._room is None or not is_without_room(error):
                raise
            self._table.empty_log()
            with self._room.not_growing():
                self._append(records)

    def _append(self, records: Sequence[Record]) -> None:
        last = self.last_sequence + len(records)
        rows = [row_of(self.last_sequence + 1 + i, record) for i, record in enumerate(records)]
        limit_bytes = self._limit_bytes(rows)
        done = False
        while not done:
            with self._table.transaction():
                if self._table.last_sequence() != self.last_sequence:
                    raise NotASpoolError("it no longer knows its last sequence")
                if done := self._make_room(rows, limit_bytes):
                    self._table.insert(rows, last)
                    self._drop_expired(max((wall for _, wall, _ in rows if wall is not None), default=None))
        if records:
            self._recent.append((records[0].monotonic_s, self.last_sequence + 1))
        self.last_sequence = last

    def _limit_bytes(self, rows: list[Row]) -> int:
        if self._room is None:
            return 0
        limit_bytes = self._room.database_bytes()
        # A record is worth more than what is left of a broken file.
        if self._room.bad_bytes and self._excess(rows, limit_bytes)[0] > 0:
            self._room.remove_bad()
            limit_bytes = self._room.database_bytes()
        return limit_bytes

    def _make_room(self, rows: list[Row], limit_bytes: int) -> bool:
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
        self._table.count(f"dropped.{reason}", dropped_count)
        return not dropped_count or self._excess(rows, limit_bytes)[0] <= 0

    def _excess(self, rows: list[Row], limit_bytes: int) -> tuple[int, str]:
        """Return by how much ``rows`` exceed a bound, and which."""
        more_bytes = sum(len(body) + ROW_OVERHEAD_BYTES for _, _, body in rows)
        excess_bytes = self.held_bytes + more_bytes - self._max_bytes
        if self._room is None:
            return excess_bytes, "disk_full"
        pages = self._table.used_pages() + SPARE_PAGES + sum(self._pages(body) for _, _, body in rows)
        over_bytes = int(pages * self._table.page_bytes) - limit_bytes
        reason = "disk_full" if over_bytes > excess_bytes and limit_bytes < self._room.most_bytes else "spool_full"
        return max(excess_bytes, over_bytes), reason

    def _pages(self, body: bytes) -> float:
        """Return how many pages a row takes: a long one has its end on pages of its own."""
        pages = (len(body) + ROW_OVERHEAD_BYTES) / self._table.page_bytes
        return pages if pages < 1 / 4 else pages + 1

    def _drop_oldest(self, excess_bytes: int) -> int:
        """Delete the oldest records, but not what is on its way: that may be stored, and would be called lost."""
        last = 0
        for last, size in self._table.oldest(besides=self.on_its_way):  # noqa: B007
            excess_bytes -= size + ROW_OVERHEAD_BYTES
            if excess_bytes <= 0:
                break
        first_sent, last_sent = self.on_its_way
        return self._table.delete(1, min(last, first_sent - 1)) + self._table.delete(last_sent + 1, last)

    def _drop_expired(self, now_s: float | None) -> None:
        """Drop by age where both now and the record's wall time are known to be good; a wrong clock drops nothing."""
        if now_s is not None and (last := self._table.newest_before(now_s - self._max_age_s)) is not None:
            self._table.count("dropped.spool_age", self._table.delete(1, last))

    def count(self, name: str, by: int) -> None:
        with self._table.transaction():
            self._table.count(name, by)

    def counters(self, group: str) -> dict[str, int]:
        return self._table.counters(group)

    def oldest_at(self) -> float | None:
        return self._table.oldest_at()

    def take(self, lane: Lane, live_since_s: float, limit_bytes: int) -> Batch | None:
        """Return records of a lane that fit into ``limit_bytes`` (at least one): newest live ones, or oldest others."""
        taken: list[tuple[int, bytes]] = []
        damaged: list[int] = []
        size = 0
        more = False
        with contextlib.closing(self._table.bodies(self._boundary(live_since_s), newest_first=lane == "live")) as found:
            for sequence, body in found:
                if body is None:
                    damaged.append(sequence)
                    continue
                size += len(body) + 1
                if more := bool(taken) and size > limit_bytes:
                    break
                taken.append((sequence, body))
        for sequence in damaged:
            self.set_aside(sequence, "damaged")
        return msgspec.structs.replace(self.heartbeat(), records=tuple(sorted(taken)), more=more) if taken else None

    def _boundary(self, live_since_s: float) -> int:
        while self._recent and self._recent[0][0] < live_since_s:
            self._recent.popleft()
            self._live_from = self._recent[0][1] if self._recent else self._table.last_sequence() + 1
        return self._recent[0][1] if self._recent else self._live_from

    def heartbeat(self) -> Batch:
        """Return a batch without records: what even an empty report says."""
        return Batch(spool_id=self.spool_id, dropped=self.counters("dropped"), held_count=self.held_count)

    def settle(self, committed: Sequence[tuple[int, int]], rejected: Sequence[Rejected]) -> None:
        """Delete what is durable at the collector, and set aside what it will never accept."""
        last = self._table.last_sequence()
        ranges = [(max(first, 1), min(until, last)) for first, until in committed]
        refusals = [refusal for refusal in rejected if 1 <= refusal.sequence <= last]
        left_count = 0
        while left_count == 0:
            left_count = CHUNK_ROWS
            with self._table.transaction():
                for first, until in ranges:
                    left_count -= self._table.delete(first, until, left_count)
                for refusal in refusals:
                    self._set_aside(refusal.sequence, refusal.reason[:40], "rejected")
        self.on_its_way = NOTHING

    def set_aside(self, sequence: int, reason: str) -> None:
        """Take a record out of the way that no report gets through; the collector hears of it as dropped."""
        with self._table.transaction():
            self._set_aside(sequence, reason, "dropped")

    def _set_aside(self, sequence: int, reason: str, group: str) -> None:
        most = (max(self._max_bytes, LEAST_BYTES) // ASIDE_PART, ASIDE_MAX_ROWS)
        self._table.set_aside(sequence, reason, group, most)

    def renumber(self) -> None:
        """Go on under another identity with all that is held: the numbers of this one are also another spool's."""
        before = self._table.spool_id
        try:
            with self._table.transaction():
                self._table.renumber()
        except BaseException:
            self._table.spool_id = before
            raise
        self.on_its_way = NOTHING

    def is_moved(self) -> bool:
        """Say whether the files are no longer where they were opened: what is written now ends with the process."""
        return files.places(self._path) != self._places

    def copy_to(self, path: str) -> None:
        """Write everything, with its identity and numbers, to a new file."""
        self._table.copy_to(path)

    def close(self) -> None:
        self._table.close()


def _leave_out(rows: list[Row], excess_bytes: int) -> int:
    """Take the first of ``rows`` away; return how many."""
    before = len(rows)
    while rows and excess_bytes > 0:
        excess_bytes -= len(rows.pop(0)[2]) + ROW_OVERHEAD_BYTES
    return before - len(rows)
