"""Ports of a managed switch: link, speed, duplex, counters, by IF-MIB (RFC 2863) and EtherLike-MIB (RFC 3635)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from agent import snmp
from agent.probes.contract import Context, patience_s
from agent.settings import SwitchTarget
from agent.snmp import SnmpError, Value
from classready.observation import Observation, Outcome, Port, Reason, Segment, clean_text
from classready.units import MBIT, bps_to_mbps

_IF_ENTRY = "1.3.6.1.2.1.2.2.1"
_IFX_ENTRY = "1.3.6.1.2.1.31.1.1.1"
_DOT3_ENTRY = "1.3.6.1.2.1.10.7.2.1"

IF_NAME = f"{_IFX_ENTRY}.1"
IF_ALIAS = f"{_IFX_ENTRY}.18"
IF_DESCR = f"{_IF_ENTRY}.2"
NAMES = {"ifName": IF_NAME, "ifAlias": IF_ALIAS, "ifDescr": IF_DESCR}
"""Columns in which a bound name is looked for, the first that has it wins."""

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

LINK = (IF_ADMIN_STATUS, IF_OPER_STATUS, IF_SPEED, IF_HIGH_SPEED, DOT3_DUPLEX_STATUS)
HC_OCTETS = (IF_HC_IN_OCTETS, IF_HC_OUT_OCTETS)
OCTETS = (IF_IN_OCTETS, IF_OUT_OCTETS)
ERRORS = (IF_IN_ERRORS, IF_OUT_ERRORS, DOT3_FCS_ERRORS, DOT3_ALIGNMENT_ERRORS, DOT3_LATE_COLLISIONS)

_COUNT_MAX = 2**63 - 1
"""What the wire can carry; a counter beyond it is a broken device's."""


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

    def __str__(self) -> str:
        state = {True: "up", False: "down", None: "state unknown"}[self.oper_up]
        speed = f"{bps_to_mbps(self.speed_bps):g} Mbit/s" if self.speed_bps else "speed unknown"
        duplex = {True: "full duplex", False: "half duplex", None: "duplex unknown"}[self.full_duplex]
        return f"{state}, {speed}, {duplex}"


class _Found(Struct, frozen=True):
    """Where bound names stand: ifIndex of each, or why there is none; and each port's own ifName."""

    indexes: dict[str, int]
    problems: dict[str, tuple[Reason, str]]
    if_names: dict[int, str]


async def probe(target: SwitchTarget, context: Context) -> Sequence[Observation]:
    """One ``Port`` per bound classroom and one ``Segment`` per trunk."""
    device = snmp.Device(host=target.host, settings=target.snmp)
    context.explain(f"switch {target.name} at {device}")
    try:
        async with asyncio.timeout(patience_s(target)):
            found = await _find(device, [*target.ports, *target.trunks], context)
            readings = await _read(device, sorted(set(found.indexes.values())), with_errors=bool(target.ports))
    except TimeoutError:
        error = SnmpError(Reason.TIMEOUT, f"{device}: not finished within {patience_s(target):g} s")
        return _all_failed(target, error, context)
    except SnmpError as error:
        return _all_failed(target, error, context)
    return [*_ports(target, found, readings, context), *_segments(target, found, readings, context)]


def unmeasured(target: SwitchTarget, reason: str, detail: str) -> Sequence[Observation]:
    return _everything(target, Outcome.UNMEASURED, Reason(reason), detail)


async def _find(device: snmp.Device, names: Iterable[str], context: Context) -> _Found:
    """Look each name up anew: ifIndex may move whenever a switch restarts."""
    missing = set(names)
    found = _Found({}, {}, {})
    complaint: tuple[Reason, str] | None = None
    for label, column in NAMES.items():
        try:
            rows = await _names(device, column)
        except SnmpError as error:
            if error.reason is not Reason.PROTOCOL:
                raise
            context.explain(f"{label}: {error.detail}")
            complaint = complaint or (error.reason, f"{label}: {error.detail}")
            continue
        context.explain(f"{label}: {len(rows)} rows")
        if column == IF_NAME:
            found.if_names.update(rows)
        missing -= _look_up(missing, rows, label, found)
        if not missing:
            return found
    for name in missing:
        found.problems[name] = complaint or (Reason.NOT_FOUND, f"no port is called {name!r} (ifName, ifAlias, ifDescr)")
    return found


def _look_up(names: Iterable[str], rows: Mapping[int, str], label: str, found: _Found) -> set[str]:
    """Enter what ``rows`` knows of ``names`` into ``found``; return those."""
    settled = set()
    for name in names:
        indexes = [index for index, text in rows.items() if text == clean_text(name)]
        if len(indexes) == 1:
            found.indexes[name] = indexes[0]
        elif indexes:
            found.problems[name] = Reason.NOT_FOUND, f"{len(indexes)} ports have the {label} {name!r}"
        if indexes:
            settled.add(name)
    return settled


async def _names(device: snmp.Device, column: str) -> dict[int, str]:
    """ifIndex -> name, on one line and without control characters, where the switch has one."""
    rows = await snmp.walk(device, column)
    named = ((oid.removeprefix(f"{column}."), clean_text(snmp.text(value) or "")) for oid, value in rows.items())
    return {int(index): name for index, name in named if name and index.isdigit()}


