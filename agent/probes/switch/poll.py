"""One poll of a switch: names, who is behind which port, and the ports that matter."""

import asyncio
import time
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent import network
from agent.probes.contract import Context, patience_s
from agent.probes.switch import bridge, lldp, mib, names, place
from agent.probes.switch.mib import Reading
from agent.probes.switch.names import Names
from agent.probes.switch.place import Asked, Place, Sighting, View
from agent.probes.switch.sightings import Sightings, key
from agent.snmp import Device, SnmpError
from classready.ids import canonical_mac
from classready.observation import Reason
from classready.targets import SwitchTarget

KNOWN_FOR_S = 600.0
"""For so long names are not searched for, only looked at where they were: ifIndex may move whenever a switch restarts.
The search finds out, too, when a second port was given the same description. And for so long the way out is known,
unless devices are to be found: old switches need long for their address tables."""


class Known(Struct, frozen=True, kw_only=True):
    """What earlier polls found out, ``found_s`` on a clock that never steps. ``view`` None: nobody has looked since."""

    found_s: float
    names: Names
    view: View | None = None


class Memory:
    """What a probe keeps of its switch from poll to poll; ``sightings`` are those of all switches of the session."""

    def __init__(self, device: Device, sightings: Sightings) -> None:
        self.device, self.sightings = device, sightings
        self.known: Known | None = None
        """None: search for everything."""


class Found(Struct, frozen=True, kw_only=True):
    """All that one poll found out. ``devices``: those that this switch has to tell of."""

    names: Names
    devices: Mapping[str, Place]
    way: int | None
    """The recognised trunk on the way out."""
    behind: tuple[str, ...]
    """Other switches whose rooms use it, too."""
    readings: Mapping[int, Reading]
    power_faults: frozenset[int]
    """ifIndexes whose power over Ethernet has failed."""


async def poll_switch(target: SwitchTarget, memory: Memory, context: Context) -> Found:
    """Ask the switch for all that ``target`` needs.

    Raises:
        SnmpError: it did not answer, refused us, or answers nothing that can be read.
    """
    device = memory.device
    bound, now_s = (*target.ports, *(target.trunks or ())), time.monotonic()
    known, memory.known = memory.known, None
    if known is not None and now_s - known.found_s < KNOWN_FOR_S:
        try:
            found, view = await _poll(target, memory, known, context, check=True)
        except mib.ChangedError as error:
            context.explain(str(error))
        else:
            memory.known = replace(known, view=view)
            return found
    named = await names.find(device, bound, context.explain)
    known = Known(found_s=now_s, names=named)
    found, _ = await _poll(target, memory, known, context, check=False)
    # A name that was not found may be given to a port any minute: it is searched for at the next poll.
    if not named.problems:
        # Without the view: the first look may come before this machine has spoken to the other switches.
        memory.known = known
    return found


async def _poll(
    target: SwitchTarget, memory: Memory, known: Known, context: Context, *, check: bool
) -> tuple[Found, View]:
    """``check``: whether everything still is as it is known.

    Raises:
        SnmpError: as ``poll_switch``.
        ChangedError: it is not.
    """
    device, named, view = memory.device, known.names, known.view
    if view is None or target.devices:
        view = await _view(target, device, named, context)
    devices, sightings = _places(target, view, memory.sightings, context)
    placed = {there.index for there in devices.values()} | {view.way}
    indexes = sorted({*named.indexes.values(), *(index for index in placed if index is not None)})
    readings = await mib.read(
        device,
        indexes,
        with_errors=bool(target.ports or target.devices),
        names=named.held(indexes) if check else None,
    )
    if check and view.way is not None and readings[view.way].oper_up is False:
        # The way out is that through which we are asking: it cannot be down, so it is another one by now.
        raise mib.ChangedError(f"{named.name(view.way)}, which was the way out, is down")
    for ref, sighting in sightings.items():
        memory.sightings.note(ref, sighting)
    # Power is asked for only where it can explain something: the table has a row for each port (RFC 3621).
    some_down = any(reading.oper_up is False for reading in readings.values())
    faulty = await mib.power_faults(device, context.explain) if some_down else frozenset()
    base_ports = view.base_ports or (await bridge.base_ports(device, context.explain) if faulty else {})
    found = Found(
        names=named,
        devices=devices,
        way=view.way,
        behind=view.behind,
        readings=readings,
        power_faults=frozenset(base_ports.get(port, port) for port in faulty),
    )
    return found, view


