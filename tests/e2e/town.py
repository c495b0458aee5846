"""Several schools, each behind a line of its own, and their bureau: what a chat group reads when lines fail.

gateway namespaces      internet namespace        bureau namespace
an agent in each -----  platforms, routes  -----  collector, robot
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.demo.platforms import issue, make_authority
from tests.e2e.stage import Stage, contents, fetch, python_module
from tests.support.namespaces import Namespace, ip, join, namespaces

BUREAU, INTERNET, LOOPBACK = "10.72.0.2", "10.72.0.1", "127.0.0.1"
OFFICE = "511402"
ROOMS_PER_SCHOOL = 2
INTERVAL_S = 1.5
PLATFORMS = {"national": 8443, "provincial": 8444}
TOKENS = {"metrics-token": "t-metrics", "api-token": "t-api", "board-token": "t-board"}


class School(NamedTuple):
    id: str
    name: str
    operator: str
    office: str = OFFICE

    @property
    def gateway(self) -> str:
        return f"gw-{self.id}"


class Desk(Stage):
    """A collector at ``address`` and a robot, both in the namespace ``bureau``, and what can be seen of them."""

    def __init__(self, folder: Path, bureau: Namespace, address: str) -> None:
        super().__init__(folder)
        self.bureau, self.address = bureau, address

    def open(self, schools: Iterable[School], policy: Mapping[str, Any], **more: Any) -> None:
        """Start the collector with the roster of ``schools``, and ``more`` in its settings."""
        _write_settings(self, tuple(schools), policy, more)
        self.start("robot", self.bureau, *python_module("bench.demo.robot"), "--port=9714", "--key=t-wecom")
        self.start_product("collector", self.bureau)
        # an agent that finds nobody tries again later and later
        self.until("the collector is ready", lambda: self.api("/schools"))

    @property
    def is_local(self) -> bool:
        return self.address == LOOPBACK

    @property
    def url(self) -> str:
        return f"{'http' if self.is_local else 'https'}://{self.address}:9711"

    def api(self, path: str) -> Any:
        authority = None if self.is_local else self.folder / "credentials" / "ca.pem"
        return json.loads(self.bureau.call(fetch, f"{self.url}/api/v1{path}", TOKENS["api-token"], authority))

    def hears(self, *schools: School) -> bool:
        """Whether the collector has a gateway of each of ``schools`` that is not silent."""
        return all(self._state(school) == "up" for school in schools)

    def misses(self, *schools: School) -> bool:
        return all(self._state(school) == "silent" for school in schools)

    def _state(self, school: School) -> str:
        (gateway,) = self.api(f"/schools/{school.id}")["gateways"]
        return str(gateway["state"])

    def incidents(self) -> list[dict[str, Any]]:
        return list(self.api("/incidents")["incidents"])

    def messages(self, port: int = 9714) -> list[str]:
        return contents(self.bureau.call(fetch, f"http://127.0.0.1:{port}/received"))

    def waiting(self) -> int:
        """How many messages are on their way."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'collector.db'}?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT count(*) FROM outbox WHERE state = 'pending'").fetchone()[0])

    def told(self, count: int, port: int = 9714) -> list[str]:
        """Wait for at least ``count`` messages in all; return all there are."""
        return self.until(f"{count} messages", lambda: m if len(m := self.messages(port)) >= count else None, 60)


class Town(Desk):
    """``lines``: school -> the internet's end of its line."""

    def __init__(self, folder: Path, bureau: Namespace, internet: Namespace) -> None:
        super().__init__(folder, bureau, BUREAU)
        self.internet = internet
        self.lines: dict[str, str] = {}
        join(bureau, f"{BUREAU}/24", internet, f"{INTERNET}/24")
        bureau.route(INTERNET)
        internet.forward()

    def open(self, schools: Iterable[School], policy: Mapping[str, Any], **more: Any) -> None:
        self.start_platforms(self.internet, INTERNET, PLATFORMS)
        platforms = [{"id": name, "name": name} for name in PLATFORMS]
        super().open(schools, policy, platforms=platforms, **more)

    def connect(self, school: School, gateway: Namespace) -> None:
        """Lay its line and start its agent."""
        net = f"10.72.{len(self.lines) + 1}"
        _, self.lines[school.id] = join(gateway, f"{net}.2/24", self.internet, f"{net}.1/24")
        gateway.route(f"{net}.1")
        self.start_product("agent", gateway, school.gateway)

    def cut(self, *schools: School) -> None:
        for school in schools:
            ip("-n", self.internet.name, "link", "set", self.lines[school.id], "down")

    def mend(self, *schools: School) -> None:
        for school in schools:
            ip("-n", self.internet.name, "link", "set", self.lines[school.id], "up")


