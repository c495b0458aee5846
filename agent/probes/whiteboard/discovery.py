"""One discovery message of Home Assistant (home-assistant.io/integrations/mqtt, "MQTT Discovery") as structs.

Keys may be abbreviated or long, topics may hold ``~``; values are texts, whatever JSON has them as. What is wrong with
an entity is kept with it (``problem``): one that is not understood is not one that does not exist.
"""

import re
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from agent.probes.whiteboard.panel import Mode
from agent.probes.whiteboard.values import Unreadable, decoded, shown
from classready.ids import canonical_mac

HashableT = TypeVar("HashableT", bound=Hashable)

PREFIX = "homeassistant"
STATE_COMPONENTS = ("device", "switch", "binary_sensor", "light")
"""What may say whether a screen is on; ``device`` announces any of them at once."""
OTHER_COMPONENTS = ("sensor", "select", "fan", "siren", "text")
"""Facts, and what a screen may be announced as without being understood: then the reason names it."""
WILLS_MAX = 16
NAME_MAX_CHARACTERS = 128
_IDS_MAX = 16
"""Identifiers and MACs of a device that are looked at."""

_TOPIC = re.compile(rf"{PREFIX}/(\w+)/(?:([^/]+)/)?([^/]+)/config")

_LONG = {
    "avty": "availability", "avty_mode": "availability_mode", "avty_t": "availability_topic",
    "avty_tpl": "availability_template", "cmps": "components", "dev": "device", "dev_cla": "device_class",
    "e": "encoding", "en": "enabled_by_default", "ent_cat": "entity_category", "exp_aft": "expire_after",
    "migr_discvry": "migrate_discovery", "o": "origin", "obj_id": "object_id", "off_dly": "off_delay",
    "p": "platform", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available", "pl_off": "payload_off",
    "pl_on": "payload_on", "stat_off": "state_off", "stat_on": "state_on", "stat_t": "state_topic",
    "stat_tpl": "state_template", "stat_val_tpl": "state_value_template", "t": "topic", "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
}  # fmt: skip
_LONG_OF_DEVICE = {"cns": "connections", "ids": "identifiers"}
_SHARED = {
    "availability", "availability_mode", "availability_template", "availability_topic", "encoding",
    "payload_available", "payload_not_available", "state_topic",
}  # fmt: skip
"""What the message of a whole device may say once for all its components."""
_AVAILABILITIES = {"availability", "availability_topic"}
"""Either stands for all of them: a component with its own has none of the device's."""


class Will(Struct, frozen=True, kw_only=True):
    """One availability topic."""

    topic: str
    template: str | None
    on: str
    off: str


class Entity(Struct, frozen=True, kw_only=True):
    """``name`` "" = it has the device's name, None = it was not given one. ``topic`` "" = it reports no state."""

    component: str
    object_id: str
    name: str | None = None
    unique_id: str = ""
    device_class: str = ""
    category: str = ""
    enabled: bool = True
    unit: str = ""
    topic: str = ""
    template: str | None = None
    on: str = ""
    off: str = ""
    expires_s: float | None = None
    wills: tuple[Will, ...] = ()
    mode: Mode = "latest"
    problem: str = ""

    def __str__(self) -> str:
        """As reasons name it."""
        return f"{self.name or self.object_id} ({self.component})"


class Announcement(Struct, frozen=True, kw_only=True):
    """``ids``: what surely is this device (identifiers, MACs); ``names``: what may be another's, too.

    ``labels`` are of the device as a whole: in the name of an entity they say nothing.
    """

    ids: frozenset[str]
    names: frozenset[str]
    labels: frozenset[str]
    entities: tuple[Entity, ...]


