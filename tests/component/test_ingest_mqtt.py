"""The MQTT door through a real mosquitto with the shipped ACL: acknowledged after commit, forged topics refused."""

import asyncio
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from prometheus_client import REGISTRY

from classready import topics
from classready.codec import decode_answer
from classready.report import Refusal, Rejected
from collector.engine import CommitFailedError
from collector.ingest import mqtt as door
from collector.settings import Mqtt
from tests.support.collecting import NOW, TOKENS, FakeClock, awake, body, opened, pings, record, start_engine
from tests.support.mosquitto import running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

DEADLINE_S = 15.0
USERS = {**TOKENS, "collector": "secret"}


def rejected(reason: str) -> float:
    return REGISTRY.get_sample_value("classready_collector_messages_rejected_total", {"reason": reason}) or 0.0


@asynccontextmanager
async def receiving(broker, engine, **more):
    """The door at work against ``broker``, subscribed."""
    settings = Mqtt(host=broker.host, port=broker.port, password_file="-", tls=False)
    task = asyncio.create_task(door.run(settings, USERS["collector"], None, engine, FakeClock(), **more))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not REGISTRY.get_sample_value("classready_collector_mqtt_connected"):
                await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def gateway(broker, name: str = "gw-one") -> aiomqtt.Client:
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=name,
        password=USERS[name],
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
    )


@asynccontextmanager
async def an_engine(folder):
    async with opened(folder) as store:
        engine = await start_engine(store, folder, FakeClock())
        task = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            task.cancel()


async def next_ack(client):
    """Refusals between are read over: test_mqtt_refusals looks at them."""
    async with asyncio.timeout(DEADLINE_S):
        while isinstance(answer := decode_answer((await anext(client.messages)).payload), Refusal):
            pass
        return answer


async def test_round_trip(tmp_path):
    """Report up, ack down, on the gateway's own topics."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, receiving(broker, engine), gateway(broker) as client:
            await client.subscribe(topics.down("gw-one", "ack"), qos=1)
            await client.publish(topics.up("gw-one", "presence"), b'{"online":true}', qos=1)
            await client.publish(
                topics.up("gw-one", "report"), body([*pings([1, 2]), record(3, awake("s3/r1"))]), qos=1
            )
            ack = await next_ack(client)
            assert (ack.committed, ack.rejected) == (((1, 2),), (Rejected(sequence=3, reason="identity"),))


async def test_malformed_does_not_loop(tmp_path):
    """What cannot be used is counted and taken from the broker; what comes after it is served."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, receiving(broker, engine), gateway(broker) as client:
            before = {reason: rejected(reason) for reason in ("json", "depth", "identity")}
            await client.subscribe(topics.down("gw-one", "ack"), qos=1)
            for payload in (b"{", b"[" * 10_000, b"", body(pings([1]), gateway="gw-two"), body(pings([1]))):
                await client.publish(topics.up("gw-one", "report"), payload, qos=1)
            assert (await next_ack(client)).committed == ((1, 1),)
            assert not engine.schools["s3"].state.gateways
        assert rejected("json") == before["json"] + 2
        assert rejected("depth") == before["depth"] + 1
        assert rejected("identity") == before["identity"] + 1


async def test_forged_topic(tmp_path):
    """A gateway cannot speak for another: the broker refuses its topic, the collector what the broker lets through."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, receiving(broker, engine), gateway(broker) as client:
            await client.subscribe(topics.down("gw-one", "ack"), qos=1)
            before = rejected("identity")
            forged = body(pings([1]), gateway="gw-two")
            for topic in (topics.up("gw-two", "report"), "classready/v1/up/gw-one/../gw-two/report"):
                await client.publish(topic, forged, qos=1)
            await client.publish(topics.up("gw-one", "report"), forged, qos=1)
            await client.publish(topics.up("gw-one", "report"), body(pings([1])), qos=1)
            assert (await next_ack(client)).committed == ((1, 1),)
            assert not engine.schools["s3"].state.gateways
            assert rejected("identity") == before + 1


async def test_stops_while_it_works(tmp_path):
    """Being stopped in the middle of reports ends the door, whatever it is doing."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, gateway(broker) as client:
            await client.subscribe(topics.down("gw-one", "ack"), qos=1)
            for n in range(10):
                async with asyncio.timeout(DEADLINE_S), receiving(broker, engine):
                    for k in range(3):
                        await client.publish(topics.up("gw-one", "report"), body(pings([3 * n + k + 1])), qos=1)
                    await next_ack(client)


class Reluctant:
    """An engine whose store fails a few times."""

    def __init__(self, engine, failures: int) -> None:
        self._engine, self.failures, self.roster = engine, failures, engine.roster
        self.accounts, self.enrolment = engine.accounts, engine.enrolment

    async def submit(self, *arguments):
        if self.failures:
            self.failures -= 1
            raise CommitFailedError
        return await self._engine.submit(*arguments)


async def test_failed_commit_is_tried_again(tmp_path):
    """What the broker handed over is held until it is committed, and only then acknowledged."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, receiving(broker, Reluctant(engine, 1)), gateway(broker) as client:
            await client.subscribe(topics.down("gw-one", "ack"), qos=1)
            await client.publish(topics.up("gw-one", "report"), body(pings([1])), qos=1)
            assert (await next_ack(client)).committed == ((1, 1),)


async def test_unacknowledged_comes_again(tmp_path):
    """A collector that dies before its commit gets the message again in its next session; a broker may restart too."""
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine:
            async with gateway(broker) as client:
                await client.subscribe(topics.down("gw-one", "ack"), qos=1)
                stuck = Reluctant(engine, 1_000)
                async with receiving(broker, stuck):
                    await client.publish(topics.up("gw-one", "report"), body(pings([1])), qos=1)
                    async with asyncio.timeout(DEADLINE_S):
                        while stuck.failures == 1_000:
                            await asyncio.sleep(0.01)
                async with receiving(broker, engine):
                    assert (await next_ack(client)).committed == ((1, 1),)
            broker.stop()
            broker.start()
            async with receiving(broker, engine), gateway(broker) as client:
                await client.subscribe(topics.down("gw-one", "ack"), qos=1)
                await client.publish(topics.up("gw-one", "report"), body(pings([2])), qos=1)
                ack = await next_ack(client)
                while ack.committed == ((1, 1),):  # its PUBACK may not have left before the session ended
                    ack = await next_ack(client)
                assert ack.committed == ((2, 2),)
        assert engine.schools["s1"].state.gateways["gw-one"].last_committed_at == NOW
