"""ICMP echo, shared by the probes that ask "is anybody there?".

The packets are icmplib's. Times are the kernel's: a reply is stamped when it arrives (SO_TIMESTAMPNS, socket(7)), not
when the event loop has time for it, so that a busy agent does not look like a slow network. One connected socket for
each target: a raw one would else be given every reply to anybody.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

from classready.ids import Host
from classready.observation import Reason

ADVICE = (
    "no permission for ICMP: give the service CAP_NET_RAW, or set sysctl net.ipv4.ping_group_range to include its group"
)

_SO_TIMESTAMPNS: Final = 35
"""From asm-generic/socket.h; Python has no name for it. Its message is a ``struct timespec``."""
_TIMESPEC: Final = struct.Struct("@ll")
_ECHO: Final = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence (RFC 792, RFC 4443)."""
_ECHO_REPLY: Final = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PACKET_MAX_BYTES: Final = 2_048


class Unanswered(Exception):  # noqa: N818 - a finding, not a fault
    """Echoes could not even be sent. ``reason`` is what an observation says, ``detail`` is for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Echoes(Struct, frozen=True, kw_only=True):
    address: str
    privileged: bool
    sent_count: int
    rtts_s: list[float]
    """In the order of sending, only those that were answered."""


async def resolve(host: Host) -> str:
    """The first address of ``host``.

    Raises:
        Unanswered: NAME_UNRESOLVED.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise Unanswered(Reason.NAME_UNRESOLVED, f"{host}: {error}") from None
    return str(found[0][4][0])


async def echo(host: Host, *, count: int, interval_s: float, timeout_s: float) -> Echoes:
    """Send ``count`` echoes, one each ``interval_s``, whether or not the earlier ones were answered.

    So a dead host costs one timeout, not ``count`` of them. What comes later than ``timeout_s`` is lost.

    Raises:
        Unanswered: NAME_UNRESOLVED, UNREACHABLE (no route), or PERMISSION.
    """
    address = await resolve(host)
    loop = asyncio.get_running_loop()
    with _connected(address) as icmp:
        flight = _Flight(icmp, address)
        loop.add_reader(icmp.sock, flight.receive)
        try:
            for sequence in range(count):
                if sequence:
                    await asyncio.sleep(interval_s)
                flight.send(sequence)
            await flight.land(timeout_s)
        finally:
            loop.remove_reader(icmp.sock)
    if not flight.sent:
        raise Unanswered(Reason.UNREACHABLE, f"no route to {address}")
    in_time = [rtt_s for _, rtt_s in sorted(flight.rtts_s.items()) if rtt_s <= timeout_s]
    return Echoes(address=address, privileged=icmp.is_privileged, sent_count=len(flight.sent), rtts_s=in_time)


class _Flight:
    """The echoes to one target that are on their way, and what came back."""

    def __init__(self, icmp: Any, address: str) -> None:
        from icmplib.utils import unique_identifier

        self._icmp, self._address, self._id = icmp, address, unique_identifier()
        self._landed = asyncio.Event()
        self.sent: dict[int, tuple[float, float]] = {}
        """Sequence -> wall clock, which the kernel stamps with, and monotonic clock."""
        self.rtts_s: dict[int, float] = {}

    def send(self, sequence: int) -> None:
        from icmplib import ICMPLibError, ICMPRequest

        request = ICMPRequest(self._address, id=self._id, sequence=sequence)
        self._icmp.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # else an earlier "unreachable" stops this one
        now_s = time.monotonic()
        try:
            self._icmp.send(request)
        except ICMPLibError:
            return
        self._id = request.id  # datagram sockets get theirs from the kernel
        self.sent[sequence] = request.time, now_s

    async def land(self, timeout_s: float) -> None:
        """Wait until everything that was sent has come back, at most ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.rtts_s) < len(self.sent):
                    self._landed.clear()
                    await self._landed.wait()
        except TimeoutError:
            pass

    def receive(self) -> None:
        """Take one datagram from the socket."""
        try:
            packet, ancillary, _, _ = self._icmp.sock.recvmsg(_PACKET_MAX_BYTES, socket.CMSG_SPACE(_TIMESPEC.size))
        except OSError:  # a router says that nobody is there: no reply
            return
        sequence = self._sequence(packet)
        if sequence in self.sent and sequence not in self.rtts_s:
            self.rtts_s[sequence] = _rtt_s(*self.sent[sequence], _stamp_s(ancillary))
            self._landed.set()

    def _sequence(self, packet: bytes) -> int | None:
        """The number of the echo that ``packet`` answers, None where it is something else."""
        family = self._icmp.sock.family
        if self._icmp.is_privileged and family == socket.AF_INET and packet:
            packet = packet[4 * (packet[0] & 0x0F) :]  # raw IPv4 sockets give the IP header, too
        if len(packet) < _ECHO.size:
            return None
        kind, _, _, identifier, sequence = _ECHO.unpack_from(packet)
        return sequence if (kind, identifier) == (_ECHO_REPLY[family], self._id) else None


def _rtt_s(sent_wall_s: float, sent_monotonic_s: float, stamp_s: float | None) -> float:
    """By the kernel's stamp, unless the wall clock was set meanwhile: then by when we looked."""
    elapsed_s = time.monotonic() - sent_monotonic_s
    rtt_s = elapsed_s if stamp_s is None else stamp_s - sent_wall_s
    return rtt_s if 0 <= rtt_s <= elapsed_s else elapsed_s


def _stamp_s(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds + nanoseconds / 1e9)
    return None


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A socket that only ``address`` may answer: a raw one only where the kernel refuses datagrams to us.

    Raises:
        Unanswered: PERMISSION, or UNREACHABLE.
    """
    with _opened(address) as icmp:
        icmp.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        icmp.sock.setblocking(False)
        try:
            icmp.sock.connect((address, 0))
        except OSError:
            raise Unanswered(Reason.UNREACHABLE, f"no route to {address}") from None
        yield icmp


def _opened(address: str) -> Any:
    from icmplib import ICMPv4Socket, ICMPv6Socket, SocketPermissionError

    kind = ICMPv6Socket if ":" in address else ICMPv4Socket
    for privileged in (False, True):
        try:
            return kind(privileged=privileged)
        except SocketPermissionError:
            continue
    raise Unanswered(Reason.PERMISSION, ADVICE)
