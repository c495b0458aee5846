"""A whole agent of a middle-sized school, beside the two exporters that look at the same devices as often.

30 classrooms, 4 switches, 30 whiteboards, 2 platforms; everything on loopback, devices and platforms simulated in
processes of their own, reports acknowledged by a small collector here.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml
from msgspec import Struct

from bench.agent.exporters import Exporter, blackbox_exporter, snmp_exporter
from bench.agent.polls import announced
from bench.agent.processes import (
    BLACKBOX_EXPORTER,
    SNMP_EXPORTER,
    absent,
    cpu_s,
    fetch,
    free_port,
    module,
    rss_bytes,
    started,
)
from bench.lines import Metric, say
from classready.codec import decode_report, encode
from classready.report import Ack

INTERVAL_S: Final = 60.0
ROOMS, SWITCHES, PLATFORMS = 30, 4, ("national", "provincial")
RSS_GOAL_BYTES: Final = 40 * 2**20
CPU_GOAL: Final = 0.01
HELP_GOAL_S: Final = 0.3
READY_GOAL_S: Final = 1.0
_AS_INSTALLED: Final = (
    "import sys; sys.modules.update(rich=None, greenlet=None, typing_extensions=None);"
    "from agent.__main__ import main; main()"
)
"""Hides what structlog and msgspec import where they find it: packages of a development environment, on no gateway."""
_SNMP = {"timeout_s": 1.0, "retry_count": 1}


class Used(Struct, frozen=True, kw_only=True):
    """``cpu_share`` of one core, at ``INTERVAL_S``."""

    rss_bytes: int
    cpu_share: float


class School(Struct, frozen=True, kw_only=True):
    """Addresses of the simulated devices, and the platforms' pages."""

    switches: list[str]
    boards: list[str]
    pages: list[str]
    ca_file: Path


def measure(folder: Path, *, interval_s: float, cycles: int) -> list[Metric]:
    """Let agent and exporters work side by side for ``cycles`` intervals after a first one."""
    missing = absent(SNMP_EXPORTER, BLACKBOX_EXPORTER)
    if interval_s != INTERVAL_S:
        say(f"intervals of {interval_s:g} s; agent_cpu_share counts them as if they were {INTERVAL_S:g} s apart")
    with ExitStack() as stack:
        school = stack.enter_context(_school(folder))
        collector = stack.enter_context(_collector())
        config = _write_settings(folder, school, collector, interval_s)
        ready_s, process = stack.enter_context(_agent(folder, config))
        exporters = [] if missing else _exporters(stack, folder, school)
        used, peers = _observe(process, exporters, school, interval_s=interval_s, cycles=cycles)
        if collector.record_count < cycles * ROOMS:
            raise RuntimeError(f"only {collector.record_count} records: {(folder / 'agent.log').read_text()[-2_000:]}")
    return [*_use(used, peers, cycles), _starting("ready_seconds", [ready_s]), _starting("help_seconds", _help_s())]


def _use(used: Used, peers: list[Used], n: int) -> Iterator[Metric]:
    name = f"{SNMP_EXPORTER} + {BLACKBOX_EXPORTER}" if peers else None
    rss = sum(peer.rss_bytes for peer in peers) if peers else None
    share = sum(peer.cpu_share for peer in peers) if peers else None
    yield Metric(
        bench="agent.whole",
        metric="agent_rss_bytes",
        value=used.rss_bytes,
        unit="bytes",
        peer=name,
        peer_value=rss,
        ratio=rss / used.rss_bytes if rss else None,
        n=n,
    )
    yield Metric(
        bench="agent.whole",
        metric="agent_cpu_share",
        value=used.cpu_share,
        unit="ratio",
        peer=name,
        peer_value=share,
        ratio=share / used.cpu_share if share is not None and used.cpu_share else None,
        n=n,
    )
    if rss:
        yield Metric(bench="agent.whole", metric="rss_ratio_exporters", value=used.rss_bytes / rss, unit="ratio", n=n)


def _starting(metric: str, seconds: list[float]) -> Metric:
    return Metric(bench="agent.start", metric=metric, value=median(seconds), unit="seconds", n=len(seconds))


def _observe(
    process: "subprocess.Popen[bytes]", exporters: list[Exporter], school: School, *, interval_s: float, cycles: int
) -> tuple[Used, list[Used]]:
    """The first interval is for caches and connections."""
    everybody = [process, *(exporter.process for exporter in exporters)]
    with ThreadPoolExecutor(1) as scraping:
        _cycle(scraping, exporters, school, interval_s)
        before_s = [cpu_s(each) for each in everybody]
        for number in range(1, cycles + 1):
            _cycle(scraping, exporters, school, interval_s)
            say(f"whole agent {number}/{cycles}: {rss_bytes(process) / 2**20:.1f} MiB")
        costs_s = [cpu_s(each) - before for each, before in zip(everybody, before_s, strict=True)]
    shares = [cost_s / (cycles * INTERVAL_S) for cost_s in costs_s]
    used = [Used(rss_bytes=rss_bytes(each), cpu_share=share) for each, share in zip(everybody, shares, strict=True)]
    return used[0], used[1:]