async def _view(target: SwitchTarget, device: Device, named: Names, context: Context) -> View:
    """Where these tables are not answered, or not in time, only devices and the trunk stay unknown: ports are read."""
    if not target.devices and target.trunks is not None:
        return View(names=named)
    try:
        async with asyncio.timeout(patience_s(target) / 2):
            return await _look_around(target, device, named, context)
    except TimeoutError:
        problem = "the address tables take too long"
    except SnmpError as error:
        problem = f"the address tables cannot be read: {error.detail}"
    context.explain(problem)
    return View(names=named, problem=problem)


async def _look_around(target: SwitchTarget, device: Device, named: Names, context: Context) -> View:
    until = asyncio.get_running_loop().time() + patience_s(target) / 4
    base_ports = await bridge.base_ports(device, context.explain)
    macs, arp_problem = await asyncio.to_thread(network.arp), None
    if unknown := [ref for ref in target.devices if canonical_mac(ref) is None and ref not in macs]:
        theirs, arp_problem = await bridge.arp(device, unknown, context.explain)
        macs = theirs | macs
    ways_out = await asyncio.to_thread(network.ways_out, target.host, target.snmp.port)
    others = [t for t in context.settings.targets if isinstance(t, SwitchTarget) and t.host != target.host]
    switch_macs = {other.name: macs[other.host] for other in others if other.host in macs}
    wanted = {mac for ref in target.devices if (mac := canonical_mac(ref) or macs.get(ref))}
    wanted |= {*ways_out[:1], *switch_macs.values()}
    table = await bridge.fdb(device, wanted, base_ports, context.explain, until)
    neighbours = await _neighbours(device, named, base_ports, context)
    context.explain(f"{len(table.ports)} addresses, {len(neighbours)} LLDP neighbours")
    trunks = place.trunks(
        table.ports,
        neighbours,
        bound=[named.indexes[name] for name in target.ports if name in named.indexes],
        ways_out=ways_out,
        switch_macs=switch_macs.values(),
        bundles=await mib.bundles(device, set().union(*table.ports.values())),
    )
    way = place.way_out(table.ports, neighbours, trunks, ways_out) if target.trunks is None else None
    trunks |= {named.indexes[name]: "by the settings" for name in target.trunks or () if name in named.indexes}
    for index, why in sorted(trunks.items()):
        context.explain(f"trunk {named.name(index)}: {why}")
    return View(
        names=named,
        base_ports=base_ports,
        macs=macs,
        fdb=table.ports,
        trunks=trunks,
        way=way,
        behind=place.behind(table.ports, switch_macs, way),
        untied=table.untied,
        problem=table.problem,
        arp_problem=arp_problem,
    )


async def _neighbours(
    device: Device, named: Names, base_ports: Mapping[int, int], context: Context
) -> Mapping[int, lldp.Neighbour]:
    """A switch that is silent to LLDP-MIB alone still shows its trunks by their addresses."""
    try:
        return await lldp.neighbours(device, named, base_ports, context.explain)
    except SnmpError as error:
        context.explain(f"LLDP: {error.detail}")
        return {}


def _places(
    target: SwitchTarget, view: View, seen: Sightings, context: Context
) -> tuple[dict[str, Place], dict[str, Sighting]]:
    """Each device that this switch has to tell of, and where each was last seen now."""
    found: dict[str, Place] = {}
    sightings: dict[str, Sighting] = {}
    for ref in target.devices:
        mac = canonical_mac(ref) or view.macs.get(ref)
        there = place.find(mac, view) if mac else _without_mac(ref, view)
        last = seen.last(ref)
        settled, sighting = place.settle(there, last, view, _asked(target, ref, context))
        if sighting is not None:
            sightings[ref] = sighting
        if settled is not None:
            found[ref] = settled
        elif sighting is not None:
            context.explain(f"{ref}: {there.detail or 'seen here, too'}; it hangs on {sighting.switch}:{sighting.port}")
    return found, sightings


def _without_mac(ref: str, view: View) -> Place:
    if view.problem or view.arp_problem:
        return Place(index=None, reason=Reason.PROTOCOL, detail=view.problem or f"ARP table: {view.arp_problem}")
    return Place(index=None, detail=f"no ARP entry for {ref}")


def _asked(target: SwitchTarget, ref: str, context: Context) -> Asked:
    """The first switch that lists a device tells of it when nobody knows where it is."""
    switches = (t for t in context.settings.targets if isinstance(t, SwitchTarget))
    listing = [t.name for t in switches if key(ref) in map(key, t.devices)]
    return Asked(
        switch=target.name,
        first=not listing or listing[0] == target.name,
        interval_s=target.interval_s,
        now_s=time.monotonic(),
    )
