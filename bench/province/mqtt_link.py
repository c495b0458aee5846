"""Reports over MQTT 5 through a real broker.

One connection speaks for all gateways: what broker and collector have to do for a report is the same, and a process
that holds 20,000 clients would be what is measured.
"""

import socket
import time
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from bench.province.reports import Made
from classready import topics

USER: Final = "fleet"
_CONNECT_LIMIT_S: Final = 10.0


class MqttLink:
    """``on_ack`` is called with the gateway and the bytes of its acknowledgement."""

    def __init__(self, port: int, password: str, on_ack: Callable[[str, bytes], None]) -> None:
        self._subscribed = False
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=USER, protocol=MQTTv5)
        self._client.username_pw_set(USER, password)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = lambda _client, _data, message: on_ack(_gateway_of(message), bytes(message.payload))
        self._client.on_subscribe = self._on_subscribe
        self._client.on_socket_open = _without_delay
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topics.down("+", "ack"), qos=0)
        until_s = time.monotonic() + _CONNECT_LIMIT_S
        while not self._subscribed:
            self.work(0.05)
            if time.monotonic() > until_s:
                raise TimeoutError("the broker does not let the fleet subscribe")

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed = True

    def publish(self, gateway: str, made: Made) -> None:
        """As agents do: QoS 1, not retained."""
        self._client.publish(topics.up(gateway, "report"), made.body, qos=1)

    def work(self, patience_s: float) -> None:
        """Write what waits, read what came, for at most ``patience_s`` if there is nothing."""
        self._client.loop(patience_s)

    def close(self) -> None:
        self._client.disconnect()


def _without_delay(_client: Client, _data: object, sock: Any) -> None:
    """Gateways have a connection each: none of them waits until what another one sent is confirmed (Nagle)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _gateway_of(message: MQTTMessage) -> str:
    return message.topic.split("/")[3]
