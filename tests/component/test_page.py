"""The agent's own page over real sockets: what it shows, whom it refuses, and who cannot hold it up."""

import asyncio
import contextlib
import json
import time

import pytest
from msgspec.structs import replace

from agent import page
from agent.acceptance import document, html, kept
from agent.bureau import Bureau
from agent.clock import Clock
from agent.courier import Courier
from agent.links import Acked, Keep
from agent.metrics import Metrics
from agent.page import answerer
from agent.page.answerer import Answerer, Response
from agent.probes.contract import Probe
from agent.runner import Runner
from agent.settings import AgentSettings, HttpLink, LocalPage, SpoolSettings
from agent.spool import Spool
from classready import __version__
from classready.observation import Http, Outcome, Ping, Reason
from classready.report import Ack
from classready.targets import HttpTarget, PingTarget
from tests.support.chromium import chromium
from tests.support.mosquitto import free_port
from tests.support.sheets import SHEET

TARGETS = (
    PingTarget(name="router", host="10.9.8.7"),
    HttpTarget(name="<b>platform</b>", url="https://basic.example/?a=1"),
)
SETTINGS = AgentSettings(
    gateway="gw-1", link=HttpLink(url="http://127.0.0.1:1", token_file="/secret/token"), targets=TARGETS
)
ANSWERS = {
    "router": [Ping(target="router", outcome=Outcome.UNMEASURED, reason=Reason.PERMISSION, detail="no socket")],
    "<b>platform</b>": [
        Http(target="x", outcome=Outcome.NO_ANSWER, reason=Reason.TLS_INVALID, detail="<script>alert(1)</script>")
    ],
}


class Link:
    """Answers what it is told to."""

    trouble = "collector.example: refused"
    outcome = Keep(why="disconnected")

    async def send(self, _body, _sequences):
        return self.outcome


def probe(target):
    async def observe(context):
        return ANSWERS[target.name]

    return Probe(target=target, observe=observe, unmeasured=lambda *_: (), deadline_s=5)


@contextlib.asynccontextmanager
async def serving(folder, listen=None):
    """A page of a session that has probed each target once; yields its port, its link and its parts."""
    clock, numbers, link = Clock("0" * 32), Metrics(), Link()
    numbers.put("classready_agent_start_time_seconds", time.time())
    numbers.put("classready_agent_config_last_reload_success_timestamp_seconds", time.time())
    spool = await Spool.open(folder, SpoolSettings(), live_s=180)
    runner = Runner(SETTINGS, [probe(target) for target in TARGETS], clock, spool.append, numbers)
    courier = Courier(
        settings=SETTINGS, spool=spool, link=link, clock=clock, metrics=numbers, on_directives=lambda *_: None
    )
    running = page.Running(
        path=folder / "agent.yml",
        settings=replace(SETTINGS, state_dir=str(folder)),
        runner=runner,
        courier=courier,
        spool=spool,
        clock=clock,
        numbers=numbers,
        bureau=Bureau(),
    )
    listen = listen or LocalPage(port=free_port())
    task = asyncio.create_task(page.keep_serving(listen, lambda: running))
    try:
        yield listen.port, link, running
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await spool.close()


async def ask(port, request, host="127.0.0.1"):
    """All that comes back for the bytes ``request``; the server may need a moment to listen."""
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError):
            reader, writer = await asyncio.open_connection(host, port)
            break
        await asyncio.sleep(0.05)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


def get(path="/", host="127.0.0.1", more=""):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def status(answer):
    return int(answer.split(b" ", 2)[1])


async def probed(running):
    async with asyncio.timeout(10):
        probing = asyncio.create_task(running.runner.run())
        for name in ANSWERS:
            running.runner.hurry(name)
        while any(sight.observed_s is None for sight in running.runner.sights()):
            await asyncio.sleep(0.02)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


