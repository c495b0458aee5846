"""Sheets on disk: beside the spool, which is never touched, and where somebody wants a copy."""

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from agent import sheets
from agent.acceptance.sheet import FORMAT, MAX_BYTES, Sheet
from classready.codec import UNDECODABLE

KEPT_COUNT = 24
"""Two years of months."""
KEPT_BYTES = 16 * 2**20
"""Of all of them: two years of a school with a hundred rooms."""
SPARE_BYTES = 16 * 2**20
"""What is left of the disk belongs to the spool; doctor calls it full here."""
_SUFFIXES = (".json", ".html", ".txt")

_log = structlog.get_logger()


def last(state_dir: Path, gateway: str) -> Sheet | None:
    """The newest sheet of this gateway that can be read; None where there is none."""
    for path in reversed(sheets.kept(state_dir, gateway, ".json")):
        try:
            with path.open("rb") as file:
                sheet = msgspec.json.decode(file.read(MAX_BYTES), type=Sheet)
        except (OSError, *UNDECODABLE) as error:
            _log.warning("sheet_unreadable", path=str(path), error=str(error))
            continue
        if sheet.format == FORMAT and sheet.gateway == gateway:
            return sheet
    return None


def free_number(state_dir: Path, wanted: str) -> str:
    """``wanted``, or the next one like it: a sheet that was signed is never written over."""
    others = (f"{wanted}-{count}" for count in itertools.count(2))
    return next(n for n in itertools.chain([wanted], others) if not (state_dir / sheets.FOLDER / f"{n}.json").exists())


def keep(state_dir: Path, gateway: str, number: str, files: Mapping[str, bytes]) -> Path:
    """Write ``files`` (by suffix) beside the spool, in the room of the oldest sheets, and return the folder.

    Raises:
        OSError: they cannot be written, or the spool would have too little room.
    """
    folder = state_dir / sheets.FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_room(state_dir, gateway, sum(map(len, files.values())))
    write(folder, number, files)
    _belongs_to_the_service(state_dir, folder)
    return folder


def _make_room(state_dir: Path, gateway: str, new_bytes: int) -> None:
    """Remove the oldest where a bound asks for it; the last one stays, for the new one is compared with it."""
    folder = state_dir / sheets.FOLDER
    kept = sheets.kept(state_dir, gateway, ".json")
    sizes = [sum(_bytes(path.with_suffix(suffix)) for suffix in _SUFFIXES) for path in kept]
    while len(kept) > 1 and (
        len(kept) >= KEPT_COUNT or sum(sizes) + new_bytes > KEPT_BYTES or not _fits(folder, new_bytes)
    ):
        sizes.pop(0)
        oldest = kept.pop(0)
        for suffix in _SUFFIXES:
            oldest.with_suffix(suffix).unlink(missing_ok=True)
    if not _fits(folder, new_bytes):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _fits(folder: Path, new_bytes: int) -> bool:
    return shutil.disk_usage(folder).free - new_bytes >= SPARE_BYTES


def write(folder: Path, number: str, files: Mapping[str, bytes]) -> None:
    """Each file is there as a whole or not at all.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in files.items():
        new = folder / f"{number}{suffix}.new"
        try:
            new.write_bytes(content)
            new.replace(folder / f"{number}{suffix}")
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise


def _belongs_to_the_service(state_dir: Path, folder: Path) -> None:
    """What root wrote, the service must be able to write, too: it has a user of its own (DynamicUser)."""
    if os.geteuid() != 0:
        return
    owner = state_dir.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
