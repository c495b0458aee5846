"""What a device says over MQTT: from the newest message of each topic to its state. No I/O.

A retained message outlives its device: the broker gives it to us years later. So it counts only where the device also
has a last will (availability) that says it is connected now; else only what arrived lately does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agent.probes.contract import Message
from agent.settings import Profile, Source, Switching
from classready.observation import clean_text
from classready.units import MBIT

HOME_ASSISTANT = "homeassistant"
_CONFIG_TOPICS = ("homeassistant/+/+/config", "homeassistant/+/+/+/config")
_FACTS_MAX = 12
_NUMBER_MAX = 10**12

_PATH = re.compile(r"([^.\[\]]+)|\[(\d{1,4})\]")
_TEMPLATE = re.compile(r"\{\{\s*value(?:_json((?:\.\w+|\[['\"][\w -]+['\"]\]|\[\d+\])+))?\s*\}\}")
_SHORT = {
    "avty": "availability", "avty_t": "availability_topic", "t": "topic", "stat_t": "state_topic",
    "val_tpl": "value_template", "dev": "device", "ids": "identifiers", "dev_cla": "device_class",
    "pl_avail": "payload_available", "pl_not_avail": "payload_not_available", "pl_on": "payload_on",
    "pl_off": "payload_off", "uniq_id": "unique_id", "cmps": "components", "p": "platform",
}  # fmt: skip
"""Abbreviations in Home Assistant's discovery messages (home-assistant.io, MQTT, "Supported abbreviations")."""


class Heard(Struct, frozen=True, kw_only=True):
    """``state`` None: nothing that proves one. ``gone``: its last will says that it is not connected."""

    state: Literal["awake", "asleep"] | None = None
    gone: bool = False
    nic_speed_bps: int | None = None
    facts: dict[str, str] = {}
    detail: str = ""


def topics(profile: Profile | None, device_id: str, messages: Mapping[str, Message]) -> list[str]:
    """What to subscribe to; None = the device announces itself in Home Assistant's way."""
    if profile is None:
        found = home_assistant(device_id, messages)
        return [*_CONFIG_TOPICS, *(topic for topic in _topics(found, device_id) if topic)]
    return _topics(profile, device_id)


def _topics(profile: Profile, device_id: str) -> list[str]:
    sources = (profile.availability, profile.power, profile.nic_speed_mbps, *profile.facts.values())
    return list(dict.fromkeys(_topic(source, device_id) for source in sources if source is not None))


def hear(
    profile: Profile | None, device_id: str, messages: Mapping[str, Message], *, now_s: float, fresh_s: float
) -> Heard:
    """The device's state by what it said. ``now_s`` is on the clock of the messages."""
    if profile is None:
        profile = home_assistant(device_id, messages)
    connected = _switched(profile.availability, device_id, messages)
    if connected is False:
        return Heard(gone=True, detail="its last will says that it is not connected")

    def credible(source: Source) -> bool:
        message = messages.get(_topic(source, device_id))
        lately = message is not None and not message.retained and now_s - message.at_s <= fresh_s
        return message is not None and (lately or bool(connected))

    on = _switched(profile.power, device_id, messages) if profile.power and credible(profile.power) else None
    facts = {
        name: text
        for name, source in profile.facts.items()
        if credible(source) and (text := _text(source, device_id, messages))
    }
    speed = profile.nic_speed_mbps
    heard = Heard(
        nic_speed_bps=_speed_bps(_text(speed, device_id, messages)) if speed and credible(speed) else None,
        facts={name: clean_text(text) for name, text in facts.items()},
    )
    if on is not None:
        return replace(heard, state="awake" if on else "asleep")
    if profile.power is None and (connected or facts):
        return replace(heard, state="awake")
    return replace(heard, detail="over MQTT nothing was heard that proves a state")


def home_assistant(device_id: str, messages: Mapping[str, Message]) -> Profile:
    """The profile that the device's own discovery messages make."""
    availability: Switching | None = None
    power: Switching | None = None
    facts: dict[str, Source] = {}
    for component, name, config in _configurations(device_id, messages):
        availability = availability or _availability(config)
        source = _source(config)
        if source is None:
            continue
        kind = str(config.get("device_class") or "")
        if component == "switch" or (component == "binary_sensor" and kind in {"power", "running"}):
            power = power or Switching(
                topic=source.topic,
                path=source.path,
                on=(str(config.get("payload_on") or "ON"),),
                off=(str(config.get("payload_off") or "OFF"),),
            )
        elif component == "sensor" and len(facts) < _FACTS_MAX:
            told = "temperature_c" if kind == "temperature" else str(config.get("name") or name)
            facts[clean_text(told)[:40] or "sensor"] = source
    return Profile(availability=availability, power=power, facts=facts)


