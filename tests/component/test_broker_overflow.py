"""A broker whose queue is full drops what it acknowledged: only the collector's ack deletes a record."""

import asyncio
import contextlib
import os
import signal
from math import inf

import aiomqtt
import pytest

from bench.chaos import ledgers
from classready import topics
from collector.ingest.mqtt import RECEIVE_MAXIMUM
from tests.support.collecting import TOKENS, Collector, body
from tests.support.couriers import carrying, over_mqtt
from tests.support.mosquitto import running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

USERS = {**TOKENS, "collector": "secret"}
QUEUE_MESSAGES = 20
FILLING_MESSAGES = RECEIVE_MAXIMUM + 5 * QUEUE_MESSAGES
"""What the collector's connection takes, and five times what the queue does."""
IN_VAIN = 10
DEADLINE_S = 60.0


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        broker.restart_with("max_queued_messages 100000", f"max_queued_messages {QUEUE_MESSAGES}")
        yield broker


@pytest.fixture
def collector(broker, tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    mqtt = f"{{host: 127.0.0.1, port: {broker.port}, tls: false, password_file: {broker.password_file('collector')}}}"
    collector = Collector(folder, f"store: sqlite+aiosqlite:///collector.db\nmqtt: {mqtt}\n")
    collector.start()
    try:
        yield collector
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(collector.process.pid, signal.SIGCONT)
        collector.stop()


async def until_all_arrived(gateway):
    async with asyncio.timeout(DEADLINE_S):
        while await gateway.held_count():
            await gateway.courier.report(until_s=inf)
            await asyncio.sleep(0.1)


async def fill_queue(broker):
    async with aiomqtt.Client(
        broker.host, broker.port, username="gw-two", password=USERS["gw-two"], identifier="gw-two",
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as neighbour:  # fmt: skip
        for _ in range(FILLING_MESSAGES):
            await neighbour.publish(topics.up("gw-two", "report"), body(gateway="gw-two"), qos=1)


async def report_in_vain(broker, spool_folder):
    """Each report gets its PUBACK, and none an answer in its time."""
    async with carrying(over_mqtt(broker, "gw-one", 0.2), spool_folder) as gateway:
        for _ in range(IN_VAIN):
            await gateway.append(1)
            await gateway.courier.report(until_s=0)


@pytest.mark.timeout(150)
async def test_what_the_queue_of_the_broker_had_no_room_for_comes_again(broker, collector, tmp_path):
    """A collector that stands still for long: nothing is lost, doubled, or there without having been sent."""
    async with carrying(over_mqtt(broker, "gw-one", 5.0), tmp_path / "spool") as gateway:
        await gateway.append(1)
        await until_all_arrived(gateway)
    os.kill(collector.process.pid, signal.SIGSTOP)
    await fill_queue(broker)
    await report_in_vain(broker, tmp_path / "spool")
    assert "messages are being dropped" in broker.log
    os.kill(collector.process.pid, signal.SIGCONT)
    async with carrying(over_mqtt(broker, "gw-one", 5.0), tmp_path / "spool") as gateway:
        await until_all_arrived(gateway)
    found = ledgers.compare(
        [ledgers.read_spool(tmp_path / "spool" / "spool.db")],
        ledgers.read_ledgers(collector.folder / "collector.db"),
        {},
    )
    assert (found.lost, found.phantom, found.doubled) == (0, 0, 0)
    assert found.stored == 1 + IN_VAIN
