"""A PostgreSQL store has one collector at a time: a second one is refused, and changes nothing."""

import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from collector.store.database import close_store, open_store
from collector.store.transaction import StoreAwayError, begin
from tests.support.collecting import Collector, body, pings
from tests.support.stores import Databases, choose

pytestmark = pytest.mark.servers("postgres")

REPORTS = "/api/v1/reports"


@pytest.fixture
def database(postgres):
    """The address of one database, and all that is needed to be another collector on it."""
    databases = Databases(postgres)
    with databases.chosen():
        yield databases


def collector_in(folder, url):
    folder.mkdir()
    with choose(lambda _: url):
        return Collector(folder)


def test_the_second_is_refused_and_the_first_goes_on(database, tmp_path):
    """It says why and ends with 1; whether the first one is killed or stops, the next start finds the store free."""
    url = database.address_in(tmp_path)
    first, second = (collector_in(tmp_path / name, url) for name in ("first", "second"))
    first.start()
    try:
        assert first.ask(REPORTS, body(pings([1]))) == 200
        command = [sys.executable, "-m", "collector", "run", "-c", str(second.settings)]
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert refused.returncode == 1
        assert "another collector runs on it: stop that one first" in refused.stdout + refused.stderr
        assert first.ask(REPORTS, body(pings([2]))) == 200
    finally:
        first.kill()
    second.start()
    try:
        assert second.ask(REPORTS, body(pings([1, 2, 3]))) == 200
    finally:
        assert second.stop() == 0
    first.start()
    assert first.stop() == 0


async def written(store):
    async with begin(store.writer) as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS something (a int)"))


async def test_who_lost_the_connection_ends_its_own_ghost(database, tmp_path):
    """A session that the server still keeps, though nobody is at its other end, holds up nobody."""
    store = await open_store(database.address_in(tmp_path))
    try:
        await written(store)
        await store.writer.dispose(close=False)
        began_s = time.monotonic()
        await written(store)
        assert time.monotonic() - began_s < 2.0
    finally:
        await close_store(store)


async def test_who_finds_another_in_its_place_writes_nothing(database, postgres, tmp_path):
    """Its connection was ended, and another collector was there first: come back later, whoever it is."""
    url = database.address_in(tmp_path)
    first = await open_store(url)
    try:
        await written(first)
        postgres.cut_connections(url)
        second = await open_store(url)
        try:
            with pytest.raises(StoreAwayError, match="another collector runs on it"):
                await written(first)
            await written(second)
        finally:
            await close_store(second)
        await written(first)
    finally:
        await close_store(first)
