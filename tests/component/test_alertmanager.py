"""Alerts to Alertmanager and its groups back to the chats: stand-ins for what may go wrong, the real one for all."""

import asyncio
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from bench.demo.robot import Robot
from collector import relay
from collector.core.bureau.standing import standing
from collector.core.bureau.words import Bureau, Desk, Incident, Member
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.notify import NOTIFIERS
from collector.notify import alertmanager as kind
from collector.notify.alertmanager import Alertmanager
from collector.notify.contract import Deferred, Misconfigured
from collector.notify.message import Message, render
from collector.notify.robot.budget import Budgets
from collector.notify.robot.fitting import write
from collector.notify.robot.tools import Tools
from collector.settings import AlertmanagerReceiver, ConsoleReceiver, WeComReceiver
from tests.support.collecting import Collector, awake, body, port, record, wait_until
from tests.support.monitoring import alertmanager
from tests.support.samples import NAMES, NOW, alert, notice

ROOM = Subject("classroom", name="b2-301")


class Peer:
    """Takes what Alertmanager's openapi.yaml says that it takes."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.posts: list[list[dict[str, Any]]] = []
        self.authorizations: list[str | None] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/prefix/api/v2/alerts", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        self.authorizations.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status, text="no")
        alerts = json.loads(await request.read())
        for one in alerts:
            assert set(one) - {"generatorURL"} == {"labels", "annotations", "startsAt", "endsAt"}
            assert all(isinstance(value, str) and value for value in one["labels"].values())
            assert datetime.fromisoformat(one["startsAt"]) <= datetime.fromisoformat(one["endsAt"])
        self.posts.append(alerts)
        return web.Response()

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [one for post in self.posts for one in post]


@asynccontextmanager
async def cluster(
    *members: Peer, clock: Any = lambda: NOW, secrets: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[Alertmanager]:
    servers = [TestServer(member.app()) for member in members]
    for server in servers:
        await server.start_server()
    try:
        async with ClientSession() as session:
            urls = tuple(f"{str(server.make_url('/prefix')).rstrip('/')}/" for server in servers)
            receiver = AlertmanagerReceiver(name="am", urls=urls, **settings)
            tools = Tools(session=session, budgets=Budgets(), clock=clock, render=lambda n, _: render(n, "zh", NAMES))
            made = NOTIFIERS[AlertmanagerReceiver](receiver, tools, secrets or {})
            assert isinstance(made, Alertmanager)
            yield made
    finally:
        for server in servers:
            await server.close()


def told(*members: Any, **changes: Any) -> Message:
    return render(notice(*members, **changes), "zh", NAMES)


SLOW = alert(rooms=1, cause=Cause.PORT_BELOW_REQUIRED, subject=ROOM, since=NOW - 900, place="sw-3:Gi0/0/7")


async def test_what_is_posted() -> None:
    """Labels that do not change while it stands, the sentence for people, and until when it holds."""
    member = Peer()
    async with cluster(member, expires_s=600) as send_to:
        await send_to.send(told(SLOW, alert()))
    first, second = member.alerts
    assert first["labels"] == {
        "alertname": "port_below_required",
        "office": "511402",
        "school": "5114020001",
        "subject": "classroom:b2-301",
        "severity": "warning",
        "incident": "000001",
    }
    assert datetime.fromisoformat(first["startsAt"]).timestamp() == NOW - 900
    assert datetime.fromisoformat(first["endsAt"]).timestamp() == NOW + 600
    said = first["annotations"]
    assert said["summary"] == "【告警】东坡区教育和体育局:教室端口速率低于要求"
    assert said["facts"].startswith("1 间教室(b2-301),端口 sw-3:Gi0/0/7,实测 80.4 Mbit/s,要求 100 Mbit/s,自 ")
    assert said["actor"] == "学校"
    assert said["description"].endswith("事件编号 000001")
    assert second["labels"]["subject"] == "uplink:gw-5114020001"


async def test_an_end_has_the_same_labels() -> None:
    """Also where the actor is another meanwhile, the office is the school's new one, or it was withdrawn."""
    member = Peer()
    over = replace(SLOW, change="closed", at=NOW - 60, since=None)
    async with cluster(member) as send_to:
        await send_to.send(told(SLOW))
        await send_to.send(told(over, kind="resolved", actor="bureau", remaining_classrooms=0))
        gone = replace(over, why="withdrawn", office="511421")
        await send_to.send(told(gone, kind="withdrawn", remaining_classrooms=0))
        assert await send_to.send(told(kind="moved", cause=None)) == "nothing to post"
    begun, ended, withdrawn = member.alerts
    assert begun["labels"] == ended["labels"] == withdrawn["labels"]
    assert datetime.fromisoformat(ended["endsAt"]).timestamp() == NOW - 60
    assert ended["annotations"]["summary"].startswith("【恢复】")
    assert withdrawn["annotations"]["summary"].startswith("【撤销】")


