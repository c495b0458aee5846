"""Which port a device hangs on, which ports are trunks, and which trunk leads out of the school. No I/O.

A trunk carries the traffic of others; a device that shows up behind one stands behind another switch, so it is never
mapped to it. A trunk is: a port that the settings name; the port on the way out; one with an LLDP neighbour that
is a bridge or a router; one behind which another switch of the settings stands; one with more than ``CROWD`` addresses
(a room's own little switch seldom has more); what is no Ethernet port but, say, an aggregation of several. A port that
the settings give to a classroom is none.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct

from agent.probes.switch.lldp import Neighbour
from agent.probes.switch.names import Names
from classready.observation import Reason

CROWD: Final = 8
REMEMBERED_S: Final = 86_400.0
"""A board that sleeps drops out of the address table after five minutes, and mostly is where it was."""

Fdb = Mapping[str, Collection[int]]
"""MAC -> the ifIndexes it stands on."""


class View(Struct, frozen=True, kw_only=True):
    """A switch and those around it. ``trunks``: ifIndex -> why it is one; ``way``: the one that leads out."""

    names: Names
    base_ports: Mapping[int, int] = {}
    """Bridge port -> ifIndex."""
    macs: Mapping[str, str] = {}
    """IPv4 address -> MAC."""
    fdb: Fdb = {}
    trunks: Mapping[int, str] = {}
    way: int | None = None
    behind: tuple[str, ...] = ()
    """Other switches of the settings that reach ``way`` through this one."""
    untied: Mapping[str, int] = {}
    """MAC -> bridge port that the switch ties to no interface."""
    problem: str | None = None
    """Why nothing is known of those around it."""
    arp_problem: str | None = None
    """Why ``macs`` lacks what the switch knows."""


class Place(Struct, frozen=True, kw_only=True):
    """A port, or None with the reason, also in words."""

    index: int | None
    reason: Reason = Reason.NOT_FOUND
    detail: str | None = None


class Sighting(Struct, frozen=True, kw_only=True):
    """Where a device was last seen: target and port name; ``at_s`` on a clock that never steps."""

    switch: str
    port: str
    crowd: int
    """Addresses on that port: where two switches see a device, it hangs on the one with fewer."""
    at_s: float


class Asked(Struct, frozen=True, kw_only=True):
    """Who asks: target ``switch``, first of those that list the device or not, every ``interval_s``, at ``now_s``."""

    switch: str
    first: bool
    interval_s: float
    now_s: float


def trunks(  # noqa: PLR0913
    fdb: Fdb,
    neighbours: Mapping[int, Neighbour],
    *,
    bound: Collection[int],
    ways_out: Sequence[str],
    switch_macs: Collection[str],
    bundles: Collection[int] = (),
) -> dict[int, str]:
    """IfIndex of each recognised trunk -> why it is one.

    ``bound``: ports that the settings give to classrooms; ``ways_out``: see ``network.ways_out``; ``bundles``: see
    ``mib.bundles``.
    """
    found = dict.fromkeys(bundles, "no Ethernet port of its own")
    found |= {index: f"{count} addresses" for index, count in _crowds(fdb).items() if count > CROWD}
    found |= {index: "another switch" for address in switch_macs for index in fdb.get(address, ())}
    found |= {index: f"neighbour {who}" for index, who in neighbours.items() if who.is_bridge}
    found |= dict.fromkeys(_leading_out(fdb, ways_out), "towards the gateway")
    return {index: why for index, why in found.items() if index not in bound}


def way_out(
    fdb: Fdb, neighbours: Mapping[int, Neighbour], trunks: Collection[int], ways_out: Sequence[str]
) -> int | None:
    """The trunk on the way of every room of this switch; None where it cannot be told.

    It is the one behind which the gateway stands. Where a router lies between, and hides it, the only one with an LLDP
    neighbour is. Trunks to other buildings are on nobody's way here.
    """
    found = set(_leading_out(fdb, ways_out)) or {index for index in trunks if index in neighbours}
    found &= set(trunks)
    return found.pop() if len(found) == 1 else None


def _leading_out(fdb: Fdb, ways_out: Sequence[str]) -> Collection[int]:
    """Where the first of ``ways_out`` stands that the switch has seen at all."""
    return next((fdb[address] for address in ways_out if address in fdb), ())


def behind(fdb: Fdb, switch_macs: Mapping[str, str], way: int | None) -> tuple[str, ...]:
    """Names of those of ``switch_macs`` (name -> MAC) whose traffic comes in here, to go out by ``way``."""
    if way is None:
        return ()
    return tuple(name for name, address in switch_macs.items() if (at := fdb.get(address)) and way not in at)


def find(mac: str, view: View) -> Place:
    """The one port with ``mac`` that is no trunk."""
    here = view.fdb.get(mac, ())
    edge = sorted(index for index in here if index not in view.trunks)
    if len(edge) == 1:
        return Place(index=edge[0])
    if edge:
        return Place(index=None, detail=f"{mac} is on several ports: {', '.join(map(view.names.name, edge))}")
    if here:
        index = min(here)
        return Place(
            index=None, detail=f"{mac} is seen behind the trunk {view.names.name(index)} only ({view.trunks[index]})"
        )
    if view.problem:
        return Place(index=None, reason=Reason.PROTOCOL, detail=view.problem)
    if mac in view.untied:
        return Place(index=None, detail=f"{mac} is on bridge port {view.untied[mac]}, which is tied to no interface")
    if not view.fdb:
        return Place(index=None, detail="the address table is empty: does this switch show it to this community?")
    return Place(index=None, detail=f"{mac} is not in the address table")


def settle(there: Place, last: Sighting | None, view: View, asked: Asked) -> tuple[Place | None, Sighting | None]:
    """What this switch tells of a device, and what to remember.

    The place is None where another switch has to tell: it saw the device on a port with fewer others, or saw it last.
    One that nobody ever saw is told of by the first switch that lists it.
    """
    if last is not None and asked.now_s - last.at_s > REMEMBERED_S:
        last = None
    if there.index is not None:
        crowd = _crowds(view.fdb)[there.index]
        port = view.names.name(there.index)
        if last is not None and _hangs_elsewhere(last, crowd, asked):
            return None, last
        return there, Sighting(switch=asked.switch, port=port, crowd=crowd, at_s=asked.now_s)
    if last is None:
        return (there if asked.first else None), None
    if last.switch != asked.switch:
        return None, last
    return _remembered(there, last, view, asked), last


def _hangs_elsewhere(last: Sighting, crowd: int, asked: Asked) -> bool:
    recent = asked.now_s - last.at_s < 3 * asked.interval_s
    return recent and last.switch != asked.switch and last.crowd < crowd


def _remembered(there: Place, last: Sighting, view: View, asked: Asked) -> Place:
    index = view.names.index(last.port)
    if index is None or index in view.trunks:
        return there
    minutes = (asked.now_s - last.at_s) / 60
    return Place(index=index, detail=f"{there.detail}; it was on {last.port} {minutes:.0f} min ago")


def _crowds(fdb: Fdb) -> Counter[int]:
    return Counter(index for indexes in fdb.values() for index in indexes)
