"""Reports over ``POST /api/v1/reports``, answered by the collector after its commit."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Collection
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from agent.links import Acked, Keep, Outcome, Refused, TooLarge
from agent.settings import HttpLink
from classready.codec import MalformedReport, decode_ack
from classready.report import REPORT_MAX_BYTES
from classready.settings import read_secret

REPORTS_PATH = "/api/v1/reports"


@contextlib.asynccontextmanager
async def connect(settings: HttpLink, agent_version: str) -> AsyncIterator["HttpReports"]:
    """Yield a link with one reused connection. No proxy from the environment, no redirects, no cookies."""
    headers = {
        "Authorization": f"Bearer {read_secret(Path(settings.token_file))}",
        "Content-Type": "application/json",
        "User-Agent": f"classready-agent/{agent_version}",
    }
    connector = aiohttp.TCPConnector(limit=1, ssl=ssl.create_default_context(cafile=settings.ca_file))
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield HttpReports(session, settings.url.rstrip("/") + REPORTS_PATH)


class HttpReports:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def send(self, body: bytes, sequences: Collection[int]) -> Outcome:  # noqa: ARG002 - the answer belongs to it
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                return await _outcome(response)
        except TimeoutError:
            return Keep(why="timeout")
        except aiohttp.ClientSSLError:
            return Keep(why="tls")
        except (aiohttp.ClientError, OSError):
            return Keep(why="disconnected")


async def _outcome(response: aiohttp.ClientResponse) -> Outcome:
    match response.status:
        case 200:
            return await _acked(response)
        case 413:
            return TooLarge()
        case 400 | 422:
            return Refused()
        case 401 | 403:
            return Keep(why="denied", retry_after_s=_retry_after_s(response))
        case 429 | 503:
            return Keep(why="busy", retry_after_s=_retry_after_s(response))
        case status if status >= 500:
            return Keep(why="server_error", retry_after_s=_retry_after_s(response))
        case _:
            return Keep(why="not_a_collector")


async def _acked(response: aiohttp.ClientResponse) -> Outcome:
    """Read an ack, at most as large as a report: a captive portal also answers 200, with a page."""
    try:
        body = await response.content.readexactly(REPORT_MAX_BYTES + 1)
    except asyncio.IncompleteReadError as whole:
        body = whole.partial
    try:
        ack = decode_ack(body)
    except MalformedReport:
        return Keep(why="not_a_collector")
    return Acked(acks=(ack,), collector_s=_date_s(response))


def _date_s(response: aiohttp.ClientResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Return the seconds asked for; None where nothing was said, or a date (gateways may have no clock to compare)."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
