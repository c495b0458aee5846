"""The far end of the bandwidth test: proves addresses, grants leases within caps, and paces the load.

It is dumb on purpose: the receiver decides, the responder only sends what its lease allows. An unproven address never
gets more bytes than it sent; the load starts only when the receiver answers with the key of its lease, and stops within
0.1 s when the receiver falls silent.
"""

import asyncio
import hmac
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from msgspec import Struct
from prometheus_client import Counter

from classready.bandwidth import pacing
from classready.bandwidth.packets import (
    NONCE_BYTES,
    PAYLOAD_MAX_BYTES,
    PAYLOAD_MIN_BYTES,
    SECRET_BYTES,
    Challenge,
    Command,
    Control,
    Direction,
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
COOKIE_SLOT_S: Final = 10.0
"""A cookie is good in its slot and the next one."""

Address = tuple[str, int]

_log = structlog.get_logger()
_tests = Counter("classready_responder_tests", "Bandwidth tests that put a load on the line", ["end"])
_refusals = Counter("classready_responder_refusals", "Requests of proven addresses that got no lease", ["reason"])
_ignored = Counter("classready_responder_ignored_packets", "Datagrams without an answer", ["reason"])
_sent = Counter("classready_responder_sent_bytes", "Load sent, layer-1 equivalent")


class _Held(Struct, kw_only=True):
    """A lease from its grant until shortly after its end."""

    lease: pacing.Lease
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
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((settings.host, settings.port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    pacing.prepare(sock)
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

    def datagram_received(self, data: bytes, addr: Address) -> None:
        answer = self._answer(data, addr)
        if isinstance(answer, str):
            _ignored.labels(answer).inc()
        elif answer is not None:
            self._reply(answer, addr)

    def _reply(self, datagram: bytes, address: Address) -> None:
        try:
            self._sock.sendto(datagram, address)
        except OSError:
            _ignored.labels("unsendable").inc()

    def _answer(self, data: bytes, address: Address) -> bytes | str | None:
        """Return the datagram to send back, why there is none, or None where none is due."""
        kind = kind_of(data)
        if kind is Hello:
            return self._challenge(data, address)
        if kind is Request:
            return self._lease(data, address)
        if kind is Control:
            return self._control(data, address)
        return "foreign"

    def _challenge(self, data: bytes, address: Address) -> bytes | str:
        hello = parse(Hello, data)
        assert hello is not None
        return encode(Challenge(nonce=hello.nonce, cookie=self._cookie(hello.nonce, address, 0)))

    def _cookie(self, nonce: bytes, address: Address, slots_ago: int) -> bytes:
        slot = int(time.monotonic() / COOKIE_SLOT_S) - slots_ago
        return cookie(self._secret, slot, address[0], address[1], nonce)

    def _proven(self, request: Request, address: Address) -> bool:
        cookies = (self._cookie(request.nonce, address, ago) for ago in (0, 1))
        return any(hmac.compare_digest(request.cookie, good) for good in cookies)

    def _lease(self, data: bytes, address: Address) -> bytes | str:
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

    def _busy_s(self, rate_bps: float, address: Address) -> float | None:
        """Seconds until it is worth asking again; None = there is room now."""
        live = [h for h in self._held.values() if h.report is None]
        mine = any(h.lease.address[0] == address[0] for h in live)
        if not mine and len(live) < LEASES_MAX and sum(h.rate_bps for h in live) + rate_bps <= self._share_bps:
            return None
        return max(0.1, min(h.expires_s for h in live) - time.monotonic())

    def _grant(self, request: Request, rate_bps: float, address: Address) -> bytes:
        salt = os.urandom(SECRET_BYTES)
        lease = pacing.Lease(
            id=os.urandom(NONCE_BYTES),
            address=address,
            payload_bytes=request.payload_bytes,
            max_bytes=min(request.max_bytes, LEASE_MAX_BYTES),
            max_seconds=min(request.max_ms / 1_000, LEASE_MAX_SECONDS),
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
            nonce=request.nonce,
            key=lease_key(self._key, salt),
            grant=seal(grant, self._key),
            rate_bps=rate_bps,
            expires_s=now + CLAIM_S,
        )
        return held.grant

    def _control(self, data: bytes, address: Address) -> bytes | str | None:
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
            load = asyncio.get_running_loop().run_in_executor(
                self._threads, pacing.send_load, self._sock, held.lease, held.throttle
            )
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
        _sent.inc(sent.sent_bytes)
        _log.info("load ended", to=held.lease.address[0], end=sent.end.name.lower(), bytes=sent.sent_bytes)
        self._reply(held.report, held.lease.address)

    def _forget(self) -> None:
        now = time.monotonic()
        running = (h for h in self._held.values() if h.throttle is not None and h.report is None)
        keep = {h.lease.id for h in running}
        self._held = {id_: h for id_, h in self._held.items() if id_ in keep or h.expires_s > now}
        self._spent = {nonce: until for nonce, until in self._spent.items() if until > now}


def _supported(request: Request) -> bool:
    return (
        request.direction == Direction.DOWN
        and PAYLOAD_MIN_BYTES <= request.payload_bytes <= PAYLOAD_MAX_BYTES
        and request.rate_bps >= LEASE_MIN_BPS
        and request.max_bytes >= request.payload_bytes
        and request.max_ms > 0
    )


def _refuse(request: Request, reason: RefuseReason, retry_after_s: float = 0.0) -> bytes:
    _refusals.labels(reason.name.lower()).inc()
    return encode(Refuse(nonce=request.nonce, reason=reason, retry_after_ms=int(retry_after_s * 1_000)))