async def _read(device: snmp.Device, indexes: Sequence[int], *, with_errors: bool) -> dict[int, Reading]:
    columns = LINK + HC_OCTETS + (ERRORS if with_errors else ())
    values = await snmp.get(device, [f"{column}.{index}" for index in indexes for column in columns])
    narrow = [index for index in indexes if not all(f"{column}.{index}" in values for column in HC_OCTETS)]
    values |= await snmp.get(device, [f"{column}.{index}" for index in narrow for column in OCTETS])
    return {index: reading(values, index) for index in indexes}


def reading(values: Mapping[str, Value], index: int) -> Reading:
    """Interpret what a switch says of one port; a value of the wrong type is one it did not say."""

    def number(column: str) -> int | None:
        value = snmp.integer(values.get(f"{column}.{index}"))
        return value if value is not None and value <= _COUNT_MAX else None

    def first(*columns: str) -> int | None:
        return next((value for column in columns if (value := number(column)) is not None), None)

    return Reading(
        admin_up=_up(number(IF_ADMIN_STATUS)),
        oper_up=_up(number(IF_OPER_STATUS)),
        speed_bps=_speed_bps(number(IF_HIGH_SPEED), number(IF_SPEED)),
        full_duplex={2: False, 3: True}.get(number(DOT3_DUPLEX_STATUS) or 0),
        in_octets=first(IF_HC_IN_OCTETS, IF_IN_OCTETS),
        out_octets=first(IF_HC_OUT_OCTETS, IF_OUT_OCTETS),
        in_error_count=number(IF_IN_ERRORS),
        out_error_count=number(IF_OUT_ERRORS),
        fcs_error_count=number(DOT3_FCS_ERRORS),
        alignment_error_count=number(DOT3_ALIGNMENT_ERRORS),
        late_collision_count=number(DOT3_LATE_COLLISIONS),
    )


def _up(status: int | None) -> bool | None:
    """IF-MIB: 1 is up, 4 (operational only) unknown; testing, dormant, notPresent, lowerLayerDown carry no traffic."""
    if status is None or status == 4 or not 1 <= status <= 7:
        return None
    return status == 1


def _speed_bps(high_mbps: int | None, low_bps: int | None) -> int | None:
    """ifHighSpeed in Mbit/s, else ifSpeed, whose largest value 2^32 - 1 means "at least". 0 is a port that has none."""
    if high_mbps and high_mbps * MBIT <= _COUNT_MAX:
        return high_mbps * MBIT
    return low_bps or None


def _ports(
    target: SwitchTarget, found: _Found, readings: Mapping[int, Reading], context: Context
) -> Iterable[Observation]:
    for name, classroom in target.ports.items():
        index = found.indexes.get(name)
        if index is None:
            reason, detail = found.problems[name]
            context.explain(f"{name} -> {classroom}: {detail}")
            yield _port(target, name, Outcome.UNMEASURED, reason, detail)
            continue
        context.explain(f"{name} -> ifIndex {index} -> {classroom}: {readings[index]}")
        yield Port(
            classroom=classroom,
            switch=target.name,
            if_name=found.if_names.get(index, name)[:64],
            outcome=Outcome.ANSWERED,
            **{field: getattr(readings[index], field) for field in Reading.__struct_fields__},
        )


def _segments(
    target: SwitchTarget, found: _Found, readings: Mapping[int, Reading], context: Context
) -> Iterable[Observation]:
    for name in target.trunks:
        index = found.indexes.get(name)
        if index is None:
            reason, detail = found.problems[name]
            context.explain(f"trunk {name}: {detail}")
            yield _segment(target, name, Outcome.UNMEASURED, reason, detail)
            continue
        trunk = readings[index]
        context.explain(f"trunk {name} -> ifIndex {index}: {trunk}")
        yield Segment(
            name=segment_name(target, name),
            outcome=Outcome.ANSWERED,
            speed_bps=trunk.speed_bps,
            full_duplex=trunk.full_duplex,
            in_octets=trunk.in_octets,
            out_octets=trunk.out_octets,
        )


def segment_name(target: SwitchTarget, trunk: str) -> str:
    """``sw1:GE0/0/24``: two switches have ports of the same name. The end is what tells names apart."""
    return f"{target.name}:{clean_text(trunk)}"[-64:]


def _all_failed(target: SwitchTarget, error: SnmpError, context: Context) -> Sequence[Observation]:
    """Silence is a switch out of reach; one that answers wrongly is there, and only its ports are not known."""
    context.explain(error.detail)
    outcome = Outcome.NO_ANSWER if error.silent else Outcome.UNMEASURED
    return _everything(target, outcome, error.reason, error.detail)


def _everything(target: SwitchTarget, outcome: Outcome, reason: Reason, detail: str) -> Sequence[Observation]:
    ports = [_port(target, name, outcome, reason, detail) for name in target.ports]
    return [*ports, *(_segment(target, name, outcome, reason, detail) for name in target.trunks)]


def _port(target: SwitchTarget, name: str, outcome: Outcome, reason: Reason, detail: str) -> Port:
    return Port(
        classroom=target.ports[name],
        switch=target.name,
        if_name=name,
        outcome=outcome,
        reason=reason,
        detail=clean_text(detail),
    )


def _segment(target: SwitchTarget, name: str, outcome: Outcome, reason: Reason, detail: str) -> Segment:
    return Segment(name=segment_name(target, name), outcome=outcome, reason=reason, detail=clean_text(detail))
