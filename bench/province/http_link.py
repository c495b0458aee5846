"""Reports over HTTP from a pool of kept connections, with as little work a report as Python allows."""

import asyncio
import re
from typing import Final

from bench.province.reports import Made, School

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


class Answer(asyncio.Protocol):
    """One connection: a request out, its answer in."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_bytes = self._got.find(_HEAD_END)
        length = _LENGTH.search(self._got, 0, head_bytes) if head_bytes > 0 else None
        whole = length is not None and len(self._got) >= head_bytes + len(_HEAD_END) + int(length[1])
        if whole and self._answered is not None and not self._answered.done():
            self._answered.set_result(bytes(self._got))

    async def ask(self, request: bytes) -> bytes:
        """Return the whole answer, head and body."""
        assert self._transport is not None
        self._got.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


class HttpLink:
    """``kept`` = connections live on, as behind a proxy; else each report comes over a new one."""

    def __init__(self, port: int, *, kept: bool = True) -> None:
        self._port, self._kept = port, kept
        self._idle: list[Answer] = []

    async def send(self, school: School, made: Made) -> bool:
        """Say whether exactly the records of ``made`` were acknowledged, all of them."""
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            answer = await connection.ask(_request(school, made.body))
        except BaseException:
            connection.close()
            raise
        if self._kept:
            self._idle.append(connection)
        else:
            connection.close()
        head, _, body = answer.partition(_HEAD_END)
        return head.startswith(b"HTTP/1.1 200") and made.is_committed_by(body)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> Answer:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Answer, "127.0.0.1", self._port)
        return connection


def _request(school: School, body: bytes) -> bytes:
    return (
        b"POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nUser-Agent: classready-agent/0.1.0 (%b)\r\nContent-Length: %d\r\n\r\n%b"
    ) % (school.token.encode(), school.gateway.encode(), len(body), body)
