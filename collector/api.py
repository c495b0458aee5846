"""What programs read, ``explain`` among them, and where a person says that he is on an incident.

Described by ``/api/v1/openapi.json``.
"""

import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

import classready
from collector.core.bureau.words import Acknowledged
from collector.engine import CommitFailedError
from collector.store.transaction import StoreAwayError
from collector.text import LANGUAGES, Language
from collector.views import Bureau, SchoolSummary, SchoolView, show, worded
from collector.views.incident import IncidentView, all_open, look_up, shown, shown_closed

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
BY_MAX_CHARACTERS = 40
NOTE_MAX_CHARACTERS = 200
BODY_MAX_BYTES = 4_096

STORE_AWAY = (CommitFailedError, StoreAwayError)

_encode = msgspec.json.Encoder().encode


class SchoolList(Struct, frozen=True, kw_only=True):
    """One page of schools in the order of their ids. ``next_offset`` is null on the last page."""

    total: int
    offset: int
    next_offset: int | None
    schools: tuple[SchoolSummary, ...]


class IncidentList(Struct, frozen=True, kw_only=True):
    """One page: open ones oldest first, closed ones newest first. ``next_offset`` is null on the last page."""

    total: int
    offset: int
    next_offset: int | None
    incidents: tuple[IncidentView, ...]


class Acknowledge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on it. At most 40 and 200 characters, each on one line."""

    name: str
    note: str = ""


class ApiError(Struct, frozen=True, kw_only=True):
    error: str


class Mistake(Exception):  # noqa: N818
    """The asker's fault; becomes a JSON answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def schools(request: web.Request) -> web.Response:
        return _json(_list(bureau, request.query))

    async def school(request: web.Request) -> web.Response:
        return _json(_one(bureau, request.match_info["school"], request.query))

    async def incidents(request: web.Request) -> web.Response:
        return _json(await _incidents(bureau, request.query))

    async def incident(request: web.Request) -> web.Response:
        return _json(await _incident(bureau, request.match_info["incident"], request.query))

    async def take(request: web.Request) -> web.Response:
        return _json(await _acknowledge(bureau, request))

    async def openapi(_request: web.Request) -> web.Response:
        return _json(_OPENAPI)

    async def nothing(_request: web.Request) -> web.Response:
        raise Mistake(404, "no such resource; see /api/v1/openapi.json")

    return [
        web.get("/api/v1/schools", _answering(schools)),
        web.get("/api/v1/schools/{school}", _answering(school)),
        web.get("/api/v1/incidents", _answering(incidents)),
        web.get("/api/v1/incidents/{incident}", _answering(incident)),
        web.post("/api/v1/incidents/{incident}/acknowledge", _answering(take)),
        web.get("/api/v1/openapi.json", openapi),
        web.get("/api/{rest:.*}", _answering(nothing)),
    ]


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Mistake as mistake:
            return _json(ApiError(error=str(mistake)), mistake.status)
        except STORE_AWAY:
            return _json(ApiError(error="the store does not answer; try again"), 503)

    return answer


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json", charset="utf-8")


def _list(bureau: Bureau, query: Mapping[str, str]) -> SchoolList:
    language = _language(bureau, query)
    offset, limit = _window(query)
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
        raise Mistake(404, "no such school in the roster")
    return show(school, bureau.names(), bureau.policy(), bureau.clock(), language, refusals=bureau.refusals)


async def _incidents(bureau: Bureau, query: Mapping[str, str]) -> IncidentList:
    language, names, office = _language(bureau, query), bureau.names(), query.get("office")
    offset, limit = _window(query)
    match query.get("state", "open"):
        case "open":
            found = all_open(bureau.incidents.open(), office)
            total, scopes = len(found), bureau.incidents.scopes()
            page = [shown(i, scopes, names, language, with_schools=False) for i in found[offset : offset + limit]]
        case "closed":
            total, rows = await bureau.incidents.closed(office, offset, limit)
            page = [shown_closed(row, names, language) for row in rows]
        case _:
            raise Mistake(400, "state must be one of: open, closed")
    end = offset + limit
    return IncidentList(total=total, offset=offset, next_offset=end if end < total else None, incidents=tuple(page))


async def _incident(bureau: Bureau, number: str, query: Mapping[str, str]) -> IncidentView:
    found = await look_up(bureau.incidents, number, bureau.names(), _language(bureau, query))
    if found is None:
        raise Mistake(404, "no such incident")
    return found


async def _acknowledge(bureau: Bureau, request: web.Request) -> IncidentView:
    asked = await _read(request)
    before = await _incident(bureau, request.match_info["incident"], request.query)
    number = before.incident
    if before.state == "closed":
        raise Mistake(409, f"incident {number} is closed: nothing was changed")
    await acknowledge(bureau, number, asked)
    return await _incident(bureau, number, request.query)


async def acknowledge(bureau: Bureau, number: str, asked: Acknowledge) -> None:
    """Note who is on it; it is durable then. Raises ``STORE_AWAY``."""
    await bureau.incidents.acknowledge(Acknowledged(incident=number, by=asked.name, note=asked.note, at=bureau.clock()))


