"""The far end of the bandwidth test: proves addresses, grants leases within caps, paces the load or measures it.

It is dumb on purpose: the agent decides, the responder only sends what its lease allows, or tells what came. An
unproven address never gets more bytes than it sent; the load starts only when the receiver answers with the key of its
lease, and stops within 0.1 s when the receiver falls silent.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from msgspec import Struct
from prometheus_client import Counter

from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import Window
from classready.bandwidth.packets import (
    FEEDBACK_WINDOWS,
    NONCE_BYTES,
    PAYLOAD_MAX_BYTES,
    PAYLOAD_MIN_BYTES,
    SECRET_BYTES,
    Challenge,
    Command,
    Control,
    Direction,
    End,
    Feedback,
    Grant,
    Hello,
    Refuse,
    RefuseReason,
    Report,
    Request,
    cookie,
    encode,
    kind_of,
    lease_key,
    parse,
    seal,
    unseal,
)
from classready.units import MBIT, MBYTE
from collector.settings import Responder

LEASE_MAX_BYTES: Final = 50 * MBYTE
LEASE_MAX_SECONDS: Final = 4.0
LEASE_MIN_BPS: Final = 1 * MBIT
LEASES_MAX: Final = 32
CLAIM_S: Final = 1.0
"""A lease that nobody starts is given up after this; a finished one answers repeated stops as long."""
UPLOAD_SILENCE_S: Final = 0.3
"""An upload from which nothing more comes for this long is over."""
FEEDBACK_EVERY_S: Final = 0.01
COOKIE_SLOT_S: Final = 10.0
"""A cookie is good in its slot and the next one."""

_log = structlog.get_logger()
_tests = Counter("classready_responder_tests", "Bandwidth tests that put a load on the line", ["end"])
_refusals = Counter("classready_responder_refusals", "Requests of proven addresses that got no lease", ["reason"])
_ignored = Counter("classready_responder_ignored_packets", "Datagrams without an answer", ["reason"])
_sent = Counter("classready_responder_sent_bytes", "Load sent, layer-1 equivalent")
_received = Counter("classready_responder_received_bytes", "Load received, layer-1 equivalent")


class _Held(Struct, kw_only=True):
    """A lease from its grant until shortly after its end."""

    lease: pacing.Lease
    direction: int
    nonce: bytes
    key: bytes
    grant: bytes
    rate_bps: float
    expires_s: float
    throttle: pacing.Throttle | None = None
    last_count: int = 0
    report: bytes | None = None


async def serve(settings: Responder, key: bytes | None, *, on_ready: Callable[[int], None] | None = None) -> None:
    """Answer bandwidth tests until cancelled; ``on_ready`` gets the UDP port.

    Raises:
        OSError: the address cannot be bound.
    """
    sock = _bind(settings)
    with ThreadPoolExecutor(LEASES_MAX, thread_name_prefix="responder") as threads:
        front = _Front(sock, settings, key, threads)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: front, sock=sock)
        try:
            if on_ready is not None:
                on_ready(sock.getsockname()[1])
            await asyncio.get_running_loop().create_future()
        finally:
            front.stop()
            threads.shutdown()
            transport.close()


def _bind(settings: Responder) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = _socket(family)
    try:
        sock.bind((settings.host, settings.port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    # Only now: a second responder still cannot have the port, but the sockets of uploads can.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    pacing.prepare(sock)
    return sock


def _socket(family: int) -> socket.socket:
    """Make a socket; one on ``::`` serves both families, whatever this machine's default is."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return sock


