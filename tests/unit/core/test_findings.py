"""What is bad of what several rooms share: who is blamed, by which direction, against which limit, and until when."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Outcome, Port, Reason
from classready.units import MBIT
from collector.core.case import case_of, shared
from collector.core.events import AlertChange
from collector.core.findings import Finding
from collector.core.policy import Policy
from collector.core.room_findings import of_room
from collector.core.roster import Classroom
from collector.core.school_findings import of_school
from collector.core.words import Cause
from tests.support.school import GATEWAY, Story, at, bandwidth, device, exit_test, port, school, trunk

EVENING = at("2026-11-23 18:00")
UP = Policy(observation_school_days=0, required_up_bps=20 * MBIT)


def found(story: Story, cause: Cause, room: str | None = None) -> Finding:
    """The only finding of ``cause``: about ``room``, or about what rooms share."""
    common = shared(story.school, story.now, story.policy)
    case = case_of(common, story.school.roster.classrooms[room]) if room else None
    (finding,) = (f for f in (of_room(case) if case else of_school(common)) if f.cause is cause)
    return finding


def rooms(count: int) -> dict[str, Classroom]:
    return {f"r{n}": Classroom(id=f"r{n}", device="whiteboard") for n in range(1, count + 1)}


def line(mbps: float) -> Bandwidth:
    return bandwidth(at_least_bps=mbps * MBIT, at_most_bps=mbps * MBIT)


@pytest.mark.parametrize(
    ("basis", "count", "mbps", "by_day", "in_the_evening"),
    [
        pytest.param("share", 1, 100, "no", "no", id="one room has the whole line"),
        pytest.param("share", 2, 190, "no", "no", id="two have half of it each"),
        pytest.param("share", 2, 189, "yes", "unknown", id="and not a bit less"),
        pytest.param("share", 0, 100, "no", "no", id="no room, nobody to divide it"),
        pytest.param("share", 2, 90, "yes", "yes", id="a line that is short for one is short at any hour"),
        pytest.param("reach", 2, 120, "no", "no", id="not divided where reach decides"),
        pytest.param("port", 2, 90, "unknown", "unknown", id="not asked where the port decides"),
    ],
)
def test_a_line_and_those_who_share_it(basis, count, mbps, by_day, in_the_evening):
    """Outside lessons a share is nobody's: what is too small for all at once is then neither bad nor good."""
    policy = Policy(basis=basis)
    for now, expected in ((None, by_day), (EVENING, in_the_evening)):
        story = Story(school(classrooms=rooms(count)), policy=policy)
        story.now = now or story.now
        story.heard().saw(line(mbps))
        if mbps < 95:
            failed = bandwidth(passed=False, at_most_bps=mbps * MBIT)
            story.saw(failed).later(60).heard().saw(failed).later(60).heard().saw(failed)
        assert found(story, Cause.UPLINK_BELOW_REQUIRED).bad == expected


def probed(story: Story, direction: str, results: str, room: str | None = None) -> None:
    """A letter a test: p(assed), f(ailed), v(ain)."""
    mbps = 100 if direction == "down" else 20
    for letter in results:
        story.later(60).heard()
        fields: dict[str, Any] = {"direction": direction, "target": direction}
        if letter == "v":
            story.saw(Bandwidth(**fields, outcome=Outcome.UNMEASURED, reason=Reason.BUDGET), room)
        else:
            bound = {"at_least_bps": 0.95 * mbps * MBIT} if letter == "p" else {"at_most_bps": mbps * MBIT}
            seen = bandwidth(passed=letter == "p", **{"at_least_bps": None, "at_most_bps": None, **bound}, **fields)
            story.saw(seen, room)


BOTH_WAYS = [
    ("p", "p", "no", "down"),
    ("p", "", "no", "down"),
    ("", "p", "no", "up"),
    ("p", "ff", "yes", "up"),
    ("ff", "p", "yes", "down"),
    ("ff", "ff", "yes", "down"),
    ("ff", "", "yes", "down"),
    ("f", "p", "unknown", "down"),
    ("p", "f", "unknown", "up"),
    ("f", "ff", "yes", "up"),
    ("v", "p", "no", "up"),
]


@pytest.mark.parametrize(("down", "up", "bad", "direction"), [*BOTH_WAYS, ("v", "v", "unknown", "down")])
def test_a_line_in_two_directions(down, up, bad, direction):
    """The first that is short, else the first that is unknown; one that no test says anything of speaks for neither."""
    story = Story(policy=UP)
    probed(story, "down", down)
    probed(story, "up", up)
    finding = found(story, Cause.UPLINK_BELOW_REQUIRED)
    assert (finding.bad, finding.direction) == (bad, direction)
    assert finding.limit == (100 * MBIT if direction == "down" else 20 * MBIT)
    assert finding.classrooms == ("r1", "r2")


