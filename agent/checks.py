"""What only shows across the entries of agent.yml: what contradicts itself, and what may be a mistake.

Each check yields the path of an entry and what is wrong with it.
"""

import ipaddress
import zoneinfo
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from agent.probes.contract import deadline_s
from agent.probes.whiteboard.profile import HOME_ASSISTANT
from agent.settings import AgentSettings, HttpLink, MqttLink
from classready.devices import Snmp
from classready.hosts import is_loopback
from classready.ids import canonical_mac
from classready.targets import BandwidthTarget, HttpTarget, SwitchTarget, TargetSettings, WhiteboardTarget

Found = Iterator[tuple[str, str]]

ARP_DEADLINE_S = 20.0
"""Nine seconds of waiting for the kernel (``probes.whiteboard``), and as long again to ask by the other ways."""


def problems(settings: AgentSettings) -> Found:
    """What forbids to run with ``settings``."""
    for check in (_link_problems, _timezone_problems, _device_problems):
        yield from check(settings)


def doubts(target: TargetSettings, valid_s: float) -> Found:
    """What is allowed, and may still be a mistake; ``valid_s``: how long the collector values evidence of devices."""
    if isinstance(target, HttpTarget | WhiteboardTarget) and target.interval_s > valid_s:
        yield ".interval_s", f"longer than device and platform evidence is valid ({valid_s:g} s): unknown in between"
    if isinstance(target, SwitchTarget) and not (target.ports or target.devices or target.trunks):
        yield "", "no classroom in ports or devices: only the trunk on its way out is read"
    if isinstance(target, HttpTarget) and target.expect and target.expect.lower() in target.url.lower():
        yield ".expect", "stands in the address, which portals repeat in their pages: choose another text"
    if isinstance(target, HttpTarget) and target.url.startswith("http://") and not target.expect:
        yield ".url", "plain http shows not who answers, so a good answer stays unknown: use https, or set expect"


def _link_problems(settings: AgentSettings) -> Found:
    if (settings.link.cert_file is None) != (settings.link.key_file is None):
        yield "link", "cert_file and key_file go together: one of them is missing"
    match settings.link:
        case HttpLink(url=url):
            try:
                parts = urlsplit(url)
                # Within the machine nobody listens: tests, and a collector on the same box.
                clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
            except ValueError:
                yield "link.url", "not a URL"
            else:
                if clear:
                    yield "link.url", "http:// would show the token to everybody on the way; use https://"
        case MqttLink(tls=False, host=host) if not is_loopback(host):
            yield "link.tls", "without TLS the password could be read by everybody on the way; remove this line"


def names_twice(targets: Sequence[TargetSettings]) -> Found:
    """Within one file: a later file may replace a target by its name."""
    first: dict[str, int] = {}
    for i, target in enumerate(targets):
        if target.name in first:
            yield f"targets[{i}].name", f"{target.name!r} is already the name of targets[{first[target.name]}]"
        first.setdefault(target.name, i)


def _timezone_problems(settings: AgentSettings) -> Found:
    try:
        zoneinfo.ZoneInfo(settings.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield "timezone", f"no time zone is called {settings.timezone!r}; write one like Asia/Shanghai"


def _device_problems(settings: AgentSettings) -> Found:
    for i, target in enumerate(settings.targets):
        snmp = getattr(target, "snmp", None)
        if isinstance(target, WhiteboardTarget):
            yield from _whiteboard_problems(settings, target, f"targets[{i}]")
        if isinstance(target, SwitchTarget):
            yield from _switch_problems(target, f"targets[{i}]")
        yield from _snmp_problems(snmp, f"targets[{i}].snmp")
        if isinstance(target, BandwidthTarget) and target.uplink_port is not None:
            yield from _snmp_problems(target.uplink_port.snmp, f"targets[{i}].uplink_port.snmp")


def _whiteboard_problems(settings: AgentSettings, target: WhiteboardTarget, path: str) -> Found:
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
