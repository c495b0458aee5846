"""Devices found by MAC or IP in the address tables of switches: simulated ones, and recorded walks of real ones."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from agent import network
from agent.probes.switch import bridge, lldp, names
from agent.snmp import Device, gufo_driver, pysnmp_driver
from bench.demo.snmp_devices import Agent, Devices, Switch, recorded
from classready.devices import Snmp
from classready.observation import SWITCHES_MAX, Observation, Outcome, Port, Reason, Segment
from classready.targets import SwitchTarget
from tests.support import asking
from tests.support.lying_agents import Bulkless, Disordered, Stingy, WrongTypes, as_text, shuffled
from tests.support.probing import SETTINGS, Session, context, wired

WALKS = Path(os.environ.get("CLASSREADY_WALKS") or Path(__file__).parents[2].parent / "shared" / "walks")
OWN = Path(__file__).parents[1] / "data" / "snmp"
_sessions: list[Session] = []
"""The last one is the present one."""
BOARD, GATEWAY = "a4:5d:36:00:11:22", "02:00:00:00:00:01"


@pytest.fixture(autouse=True, params=[gufo_driver, pysnmp_driver], ids=["gufo", "pysnmp"])
async def _driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(network, "ways_out", lambda _host, _port: (GATEWAY,))
    monkeypatch.setattr(network, "arp", lambda: {"10.51.2.31": BOARD})
    asking.use(request.param)
    yield
    asking.close()


@pytest.fixture
async def devices() -> AsyncIterator[Devices]:
    _sessions.append(Session())
    async with Devices() as devices:
        yield devices
    _sessions.clear()


async def _target(simulated: Devices, agent: Agent, name: str = "sw1", **changes: Any) -> SwitchTarget:
    host, port = await simulated.add(name, agent)
    settings = Snmp(port=port, timeout_s=1.0, retry_count=1, max_rows=20_000)
    return SwitchTarget(name=name, host=host, snmp=settings, **{"devices": {BOARD: "b2-301"}, **changes})


async def _probe(target: SwitchTarget, *others: SwitchTarget, told: list[str] | None = None) -> list[Observation]:
    around = replace(context(told=told), settings=replace(SETTINGS, targets=(target, *others)))
    return wired(await _sessions[-1].probe(target).observe(around))


@pytest.mark.parametrize("ref", [BOARD, "A4-5D-36-00-11-22", "a45d.3600.1122", "10.51.2.31"])
async def test_a_device_is_found(devices: Devices, ref: str) -> None:
    """By MAC in any notation, or by IP through the ARP table; with the port's link, and the way to the gateway."""
    sw = Switch()
    sw.plug(BOARD, 7)
    sw.plug(GATEWAY, 24)
    sw.ports[7].speed_mbps, sw.ports[7].full_duplex = 10, False
    port, way = await _probe(await _target(devices, sw, devices={ref: "b2-301"}))
    assert (port.classroom, port.switch, port.if_name) == ("b2-301", "sw1", "GE0/0/7")
    assert (port.speed_bps, port.full_duplex, port.detail) == (10_000_000, False, None)
    assert (way.name, way.if_name, way.speed_bps, way.switches) == ("sw1:uplink", "GE0/0/24", 10**9, ())


async def test_never_on_a_trunk(devices: Devices) -> None:
    """A board behind another switch is not mapped to the trunk, and the reason names trunk and neighbour."""
    sw = Switch()
    sw.plug(BOARD, 23)
    sw.meet(23, "sw2")
    (port,) = await _probe(await _target(devices, sw, trunks=()))
    assert (port.outcome, port.reason, port.if_name) == (Outcome.UNMEASURED, Reason.NOT_FOUND, None)
    assert "behind the trunk GE0/0/23 only (neighbour sw2)" in port.detail


