"""The collector's MQTT client against a real mosquitto: many answers on their way at once, none of them remembered."""

import asyncio
import socket
from contextlib import suppress

import aiomqtt
import pytest
from paho.mqtt.client import MQTTMessage

from classready import topics
from classready.report import Ack
from collector.ingest import mqtt as door
from collector.ingest.answers import Answers
from collector.settings import Mqtt
from tests.support.mosquitto import running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

DEADLINE_S = 15.0
USERS = {"collector": "secret", "gw-one": "one"}
ACK_TOPIC = topics.down("gw-one", "ack")


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        yield broker


def client_of(broker):
    settings = Mqtt(host=broker.host, port=broker.port, password_file="-", tls=False)
    return door._client(settings, USERS["collector"], None)


def nothing_waits(client) -> bool:
    return not client._handing_over


async def test_many_at_once_reach_the_gateway_in_order(broker):
    """Three times what a broker takes at once is handed over, each message once, and nothing of it is remembered."""
    payloads = [b"%d" % n for n in range(60)]
    gateway = aiomqtt.Client(
        broker.host, broker.port, username="gw-one", password=USERS["gw-one"], protocol=aiomqtt.ProtocolVersion.V5
    )
    async with asyncio.timeout(DEADLINE_S), client_of(broker) as client, gateway:
        await gateway.subscribe(ACK_TOPIC, qos=1)
        await asyncio.gather(*(client.hand_over(ACK_TOPIC, payload) for payload in payloads))
        assert [(await anext(gateway.messages)).payload for _ in payloads] == payloads
        assert nothing_waits(client)


async def test_a_broker_that_says_nothing(broker):
    """The wait has an end, and a confirmation that comes later is nobody's."""
    async with asyncio.timeout(DEADLINE_S), client_of(broker) as client:
        client.timeout = 0.2
        broker.pause()
        try:
            with pytest.raises(aiomqtt.MqttError, match="timed out"):
                await client.hand_over(ACK_TOPIC, b"1")
        finally:
            broker.resume()
        assert nothing_waits(client)
        client.timeout = DEADLINE_S
        await client.hand_over(ACK_TOPIC, b"2")
        assert nothing_waits(client)


async def test_a_cancelled_answer(broker):
    """Who no longer waits leaves nothing behind, and harms no other answer."""
    async with asyncio.timeout(DEADLINE_S), client_of(broker) as client:
        broker.pause()
        try:
            first, second = (asyncio.create_task(client.hand_over(ACK_TOPIC, payload)) for payload in (b"1", b"2"))
            while len(client._handing_over) < 2:
                await asyncio.sleep(0)
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first
        finally:
            broker.resume()
        await second
        assert nothing_waits(client)


async def test_a_connection_that_is_gone(broker):
    """Nothing can be handed over any more: that is said, not waited for."""
    async with asyncio.timeout(DEADLINE_S), client_of(broker) as client:
        broker.kill()
        with suppress(aiomqtt.MqttError):
            async for _ in client.messages:
                pass
        with pytest.raises(aiomqtt.MqttError):
            await client.hand_over(ACK_TOPIC, b"1")
        assert nothing_waits(client)


async def test_small_packets_do_not_wait_for_each_other(broker):
    """Answers and acknowledgements are a few bytes each: none waits until the one before was confirmed (Nagle)."""
    async with client_of(broker) as client:
        assert client._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_what_was_in_doubt_and_is_answered_is_no_suspect(broker):
    """Connections end for many reasons: whoever is answered in the next one starts anew."""
    message = MQTTMessage(topic=topics.up("gw-one", "report").encode())
    message.payload = b"report"
    answers, ack = Answers(), Ack(spool_id="0" * 32)
    async with asyncio.timeout(DEADLINE_S), client_of(broker) as client:
        broker.pause()
        try:
            answering = asyncio.create_task(answers.send(client, "gw-one", ack, message))
            while nothing_waits(client):
                await asyncio.sleep(0)
            answers.connection_ended()
        finally:
            broker.resume()
        await answering
        assert list(answers._ends.values()) == [1]
        await answers.send(client, "gw-one", ack, message)
        assert answers._ends == {}
