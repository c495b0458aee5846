"""Programs under measurement: started, measured from /proc, and ended by their own pid."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_START_LIMIT_S: Final = 20.0
SNMP_EXPORTER, BLACKBOX_EXPORTER = "prometheus-snmp-exporter", "prometheus-blackbox-exporter"


@contextmanager
def started(command: Sequence[str], log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``command`` with its output in ``log``; it is terminated at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def absent(*programs: str) -> list[str]:
    """Those that are not installed; each is also the name of its Debian package."""
    return [program for program in programs if shutil.which(program) is None]


def cpu_s(process: "subprocess.Popen[bytes]") -> float:
    """Processor time of its threads so far, to the nanosecond (Linux, Documentation/scheduler/sched-stats.rst)."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def rss_bytes(process: "subprocess.Popen[bytes]") -> int:
    """VmRSS of proc(5)."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def until_answering(url: str, log: Path, limit_s: float = _START_LIMIT_S) -> None:
    """Wait for a server.

    Raises:
        RuntimeError: it does not come up; with the end of its log.
    """
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        try:
            fetch(url)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-2_000:]}")
