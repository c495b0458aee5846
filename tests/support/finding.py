"""Gateways that found something, in a real engine, with the pages and the API before it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from classready.observation import Found, FoundPort, Outcome, community_digest
from collector import api
from collector import web as pages
from collector.app.finds import finds_of
from collector.configuring.words import Template
from collector.engine import Engine
from collector.exposition import Exposition
from collector.text import Names
from collector.views import Bureau, Kept
from tests.support.collecting import POLICY, FakeClock, record, report
from tests.support.engines import running

KEY = bytes(32)
ROSTER = """\
office: "511402"
name: 东坡区
schools:
  - id: s1
    name: 示例中心校
    timetable: always
    classrooms: [{id: b2-301, name: 三年级1班}, {id: b2-302, name: 三年级2班}, {id: b2-303, name: 三年级3班}]
  - id: s3
    name: 示例小学
    timetable: always
    classrooms: [{id: r1}]
gateways:
  - {id: gw-one, token_sha256: ONE, schools: [s1]}
  - {id: gw-two, token_sha256: TWO, schools: [s3]}
"""
TEMPLATES = [Template(name="all", discovery={"communities": ["public", "school"]})]


def switch(**changes: Any) -> Found:
    ports = (
        FoundPort(name="GE0/0/1", label="b2-301 大屏", up=True, trunk=False),
        FoundPort(name="GE0/0/2", label="三年级2班", up=False, trunk=False),
        FoundPort(name="1/3", label="<script>alert(1)</script>", trunk=False),
        FoundPort(name="GE0/0/4", up=False, trunk=False),
        FoundPort(name="GE0/0/24", label="上联", up=True, trunk=True),
    )
    seen = {"what": "switch", "host": "10.0.0.2", "name": "sw-<b>core</b>", "ports": ports}
    return Found(**{**seen, "community_digest": community_digest("school"), "outcome": Outcome.ANSWERED, **changes})


SCHOOL = (
    Found(what="sweep", networks=("10.0.0.0/24",), address_count=253, answer_count=4),
    switch(),
    Found(what="device", host="10.0.0.31", mac="a4:5d:36:00:11:22", switch="10.0.0.2", if_name="GE0/0/1"),
    Found(what="device", host="10.0.0.32", name="Panel-303", community_digest=community_digest("public")),
    Found(what="device", host="10.0.0.99"),
)


async def tell(
    engine: Engine, clock: FakeClock, seen: Sequence[Found], gateway: str = "gw-one", first: int = 1
) -> None:
    sent = [record(n, one, wall_s=clock.now - 1) for n, one in enumerate(seen, first)]
    ack = await engine.submit(gateway, report(sent, gateway=gateway), clock.now)
    assert ack.committed


@asynccontextmanager
async def school(
    folder: Path, seen: Sequence[Found] = SCHOOL
) -> AsyncIterator[tuple[Engine, FakeClock, TestClient[Any, Any]]]:
    """An engine whose gateway gw-one found ``seen``, and a client of its pages and API."""
    async with running(folder, text=ROSTER) as (engine, _, clock):
        engine.configuring.templates = TEMPLATES
        await tell(engine, clock, seen)
        async with client_of(engine, clock) as client:
            yield engine, clock, client


@asynccontextmanager
async def client_of(engine: Engine, clock: FakeClock) -> AsyncIterator["TestClient[Any, Any]"]:
    bureau = Bureau(
        schools=lambda: engine.schools,
        kept=lambda: Kept(engine.schools.values()),
        names=partial(Names, offices={"511402": "东坡区"}),
        policy=lambda: POLICY,
        clock=clock,
        finds=finds_of(engine),
    )
    app = web.Application()
    app.on_response_prepare.append(pages.add_headers)
    app.add_routes(api.routes(bureau))
    app.add_routes(pages.routes(bureau, Exposition(POLICY), lambda: True, KEY))
    async with TestClient(TestServer(app)) as client:
        yield client
