"""Does the line to the school carry the threshold? A drain or quick test against the collector's responder.

The agent decides; the responder only sends, or tells what came. Everything that blocks runs in one thread (an upload
has one more), which ends within 50 ms of a cancellation. Method and limits: docs/bandwidth.md.
"""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar, cast
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from agent.probes import bucket
from agent.probes.contract import Context
from agent.settings import BandwidthTarget, HourSpan
from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import (
    BUCKET_BYTES,
    QUICK_MAX_BUCKET_BYTES,
    QUICK_MAX_BYTES,
    TEST_RATIO,
    Continue,
    Decider,
    Decision,
    Mode,
    Plan,
    Result,
    SetRate,
    Window,
    start_ratio,
)
from classready.bandwidth.packets import (
    NONCE_BYTES,
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
    encode,
    lease_key,
    parse,
    seal,
    unseal,
)
from classready.observation import Bandwidth, Outcome, Reason, clean_text
from classready.settings import read_secret
from classready.units import COUNTED_OVERHEAD_BYTES, IPV4_UDP_HEAD_BYTES, MBYTE, bps, bps_to_mbps, layer1_bytes

MAX_SECONDS: Final = 3.0
MTU_BYTES: Final = 1_492
"""An IP packet of this size goes through PPPoE too. Payload: 1,464 in IPv4, 1,444 in IPv6."""

DRAIN_AGAIN_RATIO: Final = 1 / 20
"""So many quick tests are made as drain tests instead: a bucket that became larger is found out."""

_TRY_S = (0.3, 0.6, 1.2)
_POLL_S = 0.02
_SILENCE_S = 0.3
_OPEN_TRY_S, _OPEN_TRIES = 0.1, 10
_REPORT_TRY_S, _REPORT_TRIES = 0.1, 5
_EXPLAIN_EVERY = 5
_AFTERWARDS_S = 0.1
_DISTURBED_FROM, _DISTURBED_FROM_BYTES = 0.01, 4_000

_STOPPED = (Reason.NO_DATA, "the responder ended the test")
_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "the responder no longer heard this agent"),
    End.BYTES: (Reason.BUDGET, "the responder's limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the responder's limit of seconds was reached"),
    End.SEND_ERROR: (Reason.SENDER_LIMITED, "the responder could not send packets of this size"),
    End.CLOCK: (Reason.CLOCK, "the clock of the responder was set during the test"),
}
_OWN_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "the responder no longer says what arrives"),
    End.BYTES: (Reason.BUDGET, "the limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the limit of seconds was reached"),
    End.SEND_ERROR: (Reason.SENDER_LIMITED, "this machine could not send packets of this size"),
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
    state_dir: Path
    now_s: float | None
    """Wall time, None when it is not known."""
    may_drain_again: bool
    may_learn: bool


async def probe(target: BandwidthTarget, context: Context) -> Sequence[Bandwidth]:
    """Test ``target`` once, unless this is not the time for a load."""
    thetas_bps = getattr(context.directives.theta, target.direction) if context.directives is not None else None
    if thetas_bps is None or not 0 < thetas_bps[0] < thetas_bps[1]:
        return unmeasured(target, Reason.NO_POLICY, "the collector has not said what is required of this direction")
    now_s = time.time()
    if (why_not := _not_now(target, context, now_s)) is not None:
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
        state_dir=Path(context.settings.state_dir),
        now_s=now_s if context.clock_good else None,
        may_drain_again=not _quiet(context, now_s),
        may_learn=not context.on_demand,
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
    if _quiet(context, now):
        return Reason.OUTSIDE_HOURS, "the collector asked for quiet (lessons)"
    if _ALL_DAY in target.allowed_hours:
        return None
    if not context.clock_good:
        return Reason.CLOCK, "the time of day is not known, so allowed_hours cannot be kept"
    local = datetime.fromtimestamp(now, ZoneInfo(context.settings.timezone))
    if any(_within(span, f"{local:%H:%M}") for span in target.allowed_hours):
        return None
    return Reason.OUTSIDE_HOURS, f"{local:%H:%M} is outside allowed_hours"


