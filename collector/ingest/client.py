"""The MQTT client with what a collector needs: acknowledgement by hand, and arrivals without a queue."""

from collections.abc import Callable
from typing import Any

from paho.mqtt.client import MQTTMessage

from classready import mqtt


class Client(mqtt.Client):
    """Hands each message to ``on_arrival`` where it is read.

    A broker may send faster than an asyncio queue is emptied, and its window does not bound it: mosquitto 2.0.11 opens
    a whole receive maximum with each acknowledgement (measured: 4 given, 800 messages outstanding, of 200 allowed).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_arrival: Callable[[MQTTMessage], None] = ignore
        self._client.manual_ack_set(True)  # aiomqtt 2.5 has no public way (its issue 345)

    def acknowledge(self, mid: int, qos: int) -> None:
        """Tell the broker that it need not send this message again."""
        self._client.ack(mid, qos)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002 - paho's callback
        self.on_arrival(message)


def ignore(message: MQTTMessage) -> None:
    """Leave ``message`` to the next session, in which the broker sends it again."""