def _cycle(scraping: ThreadPoolExecutor, exporters: list[Exporter], school: School, interval_s: float) -> None:
    """One interval: the agent works by itself, the exporters when they are scraped."""
    until_s = time.monotonic() + interval_s
    if exporters:
        snmp, blackbox = exporters
        urls = [snmp.url("switch", address) for address in school.switches]
        urls += [snmp.url("board", address) for address in school.boards]
        urls += [blackbox.url("page", page) for page in school.pages]
        scraping.submit(lambda: [fetch(url) for url in urls]).result()
    time.sleep(max(0.0, until_s - time.monotonic()))


# --- the school -----------------------------------------------------------------------------------------------------


@contextmanager
def _school(folder: Path) -> Iterator[School]:
    names = [f"--switch=sw{i}=127.0.20.{i}:0" for i in range(1, SWITCHES + 1)]
    names += [f"--board=b{i}=127.0.21.{i}:0" for i in range(1, ROOMS + 1)]
    ports = {name: free_port() for name in PLATFORMS}
    sites = [f"--platform={name}=127.0.0.1:{port}" for name, port in ports.items()]
    with ExitStack() as stack:
        devices_log, platforms_log = folder / "devices.log", folder / "platforms.log"
        stack.enter_context(started(module("bench.demo.snmp_devices", "--ports=28", *names), devices_log))
        directory = f"--directory={folder / 'sites'}"
        stack.enter_context(started(module("bench.demo.platforms", directory, *sites), platforms_log))
        devices = announced(devices_log)
        _until_there(folder / "sites" / "ca.pem")
        yield School(
            switches=[devices[f"sw{i}"] for i in range(1, SWITCHES + 1)],
            boards=[devices[f"b{i}"] for i in range(1, ROOMS + 1)],
            pages=[f"https://127.0.0.1:{port}/" for port in ports.values()],
            ca_file=folder / "sites" / "ca.pem",
        )


def _until_there(path: Path) -> None:
    until_s = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > until_s:
            raise RuntimeError(f"{path} was not written")
        time.sleep(0.05)


class _Collector(ThreadingHTTPServer):
    """Acknowledges whatever comes."""

    daemon_threads = True
    record_count = 0


class _Acknowledging(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Collector

    def do_POST(self) -> None:
        decoded = decode_report(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.record_count += len(decoded.records)
        sequences = [record.sequence for record in decoded.records]
        committed = ((min(sequences), max(sequences)),) if sequences else ()
        body = encode(Ack(spool_id=decoded.report.spool_id, committed=committed, sent_at=time.time()))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nobody reads it."""


@contextmanager
def _collector() -> Iterator[_Collector]:
    with _Collector(("127.0.0.1", 0), _Acknowledging) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _write_settings(folder: Path, school: School, collector: _Collector, interval_s: float) -> Path:
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text("bench")
    rooms = [f"r{i}" for i in range(1, ROOMS + 1)]
    targets: list[dict[str, Any]] = [
        {"kind": "http", "name": name, "url": page, "ca_file": str(school.ca_file)}
        for name, page in zip(PLATFORMS, school.pages, strict=True)
    ]
    for i, address in enumerate(school.switches):
        ports = {f"GE0/0/{n}": room for n, room in enumerate(rooms[i::SWITCHES], 1)}
        targets.append({"kind": "switch", "name": f"sw{i}", **_where(address), "ports": ports, "trunks": ["GE0/0/24"]})
    targets += [
        {"kind": "whiteboard", "name": f"board-{room}", "classroom": room, **_where(address)}
        for room, address in zip(rooms, school.boards, strict=True)
    ]
    settings = {
        "gateway": "gw-bench",
        "link": {"kind": "http", "url": f"http://127.0.0.1:{collector.server_port}", "token_file": str(token)},
        "state_dir": str(folder / "state"),
        "report_interval_s": interval_s,
        "targets": [{**target, "interval_s": interval_s} for target in targets],
    }
    path = folder / "agent.yml"
    path.write_text(yaml.dump(settings))
    return path


def _where(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"host": host, "snmp": {**_SNMP, "port": int(port)}}


@contextmanager
def _agent(folder: Path, config: Path) -> Iterator[tuple[float, "subprocess.Popen[bytes]"]]:
    """The running agent, and how long it took until READY=1 (sd_notify(3))."""
    address = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(address))
        ready.settimeout(20)
        began_s = time.monotonic()
        command = [sys.executable, "-c", _AS_INSTALLED, "run", "-c", str(config)]
        with started(command, folder / "agent.log", NOTIFY_SOCKET=str(address)) as process:
            while b"READY=1" not in ready.recv(4_096):
                pass
            ready_s = time.monotonic() - began_s
            threading.Thread(target=_drain, args=(ready.dup(),), daemon=True).start()
            yield ready_s, process


def _drain(notify: socket.socket) -> None:
    """Read on: the kernel holds few datagrams."""
    notify.settimeout(None)
    while notify.recv(4_096):
        pass


def _exporters(stack: ExitStack, folder: Path, school: School) -> list[Exporter]:
    return [
        stack.enter_context(snmp_exporter(folder)),
        stack.enter_context(blackbox_exporter(folder, school.ca_file)),
    ]


def _help_s() -> list[float]:
    found: list[float] = []
    for _ in range(7):
        began_s = time.monotonic()
        subprocess.run(module("agent", "--help"), check=True, capture_output=True, env=dict(os.environ))
        found.append(time.monotonic() - began_s)
    return found
