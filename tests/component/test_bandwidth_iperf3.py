"""iperf3 as a method: the real program, over loopback and over a line behind a router; and programs that lie."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from agent.probes.bandwidth import iperf3
from agent.probes.bandwidth.exchange import Test as Task
from classready.bandwidth.streams import SECONDS
from classready.codec import encode
from classready.observation import Bandwidth, Outcome, Reason
from classready.targets import BandwidthTarget
from classready.units import MBIT, MBYTE
from tests.support.namespaces import Namespace, ip, join, namespaces, tbf

TARGET = BandwidthTarget(name="wan", host="127.0.0.1", port=9713, mode="iperf3")
ROUTED = ("10.92.0.1", "10.92.0.2", "10.93.0.2", "10.93.0.1")


def task(target: BandwidthTarget, cancelled: threading.Event | None = None) -> Task:
    return Task(
        target=target,
        thetas_bps=(95.0 * MBIT, 100.0 * MBIT),
        key=b"",
        cancelled=cancelled or threading.Event(),
        explain=lambda _line: None,
        state_dir=Path("/nowhere"),
        now_s=None,
        may_drain_again=False,
        may_learn=False,
    )


def observe(target: BandwidthTarget = TARGET) -> Bandwidth:
    """Test once; the observation must survive the wire."""
    return msgspec.json.decode(encode(iperf3.run(task(target))), type=Bandwidth)


@contextlib.contextmanager
def server(port: int, command: tuple[str, ...] = ()) -> Iterator[None]:
    """An iperf3 server, ready when it says so."""
    listen = [*command, "iperf3", "-s", "-p", f"{port}", "--forceflush"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
        assert program.stdout is not None
        while b"listening" not in (line := program.stdout.readline()):
            assert line, "iperf3 -s has ended"
        reader = threading.Thread(target=program.stdout.read)
        reader.start()
        try:
            yield
        finally:
            program.terminate()
            reader.join()


# --- the real program -----------------------------------------------------------------------------------------------


@pytest.mark.servers("iperf3")
def test_a_fast_line_passes_and_costs_no_more_than_a_slow_one() -> None:
    """Loopback over IPv6, upload: paced at 1.5 x theta1, all evidence given."""
    target = replace(TARGET, host="::1", port=9723, direction="up", classroom="201")
    with server(9723):
        seen = observe(target)
    assert (seen.outcome, seen.reason, seen.mode, seen.direction) == (Outcome.PASS, None, "iperf3", "up")
    assert seen.classroom == "201"
    assert seen.at_least_bps is not None
    assert 100 * MBIT < seen.at_least_bps < 150 * MBIT
    assert seen.bytes is not None
    assert 40 * MBYTE < seen.bytes < 62 * MBYTE
    assert seen.windows is not None
    assert (seen.seconds, seen.bucket_bytes, seen.windows.count) == (SECONDS, 6 * MBYTE, 20)


@pytest.mark.servers("iperf3")
def test_a_busy_server_is_no_fault_of_the_line() -> None:
    """One iperf3 server serves one client at a time."""
    busy = ["iperf3", "-c", "127.0.0.1", "-p", "9724", "-t", "30", "-b", "1M", "--forceflush"]
    with server(9724), subprocess.Popen(busy, stdout=subprocess.PIPE, bufsize=0) as other:
        assert other.stdout is not None
        while b"connected" not in other.stdout.readline():
            assert other.poll() is None
        try:
            seen = observe(replace(TARGET, port=9724))
        finally:
            other.kill()
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.PEER_BUSY)


@pytest.mark.servers("iperf3")
def test_no_server_is_no_answer() -> None:
    """Nobody listens: refused."""
    seen = observe(replace(TARGET, port=9725))
    assert (seen.outcome, seen.reason, seen.mode) == (Outcome.NO_ANSWER, Reason.REFUSED, "iperf3")


def test_an_unknown_name_is_no_answer() -> None:
    """The name does not resolve: nothing is started."""
    seen = observe(replace(TARGET, host="no-such-host.invalid"))
    assert (seen.outcome, seen.reason) == (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED)


# --- shaped lines ---------------------------------------------------------------------------------------------------

PROBE = """
import sys, msgspec
from classready.targets import BandwidthTarget
from tests.component.test_bandwidth_iperf3 import observe
from classready.codec import encode
for line in sys.stdin:
    print(encode(observe(msgspec.json.decode(line, type=BandwidthTarget))).decode(), flush=True)
