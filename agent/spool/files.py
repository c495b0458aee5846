"""The spool's files by name: locked, looked at, moved aside. What stands in them is not read here."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from agent.spool.faults import NotASpoolError, SpoolInUseError
from agent.spool.room import BAD, COMPANIONS


def lock(folder: Path) -> int | None:
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


def must_be_files(path: Path) -> None:
    """Look at what SQLite does not mind, or would wait for.

    Raises:
        NotASpoolError: a directory, a pipe or a device is there, or a log without its database.
    """
    for suffix in COMPANIONS:
        if (each := Path(f"{path}{suffix}")).exists() and not each.is_file():
            raise NotASpoolError(f"{each.name} is not a file")
    log = Path(f"{path}-wal")
    if path.exists() and not path.stat().st_size and log.exists() and log.stat().st_size:
        raise NotASpoolError("it is empty, and its log is not")


def rename_aside(path: Path) -> None:
    """Keep the last broken file for whoever wants to look into it, and its log, which must not meet the new file."""
    for suffix in COMPANIONS:
        broken, aside = Path(f"{path}{suffix}"), Path(f"{path}{BAD}{suffix}")
        if aside.is_dir() or (broken.is_dir() and aside.exists()):
            aside = Path(f"{aside}-{time.time_ns()}")  # rename(2) replaces a file by a file only
        with contextlib.suppress(FileNotFoundError):
            broken.replace(aside)


def sync(folder: Path) -> None:
    """Make a renaming last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def places(path: str) -> dict[str, tuple[int, int]]:
    """Device and inode of the files that there are."""
    found = {}
    for suffix in COMPANIONS:
        with contextlib.suppress(OSError):
            status = Path(f"{path}{suffix}").stat()
            found[suffix] = status.st_dev, status.st_ino
    return found
