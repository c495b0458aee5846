"""Reports over ``POST /api/v1/reports``, answered by the collector after its commit; settings by GET beside it."""

import asyncio
import contextlib
import errno
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from agent import clock, dial, http1, tls, urls
from agent.links import Acked, Keep, Outcome, Refused, TooLarge
from agent.settings import HttpLink
from classready.codec import UNDECODABLE, MalformedReport, decode_ack
from classready.observation import Reason, error_text
from classready.report import REPORT_MAX_BYTES
from classready.settings import read_secret

REPORTS_PATH = "/api/v1/reports"
SETTINGS_PATH = "/api/v1/settings"
IDLE_MAX_S = 15.0
"""After so long a connection is not used again: NAT and firewalls forget it without a word, and a report would hang."""


_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def connect(settings: HttpLink, agent_version: str) -> AsyncIterator["HttpReports"]:
    """Yield a link with one reused connection. No proxy from the environment, no redirects, no cookies.

    Raises:
        OSError: the token or the authority cannot be read.
        ValueError: the address cannot be used.
    """
    token = read_secret(Path(settings.token_file))
    if not token.isprintable():
        raise OSError(errno.EINVAL, "not one line of text", settings.token_file)
    fields = {
        "Authorization": f"Bearer {token}",
        "User-Agent": f"classready-agent/{agent_version}",
    }
    link = HttpReports(settings, urls.split(settings.url.rstrip("/") + "/"), fields)
    try:
        yield link
    finally:
        link.close()


class _Denied(Struct):
    reason: str = ""


_denied = msgspec.json.Decoder(_Denied)
_DENIALS = frozenset({"revoked", "twin"})
"""The bureau took the token back, or gave another one that is in use; another machine reports with it."""


class HttpReports:
    def __init__(self, settings: HttpLink, url: urls.Url, fields: Mapping[str, str]) -> None:
        self._url, self._fields, self._timeout_s = url, fields, settings.timeout_s
        self._trust = tls.of_link(settings) if url.tls else None
        self._streams: tuple[StreamReader, StreamWriter] | None = None
        self._used_s = 0.0
        self._ca_file = settings.ca_file
        self.trouble = ""
        self.certificate_expires_at: float | None = None

    async def send(self, body: bytes, sequences: Collection[int]) -> Outcome:  # noqa: ARG002 - the answer belongs to it
        self.trouble = ""
        try:
            async with asyncio.timeout(self._timeout_s):
                return _outcome(await self._exchange(self._report(body)))
        except TimeoutError:
            return Keep(why="timeout")
        except dial.Unreached as error:
            self.trouble = error.detail
            return Keep(why="timeout" if error.reason is Reason.TIMEOUT else "disconnected")
        except ssl.SSLError as error:
            self.trouble = await self._refusal(error)
            return Keep(why="tls")
        except (OSError, http1.NotHttp) as error:
            self.trouble = error_text(error)
            return Keep(why="disconnected")

    async def fetch(self, known: str | None) -> bytes | None:
        fields = {**self._fields, **({"If-None-Match": f'"{known}"'} if known else {})}
        request = http1.request("GET", self._url.authority, self._url.path + SETTINGS_PATH[1:], fields)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(request)
        except (OSError, TimeoutError, dial.Unreached, http1.NotHttp) as error:
            _log.warning("settings_not_fetched", error=error_text(error))
            return None
        if answer.status == 200 and not answer.broken:
            return bytes(answer.body)
        if answer.status != 304:
            _log.warning("settings_not_fetched", status=answer.status, broken=answer.broken)
        return None

    def _report(self, body: bytes) -> bytes:
        fields = {**self._fields, "Content-Type": "application/json", "Content-Length": str(len(body))}
        return http1.request("POST", self._url.authority, self._url.path + REPORTS_PATH[1:], fields, body)

    async def _refusal(self, error: ssl.SSLError) -> str:
        """A clock before the release of this program explains every refused date, and is all there is to mend."""
        if not isinstance(error, ssl.SSLCertVerificationError):
            return tls.handshake_text(error)
        if early := clock.too_early():
            return early
        with contextlib.suppress(dial.Unreached, OSError):
            peer = (await dial.resolve(self._url.host, self._url.port, timeout_s=self._timeout_s))[0]
            public = self._ca_file is None
            return (
                await tls.refusal(error, peer, self._url.host, public_store=public, timeout_s=self._timeout_s)
            ).detail
        return error_text(error)

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _exchange(self, request: bytes) -> http1.Answer:
        """A kept connection may have ended unseen, also with a 408; reports may be sent twice, so they are."""
        if streams := self._kept():
            with contextlib.suppress(OSError, http1.NotHttp):
                answer = await self._ask(*streams, request)
                if answer.status != 408:
                    return answer
        return await self._ask(*await self._open(), request)

    def _kept(self) -> tuple[StreamReader, StreamWriter] | None:
        return self._streams if asyncio.get_running_loop().time() - self._used_s < IDLE_MAX_S else None

    async def _open(self) -> tuple[StreamReader, StreamWriter]:
        self.close()
        addresses = await dial.resolve(self._url.host, self._url.port)
        sock = (await dial.connect(addresses, self._timeout_s)).sock
        name = tls.server_name(self._url.host) if self._trust else None
        streams = await asyncio.open_connection(
            sock=sock, limit=http1.HEAD_MAX_BYTES, ssl=self._trust, server_hostname=name
        )
        if secured := streams[1].get_extra_info("ssl_object"):
            self.certificate_expires_at = tls.expires_at(secured)
        return streams

    async def _ask(self, reader: StreamReader, writer: StreamWriter, request: bytes) -> http1.Answer:
        """Send and read; the connection is kept only behind an answer that leaves no doubt where it ended."""
        self._streams = reader, writer
        answer = http1.Answer()
        try:
            writer.write(request)
            await http1.read_head(reader, answer)
            await http1.read_body(reader, answer, REPORT_MAX_BYTES + 1)
        finally:
            self._used_s = asyncio.get_running_loop().time()
            if not answer.reusable:
                self.close()
        return answer