async def test_health_is_what_the_installer_waits_for(tmp_path):
    """Version, start, last acknowledgement (none yet, then one) and what waits, as JSON."""
    async with serving(tmp_path) as (port, link, running):
        head, _, body = (await ask(port, get("/healthz"))).partition(b"\r\n\r\n")
        before = json.loads(body)
        assert b"application/json" in head
        assert set(before) == {"version", "started_at", "now_at", "last_ack_at", "spool_records", "spool_degraded"}
        assert before["version"] == __version__
        assert before["last_ack_at"] is None
        assert before["spool_records"] == 0
        link.outcome = Acked(acks=(Ack(spool_id="a" * 32),))
        await running.courier.report(until_s=0)
        after = json.loads((await ask(port, get("/healthz"))).partition(b"\r\n\r\n")[2])
        assert abs(after["last_ack_at"] - time.time()) < 30


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "0.0.0.0", "::"])
async def test_it_is_served_where_the_installer_asks(tmp_path, host):
    """Wherever else it is shown: where it is not, a release that does not report passes the installer's gate."""
    async with serving(tmp_path, LocalPage(host=host, port=free_port())) as (port, _, _):
        assert status(await ask(port, get("/healthz"))) == 200
        if host not in {"0.0.0.0", "::"}:
            name = f"[{host}]" if ":" in host else host
            assert status(await ask(port, get("/healthz", host=name), host)) == 200


async def test_the_page_shows_answers_problems_and_no_more(tmp_path):
    """Chinese, or English where asked for; what devices say is escaped; no secret and no file of one."""
    async with serving(tmp_path) as (port, _link, running):
        await probed(running)
        running.courier.trouble, running.courier.detail = Keep(why="disconnected"), "collector.example: <refused>"
        chinese = (await ask(port, get())).decode()
        english = (await ask(port, get("/?lang=en"))).decode()
    assert "default-src 'self'" in chinese.partition("\r\n\r\n")[0]
    assert "连不上采集中心。原文:collector.example: &lt;refused&gt;" in chinese
    assert "证书无效。原文:&lt;script&gt;alert(1)&lt;/script&gt;" in chinese
    assert "&lt;b&gt;platform&lt;/b&gt;" in chinese
    assert "本机权限不足。原文:no socket" in chinese
    assert "no connection to the collector" in english
    assert "10.9.8.7" in english
    assert str(tmp_path / "agent.yml") in english
    assert "2, the oldest" in english or "<dd>2</dd>" in english
    for text in (chinese, english):
        assert "<script" not in text
        assert "/secret" not in text


@pytest.mark.servers("chromium")
async def test_in_a_real_browser(tmp_path):
    """Its own policy lets its own sheet in, nothing runs that a device said, and a telephone need not scroll aside."""
    async with serving(tmp_path) as (port, _link, running):
        await probed(running)
        await ask(port, get("/healthz"))
        async with chromium(tmp_path) as browser:
            await browser.resize(380)
            await browser.open(f"http://localhost:{port}/?lang=en")
            assert await browser.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex"
            assert await browser.evaluate("document.scripts.length") == 0
            assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert "no permission on this gateway" in await browser.evaluate("document.body.innerText")
            await browser.evaluate("document.querySelector('header a').click()")
            await browser.wait("document.documentElement?.lang === 'zh-CN'")


