"""The platform probe against real TLS servers, and against servers that are none."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.demo.platforms import Authority, Platform, Platforms, issue, make_authority
from classready.observation import Http, Outcome, Reason
from classready.targets import HttpTarget
from tests.support.probing import observe
from tests.support.raw_servers import Conversation, conversing


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def platforms() -> AsyncIterator[Platforms]:
    async with Platforms() as platforms:
        yield platforms


@pytest.fixture
async def good(platforms: Platforms, authority: Authority) -> Platform:
    return await platforms.add("good", Platform(issue(authority, "127.0.0.1", "localhost")))


async def _probe(url: str, authority: Authority | None = None, *, clock_good: bool = True, **changes: Any) -> Http:
    ca_file = str(authority.ca_file) if authority else None
    target = HttpTarget(name="p", url=url, ca_file=ca_file, **{"deadline_s": 5, **changes})
    (http,) = await observe(target, clock_good=clock_good)
    assert isinstance(http, Http)
    return http


async def test_every_phase_is_timed(good: Platform, authority: Authority) -> None:
    """A page over TLS: status, five phases, and the date on which the certificate ends."""
    http = await _probe(good.url, authority)
    assert (http.outcome, http.reason, http.status) == (Outcome.ANSWERED, None, 200)
    phases = http.phases_s
    assert None not in {phases.resolve, phases.connect, phases.tls, phases.processing, phases.transfer}
    assert http.certificate_expires_at == good.certificate.expires_at
    assert good.request_count == 1


async def test_plain_http_has_no_tls_phase(platforms: Platforms) -> None:
    """Without TLS that phase and the certificate's date stay unknown."""
    platform = await platforms.add("plain", Platform(None))
    http = await _probe(platform.url, expect="<title>platform")
    assert (http.outcome, http.phases_s.tls, http.certificate_expires_at) == (Outcome.ANSWERED, None, None)


@pytest.mark.parametrize(
    ("status", "accepted", "outcome"),
    [
        (200, (), Outcome.ANSWERED),
        (302, (), Outcome.ANSWERED),
        (401, (), Outcome.ANSWERED),
        (404, (), Outcome.ANSWERED),
        (500, (), Outcome.NO_ANSWER),
        (503, (), Outcome.NO_ANSWER),
        (404, (200, 401), Outcome.NO_ANSWER),
        (503, (503,), Outcome.ANSWERED),
    ],
)
async def test_statuses(good: Platform, authority: Authority, status: int, accepted: Any, outcome: Outcome) -> None:
    """401 means alive, a redirect is not followed, 5xx is a failure whose status is kept."""
    good.status = status
    http = await _probe(good.url, authority, accept_statuses=accepted)
    assert (http.outcome, http.status, good.request_count) == (outcome, status, 1)
    assert http.reason == (None if outcome is Outcome.ANSWERED else Reason.STATUS_UNEXPECTED)
    assert http.phases_s.transfer is not None


@pytest.mark.parametrize(
    ("clock_good", "outcome", "reason"),
    [(True, Outcome.NO_ANSWER, Reason.TLS_INVALID), (False, Outcome.UNMEASURED, Reason.CLOCK)],
)
async def test_expired_certificate(platforms, authority, clock_good, outcome, reason) -> None:
    """An expired certificate is the platform's fault, unless our clock may be wrong; its date is read either way."""
    certificate = issue(authority, "127.0.0.1", expired=True, label="expired")
    platform = await platforms.add("expired", Platform(certificate))
    http = await _probe(platform.url, authority, clock_good=clock_good)
    assert (http.outcome, http.reason) == (outcome, reason)
    assert http.certificate_expires_at == certificate.expires_at
    assert platform.request_count == 0


@pytest.mark.parametrize("clock_good", [True, False])
async def test_untrusted_certificate(good: Platform, clock_good) -> None:
    """An authority nobody knows is invalid by any clock."""
    http = await _probe(good.url, clock_good=clock_good)
    assert (http.outcome, http.reason, good.request_count) == (Outcome.NO_ANSWER, Reason.TLS_INVALID, 0)
    assert http.certificate_expires_at == good.certificate.expires_at


async def test_certificate_for_another_host(platforms: Platforms, authority: Authority) -> None:
    """A certificate for somebody else is invalid."""
    platform = await platforms.add("other", Platform(issue(authority, "elsewhere.example")))
    http = await _probe(platform.url, authority)
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.TLS_INVALID)
    assert "127.0.0.1" in http.detail