"""


class Line:
    """far - router - near. The router shapes: a shaper at the sender itself would hold TCP back before it drops."""

    def __init__(self, far: Namespace, router: Namespace, near: Namespace) -> None:
        self.far, self.router, self.near = far, router, near
        far_device, up_device = join(far, f"{ROUTED[0]}/24", router, f"{ROUTED[1]}/24")
        down_device, near_device = join(router, f"{ROUTED[2]}/24", near, f"{ROUTED[3]}/24")
        router.forward()
        far.route(ROUTED[1])
        near.route(ROUTED[2])
        for end, device in ((far, far_device), (near, near_device)):
            # Single packets in the queue, as on a wire.
            ip("-n", end.name, "link", "set", device, "gso_max_segs", "1")
        self._devices = {"down": down_device, "up": up_device}

    def shape(self, direction: str, mbps: float, bucket_bytes: int, queue_bytes: int) -> None:
        arguments = tbf(mbps, bucket_bytes, queue_bytes)
        device = self._devices[direction]
        subprocess.run(self.router.command("tc", "qdisc", "replace", "dev", device, "root", *arguments), check=True)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with namespaces("f", "r", "n") as made:
        line = Line(*made)
        with server(9713, tuple(line.far.command())), server(9714, tuple(line.far.command())):
            yield line


@pytest.fixture(scope="module")
def near(line: Line) -> "Iterator[subprocess.Popen[str]]":
    """The probe, running inside the school's namespace."""
    command = line.near.command(sys.executable, "-c", PROBE)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        yield program


def probe(near: "subprocess.Popen[str]", direction: str) -> Bandwidth:
    assert near.stdin is not None
    assert near.stdout is not None
    target = replace(TARGET, host=ROUTED[0], direction=direction)
    print(encode(target).decode(), file=near.stdin, flush=True)
    return msgspec.json.decode(near.stdout.readline(), type=Bandwidth)


@pytest.mark.netns
@pytest.mark.servers("iperf3", "tc")
@pytest.mark.parametrize(
    ("direction", "mbps", "bucket_and_queue_bytes"),
    [
        ("down", 90, (5_000_000, 400_000)),
        ("up", 90, (16_000, 400_000)),
        ("down", 100, (16_000, 400_000)),
        ("up", 105, (1_000_000, 16_000)),
    ],
)
def test_shaped_lines(line: Line, near, direction: str, mbps: int, bucket_and_queue_bytes: tuple[int, int]) -> None:
    """Never a wrong verdict, whatever the bucket; on a busy machine TCP may need some tests to fill the line.

    A wrong size of packets (94.1 of payload for 100) would be in all of them.
    """
    right, close = Outcome.PASS if mbps >= 100 else Outcome.FAIL, pytest.approx(mbps * MBIT, rel=0.02)
    seen: list[Bandwidth] = []
    while len(seen) < 6 and not (seen and seen[-1].estimate_bps == close):
        line.shape(direction, mbps, *bucket_and_queue_bytes)
        seen.append(probe(near, direction))
        assert seen[-1].outcome in {right, Outcome.UNMEASURED}, seen
    assert (seen[-1].outcome, seen[-1].estimate_bps) == (right, close), seen


@pytest.mark.netns
@pytest.mark.servers("iperf3", "tc")
def test_a_line_that_others_use_is_not_accused(line: Line, near) -> None:
    """40 Mbit/s of UDP leave our streams a level 60 of 100: that is no failure of the line."""
    line.shape("down", 100, 16_000, 400_000)
    others = [
        "iperf3",
        "-c",
        ROUTED[0],
        "-p",
        "9714",
        "-u",
        "-b",
        "40M",
        "-l",
        "1400",
        "-t",
        "30",
        "-R",
        "--forceflush",
    ]
    with subprocess.Popen(line.near.command(*others), stdout=subprocess.PIPE, bufsize=0) as udp:
        assert udp.stdout is not None
        while b"bits/sec" not in udp.stdout.readline():
            assert udp.poll() is None
        try:
            seen = probe(near, "down")
        finally:
            udp.kill()
    assert seen.outcome is not Outcome.FAIL
    assert seen.windows is not None
    assert seen.windows.cross_bytes is not None
    assert seen.windows.cross_bytes > 10 * MBYTE


