"""The bureau's side of enrolment: codes made, listed and taken back; and how all of it is described."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta, Struct

from classready.ids import GatewayId, OfficeId, SchoolId
from collector.core.roster import SchoolRoster
from collector.engine import Engine
from collector.engine.enrolment import targets
from collector.query import (
    BY_MAX_CHARACTERS,
    LANG,
    PAGING,
    Mistake,
    answering,
    json_answer,
    one_line,
    read_json,
    response,
    window,
)
from collector.store.enrolment import Code
from collector.text import Language

PATH = "/api/v1/enrolments"
REVOKE_PATH = "/api/v1/enrolments/revoke"
ENROLL_PATH = "/api/v1/enroll"
CODES_MAX = 2_000
"""In one answer."""
VALID_MAX_S = 90 * 86_400
CLOCK_LIMIT_S = 1e12
"""No clock says more; as days it is still read."""
CodeState = Literal["open", "used", "expired", "revoked"]


class Desk(Struct, frozen=True, kw_only=True):
    """What enrolment needs of the collector. ``admit`` has gateways that enrolled, or no longer may, come into force.

    ``url``: the collector's own address as boxes reach it; None = as they asked for it. ``broker``: where they report.
    """

    engine: Engine
    admit: Callable[[], Awaitable[None]]
    clock: Callable[[], float]
    language: Language = "zh"
    url: str | None = None
    is_https: bool = False
    behind_proxy: bool = False
    broker: "MqttLinkSettings | None" = None


class MakeCodes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For each gateway of ``schools``, for ``gateways``, and for each gateway of ``office`` that has no token yet."""

    schools: tuple[SchoolId, ...] = ()
    gateways: tuple[GatewayId, ...] = ()
    office: OfficeId | None = None
    valid_s: Annotated[float, Meta(ge=60, le=VALID_MAX_S)] = 259_200.0
    by: str


class NewCode(Struct, frozen=True, kw_only=True):
    """``code`` is said here, and never again. ``by_hand``: its roster file gives the gateway a token, which stays."""

    school: str
    school_name: str
    office_name: str
    gateway: str
    code: str
    expires_at: float
    by_hand: bool


class NewCodes(Struct, frozen=True, kw_only=True):
    codes: tuple[NewCode, ...]


class CodeView(Struct, frozen=True, kw_only=True):
    school: str
    gateway: str
    state: CodeState
    made_by: str
    made_at: float
    expires_at: float
    used_at: float | None
    used_from: str | None


class CodeList(Struct, frozen=True, kw_only=True):
    """One page of what is open, and what was used, taken back or over within 90 days, the newest first."""

    total: int
    offset: int
    next_offset: int | None
    codes: tuple[CodeView, ...]


class Revoke(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``subject``: a school or a gateway."""

    subject: Annotated[str, Meta(min_length=1, max_length=40)]
    by: str


class Revoked(Struct, frozen=True, kw_only=True):
    """``by_hand``: of these gateways the roster's files have a token, which is still good."""

    gateways: tuple[str, ...]
    codes: int
    tokens: int
    by_hand: tuple[str, ...]


class Enroll(Struct, frozen=True, kw_only=True):
    """What a box sends. ``clock``: its Unix seconds. ``attempt``: its own secret, to ask again if no answer came.

    ``school``: the one it believes to stand in, if it was told.
    """

    code: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=253)] = ""
    arch: Annotated[str, Meta(max_length=64)] = ""
    version: Annotated[str, Meta(max_length=64)] = ""
    school: SchoolId | None = None
    clock: Annotated[float, Meta(ge=-CLOCK_LIMIT_S, le=CLOCK_LIMIT_S)] | None = None
    attempt: Annotated[str, Meta(min_length=32, max_length=64)] | None = None


