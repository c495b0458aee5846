"""What people look at: the bureau, an office, a school, an incident.

Pages are rendered on the server, escape everything, and say all they have to say without a script; the one script only
takes over the refresh.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
from aiohttp import web

import classready
from collector import fleet_api, found_page
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, School
from collector.finding import OpenCounts
from collector.query import STORE_AWAY, Mistake, wanted_records
from collector.records_api import csv_answer
from collector.store.transaction import StoreAwayError
from collector.text import LANGUAGES, Language, ago, duration, machine_time, moment, rate, say
from collector.views import Bureau, show, worded
from collector.views.incident import all_open, concerning, look_up, shown, shown_closed
from collector.views.notes import refused_lines, shown_notes
from collector.views.objection import ObjectionView, shown_objection
from collector.views.office import total
from collector.views.rectification import shown_records
from collector.views.undelivered import sentences
from collector.views.urgency import Counts, most_urgent, most_urgent_room

REFRESH_S = 30
PAGE_SIZE = 100
CLOSED_SHOWN_MAX = 50
OBJECTIONS_SHOWN_MAX = 50
FLEET_FILTERS = ("office", "trouble")
RECORD_FILTERS = ("office", "school", "state", "from", "until")
SHARE_MIN_PERCENT = 1.0
"""A part of a bar is never thinner: one room of thirty thousand must not be invisible."""

HERE = Path(__file__).parent

_Row = TypeVar("_Row")

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def routes(bureau: Bureau, is_well: Callable[[], bool], key: bytes) -> list[web.AbstractRouteDef]:
    """``is_well`` says whether what happens still reaches the pages: if not, each says so, with status 503.

    ``key``: the collector's own secret, by which forms are known to come from its pages.
    """
    counts = OpenCounts(bureau.finds, bureau.schools)

    def page(request: web.Request, template: str, content: Mapping[str, Any], status: int = 200) -> web.Response:
        well = is_well()
        text = _rendered(bureau, request, template, {**content, "is_well": well})
        response = web.Response(text=text, content_type="text/html", status=status if well else 503)
        response.enable_compression()
        return response

    async def offices(request: web.Request) -> web.Response:
        return page(request, "offices.html", _offices(bureau, _language(bureau, request)))

    async def office(request: web.Request) -> web.Response:
        office_id = request.match_info["office"]
        if office_id not in bureau.names().offices:
            return page(request, "missing.html", {}, status=404)
        content = _office(bureau, office_id, request)
        waiting = await _waiting(counts, [school.school for school in content["schools"]])
        return page(request, "office.html", {**content, "found": waiting})

    async def school(request: web.Request) -> web.Response:
        found = bureau.schools().get(request.match_info["school"])
        if found is None:
            return page(request, "missing.html", {}, status=404)
        said = await _objections_by_room(bureau, request, found)
        content = {**_school(bureau, found, request), "objections": said}
        waiting = await _waiting(counts, [found.roster.school])
        return page(request, "school.html", {**content, "found": waiting.get(found.roster.school)})

    return [
        web.get("/", offices),
        *_incident_routes(bureau, page),
        *_record_routes(bureau, page),
        *_fleet_routes(bureau, page),
        web.get("/office/{office}", office),
        web.get("/school/{school}", school),
        *found_page.routes(bureau, key, counts, page),
        web.static("/static", HERE / "static"),
    ]


async def _waiting(counts: OpenCounts, schools: Iterable[str]) -> dict[str, int]:
    """School -> what its gateways found and nobody assigned. A store that is away takes no page from anybody."""
    try:
        return await counts.of_schools(schools)
    except STORE_AWAY:
        return {}


def _incident_routes(bureau: Bureau, page: Callable[..., web.Response]) -> list[web.RouteDef]:
    async def incidents(request: web.Request) -> web.Response:
        with _store_answers():
            return page(request, "incidents.html", await _incidents(bureau, request))

    async def incident(request: web.Request) -> web.Response:
        number, language = request.match_info["incident"], _language(bureau, request)
        with _store_answers():
            view = await look_up(bureau.incidents, number, bureau.names(), language)
            if view is None:
                return page(request, "missing.html", {}, status=404)
            found = shown_records(await bureau.records.one(view.incident), bureau.names(), language)
            said = await _objections(bureau, request, incident=view.incident)
        content = {"view": view, "record": next(iter(found), None), "objections": said}
        return page(request, "incident.html", {**content, "room_name": bureau.names().classroom_name})

    return [web.get("/incidents", incidents), web.get("/incidents/{incident}", incident)]


def _record_routes(
    bureau: Bureau, page: Callable[[web.Request, str, Mapping[str, Any]], web.Response]
) -> list[web.RouteDef]:
    async def records(request: web.Request) -> web.Response:
        with _store_answers(), _asked_well():
            return page(request, "rectifications.html", await _records(bureau, request))

    async def as_csv(request: web.Request) -> web.Response:
        with _store_answers(), _asked_well():
            return await csv_answer(bureau, request.query)

    return [web.get("/rectifications", records), web.get("/rectifications.csv", as_csv)]


def _fleet_routes(
    bureau: Bureau, page: Callable[[web.Request, str, Mapping[str, Any]], web.Response]
) -> list[web.RouteDef]:
    async def fleet(request: web.Request) -> web.Response:
        with _asked_well():
            found = await fleet_api.chosen(bureau, request.query, _language(bureau, request))
        paged = _paged("gateways", found.rows, request)
        rows = fleet_api.shown(bureau, paged["gateways"], _language(bureau, request))
        kept = {name: request.query[name] for name in FLEET_FILTERS if name in request.query}
        content = {"found": found, "trouble": kept.get("trouble"), "kept": urlencode(kept), "gateways": rows}
        names = {"offices": sorted(bureau.names().offices.items()), "skew": fleet_api.skew_text}
        return page(request, "fleet.html", {**paged, **content, **names})

    async def as_csv(request: web.Request) -> web.Response:
        with _asked_well():
            return await fleet_api.csv_answer(bureau, request.query)

    return [web.get("/fleet", fleet), web.get("/fleet.csv", as_csv)]


@contextmanager
def _store_answers() -> Iterator[None]:
    """What is over stands only in the store: 503 while that is away."""
    try:
        yield
    except StoreAwayError:
        raise web.HTTPServiceUnavailable from None


@contextmanager
def _asked_well() -> Iterator[None]:
    try:
        yield
    except Mistake as mistake:
        raise web.HTTPBadRequest(text=str(mistake)) from None


def _offices(bureau: Bureau, language: Language) -> dict[str, Any]:
    names, kept = bureau.names(), bureau.kept()
    known = sorted({*names.offices, *kept.offices()})
    offices = [total(kept.office(office), language, office=office, name=names.office(office)) for office in known]
    summed, undelivered = total(kept.whole(), language), list(sentences(bureau.undelivered(), language))
    return {
        "offices": sorted(offices, key=most_urgent),
        "total": summed,
        "undelivered": undelivered,
        "refused": refused_lines(bureau.files(), language),
        "notes": shown_notes(bureau.files().notes, names.offices, names, language),
    }


def _office(bureau: Bureau, office_id: str, request: web.Request) -> dict[str, Any]:
    language, names = _language(bureau, request), bureau.names()
    paged = _paged("schools", sorted(bureau.kept().schools(office_id), key=most_urgent), request)
    shown = [worded(school, names, language) for school in paged["schools"]]
    summed = total(bureau.kept().office(office_id), language, office=office_id, name=names.office(office_id))
    notes = shown_notes(bureau.files().notes, (office_id,), names, language)
    return {**paged, "schools": shown, "total": summed, "notes": notes}


async def _incidents(bureau: Bureau, request: web.Request) -> dict[str, Any]:
    """Open ones, what stands longest first, and those that were closed last."""
    language, names, scopes = _language(bureau, request), bureau.names(), bureau.incidents.scopes()
    paged = _paged("incidents", all_open(bureau.incidents.open()), request)
    _, rows = await bureau.incidents.closed(None, 0, CLOSED_SHOWN_MAX)
    shown_rows = [shown(one, scopes, names, language, with_schools=False) for one in paged["incidents"]]
    return {**paged, "incidents": shown_rows, "closed": [shown_closed(row, names, language) for row in rows]}


async def _objections(bureau: Bureau, request: web.Request, **wanted: str) -> list[ObjectionView]:
    _, rows = await bureau.objections.page(wanted, 0, OBJECTIONS_SHOWN_MAX)
    return [shown_objection(row, bureau.names(), _language(bureau, request)) for row in rows]


async def _objections_by_room(bureau: Bureau, request: web.Request, school: School) -> dict[str, list[ObjectionView]]:
    """Room (empty: the whole school) -> what was objected. A store that is away takes no page from anybody."""
    by_room: dict[str, list[ObjectionView]] = {}
    with suppress(StoreAwayError):
        for each in await _objections(bureau, request, school=school.roster.school):
            by_room.setdefault(each.classroom or "", []).append(each)
    return by_room


async def _records(bureau: Bureau, request: web.Request) -> dict[str, Any]:
    """What was told, the newest first, with the sums of all that was asked for."""
    wanted, language = wanted_records(bureau, request.query), _language(bureau, request)
    asked = _page_asked(request)
    found = await bureau.records.page(wanted, (asked - 1) * PAGE_SIZE, PAGE_SIZE)
    pages = max(1, -(-found.total // PAGE_SIZE))
    if asked > pages:
        found = await bureau.records.page(wanted, (pages - 1) * PAGE_SIZE, PAGE_SIZE)
    kept = {name: request.query[name] for name in RECORD_FILTERS if name in request.query}
    return {
        "records": shown_records(found, bureau.names(), language),
        "counts": await bureau.records.counts(wanted),
        "page": min(asked, pages),
        "pages": pages,
        "state": wanted.state,
        "filters": urlencode({name: value for name, value in kept.items() if name != "state"}),
        "kept": urlencode(kept),
        "offices": sorted(bureau.names().offices.items()),
        "office": wanted.office,
        "years": bureau.policy().records_kept_years,
    }


def _school(bureau: Bureau, school: School, request: web.Request) -> dict[str, Any]:
    listed = sorted(school.roster.classrooms.values(), key=partial(_room_order, school))
    paged = _paged("rooms", listed, request)
    language, now = _language(bureau, request), bureau.clock()
    view = show(
        school,
        bureau.names(),
        bureau.policy(),
        now,
        language,
        rooms=paged["rooms"],
        refusals=bureau.refusals,
        settings=bureau.settings,
        incidents=concerning(bureau.incidents.open(), school.roster.school),
    )
    return {**paged, "view": view, "summary": view.summary, "offset_s": view.utc_offset_s}


def _room_order(school: School, room: Classroom) -> tuple[int, int]:
    verdict = school.state.classrooms.get(room.id, ClassroomState()).verdict
    if room.exempt is not None:
        return most_urgent_room("exempt", None)
    return most_urgent_room(verdict.ready, verdict.causes[0] if verdict.causes else None)


def _paged(name: str, rows: list[_Row], request: web.Request) -> dict[str, Any]:
    """The rows of the page that is asked for, at most ``PAGE_SIZE``; beyond the last page is the last page."""
    pages = max(1, -(-len(rows) // PAGE_SIZE))
    page = min(_page_asked(request), pages)
    return {name: rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], "page": page, "pages": pages}


def _page_asked(request: web.Request) -> int:
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


def shares(counts: Counts) -> Iterator[tuple[str, str, str]]:
    """State, begin and width of each part of a bar, in per cent of its length; none where there is nothing to count."""
    states = ("yes", "no", "unknown", "exempt")
    parts = [(state, count) for state in states if (count := getattr(counts, state))]
    whole = sum(count for _, count in parts)
    floor_ = [max(SHARE_MIN_PERCENT, 100 * count / whole) for _, count in parts]
    scale, at = 100 / sum(floor_) if floor_ else 0.0, 0.0
    for (state, _), width in zip(parts, floor_, strict=True):
        yield state, f"{at:.2f}%", f"{width * scale:.2f}%"
        at += width * scale


def _rendered(bureau: Bureau, request: web.Request, template: str, content: Mapping[str, Any]) -> str:
    language, now = _language(bureau, request), bureau.clock()
    bureau_offset_s = bureau.names().utc_offset_s
    return _templates.get_template(template).render(
        {"offset_s": bureau_offset_s, **content},
        language=language,
        other_language=next(other for other in LANGUAGES if other != language),
        query="" if language == bureau.language else f"?lang={language}",
        path=request.path,
        t=lambda message_id, **fields: say(message_id, language, **fields),
        ago=lambda at: ago(at, now, language),
        moment=lambda at, offset_s: moment(at, offset_s, language, now=now, reader_offset_s=bureau_offset_s),
        machine_time=machine_time,
        duration=lambda seconds: duration(seconds, language),
        shares=shares,
        required=rate(bureau.policy().required_down_bps, language),
        now=now,
        refresh_s=REFRESH_S,
        version=classready.__version__,
    )


def _language(bureau: Bureau, request: web.Request) -> Language:
    asked = request.query.get("lang")
    return next((known for known in LANGUAGES if known == asked), bureau.language)
