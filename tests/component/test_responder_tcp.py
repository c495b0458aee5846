"""The responder's TCP door against clients that do not keep to the rules, over real sockets on loopback."""

import asyncio
import contextlib
import os
import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from classready.bandwidth import packets as p
from classready.bandwidth import tcp
from classready.bandwidth.streams import STREAMS
from classready.units import MBIT, MBYTE
from collector.responder import leases
from collector.responder import tcp as door
from tests.component.test_responder import KEY, Client, counted, serving

OLT = p.group_of("olt-3")
AHEAD_BYTES = 2**20 + tcp.STEP_MAX_BYTES
"""How far a load may be ahead of its rate."""


class Guest:
    """A client of the TCP door that can do each step, rightly or wrongly."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port, self.host = port, host
        self.sockets: list[socket.socket] = []
        self.key = b""
        _guests.append(self)

    async def connect(self) -> socket.socket:
        sock = socket.socket()
        self.sockets.append(sock)
        sock.setblocking(False)
        sock.bind((self.host, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return sock

    def request(self, key: bytes = b"", **wishes: Any) -> bytes:
        fields = {
            "nonce": os.urandom(8),
            "cookie": p.NO_COOKIE,
            "direction": 0,
            "payload_bytes": 1_448,
            "rate_bps": 100 * MBIT,
            "max_bytes": 50 * MBYTE,
            "max_ms": 3_000,
        }
        return p.seal(p.Request(**{**fields, **wishes}), key)

    async def ask(self, message: bytes) -> tuple[socket.socket, bytes]:
        """Say it on a new connection; return that and what comes back, empty when it is cut off."""
        sock = await self.connect()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, message)
        try:
            return sock, await asyncio.wait_for(loop.sock_recv(sock, 1_000), 5)
        except ConnectionResetError:
            return sock, b""

    async def lease(self, key: bytes = b"", **wishes: Any) -> tuple[socket.socket, p.Grant]:
        """Get a lease. A place is free again a moment after its report has gone out, not at once."""
        async with asyncio.timeout(3):
            while True:
                asker, answer = await self.ask(self.request(key, **wishes))
                if (grant := p.unseal(p.Grant, answer, key)) is not None:
                    break
                assert p.parse(p.Refuse, answer).reason == p.RefuseReason.BUSY
                await asyncio.sleep(0.02)
        self.key = p.lease_key(key, grant.salt)
        return asker, grant

    async def refusal(self, key: bytes = b"", **wishes: Any) -> p.RefuseReason:
        _, answer = await self.ask(self.request(key, **wishes))
        return p.RefuseReason(p.parse(p.Refuse, answer).reason)

    def joining(self, grant: p.Grant, stream: int, key: bytes | None = None) -> bytes:
        return p.seal(p.Join(lease=grant.lease, stream=stream), self.key if key is None else key)

    async def join(self, grant: p.Grant, count: int = STREAMS) -> list[socket.socket]:
        streams = [await self.connect() for _ in range(count)]
        for number, sock in enumerate(streams):
            await asyncio.get_running_loop().sock_sendall(sock, self.joining(grant, number))
        return streams

    async def load(self, **wishes: Any) -> tuple[socket.socket, list[socket.socket]]:
        asker, grant = await self.lease(**wishes)
        return asker, await self.join(grant)

    def close(self) -> None:
        for sock in self.sockets:
            tcp.drop(sock)


_guests: list[Guest] = []


@pytest.fixture(autouse=True)
def _close_guests() -> Iterator[None]:
    yield
    while _guests:
        _guests.pop().close()


async def cut_off(sock: socket.socket) -> None:
    """Wait until the responder has closed the connection, whatever it still had sent."""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            while await asyncio.get_running_loop().sock_recv(sock, 65_536):
                pass


async def until_counted(name: str, more_than: float, seconds: float = 3.0, **labels: str) -> None:
    async with asyncio.timeout(seconds):
        while counted(name, **labels) <= more_than:
            await asyncio.sleep(0.01)


def receive(asker: socket.socket, streams: list[socket.socket], seconds: float = 5.0) -> tuple[int, p.Report | None]:
    """Take all that comes until the responder ends it; return the payload bytes, and its report."""
    seen, inbox = tcp.Streams(asker, streams, sending=False), tcp.Inbox()
    report, until = None, time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while report is None and time.monotonic() < until:
            if seen.move():
                report = next((r for m in inbox.read(asker) if (r := p.parse(p.Report, m))), None)
    with contextlib.suppress(OSError):
        while report is None and select.select([asker], [], [], 1)[0]:
            report = next((r for m in inbox.read(asker) if (r := p.parse(p.Report, m))), None)
    return seen.payload_bytes, report


async def test_a_load_keeps_to_its_lease() -> None:
    """Time, rate and bytes: whatever the client would take, the responder ends it and says so."""
    async with serving() as port:
        guest = Guest(port)
        asker, streams = await guest.load(max_ms=1_000, rate_bps=40 * MBIT)
        payload_bytes, report = await asyncio.to_thread(receive, asker, streams)
        assert report.end == p.End.SECONDS
        assert 0.8 * 40 * MBIT / 8 < payload_bytes <= 1.1 * 40 * MBIT / 8 + AHEAD_BYTES
        asker, streams = await guest.load(max_bytes=2 * MBYTE)
        payload_bytes, report = await asyncio.to_thread(receive, asker, streams)
        assert report.end == p.End.BYTES
        assert payload_bytes <= report.sent_bytes <= 2 * MBYTE


async def test_an_oversized_wish_is_capped() -> None:
    """As over UDP: the share of the link, the bytes and seconds of a lease."""
    async with serving(link_bps=200 * MBIT, share_ratio=0.5) as port:
        _, grant = await Guest(port).lease(rate_bps=10**12, max_bytes=10**12, max_ms=3_600_000)
        assert (grant.rate_bps, grant.max_bytes) == (100 * MBIT, leases.LEASE_MAX_BYTES)
        assert grant.max_ms == leases.LEASE_MAX_SECONDS * 1_000


async def test_no_load_before_all_streams_have_shown_the_key() -> None:
    """A grant and three of four streams: nothing is sent, and after a second the place is free again."""
    async with serving() as port:
        guest, before = Guest(port), counted("ignored_packets", reason="unclaimed")
        asker, grant = await guest.lease()
        streams = await guest.join(grant, STREAMS - 1)
        assert not select.select([asker, *streams], [], [], 0.3)[0]
        assert await guest.refusal() == p.RefuseReason.BUSY
        await until_counted("ignored_packets", before, reason="unclaimed")
        for sock in (asker, *streams):
            await cut_off(sock)
        await guest.lease()


async def test_udp_and_tcp_share_the_leases() -> None:
    """One source address and one group have one lease, whichever door it came through."""
    async with serving() as port:
        await Guest(port).lease(group=OLT)
        assert (await Client(port).refusal()).reason == p.RefuseReason.BUSY
        assert (await Client(port, "127.0.0.2").refusal(group=OLT)).reason == p.RefuseReason.BUSY
        assert await Guest(port, "127.0.0.3").refusal(group=OLT) == p.RefuseReason.BUSY
        await Client(port, "127.0.0.4").lease()


async def test_the_share_holds_for_thirty_at_once() -> None:
    """Thirty askers at the same moment: the sum of what is granted stays within 80 % of the link."""
    async with serving(link_bps=1_000 * MBIT) as port:
        guests = [Guest(port, f"127.0.1.{host}") for host in range(1, 31)]
        answers = await asyncio.gather(*(guest.ask(guest.request(rate_bps=150 * MBIT)) for guest in guests))
        grants = [grant for _, answer in answers if (grant := p.parse(p.Grant, answer))]
        assert sum(grant.rate_bps for grant in grants) == 750 * MBIT
        assert sum(p.parse(p.Refuse, answer) is not None for _, answer in answers) == 25


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "foreign", id="another protocol"),
        pytest.param(b"CRB\1\x03", "slow", id="half a message"),
        pytest.param(b"", "slow", id="nothing at all"),
        pytest.param(p.encode(p.Hello(nonce=bytes(8))), "foreign", id="hello"),
        pytest.param(p.seal(p.Join(lease=bytes(8), stream=0), b""), "no_lease", id="joins nothing"),
        pytest.param(os.urandom(200_000), "foreign", id="noise"),
    ],
)
async def test_strangers_are_cut_off_and_counted(message: bytes, reason: str) -> None:
    """Foreign, truncated, silent, oversized: no answer, gone within the time for a first message."""
    async with serving() as port:
        before = counted("ignored_packets", reason=reason)
        sock = await Guest(port).connect()
        started_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(sock, message)
        await cut_off(sock)
        assert time.monotonic() - started_s < door.FIRST_MESSAGE_S + 0.5
        assert counted("ignored_packets", reason=reason) == before + 1
        await Guest(port).lease()


async def test_a_drop_at_a_time_is_too_slow() -> None:
    """A client that sends a byte every now and then has no longer than any other."""
    async with serving() as port:
        before, guest = counted("ignored_packets", reason="slow"), Guest(port)
        sock = await guest.connect()
        with contextlib.suppress(ConnectionError):
            for byte in guest.request()[:60]:
                sock.send(bytes([byte]))
                await asyncio.sleep(0.05)
        assert counted("ignored_packets", reason="slow") == before + 1


async def test_a_crowd_of_silent_ones_does_not_keep_others_out() -> None:
    """Beyond sixteen connections of one address that say nothing the oldest go at once; others are served."""
    async with serving() as port:
        before, crowd = counted("ignored_packets", reason="crowded"), Guest(port)
        for _ in range(door.WAITING_PER_LINE_MAX + 5):
            await crowd.connect()
        await until_counted("ignored_packets", before + 4, seconds=1, reason="crowded")
        assert counted("ignored_packets", reason="crowded") == before + 5
        await Guest(port, "127.0.0.2").lease()


@pytest.mark.parametrize("honest", ["127.0.0.1", "127.0.0.99"])
@pytest.mark.parametrize("host_count", [1, 20])
async def test_two_hundred_silent_ones_do_not_end_an_honest_test(honest: str, host_count: int) -> None:
    """A test from the crowd's own address, or from another one, gets its lease, its streams and its load meanwhile."""
    async with serving() as port:
        before = counted("ignored_packets", reason="crowded")
        crowd = [Guest(port, f"127.0.0.{1 + n % host_count}") for n in range(200)]
        guest = Guest(port, honest)
        for silent in crowd[:100]:
            await silent.connect()
        asker, grant = await guest.lease(max_bytes=2 * MBYTE)
        for silent in crowd[100:]:
            await silent.connect()
        streams = await guest.join(grant)
        _, report = await asyncio.to_thread(receive, asker, streams)
        assert report is not None
        assert report.end == p.End.BYTES
        await until_counted("ignored_packets", before + 200 - door.WAITING_MAX - 1, reason="crowded")


