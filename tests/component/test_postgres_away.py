"""A PostgreSQL that goes away: what was not committed is not acknowledged, nothing is forgotten, all goes on."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from collector.engine import CommitFailedError
from collector.notify.contract import Deferred
from collector.outbox import Outbox
from collector.store import outbox as outbox_rows
from collector.store.database import close_store, open_store
from collector.store.ledgers import load
from collector.store.tables import ledger, school_state
from tests.support.collecting import NOW, SPOOL, Collector, FakeClock, body, pings, port, record, report, wait_until
from tests.support.collecting import start_engine as start
from tests.support.cutting import cutting
from tests.support.mosquitto import free_port
from tests.support.postgres import running_postgres
from tests.support.samples import alert, notice
from tests.support.stores import choose

pytestmark = pytest.mark.servers("postgres")

DEADLINE_S = 30.0
ANSWER_TIMEOUT_S = 1.0
NEVER = b"\0 what nobody sends"


@pytest.fixture(scope="module")
def server():
    """A server for this file alone, on a socket and on loopback; each test leaves it running."""
    with running_postgres(tcp_port=free_port()) as postgres:
        yield postgres


@asynccontextmanager
async def working(url, folder: Path):
    """An engine at work on the database at ``url``: (engine, store)."""
    store = await open_store(url, ANSWER_TIMEOUT_S)
    try:
        engine = await start(store, folder, FakeClock())
        tasks = [asyncio.create_task(part) for part in (engine.run(), engine.keep_time(0.1), engine.bureau.run())]
        try:
            yield engine, store
        finally:
            assert not [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
    finally:
        await close_store(store)


async def submitted(engine, sequence: int):
    """Send a report as a gateway does that keeps it until it is acknowledged."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await engine.submit("gw-one", report([record(sequence, port("s1/r1"))]), NOW)
            except CommitFailedError:
                await asyncio.sleep(0.05)


async def applied(store) -> tuple:
    async with store.reader.connect() as connection:
        held = (await load(connection, {("gw-one", SPOOL)}))["gw-one", SPOOL]
        return held.ranges, held.applied_records


@contextmanager
def stopped(server, _url):
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def crashed(server, _url):
    server.crash()
    try:
        yield
    finally:
        server.start()


@contextmanager
def read_only(server, url):
    """As a server is that another one took over from."""
    server.sql(f"ALTER DATABASE {url.database} SET default_transaction_read_only = on")
    server.cut_connections(url)
    yield
    server.sql(f"ALTER DATABASE {url.database} RESET default_transaction_read_only")


@contextmanager
def crowded(server, url):
    server.sql(f"ALTER DATABASE {url.database} CONNECTION LIMIT 0")
    server.cut_connections(url)
    yield
    server.sql(f"ALTER DATABASE {url.database} CONNECTION LIMIT -1")


@contextmanager
def impatient(server, url):
    """What takes long is cancelled by the server, and everything takes long."""
    server.sql(f"ALTER DATABASE {url.database} SET statement_timeout = '100ms'")
    server.cut_connections(url)
    server.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';"
        " CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON ledger EXECUTE FUNCTION slow()",
        url.database,
    )
    yield
    server.sql("DROP FUNCTION slow CASCADE", url.database)
    server.sql(f"ALTER DATABASE {url.database} RESET statement_timeout")


