"""Listens to the school's own broker for what whiteboards say, and keeps the newest message of each topic."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiomqtt
import structlog

from agent.probes.contract import Message
from agent.probes.whiteboard import profile
from agent.settings import AgentSettings, Broker, Mqtt, Profile, WhiteboardTarget
from classready.mqtt import Client
from classready.settings import read_secret
from classready.tasks import asked_to_end

RECONNECT_MAX_S = 60.0
TOPICS_MAX = 2_000
PAYLOAD_MAX_BYTES = 65_536

_log = structlog.get_logger()


class Hearing:
    """Connects, and connects again, until ``run`` is cancelled. ``messages``: topic -> the newest."""

    def __init__(self, broker: Broker, targets: Sequence[WhiteboardTarget], profiles: Mapping[str, Profile]) -> None:
        self._broker, self._profiles = broker, profiles
        self._targets = [(target, target.mqtt) for target in targets if target.mqtt is not None]
        self.messages: dict[str, Message] = {}
        self._subscribed: set[str] = set()
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        attempt = 0
        while not asked_to_end():  # a task group that fails while it is cancelled raises only its failures
            try:
                async with self._client() as client:
                    attempt = 0
                    await self._listen(client)
            except* (aiomqtt.MqttError, OSError) as errors:
                _log.warning("broker_disconnected", host=self._broker.host, error=str(errors.exceptions[0]))
            attempt = min(attempt + 1, 10)
            await asyncio.sleep(random.uniform(0.1, min(RECONNECT_MAX_S, 2.0**attempt)))  # noqa: S311 - spread only

    async def until_heard(self, target: WhiteboardTarget, patience_s: float) -> None:
        """Return as soon as something is known of ``target``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._says_nothing(target):
                    self._arrived.clear()
                    await self._arrived.wait()

    def _says_nothing(self, target: WhiteboardTarget) -> bool:
        if target.mqtt is None:
            return False
        chosen = self._profiles.get(target.mqtt.profile)
        now_s = time.monotonic()
        heard = profile.hear(chosen, target.mqtt.id, self.messages, now_s=now_s, fresh_s=3 * target.interval_s)
        return heard.state is None and not heard.gone

    def _client(self) -> Client:
        broker = self._broker
        return Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=read_secret(Path(broker.password_file)) if broker.password_file else None,
            tls_context=ssl.create_default_context(cafile=broker.ca_file) if broker.tls else None,
            max_queued_incoming_messages=1_000,
        )

    async def _listen(self, client: Client) -> None:
        self._subscribed.clear()
        await self._subscribe(client)
        _log.info("broker_connected", host=self._broker.host, topics=len(self._subscribed))
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(self._keep_asking(client, target, mqtt, chosen.request.topic, chosen.request.payload))
                for target, mqtt in self._targets
                if (chosen := self._profiles.get(mqtt.profile)) is not None and chosen.request is not None
            ]
            async for message in client.messages:
                await self._receive(client, message)
            for task in asking:
                task.cancel()

    async def _keep_asking(
        self, client: Client, target: WhiteboardTarget, mqtt: Mqtt, topic: str, payload: str
    ) -> None:
        """Ask a device that speaks only when it is asked."""
        while True:
            await client.publish(topic.replace("{id}", mqtt.id), payload.replace("{id}", mqtt.id))
            await asyncio.sleep(target.interval_s)

    async def _subscribe(self, client: Client) -> None:
        """What the targets need by now: devices that announce themselves name their topics as they go."""
        for _, mqtt in self._targets:
            wanted = profile.topics(self._profiles.get(mqtt.profile), mqtt.id, self.messages)
            for topic in [topic for topic in wanted if topic not in self._subscribed]:
                await client.subscribe(topic)
                self._subscribed.add(topic)

    async def _receive(self, client: Client, message: aiomqtt.Message) -> None:
        topic, payload = str(message.topic), message.payload
        known = topic in self.messages or len(self.messages) < TOPICS_MAX
        if not isinstance(payload, bytes) or len(payload) > PAYLOAD_MAX_BYTES or not known:
            _log.debug("message_ignored", topic=topic)
            return
        self.messages[topic] = Message(payload=payload, retained=bool(message.retain), at_s=time.monotonic())
        self._arrived.set()
        if topic.endswith("/config"):
            await self._subscribe(client)


def hearing(settings: AgentSettings) -> Hearing | None:
    """A listener for what ``settings`` name; None where there is nothing to listen to."""
    boards = [t for t in settings.targets if isinstance(t, WhiteboardTarget) and t.mqtt is not None]
    return Hearing(settings.broker, boards, settings.profiles) if settings.broker and boards else None