async def _read(request: web.Request) -> Acknowledge:
    """Read who acts. A page elsewhere can have a browser send a form, but no JSON."""
    if request.content_type != "application/json":
        raise Mistake(415, "send application/json")
    body = await read_body(request)
    try:
        asked = msgspec.json.decode(body, type=Acknowledge)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Mistake(400, f"no acknowledgement: {error}") from None
    return checked(asked)


async def read_body(request: web.Request) -> bytes:
    """Read to the end, however many packets it comes in, but for a body that is too long: that is ``Mistake`` 413."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise Mistake(413, f"more than {BODY_MAX_BYTES} bytes")
    return bytes(body)


def checked(asked: Acknowledge) -> Acknowledge:
    """Return it as it is shown and told: each on one line. Raises ``Mistake``."""
    return Acknowledge(
        name=_line("name", asked.name, BY_MAX_CHARACTERS, least=1),
        note=_line("note", asked.note, NOTE_MAX_CHARACTERS, least=0),
    )


def _line(field: str, text: str, most: int, *, least: int) -> str:
    """One line without control or format characters: it is shown on pages and in chats."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", text))
    line = " ".join(visible.split())
    if not least <= len(line) <= most:
        raise Mistake(400, f"{field} must have {least} to {most} characters")
    return line


def _window(query: Mapping[str, str]) -> tuple[int, int]:
    offset, limit = _whole(query, "offset", 0), _whole(query, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise Mistake(400, f"limit must be 1 to {LIMIT_MAX}")
    return offset, limit


def _language(bureau: Bureau, query: Mapping[str, str]) -> Language:
    asked = query.get("lang", bureau.language)
    language = next((known for known in LANGUAGES if known == asked), None)
    if language is None:
        raise Mistake(400, f"lang must be one of: {', '.join(LANGUAGES)}")
    return language


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Mistake(400, f"{name} must be a whole number")
    return int(text)


def _openapi() -> dict[str, Any]:
    (schools, school, incidents, incident, acknowledge, error), components = msgspec.json.schema_components(
        [SchoolList, SchoolView, IncidentList, IncidentView, Acknowledge, ApiError],
        ref_template="#/components/schemas/{name}",
    )
    school_id = {"name": "school", "in": "path", "required": True, "schema": {"type": "string"}}
    mistakes = {"400": _response("A wrong parameter.", error), "404": _response("Not in the roster.", error)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "classready collector",
            "version": classready.__version__,
            "description": "Rates are bit/s, times Unix seconds; null means not known, never 0.",
        },
        "security": [{"token": []}],
        "paths": {
            "/api/v1/schools": {
                "get": {
                    "operationId": "listSchools",
                    "summary": "Schools with their counts",
                    "parameters": [*_PAGING, _LANG],
                    "responses": {"200": _response("One page.", schools), "400": mistakes["400"]},
                }
            },
            "/api/v1/schools/{school}": {
                "get": {
                    "operationId": "explainSchool",
                    "summary": "One school with every verdict and what it rests on",
                    "parameters": [school_id, _LANG],
                    "responses": {"200": _response("The school.", school), **mistakes},
                }
            },
            **_incident_paths(incidents, incident, acknowledge, error),
        },
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _incident_paths(
    page: dict[str, Any], one: dict[str, Any], acknowledge: dict[str, Any], error: dict[str, Any]
) -> dict[str, Any]:
    number = {"name": "incident", "in": "path", "required": True, "schema": {"type": "string"}}
    state = _parameter("state", {"enum": ["open", "closed"], "default": "open"}, "Open ones, or the history.")
    mistakes = {
        "400": _response("A wrong parameter.", error),
        "503": _response("The store does not answer; try again.", error),
    }
    missing = {"404": _response("No such incident.", error)}
    return {
        "/api/v1/incidents": {
            "get": {
                "operationId": "listIncidents",
                "summary": "Open or closed incidents with their counts",
                "parameters": [state, *_PAGING, _LANG],
                "responses": {"200": _response("One page.", page), **mistakes},
            }
        },
        "/api/v1/incidents/{incident}": {
            "get": {
                "operationId": "showIncident",
                "summary": "One incident; while it is open, with its schools and rooms",
                "parameters": [number, _LANG],
                "responses": {"200": _response("The incident.", one), **mistakes, **missing},
            }
        },
        "/api/v1/incidents/{incident}/acknowledge": {
            "post": {
                "operationId": "acknowledgeIncident",
                "summary": "Say who is on an open incident; the last word counts",
                "parameters": [number, _LANG],
                "requestBody": {"required": True, "content": {"application/json": {"schema": acknowledge}}},
                "responses": {
                    "200": _response("The incident, as it is now.", one),
                    **mistakes,
                    **missing,
                    "409": _response("It is closed; nothing was changed.", error),
                    "413": _response("The body is too long.", error),
                    "415": _response("The body is no JSON.", error),
                },
            }
        },
    }


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_LANG = _parameter("lang", {"enum": list(LANGUAGES)}, "Language of the sentences.")
_PAGING = [
    _parameter("office", {"type": "string"}, "Only what belongs to this office."),
    _parameter("offset", {"type": "integer", "minimum": 0, "default": 0}, "Entries to leave out."),
    _parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}, "Page size."
    ),
]
_OPENAPI = _openapi()
