"""What this machine knows of its own network. Nothing here sends anything, but for resolving a name."""

import contextlib
import ipaddress
import re
import socket
import sys
from pathlib import Path

from classready.bandwidth import windows
from classready.ids import Host, canonical_mac

_ARP = Path("/proc/thread-self/net/arp")
_ROUTES = Path("/proc/thread-self/net/route")
_NET = Path("/sys/class/net")
_COMPLETE = 0x2
_NO_MAC = "00:00:00:00:00:00"
_INTERNAL = re.compile(r"docker|virbr|veth|cni|flannel|cali|lxc|tun|tap|wg|ppp|zt|br-[0-9a-f]{12}$")
"""Interfaces by the names that their programs give them; OpenWrt's ``br-lan`` is a LAN."""
_ALL_BITS = 31


def interface_towards(host: Host, port: int) -> str | None:
    """Name the interface with the route to ``host``. Blocking, for a name must be resolved."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as sock:
            # Connecting a datagram socket sends nothing: the kernel only looks up the route, and with it our address
            # (connect(2)).
            sock.connect(address)
            return windows.interface_of(sock.getsockname()[0])
    except (OSError, UnicodeError):
        return None


def ways_out(host: Host, port: int) -> tuple[str, ...]:
    """MACs towards which the devices around ``host`` leave their network, the better known first. Blocking.

    This machine is their router, unless its own default route leads back through the interface with ``host``: then it
    is a box beside them, and they all leave through that router. Nothing of this is seen behind another router.
    """
    interface = interface_towards(host, port)
    if interface is None:
        return ()
    macs = [arp().get(router) for router in default_routers(interface)]
    with contextlib.suppress(OSError):
        macs.append(canonical_mac((_NET / interface / "address").read_text()))
    return tuple(mac for mac in macs if mac and mac != _NO_MAC)


def default_routers(interface: str, path: Path = _ROUTES) -> list[str]:
    """IPv4 addresses of the default routers through ``interface`` (proc(5), ``/proc/net/route``). Blocking."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return []
    # Destination (1) and mask (7) are 0: a default route. Numbers are hexadecimal, in the byte order of this machine.
    gateways = (int(row[2], 16) for row in rows if row[0] == interface and row[1] == row[7] == "00000000")
    return [str(ipaddress.IPv4Address(gateway.to_bytes(4, sys.byteorder))) for gateway in gateways if gateway]


def attached(path: Path = _ROUTES) -> list[ipaddress.IPv4Network]:
    """IPv4 networks in which this machine itself stands, those between its own containers and of tunnels left out.

    Blocking.
    """
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return []
    # Without a gateway (2) the route is a link's own network; one of a single address leads to one neighbour.
    links = [(row[0], _number(row[1]), _number(row[7])) for row in rows if int(row[2], 16) == 0 and int(row[7], 16)]
    networks = {
        ipaddress.IPv4Network((destination, str(ipaddress.IPv4Address(mask))), strict=False)
        for interface, destination, mask in links
        if not _INTERNAL.match(interface)
    }
    return sorted(network for network in networks if network.prefixlen < _ALL_BITS)


def _number(hexadecimal: str) -> int:
    """An address or mask as /proc has it: hexadecimal, in the byte order of this machine."""
    return int.from_bytes(int(hexadecimal, 16).to_bytes(4, sys.byteorder), "big")


def arp(path: Path = _ARP) -> dict[str, str]:
    """IPv4 address -> MAC of the neighbours that this machine has heard (proc(5), ``/proc/net/arp``). Blocking."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return {}
    # Without ATF_COM (<net/if_arp.h>) the kernel has asked and heard nothing: the MAC is 0, or an old one.
    known = ((row[0], canonical_mac(row[3])) for row in rows if int(row[2], 16) & _COMPLETE)
    return {address: mac for address, mac in known if mac is not None}
