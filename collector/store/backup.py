"""Copies of SQLite's file that are whole and checked, and back again.

A copy is read over a ``mode=ro`` connection in one read transaction: of one moment, while the collector writes on, and
without a second checkpointer. (Its log grows meanwhile, and is taken over afterwards.)
"""

import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from msgspec import Struct

from collector.store.database import MIGRATIONS
from collector.store.files import damage, own_as_folder, reader, set_aside, sync_folder

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"collector-([0-9]{8}T[0-9]{6}Z)\.db\Z")
AHEAD_MAX_S = 86_400.0
"""A backup dated further ahead is of a clock that was wrong: it is no newer than those of a right one."""
PART_MAX_AGE_S = 86_400.0
"""A copy that has not grown for so long is one that was cut off."""
_TABLES = frozenset({"alembic_version", "ledger", "school_state", "outbox"})


class BackupError(Exception):
    """No backup was made, or it is none that can be restored; ``str`` says why. What was there before still is."""


class Made(Struct, frozen=True, kw_only=True):
    file: str
    bytes: int
    seconds: float
    made_at: float
    removed: tuple[str, ...] = ()
    """Older backups, beyond those to keep."""


class Restored(Struct, frozen=True, kw_only=True):
    backup: str
    store: str
    made_at: float
    """Of which moment it is, as far as its name or its file's date tells."""
    set_aside: str | None
    """Where the store before is now; None = there was none."""
    untold_count: int
    """Messages that were waiting in it. They may have been sent since: they are not sent again."""


def make(store: Path, target: Path, keep_count: int | None = None, *, into_folder: bool = False) -> Made:
    """Copy ``store``, check the copy, and only then give it its name. Of a folder's, ``keep_count`` newest are kept.

    ``into_folder``: ``target`` is one that may have to be made.

    Raises:
        BackupError
    """
    began_at, began_s = time.time(), time.monotonic()
    if not store.is_file():
        raise BackupError(f"there is no store {store}; systemd keeps it in $STATE_DIRECTORY: set that, or see `store`")
    is_folder = into_folder or target.is_dir()
    try:
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
            own_as_folder(target)
        file = target / time.strftime(f"collector-{_STAMP}.db", time.gmtime(began_at)) if is_folder else target
        _refuse_other(file, store)
        if is_folder:
            _sweep(target)
        _copy(store, file)
        removed = _forget(target, keep_count) if is_folder and keep_count else ()
        size_bytes = file.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{target}: {getattr(error, 'strerror', None) or error}") from error
    return Made(
        file=str(file),
        bytes=size_bytes,
        seconds=round(time.monotonic() - began_s, 3),
        made_at=began_at,
        removed=removed,
    )


def _refuse_other(file: Path, store: Path) -> None:
    """A slip of the hand must not cost a file that is no backup."""
    if file.exists() and file.samefile(store):
        raise BackupError(f"{file} is the store itself")
    if file.exists():
        try:
            check(file)
        except BackupError as error:
            raise BackupError(f"{error}; it stays as it is: name another file") from None


def _copy(store: Path, file: Path) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        copy_to(store, part)
        check(part)
        part.rename(file)
        sync_folder(file.parent)
    finally:
        for left in (part, Path(f"{part}-journal")):
            with suppress(FileNotFoundError):
                left.unlink()


def copy_to(source: Path, file: Path) -> None:
    """Write everything to a new file that needs no log beside it, and have it on the disk."""
    with suppress(FileNotFoundError):
        file.unlink()
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(reader(source)) as db, closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # synced once, below
        db.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    with file.open("rb+") as written:
        os.fsync(written.fileno())
    own_as_folder(file)


