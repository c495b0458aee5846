"""``POST /api/v1/reports``: one report in, its ack out, answered only after the commit.

Answers: 200 ack, 400 malformed, 401 unknown token, 403 not your gateway, 408 body too slow, 413 too large,
429 too often, 503 not now (both with Retry-After). Only 200 lets an agent delete anything.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping

import structlog
from aiohttp import web
from msgspec import Struct

from classready.codec import MalformedReport, encode
from classready.report import REPORT_MAX_BYTES
from collector.engine import CommitFailedError, Engine, QueueFullError, UnknownGatewayError
from collector.ingest import MESSAGES_RECEIVED, MESSAGES_REJECTED, ForeignReportError, decode_from
from collector.roster import Roster

PATH = "/api/v1/reports"
BODY_TIMEOUT_S = 15.0
REPORTS_PER_S = 20.0
BURST_REPORTS = 40.0
RETRY_AFTER_S = 5

_log = structlog.get_logger()


class Bucket(Struct, frozen=True):
    """A token bucket: what was left of the burst, and when."""

    tokens: float = BURST_REPORTS
    at: float = 0.0

    def take(self, now: float) -> "Bucket":
        """Return the bucket after one more report; below 0 it is one too many."""
        refilled = min(BURST_REPORTS, self.tokens + max(0.0, now - self.at) * REPORTS_PER_S)
        return Bucket(refilled - 1, now)


def routes(engine: Engine, clock: Callable[[], float]) -> list[web.RouteDef]:
    buckets: dict[str, Bucket] = {}
    credentials = _Credentials()

    async def receive(request: web.Request) -> web.Response:
        MESSAGES_RECEIVED.inc()
        gateway = credentials.gateway_of(request.headers.get("Authorization", ""), engine.roster)
        if gateway is None:
            return _refuse(401, "unknown_agent")
        bucket = buckets.get(gateway, Bucket()).take(clock())
        if bucket.tokens < 0:
            return _refuse(429, "rate", retry=True)
        buckets[gateway] = bucket
        return await _receive_from(gateway, request, engine, clock)

    return [web.post(PATH, receive)]


async def _receive_from(gateway: str, request: web.Request, engine: Engine, clock: Callable[[], float]) -> web.Response:
    if (request.content_length or 0) > REPORT_MAX_BYTES:
        return _refuse(413, "size")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.content.read(REPORT_MAX_BYTES + 1)
            while not request.content.at_eof() and len(body) <= REPORT_MAX_BYTES:
                body += await request.content.read(REPORT_MAX_BYTES + 1)
    except TimeoutError:
        return _refuse(408, "timeout")
    if len(body) > REPORT_MAX_BYTES:
        return _refuse(413, "size")
    try:
        ack = await engine.submit(gateway, decode_from(gateway, body), clock())
    except MalformedReport as error:
        _log.warning("report_refused", gateway=gateway, reason=error.reason, detail=str(error)[:200])
        return _answer(400, {"reason": error.reason, "detail": str(error)[:200]})
    except ForeignReportError:
        _log.warning("report_refused", gateway=gateway, reason="identity")
        return _answer(403, {"reason": "identity"})
    except UnknownGatewayError:
        return _refuse(401, "unknown_agent")
    except (QueueFullError, CommitFailedError):
        return _answer(503, {"reason": "not_committed"}, retry=True)
    return web.Response(body=encode(ack), content_type="application/json")


class _Credentials:
    """Digest of a token -> gateway, rebuilt when the roster is another one."""

    def __init__(self) -> None:
        self._roster = Roster()
        self._by_digest: dict[str, str] = {}

    def gateway_of(self, authorization: str, roster: Roster) -> str | None:
        if roster is not self._roster:
            self._roster = roster
            self._by_digest = {g.token_sha256: g.id for g in roster.gateways.values()}
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._by_digest.get(hashlib.sha256(token.strip().encode(errors="replace")).hexdigest())


def _refuse(status: int, reason: str, *, retry: bool = False) -> web.Response:
    MESSAGES_REJECTED.labels(reason).inc()
    return _answer(status, {"reason": reason}, retry=retry)


def _answer(status: int, body: Mapping[str, str], *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if retry else None
    return web.Response(status=status, body=encode(body), content_type="application/json", headers=headers)
