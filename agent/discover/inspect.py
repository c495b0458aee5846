"""Asks what was found more: the ports of switches, and behind which of them the other devices are."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from agent import network, snmp
from agent.discover.sweep import Answer, System
from agent.probes.contract import silent
from agent.probes.switch import bridge, lldp, mib, names, place
from agent.snmp import SnmpError
from classready.ids import Host
from classready.observation import clean_text


class Port(Struct, frozen=True, kw_only=True):
    """``label``: what somebody wrote on it (ifAlias), else how its LLDP neighbour calls itself; else empty."""

    index: int
    name: str
    label: str
    state: str
    trunk: str | None
    """Why it is one."""
    up: bool | None = None


class Switch(Struct, frozen=True, kw_only=True):
    """``problem``: why its ports could not be read."""

    address: Host
    system: System
    ports: list[Port]
    mac: str | None = None
    way: int | None = None
    """ifIndex of the trunk on the way out."""
    behind: Mapping[str, int] = {}
    """MAC -> ifIndex of the port that it hangs on, trunks left out."""
    problem: str | None = None


class Device(Struct, frozen=True, kw_only=True):
    """Anything that is no switch. ``switch`` and ``port``: where it hangs, as far as it is known."""

    address: Host
    system: System | None
    mac: str | None
    switch: Host | None = None
    port: Port | None = None


async def inspect(
    answers: Sequence[Answer], session: snmp.Session, switches_max: int | None = None
) -> tuple[list[Switch], list[Device]]:
    """Sort ``answers`` into switches, with their ports, and devices, with their places.

    Of more than ``switches_max`` switches no ports are read.
    """
    macs = await asyncio.to_thread(network.arp)
    found = [answer for answer in answers if answer.system is not None and answer.system.is_switch]
    switch_macs = {answer.address: macs[answer.address] for answer in found if answer.address in macs}
    wanted = {macs[answer.address] for answer in answers if answer.address in macs}
    switches = [await _switch(answer, switch_macs, wanted, session) for answer in found[:switches_max]]
    switches += [_unread(answer, switch_macs.get(answer.address)) for answer in found[len(switches) :]]
    rest = (answer for answer in answers if answer not in found)
    return switches, [_device(answer, macs.get(answer.address), switches) for answer in rest]


async def _switch(
    answer: Answer, switch_macs: Mapping[Host, str], wanted: Collection[str], session: snmp.Session
) -> Switch:
    assert answer.system is not None
    switch = Switch(address=answer.address, system=answer.system, ports=[], mac=switch_macs.get(answer.address))
    device = session.device(answer.address, answer.system.access)
    others = [mac for host, mac in switch_macs.items() if host != answer.address]
    try:
        return await _with_ports(switch, device, others, wanted)
    except SnmpError as error:
        return replace(switch, problem=error.detail)


def _unread(answer: Answer, mac: str | None) -> Switch:
    assert answer.system is not None
    problem = "there are too many switches to read them all"
    return Switch(address=answer.address, system=answer.system, ports=[], mac=mac, problem=problem)


async def _with_ports(
    switch: Switch, device: snmp.Device, other_macs: Sequence[str], wanted: Collection[str]
) -> Switch:
    named = await names.find(device, (), silent)
    base_ports = await bridge.base_ports(device, silent)
    fdb = (await bridge.fdb(device, wanted, base_ports, silent)).ports
    neighbours = await lldp.neighbours(device, named, base_ports, silent)
    ways_out = await asyncio.to_thread(network.ways_out, switch.address, switch.system.access.port)
    bundles = await mib.bundles(device, set().union(*fdb.values()))
    trunks = place.trunks(fdb, neighbours, bound=(), ways_out=ways_out, switch_macs=other_macs, bundles=bundles)
    known = {**named.if_descrs, **named.if_names}
    indexes = sorted(index for index in set(base_ports.values()) or known if index in known or not known)
    readings = await mib.read(device, indexes, with_errors=False)
    aliases = await mib.optional_walk(device, mib.IF_ALIAS, silent)
    ports = [
        Port(
            index=index,
            name=named.name(index),
            label=_written(aliases.get(f"{mib.IF_ALIAS}.{index}"), named.name(index)) or _neighbour(neighbours, index),
            state=str(readings[index]),
            trunk=trunks.get(index),
            up=readings[index].oper_up,
        )
        for index in indexes
    ]
    view = place.View(names=named, fdb=fdb, trunks=trunks)
    places = {mac: there.index for mac in fdb if (there := place.find(mac, view)).index is not None}
    return replace(
        switch,
        ports=ports,
        way=place.way_out(fdb, neighbours, trunks, ways_out),
        behind={mac: index for mac, index in places.items() if index is not None},
    )


def _written(alias: snmp.Value | None, name: str) -> str:
    """What somebody wrote on a port; some switches write its own name there, with or without a word behind it."""
    text = clean_text(snmp.text(alias) or "")
    return "" if text in {name, f"{name} Interface"} else text


def _neighbour(neighbours: Mapping[int, lldp.Neighbour], index: int) -> str:
    """What stands there says its own name: a panel, not another switch."""
    return neighbours[index].name if index in neighbours and not neighbours[index].is_bridge else ""


def _device(answer: Answer, mac: str | None, switches: Sequence[Switch]) -> Device:
    device = Device(address=answer.address, system=answer.system, mac=mac)
    holding = [switch for switch in switches if mac in switch.behind]
    if len(holding) != 1 or mac is None:
        return device
    port = next((port for port in holding[0].ports if port.index == holding[0].behind[mac]), None)
    return replace(device, switch=holding[0].address, port=port)
