"""Metrics, discovery, health, headers and tokens."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import api
from collector import web as pages
from collector.core.policy import Policy
from collector.exposition import Exposition
from collector.views import Bureau, Kept
from tests.support.samples import NAMES, NOW, demo_school

Client = TestClient[web.Request, web.Application]
TOKENS = {"metrics": "m-secret", "api": "a-secret", "board": "b-secret", "alertmanager": "r-secret"}


@asynccontextmanager
async def serving(tokens: dict[str, str] | None = None, *, ready: bool = True) -> AsyncIterator[Client]:
    school = demo_school()
    policy = Policy()
    bureau = Bureau(
        schools=lambda: {school.roster.school: school},
        kept=lambda: Kept([school]),
        names=lambda: NAMES,
        policy=lambda: policy,
        clock=lambda: NOW,
    )
    exposition = Exposition(policy)
    exposition.update(school, NOW)
    app = web.Application(middlewares=[pages.require_tokens(**(tokens or {}))])
    app.add_routes([*pages.routes(bureau, exposition, lambda: ready), *api.routes(bureau)])
    app.on_response_prepare.append(pages.add_headers)
    async with TestClient(TestServer(app)) as client:
        yield client


async def fetch(client: Client, path: str, **headers: str) -> tuple[int, str]:
    async with client.get(path, headers=headers) as response:
        return response.status, await response.text()


async def test_discovery_names_one_target_per_office() -> None:
    """Only the path and the shard are set, so that no label of ours is renamed to exported_office."""
    async with serving() as client, client.get("/sd/prometheus", headers={"Host": "bureau.example:9711"}) as response:
        assert response.content_type == "application/json"
        assert await response.json() == [
            {
                "targets": ["bureau.example:9711"],
                "labels": {"__metrics_path__": f"/metrics/office/{office}", "classready_shard": office},
            }
            for office in ("511402", "511421")
        ]


async def test_metrics_pages() -> None:
    """An office of the roster answers, even without schools; another does not exist."""
    async with serving() as client:
        async with client.get("/metrics/office/511402") as response:
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert 'classready_classroom_ready{office="511402"' in await response.text()
        assert await fetch(client, "/metrics/office/511421") == (200, "")
        assert (await fetch(client, "/metrics/office/nobody"))[0] == 404
        assert "classready_gateway_up" in (await fetch(client, "/metrics/all"))[1]
        own = (await fetch(client, "/metrics"))[1]
        assert "classready_office_classrooms" in own
        assert 'classready_collector_http_requests_total{code="200",route="/metrics/office/{office}"}' in own


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_health(ready: bool, status: int) -> None:  # noqa: FBT001
    """Alive is not ready; neither tells anything else."""
    async with serving(TOKENS, ready=ready) as client:
        assert await fetch(client, "/healthz") == (200, "ok\n")
        assert await fetch(client, "/readyz") == (status, "ready\n" if ready else "not ready\n")


ROUTES = [
    "/",
    "/office/511402",
    "/office/x",
    "/school/5114020001",
    "/school/x",
    "/metrics",
    "/metrics/office/x",
    "/metrics/all",
    "/sd/prometheus",
    "/api/v1/schools",
    "/api/v1/x",
    "/static/board.css",
    "/healthz",
    "/nothing",
]


@pytest.mark.parametrize("path", ROUTES)
async def test_every_answer_carries_the_safety_headers(path: str) -> None:
    """Found, not found or refused: the content policy is on all of them."""
    for tokens in ({}, TOKENS):
        async with serving(tokens) as client, client.get(path) as response:
            for name, value in pages.HEADERS.items():
                assert response.headers[name] == value
            assert "unsafe" not in response.headers["Content-Security-Policy"]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        pytest.param("/metrics", "", 401, id="metrics without"),
        pytest.param("/metrics", "Bearer m-secret", 200, id="metrics"),
        pytest.param("/metrics", "bearer m-secret", 200, id="scheme in any case"),
        pytest.param("/metrics/office/511402", "Bearer a-secret", 401, id="another's token"),
        pytest.param("/metrics/all", basic("board", "m-secret"), 401, id="metrics takes no basic"),
        pytest.param("/sd/prometheus", "Bearer m-secret", 200, id="discovery"),
        pytest.param("/api/v1/schools", "Bearer a-secret", 200, id="api"),
        pytest.param("/api/v1/openapi.json", "", 401, id="api without"),
        pytest.param("/", basic("board", "b-secret"), 200, id="board by password"),
        pytest.param("/", "Bearer b-secret", 200, id="board by token"),
        pytest.param("/", basic("admin", "b-secret"), 401, id="board, wrong user"),
        pytest.param("/", basic("board", ""), 401, id="board, empty password"),
        pytest.param("/", "Basic !!!", 401, id="board, not base64"),
        pytest.param("/", "Basic /w==", 401, id="board, not utf-8"),
        pytest.param("/", "Bearer \u00e9", 401, id="not ascii"),
        pytest.param("/school/5114020001", "Bearer", 401, id="no token in it"),
        pytest.param("/nothing", "", 401, id="what does not exist is not told"),
        pytest.param("/alertmanager", "", 401, id="alertmanager without"),
        pytest.param("/alertmanager/chat", "Bearer b-secret", 401, id="alertmanager with another's token"),
        pytest.param("/alertmanager/chat", "Bearer r-secret", 404, id="alertmanager, not served here"),
        pytest.param("/metrics/", "", 401, id="no way round by spelling"),
        pytest.param("/%6detrics", "", 401, id="no way round by encoding"),
    ],
)
async def test_tokens(path: str, authorization: str, status: int) -> None:
    """Each kind of reader has its own token."""
    async with serving(TOKENS) as client:
        assert (await fetch(client, path, Authorization=authorization))[0] == status


@pytest.mark.parametrize("given", ["new", "old"])
async def test_an_old_and_a_new_token_hold_side_by_side(given: str) -> None:
    """Until all readers have the new one; both together are no third."""
    async with serving({"metrics": "new\nold"}) as client:
        assert (await fetch(client, "/metrics", Authorization=f"Bearer {given}"))[0] == 200
        for wrong in ("newold", "new old", "", "ol"):
            assert (await fetch(client, "/metrics", Authorization=f"Bearer {wrong}"))[0] == 401


async def test_a_refused_reader_is_asked_and_counted() -> None:
    """A browser asks for the board's password, a program is told Bearer; failures are a metric."""
    async with serving(TOKENS) as client:
        async with client.get("/") as response:
            assert response.headers["WWW-Authenticate"] == 'Basic realm="classready"'
        async with client.get("/", headers={pages.REFRESH_HEADER: "1"}) as response:
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="classready"', "no dialog on a wall"
        async with client.get("/metrics") as response:
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="classready"'
        _, text = await fetch(client, "/metrics", Authorization="Bearer m-secret")
        assert 'classready_collector_http_auth_failures_total{kind="board"}' in text


async def test_without_tokens_loopback_is_open() -> None:
    """Embedded defaults need no secret."""
    async with serving() as client:
        assert (await fetch(client, "/"))[0] == 200
        assert (await fetch(client, "/api/v1/schools"))[0] == 200
