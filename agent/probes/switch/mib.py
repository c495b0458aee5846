"""What a switch says of its ports: IF-MIB (RFC 2863), EtherLike-MIB (RFC 3635), POWER-ETHERNET-MIB (RFC 3621)."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from agent import snmp
from agent.snmp import Device, SnmpError, Value
from classready.ids import canonical_mac
from classready.observation import Reason, clean_text
from classready.units import MBIT, bps_to_mbps

_IF_ENTRY = "1.3.6.1.2.1.2.2.1"
_IFX_ENTRY = "1.3.6.1.2.1.31.1.1.1"
_DOT3_ENTRY = "1.3.6.1.2.1.10.7.2.1"

IF_NAME = f"{_IFX_ENTRY}.1"
IF_ALIAS = f"{_IFX_ENTRY}.18"
IF_DESCR = f"{_IF_ENTRY}.2"
NAMES = {"ifName": IF_NAME, "ifAlias": IF_ALIAS, "ifDescr": IF_DESCR}
"""Columns in which a bound name is looked for, the first that has it wins."""

IF_TYPE = f"{_IF_ENTRY}.3"
IF_SPEED = f"{_IF_ENTRY}.5"
IF_ADMIN_STATUS = f"{_IF_ENTRY}.7"
IF_OPER_STATUS = f"{_IF_ENTRY}.8"
IF_IN_OCTETS = f"{_IF_ENTRY}.10"
IF_IN_ERRORS = f"{_IF_ENTRY}.14"
IF_OUT_OCTETS = f"{_IF_ENTRY}.16"
IF_OUT_ERRORS = f"{_IF_ENTRY}.20"
IF_HC_IN_OCTETS = f"{_IFX_ENTRY}.6"
IF_HC_OUT_OCTETS = f"{_IFX_ENTRY}.10"
IF_HIGH_SPEED = f"{_IFX_ENTRY}.15"
DOT3_ALIGNMENT_ERRORS = f"{_DOT3_ENTRY}.2"
DOT3_FCS_ERRORS = f"{_DOT3_ENTRY}.3"
DOT3_LATE_COLLISIONS = f"{_DOT3_ENTRY}.8"
DOT3_DUPLEX_STATUS = f"{_DOT3_ENTRY}.19"
PSE_DETECTION_STATUS = "1.3.6.1.2.1.105.1.1.1.6"

LINK = (IF_ADMIN_STATUS, IF_OPER_STATUS, IF_HIGH_SPEED, DOT3_DUPLEX_STATUS)
HC_OCTETS = (IF_HC_IN_OCTETS, IF_HC_OUT_OCTETS)
OCTETS = (IF_IN_OCTETS, IF_OUT_OCTETS)
ERRORS = (IF_IN_ERRORS, IF_OUT_ERRORS, DOT3_FCS_ERRORS, DOT3_ALIGNMENT_ERRORS, DOT3_LATE_COLLISIONS)
_COLUMNS = (*LINK, IF_TYPE, IF_SPEED, *HC_OCTETS, *OCTETS, *ERRORS)

_ETHERNET = {6, 62, 69, 117}
"""ethernetCsmacd, and the three deprecated IANAifTypes for faster ones that old switches still send."""
_PSE_FAULTS = {4, 6}
"""fault and otherFault."""
_COUNT_MAX = 2**63 - 1
"""What the wire can carry; a counter beyond it is a broken device's."""


_STATES = {True: "up", False: "down", None: "state unknown"}
_DUPLEXES = {True: "full duplex", False: "half duplex", None: "duplex unknown"}


class ChangedError(Exception):
    """The switch is not as it was found before; the text says how, for people."""


