"""Devices that announce themselves in Home Assistant's way: what is understood, and what leaves the state unknown."""

import json
import time
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.probes.whiteboard import discovery
from agent.probes.whiteboard.announced import DEVICE_MAX_BYTES, ENTITY_BYTES, Announced
from agent.probes.whiteboard.panel import hear
from tests.support.panels import FRESH_S, NOW_S, announced, heard, message, raw, verdict

DEV = {"ids": ["p"]}
STATE = {"stat_t": "p/s", "dev": DEV}
WITH_WILL = {**STATE, "avty_t": "p/lwt"}
BRIDGE = {"topic": "z/bridge/state", "value_template": "{{ value_json.state }}"}


def one(config: dict[str, Any], says: dict[str, Any], topic: str = "switch/p/config") -> str:
    return verdict(heard({topic.removesuffix("/config"): config}, says))


TWO = {"availability": [{"topic": "g/lwt"}, {"topic": "p/lwt"}], "state_topic": "p/s", "device": {"identifiers": ["p"]}}
TWO_SHORT = {"avty": [{"t": "g/lwt"}, {"t": "p/lwt"}], "stat_t": "p/s", "dev": {"ids": "p"}}


@pytest.mark.parametrize(
    ("config", "says", "expected"),
    [
        ({**TWO, "availability_mode": "all"}, {"g/lwt": "online", "p/lwt": "offline", "p/s": "ON"}, "away"),
        ({**TWO, "availability_mode": "all"}, {"g/lwt": "online", "p/lwt": "online", "p/s": "ON"}, "awake"),
        ({**TWO_SHORT, "avty_mode": "all"}, {"g/lwt": "offline", "p/lwt": "online", "p/s": "OFF"}, "away"),
        ({**TWO_SHORT, "avty_mode": "all"}, {"g/lwt": "online", "p/lwt": "online", "p/s": "OFF"}, "asleep"),
        ({**TWO_SHORT, "avty_mode": "all"}, {"g/lwt": "online", "p/s": "OFF"}, "unknown"),
        ({**TWO_SHORT, "avty_mode": "any"}, {"g/lwt": "online", "p/lwt": "offline", "p/s": "ON"}, "awake"),
        ({**TWO_SHORT, "avty_mode": "any"}, {"g/lwt": "offline", "p/lwt": "offline", "p/s": "ON"}, "away"),
        (TWO_SHORT, {"g/lwt": "online", "p/lwt": "offline", "p/s": "ON"}, "unknown"),
        (TWO_SHORT, {"g/lwt": "online", "p/lwt": message("offline"), "p/s": "ON"}, "away"),
        ({**TWO_SHORT, "avty_mode": "most"}, {"g/lwt": "online", "p/lwt": "online", "p/s": "ON"}, "unknown"),
        ({**STATE, "avty": {"t": "p/lwt"}}, {"p/lwt": "offline", "p/s": "ON"}, "away"),
        ({**WITH_WILL, "avty": [{"t": "g/lwt"}], "avty_mode": "all"}, {"p/lwt": "offline", "g/lwt": "online"}, "away"),
    ],
)
def test_availabilities(config: dict[str, Any], says: dict[str, Any], expected: str) -> None:
    """Every one of them counts, by availability_mode; without one, the latest."""
    assert one(config, says) == expected