async def test_a_sleeping_board_is_remembered(devices: Devices) -> None:
    """Its entry ages out; the port where it was is still read, and the detail says so."""
    sw = Switch()
    target = await _target(devices, sw, trunks=())
    (unknown,) = await _probe(target)
    assert (unknown.outcome, unknown.detail.partition(":")[0]) == (Outcome.UNMEASURED, "the address table is empty")
    sw.plug("00:00:00:00:00:09", 9)
    (unknown,) = await _probe(target)
    assert (unknown.outcome, unknown.detail) == (Outcome.UNMEASURED, f"{BOARD} is not in the address table")
    sw.plug(BOARD, 7)
    await _probe(target)
    sw.unplug(BOARD)
    sw.ports[7].up = False
    (port,) = await _probe(target)
    assert (port.outcome, port.if_name, port.oper_up) == (Outcome.ANSWERED, "GE0/0/7", False)
    assert "it was on GE0/0/7" in port.detail


async def test_a_device_moves(devices: Devices) -> None:
    """It is reported on its new port at once, on the same switch and on another one; nobody else tells of it."""
    first, second = Switch(), Switch("sw2")
    first.plug(BOARD, 7)
    one = await _target(devices, first, trunks=())
    two = await _target(devices, second, "sw2", trunks=())
    two = replace(two, host="localhost")
    (port,) = await _probe(one, two)
    assert port.if_name == "GE0/0/7"
    assert await _probe(two, one) == []
    first.plug(BOARD, 8)
    (port,) = await _probe(one, two)
    assert port.if_name == "GE0/0/8"
    first.unplug(BOARD)
    second.plug(BOARD, 3)
    (port,) = await _probe(two, one)
    assert (port.switch, port.if_name, port.detail) == ("sw2", "GE0/0/3", None)
    assert await _probe(one, two) == []


async def test_tables_that_are_not_answered(devices: Devices) -> None:
    """A switch that keeps silent on its address tables still tells of its ports; only the device stays unknown."""

    class Shy(Switch):
        def _next(self, oid: tuple[int, ...]) -> Any:
            if oid[:7] == (1, 3, 6, 1, 2, 1, 17):
                raise TimeoutError
            return super()._next(oid)

        def answer(self, datagram: bytes) -> bytes | None:
            try:
                return super().answer(datagram)
            except TimeoutError:
                return None

    target = await _target(devices, Shy(), ports={"GE0/0/1": "r1"}, deadline_s=20.0)
    target = replace(target, snmp=replace(target.snmp, timeout_s=0.3))
    port, device = await _probe(target)
    assert (port.outcome, port.speed_bps) == (Outcome.ANSWERED, 10**9)
    assert (device.outcome, device.if_name) == (Outcome.UNMEASURED, None)
    assert "address tables cannot be read: no SNMP answer" in device.detail


async def test_a_switch_that_is_silent_to_lldp_alone(devices: Devices) -> None:
    """The device is found, and the way out is known by its addresses."""

    class Shy(Switch):
        def answer(self, datagram: bytes) -> bytes | None:
            self.lldp = False
            reply = super().answer(datagram)
            return None if self.lldp else reply

        def _fill(self, module: Any, request: Any, reply: Any) -> None:
            super()._fill(module, request, reply)
            self.lldp = any(tuple(oid)[:2] == (1, 0) for oid, _ in module.apiPDU.get_varbinds(request))

    sw = Shy()
    sw.plug(BOARD, 7)
    sw.plug(GATEWAY, 24)
    target = await _target(devices, sw)
    told: list[str] = []
    port, way = await _probe(replace(target, snmp=replace(target.snmp, timeout_s=0.3)), told=told)
    assert (port.if_name, way.if_name) == ("GE0/0/7", "GE0/0/24")
    assert any(line.startswith("LLDP: no SNMP answer") for line in told)


async def test_a_switch_that_restarts_moves_nobody(devices: Devices) -> None:
    """Its ports have other numbers now: the device is told on the port where it is, and no move is remembered."""
    sw = Switch()
    sw.plug(BOARD, 7)
    target = await _target(devices, sw, trunks=())
    await _probe(target)
    names = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
    sw.objects |= {(*names, 7): sw.objects[(*names, 9)], (*names, 9): sw.objects[(*names, 7)]}
    sw.plug(BOARD, 9)
    with capture_logs() as logs:
        (port,) = await _probe(target)
    assert port.if_name == "GE0/0/7"
    assert not [entry for entry in logs if entry["event"] == "device_moved"]