async def test_missing_ca_file_is_ours(good: Platform, tmp_path: Path) -> None:
    """A trust store that cannot be read says nothing about the platform."""
    http = await _probe(good.url, Authority(tmp_path, tmp_path / "none.pem", None, None))
    assert (http.outcome, http.reason) == (Outcome.UNMEASURED, Reason.PERMISSION)


async def test_stopped_and_started_again(good: Platform, authority: Authority) -> None:
    """A stopped platform refuses; switched on again it answers on the same port."""
    url = good.url
    await good.switch_off()
    refused = await _probe(url, authority)
    await good.switch_on()
    assert (refused.outcome, refused.reason) == (Outcome.NO_ANSWER, Reason.REFUSED)
    assert refused.phases_s.connect is None
    assert (await _probe(url, authority)).outcome is Outcome.ANSWERED


async def test_unknown_name() -> None:
    """A name that does not resolve is that, and not a timeout."""
    http = await _probe("https://no-such-host.invalid/")
    assert (http.outcome, http.reason, http.phases_s) == (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED, None)


async def test_every_address_is_tried(good: Platform, authority: Authority) -> None:
    """A name with a dead IPv6 address is as alive as in a browser."""
    http = await _probe(f"https://localhost:{good.port}/", authority)
    assert http.outcome is Outcome.ANSWERED


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Conversation], Awaitable[str]]]:
    """A server that holds one conversation with each client; gives its address."""
    async with AsyncExitStack() as stack:

        async def start(converse: Conversation) -> str:
            return f"http://127.0.0.1:{await stack.enter_async_context(conversing(converse))}/"

        yield start


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await reader.read()


@pytest.mark.parametrize("converse", [_drip, _silent, _stalled])
async def test_slow_servers(serve: Any, converse: Conversation) -> None:
    """A server that drips, says nothing or stops half-way is a TIMEOUT before the deadline cuts the probe off."""
    url = await serve(converse)
    async with asyncio.timeout(1.0):
        http = await _probe(url, deadline_s=0.8)
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
    assert http.status == (200 if converse is _stalled else None)


async def test_no_tls_behind_the_tls_port(serve: Any) -> None:
    """A handshake answered in plain text is PROTOCOL, not an invalid certificate."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    http = await _probe((await serve(converse)).replace("http:", "https:"))
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.PROTOCOL)


async def test_an_endless_body_is_cut(serve: Any) -> None:
    """A video instead of a page: the probe stops at its limit and closes."""
    sent_bytes = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent_bytes
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            sent_bytes += 65_536
            await writer.drain()

    http = await _probe(await serve(converse), max_body_bytes=10_000, expect="xxx")
    assert http.outcome is Outcome.ANSWERED
    assert sent_bytes < 20_000_000


async def test_cancelled_probe_closes_its_connection(serve: Any) -> None:
    """Cut off by the runner, the probe leaves no connection behind."""
    closed = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            await reader.read()
        finally:
            closed.set()

    url = await serve(converse)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await _probe(url)
    async with asyncio.timeout(2):
        await closed.wait()


async def test_a_port_without_listener_is_refused() -> None:
    """Refused is refused, on IPv6 too where there is one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        http = await _probe(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert http.reason is Reason.REFUSED


async def test_platforms_from_another_process(tmp_path: Path) -> None:
    """The stand-ins run as a program, announce their addresses, and obey the control socket."""
    command = ["-m", "bench.demo.platforms", "--directory", str(tmp_path), "--platform", "national=127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        announced = json.loads(await process.stdout.readline())
        url = announced["platforms"]["national"]
        target = HttpTarget(name="p", url=url, ca_file=announced["ca_file"], deadline_s=5)
        reader, writer = await asyncio.open_connection("127.0.0.1", announced["control"])
        outcomes = [(await observe(target))[0].outcome]
        for line in (b"platform national off\n", b"platform national on\n", b"platform nowhere on\n"):
            writer.write(line)
            answer = await reader.readline()
            outcomes.append((await observe(target))[0].outcome)
        writer.close()
        await writer.wait_closed()
    finally:
        process.terminate()
        await process.wait()
    assert outcomes == [Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.ANSWERED, Outcome.ANSWERED]
    assert answer.startswith(b"error: ")