async def test_a_member_that_is_away_hears_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes it is enough; what stands, and what ended lately, is posted to all again and again."""
    monkeypatch.setattr(kind, "REFRESH_S", 0.02)
    well, away, now = Peer(), Peer(503), [NOW]
    other = notice(alert("s2", rooms=2), incident="000002")
    async with cluster(well, away, clock=lambda: now[0]) as send_to:
        await send_to.send(told(replace(SLOW, change="closed"), kind="resolved", remaining_classrooms=0))
        away.status = 200
        keeping = asyncio.create_task(send_to.keep(lambda: [other]))
        async with asyncio.timeout(10):
            while not away.posts:
                await asyncio.sleep(0.01)
        assert [one["labels"]["incident"] for one in away.posts[0]] == ["000001", "000002"]
        now[0] += kind.ENDED_KEPT_S
        seen = len(away.posts)
        async with asyncio.timeout(10):
            while len(away.posts) < seen + 2:
                await asyncio.sleep(0.01)
        assert [one["labels"]["incident"] for one in away.posts[-1]] == ["000002"]
        well.status = away.status = 500
        with pytest.raises(Deferred) as raised:
            await send_to.send(told(SLOW))
        assert not keeping.done()
        keeping.cancel()
    assert raised.value.reason == "http_status"


async def test_an_incident_that_became_part_of_another() -> None:
    """Its alerts are ended under its number and go on under the other's, also where only the refresh says so."""
    member = Peer()
    async with cluster(member) as send_to:
        await send_to.send(told(SLOW, alert("s2")))
        await send_to._refresh([notice(SLOW, alert("s2"), incident="000002")])
        over = replace(SLOW, change="closed")
        await send_to.send(told(over, kind="resolved", incident="000003", remaining_classrooms=0))
    _, refreshed, ended = [[(one["labels"]["incident"], one["endsAt"]) for one in post] for post in member.posts]
    assert [(number, datetime.fromisoformat(at).timestamp() <= NOW) for number, at in refreshed] == [
        ("000001", True), ("000002", False), ("000001", True), ("000002", False),
    ]  # fmt: skip
    assert [number for number, _ in ended] == ["000002", "000003"]


async def test_what_stands_is_not_worded_again() -> None:
    """A refresh costs a minute of a province nothing but its bytes; what changed is worded anew."""
    member, worded = Peer(), []
    async with cluster(member) as send_to:
        render_one = send_to._render
        send_to._render = lambda n, language: worded.append(n) or render_one(n, language)  # type: ignore[func-returns-value]
        for actor in ("school", "school", "operator"):
            await send_to._refresh([notice(SLOW, alert("s2"), actor=actor)])
    assert len(worded) == 4
    assert [one["annotations"]["actor"] for one in member.posts[-1]] == ["网络运营商"] * 2


async def test_a_bug_ends_no_refreshing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the collector with it."""
    monkeypatch.setattr(kind, "REFRESH_S", 0.01)
    member, found = Peer(), iter([1, 2])

    def buggy() -> list[Any]:
        if next(found, None):
            raise KeyError("?")
        return [notice(SLOW)]

    async with cluster(member) as send_to:
        keeping = asyncio.create_task(send_to.keep(buggy))
        async with asyncio.timeout(10):
            while not member.posts:
                await asyncio.sleep(0.01)
        keeping.cancel()


async def test_what_opens_again_is_not_ended_by_the_refresh() -> None:
    """The end that was remembered is forgotten, and only offices of the receiver's own are refreshed."""
    member = Peer()
    async with cluster(member, offices=("511402",)) as send_to:
        await send_to.send(told(replace(SLOW, change="closed"), kind="resolved", remaining_classrooms=0))
        await send_to.send(told(SLOW))
        await send_to._refresh([notice(SLOW), notice(alert(), office="511421")])
    assert len(member.posts[-1]) == 1
    assert datetime.fromisoformat(member.posts[-1][0]["endsAt"]).timestamp() > NOW


@pytest.mark.parametrize(
    ("secrets", "user", "sent"),
    [
        ({"token_file": "t"}, None, "Bearer t"),
        ({"password_file": "p:ä"}, "u", "Basic dTpwOsOk"),
        ({}, None, None),
    ],
)
async def test_who_asks(secrets: dict[str, str], user: str | None, sent: str | None) -> None:
    """By token or password; 401 is a wrong setting, told once."""
    member = Peer()
    async with cluster(member, secrets=secrets, user=user) as send_to:
        await send_to.send(told(SLOW))
        assert member.authorizations == [sent]
        member.status = 401
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(told(SLOW))
    assert raised.value.reason == "bad_login"