class HttpLinkSettings(Struct, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """The `link` of agent.yml."""

    url: str


class MqttLinkSettings(Struct, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """The `link` of agent.yml. The password is the token. ``ca``: whom to trust, in PEM; null = the box's own list."""

    host: str
    port: int
    ca: str | None


class EnrolledSchool(Struct, frozen=True, kw_only=True):
    school: str
    name: str


class EnrollAnswer(Struct, frozen=True, kw_only=True):
    """``token`` is said here, and never again."""

    gateway: str
    token: str
    collector_url: str
    link: HttpLinkSettings | MqttLinkSettings
    schools: tuple[EnrolledSchool, ...]


class EnrollRefusal(Struct, frozen=True, kw_only=True):
    """``error``: one sentence for the person at the box, in the language of ``Accept-Language``."""

    error: str
    reason: str


DESCRIBED: tuple[type[Struct], ...] = (
    MakeCodes, NewCodes, CodeList, Revoke, Revoked, Enroll, EnrollAnswer, EnrollRefusal,
)  # fmt: skip


def routes(desk: Desk) -> list[web.RouteDef]:
    async def make(request: web.Request) -> web.Response:
        return json_answer(await _make(desk, await read_json(request, MakeCodes, "request for codes")))

    async def several(request: web.Request) -> web.Response:
        return json_answer(_several(desk, request.query))

    async def revoke(request: web.Request) -> web.Response:
        return json_answer(await _revoke(desk, await read_json(request, Revoke, "request to revoke")))

    return [
        web.post(PATH, answering(make)),
        web.get(PATH, answering(several)),
        web.post(REVOKE_PATH, answering(revoke)),
    ]


async def _make(desk: Desk, asked: MakeCodes) -> NewCodes:
    wanted = _wanted(desk, asked)
    if not wanted:
        raise Mistake(409, "nothing to make a code for: every gateway of the office has its token")
    if len(wanted) > CODES_MAX:
        raise Mistake(400, f"more than {CODES_MAX} codes at once")
    by = one_line("by", asked.by, BY_MAX_CHARACTERS, least=1)
    made = await desk.engine.enrolment.make(wanted, asked.valid_s, by, desk.clock())
    return NewCodes(codes=tuple(_shown(desk, code, text) for text, code in made))


def _wanted(desk: Desk, asked: MakeCodes) -> list[tuple[str, str]]:
    """Return (school, gateway) of each code that is asked for."""
    roster = desk.engine.roster
    for school in asked.schools:
        if school not in roster.schools:
            raise Mistake(404, f"no school {school!r} in the roster")
    for gateway in asked.gateways:
        if gateway not in roster.gateways:
            raise Mistake(404, f"no gateway {gateway!r} in the roster, and none of that name enrolled")
    if asked.office is not None and asked.office not in roster.offices:
        raise Mistake(404, f"no office {asked.office!r} in the roster")
    of_office = [name for name, school in roster.schools.items() if school.office == asked.office]
    has_token = {gateway for gateway, _ in desk.engine.enrolment.gateways()} | set(_by_hand(desk))
    found = {gateway: school for school, gateway in targets(roster, of_office) if gateway not in has_token}
    found |= {gateway: school for school, gateway in targets(roster, asked.schools)}
    found |= {gateway: roster.gateways[gateway].schools[0] for gateway in asked.gateways}
    return [(school, gateway) for gateway, school in found.items()]


def _by_hand(desk: Desk) -> list[str]:
    return [gateway.id for gateway in desk.engine.roster.gateways.values() if gateway.token_sha256]


def _shown(desk: Desk, code: Code, text: str) -> NewCode:
    roster = desk.engine.roster
    school: SchoolRoster = roster.schools[code.school]
    listed = roster.gateways.get(code.gateway)
    return NewCode(
        school=code.school,
        school_name=school.name,
        office_name=roster.offices.get(school.office, school.office),
        gateway=code.gateway,
        code=text,
        expires_at=code.expires_at,
        by_hand=listed is not None and listed.token_sha256 is not None,
    )


def _several(desk: Desk, query: Mapping[str, str]) -> CodeList:
    now, (offset, limit) = desk.clock(), window(query)
    codes = desk.engine.enrolment.codes()[::-1]
    end = offset + limit
    return CodeList(
        total=len(codes),
        offset=offset,
        next_offset=end if end < len(codes) else None,
        codes=tuple(_view(code, now) for code in codes[offset:end]),
    )


def _view(code: Code, now: float) -> CodeView:
    state: CodeState = "open" if code.is_open(now) else "used" if code.used_at is not None else "expired"
    return CodeView(
        school=code.school,
        gateway=code.gateway,
        state="revoked" if code.revoked_at is not None else state,
        made_by=code.made_by,
        made_at=code.made_at,
        expires_at=code.expires_at,
        used_at=code.used_at,
        used_from=code.used_from,
    )


async def _revoke(desk: Desk, asked: Revoke) -> Revoked:
    roster, enrolment = desk.engine.roster, desk.engine.enrolment
    known = {(t.gateway, t.school) for t in enrolment.tokens.values()} | {
        (c.gateway, c.school) for c in enrolment.codes()
    }
    gateways = {gateway for gateway, school in known if asked.subject in {gateway, school}}
    if asked.subject in roster.schools:
        gateways |= set(roster.schools[asked.subject].gateways)
    if asked.subject in roster.gateways:
        gateways.add(asked.subject)
    if not gateways:
        raise Mistake(404, f"neither a school nor a gateway with a code or token: {asked.subject!r}")
    by = one_line("by", asked.by, BY_MAX_CHARACTERS, least=1)
    done = await enrolment.revoke(gateways, by, desk.clock())
    await desk.admit()
    return Revoked(
        gateways=tuple(sorted(gateways)),
        codes=done.code_count,
        tokens=done.token_count,
        by_hand=tuple(sorted(gateways.intersection(_by_hand(desk)))),
    )


def described(schemas: Mapping[type[Struct], Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    mistakes = {
        "400": response("A wrong request.", error),
        "404": response("Not in the roster.", error),
        "503": response("The store does not answer; try again.", error),
    }
    refused = {
        "400": "No request to enrol.", "403": "A code of another school.", "404": "No such code.",
        "409": "Used already, or its school is listed no more.", "410": "Expired, or taken back.",
        "422": "The clock of the box is wrong.", "429": "Too many tries; Retry-After says when.",
        "503": "The store does not answer; the code is still good.",
    }  # fmt: skip
    listed = {
        "operationId": "listEnrolments",
        "summary": "Codes, open and done",
        "parameters": PAGING[1:],
        "responses": {"200": response("One page.", schemas[CodeList]), "400": mistakes["400"]},
    }
    made = {"200": response("The codes, said this once.", schemas[NewCodes]), "409": response("None to make.", error)}
    revoked = {"200": response("What was taken back.", schemas[Revoked])}
    enrolled = {"200": response("Who it is now.", schemas[EnrollAnswer])}
    enrolled |= {status: response(text, schemas[EnrollRefusal]) for status, text in refused.items()}
    enroll = _post("enroll", "A box becomes a gateway, by its code", schemas[Enroll], enrolled)
    return {
        PATH: {
            "get": listed,
            "post": _post("makeEnrolments", "One-time codes for gateways", schemas[MakeCodes], {**mistakes, **made}),
        },
        REVOKE_PATH: {
            "post": _post(
                "revokeEnrolment",
                "Take back the codes and tokens of a school or gateway",
                schemas[Revoke],
                {**mistakes, **revoked},
            )
        },
        ENROLL_PATH: {"post": {**enroll, "parameters": [LANG], "security": []}},
    }


def _post(name: str, summary: str, asked: Mapping[str, Any], responses: Mapping[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": asked}}}
    return {"operationId": name, "summary": summary, "requestBody": body, "responses": responses}
