"""What a request to the API asks for, checked, and how it is answered: mistakes are the asker's, and named."""

import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from classready.codec import UNDECODABLE
from classready.hosts import is_address
from collector.engine import CommitFailedError
from collector.store.records import STATES, Wanted
from collector.store.transaction import StoreAwayError
from collector.text import LANGUAGES, Language
from collector.views import Bureau

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
BODY_MAX_BYTES = 4_096
BY_MAX_CHARACTERS = 40
NOTE_MAX_CHARACTERS = 200
SECONDS_MAX_DIGITS = 11

STORE_AWAY = (CommitFailedError, StoreAwayError)

Asked = TypeVar("Asked")

_encode = msgspec.json.Encoder().encode


class ApiError(Struct, frozen=True, kw_only=True):
    error: str


class Mistake(Exception):  # noqa: N818
    """The asker's fault; becomes a JSON answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Handler = Callable[[web.Request], Awaitable[web.Response]]


def answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Mistake as mistake:
            return json_answer(ApiError(error=str(mistake)), mistake.status)
        except STORE_AWAY:
            return json_answer(ApiError(error="the store does not answer; try again"), 503)

    return answer


def json_answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json", charset="utf-8")


async def read_json(request: web.Request, kind: type[Asked], what: str, max_bytes: int = BODY_MAX_BYTES) -> Asked:
    """Read what a person sends; ``what`` it should be, for the answer if it is not.

    A page elsewhere can have a browser send a form, but no JSON.
    """
    if request.content_type != "application/json":
        raise Mistake(415, "send application/json")
    body = await read_body(request, max_bytes)
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise Mistake(400, f"no {what}: {error or 'nested too deep'}") from None


async def read_body(request: web.Request, max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """Read to the end, however many packets it comes in, but for a body that is too long.

    Raises:
        Mistake: 413, and 400 for chunks or a compression that is none.
    """
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > max_bytes:
                raise Mistake(413, f"more than {max_bytes} bytes")
    except web.RequestPayloadError:
        raise Mistake(400, "the body is not coded as its head says") from None
    return bytes(body)


def sender(request: web.Request, *, behind_proxy: bool) -> str:
    """The other end's address, as the proxy on this machine saw it: to what a sender claims it adds its own, last."""
    told = request.headers.getall("X-Forwarded-For", ()) if behind_proxy else ()
    last = told[-1].rpartition(",")[2].strip() if told else ""
    return last if is_address(last) else request.remote or ""


def one_line(field: str, text: str, most: int, *, least: int) -> str:
    """One line without control or format characters: it is shown on pages and in chats."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", text))
    line = " ".join(visible.split())
    if not least <= len(line) <= most:
        raise Mistake(400, f"{field} must have {least} to {most} characters")
    return line


def window(query: Mapping[str, str]) -> tuple[int, int]:
    offset, limit = _whole(query, "offset", 0), _whole(query, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise Mistake(400, f"limit must be 1 to {LIMIT_MAX}")
    return offset, limit


def language_of(bureau: Bureau, query: Mapping[str, str]) -> Language:
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


def wanted_records(bureau: Bureau, query: Mapping[str, str]) -> Wanted:
    state = next((known for known in STATES if known == query.get("state")), None)
    if state is None and query.get("state") is not None:
        raise Mistake(400, f"state must be one of: {', '.join(STATES)}")
    return Wanted(
        office=query.get("office"),
        school=query.get("school"),
        state=state,
        opened_from=_moment(bureau, query, "from"),
        opened_until=_moment(bureau, query, "until"),
    )


def _moment(bureau: Bureau, query: Mapping[str, str], name: str) -> float | None:
    """Unix seconds, or a date, which is the midnight that begins it by the bureau's clock."""
    text = query.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= SECONDS_MAX_DIGITS:
        return float(text)
    try:
        midnight = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Mistake(400, f"{name} must be a date such as 2026-09-01, or Unix seconds") from None
    return midnight.timestamp() - bureau.names().utc_offset_s


# --- how it is described --------------------------------------------------------------------------------------------


def parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


LANG = parameter("lang", {"enum": list(LANGUAGES)}, "Language of the sentences.")
PAGING = [
    parameter("office", {"type": "string"}, "Only what belongs to this office."),
    parameter("offset", {"type": "integer", "minimum": 0, "default": 0}, "Entries to leave out."),
    parameter("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}, "Page size."),
]
