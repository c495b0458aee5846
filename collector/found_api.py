"""What gateways found and nobody assigned, for programs: listed, confirmed, ignored, released, looked for again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from collector import found_csv
from collector.core.confirming import Choice
from collector.finding import Refused, confirm_all, gateways_of, look, release, shown
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
    read_body,
    read_json,
    response,
    window,
)
from collector.text import Language
from collector.views import Bureau
from collector.views.found import FoundGatewayView

PATH = "/api/v1/found"
BODY_MAX_BYTES = 1_000_000
DEVICES_AT_ONCE_MAX = 2_000
GATEWAYS_IN_TABLE_MAX = 2_000


class FoundList(Struct, frozen=True, kw_only=True):
    """One page of gateways in the order of their names."""

    total: int
    offset: int
    next_offset: int | None
    gateways: tuple[FoundGatewayView, ...]


class ConfirmFound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who confirms what: all of it, or nothing."""

    name: str
    devices: Annotated[tuple[Choice, ...], Meta(max_length=DEVICES_AT_ONCE_MAX)]


class FoundAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: str
    host: str


class SayOfFound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which addresses it is said, and by whom."""

    name: str
    devices: Annotated[tuple[FoundAddress, ...], Meta(max_length=DEVICES_AT_ONCE_MAX)]


class TargetOfGateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: str
    target: str


class ReleaseFound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which confirmed targets are measured no more, and who says so."""

    name: str
    targets: Annotated[tuple[TargetOfGateway, ...], Meta(max_length=DEVICES_AT_ONCE_MAX)]


