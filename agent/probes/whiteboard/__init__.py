"""Is the classroom's device there and awake? By what it said over MQTT, by SNMP, by ICMP echo, or by ARP.

No answer leaves the state open: asleep and away are told apart by the collector, from the switch port. A firewall that
drops everything looks the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from agent import dial, network, snmp
from agent.probes.contract import Context, Probe, patience_s, settled
from agent.probes.icmp import Unanswered, echo, resolve
from agent.probes.tools import Tools
from agent.probes.whiteboard.panel import Heard
from agent.snmp import SnmpError, Value
from classready.observation import Device, Observation, Outcome, Reason, clean_text
from classready.targets import WhiteboardTarget, deadline_s
from classready.units import bps_to_mbps

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SYS_NAME = "1.3.6.1.2.1.1.5.0"
HR_SYSTEM_UPTIME = "1.3.6.1.2.1.25.1.1.0"
"""HOST-RESOURCES-MIB (RFC 2790): since the device started; sysUpTime counts from the start of its SNMP agent."""

IF_TYPE = "1.3.6.1.2.1.2.2.1.3"
IF_SPEED = "1.3.6.1.2.1.2.2.1.5"
IF_OPER_STATUS = "1.3.6.1.2.1.2.2.1.8"
IF_HIGH_SPEED = "1.3.6.1.2.1.31.1.1.1.15"
IF_CONNECTOR_PRESENT = "1.3.6.1.2.1.31.1.1.1.17"

_ETHERNET = {6, 62, 69, 117}
"""ethernetCsmacd, and the three deprecated IANAifTypes for faster ones that old agents still send."""

_OURS = {Reason.PERMISSION, Reason.TOOL_MISSING}
"""Reasons that lie with the gateway, not with the device."""

ICMP_TIMEOUT_S = 2.0
ICMP_COUNT = 2
ARP_VERIFIED_S = 9.0
"""Linux asks a neighbour again 5 s after something was sent to it, three times, a second apart, unless it was heard of
in the last 15 to 45 s (arp(7), ``base_reachable_time``): a device that has just gone may be told awake once more."""


LISTEN_S = 5.0
"""How long a single probe waits for what the school's broker tells."""

Hear = Callable[[], Heard]
"""What the device has said on the school's broker by now."""


class _Ways(Struct, frozen=True):
    """To ask it, beside ICMP and ARP. ``device``: who it is over SNMP; None = it speaks none."""

    hear: Hear
    device: snmp.Device | None


class _Silence(Struct, frozen=True):
    """One way of asking that brought nothing."""

    reason: Reason
    detail: str
    gone: bool = False
    """Its last will says that it left."""


def make(target: WhiteboardTarget, tools: Tools) -> Probe:
    """What it says over MQTT, one listener of the session hears, which is there only if something names it."""
    hear: Hear = deaf
    settle: Callable[[], Awaitable[None]] = settled
    if target.mqtt is not None:
        from agent.probes.whiteboard.hearing import (  # the MQTT library is imported only where it is needed
            heard_by,
            of_session,
        )

        hearing = tools.share(of_session, heard_by)
        if hearing is not None:
            hear = partial(hearing.hear, target)
            settle = partial(hearing.until_heard, target, LISTEN_S)
    device = tools.snmp.device(target.host, target.snmp) if target.snmp is not None else None
    return Probe(
        target=target,
        observe=partial(observe, target, _Ways(hear, device)),
        unmeasured=partial(unmeasured, target),
        deadline_s=deadline_s(target),
        trap_host=target.host,
        settle=settle,
    )


def deaf() -> Heard:
    """What is heard where nobody listens to a broker."""
    return Heard(detail="nobody listens to the school's broker (set broker)")


async def observe(target: WhiteboardTarget, ways: _Ways, context: Context) -> Sequence[Observation]:
    """One ``Device``."""
    if target.snmp is None and not target.icmp and target.mqtt is None:
        return unmeasured(target, Reason.NO_DATA, "neither mqtt nor snmp nor icmp is set for this device")
    patience = patience_s(target) - (ARP_VERIFIED_S if target.arp else 0)
    share_s = patience / (2 if target.snmp and target.icmp else 1)
    silences: list[_Silence] = []
    for ask in (partial(_by_mqtt, ways.hear), partial(_by_snmp, ways.device), _by_icmp, _by_arp):
        found = await ask(target, share_s, context)
        if isinstance(found, Device):
            return [found]
        if found:
            context.explain(found.detail)
            silences.append(found)
    return [_no_answer(target, silences)]


