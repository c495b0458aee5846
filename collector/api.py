"""What programs read, ``explain`` among them, and where a person says that he is on an incident.

Described by ``/api/v1/openapi.json``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

import classready
from collector import broker_api, enrol_api, fleet_api, found_api, objections_api, records_api
from collector.core.bureau.words import Acknowledged
from collector.query import (
    BY_MAX_CHARACTERS,
    LANG,
    NOTE_MAX_CHARACTERS,
    PAGING,
    ApiError,
    Mistake,
    answering,
    json_answer,
    language_of,
    one_line,
    parameter,
    read_json,
    response,
    window,
)
from collector.views import Bureau, SchoolSummary, SchoolView, show, worded
from collector.views.incident import IncidentView, all_open, concerning, look_up, shown, shown_closed


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


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def schools(request: web.Request) -> web.Response:
        return json_answer(_list(bureau, request.query))

    async def school(request: web.Request) -> web.Response:
        return json_answer(_one(bureau, request.match_info["school"], request.query))

    async def incidents(request: web.Request) -> web.Response:
        return json_answer(await _incidents(bureau, request.query))

    async def incident(request: web.Request) -> web.Response:
        return json_answer(await _incident(bureau, request.match_info["incident"], request.query))

    async def take(request: web.Request) -> web.Response:
        return json_answer(await _acknowledge(bureau, request))

    async def openapi(_request: web.Request) -> web.Response:
        return json_answer(_OPENAPI)

    async def nothing(_request: web.Request) -> web.Response:
        raise Mistake(404, "no such resource; see /api/v1/openapi.json")

    return [
        web.get("/api/v1/schools", answering(schools)),
        web.get("/api/v1/schools/{school}", answering(school)),
        web.get("/api/v1/incidents", answering(incidents)),
        web.get("/api/v1/incidents/{incident}", answering(incident)),
        web.post("/api/v1/incidents/{incident}/acknowledge", answering(take)),
        *records_api.routes(bureau),
        *objections_api.routes(bureau),
        *found_api.routes(bureau),
        web.get("/api/v1/openapi.json", openapi),
        web.get("/api/{rest:.*}", answering(nothing)),
    ]


def _list(bureau: Bureau, query: Mapping[str, str]) -> SchoolList:
    language = language_of(bureau, query)
    offset, limit = window(query)
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
    language = language_of(bureau, query)
    school = bureau.schools().get(school_id)
    if school is None:
        raise Mistake(404, "no such school in the roster")
    return show(
        school,
        bureau.names(),
        bureau.policy(),
        bureau.clock(),
        language,
        refusals=bureau.refusals,
        settings=bureau.settings,
        incidents=concerning(bureau.incidents.open(), school_id),
    )


async def _incidents(bureau: Bureau, query: Mapping[str, str]) -> IncidentList:
    language, names, office = language_of(bureau, query), bureau.names(), query.get("office")
    offset, limit = window(query)
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
    found = await look_up(bureau.incidents, number, bureau.names(), language_of(bureau, query))
    if found is None:
        raise Mistake(404, "no such incident")
    return found


async def _acknowledge(bureau: Bureau, request: web.Request) -> IncidentView:
    asked = checked(await read_json(request, Acknowledge, "acknowledgement"))
    before = await _incident(bureau, request.match_info["incident"], request.query)
    number = before.incident
    if before.state == "closed":
        raise Mistake(409, f"incident {number} is closed: nothing was changed")
    await acknowledge(bureau, number, asked)
    return await _incident(bureau, number, request.query)


async def acknowledge(bureau: Bureau, number: str, asked: Acknowledge) -> None:
    """Note who is on it; it is durable then. Raises ``STORE_AWAY``."""
    await bureau.incidents.acknowledge(Acknowledged(incident=number, by=asked.name, note=asked.note, at=bureau.clock()))


def checked(asked: Acknowledge) -> Acknowledge:
    """Return it as it is shown and told: each on one line. Raises ``Mistake``."""
    return Acknowledge(
        name=one_line("name", asked.name, BY_MAX_CHARACTERS, least=1),
        note=one_line("note", asked.note, NOTE_MAX_CHARACTERS, least=0),
    )


_DESCRIBED = (*enrol_api.DESCRIBED, *broker_api.DESCRIBED, *fleet_api.DESCRIBED, *found_api.DESCRIBED)


def _openapi() -> dict[str, Any]:
    (schools, school, incidents, incident, acknowledge, error, *others), components = msgspec.json.schema_components(
        [
            SchoolList,
            SchoolView,
            IncidentList,
            IncidentView,
            Acknowledge,
            ApiError,
            *records_api.DESCRIBED,
            *objections_api.DESCRIBED,
            *_DESCRIBED,
        ],
        ref_template="#/components/schemas/{name}",
    )
    described = dict(zip(_DESCRIBED, others[-len(_DESCRIBED) :], strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "classready collector",
            "version": classready.__version__,
            "description": "Rates are bit/s, times Unix seconds; null means not known, never 0.",
        },
        "security": [{"token": []}],
        "paths": {
            **_school_paths(schools, school, error),
            **_incident_paths(incidents, incident, acknowledge, error),
            **records_api.described(others[0], others[1], error),
            **objections_api.described(others[2], others[3], others[4], error),
            **enrol_api.described(described, error),
            **broker_api.described(described, error),
            **fleet_api.described(described, error),
            **found_api.described(described, error),
        },
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _school_paths(page: dict[str, Any], one: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    school_id = {"name": "school", "in": "path", "required": True, "schema": {"type": "string"}}
    mistakes = {"400": response("A wrong parameter.", error), "404": response("Not in the roster.", error)}
    return {
        "/api/v1/schools": {
            "get": {
                "operationId": "listSchools",
                "summary": "Schools with their counts",
                "parameters": [*PAGING, LANG],
                "responses": {"200": response("One page.", page), "400": mistakes["400"]},
            }
        },
        "/api/v1/schools/{school}": {
            "get": {
                "operationId": "explainSchool",
                "summary": "One school with every verdict and what it rests on",
                "parameters": [school_id, LANG],
                "responses": {"200": response("The school.", one), **mistakes},
            }
        },
    }


def _incident_paths(
    page: dict[str, Any], one: dict[str, Any], acknowledge: dict[str, Any], error: dict[str, Any]
) -> dict[str, Any]:
    number = {"name": "incident", "in": "path", "required": True, "schema": {"type": "string"}}
    state = parameter("state", {"enum": ["open", "closed"], "default": "open"}, "Open ones, or the history.")
    mistakes = {
        "400": response("A wrong parameter.", error),
        "503": response("The store does not answer; try again.", error),
    }
    missing = {"404": response("No such incident.", error)}
    return {
        "/api/v1/incidents": {
            "get": {
                "operationId": "listIncidents",
                "summary": "Open or closed incidents with their counts",
                "parameters": [state, *PAGING, LANG],
                "responses": {"200": response("One page.", page), **mistakes},
            }
        },
        "/api/v1/incidents/{incident}": {
            "get": {
                "operationId": "showIncident",
                "summary": "One incident; while it is open, with its schools and rooms",
                "parameters": [number, LANG],
                "responses": {"200": response("The incident.", one), **mistakes, **missing},
            }
        },
        "/api/v1/incidents/{incident}/acknowledge": {
            "post": {
                "operationId": "acknowledgeIncident",
                "summary": "Say who is on an open incident; the last word counts",
                "parameters": [number, LANG],
                "requestBody": {"required": True, "content": {"application/json": {"schema": acknowledge}}},
                "responses": {
                    "200": response("The incident, as it is now.", one),
                    **mistakes,
                    **missing,
                    "409": response("It is closed; nothing was changed.", error),
                    "413": response("The body is too long.", error),
                    "415": response("The body is no JSON.", error),
                },
            }
        },
    }


_OPENAPI = _openapi()
