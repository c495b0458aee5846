"""The sending half: a paced UDP load within caps. Blocking; run it in a thread of its own."""

import ctypes
import errno
import os
import select
import socket
import struct
import time
from typing import Final

from msgspec import Struct

from classready.bandwidth.packets import Data, End, pack_data
from classready.units import IPV6_EXTRA_BYTES, bytes_to_bits, layer1_bytes

DEAD_MAN_S: Final = 0.09
"""Without a sign of life for this long the load stops; with the step below it has stopped within 0.1 s."""

_NS = 10**9
_STEP_S = 0.005
_CATCH_UP_S = 0.003
_BATCH_S = 0.0009
_BATCH_PACKETS = 8
_FAST_BATCH_S = 0.00025
_GSO_MAX_PACKETS = 44

# Not in the socket module of Python 3.11; values from linux/udp.h, linux/in.h, linux/in6.h and asm-generic/socket.h.
_SOL_UDP, _UDP_SEGMENT = 17, 103
_IP_MTU_DISCOVER, _IP_PMTUDISC_DO = 10, 2
_IPV6_MTU_DISCOVER = 23
_SO_SNDBUFFORCE = 32
_SEND_BUFFER_BYTES = 4 * 2**20
_PR_SET_TIMERSLACK = 29

_NO_SEGMENTATION = {errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOPROTOOPT}
_FULL = {errno.EAGAIN, errno.ENOBUFS}


Address = tuple[str, int] | tuple[str, int, int, int]
"""What sockets of the two families take and give."""


class Lease(Struct, frozen=True, kw_only=True):
    """What may be sent, and to whom."""

    id: bytes
    address: Address
    payload_bytes: int
    max_bytes: int
    max_seconds: float
    silence_s: float = DEAD_MAN_S
    extra_bytes: int = 0
    """What a packet occupies beyond UDP/IPv4 on untagged Ethernet."""

    @property
    def packet_bytes(self) -> int:
        return layer1_bytes(self.payload_bytes, self.extra_bytes)


class Throttle(Struct, kw_only=True):
    """Between two threads: what the receiver last asked for, and what the sender has sent until now."""

    rate_bps: float
    heard_s: float
    """``time.monotonic()`` of its last sign of life."""
    stopped: bool = False
    packet_count: int = 0
    call_count: int = 0
    """System calls: a virtual port counts the packets of one as one."""
    late_s: float = 0.0
    """How far the sender has been behind ``rate_bps`` at most, with what it gave up."""


class Sent(Struct, frozen=True, kw_only=True):
    """``sent_bytes`` are layer-1 equivalent; ``late_count`` = how often the schedule was given up for a later one."""

    packet_count: int
    sent_bytes: int
    elapsed_s: float
    late_count: int
    end: End


def prepare(sock: socket.socket) -> None:
    """Forbid fragments, and ask for a send buffer that does not throttle the load."""
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _IP_PMTUDISC_DO)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)


def extra_bytes(address: str) -> int:
    """What packets to ``address`` have more than IPv4 ones; IPv4 through a socket of both families is IPv4."""
    return IPV6_EXTRA_BYTES if ":" in address and not address.lower().startswith("::ffff:") else 0


def send_load(sock: socket.socket, lease: Lease, throttle: Throttle) -> Sent:
    """Send at ``throttle.rate_bps`` on an absolute schedule until told to stop, silent, or at a cap."""
    _tighten_timers()
    packet_bytes = lease.packet_bytes
    send = _Sender(sock, lease)
    started = due = time.monotonic()
    late_count, given_up_s = 0, 0.0
    while (end := _end(lease, throttle, started, (send.packet_count + 1) * packet_bytes)) is None:
        now = time.monotonic()
        if now < due:
            time.sleep(min(due - now, _STEP_S))
            continue
        throttle.late_s = max(throttle.late_s, given_up_s + now - due)
        if now - due > _CATCH_UP_S:
            # Catching up in one burst would overflow shallow queues: rather admit that less was sent.
            given_up_s += now - due
            due, late_count = now, late_count + 1
        packet_count = min(
            batch_packets(throttle.rate_bps, packet_bytes), lease.max_bytes // packet_bytes - send.packet_count
        )
        if not send.batch(packet_count, int(throttle.rate_bps)):
            end = End.SEND_ERROR
            break
        throttle.packet_count, throttle.call_count = send.packet_count, throttle.call_count + 1
        due += bytes_to_bits(packet_count * packet_bytes) / throttle.rate_bps
    return Sent(
        packet_count=send.packet_count,
        sent_bytes=send.packet_count * packet_bytes,
        elapsed_s=time.monotonic() - started,
        late_count=late_count,
        end=end,
    )


def batch_packets(rate_bps: float, packet_bytes: int) -> int:
    """Packets per system call: 1 ms worth, at most 8 (a small bucket must hold a batch); more above 400 Mbit/s."""
    bits = bytes_to_bits(packet_bytes)
    gentle = min(int(rate_bps * _BATCH_S / bits), _BATCH_PACKETS)
    return min(max(gentle, int(rate_bps * _FAST_BATCH_S / bits), 1), _GSO_MAX_PACKETS)


def _end(lease: Lease, throttle: Throttle, started: float, next_bytes: int) -> End | None:
    now = time.monotonic()
    if throttle.stopped:
        return End.STOPPED
    if now - throttle.heard_s > lease.silence_s:
        return End.SILENT
    if next_bytes > lease.max_bytes:
        return End.BYTES
    if now - started > lease.max_seconds:
        return End.SECONDS
    return None


class _Sender:
    """One buffer of packets, sent with a single system call where the kernel can cut it into segments (UDP GSO)."""

    def __init__(self, sock: socket.socket, lease: Lease) -> None:
        self.packet_count = 0
        self._sock = sock
        self._lease = lease
        self._buffer = bytearray(os.urandom(lease.payload_bytes) * _GSO_MAX_PACKETS)
        self._segmented = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", lease.payload_bytes))]
        self._can_segment = True

    def batch(self, packet_count: int, rate_bps: int) -> bool:
        """Send the next packets; False when this socket cannot send them at all."""
        payload = self._lease.payload_bytes
        now_ns = time.monotonic_ns()
        # Stamped as if paced one by one, so that a receiver sees the rate wherever in a batch it looks.
        gap_ns = int(bytes_to_bits(self._lease.packet_bytes) / rate_bps * _NS)
        for i in range(packet_count):
            head = Data(self._lease.id, self.packet_count + i, now_ns + i * gap_ns, rate_bps)
            pack_data(self._buffer, i * payload, head)
        view = memoryview(self._buffer)[: packet_count * payload]
        try:
            self._send(view)
        except OSError as error:
            if error.errno in _FULL:
                select.select([], [self._sock], [], _STEP_S)
                return True
            return False
        return True

    def _send(self, view: memoryview) -> None:
        payload = self._lease.payload_bytes
        if self._can_segment and len(view) > payload:
            try:
                self._sock.sendmsg([view], self._segmented, 0, self._lease.address)
            except OSError as error:
                if error.errno not in _NO_SEGMENTATION:
                    raise
                self._can_segment = False
            else:
                self.packet_count += len(view) // payload
                return
        for start in range(0, len(view), payload):
            self._sock.sendto(view[start : start + payload], self._lease.address)
            self.packet_count += 1


def _tighten_timers() -> None:
    """Let this thread's sleeps end on time: the default slack of 50 us would smear every batch."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
