"""What Prometheus scrapes and what people look at: metrics, discovery, health and the board.

Pages are rendered on the server, escape everything, and run without scripts.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import Counter

from collector.core.state import School
from collector.exposition import CONTENT_TYPE, Exposition
from collector.text import LANGUAGES, Language, ago, duration, local_time, rate, say
from collector.views import Bureau, CauseCount, Counts, SchoolSummary, show, summarise

REFRESH_S = 30
PAGE_SIZE = 100
_URGENCY = ("no", "unknown", "yes", "exempt")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

HERE = Path(__file__).parent

_REQUESTS = Counter(
    "classready_collector_http_requests_total", "Requests answered, by route and status code.", ["route", "code"]
)
_AUTH_FAILURES = Counter(
    "classready_collector_http_auth_failures_total", "Requests without a good token, by what was asked for.", ["kind"]
)


def routes(bureau: Bureau, exposition: Exposition, ready: Callable[[], bool]) -> list[web.AbstractRouteDef]:
    """``ready`` says whether reports can be accepted and committed."""
    return [
        *_metrics_routes(bureau, exposition),
        *_board_routes(bureau),
        web.get("/healthz", _alive),
        web.get("/readyz", partial(_ready, ready)),
        web.static("/static", HERE / "static"),
    ]


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _ready(ready: Callable[[], bool], _request: web.Request) -> web.Response:
    return web.Response(text="ready\n") if ready() else web.Response(status=503, text="not ready\n")


# --- Prometheus -----------------------------------------------------------------------------------------------------


def _metrics_routes(bureau: Bureau, exposition: Exposition) -> list[web.RouteDef]:
    async def own(_request: web.Request) -> web.Response:
        return _exposed(exposition.self_metrics(_offices(bureau)))

    async def office(request: web.Request) -> web.Response:
        office_id = request.match_info["office"]
        if office_id not in _offices(bureau):
            raise web.HTTPNotFound
        return _exposed(exposition.office(office_id))

    async def everything(_request: web.Request) -> web.Response:
        return _exposed(exposition.everything())

    async def discovery(request: web.Request) -> web.Response:
        return web.json_response([_target(request.host, office_id) for office_id in _offices(bureau)])

    return [
        web.get("/metrics", own),
        web.get("/metrics/office/{office}", office),
        web.get("/metrics/all", everything),
        web.get("/sd/prometheus", discovery),
    ]


def _exposed(text: bytes) -> web.Response:
    response = web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})
    response.enable_compression()
    return response


def _target(host: str, office_id: str) -> dict[str, Any]:
    labels = {"__metrics_path__": f"/metrics/office/{office_id}", "classready_shard": office_id}
    return {"targets": [host], "labels": labels}


def _offices(bureau: Bureau) -> Mapping[str, str]:
    return dict(sorted(bureau.names().offices.items()))


# --- the board ------------------------------------------------------------------------------------------------------

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _board_routes(bureau: Bureau) -> list[web.RouteDef]:
    async def offices(request: web.Request) -> web.Response:
        return _page(bureau, request, "offices.html", _offices_page(bureau, _language(bureau, request)))

    async def office(request: web.Request) -> web.Response:
        office_id = request.match_info["office"]
        if office_id not in _offices(bureau):
            return _page(bureau, request, "missing.html", {}, status=404)
        page = _office_page(bureau, office_id, _page_number(request), _language(bureau, request))
        return _page(bureau, request, "office.html", page)

    async def school(request: web.Request) -> web.Response:
        found = bureau.schools().get(request.match_info["school"])
        if found is None:
            return _page(bureau, request, "missing.html", {}, status=404)
        view = show(found, bureau.names(), bureau.policy(), bureau.clock(), _language(bureau, request))
        rooms = sorted(view.classrooms, key=lambda room: _URGENCY.index(room.ready))
        return _page(bureau, request, "school.html", {"view": view, "summary": view.summary, "rooms": rooms})

    return [web.get("/", offices), web.get("/office/{office}", office), web.get("/school/{school}", school)]


def _offices_page(bureau: Bureau, language: Language) -> dict[str, Any]:
    by_office: dict[str, list[SchoolSummary]] = {office: [] for office in _offices(bureau)}
    for summary in _summaries(bureau, bureau.schools().values(), language):
        by_office.setdefault(summary.office, []).append(summary)
    names = bureau.names()
    rows = [{"id": office, "name": names.office(office), **_totals(own)} for office, own in by_office.items()]
    return {"offices": rows, "total": _totals([s for own in by_office.values() for s in own])}


def _office_page(bureau: Bureau, office_id: str, page: int, language: Language) -> dict[str, Any]:
    own = [school for school in bureau.schools().values() if school.roster.office == office_id]
    summaries = sorted(_summaries(bureau, own, language), key=_worst_first)
    pages = max(1, -(-len(summaries) // PAGE_SIZE))
    page = min(page, pages)
    shown = summaries[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    name = bureau.names().office(office_id)
    return {"id": office_id, "name": name, "total": _totals(summaries), "schools": shown, "page": page, "pages": pages}


def _summaries(bureau: Bureau, schools: Iterable[School], language: Language) -> list[SchoolSummary]:
    names = bureau.names()
    return [summarise(school, names, language) for school in schools]


def _worst_first(summary: SchoolSummary) -> tuple[int, int, str]:
    return -summary.ready.no, -summary.ready.unknown, summary.name


def _totals(summaries: list[SchoolSummary]) -> dict[str, Any]:
    causes: dict[str, CauseCount] = {}
    for found in (cause for summary in summaries for cause in summary.causes):
        known = causes.get(found.cause)
        count = found.classrooms + (known.classrooms if known else 0)
        causes[found.cause] = CauseCount(cause=found.cause, classrooms=count, text=found.text)
    return {
        "schools": len(summaries),
        "classrooms": sum(summary.classrooms for summary in summaries),
        "ready": _sum(summary.ready for summary in summaries),
        "compliant": _sum(summary.compliant for summary in summaries),
        "causes": sorted(causes.values(), key=lambda cause: -cause.classrooms),
    }


def _sum(parts: Iterable[Counts]) -> Counts:
    parts = tuple(parts)
    return Counts(
        yes=sum(part.yes for part in parts),
        no=sum(part.no for part in parts),
        unknown=sum(part.unknown for part in parts),
        exempt=sum(part.exempt for part in parts),
    )


def _page(
    bureau: Bureau, request: web.Request, template: str, content: Mapping[str, Any], status: int = 200
) -> web.Response:
    language, now = _language(bureau, request), bureau.clock()
    offset_s = bureau.names().utc_offset_s
    page = _templates.get_template(template).render(
        content,
        language=language,
        other_language=next(other for other in LANGUAGES if other != language),
        query="" if language == bureau.language else f"?lang={language}",
        path=request.path,
        t=lambda message_id, **fields: say(message_id, language, **fields),
        ago=lambda at: ago(at, now, language),
        clock=lambda at: local_time(at, offset_s, now=now),
        duration=lambda seconds: duration(seconds, language),
        required=rate(bureau.policy().required_down_bps, language),
        now=now,
        refresh_s=REFRESH_S,
    )
    return web.Response(text=page, content_type="text/html", status=status)


def _language(bureau: Bureau, request: web.Request) -> Language:
    asked = request.query.get("lang")
    return next((known for known in LANGUAGES if known == asked), bureau.language)


def _page_number(request: web.Request) -> int:
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


# --- who may read ---------------------------------------------------------------------------------------------------


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For ``app.on_response_prepare``: the safety headers on everything, and a count by route."""
    response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
    resource = request.match_info.route.resource
    _REQUESTS.labels(resource.canonical if resource else "none", response.status).inc()


