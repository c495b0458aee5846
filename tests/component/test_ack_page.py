"""The page behind a message's link, over HTTP and on a real store: every answer is a page, and only POST acts."""

import time
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import ack_page
from collector import web as pages
from collector.ack_links import FILE_NAME, VALID_S, keep_key, link
from collector.core.policy import Policy
from collector.exposition import Exposition
from collector.store import incidents
from collector.views import Bureau, Incidents, Kept
from tests.component.test_acknowledging import Desk
from tests.support.collecting import NOW, opened
from tests.support.collecting import Collector as Program
from tests.support.samples import NAMES, alert

KEY = bytes(32)
pytestmark = pytest.mark.usefixtures("every_store")


def path(number="000001", key=KEY, at=NOW):
    return link("", number, at, key)


@asynccontextmanager
async def door(desk, key=KEY, *, behind_proxy=False):
    """The pages with the board's password set: a signed link needs none."""
    source = Incidents(
        open=lambda: desk.dispatcher.state,
        closed=partial(desk.reading, incidents.closed_page),
        one_closed=partial(desk.reading, incidents.closed_row),
        acknowledge=desk.dispatcher.act,
    )
    bureau = Bureau(
        schools=dict, kept=lambda: Kept(()), names=lambda: NAMES, policy=Policy, clock=desk.clock, incidents=source
    )
    app = web.Application(middlewares=[pages.require_tokens(board="secret")])
    app.on_response_prepare.append(pages.add_headers)
    app.add_routes(ack_page.routes(bureau, key, behind_proxy=behind_proxy))
    app.add_routes(pages.routes(bureau, Exposition(Policy()), lambda: True))
    async with TestClient(TestServer(app)) as client:
        yield client


