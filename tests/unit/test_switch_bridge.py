"""Address tables as switches really fill them: which interface a MAC is on, and what is said where it is not known."""

import asyncio
from collections.abc import Iterator

import pytest

from agent.probes.switch import bridge
from agent.snmp import Device, SnmpError, Value
from classready.devices import Snmp
from classready.observation import Reason
from tests.support import asking

Q_PORT, Q_STATUS = "1.3.6.1.2.1.17.7.1.2.2.1.2.1", "1.3.6.1.2.1.17.7.1.2.2.1.3.1"
D_PORT = "1.3.6.1.2.1.17.4.3.1.2"
A, B, C = "00:00:00:00:00:0a", "00:00:00:00:00:0b", "00:00:00:00:00:0c"
TOO_LONG = SnmpError(Reason.PROTOCOL, "more than 2000 values")


SILENT = SnmpError(Reason.TIMEOUT, "no SNMP answer")


class Tables:
    """A driver over fixed values; an error in place of a table is raised. ``slow`` ones never end."""

    def __init__(
        self, values: dict[str, Value], failing: tuple[str, ...] = (), error: SnmpError = TOO_LONG, slow: str = ""
    ) -> None:
        self.values, self.failing, self.error, self.slow = values, failing, error, slow
        self.walked: list[str] = []

    async def get(self, _device: Device, oids: list[str]) -> dict[str, Value]:
        return {oid: self.values[oid] for oid in oids if oid in self.values}

    async def walk(self, _device: Device, base: str) -> dict[str, Value]:
        self.walked.append(base)
        if base in self.failing:
            raise self.error
        if base == self.slow:
            await asyncio.Event().wait()
        return {oid: value for oid, value in self.values.items() if oid.startswith(f"{base}.")}

    def close(self, _session: object, /) -> None: ...


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    yield
    asking.close()


def _device() -> Device:
    return asking.device(host="192.0.2.1", settings=Snmp())


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
    asking.use(Tables({oid: value for each in rows for oid, value in each.items()}))
    table = await bridge.fdb(_device(), (), base_ports, print)
    assert (table.ports, table.untied, table.problem) == (ports, untied, None)


async def test_entries_that_have_aged_out() -> None:
    """Invalid ones, and the switch itself, are left out of what is wanted."""
    values = row(Q_PORT, A, 5) | row(Q_STATUS, A, 2) | row(Q_PORT, B, 5) | row(Q_STATUS, B, 4) | row(Q_PORT, C, 5)
    asking.use(Tables(values))
    assert (await bridge.fdb(_device(), {A, B, C}, {}, print)).ports == {C: {5}}


async def test_a_table_read_in_part_is_none() -> None:
    """The older, shorter table would show a trunk with a hundred addresses as a port with one."""
    asking.use(Tables(row(D_PORT, A, 5), failing=("1.3.6.1.2.1.17.7.1.2.2.1.2",)))
    table = await bridge.fdb(_device(), (), {}, print)
    assert (table.ports, table.untied) == ({}, {})
    assert table.problem is not None
    assert "more than 2000 values" in table.problem


async def test_tables_complement_one_another() -> None:
    """Addresses that the first table lacks stand in the second; what both have, the first tells."""
    asking.use(Tables(row(Q_PORT, A, 5) | row(D_PORT, B, 6) | row(D_PORT, A, 7)))
    table = await bridge.fdb(_device(), {A, B}, {}, print)
    assert (table.ports, table.problem) == ({A: {5}, B: {6}}, None)


async def test_the_second_table_is_read_only_where_it_is_needed() -> None:
    """All that are wanted stand in the first one."""
    tables = Tables(row(Q_PORT, A, 5) | row(D_PORT, B, 6))
    asking.use(tables)
    assert (await bridge.fdb(_device(), {A}, {}, print)).ports == {A: {5}}
    assert D_PORT not in tables.walked


async def test_each_table_counts_ports_in_its_own_way() -> None:
    """One speaks of interfaces where the other counts ports; what one ties to no interface, the other may."""
    ports = {49153: 49153, 49154: 49154}
    asking.use(Tables(row(Q_PORT, A, 2) | row(D_PORT, B, 49153)))
    assert (await bridge.fdb(_device(), {A, B}, ports, print)).ports == {A: {49154}, B: {49153}}
    asking.use(Tables(row(Q_PORT, A, 99) | row(Q_PORT, B, 49153) | row(D_PORT, A, 49154)))
    table = await bridge.fdb(_device(), {A, B}, ports, print)
    assert (table.ports, table.untied) == ({A: {49154}, B: {49153}}, {})


