"""The door for connections: one asks for a lease, four join it and carry the load; a thread for each load.

The handshake proves the address, the first message must come at once, and no load begins before all four have shown the
key of the lease. Everything else ends by time.
"""

import asyncio
import errno
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from classready.bandwidth import pacing, tcp
from classready.bandwidth.packets import (
    HEAD_BYTES,
    NO_COOKIE,
    Direction,
    End,
    Join,
    Progress,
    Report,
    Request,
    kind_of,
    length_of,
    parse,
    seal,
    size_of,
    unseal,
)
from classready.bandwidth.streams import STREAMS
from classready.units import bps_to_bytes_per_s
from collector.responder import counters
from collector.responder.leases import CLAIM_S, Lease, Leases, line_of

FIRST_MESSAGE_S: Final = 2.0
"""A connection that has not said by then what it wants is cut off."""
WAITING_MAX: Final = 128
WAITING_PER_LINE_MAX: Final = 16
"""Connections that have not said yet what they want."""
BACKLOG: Final = 1_024
_ACCEPT_AGAIN_S = 0.1
_FASTER_RATIO = 1.1
_AHEAD_BYTES = 2**20
_NS, _US = 1e9, 1e6

_log = structlog.get_logger()


class _Party(Struct, kw_only=True):
    """A lease over TCP, the connection that asked for it, and those that have joined."""

    lease: Lease
    asker: socket.socket
    streams: dict[int, socket.socket]
    complete: asyncio.Event
    stopped: bool = False
    """Set by the event loop, read by the load's thread."""

    def close(self) -> None:
        for stream in self.streams.values():
            tcp.drop(stream)
        self.asker.close()