def _quiet(context: Context, now: float) -> bool:
    return context.directives is not None and any(start <= now < end for start, end in context.directives.quiet)


def _within(span: HourSpan, clock: str) -> bool:
    """Spans may pass midnight: 22:00 to 06:00."""
    first, last = span
    return first <= clock < last if first <= last else clock >= first or clock < last


# --- in the thread --------------------------------------------------------------------------------------------------


def _run(test: _Test) -> Bandwidth:
    try:
        return _measure_by_any(test, _resolve(test.target))
    except _Unfinished as end:
        test.explain(f"{end.outcome}: {end.detail}")
        return _nothing(test.target, end.outcome, end.reason, end.detail)


def _resolve(target: BandwidthTarget) -> list[pacing.Address]:
    """Return the first address of each family, in the resolver's order."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _Unfinished(Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED, f"{target.host}: {error}") from None
    first: dict[int, pacing.Address] = {}
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            first.setdefault(family, cast("pacing.Address", address))
    return list(first.values())


def _measure_by_any(test: _Test, addresses: Sequence[pacing.Address]) -> Bandwidth:
    """Measure by the first address that answers."""
    for address in addresses[:-1]:
        try:
            with _connect(address) as sock:
                return _measure(test, sock)
        except _Unfinished as end:
            if end.outcome is not Outcome.NO_ANSWER:
                raise
            test.explain(f"{end.detail}; trying the other address")
    with _connect(addresses[-1]) as sock:
        return _measure(test, sock)


def _connect(address: pacing.Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(address)
        windows.prepare(sock)
    except OSError as error:
        sock.close()
        raise _Unfinished(Outcome.NO_ANSWER, Reason.UNREACHABLE, f"{address[0]}: {error.strerror}") from None
    sock.settimeout(_POLL_S)
    return sock


def _measure(test: _Test, sock: socket.socket) -> Bandwidth:
    target = test.target
    interface = target.interface or windows.interface_of(sock.getsockname()[0])
    mtu_bytes = windows.mtu_of(interface) if interface else None
    peer = sock.getpeername()[0]
    family_bytes = pacing.extra_bytes(peer)
    payload_bytes = min(MTU_BYTES, mtu_bytes or MTU_BYTES) - IPV4_UDP_HEAD_BYTES - family_bytes
    extra_bytes = family_bytes + target.extra_frame_bytes
    test.explain(f"hello to {peer} port {target.port}; other traffic is counted on {interface or 'no interface'}")
    receiver = windows.Receiver(sock)
    line = bucket.line(interface, mtu_bytes, peer, target.direction, test.thetas_bps[1])
    bucket_bytes = _bucket_bytes(test, line)
    mode: Mode = "drain" if bucket_bytes is None else "quick"
    grant = _ask(test, receiver, payload_bytes, mode)
    plan = _plan(test, grant, mode, bucket_bytes)
    with closing(windows.CrossTraffic(interface, payload_bytes, family_bytes)) as cross:
        load: _Load
        if target.direction == "down":
            seen = windows.Windows(grant.lease, payload_bytes, mode, extra_bytes)
            load = _Download(test, receiver, grant, seen, cross)
        else:
            load = _Upload(test, receiver, grant, payload_bytes, interface)
        decider = Decider(plan)
        try:
            result = load.receive(decider)
        finally:
            load.stop()
    report = load.wait_for_report()
    if load.disturbed(report):
        result = replace(result, learned_bytes=None)
        if result.outcome is Outcome.FAIL:
            result = decider.inconclusive(Reason.NO_DATA, "others used the line; what it carried for them is unknown")
    if test.may_learn and result.learned_bytes is not None and test.now_s is not None:
        bucket.keep(test.state_dir, target.name, result.learned_bytes, test.now_s, line)
    observation = _observation(test, plan, result, load, report)
    test.explain(f"{result.outcome}: {observation.detail}")
    return observation


def _bucket_bytes(test: _Test, line: str) -> int | None:
    """Return the bound that makes a quick test legal; None = drain."""
    known_bytes, why = bucket.known(test.state_dir, test.target.name, test.now_s, line)
    why_drain = None if known_bytes is not None else why
    if test.target.mode == "drain":
        why_drain = "the settings ask for it"
    elif known_bytes is not None and known_bytes > QUICK_MAX_BUCKET_BYTES:
        why_drain = f"{why}: too large for a quick test"
    elif known_bytes is not None and test.may_drain_again and random.random() < DRAIN_AGAIN_RATIO:  # noqa: S311 - no secret
        why_drain = f"{why}, but once in a while one looks for a larger bucket"
    test.explain(f"quick test: {why}" if why_drain is None else f"drain test: {why_drain}")
    return known_bytes if why_drain is None else None


def _ask(test: _Test, receiver: windows.Receiver, payload_bytes: int, mode: Mode) -> Grant:
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
        direction=Direction[test.target.direction.upper()],
        payload_bytes=payload_bytes,
        rate_bps=int(start_ratio(mode) * test.thetas_bps[1]),
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


def _plan(test: _Test, grant: Grant, mode: Mode, bucket_bytes: int | None) -> Plan:
    theta0_bps, theta1_bps = test.thetas_bps
    granted = f"{bps_to_mbps(grant.rate_bps):.0f} Mbit/s"
    if grant.rate_bps < int(TEST_RATIO * theta1_bps):
        raise _Unfinished(Outcome.UNMEASURED, Reason.SENDER_LIMITED, f"the responder may send no more than {granted}")
    test.explain(f"granted {granted}, {grant.max_bytes / MBYTE:.1f} MB, {grant.max_ms / 1_000:.1f} s")
    return Plan(
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        start_bps=min(start_ratio(mode) * theta1_bps, grant.rate_bps),
        max_bytes=min(test.target.max_bytes, grant.max_bytes, *([QUICK_MAX_BYTES] if mode == "quick" else [])),
        max_seconds=min(MAX_SECONDS, grant.max_ms / 1_000),
        bucket_bytes=BUCKET_BYTES if bucket_bytes is None else bucket_bytes,
        mode=mode,
    )


class _Load:
    """The load of one lease, from the first keep-alive to the final report."""

    def __init__(self, test: _Test, receiver: windows.Receiver, grant: Grant) -> None:
        self._test = test
        self._receiver = receiver
        self._lease = grant.lease
        self._key = lease_key(test.key, grant.salt)
        self._wall_ns = windows.wall_offset_ns()
        self._heard_s = time.monotonic()
        self._next_tell_s = 0.0
        self._control_count = 0
        self._window_count = 0
        self._window_s = 0.0

    def receive(self, decider: Decider) -> Result:
        """Keep the load alive and feed the decider until it has decided, or the load ends some other way."""
        while True:
            _check(self._test)
            now = time.monotonic()
            if now >= self._next_tell_s:
                self._keep_alive(decider)
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

    def stop(self) -> None:
        """End the load; a stop that gets lost is made up for while waiting for the report."""
        self.tell(Command.STOP, 0.0)

    def tell(self, command: Command, rate_bps: float) -> None:
        """Send a control; one that gets lost is made up for by the next."""
        self._control_count += 1
        self._next_tell_s = time.monotonic() + _POLL_S
        control = Control(lease=self._lease, count=self._control_count, command=command, rate_bps=int(rate_bps))
        with suppress(OSError):
            self._receiver.sock.send(seal(control, self._key))

    def wait_for_report(self) -> Report | None:
        """Repeat the stop until the responder says how it ended; None = it no longer does."""
        with suppress(OSError):
            for _ in range(_REPORT_TRIES):
                for datagram in _datagrams(self._test, self._receiver, _REPORT_TRY_S):
                    if (report := unseal(Report, datagram, self._key)) is not None:
                        return report
                self.tell(Command.STOP, 0.0)
        return None

    def cost(self, report: Report | None) -> tuple[int, float]:
        """Layer-1 bytes that went over the line, and for how long."""
        raise NotImplementedError

    def disturbed(self, report: Report | None) -> bool:  # noqa: ARG002 - for uploads
        """Say whether others sent much that the windows know nothing of."""
        return False

    def _keep_alive(self, decider: Decider) -> None:
        raise NotImplementedError

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        raise NotImplementedError

    def _end_among(self, datagrams: Sequence[bytes], decider: Decider) -> Result | None:
        report = next((r for r in (unseal(Report, d, self._key) for d in datagrams) if r is not None), None)
        return None if report is None else decider.inconclusive(*_ENDS.get(report.end, _STOPPED))

    def _feed(self, window: Window, decider: Decider) -> Decision:
        if abs(windows.wall_offset_ns() - self._wall_ns) > windows.CLOCK_STEP_NS:
            return decider.inconclusive(Reason.CLOCK, "the clock of this machine was set during the test")
        decision = decider.feed(window)
        self._window_s += window.seconds
        if self._window_count % _EXPLAIN_EVERY == 0 or not isinstance(decision, Continue):
            saturated = ", saturated" if decider.saturated else ""
            self._test.explain(f"{self._window_s:6.3f} s  {_window_text(window)}{saturated}")
        self._window_count += 1
        if isinstance(decision, SetRate):
            self._test.explain(f"knee: going on at {bps_to_mbps(decision.rate_bps):.1f} Mbit/s")
            self._keep_alive(decider)
        return decision


class _Download(_Load):
    """The responder sends, and this agent measures."""

    def __init__(
        self, test: _Test, receiver: windows.Receiver, grant: Grant, seen: windows.Windows, cross: windows.CrossTraffic
    ) -> None:
        super().__init__(test, receiver, grant)
        self._seen = seen
        self._cross = cross

    def cost(self, report: Report | None) -> tuple[int, float]:
        if report is not None and report.sent_bytes >= self._seen.sent_bytes:
            return report.sent_bytes, report.elapsed_ns / 1e9
        return self._seen.sent_bytes, self._seen.seconds

    def _keep_alive(self, decider: Decider) -> None:
        self.tell(Command.KEEP_ALIVE, decider.rate_bps)

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        window = self._seen.add(arrival)
        if len(self._seen.others) == 0:
            self._heard_s = time.monotonic()
        elif (end := self._end_among(self._seen.others, decider)) is not None:
            return end
        decision = None
        if window is not None:
            decision = self._feed(replace(window, cross_bytes=self._cross.take()), decider)
        self._cross.look(self._seen.packet_count, self._seen.read_count, self._receiver.sock)
        return decision


class _Upload(_Load):
    """This agent sends; the responder measures, and tells the windows."""

    def __init__(
        self, test: _Test, receiver: windows.Receiver, grant: Grant, payload_bytes: int, interface: str | None
    ) -> None:
        super().__init__(test, receiver, grant)
        self._sock = receiver.sock.dup()
        self._sock.setblocking(False)
        pacing.prepare(self._sock)
        self._family_bytes = pacing.extra_bytes(receiver.sock.getpeername()[0])
        self._pacing = pacing.Lease(
            id=grant.lease,
            address=receiver.sock.getpeername(),
            payload_bytes=payload_bytes,
            max_bytes=grant.max_bytes,
            max_seconds=grant.max_ms / 1_000,
            silence_s=_SILENCE_S,
            extra_bytes=self._family_bytes + test.target.extra_frame_bytes,
        )
        self._throttle = pacing.Throttle(rate_bps=float(grant.rate_bps), heard_s=time.monotonic())
        self._sent: pacing.Sent | None = None
        self._thread = threading.Thread(target=self._send, name="upload")
        self._interface = interface or ""
        self._counted = windows.sent_through(self._interface)

    def receive(self, decider: Decider) -> Result:
        self._open(decider)
        self._throttle.rate_bps = decider.rate_bps
        self._heard_s = self._throttle.heard_s = time.monotonic()
        self._thread.start()
        return super().receive(decider)

    def stop(self) -> None:
        self._throttle.stopped = True
        if self._thread.ident is not None:
            self._thread.join()
        self._sock.close()
        super().stop()

    def cost(self, report: Report | None) -> tuple[int, float]:  # noqa: ARG002 - nobody knows better than the sender
        return (self._sent.sent_bytes, self._sent.elapsed_s) if self._sent is not None else (0, 0.0)

    def disturbed(self, report: Report | None) -> bool:
        """A port that sent less than we gave it drops by itself: then what arrived is our part of what it sent.

        Counters alone cannot always tell the two apart, so whoever still sends afterwards counts too.
        """
        before, after = self._counted, windows.sent_through(self._interface)
        if self._sent is None or before is None or after is None:
            return False
        through_bytes, through_count = after[0] - before[0], after[1] - before[1]
        head_bytes = layer1_bytes(0, self._family_bytes) - COUNTED_OVERHEAD_BYTES

        def own_bytes(packet_count: int) -> int:
            """Virtual interfaces count joined packets once."""
            return packet_count * self._pacing.payload_bytes + min(packet_count, through_count) * head_bytes

        own = own_bytes(self._sent.packet_count)
        if report is not None and through_bytes < (1 - _DISTURBED_FROM) * own:
            own = own_bytes(report.packet_count)
        if through_bytes > (1 + _DISTURBED_FROM) * own + _DISTURBED_FROM_BYTES:
            return True
        self._test.cancelled.wait(_AFTERWARDS_S)
        later = windows.sent_through(self._interface)
        allowed_bps = _DISTURBED_FROM * self._test.thetas_bps[1]
        return later is not None and bps(later[0] - after[0], _AFTERWARDS_S) > allowed_bps

    def _send(self) -> None:
        self._sent = pacing.send_load(self._sock, self._pacing, self._throttle)

    def _open(self, decider: Decider) -> None:
        """Wait until the responder listens: before that, nobody would measure the load."""
        for _ in range(_OPEN_TRIES):
            self.tell(Command.KEEP_ALIVE, decider.rate_bps)
            try:
                for datagram in _datagrams(self._test, self._receiver, _OPEN_TRY_S):
                    if unseal(Feedback, datagram, self._key) is not None:
                        return
            except OSError:
                self._test.cancelled.wait(_OPEN_TRY_S)
        raise _Unfinished(Outcome.UNMEASURED, Reason.NO_DATA, "the responder does not listen to the upload")

    def _keep_alive(self, decider: Decider) -> None:
        """The load itself is the sign of life."""
        self._throttle.rate_bps = decider.rate_bps
        self._next_tell_s = time.monotonic() + _POLL_S

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        datagrams = [bytes(datagram) for datagram in arrival.datagrams()]
        if (end := self._end_among(datagrams, decider)) is not None:
            return end
        if self._sent is not None:
            return decider.inconclusive(*_OWN_ENDS.get(self._sent.end, _STOPPED))
        for datagram in datagrams:
            feedback = unseal(Feedback, datagram, self._key)
            if feedback is None or feedback.lease != self._lease:
                continue
            self._heard_s = self._throttle.heard_s = time.monotonic()
            packet_bytes = self._pacing.packet_bytes
            sent_ratio = packet_bytes / layer1_bytes(self._pacing.payload_bytes, self._family_bytes)
            new = windows.unpack_windows(feedback, self._window_count, packet_bytes, sent_ratio)
            if new is None:
                return decider.inconclusive(Reason.NO_DATA, "what the responder saw did not all come back")
            for window in new:
                if isinstance(decision := self._feed(window, decider), Result):
                    return decision
        return None


def _window_text(window: Window) -> str:
    return (
        f"arrived {bps_to_mbps(window.rate_bps):6.1f} Mbit/s of {bps_to_mbps(window.offered_bps):6.1f},"
        f" queue {window.queue_delay_s * 1_000:5.1f} ms, lost {window.lost_count}"
    )


def _observation(test: _Test, plan: Plan, result: Result, load: _Load, report: Report | None) -> Bandwidth:
    sent_bytes, seconds = load.cost(report)
    plateau = f", plateau {bps_to_mbps(result.estimate_bps):.1f} Mbit/s" if result.estimate_bps is not None else ""
    return Bandwidth(
        target=test.target.name,
        direction=test.target.direction,
        mode=plan.mode,
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
