"""A TCP way between two ends that can be cut, closed on one side, or swallow everything; it notes what acks pass."""

import asyncio
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import msgspec

from classready.report import Ack

Mode = Literal["open", "cut", "swallow"]
"""``cut`` refuses, ``swallow`` accepts and passes nothing: a firewall that forgot the connection."""

_ACK = re.compile(rb'\{"spool_id":"[0-9a-f]{32}","committed":')
_PIECE_BYTES = 65_536
_KEPT_BYTES = 2 * _PIECE_BYTES


class Relay:
    """``port`` forwards to ``to_port`` on loopback, in a thread of its own. ``heard`` gets each ack that came back."""

    def __init__(self, to_port: int, heard: Callable[[Ack], None]) -> None:
        self.to_port, self._heard = to_port, heard
        self.mode: Mode = "open"
        self.port = 0
        self._writers: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self.set("cut")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    def set(self, mode: Mode) -> None:
        """From any thread. Whoever is connected when it is cut is cut off."""
        self.mode = mode
        if mode == "cut":
            self._call(lambda: [writer.transport.abort() for pair in self._writers for writer in pair])

    def close_one_side(self) -> None:
        """Tell every client that nothing more comes, and go on taking what it sends."""
        self._call(self._half_close)

    def _call(self, work: Callable[[], object]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (work(), done.set()))
        done.wait(5.0)

    def _half_close(self) -> None:
        for to_client, _to_server in self._writers:
            with suppress(OSError, RuntimeError):
                to_client.write_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._writers.add(pair)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, far_writer, self._nothing))
                both.create_task(self._forward(far_reader, writer, _Acks(self._heard).feed))
        finally:
            self._writers.discard(pair)
            for end in pair:
                end.transport.abort()

    @staticmethod
    def _nothing(_piece: bytes) -> None:
        """What goes up is known from the spools."""

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]
    ) -> None:
        with suppress(OSError, RuntimeError):
            while piece := await reader.read(_PIECE_BYTES):
                look(piece)
                if self.mode == "swallow":
                    continue
                writer.write(piece)
                await writer.drain()
            writer.write_eof()


class _Acks:
    """Acks in a stream of HTTP answers or MQTT packets, wherever it was cut into pieces."""

    def __init__(self, heard: Callable[[Ack], None]) -> None:
        self._heard, self._text = heard, b""

    def feed(self, piece: bytes) -> None:
        self._text += piece
        while found := _ACK.search(self._text):
            text = self._text[found.start() :]
            if (length := _object_length(text)) is None:
                self._text = text if len(text) < _KEPT_BYTES else b""
                return
            self._heard(msgspec.json.decode(text[:length], type=Ack, strict=False))
            self._text = text[length:]
        self._text = self._text[-100:]


def _object_length(text: bytes) -> int | None:
    """Bytes of the JSON object that ``text`` begins with; None where its end did not come yet.

    An ack holds no brace in a string: its strings are ids, names of targets and reasons.
    """
    depth = 0
    for at, byte in enumerate(text):
        depth += (byte == ord("{")) - (byte == ord("}"))
        if depth == 0:
            return at + 1
    return None
