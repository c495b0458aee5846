"""Behind which port a device is: the address tables of Q-BRIDGE-MIB (RFC 4363) and BRIDGE-MIB (RFC 4188)."""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent import snmp
from agent.probes.switch.mib import mac, optional_walk, suffix
from agent.snmp import Device, SnmpError, Value

BASE_PORT_IF_INDEX = "1.3.6.1.2.1.17.1.4.1.2"
_TABLES = (
    ("1.3.6.1.2.1.17.7.1.2.2.1.2", "1.3.6.1.2.1.17.7.1.2.2.1.3"),
    ("1.3.6.1.2.1.17.4.3.1.2", "1.3.6.1.2.1.17.4.3.1.3"),
)
"""Port and status of dot1qTpFdbTable, whose index begins with the filtering database (mostly the VLAN), and of
dot1dTpFdbTable, which knows one database only. Some switches fill both alike, some only one, and some each with other
addresses (17 and 646, disjoint, on one stack): so what the first lacks is looked for in the second."""
# dot1dTpFdbStatus (RFC 4188): an entry that has aged out, and an address of the switch itself; neither is a device.
_INVALID, _SELF = 2, 4
NET_TO_MEDIA = "1.3.6.1.2.1.4.22.1.2"
NET_TO_PHYSICAL = "1.3.6.1.2.1.4.35.1.4"
"""ipNetToMediaPhysAddress, and the newer ipNetToPhysicalPhysAddress, for IPv6, too (RFC 4293): the switch's own ARP
table. Newer systems fill the second only."""

Explain = Callable[[str], None]