@pytest.mark.parametrize(
    ("will", "said", "expected"),
    [
        ({"t": "l"}, "online", "awake"),
        ({"t": "l"}, "Offline", "away"),
        ({"t": "l"}, "lost", "unknown"),
        ({"t": "l", "pl_avail": "1", "pl_not_avail": "0"}, "0", "away"),
        ({"t": "l", "pl_avail": 1, "pl_not_avail": 0}, "0", "away"),
        ({"t": "l", "payload_available": True, "payload_not_available": False}, "False", "away"),
        ({"topic": "l", "pl_avail": "yes"}, "yes", "awake"),
        ({"t": "l", "val_tpl": "{{ value_json.state }}"}, {"state": "offline"}, "away"),
        ({"t": "l", "val_tpl": "{{ value_json.state }}"}, "offline", "unknown"),
        ({"t": "l", "val_tpl": "{{ 'online' if value_json.rssi > -80 else 'offline' }}"}, {"rssi": -90}, "away"),
        ({"t": "l", "val_tpl": "{{ value | regex_replace('x', 'y') }}"}, "online", "unknown"),
        ({"t": "l/#"}, "online", "unknown"),
        ({"val_tpl": "{{ value }}"}, "online", "unknown"),
        ("l", "online", "unknown"),
    ],
)
def test_an_availability_has_its_own_payloads_and_template(will: Any, said: Any, expected: str) -> None:
    """What it says otherwise is not understood, and then nothing is: not even a state that came just now."""
    assert one({**STATE, "avty": [will]}, {"l": said, "p/s": message("ON")}) == expected


def test_the_single_availability_topic() -> None:
    """Its payloads and template stand beside it."""
    config = {**WITH_WILL, "avty_tpl": "{{ value_json.up }}", "pl_avail": 1, "pl_not_avail": 0}
    assert one(config, {"p/lwt": {"up": 1}, "p/s": "OFF"}) == "asleep"
    assert one(config, {"p/lwt": {"up": 0}, "p/s": "ON"}) == "away"
    assert one(config, {"p/lwt": {"on": 1}, "p/s": "ON"}) == "unknown"


@pytest.mark.parametrize(
    ("bridge", "expected"), [({"state": "online"}, "awake"), ({"state": "offline"}, "away"), ("online", "unknown")]
)
def test_the_last_will_of_a_bridge(bridge: Any, expected: str) -> None:
    """zigbee2mqtt's: a panel behind a dead bridge is as good as gone; one that speaks otherwise is not guessed at."""
    config = {**STATE, "availability": [BRIDGE, {"topic": "p/lwt"}], "availability_mode": "all"}
    assert one(config, {"z/bridge/state": bridge, "p/lwt": "online", "p/s": "ON"}) == expected


@pytest.mark.parametrize(
    ("more", "said", "expected"),
    [
        ({"val_tpl": "{{ value_json.power | upper }}"}, {"power": "off"}, "asleep"),
        ({"val_tpl": "{{ value_json.power | upper }}"}, {"power": "on"}, "awake"),
        ({"val_tpl": "{{ value_json.power | upper }}"}, {"temp": 40}, "unknown"),
        ({"val_tpl": "{{ 'ON' if value_json.w | float > 20 else 'OFF' }}"}, {"w": "1.5"}, "asleep"),
        ({"value_template": "{% if value == 'PowerOn' %}ON{% else %}OFF{% endif %}"}, "PowerOn", "awake"),
        ({"val_tpl": "{{ value | some_filter }}"}, "ON", "unknown"),
        ({"val_tpl": "{% for i in range(10**9) %}{% endfor %}ON"}, "ON", "unknown"),
        ({"val_tpl": 7}, "ON", "unknown"),
        ({"val_tpl": ["{{ value }}"]}, "ON", "unknown"),
        ({"pl_on": "turn_on", "pl_off": "turn_off", "stat_on": "1", "stat_off": "0"}, "0", "asleep"),
        ({"pl_on": "turn_on", "pl_off": "turn_off", "stat_on": "1", "stat_off": "0"}, "1", "awake"),
        ({"pl_on": "turn_on", "pl_off": "turn_off", "stat_on": "1", "stat_off": "0"}, "turn_on", "unknown"),
        ({"payload_on": "turn_on", "state_on": 1, "state_off": 0}, 0, "asleep"),
        ({"stat_on": True, "stat_off": False}, False, "asleep"),
        ({"stat_on": True, "stat_off": False, "val_tpl": "{{ value_json.p }}"}, {"p": False}, "asleep"),
        ({"stat_on": True, "stat_off": False, "val_tpl": "{{ value_json.p }}"}, {"p": True}, "awake"),
        ({"pl_on": 1, "pl_off": 0, "val_tpl": "{{ value_json.p }}"}, {"p": 0}, "asleep"),
        ({"pl_on": 1, "pl_off": 0, "val_tpl": "{{ value_json.p }}"}, {"p": None}, "unknown"),
        ({"pl_on": {"a": 1}}, "ON", "unknown"),
        ({"payload_off": "closed"}, "CLOSED", "asleep"),
        ({}, "off", "asleep"),
        ({}, "closed", "unknown"),
        ({"e": "gbk"}, "ON", "unknown"),
        ({"stat_t": None}, "ON", "unknown"),
        ({"stat_t": "p/+"}, "ON", "unknown"),
        ({"off_dly": 30}, "ON", "unknown"),
        ({"exp_aft": 60}, "ON", "awake"),
        ({"exp_aft": 4}, "ON", "unknown"),
        ({"exp_aft": "soon"}, "ON", "unknown"),
    ],
)
def test_states(more: dict[str, Any], said: Any, expected: str) -> None:
    """``state_on`` before ``payload_on``, false and 0 as values, templates; what is not understood is unknown."""
    assert one({**WITH_WILL, **more}, {"p/lwt": "online", "p/s": said}) == expected