def check(file: Path) -> None:
    """Look whether ``file`` could be restored: whole, ours, of this release or an earlier one.

    Raises:
        BackupError
    """
    if file.exists() and not file.is_file():  # SQLite waits for ever at a pipe
        raise BackupError(f"{file} is no file")
    try:
        if (found := damage(file)) is not None:
            raise BackupError(f"{file} is damaged: {found}")
        with closing(reader(file)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if not tables >= _TABLES:
                raise BackupError(f"{file} is no store of a collector")
            revisions = [revision for (revision,) in db.execute("SELECT version_num FROM alembic_version")]
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    for revision in revisions:
        if not _is_known(revision):
            raise BackupError(f"{file} was written by a newer release (tables {revision}): install that one")


def _is_known(revision: str) -> bool:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        return ScriptDirectory.from_config(config).get_revision(revision) is not None
    except CommandError:
        return False


def kept(folder: Path) -> list[Path]:
    """The backups of ``folder`` that have a name of ours, newest first, and last those of a clock that was ahead."""
    limit_at = time.time() + AHEAD_MAX_S
    with suppress(OSError):
        dated = [(at, file) for file in folder.iterdir() if (at := _named_at(file)) is not None and file.is_file()]
        return [file for _, _, file in sorted(((at <= limit_at, at, file) for at, file in dated), reverse=True)]
    return []


def newest_at(folder: Path) -> float | None:
    """When the newest backup was made, as far as a clock that was right tells."""
    newest = next(iter(kept(folder)), None)
    at = None if newest is None else made_at(newest)
    return at if at is not None and at <= time.time() + AHEAD_MAX_S else None


def made_at(file: Path) -> float:
    at = _named_at(file)
    return file.stat().st_mtime if at is None else at


def _named_at(file: Path) -> float | None:
    found = _NAME.match(file.name)
    with suppress(ValueError):  # digits that are no date
        return found and datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC).timestamp()
    return None


def _forget(folder: Path, keep_count: int) -> tuple[str, ...]:
    """Delete what is beyond ``keep_count``; what cannot be deleted stays, and is no reason for another copy."""
    removed = []
    for file in kept(folder)[keep_count:]:
        with suppress(OSError):
            file.unlink()
            removed.append(str(file))
    return tuple(removed)


def _sweep(folder: Path) -> None:
    """Take away what a copy left that was cut off: each has another name, and is as large as the store."""
    for part in folder.glob("collector-*.db.part*"):
        with suppress(OSError):
            if abs(time.time() - part.stat().st_mtime) > PART_MAX_AGE_S:
                part.unlink()


def restore(store: Path, backup: Path, why: str) -> Restored:
    """Put ``backup`` in the place of ``store``, which is renamed; whoever calls holds the store.

    What is cut off between two steps is done at the next start: see ``finish``.

    Raises:
        BackupError: nothing was changed.
    """
    check(backup)
    at = made_at(backup)
    part, ready = (store.with_name(f"{store.name}.{name}") for name in ("restore-part", "restored"))
    try:
        copy_to(backup, part)
        untold_count = _tell_nothing_twice(part)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.rename(ready)
        aside = set_aside(store, why)
        finish(store)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{store}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        for left in (part, Path(f"{part}-journal")):  # on a full disk, what was copied until then
            with suppress(OSError):
                left.unlink()
    return Restored(
        backup=str(backup),
        store=str(store),
        made_at=at,
        set_aside=None if aside is None else str(aside),
        untold_count=untold_count,
    )


def finish(store: Path) -> None:
    """Bring a backup to its place whose restore was cut off after the store was renamed, and a log that lost its store
    out of the way: a log is played into whatever file has its name.
    """
    ready = store.with_name(f"{store.name}.restored")
    if store.exists():
        return
    set_aside(store, "orphan")
    if ready.exists():
        ready.rename(store)
        sync_folder(store.parent)


def _tell_nothing_twice(file: Path) -> int:
    """What waited when the backup was made was perhaps sent since, and chats cannot be asked: the board lists it."""
    with closing(sqlite3.connect(file)) as db, db:
        settled = "UPDATE outbox SET state = 'refused', reason = 'restored', settled_at = ? WHERE state = 'pending'"
        return db.execute(settled, [time.time()]).rowcount