async def test_the_key_is_asked_for_and_nothing_works_twice() -> None:
    """Without the secret: refused. A replayed request, a forged join, a second one for a stream: cut off, counted."""
    async with serving(KEY) as port:
        guest, thief = Guest(port), Guest(port, "127.0.0.2")
        assert await guest.refusal() == p.RefuseReason.KEY
        assert await guest.refusal(b"wrong") == p.RefuseReason.KEY
        request = guest.request(KEY)
        asker, answer = await guest.ask(request)
        grant = p.unseal(p.Grant, answer, KEY)
        guest.key = p.lease_key(KEY, grant.salt)
        assert (await thief.ask(request))[1] == b""
        for message in (thief.joining(grant, 0), guest.joining(grant, STREAMS)):
            assert (await thief.ask(message))[1] == b""
        streams = await guest.join(grant, 1)
        assert (await thief.ask(guest.joining(grant, 0)))[1] == b""
        assert not select.select([asker, *streams], [], [], 0.1)[0]
        assert (await thief.ask(guest.request(KEY, cookie=b"c" * 16)))[1] == b""


async def test_a_client_that_vanishes_ends_its_load() -> None:
    """Its machine says that the connections are gone: the load stops at once, and the place is free."""
    async with serving() as port:
        guest, before = Guest(port), counted("tests", end="send_error") + counted("tests", end="stopped")
        _, streams = await guest.load()
        await asyncio.get_running_loop().sock_recv(streams[0], 1)
        guest.close()
        started_s = time.monotonic()
        while counted("tests", end="send_error") + counted("tests", end="stopped") == before:
            assert time.monotonic() - started_s < 0.1
            await asyncio.sleep(0.005)
        await Guest(port).lease()


