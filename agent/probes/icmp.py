"""ICMP echo, shared by the probes that ask "is anybody there?"."""

import asyncio
import socket

from msgspec import Struct

from classready.ids import Host
from classready.observation import Reason

ADVICE = (
    "no permission for ICMP: give the service CAP_NET_RAW, or set sysctl net.ipv4.ping_group_range to include its group"
)


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

    So a dead host costs one timeout, not ``count`` of them.

    Raises:
        Unanswered: NAME_UNRESOLVED, UNREACHABLE (no route), or PERMISSION.
    """
    address = await resolve(host)
    privileged = _privileged(address)
    pings = (_one(address, i * interval_s, timeout_s, privileged=privileged) for i in range(count))
    answers = await asyncio.gather(*pings)
    sent_count = sum(sent for sent, _ in answers)
    if sent_count == 0:
        raise Unanswered(Reason.UNREACHABLE, f"no route to {address}")
    rtts_s = [rtt_s for _, rtt_s in answers if rtt_s is not None]
    return Echoes(address=address, privileged=privileged, sent_count=sent_count, rtts_s=rtts_s)


async def _one(address: str, delay_s: float, timeout_s: float, *, privileged: bool) -> tuple[int, float | None]:
    """Sent count (0 or 1) and round-trip time; icmplib's zeros for "nothing" become None here."""
    from icmplib import ICMPLibError, async_ping

    await asyncio.sleep(delay_s)
    try:
        host = await async_ping(address, count=1, timeout=timeout_s, privileged=privileged)
    except ICMPLibError:
        return 0, None
    rtts_ms: list[float] = host.rtts
    return host.packets_sent, max(0.0, rtts_ms[0] / 1000) if rtts_ms else None


def _privileged(address: str) -> bool:
    """Whether to use raw sockets: only where the kernel refuses datagram ones (``ping_group_range``)."""
    from icmplib import ICMPv4Socket, ICMPv6Socket, SocketPermissionError

    kind = ICMPv6Socket if ":" in address else ICMPv4Socket
    for privileged in (False, True):
        try:
            kind(privileged=privileged).close()
        except SocketPermissionError:
            continue
        return privileged
    raise Unanswered(Reason.PERMISSION, ADVICE)
