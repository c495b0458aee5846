"""Who hangs on what, where it is known, and what is said where it is not."""

import pytest
from msgspec.structs import replace

from collector.core.evidence import PortReading, SegmentReading
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, School, SchoolState
from collector.core.wiring import (
    gateway_of,
    has_port,
    judged_rooms,
    rooms_behind,
    sharing_port,
    switch_of,
    switches_before,
)
from tests.support.school import GATEWAY, MONDAY, port, school, trunk

OTHER = "dem-gw-02"


def room(switch: str | None = "sw1", place: str | None = "sw1:1", gateway: str | None = GATEWAY) -> ClassroomState:
    seen = PortReading(observed_at=MONDAY, gateway=gateway or "", seen=port("x", switch=switch))
    return ClassroomState(gateway=gateway, last_port=seen, place=place)


def segment(switches: tuple[str, ...] | None, gateway: str = GATEWAY) -> SegmentReading:
    return SegmentReading(observed_at=MONDAY, gateway=gateway, seen=trunk(), switches=switches)


def county(
    rooms: dict[str, ClassroomState],
    *segments: SegmentReading,
    gateways: tuple[str, ...] = (GATEWAY, OTHER),
    exempt: str = "",
) -> School:
    """``rooms``, and one of which nothing was ever heard."""
    listed = {name: Classroom(id=name, exempt="改造" if name == exempt else None) for name in (*rooms, "unheard")}
    trunks = {f"t{n}": each for n, each in enumerate(segments)}
    return replace(school(classrooms=listed, gateways=gateways), state=SchoolState(classrooms=rooms, segments=trunks))


@pytest.mark.parametrize(
    ("gateways", "tells", "expected"),
    [
        pytest.param((GATEWAY, OTHER), OTHER, OTHER, id="the one that tells of it"),
        pytest.param((GATEWAY, OTHER), None, None, id="nobody told, and there are two"),
        pytest.param((GATEWAY,), None, GATEWAY, id="nobody told, and there is one"),
        pytest.param((GATEWAY,), "gone", GATEWAY, id="the one that told is no longer listed"),
        pytest.param((GATEWAY, OTHER), "gone", None, id="nor is anybody known in its place"),
        pytest.param((), None, None, id="there is none"),
    ],
)
def test_whose_a_room_is(gateways: tuple[str, ...], tells: str | None, expected: str | None) -> None:
    told = county({"r1": ClassroomState(gateway=tells)}, gateways=gateways)
    assert gateway_of(told, "r1") == expected
    assert gateway_of(told, "unheard") == (gateways[0] if len(gateways) == 1 else None)


def test_the_switch_of_a_room() -> None:
    told = county({"r1": room(), "r2": room(None), "r3": ClassroomState()})
    assert [switch_of(told, name) for name in ("r1", "r2", "r3", "unheard")] == ["sw1", None, None, None]
    assert [has_port(told.state.classrooms[name]) for name in ("r1", "r2", "r3")] == [True, False, False]


@pytest.mark.parametrize(
    ("trunk_", "expected"),
    [
        pytest.param(segment(("sw1", "sw2")), ("sw1",), id="it hangs on the first of the trunk"),
        pytest.param(segment(("sw1", "sw3", "sw2")), ("sw1",), id="wherever in the list it stands"),
        pytest.param(segment(("sw2", "sw1")), (), id="the trunk is its own"),
        pytest.param(segment(("sw2", "sw2")), (), id="its own trunk lists itself"),
        pytest.param(segment(("sw1", "sw2"), OTHER), (), id="of another gateway"),
        pytest.param(segment(("sw1", "sw3")), (), id="other switches"),
        pytest.param(segment(None), (), id="nobody knows whose it is"),
    ],
)
def test_what_stands_before_a_switch(trunk_: SegmentReading, expected: tuple[str, ...]) -> None:
    assert switches_before(county({}, trunk_), GATEWAY, "sw2") == expected


@pytest.mark.parametrize(
    ("beside", "shares"),
    [
        pytest.param(room(), True, id="the same port"),
        pytest.param(room(place="sw1:2"), False, id="another port"),
        pytest.param(room(gateway=OTHER), False, id="a port of that name at another gateway"),
        pytest.param(room(place=None), False, id="no place is known"),
    ],
)
def test_who_shares_a_port(beside: ClassroomState, shares: bool) -> None:  # noqa: FBT001 - a table
    """An unmanaged switch stands behind it. Rooms without a known place share nothing, least of all that."""
    told = county({"r1": room(), "r2": beside})
    assert sharing_port(told, "r1") == (("r2",) if shares else ())
    lost = county({"r1": room(place=None), "r2": room(place=None)})
    assert (sharing_port(lost, "r1"), sharing_port(lost, "unheard")) == ((), ())


def test_which_rooms_are_judged() -> None:
    """Those that are not exempt, of the school or of one gateway."""
    told = county({"r1": room(), "r2": room(gateway=OTHER), "r3": room()}, exempt="r3")
    assert judged_rooms(told) == ("r1", "r2", "unheard")
    assert judged_rooms(told, GATEWAY) == ("r1",)
    assert judged_rooms(told, OTHER) == ("r2",)


def test_which_rooms_are_behind_a_trunk() -> None:
    """Without a switch in its name, all of its gateway's."""
    told = county({"r1": room(), "r2": room("sw2"), "r3": room("sw1", gateway=OTHER), "r4": room(None)})
    assert rooms_behind(told, segment(("sw1",))) == ("r1",)
    assert rooms_behind(told, segment(("sw1", "sw2"))) == ("r1", "r2")
    assert rooms_behind(told, segment(None)) == ("r1", "r2", "r4")
    assert rooms_behind(told, segment(None, OTHER)) == ("r3",)
