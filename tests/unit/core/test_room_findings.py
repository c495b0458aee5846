"""What is asked of one room and what the answer rests on: its port, the tested way to it, its board."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from classready.units import MBIT
from collector.core.case import case_of, shared
from collector.core.findings import Finding
from collector.core.room_findings import of_room
from collector.core.roster import Classroom
from collector.core.words import Cause
from tests.support.school import POLICY, Story, Tick, bandwidth, device, path_test, port, school

PORT, HALF, WAY = Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX, Cause.SEGMENT_BELOW_REQUIRED
BOTH = replace(POLICY, required_up_bps=20 * MBIT)
"""Uploads are judged, too."""
UP = {"direction": "up", "target": "pc-up"}


def found(story: Story, room: str = "r1") -> dict[Cause, Finding]:
    case = case_of(shared(story.school, story.now, story.policy), story.school.roster.classrooms[room])
    assert case is not None
    return {finding.cause: finding for finding in of_room(case)}


def test_of_a_silent_gateway_nothing_is_known() -> None:
    """Neither that what was bad still is, nor that it is well: no alert closes by silence."""
    story = Story().all_well().room_well("r1", 10)
    assert {finding.bad for finding in found(story).values()} == {"yes", "no"}
    story.event(Tick(), now=story.now + 600)
    assert {finding.bad for finding in found(story).values()} == {"unknown"}


@pytest.mark.parametrize(
    ("told", "causes"),
    [
        pytest.param([device("r1")], set(), id="a board that tells nothing of its card"),
        pytest.param([replace(device("r1"), nic_speed_bps=10**9)], {PORT, HALF}, id="its card alone"),
        pytest.param([port("r1"), device("r1")], {PORT, HALF}, id="its port alone"),
        pytest.param([port("r1"), replace(device("r1"), nic_speed_bps=10**9)], {PORT, HALF}, id="both"),
    ],
)
def test_a_cable_is_asked_for_where_an_end_of_it_is_known(told: list, causes: set[Cause]) -> None:
    """One end is enough."""
    story = Story().heard()
    for observation in told:
        story.saw(observation, "r1").later(1)
    assert {PORT, HALF} & found(story).keys() == causes


def test_a_card_speaks_whenever_its_board_is_awake() -> None:
    """Its port was read once, and its card tells 100M each minute: that is as new as the board's last word."""
    slow = replace(device("r1"), nic_speed_bps=10 * MBIT)
    story = Story().heard().saw(port("r1"), "r1").later(1).saw(slow, "r1").later(600).heard().saw(slow, "r1")
    assert (found(story)[PORT].bad, found(story)[PORT].evidence_at) == ("yes", story.now)
    without = Story().heard().saw(port("r1"), "r1").later(1).saw(device("r1"), "r1").later(600).saw(device("r1"), "r1")
    assert found(without)[PORT].evidence_at == without.now - 601


def test_a_way_is_asked_for_where_a_test_of_it_was_tried() -> None:
    """Of this room, whatever is tested elsewhere."""
    vain = {"outcome": Outcome.UNMEASURED, "reason": Reason.TIMEOUT, "at_least_bps": None}
    story = Story().heard().uplink().saw(path_test("r2", target="other", **vain), "r2")
    assert WAY not in found(story)
    story.saw(path_test("r1", **vain), "r1")
    assert (found(story)[WAY].bad, found(story)[WAY].evidence_at) == ("unknown", None)


@pytest.mark.parametrize(
    ("down", "up", "bad", "direction"),
    [
        ("PP", "PP", "no", "down"),
        ("FF", "PP", "yes", "down"),
        ("PP", "FF", "yes", "up"),
        ("PP", "F", "unknown", "up"),
        ("F", "FF", "yes", "up"),
        ("FF", "FF", "yes", "down"),
    ],
)
def test_of_two_directions_the_worse_one_is_told(down: str, up: str, bad: str, direction: str) -> None:
    """What is short comes before what is not known; of two that are alike the download is told."""
    story = Story(policy=BOTH).heard().uplink().saw(bandwidth(direction="up", target="uplink-up"))
    for n in range(2):
        for results, fields in ((down, {}), (up, UP)):
            if n < len(results):
                passed = results[n] == "P"
                limits = {} if passed else {"at_most_bps": 10 * MBIT}
                story.saw(path_test(passed=passed, **fields, **limits), "r1")
        story.later(60).heard()
    finding = found(story)[WAY]
    assert (finding.bad, finding.direction) == (bad, direction)
    assert finding.limit == {"down": 100 * MBIT, "up": 20 * MBIT}[direction]


@pytest.mark.parametrize(
    ("basis", "mbps", "full", "bad"),
    [
        ("reach", 1000, True, "yes"),
        ("share", 1000, True, "yes"),
        ("port", 1000, True, "unknown"),
        ("reach", 10, True, "unknown"),
        ("reach", 1000, False, "unknown"),
        ("reach", None, True, "yes"),
    ],
)
def test_a_slow_way_is_told_unless_its_end_explains_it(basis, mbps: int | None, full: bool, bad: str) -> None:  # noqa: FBT001
    """A way is as slow as the port at its end; and where ports alone are judged, nobody is told of ways."""
    story = Story(policy=replace(POLICY, basis=basis)).heard().uplink()
    if mbps is not None:
        story.room_well("r1", mbps, full=full)
    story.saw(path_test(passed=False), "r1").later(60).heard().saw(path_test(passed=False), "r1")
    assert found(story)[WAY].bad == bad
    for _ in range(2):
        story.later(60).heard().saw(path_test(), "r1")
    assert found(story)[WAY].bad == ("unknown" if basis == "port" else "no")


def test_a_board_that_is_not_listed_is_missing_without_any_evidence() -> None:
    """The roster says so: no report of it is late, none is needed."""
    story = Story(school(classrooms={"r1": Classroom(id="r1")})).heard()
    absent = found(story)[Cause.DEVICE_ABSENT]
    assert (absent.bad, absent.evidence_at, absent.late) == ("yes", None, False)
    story.saw(device("r1"), "r1", late=True)
    assert found(story)[Cause.DEVICE_ABSENT].late is True


@pytest.mark.parametrize(
    ("told", "later_s", "slow", "half"),
    [
        pytest.param(port("r1"), 0, "no", "no", id="a gigabit"),
        pytest.param(port("r1", 10), 0, "yes", "no", id="ten megabits"),
        pytest.param(port("r1", full=False), 0, "no", "yes", id="a gigabit, half duplex"),
        pytest.param(replace(port("r1"), speed_bps=None), 0, "unknown", "no", id="a switch that tells no speed"),
        pytest.param(replace(port("r1"), speed_bps=0), 0, "unknown", "no", id="a switch that tells zero"),
        pytest.param(port("r1"), 4 * 86_400, "unknown", "unknown", id="on Monday, asked on Friday"),
        pytest.param(port("r1", 10), 4 * 86_400, "unknown", "unknown", id="ten megabits, on Monday"),
    ],
)
def test_a_port_of_which_nothing_is_known_is_neither_slow_nor_well(told, later_s: float, slow: str, half: str) -> None:
    """That it is well would close an alert of it."""
    story = Story().heard().saw(told, "r1").later(1).saw(device("r1"), "r1").later(later_s).heard()
    assert (found(story)[PORT].bad, found(story)[HALF].bad) == (slow, half)
