"""What one test needs, and how it gets its lease: hello, challenge, request, grant (docs/bandwidth.md)."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import TEST_RATIO, Mode, Result, start_ratio
from classready.bandwidth.packets import (
    NONCE_BYTES,
    Challenge,
    Direction,
    Grant,
    Hello,
    Refuse,
    RefuseReason,
    Request,
    encode,
    group_of,
    parse,
    seal,
    unseal,
)
from classready.observation import Bandwidth, Outcome, Reason, clean_text
from classready.targets import BandwidthTarget
from classready.units import MBYTE, bps_to_mbps

MAX_SECONDS: Final = 3.0
POLL_S: Final = 0.02

_TRY_S = (0.3, 0.6, 1.2)
_REFUSALS: dict[int, Reason] = {RefuseReason.BUSY: Reason.PEER_BUSY, RefuseReason.KEY: Reason.AUTH_FAILED}

T = TypeVar("T")
TestMode = Literal["quick", "drain", "tcp", "iperf3"]


class Unfinished(Exception):  # noqa: N818 - an outcome, not an error
    """No test took place, or it broke off."""

    def __init__(self, outcome: Outcome, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.reason, self.detail = outcome, reason, detail


class Test(Struct, frozen=True, kw_only=True):
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


def nothing(target: BandwidthTarget, outcome: Outcome, reason: Reason, detail: str) -> Bandwidth:
    return Bandwidth(
        target=target.name,
        classroom=target.classroom,
        beyond=target.beyond,
        direction=target.direction,
        outcome=outcome,
        reason=reason,
        detail=clean_text(detail),
    )


def concluded(test: Test, result: Result, mode: TestMode, cost: tuple[int, float], more: str = "") -> Bandwidth:
    """Make the observation of a test that took place. ``cost``: layer-1 bytes, and seconds."""
    sent_bytes, seconds = cost
    plateau = f", plateau {bps_to_mbps(result.estimate_bps):.1f} Mbit/s" if result.estimate_bps is not None else ""
    seen = Bandwidth(
        target=test.target.name,
        classroom=test.target.classroom,
        beyond=test.target.beyond,
        direction=test.target.direction,
        mode=mode,
        outcome=result.outcome,
        reason=result.reason,
        detail=clean_text(f"{result.why}{plateau}; {sent_bytes / MBYTE:.1f} MB in {seconds:.2f} s{more}"),
        at_least_bps=result.at_least_bps,
        at_most_bps=result.at_most_bps,
        estimate_bps=result.estimate_bps,
        theta0_bps=test.thetas_bps[0],
        theta1_bps=test.thetas_bps[1],
        bucket_bytes=result.bucket_bytes,
        bytes=sent_bytes,
        seconds=seconds,
        loss_ratio=result.loss_ratio,
        windows=result.windows,
    )
    test.explain(f"{seen.outcome}: {seen.detail}")
    return seen


def by_any_address(
    test: Test, mode: TestMode | None, measure: Callable[[Test, pacing.Address], Bandwidth]
) -> Bandwidth:
    """Measure by the first address that answers, or say why no test took place."""
    try:
        addresses = resolve(test.target)
        for address in addresses[:-1]:
            try:
                return measure(test, address)
            except Unfinished as end:
                if end.outcome is not Outcome.NO_ANSWER:
                    raise
                test.explain(f"{end.detail}; trying the other address")
        return measure(test, addresses[-1])
    except Unfinished as end:
        test.explain(f"{end.outcome}: {end.detail}")
        return replace(nothing(test.target, end.outcome, end.reason, end.detail), mode=mode)


def resolve(target: BandwidthTarget) -> list[pacing.Address]:
    """Return the first address of each family, in the resolver's order."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unfinished(Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED, f"{target.host}: {error}") from None
    first: dict[int, pacing.Address] = {}
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            first.setdefault(family, cast("pacing.Address", address))
    return list(first.values())


def connect(address: pacing.Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(address)
        windows.prepare(sock)
    except OSError as error:
        sock.close()
        raise Unfinished(Outcome.NO_ANSWER, Reason.UNREACHABLE, f"{address[0]}: {error.strerror}") from None
    sock.settimeout(POLL_S)
    return sock


def ask(test: Test, receiver: windows.Receiver, payload_bytes: int, mode: Mode) -> Grant:
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
        group=group_of(test.target.group),
    )
    answer = _exchange(test, receiver, seal(request, test.key), decision)
    if isinstance(answer, Grant):
        return answer
    assert isinstance(answer, Refuse)
    raise refused(answer)


def granted(test: Test, grant: Grant) -> Grant:
    """Say what was granted.

    Raises:
        Unfinished: it is too little to tell anything.
    """
    rate = f"{bps_to_mbps(grant.rate_bps):.0f} Mbit/s"
    if grant.rate_bps < int(TEST_RATIO * test.thetas_bps[1]):
        raise Unfinished(Outcome.UNMEASURED, Reason.SENDER_LIMITED, f"the responder may send no more than {rate}")
    test.explain(f"granted {rate}, {grant.max_bytes / MBYTE:.1f} MB, {grant.max_ms / 1_000:.1f} s")
    return grant


def refused(refuse: Refuse) -> Unfinished:
    reason = _REFUSALS.get(refuse.reason, Reason.PROTOCOL)
    retry = f"; try again in {refuse.retry_after_ms / 1_000:.1f} s" if refuse.retry_after_ms else ""
    return Unfinished(Outcome.UNMEASURED, reason, f"the responder refused a lease ({reason}){retry}")


def _exchange(test: Test, receiver: windows.Receiver, packet: bytes, accept: Callable[[bytes], T | None]) -> T:
    """Send ``packet``, again if need be, until an answer is accepted."""
    reason = Reason.TIMEOUT
    for wait_s in _TRY_S:
        try:
            receiver.sock.send(packet)
            for datagram in datagrams(test, receiver, wait_s):
                if (answer := accept(datagram)) is not None:
                    return answer
        except ConnectionRefusedError:
            reason = Reason.REFUSED
            test.cancelled.wait(wait_s)
        except OSError as error:
            raise Unfinished(Outcome.NO_ANSWER, Reason.UNREACHABLE, f"cannot send: {error.strerror}") from None
    raise Unfinished(Outcome.NO_ANSWER, reason, "the responder does not answer")


def datagrams(test: Test, receiver: windows.Receiver, seconds: float) -> Iterator[bytes]:
    """Everything that arrives within ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check(test)
        try:
            yield from map(bytes, receiver.read().datagrams())
        except TimeoutError:
            continue


def check(test: Test) -> None:
    if test.cancelled.is_set():
        raise Unfinished(Outcome.UNMEASURED, Reason.DEADLINE, "cancelled")
