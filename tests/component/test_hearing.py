"""Whiteboards that report to the school's broker: a real mosquitto, real clients, real last wills."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.app import probe_once
from agent.hearing import Hearing, hearing
from agent.settings import (
    AgentSettings,
    Broker,
    HttpLink,
    Mqtt,
    Profile,
    Request,
    Source,
    Switching,
    WhiteboardTarget,
)
from classready.observation import Device, Outcome, Reason
from tests.support.mosquitto import SchoolBroker

pytestmark = pytest.mark.servers("mosquitto")

PANEL = Profile(
    availability=Switching(topic="panel/{id}/will"),
    power=Switching(topic="panel/{id}/state", path="power"),
    nic_speed_mbps=Source(topic="panel/{id}/state", path="nic_mbps"),
    facts={"input": Source(topic="panel/{id}/state", path="input")},
)
ASKED = Profile(
    power=Switching(topic="asked/{id}/answer"), request=Request(topic="asked/{id}/question", payload="power of {id}?")
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SchoolBroker]:
    broker = SchoolBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def _settings(broker: SchoolBroker, tmp_path: Path, profile: str = "panel", **changes: Any) -> AgentSettings:
    target = WhiteboardTarget(
        name="board",
        host="127.0.0.1",
        classroom="r1",
        snmp=None,
        icmp=False,
        mqtt=Mqtt(profile=profile, id="301"),
        **changes,
    )
    return AgentSettings(
        gateway="gw-test",
        link=HttpLink(url="http://127.0.0.1:9711", token_file="token"),
        broker=Broker(host="127.0.0.1", port=broker.port),
        profiles={"panel": PANEL, "asked": ASKED},
        state_dir=str(tmp_path),
        targets=(target,),
    )


async def _probe(settings: AgentSettings) -> Device:
    (device,) = await probe_once(settings, settings.targets[0])
    assert isinstance(device, Device)
    return device


@contextlib.asynccontextmanager
async def _panel(broker: SchoolBroker) -> AsyncIterator[aiomqtt.Client]:
    """A panel that is connected and says so, with a last will."""
    will = aiomqtt.Will("panel/301/will", b"offline", qos=1, retain=True)
    async with aiomqtt.Client("127.0.0.1", broker.port, will=will) as client:
        await client.publish("panel/301/will", b"online", qos=1, retain=True)
        yield client


async def test_awake_asleep_and_gone(broker: SchoolBroker, tmp_path: Path) -> None:
    """What a connected panel said is believed, however old; what it left behind when its socket died is not."""
    settings = _settings(broker, tmp_path)
    state = {"power": "on", "nic_mbps": 100, "input": "hdmi1"}
    async with _panel(broker) as client:
        await client.publish("panel/301/state", json.dumps(state), qos=1, retain=True)
        awake = await _probe(settings)
        assert (awake.outcome, awake.state, awake.seen_by) == (Outcome.ANSWERED, "awake", "mqtt")
        assert (awake.nic_speed_bps, awake.facts) == (100_000_000, {"input": "hdmi1"})
        await client.publish("panel/301/state", json.dumps(state | {"power": "off"}), qos=1, retain=True)
        assert (await _probe(settings)).state == "asleep"
        client._client.socket().shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish("panel/301/state", b"{}")
        await asyncio.sleep(0.5)
        gone = await _probe(settings)
        assert (gone.outcome, gone.reason) == (Outcome.NO_ANSWER, Reason.UNREACHABLE)
        assert "last will" in gone.detail
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def test_a_retained_message_alone(broker: SchoolBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be years old: nothing is claimed, and the reason says so."""
    monkeypatch.setattr("agent.app.LISTEN_S", 0.5)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("panel/301/state", b'{"power": "on"}', qos=1, retain=True)
    device = await _probe(_settings(broker, tmp_path))
    assert (device.outcome, device.reason, device.state) == (Outcome.UNMEASURED, Reason.NO_DATA, None)


async def test_a_device_that_must_be_asked(broker: SchoolBroker, tmp_path: Path) -> None:
    """The request goes out, with the device's id, and the answer counts."""

    async def answer() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("asked/+/question")
            listening.set()
            async for message in client.messages:
                assert message.payload == b"power of 301?"
                await client.publish("asked/301/answer", b"ON")

    listening = asyncio.Event()
    device = asyncio.create_task(answer())
    await listening.wait()
    assert (await _probe(_settings(broker, tmp_path, "asked"))).state == "awake"
    device.cancel()
    await asyncio.wait([device])


async def test_home_assistant(broker: SchoolBroker, tmp_path: Path) -> None:
    """A device that announces itself: its own topics are found and subscribed to."""
    config = {
        "~": "x/301",
        "avty_t": "~/lwt",
        "stat_t": "~/s",
        "val_tpl": "{{ value_json.p }}",
        "dev": {"ids": ["301"]},
    }
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, payload in {
            "homeassistant/switch/301/config": json.dumps(config),
            "x/301/lwt": "online",
            "x/301/s": '{"p": "OFF"}',
        }.items():
            await client.publish(topic, payload, qos=1, retain=True)
        assert (await _probe(_settings(broker, tmp_path, "homeassistant"))).state == "asleep"


async def test_the_broker_restarts(broker: SchoolBroker, tmp_path: Path) -> None:
    """The listener connects again by itself, and ends when it is told to."""
    settings = _settings(broker, tmp_path)
    ear = hearing(settings)
    assert isinstance(ear, Hearing)
    listening = asyncio.create_task(ear.run())
    for _ in range(2):
        async with asyncio.timeout(20):
            while "panel/301/state" not in ear.messages:
                with contextlib.suppress(aiomqtt.MqttError):
                    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                        await client.publish("panel/301/state", b'{"power": "on"}')
                await asyncio.sleep(0.1)
        assert not ear.messages["panel/301/state"].retained
        ear.messages.clear()
        broker.stop()
        broker.start()
    listening.cancel()
    done, _ = await asyncio.wait([listening], timeout=5)
    assert done


async def test_without_a_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: the probe ends in time, with a reason."""
    monkeypatch.setattr("agent.app.LISTEN_S", 0.5)
    absent = SchoolBroker(tmp_path)
    device = await _probe(_settings(absent, tmp_path))
    assert (device.outcome, device.reason) == (Outcome.UNMEASURED, Reason.NO_DATA)
