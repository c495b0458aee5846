"""The store in a real file and on a real server: tables, durability settings, compare-and-set, read-only readers."""

import asyncio
from typing import Literal, get_args, get_origin

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from classready.forms import ANNOTATED
from classready.ids import ClassroomRef, TargetName
from classready.observation import Bandwidth, Count, NonNegative, Outcome, Port, Ratio, Reason, WindowSummary
from collector.core.evidence import PortReading
from collector.core.link import leg_interval
from collector.core.state import ClassroomState, SchoolState
from collector.store import history, ledgers, outbox, states
from collector.store.database import StoreAddressError, migrations, store_url, upgrade
from collector.store.ledgers import Ledger
from collector.store.tables import bandwidth_result, metadata
from tests.support.collecting import SPOOL, opened
from tests.support.samples import alert, notice
from tests.support.stores import address_in

SPOOL_KEY = ("gw-one", SPOOL)
REVISIONS = [script.revision for script in ScriptDirectory.from_config(migrations(None)).walk_revisions()]

pytestmark = pytest.mark.usefixtures("every_store")


def differences(connection):
    return compare_metadata(MigrationContext.configure(connection), metadata)


async def test_migrations_make_the_tables(tmp_path):
    """What the migrations make is what the tables in the code say, and a second start finds nothing to do."""
    for _ in range(2):
        async with opened(tmp_path) as store, store.writer.connect() as connection:
            assert await connection.run_sync(differences) == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_earlier_release(tmp_path, revision):
    """From each revision there is a way up to the present tables, one down again to nothing, and up once more."""
    writer = create_async_engine(address_in(tmp_path), poolclass=NullPool)
    async with writer.begin() as connection:
        await connection.run_sync(upgrade, revision)
    async with opened(tmp_path) as store, store.writer.begin() as connection:
        assert await connection.run_sync(differences) == []
        await connection.run_sync(lambda c: command.downgrade(migrations(c), "base"))
        assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == ["alembic_version"]
    async with opened(tmp_path) as store, store.writer.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_two_that_start_together(tmp_path, every_store):
    """Collectors that find an empty database at the same moment make its tables once. (A file has one collector.)"""
    together = 1 if every_store == "sqlite" else 4

    async def start():
        async with opened(tmp_path) as store, store.reader.connect() as connection:
            return await connection.run_sync(differences)

    assert await asyncio.gather(*(start() for _ in range(together))) == [[]] * together


async def test_store_of_the_first_release(tmp_path):
    """What was stored before a column or a field existed is read as not known; new rows stand beside the old ones."""
    writer = create_async_engine(address_in(tmp_path))
    async with writer.begin() as connection:
        await connection.run_sync(upgrade, "0001")
        await connection.execute(
            text("INSERT INTO bandwidth_result (gateway, spool_id, sequence, observed_at, target) VALUES"
                 " ('gw-one', 's', 1, 5.0, 'uplink')")
        )  # fmt: skip
        await connection.execute(text("INSERT INTO school_state VALUES ('s1', 3, :state)"), {"state": FIRST_STATE})
    await writer.dispose()
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await history.add_bandwidth_results(connection, [TESTED])
        async with store.reader.connect() as connection:
            old, new = (await connection.execute(select(bandwidth_result).order_by(bandwidth_result.c.sequence))).all()
            found = await states.load_schools(connection, {"s1"})
    assert (old.target, old.classroom, old.beyond, old.windows) == ("uplink", None, None, None)
    assert (new.classroom, new.beyond, new.windows) == ("s1/r1", "metro", '{"count":12,"min_bps":null,' + REST)
    revision, state, saved_at = found["s1"]
    (leg,) = state.uplinks.values()
    assert (revision, saved_at, leg.beyond, state.paths, leg.tests[0].seen.windows) == (3, 0.0, None, {}, None)
    assert leg_interval(leg).at_least_bps == 95e6


FIRST_STATE = """{"version": 1, "uplinks": {"gw-one/uplink/down": {"gateway": "gw-one", "target": "uplink", "direction":
 "down", "tests": [{"observed_at": 5.0, "mode": "drain", "passed": true, "at_least_bps": 95e6, "at_most_bps": null,
 "estimate_bps": null, "bytes": 8000000, "seconds": 0.3}], "last_unmeasured_at": null}}}"""
REST = '"median_bps":80000000.0,"max_bps":null,"cross_bytes":null,"max_queue_s":null}'
TESTED = history.BandwidthResult(
    gateway="gw-one",
    spool_id="s",
    sequence=2,
    observed_at=6.0,
    observation=Bandwidth(
        target="pc", classroom="s1/r1", beyond="metro", windows=WindowSummary(count=12, median_bps=80e6)
    ),
)


DURABLE = {
    "sqlite": {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2},
    "postgresql": {"SHOW synchronous_commit": "on"},
}


async def test_durable(tmp_path, every_store):
    """Each commit is synced before it is answered, whatever the default of the server is."""
    if every_store == "postgresql":
        await _let_the_server_be_quick(address_in(tmp_path))
    async with opened(tmp_path) as store, store.writer.connect() as connection:
        for question, answer in DURABLE[every_store].items():
            assert await connection.scalar(text(question)) == answer


async def _let_the_server_be_quick(url):
    administrator = create_async_engine(url, poolclass=NullPool)
    async with administrator.begin() as connection:
        await connection.execute(text(f"ALTER DATABASE {url.database} SET synchronous_commit = off"))


