"""A test by four TCP streams, for networks in which UDP gets lost. Blocking; ends within 50 ms of a cancellation."""

import errno
import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from agent.probes.bandwidth.exchange import POLL_S, Test, Unfinished, by_any_address, check, concluded, granted, refused
from classready.bandwidth import pacing, streams, tcp, windows
from classready.bandwidth.decider import BUCKET_BYTES, Result
from classready.bandwidth.packets import (
    NO_COOKIE,
    NONCE_BYTES,
    PAYLOAD_MAX_BYTES,
    Direction,
    End,
    Grant,
    Join,
    Progress,
    Refuse,
    Report,
    Request,
    group_of,
    lease_key,
    parse,
    seal,
    unseal,
)
from classready.bandwidth.streams import OFFERED_RATIO, SECONDS, SKIP_S, STREAMS, Interval
from classready.observation import Bandwidth, Outcome, Reason, WindowSummary
from classready.units import COUNTED_OVERHEAD_BYTES, MBYTE, bps, bps_to_mbps

MAX_BYTES: Final = 50 * MBYTE
MAX_SECONDS: Final = SECONDS + tcp.START_S
QUEUE_S: Final = 0.002
"""A round trip of every stream longer than the least one by this: the line is full, and its bucket empty."""
ANSWER_S: Final = 2.0

_IDLE_BELOW = 0.1
_QUEUED_FROM = 0.8
_FULL_BELOW = 0.9
_OTHERS_FROM = 0.03
_REPORT_S = 0.3
_NS, _US = 1e9, 1e-6
_JOINED_BELOW = 0.9
_NET = Path("/sys/class/net")
_CONNECT_ERRORS = {errno.ECONNREFUSED: Reason.REFUSED, errno.ETIMEDOUT: Reason.TIMEOUT}
_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "nothing moved any more on any stream"),
    End.BYTES: (Reason.BUDGET, "the responder's limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the responder's limit of seconds was reached"),
}
_BROKEN = (Reason.NO_DATA, "the connections to the responder broke")


class _Arrived(NamedTuple):
    """What the receiving end had got at one moment of the load, by its own clock."""

    at_s: float
    payload_bytes: int
    segment_count: int
    """Also what came out of order: bytes that wait for a lost packet were carried already."""


class _Seen(Struct, frozen=True, kw_only=True):
    """What came in about 0.1 s, and at the sending end how long a queue there was, and how long it had idled."""

    seconds: float
    payload_bytes: int
    segment_count: int
    segment_bytes: float
    """Payload per segment since the load began; too little while much is waiting."""
    queue_s: float
    idle_s: float
    others_bytes: float | None
    credit_bytes: float
    """What of it surely was other traffic that came over the line."""


def run(test: Test) -> Bandwidth:
    return by_any_address(test, "tcp", _measure)


def _measure(test: Test, address: pacing.Address) -> Bandwidth:
    with _connected(test, address, 1) as (asker,):
        grant = granted(test, _ask(test, asker))
        with _connected(test, address, STREAMS) as joined:
            load = _Load(test, grant, asker, joined)
            return load.observation(load.run())


