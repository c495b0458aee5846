"""The board as Chromium lays it out: columns are measured, with every size of bureau on every width of screen."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from classready.box import Box, Upgrade
from collector import web as pages
from collector.core.policy import Policy
from collector.core.state import School
from collector.exposition import Exposition
from collector.fleet.staging import Mark, Plan
from collector.fleet.trouble import SettingsSeen, Sight
from collector.text import Names
from collector.views import Bureau, Kept
from collector.views.fleet import Fleet, Upgrading
from tests.support import bureaus
from tests.support.chromium import Page, chromium
from tests.support.samples import NOW, gateway_heard, leg_school

pytestmark = [pytest.mark.servers("chromium"), pytest.mark.asyncio(loop_scope="module")]

WIDTHS = (1366, 1920, 390, 820, 320, 2560)
TABLE_MIN_WIDTH = 960

MEASURE = """
(() => {
  const isShown = (e) => e.offsetWidth > 0 && e.getBoundingClientRect().right > 0;
  const em = (e) => parseFloat(getComputedStyle(e).fontSize);
  const inner = (e) => {
    const style = getComputedStyle(e);
    return e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const numbers = [];
  while (words.nextNode()) {
    const node = words.currentNode;
    for (const found of node.nodeValue.matchAll(/[0-9][0-9.:]*/g)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const rects = [...range.getClientRects()].filter((r) => r.width > 0);
      if (isShown(node.parentElement) && rects.length > 1 && !node.parentElement.closest("a, h1, h3")) {
        numbers.push(found[0]);
      }
    }
  }
  const cells = [...document.querySelectorAll(".rows th, .rows td")].filter(isShown);
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    outside: [...document.querySelectorAll("main *, header *")].filter(
      (e) => isShown(e) && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 90)),
    spilling: [...document.querySelectorAll("td, th, .tile, .room, .facts article, .bases div, .chip")].filter(
      (e) => isShown(e) && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline").map(
      (e) => e.outerHTML.slice(0, 90)),
    brokenNumbers: numbers,
    cellCharacters: Math.min(1e9, ...cells.map((e) => inner(e) / em(e))),
    rowLines: Math.max(0, ...[...document.querySelectorAll(".rows tr")].filter(isShown).map(
      (e) => e.getBoundingClientRect().height / em(e))),
    countLines: Math.max(0, ...[...document.querySelectorAll(".numbers li, .tile b, .room .chip")].map(
      (e) => e.getBoundingClientRect().height / em(e))),
    barShares: [...document.querySelectorAll(".bar")].map(
      (e) => e.getBoundingClientRect().width / inner(e.parentElement)),
    barHeights: [...document.querySelectorAll(".bar")].map((e) => e.getBoundingClientRect().height),
    thinnest: Math.min(1e9, ...[...document.querySelectorAll(".bar rect")].map((e) => e.getBoundingClientRect().width)),
  };
})()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    async with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@asynccontextmanager
async def serving(schools: dict[str, School], names: Names, fleet: Fleet | None = None) -> AsyncIterator[TestServer]:
    policy = Policy()
    bureau = Bureau(
        schools=lambda: schools,
        kept=lambda: Kept(schools.values()),
        names=lambda: names,
        policy=lambda: policy,
        clock=lambda: NOW,
        fleet=fleet or Fleet(),
    )
    app = web.Application()
    app.add_routes(pages.routes(bureau, Exposition(policy), lambda: True))
    app.on_response_prepare.append(pages.add_headers)
    async with TestServer(app) as server:
        yield server


async def broken(page: Page, server: TestServer, path: str, name_lines: int = 2) -> dict[int, list[str]]:
    """What is wrong with a page on each width; empty when nothing is."""
    await page.open(str(server.make_url(path)))
    assert await page.evaluate("document.querySelectorAll('h1').length") == 1, path
    found = {}
    for width in WIDTHS:
        await page.resize(width)
        found[width] = list(faults(await page.evaluate(MEASURE), width, name_lines))
    return {width: wrong for width, wrong in found.items() if wrong}


def faults(found: dict[str, Any], width: int, name_lines: int = 2) -> Iterator[str]:
    """What a person would call broken. A line is 1.55 em high; a narrow screen shows the cells of a row as lines."""
    row_lines = name_lines + (7 if width > TABLE_MIN_WIDTH else 19)
    for name in ("outside", "spilling", "brokenNumbers"):
        if found[name]:
            yield f"{name}: {found[name][:4]}"
    if found["overflow"] > 0:
        yield f"the page is {found['overflow']} px wider than the screen"
    if found["cellCharacters"] < 6:
        yield f"a cell holds {found['cellCharacters']:.1f} characters"
    if found["rowLines"] > row_lines * 1.55:
        yield f"a row is {found['rowLines']:.1f} em high"
    if found["countLines"] > 2.4:
        yield "a count is broken over lines"
    if found["barShares"] and not 0.99 < min(found["barShares"]) <= max(found["barShares"]) < 1.01:
        yield f"bars take {min(found['barShares'])} to {max(found['barShares'])} of their place"
    if found["barHeights"] and not 5 < min(found["barHeights"]) <= max(found["barHeights"]) < 16:
        yield f"bars are {found['barHeights']} px high"
    if found["thinnest"] < 1:
        yield f"a part of a bar is {found['thinnest']} px wide"


ROOMS = (1, 30, 84, 720, 30_000)