class Reading(Struct, frozen=True, kw_only=True):
    """One port of the switch, None where the switch does not say."""

    admin_up: bool | None
    oper_up: bool | None
    speed_bps: int | None
    full_duplex: bool | None
    in_octets: int | None
    out_octets: int | None
    in_error_count: int | None
    out_error_count: int | None
    fcs_error_count: int | None
    alignment_error_count: int | None
    late_collision_count: int | None
    doubt: str | None = None
    """What it says that cannot be, and so is not known."""

    def __str__(self) -> str:
        if self.oper_up is False:
            return _STATES[False]
        speed = f"{bps_to_mbps(self.speed_bps):g} Mbit/s" if self.speed_bps else "speed unknown"
        doubt = f" ({self.doubt})" if self.doubt else ""
        return f"{_STATES[self.oper_up]}, {speed}, {_DUPLEXES[self.full_duplex]}{doubt}"

    @property
    def exists(self) -> bool:
        """Whether the switch says anything of it in ifTable."""
        return (self.admin_up, self.oper_up, self.speed_bps, self.doubt) != (None, None, None, None)


async def read(
    device: Device, indexes: Sequence[int], *, with_errors: bool, names: Mapping[str, str] | None = None
) -> dict[int, Reading]:
    """Read the ports with these ifIndexes. ``names``: cells of the tables of names -> what they must hold.

    Raises:
        SnmpError: as ``snmp.get``.
        ChangedError: one of the ``names`` is another one.
    """
    names = names or {}
    columns = LINK + HC_OCTETS + (ERRORS if with_errors else ())
    wanted: list[str] = []
    for index in indexes:  # names, which are longer, between numbers: answers of even size
        wanted += [cell for column in NAMES.values() if (cell := f"{column}.{index}") in names]
        wanted += [_cells(index)[column] for column in columns]
    values = await snmp.get(device, wanted)
    for cell, name in names.items():
        if plain_name(values.get(cell)) != name:
            raise ChangedError(f"what was {name} has another name now")
    found = {index: reading(values, index) for index in indexes}
    open_questions = {index: oids for index, seen in found.items() if (oids := _unanswered(values, index, seen))}
    if open_questions:
        values |= await snmp.get(device, [oid for oids in open_questions.values() for oid in oids])
        found |= {index: reading(values, index) for index in open_questions}
    return found


def _unanswered(values: Mapping[str, Value], index: int, seen: Reading) -> list[str]:
    """What older objects may answer: the speed, and octets where the 64 bit counters are missing or stand still at 0.

    A speed beyond what ifSpeed can hold is asked of both. RFC 2863, 3.1.6: the 32 bit counters are the lower half of
    the others; some D-Link switches count in those only.
    """
    cells = _cells(index)
    told = seen.oper_up is False or 0 < (seen.speed_bps or 0) <= snmp.IF_SPEED_MAX_BPS
    oids = [] if told else [cells[IF_SPEED], cells[IF_TYPE]]
    if not all(values.get(cells[column]) for column in HC_OCTETS):
        oids += [cells[column] for column in OCTETS]
    return oids


@functools.lru_cache(maxsize=1_024)
def _cells(index: int) -> dict[str, str]:
    """Column -> OID of its cell: the same at every poll."""
    return {column: f"{column}.{index}" for column in _COLUMNS}


def plain_name(value: Value | None) -> str:
    """A name on one line and without control characters, empty where there is none."""
    return clean_text(snmp.text(value) or "")


def reading(values: Mapping[str, Value], index: int) -> Reading:
    """Interpret what a switch says of one port; a value of the wrong type is one it did not say.

    Without a link nothing is negotiated: what switches show then is the last speed, the slowest, or the fastest.
    """
    cells = _cells(index)

    def number(column: str) -> int | None:
        value = values.get(cells[column])
        return value if isinstance(value, int) and 0 <= value <= _COUNT_MAX else None

    oper_up = _up(number(IF_OPER_STATUS))
    speed_bps, full_duplex, doubt = None, None, None
    if oper_up is not False:
        high_mbps = number(IF_HIGH_SPEED)
        speed_bps = snmp.speed_bps(high_mbps, number(IF_SPEED))
        # dot3StatsDuplexStatus (RFC 3635): unknown(1), halfDuplex(2), fullDuplex(3).
        full_duplex = {2: False, 3: True}.get(number(DOT3_DUPLEX_STATUS) or 0)
        if doubt := _doubt(speed_bps, high_mbps, full_duplex, number(IF_TYPE)):
            speed_bps, full_duplex = None, None
    return Reading(
        admin_up=_up(number(IF_ADMIN_STATUS)),
        oper_up=oper_up,
        speed_bps=speed_bps,
        full_duplex=full_duplex,
        doubt=doubt,
        in_octets=_octets(number(IF_HC_IN_OCTETS), number(IF_IN_OCTETS)),
        out_octets=_octets(number(IF_HC_OUT_OCTETS), number(IF_OUT_OCTETS)),
        in_error_count=number(IF_IN_ERRORS),
        out_error_count=number(IF_OUT_ERRORS),
        fcs_error_count=number(DOT3_FCS_ERRORS),
        alignment_error_count=number(DOT3_ALIGNMENT_ERRORS),
        late_collision_count=number(DOT3_LATE_COLLISIONS),
    )


