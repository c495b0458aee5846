"""The read-only API: pages, everything ``explain`` needs, and mistakes as JSON."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import api
from collector.app.explain import classroom_lines, school_lines
from collector.core.policy import Policy
from collector.core.state import School
from collector.views import Bureau, Kept
from tests.support.samples import NAMES, NOW, demo_school, leg_school, platform, silenced, with_state

Client = TestClient[web.Request, web.Application]


def schools() -> dict[str, School]:
    found = [demo_school(), silenced(demo_school(school="s-2")), demo_school(office="511421", school="s-3")]
    return {school.roster.school: school for school in found}


def bureau(found: dict[str, School] | None = None) -> Bureau:
    shown = schools() if found is None else found
    return Bureau(
        schools=lambda: shown,
        kept=lambda: Kept(shown.values()),
        names=lambda: NAMES,
        policy=Policy,
        clock=lambda: NOW,
    )


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(api.routes(bureau()))
    async with TestClient(TestServer(app)) as found:
        yield found


async def get(client: Client, path: str, status: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == status
        assert response.content_type == "application/json"
        return await response.json()


async def test_the_list_is_paged_and_filtered(client: Client) -> None:
    """Pages follow each other without gaps; an office sees its own schools."""
    page = await get(client, "/api/v1/schools?limit=2")
    assert [s["school"] for s in page["schools"]] == ["5114020001", "s-2"]
    assert (page["total"], page["next_offset"]) == (3, 2)
    rest = await get(client, "/api/v1/schools?limit=2&offset=2")
    assert [s["school"] for s in rest["schools"]] == ["s-3"]
    assert rest["next_offset"] is None
    own = await get(client, "/api/v1/schools?office=511421")
    assert [s["school"] for s in own["schools"]] == ["s-3"]
    assert (await get(client, "/api/v1/schools?office=nobody"))["total"] == 0


async def test_a_summary_counts_and_names_the_causes(client: Client) -> None:
    """Counts by state, first causes by frequency, gateways that report."""
    [summary, silent, _] = (await get(client, "/api/v1/schools"))["schools"]
    assert summary["ready"] == {"yes": 4, "no": 2, "unknown": 1, "exempt": 0}
    assert summary["compliant"] == {"yes": 5, "no": 1, "unknown": 1, "exempt": 1}
    assert {c["cause"]: c["classrooms"] for c in summary["causes"]} == {
        "port_below_required": 1,
        "device_offline": 1,
        "not_measured": 1,
    }
    assert (summary["gateways_up"], silent["gateways_up"], summary["unlisted"]) == (1, 0, 1)
    assert summary["office_name"] == "东坡区教育和体育局"


async def test_a_school_says_everything_explain_needs(client: Client) -> None:
    """Verdicts, clauses, causes with sentences, three bases, evidence with age and grade, next step."""
    view = await get(client, "/api/v1/schools/5114020001")
    rooms = {room["classroom"]: room for room in view["classrooms"]}
    slow, unknown, exempt = rooms["b2-305"], rooms["b2-307"], rooms["lab-1"]
    assert (slow["ready"], slow["ready_text"], slow["compliant"]) == ("no", "不可用", "no")
    assert [c["cause"] for c in slow["causes"]] == ["port_below_required", "port_half_duplex"]
    assert slow["causes"][0]["actor"] == "school"
    assert [(b["basis"], b["decides"], b["capacity"]["text"]) for b in slow["bases"]] == [
        ("port", False, "10 Mbit/s 半双工"),
        ("reach", True, "10 Mbit/s 半双工"),
        ("share", False, "≥ 13.5 Mbit/s"),
    ]
    assert [(e["kind"], e["grade"], e["age_s"]) for e in slow["evidence"]] == [
        ("port", "negotiated", 40),
        ("segment", "negotiated", 40),
        ("device", "passive", 25),
        ("uplink", "active", 1_800),
    ]
    assert slow["evidence"][0]["text"] == "sw1 Gi0/7:10 Mbit/s,半双工"
    assert unknown["next_step"]["step"] == "show_link"
    assert unknown["next_step"]["text"].startswith("看不到它的线路:有网管交换机的,请在学校页面的“发现待分配”里确认")
    assert unknown["link_bps"] is None
    assert (exempt["ready"], exempt["compliant"], exempt["exempt"]) == ("exempt", "exempt", "2026 年拆除")
    assert [c["clause"] for c in slow["clauses"]] == ["link", "way", "device", "platforms"]
    assert view["unlisted"] == [{"classroom": "b9-101", "last_heard_at": NOW - 30, "age_text": "30 秒前"}]
    [trunk] = view["segments"]
    assert (trunk["segment"], trunk["if_name"], trunk["classrooms"], trunk["contention_ratio"]) == (
        "sw1:uplink",
        "Gi0/24",
        6,
        6.0,
    )
    assert (
        trunk["text"]
        == slow["evidence"][1]["text"]
        == "sw1:uplink Gi0/24:100 Mbit/s,全双工 · 6 间教室共用 · 超配 6.0 倍"
    )
    assert (
        "  gw-5114020001 sw1:uplink Gi0/24:100 Mbit/s,全双工 · 6 间教室共用 · 超配 6.0 倍, 10月15日 11:59, 40 秒前"
        in school_lines(view, "zh")
    )
    assert "segment" not in {e["kind"] for e in unknown["evidence"]}
    [uplink] = view["uplinks"]
    assert [test["text"] for test in uplink["tests"]] == ["通过 ≥ 95 Mbit/s · 用 1.2 MB、104 毫秒"] * 2
    assert [p["state"] for p in view["platforms"]] == ["up", "up"]
    assert view["gateways"][0]["state"] == "up"


EVIDENCE_ZH = (
    "未通过 约 80.4 Mbit/s · 用 1.2 MB、104 毫秒 · 排空测试 · 门限 95 Mbit/s 至 100 Mbit/s · 令牌桶按 0.5 MB 计"
    " · 丢包 1.2% · 12 个窗口 78 Mbit/s 至 82 Mbit/s,中位 80.4 Mbit/s · 其他流量 0.4 MB · 排队最长 35 毫秒"
)


async def test_the_last_test_shows_its_evidence() -> None:
    """Method, thresholds, bucket, loss and windows on one line; of counters only what they have."""
    app = web.Application()
    app.add_routes(api.routes(bureau({"5114020001": leg_school()})))
    async with TestClient(TestServer(app)) as client:
        view = await get(client, "/api/v1/schools/5114020001")
    line, beyond = view["uplinks"]
    assert (line["beyond"], beyond["beyond"]) == (None, "metro-exit")
    assert beyond["text"] == "经出口 metro-exit 下行 约 80.4 Mbit/s"
    assert beyond["tests"][0]["evidence_text"] == EVIDENCE_ZH
    assert beyond["tests"][0]["windows"]["median_bps"] == 80.4e6
    assert line["tests"][0]["evidence_text"] == "通过 ≥ 95 Mbit/s · 观察 30 秒,不发测试流量 · 看流量计数"
    tested, other = view["classrooms"][0], view["classrooms"][1]
    assert [(e["kind"], e["grade"]) for e in tested["evidence"]][3:] == [
        ("path", "active"),
        ("uplink", "passive"),
        ("exit", "active"),
    ]
    assert tested["evidence"][3]["text"] == f"下行 未知({EVIDENCE_ZH})"
    assert "path" not in {e["kind"] for e in other["evidence"]}
    lines = list(school_lines(view, "zh"))
    assert f"    10月15日 11:50, 10 分钟前: {EVIDENCE_ZH}" in lines
    assert "  gw-5114020001 far: 经出口 metro-exit 下行 约 80.4 Mbit/s" in lines
    assert any(EVIDENCE_ZH in line for line in classroom_lines(view, tested, "zh"))


async def test_what_was_refused() -> None:
    """A terminal says what the page says: how many, since when, which limit, and which setting raises it."""
    refused = {"gw-5114020001": [("gaps", 2, NOW - 7_200, NOW - 60), ("exit", 1, NOW - 90, NOW - 90)]}
    told = replace(bureau(), refusals=lambda gateway: refused.get(gateway, []))
    app = web.Application()
    app.add_routes(api.routes(told))
    async with TestClient(TestServer(app)) as client:
        view = await get(client, "/api/v1/schools/5114020001?lang=en")
    gaps, exits = view["gateways"][0]["refused"]
    assert (gaps["since_at"], gaps["last_at"], gaps["count"]) == (NOW - 7_200, NOW - 60, 2)
    assert (gaps["setting"], exits["setting"]) == ("ranges_per_spool_max", "exits_per_gateway_max")
    lines = [line for line in school_lines(view, "en") if "raises" in line]
    assert lines[0].endswith("raises ranges_per_spool_max in the policy), first 15 Oct 10:00, last 15 Oct 11:59")
    assert lines[1].endswith("raises exits_per_gateway_max in the policy, last 15 Oct 11:58")


async def test_the_asked_language(client: Client) -> None:
    """Sentences follow ``lang``; codes and numbers do not."""
    view = await get(client, "/api/v1/schools/5114020001?lang=en")
    unknown = view["classrooms"][6]
    assert unknown["ready_text"] == "unknown"
    assert unknown["next_step"]["text"].startswith("Its link cannot be seen: where the switch is managed")
    known = {"name", "office_name", "exempt"}
    texts = [t for k, t in walk(view) if isinstance(t, str) and k not in known]
    assert not [t for t in texts if re.search(r"[\u4e00-\u9fff]", t)]


def walk(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in walk(v, k)]
    if isinstance(value, list):
        return [found for v in value for found in walk(v, key)]
    return [(key, value)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/schools/nobody", 404),
        ("/api/v1/schools/..%2fx", 404),
        ("/api/v1/nothing", 404),
        ("/api/v1/schools?limit=0", 400),
        ("/api/v1/schools?limit=1001", 400),
        ("/api/v1/schools?limit=%D9%A1", 400),
        ("/api/v1/schools?offset=-1", 400),
        ("/api/v1/schools?offset=99999999999", 400),
        ("/api/v1/schools?lang=fr", 400),
        ("/api/v1/schools/5114020001?lang=", 400),
    ],
)
async def test_mistakes_are_json(client: Client, path: str, status: int) -> None:
    """A wrong question gets a short answer that a program can read."""
    assert set(await get(client, path, status)) == {"error"}


async def test_states_that_know_nothing() -> None:
    """A school on its first day: no gateway heard, no room state, and still an answer."""
    bare = with_state(demo_school(), gateways={}, classrooms={}, uplinks={}, platforms={}, unlisted={})
    app = web.Application()
    app.add_routes(api.routes(bureau({"5114020001": bare})))
    async with TestClient(TestServer(app)) as client:
        view = await get(client, "/api/v1/schools/5114020001")
    assert view["gateways"][0]["state"] == "never"
    assert view["contention_ratio"] is None
    assert {room["ready"] for room in view["classrooms"]} == {"unknown", "exempt"}
    assert [p["state"] for p in view["platforms"]] == ["unknown", "unknown"]


async def test_openapi_describes_what_is_served(client: Client) -> None:
    """3.1, every reference resolves, every route is described, and the answers have the described fields."""
    document = await get(client, "/api/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    references = [v for k, v in walk(document) if k == "$ref"]
    assert references
    assert all(reference.rpartition("/")[2] in schemas for reference in references)
    assert set(document["paths"]) == {
        "/api/v1/schools",
        "/api/v1/schools/{school}",
        "/api/v1/incidents",
        "/api/v1/incidents/{incident}",
        "/api/v1/incidents/{incident}/acknowledge",
        "/api/v1/objections",
        "/api/v1/found",
        "/api/v1/found.csv",
        "/api/v1/found/confirm",
        "/api/v1/found/ignore",
        "/api/v1/found/heed",
        "/api/v1/found/release",
        "/api/v1/found/again",
        "/api/v1/enroll",
        "/api/v1/broker/accounts",
        "/api/v1/enrolments",
        "/api/v1/enrolments/revoke",
        "/api/v1/fleet",
        "/api/v1/fleet.csv",
        "/api/v1/fleet/upgrade",
        "/api/v1/rectifications",
        "/api/v1/rectifications.csv",
        "/api/v1/rectifications/{incident}",
    }
    view = await get(client, "/api/v1/schools/5114020001")
    assert set(view) == set(schemas["SchoolView"]["properties"])
    assert set(view["classrooms"][0]) == set(schemas["ClassroomView"]["properties"])


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
async def test_it_is_read_only(client: Client, method: str) -> None:
    """Nothing here changes anything."""
    async with getattr(client, method)("/api/v1/schools/5114020001") as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("reading", "state", "words"),
    [
        ({"up": False, "reason": "not_the_platform"}, "down", "不可达 · 应答的不是平台"),
        (
            {"up": None, "reason": "unproven"},
            "unknown",
            "未知 · 无法证明应答的是平台:探测地址请改用 https",
        ),
        ({"up": False, "reason": "timeout", "http_at": NOW - 400}, "unknown", "未知 · 往返"),
        ({"up": True}, "up", "可达 · 打开用"),
    ],
)
async def test_a_platform_says_who_answered(reading: dict[str, Any], state: str, words: str) -> None:
    """Somebody else in its place, and an answer that proves nothing, stand with it; an old reason does not."""
    school = demo_school()
    [gateway] = school.roster.gateways
    content = platform(gateway, "smartedu-content", **reading)
    school = with_state(school, platforms={**school.state.platforms, f"{gateway}/smartedu-content": content})
    app = web.Application()
    app.add_routes(api.routes(bureau({school.roster.school: school})))
    async with TestClient(TestServer(app)) as client:
        view = await get(client, f"/api/v1/schools/{school.roster.school}")
    national = view["platforms"][0]
    assert national["state"] == state
    assert next(t["text"] for t in national["targets"] if t["target"] == "smartedu-content").startswith(words)
