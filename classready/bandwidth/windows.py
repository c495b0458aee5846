"""The receiving half: arrivals with kernel timestamps, cut into windows. Blocking; run it in a thread of its own.

A window is closed by the first arrival at least 10 ms (quick: 5) after the arrival that opened it, so its length is
exact whatever the rate. Other traffic through the port is read from the interface's counters, and only believed at
moments when the socket was empty: otherwise our own packets on their way to us would be credited twice.
"""

import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from classready.bandwidth.decider import CROSS_SLACK_BYTES, Mode, Window
from classready.bandwidth.packets import Data, parse_data
from classready.units import COUNTED_OVERHEAD_BYTES, bps, bps_to_bytes_per_s, bytes_to_bits, layer1_bytes

WINDOW_S: Final = {"drain": 0.010, "quick": 0.005}
"""By mode. A quick test has too few bytes to spend them on long windows."""
SNAPSHOT_EVERY_S: Final = 0.002
_JOINED_BELOW = 0.9
CLOCK_STEP_NS: Final = 1_000_000

_NET = Path("/sys/class/net")
_ROUTES = ((Path("/proc/net/route"), 1, 2, 0), (Path("/proc/net/ipv6_route"), 0, 4, 9))
"""File, and where a line of it names destination, gateway and interface."""
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")
_NS = 10**9
_BUFFER_BYTES = 65_536
_RECEIVE_BUFFER_BYTES = 4 * 2**20

# Not in the socket module of Python 3.11; values from asm-generic/socket.h, linux/udp.h and asm-generic/ioctls.h.
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS, _SO_RXQ_OVFL = 33, 35, 40
_SOL_UDP, _UDP_GRO = 17, 104
_FIONREAD, _SIOCGIFADDR = 0x541B, 0x8915
_timespec = struct.Struct("@ll")
_int = struct.Struct("@i")
_uint = struct.Struct("@I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_timespec.size) + socket.CMSG_SPACE(_int.size) + socket.CMSG_SPACE(_uint.size)


class Arrival(Struct, frozen=True, kw_only=True):
    """One read of the socket: one datagram, or several that the kernel joined (``segment_bytes`` apart)."""

    at_ns: int
    """Wall clock of the kernel."""
    data: memoryview
    segment_bytes: int
    dropped_total: int
    """Datagrams this socket has lost since it was opened, modulo 2**32."""

    def datagrams(self) -> Iterator[memoryview]:
        for start in range(0, len(self.data), self.segment_bytes):
            yield self.data[start : start + self.segment_bytes]


def prepare(sock: socket.socket) -> None:
    """Ask for arrival times, joined datagrams, a drop counter and a large buffer, as far as this kernel grants them."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    for level, option in ((socket.SOL_SOCKET, _SO_RXQ_OVFL), (_SOL_UDP, _UDP_GRO)):
        try:
            sock.setsockopt(level, option, 1)
        except OSError:
            continue
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)


class Receiver:
    """Reads ``Arrival`` values; each is valid until the next read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._dropped_total = 0

    def read(self) -> Arrival:
        """Wait for the next datagrams.

        Raises:
            TimeoutError: none came within the socket's timeout.
            OSError: the peer's machine refused, or the interface went away.
        """
        size, ancillary, _, _ = self.sock.recvmsg_into([self._buffer], _ANCILLARY_BYTES)
        at_ns, segment_bytes = 0, size or 1
        for level, kind, value in ancillary:
            if (level, kind, len(value)) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS, _timespec.size):
                seconds, ns = _timespec.unpack(value)
                at_ns = seconds * _NS + ns
            elif (level, kind, len(value)) == (socket.SOL_SOCKET, _SO_RXQ_OVFL, _uint.size):
                (self._dropped_total,) = _uint.unpack(value)
            elif (level, kind, len(value)) == (_SOL_UDP, _UDP_GRO, _int.size):
                (segment_bytes,) = _int.unpack(value)
        return Arrival(
            at_ns=at_ns or time.time_ns(),
            data=self._view[:size],
            segment_bytes=max(1, segment_bytes),
            dropped_total=self._dropped_total,
        )


