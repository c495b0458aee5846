"""What takes a place in the state of a school, what is known of it already, and how much of it there is."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping
from collector.core.evidence import PathState, PlatformReading, SegmentReading, SwitchReading, UplinkState
from collector.core.inventory import SETTINGS, Name, count, facts_bytes, is_known, limit, names_in
from collector.core.policy import Policy
from collector.core.state import SchoolState
from tests.support.school import GATEWAY, MONDAY, bandwidth, device, exit_test, http, path_test, port, trunk

OTHER = "dem-gw-02"


def named(kind: Any, key: str, **fields: Any) -> Name:
    return Name(kind, GATEWAY, key, **fields)


@pytest.mark.parametrize(
    ("seen", "names"),
    [
        pytest.param(device("r1"), (), id="a device"),
        pytest.param(port("r1", switch=None), (), id="a port of no switch"),
        pytest.param(port("r1"), (named("switch", f"{GATEWAY}/sw1"),), id="a port"),
        pytest.param(trunk(), (named("segment", f"{GATEWAY}/sw1:uplink"),), id="a trunk"),
        pytest.param(
            trunk(switches=("a", "b")),
            (named("segment", f"{GATEWAY}/sw1:uplink"), named("behind", f"{GATEWAY}/sw1:uplink", places=2)),
            id="a trunk and what is behind it",
        ),
        pytest.param(
            trunk(name="ap1", switches=("a", "b")), (named("segment", f"{GATEWAY}/ap1"),), id="an access point"
        ),
        pytest.param(http(), (named("target", f"{GATEWAY}/national"),), id="a page"),
        pytest.param(
            Ping(target="t", outcome=Outcome.ANSWERED), (named("target", f"{GATEWAY}/t"),), id="something pinged"
        ),
        pytest.param(bandwidth(), (named("test", f"{GATEWAY}/uplink/down"),), id="the line"),
        pytest.param(bandwidth(direction=None), (named("test", f"{GATEWAY}/uplink/down"),), id="down is what is meant"),
        pytest.param(bandwidth(direction="up"), (named("test", f"{GATEWAY}/uplink/up"),), id="upwards"),
        pytest.param(path_test(), (named("test", f"{GATEWAY}/pc/down", is_inside=True),), id="the way to a room"),
        pytest.param(
            exit_test(), (named("test", f"{GATEWAY}/beyond-metro/down"), named("exit", "metro")), id="an exit"
        ),
    ],
)
def test_what_takes_a_place(seen: Any, names: tuple[Name, ...]) -> None:
    assert names_in(GATEWAY, seen) == names


def segment(name: str, *switches: str, gateway: str = GATEWAY) -> SegmentReading:
    return SegmentReading(observed_at=MONDAY, gateway=gateway, seen=trunk(name=name), switches=switches or None)


def line(target: str, gateway: str = GATEWAY, beyond: str | None = None) -> UplinkState:
    return UplinkState(gateway=gateway, target=target, direction="down", beyond=beyond)


def way(target: str, gateway: str = GATEWAY) -> PathState:
    return PathState(gateway=gateway, target=target, direction="down", classroom="r1")


def switch(name: str, gateway: str = GATEWAY) -> SwitchReading:
    return SwitchReading(observed_at=MONDAY, gateway=gateway, switch=name, reachable=True)


STATE = SchoolState(
    switches={f"{GATEWAY}/sw1": switch("sw1"), f"{GATEWAY}/sw2": switch("sw2"), f"{OTHER}/sw3": switch("sw3", OTHER)},
    segments={
        f"{GATEWAY}/sw1:up": segment("sw1:up", "sw1", "a", "b"),
        f"{GATEWAY}/sw2:up": segment("sw2:up", "sw2", "c"),
        f"{GATEWAY}/ap1": segment("ap1"),
        f"{OTHER}/sw3:up": segment("sw3:up", "sw3", "d", "e", "f", gateway=OTHER),
    },
    platforms={
        f"{GATEWAY}/t": PlatformReading(gateway=GATEWAY, target="t"),
        f"{OTHER}/u": PlatformReading(gateway=OTHER, target="u"),
    },
    uplinks={
        f"{GATEWAY}/own/down": line("own"),
        f"{GATEWAY}/x/down": line("x", beyond="metro"),
        f"{GATEWAY}/x2/down": line("x2", beyond="metro"),
        f"{GATEWAY}/y/down": line("y", beyond="edu"),
        f"{OTHER}/z/down": line("z", OTHER, "third"),
    },
    paths={f"{GATEWAY}/pc/down": way("pc"), f"{OTHER}/pc2/down": way("pc2", OTHER)},
)


@pytest.mark.parametrize(
    ("name", "known", "how_many"),
    [
        pytest.param(named("switch", f"{GATEWAY}/sw1"), True, 2, id="a switch"),
        pytest.param(named("switch", f"{GATEWAY}/sw3"), False, 2, id="a switch of another gateway"),
        pytest.param(named("segment", f"{GATEWAY}/ap1"), True, 3, id="an access point"),
        pytest.param(named("segment", f"{GATEWAY}/ap2"), False, 3, id="a new one"),
        pytest.param(named("behind", f"{GATEWAY}/sw1:up", places=2), True, 1, id="as many behind it as before"),
        pytest.param(named("behind", f"{GATEWAY}/sw1:up", places=1), True, 1, id="fewer"),
        pytest.param(named("behind", f"{GATEWAY}/sw1:up", places=3), False, 1, id="more: its own are left out"),
        pytest.param(named("behind", f"{GATEWAY}/sw9:up", places=1), False, 3, id="behind a new trunk"),
        pytest.param(named("behind", f"{GATEWAY}/ap1", places=1), False, 3, id="behind one that listed nothing"),
        pytest.param(named("target", f"{GATEWAY}/t"), True, 1, id="a target"),
        pytest.param(named("target", f"{GATEWAY}/u"), False, 1, id="a target of another gateway"),
        pytest.param(named("test", f"{GATEWAY}/own/down"), True, 5, id="a line"),
        pytest.param(named("test", f"{GATEWAY}/pc/down"), False, 5, id="a line that is called like a way"),
        pytest.param(named("test", f"{GATEWAY}/pc/down", is_inside=True), True, 5, id="a way"),
        pytest.param(named("test", f"{GATEWAY}/own/down", is_inside=True), False, 5, id="a way called like a line"),
        pytest.param(named("exit", "metro"), True, 2, id="an exit: two tests of it are one"),
        pytest.param(named("exit", "third"), False, 2, id="an exit of another gateway"),
    ],
)
def test_what_is_known_and_how_much_there_is(name: Name, known: bool, how_many: int) -> None:  # noqa: FBT001 - a table
    """Each kind by itself, and each gateway: nobody pays for another."""
    assert is_known(STATE, name) is known
    assert count(STATE, name) == how_many


@pytest.mark.parametrize(("facts", "size"), [({}, 0), ({"ab": "cde"}, 5), ({"灯": "é"}, 5), ({"a": "b", "c": ""}, 3)])
def test_what_a_device_says_is_counted_in_bytes(facts: dict[str, str], size: int) -> None:
    assert facts_bytes(facts) == size


@pytest.mark.parametrize("kind", SETTINGS)
def test_each_kind_has_its_entry_of_the_policy(kind: Any) -> None:
    policy = replace(Policy(), **{SETTINGS[kind]: 7})
    assert limit(policy, kind) == 7
    assert [other for other in SETTINGS if limit(policy, other) == 7] == [kind]  # type: ignore[arg-type]
