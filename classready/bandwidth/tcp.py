"""The streams of a TCP load: pacing, moving bytes, and what the kernel knows of them. Blocking; for a thread.

Both ends use it: the one that sends keeps its streams full and lets the kernel pace them, the other takes what comes
and throws it away.
"""

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from classready.bandwidth import pacing
from classready.bandwidth.packets import HEAD_BYTES, length_of
from classready.bandwidth.streams import STREAMS
from classready.units import ETHERNET_OVERHEAD_BYTES, bps_to_bytes_per_s

INTERVAL_S: Final = 0.1
"""How often the two ends look at what came."""
STALL_S: Final = 0.3
"""Nothing moved on any stream for so long: the other end is gone. TCP itself waits 0.2 s before it repeats a packet."""
STEP_S: Final = 0.02

START_S: Final = 1.0
"""The same before anything has moved at all."""
_CHUNK_BYTES = 65_536
STEP_MAX_BYTES: Final = STREAMS * _CHUNK_BYTES
"""What may move in one step."""
_UNSENT_MAX_BYTES = 131_072
_TCP_IPV4_HEAD_BYTES, _TIMESTAMP_BYTES = 40, 12
_CONGESTION_CONTROL = b"cubic"
"""Whatever the machine's default is: it fills the queue before the line, and lives with policers; BBR does neither."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

# Not in the socket module of Python 3.11; values from asm-generic/socket.h and linux/tcp.h (struct tcp_info).
_SO_MAX_PACING_RATE = 47
_TCPI_OPT_TIMESTAMPS = 1
_INFO_BYTES = 192
_u32, _u64 = struct.Struct("=I"), struct.Struct("=Q")
_OPTIONS_AT, _RTT_AT, _MIN_RTT_AT, _SEGMENTS_IN_AT = 5, 68, 148, 152
_BUSY_AT, _WINDOW_LIMITED_AT, _BUFFER_LIMITED_AT = 168, 176, 184
_US = 1e-6


class StreamState(Struct, frozen=True, kw_only=True):
    """What the kernel says of one connection. ``queue_s`` is its round trip above the least one.

    ``busy_s`` is how long there was something to send and somebody who took it.
    """

    queue_s: float
    busy_s: float
    received_segments: int


def state_of(stream: socket.socket) -> StreamState:
    """Ask the kernel.

    Raises:
        OSError: it does not say (before Linux 4.10).
    """
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _INFO_BYTES:
        raise OSError(errno.ENOPROTOOPT, "this kernel tells too little of a connection")
    rtt_us, min_rtt_us, segments = (_u32.unpack_from(info, at)[0] for at in (_RTT_AT, _MIN_RTT_AT, _SEGMENTS_IN_AT))
    busy_us, *limited_us = (_u64.unpack_from(info, at)[0] for at in (_BUSY_AT, _WINDOW_LIMITED_AT, _BUFFER_LIMITED_AT))
    return StreamState(
        queue_s=max(0, rtt_us - min_rtt_us) * _US,
        busy_s=(busy_us - sum(limited_us)) * _US,
        received_segments=segments,
    )


def head_bytes(stream: socket.socket) -> int:
    """Layer-1 bytes of a segment beside its payload, on untagged Ethernet."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    stamped = info[_OPTIONS_AT] & _TCPI_OPT_TIMESTAMPS
    family_bytes = pacing.extra_bytes(stream.getpeername()[0])
    return _TCP_IPV4_HEAD_BYTES + (_TIMESTAMP_BYTES if stamped else 0) + family_bytes + ETHERNET_OVERHEAD_BYTES


def layer1_ratio(stream: socket.socket, extra_bytes: int = 0) -> float:
    """Layer-1 bytes per byte of payload in full segments; ``extra_bytes`` for tags or tunnels."""
    payload_bytes = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    return (payload_bytes + head_bytes(stream) + extra_bytes) / payload_bytes


