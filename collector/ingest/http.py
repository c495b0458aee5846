"""``POST /api/v1/reports``: one report in, its ack out, answered only after the commit.

Answers: 200 ack, 400 malformed, 401 unknown token, 403 not your gateway, another machine's, or a token that
was taken back, 408 body too slow,
413 too large,
422 a bug of ours (sent singly, the records beside the one that meets it get through), 429 too often, 503 not now
(both with Retry-After). Only 200 lets an agent delete anything.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import structlog
from aiohttp import web

from classready.codec import MalformedReport, encode, encode_ack
from classready.report import REPORT_MAX_BYTES
from collector.engine import CommitFailedError, Engine, NotAppliedError, QueueFullError, TwinError, UnknownGatewayError
from collector.ingest import MESSAGES_RECEIVED, MESSAGES_REJECTED, ForeignReportError, decode_from
from collector.ingest.credentials import Credentials, Ended
from collector.ingest.gate import Gate, TooOftenError

PATH = "/api/v1/reports"
BODY_TIMEOUT_S = 15.0
RETRY_AFTER_S = 5

_log = structlog.get_logger()


def routes(engine: Engine, clock: Callable[[], float], gate: Gate | None = None) -> list[web.RouteDef]:
    """``gate`` is shared with the other link; without one this door has its own."""
    shared = gate or Gate()
    credentials = Credentials(engine)

    async def receive(request: web.Request) -> web.Response:
        MESSAGES_RECEIVED.inc()
        gateway = await credentials.gateway_of(request.headers.get("Authorization", ""), clock())
        if gateway is None:
            return _refuse(401, "unknown_agent")
        if isinstance(gateway, Ended):
            return _refuse(403, "revoked", gateway.detail)
        if not shared.admit(gateway, clock()):
            return _refuse(429, "rate", retry=True)
        body = await _read(request)
        return body if isinstance(body, web.Response) else await _receive_from(gateway, body, engine, clock, shared)

    return [web.post(PATH, receive)]


async def _read(request: web.Request) -> bytes | web.Response:
    """Return the body, or the refusal of one that is too large or too slow."""
    if (request.content_length or 0) > REPORT_MAX_BYTES:
        return _refuse(413, "size")
    is_here = request.content.is_eof()  # with its head, as nearly every body: then there is nothing to wait for
    try:
        async with nullcontext() if is_here else asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.content.read(REPORT_MAX_BYTES + 1)
            while not request.content.at_eof() and len(body) <= REPORT_MAX_BYTES:
                body += await request.content.read(REPORT_MAX_BYTES + 1)
    except (TimeoutError, ConnectionError):
        return _refuse(408, "timeout")
    except web.RequestPayloadError:
        return _refuse(400, "json")  # chunked or compressed in a way that it says it is not
    return body if len(body) <= REPORT_MAX_BYTES else _refuse(413, "size")


async def _receive_from(
    gateway: str, body: bytes, engine: Engine, clock: Callable[[], float], gate: Gate
) -> web.Response:
    try:
        async with gate.turn(gateway, clock()):
            ack = await engine.submit(gateway, decode_from(gateway, body), clock())
    except TooOftenError:
        return _refuse(429, "rate", retry=True)
    except MalformedReport as error:
        _log.warning("report_refused", gateway=gateway, reason=error.reason, detail=str(error)[:200])
        return _answer(400, {"reason": error.reason, "detail": str(error)[:200]})
    except ForeignReportError:
        _log.warning("report_refused", gateway=gateway, reason="identity")
        return _answer(403, {"reason": "identity"})
    except UnknownGatewayError:
        return _refuse(401, "unknown_agent")
    except TwinError:
        return _refuse(403, "twin")
    except NotAppliedError:
        return _refuse(422, "internal")
    except (QueueFullError, CommitFailedError):
        return _answer(503, {"reason": "not_committed"}, retry=True)
    return web.Response(body=encode_ack(ack), content_type="application/json")


def _refuse(status: int, reason: str, detail: str | None = None, *, retry: bool = False) -> web.Response:
    MESSAGES_REJECTED.labels(reason).inc()
    return _answer(status, {"reason": reason, **({"detail": detail} if detail else {})}, retry=retry)


def _answer(status: int, body: Mapping[str, str], *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if retry else None
    return web.Response(status=status, body=encode(body), content_type="application/json", headers=headers)
