"""The way out: names, TCP, TLS, the credential, the size of packets, the responder. Asked once, changing nothing."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent import clock, dial, findings, http1, tls, urls
from agent.doctor import alive, dns, judge, machine
from agent.findings import Finding
from agent.links.http import REPORTS_PATH
from agent.settings import AgentSettings, HttpLink, MqttLink
from classready import __version__
from classready.bandwidth.packets import NONCE_BYTES, Challenge, Hello, encode, parse
from classready.codec import UNDECODABLE
from classready.hosts import is_address
from classready.observation import error_text
from classready.settings import read_secret
from classready.targets import BandwidthTarget, HttpTarget

CONNECT_S = 5.0
_HELLO_TRY_S = (0.5, 1.0, 1.5)
_ANSWER_MAX_BYTES = 65_536


def names(settings: AgentSettings) -> dict[str, bool]:
    """Hosts to be looked up -> whether they are of the world, which private addresses cannot be."""
    link = settings.link
    found = {urls.split(link.url).host if isinstance(link, HttpLink) else link.host: False}
    for target in settings.targets:
        if isinstance(target, HttpTarget):
            found[urls.split(target.url).host] = True
        elif isinstance(target, BandwidthTarget):
            found.setdefault(target.host, False)
    return {host: public for host, public in found.items() if not is_address(host) and host != "localhost"}


async def name(host: str, *, public: bool) -> list[Finding]:
    """By the system, as the agent does it, and where that is not well by each resolver: one of them may be at fault."""
    found = [await _by_system(host, public=public)]
    if found[0].result != "ok":
        asked = await asyncio.gather(*(_by_server(server, host, public=public) for server in dns.servers()))
        found += asked
    return found


async def _by_system(host: str, *, public: bool) -> Finding:
    try:
        addresses = [dial.shown(address) for address in await dial.resolve(host, 0, timeout_s=2 * CONNECT_S)]
    except dial.Unreached as error:
        return judge.name(host, (), error.detail, public=public, resolver="/etc/resolv.conf")
    return judge.name(host, addresses, None, public=public, resolver="/etc/resolv.conf")


async def _by_server(server: str, host: str, *, public: bool) -> Finding:
    try:
        return judge.name(host, await dns.ask(server, host), None, public=public, resolver=server)
    except dns.Failed as error:
        return judge.name(host, (), str(error), public=public, resolver=server)


async def collector(settings: AgentSettings) -> list[Finding]:
    """TCP, TLS and credential to the collector or the broker, packet size, and the clock, which the collector knows."""
    link, offset_s = settings.link, None
    if isinstance(link, HttpLink):
        found, offset_s = await _http(link)
    else:
        found = await _mqtt(link, settings)
    return [*found, local_clock(offset_s)]


def local_clock(offset_s: float | None = None) -> Finding:
    reading = clock.Clock("").read()
    return findings.clock(reading.wall_s, clock.FLOOR_S, good=reading.quality == "good", offset_s=offset_s)


async def _http(link: HttpLink) -> tuple[list[Finding], float | None]:
    url = urls.split(link.url.rstrip("/") + REPORTS_PATH)
    trust = tls.of_link(link) if url.tls else None
    found, streams = await _opened(url.host, url.port, trust, public=link.ca_file is None)
    if streams is None:
        return found, None
    reader, writer = streams
    answer = http1.Answer()
    fields = {"Authorization": f"Bearer {read_secret(Path(link.token_file))}", "Content-Length": "0"}
    fields |= {"Content-Type": "application/json", "User-Agent": f"classready-agent/{__version__} doctor"}
    try:
        async with asyncio.timeout(CONNECT_S):
            writer.write(http1.request("POST", url.authority, url.path, fields))
            await http1.read_head(reader, answer)
            await http1.read_body(reader, answer, _ANSWER_MAX_BYTES)
    except (TimeoutError, OSError, http1.NotHttp):
        pass  # what was read until then says what there is
    finally:
        writer.transport.abort()
    return [*found, judge.credential(answer.status, _json(answer))], _offset_s(answer)


def _json(answer: http1.Answer) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(bytes(answer.body), type=dict[str, Any])
    except UNDECODABLE:
        return None


def _offset_s(answer: http1.Answer) -> float | None:
    """This gateway's clock less the collector's, which tells whole seconds."""
    with contextlib.suppress(StopIteration, ValueError):
        text = next(iter(answer.values(b"date"))).decode("latin-1")
        told_s = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
        return time.time() - told_s
    return None


async def _mqtt(link: MqttLink, settings: AgentSettings) -> list[Finding]:
    trust = tls.of_link(link) if link.tls else None
    found, streams = await _opened(link.host, link.port, trust, public=link.ca_file is None)
    if streams is None:
        return found
    streams[1].transport.abort()
    if any(machine.agents()):
        return [*found, await alive.credential(settings)]
    from agent.doctor import broker

    return [*found, await broker.credential(link, settings.gateway, trust)]


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _opened(
    host: str, port: int, trust: ssl.SSLContext | None, *, public: bool
) -> tuple[list[Finding], Streams | None]:
    """Connect in two steps, so that each has its own result."""
    subject = f"{host}:{port}"
    try:
        connected = await dial.connect(await dial.resolve(host, port, timeout_s=CONNECT_S), CONNECT_S)
    except (dial.Unreached, OSError) as error:
        return [judge.reached("tcp", subject, getattr(error, "detail", "") or error_text(error))], None
    mss_bytes = connected.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    found = [judge.reached("tcp", subject, None), judge.segments(subject, mss_bytes)]
    server_name = tls.server_name(host) if trust else None
    try:
        async with asyncio.timeout(CONNECT_S):
            streams = await asyncio.open_connection(
                sock=connected.sock, limit=http1.HEAD_MAX_BYTES, ssl=trust, server_hostname=server_name
            )
    except ssl.SSLCertVerificationError as error:
        why = (
            clock.too_early()
            or (await tls.refusal(error, connected.peer, host, public_store=public, timeout_s=CONNECT_S)).detail
        )
        return [*found, judge.reached("tls", subject, why)], None
    except (TimeoutError, OSError) as error:
        return [*found, judge.reached("tls", subject, tls.handshake_text(OSError(error_text(error))))], None
    if trust:
        found.append(judge.certificate(subject, _days_left(streams[1])))
    return found, streams


def _days_left(writer: asyncio.StreamWriter) -> float | None:
    ends_at = tls.expires_at(writer.get_extra_info("ssl_object"))
    return None if ends_at is None else (ends_at - time.time()) / 86_400


async def responder(target: BandwidthTarget) -> list[Finding]:
    """UDP and TCP of the responder: what only one of them passes makes half of the tests impossible."""
    subject = f"{target.host}:{target.port}"
    try:
        addresses = await dial.resolve(target.host, target.port, timeout_s=CONNECT_S)
    except dial.Unreached as error:
        return [judge.reached("responder_tcp", subject, error.detail)]
    found = [await _by_tcp(subject, addresses)]
    if target.mode != "iperf3":
        found.append(judge.reached("responder_udp", subject, await _hello(addresses[0])))
    return found


async def _by_tcp(subject: str, addresses: Sequence[dial.Address]) -> Finding:
    try:
        (await dial.connect(addresses, CONNECT_S)).sock.close()
    except (dial.Unreached, OSError) as error:
        return judge.reached("responder_tcp", subject, getattr(error, "detail", "") or error_text(error))
    return judge.reached("responder_tcp", subject, None)


async def _hello(address: dial.Address) -> str | None:
    """Say hello as a test does; None = it answered. No lease is asked for."""
    loop, nonce, why = asyncio.get_running_loop(), os.urandom(NONCE_BYTES), "no answer"
    with socket.socket(address[0], socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(address[1])
        except OSError as error:
            return error.strerror or error_text(error)
        for wait_s in _HELLO_TRY_S:
            try:
                async with asyncio.timeout(wait_s):
                    await loop.sock_sendall(sock, encode(Hello(nonce=nonce)))
                    while True:
                        answer = parse(Challenge, await loop.sock_recv(sock, 2_048))
                        if answer is not None and answer.nonce == nonce:
                            return None
            except TimeoutError:
                continue
            except OSError as error:
                why = error.strerror or error_text(error)
                await asyncio.sleep(wait_s)
    return why
