"""``GET /api/v1/settings``: what the bureau has a gateway measure, for that gateway's own token and nobody else's.

Answers: 200 the document, with its version as ETag; 304 where If-None-Match names it; 401, 403, 429 as for reports;
404 there is none for it.
"""

from collections.abc import Callable

from aiohttp import web

from classready.codec import encode
from collector.engine import Engine
from collector.ingest.credentials import Credentials, Ended
from collector.ingest.documents import settings_of
from collector.ingest.gate import Gate

PATH = "/api/v1/settings"
RETRY_AFTER_S = 5


def routes(engine: Engine, clock: Callable[[], float], gate: Gate) -> list[web.RouteDef]:
    """``gate`` is shared with the doors for reports."""
    credentials = Credentials(engine)

    async def give(request: web.Request) -> web.Response:
        gateway = await credentials.gateway_of(request.headers.get("Authorization", ""), clock())
        if gateway is None:
            return _refuse(401, "unknown_agent")
        if isinstance(gateway, Ended):
            return _refuse(403, "revoked")
        if not gate.admit(gateway, clock()):
            return _refuse(429, "rate", {"Retry-After": str(RETRY_AFTER_S)})
        version = engine.configuring.version(gateway)
        if version is None:
            return _refuse(404, "none")
        tag = {"ETag": f'"{version}"'}
        if any(known.value in {version, "*"} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=tag)
        return web.Response(body=settings_of(engine, gateway), content_type="application/json", headers=tag)

    return [web.get(PATH, give)]


def _refuse(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    body = encode({"reason": reason})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
