"""Reports over MQTT 5: published with QoS 1, settled only by the collector's own acknowledgement.

A PUBACK says that the broker took the message, not that anybody will get it: its reason code can only tell early that
nobody will (16 no subscriber, >= 128 refused).
"""

import asyncio
import contextlib
import hashlib
import random
import ssl
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import aiomqtt
import structlog

from agent import clock, tls
from agent.links import Acked, Keep, Outcome, Refused, TooLarge
from agent.settings import MqttLink
from agent.spread import RETURN_MAX_S, return_span_s
from classready import topics
from classready.codec import MalformedReport, decode_answer, encode
from classready.mqtt import Client
from classready.report import Ack, Presence, Refusal
from classready.settings import read_secret
from classready.tasks import asked_to_end, end

PUBACK_OUTCOMES: dict[int, Outcome] = {
    16: Keep(why="rc16_no_subscriber"),
    135: Keep(why="rc135_denied"),
    149: TooLarge(),
    153: Refused(),
}
"""MQTT 5, 3.4.2.1: no matching subscribers, not authorized, packet too large, payload format invalid."""

REFUSAL_OUTCOMES: dict[str, Outcome] = {
    "size": TooLarge(),
    **dict.fromkeys(("depth", "json", "schema", "internal"), Refused()),
    "twin": Keep(why="twin"),
    "revoked": Keep(why="revoked"),
}
"""As the HTTP link takes the statuses that go with them. Any other reason says nothing of the records."""

KEEPALIVE_S = 60
STEADY_S = 60.0
"""A shorter connection does not make the next attempt come sooner: two gateways with one name must not spin."""

_log = structlog.get_logger()


class _Client(Client):
    """With the one thing that aiomqtt drops: the reason code of the last PUBACK."""

    puback_reason = 0

    def certificate_expires_at(self) -> float | None:
        """The earliest end of the broker's certificates; None without TLS."""
        secured = self._client.socket()
        return tls.expires_at(secured) if isinstance(secured, ssl.SSLSocket) else None

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        self.puback_reason = int(reason_code.value)
        super()._on_publish(client, userdata, mid, reason_code, properties)


def reconnect_span_s(attempt: int, report_interval_s: float) -> float:
    """Return the longest wait before connecting again; ``attempt`` counts those after which nothing lasted, from 0.

    The first wait already spreads whoever lost the same broker at the same moment.
    """
    first_s = return_span_s(report_interval_s)
    return min(RETURN_MAX_S, max(first_s, 5 * report_interval_s), first_s * 2.0**attempt)


@contextlib.asynccontextmanager
async def connect(
    settings: MqttLink, gateway: str, agent_version: str, report_interval_s: float
) -> AsyncIterator["MqttReports"]:
    """Yield a link that connects, and connects again, in the background."""
    link = MqttReports(settings, gateway, agent_version, report_interval_s)
    task = asyncio.create_task(link.keep_connected(), name="mqtt")
    try:
        yield link
    finally:
        await end(task)


