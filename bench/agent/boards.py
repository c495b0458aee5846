"""Processor time of getting to know 60 whiteboards with 30 retained discovery messages each, from a real mosquitto."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiomqtt
from msgspec import Struct

from agent.metrics import Metrics
from agent.probes.whiteboard.hearing import Hearing
from bench.agent.processes import free_port, module, started
from bench.lines import Metric, say
from classready.devices import Broker, Mqtt
from classready.mqtt import Client
from classready.targets import WhiteboardTarget

PANELS: Final = 60
ENTITIES: Final = 30
MOSQUITTO: Final = "/usr/sbin/mosquitto"
CPU_GOAL_S: Final = 1.0
KNOWN_GOAL_S: Final = 10.0
_PATIENCE_S: Final = 60.0

_SWITCHES = ("auto_brightness", "mute", "touch_lock", "eye_care")
UNHEARD: Final = 3
"""Of ``_COMPONENTS``: button, number and update say nothing that anybody would listen to."""
_COMPONENTS = ("button/reboot", "select/input", "number/volume", "update/firmware", "binary_sensor/usb")


class Learnt(Struct, frozen=True):
    """What it took until the last panel was known: seconds since connecting, and processor time.

    ``announcement_count``: those that reached us, of components that are listened to at all.
    """

    known_s: float
    cpu_s: float
    states: list[str | None]
    announcement_count: int


def announcements(panels: int = PANELS, entities: int = ENTITIES) -> Iterator[tuple[str, Any]]:
    """Topics and payloads of panels that announce ``entities`` each, and are connected with every second screen off."""
    for number in range(panels):
        panel = f"panel-{number}"
        shared = {
            "~": f"boards/{panel}",
            "dev": {"ids": [panel, f"sn-{number:08d}"], "name": f"Panel {number}", "mf": "maker", "mdl": "IFP-86"},
            "avty": [{"t": "boards/bridge", "val_tpl": "{{ value_json.state }}"}, {"t": "~/lwt"}],
            "avty_mode": "all",
            "stat_t": "~/state",
        }
        for name, config in _entities(entities).items():
            component, object_id = name.split("/")
            own = {"name": object_id.replace("_", " "), "uniq_id": f"{panel}_{object_id}", **config}
            yield f"homeassistant/{component}/{panel}/{object_id}/config", {**shared, **own}
        state: dict[str, Any] = {f"m{n}": n * 1.25 for n in range(entities)}
        yield f"boards/{panel}/state", {**state, "power": "off" if number % 2 else "on"}
        yield f"boards/{panel}/lwt", "online"
    yield "boards/bridge", {"state": "online"}


def _entities(count: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        "switch/screen": {"val_tpl": "{{ value_json.power | upper }}", "cmd_t": "~/set"}
    }
    found |= {f"switch/{name}": {"val_tpl": f"{{{{ value_json.{name} }}}}", "cmd_t": "~/set"} for name in _SWITCHES}
    found |= {name: {"ent_cat": "config", "cmd_t": "~/set"} for name in _COMPONENTS}
    for number in range(count - len(found)):
        template = f"{{{{ value_json.m{number} | round(1) }}}}"
        found[f"sensor/measurement_{number}"] = {"val_tpl": template, "unit_of_meas": "W"}
    return found


async def publish(port: int, panels: int = PANELS, entities: int = ENTITIES) -> None:
    """Have the broker keep all of it, as soon as it listens."""
    await _until_listening(port)
    async with Client("127.0.0.1", port) as client:
        for topic, said in announcements(panels, entities):
            payload = said if isinstance(said, str) else json.dumps(said)
            await client.publish(topic, payload, qos=1, retain=True)


async def learn(port: int, panels: int = PANELS, host: str = "127.0.0.1") -> Learnt:
    """Listen until every panel is known.

    Raises:
        TimeoutError: that was not within a minute.
    """
    targets = [
        WhiteboardTarget(name=f"b{n}", host="127.0.0.1", classroom=f"r{n}", mqtt=Mqtt(id=f"panel-{n}"))
        for n in range(panels)
    ]
    began_s, cpu_before_s = time.monotonic(), time.process_time()
    ear = Hearing(Broker(host=host, port=port), targets, {}, Metrics())
    listening = asyncio.create_task(ear.run())
    try:
        async with asyncio.timeout(_PATIENCE_S):
            for target in targets:
                await ear.until_heard(target, _PATIENCE_S)
        known_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_before_s
        return Learnt(known_s, cpu_s, [ear.hear(target).state for target in targets], len(ear.announced))
    finally:
        listening.cancel()
        await asyncio.wait([listening])


def measure(folder: Path, rounds: int) -> list[Metric]:
    """Each round in a process of its own; medians."""
    port, configuration = free_port(), folder / "boards.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    found: list[dict[str, Any]] = []
    with started([MOSQUITTO, "-c", str(configuration)], folder / "boards.log"):
        asyncio.run(publish(port))
        for number in range(1, rounds + 1):
            answer = subprocess.run(module("bench.agent.boards", str(port)), check=True, capture_output=True, text=True)
            found.append(json.loads(answer.stdout.splitlines()[-1]))  # the agent logs before it
            say(
                f"boards {number}/{rounds}: {found[-1]['cpu_s']:.2f} s of CPU, known after {found[-1]['known_s']:.1f} s"
            )
    return [
        _metric("mqtt_discovery_cpu_seconds", [each["cpu_s"] for each in found]),
        _metric("mqtt_discovery_known_seconds", [each["known_s"] for each in found]),
    ]


def _metric(name: str, values: list[float]) -> Metric:
    return Metric(bench="agent.boards", metric=name, value=median(values), unit="seconds", n=len(values))


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with Client("127.0.0.1", port):
                    return
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)


def _serve(port: int) -> None:
    """Learn once, and print what it took."""
    learnt = asyncio.run(learn(port))
    if None in learnt.states or learnt.announcement_count != PANELS * (ENTITIES - UNHEARD):
        raise RuntimeError(f"{learnt.states.count(None)} panels unknown, {learnt.announcement_count} announcements")
    print(json.dumps({"known_s": learnt.known_s, "cpu_s": learnt.cpu_s}))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
