"""Answers on their way to the broker. One that ends the connection must not end it again and again."""

import asyncio
import hashlib
from contextlib import nullcontext

import aiomqtt
import msgspec
import structlog
from paho.mqtt.client import MQTTMessage
from prometheus_client import Counter

from classready import topics
from classready.codec import encode, encode_ack
from classready.report import ACK_MAX_BYTES, Ack, Refusal
from collector.ingest import MESSAGES_REJECTED
from collector.ingest.client import Client

ENDS_BEFORE_ASIDE = 3
"""So many connections may end while a message is answered."""
SUSPECTS_MAX = 1_000

DETAIL_MAX_CHARACTERS = 200

ACKS_PUBLISHED = Counter("classready_collector_acks_published", "Acks handed to the broker.")

_log = structlog.get_logger()


class Answers:
    """Remembers, from connection to connection, which messages were being answered when one ended.

    What was once in doubt is answered alone, so that only the guilty one can be in doubt three times.
    """

    def __init__(self) -> None:
        self._ends: dict[bytes, int] = {}
        self._open: dict[int, MQTTMessage] = {}
        self._alone = asyncio.Lock()

    async def send(self, client: Client, gateway: str, answer: Ack | Refusal, message: MQTTMessage) -> None:
        """Publish ``answer`` to ``message``; without one the gateway keeps its records and comes again."""
        ends = self._ends.get(_name(message), 0) if self._ends else 0
        if ends >= ENDS_BEFORE_ASIDE:
            MESSAGES_REJECTED.labels("unanswerable").inc()
            _log.error("report_set_aside", gateway=gateway, reason="unanswerable", connections_ended=ends)
            return
        topic = topics.down(gateway, "ack")
        async with self._alone if ends else nullcontext():
            self._open[id(message)] = message
            try:
                await client.hand_over(topic, _encoded(answer, min(ACK_MAX_BYTES, client.room_bytes(topic))))
            except aiomqtt.MqttError as error:
                # If the connection is gone the message comes again; if not, the ack may still arrive.
                _log.warning("ack_not_confirmed", gateway=gateway, error=str(error))
            else:
                ACKS_PUBLISHED.inc(isinstance(answer, Ack))
                if ends:
                    self._ends.pop(_name(message), None)
            self._open.pop(id(message), None)

    def connection_ended(self) -> None:
        """Suspect what was being answered; what comes again in the next session is known by its content."""
        names = {_name(message) for message in self._open.values()}
        ends = {**self._ends, **{name: self._ends.get(name, 0) + 1 for name in names}}
        self._ends = dict(list(ends.items())[-SUSPECTS_MAX:])
        self._open.clear()


def refusal_of(body: bytes, reason: str, detail: str = "") -> Refusal:
    """Say that the report with these bytes was not taken. ``detail`` may hold what the sender wrote."""
    line = "".join(c if c.isprintable() else " " for c in detail[:DETAIL_MAX_CHARACTERS])
    return Refusal(report_sha256=hashlib.sha256(body).hexdigest(), reason=reason, detail=line)


def _encoded(answer: Ack | Refusal, max_bytes: int) -> bytes:
    """As much of it as fits: what an ack leaves out comes again, and of a refusal the detail can be spared."""
    if isinstance(answer, Ack):
        return encode_ack(answer, max_bytes)
    body = encode(answer)
    return body if len(body) <= max_bytes else encode(msgspec.structs.replace(answer, detail=""))


def _name(message: MQTTMessage) -> bytes:
    return hashlib.sha256(message.topic.encode() + b"\0" + message.payload).digest()