async def test_a_storm_goes_in_posts_that_proxies_take() -> None:
    """All of it, none of more than a megabyte."""
    member = Peer()
    async with cluster(member) as send_to:
        await send_to.send(told(*(alert(f"s{n}", "校" * 40, rooms=30) for n in range(1_000))))
    assert len(member.alerts) == 1_000
    assert max(len(json.dumps(post, ensure_ascii=False).encode()) for post in member.posts) < 900_000


def test_what_stands() -> None:
    """Open alerts that the office was told of, in one notice for each incident."""

    def member(school: str, *, was_told: bool = True, **changes: Any) -> Member:
        return Member(alert=alert(school, **changes), told=("r",) if was_told else None)

    schools = {
        "s1": (member("s1"), member("s1", change="closed")),
        "s2": (member("s2", was_told=False),),
        "s3": (member("s3"),),
    }
    incident = Incident(
        id="000007", scope="office", office="511402", cause=Cause.UPLINK_BELOW_REQUIRED, opened_at=NOW, since=NOW - 5,
        schools=schools,
    )  # fmt: skip
    untold = replace(incident, id="000008", schools={"s2": schools["s2"]})
    bureau = Bureau(desks={"511402": Desk(incidents={"000007": incident, "000008": untold})})
    [one] = standing(bureau, {}, NOW)
    assert (one.incident, one.kind, [told.school for told in one.members]) == ("000007", "opened", ["s1", "s3"])
    assert one.actor == "operator"


# --- from Alertmanager to the chats ---------------------------------------------------------------------------------


class Chats:
    """What the outbox would be given."""

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}

    async def relay(self, messages: dict[str, Message]) -> None:
        self.messages = dict(messages)


RECEIVERS = (
    ConsoleReceiver(name="all"),
    WeComReceiver(name="dongpo", key_file="k", offices=("511402",)),
    WeComReceiver(name="renshou", key_file="k", offices=("511421",)),
    WeComReceiver(name="spare", key_file="k", standby=True),
    AlertmanagerReceiver(name="am", urls=("http://h",)),
)


@asynccontextmanager
async def door() -> AsyncIterator[tuple[TestClient[Any, Any], Chats]]:
    chats, app = Chats(), web.Application()
    app.add_routes(relay.routes(chats, RECEIVERS, "zh", lambda: NAMES, lambda: NOW))  # type: ignore[arg-type]
    async with TestClient(TestServer(app)) as client:
        yield client, chats