class LookAgain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gateways look around again, and who asks."""

    name: str
    gateways: Annotated[tuple[str, ...], Meta(max_length=DEVICES_AT_ONCE_MAX)]


class FoundDone(Struct, frozen=True, kw_only=True):
    """How many devices or gateways it was done for."""

    count: int


DESCRIBED: tuple[type[Struct], ...] = (FoundList, ConfirmFound, SayOfFound, ReleaseFound, LookAgain, FoundDone)

_Act = Callable[[Bureau, web.Request], Awaitable[int]]


def routes(bureau: Bureau) -> list[web.RouteDef]:
    async def several(request: web.Request) -> web.Response:
        return json_answer(await _several(bureau, request.query))

    async def export(request: web.Request) -> web.Response:
        return await csv_answer(bureau, _gateways(bureau, request.query), request.query)

    def acting(act: _Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                return json_answer(FoundDone(count=await act(bureau, request)))
            except Refused as refused:
                raise Mistake(409, str(refused)) from None

        return answering(answer)

    return [
        web.get(PATH, answering(several)),
        web.get(f"{PATH}.csv", answering(export)),
        web.post(f"{PATH}.csv", acting(_import)),
        web.post(f"{PATH}/confirm", acting(_confirm)),
        web.post(f"{PATH}/ignore", acting(_ignore)),
        web.post(f"{PATH}/heed", acting(_heed)),
        web.post(f"{PATH}/release", acting(_release)),
        web.post(f"{PATH}/again", acting(_again)),
    ]


def _gateways(bureau: Bureau, query: Mapping[str, str]) -> list[str]:
    school, office = query.get("school"), query.get("office")
    if school is not None and school not in bureau.schools():
        raise Mistake(404, "no such school in the roster")
    wanted = [school] if school is not None else [each.school for each in bureau.kept().schools(office)]
    return gateways_of(bureau.schools(), wanted)


async def _several(bureau: Bureau, query: Mapping[str, str]) -> FoundList:
    language, (offset, limit) = language_of(bureau, query), window(query)
    gateways = _gateways(bureau, query)
    end = offset + limit
    found = await look(bureau.finds, bureau.schools(), gateways[offset:end])
    return FoundList(
        total=len(gateways),
        offset=offset,
        next_offset=end if end < len(gateways) else None,
        gateways=tuple(shown(bureau, found, language)),
    )


async def csv_answer(bureau: Bureau, gateways: list[str], query: Mapping[str, str]) -> web.Response:
    """The table of what these gateways found. Raises what the store raises, and ``Mistake`` where they are too many."""
    if len(gateways) > GATEWAYS_IN_TABLE_MAX:
        raise Mistake(400, f"more than {GATEWAYS_IN_TABLE_MAX} gateways: name an office or a school")
    language = language_of(bureau, query)
    views = shown(bureau, await look(bureau.finds, bureau.schools(), gateways), language)
    names = {school: known.roster.name for school, known in bureau.schools().items() if known.roster.name}
    return web.Response(
        body=found_csv.table(views, names, language).encode(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="found.csv"'},
    )


async def _confirm(bureau: Bureau, request: web.Request) -> int:
    asked = await read_json(request, ConfirmFound, "confirmation", BODY_MAX_BYTES)
    return await confirm_all(bureau, asked.devices, _name(asked.name), language_of(bureau, request.query))


async def _ignore(bureau: Bureau, request: web.Request) -> int:
    asked = await read_json(request, SayOfFound, "list of addresses", BODY_MAX_BYTES)
    await bureau.finds.ignore(_by_gateway(asked), _name(asked.name), bureau.clock())
    return len(asked.devices)


async def _heed(bureau: Bureau, request: web.Request) -> int:
    asked = await read_json(request, SayOfFound, "list of addresses", BODY_MAX_BYTES)
    await bureau.finds.heed(_by_gateway(asked), _name(asked.name), bureau.clock())
    return len(asked.devices)


async def _release(bureau: Bureau, request: web.Request) -> int:
    asked = await read_json(request, ReleaseFound, "list of targets", BODY_MAX_BYTES)
    names: dict[str, list[str]] = {}
    for each in asked.targets:
        names.setdefault(each.gateway, []).append(each.target)
    return await release(bureau, names, _name(asked.name))


async def _again(bureau: Bureau, request: web.Request) -> int:
    asked = await read_json(request, LookAgain, "list of gateways", BODY_MAX_BYTES)
    known = {gateway for school in bureau.schools().values() for gateway in school.roster.gateways}
    if unknown := sorted(set(asked.gateways) - known):
        raise Mistake(404, f"no such gateway in the roster: {', '.join(unknown[:8])[:200]}")
    await bureau.finds.ask_again(asked.gateways, _name(asked.name), bureau.clock())
    return len(asked.gateways)


async def _import(bureau: Bureau, request: web.Request) -> int:
    if request.content_type in {"multipart/form-data", "application/x-www-form-urlencoded", "text/plain"}:
        raise Mistake(415, "send text/csv, or the .xlsx with its own type")  # what a page elsewhere could have sent
    language, by = language_of(bureau, request.query), _name(request.query.get("name", ""))
    return sum(await import_table(bureau, await read_body(request, BODY_MAX_BYTES), by, language))


async def import_table(
    bureau: Bureau, raw: bytes, by: str, language: Language, within: frozenset[str] | None = None
) -> tuple[int, int]:
    """Do what a filled-in table says.

    Return how many were confirmed, and how many ignored. ``within``: gateways that it may speak of; None =
    all of the roster.

    Raises:
        Refused: nothing was changed.
        CommitFailedError, StoreAwayError: what was not done yet is not done.
    """
    try:
        said = found_csv.read(raw, language)
    except found_csv.SheetError as error:
        raise Refused(error.problems) from None
    if within is not None:
        said.choices[:] = [each for each in said.choices if each.gateway in within]
        said.ignored[:] = [each for each in said.ignored if each[0] in within]
    count = await confirm_all(bureau, said.choices, by, language) if said.choices else 0
    ignored: dict[str, list[str]] = {}
    for gateway, host in said.ignored:
        ignored.setdefault(gateway, []).append(host)
    if ignored:
        await bureau.finds.ignore(ignored, by, bureau.clock())
    return count, len(said.ignored)


def _by_gateway(asked: SayOfFound) -> dict[str, list[str]]:
    hosts: dict[str, list[str]] = {}
    for each in asked.devices:
        hosts.setdefault(each.gateway, []).append(each.host)
    return hosts


def _name(text: str) -> str:
    return one_line("name", text, BY_MAX_CHARACTERS, least=1)


def described(schemas: Mapping[type[Struct], Mapping[str, Any]], error: Mapping[str, Any]) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    mistakes = {
        "400": response("A wrong parameter, or no such request.", error),
        "404": response("Not in the roster.", error),
        "503": response("The store does not answer; nothing was changed.", error),
    }
    listed = {
        "operationId": "listFound",
        "summary": "What gateways found, with proposals, and what is assigned",
        "parameters": [_SCHOOL, *PAGING, LANG],
        "responses": {"200": response("One page of gateways.", schemas[FoundList]), **mistakes},
    }
    text = {"description": "The table.", "content": {"text/csv": {"schema": {"type": "string"}}}}
    export = {
        "operationId": "exportFound",
        "summary": "What waits to be assigned as a table",
        "parameters": [_SCHOOL, PAGING[0], LANG],
        "responses": {"200": text, **mistakes},
    }
    imported = {
        "operationId": "importFound",
        "summary": "Do what the filled-in table says (CSV in UTF-8 or GB 18030, or .xlsx): all of it, or nothing",
        "parameters": [parameter("name", {"type": "string"}, "Who says so."), LANG],
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}},
        "responses": _done(schemas, error, mistakes),
    }
    acts: list[tuple[str, str, str, type[Struct]]] = [
        ("confirm", "confirmFound", "Have gateways measure what was found: all of it, or nothing", ConfirmFound),
        ("ignore", "ignoreFound", "Say that something is not to be assigned", SayOfFound),
        ("heed", "heedFound", "Take that back", SayOfFound),
        ("release", "releaseFound", "Have gateways measure confirmed devices no more", ReleaseFound),
        ("again", "lookAgain", "Have gateways look around again", LookAgain),
    ]
    return {
        PATH: {"get": listed},
        f"{PATH}.csv": {"get": export, "post": imported},
        **{
            f"{PATH}/{path}": {
                "post": {
                    "operationId": operation,
                    "summary": summary,
                    "parameters": [LANG],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": schemas[asked]}}},
                    "responses": _done(schemas, error, mistakes),
                }
            }
            for path, operation, summary, asked in acts
        },
    }


def _done(
    schemas: Mapping[type[Struct], Mapping[str, Any]], error: Mapping[str, Any], mistakes: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "200": response("Done.", schemas[FoundDone]),
        **mistakes,
        "409": response("Nothing was changed; every mistake is named.", error),
        "413": response("The body is too long.", error),
        "415": response("The body is of another type.", error),
    }


_SCHOOL = parameter("school", {"type": "string"}, "Only the gateways of this school.")
