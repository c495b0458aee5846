"""The MQTT topic grammar. ``parse_up`` counts segments, because an ACL pattern lets ``a/../b`` through."""

from typing import Literal

from classready.ids import is_gateway_id

PREFIX = "classready/v1"
UP_SUBSCRIPTION = f"{PREFIX}/up/+/report"
PRESENCE_SUBSCRIPTION = f"{PREFIX}/up/+/presence"
ASK_SUBSCRIPTION = f"{PREFIX}/up/+/ask"

Up = Literal["report", "presence", "ask"]
Down = Literal["ack", "config"]


def up(gateway: str, leaf: Up) -> str:
    return f"{PREFIX}/up/{gateway}/{leaf}"


def down(gateway: str, leaf: Down) -> str:
    return f"{PREFIX}/down/{gateway}/{leaf}"


def parse_up(topic: str) -> tuple[str, Up] | None:
    """Return (gateway, leaf) of an ``up`` topic, or None when it is not exactly one."""
    match topic.split("/"):
        case ["classready", "v1", "up", gateway, ("report" | "presence" | "ask") as leaf] if is_gateway_id(gateway):
            return gateway, leaf
        case _:
            return None
