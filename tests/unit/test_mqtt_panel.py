"""What messages over MQTT prove about a device whose topics stand in the settings, by table."""

import pytest

from agent.probes.whiteboard.panel import Availability, Heard, Message, Panel, Switch, hear
from agent.probes.whiteboard.profile import panel
from agent.probes.whiteboard.values import Unreadable, at, decoded, steps, text_of
from classready.devices import Profile, Source, Switching
from tests.support.panels import FRESH_S, NOW_S, message, verdict

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


def heard(messages: dict[str, Message], profile: Profile = PANEL) -> Heard:
    return hear(panel(profile, "7"), messages, now_s=NOW_S, fresh_s=FRESH_S)


ON, OFF = {"power": "ON"}, {"power": "standby"}
CONNECTED, GONE = message("online", retained=True), message("offline", retained=True)


@pytest.mark.parametrize(
    ("will", "state", "expected"),
    [
        (None, message(ON), "awake"),
        (None, message(OFF), "asleep"),
        (None, message({"power": True}), "awake"),
        (None, message({"power": 0}), "asleep"),
        (None, message({"power": False}), "asleep"),
        (None, message(ON, age_s=181), "unknown"),
        (None, message(ON, retained=True), "unknown"),
        (CONNECTED, message(ON, retained=True), "awake"),
        (CONNECTED, message(OFF, age_s=99_999), "asleep"),
        (CONNECTED, message({"power": "purple"}), "unknown"),
        (CONNECTED, message({"power": None}), "unknown"),
        (CONNECTED, None, "unknown"),
        (message("maybe"), message(ON), "unknown"),
        (GONE, message(ON), "away"),
        (None, message([1, 2]), "unknown"),
        (None, message("{not json"), "unknown"),
        (None, None, "unknown"),
    ],
)
def test_state(will: Message | None, state: Message | None, expected: str) -> None:
    """A retained or an old message proves nothing by itself; with a last will that says "connected" it does."""
    messages = {"panel/7/will": will, "panel/7/state": state}
    found = heard({topic: each for topic, each in messages.items() if each is not None})
    assert verdict(found) == expected
    assert bool(found.detail) == (expected in {"unknown", "away"})


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (message({"power": "purple"}), "its power says 'purple', which is neither on nor off"),
        (message({"input": 1}), "there is no 'power' in"),
        (message("standby"), "'standby' is no JSON"),
        (Message(payload=b"", retained=True, at_s=NOW_S, refused="its message is too long"), "its message is too long"),
    ],
)
def test_the_reason_names_what_is_not_understood(state: Message, told: str) -> None:
    """Unknown always says why, in the device's own words."""
    assert told in heard({"panel/7/will": CONNECTED, "panel/7/state": state}).detail


def test_facts_and_speed() -> None:
    """By path inside the JSON, or the whole message; what is missing or of another kind is left out."""
    state = {"power": "on", "nic": {"mbps": 100}, "inputs": [{"name": "hdmi1"}, {"name": "电脑"}]}
    found = heard({"panel/7/state": message(state), "panel/7/temp": message(b"41.5\n")})
    assert (found.nic_speed_bps, found.facts) == (100_000_000, {"input": "电脑", "temperature_c": "41.5"})
    assert heard({"panel/7/state": message({"power": "on", "inputs": {}, "nic": 3})}).facts == {}


def test_without_power() -> None:
    """Where the settings name no power, a device with a last will is awake while it is connected."""
    only_will = Profile(availability=WILL)
    assert heard({"panel/7/will": CONNECTED}, only_will).state == "awake"
    assert heard({}, only_will).state is None


def _will(name: str) -> Switch:
    return Switch(topic=name, read=at(()), name=name, on=("online",), off=("offline",))


UP, DOWN, ODD = message("online", retained=True), message("offline", retained=True), message("?", retained=True)


@pytest.mark.parametrize(
    ("mode", "bridge", "device", "expected"),
    [
        ("all", UP, UP, "awake"),
        ("all", UP, DOWN, "away"),
        ("all", DOWN, UP, "away"),
        ("all", UP, None, "unknown"),
        ("all", UP, ODD, "unknown"),
        ("all", ODD, DOWN, "away"),
        ("any", UP, DOWN, "awake"),
        ("any", DOWN, DOWN, "away"),
        ("any", ODD, UP, "awake"),
        ("any", ODD, DOWN, "unknown"),
        ("any", None, DOWN, "unknown"),
        ("latest", UP, UP, "awake"),
        ("latest", DOWN, DOWN, "away"),
        ("latest", UP, DOWN, "unknown"),
        ("latest", message("online", age_s=9), message("offline", age_s=5), "away"),
        ("latest", message("online", age_s=3), message("offline", age_s=5), "awake"),
        ("latest", UP, message("offline", age_s=500), "away"),
        ("latest", message("?", age_s=3), message("online", age_s=5), "unknown"),
        ("latest", None, UP, "awake"),
        ("latest", None, None, "unknown"),
    ],
)
def test_several_last_wills(mode: str, bridge: Message | None, device: Message | None, expected: str) -> None:
    """All, any, or the latest of them; what is not heard or not understood decides only where the others do not."""
    wills = Availability(wills=(_will("bridge"), _will("device")), mode=mode)  # type: ignore[arg-type]
    power = Switch(topic="s", read=at(()), name="screen", on=("ON",), off=("OFF",))
    said = {"bridge": bridge, "device": device, "s": message("ON", retained=True)}
    messages = {topic: each for topic, each in said.items() if each is not None}
    found = hear(Panel(availability=wills, power=(power,)), messages, now_s=NOW_S, fresh_s=FRESH_S)
    assert verdict(found) == expected


def test_switches_that_contradict_each_other() -> None:
    """Two that speak of the same screen: unknown, with both names."""
    power = tuple(Switch(topic=t, read=at(()), name=t, on=("1",), off=("0",)) for t in ("screen", "display"))
    found = hear(Panel(power=power), {"screen": message("1"), "display": message("0")}, now_s=NOW_S, fresh_s=FRESH_S)
    assert verdict(found) == "unknown"
    assert "screen and display contradict each other" in found.detail
    agreed = hear(Panel(power=power), {"screen": message("1"), "display": message("1")}, now_s=NOW_S, fresh_s=FRESH_S)
    assert agreed.state == "awake"


@pytest.mark.parametrize(
    ("on", "off", "said", "expected"),
    [
        ("ON", "OFF", "on", "awake"),
        ("a", "A", "A", "asleep"),
        ("a", "A", "a", "awake"),
        ("x", "x", "x", "unknown"),
        ("1", "0", "1.0", "unknown"),
        ("True", "False", "true", "awake"),
    ],
)
def test_case_counts_only_where_it_makes_the_difference(on: str, off: str, said: str, expected: str) -> None:
    """Payloads are compared as texts."""
    power = Switch(topic="s", read=at(()), name="screen", on=(on,), off=(off,))
    assert verdict(hear(Panel(power=(power,)), {"s": message(said)}, now_s=NOW_S, fresh_s=FRESH_S)) == expected


def test_values() -> None:
    """Names and indexes of a path; scalars as text, and nothing else."""
    assert steps("inputs[0].name") == ("inputs", 0, "name")
    assert steps("") == ()
    assert [text_of(value) for value in ("  a ", True, False, 0, 1.5)] == ["a", "true", "false", "0", "1.5"]
    for value in (None, [], {}):
        with pytest.raises(Unreadable):
            text_of(value)
    with pytest.raises(Unreadable, match="no JSON"):
        decoded(b"[" * 100_000)