def _outcome(answer: http1.Answer) -> Outcome:
    match answer.status:
        case 200:
            return _acked(answer)
        case 413:
            return TooLarge()
        case 400 | 422:
            return Refused()
        # Kept, not dropped: a token that is wrong says nothing of the records.
        case 401 | 403:
            return Keep(why=_denial(answer), retry_after_s=_retry_after_s(answer))
        # 408 is also what a proxy says of a connection that idled (RFC 9110, 15.5.9): no fault of the report.
        case 408 | 429 | 503:
            return Keep(why="busy", retry_after_s=_retry_after_s(answer))
        case int(status) if status >= 500:
            return Keep(why="server_error", retry_after_s=_retry_after_s(answer))
        case _:
            return Keep(why="not_a_collector")


def _acked(answer: http1.Answer) -> Outcome:
    """Read an ack, at most as large as a report: a captive portal also answers 200, with a page."""
    if answer.broken:
        return Keep(why="disconnected")
    try:
        ack = decode_ack(bytes(answer.body))
    except MalformedReport:
        return Keep(why="not_a_collector")
    return Acked(acks=(ack,), collector_s=_date_s(answer))


def _denial(answer: http1.Answer) -> str:
    """Say it as the collector does, where that is a word of its own: what helps is not the same each time."""
    try:
        said = _denied.decode(answer.body).reason
    except UNDECODABLE:
        said = ""
    return said if said in _DENIALS else "denied"


def _date_s(answer: http1.Answer) -> float | None:
    """Return the collector's clock: IMF-fixdate, the only form that RFC 9110 (5.6.7) lets it send."""
    text = _first(answer, b"date")
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _retry_after_s(answer: http1.Answer) -> float | None:
    """Return the seconds asked for; None where nothing was said, or a date (gateways may have no clock to compare)."""
    text = _first(answer, b"retry-after")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _first(answer: http1.Answer, name: bytes) -> str:
    return next(iter(answer.values(name)), b"").decode("latin-1")
