"""The line under test: two network namespaces, a shaper, and everything that makes the line harder."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from bench.bandwidth.cases import CROSS_SHARE, Case
from bench.bandwidth.report import TCP_TO_LAYER1
from classready.units import MBIT, layer1_bytes
from tests.support.namespaces import QUEUE_BYTES, tbf
from tests.support.shaped_link import End, ShapedLink, shaped_link

POLICER_QUEUE_BYTES: Final = 16_000
"""A tbf with room for one batch drops like a policer; the police action itself is missing from many kernels."""
PORT: Final = 9713
_IPERF_PORT, _CROSS_PORT = 5201, 5202
_STOP_S = 3.0
_FULL_FRAME_SHARE = 1514 / 1538
_UDP_CROSS_BYTES = 1448
_UDP_TO_LAYER1 = layer1_bytes(_UDP_CROSS_BYTES) / _UDP_CROSS_BYTES
_CPU_CLOCK = 2
"""Linux: how clock_getcpuclockid(3) makes the clock of another process from its id."""
_handles = itertools.count(0x100)


class Line:
    """One pair of namespaces for the whole run, with a responder at the far end; reshaped for every case."""

    def __init__(self, link: ShapedLink, responder_pid: int) -> None:
        self.far, self.near = link.far, link.near
        self._responder_clock = ~responder_pid << 3 | _CPU_CLOCK

    def responder_cpu_s(self) -> float:
        """CPU time of the responder's process until now."""
        return time.clock_gettime(self._responder_clock)

    def shape(self, case: Case) -> None:
        """Put a new shaper with a full bucket on the side that sends, and none on the other."""
        sender, other = (self.far, self.near) if case.direction == "down" else (self.near, self.far)
        _tc(other, "del", check=False)
        if case.kind == "htb":
            self._shape_htb(sender, case)
            return
        queue_bytes = POLICER_QUEUE_BYTES if case.kind == "policer" else QUEUE_BYTES
        _tc(sender, "replace", *tbf(case.rate_mbps, case.burst_bytes, queue_bytes))

    def _shape_htb(self, sender: End, case: Case) -> None:
        handle = f"{next(_handles):x}:"
        rate = f"{int(case.rate_mbps * MBIT * _FULL_FRAME_SHARE)}bit"
        burst = str(case.burst_bytes)
        _tc(sender, "replace", "handle", handle, "htb", "default", "1")
        limits = ["rate", rate, "ceil", rate, "burst", burst, "cburst", burst, "quantum", "3028"]
        device = ["dev", sender.interface]
        sender.run(["tc", "class", "add", *device, "parent", handle, "classid", f"{handle}1", "htb", *limits])
        leaf = ["handle", f"{next(_handles) + 0x1000:x}:", "bfifo", "limit", str(QUEUE_BYTES)]
        sender.run(["tc", "qdisc", "add", *device, "parent", f"{handle}1", *leaf])

    def ends(self, case: Case) -> tuple[End, End]:
        """(sender, receiver) of load in the direction of the case."""
        return (self.far, self.near) if case.direction == "down" else (self.near, self.far)

    @contextmanager
    def under(self, case: Case) -> Iterator[None]:
        """Shape the line, and keep the other traffic and the hog of the case alive meanwhile."""
        self.shape(case)
        with ExitStack() as stack:
            if case.hog:
                stack.enter_context(_running([sys.executable, "-c", _HOG]))
            if case.cross is not None:
                stack.enter_context(self._cross(case))
            yield

    @contextmanager
    def relay(self, case: Case) -> Iterator[None]:
        """Stretch the way of the case, if it is long: the probe then asks the near end's loopback."""
        if not case.rtt_s:
            yield
            return
        with running_end(self.near, "relay", self.far.address, str(PORT), str(case.rtt_s / 2)):
            yield

    @contextmanager
    def _cross(self, case: Case) -> Iterator[None]:
        sender, receiver = self.ends(case)
        useful = CROSS_SHARE / (_UDP_TO_LAYER1 if case.cross == "udp" else TCP_TO_LAYER1)
        rate = ["-b", str(int(case.rate_mbps * useful * MBIT))]
        protocol = ["-u", "-l", str(_UDP_CROSS_BYTES)] if case.cross == "udp" else []
        with _running(_iperf_server(receiver, _CROSS_PORT), stderr=subprocess.DEVNULL):
            time.sleep(0.2)
            command = ["iperf3", "-c", receiver.address, "-p", str(_CROSS_PORT), "-t", "600", *rate, *protocol]
            with _running(_inside(sender, command), stderr=subprocess.DEVNULL):
                time.sleep(0.5)
                yield

    def iperf3(self, case: Case, seconds: int) -> tuple[float, float]:
        """(layer-1 bytes, layer-1 bit/s as received) of one TCP stream with iperf3's defaults."""
        sender, receiver = self.ends(case)
        with _running(_iperf_server(receiver, _IPERF_PORT), stderr=subprocess.DEVNULL):
            time.sleep(0.2)
            command = ["iperf3", "-J", "-c", receiver.address, "-p", str(_IPERF_PORT), "-t", str(seconds)]
            output = sender.run(command, capture_output=True, timeout=seconds + 10).stdout
        end = json.loads(output)["end"]
        sent_bytes, received_bps = end["sum_sent"]["bytes"], end["sum_received"]["bits_per_second"]
        return sent_bytes * TCP_TO_LAYER1, received_bps * TCP_TO_LAYER1


_HOG = "import os; os.sched_setaffinity(0, {0})\nwhile True: pass"


@contextmanager
def line() -> Iterator[Line]:
    """A line with its responder; namespaces and processes are gone afterwards."""
    with shaped_link() as link, running_end(link.far, "serve") as responder:
        yield Line(link, responder.pid)


@contextmanager
def running_end(end: End, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """One of the programs of ``ends`` inside a namespace, once it says that it is ready."""
    with _running(
        _inside(end, [sys.executable, "-m", "bench.bandwidth.ends", *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        _wait_ready(process)
        yield process


def _wait_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    if not process.stdout.readline():
        raise ProgramFailedError(f"{process.args!r} ended before it was ready")


class ProgramFailedError(Exception):
    """A program of the bench ended too early; its own words are on stderr."""


@contextmanager
def _running(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A program in a session of its own, so that Ctrl-C reaches the bench alone, which then ends it."""
    options.setdefault("stdout", subprocess.DEVNULL)
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _inside(end: End, command: Sequence[str]) -> list[str]:
    return ["ip", "netns", "exec", end.namespace, *command]


def _iperf_server(end: End, port: int) -> list[str]:
    return _inside(end, ["iperf3", "-s", "-p", str(port)])


def _tc(end: End, verb: str, *arguments: str, check: bool = True) -> None:
    command = ["ip", "netns", "exec", end.namespace, "tc", "qdisc", verb, "dev", end.interface, "root", *arguments]
    subprocess.run(command, check=check, capture_output=True)


def missing() -> str | None:
    """Why the bench cannot run here; None = it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "tc", "iperf3"):
        with suppress(FileNotFoundError):
            subprocess.run([program, "--version" if program == "iperf3" else "-V"], capture_output=True, check=False)
            continue
        return f"{program} is not installed"
    return None
