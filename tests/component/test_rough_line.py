"""A gateway behind a bad line: slow, lossy, coming and going, or swallowing everything for days. Nothing is lost or
doubled, the line is not loaded for nothing, what is new comes first, and what is old raises no alarm.
"""

import asyncio
import contextlib
import sqlite3
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.settings import HttpLink
from bench.chaos import ledgers
from tests.support.collecting import TOKENS, Collector, bandwidth, record
from tests.support.couriers import carrying, over_mqtt
from tests.support.mosquitto import running_mosquitto
from tests.support.rough_line import rough_line

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

USERS = {**TOKENS, "collector": "secret"}
DEADLINE_S = 60.0
DAY_REPORTS = 288
POLICY = (
    "policy: {observation_school_days: 0, raise_after: 1, clear_after: 1, group_wait_s: 0, blame_spacing_s: 0, "
    "confirm_spacing_s: 1}\n"
)


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        yield broker


@pytest.fixture
def collector(broker, tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    mqtt = f"{{host: 127.0.0.1, port: {broker.port}, tls: false, password_file: {broker.password_file('collector')}}}"
    collector = Collector(folder, f"store: sqlite+aiosqlite:///collector.db\nmqtt: {mqtt}\n{POLICY}")
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


@asynccontextmanager
async def gateway_behind(line, kind, broker, folder, timeout_s=2.0):
    """A courier whose link leads over ``line``, at work for the ``with`` block."""
    if kind == "mqtt":
        link = over_mqtt(broker, "gw-one", timeout_s)
    else:
        token = folder / "token"
        token.write_text(TOKENS["gw-one"])
        token.chmod(0o600)
        link = HttpLink(url=f"http://127.0.0.1:{line.port}", token_file=str(token), timeout_s=timeout_s)
    link = type(link)(**{name: getattr(link, name) for name in link.__struct_fields__} | _way(kind, line))
    async with carrying(link, folder / "spool") as gateway:
        running = asyncio.create_task(gateway.courier.run())
        try:
            yield gateway
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _way(kind, line):
    return {"port": line.port} if kind == "mqtt" else {}


async def until_all_arrived(gateway):
    async with asyncio.timeout(DEADLINE_S):
        while await gateway.held_count():
            await asyncio.sleep(0.05)


def compared(tmp_path, collector):
    """(lost, phantom, doubled), and how many are stored."""
    spool = ledgers.read_spool(tmp_path / "spool" / "spool.db")
    found = ledgers.compare([spool], ledgers.read_ledgers(collector.folder / "collector.db"), {})
    return (found.lost, found.phantom, found.doubled), found.stored


@pytest.mark.parametrize("kind", ["http", "mqtt"])
async def test_a_slow_and_lossy_line(broker, collector, tmp_path, kind):
    """A tenth of a second more or less each way, a fifth lost: at most three times the bytes of a clean line."""
    async with rough_line(broker.port if kind == "mqtt" else collector.port) as line:
        async with gateway_behind(line, kind, broker, tmp_path) as gateway:
            used = []
            for delay_s, loss_ratio in (((0.0, 0.0), 0.0), ((0.05, 0.15), 0.2)):
                line.delay_s, line.loss_ratio = delay_s, loss_ratio
                before_bytes = line.up_bytes
                for _ in range(4):
                    await gateway.append(20)
                    await until_all_arrived(gateway)
                used.append(line.up_bytes - before_bytes)
        assert compared(tmp_path, collector) == ((0, 0, 0), 160)
        assert used[1] <= 3 * used[0]


@pytest.mark.parametrize("kind", ["http", "mqtt"])
async def test_a_line_that_comes_and_goes(broker, collector, tmp_path, kind):
    """Cut ten times in the midst of reports: all arrive once, and nobody knocks without a pause meanwhile."""
    async with rough_line(broker.port if kind == "mqtt" else collector.port) as line:
        async with gateway_behind(line, kind, broker, tmp_path) as gateway:
            for _ in range(10):
                await gateway.append(3)
                line.is_up = True
                await asyncio.sleep(0.4)
                await gateway.append(3)
                line.cut()
                await asyncio.sleep(0.4)
            line.is_up = True
            await until_all_arrived(gateway)
        assert compared(tmp_path, collector) == ((0, 0, 0), 60)
        assert line.connection_count <= 40


def observed(wall_s, *, passed):
    monotonic_s = max(0.0, Clock("").now_s() - time.time() + wall_s)
    return record(1, bandwidth(passed=passed), monotonic_s=monotonic_s, wall_s=wall_s)


@pytest.mark.parametrize("kind", ["http", "mqtt"])
async def test_three_days_without_a_line(broker, collector, tmp_path, kind):
    """What is new is stored first; three days of bad news drain behind it, and nobody is told of any of them."""
    async with rough_line(broker.port if kind == "mqtt" else collector.port) as line:
        line.swallows = True
        async with gateway_behind(line, kind, broker, tmp_path, timeout_s=0.5) as gateway:
            now = time.time()
            old = [observed(now - 300.0 * n, passed=False) for n in range(3 * DAY_REPORTS, 3, -1)]
            for first in range(0, len(old), 100):
                await gateway.spool.append(old[first : first + 100])
            await gateway.spool.append([observed(now, passed=True)])
            newest = len(old) + 1
            await asyncio.sleep(2.0)
            assert stored_in(collector) == set()
            healed_s = time.monotonic()
            line.swallows = False
            line.cut()  # what was swallowed stays so: TCP would have given up long ago
            line.is_up = True
            async with asyncio.timeout(DEADLINE_S):
                while not (stored := stored_in(collector)):
                    await asyncio.sleep(0.02)
            assert newest in stored
            assert time.monotonic() - healed_s < DEADLINE_S
            await until_all_arrived(gateway)
            assert compared(tmp_path, collector) == ((0, 0, 0), newest)
            assert told_by(collector) == 0
            for _ in range(2):  # the same said today is told
                await asyncio.sleep(1.1)
                await gateway.spool.append([observed(time.time(), passed=False)])
            async with asyncio.timeout(DEADLINE_S):
                while not told_by(collector):
                    await asyncio.sleep(0.05)
            await until_all_arrived(gateway)
        assert compared(tmp_path, collector) == ((0, 0, 0), newest + 2)


def stored_in(collector):
    found = ledgers.read_ledgers(collector.folder / "collector.db").values()
    return set().union(*(ledger.stored for ledger in found))


def told_by(collector):
    """Messages of any state, and changes of alerts that wait to become some."""
    with contextlib.closing(sqlite3.connect(Path(collector.folder) / "collector.db")) as db:
        return sum(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("outbox", "incident"))
