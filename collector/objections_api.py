"""Where a school objects to a verdict (申诉), and where what came of it is read."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from collector.core.directives import directives
from collector.core.objection import Objection, found, legs_of, orders, quiet_until
from collector.core.state import School
from collector.core.words import Cause
from collector.engine import ObjectedAlreadyError, TooManyObjectionsError
from collector.query import (
    BY_MAX_CHARACTERS,
    LANG,
    NOTE_MAX_CHARACTERS,
    PAGING,
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
from collector.store.objections import NewObjection
from collector.text import Language, machine_time, moment, say
from collector.views import Bureau
from collector.views.incident import concerning
from collector.views.objection import ObjectionView, shown_objection

_OF_THE_LINK = frozenset(
    {
        Cause.UPLINK_BELOW_REQUIRED,
        Cause.SEGMENT_BELOW_REQUIRED,
        Cause.PORT_BELOW_REQUIRED,
        Cause.PORT_HALF_DUPLEX,
    }
)
"""An objection about bandwidth belongs to an incident of these, before any other."""


class Object(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who objects to what is said of a school's lines, or of a room, and why: 40 and 200 characters at most."""

    school: str
    classroom: str | None = None
    name: str
    note: str


class Taken(Struct, frozen=True, kw_only=True):
    """``plan``: what is tested again, and what that waits for."""

    objection: ObjectionView
    plan: str


class ObjectionList(Struct, frozen=True, kw_only=True):
    """One page, the newest first."""

    total: int
    offset: int
    next_offset: int | None
    objections: tuple[ObjectionView, ...]


DESCRIBED: tuple[type[Struct], ...] = (ObjectionList, Object, Taken)


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def several(request: web.Request) -> web.Response:
        return json_answer(await _several(bureau, request.query))

    async def take(request: web.Request) -> web.Response:
        return json_answer(await _take(bureau, request))

    return [web.get(PATH, answering(several)), web.post(PATH, answering(take))]


PATH = "/api/v1/objections"


async def _several(bureau: Bureau, query: Mapping[str, str]) -> ObjectionList:
    language, (offset, limit) = language_of(bureau, query), window(query)
    wanted = {name: query[name] for name in ("office", "school", "classroom", "incident") if name in query}
    total, rows = await bureau.objections.page(wanted, offset, limit)
    end = offset + limit
    return ObjectionList(
        total=total,
        offset=offset,
        next_offset=end if end < total else None,
        objections=tuple(shown_objection(row, bureau.names(), language) for row in rows),
    )


async def _take(bureau: Bureau, request: web.Request) -> Taken:
    language, asked = language_of(bureau, request.query), await _read(request)
    school, now, policy = _school(bureau, asked), bureau.clock(), bureau.policy()
    new = NewObjection(
        school=asked.school,
        classroom=asked.classroom,
        office=school.roster.office,
        incident=_incident(bureau, asked),
        by=asked.name,
        note=asked.note,
        at=now,
        before=found(school, asked.classroom, now, policy),
    )
    try:
        await bureau.objections.take(new)
    except ObjectedAlreadyError as error:
        since = machine_time(error.at, bureau.names().utc_offset_s)
        raise Mistake(409, f"an objection about it waits for its tests since {since}: nothing was changed") from None
    except TooManyObjectionsError:
        raise Mistake(429, "too many objections of this school within a day: try again tomorrow") from None
    wanted = {"school": asked.school, **({"classroom": asked.classroom} if asked.classroom else {})}
    _, rows = await bureau.objections.page(wanted, 0, 1)
    waiting = [one for one in bureau.objections.waiting([asked.school]) if one.classroom == asked.classroom]
    return Taken(
        objection=shown_objection(rows[0], bureau.names(), language),
        plan=" ".join(_plan(bureau, school, one, language) for one in waiting),
    )


def _plan(bureau: Bureau, school: School, objection: Objection, language: Language) -> str:
    """What happens next, and what it waits for."""
    now, policy = bureau.clock(), bureau.policy()
    legs = legs_of(school, objection.classroom, policy)
    if not legs:
        return say("objection.reading", language)
    gateways = {leg.gateway for leg in legs}
    parts = [say("objection.ordered", language, targets=", ".join(sorted({leg.target for leg in legs})))]
    heard = [school.state.gateways.get(gateway) for gateway in gateways]
    if any(gateway is None or gateway.silent for gateway in heard):
        parts.append(say("objection.silent", language))
    spans = [span for gateway in gateways for span in _quiet(bureau, gateway)]
    if (until := quiet_until(spans, now)) is not None:
        reader_offset_s = bureau.names().utc_offset_s
        time = moment(until, school.hours.utc_offset_s, language, now=now, reader_offset_s=reader_offset_s)
        parts.append(say("objection.quiet", language, time=time))
    elif next(orders(school, objection, now, policy), None) is None:
        parts.append(say("objection.spacing", language, seconds=round(policy.confirm_spacing_s)))
    return " ".join(parts)


def _quiet(bureau: Bureau, gateway: str) -> list[tuple[float, float]]:
    """When ``gateway`` puts no load on a line, for the sake of any school that it serves."""
    served = [school for school in bureau.schools().values() if gateway in school.roster.gateways]
    told = directives(served, gateway, bureau.policy(), bureau.clock())
    return [*told.quiet, *told.no_load]


def _school(bureau: Bureau, asked: Object) -> School:
    school = bureau.schools().get(asked.school)
    if school is None:
        raise Mistake(404, "no such school in the roster")
    if asked.classroom is not None:
        room = school.roster.classrooms.get(asked.classroom)
        if room is None:
            raise Mistake(404, "no such classroom in the roster of the school")
        if room.exempt is not None:
            raise Mistake(409, "the classroom is exempt: there is no verdict to object to")
    return school


def _incident(bureau: Bureau, asked: Object) -> str | None:
    open_ = concerning(bureau.incidents.open(), asked.school, asked.classroom)
    return next((i.id for i in sorted(open_, key=lambda i: i.cause not in _OF_THE_LINK)), None)


async def _read(request: web.Request) -> Object:
    asked = await read_json(request, Object, "objection")
    return msgspec.structs.replace(
        asked,
        name=one_line("name", asked.name, BY_MAX_CHARACTERS, least=1),
        note=one_line("note", asked.note, NOTE_MAX_CHARACTERS, least=1),
    )


def described(
    several: Mapping[str, Any], asked: Mapping[str, Any], taken: Mapping[str, Any], error: Mapping[str, Any]
) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    mistakes = {
        "400": response("A wrong parameter.", error),
        "503": response("The store does not answer; try again.", error),
    }
    listed = {
        "operationId": "listObjections",
        "summary": "Objections with both results",
        "parameters": [*_FILTERS, *PAGING, LANG],
        "responses": {"200": response("One page.", several), **mistakes},
    }
    post = {
        "operationId": "objectToVerdict",
        "summary": "Object to a verdict: it is tested again, and both results are kept",
        "parameters": [LANG],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": response("Taken.", taken),
            **mistakes,
            "404": response("No such school or classroom.", error),
            "409": response("One about it waits for its tests, or the classroom is exempt.", error),
            "413": response("The body is too long.", error),
            "415": response("The body is no JSON.", error),
            "429": response("Too many of this school within a day.", error),
        },
    }
    return {PATH: {"get": listed, "post": post}}


_FILTERS = [
    parameter("school", {"type": "string"}, "Only of this school."),
    parameter("classroom", {"type": "string"}, "Only about a classroom of this id."),
    parameter("incident", {"type": "string"}, "Only those raised against this incident."),
]
