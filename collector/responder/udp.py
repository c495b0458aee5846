"""The door for datagrams: cookies, leases, controls; a thread for each load that it sends or measures."""

import asyncio
import contextlib
import hmac
import os
import socket
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from msgspec import Struct

from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import Window
from classready.bandwidth.feedback import opening, pack_windows
from classready.bandwidth.packets import (
    FEEDBACK_WINDOWS,
    SECRET_BYTES,
    Challenge,
    Command,
    Control,
    Direction,
    End,
    Feedback,
    Hello,
    Report,
    Request,
    cookie,
    encode,
    kind_of,
    parse,
    seal,
    unseal,
)
from collector.responder import counters
from collector.responder.leases import CLAIM_S, LEASE_MIN_BPS, Lease, Leases

UPLOAD_SILENCE_S: Final = 0.3
"""An upload from which nothing more comes for this long is over."""
FEEDBACK_EVERY_S: Final = 0.01
COOKIE_SLOT_S: Final = 10.0
"""A cookie is good in its slot and the next one."""

_log = structlog.get_logger()


class _Test(Struct, kw_only=True):
    """A lease and what has come of it, until shortly after its end: repeated stops are answered as long."""

    lease: Lease
    address: pacing.Address
    forget_s: float
    throttle: pacing.Throttle | None = None
    last_count: int = 0
    report: bytes | None = None

    @property
    def pacing(self) -> pacing.Lease:
        return pacing.Lease(
            id=self.lease.id,
            address=self.address,
            payload_bytes=self.lease.payload_bytes,
            max_bytes=self.lease.max_bytes,
            max_seconds=self.lease.max_seconds,
            extra_bytes=pacing.extra_bytes(self.address[0]),
        )