def require_tokens(*, metrics: str | None = None, api: str | None = None, board: str | None = None) -> Middleware:
    """Ask for a bearer token (or, for the board, its Basic password) wherever one is set; None = open.

    ``/api/v1/reports`` and the health pages are left to their own handlers.
    """
    tokens = {"metrics": metrics, "api": api, "board": board}

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        kind = _kind(request.path)
        token = tokens.get(kind) if kind else None
        if kind is None or token is None or _is_good(request.headers.get("Authorization", ""), kind, token):
            return await handler(request)
        _AUTH_FAILURES.labels(kind).inc()
        scheme = "Basic" if kind == "board" else "Bearer"
        return web.Response(
            status=401, text="unauthorized\n", headers={"WWW-Authenticate": f'{scheme} realm="classready"'}
        )

    return check


def _kind(path: str) -> str | None:
    if path in {"/healthz", "/readyz", "/api/v1/reports"}:
        return None
    first = path.split("/")[1]
    return {"metrics": "metrics", "sd": "metrics", "api": "api"}.get(first, "board")


def _is_good(header: str, kind: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic" and kind == "board":
        given = _basic_password(given)
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _basic_password(credentials: str) -> str:
    """The password of user ``board``; empty, which no token is, when it cannot be read."""
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password if user == "board" else ""
