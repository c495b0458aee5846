"""One roster file -> what it says. The fast way where it can tell, the thorough way where something must be said."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from classready.documents import read_text
from classready.settings import Loaded, SettingsError, load_with_lines, read_with_lines
from collector.roster.fast import CannotTellError, read_fast
from collector.roster.files import OfficeFile
from collector.roster.sharing import Shared

Known = Mapping[str, OfficeFile]
"""Digest of a good file's text -> what it says, so that a file that did not change is not read again."""


class Office(Struct, frozen=True):
    digest: str
    loaded: Loaded


def read_office(path: Path, known: Known, shared: Shared) -> Office:
    """Read one file of the roster.

    Raises:
        SettingsError: with every problem of the file.
    """
    text = read_text(path)
    digest = sha256(text.encode()).hexdigest()
    try:
        value = known.get(digest) or shared.office(read_fast(text, OfficeFile))
    except CannotTellError:
        loaded = read_with_lines(str(path), text, OfficeFile)
        return Office(digest, replace(loaded, value=shared.office(loaded.value)))
    return Office(digest, Loaded(value, str(path), _Lines(path)))


class _Lines(Mapping[str, int]):
    """The line of every entry of a good file, found when a check across entries asks for one: hardly ever."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _found(self) -> Mapping[str, int]:
        try:
            return load_with_lines(self._path, OfficeFile).lines
        except SettingsError:
            return {}  # changed since: its own problems are told at the next reading

    def __getitem__(self, path: str) -> int:
        return self._found[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