def payload(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """As Alertmanager 0.25 sends it."""
    fields = {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "chat",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://h:9093",
        "alerts": list(alerts),
    }  # fmt: skip
    return {**fields, **changes}


def one(status: str = "firing", annotations: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    return {
        "status": status, "labels": labels, "annotations": annotations or {},
        "startsAt": "2025-10-15T03:50:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
        "fingerprint": "f",
    }  # fmt: skip


async def test_each_chat_gets_its_offices() -> None:
    """Alerts of no office are for everybody; who stands by is told only by name, and an Alertmanager never."""
    east, west = one(alertname="a", office="511402"), one(alertname="b", office="511421")
    async with door() as (client, chats):
        assert (await client.post("/alertmanager", json=payload(east, west, one(alertname="c")))).status == 200
        shares = {name: len(message.items) for name, message in chats.messages.items()}
        assert shares == {"all": 3, "dongpo": 2, "renshou": 2}
        assert (await client.post("/alertmanager/spare", json=payload(east, west))).status == 200
        assert {name: len(message.items) for name, message in chats.messages.items()} == {"spare": 2}
        for nobody in ("am", "x"):
            assert (await client.post(f"/alertmanager/{nobody}", json=payload(east))).status == 404


async def test_a_group_of_others() -> None:
    """Rules of Prometheus: what, where, since when; what fires first; recoveries are told as such."""
    down = one(
        annotations={"summary": "服务器 10.0.0.1 内存 93.5 不足,见 http://evil.cn @all"},
        alertname="Memory",
        instance="nas",
    )
    up = one("resolved", {"description": "好了"}, alertname="Memory", instance="db")
    async with door() as (client, chats):
        await client.post("/alertmanager/all", json=payload(up, down, truncatedAlerts=3))
    assert write(chats.messages["all"]) == (
        "【告警】监测系统:Memory\n"
        "教室监测:1 条告警\n"
        "教室监测:1 条已恢复\n"
        "另有 3 条未列出\n"
        "- nas:服务器 10．0．0．1 内存 93．5 不足,见 http：／／evil．cn ＠all,自 10月15日 11:50 起\n"
        "- db:好了,自 10月15日 11:50 起,已恢复"
    )
    async with door() as (client, chats):
        await client.post("/alertmanager/all", json=payload(up))
    assert chats.messages["all"].title == "【恢复】监测系统:Memory"
    assert not chats.messages["all"].alarming


REFUSED = [
    pytest.param(b"", "truncated", id="empty"),
    pytest.param(b"<html>", "malformed", id="no JSON"),
    pytest.param(b"[]", "Expected `object`", id="a list"),
    pytest.param(b"\xff\xfe{}", "malformed", id="no UTF-8"),
    pytest.param(json.dumps(payload()).encode(), "$.alerts", id="no alert"),
    pytest.param(json.dumps(payload(one(), version="3")).encode(), "$.version", id="another version"),
    pytest.param(json.dumps(payload(one("on fire"))).encode(), "$.alerts[0].status", id="another status"),
    pytest.param(json.dumps(payload(one(alertname=7))).encode(), "$.alerts[0].labels", id="a number for a name"),  # type: ignore[arg-type]
    pytest.param(json.dumps(payload(*[one()] * 2_001)).encode(), "$.alerts", id="too many"),
    pytest.param(b'{"a":' * 5_000, "", id="deep"),
    pytest.param(b'{"version": "4"}', "alerts", id="a field is missing"),
]


@pytest.mark.parametrize(("sent", "why"), REFUSED)
async def test_bad_payloads_are_refused(sent: bytes, why: str) -> None:
    """400, with what is wrong and where; nobody is told anything."""
    async with door() as (client, chats):
        answer = await client.post("/alertmanager", data=sent)
        assert answer.status == 400
        assert why in (await answer.json())["error"]
        assert chats.messages == {}


async def test_a_body_without_end() -> None:
    """A megabyte is read, and no more."""
    async with door() as (client, chats):
        answer = await client.post("/alertmanager", data=io.BytesIO(b" " * (relay.BODY_MAX_BYTES + 1)))
        assert (answer.status, chats.messages) == (413, {})


# --- all of it ------------------------------------------------------------------------------------------------------

POLICY = (
    "policy: {observation_school_days: 0, device_proof_school_days: 0, group_wait_s: 0, raise_after: 1, clear_after: 1,"
    " confirm_spacing_s: 1}\n"
)


@contextmanager
def serving(robot: Robot) -> Iterator[str]:
    """``robot`` on loopback, from a thread of its own."""
    loop = asyncio.new_event_loop()
    server = TestServer(robot.app(), loop=loop)
    loop.run_until_complete(server.start_server())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def seen(speed_bps: int, sequence: int) -> bytes:
    """The port of r1, and its board awake after that, just now."""
    now = time.time()
    fields = {"wall_s": now - 1, "monotonic_s": 999.0}
    port_seen = record(sequence, port("s1/r1", speed_bps), **fields)
    board_seen = record(sequence + 1, awake("s1/r1"), **{**fields, "wall_s": now, "monotonic_s": 1_000.0})
    return body([port_seen, board_seen])


@pytest.mark.servers("prometheus-alertmanager")
def test_round_trip(tmp_path: Path) -> None:
    """A slow port becomes an alert in the real Alertmanager, its group a message in the chat; and so does its end."""
    robot = Robot("k")
    for name, secret in (("key", "k"), ("token", "the-webhook-token")):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    collector = Collector(tmp_path, POLICY)
    with (
        serving(robot) as robot_url,
        alertmanager(tmp_path, f"{collector.url}/alertmanager/chat", tmp_path / "token") as router_url,
    ):
        collector.settings.write_text(
            collector.settings.read_text().replace("}", ", tokens: {alertmanager_file: token}}", 1)
            + f"receivers:\n  - {{kind: alertmanager, name: router, urls: ['{router_url}']}}\n"
            f"  - {{kind: wecom, name: chat, key_file: key, base_url: '{robot_url}', standby: true}}\n"
        )
        collector.start()
        try:
            assert collector.ask("/api/v1/reports", seen(10**7, 1)) == 200
            wait_until(lambda: len(robot.texts) == 1)
            assert collector.ask("/api/v1/reports", seen(10**9, 3)) == 200
            wait_until(lambda: len(robot.texts) == 2)
            assert collector.ask("/alertmanager/chat", b"{}") == 401
        finally:
            collector.stop()
    alarm, end = (text.splitlines() for text in robot.texts)
    assert "【告警】东坡区:教室端口速率低于要求" in alarm[0]
    assert alarm[1] == "教室监测:1 条告警"
    assert alarm[2].startswith("> **示例中心校**:1 间教室（r1）,实测 10 Mbit/s,要求 100 Mbit/s,自 ")
    assert alarm[3:5] == ["请处理:学校", "下一步:换一根网线或重做水晶头;仍慢的,看大屏网卡是否支持百兆以上"]
    assert "【恢复】东坡区:教室端口速率低于要求" in end[0]
    assert end[2].startswith("> **示例中心校**:1 间教室（r1）")
    assert end[2].endswith(" 恢复")
