"""The board: every page with hostile names, both languages, nothing unescaped, nothing inline."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

import classready
from collector import web as pages
from collector.board import shares
from collector.core.bureau.words import Acknowledged
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.words import Cause
from collector.exposition import Exposition
from collector.roster.notes import Note
from collector.store import records as stored
from collector.text import Names
from collector.views import Bureau, Incidents, Kept, Records
from collector.views.notes import Files
from collector.views.refused import Refusals, nothing_refused
from collector.views.undelivered import Undelivered
from collector.views.urgency import Counts
from tests.support.offices import Bureau as Desks
from tests.support.offices import change
from tests.support.rectifications import record, records_of
from tests.support.samples import (
    NAMES,
    NOW,
    demo_school,
    leg_school,
    platform,
    port_reading,
    silenced,
    uplink,
    with_state,
)

Client = TestClient[web.Request, web.Application]

PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus=alert(1) x='",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "<svg/onload=alert(1)>",
    "</style><style>*{display:none}",
    "&lt;b&gt;\x00\u202e",
    "<!--",
]


@asynccontextmanager
async def board(
    *schools: School,
    names: Names = NAMES,
    is_well: bool = True,
    undelivered: Sequence[Undelivered] = (),
    refusals: Refusals = nothing_refused,
    incidents: Incidents | None = None,
    records: Records | None = None,
    files: Files | None = None,
) -> AsyncIterator[Client]:
    found = {school.roster.school: school for school in schools}
    policy = Policy()
    bureau = Bureau(
        schools=lambda: found,
        kept=lambda: Kept(found.values()),
        names=lambda: names,
        policy=lambda: policy,
        clock=lambda: NOW,
        undelivered=lambda: undelivered,
        refusals=refusals,
        incidents=incidents or Incidents(),
        records=records or Records(),
        files=lambda: files or Files(),
    )
    app = web.Application()
    app.add_routes(pages.routes(bureau, Exposition(policy), lambda: is_well))
    app.on_response_prepare.append(pages.add_headers)
    async with TestClient(TestServer(app)) as client:
        yield client


async def read(client: Client, path: str) -> str:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        return await response.text()


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.scripts: list[str | None] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in {"href", "src", "action"}}

    def handle_data(self, data: str) -> None:
        self.text += data


def poisoned(payload: str) -> School:
    """Every text that comes from files or gateways holds ``payload``."""
    school = demo_school(name=payload)
    rooms = {k: replace(r, name=payload, exempt=r.exempt and payload) for k, r in school.roster.classrooms.items()}
    states = {
        k: replace(
            s,
            port=s.port and port_reading("gw", switch=payload, if_name=payload),
            last_port=None,
            device=s.device
            and replace(s.device, seen=s.device.seen and replace(s.device.seen, facts={payload: payload})),
        )
        for k, s in school.state.classrooms.items()
    }
    school = replace(school, roster=replace(school.roster, classrooms=rooms))
    gateway = school.roster.gateways[0]
    tested = replace(uplink(gateway), last_unmeasured_at=NOW, last_unmeasured_reason=payload)
    failing = {k: platform(p.gateway, p.target, up=False, reason=payload) for k, p in school.state.platforms.items()}
    return with_state(school, classrooms=states, platforms=failing, uplinks={"u": tested}, unlisted={payload: NOW})


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_hostile_names_stay_text(payload: str) -> None:
    """Pages with poisoned names have the same elements and attributes as without, and show the name as text."""
    names = Names(offices={"511402": payload}, platforms={"national": payload, "sichuan": payload})
    async with board(poisoned("x"), names=replace(names, offices={"511402": "x"})) as client:
        clean = {path: Tags(await read(client, path)) for path in ("/", "/office/511402", "/school/5114020001")}
    async with board(poisoned(payload), names=names) as client:
        for path, expected in clean.items():
            page = Tags(await read(client, path))
            assert page.tags == expected.tags
            assert page.attributes == expected.attributes
            assert page.links == expected.links
            assert payload.replace("\x00", "\ufffd").split()[0] in page.text.replace("\x00", "\ufffd")


async def test_what_files_leave_open_stands_on_the_pages_it_concerns() -> None:
    """Once each, whatever it is made of; why a reload was refused stands on the front page alone."""
    script = "<script>x</script>"
    fields = {"day": "2026-08-31", "reason": script}
    own = Note(word="exemption_over", file="/r/o.yml", line=7, path="schools[0]", fields=fields, office="511402")
    other = Note(word="window_over", file="/r/p.yml", line=8, path="", fields={"ends": "x"}, office="511421")
    files = Files(notes=(own, other), refused=(f"collector.yml:3: {script}",))
    names = replace(NAMES, offices={**NAMES.offices, "511421": "仁寿县"})
    async with board(demo_school(), files=files, names=names) as client:
        front, office, english = [
            Tags(await read(client, path)) for path in ("/", "/office/511402", "/office/511402?lang=en")
        ]
    assert [page.text.count("r/o.yml:7 schools[0]") for page in (front, office, english)] == [1, 1, 1]
    assert [page.text.count("r/p.yml:8") for page in (front, office)] == [1, 0]
    assert f"原因:{script}" in office.text
    assert f"says ({script})" in english.text
    assert [page.text.count(f"collector.yml:3: {script}") for page in (front, office)] == [1, 0]


@pytest.mark.parametrize("path", ["/", "/office/511402", "/school/5114020001", "/school/5114020001?lang=en"])
async def test_nothing_is_inline(path: str) -> None:
    """The content policy would block it: no style, no handler, no foreign address, and the one script is a file."""
    async with board(demo_school()) as client:
        page = Tags(await read(client, path))
    assert page.tags & {"style", "iframe", "form", "base"} == set()
    assert page.scripts == ["/static/refresh.js?" + classready.__version__]
    assert not {a for a in page.attributes if a.startswith("on")} | (page.attributes & {"style"})
    assert all(link.startswith(("/", "#", "?")) for link in page.links)


async def test_a_school_page_shows_what_people_need() -> None:
    """Verdict in words, cause, who acts, next step, three bases and the deciding one, when measured, unlisted rooms."""
    async with board(demo_school()) as client:
        text = Tags(await read(client, "/school/5114020001")).text
    for words in (
        "城关小学", "三年级5班", "不可用", "教室端口速率低于要求", "由学校处理", "看不到它的线路",
        "端口", "全程", "均分", "以此判定", "≥ 95 Mbit/s", "10 Mbit/s 半双工", "最近测得 10月15日 11:59 25 秒前",
        "未登记", "b9-101",
        "豁免:2026 年拆除", "国家中小学智慧教育平台", "要求 100 Mbit/s", "sw1 Gi0/7:10 Mbit/s,半双工",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("三年级5班") < text.index("三年级7班") < text.index("三年级1班"), (
        "what needs attention comes first"
    )


async def test_a_school_page_shows_the_last_tests() -> None:
    """The newest test of line and exit with its evidence, older ones in short, the way to a room with the room."""
    async with board(leg_school()) as client:
        text = Tags(await read(client, "/school/5114020001")).text
    for words in ("经出口 metro-exit", "排空测试 · 门限 95 Mbit/s 至 100 Mbit/s", "看流量计数", "校内线路: 下行 未知"):
        assert words in text, words
    assert text.count("12 个窗口") == 1 + 7 + 1 + 1, "the exit on the school's page and with each room, and one path"


async def test_a_silent_school_says_what_to_do() -> None:
    """Every unknown names its next step; what was proven stays."""
    async with board(silenced(demo_school())) as client:
        text = Tags(await read(client, "/school/5114020001")).text
        office = Tags(await read(client, "/office/511402")).text
    assert text.count("请到机房看校园网关") == 7
    assert "无上报" in text
    assert "达标" in text
    assert "校园网关无上报 7" in office


async def test_the_whole_board_speaks_english() -> None:
    """No Chinese but the names, and links keep the language."""
    names = Names(offices={"511402": "Dongpo"}, platforms={"national": "National", "sichuan": "Sichuan"})
    school = demo_school(name="Chengguan")
    rooms = {k: replace(r, name="", exempt=r.exempt and "torn down") for k, r in school.roster.classrooms.items()}
    school = replace(school, roster=replace(school.roster, classrooms=rooms))
    async with board(school, names=names) as client:
        for path in ("/", "/office/511402", "/school/5114020001"):
            page = Tags(await read(client, f"{path}?lang=en"))
            assert set(re.findall(r"[\u4e00-\u9fff]+", page.text)) == {"中文"}
            inner = {
                link
                for link in page.links
                if link.startswith(("/office", "/school")) and link.partition("?")[0] != path
            }
            assert all(link.endswith("?lang=en") for link in inner)


async def test_an_office_with_many_schools_is_paged_worst_first() -> None:
    """A hundred a page; the worst school is on the first."""
    worst = silenced(demo_school(school="worst", name="无人应答小学"))
    others = [demo_school(school=f"s-{n}", name=f"第{n}小学") for n in range(150)]
    async with board(*others, worst) as client:
        first = Tags(await read(client, "/office/511402?page=1"))
        last = Tags(await read(client, "/office/511402?page=99"))
        async with client.get("/office/511402?page=x") as response:
            assert response.status == 200
    assert sum(link.startswith("/school/") for link in first.links) == 100
    assert sum(link.startswith("/school/") for link in last.links) == 51
    assert "无人应答小学" in first.text
    assert "第 2 / 2 页" in last.text


async def test_pages_that_do_not_exist() -> None:
    """A wrong address is told in the reader's language, and echoes nothing."""
    async with board(demo_school()) as client:
        for path in ("/school/%3Cscript%3E", "/office/%22%3E%3Cb%3E"):
            async with client.get(path) as response:
                assert response.status == 404
                page = await response.text()
            assert "没有这个页面" in page
            assert "<b>" not in page
            assert "<script>" not in page


