"""One gateway must not hurt the bureau: what it can do over MQTT, with real mosquitto and the shipped configuration."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from prometheus_client import REGISTRY

from classready import topics
from classready.codec import decode_ack
from classready.report import ACK_MAX_BYTES
from collector.engine import NotAppliedError
from collector.ingest.gate import BURST_REPORTS, Gate
from tests.component.test_ingest_mqtt import DEADLINE_S, USERS, Reluctant, an_engine, gateway, receiving, rejected
from tests.support.collecting import NOW, body, pings
from tests.support.cutting import cutting
from tests.support.mosquitto import running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

HOSTILE_RECORDS = 1_900
NOTHING_BUT_SEQUENCES = [b'{"sequence":%d}' % (2**53 - n) for n in range(HOSTILE_RECORDS)]
"""A refusal takes more bytes than such a record: the ack of a report within bounds had 90 kB."""


def reconnects() -> float:
    return REGISTRY.get_sample_value("classready_collector_mqtt_reconnects_total") or 0.0


@asynccontextmanager
async def at_work(folder, make_engine=lambda engine: engine):
    """A broker, the door before an engine, two gateways that listen for their acks: (broker, honest, rogue)."""
    with running_mosquitto(folder, USERS) as broker:
        async with (
            an_engine(folder) as engine,
            receiving(broker, make_engine(engine)),
            gateway(broker, "gw-one") as honest,
            gateway(broker, "gw-two") as rogue,
        ):
            for name, client in (("gw-one", honest), ("gw-two", rogue)):
                await client.subscribe(topics.down(name, "ack"), qos=1)
            yield broker, honest, rogue


async def next_payload(client) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return (await anext(client.messages)).payload


async def send(client, name: str, payload: bytes, **more) -> None:
    await client.publish(topics.up(name, "report"), payload, qos=more.pop("qos", 1), **more)


async def serve(client, sequence: int) -> None:
    """Have a report of gw-one with ``sequence`` answered."""
    await send(client, "gw-one", body(pings([sequence])))
    while decode_ack(await next_payload(client)).committed != ((sequence, sequence),):
        pass  # an earlier ack: after the end of a connection it may come twice


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_report_that_asks_for_more_than_an_ack(tmp_path):
    """Its ack is bounded and the connection stays; whoever keeps what was not named is told of all in the end."""
    before = reconnects()
    async with at_work(tmp_path) as (_, honest, rogue):
        left = list(NOTHING_BUT_SEQUENCES)
        assert len(body(left, gateway="gw-two")) > 57_000
        named: Counter[int] = Counter()
        while left:
            await send(rogue, "gw-two", body(left, gateway="gw-two"))
            payload = await next_payload(rogue)
            assert len(payload) <= ACK_MAX_BYTES
            refused = {refusal.sequence for refusal in decode_ack(payload).rejected}
            named.update(refused)
            left = [r for r in left if int(r[12:-1]) not in refused]
        assert sorted(named) == [2**53 - n for n in reversed(range(HOSTILE_RECORDS))]
        assert set(named.values()) == {1}
        await serve(honest, 1)
    assert reconnects() == before


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(
            body([b'{"sequence":%d,"observation":{"kind":"x"}}' % (2 * n + 1) for n in range(1_000)]), id="gaps"
        ),
        pytest.param(body([b'{"sequence":7}'] * 1_900), id="one name 1,900 times"),
        pytest.param(body([b'{"sequence":%d}' % n for n in (0, -1, 2**53 + 1, 2**63, 2**64)]), id="no names"),
        pytest.param(body(dropped={f"r{n}": 2**63 - 1 for n in range(32)}), id="drops"),
        pytest.param(body([b"[[[[[]]]]]"] * 2_000), id="lists"),
        pytest.param(body(report_interval_s=0.1, sent_monotonic_s=2.0**40, sent_at=-62_135_596_800.0), id="edges"),
        pytest.param(b'{"dropped":{' + b",".join(b'"r%d":1' % n for n in range(4_000)) + b"}}", id="60 kB of drops"),
        pytest.param(b'{"gateway":' * 4_000, id="deep"),
        pytest.param(b"[" + b"9" * 59_000 + b"]", id="one number"),
        pytest.param(body().replace(b"2.0", b"1e999"), id="beyond a double"),
        pytest.param(b'"' + b"\\u0000" * 9_000 + b'"', id="zeros"),
        pytest.param(b"\xff" * 60_000, id="no text"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_odd_reports(tmp_path, payload):
    """Whatever a report holds: it ends with itself."""
    before = reconnects(), rejected("internal")
    async with at_work(tmp_path) as (_, honest, rogue):
        await send(rogue, "gw-two", payload.replace(b"gw-one", b"gw-two"))
        await serve(honest, 1)
    assert (reconnects(), rejected("internal")) == before


async def test_odd_messages(tmp_path):
    """Whatever stands around a report, and wherever it goes: it ends with itself, and is counted."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("k" * 1_000, "v" * 1_000)] * 10
    properties.CorrelationData = b"\0" * 1_000
    properties.ResponseTopic = "classready/v1/down/gw-one/ack"
    properties.ContentType = "text/html"
    properties.MessageExpiryInterval = 2**32 - 1
    before = reconnects(), rejected("internal")
    unread, identity = rejected("schema"), rejected("identity")
    async with at_work(tmp_path) as (_, honest, rogue):
        for qos in (0, 1, 2):
            await send(rogue, "gw-two", body(gateway="gw-two"), qos=qos, properties=properties)
        for leaf in ("report", "presence/..", "../gw-one/report", "", "报告", "config", "/", "REPORT"):
            await rogue.publish(f"classready/v1/up/gw-two/{leaf}", b"[]", qos=1)
        for payload in (b"x" * 60_000, b'{"online":true,"agent_version":"' + b"v" * 41 + b'"}', b"[]", b""):
            await rogue.publish(topics.up("gw-two", "presence"), payload, qos=1)
        assert [decode_ack(await next_payload(rogue)).committed for _ in range(3)] == [(), (), ()]
        await serve(honest, 1)
    assert (reconnects(), rejected("internal")) == before
    assert rejected("schema") == unread + 3
    assert rejected("identity") == identity


