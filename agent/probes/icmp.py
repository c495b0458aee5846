"""ICMP echo, shared by the probes that ask "is anybody there?".

The packets are icmplib's. Times are the kernel's: a reply is stamped when it arrives (SO_TIMESTAMPNS, socket(7)), not
when the event loop has time for it, so that a busy agent does not look like a slow network. One connected socket for
each target: a raw one would else be given every reply to anybody.
"""

import asyncio
import math
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from agent import dial
from classready.ids import Host
from classready.observation import Reason

ADVICE = (
    "no permission for ICMP: give the service CAP_NET_RAW, or set sysctl net.ipv4.ping_group_range to include its group"
)

ADDRESS_MAX_COUNT = 4
"""Of one host, asked one after another: each that is silent costs a timeout, and all share the probe's patience."""

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


class _Pace(Struct, frozen=True):
    count: int
    interval_s: float
    timeout_s: float

    def within(self, seconds: float) -> "_Pace":
        """The same, or as much faster as it must be to be over in ``seconds``."""
        interval_s = min(self.interval_s, seconds / 2 / self.count)
        return _Pace(self.count, interval_s, min(self.timeout_s, seconds - interval_s * (self.count - 1)))


class Echoes(Struct, frozen=True, kw_only=True):
    """What was sent to one ``address``, and what came back."""

    address: str
    privileged: bool
    sent_count: int
    rtts_s: list[float]
    """In the order of sending, only those that were answered."""
    others: str = ""
    """Other addresses of the host that did not answer, and why; empty where none was tried."""


async def resolve(host: Host, timeout_s: float) -> list[dial.Address]:
    """The addresses of ``host`` that are worth asking: families in turn, a few.

    Raises:
        Unanswered: NAME_UNRESOLVED.
    """
    try:
        found = await dial.resolve(host, 0, socket.SOCK_DGRAM, timeout_s=timeout_s)
    except dial.Unreached as error:
        raise Unanswered(error.reason, error.detail) from None
    return dial.in_turn(found)[:ADDRESS_MAX_COUNT]


async def echo(host: Host, *, count: int, interval_s: float, timeout_s: float, patience_s: float = math.inf) -> Echoes:
    """Send ``count`` echoes, one each ``interval_s``, whether or not the earlier ones were answered.

    So a dead host costs one timeout, not ``count`` of them. What comes later than ``timeout_s`` is lost. Addresses of
    ``host`` are asked one after another until one answers: counts and times are of that one, else of the first that
    could be asked. They share ``patience_s``, and are asked faster where that is too little.

    Raises:
        Unanswered: NAME_UNRESOLVED, UNREACHABLE (no route), or PERMISSION.
    """
    pace, clock_s = _Pace(count, interval_s, timeout_s), asyncio.get_running_loop().time
    until_s = clock_s() + patience_s
    addresses = await resolve(host, patience_s / 2)
    asked: list[Echoes] = []
    no_route: list[str] = []
    for number, address in enumerate(addresses):
        echoes = await _echo(address, pace.within((until_s - clock_s()) / (len(addresses) - number)))
        if echoes is None:
            no_route.append(dial.shown(address))
        else:
            asked.append(echoes)
            if echoes.rtts_s:
                break
    return _chosen(asked, no_route)


def _chosen(asked: Sequence[Echoes], no_route: Sequence[str]) -> Echoes:
    if not asked:
        raise Unanswered(Reason.UNREACHABLE, dial.told({"no route": no_route}))
    chosen = asked[-1] if asked[-1].rtts_s else asked[0]
    silent = [echoes.address for echoes in asked if echoes is not chosen]
    return replace(chosen, others=dial.told({"no answer": silent, "no route": no_route}))


async def _echo(to: dial.Address, pace: _Pace) -> Echoes | None:
    """None: nothing could be sent."""
    loop = asyncio.get_running_loop()
    address = dial.shown(to)
    with _connected(to) as icmp:
        if icmp is None:
            return None
        flight = _Flight(icmp, address)
        loop.add_reader(icmp.sock, flight.receive)
        try:
            for sequence in range(pace.count):
                if sequence:
                    await asyncio.sleep(pace.interval_s)
                flight.send(sequence)
            await flight.land(pace.timeout_s)
        finally:
            loop.remove_reader(icmp.sock)
    if not flight.sent:
        return None
    in_time = [rtt_s for _, rtt_s in sorted(flight.rtts_s.items()) if rtt_s <= pace.timeout_s]
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
def _connected(address: dial.Address) -> Iterator[Any]:
    """A socket that only ``address`` may answer, None without a way there. A raw one only where it must be.

    Raises:
        Unanswered: PERMISSION.
    """
    with _opened(address[0]) as icmp:
        icmp.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        icmp.sock.setblocking(False)
        try:
            icmp.sock.connect(address[1])
        except OSError:
            yield None
            return
        yield icmp


def permission(family: int) -> str:
    """Which kind of socket this process may open.

    Raises:
        Unanswered: PERMISSION: none.
    """
    with _opened(family) as icmp:
        return "raw" if icmp.is_privileged else "datagram"


def _opened(family: int) -> Any:
    from icmplib import ICMPv4Socket, ICMPv6Socket, SocketPermissionError

    kind = ICMPv6Socket if family == socket.AF_INET6 else ICMPv4Socket
    for privileged in (False, True):
        try:
            return kind(privileged=privileged)
        except SocketPermissionError:
            continue
    raise Unanswered(Reason.PERMISSION, ADVICE)