def read(topic: str, payload: bytes, devices: Collection[str]) -> Announcement | None:
    """What a message on a discovery topic announces of ``devices``; None = nothing of theirs, or nothing any more.

    Raises:
        Unreadable: the message is no JSON object.
    """
    found = _TOPIC.fullmatch(topic)
    if found is None or not payload.strip():
        return None
    component, node_id, object_id = found[1], found[2] or "", found[3]
    config = _long(decoded(payload), _LONG)
    if not isinstance(config, dict):
        raise Unreadable("its announcement is no JSON object")
    if config.get("migrate_discovery"):
        # The entity moves between the two kinds of discovery: its new message comes on another topic.
        return None
    device = _long(config.get("device"), _LONG_OF_DEVICE)
    device = device if isinstance(device, dict) else {}
    ids = _same(frozenset(islice(_ids(device), _IDS_MAX)))
    names = frozenset(filter(None, (_name(device.get("name")), node_id, object_id)))
    if not any(folded(each) in devices for each in ids | names):
        return None
    return Announcement(
        ids=ids,
        names=names,
        labels=_same(ids | (names if component == "device" else names - {object_id})),
        entities=tuple(_entity(*part) for part in _parts(component, object_id, config)),
    )


@lru_cache(512)
def _same(value: HashableT) -> HashableT:
    """One object for equal ones: the entities of a device have most in common, and a gateway has little memory."""
    return value


def unreadable(topic: str, problem: str) -> Announcement | None:
    """What stands for a message that is no JSON: all that is known of it stands in its topic."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    entity = Entity(component=found[1], object_id=found[3][:NAME_MAX_CHARACTERS], problem=problem)
    names = frozenset(filter(None, (found[2], found[3])))
    return Announcement(ids=frozenset(), names=names, labels=names - {found[3]}, entities=(entity,))


def _ids(device: Mapping[str, Any]) -> Iterator[str]:
    identifiers = device.get("identifiers")
    for each in identifiers if isinstance(identifiers, list) else [identifiers]:
        if identifier := _scalar(each):
            yield folded(identifier)
    connections = device.get("connections")
    for pair in connections if isinstance(connections, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and pair[0] == "mac" and (mac := _scalar(pair[1])):
            yield folded(mac)


def folded(device_id: str) -> str:
    """A MAC in its one spelling; anything else as it is."""
    return canonical_mac(device_id) or device_id


def _parts(component: str, object_id: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Component, object id and configuration of each entity; a component with nothing but its platform is removed."""
    if component != "device":
        yield component, object_id, config
        return
    parts = config.get("components")
    for name, part in parts.items() if isinstance(parts, dict) else ():
        own = _long(part, _LONG)
        if isinstance(own, dict) and own.keys() - {"platform"}:
            given = own.keys() | (_AVAILABILITIES if own.keys() & _AVAILABILITIES else set())
            shared = {key: config[key] for key in _SHARED - given if key in config}
            yield _scalar(own.get("platform")) or "", str(name), {"~": config.get("~"), **shared, **own}


def _long(value: Any, names: Mapping[str, str]) -> Any:
    return {names.get(key, key): each for key, each in value.items()} if isinstance(value, dict) else value


def _entity(component: str, object_id: str, config: Mapping[str, Any]) -> Entity:
    known = Entity(
        component=component,
        object_id=object_id[:NAME_MAX_CHARACTERS],
        name=_name(config["name"]) if "name" in config else None,
        unique_id=_scalar(config.get("unique_id")) or "",
        device_class=_scalar(config.get("device_class")) or "",
        category=_scalar(config.get("entity_category")) or "",
        enabled=(_scalar(config.get("enabled_by_default")) or "").casefold() not in {"false", "0", "no", "off"},
        unit=_scalar(config.get("unit_of_measurement")) or "",
    )
    try:
        return _with_state(known, config)
    except Unreadable as error:
        return replace(known, problem=str(error))