@pytest.mark.parametrize(
    ("config", "says", "expected"),
    [
        ({"~": "p", "avty": [{"t": "~/lwt"}], "stat_t": "~/s"}, {"p/lwt": "online", "p/s": "ON"}, "awake"),
        ({"~": "p", "avty": {"topic": "~/lwt"}, "stat_t": "~/s"}, {"p/lwt": "offline", "p/s": "ON"}, "away"),
        ({"~": "p", "avty_t": "tele/~", "stat_t": "stat/~"}, {"tele/p": "online", "stat/p": "OFF"}, "asleep"),
        ({"~": "a/b", "avty_t": "~", "state_topic": "~/s"}, {"a/b": "online", "a/b/s": "OFF"}, "asleep"),
        ({"~": 7, "avty_t": "p/lwt", "stat_t": "p/s"}, {"p/lwt": "online", "p/s": "OFF"}, "asleep"),
        ({"avty_t": "p/lwt", "stat_t": "p/~/s"}, {"p/lwt": "online", "p/~/s": "ON"}, "awake"),
    ],
)
def test_the_base_topic(config: dict[str, Any], says: dict[str, Any], expected: str) -> None:
    """``~`` at the beginning or the end of any topic, those of availabilities included."""
    assert one({**config, "dev": DEV}, says) == expected


# --- which entity is the screen -------------------------------------------------------------------------------------


