"""One GET of a platform's page, timed phase by phase, on raw streams.

Own code because no client library tells the phases apart, nor the expiry date of a certificate that it refuses.
How an answer is framed does not decide whether there was one; whether it is the platform's, ``genuine`` finds.
"""

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter

from msgspec import Struct, field

from agent import dial, http1, tls, urls
from agent.probes import genuine
from agent.probes.contract import Context, Probe, forgetful, patience_s
from agent.probes.tools import Tools
from classready import __version__
from classready.observation import Http, Observation, Outcome, Phases, Reason, clean_text, error_text
from classready.targets import HttpTarget

PART = 0.9
"""Of the time left, for one step: so that it can tell who was silent, before patience ends."""
LOOK_TIMEOUT_S = 3.0
"""For a second handshake, which looks at certificates that were refused."""
FOLLOW_MAX_COUNT = 3

_FIELDS = {
    "User-Agent": f"classready-agent/{__version__}",
    "Accept": "*/*",
    # What is looked for in the page must be readable, and its size what the line carried (RFC 9110, 12.5.3).
    "Accept-Encoding": "identity",
    # The end of the connection then ends a page without a length (RFC 9112, 6.3).
    "Connection": "close",
}


class _Failure(Exception):  # noqa: N818 - a finding, not a fault
    def __init__(self, reason: Reason, detail: str, outcome: Outcome = Outcome.NO_ANSWER) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.outcome = outcome