def prepare_to_send(streams: Sequence[socket.socket], rate_bps: float) -> None:
    """Share ``rate_bps`` (layer-1 equivalent) among the streams; the kernel keeps to it, whatever the qdisc."""
    for stream in streams:
        payload_bps = rate_bps / layer1_ratio(stream) / len(streams)
        stream.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, int(bps_to_bytes_per_s(payload_bps)))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONGESTION_CONTROL)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_MAX_BYTES)


def drop(sock: socket.socket) -> None:
    """Close a connection at once: what waits in its buffers is thrown away, on both sides."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


class Streams:
    """The connections of one load, and the one that asked for it (``asker``). Whoever opened them closes them."""

    def __init__(self, asker: socket.socket, streams: Sequence[socket.socket], *, sending: bool) -> None:
        self.asker = asker
        self.payload_bytes = 0
        self.started_s = self.moved_s = time.monotonic()
        self._streams = {stream.fileno(): stream for stream in streams}
        self._sending = sending
        self._chunk = os.urandom(_CHUNK_BYTES)
        self._sink = bytearray(_CHUNK_BYTES)
        self._poll = select.poll()
        self._poll.register(asker, select.POLLIN)
        for sock in (asker, *streams):
            sock.setblocking(False)
        for stream in streams:
            self._poll.register(stream, select.POLLOUT if sending else select.POLLIN)
        self._busy_s = sum(state.busy_s for state in self.states())

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started_s

    @property
    def stalled(self) -> bool:
        return time.monotonic() - self.moved_s > (STALL_S if self.payload_bytes else START_S)

    def states(self) -> list[StreamState]:
        return [state_of(stream) for stream in self._streams.values()]

    def segment_count(self) -> int:
        return sum(state.received_segments for state in self.states())

    def queue_s(self) -> float:
        """Delay that every stream had to suffer: a queue which only one of them sees is not the line's."""
        return min(state.queue_s for state in self.states())

    def idle_s(self) -> float:
        """How long, on average, a stream had nothing to send, or nobody who took it."""
        busy_s = (sum(state.busy_s for state in self.states()) - self._busy_s) / len(self._streams)
        return max(0.0, self.elapsed_s - busy_s)

    def move(self) -> bool:
        """Wait a moment for a stream that can go on, and move its bytes; True = the asking connection has news.

        Raises:
            OSError: a stream broke, or ended.
        """
        news = False
        for descriptor, _ in self._poll.poll(STEP_S * 1_000):
            stream = self._streams.get(descriptor)
            if stream is None:
                news = True
            elif count_bytes := self._push(stream) if self._sending else self._take(stream):
                self.payload_bytes += count_bytes
                self.moved_s = time.monotonic()
        return news

    def _push(self, stream: socket.socket) -> int:
        try:
            return stream.send(self._chunk)
        except BlockingIOError:
            return 0

    def _take(self, stream: socket.socket) -> int:
        """MSG_TRUNC: the kernel throws the bytes away without copying them (tcp(7))."""
        try:
            count_bytes = stream.recv_into(self._sink, _CHUNK_BYTES, socket.MSG_TRUNC)
        except BlockingIOError:
            return 0
        if count_bytes == 0:
            raise ConnectionResetError("a stream ended")
        return count_bytes


class Inbox:
    """The messages that come over one connection, however it cuts them."""

    def __init__(self) -> None:
        self._waiting = b""

    def read(self, sock: socket.socket) -> list[bytes]:
        """Take what has come, as whole messages.

        Raises:
            OSError: the connection ended, or carries something that is no message.
        """
        try:
            came = sock.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return []
        if not came:
            raise ConnectionResetError("the connection ended")
        self._waiting += came
        messages = []
        while len(self._waiting) >= HEAD_BYTES:
            length = length_of(self._waiting[:HEAD_BYTES])
            if length is None:
                raise ConnectionAbortedError("not a message of the bandwidth test")
            if len(self._waiting) < length:
                break
            messages.append(self._waiting[:length])
            self._waiting = self._waiting[length:]
        return messages
