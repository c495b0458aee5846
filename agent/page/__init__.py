"""The agent's own page, for the person beside the gateway: read-only, on loopback, and in the LAN only where asked for.

``/`` shows what is measured and what is wrong, ``/acceptance`` the last acceptance sheet, ``/healthz`` tells the
installer how the agent is.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agent import sheets
from agent.page import html
from agent.page.answerer import Answerer, Page, Response
from agent.page.look import Running, health, look
from agent.settings import LocalPage
from agent.words import Language
from classready.codec import encode

__all__ = ["Running", "keep_serving"]

LOOPBACK = "127.0.0.1"
_WITH_LOOPBACK = {LOOPBACK, "localhost", "0.0.0.0"}  # noqa: S104 - looked for, not bound
"""Hosts that stand for it, too. ``::`` does not: asyncio opens it for IPv6 alone."""
SPOOL_PATIENCE_S = 5.0
"""A disk that hangs must not look like a page that hangs."""


async def keep_serving(listen: LocalPage, running: Callable[[], Running]) -> None:
    """Serve until cancelled, on 127.0.0.1 in any case: the installer asks there."""
    pages: dict[str, Page] = {
        "/": partial(_front, running),
        "/page.css": _style,
        "/acceptance": partial(_sheet, running),
        "/healthz": partial(_healthz, running),
    }
    answerer = Answerer(pages, listen.names)
    hosts = [listen.host] if listen.host in _WITH_LOOPBACK else [LOOPBACK, listen.host]
    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(answerer.serve(host, listen.port), name=f"page {host}")


async def _front(seen: Callable[[], Running], query: Mapping[str, str]) -> Response:
    running = seen()
    try:
        async with asyncio.timeout(SPOOL_PATIENCE_S):
            found = await look(running)
    except TimeoutError:
        return _stuck()
    language: Language = "en" if query.get("lang") == "en" else "zh"
    text = html.render(found, running.settings, str(running.path), language)
    return Response(200, text.encode(), "text/html; charset=utf-8")


async def _style(_query: Mapping[str, str]) -> Response:
    return Response(200, html.STYLE.encode(), "text/css; charset=utf-8")


async def _sheet(seen: Callable[[], Running], _query: Mapping[str, str]) -> Response:
    """As it was written, for whoever prints it: it brings its own style, and needs nothing else."""
    running = seen()
    body = await asyncio.to_thread(_last_sheet, Path(running.settings.state_dir), running.settings.gateway)
    if body is None:
        return Response(404, b"no sheet has been made here yet: sudo classready-agent acceptance\n")
    return Response(200, body, "text/html; charset=utf-8", "default-src 'none'; style-src 'unsafe-inline'")


def _last_sheet(state_dir: Path, gateway: str) -> bytes | None:
    for path in sheets.kept(state_dir, gateway, ".html")[-1:]:
        with contextlib.suppress(OSError):
            return path.read_bytes()
    return None


async def _healthz(seen: Callable[[], Running], _query: Mapping[str, str]) -> Response:
    try:
        async with asyncio.timeout(SPOOL_PATIENCE_S):
            found = await health(seen())
    except TimeoutError:
        return _stuck()
    return Response(200, encode(found) + b"\n", "application/json")


def _stuck() -> Response:
    return Response(503, b"the spool does not answer: does the disk hang?\n")
