"""The responder against clients that do not keep to the rules, over real sockets on loopback."""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from classready.bandwidth import packets as p
from classready.bandwidth import windows
from classready.bandwidth.feedback import unpack_windows
from classready.units import MBIT, MBYTE
from collector import responder
from collector.responder import allowance, leases
from collector.settings import Responder

PATIENCE_S = 20.0
KEY = b"shared secret"
PAYLOAD = 1_200
PACKET = PAYLOAD + 66
SETTLE_S = 0.15
"""Long enough for an answer on loopback to have come."""


@contextlib.asynccontextmanager
async def serving(key: bytes | None = None, **settings) -> AsyncIterator[int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(responder.serve(Responder(port=0, **settings), key, on_ready=port.set_result))
    try:
        yield await asyncio.wait_for(port, 5)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


_clients: list["Client"] = []


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while _clients:
        _clients.pop().sock.close()


class Client:
    """A socket that counts what it sent and got, and can do each step of the protocol, rightly or wrongly."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.connect(("127.0.0.1", port))
        self.sock.settimeout(SETTLE_S)
        windows.prepare(self.sock)
        self.receiver = windows.Receiver(self.sock)
        self.nonce = os.urandom(8)
        self.sent_bytes = self.got_bytes = 0
        self.key = b""
        _clients.append(self)

    def send(self, datagram: bytes) -> None:
        self.sock.send(datagram)
        self.sent_bytes += len(datagram)

    async def answer(self) -> bytes | None:
        """The next datagram, None when there is none."""
        try:
            arrival = await asyncio.to_thread(self.receiver.read)
        except TimeoutError:
            return None
        self.got_bytes += len(arrival.data)
        return bytes(next(arrival.datagrams()))

    async def ask(self, datagram: bytes) -> bytes | None:
        self.send(datagram)
        return await self.answer()

    async def told(self, datagram: bytes) -> bytes:
        """The answer to what is always answered, however long a busy machine takes."""
        self.send(datagram)
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.answer()) is None:
                pass
        return answer

    async def cookie(self) -> bytes:
        challenge = p.parse(p.Challenge, await self.told(p.encode(p.Hello(nonce=self.nonce))))
        assert challenge.nonce == self.nonce
        return challenge.cookie

    def request(self, cookie: bytes, key: bytes = b"", **wishes: Any) -> bytes:
        fields = {
            "direction": 0,
            "payload_bytes": PAYLOAD,
            "rate_bps": 50 * MBIT,
            "max_bytes": 5 * MBYTE,
            "max_ms": 3_000,
        }
        return p.seal(p.Request(nonce=self.nonce, cookie=cookie, **{**fields, **wishes}), key)

    async def refusal(self, **wishes: Any) -> p.Refuse:
        refuse = p.parse(p.Refuse, await self.told(self.request(await self.cookie(), **wishes)))
        assert refuse is not None
        return refuse

    async def lease(self, key: bytes = b"", **wishes: Any) -> p.Grant:
        grant = p.unseal(p.Grant, await self.told(self.request(await self.cookie(), key, **wishes)), key)
        assert grant is not None
        self.key = p.lease_key(key, grant.salt)
        return grant

    def control(self, grant: p.Grant, count: int, command: p.Command = p.Command.KEEP_ALIVE, **rate: int) -> bytes:
        rate_bps = rate.get("rate_bps", 50 * MBIT)
        return p.seal(p.Control(lease=grant.lease, count=count, command=command, rate_bps=rate_bps), self.key)

    async def load(
        self, grant: p.Grant, beat: Callable[[], None] = lambda: None
    ) -> tuple[windows.Windows, p.Report | None]:
        """Receive until nothing more comes; ``beat`` runs before each read, until the final report."""
        return await asyncio.to_thread(self._load, grant, beat)

    def _load(self, grant: p.Grant, beat: Callable[[], None]) -> tuple[windows.Windows, p.Report | None]:
        seen, report = windows.Windows(grant.lease, PAYLOAD), None
        with contextlib.suppress(TimeoutError):
            while True:
                if report is None:
                    beat()
                seen.add(self.receiver.read())
                report = next((r for o in seen.others if (r := p.unseal(p.Report, o, self.key))), report)
        return seen, report


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"classready_responder_{name}_total", labels) or 0.0


async def test_no_load_and_no_amplification_before_the_address_is_proven() -> None:
    """Hellos, forged cookies, another client's cookie, short hellos: never more bytes back than were sent."""
    async with serving() as port:
        before = counted("ignored_packets", reason="cookie")
        client, other = Client(port), Client(port)
        theirs = await other.cookie()
        for datagram in (
            client.request(os.urandom(16)),
            client.request(theirs),
            p.encode(p.Hello(nonce=b"n" * 8))[:40],
        ):
            assert await client.ask(datagram) is None
        assert counted("ignored_packets", reason="cookie") == before + 2
        assert client.got_bytes == 0
        await client.cookie()
        assert client.got_bytes <= client.sent_bytes


async def test_a_lease_alone_starts_no_load() -> None:
    """Nothing is sent until the receiver answers with the key of its lease: a replayed request harms nobody."""
    async with serving() as port:
        client = Client(port)
        await client.lease()
        assert await client.answer() is None


async def test_the_shared_secret_is_asked_for() -> None:
    """Without it, or with a wrong one, a proven address is refused, and told why."""
    async with serving(KEY) as port:
        client = Client(port)
        cookie = await client.cookie()
        for key in (b"", b"wrong"):
            refuse = p.parse(p.Refuse, await client.ask(client.request(cookie, key)))
            assert refuse.reason == p.RefuseReason.KEY
        assert (await client.lease(KEY)).rate_bps == 50 * MBIT


async def test_the_load_stops_when_the_client_falls_silent() -> None:
    """100 ms after the last sign of life nothing is sent any more."""
    async with serving() as port:
        client = Client(port)
        grant = await client.lease()
        client.send(client.control(grant, 1))
        seen, report = await client.load(grant)
        assert report.end == p.End.SILENT
        assert 0.05 < seen.seconds <= 0.1
        assert seen.packet_count > 100


@pytest.mark.parametrize("how", ["replayed", "forged", "from another port"])
async def test_false_signs_of_life_keep_no_load_alive(how: str) -> None:
    """An old control, one with a wrong key, one from elsewhere: ignored, counted, and the load stops all the same."""
    async with serving() as port:
        client, elsewhere = Client(port), Client(port)
        grant = await client.lease()
        first = client.control(grant, 1)
        client.send(first)
        forged = p.seal(p.Control(lease=grant.lease, count=9, command=1, rate_bps=50 * MBIT), b"wrong")
        false = {
            "replayed": lambda: client.send(first),
            "forged": lambda: client.send(forged),
            "from another port": lambda: elsewhere.send(client.control(grant, 9)),
        }[how]
        reason = {"replayed": "replayed", "forged": "forged", "from another port": "no_lease"}[how]
        before = counted("ignored_packets", reason=reason)
        until = time.monotonic() + 0.3
        seen, report = await client.load(grant, lambda: false() if time.monotonic() < until else None)
        assert report.end == p.End.SILENT
        assert seen.seconds <= 0.1
        assert counted("ignored_packets", reason=reason) > before


async def test_an_oversized_wish_is_capped() -> None:
    """A terabit for an hour: granted is the share of the link and the limits of a lease."""
    async with serving(link_bps=200 * MBIT, share_ratio=0.5) as port:
        client = Client(port)
        grant = await client.lease(rate_bps=10**12, max_bytes=10**12, max_ms=3_600_000)
        assert grant.rate_bps == 100 * MBIT
        assert grant.max_bytes == leases.LEASE_MAX_BYTES
        assert grant.max_ms == leases.LEASE_MAX_SECONDS * 1_000


async def test_a_lease_cannot_be_overdrawn() -> None:
    """Keeping the load alive and asking for more does not help: bytes and rate stay within the lease."""
    async with serving() as port:
        before, seen, report = await _unbroken(port, max_bytes=1 * MBYTE, rate_bps=50 * MBIT)
        assert report.end == p.End.BYTES
        assert seen.packet_count == report.packet_count
        assert 0.99 * MBYTE < report.sent_bytes <= 1 * MBYTE
        assert report.sent_bytes * 8 / (report.elapsed_ns / 1e9) < 53 * MBIT
        assert (counted("sent_bytes"), counted("tests", end="bytes")) == (before[0] + report.sent_bytes, before[1] + 1)


async def _unbroken(port: int, **wishes: int) -> tuple[tuple[float, float], windows.Windows, p.Report]:
    """A load that ended otherwise than by our own silence: held up for 100 ms on a busy machine, we are silent."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            client = Client(port)
            grant = await client.lease(**wishes)
            counts = iter(range(1, 100_000))
            beat = lambda: client.send(client.control(grant, next(counts), rate_bps=10**12))  # noqa: B023, E731
            before = counted("sent_bytes"), counted("tests", end="bytes")
            seen, report = await client.load(grant, beat)
            if report is not None and report.end != p.End.SILENT:
                return before, seen, report


async def test_time_is_capped() -> None:
    """A lease of 120 ms ends after 120 ms."""
    async with serving() as port:
        _, _, report = await _unbroken(port, max_ms=120)
        assert report.end == p.End.SECONDS
        assert 0.12 <= report.elapsed_ns / 1e9 < 0.16


async def test_a_new_rate_and_a_stop_are_obeyed() -> None:
    """The rate changes at once, the stop ends the load and is answered with the report, again if asked again."""
    async with serving() as port:
        client = Client(port)
        grant = await client.lease(rate_bps=100 * MBIT)
        client.send(client.control(grant, 1, rate_bps=100 * MBIT))
        client.send(client.control(grant, 2, rate_bps=10 * MBIT))
        started = time.monotonic()
        stop = client.control(grant, 3, p.Command.STOP)
        beats = iter([stop])
        due = lambda: client.send(next(beats, stop)) if time.monotonic() - started > 0.08 else None  # noqa: E731
        _, report = await client.load(grant, due)
        assert report.end == p.End.STOPPED
        assert report.sent_bytes * 8 / (report.elapsed_ns / 1e9) < 25 * MBIT
        again = p.unseal(p.Report, await client.told(client.control(grant, 4, p.Command.STOP)), client.key)
        assert again == report


async def test_one_lease_per_address_and_the_share_for_all() -> None:
    """A second test from one address is busy, and so is one that would exceed the share; both say when to come back."""
    async with serving(link_bps=100 * MBIT) as port:
        first, same, beyond, fits = (Client(port, f"127.0.0.{host}") for host in (1, 1, 2, 3))
        before = counted("refusals", reason="busy")
        await first.lease(rate_bps=50 * MBIT)
        for client, rate_bps in ((same, 1 * MBIT), (beyond, 31 * MBIT)):
            refuse = p.parse(p.Refuse, await client.ask(client.request(await client.cookie(), rate_bps=rate_bps)))
            assert refuse.reason == p.RefuseReason.BUSY
            assert 0 < refuse.retry_after_ms <= 1_000
        assert (await fits.lease(rate_bps=30 * MBIT)).rate_bps == 30 * MBIT
        assert counted("refusals", reason="busy") == before + 2


# --- groups ---------------------------------------------------------------------------------------------------------

OLT, OTHER_OLT = p.group_of("olt-3"), p.group_of("olt-4")


async def test_two_schools_of_a_group_never_load_at_the_same_time() -> None:
    """While one tests, the other is told when to come back; another group, and a school of none, are let in."""
    async with serving() as port:
        first, second, other, single = (Client(port, f"127.0.0.{host}") for host in range(1, 5))
        grant = await first.lease(group=OLT)
        first.send(first.control(grant, 1))
        await first.answer()
        refuse = await second.refusal(group=OLT)
        assert refuse.reason == p.RefuseReason.BUSY
        assert 0 < refuse.retry_after_ms <= 1_000 * (grant.max_ms / 1_000 + leases.CLAIM_S)
        theirs = await other.lease(group=OTHER_OLT)
        other.send(other.control(theirs, 1))
        await single.lease()
        (seen, _), (at_once, _) = await asyncio.gather(first.load(grant), other.load(theirs))
        assert min(seen.packet_count, at_once.packet_count) > 100
        await second.lease(group=OLT)


async def test_a_late_owner_does_not_disturb_the_next_one() -> None:
    """A's lease expires, B gets the place and loads: A's start, stop and replays free nothing, C still has to wait."""
    async with serving() as port:
        a, b, c = (Client(port, f"127.0.0.{host}") for host in (1, 2, 3))
        late = await a.lease(group=OLT)
        expired_s = time.monotonic() + leases.CLAIM_S
        assert (await b.refusal(group=OLT)).reason == p.RefuseReason.BUSY
        while time.monotonic() < expired_s:
            await asyncio.sleep(0.01)
        grant = await b.lease(group=OLT)
        counts = iter(range(1, 10_000))
        until = time.monotonic() + 0.4
        before = counted("ignored_packets", reason="no_lease")

        def beat() -> None:
            if time.monotonic() < until:
                b.send(b.control(grant, next(counts)))
                a.send(a.control(late, 1))
                a.send(a.control(late, 2, p.Command.STOP))

        load = asyncio.create_task(b.load(grant, beat))
        await asyncio.sleep(0.2)
        assert (await c.refusal(group=OLT)).reason == p.RefuseReason.BUSY
        seen, report = await load
        assert report.end == p.End.SILENT
        assert seen.seconds > 0.4
        assert counted("ignored_packets", reason="no_lease") > before
        assert await a.answer() is None
        await c.lease(group=OLT)


def book_and_asker(share_bps: int) -> tuple[leases.Leases, Callable[..., leases.Lease | bytes | str]]:
    """Leases, and how a host asks for one; as for everything else, the whole share."""
    book = leases.Leases(share_bps, b"")

    def ask(host: int, rate_bps: int = 10**12, group: bytes = p.NO_GROUP) -> leases.Lease | bytes | str:
        wishes = {"direction": 0, "payload_bytes": PAYLOAD, "max_bytes": MBYTE, "max_ms": 4_000}
        request = p.Request(nonce=os.urandom(8), cookie=p.NO_COOKIE, group=group, rate_bps=rate_bps, **wishes)
        return book.ask(p.seal(request, b""), f"10.0.0.{host}")

    return book, ask


def test_a_lease_is_ended_by_its_owner_only() -> None:
    """Two owners of one place, one after the other: whatever is done with the expired lease leaves the next alone."""
    book, ask_for = book_and_asker(1_000 * MBIT)

    def ask(host: int) -> leases.Lease | bytes | str:
        return ask_for(host, MBIT, OLT)

    late = ask(1)
    late.expires_s = time.monotonic()
    now = ask(2)
    assert isinstance(now, leases.Lease)
    for loads in (False, True):
        assert not book.start(late)
        book.end(late)
        assert p.parse(p.Refuse, ask(3)).reason == p.RefuseReason.BUSY
        assert loads or book.start(now)
    book.end(now)
    assert isinstance(ask(3), leases.Lease)


@pytest.mark.parametrize("wish", [{"rate_bps": 10**12}, {"rate_bps": MBIT, "group": OLT}], ids=["share", "group"])
def test_who_asks_and_never_starts_has_to_wait(wish: dict[str, Any]) -> None:
    """One address that takes the whole share, or a group, and lets it lapse keeps others out for seconds only."""
    _, ask = book_and_asker(100 * MBIT)
    lapses = 0
    while isinstance(lease := ask(1, **wish), leases.Lease):
        assert p.parse(p.Refuse, ask(2, **wish)).reason == p.RefuseReason.BUSY
        lease.expires_s = time.monotonic()
        lapses += 1
        assert lapses < 100
    assert lapses == allowance.BURST_S / allowance.LAPSE_S + 1
    refuse = p.parse(p.Refuse, lease)
    assert refuse.reason == p.RefuseReason.BUSY
    assert 60 < refuse.retry_after_ms / 1_000 < allowance.LAPSE_S / allowance.REFILL_RATIO
    assert isinstance(ask(2, **wish), leases.Lease)


def test_who_loads_all_the_time_has_to_wait() -> None:
    """One address that uses the whole share test after test gets a twentieth of the time; a day's tests never wait."""
    book, ask = book_and_asker(100 * MBIT)
    for seconds in (0.3,) * 20 + (4.0,) * 3:  # quick and drain tests of many lines behind one address, some over TCP
        lease = ask(1)
        assert isinstance(lease, leases.Lease)
        assert book.start(lease)
        assert lease.started_s is not None
        lease.started_s -= seconds
        book.end(lease)
    while isinstance(lease := ask(1), leases.Lease):
        assert book.start(lease)
        assert lease.started_s is not None
        lease.started_s -= 4.0
        book.end(lease)
    assert p.parse(p.Refuse, lease).reason == p.RefuseReason.BUSY
    assert isinstance(ask(2), leases.Lease)


async def test_the_share_holds_for_thirty_at_once() -> None:
    """Whoever asks at the same moment: all that is granted together stays within 80 % of the link."""
    async with serving(link_bps=1_000 * MBIT) as port:
        clients = [Client(port, f"127.0.1.{host}") for host in range(1, 31)]
        for client in clients:
            client.sock.settimeout(2)
        cookies = await asyncio.gather(*(client.cookie() for client in clients))
        requests = [c.request(cookie, rate_bps=110 * MBIT) for c, cookie in zip(clients, cookies, strict=True)]
        answers = await asyncio.gather(*(c.ask(request) for c, request in zip(clients, requests, strict=True)))
        grants = [grant for answer in answers if (grant := p.parse(p.Grant, answer))]
        refusals = [refuse for answer in answers if (refuse := p.parse(p.Refuse, answer))]
        assert sum(grant.rate_bps for grant in grants) == 770 * MBIT
        assert {refuse.reason for refuse in refusals} == {p.RefuseReason.BUSY}
        assert len(grants) + len(refusals) == 30


async def test_an_unproven_address_never_gets_more_than_it_sent() -> None:
    """Thousands of datagrams, from noise to the nearly right: in sum, and after each one, no amplification."""
    rng = random.Random(7)
    async with serving() as port:
        client, other = Client(port), Client(port)
        theirs = await other.cookie()
        good = [
            p.encode(p.Hello(nonce=client.nonce)),
            client.request(theirs),
            client.request(os.urandom(16), group=OLT),
            p.seal(p.Control(lease=os.urandom(8), count=1, command=1, rate_bps=10**9), b""),
            p.seal(p.Join(lease=os.urandom(8), stream=0), b""),
        ]
        client.sock.settimeout(0.0)
        for number in range(4_000):
            datagram = bytearray(rng.choice(good))
            match rng.randrange(4):
                case 0:
                    datagram = datagram[: rng.randrange(len(datagram))]
                case 1:
                    datagram[rng.randrange(len(datagram))] ^= 1 << rng.randrange(8)
                case 2:
                    datagram += rng.randbytes(rng.randrange(1, 200))
            client.send(bytes(datagram))
            if number % 20 == 0:
                await asyncio.sleep(0.002)
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.got_bytes += len(client.sock.recv(2_000))
            assert client.got_bytes <= client.sent_bytes
        assert client.got_bytes > 0


async def test_a_repeated_request_gets_the_same_lease_and_a_replayed_one_nothing() -> None:
    """A lost grant can be asked for again; once the lease is over its request is worth nothing."""
    async with serving() as port:
        client = Client(port)
        request = client.request(await client.cookie())
        grant = await client.ask(request)
        assert await client.ask(request) == grant
        lease = p.parse(p.Grant, grant)
        client.key = p.lease_key(b"", lease.salt)
        client.send(client.control(lease, 1))
        await client.load(lease)
        assert await client.ask(request) is None


@pytest.mark.parametrize(
    "wish",
    [
        {"direction": 2},
        {"payload_bytes": 10},
        {"payload_bytes": 9_000},
        {"rate_bps": 0},
        {"max_bytes": 0},
        {"max_ms": 0},
    ],
)
async def test_what_it_cannot_do_is_refused(wish: dict[str, int]) -> None:
    """A strange direction, an impossible packet, nothing at all: refused with a reason."""
    async with serving() as port:
        client = Client(port)
        refuse = p.parse(p.Refuse, await client.ask(client.request(await client.cookie(), **wish)))
        assert refuse.reason == p.RefuseReason.UNSUPPORTED


def test_one_lease_for_a_whole_ipv6_site() -> None:
    """Whoever has one address of a /64 has them all; an IPv4 address in IPv6 clothes is one address."""
    assert leases.line_of("2001:db8::1") == leases.line_of("2001:db8::ffff:1") != leases.line_of("2001:db8:0:1::1")
    assert leases.line_of("::ffff:10.0.0.1") != leases.line_of("::ffff:10.0.0.2")
    assert leases.line_of("fe80::1%eth0") == leases.line_of("fe80::2")


# --- uploads --------------------------------------------------------------------------------------------------------


class Uploader(Client):
    """A client that sends the load itself."""

    async def open(self, **wishes: int) -> p.Grant:
        """Get a lease and make the responder listen."""
        grant = await self.lease(direction=1, **wishes)
        feedback = p.unseal(p.Feedback, await self.ask(self.control(grant, 1)), self.key)
        assert feedback.count == 0
        return grant

    def push(self, grant: p.Grant, packet_count: int, first: int = 0, rate_bps: int = 50 * MBIT) -> None:
        """Send load at about 50 Mbit/s."""
        buffer = bytearray(PAYLOAD)
        for i in range(first, first + packet_count):
            p.pack_data(buffer, 0, p.Data(grant.lease, i, time.monotonic_ns(), rate_bps))
            self.send(bytes(buffer))
            time.sleep(0.0002)

    async def answers(self) -> tuple[list[p.Feedback], p.Report | None]:
        """All feedback until nothing more comes, or until the report."""
        feedback: list[p.Feedback] = []
        while (datagram := await self.answer()) is not None:
            if (seen := p.unseal(p.Feedback, datagram, self.key)) is not None:
                feedback.append(seen)
            elif (report := p.unseal(p.Report, datagram, self.key)) is not None:
                return feedback, report
        return feedback, None


async def test_an_upload_is_told_window_by_window() -> None:
    """Each window comes back, in several datagrams; the stop is answered with what came, and the lease is free."""
    async with serving() as port:
        client = Uploader(port)
        grant = await client.open()
        await asyncio.to_thread(client.push, grant, 300)
        client.send(client.control(grant, 2, p.Command.STOP))
        feedback, report = await client.answers()
        assert [f.count for f in feedback] == sorted(f.count for f in feedback)
        assert (report.packet_count, report.end) == (300, p.End.STOPPED)
        seen: list = []
        for f in feedback[::3]:
            seen += unpack_windows(f, len(seen), PACKET)
        assert len(seen) >= 8
        assert sum(w.received_count for w in seen) <= 300
        assert seen[0].opening_bytes == PACKET  # one datagram at a time: what no window holds
        assert all(w.seconds >= 0.005 and w.lost_count == 0 and w.wanted_bps == 50 * MBIT for w in seen)
        assert unpack_windows(p.Feedback(lease=grant.lease, count=99, windows=b""), 3, PACKET) is None
        await Client(port).lease()


async def test_an_uploader_that_vanishes_frees_its_lease() -> None:
    """Without load or control for 0.3 s the responder stops listening; another test may begin."""
    async with serving() as port:
        client = Uploader(port)
        grant = await client.open()
        await asyncio.to_thread(client.push, grant, 50)
        before = counted("tests", end="silent")
        client.sock.close()
        async with asyncio.timeout(1):
            while counted("tests", end="silent") == before:
                await asyncio.sleep(0.01)
        await Client(port).lease()


@pytest.mark.parametrize(
    ("wish", "end"), [({"max_bytes": 100_000}, p.End.BYTES), ({"max_ms": 100}, p.End.SECONDS)], ids=["bytes", "time"]
)
async def test_an_upload_is_capped(wish: dict[str, int], end: p.End) -> None:
    """Beyond its bytes or seconds nobody listens any more, whatever the client goes on to send."""
    async with serving() as port:
        client = Uploader(port)
        grant = await client.open(**wish)
        await asyncio.to_thread(client.push, grant, 400)
        _, report = await client.answers()
        assert report.end == end
        assert report.packet_count < 400
        assert report.sent_bytes <= 100_000 + 70_000 or end == p.End.SECONDS


async def test_false_datagrams_in_an_upload() -> None:
    """Forged, replayed and foreign controls and load neither stop it nor keep it alive, and are never answered."""
    async with serving() as port:
        client, elsewhere = Uploader(port), Uploader(port)
        grant = await client.open()
        elsewhere.key = client.key
        replayed = client.control(grant, 1)
        stop = client.control(grant, 9, p.Command.STOP)
        forged = p.seal(p.Control(lease=grant.lease, count=9, command=2, rate_bps=1), b"wrong")
        until = time.monotonic() + 0.6
        before = counted("tests", end="silent")
        mine = client.got_bytes
        while time.monotonic() < until:
            for false in (replayed, forged, b"CRB\1\x08" + os.urandom(PAYLOAD - 5), os.urandom(40)):
                client.send(false)
            elsewhere.send(stop)
            elsewhere.push(grant, 2)
            await asyncio.sleep(0.01)
        assert counted("tests", end="silent") == before + 1
        assert await elsewhere.answer() is None
        assert p.unseal(p.Report, await client.answer(), client.key).packet_count == 0
        assert client.got_bytes - mine == p.size_of(p.Report)


async def test_mad_numbers_in_an_upload_are_survived() -> None:
    """Sequence numbers, stamps and rates up to the largest a field holds: clipped, told, no crash."""
    rng = random.Random(2)
    async with serving() as port:
        client = Uploader(port)
        grant = await client.open()
        buffer = bytearray(PAYLOAD)
        for _ in range(200):
            numbers = (rng.choice([0, 1, rng.getrandbits(64), 2**64 - 1]) for _ in range(3))
            p.pack_data(buffer, 0, p.Data(grant.lease, *numbers))
            client.send(bytes(buffer))
            await asyncio.sleep(0.0005)
        client.send(client.control(grant, 2, p.Command.STOP))
        feedback, report = await client.answers()
        assert feedback[-1].count > 3
        assert (report.packet_count, report.end) == (200, p.End.STOPPED)
        assert unpack_windows(feedback[-1], feedback[-1].count - 3, PACKET) != []


async def test_rubbish_does_not_stop_it() -> None:
    """After a thousand strange datagrams it still answers the next hello."""
    rng = random.Random(1)
    async with serving() as port:
        client = Client(port)
        for i in range(1_000):
            head = b"CRB\1" + bytes([rng.randrange(10)]) if i % 2 else b""
            client.send(head + rng.randbytes(rng.randrange(80)))
            if i % 50 == 0:
                await asyncio.sleep(0)
        client.sock.settimeout(1.0)
        hello = p.encode(p.Hello(nonce=client.nonce))
        answers = [await client.ask(hello) for _ in range(3)]
        assert any(p.parse(p.Challenge, a) for a in answers if a)


async def test_it_ends_at_once_even_under_load() -> None:
    """Cancelling it stops the load and frees the port."""
    async with serving() as port:
        client = Client(port)
        grant = await client.lease()
        client.send(client.control(grant, 1))
        assert await client.answer() is not None
        started = time.monotonic()
    assert time.monotonic() - started < 0.5
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))


async def test_a_taken_port_is_an_error() -> None:
    """Two responders never share a port in silence."""
    async with serving() as port:
        with pytest.raises(OSError, match="in use"):
            await responder.serve(Responder(port=port), None)
