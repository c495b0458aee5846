"""The whole agent as its unit runs it: a process, a collector over HTTP, signals, systemd's socket, its metrics."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import aiomqtt
import pytest
from aiohttp import web

from classready import topics
from classready.codec import decode_report, encode, ranges
from classready.report import Ack, Directives, Thetas
from tests.support.mosquitto import SchoolBroker, free_port, running_mosquitto

REPOSITORY = Path(__file__).resolve().parents[2]

SETTINGS = """\
gateway: {gateway}
link: {{kind: http, url: "{url}", token_file: token}}
report_interval_s: 0.3
metrics_file: agent.prom
targets:
  - {{name: here, kind: ping, host: 127.0.0.1, interval_s: 0.2, count: 1, timeout_s: 0.1}}
  - {{name: door, kind: http, url: "http://127.0.0.1:1/", interval_s: 0.2}}
  - {{name: uplink, kind: bandwidth, host: 127.0.0.1, interval_s: 3600}}
"""


class Collector:
    """Commits everything; ``status`` other than 200 refuses. ``reports`` are decoded."""

    def __init__(self):
        self.reports, self.status, self.directives = [], 200, Directives(policy_version="1")

    async def receive(self, request):
        if self.status != 200:
            return web.Response(status=self.status)
        decoded = decode_report(await request.read())
        self.reports.append(decoded)
        committed = ranges([r.sequence for r in decoded.records])
        ack = Ack(spool_id=decoded.report.spool_id, committed=committed, directives=self.directives)
        return web.Response(body=encode(ack))

    def records(self, target=None):
        records = [r for d in self.reports for r in d.records]
        return [r for r in records if target in {None, getattr(r.observation, "target", None)}]


@contextlib.asynccontextmanager
async def collecting():
    collector = Collector()
    app = web.Application()
    app.router.add_post("/api/v1/reports", collector.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


AS_INSTALLED = """\
import atexit, sys
sys.modules.update(rich=None, greenlet=None, typing_extensions=None)  # found in a development environment only
atexit.register(lambda: open("modules", "w").write(" ".join(sys.modules)))
from agent.__main__ import main
main()
"""


@contextlib.asynccontextmanager
async def running(folder, *program):
    """Run the agent in ``folder`` with systemd's variables; yield the process and the socket it notifies."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(folder / "notify"))
        notified.settimeout(0)
        environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "300000"}
        with (folder / "log").open("ab") as log:
            args = [sys.executable, *(program or ("-m", "agent")), "run", "-c", folder / "agent.yml"]
            process = subprocess.Popen(args, cwd=REPOSITORY, env=environment, stderr=log)
        try:
            yield process, notified
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)
            (folder / "notify").unlink()


async def until(condition, deadline_s=30):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)


def states(notified):
    """Return what the agent told systemd since the last look."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(notified.recv(100).decode())
    return found


def spool_records(folder):
    """How many records wait, as the agent's own metrics say."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "agent.prom").read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("classready_agent_spool_records "))
    return 0


async def exit_code(process, deadline_s=30):
    await until(lambda: process.poll() is not None, deadline_s)
    return process.returncode


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    return tmp_path


def write_settings(folder, collector, gateway="gw-1"):
    (folder / "agent.yml").write_text(SETTINGS.format(gateway=gateway, url=collector.url))


async def test_what_a_running_agent_imports(folder):
    """Reports over HTTP, pings and pages need nothing big: a gateway has little memory."""
    small = {"agent", "classready", "click", "cython_runtime", "icmplib", "msgspec", "structlog", "yaml"}
    code = AS_INSTALLED.replace('"modules"', repr(str(folder / "modules")))
    async with collecting() as collector:
        write_settings(folder, collector)
        settings = (folder / "agent.yml").read_text().replace("metrics_file: agent.prom\n", "")
        (folder / "agent.yml").write_text(settings)
        async with running(folder, "-c", code) as (process, _notified):
            await until(lambda: collector.records("here") and collector.records("door"))
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0
    modules = (folder / "modules").read_text().split()
    used = (
        {name.partition(".")[0] for name in modules}
        - sys.stdlib_module_names
        - {"rich", "greenlet", "typing_extensions"}
    )
    assert "msgspec" in used
    assert {name for name in used if not name.startswith("_")} - small == set()
    assert not {"email", "http.client", "xml", "unittest"} & set(modules)


