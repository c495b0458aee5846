"""Telling systemd how we are: one datagram a word (sd_notify(3)); silent where nobody listens."""

import asyncio
import os
import socket
from collections.abc import Callable


def notify(state: str) -> None:
    """Send ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1`` or ``STATUS=...``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect("\0" + address[1:] if address.startswith("@") else address)
        client.send(state.encode())


async def feed_watchdog(is_well: Callable[[], bool]) -> None:
    """Reassure systemd while ``is_well``; return at once where it does not ask for that."""
    interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000 / 2
    while interval_s > 0:
        if is_well():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