def _with_state(known: Entity, config: Mapping[str, Any]) -> Entity:
    """``known`` with where its state and its wills stand.

    Raises:
        Unreadable: something of it is not understood.
    """
    template, on, off = _form(known.component, config)
    encoding = config.get("encoding", "utf-8")
    if (_scalar(encoding) or "").casefold() not in {"utf-8", "utf8"}:
        raise Unreadable(f"its encoding is {shown(encoding)}")
    if config.get("off_delay") is not None:
        raise Unreadable("it is off again after a delay (off_delay)")
    return replace(
        known,
        topic=_topic(config, "state_topic") or "",
        template=template,
        on=on,
        off=off,
        expires_s=_seconds(config.get("expire_after")),
        wills=_same(tuple(_wills(config))),
        mode=_mode(config),
    )


def _form(component: str, config: Mapping[str, Any]) -> tuple[str | None, str, str]:
    """Template, and what means on and off: ``state_on`` is what it says, ``payload_on`` what it is told."""
    on, off = _value(config, "payload_on", "ON"), _value(config, "payload_off", "OFF")
    if component == "light":
        schema = config.get("schema") or "basic"
        if schema == "json":
            return "{{ value_json.state }}", "ON", "OFF"
        if schema == "template":
            return _value(config, "state_template", "") or None, "on", "off"
        return _value(config, "state_value_template", "") or None, on, off
    if component == "switch":
        on, off = _value(config, "state_on", on), _value(config, "state_off", off)
    return _value(config, "value_template", "") or None, on, off


def _wills(config: Mapping[str, Any]) -> Iterator[Will]:
    if single := _topic(config, "availability_topic"):
        yield _will(single, config, "availability_template")
    many = config.get("availability")
    entries: Sequence[Any] = many if isinstance(many, list) else [] if many is None else [many]
    if len(entries) > WILLS_MAX:
        raise Unreadable(f"it has more than {WILLS_MAX} availability topics")
    for entry in entries:
        own = _long(entry, _LONG)
        topic = _topic({"~": config.get("~"), **own}, "topic") if isinstance(own, dict) else None
        if topic is None:
            raise Unreadable(f"its availability {shown(entry)} has no topic")
        yield _will(topic, own, "value_template")


def _will(topic: str, config: Mapping[str, Any], template: str) -> Will:
    return Will(
        topic=topic,
        template=_value(config, template, "") or None,
        on=_value(config, "payload_available", "online"),
        off=_value(config, "payload_not_available", "offline"),
    )


def _mode(config: Mapping[str, Any]) -> Mode:
    modes: dict[Any, Mode] = {"all": "all", "any": "any", "latest": "latest"}
    mode = config.get("availability_mode", "latest")
    if not isinstance(mode, str) or mode not in modes:
        raise Unreadable(f"its availability_mode is {shown(mode)}")
    return modes[mode]


def _topic(config: Mapping[str, Any], key: str) -> str | None:
    """The topic with ``~`` at its beginning or end replaced by the base topic; None where there is none."""
    topic = config.get(key)
    if topic is None:
        return None
    base = config.get("~")
    if isinstance(topic, str) and isinstance(base, str):
        topic = base + topic[1:] if topic.startswith("~") else topic
        topic = topic[:-1] + base if topic.endswith("~") else topic
    if not isinstance(topic, str) or not 0 < len(topic) <= 256 or set(topic) & set("+#\0"):
        raise Unreadable(f"its {key} {shown(topic)} is no topic")
    return topic


def _value(config: Mapping[str, Any], key: str, default: str) -> str:
    """As text; an empty one, and null, is none."""
    value = config.get(key)
    text = _scalar(value)
    if value is not None and text is None:
        raise Unreadable(f"its {key} {shown(value)} is no text")
    return text or default


def _scalar(value: Any) -> str | None:
    """A text, number or boolean as Home Assistant makes a text of it; None for anything else."""
    return str(value) if isinstance(value, str | int | float) else None


def _name(value: Any) -> str:
    return (_scalar(value) or "")[:NAME_MAX_CHARACTERS]


def _seconds(value: Any) -> float | None:
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Unreadable(f"its expire_after {shown(value)} is no number of seconds")
    return float(value)