def several(*entities: tuple[str, dict[str, Any], str]) -> tuple[str, str]:
    """(state, reason) of a connected panel with these entities: topic, configuration, what it says."""
    configs = {
        topic: {"stat_t": f"s/{number}", "avty_t": "p/lwt", "dev": DEV, **config}
        for number, (topic, config, _) in enumerate(entities)
    }
    found = heard(configs, {"p/lwt": "online"} | {f"s/{number}": said for number, (*_, said) in enumerate(entities)})
    return verdict(found), found.detail


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([("switch/p/auto_brightness", {}, "OFF"), ("switch/p/screen", {}, "ON")], "awake"),
        ([("switch/p/screen", {}, "OFF"), ("switch/p/mute", {}, "ON"), ("switch/p/touch_lock", {}, "ON")], "asleep"),
        ([("switch/p/a", {"name": "静音"}, "ON"), ("switch/p/b", {"name": "大屏"}, "OFF")], "asleep"),
        ([("switch/p/a", {"name": "电源"}, "OFF"), ("switch/p/b", {"name": "自动亮度"}, "ON")], "asleep"),
        ([("switch/p/a", {"name": "触摸屏锁"}, "ON"), ("switch/p/b", {"name": "显示"}, "OFF")], "asleep"),
        ([("switch/p/Display", {}, "ON"), ("switch/p/Power", {}, "OFF")], "awake"),
        ([("switch/p/power_saving", {}, "OFF"), ("switch/p/power", {}, "ON")], "awake"),
        ([("switch/p/screen_saver", {}, "ON"), ("switch/p/monitor", {}, "OFF")], "asleep"),
        ([("switch/p/screenOff", {}, "ON"), ("switch/p/panel", {}, "ON")], "awake"),
        (
            [("switch/p/a", {"ent_cat": "config", "name": "Screen"}, "OFF"), ("switch/p/b", {"name": "Power"}, "ON")],
            "awake",
        ),
        ([("switch/p/screen", {"entity_category": "diagnostic"}, "ON")], "unknown"),
        ([("switch/p/screen", {"en": False}, "ON")], "unknown"),
        ([("switch/p/screen", {"enabled_by_default": "false"}, "ON")], "unknown"),
        ([("switch/p/power", {"dev_cla": "outlet"}, "ON")], "unknown"),
        ([("switch/p/power", {"dev_cla": "outlet"}, "ON"), ("switch/p/x", {"name": "Screen"}, "OFF")], "asleep"),
        ([("switch/p/auto_brightness", {}, "OFF")], "unknown"),
        ([("switch/p/x", {"name": "护眼模式"}, "ON")], "unknown"),
        ([("switch/p/x", {"name": "Écran"}, "ON")], "unknown"),
        ([("switch/p/x", {}, "ON")], "awake"),
        ([("switch/p", {"name": None}, "OFF")], "asleep"),
        ([("switch/p/main", {"name": "Switch"}, "OFF")], "asleep"),
        ([("switch/p/x", {}, "ON"), ("switch/p/y", {}, "ON")], "unknown"),
        ([("switch/p/screen", {}, "ON"), ("switch/p/display", {}, "OFF")], "unknown"),
        ([("switch/p/screen", {}, "ON"), ("switch/p/display", {}, "ON")], "awake"),
        ([("switch/p/screen", {"val_tpl": "{{ value | what }}"}, "ON"), ("switch/p/power", {}, "ON")], "unknown"),
        ([("switch/p/screen", {"stat_t": None}, "ON"), ("switch/p/power", {}, "ON")], "unknown"),
        ([("binary_sensor/p/a", {"dev_cla": "power"}, "OFF"), ("switch/p/mute", {}, "ON")], "asleep"),
        ([("binary_sensor/p/a", {"device_class": "running"}, "ON")], "awake"),
        ([("binary_sensor/p/usb", {"device_class": "power"}, "ON")], "unknown"),
        ([("binary_sensor/p/a", {"dev_cla": "connectivity"}, "ON")], "unknown"),
        ([("binary_sensor/p/screen", {"dev_cla": "problem"}, "OFF")], "unknown"),
        ([("binary_sensor/p/screen", {}, "OFF"), ("binary_sensor/p/a", {"dev_cla": "power"}, "ON")], "asleep"),
        ([("binary_sensor/p/screen", {"stat_on": "1", "stat_off": "0"}, "1")], "unknown"),
        ([("light/p/display", {}, "OFF")], "asleep"),
        ([("light/p/display", {"schema": "json"}, '{"state": "ON", "brightness": 9}')], "awake"),
        ([("light/p/screen", {"stat_val_tpl": "{{ value_json.on }}", "pl_on": 1, "pl_off": 0}, '{"on": 0}')], "asleep"),
        ([("light/p/backlight", {"schema": "template", "stat_tpl": "{{ value.split(',')[0] }}"}, "on,77")], "awake"),
        ([("light/p/ceiling", {}, "ON")], "unknown"),
        ([("light/p/led_strip", {}, "ON"), ("switch/p/screen", {}, "OFF")], "asleep"),
        ([("sensor/p/power", {"unit_of_meas": "W", "dev_cla": "power"}, "63")], "unknown"),
        ([("select/p/screen", {"name": "Screen"}, "on")], "unknown"),
    ],
)
def test_which_entity_is_the_screen(entities: list[tuple[str, dict[str, Any], str]], expected: str) -> None:
    """By class and category, then by name; settings and diagnoses never, and none that is not certain."""
    state, detail = several(*entities)
    assert state == expected
    assert bool(detail) == (expected == "unknown")


