"""The web server's door: who may stay how long, and that nothing a stranger sends fills the log with our tracebacks.

Behind a proxy or a school's NAT many share an address, so nobody is refused by it. Where there are too many
connections, those go that have waited longest without a request: an honest one sends its own after one round trip.
"""

import asyncio
import logging
import resource
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from aiohttp.http import HttpProcessingError
from msgspec import Struct
from prometheus_client import Counter

from collector.settings import Listen

HEAD_TIMEOUT_S = 10.0
"""From the connection, or TLS's begin, to the end of a request's head."""
IDLE_TIMEOUT_S = 75.0
"""Between two requests: longer than the usual report interval, so that a gateway need not shake hands each minute."""
WORK_TIMEOUT_S = 120.0
"""For one request and its answer, which the other end must also read."""
STRANGERS_MAX = 512
"""Connections that have not sent one whole head yet."""
SWEEP_S = 1.0
HEAD_FIELD_MAX_BYTES = 4_096
HEAD_FIELDS_MAX = 64
LINGERING_S = 5.0
SHUTDOWN_S = 5.0
_NAME_MAX_BYTES = 255
"""No file or id has a longer name (Linux, NAME_MAX)."""
_CHARACTER_MAX_BYTES = 4
"""In UTF-8 (RFC 3629, 3)."""

CLOSED = Counter(
    "classready_collector_http_connections_closed", "Connections that the collector ended, by why.", ["reason"]
)
MALFORMED = Counter("classready_collector_http_malformed", "Requests that are no HTTP; answered 400, not logged.")
for _reason in ("head", "idle", "work", "crowd"):
    CLOSED.labels(_reason)


@asynccontextmanager
async def listening(
    application: web.Application, settings: Listen, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[str, int]]:
    """Serve ``application`` for the ``async with`` block; yield the address.

    Raises:
        OSError: it cannot be bound.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_S,
        keepalive_timeout=IDLE_TIMEOUT_S,
        lingering_time=LINGERING_S,
        max_line_size=HEAD_FIELD_MAX_BYTES,
        max_field_size=HEAD_FIELD_MAX_BYTES,
        max_headers=HEAD_FIELDS_MAX,
    )
    await runner.setup()
    assert runner.server is not None
    quiet = _Quiet()
    logging.getLogger("aiohttp.server").addFilter(quiet)
    sweeping = asyncio.create_task(_Guests(runner.server, _connections_max()).watch())
    try:
        server = await asyncio.get_running_loop().create_server(
            runner.server,
            settings.host,
            settings.port,
            ssl=tls,
            ssl_handshake_timeout=HEAD_TIMEOUT_S if tls else None,
            ssl_shutdown_timeout=SHUTDOWN_S if tls else None,
        )
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield host, port
        finally:
            server.close()
    finally:
        sweeping.cancel()
        logging.getLogger("aiohttp.server").removeFilter(quiet)
        await runner.cleanup()


@web.middleware
async def refuse_odd_targets(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer what is no path of ours before anything looks at it: ``CONNECT x:1``, ``OPTIONS *``, names without end."""
    path = request.path
    if not path.startswith("/"):
        return web.Response(status=400, text="not a path\n")
    may_be_long = len(path) > _NAME_MAX_BYTES // _CHARACTER_MAX_BYTES
    if may_be_long and any(len(part.encode(errors="replace")) > _NAME_MAX_BYTES for part in path.split("/")):
        return web.Response(status=404, text="not found\n")
    return await handler(request)


class _Guest(Struct):
    """A connection as it was last seen. ``request_count`` counts whole heads."""

    since_s: float
    request_count: int
    waiting: bool


class _Guests:
    """Looks around every second. aiohttp 3.14 has a timer of its own, but only from answer to next request."""

    def __init__(self, server: web.Server, connections_max: int) -> None:
        self._server, self._connections_max = server, connections_max
        self._seen: dict[web.RequestHandler, _Guest] = {}

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._look(asyncio.get_running_loop().time())

    def _look(self, now_s: float) -> None:
        self._seen = {handler: self._update(handler, now_s) for handler in self._server.connections}
        for handler, guest in list(self._seen.items()):
            reason, limit_s = _limit(guest)
            if now_s - guest.since_s > limit_s:
                self._close(handler, reason)
        waiting = sorted((g.since_s, n, h) for n, (h, g) in enumerate(self._seen.items()) if g.waiting)
        strangers = [h for _, _, h in waiting if not self._seen[h].request_count]
        crowd = [h for _, _, h in waiting][: max(0, len(self._seen) - self._connections_max)]
        for handler in {*strangers[: max(0, len(strangers) - STRANGERS_MAX)], *crowd}:
            self._close(handler, "crowd")

    def _update(self, handler: web.RequestHandler, now_s: float) -> _Guest:
        before = self._seen.get(handler)
        count, waiting = handler._request_count, handler._waiter is not None  # noqa: SLF001 - not told in public
        if before is not None and (before.request_count, before.waiting) == (count, waiting):
            return before
        return _Guest(now_s, count, waiting)

    def _close(self, handler: web.RequestHandler, reason: str) -> None:
        """Abort: to close would wait for the other end to read what is left."""
        self._seen.pop(handler, None)
        if handler.transport is not None:
            CLOSED.labels(reason).inc()
            handler.transport.abort()


def _limit(guest: _Guest) -> tuple[str, float]:
    if not guest.waiting:
        return "work", WORK_TIMEOUT_S
    return ("idle", IDLE_TIMEOUT_S + SWEEP_S) if guest.request_count else ("head", HEAD_TIMEOUT_S)


def _connections_max() -> int:
    """Half of the descriptors that this process may have; the rest is for the store, the broker and tests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 2**20 if soft == resource.RLIM_INFINITY else max(64, soft // 2)


class _Quiet(logging.Filter):
    """aiohttp logs a traceback of its parser for each request that is no HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        strange = isinstance(error, HttpProcessingError | web.RequestPayloadError)
        MALFORMED.inc(strange)
        return not strange
