"""How much of a disk the spool may take: what the settings allow or what the disk gives, whichever is less."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

COMPANIONS = ("", "-wal", "-shm")
"""The database, its log and the log's index: SQLite holds all three open, and finds them by name at the next start."""

BAD = ".bad"
"""Added to the names of what was set aside."""
INDEX_BYTES = 32 * 1024
"""What SQLite takes for the index of its log, whatever the log's size. (www.sqlite.org/walformat.html, section 2)"""
LOG_BYTES = (64 * 1024, 1024 * 1024)
"""Least and most. SQLite's own bound is 4 MB: more than the whole partition of a small box."""
LEAST_BYTES = 256 * 1024
"""With less than this on the disk memory holds more. It is also the least that the settings allow."""
GROW_AGAIN_S = 10.0


class Room:
    """Of the database at ``path``, its log, the log's index and what was set aside: together within ``max_bytes``."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._log, self._folder = str(path), f"{path}-wal", str(path.parent)  # text: asked at each append
        disk = os.statvfs(path.parent)
        share_bytes = min(max_bytes // 4, disk.f_blocks * disk.f_frsize // 16)
        self.log_bytes = min(max(share_bytes, LOG_BYTES[0]), LOG_BYTES[1])
        self._share_bytes = max(max_bytes, LEAST_BYTES) - self.log_bytes - INDEX_BYTES
        self._bad = [Path(f"{path}{BAD}{suffix}") for suffix in COMPANIONS]
        self.bad_bytes = sum(_owned_bytes(str(each)) for each in self._bad if each.is_file())
        self._grow_at_s = 0.0

    @property
    def most_bytes(self) -> int:
        """What the settings allow."""
        return self._share_bytes - self.bad_bytes

    def remove_bad(self) -> None:
        """Make room of the files that were set aside."""
        for each in self._bad:
            with contextlib.suppress(OSError):
                each.unlink()
        self.bad_bytes = 0

    def database_bytes(self) -> int:
        """Return how large the database may become now; what it has, nobody else can take from it.

        The log gets its share first: it must still be written when the disk is full, or nothing can be deleted, and
        emptied, or it only grows. Once it has its size it is written in place.
        """
        owned_bytes = _owned_bytes(self._path)
        if time.monotonic() < self._grow_at_s:
            return min(self.most_bytes, owned_bytes)
        disk = os.statvfs(self._folder)
        log_needs_bytes = 2 * self.log_bytes - _owned_bytes(self._log)  # twice: a long transaction
        free_bytes = disk.f_bavail * disk.f_frsize - max(0, log_needs_bytes)
        return min(self.most_bytes, owned_bytes + max(0, free_bytes))

    def total_bytes(self) -> int:
        """Return what database and log take now."""
        return _owned_bytes(self._path) + _owned_bytes(self._log)

    @contextlib.contextmanager
    def not_growing(self) -> Iterator[None]:
        """Do without more room, and for a while if that goes well: a quota gives none, and statvfs(3) does not know."""
        self._grow_at_s = time.monotonic() + GROW_AGAIN_S
        try:
            yield
        except BaseException:
            self._grow_at_s = 0.0
            raise


def _owned_bytes(path: str) -> int:
    try:
        return os.stat(path).st_blocks * 512  # noqa: PTH116 - blocks of 512 bytes, whatever the file system's are
    except OSError:
        return 0