@contextmanager
def hanging(server, _url):
    """It neither answers nor closes a connection."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


@contextmanager
def no_rights(server, url):
    server.sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM classready", url.database)
    yield
    server.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO classready", url.database)


@pytest.mark.parametrize("trouble", [stopped, crashed, read_only, crowded, impatient, hanging, no_rights])
async def test_keep_and_come_back(server, tmp_path, trouble):
    """While the store takes nothing, nothing is acknowledged and nothing is true; afterwards all goes on."""
    url = server.make_database()
    async with working(url, tmp_path) as (engine, store):
        await submitted(engine, 1)
        with trouble(server, url):
            before = dict(engine.schools)
            for _ in range(2):
                async with asyncio.timeout(DEADLINE_S):
                    with pytest.raises(CommitFailedError):
                        await engine.submit("gw-one", report([record(2, port("s1/r1", 10**8))]), NOW)
            assert dict(engine.schools) == before
            assert not engine.is_well
        ack = await submitted(engine, 2)
        assert ack.committed == ((2, 2),)
        assert await applied(store) == (((1, 2),), 2)
        await engine.tick()
        assert engine.is_well


async def test_cut_while_nobody_used_it(server, tmp_path):
    """Connections that died in the night are replaced without anybody noticing."""
    url = server.make_database()
    async with working(url, tmp_path) as (engine, store):
        await submitted(engine, 1)
        assert server.cut_connections(url)
        assert (await engine.submit("gw-one", report(pings([2])), NOW)).committed == ((2, 2),)
        assert await applied(store) == (((1, 2),), 2)


async def test_cut_in_the_middle_again_and_again(server, tmp_path):
    """Whenever a connection is cut, also between COMMIT and its answer: each record counts once, memory = store."""
    url = server.make_database()
    async with working(url, tmp_path) as (engine, store):
        sending = asyncio.create_task(all_of(range(1, 200), engine))
        cut_count = 0
        while not sending.done():
            cut_count += await asyncio.to_thread(server.cut_connections, url)
        assert await sending == 199
        assert cut_count > 10
        assert await applied(store) == (((1, 199),), 199)
        await check_revisions(engine, store)


async def check_revisions(engine, store) -> None:
    """What is in memory is what the store holds."""
    async with store.reader.connect() as connection:
        held = dict((await connection.execute(select(school_state.c.school, school_state.c.revision))).all())
    assert held == {name: row.revision for name, row in engine._registry.rows.items()}


async def all_of(sequences, engine) -> int:
    return len([await submitted(engine, n) for n in sequences])


async def test_the_answer_to_a_commit_is_lost(server, tmp_path):
    """A COMMIT that was done and whose answer never came is found to have been done: acknowledged, and true."""
    async with cutting(server.port, NEVER) as way:
        url = server.tcp_url(server.make_database().database, way.port)
        async with working(url, tmp_path) as (engine, store):
            with capture_logs() as logged:
                for n in range(1, 6):
                    way.marker, way.cut_count, way.spare_count = b"COMMIT", 0, n % 3
                    sending = asyncio.create_task(submitted(engine, n))
                    while not way.cut_count and not sending.done():
                        await asyncio.sleep(0.001)
                    way.marker = NEVER
                    assert (await sending).committed == ((n, n),)
            assert "commit_answer_lost" in {entry["event"] for entry in logged}
            assert await applied(store) == (((1, 5),), 5)
            await check_revisions(engine, store)


async def test_a_table_that_another_one_holds(server, tmp_path):
    """What waits for a lock longer than a commit may take is given up; once the lock is gone all goes on."""
    url = server.make_database()
    async with working(url, tmp_path) as (engine, store), store.reader.connect() as other:
        await submitted(engine, 1)
        await other.execution_options(postgresql_readonly=False)
        await other.execute(text("LOCK TABLE ledger"))
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(CommitFailedError):
                await engine.submit("gw-one", report(pings([2])), NOW)
        await other.rollback()
        assert (await submitted(engine, 2)).committed == ((2, 2),)
        async with store.reader.connect() as connection:
            assert await connection.scalar(select(ledger.c.applied_records)) == 2


class Refusing:
    """A robot that is away."""

    def __init__(self) -> None:
        self.try_count = 0

    def parts(self, message):
        return [message]

    async def send(self, _message) -> None:
        self.try_count += 1
        raise Deferred("unreachable", 30)


async def test_a_robot_is_not_asked_again_because_of_the_store(server, tmp_path):
    """While it cannot be written down that a try failed, no other is made; once it can, the pause is kept."""
    url = server.make_database()
    robot = Refusing()
    async with working(url, tmp_path) as (engine, store):
        async with store.writer.begin() as connection:
            await outbox_rows.add(connection, ["r"], notice(alert()), NOW)
        server.sql("REVOKE UPDATE ON outbox FROM classready", url.database)
        outbox = Outbox(store, engine, {"r": robot}, lambda told: told, FakeClock())
        task = asyncio.create_task(outbox.run())
        with capture_logs() as logged:
            async with asyncio.timeout(DEADLINE_S):
                while len([entry for entry in logged if entry["event"] == "outbox_not_reachable"]) < 3:
                    await asyncio.sleep(0.05)
        server.sql("GRANT UPDATE ON outbox TO classready", url.database)
        async with asyncio.timeout(DEADLINE_S):
            while (await first(store)).attempt_count != 1:
                await asyncio.sleep(0.05)
        assert ((await first(store)).due_at, robot.try_count) == (NOW + 30, 1)
        task.cancel()


async def first(store):
    async with store.reader.connect() as connection:
        return await outbox_rows.next_pending(connection, "r")


# --- the program ----------------------------------------------------------------------------------------------------


def test_the_program_outlives_its_server(server, tmp_path):
    """503 while the server is away, not ready but alive; after its return everything again, in the same process."""
    url = server.make_database()
    with choose(lambda _folder: url):
        collector = Collector(tmp_path, "receivers: [{kind: console, name: terminal}]\n")
    collector.start()
    try:
        assert collector.ask("/api/v1/reports", body(pings([1]))) == 200
        with stopped(server, url):
            assert collector.ask("/api/v1/reports", body(pings([2]))) == 503
            wait_until(lambda: collector.ask("/readyz") == 503)
            assert collector.ask("/healthz") == 200
            assert collector.ask("/api/v1/reload", b"") == 503
        wait_until(lambda: collector.ask("/api/v1/reports", body(pings([2]))) == 200)
        assert collector.ask("/readyz") == 200
        assert collector.ask("/api/v1/reload", b"") == 200
        assert json.loads(server.sql("SELECT ranges FROM ledger", url.database)) == [[1, 2]]
    finally:
        assert collector.stop() == 0


def test_nobody_reports_and_yet_it_is_ready_again(server, tmp_path):
    """After the return of its server a collector is ready by itself: who waits for that would never send a report."""
    url = server.make_database()
    with choose(lambda _folder: url):
        collector = Collector(tmp_path)
    collector.start()
    try:
        with crashed(server, url):
            assert collector.ask("/api/v1/reports", body(pings([1]))) == 503
            assert collector.ask("/readyz") == 503
        wait_until(lambda: collector.ask("/readyz") == 200)
    finally:
        assert collector.stop() == 0