def _configurations(device_id: str, messages: Mapping[str, Message]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Component (sensor, switch), its name, and its configuration, of each entity of the device."""
    for topic, message in sorted(messages.items()):
        if not (topic.startswith("homeassistant/") and topic.endswith("/config")):
            continue
        config = _long(_json(message.payload))
        device = config.get("device") if config else None
        if not config or not isinstance(device, dict):
            continue
        identifiers = device.get("identifiers")
        names = identifiers if isinstance(identifiers, list) else [identifiers]
        component, object_id = topic.split("/")[1], topic.split("/")[-2]
        if device_id not in {*map(str, names), str(device.get("name")), object_id}:
            continue
        if component == "device":
            yield from _components(config)
        else:
            yield component, object_id, config


def _components(config: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The entities of a message that announces a whole device: what stands beside them holds for each of them."""
    parts = config.get("components")
    shared = {key: value for key, value in config.items() if key not in {"components", "device", "name"}}
    for name, part in parts.items() if isinstance(parts, dict) else ():
        own = _long({"~": config.get("~", ""), **part}) if isinstance(part, dict) else {}
        yield str(own.get("platform", "")), str(name), {**shared, **own}


def _long(value: Any) -> Any:
    """Abbreviated keys written out, and ``~`` in topics replaced by the base topic; one level of objects deep."""
    if not isinstance(value, dict):
        return None
    base = str(value.get("~", ""))
    found: dict[str, Any] = {}
    for key, each in value.items():
        name = str(_SHORT.get(key, key))
        if isinstance(each, str) and name.endswith("topic"):
            found[name] = re.sub(r"^~|~$", lambda _: base, each)
        else:
            found[name] = _spelled(each) if isinstance(each, dict) else each
    return found


def _spelled(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return {_SHORT.get(key, key): each for key, each in value.items()}


def _availability(config: Mapping[str, Any]) -> Switching | None:
    many = config.get("availability")
    first = many[0] if isinstance(many, list) and many else many
    single = _spelled(first) if isinstance(first, dict) else {}
    topic = single.get("topic") or config.get("availability_topic")
    if not _is_topic(topic):
        return None
    on = single.get("payload_available") or config.get("payload_available") or "online"
    off = single.get("payload_not_available") or config.get("payload_not_available") or "offline"
    return Switching(topic=str(topic), on=(str(on),), off=(str(off),))


def _source(config: Mapping[str, Any]) -> Source | None:
    """Where an entity's state stands; None for a template that is more than a path."""
    topic, template = config.get("state_topic"), config.get("value_template")
    if not _is_topic(topic):
        return None
    if not template:
        return Source(topic=str(topic))
    found = _TEMPLATE.fullmatch(str(template).strip())
    if found is None:
        return None
    path = re.sub(r"\[['\"]([\w -]+)['\"]\]", r".\1", found[1] or "").lstrip(".")
    return Source(topic=str(topic), path=path)


def _is_topic(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 256 and not set(value) & set("+#\0")


def _topic(source: Source, device_id: str) -> str:
    return source.topic.replace("{id}", device_id)


def _switched(source: Switching | None, device_id: str, messages: Mapping[str, Message]) -> bool | None:
    """What a source that is on or off says; None for anything else."""
    text = _text(source, device_id, messages) if source else None
    if source is None or text is None:
        return None
    lower = text.casefold()
    if lower in {each.casefold() for each in source.on}:
        return True
    return False if lower in {each.casefold() for each in source.off} else None


def _text(source: Source, device_id: str, messages: Mapping[str, Message]) -> str | None:
    """The value as text, None where the message does not hold it."""
    message = messages.get(_topic(source, device_id))
    if message is None:
        return None
    if not source.path:
        return message.payload.decode(errors="replace").strip() or None
    value = _json(message.payload)
    for name, index in _PATH.findall(source.path):
        if name and isinstance(value, dict):
            value = value.get(name)
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    if isinstance(value, str):
        return value or None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _speed_bps(text: str | None) -> int | None:
    try:
        mbps = float(text or "")
    except ValueError:
        return None
    return round(mbps * MBIT) if 0 < mbps < _NUMBER_MAX else None
