"""As much of an HTTP server as one read-only page needs: GET, a few paths, bounded in everything.

Own code for memory's sake: aiohttp costs a gateway 10 MiB (docs/decisions/0022), and nothing here comes from the world
but a path, a query and a host.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from ipaddress import ip_address
from urllib.parse import parse_qsl

import structlog
from msgspec import Struct

HEAD_MAX_BYTES = 8_192
CONNECTIONS_MAX_COUNT = 8
"""From this machine, and as many from elsewhere: nobody in the LAN keeps the installer from ``/healthz``."""
DEADLINE_S = 10.0
"""From the first byte to the last, whoever is slow."""
BIND_AGAIN_S = 30.0
"""The address of a LAN may come later than the agent (DHCP), or be held by an agent that still ends."""

_SAFE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ALONE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

_log = structlog.get_logger()


class Response(Struct, frozen=True):
    """``sources``: from where a browser may take what belongs to the page, and what it may do (``default-src`` ...)."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    sources: str = "default-src 'self'"


Page = Callable[[Mapping[str, str]], Awaitable[Response]]
"""From the query to what is shown."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.response = Response(status, f"{why}\n".encode())


class Answerer:
    """``names``: hosts by which a browser may ask, beside the address that it reached and ``localhost``."""

    def __init__(self, pages: Mapping[str, Page], names: Collection[str]) -> None:
        self._pages, self._names = pages, {name.lower().rstrip(".") for name in names}
        self._open: Counter[bool] = Counter()

    async def serve(self, host: str, port: int) -> None:
        """Serve until cancelled; an address that cannot be had is tried again, and told once."""
        told = ""
        while True:
            try:
                server = await asyncio.start_server(self._take, host, port, limit=HEAD_MAX_BYTES)
            except OSError as error:
                if told != (told := str(error)):
                    _log.warning("page_not_served", host=host, port=port, error=told)
                await asyncio.sleep(BIND_AGAIN_S)
                continue
            async with server:
                await server.serve_forever()

    async def _take(self, reader: StreamReader, writer: StreamWriter) -> None:
        near = ip_address(writer.get_extra_info("peername")[0].partition("%")[0]).is_loopback
        if self._open[near] >= CONNECTIONS_MAX_COUNT:
            writer.transport.abort()
            return
        self._open[near] += 1
        try:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(DEADLINE_S):
                    await self._converse(reader, writer)
        finally:
            self._open[near] -= 1
            # Not a polite end: whoever does not read would hold what is not sent yet.
            writer.transport.abort()

    async def _converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            response = await self._answer(head, writer.get_extra_info("sockname")[0])
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            response = Response(431, b"the head of this request is too long\n")
        except Refused as refused:
            response = refused.response
        writer.write(_rendered(response))
        writer.write_eof()
        await writer.drain()
        # The end of the other side: with an abort before it, what lies in the kernel's buffer would be lost.
        while await reader.read(HEAD_MAX_BYTES):
            pass

    async def _answer(self, head: bytes, own: str) -> Response:
        method, path, query, fields = _parsed(head)
        self._check_host(fields, own)
        if method != "GET":
            raise Refused(405, "this page only answers GET")
        page = self._pages.get(path)
        if page is None:
            raise Refused(404, "there is no such page here")
        try:
            return await page(query)
        except Exception:  # noqa: BLE001 - a fault of ours ends one answer, not the agent
            _log.exception("page_failed", path=path)
            return Response(500, b"this page has failed; the agent's log says why\n")

    def _check_host(self, fields: Mapping[str, list[str]], own: str) -> None:
        """Refuse foreign names: a page of the world may point its own name at this address (DNS rebinding)."""
        hosts = fields.get("host", [])
        if len(hosts) != 1:
            raise Refused(400, "a request has one Host")
        host = _bare(hosts[0])
        loopback = ip_address(own.partition("%")[0]).is_loopback
        if host not in self._names and not _same(host, own) and not (loopback and host == "localhost"):
            raise Refused(421, "no page of that name here: ask by the address, or name it in page.names of agent.yml")


def _parsed(head: bytes) -> tuple[str, str, dict[str, str], dict[str, list[str]]]:
    lines = head[:-4].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise Refused(400, "not a request of HTTP/1.1")
    fields: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise Refused(400, "not a header line of HTTP/1.1")
        fields.setdefault(name.lower(), []).append(value.strip())
    path, _, query = words[1].partition("?")
    return words[0], path, dict(parse_qsl(query, max_num_fields=16)) if query.count("&") < 16 else {}, fields


def _bare(host: str) -> str:
    """Without the port: ``[::1]:9712``, ``10.1.2.3:9712``, ``box.school``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _same(host: str, own: str) -> bool:
    try:
        return ip_address(host) == ip_address(own.partition("%")[0])
    except ValueError:
        return False


def _rendered(response: Response) -> bytes:
    fields = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "close",
        "Content-Security-Policy": f"{response.sources}; {_ALONE}",
        **_SAFE,
        **({"Allow": "GET"} if response.status == 405 else {}),
    }
    lines = [f"HTTP/1.1 {response.status} {_PHRASES[response.status]}", *(f"{n}: {v}" for n, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + response.body
