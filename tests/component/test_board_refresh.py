"""The board while time goes by, in Chromium: what a reader has in hand stays, and a page that gets old says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from classready import __version__
from collector import web as pages
from collector.core.policy import Policy
from collector.core.state import School
from collector.exposition import Exposition
from collector.views import Bureau, Kept
from tests.support import bureaus
from tests.support.chromium import Page, chromium
from tests.support.collecting import Collector as Program
from tests.support.mosquitto import free_port
from tests.support.samples import NOW

pytestmark = [pytest.mark.servers("chromium"), pytest.mark.asyncio(loop_scope="module")]

QUICK = "document.documentElement.dataset.refreshS = '0.05'; dispatchEvent(new Event('online'))"
"""The page's own word for how often, made short; and what a browser says when the network is back."""
BANNER = "document.getElementById('stale').innerText"


Answer = tuple[int, str, dict[str, str]]
"""Status, body, headers."""


@dataclass
class Collector:
    """A board that can be killed and started again on its port, and whose content the test changes."""

    schools: dict[str, School]
    port: int = field(default_factory=free_port)
    now: float = NOW
    runner: web.AppRunner | None = None
    asked_at: list[float] = field(default_factory=list)
    """When the front page was asked for, on the monotonic clock."""
    instead: Answer | None = None
    """What is answered instead of the front page: a proxy's error, a login."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last request."""
    is_well: bool = True
    token: str | None = None
    """The board's password."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        policy = Policy()
        bureau = Bureau(
            schools=lambda: self.schools,
            kept=lambda: Kept(self.schools.values()),
            names=bureaus.names,
            policy=lambda: policy,
            clock=lambda: self.now,
        )
        app = web.Application(middlewares=[self._standing_between, pages.require_tokens(board=self.token)])
        app.add_routes(pages.routes(bureau, Exposition(policy), lambda: self.is_well))
        app.on_response_prepare.append(pages.add_headers)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()

    async def kill(self) -> None:
        if self.runner:
            await self.runner.cleanup()
        self.runner = None

    @web.middleware
    async def _standing_between(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path != "/":
            return await handler(request)
        self.asked_at.append(time.monotonic())
        self.headers = dict(request.headers)
        if self.instead is not None:
            status, text, headers = self.instead
            return web.Response(status=status, text=text, content_type="text/html", headers=headers)
        return await handler(request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    async with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@asynccontextmanager
async def collecting(schools: int = 3, rooms: int = 12) -> AsyncIterator[Collector]:
    collector = Collector(bureaus.bureau(schools, rooms, mood="mixed"))
    await collector.start()
    try:
        yield collector
    finally:
        await collector.kill()


async def test_what_a_reader_has_in_hand_stays(page: Page) -> None:
    """A dead collector: old data under a banner. Back again: no banner; open details, focus, mark, scroll as before."""
    async with collecting() as collector:
        await page.resize(1366, 500)
        await page.open(f"{collector.url}/school/5114000000")
        await page.evaluate("""
          window.seen = document.getElementById('room-b1-103');
          seen.querySelector('details').open = true;
          seen.querySelector('summary').focus();
          getSelection().selectAllChildren(seen.querySelector('h3'));
          scrollTo(0, 400);
        """)
        marked, before = await page.evaluate("String(getSelection())"), await page.evaluate("scrollY")
        await page.evaluate(QUICK)
        await collector.kill()
        await page.wait(f"{BANNER}.startsWith('旧数据:10月15日 12:00 之后没有更新')")
        collector.now = NOW + 3_600
        await collector.start()
        await page.wait("document.querySelector('header time').innerText === '10月15日 13:00'")
        kept = await page.evaluate("""({
          banner: getComputedStyle(document.getElementById('stale')).display,
          open: document.getElementById('room-b1-103').querySelector('details').open,
          others: document.querySelectorAll('details[open]').length,
          same: document.getElementById('room-b1-103') === seen,
          focus: document.activeElement === seen.querySelector('summary'),
          marked: String(getSelection()), scroll: scrollY,
          ago: seen.querySelector('.ago').innerText,
        })""")
    assert kept == {
        "banner": "none",
        "open": True,
        "others": 1,
        "same": True,
        "focus": True,
        "marked": marked,
        "scroll": before,
        "ago": "60 分钟前",
    }


async def test_the_program_itself_is_killed_and_started(page: Page, tmp_path: Path) -> None:
    """The same with the collector's own process: killed without a word, started again on its port."""
    program = Program(tmp_path)
    await asyncio.to_thread(program.start)
    try:
        await page.open(f"{program.url}/school/s1")
        await page.evaluate("window.seen = document.querySelector('#room-r2 details'); seen.open = true")
        program.kill()
        await page.evaluate(QUICK)
        await page.wait(f"{BANNER}.includes('旧数据')")
        await asyncio.to_thread(program.start)
        await page.wait("document.getElementById('stale').hidden")
        assert await page.evaluate("seen.open && seen.isConnected")
    finally:
        assert program.stop() == 0