@pytest.mark.parametrize(
    ("entities", "told"),
    [
        (
            [("switch/p/x", {"name": "Écran"}, "ON")],
            "none of what it announces is certain to be its screen ('Écran (switch)')",
        ),
        ([("switch/p/x", {}, "ON"), ("switch/p/y", {}, "ON")], "'x (switch)', 'y (switch)'"),
        (
            [("select/p/s", {"name": "Screen"}, "on")],
            "its screen is announced as Screen (select), which is not understood",
        ),
        ([("sensor/p/screen_temperature", {"unit_of_meas": "°C"}, "7")], "it announces nothing that says whether"),
        ([("number/p/screen_brightness", {}, "7")], "it announces nothing that says whether"),
        ([("sensor/p/t", {}, "7")], "it announces nothing that says whether its screen is on"),
        ([("switch/p/screen", {"val_tpl": "{{ value | what }}"}, "ON")], "screen (switch): its template"),
        ([("switch/p/screen", {"stat_t": None}, "ON")], "screen (switch): it reports no state"),
        ([("switch/p/screen", {"avty_mode": "most"}, "ON")], "screen (switch): its availability_mode is 'most'"),
        ([("switch/p/screen", {"e": "gbk"}, "ON")], "screen (switch): its encoding is 'gbk'"),
        ([("switch/p/screen", {}, "ON"), ("switch/p/monitor", {}, "OFF")], "contradict each other"),
        ([("switch/p/screen", {}, "ON"), ("switch/p/monitor", {"avty_t": "x"}, "OFF")], "different availabilities"),
        ([(f"switch/p/screen{n}", {}, "ON") for n in range(5)], "it announces 5 entities that may all be its screen"),
    ],
)
def test_the_reason_names_the_entity(entities: list[tuple[str, dict[str, Any], str]], told: str) -> None:
    """Unknown says what is not understood."""
    state, detail = several(*entities)
    assert state == "unknown"
    assert told in detail


def test_names_of_the_device_say_nothing() -> None:
    """A panel called "Screen 301" does not make its mute switch, "Screen 301 x", a screen."""
    device = {"ids": ["p"], "name": "Screen 301"}
    config = {**WITH_WILL, "dev": device}
    says = {"p/lwt": "online", "p/s": "ON"}
    assert one({**config, "name": "Screen 301 extra"}, says) == "unknown"
    assert one({**config, "name": "Screen 301"}, says) == "awake"


def test_an_entity_without_a_last_will_has_that_of_the_others() -> None:
    """Where all of them have the same one; an unrelated one proves nothing."""
    sensor = {"stat_t": "p/t", "avty_t": "p/lwt", "dev": DEV}
    other = {"stat_t": "p/u", "avty_t": "other/lwt", "dev": DEV}
    says = {"p/lwt": "online", "other/lwt": "offline", "p/s": "ON"}
    assert verdict(heard({"switch/p/screen": STATE, "sensor/p/t": sensor}, says)) == "awake"
    assert verdict(heard({"switch/p/screen": STATE, "sensor/p/t": sensor, "sensor/p/u": other}, says)) == "unknown"
    assert verdict(heard({"switch/p/screen": STATE}, says)) == "unknown"
    assert verdict(heard({"switch/p/screen": STATE}, {"p/s": message("ON")})) == "awake"


# --- whole devices, facts -------------------------------------------------------------------------------------------

DEVICE = {
    "~": "panels/7",
    "dev": {"ids": ["7"], "name": "Panel"},
    "o": {"name": "maker"},
    "avty": [{"topic": "~/lwt"}],
    "stat_t": "~/state",
    "cmps": {
        "screen": {"p": "switch", "val_tpl": "{{ value_json.power }}", "cmd_t": "~/set"},
        "cpu": {"p": "sensor", "dev_cla": "temperature", "val_tpl": "{{ value_json.env.temp }}"},
        "signal": {"platform": "sensor", "state_topic": "~/wifi"},
        "case": {"p": "sensor", "dev_cla": "temperature", "unit_of_meas": "°F", "stat_t": "~/case"},
        "broken": 7,
        "gone": {"p": "switch"},
    },
}
DEVICE_SAYS = {
    "panels/7/lwt": "online",
    "panels/7/state": {"power": "OFF", "env": {"temp": 39}},
    "panels/7/wifi": "-61",
    "panels/7/case": "99",
}