@pytest.mark.servers("chromium")
async def test_the_last_sheet_is_shown_as_it_was_printed(tmp_path):
    """Linked where there is one; with its own style, which it brings along, and under a policy that runs nothing."""
    async with serving(tmp_path) as (port, _link, _running):
        assert status(await ask(port, get("/acceptance"))) == 404
        assert b"/acceptance" not in await ask(port, get())
        shown = document.document(SHEET, "0" * 64, "zh")
        for number in ("gw-1-20260101-120000", "gw-1-20260201-120000", "gw-1-2-20270101-120000"):
            page = html.render(replace(shown, number=number)).encode()
            kept.keep(
                tmp_path, "gw-1", number, {".html": page.replace(b"<h1>", b"<script>document.title=1</script><h1>")}
            )
        (tmp_path / "acceptance" / "gw-1-20270101-120000.html").mkdir()
        assert "最近的验收单:gw-1-20260201-120000" in (await ask(port, get())).decode()
        async with chromium(tmp_path) as browser:
            await browser.open(f"http://localhost:{port}/")
            await browser.evaluate("document.querySelector('a[href=\"/acceptance\"]').click()")
            await browser.wait("location.pathname === '/acceptance' && document.querySelector('footer')")
            assert "gw-1-20260201-120000" in await browser.evaluate("document.title")
            assert (
                await browser.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
            )


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (get(host="127.0.0.1:9712"), 200),
        (get(host="localhost"), 200),
        (get(host="LOCALHOST:80"), 200),
        (get(host="box.school"), 200),
        (get(host="box.school."), 200),
        (get(host="evil.example"), 421),
        (get(host="127.0.0.1.evil.example"), 421),
        (get(host="127.0.0.1@evil.example"), 421),
        (get(host="10.9.8.7"), 421),
        (get(host="127.0.0.2"), 421),
        (get(host="[::1]"), 421),
        (get(host=""), 421),
        (get(more="Host: evil.example\r\n"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (get("/etc/passwd"), 404),
        (get("/../etc/passwd"), 404),
        (get("//"), 404),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\na=1", 405),
        (b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400),
        (get("/?" + "&" * 5_000), 200),
        (get("/", more="X: " + "x" * 9_000 + "\r\n"), 431),
    ],
)
async def test_whom_it_answers(tmp_path, request_, code):
    """One host that is ours, one method, few paths; anything else gets its own status and never the page."""

    async def front(_query):
        return Response(200, b"page")

    pages = Answerer({"/": front}, ["box.school"])
    port = free_port()
    task = asyncio.create_task(pages.serve("127.0.0.1", port))
    try:
        answer = await ask(port, request_)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert status(answer) == code
    assert (answer.endswith(b"\r\n\r\npage")) == (code == 200)


async def test_slow_and_many_hold_nobody_up(monkeypatch):
    """Who sends nothing, or reads nothing, is gone after the deadline; beyond a few nobody is let in."""
    monkeypatch.setattr(answerer, "DEADLINE_S", 1.0)

    async def large(_query):
        return Response(200, b"x" * 20_000_000)

    async def small(_query):
        return Response(200, b"small")

    port = free_port()
    task = asyncio.create_task(Answerer({"/large": large, "/": small}, []).serve("127.0.0.1", port))
    try:
        assert status(await ask(port, get())) == 200
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(answerer.CONNECTIONS_MAX_COUNT)]
        for _, writer in slow[:2]:
            writer.write(get("/large"))
        for _, writer in slow[2:]:
            writer.write(b"GET / HTTP/1.1\r\nHo")
        refused = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await refused[0].read() == b""
        # At once, while those before it still have their time.
        assert not any(reader.at_eof() for reader, _ in slow[2:])
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(ConnectionError, IndexError):
                    if status(await ask(port, get())) == 200:
                        break
                await asyncio.sleep(0.1)
        for _, writer in [*slow, refused]:
            writer.transport.abort()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_fault_of_a_page_ends_only_its_answer():
    """What goes wrong inside is a 500, and the next one is answered."""

    async def broken(_query):
        raise ZeroDivisionError

    port = free_port()
    task = asyncio.create_task(Answerer({"/": broken}, []).serve("127.0.0.1", port))
    try:
        assert [status(await ask(port, get())) for _ in range(2)] == [500, 500]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_port_that_is_taken_ends_nothing(monkeypatch):
    """The agent goes on without its page, and has it as soon as the port is free."""
    monkeypatch.setattr(answerer, "BIND_AGAIN_S", 0.1)

    async def front(_query):
        return Response(200, b"page")

    holder = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = holder.sockets[0].getsockname()[1]
    task = asyncio.create_task(Answerer({"/": front}, []).serve("127.0.0.1", port))
    try:
        await asyncio.sleep(0.3)
        assert not task.done()
        holder.close()
        await holder.wait_closed()
        assert status(await ask(port, get())) == 200
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_settings_that_were_refused_are_told_with_their_reason(tmp_path):
    """In both languages, and no longer once others are in force."""
    async with serving(tmp_path) as (port, _link, running):
        running.bureau.refuse("1" * 16, ["targets[<b>].ca_file: nowhere.pem cannot be used"])
        chinese, english = (await ask(port, get())).decode(), (await ask(port, get("/?lang=en"))).decode()
        assert "教育局下发的设置没有采用" in chinese
        assert "targets[&lt;b&gt;].ca_file: nowhere.pem" in chinese
        assert "settings from the bureau were refused" in english
        running.bureau.refused = None
        assert "教育局下发的设置没有采用" not in (await ask(port, get())).decode()
