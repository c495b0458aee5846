"""The far end of the bandwidth test: proves addresses, grants leases within caps, paces the load or measures it.

It is dumb on purpose: the agent decides, the responder only sends what its lease allows, or tells what came. An
unproven address never gets more bytes than it sent; the load starts only when the receiver answers with the key of its
lease, and stops soon after the receiver falls silent. ``leases`` says who may load the line, ``udp`` and ``tcp`` are
the two doors, on the same port number.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from collector.responder import tcp, udp
from collector.responder.allowance import BURST_S, Allowances
from collector.responder.leases import LEASES_MAX, Leases
from collector.settings import Responder

_BIND_TRIES: Final = 8


async def serve(
    settings: Responder,
    key: bytes | None,
    *,
    on_ready: Callable[[int], None] | None = None,
    burst_s: float = BURST_S,
) -> None:
    """Answer bandwidth tests until cancelled; ``on_ready`` gets the port, ``burst_s`` is for benchmarks.

    Raises:
        OSError: the address cannot be bound.
    """
    datagrams, connections = _bind(settings)
    leases = Leases(settings.share_ratio * settings.link_bps, key or b"", Allowances(burst_s))
    with connections, ThreadPoolExecutor(LEASES_MAX, thread_name_prefix="responder") as threads:
        front = udp.Front(datagrams, leases, threads)
        door = tcp.Door(connections, leases, threads)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: front, sock=datagrams)
        try:
            if on_ready is not None:
                on_ready(datagrams.getsockname()[1])
            await door.answer()
        finally:
            front.stop()
            threads.shutdown()
            transport.close()


def _bind(settings: Responder) -> tuple[socket.socket, socket.socket]:
    """Take the port for UDP and TCP. Any free one may be free for the first only: then another is tried."""
    for tries_left in reversed(range(_BIND_TRIES)):
        datagrams = udp.bind(settings.host, settings.port)
        try:
            return datagrams, tcp.bind(settings.host, datagrams.getsockname()[1])
        except OSError as error:
            datagrams.close()
            if error.errno != errno.EADDRINUSE or settings.port != 0 or tries_left == 0:
                raise
    raise AssertionError