async def base_ports(device: Device, explain: Explain) -> dict[int, int]:
    """Bridge port -> ifIndex, empty where the switch does not tell.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    rows = await optional_walk(device, BASE_PORT_IF_INDEX, explain)
    return {
        suffix(oid, BASE_PORT_IF_INDEX)[-1]: value
        for oid, value in rows.items()
        if isinstance(value, int) and value > 0
    }


class AddressTable(Struct, frozen=True, kw_only=True):
    """MAC -> the ifIndexes it stands on: one, unless VLANs see it on several ports.

    ``untied``: MAC -> bridge port, where the switch does not say which interface that is. ``problem``: why the switch's
    table could not be read, where it could not.
    """

    ports: Mapping[str, set[int]] = {}
    untied: Mapping[str, int] = {}
    problem: str | None = None


async def fdb(
    device: Device,
    wanted: Iterable[str],
    ports: Mapping[int, int],
    explain: Explain,
    until: float | None = None,
) -> AddressTable:
    """Read who is behind which port; the second table where the first lacks one of the ``wanted`` MACs, or is empty.

    Of the ``wanted``, entries that have aged out, or are the switch itself, are left out. A table that could be read in
    part only is none: whether a port has one address or a hundred decides what it is. So without the first, nothing is
    known; without the second, or not before ``until`` (the event loop's clock), just what the first lacks.

    Raises:
        SnmpError: as ``optional_walk``, where nothing was found before.
    """
    wanted = set(wanted)
    found = await _table(device, _TABLES[0], wanted, ports, explain)
    if found.problem or (found.ports and wanted <= found.ports.keys()):
        return found
    try:
        async with asyncio.timeout_at(until if found.ports else None):
            other = await _table(device, _TABLES[1], wanted, ports, explain)
    except TimeoutError:
        return _without_second(found, "it takes too long", explain)
    except SnmpError as error:
        if not found.ports:
            raise
        return _without_second(found, error.detail, explain)
    tied = {**other.ports, **found.ports}
    untied = {mac: port for mac, port in {**other.untied, **found.untied}.items() if mac not in tied}
    return AddressTable(ports=tied, untied=untied, problem=other.problem)


def _without_second(found: AddressTable, why: str, explain: Explain) -> AddressTable:
    explain(f"the second address table: {why}")
    return replace(found, problem=f"the second address table cannot be read: {why}")


async def _table(
    device: Device, columns: tuple[str, str], wanted: set[str], ports: Mapping[int, int], explain: Explain
) -> AddressTable:
    """One of ``_TABLES``.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        explain(problem)
        problems.append(f"the address table cannot be read: {problem}")

    port_column, status_column = columns
    rows = await optional_walk(device, port_column, note)
    if problems:
        return AddressTable(problem=problems[0])
    entries = {oid: (_mac_of(suffix(oid, port_column)), value) for oid, value in rows.items()}
    status = await _status(device, entries, wanted, port_column, status_column)
    return _by_mac([each for oid, each in entries.items() if status.get(oid) not in {_INVALID, _SELF}], ports)


async def arp(device: Device, wanted: Iterable[str], explain: Explain) -> tuple[dict[str, str], str | None]:
    """IP address -> MAC, from the switch's own ARP tables; and why one that was needed could not be read.

    The newer table is read where the older lacks one of the ``wanted`` addresses.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        explain(problem)
        problems.append(problem)

    rows = await optional_walk(device, NET_TO_MEDIA, note)
    # The index is ifIndex and the IPv4 address (RFC 4293).
    found = {".".join(map(str, suffix(oid, NET_TO_MEDIA)[-4:])): value for oid, value in rows.items()}
    known = _macs(found)
    if not set(wanted) <= known.keys():
        rows = await optional_walk(device, NET_TO_PHYSICAL, note)
        found = {address: value for oid, value in rows.items() if (address := _address(suffix(oid, NET_TO_PHYSICAL)))}
        known = _macs(found) | known
    return known, next(iter(problems), None)


def _macs(found: Mapping[str, Value]) -> dict[str, str]:
    return {address: known for address, value in found.items() if (known := mac(value)) is not None}


def _address(index: tuple[int, ...]) -> str | None:
    """The address in an index of ipNetToPhysicalTable: interface, type (RFC 4001), count of octets, octets."""
    octets = index[3:]
    if len(octets) not in {4, 16} or len(octets) != index[2] or max(octets) > 255:
        return None
    return str(ipaddress.ip_address(bytes(octets)))


async def _status(
    device: Device,
    entries: Mapping[str, tuple[str | None, Value]],
    wanted: set[str],
    port_column: str,
    status_column: str,
) -> dict[str, Value]:
    """Status of the wanted entries, by the OID of their port."""
    oids = {
        oid.replace(port_column, status_column, 1): oid for oid, (address, _) in entries.items() if address in wanted
    }
    return {oids[oid]: value for oid, value in (await snmp.get(device, list(oids))).items()}


def _mac_of(index: tuple[int, ...]) -> str | None:
    """The last six numbers of a row's index."""
    # Before the MAC stands nothing (RFC 4188) or the number of the filtering database (RFC 4363).
    octets = index[-6:]
    return bytes(octets).hex(":") if len(octets) == 6 and max(octets) < 256 else None


def _by_mac(entries: Iterable[tuple[str | None, Value]], ports: Mapping[int, int]) -> AddressTable:
    # Port 0: the address is known, but not where it was learned (RFC 4188, dot1dTpFdbPort).
    known = [(address, port) for address, port in entries if address and isinstance(port, int) and port > 0]
    if_index = _if_indexes({port for _, port in known}, ports)
    tied: dict[str, set[int]] = {}
    untied: dict[str, int] = {}
    for address, port in known:
        if port in if_index:
            tied.setdefault(address, set()).add(if_index[port])
        else:
            untied[address] = port
    return AddressTable(ports=tied, untied=untied)


def _if_indexes(used: Collection[int], ports: Mapping[int, int]) -> Mapping[int, int]:
    """Bridge port -> ifIndex, for the ``used`` ones.

    Without a table of bridge ports their numbers are taken for ifIndexes, as on switches that number both alike. Where
    no number of the address table is in it (TP-Link JetStream, librenms/librenms#19126), they count the ports.
    """
    if not ports:
        return {port: port for port in used}
    if used and not set(used) & set(ports) and max(used) <= len(ports):
        return dict(enumerate((ports[port] for port in sorted(ports)), 1))
    return ports
