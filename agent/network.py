"""What this machine knows of its own network. Nothing here sends anything, but for resolving a name."""

import socket
from pathlib import Path

from classready.bandwidth import windows
from classready.ids import Host, canonical_mac

_ARP = Path("/proc/thread-self/net/arp")
_NET = Path("/sys/class/net")
_COMPLETE = 0x2
_NO_MAC = "00:00:00:00:00:00"


def interface_towards(host: Host, port: int) -> str | None:
    """Name the interface with the route to ``host``. Blocking, for a name must be resolved."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as sock:
            sock.connect(address)
            return windows.interface_of(sock.getsockname()[0])
    except (OSError, UnicodeError):
        return None


def mac_towards(host: Host, port: int) -> str | None:
    """The MAC with which ``host`` sees this machine, unless a router lies between. Blocking."""
    interface = interface_towards(host, port)
    try:
        mac = canonical_mac((_NET / interface / "address").read_text()) if interface else None
    except OSError:
        return None
    return mac if mac != _NO_MAC else None


def is_own(address: str) -> bool:
    """Whether ``address`` is one of this machine's: then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def arp(path: Path = _ARP) -> dict[str, str]:
    """IPv4 address -> MAC of the neighbours that this machine has heard (proc(5), ``/proc/net/arp``). Blocking."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return {}
    known = ((row[0], canonical_mac(row[3])) for row in rows if int(row[2], 16) & _COMPLETE)
    return {address: mac for address, mac in known if mac is not None}
