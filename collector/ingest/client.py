"""The MQTT client with what a collector needs: acknowledgement by hand, and arrivals without a queue."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage

from classready import mqtt


class Client(mqtt.Client):
    """Hands each message to ``on_arrival`` where it is read.

    A broker may send faster than an asyncio queue is emptied, and its window does not bound it: mosquitto 2.0.11 opens
    a whole receive maximum with each acknowledgement (measured: 4 given, 800 messages outstanding, of 200 allowed).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_arrival: Callable[[MQTTMessage], None] = ignore
        self._handing_over: dict[int, asyncio.Future[None]] = {}
        self._client.manual_ack_set(True)  # aiomqtt 2.5 has no public way (its issue 345)

    def acknowledge(self, mid: int, qos: int) -> None:
        """Tell the broker that it need not send this message again."""
        self._client.ack(mid, qos)

    async def hand_over(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1; return when the broker has it. ``publish`` looks at all that is on its way, each time.

        Raises:
            MqttError: the broker may have it or not.
        """
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        taken = self._handing_over[info.mid] = self._loop.create_future()
        patience = self._loop.call_later(self.timeout, _give_up, taken)
        try:
            await taken
        finally:
            patience.cancel()
            del self._handing_over[info.mid]

    def _on_publish(self, client: Any, userdata: Any, mid: int, *rest: Any) -> None:
        taken = self._handing_over.get(mid)
        if taken is None:
            super()._on_publish(client, userdata, mid, *rest)
        elif not taken.done():
            taken.set_result(None)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002 - paho's callback
        self.on_arrival(message)


def _give_up(taken: "asyncio.Future[None]") -> None:
    if not taken.done():
        taken.set_exception(aiomqtt.MqttError("Operation timed out"))


def ignore(message: MQTTMessage) -> None:
    """Leave ``message`` to the next session, in which the broker sends it again."""
