"""Behind which port a device is: the address tables of Q-BRIDGE-MIB (RFC 4363) and BRIDGE-MIB (RFC 4188)."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from agent import snmp
from agent.probes.switch.mib import mac, optional_walk, suffix
from agent.snmp import Device, Value

BASE_PORT_IF_INDEX = "1.3.6.1.2.1.17.1.4.1.2"
_TABLES = (
    ("1.3.6.1.2.1.17.7.1.2.2.1.2", "1.3.6.1.2.1.17.7.1.2.2.1.3"),
    ("1.3.6.1.2.1.17.4.3.1.2", "1.3.6.1.2.1.17.4.3.1.3"),
)
"""Port and status of dot1qTpFdbTable, whose index begins with the filtering database (mostly the VLAN), and of
dot1dTpFdbTable. The first that holds anything is taken: the second knows one database only."""
_INVALID, _SELF = 2, 4
NET_TO_MEDIA = "1.3.6.1.2.1.4.22.1.2"
"""ipNetToMediaPhysAddress (RFC 4293): the switch's own ARP table."""

Explain = Callable[[str], None]


async def base_ports(device: Device, explain: Explain) -> dict[int, int]:
    """Bridge port -> ifIndex, empty where the switch does not tell.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    rows = await optional_walk(device, BASE_PORT_IF_INDEX, explain)
    return {
        suffix(oid, BASE_PORT_IF_INDEX)[-1]: value for oid, value in rows.items() if isinstance(value, int) and value
    }


class AddressTable(Struct, frozen=True, kw_only=True):
    """MAC -> the ifIndexes it stands on: one, unless VLANs see it on several ports.

    ``problem``: why the switch's table could not be read, where it could not.
    """

    ports: Mapping[str, set[int]] = {}
    problem: str | None = None


async def fdb(device: Device, wanted: Iterable[str], ports: Mapping[int, int], explain: Explain) -> AddressTable:
    """Read who is behind which port.

    Of the ``wanted`` MACs, entries that have aged out, or are the switch itself, are left out. Without a table of
    bridge ports their numbers are taken for ifIndexes, as on switches that number both alike.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        explain(problem)
        problems.append(f"the address table cannot be read: {problem}")

    for port_column, status_column in _TABLES:
        rows = await optional_walk(device, port_column, note)
        entries = {oid: (_mac_of(suffix(oid, port_column)), value) for oid, value in rows.items()}
        if entries:
            status = await _status(device, entries, set(wanted), port_column, status_column)
            valid = (each for oid, each in entries.items() if status.get(oid) not in {_INVALID, _SELF})
            return AddressTable(ports=_by_mac(valid, ports))
    return AddressTable(problem=next(iter(problems), None))


async def arp(device: Device, explain: Explain) -> dict[str, str]:
    """IPv4 address -> MAC, from the switch's own ARP table.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    rows = await optional_walk(device, NET_TO_MEDIA, explain)
    found = ((".".join(oid.split(".")[-4:]), mac(value)) for oid, value in rows.items())
    return {address: known for address, known in found if known is not None}


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
    octets = index[-6:]
    return bytes(octets).hex(":") if len(octets) == 6 and max(octets) < 256 else None


def _by_mac(entries: Iterable[tuple[str | None, Value]], ports: Mapping[int, int]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for address, port in entries:
        if address is None or not isinstance(port, int) or port <= 0:
            continue
        index = ports.get(port) if ports else port
        if index is not None:
            found.setdefault(address, set()).add(index)
    return found
