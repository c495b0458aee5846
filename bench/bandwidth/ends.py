"""Programs that run inside the network namespaces.

``serve`` is the responder.
``probe SPECIFICATION``: one test for each line on standard input, answered by one line of JSON.
``echo`` answers datagrams; ``ping HOST`` asks it every 5 ms until a line comes on standard input, and then prints when
it asked, and how long the answer took.
``relay HOST PORT SECONDS`` listens on loopback and holds every datagram back for so long, each way.
"""

import asyncio
import heapq
import itertools
import logging
import math
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from agent.probes.bandwidth import observe
from agent.probes.contract import Context
from agent.settings import AgentSettings, HttpLink
from classready.bandwidth import pacing, windows
from classready.observation import Bandwidth
from classready.report import Directives, Thetas
from classready.targets import BandwidthTarget
from classready.units import MBIT

ECHO_PORT: Final = 9714
PING_EVERY_S: Final = 0.005
THETAS_BPS: Final = (95 * MBIT, 100 * MBIT)

_stamp = struct.Struct("!d")
_SOL_UDP, _UDP_SEGMENT = 17, 103  # not in the socket module of Python 3.11


class Specification(Struct, frozen=True, kw_only=True):
    """What ``probe`` is to test. ``target`` are the settings of a bandwidth target."""

    state_dir: str
    target: dict[str, object]


class Answer(Struct, frozen=True, kw_only=True):
    """One test: CPU time is this process's, the two moments are of the monotonic clock."""

    observation: Bandwidth
    cpu_seconds: float
    started_s: float
    ended_s: float


async def _probe(specification: Specification) -> None:
    link = HttpLink(url="http://127.0.0.1:9711", token_file="token")
    settings = AgentSettings(gateway="gw-bench", link=link, targets=(), state_dir=specification.state_dir)
    directives = Directives(policy_version="1", theta=Thetas(down=THETAS_BPS, up=THETAS_BPS))
    context = Context(settings=settings, directives=directives, clock_good=True)
    target = msgspec.convert(specification.target, BandwidthTarget)
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        cpu_s, started_s = time.process_time(), time.monotonic()
        observation = (await observe(target, (), context))[0]
        answer = Answer(
            observation=observation,
            cpu_seconds=time.process_time() - cpu_s,
            started_s=started_s,
            ended_s=time.monotonic(),
        )
        print(msgspec.json.encode(answer).decode(), flush=True)


async def _serve() -> None:
    from collector.responder import serve
    from collector.settings import Responder

    # Nobody reads this program's standard output after the first line: logs there would block it in the end.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    await serve(Responder(host="0.0.0.0"), None, on_ready=lambda port: print(port, flush=True), burst_s=math.inf)


def _echo() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", ECHO_PORT))
        print("ready", flush=True)
        while True:
            sock.sendto(*sock.recvfrom(64))


def _ping(host: str) -> None:
    """Print ``[[asked_s, took_s], ...]``; what got lost is left out."""
    found: list[tuple[float, float]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, ECHO_PORT))
        print("ready", flush=True)
        due = time.monotonic()
        while True:
            ready = select.select([sock, sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]
            if sys.stdin in ready:
                break
            if sock in ready:
                (asked_s,) = _stamp.unpack(sock.recv(64))
                found.append((asked_s, time.monotonic() - asked_s))
            if time.monotonic() >= due:
                sock.send(_stamp.pack(time.monotonic()))
                due += PING_EVERY_S
    print(msgspec.json.encode(found).decode(), flush=True)


class _Held(Struct, order=True, frozen=True):
    """Datagrams on their way, with the moment at which they are due at the other side."""

    due_s: float
    count: int
    to_near: bool
    data: bytes
    segment_bytes: int


def _relay(host: str, port: int, delay_s: float) -> None:
    """Hold every datagram back for ``delay_s``.

    Datagrams that the kernel joined stay joined, so this adds its own wake-up jitter (some 0.1 ms) and bunches packets
    up to one read of the socket, but neither drops nor reorders.
    """
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        near.bind(("127.0.0.1", port))
        far.connect((host, port))
        for sock in (near, far):
            windows.prepare(sock)
            pacing.prepare(sock)
        print("ready", flush=True)
        _forward(near, far, delay_s)


def _forward(near: socket.socket, far: socket.socket, delay_s: float) -> None:
    held: list[_Held] = []
    client = None  # whoever asked last
    receivers = {near: windows.Receiver(near), far: windows.Receiver(far)}
    offset_s = time.time() - time.monotonic()
    for count in itertools.count():
        wait_s = max(0.0, held[0].due_s - time.monotonic()) if held else None
        for sock in select.select([near, far], [], [], wait_s)[0]:
            if sock is near:
                client = near.recvfrom(1, socket.MSG_PEEK)[1]
            arrival = receivers[sock].read()
            due_s = arrival.at_ns / 1e9 - offset_s + delay_s
            heapq.heappush(held, _Held(due_s, count, sock is far, bytes(arrival.data), arrival.segment_bytes))
        while held and held[0].due_s <= time.monotonic():
            item = heapq.heappop(held)
            _send(near if item.to_near else far, item, client if item.to_near else None)


def _send(sock: socket.socket, item: _Held, address: tuple[str, int] | None) -> None:
    """Cut again into the datagrams that the kernel had joined."""
    joined = item.segment_bytes < len(item.data)
    options = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", item.segment_bytes))] if joined else []
    with suppress(ConnectionRefusedError):
        sock.sendmsg([item.data], options, 0, *([address] if address else []))


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["probe", text]:
            asyncio.run(_probe(msgspec.json.decode(text, type=Specification)))
        case ["serve"]:
            asyncio.run(_serve())
        case ["echo"]:
            _echo()
        case ["ping", host]:
            _ping(host)
        case ["relay", host, port, seconds]:
            _relay(host, int(port), float(seconds))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
