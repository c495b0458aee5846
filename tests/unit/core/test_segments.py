"""Trunks inside a school: whose way they are on, what they bound, and how many rooms share one."""

import pytest

from classready.observation import Outcome, Segment
from classready.units import MBIT
from collector.core.events import AlertChange
from collector.core.figures import segment_contention_ratio, segments_of
from collector.core.roster import Classroom
from collector.core.state import Interval
from collector.core.wiring import rooms_behind
from collector.core.words import Grade
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, device, path_test, port, school, trunk

THREE_ROOMS = {f"r{i}": Classroom(id=f"r{i}", device="whiteboard") for i in (1, 2, 3)}
SWITCHES = {"r1": "core", "r2": "edge", "r3": "far"}
"""core hangs on the gateway, edge and far hang on core."""


def three_switches() -> Story:
    """A room on each of three switches, all well."""
    story = Story(school(classrooms=THREE_ROOMS)).heard().uplink().platform()
    for room, switch in SWITCHES.items():
        story.saw(port(room, switch=switch), room).later(1).saw(device(room), room)
    return story


def grade(story: Story, room: str = "r1") -> Grade | None:
    return story.school.state.classrooms[room].verdict.grade


@pytest.mark.parametrize(
    ("segment", "short"),
    [
        pytest.param(trunk(10, name="core:uplink", switches=("edge", "far")), "r1 r2 r3", id="all of them pass it"),
        pytest.param(trunk(10, name="core:uplink", switches=("edge",)), "r1 r2", id="one hangs elsewhere"),
        pytest.param(trunk(10, name="core:uplink", switches=()), "r1", id="nobody behind"),
        pytest.param(trunk(10, name="core:uplink", switches=None), "r1", id="it cannot tell who"),
        pytest.param(trunk(10, name="edge:GE24"), "r2", id="named by the settings"),
        pytest.param(trunk(10, name="elsewhere:GE24"), "", id="of a switch without rooms"),
        pytest.param(trunk(10, name="backbone"), "r1 r2 r3", id="of no switch"),
        pytest.param(
            trunk(1000, name="core:uplink", switches=("edge", "far"), full=False), "r1 r2 r3", id="half duplex"
        ),
        pytest.param(trunk(100, name="core:uplink", switches=("edge", "far")), "", id="100M is enough for each alone"),
        pytest.param(trunk(None, name="core:uplink", switches=("edge", "far")), "", id="speed unknown"),
    ],
)
def test_a_slow_trunk_is_on_the_way_of(segment, short):
    """Short are exactly the rooms whose traffic passes it; the alert names the same, and nobody is told of none."""
    story = three_switches()
    for _ in range(3):
        story.later(60).heard().saw(segment)
    rooms = [room for room in SWITCHES if "segment_below_required" in story.causes(room)]
    assert " ".join(rooms) == short
    assert [" ".join(change.classrooms) for change in story.told(AlertChange)] == ([short] if short else [])


def test_a_trunk_on_another_port_is_the_same_trunk():
    """Somebody mends a slow trunk by another port: the alert closes."""
    story = Story().all_well()
    for segment in [trunk(10, if_name="GE23")] * 3 + [trunk(1000, if_name="GE24")] * 2:
        story.later(60).heard().saw(segment)
    assert [(change.change, change.subject.label) for change in story.told(AlertChange)] == [
        ("opened", f"segment:{GATEWAY}/sw1:uplink"),
        ("closed", f"segment:{GATEWAY}/sw1:uplink"),
    ]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        pytest.param([trunk()], Grade.NEGOTIATED, id="known"),
        pytest.param([], Grade.PARTIAL, id="none seen"),
        pytest.param([trunk(None)], Grade.PARTIAL, id="speed unknown"),
        pytest.param([trunk(name="sw2:uplink")], Grade.PARTIAL, id="of another switch"),
        pytest.param([trunk(None), trunk(name="sw1:GE23")], Grade.NEGOTIATED, id="one of two known"),
    ],
)
def test_an_unknown_trunk_lowers_the_grade(segments, expected):
    """It leaves the link enough: what is not measured is not measured-bad. A test through it needs no trunk."""
    story = Story().all_well()
    for segment in segments:
        story.saw(segment)
    assert (story.ready(), grade(story)) == ("yes", expected)
    story.later(60).heard().platform().saw(path_test(), "r1")
    assert grade(story) is Grade.ACTIVE


def test_a_trunk_bounds_reach():
    """100M before a room with 1000M: reach says 100M, the port stays what it is."""
    link = Story().all_well().saw(trunk(100)).school.state.classrooms["r1"].verdict.link
    assert (link["reach"].at_most_bps, link["port"]) == (100 * MBIT, Interval(1000.0 * MBIT, 1000.0 * MBIT))


@pytest.mark.parametrize(
    ("segment", "ratio"),
    [
        (trunk(100, name="core:uplink", switches=("edge", "far")), 3.0),
        (trunk(100, name="core:uplink", switches=("edge",)), 2.0),
        (trunk(1000, name="core:uplink", switches=("edge", "far")), 0.3),
        (trunk(100, name="core:uplink", switches=(), full=False), 1.0),
        (trunk(None, name="core:uplink"), None),
        (trunk(100, name="nobody:uplink"), 0.0),
    ],
)
def test_contention_of_a_trunk(segment, ratio):
    """A trunk that is stuck at 100M is enough for one room, and shared by three."""
    (seen,) = three_switches().saw(segment).school.state.segments.values()
    assert segment_contention_ratio(three_switches().school, seen, POLICY) == (ratio and pytest.approx(ratio))


def test_exempt_rooms_need_nothing():
    """They are left out of the contention as of everything."""
    rooms = {**THREE_ROOMS, "r2": Classroom(id="r2", device="whiteboard", exempt="拆除")}
    story = Story(school(classrooms=rooms)).heard()
    for room in rooms:
        story.saw(port(room), room)
    (seen,) = story.saw(trunk()).school.state.segments.values()
    assert rooms_behind(story.school, seen) == ("r1", "r3")


def test_what_was_told_long_ago_is_history():
    """A trunk that nobody tells of any more bounds nothing after the school hours for which port evidence is valid."""
    story = Story().all_well().saw(trunk(10))
    assert story.causes() == ["segment_below_required"]
    assert list(segments_of(story.school, GATEWAY, MONDAY + 3600, POLICY))
    assert not list(segments_of(story.school, GATEWAY, MONDAY + 2 * 86_400, POLICY))
    assert not list(segments_of(story.school, "another", MONDAY + 3600, POLICY))


def test_an_older_version_of_an_agent():
    """Without the fields that came later, the name alone says whose trunk it is."""
    (seen,) = Story().saw(Segment(name="sw1:GE24", outcome=Outcome.ANSWERED)).school.state.segments.values()
    assert (seen.switches, seen.seen.if_name) == (("sw1",), None)
