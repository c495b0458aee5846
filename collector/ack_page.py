"""The page behind the link of a message: what the incident is, and one button to say who is on it.

Chat robots and scanners of mail open every link, so GET only shows. Who is on it already is not overruled from here:
work is handed on by the command or the API, which know who asks.
"""

import asyncio
import base64
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2
from aiohttp import web
from markupsafe import Markup

from collector import api, query
from collector.ack_links import ACK_PATH, Standing, standing
from collector.responder.allowance import Allowances
from collector.responder.leases import line_of
from collector.text import LANGUAGES, Language, moment, say
from collector.views import Bureau
from collector.views.incident import IncidentView, look_up, number_of

HERE = Path(__file__).parent
STYLE = (HERE / "static" / "ack.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The board's files ask for its password, so the page brings its own style; nothing else of it may load or run."""

ATTEMPT_COST_S = 0.5
"""Of an allowance: sixty attempts at once, then six a minute; a whole office may be behind one address."""
FIELDS_MAX = 8

_page = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("ack.html")

_REFUSED: Mapping[Standing, tuple[int, str]] = {"forged": (403, "ack.forged"), "expired": (410, "ack.expired")}


def routes(bureau: Bureau, key: bytes, *, behind_proxy: bool = False) -> list[web.RouteDef]:
    desk = _Desk(bureau, key, behind_proxy=behind_proxy)
    return [web.get(ACK_PATH, desk.answering(desk.show)), web.post(ACK_PATH, desk.answering(desk.act))]


class _Refused(Exception):  # noqa: N818
    """Becomes a page with ``status`` that says ``text``; with the form where ``again``."""

    def __init__(
        self, status: int, text: str, view: IncidentView | None = None, *, again: bool = False, **fields: object
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.view, self.again, self.fields = status, text, view, again, fields


class _Desk:
    """Guesses have an allowance of their own: behind a proxy that tells no addresses they must lock nobody out."""

    def __init__(self, bureau: Bureau, key: bytes, *, behind_proxy: bool) -> None:
        self._bureau, self._key, self._behind_proxy = bureau, key, behind_proxy
        self._guesses, self._acts = Allowances(), Allowances()
        self._turn = asyncio.Lock()

    async def show(self, request: web.Request) -> web.Response:
        view = await self._permitted(request)
        _refuse_if_done(view, self._language(request))
        return self._answer(request, 200, view, asks=True)

    async def act(self, request: web.Request) -> web.Response:
        language = self._language(request)
        await self._permitted(request)
        self._pay(self._acts, request)
        asked = await _form(request)
        async with self._turn:  # of two that press at once, the second is told who was first
            view = await self._permitted(request)
            _refuse_if_done(view, language)
            if asked is None:
                raise _Refused(400, "ack.bad_input", view, again=True)
            await api.acknowledge(self._bureau, view.incident, asked)
        return self._answer(request, 200, view, text=say("ack.done", language, by=asked.name))

    def answering(self, handler: query.Handler) -> query.Handler:
        async def answer(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except _Refused as refused:
                return self._refusal(request, refused)
            except query.STORE_AWAY:
                return self._refusal(request, _Refused(503, "ack.store_away"))

        return answer

    async def _permitted(self, request: web.Request) -> IncidentView:
        """Return what the link is about.

        Raises:
            _Refused: it permits nothing.
        """
        number, query = number_of(request.match_info["incident"]) or "", request.query
        found = standing(number, query.get("until", ""), query.get("key", ""), self._key, self._bureau.clock())
        if found == "forged":
            self._pay(self._guesses, request)
        if found != "good":
            raise _Refused(*_REFUSED[found])
        view = await look_up(self._bureau.incidents, number, self._bureau.names(), self._language(request))
        if view is None:
            raise _Refused(404, "ack.missing")
        return view

    def _pay(self, allowances: Allowances, request: web.Request) -> None:
        line = line_of(query.sender(request, behind_proxy=self._behind_proxy))
        if allowances.wait_s(line):
            raise _Refused(429, "ack.too_often")
        allowances.pay(line, ATTEMPT_COST_S)

    def _refusal(self, request: web.Request, refused: _Refused) -> web.Response:
        text = say(refused.text, self._language(request), **refused.fields)
        return self._answer(request, refused.status, refused.view, text=text, asks=refused.again)

    def _answer(
        self, request: web.Request, status: int, view: IncidentView | None, *, text: str = "", asks: bool = False
    ) -> web.Response:
        language = self._language(request)
        content = {"view": view, "text": text, "asks": asks, **self._words(language)}
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(text=_page.render(content), content_type="text/html", status=status, headers=headers)

    def _words(self, language: Language) -> dict[str, Any]:
        offset_s, now = self._bureau.names().utc_offset_s, self._bureau.clock()
        return {
            "language": language,
            "style": Markup(STYLE),  # noqa: S704 - our own file
            "t": lambda message_id, **fields: say(message_id, language, **fields),
            "when": lambda at: moment(at, offset_s, language, now=now, reader_offset_s=offset_s),
            "name_max": query.BY_MAX_CHARACTERS,
            "note_max": query.NOTE_MAX_CHARACTERS,
        }

    def _language(self, request: web.Request) -> Language:
        asked = request.query.get("lang")
        return next((known for known in LANGUAGES if known == asked), self._bureau.language)


def _refuse_if_done(view: IncidentView, language: Language) -> None:
    if view.state in {"closed", "ending"}:
        raise _Refused(409, "ack.over", view)
    if (taken := view.acknowledgement) is not None:
        separator = say("chat.item_separator", language) if taken.note else ""
        raise _Refused(409, "ack.taken", view, by=taken.by, note=separator + taken.note)


async def _form(request: web.Request) -> api.Acknowledge | None:
    """Read the fields; None = they are not as the page asks for."""
    try:
        body = await query.read_body(request)
        fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
        return api.checked(api.Acknowledge(name=fields["name"][-1], note=fields.get("note", [""])[-1]))
    except (KeyError, ValueError):
        return None
    except query.Mistake as mistake:
        if mistake.status == 413:
            raise _Refused(413, "ack.bad_input") from None
        return None
