"""What a search found, as observations: the search itself first, then switches, then devices, those with a place first.

Pure. Devices call themselves what they like, and there may be thousands: every text is cut to its field, and so is
every list.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from agent.discover.inspect import Device, Port, Switch
from agent.discover.sweep import System
from classready import forms
from classready.codec import encode
from classready.observation import (
    FOUND_NETWORKS_MAX,
    FOUND_PORTS_MAX,
    ONE_LINE,
    Found,
    FoundPort,
    Outcome,
    Reason,
    clean_text,
    community_digest,
)

FOUND_MAX = 1_024
"""Records of one search."""
FOUND_MAX_BYTES = 1_000_000
"""Of all of them. Ten switches and two hundred devices are 0.1 MB; where everything claims to be a stack of switches,
the spool must still hold what is measured."""
PORTS_MAX_BYTES = 40_000
"""Of a switch: a report has room for 58,000 bytes of records."""
_NAME_MAX, _LABEL_MAX, _DESCRIPTION_MAX = 64, 64, 120
_ONE_LINE = re.compile(ONE_LINE)


class Search(Struct, frozen=True, kw_only=True):
    """What was searched, and what came of it. ``left_out``: why not everything was, for people."""

    networks: Sequence[str]
    address_count: int
    switches: Sequence[Switch]
    devices: Sequence[Device]
    may_ping: bool
    left_out: str = ""
    elapsed_s: float


def observations(search: Search) -> list[Found]:
    """At most ``FOUND_MAX`` of them."""
    placed_first = sorted(search.devices, key=lambda device: (device.port is None, device.system is None))
    found = [*map(_switch, search.switches), *map(_device, placed_first)]
    told = _affordable(found)
    cut = f"; {len(found)} answered, {len(told)} are told" if len(told) < len(found) else ""
    sweep = Found(
        what="sweep",
        outcome=Outcome.ANSWERED if found else Outcome.NO_ANSWER,
        reason=None if search.may_ping else Reason.PERMISSION,
        detail=clean_text(search.left_out + cut) or None,
        elapsed_s=max(0.0, search.elapsed_s),
        networks=tuple(search.networks[:FOUND_NETWORKS_MAX]),
        address_count=search.address_count,
        answer_count=len(found),
    )
    return [sweep, *told]


def _affordable(found: Sequence[Found]) -> list[Found]:
    """Of the first as many as a spool takes without giving up what was measured."""
    sizes_bytes = itertools.accumulate(len(encode(each)) for each in found)
    count = sum(size <= FOUND_MAX_BYTES for size in sizes_bytes)
    return list(found[: min(count, FOUND_MAX - 1)])


def _switch(switch: Switch) -> Found:
    ports = _fitting(switch.ports)
    found = Found(
        what="switch",
        outcome=Outcome.ANSWERED if switch.problem is None else Outcome.UNMEASURED,
        detail=switch.problem and clean_text(switch.problem),
        host=switch.address,
        mac=switch.mac,
        ports=tuple(ports),
        ports_left_out_count=len(switch.ports) - len(ports),
    )
    return _named(found, switch.system)


def _device(device: Device) -> Found:
    is_printer = device.system is not None and device.system.is_printer
    found = Found(
        what="printer" if is_printer else "device",
        outcome=Outcome.ANSWERED,
        host=device.address,
        mac=device.mac,
        switch=device.switch if device.port else None,
        if_name=_if_name(device.port.name) if device.port else None,
    )
    return _named(found, device.system) if device.system else found


def _named(found: Found, system: System) -> Found:
    return msgspec.structs.replace(
        found,
        name=system.name[:_NAME_MAX].strip() or None,
        description=system.description[:_DESCRIPTION_MAX].strip() or None,
        community_digest=community_digest(system.access.community),
    )


def _fitting(ports: Sequence[Port]) -> list[FoundPort]:
    """As many as there is room for, in the order of the switch: what says most of where it leads goes first."""
    telling_first = sorted(
        range(len(ports)), key=lambda i: (not ports[i].label, ports[i].trunk is None, not ports[i].up)
    )
    room_bytes, kept = PORTS_MAX_BYTES, dict[int, FoundPort]()
    for i in telling_first:
        for port in _port(ports[i]):
            room_bytes -= len(encode(port)) + 1
            if room_bytes >= 0 and len(kept) < FOUND_PORTS_MAX:
                kept[i] = port
    return [port for _, port in sorted(kept.items())]


def _port(port: Port) -> Iterator[FoundPort]:
    """Nothing where the switch gives it no name that can be used: nobody could bind a room to it."""
    if name := _if_name(port.name):
        label = port.label[:_LABEL_MAX].strip() or None
        yield FoundPort(name=name, label=label, up=port.up, trunk=port.trunk is not None)


def _if_name(name: str) -> str | None:
    """As agent.yml takes it: one that is cut or cleaned would name no port."""
    return name if 1 <= len(name.strip()) <= len(name) <= _NAME_MAX and _ONE_LINE.fullmatch(name) else None


def checked(found: Found) -> bool:
    """Whether the wire takes it: what a library hands through from a device is looked at once more."""
    try:
        forms.check(Found, [msgspec.json.decode(encode(found), type=Found)])
    except msgspec.ValidationError:
        return False
    return True
