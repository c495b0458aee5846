"""Does the line to the school carry the threshold? A drain test against the collector's responder.

The agent receives and decides; the responder only sends. Everything that blocks runs in one thread, which ends within
50 ms of a cancellation. Method and limits: docs/bandwidth.md.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from agent.probes.contract import Context
from agent.settings import BandwidthTarget, HourSpan
from classready.bandwidth import windows
from classready.bandwidth.decider import (
    START_RATIO,
    TEST_RATIO,
    Continue,
    Decider,
    Decision,
    Plan,
    Result,
    SetRate,
    Window,
)
from classready.bandwidth.packets import (
    NONCE_BYTES,
    Challenge,
    Command,
    Control,
    Direction,
    End,
    Grant,
    Hello,
    Refuse,
    RefuseReason,
    Report,
    Request,
    encode,
    lease_key,
    parse,
    seal,
    unseal,
)
from classready.observation import Bandwidth, Outcome, Reason, clean_text
from classready.settings import read_secret
from classready.units import IPV4_UDP_HEAD_BYTES, MBYTE, bps_to_mbps

MAX_SECONDS: Final = 3.0
PAYLOAD_BYTES: Final = 1464
"""Fits an unfragmented packet through PPPoE (MTU 1492) too."""

_TRY_S = (0.3, 0.6, 1.2)
_POLL_S = 0.02
_SILENCE_S = 0.3
_REPORT_TRY_S, _REPORT_TRIES = 0.1, 5
_EXPLAIN_EVERY = 5

_STOPPED = (Reason.NO_DATA, "the responder ended the test")
_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "the responder no longer heard this agent"),
    End.BYTES: (Reason.BUDGET, "the responder's limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the responder's limit of seconds was reached"),
    End.SEND_ERROR: (Reason.SENDER_LIMITED, "the responder could not send packets of this size"),
}
_REFUSALS: dict[int, Reason] = {RefuseReason.BUSY: Reason.PEER_BUSY, RefuseReason.KEY: Reason.AUTH_FAILED}
_ALL_DAY: HourSpan = ("00:00", "24:00")

T = TypeVar("T")


class _Unfinished(Exception):  # noqa: N818 - an outcome, not an error
    """No test took place, or it broke off."""

    def __init__(self, outcome: Outcome, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.reason, self.detail = outcome, reason, detail


class _Test(Struct, frozen=True, kw_only=True):
    """Everything that the thread needs."""

    target: BandwidthTarget
    thetas_bps: tuple[float, float]
    key: bytes
    cancelled: threading.Event
    explain: Callable[[str], None]


async def probe(target: BandwidthTarget, context: Context) -> Sequence[Bandwidth]:
    """Test ``target`` once, unless this is not the time for a load."""
    thetas_bps = context.directives.theta.down if context.directives is not None else None
    if thetas_bps is None or not 0 < thetas_bps[0] < thetas_bps[1]:
        return unmeasured(target, Reason.NO_POLICY, "the collector has not said what is required of this direction")
    if (why_not := _not_now(target, context, time.time())) is not None:
        return unmeasured(target, *why_not)
    try:
        key = read_secret(Path(target.key_file)).encode() if target.key_file is not None else b""
    except (OSError, UnicodeDecodeError) as error:
        return unmeasured(target, Reason.PERMISSION, f"key_file: {error}")
    test = _Test(
        target=target,
        thetas_bps=thetas_bps,
        key=key,
        cancelled=threading.Event(),
        explain=_from_thread(context.explain),
    )
    started = time.monotonic()
    try:
        observation = await asyncio.to_thread(_run, test)
    finally:
        test.cancelled.set()
    return [replace(observation, elapsed_s=time.monotonic() - started)]


def unmeasured(target: BandwidthTarget, reason: str, detail: str) -> Sequence[Bandwidth]:
    return [_nothing(target, Outcome.UNMEASURED, Reason(reason), detail)]


def _nothing(target: BandwidthTarget, outcome: Outcome, reason: Reason, detail: str) -> Bandwidth:
    return Bandwidth(
        target=target.name,
        direction=target.direction,
        mode="drain",
        outcome=outcome,
        reason=reason,
        detail=clean_text(detail),
    )


def _from_thread(explain: Callable[[str], None]) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()

    def hand_over(line: str) -> None:
        loop.call_soon_threadsafe(explain, line)

    return hand_over


def _not_now(target: BandwidthTarget, context: Context, now: float) -> tuple[Reason, str] | None:
    """Say why no load may be put on the line now; None = it may."""
    if context.on_demand or context.directives is None:
        return None
    if any(start <= now < end for start, end in context.directives.quiet):
        return Reason.OUTSIDE_HOURS, "the collector asked for quiet (lessons)"
    if _ALL_DAY in target.allowed_hours:
        return None
    if not context.clock_good:
        return Reason.CLOCK, "the time of day is not known, so allowed_hours cannot be kept"
    local = datetime.fromtimestamp(now, ZoneInfo(context.settings.timezone))
    if any(_within(span, f"{local:%H:%M}") for span in target.allowed_hours):
        return None
    return Reason.OUTSIDE_HOURS, f"{local:%H:%M} is outside allowed_hours"


def _within(span: HourSpan, clock: str) -> bool:
    """Spans may pass midnight: 22:00 to 06:00."""
    first, last = span
    return first <= clock < last if first <= last else clock >= first or clock < last


# --- in the thread --------------------------------------------------------------------------------------------------


def _run(test: _Test) -> Bandwidth:
    try:
        with _connect(test.target) as sock:
            return _measure(test, sock)
    except _Unfinished as end:
        test.explain(f"{end.outcome}: {end.detail}")
        return _nothing(test.target, end.outcome, end.reason, end.detail)


def _connect(target: BandwidthTarget) -> socket.socket:
    try:
        found = socket.getaddrinfo(target.host, target.port, socket.AF_INET, socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _Unfinished(Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED, f"{target.host}: {error}") from None
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(found[0][4])
        windows.prepare(sock)
    except OSError as error:
        sock.close()
        raise _Unfinished(Outcome.NO_ANSWER, Reason.UNREACHABLE, f"{target.host}: {error.strerror}") from None
    sock.settimeout(_POLL_S)
    return sock


def _measure(test: _Test, sock: socket.socket) -> Bandwidth:
    target = test.target
    interface = target.interface or windows.interface_of(sock.getsockname()[0])
    mtu_bytes = windows.mtu_of(interface) if interface else None
    payload_bytes = min(PAYLOAD_BYTES, (mtu_bytes or 1_500) - IPV4_UDP_HEAD_BYTES)
    test.explain(
        f"hello to {target.host} port {target.port}; other traffic is counted on {interface or 'no interface'}"
    )
    receiver = windows.Receiver(sock)
    grant = _ask(test, receiver, payload_bytes)
    plan = _plan(test, grant)
    with closing(windows.CrossTraffic(interface, payload_bytes)) as cross:
        load = _Load(test, receiver, grant, payload_bytes, cross)
        try:
            result = load.receive(Decider(plan))
        finally:
            load.tell(Command.STOP, 0.0)
    report = load.wait_for_report()
    observation = _observation(test, plan, result, load, report)
    test.explain(f"{result.outcome}: {observation.detail}")
    return observation


def _ask(test: _Test, receiver: windows.Receiver, payload_bytes: int) -> Grant:
    """Prove our address, and get a lease."""
    nonce = os.urandom(NONCE_BYTES)

    def challenge(datagram: bytes) -> Challenge | None:
        found = parse(Challenge, datagram)
        return found if found is not None and found.nonce == nonce else None

    def decision(datagram: bytes) -> Grant | Refuse | None:
        grant = unseal(Grant, datagram, test.key)
        if grant is not None:
            return grant if grant.nonce == nonce else None
        refuse = parse(Refuse, datagram)
        return refuse if refuse is not None and refuse.nonce == nonce else None

    proof = _exchange(test, receiver, encode(Hello(nonce=nonce)), challenge)
    test.explain("hello answered; asking for a lease")
    request = Request(
        nonce=nonce,
        cookie=proof.cookie,
        direction=Direction.DOWN,
        payload_bytes=payload_bytes,
        rate_bps=int(START_RATIO * test.thetas_bps[1]),
        max_bytes=test.target.max_bytes,
        max_ms=int(MAX_SECONDS * 1_000),
    )
    answer = _exchange(test, receiver, seal(request, test.key), decision)
    if isinstance(answer, Grant):
        return answer
    assert isinstance(answer, Refuse)
    raise _refused(answer)


def _refused(refuse: Refuse) -> _Unfinished:
    reason = _REFUSALS.get(refuse.reason, Reason.PROTOCOL)
    retry = f"; try again in {refuse.retry_after_ms / 1_000:.1f} s" if refuse.retry_after_ms else ""
    return _Unfinished(Outcome.UNMEASURED, reason, f"the responder refused a lease ({reason}){retry}")


def _exchange(test: _Test, receiver: windows.Receiver, packet: bytes, accept: Callable[[bytes], T | None]) -> T:
    """Send ``packet``, again if need be, until an answer is accepted."""
    reason = Reason.TIMEOUT
    for wait_s in _TRY_S:
        try:
            receiver.sock.send(packet)
            for datagram in _datagrams(test, receiver, wait_s):
                if (answer := accept(datagram)) is not None:
                    return answer
        except ConnectionRefusedError:
            reason = Reason.REFUSED
            test.cancelled.wait(wait_s)
        except OSError as error:
            raise _Unfinished(Outcome.NO_ANSWER, Reason.UNREACHABLE, f"cannot send: {error.strerror}") from None
    raise _Unfinished(Outcome.NO_ANSWER, reason, "the responder does not answer")


def _datagrams(test: _Test, receiver: windows.Receiver, seconds: float) -> Iterator[bytes]:
    """Everything that arrives within ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _check(test)
        try:
            yield from map(bytes, receiver.read().datagrams())
        except TimeoutError:
            continue


