"""A school, the internet and a bureau in three network namespaces, with the real programs in them.

gateway namespace        internet namespace           bureau namespace
agent, switch, boards -- platforms, shaped WAN -----  collector, robot, Prometheus
"""

import contextlib
import hashlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from bench.demo.platforms import issue, make_authority
from tests.e2e.stage import Stage, contents, fetch, python_module
from tests.support.namespaces import Namespace, join, namespaces, shape

T = TypeVar("T")

OFFICE, LESSONS, EVENING = "511402", "3251140201", "3251140202"
"""One school that is always in a lesson, and one that never is, behind the same gateway."""
GATEWAY = "e2e-gw-01"
ROOMS = ("r101", "r102", "r103", "r104")
EVENING_ROOM = "p101"
BOARD_MAC = "a4:5d:36:00:01:02"
"""The board of r102, whose port the agent looks up; the other rooms are given by their ports."""
INTERVAL_S = 2.0
SNMP_PORT = 9161
TOKENS = {"gateway-token": "t-gateway", "metrics-token": "t-metrics", "api-token": "t-api", "board-token": "t-board"}
PLATFORMS = {"national": 8443, "provincial": 8444}
REPOSITORY = Path(__file__).parents[2]


class World(Stage):
    """Everything a scenario may turn: the WAN's rate, ports, boards, platforms, programs; and what can be seen."""

    def __init__(self, folder: Path, gateway: Namespace, internet: Namespace, bureau: Namespace) -> None:
        super().__init__(folder)
        self.gateway, self.internet, self.bureau = gateway, internet, bureau
        gateway_device, self._down_device = join(gateway, "10.71.1.2/24", internet, "10.71.1.1/24")
        self._up_device = gateway_device
        join(internet, "10.71.2.1/24", bureau, "10.71.2.2/24")
        gateway.route("10.71.1.1")
        bureau.route("10.71.2.1")
        internet.forward()
        self.set_wan(120)

    # turning

    def set_wan(self, rate_mbps: float) -> float:
        """Shape both directions of the school's line; returns when (Unix seconds)."""
        shape(self.internet, self._down_device, rate_mbps)
        shape(self.gateway, self._up_device, rate_mbps)
        return time.time()

    def devices(self, *words: str) -> None:
        self.control("devices", " ".join(words))

    # seeing

    def api(self, path: str) -> Any:
        return json.loads(self._https(path, "api-token"))

    def exposition(self, path: str = f"/metrics/office/{OFFICE}") -> str:
        return self._https(path, "metrics-token").decode()

    def _https(self, path: str, token: str) -> bytes:
        return self.bureau.call(
            fetch, f"https://10.71.2.2:9711{path}", TOKENS[token], self.folder / "credentials" / "ca.pem"
        )

    def room(self, room: str, school: str = LESSONS) -> dict[str, Any]:
        rooms = self.api(f"/api/v1/schools/{school}")["classrooms"]
        return next(r for r in rooms if r["classroom"] == room)

    def ready(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for school in (LESSONS, EVENING):
            found |= {r["classroom"]: r["ready"] for r in self.api(f"/api/v1/schools/{school}")["classrooms"]}
        return found

    def prometheus(self, query: str) -> dict[str, float]:
        """Instant query; values by classroom (or gateway, or platform)."""
        url = f"http://127.0.0.1:9090/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        result = json.loads(self.bureau.call(fetch, url))["data"]["result"]

        def name(labels: dict[str, str]) -> str:
            return next((labels[k] for k in ("classroom", "gateway", "platform") if k in labels), "")

        return {name(sample["metric"]): float(sample["value"][1]) for sample in result}

    def messages(self) -> list[str]:
        return contents(self.bureau.call(fetch, "http://127.0.0.1:9714/received"))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[World]:
    """Start everything, and stop it by the processes' own ids."""
    with namespaces("gw", "net", "bu") as (gateway, internet, bureau):
        world = World(folder, gateway, internet, bureau)
        _write_configuration(world)
        try:
            _start_surroundings(world)
            start_bureau(world)
            world.start_product("agent", world.gateway)
            yield world
        finally:
            world.stop()


def _start_surroundings(world: World) -> None:
    folder = world.folder
    boards = [f"--board={room}=127.0.10.{i}:{SNMP_PORT}" for i, room in enumerate((*ROOMS[:3], EVENING_ROOM), 1)]
    switch = f"--switch=sw1=127.0.10.100:{SNMP_PORT}"
    plugged = (f"--do=port 2 plug {BOARD_MAC}", "--do=port 24 neighbour core")
    world.start_controlled(
        "devices", world.gateway, *python_module("bench.demo.snmp_devices"), switch, *boards, *plugged
    )
    snmpd = ["snmpd", "-f", "-Lo", "-m", "", "-C", "-c", str(folder / "snmpd.conf"), f"udp:127.0.10.104:{SNMP_PORT}"]
    world.start("snmpd", world.gateway, *snmpd)
    world.start_platforms(world.internet, "10.71.1.1", PLATFORMS)
    world.start("robot", world.bureau, *python_module("bench.demo.robot"), "--port=9714", "--key=t-wecom")


def start_bureau(world: World) -> None:
    folder = world.folder
    world.start_product("collector", world.bureau)
    world.until("the collector is ready", lambda: world.api("/api/v1/schools"), 20)
    storage = f"--storage.tsdb.path={folder / 'tsdb'}"
    prometheus = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", storage]
    world.start("prometheus", world.bureau, *prometheus, "--web.listen-address=127.0.0.1:9090")


def _write_configuration(world: World) -> None:
    folder = world.folder
    credentials = world.write_secrets({**TOKENS, "wecom-key": "t-wecom"})
    authority = make_authority(credentials)
    issue(authority, "10.71.2.2", label="collector")
    (folder / "roster").mkdir()
    (folder / "snmpd.conf").write_text(
        "rocommunity public\nsysName board-r104\ndontLogTCPWrappersConnects yes\n", encoding="utf-8"
    )
    for name, content in {
        "collector.yml": _collector(),
        "agent.yml": _agent(folder),
        "roster/511402.yml": _roster(),
        "prometheus.yml": _prometheus(credentials),
    }.items():
        world.write_yaml(name, content)


def _collector() -> dict[str, Any]:
    return {
        "listen": {
            "host": "10.71.2.2",
            "tls": {"cert_file": "%d/collector.pem", "key_file": "%d/collector.key"},
            "tokens": {f"{name}_file": f"%d/{name}-token" for name in ("metrics", "api", "board")},
        },
        "responder": {"host": "10.71.2.2"},
        "tick_s": 0.5,
        "platforms": [{"id": name, "name": name} for name in PLATFORMS],
        "policy": {
            "confirm_spacing_s": INTERVAL_S,
            "late_after_s": 3 * INTERVAL_S,
            "group_wait_s": 1,
            "message_window_s": 3,
            "platform_hold_s": 2,
            "observation_school_days": 0,
            "device_proof_school_days": 0,
            "blame_spacing_s": 0,
            "silence_hold_s": 0,
            "quiet_chat_from": "00:00",
            "quiet_chat_until": "00:00",
        },
        "receivers": [
            {"kind": "wecom", "name": "group", "key_file": "%d/wecom-key", "base_url": "http://127.0.0.1:9714"}
        ],
    }


def _agent(folder: Path) -> dict[str, Any]:
    snmp = {"port": SNMP_PORT, "timeout_s": 0.5, "retry_count": 0}
    places = {f"{LESSONS}/{room}": f"127.0.10.{i}" for i, room in enumerate(ROOMS[:3], 1)}
    places |= {f"{LESSONS}/r104": "127.0.10.104", f"{EVENING}/{EVENING_ROOM}": "127.0.10.4"}
    boards = [
        {"kind": "whiteboard", "name": f"board-{ref.partition('/')[2]}", "classroom": ref, "host": host, "snmp": snmp}
        | {"icmp": False}
        for ref, host in places.items()
    ]
    ports = {f"GE0/0/{i}": ref for i, ref in enumerate(places, 1) if ref != f"{LESSONS}/r102"}
    devices = {BOARD_MAC: f"{LESSONS}/r102"}
    sites = [
        {"kind": "http", "name": name, "url": f"https://10.71.1.1:{port}/", "ca_file": str(folder / "sites" / "ca.pem")}
        for name, port in PLATFORMS.items()
    ]
    targets = [
        *sites,
        {"kind": "ping", "name": "national-ping", "host": "10.71.1.1", "count": 2},
        {"kind": "switch", "name": "sw1", "host": "127.0.10.100", "snmp": snmp, "ports": ports} | {"devices": devices},
        *boards,
        {"kind": "bandwidth", "name": "uplink", "host": "10.71.2.2", "allowed_hours": [["00:00", "24:00"]]},
    ]
    return {
        "gateway": GATEWAY,
        "link": {
            "kind": "http",
            "url": "https://10.71.2.2:9711",
            "token_file": "%d/gateway-token",
            "ca_file": "%d/ca.pem",
        },
        "report_interval_s": INTERVAL_S,
        "targets": [{**target, "interval_s": INTERVAL_S} for target in targets],
    }


def _roster() -> dict[str, Any]:
    return {
        "office": OFFICE,
        "name": "东坡区",
        "schools": [
            {
                "id": LESSONS,
                "name": "示例小学",
                "timetable": "always",
                "classrooms": [{"id": room, "name": f"{room}班"} for room in ROOMS],
            },
            {
                "id": EVENING,
                "name": "示例教学点",
                "timetable": "never",
                "classrooms": [{"id": EVENING_ROOM, "name": "复式班"}],
            },
        ],
        "gateways": [
            {
                "id": GATEWAY,
                "token_sha256": hashlib.sha256(TOKENS["gateway-token"].encode()).hexdigest(),
                "schools": [LESSONS, EVENING],
            }
        ],
    }


def _prometheus(credentials: Path) -> dict[str, Any]:
    bearer = {"type": "Bearer", "credentials_file": str(credentials / "metrics-token")}
    tls = {"ca_file": str(credentials / "ca.pem")}
    discovery = {"url": "https://10.71.2.2:9711/sd/prometheus", "authorization": bearer, "tls_config": tls}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "classready",
                "scheme": "https",
                "authorization": bearer,
                "tls_config": tls,
                "http_sd_configs": [{**discovery, "refresh_interval": "2s"}],
            }
        ],
    }
