"""Telling systemd how we are: one datagram a word (sd_notify(3)); silent where nobody listens."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable

_PER_TIMEOUT = 3
"""Twice is what sd_watchdog_enabled(3) asks for; once more, and a single late turn of a busy gateway costs nothing."""


def notify(state: str) -> None:
    """Send ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1`` ...; what cannot be sent at once is not sent."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        # A leading "@" stands for the zero byte of Linux's abstract namespace (unix(7)).
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def feed_watchdog(is_well: Callable[[], Awaitable[bool]]) -> None:
    """Reassure systemd while ``is_well``; return at once where it does not ask for that (WatchdogSec=)."""
    interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 / _PER_TIMEOUT
    while interval_s:
        if await is_well():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
