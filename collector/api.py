"""The read-only API: what ``explain`` prints and other programs read. Described by ``/api/v1/openapi.json``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

import classready
from collector.text import LANGUAGES, Language
from collector.views import Bureau, SchoolSummary, SchoolView, show, worded

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000

_encode = msgspec.json.Encoder().encode


class SchoolList(Struct, frozen=True, kw_only=True):
    """One page of schools in the order of their ids. ``next_offset`` is null on the last page."""

    total: int
    offset: int
    next_offset: int | None
    schools: tuple[SchoolSummary, ...]


class ApiError(Struct, frozen=True, kw_only=True):
    error: str


class _Mistake(Exception):  # noqa: N818
    """The asker's fault; becomes a JSON answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def schools(request: web.Request) -> web.Response:
        return _json(_list(bureau, request.query))

    async def school(request: web.Request) -> web.Response:
        return _json(_one(bureau, request.match_info["school"], request.query))

    async def openapi(_request: web.Request) -> web.Response:
        return _json(_OPENAPI)

    async def nothing(_request: web.Request) -> web.Response:
        raise _Mistake(404, "no such resource; see /api/v1/openapi.json")

    return [
        web.get("/api/v1/schools", _answering(schools)),
        web.get("/api/v1/schools/{school}", _answering(school)),
        web.get("/api/v1/openapi.json", openapi),
        web.get("/api/{rest:.*}", _answering(nothing)),
    ]


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except _Mistake as mistake:
            return _json(ApiError(error=str(mistake)), mistake.status)

    return answer


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json", charset="utf-8")


def _list(bureau: Bureau, query: Mapping[str, str]) -> SchoolList:
    language = _language(bureau, query)
    offset, limit = _whole(query, "offset", 0), _whole(query, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise _Mistake(400, f"limit must be 1 to {LIMIT_MAX}")
    office = query.get("office")
    found = sorted(bureau.kept().schools(office), key=lambda school: school.school)
    names, end = bureau.names(), offset + limit
    return SchoolList(
        total=len(found),
        offset=offset,
        next_offset=end if end < len(found) else None,
        schools=tuple(worded(school, names, language) for school in found[offset:end]),
    )


def _one(bureau: Bureau, school_id: str, query: Mapping[str, str]) -> SchoolView:
    language = _language(bureau, query)
    school = bureau.schools().get(school_id)
    if school is None:
        raise _Mistake(404, "no such school in the roster")
    return show(school, bureau.names(), bureau.policy(), bureau.clock(), language, refusals=bureau.refusals)


def _language(bureau: Bureau, query: Mapping[str, str]) -> Language:
    asked = query.get("lang", bureau.language)
    language = next((known for known in LANGUAGES if known == asked), None)
    if language is None:
        raise _Mistake(400, f"lang must be one of: {', '.join(LANGUAGES)}")
    return language


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _Mistake(400, f"{name} must be a whole number")
    return int(text)


def _openapi() -> dict[str, Any]:
    (schools, school, error), components = msgspec.json.schema_components(
        [SchoolList, SchoolView, ApiError], ref_template="#/components/schemas/{name}"
    )
    lang = _parameter("lang", {"enum": list(LANGUAGES)}, "Language of the sentences.")
    paging = [
        _parameter("office", {"type": "string"}, "Only the schools of this office."),
        _parameter("offset", {"type": "integer", "minimum": 0, "default": 0}, "Schools to leave out."),
        _parameter(
            "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}, "Page size."
        ),
    ]
    school_id = {"name": "school", "in": "path", "required": True, "schema": {"type": "string"}}
    mistakes = {"400": _response("A wrong parameter.", error), "404": _response("Not in the roster.", error)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "classready collector",
            "version": classready.__version__,
            "description": "Read-only. Rates are bit/s, times Unix seconds; null means not known, never 0.",
        },
        "security": [{"token": []}],
        "paths": {
            "/api/v1/schools": {
                "get": {
                    "operationId": "listSchools",
                    "summary": "Schools with their counts",
                    "parameters": [*paging, lang],
                    "responses": {"200": _response("One page.", schools), "400": mistakes["400"]},
                }
            },
            "/api/v1/schools/{school}": {
                "get": {
                    "operationId": "explainSchool",
                    "summary": "One school with every verdict and what it rests on",
                    "parameters": [school_id, lang],
                    "responses": {"200": _response("The school.", school), **mistakes},
                }
            },
        },
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_OPENAPI = _openapi()
