"""A test by the program iperf3 to an iperf3 server, where no responder stands. Blocking; ends within 50 ms of a
cancellation.

What counts is what arrived. For a download this machine is the receiver, and iperf3 says how much came in each tenth of
a second. For an upload the server would say so only in its own interval (a second, rounded to three digits); the sender
says how much it wrote in each tenth, and what it wrote is on its way or still in its buffers: the two totals tell how
much at most. So an upload is judged twice, without and with that much less, and both verdicts must agree.
"""

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from agent.probes.bandwidth.exchange import POLL_S, Test, Unfinished, by_any_address, check, concluded, connect
from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import BUCKET_BYTES, Result
from classready.bandwidth.streams import OFFERED_RATIO, SECONDS, SKIP_S, STREAMS, Interval, judge
from classready.codec import UNDECODABLE
from classready.observation import Bandwidth, Outcome, Reason, WindowSummary
from classready.units import ETHERNET_OVERHEAD_BYTES, IPV6_EXTRA_BYTES, MBYTE, bps

PROGRAM: Final = "iperf3"
LATE_S: Final = 5.0
"""What connecting and the exchange of results may take, beyond the load itself."""
MAX_OUTPUT_BYTES: Final = 4 * MBYTE

_INTERVAL_S = 0.1
_BLOCK_BYTES = 2_048
"""A sender counts whole blocks: with 128 kB, the default, no interval of 0.1 s would be like the next."""
_CONGESTION = "cubic"
_CONNECT_MS = 2_000
_HEAD_BYTES = 40
"""IPv4 and TCP without options."""
_ETHERNET_HEAD_BYTES = 14
"""What Linux counts of a frame around its IP packet."""
_TIMESTAMP_BYTES = 12
_OTHERS_FROM, _COUNTED_FROM = 0.01, 0.95
_LOSSY_FROM = 0.1
_NET = Path("/sys/class/net")
_PER_SECOND = re.compile(r"^\[SUM\] +([\d.]+)-[\d.]+ +sec .*bits/sec +(\d+) *$", re.MULTILINE)
"""A line of the server's report, not one of its totals: from, and how many packets it sent again."""
_ERRORS: Final = (
    ("server is busy", Outcome.UNMEASURED, Reason.PEER_BUSY),
    ("refused", Outcome.NO_ANSWER, Reason.REFUSED),
    ("timed out", Outcome.NO_ANSWER, Reason.TIMEOUT),
    ("unreachable", Outcome.NO_ANSWER, Reason.UNREACHABLE),
    ("no route to host", Outcome.NO_ANSWER, Reason.UNREACHABLE),
    ("unable to connect", Outcome.NO_ANSWER, Reason.UNREACHABLE),
    ("control socket", Outcome.UNMEASURED, Reason.NO_DATA),
    ("stream socket", Outcome.UNMEASURED, Reason.NO_DATA),
    ("authorization", Outcome.UNMEASURED, Reason.AUTH_FAILED),
)
"""By what iperf3 says (versions word it differently), the first that fits."""

_Bytes = Annotated[int, Meta(ge=0, le=10**12)]
_Seconds = Annotated[float, Meta(ge=0, le=1_000)]


class _Stream(Struct, frozen=True):
    bytes: _Bytes


class _Sum(Struct, frozen=True):
    seconds: _Seconds
    bytes: _Bytes
    start: _Seconds = 0.0
    retransmits: _Bytes | None = None


class _Interval(Struct, frozen=True):
    sum: _Sum
    streams: tuple[_Stream, ...]


class _Start(Struct, frozen=True):
    tcp_mss_default: Annotated[int, Meta(ge=88, le=65_535)] | None = None


class _End(Struct, frozen=True):
    sum_sent: _Sum | None = None
    sum_received: _Sum | None = None
    sender_tcp_congestion: str = "unknown"


class _Remote(Struct, frozen=True):
    intervals: tuple[_Interval, ...] = ()


class _Output(Struct, frozen=True):
    """The part of iperf3's JSON (3.1 and later) that is used; the rest differs between versions."""

    start: _Start = _Start()
    intervals: tuple[_Interval, ...] = ()
    end: _End = _End()
    error: str | None = None
    server_output_text: str = ""
    server_output_json: _Remote = _Remote()


class _Load(Struct, frozen=True, kw_only=True):
    """What one run showed, in a form that all versions share. ``late_count`` = sent again after the skipped start."""

    intervals: tuple[Interval, ...]
    sent_bytes: int
    received_bytes: int
    retransmit_count: int
    late_count: int
    mss_bytes: int
    congestion: str

    @property
    def cost_bytes(self) -> int:
        """Payload that was sent, and what was sent again."""
        return self.sent_bytes + self.retransmit_count * self.mss_bytes

    @property
    def loss_ratio(self) -> float:
        """About: what was sent again of what was sent."""
        return min(1.0, self.retransmit_count * self.mss_bytes / max(1, self.sent_bytes))