def test_a_whole_device_in_one_message() -> None:
    """Since 2024.11: what its components do not say themselves stands beside them."""
    found = heard({"device/7": DEVICE}, DEVICE_SAYS, "7")
    assert (verdict(found), found.facts) == ("asleep", {"temperature_c": "39", "signal": "-61", "case": "99"})
    assert heard({"device/7": DEVICE}, {**DEVICE_SAYS, "panels/7/lwt": "offline"}, "7").gone
    assert verdict(heard({"device/7": {**DEVICE, "cmps": [1]}}, DEVICE_SAYS, "7")) == "unknown"


@pytest.mark.parametrize(
    ("screen", "says", "expected"),
    [
        ({"avty": [{"t": "own/lwt"}]}, {"own/lwt": "online", "panels/7/lwt": "offline"}, "asleep"),
        ({"~": "b", "stat_t": "~/s", "avty_t": "~/l", "avty": []}, {"b/l": "online", "b/s": {"power": "ON"}}, "awake"),
        ({"avty_t": "own/lwt"}, {"own/lwt": "online", "panels/7/lwt": message("offline")}, "asleep"),
        ({"stat_t": "~/own"}, {"panels/7/own": {"power": "ON"}}, "awake"),
        ({"val_tpl": None}, {"panels/7/state": "ON"}, "awake"),
    ],
)
def test_a_component_goes_before_its_device(screen: dict[str, Any], says: dict[str, Any], expected: str) -> None:
    """What a component says itself holds, also in long names beside short ones."""
    parts = {"screen": {**DEVICE["cmps"]["screen"], **screen}}  # type: ignore[index]
    assert verdict(heard({"device/7": {**DEVICE, "cmps": parts}}, DEVICE_SAYS | says, "7")) == expected


@pytest.mark.parametrize(
    ("asked", "device", "topic"),
    [
        ("p1", {"identifiers": "p1"}, "switch/x"),
        ("p1", {"ids": ["other", "p1"]}, "switch/x"),
        ("17", {"ids": [17]}, "switch/x"),
        ("Panel 301", {"ids": ["x"], "name": "Panel 301"}, "switch/x"),
        ("p1", {"ids": ["x"]}, "switch/p1"),
        ("p1", {"ids": ["x"]}, "switch/p1/screen"),
        ("p1", None, "switch/p1/screen"),
        ("A4-5D-36-00-11-22", {"connections": [["mac", "a4:5d:36:00:11:22"]]}, "switch/x"),
        ("a4:5d:36:00:11:22", {"cns": [["upnp", 1], ["mac", "A45D.3600.1122"]]}, "switch/x"),
        ("a4:5d:36:00:11:22", {"ids": ["A4-5D-36-00-11-22"]}, "switch/x"),
    ],
)
def test_who_it_is(asked: str, device: Any, topic: str) -> None:
    """Identifiers as list or text, MACs in any notation, the name, the node id and the object id."""
    config = {**WITH_WILL, "dev": device}
    assert verdict(heard({topic: config}, {"p/lwt": "online", "p/s": "ON"}, asked)) == "awake"
    assert "nothing on the broker announces 'p2'" in heard({topic: config}, {}, "p2").detail