async def test_an_ack_that_ends_the_connection(tmp_path):
    """What cannot be answered is set aside after three connections, and counted; the others are served meanwhile."""
    before = rejected("unanswerable")
    with running_mosquitto(tmp_path, USERS) as broker:
        async with cutting(broker.port, topics.down("gw-two", "ack").encode()) as way, an_engine(tmp_path) as engine:
            direct, broker.port = broker.port, way.port
            async with receiving(broker, engine):
                broker.port = direct
                async with gateway(broker, "gw-one") as honest, gateway(broker, "gw-two") as rogue:
                    await honest.subscribe(topics.down("gw-one", "ack"), qos=1)
                    await send(rogue, "gw-two", body(gateway="gw-two"))
                    await send(honest, "gw-one", body(pings([1])))
                    assert decode_ack(await next_payload(honest)).committed == ((1, 1),)
                    await until(lambda: rejected("unanswerable") == before + 1)
                    assert way.cut_count == 3
                    await serve(honest, 2)


async def test_a_broker_with_smaller_packets(tmp_path):
    """An ack is no larger than what the broker says it takes."""
    before = reconnects()
    with running_mosquitto(tmp_path, USERS) as broker:
        broker.restart_with("max_packet_size 65536", "max_packet_size 2000")
        async with an_engine(tmp_path) as engine, receiving(broker, engine), gateway(broker, "gw-two") as rogue:
            await rogue.subscribe(topics.down("gw-two", "ack"), qos=1)
            await send(rogue, "gw-two", body(NOTHING_BUT_SEQUENCES[:55], gateway="gw-two"))
            payload = await next_payload(rogue)
            assert 1_500 < len(payload) < 2_000
            assert decode_ack(payload).rejected
    assert reconnects() == before


class Buggy:
    """An engine with a bug that the reports of one gateway meet."""

    def __init__(self, engine, failure: Exception) -> None:
        self._engine, self._failure, self.roster = engine, failure, engine.roster
        self.accounts, self.enrolment = engine.accounts, engine.enrolment
        self.asked_count = 0

    async def submit(self, gateway, *arguments):
        if gateway == "gw-two":
            self.asked_count += 1
            raise self._failure
        return await self._engine.submit(gateway, *arguments)


