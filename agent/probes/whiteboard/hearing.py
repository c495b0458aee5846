"""Listens to the school's own broker for what whiteboards say.

Everything is taken in when it comes and read once: an announcement becomes a device's panel, of any other topic the
newest message is kept. What is kept has bounds in bytes; what exceeds them is counted, logged, and named by the probe.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiomqtt
import structlog
from paho.mqtt.reasoncodes import ReasonCode

from agent.metrics import Metrics
from agent.probes.tools import Tools
from agent.probes.whiteboard import discovery, profile
from agent.probes.whiteboard.announced import Announced
from agent.probes.whiteboard.panel import FRESH_INTERVALS, Heard, Message, Panel, hear
from agent.settings import AgentSettings
from classready.devices import Broker, Mqtt, Profile
from classready.mqtt import Client
from classready.settings import read_secret
from classready.targets import WhiteboardTarget
from classready.tasks import asked_to_end

RECONNECT_MAX_S = 60.0
MESSAGE_MAX_BYTES = 65_536
MESSAGES_MAX_BYTES = 8 * 2**20
"""Newest messages of all topics that matter; announcements have a bound for each device."""
QUIET_S = 0.4
"""So long without an announcement, and all have come. The broker may send retained messages after its SUBACK, too."""
SETTLE_MAX_S = 3.0
SUBSCRIBE_AT_ONCE = 100
"""Topics in one SUBSCRIBE, and so retained messages in one burst: mosquitto drops what of one waits beyond 1,000."""

_log = structlog.get_logger()


class Hearing:
    """Connects, and connects again, until ``run`` is cancelled."""

    def __init__(
        self, broker: Broker, targets: Sequence[WhiteboardTarget], profiles: Mapping[str, Profile], numbers: Metrics
    ) -> None:
        self._broker, self._profiles, self._numbers = broker, profiles, numbers
        self._targets = [(target, target.mqtt) for target in targets if target.mqtt is not None]
        self._panels = {
            (mqtt.profile, mqtt.id): profile.panel(profiles[mqtt.profile], mqtt.id)
            for _, mqtt in self._targets
            if mqtt.profile in profiles
        }
        self.announced = Announced(mqtt.id for _, mqtt in self._targets if mqtt.profile not in profiles)
        self.messages: dict[str, Message] = {}
        """Topic → the newest, of those that matter."""
        self._held_bytes = 0
        self._subscribed: set[str] = set()
        self._deaf_because = f"the broker {broker.host} was not reached yet"
        self._denied: list[str] = []
        self._complained: set[str] = set()
        self._arrived, self._announced_anew = asyncio.Event(), asyncio.Event()

    # --- what is asked of it ----------------------------------------------------------------------------------------

    def hear(self, target: WhiteboardTarget) -> Heard:
        """What ``target`` has said by now."""
        if target.mqtt is None or self._deaf_because:
            return Heard(detail=self._deaf_because)
        fresh_s = FRESH_INTERVALS * target.interval_s
        heard = hear(self._panel(target.mqtt), self.messages, now_s=time.monotonic(), fresh_s=fresh_s)
        if heard.state is None and not heard.gone and self._denied:
            return Heard(detail=f"the broker refuses the subscription to {self._denied[0]}; {heard.detail}")
        return heard

    def _panel(self, mqtt: Mqtt) -> Panel:
        return self._panels.get((mqtt.profile, mqtt.id)) or self.announced.panel(mqtt.id)

    async def until_heard(self, target: WhiteboardTarget, patience_s: float) -> None:
        """Return as soon as something is known of ``target``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not ((heard := self.hear(target)).state or heard.gone):
                    self._arrived.clear()
                    await self._arrived.wait()

    # --- the connection ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        attempt = 0
        while not asked_to_end():  # a task group that fails while it is cancelled raises only its failures
            try:
                async with self._client() as client:
                    attempt = 0
                    await self._listen(client)
            except* (aiomqtt.MqttError, OSError) as errors:
                self._lose(errors)
            attempt = min(attempt + 1, 10)
            await asyncio.sleep(random.uniform(0.1, min(RECONNECT_MAX_S, 2.0**attempt)))  # noqa: S311 - spread only

    def _lose(self, errors: ExceptionGroup[Any]) -> None:
        """Forget what devices said: their last wills do not reach us any more."""
        error = errors.exceptions[0]
        self._deaf_because = f"no connection to the broker {self._broker.host}: {error.__cause__ or error}"
        self.messages.clear()
        self._held_bytes = 0
        _log.warning("broker_disconnected", host=self._broker.host, error=str(error.__cause__ or error))

    def _client(self) -> Client:
        broker = self._broker
        return Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=read_secret(Path(broker.password_file)) if broker.password_file else None,
            tls_context=ssl.create_default_context(cafile=broker.ca_file) if broker.tls else None,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", partial(_Inbox, self._receive)),
        )

    async def _listen(self, client: Client) -> None:
        self._deaf_because = f"the messages of the broker {self._broker.host} are still coming in"
        self._subscribed.clear()
        self._denied.clear()
        self._complained.clear()
        self.announced.begin()
        await self._follow(client)  # before anybody is asked
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_subscribing(client))
            for target, mqtt in self._targets:
                chosen = self._profiles.get(mqtt.profile)
                if chosen is not None and chosen.request is not None:
                    topic, payload = chosen.request.topic, chosen.request.payload
                    group.create_task(self._keep_asking(client, target, mqtt, topic, payload))
            async for _ in client.messages:  # they went to _receive; this ends when the connection does
                pass

    async def _keep_asking(
        self, client: Client, target: WhiteboardTarget, mqtt: Mqtt, topic: str, payload: str
    ) -> None:
        """Ask a device that speaks only when it is asked."""
        while True:
            await client.publish(topic.replace("{id}", mqtt.id), payload.replace("{id}", mqtt.id))
            await asyncio.sleep(target.interval_s)

    # --- subscriptions ----------------------------------------------------------------------------------------------

    async def _keep_subscribing(self, client: Client) -> None:
        """To what is said of announcing, then to the topics that were announced, whenever there are other ones.

        One filter of announcements at a time, and QoS 0: the broker keeps no more than 1,000 messages of QoS 1 for
        a client (mosquitto.conf(5), max_queued_messages), and drops the rest, retained or not.
        """
        for topic in self._discovery_topics():
            await self._subscribe(client, [topic])
        while True:
            await self._until_quiet()
            if await self._follow(client) and self._deaf_because:
                await asyncio.sleep(QUIET_S)
            if self._deaf_because:
                self._deaf_because = ""
                counts = {"announcements": len(self.announced), "topics": len(self._subscribed)}
                _log.info("broker_connected", host=self._broker.host, **counts)
            self._arrived.set()
            await self._announced_anew.wait()

    def _discovery_topics(self) -> Iterator[str]:
        if any(mqtt.profile not in self._profiles for _, mqtt in self._targets):
            for component in (*discovery.STATE_COMPONENTS, *discovery.OTHER_COMPONENTS):
                # With and without the optional node id of Home Assistant's discovery topics.
                yield f"{discovery.PREFIX}/{component}/+/config"
                yield f"{discovery.PREFIX}/{component}/+/+/config"

    async def _until_quiet(self) -> None:
        """An announcement seldom comes alone: what is announced is looked at when all of it is there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_MAX_S):
                while await _is_set_within(self._announced_anew, QUIET_S):
                    self._announced_anew.clear()

    async def _follow(self, client: Client) -> bool:
        """Subscribe to what the devices need by now, and to nothing else; whether there was anything new."""
        self._announced_anew.clear()
        wanted: dict[str, None] = {}
        for _, mqtt in self._targets:
            wanted |= dict.fromkeys(self._panel(mqtt).topics())
            await asyncio.sleep(0)  # a panel with templates takes milliseconds: others have their turn in between
        unwanted = [topic for topic in self._subscribed if topic not in wanted and "+" not in topic]
        added = [topic for topic in wanted if topic not in self._subscribed]
        if unwanted:
            self._subscribed.difference_update(unwanted)
            for topic in unwanted:
                self._drop(topic)
            await client.unsubscribe(unwanted)
        for first in range(0, len(added), SUBSCRIBE_AT_ONCE):
            await self._subscribe(client, added[first : first + SUBSCRIBE_AT_ONCE])
        return bool(added)

    async def _subscribe(self, client: Client, topics: Sequence[str]) -> None:
        self._subscribed.update(topics)
        codes = await client.subscribe([(topic, 0) for topic in topics])
        for topic, code in zip(topics, codes, strict=False):
            # From 128 on a reason code is a refusal (MQTT 5, 2.4).
            if (code if isinstance(code, int) else cast("ReasonCode", code).value) >= 128:
                self._denied.append(topic)
                _log.warning("subscription_refused", host=self._broker.host, topic=topic)

    # --- messages ---------------------------------------------------------------------------------------------------

    def _receive(self, message: aiomqtt.Message) -> None:
        topic, retained = str(message.topic), bool(message.retain)
        payload = message.payload if isinstance(message.payload, bytes) else b""
        if topic.startswith(f"{discovery.PREFIX}/") and topic.endswith("/config"):
            self._take_announcement(topic, payload, retained=retained)
        elif topic in self._subscribed:
            self._keep(topic, payload, retained=retained)
        self._arrived.set()

    def _take_announcement(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if len(payload) > MESSAGE_MAX_BYTES:
            self._complain("size", topic, len(payload))
            self.announced.refuse(topic, f"its announcement is longer than {MESSAGE_MAX_BYTES:,} bytes")
        elif not self._was_taken(topic, payload, retained=retained):
            self._complain("device", topic, len(payload))
        self._announced_anew.set()

    def _was_taken(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """A fault of ours costs this announcement: the broker would send a retained one after each new connection."""
        try:
            return self.announced.take(topic, payload, retained=retained)
        except Exception:  # noqa: BLE001 - else one retained message would keep us from listening for ever
            _log.exception("announcement_not_read", topic=topic[:200])
            self.announced.refuse(topic, "its announcement met a fault of the agent")
            return False

    def _keep(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self._drop(topic)
        if not payload:
            return  # a retained message that was taken back
        refused = ""
        if len(payload) > MESSAGE_MAX_BYTES:
            refused = f"its message is longer than {MESSAGE_MAX_BYTES:,} bytes"
            self._complain("size", topic, len(payload))
        elif self._held_bytes + len(payload) > MESSAGES_MAX_BYTES:
            refused = f"the messages of all devices are longer than {MESSAGES_MAX_BYTES:,} bytes"
            self._complain("room", topic, len(payload))
        kept = b"" if refused else payload
        self._held_bytes += len(kept)
        self.messages[topic] = Message(payload=kept, retained=retained, at_s=time.monotonic(), refused=refused)

    def _drop(self, topic: str) -> None:
        if old := self.messages.pop(topic, None):
            self._held_bytes -= len(old.payload)

    def _complain(self, reason: str, topic: str, size_bytes: int) -> None:
        """Count each message that was not kept, and log the first of a kind and connection."""
        self._numbers.add("classready_agent_broker_messages_refused_total", reason)
        if reason not in self._complained:
            self._complained.add(reason)
            _log.warning("broker_message_refused", reason=reason, topic=topic[:200], size_bytes=size_bytes)


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """Hands each message on as it comes and holds none, so that nothing waits without bound and nothing is dropped.

    The event loop goes on between two messages: paho reads one of them at a time.
    """

    def __init__(self, receive: Callable[[aiomqtt.Message], None], maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._receive = receive

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._receive(item)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def of_session(tools: Tools) -> Hearing | None:
    """Listen as long as the session to what its settings name; None where there is no broker."""
    heard = hearing(tools.settings, tools.metrics)
    if heard is not None:
        tools.services["hearing"] = heard.run
    return heard


def hearing(settings: AgentSettings, numbers: Metrics) -> Hearing | None:
    """A listener for what ``settings`` name; None where there is nothing to listen to."""
    broker, boards, profiles = heard_by(settings)
    return Hearing(broker, boards, profiles, numbers) if broker and boards else None


def heard_by(settings: AgentSettings) -> tuple[Broker | None, list[WhiteboardTarget], dict[str, Profile]]:
    """What of ``settings`` a listener is made of."""
    boards = [t for t in settings.targets if isinstance(t, WhiteboardTarget) and t.mqtt is not None]
    return settings.broker, boards, settings.profiles
