"""Network namespaces joined by veth pairs, and code that runs inside one of them."""

import contextlib
import ctypes
import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from classready.units import ETHERNET_OVERHEAD_BYTES, MBIT

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_MTU_BYTES = 1500
_FULL_FRAME_BYTES = _MTU_BYTES + 14
QUEUE_BYTES = 400_000
_handles = itertools.cycle(range(1, 0xFFFF))


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)


class Namespace:
    """One network namespace. ``call`` runs a function with its sockets inside; ``command`` prefixes a program."""

    def __init__(self, name: str) -> None:
        self.name = name
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        self._thread = ThreadPoolExecutor(max_workers=1, initializer=_enter, initargs=(name,))

    def command(self, *args: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *args]

    def call(self, function: Callable[..., T], *args: Any) -> T:
        return self._thread.submit(function, *args).result()

    def address(self, device: str, address: str) -> None:
        ip("-n", self.name, "addr", "add", address, "dev", device)
        ip("-n", self.name, "link", "set", device, "up")

    def route(self, via: str) -> None:
        ip("-n", self.name, "route", "add", "default", "via", via)

    def forward(self) -> None:
        """Route between its links."""
        self.call(Path("/proc/sys/net/ipv4/ip_forward").write_text, "1")

    def close(self) -> None:
        self._thread.shutdown()
        ip("netns", "del", self.name)


def _enter(name: str) -> None:
    """Move the present thread into the namespace (setns(2)); only this thread's sockets follow."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name} in {threading.current_thread().name}")
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def namespaces(*roles: str) -> Iterator[list[Namespace]]:
    """Namespaces that belong to this process alone, deleted in the end."""
    made: list[Namespace] = []
    try:
        made.extend(Namespace(f"cr{os.getpid()}{role}") for role in roles)
        yield made
    finally:
        for namespace in made:
            namespace.close()


def join(one: Namespace, one_address: str, other: Namespace, other_address: str) -> tuple[str, str]:
    """Connect two namespaces by a veth pair; return the device names at each end."""
    one_device, other_device = f"to{other.name[-6:]}", f"to{one.name[-6:]}"
    ip("link", "add", one_device, "netns", one.name, "type", "veth", "peer", "name", other_device, "netns", other.name)
    one.address(one_device, one_address)
    other.address(other_device, other_address)
    return one_device, other_device


def shape(namespace: Namespace, device: str, rate_mbps: float, burst_bytes: int = 32_000) -> None:
    """Limit what leaves ``device`` to a layer-1-equivalent rate."""
    command = namespace.command("tc", "qdisc", "replace", "dev", device, "root", *tbf(rate_mbps, burst_bytes))
    subprocess.run(command, check=True, capture_output=True)


def tbf(rate_mbps: float, burst_bytes: int, queue_bytes: int = QUEUE_BYTES) -> list[str]:
    """Arguments of ``tc qdisc replace`` for a token bucket that is full at first.

    tbf counts frames without preamble, FCS and gap: 1514 of 1538 bytes of a full packet. A new handle makes a new qdisc
    in one step; changing the old one could leave a packet in it that is larger than the new bucket, for ever.
    """
    rate_bps = int(rate_mbps * MBIT * _FULL_FRAME_BYTES / (_MTU_BYTES + ETHERNET_OVERHEAD_BYTES))
    limits = ["rate", f"{rate_bps}bit", "burst", str(burst_bytes), "limit", str(queue_bytes)]
    return ["handle", f"{next(_handles):x}:", "tbf", *limits]