@contextlib.contextmanager
def running(folder: Path, schools: Sequence[School], policy: Mapping[str, Any]) -> Iterator[Town]:
    """A town in which the collector hears every school."""
    roles = [f"g{n}" for n in range(len(schools))]
    with namespaces("bu", "net", *roles) as (bureau, internet, *gateways):
        town = Town(folder, bureau, internet)
        try:
            town.open(schools, policy)
            for school, gateway in zip(schools, gateways, strict=True):
                town.connect(school, gateway)
            town.until("every school is heard", lambda: town.hears(*schools), 60)
            yield town
        finally:
            town.stop()


def _write_settings(
    desk: Desk, schools: tuple[School, ...], policy: Mapping[str, Any], more: Mapping[str, Any]
) -> None:
    secrets = {school.gateway: f"t-{school.id}" for school in schools}
    credentials = desk.write_secrets({**TOKENS, **secrets, "wecom-key": "t-wecom"})
    issue(make_authority(credentials), desk.address, label="collector")
    desk.write_yaml("collector.yml", {"listen": _listen(desk), **_collector(policy), **more})
    for school in schools:
        desk.write_yaml(f"{school.gateway}.yml", _agent(school, desk))
    (desk.folder / "roster").mkdir()
    for office in sorted({school.office for school in schools}):
        own = [school for school in schools if school.office == office]
        desk.write_yaml(f"roster/{office}.yml", _roster(office, own, secrets))


def _listen(desk: Desk) -> dict[str, Any]:
    if desk.is_local:
        return {"public_url": desk.url}
    return {
        "host": desk.address,
        "tls": {"cert_file": "%d/collector.pem", "key_file": "%d/collector.key"},
        "tokens": {f"{name}_file": f"%d/{name}-token" for name in ("metrics", "api", "board")},
    }


def _collector(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "responder": None,
        "tick_s": 0.2,
        "policy": {
            "observation_school_days": 0,
            "silence_hold_s": 0,
            "message_window_s": 1,
            "quiet_chat_from": "00:00",
            "quiet_chat_until": "00:00",
            **policy,
        },
        "receivers": [wecom("group", 9714)],
    }


def wecom(name: str, port: int, **more: Any) -> dict[str, Any]:
    """A receiver whose robot stands at ``port``."""
    where = {"key_file": "%d/wecom-key", "base_url": f"http://127.0.0.1:{port}"}
    return {"kind": "wecom", "name": name, **where, **more}


def _agent(school: School, desk: Desk) -> dict[str, Any]:
    link = {"kind": "http", "url": desk.url, "token_file": f"%d/{school.gateway}", "timeout_s": 1}
    return {
        "gateway": school.gateway,
        "state_dir": f"state-{school.gateway}",
        "link": link if desk.is_local else {**link, "ca_file": "%d/ca.pem"},
        "report_interval_s": INTERVAL_S,
        "targets": [{**target, "interval_s": INTERVAL_S} for target in _targets(desk)],
    }


def _targets(desk: Desk) -> list[dict[str, Any]]:
    if desk.is_local:
        return [{"kind": "ping", "name": "itself", "host": LOOPBACK, "count": 1}]
    trusted = str(desk.folder / "sites" / "ca.pem")
    return [
        {"kind": "http", "name": name, "url": f"https://{INTERNET}:{port}/", "ca_file": trusted}
        for name, port in PLATFORMS.items()
    ]


def _roster(office: str, schools: list[School], secrets: Mapping[str, str]) -> dict[str, Any]:
    rooms = [{"id": f"r{n}", "name": f"{n}班"} for n in range(1, ROOMS_PER_SCHOOL + 1)]
    return {
        "office": office,
        "name": f"{office}教育局",
        "schools": [
            {"id": s.id, "name": s.name, "operator": s.operator, "timetable": "always", "classrooms": rooms}
            for s in schools
        ],
        "gateways": [
            {
                "id": school.gateway,
                "token_sha256": hashlib.sha256(secrets[school.gateway].encode()).hexdigest(),
                "schools": [school.id],
            }
            for school in schools
        ],
    }
