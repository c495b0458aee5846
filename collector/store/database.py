"""Opening the store. SQLite: WAL, ``synchronous=FULL``, one writer connection that is also the only checkpointer.

SQLite up to 3.51.2 can lose committed writes when two connections write or checkpoint at the same instant (the
WAL-reset bug, sqlite.org/wal.html): so nobody but the one writer may, and readers open the file with ``mode=ro``.

PostgreSQL: a server that goes away and comes back is an ordinary thing, and no restart of ours (``transaction``).
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from classready.units import MBYTE
from collector.store import claim
from collector.store.files import is_damage, lock_of
from collector.store.transaction import StoreAwayError, StoreDamagedError, plain

BUSY_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 30.0
"""A server that hangs, or that a firewall forgot, is given up after that. Migrations may take as long as they need."""
_MIGRATING = 0x636C_6173_7372_6479
"""Key of the advisory lock under which collectors that start together bring the tables up to date one by one."""

_SQLITE_HEAD = b"SQLite format 3\0"
"""sqlite.org/fileformat2.html, 1.3.1."""
MIGRATIONS = Path(__file__).parent / "migrations"


class StoreAddressError(ValueError):
    """The address of the store is not one that classready can use."""


def store_url(text: str, base: Path) -> URL:
    """Parse the address from the settings; a relative SQLite path is taken from ``base``.

    Raises:
        StoreAddressError: neither sqlite+aiosqlite nor postgresql+asyncpg.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreAddressError(f"not an address of a store: {error}") from None
    if url.drivername == "postgresql+asyncpg":
        return url
    if url.drivername != "sqlite+aiosqlite" or not url.database or url.database == ":memory:":
        raise StoreAddressError("must be sqlite+aiosqlite:///FILE or postgresql+asyncpg://...")
    return url.set(database=str(base / url.database))


def file_of(url: URL) -> Path | None:
    """Return the file that ``url`` names; None = a server keeps the store."""
    return Path(url.database) if url.database is not None and url.drivername.startswith("sqlite") else None


def file_problem(url: URL) -> str | None:
    """Say why no store can be opened at ``url``, where that is a file; a server is not asked."""
    if (file := file_of(url)) is None:
        return None
    if not file.parent.is_dir():
        return f"there is no folder {file.parent}: make it, or name another one"
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_SQLITE_HEAD))
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{file}: {error.strerror}"
    is_ours = head in {b"", _SQLITE_HEAD} or lock_of(file).exists()  # ours and damaged is for ``run`` to set aside
    return None if is_ours else f"{file} is something else than an SQLite database"


class Store(NamedTuple):
    """``writer`` is for ``transaction.begin``, ``reader`` for ``transaction.reading``."""

    writer: AsyncEngine
    reader: AsyncEngine


async def open_store(url: URL, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Store:
    """Open the store for the one process that writes, tables brought up to date.

    Raises:
        StoreDamagedError: the file has to be replaced.
        StoreAwayError: the disk or the server does not let us; the words are for whoever runs the machine.
    """
    try:
        name = claim.new_name()
        return Store(await _open_writer(url, answer_timeout_s, name), _open_reader(url, answer_timeout_s, name))
    except (DBAPIError, OSError) as error:
        if isinstance(error, DBAPIError) and is_damage(error.orig):
            raise StoreDamagedError(plain(error)) from error
        raise StoreAwayError(why_unusable(url, error)) from error


def why_unusable(url: URL, error: BaseException) -> str:
    """Which store a collector cannot begin with, why, and what that means: agents keep what nobody acknowledges."""
    waits = "Until then nothing is acknowledged, and the agents keep what they have."
    if url.get_backend_name() != "sqlite":
        where = url.set(query={}).render_as_string(hide_password=True)
        return f"the store {where} cannot be used: {plain(error)}. {waits}"
    file = Path(str(url.database))
    free_mb = shutil.disk_usage(file.parent).free // MBYTE
    return f"the store {file} cannot be used: {plain(error)} ({free_mb} MB are free on its disk). {waits}"


async def close_store(store: Store) -> None:
    await store.reader.dispose()
    await store.writer.dispose()


async def _open_writer(url: URL, answer_timeout_s: float, name: str) -> AsyncEngine:
    is_file = url.get_backend_name() == "sqlite"
    if not is_file:
        await _upgrade_server(url, name)
    more = {} if is_file else _of_a_server(answer_timeout_s, name)
    writer = create_async_engine(url, pool_size=1, max_overflow=0, **more)
    event.listen(writer.sync_engine, "connect", _prepare_writer if is_file else claim.take)
    try:
        async with writer.begin() as connection:
            if is_file:
                await connection.run_sync(upgrade)
    except BaseException:
        await writer.dispose()
        raise
    return writer


async def _upgrade_server(url: URL, name: str) -> None:
    arguments = {"timeout": CONNECT_TIMEOUT_S, "server_settings": {"application_name": name}}
    migrator = create_async_engine(url, poolclass=NullPool, connect_args=arguments)
    event.listen(migrator.sync_engine, "connect", claim.take)
    async with migrator.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        await connection.run_sync(upgrade)


def _open_reader(url: URL, answer_timeout_s: float, name: str) -> AsyncEngine:
    """Open connections that cannot write. The writer must have opened the store before."""
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url, execution_options={"postgresql_readonly": True}, **_of_a_server(answer_timeout_s, name)
        )
    read_only = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    # SQLite begins no transaction to read: to roll one back would be a hop to the connection's thread for nothing
    reader = create_async_engine(read_only, pool_size=2, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
    event.listen(reader.sync_engine, "connect", _prepare_reader)
    return reader


def _of_a_server(answer_timeout_s: float, name: str) -> dict[str, Any]:
    return {
        "pool_pre_ping": True,  # a connection that died while nobody used it is replaced unseen
        "connect_args": {
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": answer_timeout_s,
            # as durable as SQLite's FULL, whatever the server's default: an ack lets a gateway delete its record
            "server_settings": {"application_name": name, "synchronous_commit": "on", **claim.KEEPALIVE_S},
        },
    }


def sqlite_has_wal_reset_bug() -> bool:
    """Say whether the SQLite in use lacks the fix of 3.51.3 (also in 3.44.6 and 3.50.7)."""
    version = sqlite3.sqlite_version_info
    backported = (version[:2] == (3, 44) and version >= (3, 44, 6)) or (
        version[:2] == (3, 50) and version >= (3, 50, 7)
    )
    return version < (3, 51, 3) and not backported


def _prepare_writer(connection: Any, _record: object) -> None:
    try:
        _pragmas(
            connection, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"
        )
    except BaseException:
        connection.close()  # nobody else has it yet, and its thread would hold the file open
        raise


def _prepare_reader(connection: Any, _record: object) -> None:
    _pragmas(connection, "query_only=ON", f"busy_timeout={BUSY_TIMEOUT_MS}")


def _pragmas(connection: Any, *settings: str) -> None:
    with closing(connection.cursor()) as cursor:
        for setting in settings:
            cursor.execute(f"PRAGMA {setting}")


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables up to ``revision``; those of an earlier release keep their rows.

    All of it or nothing: Python's driver begins no transaction for statements that change tables, and a box that lost
    its power half way would never start again (docs.python.org/3/library/sqlite3.html, transaction control).
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    command.upgrade(migrations(connection), revision)


def migrations(connection: Connection) -> Config:
    """Return what alembic needs to know to work on ``connection``."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
