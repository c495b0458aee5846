"""发现待分配: what the gateways of a school found, each with its proposal, and one click that confirms it.

Of an office: where something waits, and the table of all of it.

Whoever may see the board may confirm, and says who he is. A browser sends the board's password with whatever a page
elsewhere has it send, so each form carries a key that only this page knows (as the links of ``ack_page`` do).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from aiohttp import web

from collector import query
from collector.core.confirming import Choice
from collector.finding import OpenCounts, Refused, confirm_all, gateways_of, look, release, shown
from collector.found_api import BODY_MAX_BYTES, csv_answer, import_table
from collector.text import LANGUAGES, Language, say
from collector.views import Bureau

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SWITCHES_SHOWN_MAX = 30
"""Of a gateway; the table has all of them."""
KEY_SPAN_S = 43_200
"""A form is good for half a day at least, and for a day at most."""

Render = Callable[[web.Request, str, Mapping[str, Any], int], web.Response]


def routes(bureau: Bureau, key: bytes, counts: OpenCounts, render: Render) -> list[web.RouteDef]:
    """``render`` makes a page of the board."""
    desk = _Desk(bureau, key, counts, render)
    return [
        route
        for path in ("/school/{school}/found", "/office/{office}/found")
        for route in (web.get(path, desk.show), web.post(path, desk.act), web.get(f"{path}.csv", desk.export))
    ]


class _Said:
    """What a person chose; shown again where something of it was wrong."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self.act = (fields.get("act") or [""])[-1]
        self.by = (fields.get("name") or [""])[-1]
        self.taken = [_pair(each) for each in fields.get("take") or ()]
        self.rooms: dict[tuple[str, str, str], str] = {}
        for name, values in fields.items():
            if name.startswith("room|") and name.count("|") >= 3:
                _, gateway, host, port = name.split("|", 3)
                self.rooms[gateway, host, port] = values[-1].strip()[:65]

    def choices(self) -> list[Choice]:
        found = []
        for gateway, host in dict.fromkeys(self.taken):
            own = {port: room for (g, h, port), room in self.rooms.items() if (g, h) == (gateway, host) and room}
            classroom = own.pop("", None)
            found.append(Choice(gateway=gateway, host=host, ports=own, classroom=classroom))
        return found

    def by_gateway(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for gateway, name in dict.fromkeys(self.taken):
            names.setdefault(gateway, []).append(name)
        return names


def _pair(text: str) -> tuple[str, str]:
    gateway, _, name = text.partition("|")
    return gateway, name


class _Desk:
    def __init__(self, bureau: Bureau, key: bytes, counts: OpenCounts, render: Render) -> None:
        self._bureau, self._key, self._counts, self._render = bureau, key, counts, render

    async def show(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def export(self, request: web.Request) -> web.Response:
        try:
            return await csv_answer(self._bureau, self._gateways(request), request.query)
        except query.Mistake as mistake:
            raise web.HTTPBadRequest(text=str(mistake)) from None
        except query.STORE_AWAY:
            raise web.HTTPServiceUnavailable from None

    async def act(self, request: web.Request) -> web.Response:
        language = self._language(request)
        try:
            said, file = await _form(request)
        except ValueError:
            return await self._page(request, 400, [say("found.bad_input", language)])
        if said is None or not self._is_ours(request, said):
            return await self._page(request, 403, [say("found.forged", language)])
        chosen = _Said(said)
        try:
            told = await self._done(request, chosen, file, language)
        except Refused as refused:
            return await self._page(request, 409, [say("found.refused", language), *refused.problems], chosen)
        except query.Mistake:
            return await self._page(request, 400, [say("found.bad_name", language)], chosen)
        except query.STORE_AWAY:
            return await self._page(request, 503, [say("found.store_away", language)], chosen)
        return await self._page(request, 200, [told], by=chosen.by)

    async def _done(self, request: web.Request, said: _Said, file: bytes | None, language: Language) -> str:
        """Do it, and say what was done."""
        by = query.one_line("name", said.by, query.BY_MAX_CHARACTERS, least=1)
        bureau, own = self._bureau, frozenset(self._gateways(request))
        said.taken = [each for each in said.taken if each[0] in own]
        names, now = said.by_gateway(), bureau.clock()
        if said.act == "import" and file is not None:
            confirmed, ignored = await import_table(bureau, file, by, language, own)
            if not confirmed + ignored:
                return say("found.nothing_chosen", language)
            return say("found.imported", language, confirmed=confirmed, ignored=ignored)
        if not names:
            return say("found.nothing_chosen", language)
        match said.act:
            case "confirm":
                return say("found.confirmed", language, count=await confirm_all(bureau, said.choices(), by, language))
            case "ignore":
                await bureau.finds.ignore(names, by, now)
                return say("found.ignored_done", language, count=len(said.taken))
            case "heed":
                await bureau.finds.heed(names, by, now)
                return say("found.heeded", language, count=len(said.taken))
            case "release":
                return say("found.released", language, count=await release(bureau, names, by))
            case "again":
                await bureau.finds.ask_again(list(names), by, now)
                return say("found.asked", language)
            case _:
                raise Refused([say("found.bad_input", language)])

    # --- the page ---------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        status: int = 200,
        told: Sequence[str] = (),
        said: _Said | None = None,
        by: str = "",
    ) -> web.Response:
        try:
            content = await (self._of_office(request) if "office" in request.match_info else self._of_school(request))
        except query.STORE_AWAY:
            raise web.HTTPServiceUnavailable from None
        if content is None:
            return self._render(request, "missing.html", {}, 404)
        common = {
            "told": told,
            "by": said.by if said else by,
            "key": self._key_of(request, self._bureau.clock()),
            "name_max": query.BY_MAX_CHARACTERS,
            "switches_max": SWITCHES_SHOWN_MAX,
            "path": request.path,
            **_selection(said),
        }
        template = "found_office.html" if "office" in request.match_info else "found.html"
        response = self._render(request, template, {**content, **common}, status)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    async def _of_school(self, request: web.Request) -> dict[str, Any] | None:
        """None = the roster has no such school."""
        school = self._bureau.schools().get(request.match_info["school"])
        if school is None:
            return None
        found = await look(self._bureau.finds, self._bureau.schools(), self._gateways(request))
        roster = school.roster
        return {
            "school": roster.school,
            "school_name": roster.name or roster.school,
            "office": roster.office,
            "office_name": self._bureau.names().office(roster.office),
            "gateways": shown(self._bureau, found, self._language(request)),
            "rooms": found.rooms,
        }

    async def _of_office(self, request: web.Request) -> dict[str, Any] | None:
        """The schools in which something waits, those with most of it first; None = there is no such office."""
        office, names = request.match_info["office"], self._bureau.names()
        if office not in names.offices:
            return None
        schools = {each.school: each.name for each in self._bureau.kept().schools(office)}
        counts = await self._counts.of_schools(schools)
        waiting = sorted((id_ for id_, count in counts.items() if count), key=lambda id_: (-counts[id_], id_))
        listed = [{"id": id_, "name": schools[id_] or id_, "count": counts[id_]} for id_ in waiting]
        return {"office": office, "office_name": names.office(office), "schools": listed}

    def _gateways(self, request: web.Request) -> list[str]:
        office, schools = request.match_info.get("office"), self._bureau.schools()
        own = (
            [each.school for each in self._bureau.kept().schools(office)] if office else [request.match_info["school"]]
        )
        return gateways_of(schools, own)

    def _language(self, request: web.Request) -> Language:
        asked = request.query.get("lang")
        return next((known for known in LANGUAGES if known == asked), self._bureau.language)

    # --- whose form it is -------------------------------------------------------------------------------------------

    def _is_ours(self, request: web.Request, fields: Mapping[str, Sequence[str]]) -> bool:
        given, now = (fields.get("key") or [""])[-1].encode("utf-8", "surrogateescape"), self._bureau.clock()
        good = [self._key_of(request, at).encode() for at in (now, now - KEY_SPAN_S)]
        return max(hmac.compare_digest(given, each) for each in good)

    def _key_of(self, request: web.Request, at: float) -> str:
        return hmac.new(self._key, f"{request.path}\n{int(at // KEY_SPAN_S)}".encode(), sha256).hexdigest()


def _selection(said: _Said | None) -> dict[str, Any]:
    """What is ticked and filled in: the proposals, or what was chosen before."""
    if said is None or said.act != "confirm":
        return {
            "is_chosen": lambda _gateway, _host, proposed: bool(proposed),
            "chosen_room": lambda _gateway, _host, _port, proposed: proposed or "",
        }
    taken = set(said.taken)
    return {
        "is_chosen": lambda gateway, host, _proposed: (gateway, host) in taken,
        "chosen_room": lambda gateway, host, port, proposed: said.rooms.get((gateway, host, port), proposed or ""),
    }


async def _form(request: web.Request) -> tuple[dict[str, list[str]] | None, bytes | None]:
    """The fields of a form, and the file that came with it. Raises ``ValueError`` where it is too long or none."""
    if (request.content_length or 0) > BODY_MAX_BYTES:
        raise ValueError
    try:
        posted = await request.post()
    except (web.HTTPException, ValueError, LookupError):
        raise ValueError from None
    fields: dict[str, list[str]] = {}
    file: bytes | None = None
    for name, value in posted.items():
        if isinstance(value, web.FileField):
            file = value.file.read(BODY_MAX_BYTES)
        elif isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return fields, file
