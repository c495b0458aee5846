"""What the commands `backup` and `restore` do, and the sentences they say."""

import time
from pathlib import Path

import msgspec

from collector.app.loading import backup_folder, load_settings, state_folder
from collector.store import backup
from collector.store.backup import BackupError, Made, Restored
from collector.store.database import file_of, store_url
from collector.store.files import held

__all__ = ["BackupError", "as_json", "back_up", "made_text", "restore", "restored_text"]


def back_up(config: Path, target: Path | None, keep_count: int | None) -> Made:
    """Copy the store to ``target``; None = where the settings say.

    Raises:
        SettingsError, BackupError
    """
    settings, file = load_settings(config), _store_file(config)
    if target is not None:
        return backup.make(file, target, keep_count)
    keep_count = keep_count or (settings.backup.keep if settings.backup else None)
    return backup.make(file, backup_folder(config, settings), keep_count, into_folder=True)


def restore(config: Path, file: Path) -> Restored:
    """Put ``file`` in the place of the store.

    Raises:
        SettingsError, BackupError, OSError: a collector runs, or the folder cannot be written.
    """
    store = _store_file(config)
    if store.exists() and file.exists() and file.samefile(store):
        raise BackupError(f"{file} is the store itself")
    backup.check(file)
    with held(store):
        return backup.restore(store, file, "replaced")


def _store_file(config: Path) -> Path:
    settings = load_settings(config)
    url = store_url(settings.store, state_folder(config))
    if (file := file_of(url)) is not None:
        return file
    port = f" --port={url.port}" if url.port else ""
    command = f"pg_dump --format=custom --file=classready.dump --host={url.host or 'localhost'}{port}"
    user = f" --username={url.username}" if url.username else ""
    raise BackupError(
        f"the store is a PostgreSQL database, which has its own tools: {command}{user} {url.database}; "
        "pg_restore brings it back: docs/postgresql.md"
    )


def as_json(found: Made | Restored) -> str:
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def made_text(made: Made) -> str:
    removed = f"; older ones deleted: {len(made.removed)}" if made.removed else ""
    return f"{made.file}: {made.bytes:,} bytes, checked, in {made.seconds:.1f} s{removed}"


def restored_text(done: Restored) -> str:
    lines = [f"{done.store}: is the backup of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(done.made_at))}"]
    if done.set_aside is not None:
        lines.append(f"the store before is kept as {done.set_aside}")
    lines.append("what was acknowledged since the backup is not in it; agents send again whatever they still hold")
    if done.untold_count:
        lines.append(
            f"{done.untold_count} messages that waited in it are not sent, for they may have been: see the board"
        )
    lines.append("start the collector now")
    return "\n".join(lines)
