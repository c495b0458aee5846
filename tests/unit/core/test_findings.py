"""What is bad of what several rooms share: who is blamed, by which direction, against which limit, and until when."""

from typing import Any

import pytest

from classready.observation import Bandwidth, Outcome, Port, Reason
from classready.units import MBIT
from collector.core.case import shared
from collector.core.findings import Finding
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.school_findings import of_school
from collector.core.words import Cause
from tests.support.school import GATEWAY, Story, at, bandwidth, port, school, trunk

EVENING = at("2026-11-23 18:00")
UP = Policy(observation_school_days=0, required_up_bps=20 * MBIT)


def found(story: Story, cause: Cause) -> Finding:
    """The only finding of ``cause``."""
    (finding,) = (f for f in of_school(shared(story.school, story.now, story.policy)) if f.cause is cause)
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


def probed(story: Story, direction: str, results: str) -> None:
    """A letter a test: p(assed), f(ailed), v(ain)."""
    mbps = 100 if direction == "down" else 20
    for letter in results:
        story.later(60).heard()
        fields: dict[str, Any] = {"direction": direction, "target": direction}
        if letter == "v":
            story.saw(Bandwidth(**fields, outcome=Outcome.UNMEASURED, reason=Reason.BUDGET))
        else:
            bound = {"at_least_bps": 0.95 * mbps * MBIT} if letter == "p" else {"at_most_bps": mbps * MBIT}
            story.saw(bandwidth(passed=letter == "p", **{"at_least_bps": None, "at_most_bps": None, **bound}, **fields))


@pytest.mark.parametrize(
    ("down", "up", "bad", "direction"),
    [
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
        ("v", "v", "unknown", "down"),
        ("v", "p", "no", "up"),
    ],
)
def test_a_line_in_two_directions(down, up, bad, direction):
    """The first that is short, else the first that is unknown; one that no test says anything of speaks for neither."""
    story = Story(policy=UP)
    probed(story, "down", down)
    probed(story, "up", up)
    finding = found(story, Cause.UPLINK_BELOW_REQUIRED)
    assert (finding.bad, finding.direction) == (bad, direction)
    assert finding.limit == (100 * MBIT if direction == "down" else 20 * MBIT)
    assert finding.classrooms == ("r1", "r2")


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