def run(test: Test) -> Bandwidth:
    return by_any_address(test, "iperf3", _measure)


def _measure(test: Test, address: pacing.Address) -> Bandwidth:
    target, peer = test.target, address[0]
    with connect(address) as sock:
        interface = target.interface or windows.interface_of(sock.getsockname()[0])
    before = _counted(interface, target.direction)
    test.explain(f"{PROGRAM} to {peer} port {target.port}, {STREAMS} streams for {SECONDS:.0f} s")
    load = read(_printed(test, _command(test, peer)), target.direction)
    after = _counted(interface, target.direction)
    packet_bytes = _packet_bytes(load.mss_bytes, peer, interface)
    ratio = (packet_bytes + ETHERNET_OVERHEAD_BYTES + target.extra_frame_bytes) / load.mss_bytes
    others_bytes = _others_bytes(load, packet_bytes - load.mss_bytes + _ETHERNET_HEAD_BYTES, before, after)
    result = _verdict(test, load, ratio, others_bytes)
    return _observation(test, load, ratio, result, others_bytes)


def _command(test: Test, peer: str) -> list[str]:
    """Paced, so that a fast line costs no more than a slow one; small blocks, so that intervals are exact."""
    rate_bps = int(OFFERED_RATIO * test.thetas_bps[1] / STREAMS)
    load = ["-P", f"{STREAMS}", "-t", f"{SECONDS:.0f}", "-b", f"{rate_bps}", "-l", f"{_BLOCK_BYTES}", "-C", _CONGESTION]
    report = ["-J", "-i", f"{_INTERVAL_S}", "--get-server-output", "--connect-timeout", f"{_CONNECT_MS}"]
    reverse = ["-R"] if test.target.direction == "down" else []
    return [PROGRAM, "-c", peer, "-p", f"{test.target.port}", *load, *report, *reverse]


def _printed(test: Test, command: Sequence[str]) -> bytes:
    """Everything that the program prints; it is ended when that takes too long, or grows too large."""
    check(test)
    ends_s = time.monotonic() + SECONDS + LATE_S
    output = bytearray()
    with _started(command) as program:
        assert program.stdout is not None
        while True:
            check(test)
            if time.monotonic() > ends_s:
                raise Unfinished(Outcome.UNMEASURED, Reason.TIME_LIMIT, f"{PROGRAM} did not end in time")
            if not select.select([program.stdout], [], [], POLL_S)[0]:
                continue
            piece = os.read(program.stdout.fileno(), 65_536)
            output += piece
            if not piece:
                return bytes(output)
            if len(output) > MAX_OUTPUT_BYTES:
                raise Unfinished(Outcome.UNMEASURED, Reason.PROTOCOL, f"{PROGRAM} printed more than a report")


@contextmanager
def _started(command: Sequence[str]) -> "Iterator[subprocess.Popen[bytes]]":
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - no shell; the host is an address
    except OSError as error:
        why = f"{PROGRAM} cannot be started ({error.strerror}): install {PROGRAM}"
        raise Unfinished(Outcome.UNMEASURED, Reason.TOOL_MISSING, why) from None
    with program:
        try:
            yield program
        finally:
            program.kill()


def read(output: bytes, direction: str) -> _Load:
    """Take from iperf3's report what the verdict needs; ``Unfinished`` when it holds none."""
    try:
        report = msgspec.json.decode(output, type=_Output)
    except UNDECODABLE:
        raise Unfinished(Outcome.UNMEASURED, Reason.PROTOCOL, f"{PROGRAM} printed no report that can be read") from None
    if report.error is not None:
        raise _failed(report.error)
    sent, received, mss_bytes = report.end.sum_sent, report.end.sum_received, report.start.tcp_mss_default
    kept = [interval for interval in report.intervals if interval.sum.start >= SKIP_S - _INTERVAL_S / 2]
    if sent is None or received is None or mss_bytes is None or not kept:
        raise Unfinished(Outcome.UNMEASURED, Reason.PROTOCOL, f"the report of {PROGRAM} is incomplete")
    return _Load(
        intervals=tuple(
            Interval(seconds=i.sum.seconds, payload_bytes=sum(stream.bytes for stream in i.streams)) for i in kept
        ),
        sent_bytes=sent.bytes,
        received_bytes=received.bytes,
        retransmit_count=sent.retransmits or 0,
        late_count=_late_count(report, kept if direction == "up" else ()),
        mss_bytes=mss_bytes,
        congestion=report.end.sender_tcp_congestion,
    )