class MqttReports:
    """One report in flight. Acks that come late are kept for the next answer; they are as true as any."""

    def __init__(self, settings: MqttLink, gateway: str, agent_version: str, report_interval_s: float) -> None:
        self._settings, self._gateway, self._report_interval_s = settings, gateway, report_interval_s
        self._presence = Presence(online=True, agent_version=agent_version)
        self._password = read_secret(Path(settings.password_file))
        self._tls = tls.of_link(settings) if settings.tls else None
        self._client: _Client | None = None
        self._wanted, self._connected = asyncio.Event(), asyncio.Event()
        self._arrived: asyncio.Queue[Ack | Refusal] = asyncio.Queue()
        self._unread: list[Ack] = []
        self._document: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self.trouble = ""
        self.certificate_expires_at: float | None = None

    async def keep_connected(self) -> None:
        """Connect for the first report, and not before: first reports are spread, and so are first connections."""
        await self._wanted.wait()
        attempt = 0
        while not asked_to_end():
            began_s = asyncio.get_running_loop().time()
            try:
                await self._stay()
            except (aiomqtt.MqttError, OSError) as error:
                self.trouble = (clock.too_early() if self._tls else "") or str(error)
                _log.warning("mqtt_disconnected", error=self.trouble)
            steady = asyncio.get_running_loop().time() - began_s > STEADY_S
            attempt = 0 if steady else min(attempt + 1, 10)
            span_s = reconnect_span_s(attempt, self._report_interval_s)
            await asyncio.sleep(random.uniform(0.1, span_s))  # noqa: S311 - spread only

    def _new_client(self) -> _Client:
        offline = encode(Presence(online=False, agent_version=self._presence.agent_version))
        return _Client(
            self._settings.host,
            self._settings.port,
            username=self._gateway,
            password=self._password,
            # One id: the broker ends an older connection of the same (MQTT 5, 3.1.4), so that a rebooted box is not
            # two.
            identifier=self._gateway,
            protocol=aiomqtt.ProtocolVersion.V5,
            # The broker keeps nothing for us: what was not settled lies in the spool and is sent again.
            clean_start=True,
            will=aiomqtt.Will(topics.up(self._gateway, "presence"), offline, qos=1),
            keepalive=KEEPALIVE_S,
            timeout=self._settings.timeout_s,
            tls_context=self._tls,
        )

    async def _stay(self) -> None:
        """Connect, ask for acks, say hello, and pass acks on until the connection ends."""
        async with self._new_client() as client:
            try:
                # First, or the answer to the first report finds nobody.
                await client.subscribe([(topics.down(self._gateway, "ack"), 1), (self._config_topic, 1)])
                await self._say(client, online=True)
                self._client = client
                self.certificate_expires_at = client.certificate_expires_at()
                self._connected.set()
                self.trouble = ""
                _log.info("mqtt_connected", host=self._settings.host, port=self._settings.port)
                async for message in client.messages:
                    self._receive(str(message.topic), message.payload)
            except asyncio.CancelledError:
                with contextlib.suppress(aiomqtt.MqttError):
                    await self._say(client, online=False)
                raise
            finally:
                self._connected.clear()

    async def _say(self, client: _Client, *, online: bool) -> None:
        presence = Presence(online=online, agent_version=self._presence.agent_version)
        await client.publish(topics.up(self._gateway, "presence"), encode(presence), qos=1, timeout=2)

    def _receive(self, topic: str, payload: Any) -> None:
        if topic == self._config_topic:
            if self._document.full():
                self._document.get_nowait()
            self._document.put_nowait(bytes(payload or b""))
            return
        try:
            self._arrived.put_nowait(decode_answer(bytes(payload)))
        except (MalformedReport, TypeError) as error:
            _log.warning("ack_malformed", error=str(error))

    async def send(self, body: bytes, sequences: Collection[int]) -> Outcome:
        """Each wait looks at the one deadline anew, so that none can go on for ever because another one ate it."""
        self._wanted.set()
        until_s = asyncio.get_running_loop().time() + self._settings.timeout_s
        try:
            async with asyncio.timeout_at(until_s):
                await self._connected.wait()
            if refusal := await self._publish(body, until_s):
                return refusal
            async with asyncio.timeout_at(until_s):
                return await self._answer(body, sequences)
        except TimeoutError:
            return Keep(why="timeout" if self._connected.is_set() else "disconnected")
        except aiomqtt.MqttError:
            return Keep(why="disconnected")

    async def fetch(self, known: str | None) -> bytes | None:  # noqa: ARG002 - a broker carries no conditions
        while not self._document.empty():  # the answer to an earlier question
            self._document.get_nowait()
        client = self._client
        if client is None or not self._connected.is_set():
            return None
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.publish(topics.up(self._gateway, "ask"), b"{}", qos=1)
                return await self._document.get()
        except (TimeoutError, aiomqtt.MqttError) as error:
            _log.warning("settings_not_fetched", error=str(error) or "no answer")
            return None

    @property
    def _config_topic(self) -> str:
        return topics.down(self._gateway, "config")

    async def _publish(self, body: bytes, until_s: float) -> Outcome | None:
        client = self._client
        assert client is not None
        topic = topics.up(self._gateway, "report")
        if len(body) > client.room_bytes(topic):
            return TooLarge()
        # Only a broker that refuses tells a reason: 0 stays where it says nothing.
        client.puback_reason = 0
        left_s = max(0.0, until_s - asyncio.get_running_loop().time())
        await client.publish(topic, body, qos=1, timeout=left_s)
        reason = client.puback_reason
        return PUBACK_OUTCOMES.get(reason, Keep(why="rc_other") if reason >= 128 else None)

    async def _answer(self, body: bytes, sequences: Collection[int]) -> Outcome:
        """Wait for the answer that speaks of this report. An ack is returned with all that came before it."""
        while True:
            answer = await self._arrived.get()
            if isinstance(answer, Refusal):
                if answer.report_sha256 == hashlib.sha256(body).hexdigest():
                    self.trouble = answer.detail or answer.reason
                    return REFUSAL_OUTCOMES.get(answer.reason, Keep(why="denied"))
                continue  # of a report that was given up
            self._unread.append(answer)
            if not sequences or _speaks_of(answer, sequences):
                acks, self._unread, self.trouble = tuple(self._unread), [], ""
                return Acked(acks=acks, collector_s=answer.sent_at)


def _speaks_of(ack: Ack, sequences: Collection[int]) -> bool:
    refused = {refusal.sequence for refusal in ack.rejected}
    return any(n in refused or any(first <= n <= last for first, last in ack.committed) for n in sequences)