def test_two_devices_of_one_name() -> None:
    """An identifier goes before a name; where two devices only share a name, it is not known which is meant."""
    mine = {**WITH_WILL, "dev": {"ids": ["p"]}}
    others = {"stat_t": "q/s", "dev": {"ids": ["q"], "name": "p"}}
    says = {"p/lwt": "online", "p/s": "ON", "q/s": message("OFF")}
    assert verdict(heard({"switch/a/screen": mine, "switch/b/screen": others}, says)) == "awake"
    third = {**others, "stat_t": "r/s", "dev": {"ids": ["r"], "name": "p"}}
    found = heard({"switch/b/screen": others, "switch/c/screen": third}, says)
    assert "several devices are called 'p'" in found.detail


def test_an_announcement_is_taken_back_moved_and_replaced() -> None:
    """Empty = removed; a migrated or rediscovered entity is where it was announced last; no JSON changes nothing."""
    says = {"p/lwt": "online", "p/s": "ON", "p/new": "OFF"}
    config, moved = {**WITH_WILL, "uniq_id": "p_screen"}, {**WITH_WILL, "uniq_id": "p_screen", "stat_t": "p/new"}
    screen = "switch/p/screen"

    def after(*messages: tuple[str, Any]) -> str:
        known = Announced(["p"])
        for topic, payload in messages:
            known.take(f"homeassistant/{topic}/config", raw(payload), retained=True)
        heard_of = {topic: message(said, retained=True) for topic, said in says.items()}
        return verdict(hear(known.panel("p"), heard_of, now_s=NOW_S, fresh_s=FRESH_S))

    assert after((screen, config)) == "awake"
    assert after((screen, config), (screen, "")) == "unknown"
    assert after((screen, config), (screen, moved)) == "asleep"
    assert after((screen, config), ("switch/p/display", moved)) == "asleep"
    assert after((screen, config), (screen, {"migrate_discovery": True})) == "unknown"
    whole = {"dev": DEV, "cmps": {"screen": {"p": "switch", **moved}}}
    assert after((screen, config), (screen, {"migr_discvry": True}), ("device/p", whole), (screen, "")) == "asleep"
    assert after(("device/p", whole), ("device/p", {"dev": DEV, "cmps": {"screen": {"p": "switch"}}})) == "unknown"
    assert after((screen, config), (screen, "{garbage")) == "awake"
    assert after((screen, "{garbage"), ("switch/p/power", config)) == "unknown"


def test_a_new_connection_forgets_what_the_broker_keeps() -> None:
    """What it still has, it sends again; what was sent but not kept holds."""
    known = Announced(["p"])
    known.take("homeassistant/switch/p/power/config", raw(STATE), retained=False)
    known.take("homeassistant/switch/p/screen/config", raw(STATE), retained=True)
    assert [switch.name for switch in known.panel("p").power] == ["screen (switch)"]
    known.begin()
    assert [switch.name for switch in known.panel("p").power] == ["power (switch)"]


def test_what_one_device_announces_has_a_bound() -> None:
    """Beyond it the device is unclear, says so, and no other one suffers; nothing of others is kept at all."""
    known = announced({"switch/q/screen": {**STATE, "dev": {"ids": ["q"]}}}, "p", "q")
    payload = raw({**STATE, "x": "x" * 40_000})
    fits = [known.take(f"homeassistant/switch/p/{n}/config", payload, retained=True) for n in range(8)]
    assert fits.count(True) == DEVICE_MAX_BYTES // (len(payload) + ENTITY_BYTES)
    assert not fits[-1]
    assert "longer than 262,144 bytes" in known.panel("p").unclear
    assert known.panel("q").power
    foreign = raw({**STATE, "dev": {"ids": ["r"]}})
    assert all(known.take(f"homeassistant/switch/r/{n}/config", foreign, retained=True) for n in range(1_000))
    assert len(known._devices_of) == 8 + 1
    known.begin()
    short = [known.take(f"homeassistant/switch/p/{n}/config", b"{}", retained=True) for n in range(1_000)]
    assert short.count(True) <= DEVICE_MAX_BYTES // ENTITY_BYTES