def _failed(error: str) -> Unfinished:
    said = error.lower()
    for words, outcome, reason in _ERRORS:
        if words in said:
            return Unfinished(outcome, reason, f"{PROGRAM}: {error}")
    return Unfinished(Outcome.UNMEASURED, Reason.PROTOCOL, f"{PROGRAM}: {error}")


def _late_count(report: _Output, own: Sequence[_Interval]) -> int:
    """Packets sent again after the skipped start, as the sender counted them; 0 when it did not say."""
    remote = [i for i in report.server_output_json.intervals if i.sum.start >= SKIP_S - _INTERVAL_S / 2]
    counted = sum(interval.sum.retransmits or 0 for interval in (*own, *remote))
    if own or remote:
        return counted
    told = _PER_SECOND.findall(report.server_output_text)
    return sum(int(count) for start, count in told if float(start) >= SKIP_S - _INTERVAL_S / 2)


def _verdict(test: Test, load: _Load, ratio: float, others_bytes: int | None) -> Result:
    """A shortfall counts only when nobody else can have had the rest."""
    congested = load.late_count > 0 and load.loss_ratio <= _LOSSY_FROM
    thetas_bps = test.thetas_bps
    buffered_bytes = load.sent_bytes - load.received_bytes if test.target.direction == "up" else 0
    written_bytes = sum(interval.payload_bytes for interval in load.intervals)
    least, most = (
        judge(
            _scaled(load.intervals, share),
            thetas_bps,
            layer1_ratio=ratio,
            bucket_bytes=BUCKET_BYTES,
            congested=congested,
        )
        for share in (max(0.0, 1 - buffered_bytes / max(1, written_bytes)), 1.0)
    )
    if least.outcome is not most.outcome:
        return _undecided(Reason.NO_DATA, "how much of what was sent arrived is not known well enough")
    if least.outcome is not Outcome.FAIL:
        return least
    if others_bytes is None:
        return _undecided(Reason.NO_DATA, "whether others used the line is unknown: its counters cannot be read")
    if others_bytes > _OTHERS_FROM * load.sent_bytes:
        return _undecided(Reason.NO_DATA, "others used the line; what it carried for them is unknown")
    return most


def _undecided(reason: Reason, why: str) -> Result:
    return Result(outcome=Outcome.UNMEASURED, reason=reason, why=why, bucket_bytes=BUCKET_BYTES)


def _scaled(intervals: Sequence[Interval], share: float) -> list[Interval]:
    return [replace(interval, payload_bytes=int(interval.payload_bytes * share)) for interval in intervals]


def _packet_bytes(mss_bytes: int, peer: str, interface: str | None) -> int:
    """Length of a full IP packet. A segment smaller than the MTU allows has timestamps beside it."""
    packet_bytes = mss_bytes + _HEAD_BYTES + (IPV6_EXTRA_BYTES if ":" in peer else 0)
    mtu_bytes = windows.mtu_of(interface) if interface else None
    return packet_bytes if packet_bytes == mtu_bytes else packet_bytes + _TIMESTAMP_BYTES


def _counted(interface: str | None, direction: str) -> tuple[int, int] | None:
    """(bytes, packets) that the interface has carried in ``direction``; None = it does not say."""
    folder = _NET / (interface or "-") / "statistics"
    way = "rx" if direction == "down" else "tx"
    try:
        return int((folder / f"{way}_bytes").read_text()), int((folder / f"{way}_packets").read_text())
    except (OSError, ValueError):
        return None


def _others_bytes(
    load: _Load, head_bytes: int, before: tuple[int, int] | None, after: tuple[int, int] | None
) -> int | None:
    """What others moved at least; None where the counters do not even show our own load (reset, offloaded)."""
    if before is None or after is None:
        return None
    payload_bytes = after[0] - before[0] - (after[1] - before[1]) * head_bytes
    if payload_bytes < _COUNTED_FROM * load.received_bytes:
        return None
    return max(0, payload_bytes - load.cost_bytes)


def _observation(test: Test, load: _Load, ratio: float, result: Result, others_bytes: int | None) -> Bandwidth:
    rates_bps = [bps(i.payload_bytes * ratio, i.seconds) for i in load.intervals if i.seconds > 0]
    summary = WindowSummary(
        count=len(rates_bps),
        min_bps=min(rates_bps, default=None),
        median_bps=median(rates_bps) if rates_bps else None,
        max_bps=max(rates_bps, default=None),
        cross_bytes=others_bytes,
    )
    result = replace(result, loss_ratio=load.loss_ratio, windows=summary)
    again = f", {load.retransmit_count} packets sent again ({load.congestion})"
    return concluded(test, result, "iperf3", (round(load.cost_bytes * ratio), SECONDS), again)