@pytest.mark.parametrize("direction", [0, 1])
async def test_a_client_that_does_nothing_ends_its_load(direction: int) -> None:
    """It stays connected but reads nothing, or sends nothing: over after 0.3 s (1 s from the start), and freed."""
    async with serving() as port:
        guest, before = Guest(port), counted("tests", end="silent")
        await guest.load(direction=direction)
        started_s = time.monotonic()
        await until_counted("tests", before, end="silent")
        assert time.monotonic() - started_s < tcp.START_S + 0.3
        assert await Guest(port).lease()


async def test_a_flood_is_no_faster_than_its_lease() -> None:
    """An upload that does not pace itself is read no faster than granted, and told how much came."""
    async with serving() as port:
        asker, streams = await Guest(port).load(direction=1, rate_bps=40 * MBIT, max_ms=1_500)
        await asyncio.to_thread(flood, asker, streams)
        _, report = await asyncio.to_thread(receive, asker, [])
        assert report.end == p.End.SECONDS
        assert report.sent_bytes <= 1.1 * 40 * MBIT / 8 * 1.55 + AHEAD_BYTES


def flood(asker: socket.socket, streams: list[socket.socket]) -> None:
    seen = tcp.Streams(asker, streams, sending=True)
    with contextlib.suppress(OSError):
        while not seen.stalled:
            seen.move()


