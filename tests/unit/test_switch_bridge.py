"""Address tables as switches really fill them: which interface a MAC is on, and what is said where it is not known."""

import pytest

from agent import snmp
from agent.probes.switch import bridge
from agent.settings import Snmp
from agent.snmp import Device, SnmpError, Value
from classready.observation import Reason

DEVICE = Device(host="192.0.2.1", settings=Snmp())
Q_PORT, Q_STATUS = "1.3.6.1.2.1.17.7.1.2.2.1.2.1", "1.3.6.1.2.1.17.7.1.2.2.1.3.1"
D_PORT = "1.3.6.1.2.1.17.4.3.1.2"
A, B, C = "00:00:00:00:00:0a", "00:00:00:00:00:0b", "00:00:00:00:00:0c"
TOO_LONG = SnmpError(Reason.PROTOCOL, "more than 2000 values")


class Tables:
    """A driver over fixed values; an error in place of a table is raised."""

    def __init__(self, values: dict[str, Value], failing: tuple[str, ...] = ()) -> None:
        self.values, self.failing = values, failing

    async def get(self, _device: Device, oids: list[str]) -> dict[str, Value]:
        return {oid: self.values[oid] for oid in oids if oid in self.values}

    async def walk(self, _device: Device, base: str) -> dict[str, Value]:
        if base in self.failing:
            raise TOO_LONG
        return {oid: value for oid, value in self.values.items() if oid.startswith(f"{base}.")}

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snmp, "_drivers", [])


def row(column: str, mac: str, value: Value) -> dict[str, Value]:
    return {f"{column}.{'.'.join(str(int(octet, 16)) for octet in mac.split(':'))}": value}


@pytest.mark.parametrize(
    ("entries", "base_ports", "ports", "untied"),
    [
        pytest.param(
            {A: 5, B: 6}, {5: 10105, 6: 10106}, {A: {10105}, B: {10106}}, {}, id="by the table of bridge ports"
        ),
        pytest.param({A: 5, B: 6}, {}, {A: {5}, B: {6}}, {}, id="no such table: numbers are ifIndexes"),
        pytest.param({A: 5, B: 99}, {5: 10105}, {A: {10105}}, {B: 99}, id="a bridge port of no interface"),
        pytest.param(
            {A: 2, B: 1}, {49153: 49153, 49154: 49154}, {A: {49154}, B: {49153}}, {}, id="they count the ports"
        ),
        pytest.param({A: 3}, {49153: 49153, 49154: 49154}, {}, {A: 3}, id="more than there are"),
        pytest.param({A: 0, B: -1, C: b"x"}, {5: 10105}, {}, {}, id="no port at all"),
    ],
)
async def test_ports_of_addresses(entries, base_ports, ports, untied) -> None:
    """The first column is dot1dBasePortIfIndex, the second dot1qTpFdbPort."""
    rows = [row(Q_PORT, mac, port) for mac, port in entries.items()]
    snmp.use(Tables({oid: value for each in rows for oid, value in each.items()}))
    table = await bridge.fdb(DEVICE, (), base_ports, print)
    assert (table.ports, table.untied, table.problem) == (ports, untied, None)


async def test_entries_that_have_aged_out() -> None:
    """Invalid ones, and the switch itself, are left out of what is wanted."""
    values = row(Q_PORT, A, 5) | row(Q_STATUS, A, 2) | row(Q_PORT, B, 5) | row(Q_STATUS, B, 4) | row(Q_PORT, C, 5)
    snmp.use(Tables(values))
    assert (await bridge.fdb(DEVICE, {A, B, C}, {}, print)).ports == {C: {5}}


async def test_a_table_read_in_part_is_none() -> None:
    """The older, shorter table would show a trunk with a hundred addresses as a port with one."""
    snmp.use(Tables(row(D_PORT, A, 5), failing=("1.3.6.1.2.1.17.7.1.2.2.1.2",)))
    table = await bridge.fdb(DEVICE, (), {}, print)
    assert (table.ports, table.untied) == ({}, {})
    assert table.problem is not None
    assert "more than 2000 values" in table.problem


async def test_only_the_older_table() -> None:
    """A switch without Q-BRIDGE-MIB has BRIDGE-MIB."""
    snmp.use(Tables(row(D_PORT, A, 5)))
    assert (await bridge.fdb(DEVICE, (), {}, print)).ports == {A: {5}}


async def test_bridge_ports_without_an_interface() -> None:
    """0 and negative numbers are none."""
    snmp.use(Tables({f"{bridge.BASE_PORT_IF_INDEX}.{port}": value for port, value in {1: 0, 2: -1, 3: 7}.items()}))
    assert await bridge.base_ports(DEVICE, print) == {3: 7}


async def test_an_arp_table_that_is_too_long() -> None:
    """It is said, not taken for an empty one."""
    snmp.use(Tables({}, failing=(bridge.NET_TO_MEDIA,)))
    known, problem = await bridge.arp(DEVICE, print)
    assert known == {}
    assert problem is not None
    assert "more than 2000 values" in problem
