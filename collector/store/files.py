"""SQLite's file from outside: who holds it, whether it is sound, and out of the way with it where it is not."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Timer
from urllib.parse import quote

SUFFIXES = ("", "-wal", "-shm")
"""The database, its log and the log's index: SQLite finds the two by the name of the first."""
ASIDE = "set-aside"
SAID_MAX_CHARACTERS = 200

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""The lower byte is the kind (sqlite.org/rescode.html). A disk that cannot be read now says IOERR: it may come back."""


class StoreHeldError(OSError):
    """Another process works on the store."""


def reader(file: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Open ``file`` so that nothing can be written, and no log be taken over either: see ``database``.

    ``immutable``: nobody else has it open, and no log belongs to it.
    """
    mode = "immutable=1" if immutable else "mode=ro"
    return sqlite3.connect(f"file:{quote(str(file))}?{mode}", uri=True, check_same_thread=False)


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Be the one process that works on the store ``file``, for the ``with`` block.

    Two collectors on one file would both write their logs' ends: the bug of which ``database`` speaks. The lock ends
    with the process, however that ends; its file stays, and tells that ``file`` is a store of ours.

    Raises:
        StoreHeldError: another one does.
    """
    lock = lock_of(file)
    number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        own_as_folder(lock)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreHeldError(f"another collector runs on {file}: stop that one first") from None
        yield
    finally:
        os.close(number)


def lock_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def own_as_folder(file: Path) -> None:
    """What root makes belongs to the collector's user, as the folder does."""
    if os.geteuid() == 0:
        folder = file.parent.stat()
        os.chown(file, folder.st_uid, folder.st_gid)


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file is not what it wrote."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def damage(file: Path, within_s: float | None = None) -> str | None:
    """Say what is wrong with the pages of ``file``; None = sound. Whoever writes meanwhile is not held up.

    SQLite keeps no checksums: letters changed within a value are not seen, a page that is not what it was is.

    Raises:
        TimeoutError: not looked through within ``within_s``.
        sqlite3.OperationalError: it cannot be read now.
    """
    try:
        with closing(reader(file)) as db:
            limit = Timer(within_s, db.interrupt) if within_s is not None else None
            if limit:
                limit.start()
            try:
                found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            finally:
                if limit:
                    limit.cancel()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
            raise TimeoutError from None
        if not is_damage(error):
            raise
        return str(error)
    return None if found == "ok" else " ".join(found.split())[:SAID_MAX_CHARACTERS]


def set_aside(file: Path, why: str) -> Path | None:
    """Rename ``file`` with its log; return its name now, None = there is none. Nothing is ever deleted."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number, place = 0, file.with_name(f"{file.name}.{why}-{stamp}")
    while any(Path(f"{place}{suffix}").exists() for suffix in SUFFIXES):
        number += 1
        place = file.with_name(f"{file.name}.{why}-{stamp}-{number}")
    moved = False
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{place}{suffix}")
            moved = True
    sync_folder(file.parent)
    return place if moved else None


def lying_aside(file: Path) -> list[Path]:
    """The damaged stores that nobody took away yet, oldest first."""
    names = file.parent.glob(f"{file.name}.{ASIDE}-*")
    return sorted(name for name in names if not name.name.endswith(SUFFIXES[1:]))


def sync_folder(folder: Path) -> None:
    """Make names durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