async def test_words_where_there_should_be_none_end_the_load() -> None:
    """Who goes on talking on the asking connection is not the agent: stopped, counted."""
    async with serving() as port:
        before = counted("ignored_packets", reason="foreign")
        asker, streams = await Guest(port).load()
        await asyncio.get_running_loop().sock_sendall(asker, os.urandom(100_000))
        _, report = await asyncio.to_thread(receive, asker, streams)
        assert report is None or report.end == p.End.STOPPED
        assert counted("ignored_packets", reason="foreign") == before + 1


async def test_half_closed_and_reset_connections_are_survived() -> None:
    """Hundreds that end in the middle of anything, in any way: the door stays open."""
    rng = random.Random(3)
    async with serving() as port:
        for _ in range(150):
            guest = Guest(port, f"127.0.2.{rng.randrange(1, 200)}")
            sock = await guest.connect()
            with contextlib.suppress(OSError):
                sock.send(guest.request()[: rng.randrange(p.size_of(p.Request))])
                sock.shutdown(rng.choice([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", rng.randrange(2), 0))
            sock.close()
        await Guest(port, "127.0.3.1").lease()


async def test_it_ends_at_once_even_under_load() -> None:
    """Cancelling it stops the load, closes every connection and frees the port."""
    async with serving() as port:
        asker, streams = await Guest(port).load()
        idle = await Guest(port).connect()
        await asyncio.get_running_loop().sock_recv(streams[0], 1)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 0.5
    for sock in (asker, idle, *streams):
        await cut_off(sock)
    with socket.create_server(("127.0.0.1", port)):
        pass
