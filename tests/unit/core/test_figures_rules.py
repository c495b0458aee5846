"""Numbers of a school: rooms by verdict, and how crowded lines and trunks are."""

import pytest
from msgspec.structs import replace

from collector.core.evidence import GatewayState, PortReading, SegmentReading
from collector.core.figures import counts, segment_contention_ratio, segments_of, segments_on_the_way
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Latch, School, SchoolState, Verdict
from tests.support.school import GATEWAY, MONDAY, port, school, trunk

OTHER = "dem-gw-02"


def room(ready: str, latched: str, switch: str = "sw1", gateway: str = GATEWAY) -> ClassroomState:
    seen = PortReading(observed_at=MONDAY, gateway=gateway, seen=port("x", switch=switch))
    return ClassroomState(
        gateway=gateway, last_port=seen,
        verdict=Verdict(ready=ready), latch=Latch(value=latched),  # type: ignore[arg-type]
    )  # fmt: skip


def segment(mbps: int | None, switches: tuple[str, ...] | None, gateway: str = GATEWAY) -> SegmentReading:
    return SegmentReading(observed_at=MONDAY, gateway=gateway, seen=trunk(mbps), switches=switches)


def county(rooms: dict[str, ClassroomState], *segments: SegmentReading, exempt: str = "") -> School:
    listed = {name: Classroom(id=name, exempt="改造" if name == exempt else None) for name in (*rooms, "unheard")}
    heard = GatewayState(first_committed_at=0.0, last_committed_at=MONDAY, report_interval_s=60.0)
    state = SchoolState(
        gateways={GATEWAY: heard, OTHER: heard}, classrooms=rooms, segments={f"t{n}": s for n, s in enumerate(segments)}
    )
    return replace(school(classrooms=listed, gateways=(GATEWAY, OTHER)), state=state)


ROOMS = {
    "r1": room("yes", "no"),
    "r2": room("no", "yes", "sw2"),
    "r3": room("yes", "yes"),
    "r4": room("no", "no", "sw1", OTHER),
}


def test_rooms_by_verdict() -> None:
    """An exempt room is not judged, and shown as that; one that nobody told of is not known."""
    found = counts(county({**ROOMS, "r5": room("yes", "yes")}, exempt="r5"))
    assert found["ready"] == {"yes": 2, "no": 2, "unknown": 1}
    assert found["compliant"] == {"yes": 2, "no": 2, "unknown": 1, "exempt": 1}


@pytest.mark.parametrize(
    ("trunk_", "ratio"),
    [
        pytest.param(segment(100, ("sw1",)), 2.0, id="two rooms of 100M on 100M"),
        pytest.param(segment(1_000, ("sw1", "sw2")), 0.3, id="three on a gigabit"),
        pytest.param(segment(100, ("sw7",)), 0.0, id="nobody behind it"),
        pytest.param(segment(None, ("sw1",)), None, id="its speed is not known"),
    ],
)
def test_how_crowded_a_trunk_is(trunk_: SegmentReading, ratio: float | None) -> None:
    """What the rooms behind it need at once over what it has; not known is no number."""
    found = segment_contention_ratio(county(ROOMS), trunk_, Policy())
    assert found == (None if ratio is None else pytest.approx(ratio))


def test_the_trunks_on_the_way_of_a_room() -> None:
    """Those of its gateway that its switch is behind; of a room that nobody told of there are none."""
    own, beside, all_, others = (
        segment(1_000, ("sw1",)), segment(1_000, ("sw2",)), segment(1_000, None), segment(1_000, None, OTHER)
    )  # fmt: skip
    told = county(ROOMS, own, beside, all_, others)
    assert [*segments_of(told, GATEWAY, MONDAY, Policy())] == [own, beside, all_]
    assert [*segments_on_the_way(told, "r1", MONDAY, Policy())] == [own, all_]
    assert [*segments_on_the_way(told, "r2", MONDAY, Policy())] == [beside, all_]
    assert [*segments_on_the_way(told, "r4", MONDAY, Policy())] == [others]
    assert [*segments_on_the_way(told, "unheard", MONDAY, Policy())] == []
