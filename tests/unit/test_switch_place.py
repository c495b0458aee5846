"""Which port a device hangs on: tables of cases for the pure part, without a switch."""

import pytest

from agent.probes.switch import place
from agent.probes.switch.lldp import Neighbour, is_bridge
from agent.probes.switch.names import Names
from agent.probes.switch.place import Asked, Place, Sighting, View
from classready.observation import Reason

A, B, GATEWAY, ROUTER = "a4:5d:36:00:11:22", "a4:5d:36:00:11:33", "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES = Names({}, {}, {i: f"GE{i}" for i in range(1, 29)}, {})


def crowd(index: int, count: int) -> dict[str, set[int]]:
    return {f"00:00:00:00:{index:02x}:{i:02x}": {index} for i in range(count)}


def who(name: str = "sw2", *, bridge: bool = True) -> Neighbour:
    return Neighbour(name=name, is_bridge=bridge)


def trunks(*, fdb=None, neighbours=None, bound=(), ways_out=(GATEWAY,), switches=(), bundles=()) -> dict[int, str]:
    around = {"bound": bound, "ways_out": ways_out, "switch_macs": switches, "bundles": bundles}
    return place.trunks(fdb or {}, neighbours or {}, **around)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"fdb": crowd(3, 8)}, {}),
        ({"fdb": crowd(3, 9)}, {3: "9 addresses"}),
        ({"fdb": crowd(3, 9), "bound": [3]}, {}),
        ({"fdb": {A: {7}}, "neighbours": {7: who()}}, {7: "neighbour sw2"}),
        ({"fdb": {A: {7}}, "neighbours": {7: who(bridge=False)}}, {}),
        ({"fdb": {A: {7}}, "switches": [A]}, {7: "another switch"}),
        ({"fdb": {GATEWAY: {24}}}, {24: "towards the gateway"}),
        ({"fdb": {GATEWAY: {24}}, "ways_out": ()}, {}),
        ({"fdb": {A: {161}}, "bundles": [161]}, {161: "no Ethernet port of its own"}),
        ({"fdb": {GATEWAY: {161}}, "bundles": [161]}, {161: "towards the gateway"}),
        ({"fdb": {GATEWAY: {3}, ROUTER: {24}}, "ways_out": (ROUTER, GATEWAY)}, {24: "towards the gateway"}),
        ({"fdb": {GATEWAY: {24}}, "neighbours": {24: who()}}, {24: "towards the gateway"}),
    ],
)
def test_trunks(given, expected) -> None:
    """Many addresses, an LLDP bridge, another switch, the gateway; never the port that the settings give to a room."""
    assert trunks(**given) == expected


@pytest.mark.parametrize(
    ("fdb", "neighbours", "found", "expected"),
    [
        ({GATEWAY: {24}}, {}, {24: "", 23: ""}, 24),
        ({GATEWAY: {23, 24}}, {}, {24: "", 23: ""}, None),
        ({GATEWAY: {5}}, {}, {24: ""}, None),
        ({}, {24: who()}, {24: ""}, 24),
        ({}, {24: who(), 23: who()}, {24: "", 23: ""}, None),
        ({}, {}, {24: "12 addresses"}, None),
        ({ROUTER: {24}, GATEWAY: {3}}, {}, {24: "", 3: ""}, 24),
    ],
)
def test_the_way_out(fdb, neighbours, found, expected) -> None:
    """A trunk to another building is on nobody's way: only the one to the gateway, or the only one with a neighbour.

    Where this machine is a box beside the router, it is the router that counts.
    """
    assert place.way_out(fdb, neighbours, found, (ROUTER, GATEWAY)) == expected


@pytest.mark.parametrize(
    ("fdb", "way", "expected"),
    [
        ({A: {3}, B: {4}}, 24, ("sw2", "sw3")),
        ({A: {24}, B: {4}}, 24, ("sw3",)),
        ({A: {3, 24}}, 24, ()),
        ({A: {3}}, None, ()),
        ({}, 24, ()),
    ],
)
def test_who_comes_in_here_to_go_out(fdb, way, expected) -> None:
    """Switches on other ports than the way out use it, too; one behind the way out is nearer to the gateway."""
    assert place.behind(fdb, {"sw2": A, "sw3": B}, way) == expected


