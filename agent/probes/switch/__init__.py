"""Ports of a managed switch: link, speed, duplex and counters of those with a classroom, and of the trunk before them.

``poll`` asks the switch: ``names`` finds the ports that the settings name, ``bridge`` and ``lldp`` read who is behind
which port, ``place`` decides from that, ``mib`` reads the ports that matter. Here observations are made of it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import asdict, replace

from agent.probes.contract import Context, Probe, patience_s
from agent.probes.switch.poll import Found, Memory, poll_switch
from agent.probes.switch.sightings import Sightings
from agent.probes.tools import Tools
from agent.snmp import SnmpError
from classready.observation import SWITCHES_MAX, Observation, Outcome, Port, Reason, Segment, clean_text
from classready.targets import SwitchTarget, deadline_s

RECOGNISED = "uplink"
"""What the trunk on the way out is called where the settings name none: the same whichever port it is today."""


def make(target: SwitchTarget, tools: Tools) -> Probe:
    """Switches of a session tell each other where a device was seen: it is told of once."""
    memory = Memory(tools.snmp.device(target.host, target.snmp), tools.share(_no_sightings))
    return Probe(
        target=target,
        observe=partial(observe, target, memory),
        unmeasured=partial(unmeasured, target, memory.sightings),
        deadline_s=deadline_s(target),
        trap_host=target.host,
    )


def _no_sightings(_tools: Tools) -> Sightings:
    return Sightings()


async def observe(target: SwitchTarget, memory: Memory, context: Context) -> Sequence[Observation]:
    """One ``Port`` per classroom and one ``Segment`` per trunk on the way."""
    context.explain(f"switch {target.name} at {memory.device}")
    try:
        async with asyncio.timeout(patience_s(target)):
            found = await poll_switch(target, memory, context)
    except TimeoutError:
        error = SnmpError(Reason.TIMEOUT, f"{memory.device}: not finished within {patience_s(target):g} s")
        return _all_failed(target, memory.sightings, error, context)
    except SnmpError as error:
        return _all_failed(target, memory.sightings, error, context)
    return [*_ports(target, found, context), *_devices(target, found, context), *_segments(target, found, context)]


def unmeasured(target: SwitchTarget, sightings: Sightings, reason: str, detail: str) -> Sequence[Observation]:
    return _everything(target, sightings, Outcome.UNMEASURED, Reason(reason), detail)


def _ports(target: SwitchTarget, found: Found, context: Context) -> Iterable[Observation]:
    for name, classroom in target.ports.items():
        index = found.names.indexes.get(name)
        if index is None:
            reason, detail = found.names.problems[name]
            context.explain(f"{name} -> {classroom}: {detail}")
            port = Port(classroom=classroom, switch=target.name, if_name=name)
            yield _failed(port, Outcome.UNMEASURED, reason, detail)
            continue
        context.explain(f"{name} -> ifIndex {index} -> {classroom}: {found.readings[index]}")
        port = Port(classroom=classroom, switch=target.name, if_name=found.names.if_names.get(index, name)[:64])
        yield _answered(port, index, found)


def _devices(target: SwitchTarget, found: Found, context: Context) -> Iterable[Observation]:
    for ref, there in found.devices.items():
        classroom = target.devices[ref]
        if there.index is None:
            context.explain(f"{ref} -> {classroom}: {there.detail}")
            port = Port(classroom=classroom, switch=target.name)
            yield _failed(port, Outcome.UNMEASURED, there.reason, there.detail or "")
            continue
        name = found.names.name(there.index)
        if not found.readings[there.index].exists:
            detail = f"it is on port {name} of the address table, which is none of the switch's interfaces"
            context.explain(f"{ref} -> {classroom}: {detail}")
            yield _failed(Port(classroom=classroom, switch=target.name), Outcome.UNMEASURED, Reason.NOT_FOUND, detail)
            continue
        context.explain(f"{ref} -> {name} -> {classroom}: {found.readings[there.index]}")
        yield _answered(
            Port(classroom=classroom, switch=target.name, if_name=name, detail=there.detail), there.index, found
        )


def _answered(port: Port, index: int, found: Found) -> Port:
    facts = asdict(found.readings[index])
    power = "power over Ethernet has failed on this port" if index in found.power_faults else None
    details = [text for text in (port.detail, facts.pop("doubt"), power) if text]
    return replace(port, outcome=Outcome.ANSWERED, detail=clean_text("; ".join(details)) if details else None, **facts)


def _segments(target: SwitchTarget, found: Found, context: Context) -> Iterable[Observation]:
    for name in target.trunks or ():
        index = found.names.indexes.get(name)
        if index is None:
            reason, detail = found.names.problems[name]
            context.explain(f"trunk {name}: {detail}")
            yield _failed(Segment(name=segment_name(target, name)), Outcome.UNMEASURED, reason, detail)
        else:
            yield _trunk(Segment(name=segment_name(target, name)), index, found, context)
    if found.way is not None:
        way = Segment(name=segment_name(target, RECOGNISED), switches=found.behind[:SWITCHES_MAX])
        yield _trunk(way, found.way, found, context)
    elif _has_only_a_way(target):
        way = Segment(name=segment_name(target, RECOGNISED))
        yield _failed(
            way, Outcome.UNMEASURED, Reason.NOT_FOUND, "the switch does not show which of its ports leads out"
        )


def _has_only_a_way(target: SwitchTarget) -> bool:
    """A core switch without rooms: nothing else tells that it was looked at."""
    return not (target.ports or target.devices or target.trunks)


def _trunk(segment: Segment, index: int, found: Found, context: Context) -> Segment:
    trunk, if_name = found.readings[index], found.names.name(index)
    behind = f", also the way of {', '.join(segment.switches)}" if segment.switches else ""
    context.explain(f"{segment.name} is {if_name}, ifIndex {index}: {trunk}{behind}")
    return replace(
        segment,
        if_name=if_name,
        outcome=Outcome.ANSWERED,
        detail=trunk.doubt,
        speed_bps=trunk.speed_bps,
        full_duplex=trunk.full_duplex,
        in_octets=trunk.in_octets,
        out_octets=trunk.out_octets,
    )


def segment_name(target: SwitchTarget, trunk: str) -> str:
    """``sw1:GE0/0/24``: two switches have ports of the same name. The end is what tells names apart."""
    return f"{target.name}:{clean_text(trunk)}"[-64:]


def _all_failed(
    target: SwitchTarget, sightings: Sightings, error: SnmpError, context: Context
) -> Sequence[Observation]:
    """Silence is a switch out of reach; one that answers wrongly is there, and only its ports are not known."""
    context.explain(error.detail)
    outcome = Outcome.NO_ANSWER if error.silent else Outcome.UNMEASURED
    return _everything(target, sightings, outcome, error.reason, error.detail)


def _everything(
    target: SwitchTarget, sightings: Sightings, outcome: Outcome, reason: Reason, detail: str
) -> Sequence[Observation]:
    """A device that was last seen on another switch is told of there."""
    bound = [Port(classroom=room, switch=target.name, if_name=name) for name, room in target.ports.items()]
    devices = [
        Port(classroom=room, switch=target.name, if_name=last.port if last else None)
        for ref, room in target.devices.items()
        if (last := sightings.last(ref)) is None or last.switch == target.name
    ]
    names = [RECOGNISED] if _has_only_a_way(target) else target.trunks or ()
    trunks = [Segment(name=segment_name(target, name)) for name in names]
    everything: list[Port | Segment] = [*bound, *devices, *trunks]
    return [_failed(each, outcome, reason, detail) for each in everything]


def _failed(observation: Port | Segment, outcome: Outcome, reason: Reason, detail: str) -> Observation:
    return replace(observation, outcome=outcome, reason=reason, detail=clean_text(detail))
