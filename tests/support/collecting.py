"""A collector to test: a small roster, reports for it, an engine on real SQLite, and the real process."""

import hashlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from classready.codec import DecodedReport, decode_report, encode, encode_report
from classready.observation import Bandwidth, Device, Observation, Outcome, Ping, Port
from classready.report import Record, Report
from collector.core.hours import Calendar
from collector.core.policy import Policy
from collector.engine import Engine
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.settings import ConsoleReceiver, Receiver
from collector.store.database import Store, close_store, open_store
from tests.support.mosquitto import free_port
from tests.support.stores import address_in

SPOOL = "0123456789abcdef0123456789abcdef"
OTHER_SPOOL = "f" * 32
BOOT = "abc"
NOW = 1_795_400_000.0
"""A Monday morning in Meishan."""

TOKENS = {"gw-one": "token-one", "gw-two": "token-two"}

ROSTER = """\
office: "511402"
name: 东坡区
schools:
  - id: s1
    name: 示例中心校
    timetable: always
    classrooms: [{id: r1}, {id: r2}]
  - id: s2
    name: 示例教学点
    timetable: always
    classrooms: [{id: r3}, {id: r2}]
  - id: s3
    name: 示例小学
    timetable: always
    classrooms: [{id: r1}]
gateways:
  - {id: gw-one, token_sha256: ONE, schools: [s1, s2]}
  - {id: gw-two, token_sha256: TWO, schools: [s3]}
"""

POLICY = Policy(
    observation_school_days=0,
    device_proof_school_days=0,
    blame_spacing_s=0,
    silence_hold_s=0,
    group_wait_s=0,
    platform_hold_s=0,
    confirm_spacing_s=1,
    raise_after=1,
    clear_after=1,
    classrooms_per_gateway_max=2,
)


class FakeClock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def write_roster(folder: Path, text: str = ROSTER) -> Path:
    roster = folder / "roster"
    roster.mkdir(exist_ok=True)
    for placeholder, gateway in (("ONE", "gw-one"), ("TWO", "gw-two")):
        text = text.replace(placeholder, hashlib.sha256(TOKENS[gateway].encode()).hexdigest())
    (roster / "511402.yml").write_text(text)
    return roster


def record(sequence: int, observation: Observation | None = None, **changes: Any) -> Record:
    """A record seen just now by a good clock, of a ping unless told."""
    fields: dict[str, Any] = {"boot_id": BOOT, "monotonic_s": 990.0, "wall_s": NOW - 10, "clock_quality": "good"}
    seen = observation or Ping(target="p", outcome=Outcome.ANSWERED, sent_count=1, received_count=1)
    return Record(**{**fields, **changes}, sequence=sequence, observation=seen)


def pings(sequences: Iterable[int]) -> list[Record]:
    return [record(n) for n in sequences]


def body(records: Sequence[Record | bytes] = (), **changes: Any) -> bytes:
    """A report of gw-one, ready to be sent; a record may also be given as JSON."""
    fields: dict[str, Any] = {
        "gateway": "gw-one",
        "spool_id": SPOOL,
        "boot_id": BOOT,
        "report_interval_s": 2.0,
        "sent_monotonic_s": 1_000.0,
    }
    raw = [r if isinstance(r, bytes) else encode(r) for r in records]
    return encode_report(Report(**{**fields, **changes}), raw)


def report(records: Sequence[Record | bytes] = (), **changes: Any) -> DecodedReport:
    return decode_report(body(records, **changes))


def port(room: str, speed_bps: int = 10**9) -> Port:
    fields: dict[str, Any] = {"admin_up": True, "oper_up": True, "full_duplex": True}
    return Port(classroom=room, switch="sw1", outcome=Outcome.ANSWERED, speed_bps=speed_bps, **fields)


def awake(room: str) -> Device:
    return Device(classroom=room, state="awake", seen_by="snmp", outcome=Outcome.ANSWERED)


def bandwidth(*, passed: bool, **changes: Any) -> Bandwidth:
    bound = {"at_least_bps": 95e6} if passed else {"at_most_bps": 100e6, "estimate_bps": 80e6}
    outcome = Outcome.PASS if passed else Outcome.FAIL
    return Bandwidth(**{"target": "uplink", "direction": "down", "mode": "drain", **bound, **changes}, outcome=outcome)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = await open_store(address_in(folder))
    try:
        yield store
    finally:
        await close_store(store)


async def start_engine(
    store: Store,
    folder: Path,
    clock: FakeClock,
    policy: Policy = POLICY,
    receivers: Sequence[Receiver] | None = None,
    *,
    text: str = ROSTER,
) -> Engine:
    """An engine with the roster of ``folder`` in force; its ``run`` is for the caller to start."""
    told = (ConsoleReceiver(name="terminal"),) if receivers is None else receivers
    engine = Engine(store, policy, told, clock)
    roster = load_roster(write_roster(folder, text), {"p": ("p",)})
    await engine.replace_roster(roster, hours_of_schools(roster.entries, Calendar(), clock()), policy)
    return engine


def wait_until(condition: Callable[[], bool], deadline_s: float = 40.0) -> None:
    """Block until ``condition`` holds."""
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)


class Collector:
    """The program itself, on a free loopback port, with its state in ``folder``."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = folder / "collector.yml"
        write_roster(folder)
        if "store:" not in more:
            more += f"store: {address_in(folder).render_as_string(hide_password=False)}\n"
        self.settings.write_text(f"listen: {{port: {self.port}}}\nresponder: null\ntick_s: 0.2\n{more}")
        self.context: ssl.SSLContext | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, deadline_s: float = 20.0, under: Sequence[str] = ()) -> None:
        """``under``: a command that runs it, such as one that looks on."""
        command = [*under, sys.executable, "-m", "collector", "run", "-c", str(self.settings)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        until = time.monotonic() + deadline_s
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the collector did not start:\n{self.log}")
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ask(self, path: str, data: bytes | None = None) -> int:
        """GET, or POST ``data`` as gw-one; return the status."""
        request = Request(f"{self.url}{path}", data, {"Authorization": f"Bearer {TOKENS['gw-one']}"})
        try:
            with urlopen(request, timeout=60, context=self.context) as answer:
                return int(answer.status)
        except HTTPError as refusal:
            return refusal.code

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> int:
        """Stop as systemd does; return the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/readyz", timeout=2, context=self.context) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
