"""A release's files into a folder: slowly, never in a lesson or beyond what the disk can spare, and resumed."""

import asyncio
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.upgrading import bundle
from agent.upgrading.bundle import Listed, RefusedError
from agent.upgrading.source import Piece, Source, UnreachableError

BUNDLE_MAX_BYTES: Final = 300_000_000
SPARE_BYTES: Final = 200_000_000
"""Stays free on the disk: the installer needs a hundred, and a copy of the bundle; the spool goes on growing."""
DAMAGED_MAX: Final = 3
"""As often a file is fetched anew that is not what was signed."""


class NotNowError(Exception):
    """It goes on later, where it stopped; ``reason`` is one of ``outcome``'s."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class Fetching:
    """``folder`` holds what was fetched so far. ``is_quiet``: whether the line belongs to a lesson now."""

    def __init__(
        self, source: Source, folder: Path, key_file: Path, bytes_per_s: float, is_quiet: Callable[[], bool]
    ) -> None:
        self._source, self._folder, self._key_file = source, folder, key_file
        self._bytes_per_s, self._is_quiet = bytes_per_s, is_quiet
        self._fetched_bytes = 0
        self.on_piece: Callable[[], None] = lambda: None
        """Called with each piece that comes."""

    async def run(self, version: str) -> None:
        """Return when the bundle of ``version`` lies in the folder, every file as it was signed.

        Raises:
            NotNowError: come again.
            RefusedError: it will never do.
        """
        try:
            await self._run(version)
        except UnreachableError as error:
            raise NotNowError("unreachable", str(error)) from None
        except OSError as error:
            raise NotNowError("no_space", str(error)) from None

    async def _run(self, version: str) -> None:
        files = await self._list()
        names = {file.name: file for file in files}
        for name in ("VERSION", *bundle.LOCKS):
            if name not in names:
                raise RefusedError("damaged", f"{name} is missing: no bundle for an agent")
            await self._whole(names[name])
        if (found := (self._folder / "VERSION").read_text("ascii", "replace").strip()) != version:
            raise NotNowError("unreachable", f"the collector gave release {found[:64]}")
        locks = [(self._folder / name).read_text("ascii", "replace") for name in bundle.LOCKS]
        wanted = list(bundle.needed(files, locks, platform.machine()))
        self._keep_only({file.name for file in wanted})
        for file in wanted:
            await self._whole(file)

    async def _list(self) -> list[Listed]:
        """The list and its signature each time anew: the release may have been made once more under its name."""
        sums = await self._small(bundle.SUMS, bundle.SUMS_MAX_BYTES)
        signature = await self._small(bundle.SIGNATURE, bundle.SIGNATURE_MAX_BYTES)
        bundle.check_signature(sums, signature, self._key_file)
        files = bundle.listed(sums)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / bundle.SUMS).write_bytes(sums)
        (self._folder / bundle.SIGNATURE).write_bytes(signature)
        return files

    async def _small(self, name: str, max_bytes: int) -> bytes:
        found, total_bytes = b"", 1
        while len(found) < total_bytes:
            piece = await self._piece(name, len(found))
            found, total_bytes = found + piece.body, piece.total_bytes
            if total_bytes > max_bytes:
                raise RefusedError("damaged", f"{name} is larger than {max_bytes} bytes")
        return found

    async def _whole(self, file: Listed) -> None:
        path = self._folder / file.name
        if bundle.is_whole(path, file):
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(DAMAGED_MAX):
            await self._append(path, file.name)
            if await asyncio.to_thread(bundle.is_whole, path, file):
                return
            path.unlink()
        raise RefusedError("damaged", f"{file.name} is not what was signed")

    async def _append(self, path: Path, name: str) -> None:
        """Go on with the file where it ends; each piece is on disk before the next one is asked for."""
        with path.open("ab") as opened:
            total_bytes = opened.tell() + 1
            while opened.tell() < total_bytes:
                piece = await self._piece(name, opened.tell())
                opened.write(piece.body)
                opened.flush()
                total_bytes = piece.total_bytes

    async def _piece(self, name: str, offset: int) -> Piece:
        """The next piece, no sooner than the rate allows."""
        if self._is_quiet():
            raise NotNowError("quiet")
        if self._fetched_bytes > BUNDLE_MAX_BYTES:
            raise RefusedError("too_large", f"more than {BUNDLE_MAX_BYTES} bytes")
        if shutil.disk_usage(self._folder.parent).free < SPARE_BYTES:
            raise NotNowError("no_space", f"less than {SPARE_BYTES} bytes are free")
        piece = await self._source.piece(name, offset)
        self._fetched_bytes += len(piece.body)
        self.on_piece()
        await asyncio.sleep(len(piece.body) / self._bytes_per_s)
        return piece

    def _keep_only(self, names: set[str]) -> None:
        """What another release left here would be refused as not signed."""
        for path in [*self._folder.rglob("*")]:
            name = str(path.relative_to(self._folder))
            if not path.is_dir() and name not in {*names, bundle.SUMS, bundle.SIGNATURE}:
                path.unlink()
