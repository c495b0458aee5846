"""The switch probe against a simulated switch, recorded walks of real ones, and switches that lie."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.demo.snmp_devices import Agent, Devices, Switch, recorded
from classready.devices import Snmp
from classready.observation import Observation, Outcome, Port, Reason, Segment
from classready.targets import SwitchTarget
from tests.support import asking
from tests.support.lying_agents import Endless, WrongTypes
from tests.support.probing import observe

FIXTURES = Path(__file__).parents[1] / "data" / "snmp"
WALKS = Path(os.environ.get("CLASSREADY_WALKS") or Path(__file__).parents[2].parent / "shared" / "walks")
IF, IFX, DOT3 = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.10.7.2.1"


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    asking.close()
    await asyncio.sleep(0)


@pytest.fixture
async def devices() -> AsyncIterator[Devices]:
    async with Devices() as devices:
        yield devices


async def _target(devices: Devices, agent: Agent, ports: list[str], **changes: Any) -> SwitchTarget:
    host, port = await devices.add("sw1", agent)
    bound = {name: f"r-{i}" for i, name in enumerate(ports)}
    settings = Snmp(**{"port": port, "timeout_s": 0.3, "retry_count": 1, **changes.pop("snmp", {})})
    return SwitchTarget(name="sw1", host=host, snmp=settings, ports=bound, **changes)


async def _probe(target: SwitchTarget) -> list[Observation]:
    return await observe(target)


async def test_a_healthy_switch(devices: Devices) -> None:
    """Each bound port with its link, speed, duplex and counters; the trunk as a segment."""
    target = await _target(devices, Switch(), ["GE0/0/1", "GE0/0/2"], trunks=("GE0/0/24",))
    first, _, trunk = await _probe(target)
    assert (first.classroom, first.switch, first.if_name) == ("r-0", "sw1", "GE0/0/1")
    assert (first.admin_up, first.oper_up, first.speed_bps, first.full_duplex) == (True, True, 10**9, True)
    assert first.in_octets > 0
    assert (first.in_error_count, first.fcs_error_count, first.late_collision_count) == (0, 0, 0)
    assert isinstance(trunk, Segment)
    assert (trunk.name, trunk.speed_bps, trunk.full_duplex) == ("sw1:GE0/0/24", 10**9, True)


async def test_a_port_flips(devices: Devices) -> None:
    """10M half duplex, down, and administratively down are each seen on exactly that port."""
    target = await _target(devices, Switch(), ["GE0/0/7", "GE0/0/8"])
    for line in ("port 7 speed 10 half", "port 8 alias 音乐教室"):
        await devices.command(line.split())
    slow, good = await _probe(target)
    assert (slow.oper_up, slow.speed_bps, slow.full_duplex) == (True, 10_000_000, False)
    assert (good.speed_bps, good.full_duplex) == (10**9, True)
    await devices.command(["port", "7", "down"])
    await devices.command(["port", "音乐教室", "disable"])
    down, disabled = await _probe(target)
    assert (down.admin_up, down.oper_up, down.speed_bps, down.full_duplex) == (True, False, None, None)
    assert (disabled.admin_up, disabled.oper_up) == (False, False)


async def test_counters_grow(devices: Devices) -> None:
    """Traffic counters move between two polls, in both directions."""
    target = await _target(devices, Switch(), ["GE0/0/1"])
    (before,) = await _probe(target)
    await asyncio.sleep(0.05)
    (after,) = await _probe(target)
    assert after.in_octets > before.in_octets
    assert after.out_octets > before.out_octets


async def test_the_index_moves(devices: Devices) -> None:
    """After a restart the same name stands at another ifIndex; it is found again without any new setting."""
    switch = Switch()
    target = await _target(devices, switch, ["GE0/0/1"])
    await _probe(target)
    moved = Switch()
    moved.ports[5].speed_mbps = 100
    name = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
    switch.objects = moved.objects | {
        (*name, 1): moved.objects[(*name, 5)],
        (*name, 5): moved.objects[(*name, 1)],
    }
    (port,) = await _probe(target)
    assert port.speed_bps == 100_000_000


async def test_a_dead_switch(devices: Devices) -> None:
    """Silence: NO_ANSWER for every classroom and trunk behind it, with the switch's name."""
    switch = Switch()
    target = await _target(devices, switch, ["GE0/0/1", "GE0/0/2"], trunks=("GE0/0/24",))
    switch.on = False
    observations = await _probe(target)
    assert [o.outcome for o in observations] == [Outcome.NO_ANSWER] * 3
    assert [o.reason for o in observations] == [Reason.TIMEOUT] * 3
    assert [o.switch for o in observations if isinstance(o, Port)] == ["sw1", "sw1"]


async def test_a_slow_switch_is_given_up_in_time(devices: Devices) -> None:
    """One that answers each request late does not run into the runner's deadline."""

    class Slow(Switch):
        def answer(self, datagram: bytes) -> bytes | None:
            self.on = not self.on
            return super().answer(datagram)

    target = await _target(devices, Slow(), ["nope"], snmp={"timeout_s": 0.4}, deadline_s=1.0)
    async with asyncio.timeout(1.0):
        (port,) = await _probe(target)
    assert (port.outcome, port.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)


async def test_an_endless_switch(devices: Devices) -> None:
    """Columns without end: not unreachable, but not readable either, and the detail says why."""
    target = await _target(devices, Endless(), ["nope"], snmp={"max_rows": 200})
    (port,) = await _probe(target)
    assert (port.outcome, port.reason) == (Outcome.UNMEASURED, Reason.PROTOCOL)
    assert "more than 200 values" in port.detail


