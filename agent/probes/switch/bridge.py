"""Behind which port a device is: the address tables of Q-BRIDGE-MIB (RFC 4363) and BRIDGE-MIB (RFC 4188)."""

from collections.abc import Callable, Collection, Iterable, Mapping

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


async def fdb(device: Device, wanted: Iterable[str], ports: Mapping[int, int], explain: Explain) -> AddressTable:
    """Read who is behind which port.

    Of the ``wanted`` MACs, entries that have aged out, or are the switch itself, are left out. A table that could be
    read in part only is none: whether a port has one address or a hundred decides what it is.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        explain(problem)
        problems.append(f"the address table cannot be read: {problem}")

    for port_column, status_column in _TABLES:
        rows = await optional_walk(device, port_column, note)
        if problems:
            break
        entries = {oid: (_mac_of(suffix(oid, port_column)), value) for oid, value in rows.items()}
        if entries:
            status = await _status(device, entries, set(wanted), port_column, status_column)
            valid = [each for oid, each in entries.items() if status.get(oid) not in {_INVALID, _SELF}]
            return _by_mac(valid, ports)
    return AddressTable(problem=next(iter(problems), None))


async def arp(device: Device, explain: Explain) -> tuple[dict[str, str], str | None]:
    """IPv4 address -> MAC, from the switch's own ARP table; and why that could not be read.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    problems: list[str] = []
    rows = await optional_walk(device, NET_TO_MEDIA, problems.append)
    for problem in problems:
        explain(problem)
    found = ((".".join(oid.split(".")[-4:]), mac(value)) for oid, value in rows.items())
    return {address: known for address, known in found if known is not None}, next(iter(problems), None)


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


def _by_mac(entries: Iterable[tuple[str | None, Value]], ports: Mapping[int, int]) -> AddressTable:
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