def bind(host: str, port: int) -> socket.socket:
    """Open the socket for all control traffic.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    sock = _socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.bind((host, port))
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


class Front(asyncio.DatagramProtocol):
    """All control traffic; the threads only send."""

    def __init__(self, sock: socket.socket, leases: Leases, threads: ThreadPoolExecutor) -> None:
        self._sock = sock
        self._leases = leases
        self._threads = threads
        self._secret = os.urandom(SECRET_BYTES)
        self._tests: dict[bytes, _Test] = {}

    def stop(self) -> None:
        for test in self._tests.values():
            if test.throttle is not None:
                test.throttle.stopped = True

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - asyncio names it
        counters.ignored.labels("icmp").inc()

    def datagram_received(self, data: bytes, addr: pacing.Address) -> None:
        answer = self._answer(data, addr)
        if isinstance(answer, str):
            counters.ignored.labels(answer).inc()
        elif answer is not None:
            self._reply(answer, addr)

    def _reply(self, datagram: bytes, address: pacing.Address) -> None:
        try:
            self._sock.sendto(datagram, address)
        except OSError:
            counters.ignored.labels("unsendable").inc()

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
        lease = self._leases.ask(data, address[0])
        if lease == "replayed" and (granted := self._leases.granted(request.nonce)) is not None:
            return granted.grant
        if not isinstance(lease, Lease):
            return lease
        self._tests[lease.id] = _Test(lease=lease, address=address, forget_s=lease.expires_s)
        return lease.grant

    def _control(self, data: bytes, address: pacing.Address) -> bytes | str | None:
        claimed = parse(Control, data)
        test = self._tests.get(claimed.lease) if claimed is not None else None
        if test is None or test.address != address:
            return "no_lease"
        control = unseal(Control, data, test.lease.key)
        if control is None:
            return "forged"
        if control.count <= test.last_count:
            return "replayed"
        test.last_count = control.count
        return test.report if test.report is not None else self._obey(test, control)

    def _obey(self, test: _Test, control: Control) -> str | None:
        now = time.monotonic()
        rate_bps = min(max(control.rate_bps, LEASE_MIN_BPS), test.lease.rate_bps)
        if test.throttle is not None:
            test.throttle.heard_s = now
            test.throttle.rate_bps = rate_bps
            test.throttle.stopped |= control.command == Command.STOP
        elif control.command == Command.KEEP_ALIVE:
            if not self._leases.start(test.lease):
                return "no_lease"
            test.throttle = pacing.Throttle(rate_bps=rate_bps, heard_s=now)
            self._start(test, test.throttle)
        return None

    def _start(self, test: _Test, throttle: pacing.Throttle) -> None:
        run = asyncio.get_running_loop().run_in_executor
        if test.lease.direction == Direction.DOWN:
            load = run(self._threads, pacing.send_load, self._sock, test.pacing, throttle)
        else:
            load = run(self._threads, _Listener(self._sock, test, throttle).run)
        load.add_done_callback(lambda done: self._finish(test, done))

    def _finish(self, test: _Test, load: "asyncio.Future[pacing.Sent]") -> None:
        self._leases.end(test.lease)
        test.forget_s = time.monotonic() + CLAIM_S
        if load.cancelled() or (error := load.exception()) is not None:
            if not load.cancelled():
                _log.error("load failed", error=str(error), exc_info=None if isinstance(error, OSError) else error)
            self._tests.pop(test.lease.id, None)
            return
        sent = load.result()
        report = Report(
            lease=test.lease.id,
            packet_count=sent.packet_count,
            sent_bytes=sent.sent_bytes,
            elapsed_ns=int(sent.elapsed_s * 1e9),
            late_count=sent.late_count,
            end=sent.end,
        )
        test.report = seal(report, test.lease.key)
        counters.count(test.lease.direction, sent.sent_bytes, sent.end)
        _log.info("load ended", peer=test.address[0], end=sent.end.name.lower(), bytes=sent.sent_bytes)
        self._reply(test.report, test.address)

    def _forget(self) -> None:
        now = time.monotonic()
        running = {id_ for id_, test in self._tests.items() if test.throttle is not None and test.report is None}
        self._tests = {id_: test for id_, test in self._tests.items() if id_ in running or test.forget_s > now}


class _Listener:
    """Receives one upload and tells its sender what came, window by window. Blocking; in a thread of its own.

    It has a socket of the responder's own address and port, connected to the agent: the kernel gives it all that comes
    from there, with arrival times, and a flood beyond the lease never reaches the event loop.
    """

    def __init__(self, front: socket.socket, test: _Test, throttle: pacing.Throttle) -> None:
        self._front = front
        self._test = test
        self._lease = test.pacing
        self._key = test.lease.key
        self._throttle = throttle
        self._seen = windows.Windows(self._lease.id, self._lease.payload_bytes, "quick", self._lease.extra_bytes)
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
                except OSError:  # nothing came, the agent's port is closed, an interface went: silence ends it
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
        if before == 0 < self._seen.packet_count:
            self._recent.append(opening(self._seen.packet_count))
        for datagram in self._seen.others:
            self._obey(sock, datagram)
        if window is not None:
            self._recent.append(window)
            self._window_count += 1
            self._tell(sock)

    def _obey(self, sock: socket.socket, datagram: bytes) -> None:
        control = unseal(Control, datagram, self._key)
        if control is None or control.lease != self._lease.id or control.count <= self._test.last_count:
            counters.ignored.labels("foreign" if control is None else "replayed").inc()
            return
        self._test.last_count = control.count
        self._heard_s = time.monotonic()
        self._throttle.stopped |= control.command == Command.STOP
        if self._heard_s - self._told_s >= FEEDBACK_EVERY_S:
            self._tell(sock)

    def _tell(self, sock: socket.socket) -> None:
        self._told_s = time.monotonic()
        feedback = Feedback(lease=self._lease.id, count=self._window_count, windows=pack_windows(tuple(self._recent)))
        with contextlib.suppress(OSError):
            sock.send(seal(feedback, self._key))
