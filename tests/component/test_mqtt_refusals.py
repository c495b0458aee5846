"""What is not taken over MQTT is answered as over HTTP: the gateway hears why; only a record that is to blame goes."""

import asyncio
import contextlib
import hashlib

import aiomqtt
import pytest

from agent.links import Keep
from classready import topics
from classready.codec import decode_answer
from classready.report import Refusal
from collector.engine import NotAppliedError, TwinError, UnknownGatewayError
from collector.ingest import mqtt as door
from collector.settings import Mqtt
from tests.support.collecting import TOKENS, FakeClock, body, opened, pings, start_engine
from tests.support.couriers import carrying, over_mqtt
from tests.support.engines import counted
from tests.support.mosquitto import running_mosquitto

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")

DEADLINE_S = 20.0
USERS = {**TOKENS, "collector": "secret"}


class Fussy:
    """An engine that does not take a report in which ``objection`` finds something: the error is its answer."""

    def __init__(self, engine):
        self.engine = engine
        self.objection = lambda _decoded: None

    def __getattr__(self, name):
        return getattr(self.engine, name)

    async def submit(self, gateway, decoded, now):
        if error := self.objection(decoded):
            raise error
        return await self.engine.submit(gateway, decoded, now)


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        yield broker


@contextlib.asynccontextmanager
async def collecting(broker, folder):
    """The door and an engine at work; yield the engine."""
    async with opened(folder) as store:
        engine = Fussy(await start_engine(store, folder, FakeClock()))
        committing = asyncio.create_task(engine.engine.run())
        settings = Mqtt(host=broker.host, port=broker.port, password_file="-", tls=False)
        receiving = asyncio.create_task(door.run(settings, USERS["collector"], None, engine, FakeClock()))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not counted("classready_collector_mqtt_connected"):
                    await asyncio.sleep(0.01)
            yield engine
        finally:
            for task in (receiving, committing):
                task.cancel()
            await asyncio.gather(receiving, committing, return_exceptions=True)


def gateway_on(broker, folder):
    return carrying(over_mqtt(broker, "gw-one", 5.0), folder / "spool")


async def test_what_is_not_taken_is_answered_by_its_reason(broker, tmp_path):
    """Named by the digest of its bytes; in one line, whatever the sender wrote into it."""
    wrong = {"unknown_agent": UnknownGatewayError(), "twin": TwinError("x"), "internal": NotAppliedError()}
    payloads = {
        "json": b"{",
        "depth": b"[" * 10_000,
        "size": b" " * 60_001,
        "schema": body().replace(b'"spool_id":"', b'"spool_id":"\\u202e\\n'),
        "identity": body(pings([1]), gateway="gw-two"),
        **{reason: body(spool_id=f"{n:032x}") for n, reason in enumerate(wrong)},
    }
    by_spool = {f"{n:032x}": error for n, error in enumerate(wrong.values())}
    async with (
        collecting(broker, tmp_path) as engine,
        aiomqtt.Client(
            broker.host, broker.port, username="gw-one", password=USERS["gw-one"], identifier="gw-one",
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as gateway,
    ):  # fmt: skip
        engine.objection = lambda decoded: by_spool.get(decoded.report.spool_id)
        await gateway.subscribe(topics.down("gw-one", "ack"), qos=1)
        for reason, payload in payloads.items():
            await gateway.publish(topics.up("gw-one", "report"), payload, qos=1)
            async with asyncio.timeout(DEADLINE_S):
                answer = decode_answer((await anext(gateway.messages)).payload)
            assert isinstance(answer, Refusal)
            assert (answer.reason, answer.report_sha256) == (reason, hashlib.sha256(payload).hexdigest())


async def test_only_the_record_that_is_to_blame_is_set_aside(broker, tmp_path):
    """One that the collector cannot work on is sent alone, and goes at its third refusal; its neighbours arrive."""
    async with collecting(broker, tmp_path) as engine, gateway_on(broker, tmp_path) as gateway:
        engine.objection = lambda decoded: NotAppliedError() if any(r.sequence == 2 for r in decoded.records) else None
        await gateway.append(3)
        for left_count in (1, 1, 0):
            assert await gateway.courier.report(until_s=0) is None
            assert await gateway.held_count() == left_count
        assert (await gateway.spool.statistics()).dropped == {"refused": 1}


async def test_an_envelope_that_is_never_taken_costs_no_record(broker, tmp_path, monkeypatch):
    """The agent's own fault, or something on the way: said at once and with its cause; all is kept, and arrives."""
    async with collecting(broker, tmp_path), gateway_on(broker, tmp_path) as gateway:
        with monkeypatch.context() as patched:
            patched.setattr("agent.courier.encode_report", lambda *_: b'{"gateway":"gw-one"}')
            await gateway.append(2)
            for _ in range(4):
                assert await gateway.courier.report(until_s=0) == Keep(why="refused")
                assert "spool_id" in gateway.way.trouble or "required field" in gateway.way.trouble
        assert await gateway.held_count() == 2
        assert await gateway.courier.report(until_s=0) is None
        assert (await gateway.held_count(), gateway.way.trouble) == (0, "")


async def test_a_twin_is_told_as_that(broker, tmp_path):
    """What says nothing of the records is no refusal of theirs: kept, and its own word for people."""
    async with collecting(broker, tmp_path) as engine, gateway_on(broker, tmp_path) as gateway:
        engine.objection = lambda _decoded: TwinError("x")
        await gateway.append(1)
        assert await gateway.courier.report(until_s=0) == Keep(why="twin")
        engine.objection = lambda _decoded: UnknownGatewayError()
        assert await gateway.courier.report(until_s=0) == Keep(why="denied")
        assert await gateway.held_count() == 1