async def test_from_start_to_stop(folder):
    """It gets ready, reports, feeds the watchdog, obeys a retest, writes its metrics, and stops with an empty spool."""
    async with collecting() as collector:
        write_settings(folder, collector)
        async with running(folder) as (process, notified):
            said = []
            await until(lambda: said.extend(states(notified)) or "READY=1" in said)
            await until(lambda: len(collector.records("here")) >= 3 and len(collector.records("door")) >= 3)
            await until(lambda: said.extend(states(notified)) or said.count("WATCHDOG=1") >= 2)
            collector.directives = Directives(policy_version="2", theta=Thetas(down=(95e6, 100e6)), retest=("uplink",))
            await until(lambda: collector.records("uplink"))
            await until((folder / "agent.prom").exists)
            # systemd always reads; a socket that nobody reads holds ten messages and drops the next
            said = states(notified)
            process.send_signal(signal.SIGTERM)
            await until(lambda: said.extend(states(notified)) or process.poll() is not None, 12)
            assert process.returncode == 0
            assert "STOPPING=1" in said + states(notified)
    sequences = [r.sequence for r in collector.records()]
    assert sorted(set(sequences)) == list(range(1, len(set(sequences)) + 1))
    # at least once: the courier is cancelled at the end, and what it had on its way is sent again; nothing older is
    twice = [n for n in set(sequences) if sequences.count(n) > 1]
    assert all(sequences.count(n) == 2 and n > max(sequences) - 3 for n in twice)
    assert collector.records()[-1].clock_quality == "good"
    assert (folder / "state" / "directives.json").exists()
    metrics = (folder / "agent.prom").read_text()
    assert 'classready_agent_publish_total{result="ok"}' in metrics
    assert 'classready_agent_probe_results_total{probe="http",result="no_answer"}' in metrics
    assert "process_resident_memory_bytes" in metrics
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=metrics.encode(), check=True)


def healthz(port):
    """What the agent's page tells scripts; None while nobody listens."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return json.load(answer)
    return None


async def test_its_page_and_doctor_see_how_it_is(folder):
    """``/healthz`` tells of the first acknowledgement, a reload keeps it, and doctor beside it disturbs nothing."""
    port = free_port()
    async with collecting() as collector:
        write_settings(folder, collector)
        with (folder / "agent.yml").open("a") as file:
            file.write(f"page: {{port: {port}}}\n")
        async with running(folder) as (process, _notified):
            await until(lambda: (healthz(port) or {}).get("last_ack_at") is not None)
            before = healthz(port)
            process.send_signal(signal.SIGHUP)
            await until(lambda: "reloaded" in (folder / "log").read_text() and healthz(port))
            assert healthz(port)["started_at"] == before["started_at"]
            command = [sys.executable, "-m", "agent", "doctor", "-c", folder / "agent.yml", "--json"]
            doctor = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
            rows = json.loads((await doctor.communicate())[0])
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0
    assert doctor.returncode == 1  # the door of the settings is closed
    found = {(row["check"], row["subject"]): row["result"] for row in rows}
    assert found["reports", ""] == "ok"
    assert found["ping", "here"] == "ok"
    assert found["http", "door"] == "failed"
    assert healthz(port) is None
    sequences = [r.sequence for r in collector.records()]
    assert sorted(set(sequences)) == list(range(1, len(set(sequences)) + 1))


async def test_without_a_page_nobody_listens(folder):
    """``page: null`` is off."""
    async with collecting() as collector:
        write_settings(folder, collector)
        with (folder / "agent.yml").open("a") as file:
            file.write("page: null\n")
        async with running(folder) as (process, _notified):
            await until(lambda: collector.records("here"))
            listening = Path(f"/proc/{process.pid}/net/tcp").read_text()
            inodes = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
            # 0A is LISTEN (include/net/tcp_states.h); the tenth field is the socket's inode.
            rows = [row.split() for row in listening.splitlines()[1:]]
            assert not [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0


async def test_an_outage_and_a_crash_lose_nothing(folder):
    """Killed with records in the spool, the agent goes on under the same identity, and every number arrives."""
    async with collecting() as collector:
        collector.status = 503
        write_settings(folder, collector)
        async with running(folder) as (process, notified):
            await until(lambda: "READY=1" in states(notified))
            await until((folder / "state" / "spool.db-wal").exists)
            await asyncio.sleep(1)
            process.kill()
            await exit_code(process)
        collector.status = 200
        async with running(folder) as (process, _notified):
            await until(lambda: len(collector.records()) >= 12)
            process.send_signal(signal.SIGINT)
            assert await exit_code(process) == 0
    assert len({d.report.spool_id for d in collector.reports}) == 1
    assert {r.sequence for r in collector.records()} == set(range(1, len(collector.records()) + 1))


@pytest.mark.parametrize("how", ["damaged", "deleted"])
async def test_the_spool_goes_bad_under_a_running_agent(folder, how):
    """It goes on: probing, reporting and feeding the watchdog; what is lost is declared, and the disk is used again."""
    state = folder / "state" / "spool.db"
    async with collecting() as collector:
        collector.status = 503
        write_settings(folder, collector)
        async with running(folder) as (process, notified):
            await until(lambda: spool_records(folder) > 5)
            for path in state.parent.glob("spool.db*"):
                if how == "deleted":
                    path.unlink()
                else:
                    path.write_bytes(bytes(path.stat().st_size))
            told = "spool_replaced" if how == "damaged" else "spool_moved"
            await until(lambda: told in (folder / "log").read_text())
            collector.status = 200
            count = len(collector.records())
            await until(lambda: len(collector.records()) > count + 5)
            states(notified)
            await until(lambda: "WATCHDOG=1" in states(notified))
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0
    spools = {d.report.spool_id: d for d in collector.reports}
    if how == "deleted":
        assert len(spools) == 1
        assert {r.sequence for r in collector.records()} == set(range(1, len(collector.records()) + 1))
    else:
        assert max(d.report.dropped.get("spool_replaced", 0) for d in spools.values()) > 3
    assert "Traceback" not in (folder / "log").read_text()
    assert state.exists()
    assert "classready_agent_spool_degraded 0" in (folder / "agent.prom").read_text()


async def test_reload_swaps_good_settings_and_refuses_bad_ones(folder):
    """SIGHUP with a mistake changes nothing and says why; a correct file takes effect without a restart."""
    async with collecting() as collector:
        write_settings(folder, collector)
        async with running(folder) as (process, _notified):
            await until(collector.records)
            (folder / "agent.yml").write_text("gateway: GW\n")
            process.send_signal(signal.SIGHUP)
            await until(lambda: "reload_refused" in (folder / "log").read_text())
            count = len(collector.records())
            await until(lambda: len(collector.records()) > count + 2)
            write_settings(folder, collector, gateway="gw-2")
            process.send_signal(signal.SIGHUP)
            await until(lambda: collector.reports[-1].report.gateway == "gw-2")
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0


async def test_a_second_agent_on_the_same_state_is_refused(folder):
    """Two agents with one spool would spoil it: the second exits and says so."""
    async with collecting() as collector:
        write_settings(folder, collector)
        async with running(folder) as (_process, notified):
            await until(lambda: "READY=1" in states(notified))
            second = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent", "run", "-c", folder / "agent.yml",
                cwd=REPOSITORY, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, errors = await second.communicate()
    assert second.returncode == 1
    assert b"in use by another agent" in errors


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_over_mqtt_records_leave_the_spool_when_the_collector_answers(folder):
    """With the other link the same agent delivers the same: nothing while nobody listens, everything afterwards."""
    with running_mosquitto(folder, {"gw-1": "one", "collector": "col"}) as broker:
        link = f"{{kind: mqtt, host: 127.0.0.1, port: {broker.port}, tls: false, password_file: gw-1.password}}"
        broker.password_file("gw-1")
        text = SETTINGS.format(gateway="gw-1", url="http://127.0.0.1:1")
        lines = [f"link: {link}" if line.startswith("link") else line for line in text.splitlines()]
        (folder / "agent.yml").write_text("\n".join(lines))
        async with running(folder) as (process, _notified):
            await until(lambda: "rc16_no_subscriber" in (folder / "log").read_text())
            decoded = []
            async with aiomqtt.Client(
                broker.host, broker.port, username="collector", password="col", protocol=aiomqtt.ProtocolVersion.V5
            ) as mqtt:
                await mqtt.subscribe(topics.UP_SUBSCRIPTION, qos=1)
                async with asyncio.timeout(15):
                    async for message in mqtt.messages:
                        decoded.append(decode_report(message.payload))
                        committed = ranges([r.sequence for r in decoded[-1].records])
                        ack = Ack(spool_id=decoded[-1].report.spool_id, committed=committed)
                        await mqtt.publish(topics.down("gw-1", "ack"), encode(ack), qos=1)
                        if len(decoded) >= 4 and any(d.records for d in decoded[:2]):
                            break
            process.send_signal(signal.SIGTERM)
            assert await exit_code(process) == 0
    sequences = {r.sequence for d in decoded for r in d.records}
    assert sequences == set(range(1, max(sequences) + 1))


BOARD = """\
gateway: gw-board
link: {{kind: http, url: "{url}", token_file: token}}
report_interval_s: 0.3
broker: {{host: 127.0.0.1, port: {broker}}}
traps: {{host: 127.0.0.1, port: {traps}}}
profiles:
  panel: {{power: {{topic: "panel/{{id}}/power"}}}}