async def test_readers_cannot_write(tmp_path):
    """Nobody but the writer can change anything."""
    async with opened(tmp_path) as store, store.reader.connect() as connection:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            await states.save_schools(connection, {"a": (0, SchoolState())}, 0.0)


async def test_compare_and_set(tmp_path):
    """A state is replaced only by whoever knew it; otherwise nothing of the transaction stays."""
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await states.save_schools(connection, {"a": (0, SchoolState()), "b": (0, SchoolState())}, 5.0)
            await states.save_schools(connection, {"a": (1, SchoolState(unlisted={"x": 1.0}))}, 6.0)
        with pytest.raises(states.StaleStateError):
            async with store.writer.begin() as connection:
                await states.save_schools(connection, {"a": (1, SchoolState()), "b": (1, SchoolState())}, 7.0)
        async with store.reader.connect() as connection:
            found = await states.load_schools(connection, {"a", "b", "c"})
        assert {school: (row.revision, row.saved_at) for school, row in found.items()} == {"a": (2, 6.0), "b": (1, 5.0)}
        assert found["a"].state.unlisted == {"x": 1.0}


async def test_newer_release(tmp_path):
    """A state of a newer release is not understood half."""
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await states.save_schools(connection, {"a": (0, SchoolState(version=99))}, 0.0)
        async with store.reader.connect() as connection:
            with pytest.raises(states.NewerStoreError):
                await states.load_schools(connection, {"a"})


async def test_ledger_is_compared_too(tmp_path):
    """Two writers cannot both extend the same ledger."""
    before, after = Ledger(ranges=((1, 2),), applied_records=2), Ledger(ranges=((1, 3),), applied_records=3)
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await ledgers.save(connection, {SPOOL_KEY: (None, before)}, 0.0)
            await ledgers.save(connection, {SPOOL_KEY: (before, after)}, 0.0)
            assert await ledgers.load(connection, {SPOOL_KEY, ("gw-two", SPOOL)}) == {SPOOL_KEY: after}
        with pytest.raises(states.StaleStateError):
            async with store.writer.begin() as connection:
                await ledgers.save(connection, {SPOOL_KEY: (before, after)}, 0.0)


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


LARGEST = {
    Count: 2**63 - 1,
    NonNegative: 1e15,
    Ratio: 1.0,
    TargetName: "x" * 64,
    ClassroomRef: f"{'s' * 32}/{'r' * 32}",
}


def largest(kind: type[Bandwidth]) -> Bandwidth:
    """The observation with every field as large, or as long, as the wire lets it be."""
    fields = {}
    for name, hint in ANNOTATED[kind].items():
        for part in (hint, *get_args(hint)):
            if part in LARGEST:
                fields[name] = LARGEST[part]
            elif get_origin(part) is Literal:
                fields[name] = max(get_args(part), key=len)
    return kind(**fields, outcome=max(Outcome, key=len), reason=max(Reason, key=len))


async def test_what_the_wire_allows_fits(tmp_path):
    """Nothing that a gateway may write is too long or too large for a column: SQLite takes what PostgreSQL refuses."""
    seen = largest(Bandwidth)
    assert (seen.bytes, seen.at_most_bps, len(seen.target), len(seen.classroom)) == (2**63 - 1, 1e15, 64, 65)
    result = history.BandwidthResult(
        gateway="g" * 40, spool_id=SPOOL, sequence=2**53, observed_at=253_402_300_799.0, observation=seen
    )
    drops = Ledger(ranges=((1, 2**53),), applied_records=2**53, declared_drops={"x" * 40: 2**53})
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await history.add_bandwidth_results(connection, [result])
            await ledgers.save(connection, {SPOOL_KEY: (None, drops)}, 0.0)
        async with store.reader.connect() as connection:
            [row] = (await connection.execute(select(bandwidth_result))).all()
            assert await ledgers.load(connection, {SPOOL_KEY}) == {SPOOL_KEY: drops}
    assert (row.bytes, row.classroom, row.sequence) == (seen.bytes, seen.classroom, 2**53)


@pytest.mark.parametrize("name", ["\0", "a\0b", "\u202e\U0001f3eb", "'; DROP TABLE outbox; --", "\\u0000"])
async def test_any_text_that_a_roster_may_hold(tmp_path, name):
    """PostgreSQL refuses a NUL in a text: what comes from files of people is stored escaped, and read as it was."""
    told = notice(alert("s1", name))
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await outbox.add(connection, ["r"], told, 0.0)
        async with store.reader.connect() as connection:
            found = await outbox.next_pending(connection, "r")
    assert found.notice == told


async def test_a_reading_that_counts_and_is_the_newest_is_kept_once(tmp_path):
    """It is one value where it is the same, and stays another where it is not."""

    def at(moment):
        seen = Port(classroom="r1", switch="sw1", if_name="1", speed_bps=10**9)
        return PortReading(observed_at=moment, gateway="gw-one", seen=seen)

    rooms = {
        "same": ClassroomState(port=at(1.0), last_port=at(1.0)),
        "waits": ClassroomState(port=at(1.0), pending_port=at(2.0), last_port=at(2.0)),
        "older": ClassroomState(port=at(1.0), last_port=at(2.0)),
        "none": ClassroomState(),
    }
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await states.save_schools(connection, {"s1": (0, SchoolState(classrooms=rooms))}, 0.0)
        async with store.reader.connect() as connection:
            found = (await states.load_schools(connection, {"s1"}))["s1"].state.classrooms
    assert found == rooms
    assert found["same"].port is found["same"].last_port
    assert found["waits"].pending_port is found["waits"].last_port
