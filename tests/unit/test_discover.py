"""From what was found to YAML that agent.yml accepts, and which networks are searched at all."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.__main__ import main
from agent.discover import NotSweptError, addresses, network
from agent.discover.inspect import Device, Port, Switch
from agent.discover.proposal import render
from agent.discover.sweep import System
from agent.loading import load_settings
from agent.settings import AgentSettings
from classready.devices import Snmp
from classready.observation import clean_text
from classready.targets import SwitchTarget, WhiteboardTarget

HEAD = "gateway: gw-test\nlink: {kind: http, url: 'http://127.0.0.1:9711', token_file: token}\n"


def system(name: str = "sw-core", **changes) -> System:
    known = {"description": "S5720", "is_switch": True, "is_printer": False, "access": Snmp(community="读者: #1")}
    return System(name=name, **{**known, **changes})


def port(index: int, label: str = "", trunk: str | None = None) -> Port:
    return Port(index=index, name=f"GE0/0/{index}", label=label, state="up, 1000 Mbit/s, full duplex", trunk=trunk)


def switch(*ports: Port, **changes) -> Switch:
    return Switch(**{"address": "192.168.1.2", "system": system(), "ports": list(ports), **changes})


def loaded(tmp_path: Path, text: str) -> AgentSettings:
    (tmp_path / "token").write_text("x")
    (tmp_path / "token").chmod(0o600)
    path = tmp_path / "agent.yml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_settings(path)


def test_a_school(tmp_path: Path) -> None:
    """Described ports are bound by name, the trunk is one, and a board on a described port has its room."""
    found = switch(port(1, "b2-301"), port(2), port(3, "三年级2班"), port(24, "to core", "towards the gateway"), way=24)
    board = Device(address="192.168.1.31", system=None, mac="a4:5d:36:00:11:22", switch="192.168.1.2", port=port(3))
    stray = Device(address="192.168.1.32", system=None, mac=None)
    text = render([found], [board, stray])
    sw, whiteboard = loaded(tmp_path, text).targets
    assert isinstance(sw, SwitchTarget)
    assert (sw.name, sw.ports, sw.trunks) == ("sw-core", {"GE0/0/1": "b2-301", "GE0/0/3": "sw-core-3"}, None)
    assert '# trunks: recognised by itself, now "GE0/0/24"' in text
    assert sw.snmp.community == "读者: #1"
    assert isinstance(whiteboard, WhiteboardTarget)
    assert (whiteboard.host, whiteboard.classroom, whiteboard.snmp) == ("192.168.1.31", "sw-core-3", None)
    assert "# 三年级2班; up" in text
    assert '# "GE0/0/2": ?   up' in text
    assert "192.168.1.32" in text


def test_a_switch_without_rooms(tmp_path: Path) -> None:
    """Its trunk is on the way of the rooms behind it, so it is a target all the same."""
    found = switch(port(1), port(24, "", "towards the gateway"), way=24)
    (sw,) = loaded(tmp_path, render([found], [])).targets
    assert isinstance(sw, SwitchTarget)
    assert (sw.ports, sw.trunks) == ({}, None)


def test_names_are_unique(tmp_path: Path) -> None:
    """Two switches of one name, and one description on two ports."""
    one, two = switch(port(1, "301"), port(2, "301")), switch(port(1, "301"), address="192.168.1.3")
    targets = loaded(tmp_path, render([one, two], [])).targets
    assert [target.name for target in targets] == ["sw-core", "sw-core-2"]
    assert [list(target.ports.values()) for target in targets] == [["301", "301-2"], ["301-3"]]


@pytest.mark.parametrize(
    ("switches", "devices"),
    [
        ([switch(port(1), port(2))], []),
        ([switch(problem="no SNMP answer")], []),
        ([], [Device(address="192.168.1.9", system=system("hp", is_switch=False, is_printer=True), mac=None)]),
        ([], [Device(address="192.168.1.9", system=system("", is_switch=False), mac=None)]),
        ([], []),
    ],
    ids=["no descriptions", "unreadable", "printer", "unknown room", "nothing"],
)
def test_guesses_are_comments(tmp_path: Path, switches, devices) -> None:
    """What is not known is told, and the file still loads."""
    assert loaded(tmp_path, render(switches, devices)).targets == ()


_BAD = ["a: b # c", "'", '"', "- x", "{", "@&*!|>%", "\u2028x" * 40, "null", "1e3", "0x1F", "yes", "\n\t", "\x1b[31m"]


def test_whatever_devices_say(tmp_path: Path) -> None:
    """Names and descriptions are others' text: they never break the YAML."""
    bad = [clean_text(text) for text in _BAD]
    ports = [Port(index=i, name=f"{text} {i}"[:64], label=text, state="up", trunk=None) for i, text in enumerate(bad)]
    found = [switch(*ports, system=system(text, description=text)) for text in bad]
    assert len(loaded(tmp_path, render(found, [])).targets) == len(bad)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("8.8.8.0/24", "only private addresses"),
        ("10.0.0.0/8", "16777216 addresses"),
        ("fd00::/64", "addresses"),
        ("192.168.1.0/33", "write it like"),
        ("school", "write it like"),
    ],
)
def test_networks_that_are_refused(text: str, told: str) -> None:
    """Nobody else's network, and none without end."""
    with pytest.raises(NotSweptError, match=told):
        network(text)


def test_addresses() -> None:
    """Neither the network's own address nor the broadcast, and each once."""
    assert addresses([network("192.168.1.0/30"), network("192.168.1.1")]) == ["192.168.1.1", "192.168.1.2"]
    assert addresses([network("100.64.3.7")]) == ["100.64.3.7"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["10.0.0.0/20"], "4094 addresses take about 1 min; say --yes"),
        (["10.0.0.0/16", "10.1.0.0/16"], "too many"),
        (["127.0.0.0/28"], "this machine's own addresses"),
        (["10.0.0.0/30", "--snmp-user", "x"], "needs --snmp-user, --auth-key-file"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    """Exit code 2, and what to do."""
    result = CliRunner().invoke(main, ["discover", *arguments])
    assert result.exit_code == 2
    assert told in result.output
