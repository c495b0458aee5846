"""What Prometheus scrapes, health, and who may read what; the pages are ``board``'s."""

import asyncio
import base64
import binascii
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import Counter

from collector import board
from collector.ack_links import ACK_PATH, KEY_BYTES
from collector.exposition import END_OF_OPENMETRICS, Exposition
from collector.exposition.negotiation import OPENMETRICS, TEXT, wants_gzip, wants_openmetrics
from collector.exposition.pieces import Piece, gzipped, plain
from collector.views import Bureau

REFRESH_HEADER = "X-Classready-Refresh"
"""Sent by the board's own refresh: told "Bearer", a browser leaves it to the page and asks for no password."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_REQUESTS = Counter(
    "classready_collector_http_requests_total", "Requests answered, by route and status code.", ["route", "code"]
)
_AUTH_FAILURES = Counter(
    "classready_collector_http_auth_failures_total", "Requests without a good token, by what was asked for.", ["kind"]
)


def routes(
    bureau: Bureau, exposition: Exposition, ready: Callable[[], bool], key: bytes | None = None
) -> list[web.AbstractRouteDef]:
    """``ready`` says whether reports can be accepted and committed.

    ``key``: the collector's own secret, by which forms are known to come from its pages; None = they are until it ends.
    """
    return [
        *_metrics_routes(bureau, exposition),
        *board.routes(bureau, ready, key or secrets.token_bytes(KEY_BYTES)),
        web.get("/healthz", _alive),
        web.get("/readyz", partial(_ready, ready)),
    ]


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _ready(ready: Callable[[], bool], _request: web.Request) -> web.Response:
    return web.Response(text="ready\n") if ready() else web.Response(status=503, text="not ready\n")


# --- Prometheus -----------------------------------------------------------------------------------------------------


def _metrics_routes(bureau: Bureau, exposition: Exposition) -> list[web.RouteDef]:
    async def own(request: web.Request) -> web.Response:
        openmetrics = wants_openmetrics(_header(request, "Accept"))
        return await _exposed(request, exposition.self_metrics(_offices(bureau), openmetrics=openmetrics))

    async def office(request: web.Request) -> web.Response:
        office_id = request.match_info["office"]
        if office_id not in _offices(bureau):
            raise web.HTTPNotFound
        return await _exposed(request, exposition.office(office_id, bureau.clock()))

    async def everything(request: web.Request) -> web.Response:
        return await _exposed(request, exposition.everything(bureau.clock()))

    async def discovery(request: web.Request) -> web.Response:
        return web.json_response([_target(request.host, office_id) for office_id in _offices(bureau)])

    return [
        web.get("/metrics", own),
        web.get("/metrics/office/{office}", office),
        web.get("/metrics/all", everything),
        web.get("/sd/prometheus", discovery),
    ]


async def _exposed(request: web.Request, pieces: Sequence[Piece]) -> web.Response:
    headers = {"Content-Type": TEXT, "Vary": "Accept, Accept-Encoding"}
    if wants_openmetrics(_header(request, "Accept")):
        pieces = (*pieces, END_OF_OPENMETRICS)
        headers["Content-Type"] = OPENMETRICS
    if wants_gzip(_header(request, "Accept-Encoding")):
        return web.Response(body=gzipped(pieces), headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=await asyncio.to_thread(plain, pieces), headers=headers)


def _header(request: web.Request, name: str) -> str:
    """A header that is sent twice is one list (RFC 9110 section 5.3)."""
    return ",".join(request.headers.getall(name, ()))


def _target(host: str, office_id: str) -> dict[str, Any]:
    labels = {"__metrics_path__": f"/metrics/office/{office_id}", "classready_shard": office_id}
    return {"targets": [host], "labels": labels}


def _offices(bureau: Bureau) -> Mapping[str, str]:
    return dict(sorted(bureau.names().offices.items()))


# --- who may read ---------------------------------------------------------------------------------------------------


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For ``app.on_response_prepare``: the safety headers on everything, and a count by route."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    _requests(_route(request), response.status).inc()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"


@cache
def _requests(route: str, code: int) -> Counter:
    """The counter itself: to find it by its labels takes longer than to count. There are few routes and codes."""
    return _REQUESTS.labels(route, code)


def require_tokens(
    *, metrics: str | None = None, api: str | None = None, board: str | None = None, alertmanager: str | None = None
) -> Middleware:
    """Ask for a bearer token (or, for the board, its Basic password) wherever one is set; None = open.

    Each line of a text is a token of its own: an old and a new one hold side by side until all readers have the new.

    Reports and settings of gateways, enrolment, what a box is installed from, health pages and signed links are left
    to their own handlers.
    """
    tokens = {"metrics": metrics, "api": api, "board": board, "alertmanager": alertmanager}

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        kind = None if _route(request) == ACK_PATH else _kind(request.path)
        token = tokens.get(kind) if kind else None
        if kind is None or token is None or _is_good(request.headers.get("Authorization", ""), kind, token):
            return await handler(request)
        _AUTH_FAILURES.labels(kind).inc()
        by_hand = kind == "board" and REFRESH_HEADER not in request.headers
        scheme = "Basic" if by_hand else "Bearer"
        return web.Response(
            status=401, text="unauthorized\n", headers={"WWW-Authenticate": f'{scheme} realm="classready"'}
        )

    return check


_OPEN = frozenset(
    {"/healthz", "/readyz", "/api/v1/reports", "/api/v1/settings", "/api/v1/enroll", "/install", "/install/ca.pem"}
)


def _kind(path: str) -> str | None:
    if path in _OPEN or path.startswith(("/install/bundle/", "/install/release/")):
        return None
    first = path.partition("/")[2].partition("/")[0]
    return {"metrics": "metrics", "sd": "metrics", "api": "api", "alertmanager": "alertmanager"}.get(first, "board")


def _is_good(header: str, kind: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic" and kind == "board":
        given = _basic_password(given)
    elif scheme.lower() != "bearer":
        return False
    sent = given.encode("utf-8", "surrogateescape")
    return max(hmac.compare_digest(sent, one.encode()) for one in token.splitlines())  # asks all, whichever is right


def _basic_password(credentials: str) -> str:
    """The password of user ``board``; empty, which no token is, when it cannot be read."""
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password if user == "board" else ""