@pytest.mark.parametrize(
    ("fdb", "index", "detail"),
    [
        ({A: {7}}, 7, None),
        ({A: {7, 24}}, 7, None),
        ({A: {24}}, None, f"{A} is seen behind the trunk GE24 only (neighbour sw2)"),
        ({A: {7, 8}}, None, f"{A} is on several ports: GE7, GE8"),
        ({B: {7}}, None, f"{A} is not in the address table"),
    ],
)
def test_find(fdb, index, detail) -> None:
    """A device is never mapped to a trunk, and never to one of two ports by chance."""
    assert place.find(A, View(names=NAMES, fdb=fdb, trunks={24: "neighbour sw2"})) == Place(index=index, detail=detail)


@pytest.mark.parametrize(
    ("view", "reason", "detail"),
    [
        ({"problem": "too long"}, Reason.PROTOCOL, "too long"),
        (
            {"fdb": {B: {7}}, "untied": {A: 12}},
            Reason.NOT_FOUND,
            f"{A} is on bridge port 12, which is tied to no interface",
        ),
        ({}, Reason.NOT_FOUND, "the address table is empty: does this switch show it to this community?"),
    ],
)
def test_why_a_device_is_not_found(view, reason, detail) -> None:
    """What was not read, or is not tied to a port, is not called missing."""
    assert place.find(A, View(names=NAMES, **view)) == Place(index=None, reason=reason, detail=detail)


LAST = Sighting(switch="sw1", port="GE7", crowd=1, at_s=1000.0)
HERE, NOWHERE = Place(index=3), Place(index=None, detail="gone")


@pytest.mark.parametrize(
    ("there", "last", "asked", "told"),
    [
        (HERE, None, {}, "GE3"),
        (HERE, LAST, {}, "GE3"),
        (NOWHERE, None, {}, "gone"),
        (NOWHERE, None, {"first": False}, None),
        (NOWHERE, LAST, {}, "gone; it was on GE7 10 min ago"),
        (NOWHERE, LAST, {"now_s": 1000 + 86_401.0}, "gone"),
        (NOWHERE, LAST, {"switch": "sw2"}, None),
        (HERE, LAST, {"switch": "sw2", "now_s": 1060.0}, None),
        (HERE, LAST, {"switch": "sw2", "now_s": 1600.0}, "GE3"),
    ],
)
def test_settle(there, last, asked, told) -> None:
    """One switch tells of a device: the one that sees it with fewest others, or saw it last, or is listed first."""
    view = View(names=NAMES, fdb={A: {3}, B: {3}})
    asked = Asked(**{"switch": "sw1", "first": True, "interval_s": 60.0, "now_s": 1600.0, **asked})
    settled, sighting = place.settle(there, last, view, asked)
    shown = settled and (settled.detail or NAMES.name(settled.index))
    assert shown == told
    if told == "GE3":
        assert sighting == Sighting(switch=asked.switch, port="GE3", crowd=2, at_s=asked.now_s)


def test_a_remembered_port_that_became_a_trunk() -> None:
    """Somebody put a switch there: the device is not taken for being on it any more."""
    asked = Asked(switch="sw1", first=True, interval_s=60.0, now_s=1600.0)
    settled, _ = place.settle(NOWHERE, LAST, View(names=NAMES, trunks={7: "9 addresses"}), asked)
    assert settled == NOWHERE


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("GigabitEthernet1/0/24", 24),
        ("gigabitEthernet 1/0/2 : copper", 2),
        ("GigabitEthernet1/0/3", None),
        ("Slot: 0 Port: 1", None),
    ],
)
def test_names_that_are_alike(name, index) -> None:
    """LLDP may write a port's name in another way; where several are alike, it is none of them."""
    known = {24: "gigabitEthernet 1/0/24 : copper", 2: "gigabitEthernet 1/0/2 : copper", 5: "Slot: 0", 6: "Slot: 1"}
    assert Names({}, {}, known, {}).like(name) == index


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (b"\x20", True),
        (b"\x28\x00", True),
        (b"\x08", True),
        (b"\x10", False),
        (b"\x30", True),
        (b"\x01", False),
        (b"\x80\x00", False),
        (b"", False),
        (None, False),
        (7, False),
        (b"28 2 4", True),
        (b"01 7", False),
        (b"10 3", False),
        (b"\x28\x00\x00\x00", True),
        (b"\x28\x00\x00\x00\x00", False),
        (b"\x24\x00", False),
        (b"24 2 5", False),
        (b"garbage", False),
    ],
)
def test_capabilities(capabilities, expected) -> None:
    """Bridge or router among the enabled capabilities; an access point alone, a station or a phone is none."""
    assert is_bridge(capabilities) is expected