def bind(host: str, port: int) -> socket.socket:
    """Listen for connections.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    sock.setblocking(False)
    return sock


class Door:
    """Accepts connections, and brings those of one lease together."""

    def __init__(self, listening: socket.socket, leases: Leases, threads: ThreadPoolExecutor) -> None:
        self._listening = listening
        self._leases = leases
        self._threads = threads
        self._waiting: dict[socket.socket, str] = {}
        self._crowded: set[socket.socket] = set()
        self._parties: dict[bytes, _Party] = {}

    async def answer(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as guests:
            while True:
                try:
                    sock, address = await asyncio.get_running_loop().sock_accept(self._listening)
                except OSError as error:
                    # Out of descriptors, or a guest that left at once: neither is a reason to close the door.
                    _log.warning("connection not accepted", error=errno.errorcode.get(error.errno or 0))
                    await asyncio.sleep(_ACCEPT_AGAIN_S)
                    continue
                guests.create_task(self._receive(sock, address))

    async def _receive(self, sock: socket.socket, address: pacing.Address) -> None:
        """Find out what a connection wants. Whoever does not keep to the rules is cut off, and counted."""
        first = await self._first(sock, address)
        why = first if isinstance(first, str) else await self._admit(sock, first, address)
        if why is not None:
            counters.ignored.labels(why).inc()
            tcp.drop(sock)

    async def _admit(self, sock: socket.socket, data: bytes, address: pacing.Address) -> str | None:
        kind = kind_of(data)
        if kind is Request:
            return await self._lease(sock, data, address)
        return self._join(sock, data) if kind is Join else "foreign"

    async def _first(self, sock: socket.socket, address: pacing.Address) -> bytes | str:
        """Return the first message, or why there is none."""
        self._make_room(line_of(address[0]))
        self._waiting[sock] = line_of(address[0])
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                return await _read_message(sock)
        except TimeoutError:
            return "slow"
        except OSError:
            return "crowded" if sock in self._crowded else "foreign"
        except asyncio.CancelledError:
            tcp.drop(sock)
            raise
        finally:
            self._waiting.pop(sock, None)
            self._crowded.discard(sock)

    def _make_room(self, line: str) -> None:
        """End who has been silent longest: an honest one speaks at once, and may share its address with a crowd."""
        same = [sock for sock, theirs in self._waiting.items() if theirs == line]
        if len(same) < WAITING_PER_LINE_MAX and len(self._waiting) < WAITING_MAX:
            return
        if len(same) < WAITING_PER_LINE_MAX:
            [(most, _)] = Counter(self._waiting.values()).most_common(1)
            same = [sock for sock, theirs in self._waiting.items() if theirs == most]
        del self._waiting[same[0]]
        self._crowded.add(same[0])
        with suppress(OSError):
            same[0].shutdown(socket.SHUT_RDWR)

    async def _lease(self, sock: socket.socket, data: bytes, address: pacing.Address) -> str | None:
        """Grant or refuse; serve the lease until its load has ended."""
        request = parse(Request, data)
        lease = self._leases.ask(data, address[0]) if request is not None and request.cookie == NO_COOKIE else "cookie"
        if isinstance(lease, str):
            return lease
        answer = lease.grant if isinstance(lease, Lease) else lease
        with suppress(OSError):
            sock.send(answer)
        if isinstance(lease, Lease):
            party = _Party(lease=lease, asker=sock, streams={}, complete=asyncio.Event())
            await self._host(party, address[0])
        else:
            sock.close()
        return None

    async def _host(self, party: _Party, peer: str) -> None:
        """Wait for the streams, then have a thread carry the load; it closes the connections."""
        lease = party.lease
        self._parties[lease.id] = party
        try:
            if await _is_complete(party) and self._leases.start(lease):
                await self._load(party, peer)
            else:
                counters.ignored.labels("unclaimed").inc()
        finally:
            party.stopped = True
            del self._parties[lease.id]
            self._leases.end(lease)
            if not lease.loading:
                party.close()

    async def _load(self, party: _Party, peer: str) -> None:
        load = asyncio.get_running_loop().run_in_executor(self._threads, _carry, party)
        await asyncio.wait([load])
        if (error := load.exception()) is not None:
            _log.error("load failed", error=str(error), exc_info=None if isinstance(error, OSError) else error)
            return
        report = load.result()
        counters.count(party.lease.direction, report.sent_bytes, End(report.end))
        _log.info("load ended", peer=peer, end=End(report.end).name.lower(), bytes=report.sent_bytes)

    def _join(self, sock: socket.socket, data: bytes) -> str | None:
        """Add a stream to the lease that it names with its key."""
        claimed = parse(Join, data)
        party = self._parties.get(claimed.lease) if claimed is not None else None
        if party is None:
            return "no_lease"
        join = unseal(Join, data, party.lease.key)
        if join is None or join.stream >= STREAMS:
            return "forged"
        if join.stream in party.streams:
            return "replayed"
        party.streams[join.stream] = sock
        if len(party.streams) == STREAMS:
            party.complete.set()
        return None


async def _is_complete(party: _Party) -> bool:
    try:
        async with asyncio.timeout(CLAIM_S):
            await party.complete.wait()
    except TimeoutError:
        return False
    return True


async def _read_message(sock: socket.socket) -> bytes:
    """Read the first message and nothing beyond it: on a stream, load follows.

    Raises:
        OSError: the connection ended, or this is no message.
    """
    head = await _read(sock, HEAD_BYTES)
    length = length_of(head)
    if length is None:
        raise ConnectionAbortedError("not a message of the bandwidth test")
    return head + await _read(sock, length - HEAD_BYTES)


async def _read(sock: socket.socket, count_bytes: int) -> bytes:
    got = b""
    while len(got) < count_bytes:
        more = await asyncio.get_running_loop().sock_recv(sock, count_bytes - len(got))
        if not more:
            raise ConnectionResetError("the connection ended")
        got += more
    return got


def _carry(party: _Party) -> Report:
    """Send or take one load. Blocking; in a thread of its own, which owns the connections."""
    try:
        streams = [stream for _, stream in sorted(party.streams.items())]
        sending = party.lease.direction == Direction.DOWN
        if sending:
            tcp.prepare_to_send(streams, party.lease.rate_bps)
        return _Load(party, tcp.Streams(party.asker, streams, sending=sending), tcp.layer1_ratio(streams[0])).run()
    finally:
        party.close()


class _Load:
    """One load within its lease, and what its agent is told of it."""

    def __init__(self, party: _Party, streams: tcp.Streams, layer1_ratio: float) -> None:
        self._party = party
        self._lease = party.lease
        self._streams = streams
        self._layer1_ratio = layer1_ratio
        self._told_s = streams.started_s

    def run(self) -> Report:
        try:
            while (end := self._end()) is None:
                if self._is_ahead():
                    time.sleep(tcp.STEP_S)
                elif self._streams.move():
                    end = self._heard()
                    break
                if time.monotonic() - self._told_s >= tcp.INTERVAL_S and not self._tell():
                    end = End.SILENT
                    break
        except OSError:
            end = End.SEND_ERROR
        return self._report(end)

    @property
    def _layer1_bytes(self) -> int:
        return int(self._streams.payload_bytes * self._layer1_ratio)

    def _end(self) -> End | None:
        if self._party.stopped:
            return End.STOPPED
        if self._streams.stalled:
            return End.SILENT
        if self._layer1_bytes + tcp.STEP_MAX_BYTES > self._lease.max_bytes:
            return End.BYTES
        if self._streams.elapsed_s > self._lease.max_seconds:
            return End.SECONDS
        return None

    def _is_ahead(self) -> bool:
        """No load is faster than its lease. An agent's upload, too: what is not read, TCP does not let it send."""
        due_bytes = bps_to_bytes_per_s(self._lease.rate_bps) * self._streams.elapsed_s
        return self._layer1_bytes > _FASTER_RATIO * due_bytes + _AHEAD_BYTES

    def _heard(self) -> End:
        """The asking connection has nothing to say but that it ends."""
        with suppress(OSError):
            if self._streams.asker.recv(1):
                counters.ignored.labels("foreign").inc()
        return End.STOPPED

    def _tell(self) -> bool:
        """Send how the load stands; False = the agent does not read it."""
        self._told_s = time.monotonic()
        sending = self._lease.direction == Direction.DOWN
        progress = Progress(
            lease=self._lease.id,
            elapsed_ns=int(self._streams.elapsed_s * _NS),
            payload_bytes=self._streams.payload_bytes,
            segment_count=0 if sending else self._streams.segment_count(),
            queue_us=int(self._streams.queue_s() * _US) if sending else 0,
            idle_us=int(self._streams.idle_s() * _US) if sending else 0,
        )
        try:
            return self._streams.asker.send(seal(progress, self._lease.key)) == size_of(Progress)
        except BlockingIOError:
            return False

    def _report(self, end: End) -> Report:
        report = Report(
            lease=self._lease.id,
            packet_count=0,
            sent_bytes=self._layer1_bytes,
            elapsed_ns=int(self._streams.elapsed_s * _NS),
            late_count=0,
            end=end,
        )
        with suppress(OSError):
            self._streams.asker.send(seal(report, self._lease.key))
        return report