def unmeasured(target: WhiteboardTarget, reason: str, detail: str) -> Sequence[Observation]:
    return [
        Device(classroom=target.classroom, outcome=Outcome.UNMEASURED, reason=Reason(reason), detail=clean_text(detail))
    ]


async def _by_mqtt(hear: Hear, target: WhiteboardTarget, _share_s: float, context: Context) -> Device | _Silence | None:
    """What it said itself. Where its last will says that it is not connected, others may still see it."""
    if target.mqtt is None:
        return None
    heard = hear()
    if heard.state is None:
        return _Silence(Reason.UNREACHABLE if heard.gone else Reason.NO_DATA, heard.detail, gone=heard.gone)
    context.explain(f"over MQTT: {heard.state}, {heard.facts}")
    return Device(
        classroom=target.classroom,
        outcome=Outcome.ANSWERED,
        state=heard.state,
        seen_by="mqtt",
        nic_speed_bps=heard.nic_speed_bps,
        facts=heard.facts or None,
    )


async def _by_snmp(
    device: snmp.Device | None, target: WhiteboardTarget, share_s: float, context: Context
) -> Device | _Silence | None:
    """A device that refuses us is awake, too."""
    if device is None:
        return None
    context.explain(f"asking {device}")
    until = asyncio.get_running_loop().time() + share_s
    try:
        async with asyncio.timeout_at(until):
            system = await snmp.get(device, [SYS_UP_TIME, SYS_NAME, SYS_DESCR, HR_SYSTEM_UPTIME])
    except TimeoutError:
        return _Silence(Reason.TIMEOUT, f"no SNMP answer within {share_s:g} s")
    except SnmpError as error:
        # Whoever refuses us has answered: that is as good a sign of life as a value.
        if error.reason not in {Reason.AUTH_FAILED, Reason.PROTOCOL}:
            return _Silence(error.reason, error.detail)
        context.explain(error.detail)
        return _awake(target, "snmp", reason=error.reason, detail=clean_text(error.detail))
    nic_speed_bps = await _nic_speed_bps(device, until, context)
    facts = _facts(system) | await _vendor_facts(target, device, until, context)
    context.explain(f"awake: {facts}")
    return _awake(target, "snmp", nic_speed_bps=nic_speed_bps, facts=facts or None)


async def _by_icmp(target: WhiteboardTarget, share_s: float, context: Context) -> Device | _Silence | None:
    if not target.icmp:
        return None
    timeout_s = min(ICMP_TIMEOUT_S, share_s / 2)
    context.explain(f"asking {target.host} by ICMP echo, {ICMP_COUNT} x {timeout_s:g} s")
    pace = {"interval_s": timeout_s / 2, "timeout_s": timeout_s}
    try:
        echoes = await echo(target.host, count=ICMP_COUNT, patience_s=share_s, **pace)
    except Unanswered as error:
        return _Silence(error.reason, error.detail)
    if not echoes.rtts_s:
        others = f" ({echoes.others})" if echoes.others else ""
        return _Silence(Reason.TIMEOUT, f"no answer to {echoes.sent_count} ICMP echoes{others}")
    context.explain("awake: it answers ICMP echo")
    return _awake(target, "icmp")


async def _by_arp(target: WhiteboardTarget, share_s: float, context: Context) -> Device | _Silence | None:
    """The echoes before made the kernel verify its ARP entry, which is gone by now unless the device has answered."""
    if not target.arp:
        return None
    context.explain(f"waiting {ARP_VERIFIED_S:g} s for the kernel to verify its ARP entry")
    await asyncio.sleep(ARP_VERIFIED_S)
    try:
        addresses = {dial.shown(address) for address in await resolve(target.host, share_s)}
    except Unanswered as error:
        return _Silence(error.reason, error.detail)
    if not addresses & set(await asyncio.to_thread(network.arp)):
        return _Silence(Reason.TIMEOUT, "no answer to ARP")
    context.explain("awake: it answers ARP")
    return _awake(target, "arp")


