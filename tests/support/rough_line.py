"""A line between a gateway and the bureau that is slow, loses packets, swallows everything, or comes and goes.

What TCP does about a lost packet is to send it again later: so a loss is a delay here, as both ends see it.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

LOST_AGAIN_S = 0.2
"""Linux's least time to a retransmission."""


class RoughLine:
    """``port`` leads to ``to_port`` on loopback. Every field may be changed while it is in use."""

    def __init__(self, to_port: int, seed: int = 1) -> None:
        self.to_port = to_port
        self.port = 0
        self.delay_s = (0.0, 0.0)
        """Of each piece, in each direction; pieces do not overtake each other."""
        self.loss_ratio = 0.0
        self.swallows = False
        """It takes what is sent and passes nothing on, as a firewall that forgot the connection."""
        self.is_up = True
        self.up_bytes = 0
        self.connection_count = 0
        self._dice = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End what is open; what comes next is refused until ``is_up``."""
        self.is_up = False
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        if not self.is_up:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, far_writer, is_up=True))
                both.create_task(self._forward(far_reader, writer, is_up=False))
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            while piece := await reader.read(1_400):
                self.up_bytes += len(piece) if is_up else 0
                wait_s = self._dice.uniform(*self.delay_s)
                while self._dice.random() < self.loss_ratio:
                    wait_s += LOST_AGAIN_S
                await asyncio.sleep(wait_s)
                if not self.swallows:
                    writer.write(piece)
                    await writer.drain()
            writer.write_eof()


@contextlib.asynccontextmanager
async def rough_line(to_port: int) -> AsyncIterator[RoughLine]:
    line = RoughLine(to_port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.cut()
        server.close()