@pytest.mark.parametrize("rooms", ROOMS)
async def test_rows_of_any_size_keep_their_columns(page: Page, rooms: int) -> None:
    """The front page and an office, with so many rooms a row, on every width: readable columns, whole numbers."""
    schools = bureaus.bureau(7, rooms)
    async with serving(schools, bureaus.names()) as server:
        for path in ("/", "/office/511400", "/?lang=en", "/office/511401?lang=en"):
            assert await broken(page, server, path) == {}, path


@pytest.mark.parametrize("rooms", [1, 30, 84, 720])
async def test_a_school_of_any_size(page: Page, rooms: int) -> None:
    """The school's page with every mood of room, its tests and trunks."""
    schools = {s.roster.school: s for s in (bureaus.school(0, rooms), bureaus.school(1, rooms, "silent"))}
    async with serving(schools, bureaus.names()) as server:
        for path in ("/school/5114000000", "/school/5114000001?lang=en", "/school/5114000000?page=2"):
            assert await broken(page, server, path) == {}, path


@pytest.mark.parametrize("schools", [2, 60, 2_000])
async def test_any_number_of_schools(page: Page, schools: int) -> None:
    """Up to a city's, in seven offices: the same columns, and pages of a hundred."""
    async with serving(bureaus.bureau(schools, 15, offices=7), bureaus.names(7)) as server:
        for path in ("/", "/office/511400"):
            assert await broken(page, server, path) == {}, path
        assert await page.evaluate("document.querySelectorAll('tbody tr').length") <= 100


async def test_the_longest_names(page: Page) -> None:
    """Names of forty characters, and of a hundred without a blank, are broken and push nothing out."""
    schools, names = bureaus.long_named()
    async with serving(schools, names) as server:
        for path in ("/", "/office/511400", "/office/511401", "/school/5114000000", "/school/5114000001"):
            assert await broken(page, server, path, name_lines=6) == {}, path


async def test_nothing_to_count(page: Page) -> None:
    """An office without schools, a school without rooms, one whose rooms are all exempt: words instead of a bar."""
    empty = replace(bureaus.school(0, 0, "never", office="511400"))
    exempt = bureaus.school(1, 3, "good", office="511400")
    rooms = {k: replace(r, exempt="2026 年拆除") for k, r in exempt.roster.classrooms.items()}
    exempt = replace(exempt, roster=replace(exempt.roster, classrooms=rooms))
    schools = {s.roster.school: s for s in (empty, exempt)}
    async with serving(schools, bureaus.names()) as server:
        for path in ("/", "/office/511400", "/office/511401", "/school/5114000000", "/school/5114000001", "/school/x"):
            assert await broken(page, server, path) == {}, path
        await page.open(str(server.make_url("/office/511400")))
        assert await page.evaluate("document.querySelector('#school-5114000000 .numbers').innerText") == "没有教室"
        await page.open(str(server.make_url("/")))
        assert "NaN" not in await page.evaluate("document.documentElement.outerHTML")


async def test_the_evidence_of_tests(page: Page) -> None:
    """The longest lines there are, with every detail open."""
    school = leg_school()
    async with serving({school.roster.school: school}, bureaus.names()) as server:
        await page.open(str(server.make_url(f"/school/{school.roster.school}")))
        await page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        for width in WIDTHS:
            await page.resize(width)
            assert list(faults(await page.evaluate(MEASURE), width)) == [], width


def sights(schools: dict[str, School]) -> list[Sight]:
    """Of each school a gateway of its own: everything wrong with it, nothing, and one of which nothing is known."""
    told = Upgrade(version="0.2.0-bbbbbbbb", state="rolled_back", reason="unhealthy")
    bad = gateway_heard(
        silent=True, last_committed_at=NOW - 1e7, clock_skew_s=-9e6, spool_records=123_456, dropped_records=1_234_567,
        box=Box(release="0.1.0-1f70235a", certificate_expires_at=NOW + 5e8, upgrade=told),
    )  # fmt: skip
    refused = SettingsSeen("a" * 16, "b" * 16, ("targets[0].devices[" + "x" * 120, "没有这个设置" * 20))
    failed = Mark(gateway="g", offered_at=NOW, failed_at=NOW, reason="unhealthy")
    states: list[Any] = [(bad, failed, refused), (gateway_heard(), None, None), (None, None, None)]
    return [
        Sight(
            school.roster.gateways[0], (name,), school.roster.office, state, "by_hand", mark, settings, found_count=99
        )
        for n, (name, school) in enumerate(schools.items())
        for state, mark, settings in [states[n % 3]]
    ]


async def test_the_fleet(page: Page) -> None:
    """Every trouble at once, and the longest names, while an upgrade has stopped."""
    plan = Plan(version="0.2.0-bbbbbbbb", canary="511400", percent=10, by="王主任", asked_at=NOW, state="halted")
    upgrading = Upgrading(plan, {}, (plan.version,))
    for schools, names in ((bureaus.bureau(120, 1), bureaus.names()), bureaus.long_named()):
        seen = sights(schools)
        fleet = Fleet(sights=lambda seen=seen: seen, upgrading=lambda: upgrading)  # type: ignore[misc]
        async with serving(schools, names, fleet) as server:
            for path in ("/fleet", "/fleet?lang=en", "/fleet?trouble=silent&lang=zh"):
                assert await broken(page, server, path, name_lines=30) == {}, path
            assert await page.evaluate("document.querySelectorAll('tbody tr').length") <= 100
