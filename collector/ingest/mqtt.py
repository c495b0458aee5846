"""Reports over MQTT 5. The broker's own acknowledgement is given by hand, after the commit and after ours.

A persistent session and ``receive_maximum`` keep what waits at the broker and in bounds. Inside a session a broker
sends a message once, so what could not be committed is tried again here until it is. Whatever else goes wrong with a
message is that message's own end: it is set aside and counted, and its gateway, which still has the records, is told.
"""

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import aiomqtt
import structlog
from msgspec import Struct
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from prometheus_client import Counter, Gauge

from classready import topics
from classready.codec import DecodedReport, MalformedReport, decode_presence
from classready.report import Ack, Refusal
from classready.tasks import asked_to_end
from collector.broker.accounts import RevokedError
from collector.engine import CommitFailedError, Engine, NotAppliedError, QueueFullError, TwinError, UnknownGatewayError
from collector.ingest import MESSAGES_RECEIVED, MESSAGES_REJECTED, ForeignReportError, decode_from
from collector.ingest.answers import Answers, refusal_of
from collector.ingest.client import Client, ignore
from collector.ingest.documents import settings_of
from collector.ingest.gate import STRANGER, Gate, TooOftenError
from collector.settings import Mqtt

SESSION_EXPIRY_S = 14 * 86_400
RECEIVE_MAXIMUM = 200
PACKET_MAX_BYTES = 65_536
"""As in the shipped broker: a report with its topic, and no more is held of any message."""
RETRY_S = 1.0
ON_ITS_WAY_S = 10.0
"""So long what was sent over a connection that the broker has ended may still be on its way to us."""
RECONNECT_S = (0.5, 3.0)

CONNECTED = Gauge("classready_collector_mqtt_connected", "1 while connected to the broker and subscribed, else 0.")
RECONNECTS = Counter("classready_collector_mqtt_reconnects", "Connections to the broker that ended or failed.")

_REASONS: dict[type[Exception], str] = {
    UnknownGatewayError: "unknown_agent",
    RevokedError: "revoked",
    TwinError: "twin",
    NotAppliedError: "internal",
}

_log = structlog.get_logger()


async def run(  # noqa: PLR0913 - what the service wires together
    settings: Mqtt,
    password: str,
    tls: ssl.SSLContext | None,
    engine: Engine,
    clock: Callable[[], float],
    *,
    gate: Gate | None = None,
) -> None:
    """Receive until cancelled; a lost broker is waited for. ``gate`` is shared with the other link."""
    door = _Door(engine, clock, gate or Gate())
    while not asked_to_end():  # a task group that fails while it is cancelled raises only its failures
        try:
            await _stay(door, _client(settings, password, tls))
        except* aiomqtt.MqttError as errors:
            _log.warning("mqtt_disconnected", error=str(errors.exceptions[0]))
        finally:
            CONNECTED.set(0)
        RECONNECTS.inc()
        await asyncio.sleep(random.uniform(*RECONNECT_S))  # noqa: S311 - jitter, no secret


async def _stay(door: "_Door", client: Client) -> None:
    """Be connected, and have ``door`` work on what arrives, until the connection ends."""
    try:
        async with asyncio.TaskGroup() as group:
            line = _Line(door, client, group)
            client.on_arrival = line.join
            try:
                async with client:
                    group.create_task(_subscribe(client))
                    async for _ in client.messages:
                        pass  # nothing goes there: this is how aiomqtt tells that the connection has ended
            finally:
                client.on_arrival = ignore  # what is still read would find nobody at work; it comes again
    finally:
        door.answers.connection_ended()


async def _subscribe(client: Client) -> None:
    """A task of its own: a session's messages come before its answer, and one of them may end the connection."""
    await client.subscribe([(topic, _ONLY_NEW) for topic in _SUBSCRIPTIONS])
    CONNECTED.set(1)