@contextmanager
def _connected(test: Test, address: pacing.Address, count: int) -> Iterator[list[socket.socket]]:
    """Open so many connections at once; in the end they are gone, and all that waits in them."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(socket.socket(family, socket.SOCK_STREAM))
            opened[-1].setblocking(False)
            opened[-1].connect_ex(address)
        for sock in opened:
            _wait(test, sock, select.POLLOUT, f"{address[0]} port {address[1]}")
        yield opened
    finally:
        for sock in opened:
            tcp.drop(sock)


def _wait(test: Test, sock: socket.socket, event: int, peer: str) -> None:
    """Wait until a connection can be written, or read.

    Raises:
        Unfinished: it takes too long, or there is none.
    """
    poll = select.poll()
    poll.register(sock, event)
    until = time.monotonic() + ANSWER_S
    while not poll.poll(POLL_S * 1_000):
        check(test)
        if time.monotonic() > until:
            raise Unfinished(Outcome.NO_ANSWER, Reason.TIMEOUT, f"{peer} does not answer over TCP")
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        reason = _CONNECT_ERRORS.get(error, Reason.UNREACHABLE)
        raise Unfinished(Outcome.NO_ANSWER, reason, f"{peer}: {os.strerror(error)}")


def _ask(test: Test, asker: socket.socket) -> Grant:
    request = Request(
        nonce=os.urandom(NONCE_BYTES),
        cookie=NO_COOKIE,
        direction=Direction[test.target.direction.upper()],
        payload_bytes=min(asker.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), PAYLOAD_MAX_BYTES),
        rate_bps=int(OFFERED_RATIO * test.thetas_bps[1]),
        max_bytes=MAX_BYTES,
        max_ms=int(MAX_SECONDS * 1_000),
        group=group_of(test.target.group),
    )
    try:
        asker.send(seal(request, test.key))
        answer = _first_message(test, asker)
    except OSError as error:
        raise Unfinished(Outcome.NO_ANSWER, Reason.PROTOCOL, f"no responder over TCP: {error}") from None
    grant = unseal(Grant, answer, test.key)
    if grant is not None and grant.nonce == request.nonce:
        return grant
    refuse = parse(Refuse, answer)
    if refuse is None or refuse.nonce != request.nonce:
        raise Unfinished(Outcome.UNMEASURED, Reason.PROTOCOL, "the responder's answer is not for this agent's key")
    raise refused(refuse)


def _first_message(test: Test, asker: socket.socket) -> bytes:
    inbox = tcp.Inbox()
    while True:
        _wait(test, asker, select.POLLIN, "the responder")
        if messages := inbox.read(asker):
            return messages[0]


class _Load:
    """The load of one lease, seen from the agent."""

    def __init__(self, test: Test, grant: Grant, asker: socket.socket, joined: Sequence[socket.socket]) -> None:
        self._test = test
        self._target = test.target
        self._key = lease_key(test.key, grant.salt)
        self._sending = test.target.direction == "up"
        self._layer1_ratio = tcp.layer1_ratio(asker, test.target.extra_frame_bytes)
        self._rate_bps = min(grant.rate_bps, OFFERED_RATIO * test.thetas_bps[1])
        if self._sending:
            tcp.prepare_to_send(joined, self._rate_bps)
        for number, stream in enumerate(joined):
            with suppress(OSError):  # a stream that broke says so when it is used
                stream.send(seal(Join(lease=grant.lease, stream=number), self._key))
        self._streams = tcp.Streams(asker, joined, sending=self._sending)
        self._inbox = tcp.Inbox()
        self._progress = Progress(
            lease=grant.lease, elapsed_ns=0, payload_bytes=0, segment_count=0, queue_us=0, idle_us=0
        )
        self._seen: list[_Seen] = []
        self._arrived = _Arrived(0.0, 0, 0)
        interface = test.target.interface or windows.interface_of(asker.getsockname()[0])
        self._others = _Others(interface, "tx" if self._sending else "rx", tcp.head_bytes(asker))
        self._report: Report | None = None

    def run(self) -> Result:
        """Move bytes until something is proved, or the time is over."""
        try:
            while self._streams.elapsed_s < MAX_SECONDS:
                check(self._test)
                if self._streams.stalled:
                    return self._unmeasured(*_ENDS[End.SILENT])
                known_count = len(self._seen)
                if self._streams.move():
                    self._read()
                if not self._sending:
                    self._look()
                if len(self._seen) > known_count and (result := self._decided()) is not None:
                    return result
        except OSError:
            return self._unmeasured(*self._why_ended())
        return self._unmeasured(Reason.TIME_LIMIT, f"undecided after {MAX_SECONDS:.0f} s")

    def _look(self) -> None:
        """Close an interval of a download."""
        now_s = self._streams.elapsed_s
        if now_s - self._arrived.at_s >= tcp.INTERVAL_S or not self._arrived.payload_bytes:
            arrived = _Arrived(now_s, self._streams.payload_bytes, self._streams.segment_count())
            self._add(arrived, self._progress.queue_us * _US, self._progress.idle_us * _US)

    def _read(self) -> None:
        """Take what the responder says; of an upload each progress closes an interval."""
        for message in self._inbox.read(self._streams.asker):
            if (report := unseal(Report, message, self._key)) is not None:
                self._report = report
                raise ConnectionResetError("the responder ended the load")
            if (progress := unseal(Progress, message, self._key)) is None:
                continue
            self._progress = progress
            if self._sending:
                arrived = _Arrived(progress.elapsed_ns / _NS, progress.payload_bytes, progress.segment_count)
                self._add(arrived, self._streams.queue_s(), self._streams.idle_s())

    def _add(self, arrived: _Arrived, queue_s: float, idle_s: float) -> None:
        """Add what came since the last look. The first bytes only start the clock: before, nothing was under way."""
        before, self._arrived = self._arrived, arrived
        others_bytes = self._others.take(arrived)
        if not before.payload_bytes or arrived.at_s <= before.at_s:
            return
        payload_bytes = max(0, arrived.payload_bytes - before.payload_bytes)
        seen = _Seen(
            seconds=arrived.at_s - before.at_s,
            payload_bytes=payload_bytes,
            segment_count=max(0, arrived.segment_count - before.segment_count),
            segment_bytes=arrived.payload_bytes / max(arrived.segment_count, 1),
            queue_s=queue_s,
            idle_s=idle_s,
            others_bytes=others_bytes,
            credit_bytes=self._credit_bytes(others_bytes, payload_bytes),
        )
        self._seen.append(seen)
        rate_bps = bps(payload_bytes * self._layer1_ratio + seen.credit_bytes, seen.seconds)
        self._test.explain(
            f"{self._seconds():6.3f} s  arrived {bps_to_mbps(rate_bps):6.1f} Mbit/s, queue {queue_s * 1_000:5.1f} ms"
        )

    def _credit_bytes(self, others_bytes: float | None, payload_bytes: int) -> float:
        """What helps a pass must have come for sure: nothing of what an upload's port sent, nor what may be our own."""
        if others_bytes is None or self._sending:
            return 0.0
        return max(0.0, others_bytes - _OTHERS_FROM * payload_bytes * self._layer1_ratio)

    def _seconds(self) -> float:
        return sum(s.seconds for s in self._seen)

    def _decided(self) -> Result | None:
        """As soon as the bytes since the start prove a pass, or the rate after the skipped start tells."""
        proof = self._judge([_interval(s, s.payload_bytes, s.credit_bytes) for s in self._seen], congested=False)
        if proof.outcome is Outcome.PASS:
            return proof
        result = self._plateau()
        return result if result.outcome is not Outcome.UNMEASURED or self._seconds() >= SECONDS else None

    def _plateau(self) -> Result:
        """Judge the rate; one that is too low must be so even with all that others may have had of the line."""
        judged = self._judged()
        segment_bytes = max((s.segment_bytes for s in judged), default=0.0)
        # Counted when a segment came, not when a repeated one let it through. Of the payloads per segment the largest
        # is right: nothing was waiting then.
        payloads = [round(s.segment_count * segment_bytes) for s in judged]
        arrived = [_interval(s, size, s.credit_bytes) for s, size in zip(judged, payloads, strict=True)]
        result = self._judge(arrived, congested=self._is_congested(judged))
        if result.outcome is not Outcome.FAIL:
            return result
        with_others = [_interval(s, size, s.others_bytes or 0.0) for s, size in zip(judged, payloads, strict=True)]
        known = all(s.others_bytes is not None for s in judged)
        if known and self._judge(with_others, congested=True).outcome is Outcome.FAIL:
            return result
        return self._unmeasured(Reason.NO_DATA, "others may have used the line; what it carried for them is unknown")

    def _judge(self, intervals: Sequence[Interval], *, congested: bool) -> Result:
        return streams.judge(
            intervals,
            self._test.thetas_bps,
            layer1_ratio=self._layer1_ratio,
            bucket_bytes=BUCKET_BYTES,
            congested=congested,
        )

    def _judged(self) -> list[_Seen]:
        """What comes after the start, in which TCP speeds up and a bucket gets empty."""
        judged, before_s = [], 0.0
        for seen in self._seen:
            if before_s >= SKIP_S:
                judged.append(seen)
            before_s += seen.seconds
        return judged

    def _is_congested(self, judged: Sequence[_Seen]) -> bool:
        """Say whether the line held the streams up, and not one of the two machines, nor what was offered.

        Then its bucket is empty, too: one that still holds something lets no queue grow.
        """
        if not judged:
            return False
        idle_s = judged[-1].idle_s - judged[0].idle_s
        queued_count = sum(s.queue_s >= QUEUE_S for s in judged)
        return (
            idle_s <= _IDLE_BELOW * sum(s.seconds for s in judged)
            and queued_count >= _QUEUED_FROM * len(judged)
            and self._rate_bps_of(judged) < _FULL_BELOW * self._rate_bps
        )

    def _rate_bps_of(self, judged: Sequence[_Seen]) -> float:
        layer1_bytes = sum(s.payload_bytes for s in judged) * self._layer1_ratio
        return bps(layer1_bytes, sum(s.seconds for s in judged))

    def _why_ended(self) -> tuple[Reason, str]:
        """The report may still be under way when the streams break."""
        until = time.monotonic() + _REPORT_S
        with suppress(OSError):
            while self._report is None and time.monotonic() < until:
                check(self._test)
                self._read()
                self._test.cancelled.wait(POLL_S)
        return _BROKEN if self._report is None else _ENDS.get(self._report.end, _BROKEN)

    def _unmeasured(self, reason: Reason, why: str) -> Result:
        return Result(outcome=Outcome.UNMEASURED, reason=reason, why=why, bucket_bytes=BUCKET_BYTES)

    def observation(self, result: Result) -> Bandwidth:
        sent_bytes = int(max(self._streams.payload_bytes, self._progress.payload_bytes) * self._layer1_ratio)
        result = replace(result, windows=self._summary())
        return concluded(self._test, result, "tcp", (sent_bytes, self._streams.elapsed_s), " over TCP")

    def _summary(self) -> WindowSummary | None:
        if not self._seen:
            return None
        rates_bps = [self._rate_bps_of([s]) for s in self._seen]
        return WindowSummary(
            count=len(rates_bps),
            min_bps=min(rates_bps),
            median_bps=median(rates_bps),
            max_bps=max(rates_bps),
            cross_bytes=sum(s.credit_bytes for s in self._seen),
            max_queue_s=max(s.queue_s for s in self._seen),
        )


