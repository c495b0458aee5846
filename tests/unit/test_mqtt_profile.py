"""What messages over MQTT prove about a device, by table, and any message at all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.probes.contract import Message
from agent.probes.whiteboard import profile as profiles
from agent.probes.whiteboard.profile import Heard, hear, home_assistant, topics
from agent.settings import Profile, Source, Switching

NOW_S = 1000.0
WILL = Switching(topic="panel/{id}/will")
PANEL = Profile(
    availability=WILL,
    power=Switching(topic="panel/{id}/state", path="power"),
    nic_speed_mbps=Source(topic="panel/{id}/state", path="nic.mbps"),
    facts={
        "input": Source(topic="panel/{id}/state", path="inputs[1].name"),
        "temperature_c": Source(topic="panel/{id}/temp"),
    },
)


def message(payload: Any, *, retained: bool = False, age_s: float = 5.0) -> Message:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(payload=raw, retained=retained, at_s=NOW_S - age_s)


def heard(messages: dict[str, Message], profile: Profile | None = PANEL) -> Heard:
    return hear(profile, "7", messages, now_s=NOW_S, fresh_s=180.0)


ON, OFF = {"power": "ON"}, {"power": "standby"}
CONNECTED, GONE = message(b"online", retained=True), message(b"offline", retained=True)


@pytest.mark.parametrize(
    ("will", "state", "expected"),
    [
        (None, message(ON), "awake"),
        (None, message(OFF), "asleep"),
        (None, message({"power": True}), "awake"),
        (None, message({"power": 0}), "asleep"),
        (None, message(ON, age_s=181), None),
        (None, message(ON, retained=True), None),
        (CONNECTED, message(ON, retained=True), "awake"),
        (CONNECTED, message(OFF, age_s=99_999), "asleep"),
        (CONNECTED, message({"power": "purple"}), None),
        (CONNECTED, None, None),
        (None, message([1, 2]), None),
        (None, message(b"{not json"), None),
        (None, None, None),
    ],
)
def test_state(will, state, expected) -> None:
    """A retained or an old message proves nothing by itself; with a last will that says "connected" it does."""
    messages = {"panel/7/will": will, "panel/7/state": state}
    found = heard({topic: each for topic, each in messages.items() if each is not None})
    assert (found.state, found.gone) == (expected, False)


def test_the_last_will() -> None:
    """Not connected: no state, whatever it said before."""
    found = heard({"panel/7/will": GONE, "panel/7/state": message(ON)})
    assert (found.state, found.gone) == (None, True)
    assert "last will" in found.detail


def test_facts_and_speed() -> None:
    """By path inside the JSON, or the whole message; what is missing or of another kind is left out."""
    state = {"power": "on", "nic": {"mbps": 100}, "inputs": [{"name": "hdmi1"}, {"name": "电脑"}]}
    found = heard({"panel/7/state": message(state), "panel/7/temp": message(b"41.5\n")})
    assert (found.nic_speed_bps, found.facts) == (100_000_000, {"input": "电脑", "temperature_c": "41.5"})
    assert heard({"panel/7/state": message({"inputs": {}, "nic": 3})}).facts == {}


def test_without_power() -> None:
    """A device that only has a last will is awake while it is connected."""
    only_will = Profile(availability=WILL)
    assert heard({"panel/7/will": CONNECTED}, only_will).state == "awake"
    assert heard({}, only_will).state is None


CONFIG = {
    "~": "panels/7",
    "name": "screen",
    "avty_t": "~/lwt",
    "stat_t": "~/state",
    "val_tpl": "{{ value_json.power }}",
    "dev": {"ids": ["7"], "name": "Panel"},
}
SENSOR = {
    "name": "CPU",
    "device_class": "temperature",
    "availability": [{"t": "panels/7/lwt"}],
    "state_topic": "panels/7/state",
    "value_template": "{{ value_json['env'].temp }}",
    "device": {"identifiers": "7"},
}


def test_home_assistant() -> None:
    """Short and long keys, a base topic, and the device by its identifier: switch = power, sensor = fact."""
    messages = {
        "homeassistant/switch/7/screen/config": message(CONFIG, retained=True),
        "homeassistant/sensor/x/temp/config": message(SENSOR, retained=True),
        "homeassistant/switch/other/config": message({**CONFIG, "dev": {"ids": "8"}}, retained=True),
    }
    assert topics(None, "7", messages)[2:] == ["panels/7/lwt", "panels/7/state"]
    messages |= {
        "panels/7/lwt": message(b"online", retained=True),
        "panels/7/state": message({"power": "ON", "env": {"temp": 39}}),
    }
    found = heard(messages, None)
    assert (found.state, found.facts) == ("awake", {"temperature_c": "39"})
    assert heard(messages | {"panels/7/lwt": message(b"offline")}, None).gone


DEVICE = {
    "~": "panels/7",
    "dev": {"ids": ["7"], "name": "Panel"},
    "o": {"name": "maker"},
    "avty": [{"topic": "panels/7/lwt"}],
    "stat_t": "~/state",
    "cmps": {
        "screen": {"p": "switch", "val_tpl": "{{ value_json.power }}", "cmd_t": "~/set"},
        "cpu": {"p": "sensor", "dev_cla": "temperature", "val_tpl": "{{ value_json.env.temp }}"},
        "signal": {"platform": "sensor", "state_topic": "~/wifi"},
        "gone": {"p": "sensor"},
        "broken": 7,
    },
}


def test_home_assistant_announces_a_whole_device() -> None:
    """One message since 2024.11: what its components do not say themselves stands beside them."""
    messages = {"homeassistant/device/7/config": message(DEVICE, retained=True)}
    assert topics(None, "7", messages)[2:] == ["panels/7/lwt", "panels/7/state", "panels/7/wifi"]
    messages |= {
        "panels/7/lwt": message(b"online", retained=True),
        "panels/7/state": message({"power": "OFF", "env": {"temp": 39}}),
        "panels/7/wifi": message(b"-61"),
    }
    found = heard(messages, None)
    assert (found.state, found.facts["temperature_c"], found.facts["signal"]) == ("asleep", "39", "-61")
    assert heard(messages | {"homeassistant/device/7/config": message({**DEVICE, "cmps": [1]})}, None).state is None


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (None, ""),
        ("{{ value }}", ""),
        ("{{value_json.a.b}}", "a.b"),
        ("{{ value_json['a b'][0].c }}", "a b[0].c"),
        ("{{ value_json.a | float }}", None),
        ("{% if value %}x{% endif %}", None),
    ],
)
def test_templates(template: str | None, path: str | None) -> None:
    """A plain path is understood; an entity with anything more is left out."""
    config = {**SENSOR, "value_template": template}
    found = home_assistant("7", {"homeassistant/sensor/x/config": message(config)})
    assert [source.path for source in found.facts.values()] == ([] if path is None else [path])


_KEYS = st.sampled_from([*profiles._SHORT, *CONFIG, *SENSOR, "power"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
_ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=12
)


@settings(max_examples=2_000)
@given(st.lists(_ANY | st.binary(max_size=20), min_size=3, max_size=3))
def test_any_message(payloads: list[Any]) -> None:
    """JSON of any shape, and what is none: never an exception, and only what the wire accepts."""
    config, state, will = (message(each) for each in payloads)
    messages = {
        "homeassistant/sensor/7/config": config,
        "homeassistant/device/7/config": config,
        "panel/7/state": state,
        "panel/7/will": will,
    }
    for profile in (PANEL, None):
        found = heard(messages, profile)
        assert all(len(name) <= 40 and len(text) <= 200 for name, text in found.facts.items())
        assert all(topics(profile, "7", messages))