async def test_a_collector_that_is_not_well_says_so() -> None:
    """What stands on the page may be long out of date: status 503, and words."""
    async with board(demo_school(), is_well=False) as client:
        for path in ("/", "/office/511402", "/school/5114020001", "/school/x"):
            async with client.get(path) as response:
                assert response.status == 503
                assert "采集器现在存不下新的数据" in Tags(await response.text()).text


async def test_what_was_refused_of_a_gateway() -> None:
    """Its page says how much, when, and what a keeper can do; of a gateway that behaves nothing."""
    school = demo_school()
    (gateway,) = school.roster.gateways
    refused = [
        ("inventory", 12, NOW - 7_200, NOW - 60),
        ("spools", 3, NOW - 90, NOW - 90),
        ("late_gaps", 7, NOW - 100, NOW - 90),
        ("identity", 2, NOW - 200, NOW - 200),
    ]
    async with board(school, refusals=lambda name: refused if name == gateway else ()) as client:
        page = Tags(await read(client, "/school/5114020001")).text
        english = Tags(await read(client, "/school/5114020001?lang=en")).text
    assert "最早 10月15日 10:00 · 最近 10月15日 11:59" in page
    assert page.count("最早") == 2
    assert "(最多记录 20 个;确有需要的,请区县调大 policy 中的 spools_per_gateway_max)" in page
    assert "(at most 4000 are remembered; where more are needed, the bureau raises ranges_per_spool_max" in english
    assert "first 15 Oct 10:00 · last 15 Oct 11:59" in english
    assert "拒收 12 条:该网关上报的名称超过上限" in page
    assert "请清理 agent.yml 或补录名册" in page
    assert "反复新建缓存(3 次)" in page
    assert "拒收 2 条:教室不属于该网关的学校" in page
    async with board(school) as client:
        assert "拒收" not in Tags(await read(client, "/school/5114020001")).text