@pytest.mark.parametrize(
    "garbled",
    [
        pytest.param({f"{Q_PORT}.0.0.0": 5}, id="an index that is too short"),
        pytest.param({f"{Q_PORT}.0.0.0.0.0.999": 5}, id="no octet"),
        pytest.param({f"{Q_PORT}.0.0.0.0.0.10": b"five"}, id="no number"),
        pytest.param({f"{Q_PORT}.0.0.0.0.0.10": 0}, id="no port"),
        pytest.param({f"{Q_PORT}.0.0.0.0.0.10": 5, f"{Q_STATUS}.0.0.0.0.0.10": 2}, id="aged out"),
    ],
)
async def test_garbled_rows_are_passed_over(garbled: dict[str, Value]) -> None:
    """They hide neither the other rows nor the other table."""
    asking.use(Tables(garbled | row(Q_PORT, B, 6) | row(D_PORT, A, 7)))
    assert (await bridge.fdb(_device(), {A, B}, {}, print)).ports == {A: {7}, B: {6}}
    asking.use(Tables(garbled | row(D_PORT, A, 7)))
    assert (await bridge.fdb(_device(), {A}, {}, print)).ports == {A: {7}}


@pytest.mark.parametrize("error", [TOO_LONG, SILENT])
async def test_a_second_table_that_fails_costs_only_what_the_first_lacks(error: SnmpError) -> None:
    """Too long, or silent."""
    asking.use(Tables(row(Q_PORT, A, 5), failing=("1.3.6.1.2.1.17.4.3.1.2",), error=error))
    table = await bridge.fdb(_device(), {A, B}, {}, print)
    assert table.ports == {A: {5}}
    assert error.detail in table.problem


async def test_a_second_table_that_takes_too_long() -> None:
    """The first one is not given up for it."""
    asking.use(Tables(row(Q_PORT, A, 5), slow="1.3.6.1.2.1.17.4.3.1.2"))
    table = await bridge.fdb(_device(), {A, B}, {}, print, asyncio.get_running_loop().time() + 0.05)
    assert table.ports == {A: {5}}
    assert "takes too long" in table.problem


async def test_only_the_older_table() -> None:
    """A switch without Q-BRIDGE-MIB has BRIDGE-MIB."""
    asking.use(Tables(row(D_PORT, A, 5)))
    assert (await bridge.fdb(_device(), (), {}, print)).ports == {A: {5}}


async def test_bridge_ports_without_an_interface() -> None:
    """0 and negative numbers are none."""
    asking.use(Tables({f"{bridge.BASE_PORT_IF_INDEX}.{port}": value for port, value in {1: 0, 2: -1, 3: 7}.items()}))
    assert await bridge.base_ports(_device(), print) == {3: 7}


async def test_an_arp_table_that_is_too_long() -> None:
    """It is said, not taken for an empty one."""
    asking.use(Tables({}, failing=(bridge.NET_TO_MEDIA,)))
    known, problem = await bridge.arp(_device(), (), print)
    assert known == {}
    assert problem is not None
    assert "more than 2000 values" in problem


async def test_arp_tables_complement_one_another() -> None:
    """An address that the older one lacks stands in the newer one, which knows IPv6; garbled rows are passed over."""
    old, new = bridge.NET_TO_MEDIA, bridge.NET_TO_PHYSICAL
    tables = Tables(
        {
            f"{old}.3.10.51.2.31": bytes.fromhex("00000000000a"),
            f"{old}.3.10.51.2.33": b"short",
            f"{new}.3.1.4.10.51.2.32": bytes.fromhex("00000000000b"),
            f"{new}.3.1.4.10.51.2.31": bytes.fromhex("0000000000ff"),
            f"{new}.3.1.4.10.51": bytes.fromhex("0000000000ff"),
            f"{new}.3.1.4.10.51.2.999": bytes.fromhex("0000000000ff"),
            f"{new}.3.2.16.253.{'0.' * 14}1": bytes.fromhex("00000000000c"),
        }
    )
    asking.use(tables)
    known, problem = await bridge.arp(_device(), {"10.51.2.32"}, print)
    assert (known, problem) == ({"10.51.2.31": A, "10.51.2.32": B, "fd00::1": C}, None)
    tables.walked.clear()
    assert (await bridge.arp(_device(), {"10.51.2.31"}, print))[0] == {"10.51.2.31": A}
    assert tables.walked == [old]