@pytest.mark.parametrize(("down", "up", "bad", "direction"), [*BOTH_WAYS, ("v", "v", "unknown", None)])
def test_a_way_in_two_directions(down, up, bad, direction):
    """As a line; of one that was tried in vain alone nothing is known, not even which."""
    story = Story(policy=UP)
    probed(story, "down", down, "r1")
    probed(story, "up", up, "r1")
    finding = found(story, Cause.SEGMENT_BELOW_REQUIRED, "r1")
    assert (finding.bad, finding.direction, finding.classrooms) == (bad, direction, ("r1",))


@pytest.mark.parametrize(
    ("mbps", "full", "basis", "results", "bad"),
    [
        pytest.param(1000, True, "reach", "ff", "yes", id="a good port: the way is told"),
        pytest.param(95, True, "reach", "ff", "yes", id="a port that is just enough"),
        pytest.param(94, True, "reach", "ff", "unknown", id="a short port is told instead"),
        pytest.param(1000, False, "reach", "ff", "unknown", id="half duplex is told instead"),
        pytest.param(94, True, "reach", "p", "no", id="a short port and a way that passed"),
        pytest.param(1000, True, "port", "ff", "unknown", id="not asked where the port decides"),
        pytest.param(94, False, "reach", "p", "no", id="slow and half duplex: told once"),
    ],
)
def test_a_way_and_the_port_of_its_room(mbps, full, basis, results, bad):
    """Two things that say the same are told once, by what is nearest."""
    story = Story(policy=Policy(observation_school_days=0, basis=basis)).heard()
    probed(story, "down", results, "r1")
    story.room_well("r1", mbps, full=full)
    assert found(story, Cause.SEGMENT_BELOW_REQUIRED, "r1").bad == bad
    assert found(story, Cause.PORT_BELOW_REQUIRED, "r1").bad == ("yes" if mbps < 95 else "no")
    half = found(story, Cause.PORT_HALF_DUPLEX, "r1")
    assert (half.bad, half.explained) == ("no" if full else "yes", mbps < 95)


@pytest.mark.parametrize(("nic_mbps", "opened"), [(None, 0), (10, 1)])
def test_a_port_speaks_by_its_readings_and_a_card_by_each_sighting(nic_mbps, opened):
    """One slow reading is one piece of evidence, however often its device is seen awake after it."""
    story = Story().all_well().later(60).heard().saw(port("r1", 10), "r1")
    for _ in range(4):
        seen = replace(device("r1"), nic_speed_bps=nic_mbps and nic_mbps * MBIT)
        story.later(30).heard().saw(seen, "r1")
    assert story.causes() == ["port_below_required"]
    assert len(story.told(AlertChange)) == opened


@pytest.mark.parametrize(("line_fails", "at_most_mbps"), [(0, 100), (1, 1000), (2, 100)])
def test_an_exit_that_is_not_known_bounds_nobody(line_fails, at_most_mbps):
    """It failed; while the line before it is in doubt nobody knows whether that was the exit."""
    story = Story().heard().room_well()
    probed(story, "down", "f" * line_fails or "p")
    for _ in range(2):
        story.later(60).heard().saw(exit_test(passed=False))
    reach = story.school.state.classrooms["r1"].verdict.link["reach"]
    assert reach.at_most_bps == at_most_mbps * MBIT


def silent_switch() -> Port:
    return Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


@pytest.mark.parametrize(("age_s", "bad"), [(0, "yes"), (180, "yes"), (180.001, "unknown")])
def test_a_switch_is_unreachable_for_three_intervals(age_s, bad):
    """And not a moment longer, if nothing is told of it; an answer is an answer for as long."""
    story = Story().heard().saw(port("r1"), "r1")
    reachable = "no" if bad == "yes" else "unknown"
    story.now += age_s
    assert found(story, Cause.SWITCH_UNREACHABLE).bad == reachable
    story = Story().heard().saw(port("r1"), "r1").later(1).saw(silent_switch(), "r1")
    story.now += age_s
    assert (found(story, Cause.SWITCH_UNREACHABLE).bad, found(story, Cause.SWITCH_UNREACHABLE).late) == (bad, False)


@pytest.mark.parametrize(
    ("now", "mbps", "bad"),
    [
        pytest.param("2026-11-24 09:00", 94, "yes", id="eight hours of lessons"),
        pytest.param("2026-11-24 09:00:01", 94, "unknown", id="a second more"),
        pytest.param("2026-11-24 09:00", 100, "no", id="enough"),
        pytest.param("2026-11-24 09:00:01", 100, "unknown", id="enough, a second more"),
    ],
)
def test_a_trunk_counts_for_eight_hours_of_lessons(now, mbps, bad):
    """As a port does: it was read at ten on Monday."""
    story = Story().heard().saw(port("r1"), "r1").saw(trunk(mbps))
    story.now = at(now)
    finding = found(story, Cause.SEGMENT_BELOW_REQUIRED)
    assert (finding.bad, finding.measured, finding.limit) == (bad, mbps * MBIT, 100 * MBIT)
    assert (finding.gateway, finding.classrooms) == (GATEWAY, ("r1",))
