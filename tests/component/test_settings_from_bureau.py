"""What a gateway measures comes from the bureau: both programs as they are, over HTTP and over a real broker."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.support.collecting import TOKENS, Collector, opened
from tests.support.engines import ledger
from tests.support.mosquitto import running_mosquitto

EVERYWHERE = """\
report_interval_s: 0.3
targets:
  - {name: here, kind: ping, host: 127.0.0.1, interval_s: 0.2, count: 1, timeout_s: 0.2}
"""
MORE = "  - {name: there, kind: ping, host: 127.0.0.1, interval_s: 0.2, count: 1, timeout_s: 0.2}\n"
BROKEN = "  - {name: gone, kind: http, url: 'https://platform.example/', ca_file: secrets/not-there.pem}\n"
"""Good at the bureau, and of no use on a box without that file."""


def wait_until(condition, deadline_s=40.0):
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)


class Bureau(Collector):
    """The collector with a folder of templates."""

    def __init__(self, folder, more=""):
        folder.mkdir()
        (folder / "templates").mkdir()
        self.give(EVERYWHERE, folder)
        super().__init__(folder, f"templates: templates\n{more}")

    def give(self, text, folder=None):
        ((folder or self.folder) / "templates" / "every.yml").write_text(text)

    def reload(self):
        request = urllib.request.Request(f"{self.url}/api/v1/reload", b"", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def page(self, path):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return answer.read().decode()


class Gateway:
    """The agent, enrolled: it knows who it is and whom it reports to."""

    def __init__(self, folder, link):
        folder.mkdir()
        self.folder, self.process = folder, None
        (folder / "token").write_text(TOKENS["gw-one"])
        (folder / "token").chmod(0o600)
        (folder / "agent.yml").write_text(
            f"gateway: gw-one\nlink: {json.dumps(link)}\npage: null\nmetrics_file: agent.prom\n"
        )

    def start(self):
        with (self.folder / "log").open("ab") as log:
            args = [sys.executable, "-m", "agent", "run", "-c", str(self.folder / "agent.yml")]
            self.process = subprocess.Popen(args, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=15) == 0

    def end(self):
        self.process.kill()
        self.process.wait()

    def said(self, event):
        lines = (self.folder / "log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def made(self):
        """How many records each kind had when the numbers were last written."""
        text = (self.folder / "agent.prom").read_text()
        return sum(
            float(line.split()[-1])
            for line in text.splitlines()
            if line.startswith("classready_agent_records_generated_total")
        )


@contextlib.contextmanager
def both(folder, way):
    """A collector that serves templates, and an agent that reports to it by ``way``; yields both, running."""
    with contextlib.ExitStack() as stack:
        more, link = "", None
        if way == "mqtt":
            (folder / "broker").mkdir()
            users = {"collector": "one", "gw-one": "two"}
            broker = stack.enter_context(running_mosquitto(folder / "broker", users))
            password = broker.password_file("collector")
            more = f"mqtt: {{host: 127.0.0.1, port: {broker.port}, tls: false, password_file: {password}}}\n"
            link = {"kind": "mqtt", "host": broker.host, "port": broker.port, "tls": False}
            link["password_file"] = str(broker.password_file("gw-one"))
        bureau = Bureau(folder / "bureau", more)
        bureau.start()
        stack.callback(bureau.kill)
        gateway = Gateway(folder / "gateway", link or {"kind": "http", "url": bureau.url, "token_file": "token"})
        gateway.start()
        stack.callback(gateway.end)
        yield bureau, gateway


def names(gateway):
    """Of the targets in force when settings were last applied."""
    return gateway.said("settings_in_force")[-1]["targets"]


@pytest.mark.servers("mosquitto")
@pytest.mark.parametrize("way", ["http", "mqtt"])
def test_a_box_with_a_link_alone_measures_what_the_bureau_says(tmp_path, way):
    """A target comes, one more comes and goes; what the box cannot use is refused with its reason; nothing restarts."""
    with both(tmp_path, way) as (bureau, gateway):
        wait_until(lambda: gateway.said("settings_in_force"))
        assert names(gateway) == 1
        bureau.give(EVERYWHERE + MORE)
        bureau.reload()
        wait_until(lambda: names(gateway) == 2)
        bureau.give(EVERYWHERE + BROKEN)
        bureau.reload()
        wait_until(lambda: gateway.said("settings_refused"))
        (refused,) = gateway.said("settings_refused")
        assert "targets[gone].ca_file" in refused["problems"][0]
        assert "not-there.pem" in refused["problems"][0]
        assert names(gateway) == 2, "the ones before are in force"
        wait_until(lambda: "没有采用教育局的新设置" in bureau.page("/school/s1"))
        assert "not-there.pem" in bureau.page("/school/s1")
        assert "没有设置里提到的文件" in bureau.page("/school/s1")
        bureau.give(EVERYWHERE)
        bureau.reload()
        wait_until(lambda: names(gateway) == 1)
        wait_until(lambda: "已采用教育局的设置" in bureau.page("/school/s1"))
        assert len(gateway.said("ready")) == 1
        assert gateway.said("settings_refused") == [refused], "asked for once"
        kept = gateway.folder / "state" / "settings.json"
        assert kept.stat().st_mode & 0o077 == 0


def test_without_a_line_the_last_ones_hold(tmp_path):
    """Killed, the collector gone, started again: it measures what it was told last."""
    with both(tmp_path, "http") as (bureau, gateway):
        wait_until(lambda: gateway.said("settings_in_force"))
        bureau.kill()
        gateway.end()
        gateway.start()
        wait_until(lambda: len(gateway.said("ready")) == 2)
        assert gateway.said("ready")[-1]["targets"] == 1
        before = gateway.said("report_not_delivered")
        wait_until(lambda: len(gateway.said("report_not_delivered")) > len(before))
        gateway.stop()
        command = [sys.executable, "-m", "agent", "check", "-c", str(gateway.folder / "agent.yml")]
        checked = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "1 targets" in checked.stdout


def test_the_boxs_own_files_win(tmp_path):
    """agent.d adds and replaces by name; a mistake there changes nothing, and the bureau's targets stay."""
    with both(tmp_path, "http") as (_bureau, gateway):
        wait_until(lambda: gateway.said("settings_in_force"))
        (gateway.folder / "agent.d").mkdir()
        own = gateway.folder / "agent.d" / "own.yml"
        targets = "targets:\n  - {name: here, kind: ping, host: 127.0.0.2}\n"
        own.write_text(targets + "  - {name: x, kind: pong}\n")
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.said("reload_refused"))
        assert f"{own}:3: targets[1].kind" in gateway.said("reload_refused")[0]["problem"]
        own.write_text(
            "targets:\n  - {name: here, kind: ping, host: 127.0.0.2}\n  - {name: x, kind: ping, host: localhost}\n"
        )
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: names(gateway) == 2)
        assert len(gateway.said("ready")) == 1


