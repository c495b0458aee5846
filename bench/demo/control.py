"""A line-based control socket, so that another process can flip a port or stop a platform while a test runs.

One command a line, one line of answer: ``ok``, or ``error: why``. TCP on loopback only.
"""

import asyncio
from collections.abc import Awaitable, Callable

Handler = Callable[[list[str]], Awaitable[str | None]]
"""Takes the words of a line; returns the answer, None for ``ok``. A wrong line raises ValueError or LookupError."""


async def serve(handle: Handler, port: int = 0) -> asyncio.Server:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(f"{await _answer(handle, line.decode(errors='replace').split())}\n".encode())
            await writer.drain()
        writer.close()

    return await asyncio.start_server(converse, "127.0.0.1", port)


async def _answer(handle: Handler, words: list[str]) -> str:
    try:
        return await handle(words) or "ok"
    except (ValueError, LookupError) as error:
        return f"error: {error}"


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def parse_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:0`` -> ("127.0.0.1", 0)."""
    host, _, port = text.rpartition(":")
    return host, int(port)
