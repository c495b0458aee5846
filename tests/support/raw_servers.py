"""Servers that send given bytes, whatever they mean."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def conversing(converse: Conversation, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[int]:
    """Hold one conversation with each client on 127.0.0.1; yields the port."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(guarded, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def saying(answer: bytes, *, stays: bool = False) -> Conversation:
    """Read a request, send ``answer``, and close the connection, or leave it open."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: *([0-9]+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))  # else closing resets the connection, and the answer may be lost
        writer.write(answer)
        await writer.drain()
        if stays:
            await reader.read()
        else:
            writer.close()
            await writer.wait_closed()

    return converse