def test_a_hostile_announcement_costs_little() -> None:
    """Thousands of components, identifiers and long names of a device: put together in a moment, and bounded."""
    many = {f"screen{n}": {"p": "switch", "stat_t": "p/s"} for n in range(1_200)}
    names = {
        f"a{n}": {"name": "screen " * 4_000, "stat_t": "p/s", "dev": {"ids": ["p", *map(str, range(9_000))]}}
        for n in (1, 2)
    }
    known = Announced(["p"])
    began_s = time.process_time()
    assert not known.take("homeassistant/device/p/config", raw({"dev": DEV, "cmps": many}), retained=True)
    known.begin()
    for name, config in names.items():
        known.take(f"homeassistant/switch/p/{name}/config", raw(config), retained=True)
    assert len(known.panel("p").power[0].name) < 200
    assert time.process_time() - began_s < 1.0


@pytest.mark.parametrize(
    "key", ["ids", "cns", "avty", "pl_on", "stat_t", "e", "val_tpl", "name", "~", "exp_aft", "schema"]
)
def test_values_nested_deeply(key: str) -> None:
    """As deep as JSON is read at all: no error, wherever it stands."""
    for depth in (10, 900, 960, 985, 995, 5_000):
        nested = b"[" * depth + b"]" * depth
        config = b'{"stat_t":"p/s","dev":{"ids":["p"],"cns":[["mac",%b]]},"%b":%b}' % (nested, key.encode(), nested)
        known = announced({"light/p/screen": config}, "p")
        assert known.panel("p").topics() is not None


def test_each_announcement_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 panels x 30 entities: as many readings as messages, however often the panels are asked for."""
    read: list[str] = []
    original = discovery.read

    def counting(topic: str, payload: bytes, devices: Collection[str]) -> discovery.Announcement | None:
        read.append(topic)
        return original(topic, payload, devices)

    monkeypatch.setattr(discovery, "read", counting)
    ids = [f"p{n}" for n in range(60)]
    known = Announced(ids)
    for panel in ids:
        for entity in ["screen", *(f"e{n}" for n in range(29))]:
            component = "switch" if entity == "screen" else "sensor"
            config = {"stat_t": f"{panel}/{entity}", "avty_t": f"{panel}/lwt", "dev": {"ids": [panel]}}
            known.take(f"homeassistant/{component}/{panel}/{entity}/config", raw(config), retained=True)
    panels = [known.panel(panel) for panel in ids]
    assert len(read) == 60 * 30
    assert all(known.panel(device_id) is panel for device_id, panel in zip(ids, panels, strict=True))
    assert all(len(panel.topics()) == 14 for panel in panels)


# --- anything at all ------------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(
    [*discovery._LONG, *discovery._LONG.values(), "~", "ids", "cns", "name", "schema", "screen", "power"]
)
_VALUES = st.sampled_from(["p", "p/s", "~/s", "ON", "switch", "all", "{{ value_json.power }}", "{{ value | upper }}"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | _VALUES
_ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6), max_leaves=14
)
_CONFIG = st.dictionaries(_KEYS, _ANY, max_size=8).map(lambda each: {"stat_t": "p/s", "avty_t": "p/l", **each})


@settings(max_examples=1_500)
@given(_CONFIG | _ANY | st.binary(max_size=20), _ANY | st.binary(max_size=20), _ANY | st.binary(max_size=20))
def test_any_message(config: Any, state: Any, will: Any) -> None:
    """JSON of any shape, and what is none: no exception, topics to subscribe to, only what the wire accepts."""
    as_bytes = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (config, state, will)]
    says = {"p/s": message(as_bytes[1], retained=True), "p/l": message(as_bytes[2], retained=True)}
    for topic in ("switch/p/screen", "device/p", "light/p/screen", "sensor/p/x"):
        known = announced({topic: as_bytes[0]}, "p")
        panel = known.panel("p")
        assert all(0 < len(each) <= 256 and not set(each) & set("+#") for each in panel.topics())
        assert len(panel.topics()) <= 40
        found = hear(panel, says, now_s=NOW_S, fresh_s=FRESH_S)
        assert all(0 < len(name) <= 40 and len(text) <= 200 for name, text in found.facts.items())
        assert found.state or found.detail