async def test_an_empty_bureau_is_a_page_too() -> None:
    """First start: no roster yet."""
    async with board(names=Names()) as client:
        assert "名册里还没有学校" in Tags(await read(client, "/")).text


async def test_the_style_sheet_and_icon_are_served() -> None:
    """They come from the same origin."""
    async with board() as client:
        for path, kind in (("/static/board.css", "text/css"), ("/static/icon.svg", "image/svg+xml")):
            async with client.get(path) as response:
                assert (response.status, response.content_type) == (200, kind)


async def test_times_carry_their_date_and_the_schools_own_zone() -> None:
    """A school further west: its page and its line in the office show its time, the bureau's page the bureau's."""
    school = demo_school()
    west = replace(school, hours=replace(school.hours, utc_offset_s=21_600.0))
    async with board(west) as client:
        front, office = await read(client, "/"), await read(client, "/office/511402")
        page = await read(client, "/school/5114020001")
        english = await read(client, "/school/5114020001?lang=en")
    assert '<time datetime="2025-10-15T12:00:00+08:00">10月15日 12:00</time>' in front
    assert '<time datetime="2025-10-15T12:00:00+08:00">10月15日 12:00</time>' in office
    assert '<time datetime="2025-10-15T09:59:48+06:00">10月15日 09:59(UTC+6)</time>' in office
    assert '<time datetime="2025-10-15T10:00:00+06:00">10月15日 10:00(UTC+6)</time>' in page
    assert "旧数据:10月15日 10:00(UTC+6) 之后没有更新" in page
    assert '<time datetime="2025-10-15T09:59:35+06:00">10月15日 09:59(UTC+6)</time>' in page
    assert "+08:00" not in page
    assert '<time datetime="2025-10-15T09:30:00+06:00">15 Oct 09:30 (UTC+6)</time>' in english