targets:
  - {{name: board, kind: whiteboard, host: 127.0.0.1, classroom: r1, snmp: null, icmp: false, interval_s: 86400,
     mqtt: {{profile: panel, id: "301"}}}}
"""


@pytest.mark.servers("mosquitto", "snmptrap")
async def test_a_trap_brings_what_the_board_said(tmp_path):
    """From a message on the school's broker and a real trap to a record at the collector, a day before it was due."""
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("t-1")
    (tmp_path / "broker").mkdir()
    broker, traps = SchoolBroker(tmp_path / "broker"), free_port()
    broker.start()
    try:
        async with collecting() as collector:
            text = BOARD.format(url=collector.url, broker=broker.port, traps=traps)
            (tmp_path / "agent.yml").write_text(text)
            async with running(tmp_path) as (process, _):
                async with aiomqtt.Client("127.0.0.1", broker.port) as panel, asyncio.timeout(20):
                    while not any(r.observation.seen_by == "mqtt" for r in collector.records()):
                        await panel.publish("panel/301/power", b"ON")
                        command = ["snmptrap", "-m", "", "-v", "2c", "-c", "public", f"127.0.0.1:{traps}", ""]
                        trap = await asyncio.create_subprocess_exec(*command, "1.3.6.1.6.3.1.1.5.3")
                        await trap.wait()
                        await asyncio.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                assert await exit_code(process) == 0
            assert {r.observation.state for r in collector.records()} <= {"awake", None}
    finally:
        broker.stop()
