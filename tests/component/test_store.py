"""The store on a real SQLite file: tables, durability settings, compare-and-set, read-only readers."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from collector.core.state import BureauState, SchoolState
from collector.store import ledgers, states
from collector.store.database import StoreAddressError, store_url
from collector.store.ledgers import Ledger
from collector.store.tables import metadata
from tests.support.collecting import SPOOL, opened

SPOOL_KEY = ("gw-one", SPOOL)


async def test_migrations_make_the_tables(tmp_path):
    """What the migrations make is what the tables in the code say, and a second start finds nothing to do."""
    for _ in range(2):
        async with opened(tmp_path) as store, store.writer.connect() as connection:
            differences = await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
            assert differences == []


async def test_durable(tmp_path):
    """The writer uses a write-ahead log and syncs each commit."""
    async with opened(tmp_path) as store, store.writer.connect() as connection:
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar() == 2


async def test_readers_cannot_write(tmp_path):
    """Nobody but the writer can change anything."""
    async with opened(tmp_path) as store, store.reader.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await states.save_bureau(connection, 0, BureauState())


async def test_compare_and_set(tmp_path):
    """A state is replaced only by whoever knew it; otherwise nothing of the transaction stays."""
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await states.save_schools(connection, {"a": (0, SchoolState()), "b": (0, SchoolState())})
            await states.save_schools(connection, {"a": (1, SchoolState(unlisted={"x": 1.0}))})
        with pytest.raises(states.StaleStateError):
            async with store.writer.begin() as connection:
                await states.save_schools(connection, {"a": (1, SchoolState()), "b": (1, SchoolState())})
        async with store.reader.connect() as connection:
            found = await states.load_schools(connection, {"a", "b", "c"})
        assert {school: revision for school, (revision, _) in found.items()} == {"a": 2, "b": 1}
        assert found["a"][1].unlisted == {"x": 1.0}


async def test_newer_release(tmp_path):
    """A state of a newer release is not understood half."""
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await states.save_schools(connection, {"a": (0, SchoolState(version=99))})
        async with store.reader.connect() as connection:
            with pytest.raises(states.NewerStoreError):
                await states.load_schools(connection, {"a"})


async def test_ledger_is_compared_too(tmp_path):
    """Two writers cannot both extend the same ledger."""
    before, after = Ledger(ranges=((1, 2),), applied_records=2), Ledger(ranges=((1, 3),), applied_records=3)
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await ledgers.save(connection, SPOOL_KEY, None, before, 0.0)
            await ledgers.save(connection, SPOOL_KEY, before, after, 0.0)
            assert await ledgers.load(connection, {SPOOL_KEY, ("gw-two", SPOOL)}) == {SPOOL_KEY: after}
        with pytest.raises(states.StaleStateError):
            async with store.writer.begin() as connection:
                await ledgers.save(connection, SPOOL_KEY, before, after, 0.0)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sqlite:///x.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "mysql+aiomysql://h/d",
        "x y",
        "a://h:p",
    ],
)
def test_wrong_address(address, tmp_path):
    """Only a SQLite file or PostgreSQL, with the drivers that are installed."""
    with pytest.raises(StoreAddressError):
        store_url(address, tmp_path)


def test_address(tmp_path):
    """A relative file is taken from the state folder, an absolute one as it is."""
    assert store_url("sqlite+aiosqlite:///c.db", tmp_path).database == str(tmp_path / "c.db")
    assert store_url("sqlite+aiosqlite:////var/c.db", tmp_path).database == "/var/c.db"
    assert store_url("postgresql+asyncpg://u@h/classready", tmp_path).host == "h"
