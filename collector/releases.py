"""The releases that this collector has for boxes: the bundle that new ones get, and those in folders beside it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUMS: Final = "SHA256SUMS"
SUMS_MAX_BYTES: Final = 1_048_576
VERSION_MAX_BYTES: Final = 100
RELEASES_MAX: Final = 50
_LINE = re.compile(r"[0-9a-f]{64} [ *](.+)")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
BESIDE: Final = "classready-*"
"""``make bundle`` writes ``dist/classready-VERSION``: a newer one is put beside the one that is set."""


def held(bundle: Path | None) -> dict[str, Path]:
    """Return version -> folder; ``bundle``: the one that new boxes get. Reads a few small files."""
    found: dict[str, Path] = {}
    for folder in _folders(bundle):
        if (version := _version(folder)) is not None:
            found.setdefault(version, folder)
    return found


def _folders(bundle: Path | None) -> Iterator[Path]:
    if bundle is None:
        return
    yield bundle
    try:
        beside = sorted(bundle.resolve().parent.glob(BESIDE))
    except OSError:
        return
    yield from [folder for folder in beside if folder.is_dir() and not folder.is_symlink()][:RELEASES_MAX]


def _version(folder: Path) -> str | None:
    """What the bundle calls itself; None = it is none, or one that was not copied to its end."""
    try:
        with (folder / "VERSION").open(encoding="utf-8") as file:
            version = file.read(VERSION_MAX_BYTES).strip()
        whole = (folder / SUMS).is_file() and (folder / f"{SUMS}.sig").is_file()
    except (OSError, ValueError):
        return None
    return version if whole and _VERSION.fullmatch(version) else None


def listed_file(bundle: Path, name: str) -> Path | None:
    """Return the file of that name, if ``SHA256SUMS`` has it and it lies in ``bundle``; None else."""
    try:
        folder = bundle.resolve(strict=True)
        with (folder / SUMS).open(encoding="utf-8") as sums:
            lines = sums.read(SUMS_MAX_BYTES).splitlines()
        names = {match[1] for line in lines if (match := _LINE.fullmatch(line))} | {SUMS, f"{SUMS}.sig"}
        found = (folder / name).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return found if name in names and found.is_relative_to(folder) and found.is_file() else None