def _check(test: _Test) -> None:
    if test.cancelled.is_set():
        raise _Unfinished(Outcome.UNMEASURED, Reason.DEADLINE, "cancelled")


def _plan(test: _Test, grant: Grant) -> Plan:
    theta0_bps, theta1_bps = test.thetas_bps
    granted = f"{bps_to_mbps(grant.rate_bps):.0f} Mbit/s"
    if grant.rate_bps < TEST_RATIO * theta1_bps:
        raise _Unfinished(Outcome.UNMEASURED, Reason.SENDER_LIMITED, f"the responder may send no more than {granted}")
    test.explain(f"granted {granted}, {grant.max_bytes / MBYTE:.1f} MB, {grant.max_ms / 1_000:.1f} s")
    return Plan(
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        start_bps=min(START_RATIO * theta1_bps, grant.rate_bps),
        max_bytes=min(test.target.max_bytes, grant.max_bytes),
        max_seconds=min(MAX_SECONDS, grant.max_ms / 1_000),
    )


class _Load:
    """The load of one lease, from the first keep-alive to the final report."""

    def __init__(
        self, test: _Test, receiver: windows.Receiver, grant: Grant, payload_bytes: int, cross: windows.CrossTraffic
    ) -> None:
        self.windows = windows.Windows(grant.lease, payload_bytes)
        self._test = test
        self._receiver = receiver
        self._lease = grant.lease
        self._key = lease_key(test.key, grant.salt)
        self._cross = cross
        self._wall_ns = windows.wall_offset_ns()
        self._heard_s = time.monotonic()
        self._next_tell_s = 0.0
        self._control_count = 0
        self._window_count = 0

    def receive(self, decider: Decider) -> Result:
        """Keep the load alive and feed the decider until it has decided, or the load ends some other way."""
        while True:
            _check(self._test)
            now = time.monotonic()
            if now >= self._next_tell_s:
                self.tell(Command.KEEP_ALIVE, decider.rate_bps)
            try:
                decision = self._take(self._receiver.read(), decider)
            except TimeoutError:
                decision = None
            except OSError as error:
                return decider.inconclusive(Reason.NO_DATA, f"cannot receive: {error.strerror}")
            if isinstance(decision, Result):
                return decision
            if now - self._heard_s > _SILENCE_S:
                return decider.inconclusive(Reason.NO_DATA, f"nothing arrived for {now - self._heard_s:.1f} s")

    def tell(self, command: Command, rate_bps: float) -> None:
        """Send a control; one that gets lost is made up for by the next."""
        self._control_count += 1
        self._next_tell_s = time.monotonic() + _POLL_S
        control = Control(lease=self._lease, count=self._control_count, command=command, rate_bps=int(rate_bps))
        with suppress(OSError):
            self._receiver.sock.send(seal(control, self._key))

    def wait_for_report(self) -> Report | None:
        """Repeat the stop until the responder says what it sent; None = it no longer does."""
        with suppress(OSError):
            for _ in range(_REPORT_TRIES):
                for datagram in _datagrams(self._test, self._receiver, _REPORT_TRY_S):
                    if (report := unseal(Report, datagram, self._key)) is not None:
                        return report
                self.tell(Command.STOP, 0.0)
        return None

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        window = self.windows.add(arrival)
        if len(self.windows.others) == 0:
            self._heard_s = time.monotonic()
        elif (report := self._report_among(self.windows.others)) is not None:
            return decider.inconclusive(*_ENDS.get(report.end, _STOPPED))
        decision = self._feed(window, decider) if window is not None else None
        self._cross.look(self.windows.packet_count, self.windows.read_count, self._receiver.sock)
        return decision

    def _report_among(self, datagrams: list[bytes]) -> Report | None:
        return next((r for r in (unseal(Report, d, self._key) for d in datagrams) if r is not None), None)

    def _feed(self, window: Window, decider: Decider) -> Decision:
        if abs(windows.wall_offset_ns() - self._wall_ns) > windows.CLOCK_STEP_NS:
            return decider.inconclusive(Reason.CLOCK, "the clock of this machine was set during the test")
        window = replace(window, cross_bytes=self._cross.take())
        decision = decider.feed(window)
        if self._window_count % _EXPLAIN_EVERY == 0 or not isinstance(decision, Continue):
            saturated = ", saturated" if decider.saturated else ""
            self._test.explain(f"{self.windows.seconds:6.3f} s  {_window_text(window)}{saturated}")
        self._window_count += 1
        if isinstance(decision, SetRate):
            self._test.explain(f"knee: going on at {bps_to_mbps(decision.rate_bps):.1f} Mbit/s")
            self.tell(Command.KEEP_ALIVE, decision.rate_bps)
        return decision


