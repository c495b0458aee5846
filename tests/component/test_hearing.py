"""Whiteboards that report to the school's broker: a real mosquitto, real clients, real last wills."""

import asyncio
import contextlib
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.metrics import Metrics
from agent.once import probe_once
from agent.probes import PROBES
from agent.probes.whiteboard import discovery
from agent.probes.whiteboard.hearing import Hearing, hearing
from agent.probes.whiteboard.panel import Heard
from agent.settings import AgentSettings, HttpLink
from bench.agent import boards
from classready.devices import Broker, Mqtt, Profile, Request, Source, Switching
from classready.observation import Device, Outcome, Reason
from classready.targets import WhiteboardTarget
from tests.support.mosquitto import PROGRAM, SchoolBroker
from tests.support.namespaces import join, namespaces, shape

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
    (device,) = await probe_once(settings, PROBES, settings.targets[0])
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
        assert (gone.outcome, gone.reason, gone.state) == (Outcome.NO_ANSWER, Reason.UNREACHABLE, "away")
        assert "last will" in gone.detail
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def test_a_retained_message_alone(broker: SchoolBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be years old: nothing is claimed, and the reason says so."""
    monkeypatch.setattr("agent.probes.whiteboard.LISTEN_S", 0.5)
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
    (target,) = settings.targets
    assert isinstance(target, WhiteboardTarget)
    ear = hearing(settings, Metrics())
    assert isinstance(ear, Hearing)
    assert "not reached yet" in ear.hear(target).detail
    listening = asyncio.create_task(ear.run())
    for _ in range(2):
        async with asyncio.timeout(20):
            while ear.hear(target).state != "awake":
                with contextlib.suppress(aiomqtt.MqttError):
                    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                        await client.publish("panel/301/state", b'{"power": "on"}')
                await asyncio.sleep(0.1)
        broker.stop()
        async with asyncio.timeout(20):
            while ear.hear(target).state is not None:
                await asyncio.sleep(0.05)
        assert "no connection to the broker 127.0.0.1" in ear.hear(target).detail
        broker.start()
    listening.cancel()
    done, _ = await asyncio.wait([listening], timeout=5)
    assert done


async def test_without_a_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: the probe ends in time, with a reason."""
    monkeypatch.setattr("agent.probes.whiteboard.LISTEN_S", 0.5)
    absent = SchoolBroker(tmp_path)
    device = await _probe(_settings(absent, tmp_path))
    assert (device.outcome, device.reason) == (Outcome.UNMEASURED, Reason.NO_DATA)


async def test_sixty_panels_with_thirty_announcements_each(broker: SchoolBroker) -> None:
    """All are known, each as it is, within the deadline, and no retained message is refused."""
    await boards.publish(broker.port)
    learnt = await boards.learn(broker.port)
    assert learnt.states == ["awake", "asleep"] * (boards.PANELS // 2)
    assert learnt.announcement_count == boards.PANELS * (boards.ENTITIES - boards.UNHEARD)
    assert learnt.known_s < boards.KNOWN_GOAL_S


@pytest.mark.netns
def test_a_slow_line_to_the_broker(tmp_path: Path) -> None:
    """mosquitto drops what of one burst waits beyond 1,000 messages, retained or not: so no burst is that long."""
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text("listener 1883 0.0.0.0\nallow_anonymous true\n")
    with namespaces("ha", "hb") as (school, gateway):
        device, _ = join(school, "10.97.0.1/24", gateway, "10.97.0.2/24")
        command = school.command(PROGRAM, "-c", str(configuration))
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                school.call(lambda: asyncio.run(boards.publish(1883)))
                shape(school, device, rate_mbps=20)
                learnt = gateway.call(lambda: asyncio.run(boards.learn(1883, host="10.97.0.1")))
            finally:
                process.terminate()
    assert learnt.states == ["awake", "asleep"] * (boards.PANELS // 2)
    assert learnt.announcement_count == boards.PANELS * (boards.ENTITIES - boards.UNHEARD)


@contextlib.asynccontextmanager
async def _ear(broker: SchoolBroker, tmp_path: Path, numbers: Metrics) -> AsyncIterator[Callable[[], Heard]]:
    """Listen to what panel 301 announces; yields what is heard of it."""
    settings = _settings(broker, tmp_path, "homeassistant")
    (target,) = settings.targets
    assert isinstance(target, WhiteboardTarget)
    ear = hearing(settings, numbers)
    assert ear is not None
    listening = asyncio.create_task(ear.run())
    try:
        yield lambda: ear.hear(target)
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def _until(hear: Callable[[], Heard], expected: Callable[[Heard], bool]) -> Heard:
    async with asyncio.timeout(30):
        while not expected(hear()):
            await asyncio.sleep(0.02)
    return hear()


SCREEN = {"~": "x/301", "avty_t": "~/lwt", "stat_t": "~/s", "dev": {"ids": ["301"]}}


async def test_a_device_that_changes_what_it_announces(broker: SchoolBroker, tmp_path: Path) -> None:
    """Another topic is subscribed to and the old one left; an announcement that is taken back is gone."""
    topic = "homeassistant/switch/301/screen/config"
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, _ear(broker, tmp_path, Metrics()) as hear:

        async def say(said: dict[str, str]) -> None:
            for where, payload in said.items():
                await client.publish(where, payload, qos=1, retain=True)

        await say({"x/301/lwt": "online", "x/301/s": "ON", "y/301/s": "OFF"})
        await _until(hear, lambda heard: "nothing on the broker announces '301'" in heard.detail)
        await say({topic: json.dumps(SCREEN)})
        await _until(hear, lambda heard: heard.state == "awake")
        await say({topic: json.dumps({**SCREEN, "stat_t": "y/301/s"})})
        await _until(hear, lambda heard: heard.state == "asleep")
        await say({"x/301/lwt": "offline"})
        await _until(hear, lambda heard: heard.gone)
        await say({"x/301/lwt": ""})
        await _until(hear, lambda heard: not heard.gone and heard.state is None)
        await say({topic: ""})
        await _until(hear, lambda heard: "nothing on the broker announces '301'" in heard.detail)


async def test_what_exceeds_a_bound_is_told(
    broker: SchoolBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is too long, or does not fit beside the others, is counted, and the reason says so."""
    monkeypatch.setattr("agent.probes.whiteboard.hearing.MESSAGES_MAX_BYTES", 10_000)
    numbers = Metrics()
    counted = partial(numbers.get, "classready_agent_broker_messages_refused_total")
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, _ear(broker, tmp_path, numbers) as hear:

        async def say(topic: str, payload: str) -> None:
            await client.publish(topic, payload, qos=1, retain=True)

        await say("homeassistant/switch/301/screen/config", json.dumps(SCREEN))
        await say("x/301/lwt", "online")
        await say("x/301/s", "x" * 70_000)
        heard = await _until(hear, lambda heard: "65,536 bytes" in heard.detail)
        assert (heard.state, counted("size")) == (None, 1)
        await say("x/301/s", "x" * 20_000)
        await _until(hear, lambda heard: "10,000 bytes" in heard.detail)
        assert counted("room") == 1
        await say("x/301/s", "ON")
        await _until(hear, lambda heard: heard.state == "awake")
        await say("homeassistant/switch/301/screen/config", json.dumps({**SCREEN, "x": "x" * 70_000}))
        await _until(hear, lambda heard: "its announcement is longer than 65,536 bytes" in heard.detail)
        assert counted("size") == 2


async def test_a_broker_that_refuses_a_subscription(tmp_path: Path) -> None:
    """The reason names the topic that the agent may not read. mosquitto with an ACL file says nothing, others do."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = {0x10: b"\x20\x02\x00\x00", 0x82: b"\x90\x03%b\x80"}  # CONNACK, and a SUBACK of failure
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                if kind in answers:
                    writer.write(answers[kind].replace(b"%b", body[:2]))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    refusing = SchoolBroker(tmp_path)
    refusing.port = server.sockets[0].getsockname()[1]
    async with server, _ear(refusing, tmp_path, Metrics()) as hear:
        heard = await _until(hear, lambda heard: "refuses" in heard.detail)
    assert "the broker refuses the subscription to homeassistant/device/+/config" in heard.detail


async def test_a_fault_of_ours_costs_one_announcement(
    broker: SchoolBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are still read, and the connection stays."""
    original = discovery.read

    def faulty(topic: str, payload: bytes, devices: Collection[str]) -> Any:
        return original(topic, payload, devices) if "poison" not in topic else {}[topic]

    monkeypatch.setattr(discovery, "read", faulty)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, payload in {
            "homeassistant/switch/other/poison/config": "{}",
            "homeassistant/switch/301/screen/config": json.dumps(SCREEN),
            "x/301/lwt": "online",
            "x/301/s": "ON",
        }.items():
            await client.publish(topic, payload, qos=1, retain=True)
        async with _ear(broker, tmp_path, numbers := Metrics()) as hear:
            await _until(hear, lambda heard: heard.state == "awake")
    assert numbers.get("classready_agent_broker_messages_refused_total", "device") == 1
