"""The collector under measurement: its own process, driven and looked at from outside only."""

import gzip
import http.client
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.agent.processes import rss_bytes
from bench.lines import say

_READY_LIMIT_S: Final = 1_800.0
_STOP_LIMIT_S: Final = 120.0
_TELL_EVERY_S: Final = 10.0
_GATEWAY_UP: Final = re.compile(rb"^classready_gateway_up\{.*\} 1(?:\.0)?$", re.MULTILINE)
_READY: Final = re.compile(rb"^classready_classroom_ready\{.*\} 1(?:\.0)?$", re.MULTILINE)


class Page(Struct, frozen=True):
    """What came, and how long it took to come. ``body`` is as it was sent."""

    status: int
    body: bytes
    is_gzip: bool
    seconds: float

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.body) if self.is_gzip else self.body


class Collector:
    """``code`` is the checkout whose collector runs; settings, roster and store lie in ``folder``."""

    def __init__(self, code: Path, folder: Path, port: int) -> None:
        self.port = port
        self.longest_start_s = 0.0
        self._code, self._folder = code, folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self) -> float:
        """Return the seconds until ``/readyz`` says so.

        Raises:
            RuntimeError: it ended, or was not ready for half an hour.
        """
        command = [sys.executable, "-m", "collector", "run", "-c", str(self._folder / "collector.yml")]
        with (self._folder / "collector.log").open("ab") as log:
            began_s = time.monotonic()
            self._process = subprocess.Popen(command, cwd=self._code, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        tell_at_s = began_s + _TELL_EVERY_S
        while not self._is_ready():
            now_s = time.monotonic()
            if self._process.poll() is not None or now_s > began_s + _READY_LIMIT_S:
                raise RuntimeError(f"the collector did not start:\n{self.log[-2_000:]}")
            if now_s > tell_at_s:
                tell_at_s = now_s + _TELL_EVERY_S
                say(f"  not ready after {now_s - began_s:.0f} s")
            time.sleep(0.02)
        took_s = time.monotonic() - began_s
        self.longest_start_s = max(self.longest_start_s, took_s)
        return took_s

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                say(f"  the collector did not stop within {_STOP_LIMIT_S:.0f} s of SIGTERM: killed")
                self._process.kill()
                self._process.wait()
            self._process = None

    @property
    def log(self) -> str:
        return (self._folder / "collector.log").read_text(errors="replace")

    def get(self, path: str, *, timeout_s: float = 300.0) -> Page:
        return fetch(self.port, path, timeout_s=timeout_s)

    def cpu_s(self) -> float:
        return cpu_s(self.process)

    def rss_bytes(self) -> int:
        return rss_bytes(self.process)

    def rooms_ready(self, office: str) -> int:
        return len(_READY.findall(self.get(f"/metrics/office/{office}").text))

    def gateways_up(self, office: str) -> int:
        return len(_GATEWAY_UP.findall(self.get(f"/metrics/office/{office}").text))

    def _is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.get("/readyz", timeout_s=2.0).status == 200
        return False


def cpu_s(process: "subprocess.Popen[bytes]") -> float:
    """Processor time so far, that of ended threads too, to the nanosecond: its clock of clock_getcpuclockid(3).

    The clock's number is made as the kernel does (MAKE_PROCESS_CPUCLOCK, CPUCLOCK_SCHED). Children are not in it.
    """
    return time.clock_gettime(~process.pid << 3 | 2)


def fetch(port: int, path: str, *, timeout_s: float = 300.0) -> Page:
    """One GET over a new connection, compressed if the server does that."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        began_s = time.monotonic()
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        seconds = time.monotonic() - began_s
    finally:
        connection.close()
    return Page(answer.status, body, answer.headers.get("Content-Encoding") == "gzip", seconds)