async def test_wrong_types(devices: Devices) -> None:
    """Any type for any object: 60 polls without a crash, and nothing that the wire refuses."""
    target = await _target(devices, WrongTypes(seed=3), [f"GE0/0/{i}" for i in range(1, 9)], trunks=("GE0/0/24",))
    for _ in range(60):
        observations = await _probe(target)
        assert {o.outcome for o in observations} == {Outcome.ANSWERED}


# --- recorded walks -------------------------------------------------------------------------------------------------


def _walk(path: Path) -> dict[str, tuple[str, str]]:
    """OID -> (tag, text), read independently of the code that serves the file."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    return {oid: (tag, text) for oid, tag, text in (line.split("|", 2) for line in lines if line.count("|") > 1)}


def _rows(walk: dict[str, tuple[str, str]], column: str) -> dict[str, str]:
    found = {}
    for oid, (tag, text) in walk.items():
        if oid.rpartition(".")[0] == column:
            whole = bytes.fromhex(text).decode(errors="replace") if tag.endswith("x") else text
            found[oid.rpartition(".")[2]] = " ".join(whole.replace("\0", " ").split())
    return found


def _number(walk: dict[str, tuple[str, str]], oid: str) -> int | None:
    return int(walk[oid][1]) if oid in walk and walk[oid][0] in {"2", "65", "66", "70"} else None


def _expected(walk: dict[str, tuple[str, str]], index: str) -> dict[str, Any]:
    high, low = _number(walk, f"{IFX}.15.{index}"), _number(walk, f"{IF}.5.{index}")
    high = high if high and high < 1_000_000 else 0  # in Mbit/s; some D-Link switches give it in bit/s
    octets = [_number(walk, f"{base}.{index}") for base in (f"{IFX}.6", f"{IF}.10")]
    oper_up = {1: True, 4: None, None: None}.get(_number(walk, f"{IF}.8.{index}"), False)
    linked = oper_up is not False  # what is shown of a port without a link is no fact
    return {
        "speed_bps": (high * 1_000_000 or low or None) if linked else None,
        "full_duplex": {3: True, 2: False}.get(_number(walk, f"{DOT3}.19.{index}")) if linked else None,
        "oper_up": oper_up,
        "admin_up": {1: True, None: None}.get(_number(walk, f"{IF}.7.{index}"), False),
        "in_octets": next((n for n in octets if n), next((n for n in octets if n is not None), None)),
        "in_error_count": _number(walk, f"{IF}.14.{index}"),
        "fcs_error_count": _number(walk, f"{DOT3}.3.{index}"),
    }


def _names(walk: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Unique name -> ifIndex of every Ethernet port: its ifName, or its ifDescr where it has none."""
    if_names, descrs = _rows(walk, f"{IFX}.1"), _rows(walk, f"{IF}.2")
    ethernet = [index for index, kind in _rows(walk, f"{IF}.3").items() if kind in {"6", "62", "69", "117"}]
    named = {index: if_names.get(index) or descrs[index] for index in ethernet}
    everything = [name for table in (if_names, descrs) for name in table.values()]
    return {name: index for index, name in named.items() if name and len(name) <= 64 and everything.count(name) <= 2}


def _files() -> Iterator[Any]:
    """Our own walks, and those of real switches where they lie beside the checkout."""
    for folder in (FIXTURES, WALKS):
        yield from (pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.snmprec")))


@pytest.mark.parametrize("path", list(_files()))
@pytest.mark.parametrize("version", ["2c", "1"])
async def test_every_port_of_a_walk(devices: Devices, path: Path, version: str) -> None:
    """Speed, duplex, states and counters of all ports are exactly what the file holds."""
    walk = _walk(path)
    names = _names(walk)
    if version == "1":
        walk = {oid: value for oid, value in walk.items() if value[0] != "70"}
        names = dict(list(names.items())[:4])
    assert names
    settings = {"version": version, "timeout_s": 2.0}
    target = await _target(devices, recorded(path), list(names), snmp=settings, trunks=(), deadline_s=60.0)
    observations = await _probe(target)
    assert len(observations) == len(names)
    for (name, index), port in zip(names.items(), observations, strict=True):
        assert port.outcome is Outcome.ANSWERED, port.detail
        expected = _expected(walk, index)
        assert {field: getattr(port, field) for field in expected} == expected, name


async def test_chinese_aliases_in_gbk(devices: Devices) -> None:
    """A classroom bound by the Chinese alias that was typed into the switch is found, whatever its encoding."""
    target = await _target(devices, recorded(FIXTURES / "gbk_aliases.snmprec"), ["音乐教室", "三年级2班"])
    slow, good = await _probe(target)
    assert (slow.if_name, slow.speed_bps, slow.full_duplex) == ("Eth0/0/2", 10_000_000, False)
    assert (good.if_name, good.speed_bps, good.full_duplex) == ("Eth0/0/1", 100_000_000, True)


def test_devices_from_another_process() -> None:
    """The stand-ins run as a program, announce their addresses, and obey the control socket."""
    command = [sys.executable, "-m", "bench.demo.snmp_devices", "--switch", "sw1=127.0.0.1:0", "--do", "port 7 down"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            announced = json.loads(process.stdout.readline())
            answers = asyncio.run(_converse(announced["control"], "list", "port 7 speed 10 half", "port 99 up", "?"))
        finally:
            process.terminate()
    assert json.loads(answers[0]) == announced["devices"]
    assert answers[1] == "ok"
    assert [answer.partition(":")[0] for answer in answers[2:]] == ["error", "error"]


async def _converse(port: int, *lines: str) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for line in lines:
        writer.write(f"{line}\n".encode())
        answers.append((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()
    return answers
