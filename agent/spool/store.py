"""The file on disk, and the spool in memory that takes its place while the disk cannot be written."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from agent.settings import SpoolSettings
from agent.spool import files
from agent.spool.faults import FAULTS, is_broken
from agent.spool.file import NOTHING, Batch, File, Lane
from agent.spool.room import Room
from classready.report import Record

T = TypeVar("T")

FILE_NAME = "spool.db"
MEMORY_MAX_BYTES = 256 * 1024
"""Some 500 records."""
RETRY_S = 10.0

_log = structlog.get_logger()


class Statistics(Struct, frozen=True, kw_only=True):
    held_count: int
    held_bytes: int
    limit_bytes: int
    degraded: bool
    oldest_at: float | None
    """Wall time of the oldest record; None where there is none, or its clock was not known to be right."""
    dropped: dict[str, int]
    rejected: dict[str, int]


class Store:
    """Synchronous; one thread. Whatever becomes of the file, no method raises for it, and no record goes uncounted.

    Each ``append`` looks after the file: it is put back where it was deleted or moved away, opened again after
    ``RETRY_S`` where it could not be used, and replaced by a new one, with a new identity, where it is damaged.
    """

    def __init__(self, folder: Path, settings: SpoolSettings, live_s: float) -> None:
        self._path, self._settings, self._live_s = folder / FILE_NAME, settings, live_s
        self._disk: File | None = None
        self._memory: File | None = None
        self._retry_at_s = 0.0
        self._closed: File | None = None
        """The file that had to be closed, for what it held."""
        self._broken_count = 0
        """How often in a row the file on the disk failed as damaged."""
        self.degraded = False
        self._lock = files.lock(folder)
        try:
            self._disk = self._open()
        except FAULTS as error:
            self._failed(error)

    def _open(self) -> File:
        """Open the file, or a new one in the place of one that is damaged, and count what is lost by that."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_locked()
        before = self._closed
        file = self._intact(before)
        lost_count = before.held_count if before else 0
        if file is None:
            files.rename_aside(self._path)
            file = self._file()
            lost_count = before.held_count if before else 1  # nobody knows how many, of a file that was never read
        elif before and file.spool_id == before.spool_id:
            lost_count -= file.held_count
        if lost_count > 0:
            _log.error("spool_replaced", path=str(self._path), records_lost=lost_count)
            file.count("dropped.spool_replaced", lost_count)
        self._closed = None
        return file

    def _intact(self, before: File | None) -> File | None:
        """Open the file; None where it is damaged, or was set back so that it would number records anew."""
        if self._broken_count > 1:  # looked through and found sound, it failed again
            return None
        try:
            files.must_be_files(self._path)
            file = self._file(check=True)
        except FAULTS as error:
            if not is_broken(error):
                raise
            _log.error("spool_damaged", path=str(self._path), error=str(error))
            return None
        if before and file.spool_id == before.spool_id and file.last_sequence != before.last_sequence:
            _log.error("spool_set_back", path=str(self._path))
            file.close()
            return None
        return file

    def follow(self, live_s: float) -> None:
        self._live_s = live_s

    def _file(self, *, check: bool = False) -> File:
        max_age_s = self._settings.max_age_days * 86_400
        room = Room(self._path, self._settings.max_bytes)
        return File(str(self._path), self._settings.max_bytes, max_age_s, room, check=check)

    def _put_back(self, disk: File) -> File:
        """Write what was deleted or moved away under us anew: through the open file all of it can still be read."""
        _log.error("spool_moved", path=str(self._path), held=disk.held_count)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_locked()
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        disk.copy_to(str(new))
        self._disk, self._closed = None, disk
        disk.close()  # first: it deletes a log by name
        files.rename_aside(self._path)
        new.replace(self._path)
        files.sync(self._path.parent)
        return self._open()

    def _keep_locked(self) -> None:
        """Lock the directory again if it is another one by now.

        Raises:
            SpoolInUseError
        """
        if self._lock is None or not os.path.samestat(os.fstat(self._lock), self._path.parent.stat()):
            lock = files.lock(self._path.parent)
            if self._lock is not None:
                os.close(self._lock)
            self._lock = lock

    def _failed(self, error: Exception) -> None:
        """Go on in memory for a while. What is on the disk can mostly still be read, sent and deleted."""
        retry_s = RETRY_S
        if self._disk is not None and is_broken(error):
            self._disk.close()
            self._disk, self._closed = None, self._disk
            self._broken_count += 1
            retry_s = 0.0  # another file may well be written
        if not self.degraded:
            _log.error("spool_degraded", path=str(self._path), error=str(error))
        self.degraded = True
        self._retry_at_s = time.monotonic() + retry_s

    def append(self, records: Sequence[Record]) -> None:
        if self.degraded and time.monotonic() < self._retry_at_s:
            self._in_memory().append(records)
            return
        try:
            self._usable().append(records)
        except FAULTS as error:
            self._failed(error)
            self._in_memory().append(records)
        else:
            if self.degraded:
                _log.info("spool_healed", path=str(self._path))
            self.degraded, self._broken_count = False, 0

    def _usable(self) -> File:
        if self._disk is None:
            self._disk = self._open()
        elif self._disk.is_moved():
            self._disk = self._put_back(self._disk)
        return self._disk

    def _in_memory(self) -> File:
        if self._memory is None:
            self._memory = File(":memory:", MEMORY_MAX_BYTES, float("inf"))
        return self._memory

    def _files(self) -> list[File]:
        return [file for file in (self._memory, self._disk) if file is not None]

    def _try(self, file: File, work: Callable[[File], T], otherwise: T) -> T:
        try:
            return work(file)
        except FAULTS as error:
            self._failed(error)
            return otherwise

    def take(self, lane: Lane, now_s: float, limit_bytes: int) -> Batch | None:
        for file in self._files():
            batch = self._try(file, lambda file: file.take(lane, now_s - self._live_s, limit_bytes), None)
            if batch:
                return msgspec.structs.replace(batch, held_count=self._held_count())
        return None

    def send(self, lane: Lane, now_s: float, limit_bytes: int) -> Batch | None:
        """Take what is then on its way."""
        batch = self.take(lane, now_s, limit_bytes)
        for file in self._files():
            is_here = batch is not None and batch.spool_id == file.spool_id
            file.on_its_way = (batch.sequences[0], batch.sequences[-1]) if batch and is_here else NOTHING
        return batch

    def heartbeat(self) -> Batch:
        batch = self._try(self._disk, File.heartbeat, None) if self._disk else None
        return msgspec.structs.replace(batch or self._in_memory().heartbeat(), held_count=self._held_count())

    def _held_count(self) -> int:
        return sum(file.held_count for file in self._files())

    def on(self, spool_id: str, change: Callable[[File], None]) -> bool:
        """Change the spool of that identity; an unknown one is none of ours. False = it could not be written."""
        for file in self._files():
            if file.spool_id == spool_id:
                try:
                    change(file)
                except FAULTS as error:
                    self._failed(error)
                    return False
        return True

    def statistics(self) -> Statistics:
        dropped = _sum(self._try(file, lambda file: file.counters("dropped"), {}) for file in self._files())
        rejected = _sum(self._try(file, lambda file: file.counters("rejected"), {}) for file in self._files())
        return Statistics(
            held_count=self._held_count(),
            held_bytes=sum(file.held_bytes for file in self._files()),
            limit_bytes=self._settings.max_bytes,
            degraded=self.degraded,
            oldest_at=next((self._try(file, File.oldest_at, None) for file in self._files()), None),
            dropped=dropped,
            rejected=rejected,
        )

    def close(self) -> None:
        self._count_lost_memory()
        for file in self._files():
            file.close()
        if self._lock is not None:
            os.close(self._lock)

    def _count_lost_memory(self) -> None:
        """What memory holds ends here: in the file it would have another name, and what was sent count twice."""
        if self._memory is None or not (lost_count := self._memory.held_count):
            return
        _log.error("records_lost", count=lost_count, why="held in memory while the disk could not be written")
        if self._disk is not None:
            self._try(self._disk, lambda file: file.count("dropped.disk_full", lost_count), None)


def _sum(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, value in each.items():
            total[name] = total.get(name, 0) + value
    return total