def _doubt(
    speed_bps: int | None,
    high_mbps: int | None,
    full_duplex: bool | None,  # noqa: FBT001
    if_type: int | None,
) -> str | None:
    """Why what a port says of its link cannot be; None where it can.

    Above 1 Gbit/s there is no half duplex (IEEE 802.3ae).
    """
    ethernet = if_type is None or if_type in _ETHERNET
    if speed_bps and ethernet and not snmp.is_ethernet_speed(speed_bps, high_mbps):
        return f"ifSpeed {speed_bps} is no speed of an Ethernet port: it is not in bit/s"
    if speed_bps and speed_bps > 1_000 * MBIT and full_duplex is False:
        return f"half duplex at {bps_to_mbps(speed_bps):g} Mbit/s cannot be"
    return None


def _octets(wide: int | None, narrow: int | None) -> int | None:
    # Counters of 32 bits wrap after 34 s at 1 Gbit/s, so the wide ones come first; but some switches leave those at 0.
    return narrow if wide is None or (wide == 0 and narrow) else wide


def _up(status: int | None) -> bool | None:
    """IF-MIB: 1 is up, 4 (operational only) unknown; testing, dormant, notPresent, lowerLayerDown carry no traffic."""
    if status is None or status == 4 or not 1 <= status <= 7:
        return None
    return status == 1


async def bundles(device: Device, indexes: Iterable[int]) -> frozenset[int]:
    """Those of ``indexes`` that are no Ethernet ports but aggregations of them, VLANs, radios: no cable ends there.

    Raises:
        SnmpError: as ``snmp.get``.
    """
    types = await snmp.get(device, [f"{IF_TYPE}.{index}" for index in sorted(indexes)])
    others = (oid for oid, kind in types.items() if isinstance(kind, int) and kind not in _ETHERNET)
    return frozenset(suffix(oid, IF_TYPE)[-1] for oid in others)


async def power_faults(device: Device, explain: Callable[[str], None]) -> frozenset[int]:
    """Bridge ports whose power over Ethernet has failed.

    RFC 3621 numbers ports within a group and says no more; where there is just one group, the switches that have the
    table count them as their bridge ports. With more groups nothing is told.
    """
    try:
        rows = await snmp.walk(device, PSE_DETECTION_STATUS)
    except SnmpError as error:  # ports were read before: whatever it is, it costs only this
        explain(f"power over Ethernet: {error.detail}")
        return frozenset()
    ports = [tuple(map(int, oid.split(".")[-2:])) for oid in rows]
    if len({group for group, _ in ports}) != 1:
        return frozenset()
    return frozenset(port for (_, port), status in zip(ports, rows.values(), strict=True) if status in _PSE_FAULTS)


async def optional_walk(device: Device, base: str, explain: Callable[[str], None]) -> dict[str, Value]:
    """Walk a table that costs only what rests on it; empty where the switch answers wrongly.

    Raises:
        SnmpError: there was no answer at all, or we are not let in.
    """
    try:
        return await snmp.walk(device, base)
    except SnmpError as error:
        if error.reason is not Reason.PROTOCOL:
            raise
        explain(f"{base}: {error.detail}")
        return {}


def mac(value: Value | None) -> str | None:
    """A MAC address in lower case with colons; None for anything else. Some agents send its text for its octets."""
    if isinstance(value, bytes) and len(value) == 6:
        return value.hex(":")
    return canonical_mac(snmp.text(value) or "")


def suffix(oid: str, base: str) -> tuple[int, ...]:
    """The index of a table's row."""
    return tuple(map(int, oid.removeprefix(f"{base}.").split(".")))