async def test_no_age_stands_without_its_time() -> None:
    """Wherever "12 s ago" stands, the moment stands before it: a page may be printed, or be old."""
    async with board(leg_school()) as client:
        for path in ("/office/511402", "/school/5114020001"):
            page = await read(client, path)
            assert page.count('class="quiet ago"') > 0
            assert len(re.findall(r"\d [^<]{1,3}前", page)) == len(
                re.findall(r'</time> <span class="quiet ago">\d+ [^<]{1,3}前</span>', page)
            )


async def test_a_weak_rural_school_is_named() -> None:
    """The list of weak rural schools is what the bureau looks after first."""
    async with board(demo_school(rural_weak=True)) as client:
        for path in ("/office/511402", "/school/5114020001"):
            assert "薄弱学校" in await read(client, path)


@pytest.mark.parametrize("rooms", [(1, 0, 0, 0), (29_999, 1, 0, 0), (0, 0, 30_000, 0), (1, 1, 1, 1), (7, 0, 2, 300)])
def test_a_bar_is_filled_and_nothing_is_lost_in_it(rooms: tuple[int, ...]) -> None:
    """Parts add up to the whole, begin where the last ended, and the smallest can still be seen."""
    counts = Counts(**dict(zip(("yes", "no", "unknown", "exempt"), rooms, strict=True)))
    parts = [(float(begin.rstrip("%")), float(width.rstrip("%"))) for _, begin, width in shares(counts)]
    assert len(parts) == sum(count > 0 for count in rooms)
    assert sum(width for _, width in parts) == pytest.approx(100, abs=0.05)
    assert all(begin == pytest.approx(sum(w for _, w in parts[:n]), abs=0.05) for n, (begin, _) in enumerate(parts))
    assert min(width for _, width in parts) >= 0.9


def test_nothing_to_count_is_no_bar() -> None:
    """0 of 0 has no share."""
    assert list(shares(Counts())) == []