class Counted(Switch):
    """Counts what is asked of its address tables."""

    asked = 0

    def _next(self, oid: tuple[int, ...]) -> Any:
        self.asked += oid[:7] == (1, 3, 6, 1, 2, 1, 17)
        return super()._next(oid)


async def test_address_tables_are_read_seldom(devices: Devices) -> None:
    """Twice in ten minutes, unless a device is to be found, or the way out goes down."""
    sw = Counted()
    sw.plug(GATEWAY, 24)
    target = await _target(devices, sw, devices={}, ports={"GE0/0/1": "r1"})
    asked = []
    for _ in range(4):
        _, way = await _probe(target)
        assert (way.name, way.if_name) == ("sw1:uplink", "GE0/0/24")
        asked.append(sw.asked)
    assert 0 < asked[0] < asked[1] == asked[2] == asked[3]
    sw.ports[24].up = False
    sw.unplug(GATEWAY)
    sw.plug(GATEWAY, 23)
    _, way = await _probe(target)
    assert way.if_name == "GE0/0/23"
    before = sw.asked
    sw.plug(BOARD, 7)
    for _ in range(3):
        before, _ = sw.asked, await _probe(await _target(devices, sw, ports={"GE0/0/1": "r1"}))
        assert sw.asked > before


async def test_switches_in_a_row(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trunk of the switch at the gateway is on the way of those behind it, whichever port it is on today."""
    core, edge = Switch("core"), Switch("edge")
    core.plug(GATEWAY, 1)
    core.plug("02:00:00:00:00:ed", 2)
    edge.plug(GATEWAY, 24)
    edge.plug("02:00:00:00:00:c0", 24)
    first = await _target(devices, core, "core", devices={})
    second = replace(await _target(devices, edge, "edge", devices={}), host="localhost")
    macs = {first.host: "02:00:00:00:00:c0", second.host: "02:00:00:00:00:ed"}
    monkeypatch.setattr(network, "arp", lambda: macs)
    (way,) = await _probe(first, second)
    assert (way.name, way.if_name, way.switches) == ("core:uplink", "GE0/0/1", ("edge",))
    (way,) = await _probe(second, first)
    assert (way.name, way.if_name, way.switches) == ("edge:uplink", "GE0/0/24", ())
    core.unplug(GATEWAY)
    core.plug(GATEWAY, 3)
    (way,) = await _probe(first, second)
    assert (way.name, way.if_name) == ("core:uplink", "GE0/0/3")


async def test_a_switch_without_rooms(devices: Devices) -> None:
    """Whatever comes of it, something is told: its way out, that none is seen, or that it does not answer."""
    sw = Switch()
    target = await _target(devices, sw, devices={})
    (way,) = await _probe(target)
    assert (way.name, way.outcome, way.reason) == ("sw1:uplink", Outcome.UNMEASURED, Reason.NOT_FOUND)
    sw.plug(GATEWAY, 24)
    (way,) = await _probe(target)
    assert (way.outcome, way.if_name) == (Outcome.ANSWERED, "GE0/0/24")
    sw.on = False
    (way,) = await _probe(target)
    assert (way.name, way.outcome, way.reason) == ("sw1:uplink", Outcome.NO_ANSWER, Reason.TIMEOUT)


async def test_more_switches_than_a_record_takes(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is still fit for the wire."""
    sw = Switch()
    sw.plug(GATEWAY, 24)
    others = [SwitchTarget(name=f"s{i}", host=f"10.9.0.{i}", ports={"GE1": "r"}) for i in range(1, 101)]
    macs = {other.host: f"02:00:00:00:01:{i:02x}" for i, other in enumerate(others)}
    for mac in macs.values():
        sw.plug(mac, 2)
    monkeypatch.setattr(network, "arp", lambda: macs)
    (way,) = await _probe(await _target(devices, sw, devices={}), *others)
    assert len(way.switches) == SWITCHES_MAX


@pytest.mark.parametrize("key", [shuffled, as_text])
async def test_an_address_table_in_any_order(devices: Devices, key: Any) -> None:
    """Six addresses in the order of a hash, or of text: all six are found."""
    sw = Disordered(key)
    macs = [f"a4:5d:36:00:11:{octet}" for octet in ("ff", "02", "10", "0a", "64", "c8")]
    for port, mac in enumerate(macs, 1):
        sw.plug(mac, port)
    ports = await _probe(await _target(devices, sw, devices={mac: f"r{i}" for i, mac in enumerate(macs, 1)}, trunks=()))
    assert {port.classroom: port.if_name for port in ports} == {f"r{i}": f"GE0/0/{i}" for i in range(1, 7)}


@pytest.mark.parametrize("agent", [Stingy, Bulkless])
async def test_a_switch_that_answers_little_at_a_time(devices: Devices, agent: type[Switch]) -> None:
    """Ten objects a request, or no GETBULK: room and way out are found as on any other."""
    sw = agent()
    sw.plug(BOARD, 7)
    sw.plug(GATEWAY, 24)
    target = await _target(devices, sw)
    port, way = await _probe(replace(target, snmp=replace(target.snmp, timeout_s=0.3)))
    assert (port.if_name, way.if_name) == ("GE0/0/7", "GE0/0/24")


async def test_an_address_table_that_is_too_long(devices: Devices) -> None:
    """A device is not said to be missing from a table that was not read to its end; ports are read all the same."""
    sw = Switch()
    for i in range(60):
        sw.plug(f"00:00:00:00:01:{i:02x}", 9)
    target = await _target(devices, sw, ports={"GE0/0/1": "r1"}, trunks=())
    port, device = await _probe(replace(target, snmp=replace(target.snmp, max_rows=50)))
    assert port.speed_bps == 10**9
    assert (device.outcome, device.reason) == (Outcome.UNMEASURED, Reason.PROTOCOL)
    assert device.detail.startswith("the address table cannot be read: ")
    assert "more than 50 values" in device.detail
    assert "max_rows is too small" in device.detail


async def test_a_switch_that_was_renamed(devices: Devices) -> None:
    """What was seen on a switch that the settings no longer know keeps nobody from telling of the device.

    Other settings are another session.
    """
    sw = Switch()
    sw.plug(BOARD, 7)
    target = await _target(devices, sw, trunks=())
    await _probe(target)
    sw.unplug(BOARD)
    _sessions.append(Session())
    (port,) = await _probe(replace(target, name="sw-a"))
    assert (port.outcome, port.switch) == (Outcome.UNMEASURED, "sw-a")


async def test_a_switch_that_is_silent(devices: Devices) -> None:
    """NO_ANSWER for the rooms of its devices, on the port where they were."""
    sw = Switch()
    sw.plug(BOARD, 7)
    target = await _target(devices, sw)
    await _probe(target)
    sw.on = False
    (port,) = await _probe(target)
    assert (port.outcome, port.switch, port.if_name) == (Outcome.NO_ANSWER, "sw1", "GE0/0/7")


async def test_power_has_failed(devices: Devices) -> None:
    """A port that is down for want of power over Ethernet says so."""
    from pysnmp.proto import rfc1902

    sw = Switch()
    sw.plug(BOARD, 7)
    sw.ports[7].up = False
    sw._add({(1, 3, 6, 1, 2, 1, 105, 1, 1, 1, 6, 1, 7): lambda: rfc1902.Integer32(4)})
    (port,) = await _probe(await _target(devices, sw, trunks=()))
    assert (port.oper_up, port.detail) == (False, "power over Ethernet has failed on this port")


async def test_power_has_failed_on_a_bound_port(devices: Devices) -> None:
    """RFC 3621 counts bridge ports, which may have other numbers than the interfaces."""
    from pysnmp.proto import rfc1902

    sw = Switch()
    for port, index in {7: 8, 8: 7}.items():
        sw._add({(1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2, port): lambda index=index: rfc1902.Integer32(index)})
    sw._add({(1, 3, 6, 1, 2, 1, 105, 1, 1, 1, 6, 1, 7): lambda: rfc1902.Integer32(4)})
    sw.ports[7].up = sw.ports[8].up = False
    bound = {"GE0/0/7": "r7", "GE0/0/8": "r8"}
    seven, eight = await _probe(await _target(devices, sw, ports=bound, devices={}, trunks=()))
    assert (seven.detail, eight.detail) == (None, "power over Ethernet has failed on this port")


async def test_a_device_behind_an_aggregation(devices: Devices) -> None:
    """No cable of a room ends in one: it is a trunk, however few addresses it has."""
    from pysnmp.proto import rfc1902

    sw = Switch()
    sw.plug(BOARD, 23)
    sw._add({(1, 3, 6, 1, 2, 1, 2, 2, 1, 3, 23): lambda: rfc1902.Integer32(161)})
    (port,) = await _probe(await _target(devices, sw, trunks=()))
    assert (port.outcome, port.if_name) == (Outcome.UNMEASURED, None)
    assert "behind the trunk GE0/0/23 only (no Ethernet port of its own)" in port.detail


async def test_a_port_that_is_no_interface(devices: Devices) -> None:
    """Radios of an access controller have bridge ports whose ifIndex ifTable does not have."""
    from pysnmp.proto import rfc1902

    sw = Switch()
    sw.plug(BOARD, 30)
    sw._add({(1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2, 30): lambda: rfc1902.Integer32(647)})
    (port,) = await _probe(await _target(devices, sw, trunks=()))
    assert (port.outcome, port.reason, port.if_name) == (Outcome.UNMEASURED, Reason.NOT_FOUND, None)
    assert "port 647 of the address table, which is none of the switch's interfaces" in port.detail


async def test_neighbours_without_a_time_mark(devices: Devices) -> None:
    """Some switches leave the first part of the index out; what cannot be tied to a port is told."""
    from pysnmp.proto import rfc1902

    sw = Switch()
    sw.meet(24, "core")
    entry = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1)
    for column in (9, 12):
        sw._add({(*entry, column, 24, 1): sw.objects.pop((*entry, column, 0, 24, 1))})
    sw._add({(*entry, 9, 0, 301): lambda: rfc1902.OctetString(b"lost")})
    told: list[str] = []
    (way,) = await _probe(await _target(devices, sw, devices={}), told=told)
    assert (way.name, way.if_name) == ("sw1:uplink", "GE0/0/24")
    assert "an LLDP neighbour at 0.301, which is no port that the switch names" in told


