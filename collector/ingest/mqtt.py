"""Reports over MQTT 5. The broker's own acknowledgement is given by hand, after the commit and after ours.

A persistent session and ``receive_maximum`` keep what waits at the broker and in bounds. Inside a session a broker
sends a message once, so what could not be committed is tried again here until it is.
"""

import asyncio
import random
import ssl
from collections.abc import Callable

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from prometheus_client import Counter, Gauge

from classready import topics
from classready.codec import DecodedReport, MalformedReport, decode_presence, encode
from classready.mqtt import Client
from classready.report import Ack
from classready.tasks import asked_to_end
from collector.engine import CommitFailedError, Engine, QueueFullError, UnknownGatewayError
from collector.ingest import MESSAGES_RECEIVED, MESSAGES_REJECTED, ForeignReportError, decode_from
from collector.settings import Mqtt

SESSION_EXPIRY_S = 14 * 86_400
RECEIVE_MAXIMUM = 200
RETRY_S = 1.0
RECONNECT_S = (0.5, 3.0)

CONNECTED = Gauge("classready_collector_mqtt_connected", "1 while connected to the broker and subscribed, else 0.")
RECONNECTS = Counter("classready_collector_mqtt_reconnects", "Connections to the broker that ended or failed.")
ACKS_PUBLISHED = Counter("classready_collector_acks_published", "Acks handed to the broker.")

_log = structlog.get_logger()


async def run(
    settings: Mqtt, password: str, tls: ssl.SSLContext | None, engine: Engine, clock: Callable[[], float]
) -> None:
    """Receive until cancelled; a lost broker is waited for."""
    while not asked_to_end():  # a task group that fails while it is cancelled raises only its failures
        try:
            async with _client(settings, password, tls) as client:
                await client.subscribe([(topics.UP_SUBSCRIPTION, 1), (topics.PRESENCE_SUBSCRIPTION, 1)])
                CONNECTED.set(1)
                await _receive(client, engine, clock)
        except* aiomqtt.MqttError as errors:
            _log.warning("mqtt_disconnected", error=str(errors.exceptions[0]))
        finally:
            CONNECTED.set(0)
        RECONNECTS.inc()
        await asyncio.sleep(random.uniform(*RECONNECT_S))  # noqa: S311 - jitter, no secret


def _client(settings: Mqtt, password: str, tls: ssl.SSLContext | None) -> Client:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
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
    )
    client.pending_calls_threshold = RECEIVE_MAXIMUM
    client._client.manual_ack_set(True)  # noqa: SLF001 - aiomqtt 2.5 has no public way (its issue 345)
    return client


async def _receive(client: Client, engine: Engine, clock: Callable[[], float]) -> None:
    """Work on what arrives at the same time, but acknowledge in the order of arrival, as MQTT 5 demands (4.6)."""
    taken: asyncio.Queue[tuple[aiomqtt.Message, asyncio.Task[None]]] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        group.create_task(_acknowledge(client, taken))
        async for message in client.messages:
            taken.put_nowait((message, group.create_task(_take(client, message, engine, clock))))


async def _acknowledge(client: Client, taken: "asyncio.Queue[tuple[aiomqtt.Message, asyncio.Task[None]]]") -> None:
    while True:
        message, task = await taken.get()
        await asyncio.wait((task,))  # awaiting the task itself would lose a cancellation that its publish swallows
        task.result()
        client._client.ack(message.mid, message.qos)  # noqa: SLF001


async def _take(client: Client, message: aiomqtt.Message, engine: Engine, clock: Callable[[], float]) -> None:
    """Deal with one message to the end: committed and answered, or refused and counted."""
    topic = topics.parse_up(str(message.topic))
    payload = message.payload if isinstance(message.payload, bytes) else b""
    if topic is None:
        MESSAGES_RECEIVED.inc()
        MESSAGES_REJECTED.labels("identity").inc()
        _log.warning("report_refused", reason="identity", topic=str(message.topic)[:200])
        return
    gateway, leaf = topic
    if leaf == "presence":
        _note_presence(gateway, payload)
        return
    MESSAGES_RECEIVED.inc()
    try:
        ack = await _submit(gateway, decode_from(gateway, payload), engine, clock())
    except (MalformedReport, ForeignReportError) as error:
        _log.warning("report_refused", gateway=gateway, reason=type(error).__name__, detail=str(error)[:200])
    except UnknownGatewayError:
        MESSAGES_REJECTED.labels("unknown_agent").inc()
        _log.warning("report_refused", gateway=gateway, reason="unknown_agent")
    else:
        await client.publish(topics.down(gateway, "ack"), encode(ack), qos=1)
        ACKS_PUBLISHED.inc()


async def _submit(gateway: str, decoded: DecodedReport, engine: Engine, received_at: float) -> Ack:
    while True:
        try:
            return await engine.submit(gateway, decoded, received_at)
        except (QueueFullError, CommitFailedError):
            await asyncio.sleep(RETRY_S)


def _note_presence(gateway: str, payload: bytes) -> None:
    """Presence is for the log alone: silence is judged by what is committed."""
    try:
        presence = decode_presence(payload)
    except MalformedReport as error:
        MESSAGES_REJECTED.labels(error.reason).inc()
    else:
        _log.debug("presence", gateway=gateway, online=presence.online)