@pytest.mark.parametrize("failure", [NotAppliedError(), RuntimeError("a bug"), RecursionError()], ids=repr)
async def test_a_report_that_meets_a_bug(tmp_path, failure):
    """It is tried once, counted, and not seen again, in this connection or the next one; the others are served."""
    before = reconnects(), rejected("internal")
    buggy = []
    async with at_work(tmp_path, lambda engine: buggy.append(Buggy(engine, failure)) or buggy[0]) as (_, honest, rogue):
        await send(rogue, "gw-two", body(pings([1]), gateway="gw-two"))
        await serve(honest, 1)
        await until(lambda: rejected("internal") == before[1] + 1)
    assert buggy[0].asked_count == 1
    assert reconnects() == before[0]


async def test_a_store_that_is_down_sets_nothing_aside(tmp_path):
    """Where everybody suffers nobody is to blame: all is kept, and answered when the store is back."""
    before = {reason: rejected(reason) for reason in ("internal", "unanswerable")}
    async with at_work(tmp_path, lambda engine: Reluctant(engine, 3)) as (_, honest, rogue):
        await send(rogue, "gw-two", body(pings([1]), gateway="gw-two"))
        await send(honest, "gw-one", body(pings([1])))
        for client in (honest, rogue):
            assert decode_ack(await next_payload(client)).committed == ((1, 1),)
    assert {reason: rejected(reason) for reason in before} == before


@pytest.mark.parametrize("leaf", ["report", "presence"])
async def test_flood(tmp_path, leaf):
    """What is above the rate is counted and taken from the broker; the flood is over before the others notice."""
    before = rejected("rate")
    count = 3_000
    async with at_work(tmp_path) as (_, honest, rogue):
        rogue.pending_calls_threshold = count
        payload = body(gateway="gw-two") if leaf == "report" else b'{"online":true}'
        flood = asyncio.gather(*(rogue.publish(topics.up("gw-two", leaf), payload, qos=1) for _ in range(count)))
        for n in range(1, 6):
            await serve(honest, n)
        await flood
        await serve(honest, 6)
    if leaf == "report":  # the clock of this test stands still
        assert rejected("rate") - before >= count - BURST_REPORTS


async def test_the_collectors_place_cannot_be_taken(tmp_path):
    """A gateway that connects with the client id of the collector, or of another gateway, ends nobody's connection."""
    before = reconnects()
    async with at_work(tmp_path) as (broker, honest, _):
        for stolen in ("collector", "gw-one"):
            thief = aiomqtt.Client(
                broker.host, broker.port, username="gw-two", password=USERS["gw-two"], identifier=stolen,
                protocol=aiomqtt.ProtocolVersion.V5,
            )  # fmt: skip
            async with thief:
                await serve(honest, 1)
        await serve(honest, 2)
    assert reconnects() == before


async def test_what_a_broker_retained_is_not_heard(tmp_path):
    """A retained report would make a silent gateway heard at each of the collector's reconnects."""
    with running_mosquitto(tmp_path, USERS) as broker:
        broker.restart_with("retain_available false", "retain_available true")
        async with an_engine(tmp_path) as engine, gateway(broker, "gw-two") as rogue, gateway(broker) as honest:
            await rogue.publish(topics.up("gw-two", "report"), body(gateway="gw-two"), qos=1, retain=True)
            async with receiving(broker, engine):
                await honest.subscribe(topics.down("gw-one", "ack"), qos=1)
                await serve(honest, 1)
                assert not engine.schools["s3"].state.gateways


async def test_both_links_share_one_allowance(tmp_path):
    """What a gateway sent over one link counts over the other."""
    gate = Gate()
    while gate.admit("gw-two", NOW):
        pass
    before = rejected("rate")
    with running_mosquitto(tmp_path, USERS) as broker:
        async with an_engine(tmp_path) as engine, receiving(broker, engine, gate=gate), gateway(broker) as honest:
            async with gateway(broker, "gw-two") as rogue:
                await send(rogue, "gw-two", body(gateway="gw-two"))
            await honest.subscribe(topics.down("gw-one", "ack"), qos=1)
            await serve(honest, 1)
    assert rejected("rate") == before + 1