async def test_explained(devices: Devices) -> None:
    """``--explain`` tells how the port was found."""
    sw = Switch()
    sw.plug(BOARD, 7)
    sw.plug(GATEWAY, 24)
    told: list[str] = []
    await _probe(await _target(devices, sw), told=told)
    assert "2 addresses, 0 LLDP neighbours" in told
    assert "trunk GE0/0/24: towards the gateway" in told
    assert any(line.startswith(f"{BOARD} -> GE0/0/7 -> b2-301: up, 1000 Mbit/s") for line in told)


async def test_wrong_types(devices: Devices) -> None:
    """Any type in any table: 40 polls without a crash, and nothing that the wire refuses."""
    liar = WrongTypes(seed=5)
    sw = Switch()
    for port in range(1, 9):
        sw.plug(f"a4:5d:36:00:11:{port:02x}", port)
        sw.meet(port, "x")
    for oid in set(sw.objects) - set(liar.objects):
        liar.objects[oid] = next(iter(liar.objects.values()))
    liar.order = sorted(liar.objects)
    target = await _target(devices, liar, devices={f"a4:5d:36:00:11:{i:02x}": f"r{i}" for i in range(1, 9)})
    for _ in range(40):
        observations = await _probe(target)
        assert {o.classroom for o in observations if isinstance(o, Port)} == set(target.devices.values())