class Windows:
    """Cuts the arrivals of one lease into windows.

    ``others`` holds what the last arrival brought beside load packets of the lease: the report, or something foreign.
    """

    def __init__(self, lease: bytes, payload_bytes: int, mode: Mode = "drain", extra_bytes: int = 0) -> None:
        self.packet_count = self.read_count = 0
        self.last_sequence = -1
        self.others: list[bytes] = []
        self._lease = lease
        self._payload_bytes = payload_bytes
        self._packet_bytes = layer1_bytes(payload_bytes, extra_bytes)
        self._window_ns = WINDOW_S[mode] * _NS
        self._opened: _Mark | None = None
        self._first_ns = self._last_ns = 0
        self._opening_count = self._late_ns = 0
        self._least_delay_ns: int | None = None
        self._window_count = 0

    @property
    def sent_bytes(self) -> int:
        """Layer-1 equivalent; what must have been sent, by the last sequence number that came."""
        return (self.last_sequence + 1) * self._packet_bytes

    @property
    def seconds(self) -> float:
        """From the first arrival to the last."""
        return (self._last_ns - self._first_ns) / _NS

    def add(self, arrival: Arrival) -> Window | None:
        """Count an arrival; return the window that it closes."""
        heads = self._heads(arrival)
        if not heads:
            return None
        self.read_count += 1
        self.packet_count += len(heads)
        self._window_count += len(heads)
        self.last_sequence = max(self.last_sequence, *(head.sequence for head in heads))
        self._last_ns = arrival.at_ns
        mark = _Mark(at_ns=arrival.at_ns, head=heads[-1], dropped_total=arrival.dropped_total)
        if self._least_delay_ns is None or mark.delay_ns < self._least_delay_ns:
            self._least_delay_ns = mark.delay_ns
        self._late_ns = max(self._late_ns, self._behind_ns(heads, self._opened.head if self._opened else heads[0]))
        if self._opened is None:
            self._first_ns = arrival.at_ns
            self._opening_count = len(heads)
            self._open(mark)
            return None
        if arrival.at_ns - self._opened.at_ns < self._window_ns:
            return None
        window = self._window(self._opened, mark, mark.delay_ns - self._least_delay_ns)
        self._open(mark)
        self._opening_count = self._late_ns = 0
        return window

    def _behind_ns(self, heads: Sequence[Data], since: Data) -> int:
        """How long after its turn, at the rate that it names, a packet was sent at most."""
        bits = int(bytes_to_bits(self._packet_bytes)) * _NS
        return max(
            head.sent_ns - since.sent_ns - (head.sequence - since.sequence) * bits // max(head.rate_bps, 1)
            for head in heads
        )

    def _heads(self, arrival: Arrival) -> list[Data]:
        found = []
        self.others = []
        for datagram in arrival.datagrams():
            head = parse_data(datagram, 0, len(datagram)) if len(datagram) == self._payload_bytes else None
            if head is not None and head.lease == self._lease:
                found.append(head)
            else:
                self.others.append(bytes(datagram))
        return found

    def _open(self, mark: "_Mark") -> None:
        self._opened = mark
        self._window_count = 0

    def _window(self, opened: "_Mark", closed: "_Mark", queue_ns: int) -> Window:
        sent_count = max(0, closed.head.sequence - opened.head.sequence)
        sent_s = max(closed.head.sent_ns - opened.head.sent_ns, 1) / _NS
        return Window(
            seconds=(closed.at_ns - opened.at_ns) / _NS,
            received_bytes=self._window_count * self._packet_bytes,
            sent_bps=bps(sent_count * self._packet_bytes, sent_s),
            opening_bytes=self._opening_count * self._packet_bytes,
            wanted_bps=closed.head.rate_bps,
            late_s=self._late_ns / _NS,
            queue_delay_s=queue_ns / _NS,
            lost_count=max(0, sent_count - self._window_count),
            received_count=self._window_count,
            dropped_count=(closed.dropped_total - opened.dropped_total) % 2**32,
        )


def joined(one: Window | None, other: Window) -> Window:
    """Make one window of two that follow each other."""
    if one is None:
        return other
    sent_bytes = bps_to_bytes_per_s(one.sent_bps) * one.seconds + bps_to_bytes_per_s(other.sent_bps) * other.seconds
    return replace(
        other,
        seconds=one.seconds + other.seconds,
        received_bytes=one.received_bytes + other.received_bytes,
        opening_bytes=one.opening_bytes,
        late_s=one.late_s + other.late_s,
        sent_bps=bps(sent_bytes, one.seconds + other.seconds),
        lost_count=one.lost_count + other.lost_count,
        received_count=one.received_count + other.received_count,
        cross_bytes=one.cross_bytes + other.cross_bytes,
        cross_sure=one.cross_sure and other.cross_sure,
        dropped_count=one.dropped_count + other.dropped_count,
    )


class _Mark(Struct, frozen=True, kw_only=True):
    """The arrival between two windows: it closes one and opens the next."""

    at_ns: int
    head: Data
    dropped_total: int

    @property
    def delay_ns(self) -> int:
        """One-way delay plus the unknown, constant distance between the two clocks."""
        return self.at_ns - self.head.sent_ns