# --- what the sender says of its losses -----------------------------------------------------------------------------

SECOND = {"seconds": 1.0, "bytes": 12_000_000}
REPORT = {
    "start": {"tcp_mss_default": 1448},
    "intervals": [
        {"sum": {"start": tenth / 10, "seconds": 0.1, "bytes": 1_200_000}, "streams": [{"bytes": 300_000}] * 4}
        for tenth in range(30)
    ],
    "end": {"sum_sent": {"seconds": 3.0, "bytes": 36_000_000, "retransmits": 21}, "sum_received": SECOND},
}
TEXT = """
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec  2.92 MBytes  24.5 Mbits/sec   60   31.1 KBytes
[SUM]   0.00-1.00   sec  11.4 MBytes  96.0 Mbits/sec   14
- - - - - - - - - - - - - - - - - - - - - - - - -
[SUM]   1.00-2.00   sec  11.4 MBytes  96.0 Mbits/sec    5
- - - - - - - - - - - - - - - - - - - - - - - - -
[SUM]   2.00-3.00   sec  11.4 MBytes  96.0 Mbits/sec    2
- - - - - - - - - - - - - - - - - - - - - - - - -
[SUM]   0.00-3.00   sec  34.3 MBytes  96.0 Mbits/sec   21             sender
"""
OWN_JSON = {"intervals": [{"sum": {**SECOND, "start": s, "retransmits": 9 - 3 * s}, "streams": []} for s in range(3)]}


@pytest.mark.parametrize(
    ("server_says", "late_count"),
    [({"server_output_text": TEXT}, 7), ({"server_output_json": OWN_JSON}, 9), ({}, 0)],
    ids=["text", "json", "nothing"],
)
def test_only_losses_after_the_start_are_evidence(server_says: dict, late_count: int) -> None:
    """A server reports in text, or in JSON when it was started so; what it does not say is not assumed."""
    load = iperf3.read(msgspec.json.encode({**REPORT, **server_says}), "down")
    assert load.late_count == late_count
    assert len(load.intervals) == 20
    assert load.loss_ratio == pytest.approx(21 * 1448 / 36e6)


# --- programs that are missing, or lie ------------------------------------------------------------------------------


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put another program called iperf3 before the real one."""
    program = folder / "iperf3"
    program.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tool_missing, and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = observe()
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.TOOL_MISSING)
    assert seen.detail is not None
    assert "install iperf3" in seen.detail


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("true", Reason.PROTOCOL),
        ("echo garbage", Reason.PROTOCOL),
        ("echo '{}'", Reason.PROTOCOL),
        ("echo '[1, 2]'", Reason.PROTOCOL),
        ("printf '\\377\\376'", Reason.PROTOCOL),
        ('echo \'{"intervals": [{"sum": {"seconds": -1, "bytes": 1}, "streams": []}]}\'', Reason.PROTOCOL),
        ('echo \'{"end": {"sum_sent": {"seconds": 3, "bytes": 1}}\'', Reason.PROTOCOL),
        ('echo \'{"error": "error - the server is busy running a test. try again later"}\'', Reason.PEER_BUSY),
        ('echo \'{"error": "error - control socket has closed unexpectedly"}\'', Reason.NO_DATA),
        ('echo \'{"error": "something new"}\'', Reason.PROTOCOL),
        ("yes", Reason.PROTOCOL),
        ("echo 'iperf3: unrecognized option' >&2; exit 1", Reason.PROTOCOL),
    ],
)
def test_what_cannot_be_read_is_no_verdict(
    script: str, reason: Reason, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage, endless output, other versions: stated, never a crash, and the program is gone."""
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec 3>&1; {script}")
    seen = observe()
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, reason)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_cancelled_test_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 50 ms, and the program with it."""
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    cancelled = threading.Event()
    seen: list[Bandwidth] = []
    thread = threading.Thread(target=lambda: seen.append(iperf3.run(task(TARGET, cancelled))))
    thread.start()
    deadline_s = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline_s
        thread.join(0.01)
    cancelled.set()
    thread.join(1)
    assert not thread.is_alive()
    assert (seen[0].outcome, seen[0].reason) == (Outcome.UNMEASURED, Reason.DEADLINE)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