def _window_text(window: Window) -> str:
    return (
        f"arrived {bps_to_mbps(window.rate_bps):6.1f} Mbit/s of {bps_to_mbps(window.offered_bps):6.1f},"
        f" queue {window.queue_delay_s * 1_000:5.1f} ms, lost {window.lost_count}"
    )


def _observation(test: _Test, plan: Plan, result: Result, load: _Load, report: Report | None) -> Bandwidth:
    sent_bytes, seconds = load.windows.sent_bytes, load.windows.seconds
    if report is not None and report.sent_bytes >= sent_bytes:
        sent_bytes, seconds = report.sent_bytes, report.elapsed_ns / 1e9
    plateau = f", plateau {bps_to_mbps(result.estimate_bps):.1f} Mbit/s" if result.estimate_bps is not None else ""
    return Bandwidth(
        target=test.target.name,
        direction=test.target.direction,
        mode="drain",
        outcome=result.outcome,
        reason=result.reason,
        detail=clean_text(f"{result.why}{plateau}; {sent_bytes / MBYTE:.1f} MB in {seconds:.2f} s"),
        at_least_bps=result.at_least_bps,
        at_most_bps=result.at_most_bps,
        estimate_bps=result.estimate_bps,
        theta0_bps=plan.theta0_bps,
        theta1_bps=plan.theta1_bps,
        bucket_bytes=result.bucket_bytes,
        bytes=sent_bytes,
        seconds=seconds,
        loss_ratio=result.loss_ratio,
    )