async def _nic_speed_bps(device: snmp.Device, until: float, context: Context) -> int | None:
    try:
        async with asyncio.timeout_at(until):
            types = await snmp.walk(device, IF_TYPE)
            indexes = [oid.removeprefix(f"{IF_TYPE}.") for oid, kind in types.items() if kind in _ETHERNET]
            columns = (IF_OPER_STATUS, IF_CONNECTOR_PRESENT, IF_HIGH_SPEED, IF_SPEED)
            values = await snmp.get(device, [f"{column}.{index}" for index in indexes for column in columns])
    except (TimeoutError, SnmpError) as error:
        context.explain(f"speed of its network card unknown: {error}")
        return None
    return _agreed_speed_bps(values, indexes, context)


def _agreed_speed_bps(values: Mapping[str, Value], indexes: Sequence[str], context: Context) -> int | None:
    """The speed of the sockets in use; None where they differ: which of them leads to the switch is not known."""
    in_use = [i for i in indexes if values.get(f"{IF_OPER_STATUS}.{i}") == 1]
    # ifConnectorPresent false(2): a bridge, tunnel or virtual card, whose speed no cable has (RFC 2863).
    physical = [i for i in in_use if values.get(f"{IF_CONNECTOR_PRESENT}.{i}") != 2]
    speeds_bps = {speed for i in physical if (speed := _speed_bps(values, i))}
    told = ", ".join(f"{bps_to_mbps(speed):g} Mbit/s" for speed in sorted(speeds_bps)) or "no speed"
    context.explain(f"{len(physical)} Ethernet sockets in use: {told}")
    return speeds_bps.pop() if len(speeds_bps) == 1 else None


def _speed_bps(values: Mapping[str, Value], index: str) -> int | None:
    """Of an Ethernet card; one that cannot be is not known."""
    high_mbps = snmp.integer(values.get(f"{IF_HIGH_SPEED}.{index}"))
    speed_bps = snmp.speed_bps(high_mbps, snmp.integer(values.get(f"{IF_SPEED}.{index}")))
    return speed_bps if speed_bps and snmp.is_ethernet_speed(speed_bps, high_mbps) else None


def _facts(system: Mapping[str, Value]) -> dict[str, str]:
    up_times = (snmp.integer(system.get(oid)) for oid in (HR_SYSTEM_UPTIME, SYS_UP_TIME))
    up_time = next((ticks for ticks in up_times if ticks is not None), None)
    facts = {
        "name": _shown(system.get(SYS_NAME)),
        "description": _shown(system.get(SYS_DESCR)),
        # TimeTicks are hundredths of a second (RFC 2578, 7.1.8).
        "uptime_s": "" if up_time is None else str(up_time // 100),
    }
    return {key: fact for key, fact in facts.items() if fact}


async def _vendor_facts(
    target: WhiteboardTarget, device: snmp.Device, until: float, context: Context
) -> dict[str, str]:
    """Ask for them apart: what its vendor got wrong costs only these facts."""
    if not target.oids:
        return {}
    try:
        async with asyncio.timeout_at(until):
            values = await snmp.get(device, list(target.oids.values()))
    except (TimeoutError, SnmpError) as error:
        context.explain(f"vendor facts unknown: {error}")
        return {}
    return {name: fact for name, oid in target.oids.items() if (fact := _shown(values.get(oid)))}


def _shown(value: Value | None) -> str:
    """A value as people read it, empty where there is none."""
    return clean_text(snmp.text(value) or "" if isinstance(value, bytes) else "" if value is None else str(value))


def _awake(target: WhiteboardTarget, seen_by: Literal["snmp", "icmp", "arp"], **known: Any) -> Device:
    return Device(classroom=target.classroom, outcome=Outcome.ANSWERED, state="awake", seen_by=seen_by, **known)


def _no_answer(target: WhiteboardTarget, silences: Sequence[_Silence]) -> Device:
    """What we may not ask, we do not know: then silence on the other way proves nothing. Nor does an empty broker.

    A device whose last will says that it left, and which nobody else sees, is away as far as we know.
    """
    refused = next((s for s in silences if s.reason in _OURS), None)
    chosen = refused or silences[-1]
    unknown = refused or chosen.reason is Reason.NO_DATA
    return Device(
        classroom=target.classroom,
        outcome=Outcome.UNMEASURED if unknown else Outcome.NO_ANSWER,
        state="away" if not unknown and any(s.gone for s in silences) else None,
        reason=chosen.reason,
        detail=clean_text("; ".join(s.detail for s in silences)),
    )
