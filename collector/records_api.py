"""Records of what was told and mended, for programs and spreadsheets: pages of JSON, and the whole as CSV."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from msgspec import Struct

from collector.query import (
    LANG,
    PAGING,
    Mistake,
    answering,
    json_answer,
    language_of,
    parameter,
    response,
    wanted_records,
    window,
)
from collector.store.records import STATES, Counts
from collector.views import Bureau
from collector.views.incident import number_of
from collector.views.rectification import Rectification, shown_records
from collector.views.rectification_csv import table

CSV_RECORDS_MAX = 10_000
_CSV_PAGE = 500


class RectificationList(Struct, frozen=True, kw_only=True):
    """One page, the newest first. ``counts`` are of all that was asked for, in whichever state."""

    total: int
    offset: int
    next_offset: int | None
    counts: Counts
    records: tuple[Rectification, ...]


DESCRIBED: tuple[type[Struct], ...] = (RectificationList, Rectification)


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def several(request: web.Request) -> web.Response:
        return json_answer(await _several(bureau, request.query))

    async def single(request: web.Request) -> web.Response:
        return json_answer(await _single(bureau, request.match_info["incident"], request.query))

    async def export(request: web.Request) -> web.Response:
        return await csv_answer(bureau, request.query)

    return [
        web.get("/api/v1/rectifications", answering(several)),
        web.get("/api/v1/rectifications.csv", answering(export)),
        web.get("/api/v1/rectifications/{incident}", answering(single)),
    ]


async def _several(bureau: Bureau, query: Mapping[str, str]) -> RectificationList:
    language, wanted, (offset, limit) = language_of(bureau, query), wanted_records(bureau, query), window(query)
    page = await bureau.records.page(wanted, offset, limit)
    end = offset + limit
    return RectificationList(
        total=page.total,
        offset=offset,
        next_offset=end if end < page.total else None,
        counts=await bureau.records.counts(wanted),
        records=tuple(shown_records(page, bureau.names(), language)),
    )


async def _single(bureau: Bureau, text: str, query: Mapping[str, str]) -> Rectification:
    language, number = language_of(bureau, query), number_of(text)
    found = shown_records(await bureau.records.one(number), bureau.names(), language) if number else []
    if not found:
        raise Mistake(404, "no such record")
    return found[0]


async def csv_answer(bureau: Bureau, query: Mapping[str, str]) -> web.Response:
    """All that is asked for, up to a limit that the last line tells of."""
    language, wanted, names = language_of(bureau, query), wanted_records(bureau, query), bureau.names()
    found, total = list[Rectification](), 1
    while len(found) < min(total, CSV_RECORDS_MAX):
        page = await bureau.records.page(wanted, len(found), _CSV_PAGE)
        total = page.total
        if not page.rows:
            break
        found += shown_records(page, names, language)
    text = table(found, names.utc_offset_s, language, cut=len(found) < total)
    return web.Response(
        body=text.encode(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="rectifications.csv"'},
    )


def described(several: Mapping[str, Any], single: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    number = {"name": "incident", "in": "path", "required": True, "schema": {"type": "string"}}
    mistakes = {
        "400": response("A wrong parameter.", error),
        "503": response("The store does not answer; try again.", error),
    }
    text = {"description": "The table.", "content": {"text/csv": {"schema": {"type": "string"}}}}
    return {
        "/api/v1/rectifications": _get(
            "listRectifications",
            "What was told, and what became of it",
            [*_FILTERS, *PAGING, LANG],
            {"200": response("One page.", several), **mistakes},
        ),
        "/api/v1/rectifications.csv": _get(
            "exportRectifications",
            "The same as a table, one line a school",
            [*_FILTERS, PAGING[0], LANG],
            {"200": text, **mistakes},
        ),
        "/api/v1/rectifications/{incident}": _get(
            "showRectification",
            "One record, by the number of its incident",
            [number, LANG],
            {"200": response("The record.", single), **mistakes, "404": response("No such record.", error)},
        ),
    }


def _get(name: str, summary: str, parameters: Sequence[Any], responses: Mapping[str, Any]) -> dict[str, Any]:
    return {"get": {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}}


_FILTERS = [
    parameter("school", {"type": "string"}, "Only what this school was concerned by."),
    parameter("state", {"enum": list(STATES)}, "Only records in this state."),
    parameter("from", {"type": "string"}, "Opened then or later: a date by the bureau's clock, or Unix seconds."),
    parameter("until", {"type": "string"}, "Opened before then."),
]
