"""A drain or quick test over UDP, from address to verdict. Blocking; ends within 50 ms of a cancellation."""

import random
import socket
from contextlib import closing
from typing import Final

from msgspec.structs import replace

from agent.probes.bandwidth import learned, others
from agent.probes.bandwidth.exchange import MAX_SECONDS, Test, ask, by_any_address, concluded, connect, granted
from agent.probes.bandwidth.load import OTHERS, Download, Load, Upload
from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import (
    BUCKET_BYTES,
    CROSS_SLACK_BYTES,
    QUICK_MAX_BUCKET_BYTES,
    QUICK_MAX_BYTES,
    Decider,
    Mode,
    Plan,
    start_ratio,
)
from classready.bandwidth.packets import Grant
from classready.observation import Bandwidth, Outcome
from classready.units import IPV4_UDP_HEAD_BYTES

MTU_BYTES: Final = 1_492
"""An IP packet of this size goes through PPPoE too. Payload: 1,464 in IPv4, 1,444 in IPv6."""
DRAIN_AGAIN_RATIO: Final = 1 / 20
"""So many quick tests are made as drain tests instead: a bucket that became larger is found out."""


def run(test: Test) -> Bandwidth:
    return by_any_address(test, None, _measure)


def _measure(test: Test, address: pacing.Address) -> Bandwidth:
    with connect(address) as sock:
        return _measure_on(test, sock)


def _measure_on(test: Test, sock: socket.socket) -> Bandwidth:
    target = test.target
    interface = target.interface or windows.interface_of(sock.getsockname()[0])
    mtu_bytes = windows.mtu_of(interface) if interface else None
    peer = sock.getpeername()[0]
    family_bytes = pacing.extra_bytes(peer)
    payload_bytes = min(MTU_BYTES, mtu_bytes or MTU_BYTES) - IPV4_UDP_HEAD_BYTES - family_bytes
    extra_bytes = family_bytes + target.extra_frame_bytes
    test.explain(f"hello to {peer} port {target.port}; other traffic is counted on {interface or 'no interface'}")
    receiver = windows.Receiver(sock)
    line = learned.line(interface, mtu_bytes, peer, target.direction, test.thetas_bps[1])
    bucket_bytes = _bucket_bytes(test, line)
    mode: Mode = "drain" if bucket_bytes is None else "quick"
    grant = granted(test, ask(test, receiver, payload_bytes, mode))
    plan = _plan(test, grant, mode, bucket_bytes)
    with closing(windows.CrossTraffic(interface, payload_bytes, family_bytes)) as cross:
        load: Load
        if target.direction == "down":
            seen = windows.Windows(grant.lease, payload_bytes, mode, extra_bytes)
            load = Download(test, receiver, grant, seen, cross)
        else:
            load = Upload(test, receiver, grant, payload_bytes, interface)
        decider = Decider(plan)
        try:
            result = load.receive(decider)
        finally:
            load.stop()
    report = load.wait_for_report()
    if load.disturbed(report):
        result = replace(result, learned_bytes=None)
        if result.outcome is Outcome.FAIL:
            result = decider.inconclusive(*OTHERS)
    if test.may_learn and result.learned_bytes is not None and test.now_s is not None:
        learned.keep(test.state_dir, target.name, result.learned_bytes, test.now_s, line)
    return concluded(test, result, mode, load.cost(report))


def _bucket_bytes(test: Test, line: str) -> int | None:
    """Return the bound that makes a quick test legal; None = drain."""
    known_bytes, why = learned.known(test.state_dir, test.target.name, test.now_s, line)
    why_drain = None if known_bytes is not None else why
    if test.target.mode == "drain":
        why_drain = "the settings ask for it"
    elif known_bytes is not None and known_bytes > QUICK_MAX_BUCKET_BYTES:
        why_drain = f"{why}: too large for a quick test"
    elif known_bytes is not None and test.may_drain_again and random.random() < DRAIN_AGAIN_RATIO:  # noqa: S311 - no secret
        why_drain = f"{why}, but once in a while one looks for a larger bucket"
    test.explain(f"quick test: {why}" if why_drain is None else f"drain test: {why_drain}")
    return known_bytes if why_drain is None else None


def _plan(test: Test, grant: Grant, mode: Mode, bucket_bytes: int | None) -> Plan:
    theta0_bps, theta1_bps = test.thetas_bps
    return Plan(
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        start_bps=min(start_ratio(mode) * theta1_bps, grant.rate_bps),
        max_bytes=min(test.target.max_bytes, grant.max_bytes, *([QUICK_MAX_BYTES] if mode == "quick" else [])),
        max_seconds=min(MAX_SECONDS, grant.max_ms / 1_000),
        bucket_bytes=BUCKET_BYTES if bucket_bytes is None else bucket_bytes,
        mode=mode,
        slack_bytes=CROSS_SLACK_BYTES if test.target.direction == "down" else others.SLACK_BYTES,
    )