_SUBSCRIPTIONS = (topics.UP_SUBSCRIPTION, topics.PRESENCE_SUBSCRIPTION, topics.ASK_SUBSCRIPTION)
_ONLY_NEW = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
"""A report that another broker retained would make a silent gateway heard at each of our reconnects."""
_NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Acks and acknowledgements are small. With Nagle's algorithm each waits until the broker's kernel has confirmed the
one before; as paho has 20 on their way at most, that cost a third of what gets through (measured)."""


def _client(settings: Mqtt, password: str, tls: ssl.SSLContext | None) -> Client:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = PACKET_MAX_BYTES
    client = Client(
        settings.host,
        settings.port,
        username=settings.user,
        password=password,
        identifier=settings.user,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        tls_context=tls,
        socket_options=_NO_DELAY,
    )
    client.pending_calls_threshold = RECEIVE_MAXIMUM
    return client


class _Line:
    """The messages of one connection: worked on at the same time, acknowledged in order of arrival (MQTT 5, 4.6)."""

    def __init__(self, door: "_Door", client: Client, group: asyncio.TaskGroup) -> None:
        self._door, self._client, self._group = door, client, group
        self._places: deque[_Place] = deque()

    def join(self, message: MQTTMessage) -> None:
        """Called by the client where it reads: a flood must cost less than what it holds up, so most ends here."""
        place = _Place(mid=message.mid, qos=message.qos)
        self._places.append(place)
        gateway = self._admit(message)
        if gateway is None:
            self._leave(place)
        else:
            self._group.create_task(self._work(gateway, message, place))

    def _admit(self, message: MQTTMessage) -> str | None:
        try:
            return self._door.admit(message)
        except Exception:  # noqa: BLE001 - out of a socket's callback it would reach nobody, and its place never be left
            _log.exception("message_set_aside", size_bytes=len(message.payload))
            MESSAGES_REJECTED.labels("internal").inc()
            return None

    async def _work(self, gateway: str, message: MQTTMessage, place: "_Place") -> None:
        await self._door.take(self._client, gateway, message)
        self._leave(place)

    def _leave(self, place: "_Place") -> None:
        place.done = True
        while self._places and self._places[0].done:
            first = self._places.popleft()
            self._client.acknowledge(first.mid, first.qos)


class _Place(Struct):
    mid: int
    qos: int
    done: bool = False


class _Door:
    """What becomes of a message, connection after connection."""

    def __init__(self, engine: Engine, clock: Callable[[], float], gate: Gate) -> None:
        self._engine, self._clock, self._gate = engine, clock, gate
        self.answers = Answers()

    def admit(self, message: MQTTMessage) -> str | None:
        """Return the gateway whose report or question this is; None = there is nothing more to do about it."""
        topic = topics.parse_up(message.topic)
        known = topic is not None and topic[0] in self._engine.roster.gateways
        admitted = self._gate.admit(topic[0] if topic and known else STRANGER, self._clock())
        if topic is not None and topic[1] == "presence":
            if admitted and known:
                _note_presence(topic[0], message.payload)
            return None
        if topic is not None and topic[1] == "ask":
            return topic[0] if admitted and known else None
        MESSAGES_RECEIVED.inc()
        if topic is not None and known and admitted:
            return topic[0]
        reason = "rate" if not admitted else "identity" if topic is None else "unknown_agent"
        MESSAGES_REJECTED.labels(reason).inc()
        if admitted:
            _log.warning("report_refused", reason=reason, topic=message.topic[:200])
        return None

    async def take(self, client: Client, gateway: str, message: MQTTMessage) -> None:
        """Deal with one message to its end, whatever that is: no message may end the connection of all."""
        try:
            if message.topic == topics.up(gateway, "ask"):
                await self._give_settings(client, gateway)
                return
            await self.answers.send(client, gateway, await self._answer(gateway, bytes(message.payload)), message)
        except TooOftenError:
            MESSAGES_REJECTED.labels("rate").inc()  # a sender that is too fast would only be made faster by answers
        except Exception:  # noqa: BLE001 - a bug that meets one message must not meet it again and again
            _log.exception("report_set_aside", gateway=gateway, reason="internal")
            MESSAGES_REJECTED.labels("internal").inc()

    async def _give_settings(self, client: Client, gateway: str) -> None:
        """Send the settings document of ``gateway``; without one, or once it may not come any more, nothing."""
        topic = topics.down(gateway, "config")
        try:
            self._engine.accounts.check(gateway)
            async with self._gate.turn(gateway, self._clock()):
                body = settings_of(self._engine, gateway)
                if body is not None and len(body) <= client.room_bytes(topic):
                    await client.hand_over(topic, body)
        except (RevokedError, aiomqtt.MqttError) as error:
            _log.warning("settings_not_sent", gateway=gateway, error=str(error) or type(error).__name__)

    async def _answer(self, gateway: str, body: bytes) -> Ack | Refusal:
        """Settle a report, or say what HTTP would say with 400, 401, 403 or 422: else it would come for ever.

        Raises:
            TooOftenError
        """
        try:
            async with self._gate.turn(gateway, self._clock()):
                self._engine.accounts.check(gateway)
                ack = await self._submit(gateway, decode_from(gateway, body))
                await self._note_use(gateway)
                return ack
        except MalformedReport as error:
            reason, detail = error.reason, str(error)
        except ForeignReportError:
            reason, detail = "identity", ""
        except (UnknownGatewayError, RevokedError, TwinError, NotAppliedError) as error:
            reason, detail = _REASONS[type(error)], ""
            MESSAGES_REJECTED.labels(reason).inc()
        _log.warning("report_refused", gateway=gateway, reason=reason, detail=detail[:200])
        return refusal_of(body, reason, detail)

    async def _note_use(self, gateway: str) -> None:
        """Here nobody sees a token. What comes once the broker knows no older one came with the newest."""
        token = self._engine.enrolment.unused(gateway)
        if token is None or token.mqtt_verifier is None:
            return
        taken_at = self._engine.accounts.taken_at(gateway, token.mqtt_verifier)
        if taken_at is not None and self._clock() - taken_at >= ON_ITS_WAY_S:
            with suppress(CommitFailedError):
                await self._engine.enrolment.note_use(token.token_sha256, self._clock())

    async def _submit(self, gateway: str, decoded: DecodedReport) -> Ack:
        while True:
            try:
                return await self._engine.submit(gateway, decoded, self._clock())
            except (QueueFullError, CommitFailedError):
                await asyncio.sleep(RETRY_S)


def _note_presence(gateway: str, payload: bytes | bytearray) -> None:
    """Presence is for the log alone: silence is judged by what is committed."""
    try:
        presence = decode_presence(bytes(payload))
    except MalformedReport as error:
        MESSAGES_REJECTED.labels(error.reason).inc()
    else:
        _log.debug("presence", gateway=gateway, online=presence.online)
