"""Who stands at the other end of a cable, as it says itself: LLDP-MIB (IEEE 802.1AB-2005)."""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from agent import snmp
from agent.probes.switch.mib import optional_walk, suffix
from agent.probes.switch.names import Names
from agent.snmp import Device, Value
from classready.observation import clean_text

_LOC_PORT_ID, _LOC_PORT_DESC = "1.0.8802.1.1.2.1.3.7.1.3", "1.0.8802.1.1.2.1.3.7.1.4"
_REMOTE = "1.0.8802.1.1.2.1.4.1.1"
_SYS_NAME, _CAPABILITIES = f"{_REMOTE}.9", f"{_REMOTE}.12"

# LldpSystemCapabilitiesMap: bridge(2), router(4), telephone(5); bit 0 of BITS is the highest (RFC 2578, 7.1.4).
_BRIDGE_OR_ROUTER, _TELEPHONE = 0x20 | 0x08, 0x04
"""LldpSystemCapabilitiesMap, from the left: other, repeater, bridge, wlanAccessPoint, router, telephone."""
_MAP_MAX_BYTES = 4
_AS_TEXT = re.compile(rb"([0-9A-F]{2}) ([0-9A-F]{2} )*[0-9 ]*")


class Neighbour(Struct, frozen=True, kw_only=True):
    """``name`` is empty where the neighbour does not say. ``is_bridge``: it passes on the traffic of others."""

    name: str
    is_bridge: bool

    def __str__(self) -> str:
        return self.name or "without a name"


async def neighbours(
    device: Device, names: Names, base_ports: Mapping[int, int], explain: Callable[[str], None]
) -> dict[int, Neighbour]:
    """IfIndex -> neighbour; where a port has several, one that is a bridge comes first.

    Raises:
        SnmpError: as ``optional_walk``.
    """
    sys_names = await optional_walk(device, _SYS_NAME, explain)
    capabilities = await optional_walk(device, _CAPABILITIES, explain)
    rows = {suffix(oid, _SYS_NAME) for oid in sys_names} | {suffix(oid, _CAPABILITIES) for oid in capabilities}
    if not rows:
        return {}
    local = await _local_names(device, explain)
    found: dict[int, Neighbour] = {}
    for row in sorted(rows):
        # TimeMark, port, number of the neighbour; JetStream switches leave out the first.
        index = _if_index(row[-2], local, names, base_ports) if len(row) in {2, 3} else None
        if index is None:
            explain(f"an LLDP neighbour at {'.'.join(map(str, row))}, which is no port that the switch names")
            continue
        where = ".".join(map(str, row))
        neighbour = Neighbour(
            name=clean_text(snmp.text(sys_names.get(f"{_SYS_NAME}.{where}")) or ""),
            is_bridge=is_bridge(capabilities.get(f"{_CAPABILITIES}.{where}")),
        )
        if index not in found or (neighbour.is_bridge and not found[index].is_bridge):
            found[index] = neighbour
    return found


def is_bridge(capabilities: Value | None) -> bool:
    """Whether the enabled capabilities hold bridge or router; an access point that only is one does not count.

    Nor does a telephone, which bridges for the one computer behind it. The map has one or two octets, some switches
    pad it to four; something else is what net-snmp prints of it (``28 2 4``), as proxies pass it on.
    """
    if not isinstance(capabilities, bytes) or not capabilities:
        return False
    printed = _AS_TEXT.fullmatch(capabilities)
    if printed is None and len(capabilities) > _MAP_MAX_BYTES:
        return False
    enabled = int(printed[1], 16) if printed else capabilities[0]
    return bool(enabled & _BRIDGE_OR_ROUTER) and not enabled & _TELEPHONE


async def _local_names(device: Device, explain: Callable[[str], None]) -> dict[int, list[str]]:
    """LLDP's number of a port -> its lldpLocPortId and lldpLocPortDesc."""
    found: dict[int, list[str]] = {}
    for column in (_LOC_PORT_ID, _LOC_PORT_DESC):
        for oid, value in (await optional_walk(device, column, explain)).items():
            found.setdefault(suffix(oid, column)[-1], []).append(clean_text(snmp.text(value) or ""))
    return found


def _if_index(
    number: int, local: Mapping[int, Sequence[str]], names: Names, base_ports: Mapping[int, int]
) -> int | None:
    """By the port's name, else as the number of a bridge port, as the standard asks for, else as ifIndex."""
    named = (names.index(text) or names.like(text) for text in local.get(number, ()) if text)
    known = number if number in names.if_names or number in names.if_descrs else None
    return next((index for index in named if index is not None), None) or base_ports.get(number) or known
