"""A small county on loopback: broker, collector, agents over both links through relays, a strict chat robot."""

import hashlib
import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, Final

from bench.agent.processes import free_port, module
from bench.chaos.programs import Program
from bench.chaos.relay import Relay
from bench.lines import say
from classready.report import Ack
from tests.support.mosquitto import Broker

OFFICE: Final = "511402"
INTERVAL_S: Final = 2.0
"""So nine seconds of a dead agent are silence, of which the office is told."""
BALLAST: Final = "ballast"
"""The file that fills a disk, while it is there."""
DISK_BYTES: Final = 48 * 2**20
"""Of the collector's file system: a minute's records are a few of them; ballast takes up the rest."""
GATEWAY_DISK_BYTES: Final = 2 * 2**20
"""For each gateway; they share one file system."""


class Agent(Program):
    """One school's gateway; its spool is in ``state``."""

    def __init__(self, gateway: str, folder: Path) -> None:
        super().__init__(gateway, folder, module("agent", "run", "-c", str(folder / f"{gateway}.yml")))
        self.state = folder / "spools" / gateway


class County:
    """Everything is made here and started by ``start``; ``acks`` is what gateways were told, by spool."""

    def __init__(self, folder: Path, agent_count: int) -> None:
        self.folder, self.disk, self.spools = folder, folder / "disk", folder / "spools"
        self.acks: dict[str, list[Ack]] = defaultdict(list)
        self._lock = threading.Lock()
        self.gateways = [f"gw-{n:03d}" for n in range(agent_count)]
        self.agents = [Agent(gateway, folder) for gateway in self.gateways]
        self.disk_free_at_s = -inf
        """Since when there is room for the collector: it may have found none at a start before that."""
        self.port, self.robot_port = free_port(), free_port()
        self.collector = Program("collector", folder, module("collector", "run", "-c", str(folder / "collector.yml")))
        robot = ("bench.demo.robot", f"--port={self.robot_port}", "--key=chaos", f"--ledger={self.robot_ledger}")
        self.robot = Program("robot", folder, module(*robot))
        self.broker = Broker(folder, {name: secret(name) for name in ("collector", *self.gateways)})
        self.relays = {"http": Relay(self.port, self._heard), "mqtt": Relay(self.broker.port, self._heard)}

    @property
    def robot_ledger(self) -> Path:
        return self.folder / "robot.jsonl"

    @property
    def store(self) -> Path:
        return self.disk / "collector.db"

    def spool_file(self, gateway: str) -> Path:
        return self.spools / gateway / "spool.db"

    def _heard(self, ack: Ack) -> None:
        with self._lock:
            self.acks[ack.spool_id].append(ack)

    def start(self) -> None:
        for relay in self.relays.values():
            relay.start()
        self._write()
        self.broker.start()
        for program in (self.robot, self.collector, *self.agents):
            program.start()

    def stop_agents(self) -> None:
        for agent in self.agents:
            agent.ask_to_stop()
        for agent in self.agents:
            agent.stop()

    def stop(self) -> None:
        self.stop_agents()
        self.collector.stop()
        self.robot.stop()
        self.broker.kill()
        for relay in self.relays.values():
            relay.stop()

    def look_after(self) -> None:
        """What systemd does: whoever ended by itself is started again. That is counted; but a collector that cannot
        start on a full disk says so and ends, which is right.
        """
        for program in (self.collector, self.robot, *self.agents):
            began_s = program.started_at_s
            if program.look_after():
                may_end = program is self.collector and began_s < self.disk_free_at_s
                program.died_count += not may_end
                say(f"{program.name} ended by itself{' on a full disk' if may_end else ''}: {program.tail()[-300:]}")

    @property
    def died(self) -> dict[str, int]:
        programs = (self.collector, self.robot, *self.agents)
        return {program.name: program.died_count for program in programs if program.died_count}

    def _write(self) -> None:
        credentials = self.folder / "credentials"
        credentials.mkdir(mode=0o700)
        for name, text in {**self.broker.users, "robot-key": "chaos"}.items():
            (credentials / name).touch(mode=0o600)
            (credentials / name).write_text(text)
        self._write_yaml("collector", self._collector())
        (self.folder / "roster").mkdir()
        self._write_yaml(f"roster/{OFFICE}", self._roster())
        for n, agent in enumerate(self.agents):
            self._write_yaml(agent.name, self._agent(agent, "mqtt" if n % 2 else "http"))

    def _write_yaml(self, name: str, content: Any) -> None:
        """JSON is YAML without aliases, which settings and rosters do not take."""
        (self.folder / f"{name}.yml").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    def _collector(self) -> dict[str, Any]:
        robot = {"kind": "wecom", "name": "group", "key_file": "%d/robot-key"}
        return {
            "listen": {"port": self.port},
            "store": f"sqlite+aiosqlite:///{self.store}",
            "responder": None,
            "tick_s": 0.5,
            "mqtt": {"host": "127.0.0.1", "port": self.broker.port, "tls": False, "password_file": "%d/collector"},
            "policy": {
                "observation_school_days": 0,
                "silence_hold_s": 0,
                "group_wait_s": 1,
                "message_window_s": 5,
                "spread_wait_s": 2,
                "quiet_chat_from": "00:00",
                "quiet_chat_until": "00:00",
            },
            "receivers": [{**robot, "base_url": f"http://127.0.0.1:{self.robot_port}"}],
        }

    def _agent(self, agent: Agent, kind: str) -> dict[str, Any]:
        port = self.relays[kind].port
        links: dict[str, dict[str, Any]] = {
            "http": {"url": f"http://127.0.0.1:{port}", "token_file": f"%d/{agent.name}"},
            "mqtt": {"host": "127.0.0.1", "port": port, "tls": False, "password_file": f"%d/{agent.name}"},
        }
        targets = [{"kind": "ping", "name": f"t{n}", "host": "127.0.0.1", "count": 1} for n in range(2)]
        return {
            "gateway": agent.name,
            "state_dir": str(agent.state),
            "link": {"kind": kind, "timeout_s": 3.0, **links[kind]},
            "report_interval_s": INTERVAL_S,
            "targets": [{**target, "interval_s": INTERVAL_S} for target in targets],
        }

    def _roster(self) -> dict[str, Any]:
        rooms = [{"id": "r1", "name": "1班"}]
        schools = [
            {"id": f"s{g}", "name": f"学校{g}", "timetable": "always", "school_days": "every"} for g in self.gateways
        ]
        return {
            "office": OFFICE,
            "name": "东坡区教育局",
            "schools": [{**school, "classrooms": rooms} for school in schools],
            "gateways": [
                {"id": g, "token_sha256": hashlib.sha256(secret(g).encode()).hexdigest(), "schools": [f"s{g}"]}
                for g in self.gateways
            ],
        }

    def texts(self) -> list[str]:
        """What the robot took, over all its lives."""
        lines = self.robot_ledger.read_text("utf-8").splitlines() if self.robot_ledger.exists() else []
        return [json.loads(line)["markdown"]["content"] for line in lines]


def secret(name: str) -> str:
    """For the length of one run, and of nobody else."""
    return f"secret of {name}"


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """A file system of its own; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def running(folder: Path, agent_count: int) -> Iterator[County]:
    """A county of so many schools, all of whose programs are ended with it."""
    county = County(folder, agent_count)
    with small_disk(county.disk, DISK_BYTES), small_disk(county.spools, agent_count * GATEWAY_DISK_BYTES):
        say(f"{agent_count} agents, half of them over MQTT")
        try:
            county.start()
            yield county
        finally:
            county.stop()