async def test_no_record_is_lost_or_doubled_while_settings_change(tmp_path):
    """Targets come and go twice a second under a running agent: every record that was made is in the ledger once."""
    with both(tmp_path, "http") as (bureau, gateway):
        wait_until(lambda: gateway.said("settings_in_force"))
        for i in range(16):
            bureau.give(EVERYWHERE + (MORE if i % 2 else "") + f"concurrency: {1 + i % 3}\n")
            await asyncio.to_thread(bureau.reload)
            await asyncio.sleep(0.5)
        assert len(gateway.said("settings_in_force")) >= 8
        assert len(gateway.said("ready")) == 1
        bureau.give(EVERYWHERE.replace("interval_s: 0.2", "interval_s: 3600"))
        await asyncio.to_thread(bureau.reload)
        count = len(gateway.said("settings_in_force"))
        wait_until(lambda: len(gateway.said("settings_in_force")) > count)
        await asyncio.sleep(1.5)
        made = gateway.made()
        gateway.stop()
        assert bureau.stop() == 0
        spool_id = sqlite_spool_id(gateway.folder / "state" / "spool.db")
        async with opened(bureau.folder) as store:
            entered = await ledger(store, "gw-one", spool_id)
        assert entered.ranges == ((1, entered.applied_records),)
        assert entered.applied_records == made > 50
        assert not entered.declared_drops


def sqlite_spool_id(path):
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in connection.execute(f"select * from {table}"):
                found = [value for value in row if isinstance(value, str) and len(value) == 32]
                if found:
                    return found[0]
    raise AssertionError(tables)