class _Front(asyncio.DatagramProtocol):
    """All control traffic; the threads only send."""

    def __init__(
        self, sock: socket.socket, settings: Responder, key: bytes | None, threads: ThreadPoolExecutor
    ) -> None:
        self._sock = sock
        self._key = key or b""
        self._share_bps = settings.share_ratio * settings.link_bps
        self._threads = threads
        self._secret = os.urandom(SECRET_BYTES)
        self._held: dict[bytes, _Held] = {}
        self._spent: dict[bytes, float] = {}

    def stop(self) -> None:
        for held in self._held.values():
            if held.throttle is not None:
                held.throttle.stopped = True

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - asyncio names it
        _ignored.labels("icmp").inc()

    def datagram_received(self, data: bytes, addr: pacing.Address) -> None:
        answer = self._answer(data, addr)
        if isinstance(answer, str):
            _ignored.labels(answer).inc()
        elif answer is not None:
            self._reply(answer, addr)

    def _reply(self, datagram: bytes, address: pacing.Address) -> None:
        try:
            self._sock.sendto(datagram, address)
        except OSError:
            _ignored.labels("unsendable").inc()

    def _answer(self, data: bytes, address: pacing.Address) -> bytes | str | None:
        """Return the datagram to send back, why there is none, or None where none is due."""
        kind = kind_of(data)
        if kind is Hello:
            return self._challenge(data, address)
        if kind is Request:
            return self._lease(data, address)
        if kind is Control:
            return self._control(data, address)
        return "foreign"

    def _challenge(self, data: bytes, address: pacing.Address) -> bytes | str:
        hello = parse(Hello, data)
        assert hello is not None
        return encode(Challenge(nonce=hello.nonce, cookie=self._cookie(hello.nonce, address, 0)))

    def _cookie(self, nonce: bytes, address: pacing.Address, slots_ago: int) -> bytes:
        slot = int(time.monotonic() / COOKIE_SLOT_S) - slots_ago
        return cookie(self._secret, slot, address[0], address[1], nonce)

    def _proven(self, request: Request, address: pacing.Address) -> bool:
        cookies = (self._cookie(request.nonce, address, ago) for ago in (0, 1))
        return any(hmac.compare_digest(request.cookie, good) for good in cookies)

    def _lease(self, data: bytes, address: pacing.Address) -> bytes | str:
        request = parse(Request, data)
        assert request is not None
        if not self._proven(request, address):
            return "cookie"
        self._forget()
        if unseal(Request, data, self._key) is None:
            return _refuse(request, RefuseReason.KEY)
        if held := next((h for h in self._held.values() if h.nonce == request.nonce), None):
            return held.grant if held.report is None else "replayed"
        if request.nonce in self._spent:
            return "replayed"
        if not _supported(request):
            return _refuse(request, RefuseReason.UNSUPPORTED)
        rate_bps = min(request.rate_bps, self._share_bps)
        if (retry_after_s := self._busy_s(rate_bps, address)) is not None:
            return _refuse(request, RefuseReason.BUSY, retry_after_s)
        return self._grant(request, rate_bps, address)

    def _busy_s(self, rate_bps: float, address: pacing.Address) -> float | None:
        """Seconds until it is worth asking again; None = there is room now."""
        live = [h for h in self._held.values() if h.report is None]
        mine = any(_line(h.lease.address[0]) == _line(address[0]) for h in live)
        if not mine and len(live) < LEASES_MAX and sum(h.rate_bps for h in live) + rate_bps <= self._share_bps:
            return None
        return max(0.1, min(h.expires_s for h in live) - time.monotonic())

    def _grant(self, request: Request, rate_bps: float, address: pacing.Address) -> bytes:
        salt = os.urandom(SECRET_BYTES)
        lease = pacing.Lease(
            id=os.urandom(NONCE_BYTES),
            address=address,
            payload_bytes=request.payload_bytes,
            max_bytes=min(request.max_bytes, LEASE_MAX_BYTES),
            max_seconds=min(request.max_ms / 1_000, LEASE_MAX_SECONDS),
            extra_bytes=pacing.extra_bytes(address[0]),
        )
        grant = Grant(
            nonce=request.nonce,
            lease=lease.id,
            salt=salt,
            rate_bps=int(rate_bps),
            max_bytes=lease.max_bytes,
            max_ms=int(lease.max_seconds * 1_000),
        )
        now = time.monotonic()
        self._spent[request.nonce] = now + 2 * COOKIE_SLOT_S
        self._held[lease.id] = held = _Held(
            lease=lease,
            direction=request.direction,
            nonce=request.nonce,
            key=lease_key(self._key, salt),
            grant=seal(grant, self._key),
            rate_bps=rate_bps,
            expires_s=now + CLAIM_S,
        )
        return held.grant

    def _control(self, data: bytes, address: pacing.Address) -> bytes | str | None:
        claimed = parse(Control, data)
        held = self._held.get(claimed.lease) if claimed is not None else None
        if held is None or held.lease.address != address:
            return "no_lease"
        control = unseal(Control, data, held.key)
        if control is None:
            return "forged"
        if control.count <= held.last_count:
            return "replayed"
        held.last_count = control.count
        if held.report is not None:
            return held.report
        self._obey(held, control)
        return None

    def _obey(self, held: _Held, control: Control) -> None:
        now = time.monotonic()
        rate_bps = min(max(control.rate_bps, LEASE_MIN_BPS), held.rate_bps)
        if held.throttle is not None:
            held.throttle.heard_s = now
            held.throttle.rate_bps = rate_bps
            held.throttle.stopped |= control.command == Command.STOP
        elif control.command == Command.KEEP_ALIVE and now < held.expires_s:
            held.throttle = pacing.Throttle(rate_bps=rate_bps, heard_s=now)
            held.expires_s = now + held.lease.max_seconds + CLAIM_S
            self._start(held, held.throttle)

    def _start(self, held: _Held, throttle: pacing.Throttle) -> None:
        run = asyncio.get_running_loop().run_in_executor
        if held.direction == Direction.DOWN:
            load = run(self._threads, pacing.send_load, self._sock, held.lease, throttle)
        else:
            load = run(self._threads, _Listener(self._sock, held, throttle).run)
        load.add_done_callback(lambda done: self._finish(held, done))

    def _finish(self, held: _Held, load: "asyncio.Future[pacing.Sent]") -> None:
        held.expires_s = time.monotonic() + CLAIM_S
        if load.cancelled() or load.exception() is not None:
            _log.error("load failed", exc_info=None if load.cancelled() else load.exception())
            self._held.pop(held.lease.id, None)
            return
        sent = load.result()
        report = Report(
            lease=held.lease.id,
            packet_count=sent.packet_count,
            sent_bytes=sent.sent_bytes,
            elapsed_ns=int(sent.elapsed_s * 1e9),
            late_count=sent.late_count,
            end=sent.end,
        )
        held.report = seal(report, held.key)
        _tests.labels(sent.end.name.lower()).inc()
        (_sent if held.direction == Direction.DOWN else _received).inc(sent.sent_bytes)
        _log.info("load ended", peer=held.lease.address[0], end=sent.end.name.lower(), bytes=sent.sent_bytes)
        self._reply(held.report, held.lease.address)

    def _forget(self) -> None:
        now = time.monotonic()
        running = (h for h in self._held.values() if h.throttle is not None and h.report is None)
        keep = {h.lease.id for h in running}
        self._held = {id_: h for id_, h in self._held.items() if id_ in keep or h.expires_s > now}
        self._spent = {nonce: until for nonce, until in self._spent.items() if until > now}


