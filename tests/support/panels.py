"""Panels that announce themselves, for tests: what they say, and what is understood of it."""

import json
from collections.abc import Mapping
from typing import Any

from agent.probes.whiteboard.announced import Announced
from agent.probes.whiteboard.panel import Heard, Message, hear

NOW_S = 1000.0
FRESH_S = 180.0


def raw(payload: Any) -> bytes:
    """As a device sends it: text as it is, anything else as JSON."""
    return (
        payload
        if isinstance(payload, bytes)
        else (payload if isinstance(payload, str) else json.dumps(payload)).encode()
    )


def message(payload: Any, *, retained: bool = False, age_s: float = 5.0) -> Message:
    return Message(payload=raw(payload), retained=retained, at_s=NOW_S - age_s)


def announced(configs: Mapping[str, Any], *ids: str) -> Announced:
    """What is known after ``configs`` (topic below ``homeassistant/``, without ``/config``) were published."""
    known = Announced(ids)
    for topic, config in configs.items():
        known.take(f"homeassistant/{topic}/config", raw(config), retained=True)
    return known


def heard(configs: Mapping[str, Any], says: Mapping[str, Any], device_id: str = "p") -> Heard:
    """Its state; what it ``says`` is retained unless it is a ``Message``."""
    messages = {t: p if isinstance(p, Message) else message(p, retained=True) for t, p in says.items()}
    return hear(announced(configs, device_id).panel(device_id), messages, now_s=NOW_S, fresh_s=FRESH_S)


def verdict(found: Heard) -> str:
    """In one word."""
    return "away" if found.gone else found.state or "unknown"
