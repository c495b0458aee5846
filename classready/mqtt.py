"""aiomqtt's client for programs that run for years: no wait without an end, no cancellation lost, no socket left over.

Imported only by what speaks MQTT: the libraries cost memory that a gateway with another link does not have to pay.
"""

import asyncio
import contextlib
import math
import socket
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import aiomqtt
import structlog

T = TypeVar("T")

CONNECT_MAX_S = 120.0
"""Over resolver, every address, TLS and CONNACK. paho's own limits (5 s an address, 60 s a step of TLS) come first."""
_PACKET_HEAD_BYTES = 16
"""Of a PUBLISH with QoS 1 and no properties (MQTT 5, 3.3): 10 beside topic and payload, and some to spare."""

_log = structlog.get_logger()


class Client(aiomqtt.Client):  # noqa: TID251 - the only place that may
    """As its base, with six differences that are tested one by one.

    * A cancellation that arrives together with an answer is obeyed (see ``tasks.asked_to_end``). With the base class
      an ``asyncio.timeout`` around ``publish`` can pass unheard, and a task that was cancelled goes on for ever.
    * An attempt to connect that fails, is cancelled or takes too long leaves no connection behind, which would still
      talk to the broker under this client's name.
    * A connection that breaks off before the broker's CONNACK is told at once, not when the timeout is over.
    * A goodbye that does not get through raises nothing, so it never hides what ended the block.
    * It knows how large a packet the broker takes: who sends a larger one is disconnected.
    * An end of the connection that nobody was waiting for is not reported as an exception that was never retrieved.
    """

    _packet_max_bytes = 2**28
    """By the broker's CONNACK (MQTT 5, 3.2.2.3.6); without a word of it, what a packet can be."""
    _connect_returned = False
    _given_up = False

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - the base's signature
        seconds = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _client_connect(self) -> None:
        """In a thread that cannot be cancelled: a connection that nobody wants any more ends when it is made."""
        try:
            super()._client_connect()
        finally:
            self._connect_returned = True
            if self._given_up:
                self._loop.call_soon_threadsafe(self._hang_up)

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CONNECT_MAX_S):
                return await super().__aenter__()
        except TimeoutError:
            self._give_up()
            raise aiomqtt.MqttError(f"no connection within {CONNECT_MAX_S:g} s") from None
        except BaseException:
            self._give_up()
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc, tb)
        except aiomqtt.MqttError as error:
            _log.debug("mqtt_goodbye_failed", error=str(error))
        finally:
            self._hang_up()
            if self._disconnected.done() and not self._disconnected.cancelled():
                self._disconnected.exception()

    def room_bytes(self, topic: str) -> int:
        """How large a payload on ``topic`` may be."""
        return self._packet_max_bytes - len(topic.encode()) - _PACKET_HEAD_BYTES

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._packet_max_bytes = getattr(properties, "MaximumPacketSize", self._packet_max_bytes)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *arguments: Any) -> None:
        super()._on_disconnect(*arguments)
        if not self._connected.done():
            _fail(self._connected, "connection broken off before CONNACK")

    def _give_up(self) -> None:
        self._given_up = True
        self._connected = self._loop.create_future()  # settled, so that what the broker still says changes nothing
        _fail(self._connected, "given up")
        if self._connect_returned:
            self._loop.call_soon(self._hang_up)  # after the callbacks by which the thread registered its socket

    def _hang_up(self) -> None:
        """Shut the socket down where there still is one: paho reads the end and clears up after itself."""
        if (connection := cast("socket.socket | None", self._client.socket())) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _fail(future: "asyncio.Future[None]", why: str) -> None:
    future.set_exception(aiomqtt.MqttError(why))
    future.exception()  # whether anybody still waits for it or not
