"""``POST /api/v1/enroll``: a box comes with a one-time code, and leaves as a gateway with a token of its own.

A code has 80 bits, so what the limits keep small is what guesses cost, and how often a typing error is tried again.
"""

import unicodedata
from collections.abc import Mapping
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import Counter

from collector import query
from collector.engine import CommitFailedError, EnrolmentRefusedError
from collector.engine.enrolment import Claim, Enrolled
from collector.engine.errors import EnrolmentRefusal
from collector.enrol_api import ENROLL_PATH, Desk, Enroll, EnrollAnswer, EnrolledSchool, EnrollRefusal, HttpLinkSettings
from collector.responder.allowance import REFILL_RATIO, Allowances
from collector.responder.leases import line_of
from collector.text import LANGUAGES, Language, duration, say

GUESSES_PER_MINUTE: Final = 5
_GUESS_COST_S = 60.0 * REFILL_RATIO / GUESSES_PER_MINUTE
ALL_GUESSES_PER_MINUTE: Final = 120
"""More are answered as too many. Who has a good code is let in all the same: else a thousand guessers would keep every
school out."""
_ALL_COST_S = 60.0 * REFILL_RATIO / ALL_GUESSES_PER_MINUTE
_EVERYBODY = ""
LOGGED_PER_MINUTE: Final = 60
"""Refusals; the others are only counted: whoever has a used code, or none, must not fill the log with it."""
_LOG_COST_S = 60.0 * REFILL_RATIO / LOGGED_PER_MINUTE
CLOCK_MAX_S = 86_400.0
"""A box that is further off could not tell the validity of a certificate; the collector itself dates records of any."""

_STATUS: Mapping[EnrolmentRefusal, int] = {
    "unknown": 404, "used": 409, "expired": 410, "revoked": 410, "wrong_school": 403, "not_listed": 409,
}  # fmt: skip

ENROLMENTS = Counter("classready_collector_enrolments", "Boxes that asked to enrol, by what came of it.", ["result"])
for _result in (*_STATUS, "enrolled", "too_often", "clock", "malformed", "store_away"):
    ENROLMENTS.labels(_result)

_log = structlog.get_logger()


def routes(desk: Desk) -> list[web.RouteDef]:
    return [web.post(ENROLL_PATH, _Door(desk).answer)]


class _Refused(Exception):  # noqa: N818
    def __init__(self, status: int, reason: str, *, retry_after_s: int | None = None, **fields: object) -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after_s, self.fields = status, reason, retry_after_s, fields


class _Door:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        burst_s = (GUESSES_PER_MINUTE - 1) * _GUESS_COST_S
        self._guesses, self._all = Allowances(burst_s), Allowances((ALL_GUESSES_PER_MINUTE - 1) * _ALL_COST_S)
        self._lines = Allowances((LOGGED_PER_MINUTE - 1) * _LOG_COST_S)

    async def answer(self, request: web.Request) -> web.Response:
        language = _language(request, self._desk.language)
        address = query.sender(request, behind_proxy=self._desk.behind_proxy)
        try:
            self._admit(address)
            asked = await _read(request)
            self._check_clock(asked, language)
            done = await self._redeem(asked, address)
        except _Refused as refused:
            self._log(refused, address)
            return _refusal(refused, language)
        ENROLMENTS.labels("enrolled").inc()
        return query.json_answer(self._answer(request, done))

    def _admit(self, address: str) -> None:
        if wait_s := self._guesses.wait_s(line_of(address)):
            raise _too_often(wait_s)

    def _check_clock(self, asked: Enroll, language: Language) -> None:
        if asked.clock is not None and (off_s := abs(asked.clock - self._desk.clock())) > CLOCK_MAX_S:
            raise _Refused(422, "clock", duration=duration(off_s, language))

    async def _redeem(self, asked: Enroll, address: str) -> Enrolled:
        desk = self._desk
        claim = Claim(asked.code, asked.school, asked.attempt, address, _box(asked))
        try:
            done = await desk.engine.enrolment.redeem(claim, desk.engine.roster, desk.clock())
        except EnrolmentRefusedError as error:
            if error.reason == "unknown":
                self._pay(address)
            raise _Refused(_STATUS[error.reason], error.reason) from None
        except CommitFailedError:
            raise _Refused(503, "store_away", retry_after_s=60) from None
        await desk.admit()
        return done

    def _pay(self, address: str) -> None:
        """For a guess, one of those that came at once as much as the next."""
        self._admit(address)
        wait_s = self._all.wait_s(_EVERYBODY)
        self._guesses.pay(line_of(address), _GUESS_COST_S)
        if wait_s:
            raise _too_often(wait_s)
        self._all.pay(_EVERYBODY, _ALL_COST_S)

    def _log(self, refused: _Refused, address: str) -> None:
        if not self._lines.wait_s(_EVERYBODY):
            self._lines.pay(_EVERYBODY, _LOG_COST_S)
            _log.warning("enrolment_refused", reason=refused.reason, address=address)

    def _answer(self, request: web.Request, done: Enrolled) -> EnrollAnswer:
        roster, url = self._desk.engine.roster, own_url(self._desk, request)
        listed = roster.gateways.get(done.gateway)
        schools = listed.schools if listed else (done.school,)
        return EnrollAnswer(
            gateway=done.gateway,
            token=done.token,
            collector_url=url,
            link=self._desk.broker or HttpLinkSettings(url=url),
            schools=tuple(EnrolledSchool(school=name, name=roster.schools[name].name) for name in schools),
        )


def own_url(desk: Desk, request: web.Request) -> str:
    """Where boxes reach the collector: as the settings say, else as this one did."""
    return desk.url or f"{'https' if desk.is_https else 'http'}://{request.host}"


async def _read(request: web.Request) -> Enroll:
    try:
        return await query.read_json(request, Enroll, "request to enrol")
    except query.Mistake as mistake:
        raise _Refused(400, "malformed", detail=str(mistake)[:200]) from None


def _box(asked: Enroll) -> str:
    """As it calls itself, for the log: whatever is no letter or digit becomes a full stop."""
    said = " ".join(part for part in (asked.name, asked.arch, asked.version) if part)
    return "".join(c if unicodedata.category(c)[0] in "LN" or c in "-_ " else "." for c in said)[:200]


def _too_often(wait_s: float) -> _Refused:
    seconds = int(wait_s) + 1
    return _Refused(429, "too_often", retry_after_s=seconds, seconds=seconds)


def _refusal(refused: _Refused, language: Language) -> web.Response:
    ENROLMENTS.labels(refused.reason).inc()
    said = EnrollRefusal(error=say(f"enrol.{refused.reason}", language, **refused.fields), reason=refused.reason)
    answer = query.json_answer(said, refused.status)
    if refused.retry_after_s is not None:
        answer.headers["Retry-After"] = str(refused.retry_after_s)
    return answer


def _language(request: web.Request, default: Language) -> Language:
    """The first of ours that the box names; most send ``zh`` or ``en`` alone."""
    asked = [request.query.get("lang", ""), *request.headers.get("Accept-Language", "").lower().split(",")]
    named = (known for text in asked for known in LANGUAGES if text.strip().startswith(known))
    return next(named, default)