class _Listener:
    """Receives one upload and tells its sender what came, window by window. Blocking; in a thread of its own.

    It has a socket of the responder's own address and port, connected to the agent: the kernel gives it all that comes
    from there, with arrival times, and a flood beyond the lease never reaches the event loop.
    """

    def __init__(self, front: socket.socket, held: _Held, throttle: pacing.Throttle) -> None:
        self._front = front
        self._held = held
        self._lease = held.lease
        self._key = held.key
        self._throttle = throttle
        self._seen = windows.Windows(held.lease.id, held.lease.payload_bytes, "quick", held.lease.extra_bytes)
        self._recent: deque[Window] = deque(maxlen=FEEDBACK_WINDOWS)
        self._window_count = 0
        self._wall_ns = windows.wall_offset_ns()
        self._heard_s = self._started_s = time.monotonic()
        self._told_s = 0.0

    def run(self) -> pacing.Sent:
        with self._connect() as sock:
            receiver = windows.Receiver(sock)
            self._tell(sock)
            while (end := self._end()) is None:
                try:
                    self._take(sock, receiver.read())
                except (TimeoutError, ConnectionRefusedError):
                    continue
        return pacing.Sent(
            packet_count=self._seen.packet_count,
            sent_bytes=self._got_bytes,
            elapsed_s=self._seen.seconds,
            late_count=0,
            end=end,
        )

    def _connect(self) -> socket.socket:
        sock = _socket(self._front.family)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self._front.getsockname())
            sock.connect(self._lease.address)
            windows.prepare(sock)
            sock.settimeout(FEEDBACK_EVERY_S)
        except OSError:
            sock.close()
            raise
        return sock

    @property
    def _got_bytes(self) -> int:
        return self._seen.packet_count * self._lease.packet_bytes

    def _end(self) -> End | None:
        now = time.monotonic()
        if self._throttle.stopped:
            return End.STOPPED
        if now - self._heard_s > UPLOAD_SILENCE_S:
            return End.SILENT
        if self._got_bytes >= self._lease.max_bytes:
            return End.BYTES
        if now - self._started_s > self._lease.max_seconds:
            return End.SECONDS
        if abs(windows.wall_offset_ns() - self._wall_ns) > windows.CLOCK_STEP_NS:
            return End.CLOCK
        return None

    def _take(self, sock: socket.socket, arrival: windows.Arrival) -> None:
        before = self._seen.packet_count
        window = self._seen.add(arrival)
        if self._seen.packet_count > before:
            self._heard_s = time.monotonic()
        for datagram in self._seen.others:
            self._obey(sock, datagram)
        if window is not None:
            self._recent.append(window)
            self._window_count += 1
            self._tell(sock)

    def _obey(self, sock: socket.socket, datagram: bytes) -> None:
        control = unseal(Control, datagram, self._key)
        if control is None or control.lease != self._lease.id or control.count <= self._held.last_count:
            _ignored.labels("foreign" if control is None else "replayed").inc()
            return
        self._held.last_count = control.count
        self._heard_s = time.monotonic()
        self._throttle.stopped |= control.command == Command.STOP
        if self._heard_s - self._told_s >= FEEDBACK_EVERY_S:
            self._tell(sock)

    def _tell(self, sock: socket.socket) -> None:
        self._told_s = time.monotonic()
        feedback = Feedback(
            lease=self._lease.id, count=self._window_count, windows=windows.pack_windows(tuple(self._recent))
        )
        with contextlib.suppress(OSError):
            sock.send(seal(feedback, self._key))


def _line(address: str) -> str:
    """Say whose line it is: in IPv6 a site has a /64 at least, and one host of it any number of addresses."""
    if not pacing.extra_bytes(address):
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


def _supported(request: Request) -> bool:
    return (
        request.direction in (Direction.DOWN, Direction.UP)
        and PAYLOAD_MIN_BYTES <= request.payload_bytes <= PAYLOAD_MAX_BYTES
        and request.rate_bps >= LEASE_MIN_BPS
        and request.max_bytes >= request.payload_bytes
        and request.max_ms > 0
    )


def _refuse(request: Request, reason: RefuseReason, retry_after_s: float = 0.0) -> bytes:
    _refusals.labels(reason.name.lower()).inc()
    return encode(Refuse(nonce=request.nonce, reason=reason, retry_after_ms=int(retry_after_s * 1_000)))
