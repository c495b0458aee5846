"""Sheets on disk: beside the spool, which is never touched, and where somebody wants a copy."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from agent import sheets
from agent.acceptance.sheet import FORMAT, MAX_BYTES, Sheet

KEPT_COUNT = 24
"""Two years of months."""
_SUFFIXES = (".json", ".html", ".txt")

_log = structlog.get_logger()


def last(state_dir: Path, gateway: str) -> Sheet | None:
    """The newest sheet of this gateway that can be read; None where there is none."""
    for path in reversed(sheets.kept(state_dir, gateway, ".json")):
        try:
            with path.open("rb") as file:
                sheet = msgspec.json.decode(file.read(MAX_BYTES), type=Sheet)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
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
    """Write ``files`` (by suffix) beside the spool, remove those of the oldest sheets, and return the folder.

    Raises:
        OSError: they cannot be written.
    """
    folder = state_dir / sheets.FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(folder, number, files)
    for old in sheets.kept(state_dir, gateway, ".json")[:-KEPT_COUNT]:
        for suffix in _SUFFIXES:
            old.with_suffix(suffix).unlink(missing_ok=True)
    _belongs_to_the_service(state_dir, folder)
    return folder


def write(folder: Path, number: str, files: Mapping[str, bytes]) -> None:
    """Each file is there as a whole or not at all.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in files.items():
        new = folder / f"{number}{suffix}.new"
        new.write_bytes(content)
        new.replace(folder / f"{number}{suffix}")


def _belongs_to_the_service(state_dir: Path, folder: Path) -> None:
    """What root wrote, the service must be able to write, too: it has a user of its own (DynamicUser)."""
    if os.geteuid() != 0:
        return
    owner = state_dir.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
