"""The fleet for programs and spreadsheets, and where a person says that a release is to come to it."""

import asyncio
import csv
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Annotated, Any, Literal, NamedTuple, get_args

from aiohttp import web
from msgspec import Meta, Struct

from classready.ids import OfficeId
from classready.measuring import ReleaseVersion
from collector.engine.upgrades import Act, Order, OrderError
from collector.fleet.trouble import Trouble
from collector.query import (
    BY_MAX_CHARACTERS,
    LANG,
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
from collector.roster.spreadsheet.cells import inert
from collector.text import Language, duration, say
from collector.views import Bureau
from collector.views.fleet import GatewayRow, Ranked, UpgradeView, ranked, row, upgrade_view

PATH = "/api/v1/fleet"
CSV_PATH = "/api/v1/fleet.csv"
UPGRADE_PATH = "/api/v1/fleet/upgrade"
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine."""

OnOrder = Callable[[Order], Awaitable[object]]


class FleetList(Struct, frozen=True, kw_only=True):
    """One page, the worst first. ``troubles``: how many gateways of those asked for have each."""

    total: int
    offset: int
    next_offset: int | None
    troubles: dict[str, int]
    upgrade: UpgradeView
    gateways: tuple[GatewayRow, ...]


class OrderUpgrade(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``canary``, ``percent``: who gets it first, and how many of all others after that; left out = as it was."""

    act: Literal["start", "pause", "resume", "abort", "retry"] = "start"
    version: ReleaseVersion | None = None
    canary: OfficeId | None = None
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    by: str


DESCRIBED: tuple[type[Struct], ...] = (FleetList, OrderUpgrade, UpgradeView)


class Chosen(NamedTuple):
    """What a request asks for: of all gateways, and of which page."""

    office: str | None
    rows: list[Ranked]
    troubles: dict[str, int]
    upgrade: UpgradeView


def routes(bureau: Bureau, order: OnOrder) -> list[web.RouteDef]:
    async def several(request: web.Request) -> web.Response:
        return json_answer(await _several(bureau, request.query))

    async def export(request: web.Request) -> web.Response:
        return await csv_answer(bureau, request.query)

    async def upgrade(request: web.Request) -> web.Response:
        return json_answer(await _upgrade(bureau, language_of(bureau, request.query)))

    async def ordered(request: web.Request) -> web.Response:
        asked = await read_json(request, OrderUpgrade, "order of an upgrade")
        await _order(bureau, order, asked)
        return json_answer(await _upgrade(bureau, language_of(bureau, request.query)))

    return [
        web.get(PATH, answering(several)),
        web.get(CSV_PATH, answering(export)),
        web.get(UPGRADE_PATH, answering(upgrade)),
        web.post(UPGRADE_PATH, answering(ordered)),
    ]


async def chosen(bureau: Bureau, query: Mapping[str, str], language: Language) -> Chosen:
    """Look at every gateway, beside the event loop: there may be 20,000."""
    office, trouble = query.get("office"), query.get("trouble")
    names, now = bureau.names(), bureau.clock()
    if office is not None and office not in names.offices:
        raise Mistake(404, f"no office {office!r} in the roster")
    if trouble is not None and trouble not in get_args(Trouble):
        raise Mistake(400, f"trouble must be one of: {', '.join(get_args(Trouble))}")

    def look() -> Chosen:
        sights = bureau.fleet.sights()
        found = ranked(sights, office, None, now)
        counts = {t: count for t in get_args(Trouble) if (count := sum(t in one.troubles for one in found))}
        rows = found if trouble is None else [one for one in found if trouble in one.troubles]
        return Chosen(office, rows, counts, upgrade_view(bureau.fleet.upgrading(), sights, names, language))

    return await asyncio.to_thread(look)


def shown(bureau: Bureau, found: list[Ranked], language: Language) -> list[GatewayRow]:
    names, schools = bureau.names(), bureau.schools()
    return [row(one, names, schools, language) for one in found]


async def _several(bureau: Bureau, query: Mapping[str, str]) -> FleetList:
    language, (offset, limit) = language_of(bureau, query), window(query)
    found = await chosen(bureau, query, language)
    total, end = len(found.rows), offset + limit
    return FleetList(
        total=total,
        offset=offset,
        next_offset=end if end < total else None,
        troubles=found.troubles,
        upgrade=found.upgrade,
        gateways=tuple(shown(bureau, found.rows[offset:end], language)),
    )


async def _upgrade(bureau: Bureau, language: Language) -> UpgradeView:
    return (await chosen(bureau, {}, language)).upgrade


async def _order(bureau: Bureau, order: OnOrder, asked: OrderUpgrade) -> None:
    by = one_line("by", asked.by, BY_MAX_CHARACTERS, least=1)
    if asked.canary is not None and asked.canary not in bureau.names().offices:
        raise Mistake(404, f"no office {asked.canary!r} in the roster")
    upgrading = await asyncio.to_thread(bureau.fleet.upgrading)
    target = asked.version or (upgrading.plan.version if upgrading.plan else None)
    if asked.act in {"start", "resume", "retry"} and target is not None and target not in upgrading.held:
        raise Mistake(409, f"this collector does not have release {target}; it has: {_listed(upgrading.held)}")
    act: Act = asked.act
    try:
        await order(Order(act, by, asked.version, asked.canary, asked.percent))
    except OrderError as error:
        raise Mistake(409, str(error)) from None


def _listed(held: tuple[str, ...]) -> str:
    return ", ".join(held) or "none (set enrolment.bundle_dir to a bundle made by make bundle)"


# --- as a table -----------------------------------------------------------------------------------------------------

_COLUMNS = (
    "fleet.gateway", "board.office", "record.school_id", "record.school", "fleet.wrong", "fleet.enrolment",
    "fleet.release", "fleet.upgrade", "fleet.settings", "fleet.heard", "fleet.clock", "fleet.waiting", "fleet.lost",
    "fleet.certificate", "fleet.found",
)  # fmt: skip


async def csv_answer(bureau: Bureau, query: Mapping[str, str]) -> web.Response:
    """All that is asked for: a line a gateway."""
    language = language_of(bureau, query)
    found = await chosen(bureau, query, language)
    offset_s = bureau.names().utc_offset_s
    text = await asyncio.to_thread(lambda: table(shown(bureau, found.rows, language), offset_s, language))
    headers = {"Content-Disposition": 'attachment; filename="fleet.csv"'}
    return web.Response(body=text.encode(), content_type="text/csv", charset="utf-8", headers=headers)


def table(rows: list[GatewayRow], offset_s: float, language: Language) -> str:
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow([say(column, language) for column in _COLUMNS])
    for each in rows:
        writer.writerow([inert(cell) for cell in _cells(each, offset_s, language)])
    return BYTE_ORDER_MARK + file.getvalue()


def _cells(each: GatewayRow, offset_s: float, language: Language) -> Iterator[str]:
    separator = say("record.separator", language)
    yield from (each.gateway, each.office_name, separator.join(each.schools), separator.join(each.school_names))
    yield separator.join(trouble.text for trouble in each.troubles)
    yield each.enrolment_text
    yield each.release or each.agent_version
    yield each.upgrade.text if each.upgrade else ""
    yield each.settings_applied or ""
    yield _time(each.last_heard_at, offset_s)
    yield "" if each.clock_skew_s is None else skew_text(each.clock_skew_s, language)
    yield "" if each.spool_records is None else str(each.spool_records)
    yield str(each.dropped_records)
    yield _time(each.certificate_expires_at, offset_s)
    yield "" if each.found_count is None else str(each.found_count)


def skew_text(skew_s: float, language: Language) -> str:
    name = "fleet.skew" if skew_s >= 0 else "fleet.skew_behind"
    return say(name, language, span=duration(abs(skew_s), language))


def _time(at: float | None, offset_s: float) -> str:
    """As every spreadsheet reads a date and time."""
    if at is None:
        return ""
    return (datetime.fromtimestamp(at, UTC) + timedelta(seconds=offset_s)).strftime("%Y-%m-%d %H:%M")


# --- how it is described --------------------------------------------------------------------------------------------


def described(schemas: Mapping[type[Struct], Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    trouble = parameter("trouble", {"enum": list(get_args(Trouble))}, "Only gateways that have this.")
    mistakes = {"400": response("A wrong parameter.", error), "404": response("No such office.", error)}
    text = {"description": "The table.", "content": {"text/csv": {"schema": {"type": "string"}}}}
    upgrade = {"200": response("How far it has come.", schemas[UpgradeView])}
    body = {"required": True, "content": {"application/json": {"schema": schemas[OrderUpgrade]}}}
    refused = {"409": response("It cannot be done; nothing was changed.", error)}
    away = {"503": response("The store does not answer; try again.", error)}
    return {
        PATH: {
            "get": {
                "operationId": "listGateways",
                "summary": "The gateways as machines, the worst first",
                "parameters": [trouble, *PAGING, LANG],
                "responses": {"200": response("One page.", schemas[FleetList]), **mistakes},
            }
        },
        CSV_PATH: {
            "get": {
                "operationId": "exportGateways",
                "summary": "The same as a table",
                "parameters": [trouble, PAGING[0], LANG],
                "responses": {"200": text, **mistakes},
            }
        },
        UPGRADE_PATH: {
            "get": {
                "operationId": "showUpgrade",
                "summary": "The staged upgrade",
                "parameters": [LANG],
                "responses": upgrade,
            },
            "post": {
                "operationId": "orderUpgrade",
                "summary": "Start, widen or stop a staged upgrade",
                "parameters": [LANG],
                "requestBody": body,
                "responses": {**upgrade, **mistakes, **refused, **away},
            },
        },
    }
