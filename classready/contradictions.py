"""What only shows across the entries of settings: what contradicts itself, whoever wrote it.

Each check yields the path of an entry and what is wrong with it.
"""

import ipaddress
import zoneinfo
from collections.abc import Iterator, Sequence

from classready.devices import HOME_ASSISTANT, Snmp
from classready.ids import canonical_mac
from classready.measuring import Measuring
from classready.targets import BandwidthTarget, SwitchTarget, TargetSettings, WhiteboardTarget, deadline_s

Found = Iterator[tuple[str, str]]

ARP_DEADLINE_S = 20.0
"""Nine seconds of waiting for the kernel (``probes.whiteboard``), and as long again to ask by the other ways."""


def problems(settings: Measuring) -> Found:
    """What forbids to measure by ``settings``."""
    yield from _timezone_problems(settings)
    yield from _device_problems(settings)


def names_twice(targets: Sequence[TargetSettings]) -> Found:
    """Within one file: a later file may replace a target by its name."""
    first: dict[str, int] = {}
    for i, target in enumerate(targets):
        if target.name in first:
            yield f"targets[{i}].name", f"{target.name!r} is already the name of targets[{first[target.name]}]"
        first.setdefault(target.name, i)


def _timezone_problems(settings: Measuring) -> Found:
    try:
        zoneinfo.ZoneInfo(settings.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield "timezone", f"no time zone is called {settings.timezone!r}; write one like Asia/Shanghai"


def _device_problems(settings: Measuring) -> Found:
    for i, target in enumerate(settings.targets):
        snmp = getattr(target, "snmp", None)
        if isinstance(target, WhiteboardTarget):
            yield from _whiteboard_problems(settings, target, f"targets[{i}]")
        if isinstance(target, SwitchTarget):
            yield from _switch_problems(target, f"targets[{i}]")
        yield from _snmp_problems(snmp, f"targets[{i}].snmp")
        if isinstance(target, BandwidthTarget) and target.uplink_port is not None:
            yield from _snmp_problems(target.uplink_port.snmp, f"targets[{i}].uplink_port.snmp")


def _whiteboard_problems(settings: Measuring, target: WhiteboardTarget, path: str) -> Found:
    if target.arp and not target.icmp:
        yield f"{path}.arp", "needs icmp: true, whose packets make the kernel ask by ARP"
    if target.arp and deadline_s(target) < ARP_DEADLINE_S:
        yield f"{path}.arp", f"takes 9 s of waiting: set interval_s and deadline_s to {ARP_DEADLINE_S:g} or more"
    if target.mqtt is None:
        if target.snmp is None and not target.icmp:
            yield f"{path}.icmp", "with snmp: null and icmp: false there is nothing to ask the device by"
    elif settings.broker is None:
        yield f"{path}.mqtt", "needs broker: the school's MQTT broker"
    elif target.mqtt.profile not in {HOME_ASSISTANT, *settings.profiles}:
        known = ", ".join(sorted({HOME_ASSISTANT, *settings.profiles}))
        yield f"{path}.mqtt.profile", f"no profile of that name; there are {known}"


def _switch_problems(target: SwitchTarget, path: str) -> Found:
    if not (target.ports or target.devices) and target.trunks == ():
        yield path, "nothing to observe: name a classroom in ports or devices, or a port in trunks"
    rooms: set[str] = set()
    addresses: set[str] = set()
    for ref, classroom in target.devices.items():
        address = canonical_mac(ref) or ref
        if address in addresses:
            yield f"{path}.devices.{ref}", f"{ref} is here already, in another notation"
        if classroom in target.ports.values() or classroom in rooms:
            yield f"{path}.devices.{ref}", f"{classroom} has a port or device here already"
        if not canonical_mac(ref) and not _is_address(ref):
            yield f"{path}.devices.{ref}", "neither a MAC nor an IPv4 address"
        addresses.add(address)
        rooms.add(classroom)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _snmp_problems(snmp: Snmp | None, path: str) -> Found:
    if snmp is not None and snmp.version == "3":
        for name in ("user", "auth_key_file", "priv_key_file"):
            if getattr(snmp, name) is None:
                yield f"{path}.version", f"version 3 needs {name}"