# --- recorded walks -------------------------------------------------------------------------------------------------


def _held(path: Path, column: str) -> dict[tuple[int, ...], str]:
    """Index -> value of a column, by an own reading of the file."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    triples = (line.split("|", 2) for line in lines if line.startswith(f"{column}."))
    return {tuple(map(int, oid.removeprefix(f"{column}.").split("."))): text for oid, _, text in triples}


def _expected_fdb(path: Path) -> dict[str, set[int]]:
    base = {index[0]: int(text) for index, text in _held(path, "1.3.6.1.2.1.17.1.4.1.2").items()}
    rows = _held(path, "1.3.6.1.2.1.17.7.1.2.2.1.2") or _held(path, "1.3.6.1.2.1.17.4.3.1.2")
    found: dict[str, set[int]] = {}
    for index, port in rows.items():
        if int(port) in base:
            found.setdefault(":".join(f"{octet:02x}" for octet in index[-6:]), set()).add(base[int(port)])
    return found


def _files() -> Iterator[Any]:
    """Our own walks, and those of real switches where they lie beside the checkout."""
    for folder in (OWN, WALKS):
        yield from (pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.snmprec")))


async def _opened(devices: Devices, path: Path) -> Device:
    host, port = await devices.add(path.stem, recorded(path))
    return asking.device(host=host, settings=Snmp(port=port, timeout_s=2.0, max_rows=20_000))


@pytest.mark.parametrize("path", list(_files()))
async def test_every_address_of_a_walk(devices: Devices, path: Path) -> None:
    """The ports of all MACs are exactly what the file holds; and a device given by any of them is found there."""
    device = await _opened(devices, path)
    base_ports = await bridge.base_ports(device, print)
    table = await bridge.fdb(device, (), base_ports, print)
    expected = _expected_fdb(path)
    assert (table.ports, table.problem) == (expected, None)
    single = [mac for mac, indexes in expected.items() if len(indexes) == 1]
    target = SwitchTarget(
        name="sw1",
        host=device.host,
        snmp=device.settings,
        devices={mac: f"r{i}" for i, mac in enumerate(single)},
        trunks=(),
        deadline_s=60.0,
    )
    named = await names.find(device, (), print)
    counts = [index for indexes in expected.values() for index in indexes]
    trunks = {index for index in counts if counts.count(index) > 8}
    trunks |= {i for i, n in (await lldp.neighbours(device, named, base_ports, print)).items() if n.is_bridge}
    types = {index[0]: text for index, text in _held(path, "1.3.6.1.2.1.2.2.1.3").items()}
    trunks |= {index for index in counts if types.get(index, "6") not in {"6", "62", "69", "117"}}
    for mac, port in zip(single, await _probe(target) if single else (), strict=True):
        (index,) = expected[mac]
        assert port.if_name == (None if index in trunks else named.name(index))


NEIGHBOURS = {
    "address_tables": {"Eth0/4": ("phone", False), "Eth0/6": ("sw-core", True)},
    "vrp_5720": {
        "GigabitEthernet0/0/14": ("LNS-Huawei", True),
        "XGigabitEthernet0/0/1": ("CE-NG", True),
        "XGigabitEthernet0/0/2": ("Zrih", True),
        "XGigabitEthernet0/0/4": ("CE-NG", True),
        "MEth0/0/1": ("pm-test", True),
    },
    "dlink_des-3526": {
        "1/26": ("PCM F10 SW 121.152", True),
        "1/25": ("PCM F-blok-RTR3", True),
    },
}


@pytest.mark.parametrize("path", [param for param in _files() if param.id in NEIGHBOURS])
async def test_neighbours_of_a_walk(devices: Devices, path: Path) -> None:
    """Each LLDP neighbour stands at its port, as a person reads it in the file."""
    device = await _opened(devices, path)
    named = await names.find(device, (), print)
    found = await lldp.neighbours(device, named, await bridge.base_ports(device, print), print)
    shown = {named.name(index): (who.name, who.is_bridge) for index, who in found.items()}
    assert shown == NEIGHBOURS[path.stem]


async def test_a_trunk_stuck_at_100m(devices: Devices) -> None:
    """The recognised trunk is a segment with its negotiated speed."""
    sw = Switch()
    sw.meet(24, "core")
    sw.ports[24].speed_mbps = 100
    (segment,) = await _probe(await _target(devices, sw, devices={}))
    assert segment == Segment(
        name="sw1:uplink",
        if_name="GE0/0/24",
        switches=(),
        outcome=Outcome.ANSWERED,
        speed_bps=100_000_000,
        full_duplex=True,
        in_octets=segment.in_octets,
        out_octets=segment.out_octets,
    )