def _interval(seen: _Seen, payload_bytes: int, cross_bytes: float) -> Interval:
    return Interval(seconds=seen.seconds, payload_bytes=payload_bytes, cross_bytes=cross_bytes)


class _Others:
    """What others moved through the same interface in the direction of the test, layer 1: an upper bound.

    Packets that were repeated, or that wait for one that got lost, look like other traffic.
    """

    def __init__(self, interface: str | None, way: Literal["rx", "tx"], head_bytes: int) -> None:
        folder = _NET / (interface or "-") / "statistics"
        self._files = (folder / f"{way}_bytes", folder / f"{way}_packets")
        self._head_bytes = head_bytes
        self._counted = self._count()
        self._told_bytes = 0.0

    def take(self, arrived: _Arrived) -> float | None:
        """Bytes that no earlier call returned; None where the interface does not count."""
        before, now = self._counted, self._count()
        if before is None or now is None:
            return None
        all_bytes, all_count = now[0] - before[0], now[1] - before[1]
        # Virtual interfaces count joined packets once; fewer counted than came prove it.
        joined = all_count < _JOINED_BELOW * arrived.segment_count
        own_bytes = arrived.payload_bytes + self._head_bytes * (all_count if joined else arrived.segment_count)
        others_bytes = all_bytes + COUNTED_OVERHEAD_BYTES * all_count - own_bytes
        fresh_bytes = max(0.0, others_bytes - self._told_bytes)
        self._told_bytes += fresh_bytes
        return fresh_bytes

    def _count(self) -> tuple[int, int] | None:
        try:
            octets, packets = (int(file.read_text()) for file in self._files)
        except (OSError, ValueError):
            return None
        return octets, packets
