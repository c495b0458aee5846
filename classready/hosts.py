"""Whose address is it? Nothing is sent, and no name is looked up."""

import socket
from ipaddress import ip_address

from classready.ids import Host


def is_loopback(host: Host) -> bool:
    """Whether only this machine reaches ``host``; of names only ``localhost`` is known to be so."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_own(host: Host) -> bool:
    """Whether ``host`` is an address of this machine: a server could listen on it. A name is not known to be one."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        return False
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


def is_address(host: Host) -> bool:
    """Whether ``host`` is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