class _Attempt(Struct):
    """What is known so far; a failure on the way leaves the rest None."""

    context: Context
    until_s: float
    """By the loop's clock: when patience ends."""
    phase: str = "resolve"
    phases_s: dict[str, float] = {}
    remarks: list[str] = []
    """What people should know beside the outcome, most important first."""
    connected_to: str | None = None
    url: urls.Url | None = None
    """The page that is asked for just now."""
    answer: http1.Answer = field(default_factory=http1.Answer)
    certificate_expires_at: float | None = None

    def left_s(self) -> float:
        return self.until_s - asyncio.get_running_loop().time()

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Of several pages the phases are added up."""
        self.phase = phase
        start_s = perf_counter()
        yield
        seconds = perf_counter() - start_s
        self.phases_s[phase] = self.phases_s.get(phase, 0.0) + seconds
        self.context.explain(f"{phase}: {seconds * 1000:.1f} ms")


def make(target: HttpTarget, _tools: Tools) -> Probe:
    return forgetful(target, observe, unmeasured)


async def observe(target: HttpTarget, context: Context) -> Sequence[Observation]:
    """One ``Http``. ANSWERED = an acceptable status, of the platform; oddities after it stand in ``detail``.

    Silence in the middle of an answer that promised more is no answer: so looks a line that drops large packets.
    """
    attempt = _Attempt(context, asyncio.get_running_loop().time() + patience_s(target))
    failure: _Failure | None = None
    try:
        async with asyncio.timeout_at(attempt.until_s):
            await _try(target, attempt)
    except _Failure as error:
        failure = error
    except dial.Unreached as error:
        failure = _Failure(error.reason, error.detail)
    except TimeoutError:
        failure = _out_of_time(target, attempt)
    except (OSError, http1.NotHttp) as error:
        failure = _Failure(_reason(error), f"{attempt.phase}: {_text(error, attempt.phase)}")
    if failure:
        context.explain(f"{failure.reason}: {failure.detail}")
    return [_observation(target, attempt, failure)]


def unmeasured(target: HttpTarget, reason: str, detail: str) -> Sequence[Observation]:
    return [Http(target=target.name, outcome=Outcome.UNMEASURED, reason=Reason(reason), detail=clean_text(detail))]


def _observation(target: HttpTarget, attempt: _Attempt, failure: _Failure | None) -> Http:
    return Http(
        target=target.name,
        outcome=failure.outcome if failure else Outcome.ANSWERED,
        reason=failure.reason if failure else None,
        detail=_detail(attempt, failure),
        phases_s=Phases(**attempt.phases_s) if attempt.phases_s else None,
        status=attempt.answer.status,
        certificate_expires_at=attempt.certificate_expires_at,
    )


def _detail(attempt: _Attempt, failure: _Failure | None) -> str | None:
    told = [failure.detail] if failure else []
    told += [*attempt.answer.oddities, *attempt.remarks]
    if attempt.connected_to:
        told.append(f"connected to {attempt.connected_to}")
    return clean_text("; ".join(told)) or None


def _out_of_time(target: HttpTarget, attempt: _Attempt) -> _Failure | None:
    """A page without a length, from a server that does not close, may well be whole."""
    if attempt.url and attempt.answer.until_close and attempt.answer.body:
        attempt.answer.odd("no length, and the server did not close the connection")
        attempt.answer.broken = True
        return _shortcoming(target, attempt.url, attempt.answer) or _doubt(target, attempt.url, attempt.answer)
    return _Failure(Reason.TIMEOUT, f"{attempt.phase}: not done within {patience_s(target):g} s")


def _reason(error: Exception) -> Reason:
    """A reset half-way, a TLS or HTTP that makes no sense: somebody is there, but does not speak as agreed."""
    if isinstance(error, http1.NotHttp | ssl.SSLError | ConnectionError):
        return Reason.PROTOCOL
    return Reason.UNREACHABLE


def _text(error: Exception, phase: str) -> str:
    """TLS may also end later: a server that demands our certificate says so after the handshake (RFC 8446, 4.4.2)."""
    if isinstance(error, ssl.SSLError) or (phase == "tls" and isinstance(error, OSError)):
        return tls.handshake_text(error)
    return error_text(error)


async def _try(target: HttpTarget, attempt: _Attempt) -> None:
    url = _url(target)
    for _ in range(1 + FOLLOW_MAX_COUNT):
        attempt.url, attempt.answer = url, http1.Answer()
        await _fetch(target, url, attempt)
        if failure := _shortcoming(target, url, attempt.answer):
            raise failure
        further = genuine.further(target, url, attempt.answer)
        if further is None:
            break
        attempt.context.explain(f"status {attempt.answer.status}: looking further at {further}")
        url = further
    if failure := _doubt(target, url, attempt.answer):
        raise failure


def _url(target: HttpTarget) -> urls.Url:
    try:
        return urls.split(target.url)
    except ValueError as error:
        raise _Failure(Reason.NAME_UNRESOLVED, f"not a usable address: {error}") from None


async def _fetch(target: HttpTarget, url: urls.Url, attempt: _Attempt) -> None:
    trust = _trust(target.ca_file) if url.tls else None
    with attempt.timed("resolve"):
        addresses = await dial.resolve(url.host, url.port, timeout_s=PART * attempt.left_s())
    connected = await _connect(addresses, attempt)
    try:
        async with _stream(connected.sock, url, trust, attempt) as (reader, writer):
            await _get(target, url, reader, writer, attempt)
    except ssl.SSLCertVerificationError as error:
        raise await _refused(error, connected.peer, url, target, attempt) from None


async def _get(
    target: HttpTarget, url: urls.Url, reader: StreamReader, writer: StreamWriter, attempt: _Attempt
) -> None:
    answer = attempt.answer
    with attempt.timed("processing"):
        writer.write(http1.request("GET", url.authority, url.path, _FIELDS))
        await http1.read_head(reader, answer)
    with attempt.timed("transfer"):
        await http1.read_body(reader, answer, target.max_body_bytes)
    attempt.context.explain(f"status {answer.status}, {len(answer.body)} bytes of body read")


def _shortcoming(target: HttpTarget, url: urls.Url, answer: http1.Answer) -> _Failure | None:
    """A platform that asks for a login (401), or redirects on its site, is alive."""
    if found := genuine.foreign(target, url, answer):
        return _Failure(found.reason, found.detail, found.outcome)
    status = answer.status
    if status in target.accept_statuses or (not target.accept_statuses and status is not None and status < 500):
        return None
    return _Failure(Reason.STATUS_UNEXPECTED, f"status {status}")


def _doubt(target: HttpTarget, url: urls.Url, answer: http1.Answer) -> _Failure | None:
    found = genuine.doubt(target, url, answer)
    return _Failure(found.reason, found.detail, found.outcome) if found else None


async def _connect(addresses: Sequence[dial.Address], attempt: _Attempt) -> dial.Connected:
    """The phase is what anybody waits before there is a connection, dead addresses included (curl's time_connect)."""
    try:
        with attempt.timed("connect"):
            connected = await dial.connect(addresses, PART * attempt.left_s())
    except OSError as error:
        raise _Failure(Reason.PROBE_BUG, f"connect: {error_text(error)}", Outcome.UNMEASURED) from None
    attempt.connected_to = connected.address + (f" ({connected.others})" if connected.others else "")
    attempt.context.explain(f"connected to {attempt.connected_to}, which took {connected.seconds * 1000:.1f} ms")
    return connected


@asynccontextmanager
async def _stream(
    sock: socket.socket, url: urls.Url, trust: ssl.SSLContext | None, attempt: _Attempt
) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Streams over ``sock``, which they own from now on."""
    if trust is None:
        reader, writer = await asyncio.open_connection(sock=sock, limit=http1.HEAD_MAX_BYTES)
    else:
        with attempt.timed("tls"):
            reader, writer = await asyncio.open_connection(
                sock=sock, limit=http1.HEAD_MAX_BYTES, ssl=trust, server_hostname=tls.server_name(url.host)
            )
        attempt.certificate_expires_at = tls.expires_at(writer.get_extra_info("ssl_object"))
        attempt.context.explain(f"the first certificate of the chain expires at {attempt.certificate_expires_at}")
    try:
        yield reader, writer
    finally:
        # Not closed in order: a server that never ends its side would hold the probe beyond its deadline.
        writer.transport.abort()


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return tls.trusting(ca_file)
    except OSError as error:
        raise _Failure(Reason.PERMISSION, f"ca_file {ca_file}: {error_text(error)}", Outcome.UNMEASURED) from None


async def _refused(
    error: ssl.SSLCertVerificationError, peer: dial.Address, url: urls.Url, target: HttpTarget, attempt: _Attempt
) -> _Failure:
    """By a clock that may be wrong, dates say nothing about the platform."""
    timeout_s = min(LOOK_TIMEOUT_S, PART * attempt.left_s())
    refusal = await tls.refusal(error, peer, url.host, public_store=target.ca_file is None, timeout_s=timeout_s)
    attempt.certificate_expires_at = refusal.expires_at
    if refusal.by_clock and not attempt.context.clock_good:
        return _Failure(Reason.CLOCK, f"by a clock that may be wrong: {refusal.detail}", Outcome.UNMEASURED)
    return _Failure(refusal.reason, refusal.detail)
