"""Where a test's collector keeps its state: a file in the test's folder, or a database that stands for that folder.

``every_store`` (tests/conftest.py) chooses for each test; whatever opens a store asks ``address_in``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from collector.store.database import store_url
from tests.support.postgres import Postgres

Address = Callable[[Path], URL]


def sqlite_in(folder: Path) -> URL:
    return store_url("sqlite+aiosqlite:///collector.db", folder)


_chosen: list[Address] = [sqlite_in]


def address_in(folder: Path) -> URL:
    """Return the address of the store of ``folder``: the same one each time, of the kind that was chosen."""
    return _chosen[-1](folder)


@contextmanager
def choose(address: Address) -> Iterator[None]:
    _chosen.append(address)
    try:
        yield
    finally:
        _chosen.pop()


class Databases:
    """One database of a server a folder."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._urls: dict[Path, URL] = {}

    def address_in(self, folder: Path) -> URL:
        if folder not in self._urls:
            self._urls[folder] = self._server.make_database()
        return self._urls[folder]

    @contextmanager
    def chosen(self) -> Iterator[None]:
        try:
            with choose(self.address_in):
                yield
        finally:
            for url in self._urls.values():
                self._server.drop_database(url)