async def test_rows_that_change_places_take_their_state_along(page: Page) -> None:
    """A school falls silent and comes to the top; the link that had the focus still has it, and no row is twice."""
    async with collecting(schools=6) as collector:
        await page.open(f"{collector.url}/office/511400")
        await page.evaluate("document.querySelector('#school-5114000004 a').focus()")
        collector.schools = {
            **collector.schools,
            "5114000004": bureaus.school(4, 12, "silent", office="511400"),
            "5114000008": bureaus.school(8, 30, "one slow", office="511400"),
        }
        await page.evaluate(QUICK)
        await page.wait("document.querySelector('tbody tr').id === 'school-5114000004'")
        assert await page.evaluate("document.activeElement.closest('tr').id") == "school-5114000004"
        rows = await page.evaluate("[...document.querySelectorAll('tbody tr')].map((e) => e.id)")
        assert sorted(rows) == [f"school-511400000{n}" for n in (0, 2, 4, 8)]
        assert "全部无上报" in await page.evaluate("document.querySelector('tbody tr').innerText")
        del collector.schools["5114000008"]
        await page.wait("document.querySelectorAll('tbody tr').length === 3")


ANSWERS: dict[str, Answer] = {
    "login": (401, "<main id=content>sign in</main>", {"WWW-Authenticate": "Bearer"}),
    "proxy's error": (502, "<h1>502 Bad Gateway</h1>", {}),
    "overloaded": (503, f"<html data-version={__version__}><main id=content>busy</main>", {}),
    "portal": (200, "<main id=content>Welcome to the hotel</main>", {}),
    "redirect": (302, "", {"Location": "/office/511400"}),
    "empty": (200, "", {}),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_only_the_board_replaces_the_board(page: Page, case: str) -> None:
    """Whatever else comes instead of a page, the last one stays, and says that it is old."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        await page.evaluate("window.first = document.querySelector('h1')")
        collector.instead = ANSWERS[case]
        await page.evaluate(QUICK)
        await page.wait(f"{BANNER}.includes('旧数据')")
        assert await page.evaluate("document.querySelector('h1').innerText.startsWith('全部区县')")
        assert await page.evaluate("location.pathname") == "/"
        assert collector.headers.get("X-Classready-Refresh") == "1"
        collector.instead = None
        await page.wait("document.getElementById('stale').hidden")
        assert await page.evaluate("document.querySelector('h1') === first")


async def test_a_wall_that_knows_the_password(page: Page) -> None:
    """A kiosk opens the board with the password in its address and goes on; another password is old data, no dialog."""
    async with collecting() as collector:
        await collector.kill()
        collector.token = "s3cret"
        await collector.start()
        await page.call("Page.navigate", url=collector.url.replace("//", "//board:s3cret@"))
        await page.wait("document.querySelector('h1')?.innerText.startsWith('全部区县')")
        collector.now += 60
        await page.evaluate(QUICK)
        await page.wait("document.querySelector('header time').innerText === '10月15日 12:01'")
        await collector.kill()
        collector.token = "another"
        await collector.start()
        await page.wait(f"{BANNER}.includes('旧数据')")
        assert await page.evaluate("document.querySelector('h1').innerText.startsWith('全部区县')")


async def test_a_collector_that_stores_nothing_shows_no_news(page: Page) -> None:
    """Its disk is full: the last good page stays and is called old; one that is opened now says why."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        collector.is_well, collector.now = False, NOW + 600
        await page.evaluate(QUICK)
        await page.wait(
            f"{BANNER} === '旧数据:10月15日 12:00 之后没有更新。采集器连不上或没有给出页面,正在重试,恢复后自动更新。'"
        )
        assert await page.evaluate("document.querySelector('header time').innerText") == "10月15日 12:00"
        await page.open(f"{collector.url}/office/511400")
        assert "采集器现在存不下新的数据" in await page.evaluate(BANNER)
        collector.is_well = True
        await page.evaluate(QUICK)
        await page.wait("document.getElementById('stale').hidden")


async def test_a_school_that_left_the_roster_says_so(page: Page) -> None:
    """Its page becomes the board's own "no such page": that is news, not old data."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/school/5114000000")
        collector.schools = {}
        await page.evaluate(QUICK)
        await page.wait("document.querySelector('h1').innerText === '404'")
        assert await page.evaluate("document.getElementById('stale').hidden")


async def test_a_dead_collector_is_asked_ever_less(page: Page) -> None:
    """Failures double the wait: seven asks take some sixty first waits, not six."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        collector.instead = ANSWERS["proxy's error"]
        collector.asked_at.clear()
        await page.evaluate(QUICK)
        async with asyncio.timeout(60):
            while len(collector.asked_at) < 7:
                await asyncio.sleep(0.02)
        first, *_, last = collector.asked_at
        assert last - first >= 0.05 * 63 / 2


async def test_a_slow_collector_is_asked_once_at_a_time(page: Page) -> None:
    """However often the browser gives reason to ask, one question is open at most."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        await page.evaluate("""
          window.open_ = 0; window.most = 0; window.all = 0;
          const real = fetch;
          window.fetch = async (...given) => {
            most = Math.max(most, ++open_); all++;
            try { return await real(...given); } finally { open_--; }
          };
        """)
        await page.evaluate(f"for (let n = 0; n < 50; n++) {{ {QUICK}; }}")
        await page.wait("all >= 3")
        assert await page.evaluate("most") == 1


async def test_a_hidden_tab_asks_nothing(page: Page) -> None:
    """Hidden: no question. Seen again: one at once."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        hide = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
        told = "document.dispatchEvent(new Event('visibilitychange'));"
        await page.evaluate(QUICK)
        await page.evaluate(hide.format("true") + told)
        collector.asked_at.clear()
        await page.evaluate("window.t0 = performance.now()")
        await page.wait("performance.now() - t0 > 500")
        assert len(collector.asked_at) <= 1, "the one that was under way"
        collector.now = NOW + 7_200
        await page.evaluate(hide.format("false") + told)
        await page.wait("document.querySelector('header time').innerText === '10月15日 14:00'")


async def test_a_new_release_is_loaded_whole(page: Page) -> None:
    """Its style and script may have changed, too."""
    async with collecting() as collector:
        await page.open(f"{collector.url}/")
        await page.evaluate("window.first = true; document.documentElement.dataset.version = '0.0.1'")
        await page.evaluate(QUICK)
        await page.wait("window.first === undefined && document.readyState === 'complete'")
        assert await page.evaluate("document.documentElement.dataset.version") != "0.0.1"


async def test_without_scripts_the_page_refreshes_itself(page: Page) -> None:
    """The old way, for browsers that run no scripts."""
    async with collecting() as collector:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            await page.call("Page.navigate", url=f"{collector.url}/")
            await page.wait("document.querySelector('h1') && document.readyState === 'complete'")
            refresh = await page.evaluate("document.querySelector('head meta[http-equiv=refresh]')?.content")
        finally:
            await page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert refresh == "30"


async def test_the_content_policy_holds(page: Page) -> None:
    """Nothing that the pages do is blocked by what the collector forbids."""
    async with collecting() as collector:
        for path in ("/", "/office/511400", "/school/5114000000"):
            await page.open(f"{collector.url}{path}")
            await page.evaluate("""
              window.blocked = [];
              document.addEventListener('securitypolicyviolation', (e) => blocked.push(e.violatedDirective));
              window.first = document.querySelector('header time').innerText;
            """)
            collector.now += 60
            await page.evaluate(QUICK)
            await page.wait("document.querySelector('header time').innerText !== first")
            assert await page.evaluate("blocked") == []