@pytest.mark.parametrize(("language", "told"), [("zh", "没有送到"), ("en", "never got 2 message(s)")])
async def test_what_did_not_arrive_is_told(language: str, told: str) -> None:
    """A lost message and a queue that stands still are on the front page, each with its reason."""
    found = [
        Undelivered(receiver="well", waiting_count=1, oldest_age_s=5.0),
        Undelivered(receiver="lost", lost_count=2, lost_at=NOW - 3_600, lost_reason="unknown_code (99999)"),
        Undelivered(receiver="stuck", waiting_count=7, oldest_age_s=7_200.0, failing="http_status (502)"),
        Undelivered(receiver="odd", lost_count=1, lost_at=NOW, lost_reason="<b>new</b>"),
        Undelivered(receiver="away", replaced="unreachable", fallback="stand-in"),
        Undelivered(receiver="mistaken", misconfigured="bad_signature (19021)"),
    ]
    async with board(demo_school(), undelivered=found) as client:
        page = Tags(await read(client, f"/?lang={language}"))
        assert told in page.text
        assert "(99999)" in page.text
        assert "(502)" in page.text
        assert "stuck" in page.text
        assert "mistaken" in page.text
        assert "stand-in" in page.text
        assert "(19021)" in page.text
        assert "well" not in page.text
    async with board(demo_school()) as client:
        assert "stuck" not in await read(client, "/")


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_records_are_shown_with_their_sums(payload: str) -> None:
    """Names and notes are text and nothing else; links keep what was asked for; what is no filter is refused."""
    paths = ("/rectifications?state=fixed&office=511402", "/rectifications?lang=en&page=9", "/incidents/1")
    told = Desks()
    told.step(0, change("s1", cause=Cause.GATEWAY_SILENT))
    incidents = Incidents(open=lambda: told.state)
    async with board(incidents=incidents, records=records_of(record())) as client:
        clean = {path: Tags(await read(client, path)) for path in paths}
    poisoned = record(by=payload, note=payload, root_name=payload, name=payload)
    async with board(incidents=incidents, records=records_of(poisoned)) as client:
        for path, expected in clean.items():
            page = Tags(await read(client, path))
            assert (page.tags, page.attributes, page.links) == (expected.tags, expected.attributes, expected.links)
        page = Tags(await read(client, paths[0]))
        assert payload.replace("\x00", "\ufffd")[:5] in page.text
        assert "/rectifications.csv?office=511402&state=fixed" in page.links
        assert {"/incidents/000012", "/incidents/000003"} <= page.links
        async with client.get("/rectifications?state=nothing") as response:
            assert response.status == 400


async def test_a_school_page_names_its_incidents_and_marks_what_fails() -> None:
    """By number with a link, at the school and at each of its rooms; the root of what fails stands out."""
    told = Desks()
    told.step(0, change("5114020001", cause=Cause.PORT_BELOW_REQUIRED, classrooms=("b2-305",)))
    async with board(demo_school(), incidents=Incidents(open=lambda: told.state)) as client:
        page = Tags(text := await read(client, "/school/5114020001"))
    assert "/incidents/000001" in page.links
    assert page.text.count("事件编号 000001") == 2
    assert re.findall(r'<span class="no root">.*?</span>端口 Gi0/7</span>', text)


async def test_sums_of_records_and_what_is_not_known() -> None:
    """Counts by state and the median stand at the top; of an old record it is said that nobody knows."""
    old = record(actor=None, told_at=None, fixed_at=None, ending=None, record_state="unknown", acknowledged_at=None)
    counts = stored.Counts(
        open=2, acknowledged=3, fixed=4, reopened=1, median_fix_s=7_200.0, median_fix_lesson_s=3_600.0
    )
    async with board(records=records_of(old, counts=counts, told=False)) as client:
        page = Tags(await read(client, "/rectifications"))
        words = "".join(page.text.split())
    for expected in ("2未处理", "3处理中", "4已整改", "1再次发生", "2小时", "上课1.0小时", "已关闭,结果未记录"):
        assert expected in words, expected
    assert words.count("未记录") >= 4


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_an_incident_is_shown_as_root_schools_and_rooms(payload: str) -> None:
    """Names, who is on it and the note are text and nothing else; what is no incident is a page that is missing."""
    told = Desks()
    told.step(0, change("s1", school_name=payload, cause=Cause.GATEWAY_SILENT))
    told.step(30, Acknowledged(incident="000001", by=payload, note=payload, at=30.0))
    async with board(incidents=Incidents(open=lambda: told.state)) as client:
        for path in ("/incidents", "/incidents/1", "/incidents/000001?lang=en"):
            page = Tags(await read(client, path))
            assert {"script", "img", "svg", "style"} & page.tags <= {"script"}
            assert page.scripts == [f"/static/refresh.js?{classready.__version__}"]
            assert payload.replace("\x00", "\ufffd")[:5] in page.text
        assert {"r1", "r2"} <= set(re.findall(r"r\d", page.text))
        for path in ("/incidents/2", "/incidents/x", "/incidents/" + "9" * 40):
            async with client.get(path) as response:
                assert response.status == 404