class CrossTraffic:
    """What else came in through an interface. Without readable counters nothing is ever credited.

    Counting starts at the first snapshot after the load began: what came before belongs to no window.
    """

    def __init__(self, interface: str | None, payload_bytes: int, extra_bytes: int = 0) -> None:
        self._files = _open_counters(interface) if interface else []
        self._payload_bytes = payload_bytes
        self._head_bytes = layer1_bytes(0, extra_bytes)
        self._credited_bytes = 0.0
        self._seen_bytes = 0.0
        self._next_s = 0.0
        self._start: tuple[int, int] | None = None
        self._own_start = (0, 0)

    def close(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def look(self, packet_count: int, read_count: int, sock: socket.socket, *, now: bool = False) -> bool:
        """Take a snapshot if one is due (or has to be ``now``) and no packet of ours waits in the socket.

        False = others' traffic is not known up to this moment.
        """
        clock_s = time.monotonic()
        if not self._files or not packet_count or not (now or clock_s >= self._next_s):
            return True
        if _waiting(sock) or (counted := self._read()) is None or _waiting(sock):
            return not self._files
        self._next_s = clock_s + SNAPSHOT_EVERY_S
        if self._start is None:
            self._start, self._own_start = counted, (packet_count, read_count)
        all_bytes, all_count = counted[0] - self._start[0], counted[1] - self._start[1]
        packet_count, read_count = packet_count - self._own_start[0], read_count - self._own_start[1]
        # Virtual interfaces count joined packets once; fewer counted than we got prove it, else it is not assumed.
        own_count = read_count if all_count < _JOINED_BELOW * packet_count else packet_count
        own_bytes = packet_count * self._payload_bytes + own_count * self._head_bytes
        self._seen_bytes = all_bytes + COUNTED_OVERHEAD_BYTES * all_count - own_bytes
        return True

    def take(self) -> float:
        """Bytes, layer-1 equivalent, that no earlier call returned; nothing until it is more than the slack."""
        if not self._credited_bytes and self._seen_bytes <= CROSS_SLACK_BYTES:
            return 0.0
        credit = max(0.0, self._seen_bytes - self._credited_bytes)
        self._credited_bytes += credit
        return credit

    def _read(self) -> tuple[int, int] | None:
        """(bytes, packets) received so far."""
        try:
            octets, packets = (int(os.pread(file, 32, 0)) for file in self._files)
        except (OSError, ValueError):
            self.close()
            return None
        return octets, packets


def interface_of(address: str) -> str | None:
    """Name the interface that has this address."""
    if ":" in address:
        wanted = socket.inet_pton(socket.AF_INET6, address.partition("%")[0]).hex()
        return next((f[5] for f in _fields(_IPV6_ADDRESSES) if f[0] == wanted), None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                reply = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("40s", name.encode()))
            except OSError:
                continue
            if socket.inet_ntoa(reply[20:24]) == address:
                return name
    return None


def mtu_of(interface: str) -> int | None:
    try:
        return int((_NET / interface / "mtu").read_text())
    except (OSError, ValueError):
        return None


def sent_through(interface: str) -> tuple[int, int] | None:
    """(bytes, packets) that the interface has sent, as it counts them; None = it does not say."""
    folder = _NET / interface / "statistics"
    try:
        return int((folder / "tx_bytes").read_text()), int((folder / "tx_packets").read_text())
    except (OSError, ValueError):
        return None


def gateway_of(interface: str) -> str:
    """Name the default gateways behind an interface as the kernel writes them; empty when there is none."""
    routes = ((f[d], f[g], f[i]) for path, d, g, i in _ROUTES for f in _fields(path) if len(f) > i)
    return " ".join(gateway for to, gateway, name in routes if name == interface and not to.strip("0"))


def _fields(path: Path) -> list[list[str]]:
    try:
        return [fields for line in path.read_text().splitlines() if len(fields := line.split()) >= 6]
    except (OSError, UnicodeDecodeError):
        return []


def wall_offset_ns() -> int:
    """Distance from the monotonic to the wall clock: it jumps when somebody sets the clock."""
    return min(_offset_sample() for _ in range(3))[1]


def _offset_sample() -> tuple[int, int]:
    """(uncertainty, offset)."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return after - before, wall - (before + after) // 2


def _open_counters(interface: str) -> list[int]:
    files: list[int] = []
    try:
        for name in ("rx_bytes", "rx_packets"):
            files.append(os.open(_NET / interface / "statistics" / name, os.O_RDONLY))  # noqa: PERF401 - closed on error
    except OSError:
        for file in files:
            os.close(file)
        return []
    return files


def _waiting(sock: socket.socket) -> bool:
    return _int.unpack(fcntl.ioctl(sock, _FIONREAD, bytes(_int.size))) != (0,)
