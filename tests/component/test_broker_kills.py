"""The broker is killed at any moment of a connection's life: agent and collector come back, and end when told to.

``CLASSREADY_BROKER_KILLS=200`` makes it as many kills as a night of power cuts; without it there are a few.
"""

import asyncio
import contextlib
import os
import random

import pytest

from agent.links import Acked, Keep, open_link
from agent.metrics import Metrics
from agent.probes.whiteboard.hearing import Hearing
from agent.settings import MqttLink
from classready.devices import Broker, Mqtt, Profile, Switching
from classready.mqtt import Client
from classready.targets import WhiteboardTarget
from classready.tasks import end
from collector.ingest import mqtt as door
from collector.settings import Mqtt as MqttDoor
from tests.support.collecting import TOKENS, FakeClock, body, opened, pings, start_engine
from tests.support.mosquitto import SchoolBroker, running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

KILLS = int(os.environ.get("CLASSREADY_BROKER_KILLS", "6"))
USERS = {**TOKENS, "collector": "secret"}
BACK_WITHIN_S = 60.0
"""Three attempts of the back-off, each within ten seconds, and a broker that takes its time on a busy machine."""
MOMENTS_S = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3)
"""From the middle of connecting to well into the exchange of reports."""


async def until_acknowledged(link, sequence):
    async with asyncio.timeout(BACK_WITHIN_S):
        while not isinstance(outcome := await link.send(body(pings([sequence])), (sequence,)), Acked):
            assert isinstance(outcome, Keep)
            await asyncio.sleep(0.01)


async def keep_sending(link, sequence):
    while True:
        await link.send(body(pings([sequence])), (sequence,))
        await asyncio.sleep(0)  # a link that is down says so at once, and must get the chance to come up


@pytest.mark.timeout(60 + KILLS * (BACK_WITHIN_S + 30))
async def test_the_link_and_the_door_come_back(tmp_path):
    """After each kill a report is acknowledged again, through a new connection of both; then both end at once."""
    with running_mosquitto(tmp_path, USERS) as broker:
        password_file = str(broker.password_file("gw-one"))
        settings = MqttLink(host=broker.host, port=broker.port, tls=False, password_file=password_file, timeout_s=1.0)
        collecting = MqttDoor(host=broker.host, port=broker.port, password_file="-", tls=False)
        async with opened(tmp_path) as store:
            engine = await start_engine(store, tmp_path, FakeClock())
            committing = asyncio.create_task(engine.run())
            for n in range(1, KILLS + 1):
                receiving = asyncio.create_task(door.run(collecting, USERS["collector"], None, engine, FakeClock()))
                async with asyncio.timeout(2 * BACK_WITHIN_S), open_link(settings, "gw-one", "0.1.0", 1.0) as link:
                    sending = asyncio.create_task(keep_sending(link, n))
                    if n % 2:
                        await until_acknowledged(link, 1_000 + n)
                    await asyncio.sleep(random.choice(MOMENTS_S))
                    broker.kill()
                    await asyncio.sleep(random.choice(MOMENTS_S))
                    broker.start()
                    await end(sending)
                    await until_acknowledged(link, 2_000 + n)
                    async with asyncio.timeout(20):
                        await end(receiving)
            await end(committing)


@pytest.mark.timeout(60 + KILLS * (BACK_WITHIN_S + 30))
async def test_the_ear_comes_back(tmp_path):
    """The listener to the school's broker hears again after each kill, and ends at once."""
    broker = SchoolBroker(tmp_path)
    target = WhiteboardTarget(
        name="board",
        host="127.0.0.1",
        classroom="r1",
        snmp=None,
        icmp=False,
        mqtt=Mqtt(profile="panel", id="b"),
    )
    profiles = {"panel": Profile(power=Switching(topic="panel/{id}/state"))}
    broker.start()
    try:
        for _ in range(KILLS):
            ear = Hearing(Broker(host=broker.host, port=broker.port), [target], profiles, Metrics())
            listening = asyncio.create_task(ear.run())
            await asyncio.sleep(random.choice(MOMENTS_S))
            broker.kill()
            await asyncio.sleep(random.choice(MOMENTS_S))
            broker.start()
            async with asyncio.timeout(BACK_WITHIN_S):
                while ear.hear(target).state != "awake":
                    async with Client(broker.host, broker.port) as panel:
                        await panel.publish("panel/b/state", b"on", qos=1)
                    await asyncio.sleep(0.05)
            async with asyncio.timeout(20):
                await end(listening)
    finally:
        with contextlib.suppress(RuntimeError):
            broker.stop()
