"""A TCP way between two ends that breaks whenever certain bytes pass: a firewall, or a server that chokes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Way:
    """Forwards connections at ``port`` to another one; ``cut_count`` says how often ``marker`` ended one.

    The next ``spare_count`` pieces with the marker pass.
    """

    def __init__(self, to_port: int, marker: bytes) -> None:
        self._to_port, self.marker = to_port, marker
        self.port = 0
        self.cut_count = 0
        self.spare_count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        forth = asyncio.create_task(self._forward(reader, far_writer, watched=True))
        back = asyncio.create_task(self._forward(far_reader, writer, watched=False))
        try:
            await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (forth, back):
                task.cancel()
            for end in (writer, far_writer):
                end.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watched: bool) -> None:
        seen = b""
        with suppress(OSError):
            while piece := await reader.read(65_536):
                seen = seen[1 - len(self.marker) :] + piece  # a marker is seen also across two pieces
                writer.write(piece)
                await writer.drain()
                if watched and self.marker in seen:
                    self.spare_count -= 1
                    if self.spare_count < 0:
                        self.cut_count += 1
                        return


@asynccontextmanager
async def cutting(to_port: int, marker: bytes) -> AsyncIterator[Way]:
    """Run such a way for the ``async with`` block."""
    way = Way(to_port, marker)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