@asynccontextmanager
async def desk_at_work(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        await desk.at(30)
        yield desk


async def page(client, status, url, data=None, *, method=None, headers=None):
    method = method or ("GET" if data is None else "POST")
    async with client.request(method, url, data=data, headers=headers) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (status, "text/html"), text
        policy = response.headers["Content-Security-Policy"]
        assert "form-action 'self'" in policy
        assert "default-src 'none'" in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        return text


def on_it(desk):
    (found,) = (i for d in desk.dispatcher.state.desks.values() for i in d.incidents.values())
    return found.acknowledgement


async def test_get_shows_and_post_acts_once(tmp_path):
    """Robots that open the link change nothing; the second who presses is told who was first."""
    async with desk_at_work(tmp_path) as desk, door(desk) as client:
        shown = await page(client, 200, path())
        assert "000001" in shown
        assert 'method="post"' in shown
        assert "<button>我在处理</button>" in shown
        assert "I am on it" in await page(client, 200, f"{path()}&lang=en")
        await page(client, 200, path(), method="HEAD")
        assert on_it(desk) is None
        told = await page(client, 200, path(), {"name": " <b>王工\n", "note": "已联系\u202e电信"})
        assert "&lt;b&gt;王工 正在处理" in told
        assert "<b>" not in told
        assert (on_it(desk).by, on_it(desk).note, on_it(desk).at) == ("<b>王工", "已联系 电信", NOW + 30)
        again = await page(client, 409, path(), {"name": "李工"})
        assert "&lt;b&gt;王工 已在处理" in again
        assert "<form" not in again
        assert "已在处理" in await page(client, 409, path())
        assert on_it(desk).by == "<b>王工"


async def test_forged_expired_missing(tmp_path):
    async with desk_at_work(tmp_path) as desk, door(desk) as client:
        other = path().replace("000001", "000002")
        for url in (other, path(key=b"another"), "/incidents/1/ack", "/incidents/x/ack?until=1&key=2"):
            assert "链接无效" in await page(client, 403, url)
            await page(client, 403, url, {"name": "王工"})
        for data in (None, {"name": "王工"}):
            assert "已过期" in await page(client, 410, path(at=NOW - VALID_S), data)
            assert "没有这个事件" in await page(client, 404, path("000077"), data)
        assert on_it(desk) is None


async def test_what_is_over_needs_nobody(tmp_path):
    """Both while its end waits to be told and when it is closed."""
    async with desk_at_work(tmp_path) as desk, door(desk) as client:
        await desk.at(60, alert("s1", office="o1", change="closed", at=NOW + 60))
        assert "已恢复" in await page(client, 409, path(), {"name": "王工"})
        await desk.at(90)
        assert "已恢复" in await page(client, 409, path(), {"name": "王工"})
        assert "<form" not in await page(client, 409, path())


async def test_bad_input_and_a_store_that_is_away(tmp_path):
    """Nothing is noted, and the page with the form says what is asked for."""
    async with desk_at_work(tmp_path) as desk, door(desk) as client:
        for data in ({"name": ""}, {"name": "\u200b"}, {"name": "王" * 41}, {"name": "a", "note": "x" * 201}, {"x": 1}):
            shown = await page(client, 400, path(), data)
            assert "<form" in shown
            assert "没有记录" in shown
        for raw in (b"name=%ff", b"\xff", "&".join(f"a{n}=1" for n in range(50)).encode(), b'{"name":"a"}'):
            await page(client, 400, path(), raw)
        await page(client, 413, path(), {"name": "a", "note": "x" * 5_000})
        desk.away = True
        assert "暂时无法记录" in await page(client, 503, path(), {"name": "王工"})
        assert on_it(desk) is None
        desk.away = False
        await page(client, 200, path(), {"name": "王" * 40, "note": "长" * 200})
        assert len(on_it(desk).note) == 200


async def test_the_link_opens_no_other_page_and_a_restart_keeps_it(tmp_path):
    """The board goes on to ask for its password; a new process knows the links of the one before."""
    async with desk_at_work(tmp_path) as desk:
        url = path(key=keep_key(tmp_path))
        desk.restart()
        await desk.dispatcher.settle()
        async with door(desk, keep_key(tmp_path)) as client:
            await page(client, 200, url)
            for closed in ("/incidents/1", "/incidents", "/incidents/1%2Fack", "/incidents/1/ack/", "/static/ack.css"):
                async with client.get(closed) as response:
                    assert response.status == 401, closed
            await page(client, 200, url, {"name": "王工"})
            assert on_it(desk).by == "王工"


async def test_guesses_are_limited_by_address_and_lock_nobody_out(tmp_path):
    """Who guesses is stopped; who has a good link behind the same address, or guesses from another, is not."""
    async with desk_at_work(tmp_path) as desk, door(desk, behind_proxy=True) as client:
        first, other = ({"X-Forwarded-For": f"198.51.100.9, {address}"} for address in ("192.0.2.1", "192.0.2.2"))
        forged = path(key=b"another")
        for _ in range(61):
            await page(client, 403, forged, headers=first)
        assert "频繁" in await page(client, 429, forged, headers=first)
        await page(client, 403, forged, headers=other)
        await page(client, 403, forged, headers={"X-Forwarded-For": "::%x, [王"})
        await page(client, 200, path(), headers=first)
        for _ in range(61):
            await page(client, 400, path(), {"name": ""}, headers=first)
        await page(client, 429, path(), {"name": "王工"}, headers=first)
        await page(client, 200, path(), {"name": "王工"}, headers=other)


def test_the_program_itself_knows_its_links_after_a_kill(tmp_path):
    """Its own secret permits, though no such incident is known; any other does not."""
    program = Program(tmp_path)
    program.start()
    try:
        now, key = time.time(), (tmp_path / FILE_NAME).read_bytes()
        assert program.ask(path(at=now, key=key)) == 404
        program.kill()
        program.start()
        assert program.ask(path(at=now, key=key), b"name=a") == 404
        assert program.ask(path(at=now), b"name=a") == 403
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    finally:
        program.kill()
