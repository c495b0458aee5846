"""What several rooms share, as a finding: of which direction, gateway and date, and when nobody can say."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from classready.units import MBIT
from collector.core.case import shared
from collector.core.events import Observed
from collector.core.findings import Finding
from collector.core.school_findings import of_school
from collector.core.words import Cause
from tests.support.school import (
    GATEWAY,
    POLICY,
    Story,
    Tick,
    at,
    bandwidth,
    exit_test,
    http,
    path_test,
    port,
    school,
    trunk,
)

OTHER = "dem-gw-02"
LINE, EXIT, MISSED = Cause.UPLINK_BELOW_REQUIRED, Cause.EXIT_BELOW_REQUIRED, Cause.PLATFORM_UNREACHABLE
BOTH = replace(POLICY, required_up_bps=20 * MBIT)
"""Uploads are judged, too."""
UP = {"direction": "up", "target": "up"}
UP_BEYOND = {"direction": "up", "target": "beyond-up"}
BY_SHARE = replace(POLICY, basis="share")
SLOW_UP = {**UP, "at_most_bps": 10 * MBIT}


def found(story: Story, cause: Cause) -> list[Finding]:
    return [each for each in of_school(shared(story.school, story.now, story.policy)) if each.cause is cause]


def the_one(story: Story, cause: Cause) -> Finding:
    (finding,) = found(story, cause)
    return finding


def from_other(story: Story, observation: Any, room: str | None = None, *, late: bool = False) -> Story:
    return story.event(
        Observed(gateway=OTHER, observation=observation, classroom=room, observed_at=story.now, late=late)
    )


@pytest.mark.parametrize(
    ("down", "up", "bad", "direction"),
    [
        ("PP", "PP", "no", "down"),
        ("FF", "PP", "yes", "down"),
        ("PP", "FF", "yes", "up"),
        ("FF", "FF", "yes", "down"),
        ("F", "FF", "yes", "up"),
        ("PP", "F", "unknown", "up"),
        ("F", "F", "unknown", "down"),
        ("PP", "", "no", "down"),
        ("FF", "", "yes", "down"),
        ("", "FF", "yes", "up"),
    ],
)
def test_of_two_directions_of_a_line_the_worse_one_is_told(down: str, up: str, bad: str, direction: str) -> None:
    """One that nobody tests says nothing; what was told is measured by what is asked of that direction."""
    story = Story(policy=BOTH).heard()
    for n in range(2):
        for results, fields, slow in ((down, {}, {}), (up, UP, SLOW_UP)):
            if n < len(results):
                passed = results[n] == "P"
                story.saw(bandwidth(passed=passed, **{**fields, **({} if passed else slow)}))
        story.later(60).heard()
    finding = the_one(story, LINE)
    assert (finding.bad, finding.direction) == (bad, direction)
    assert finding.limit == {"down": 100 * MBIT, "up": 20 * MBIT}[direction]


def test_a_line_that_nobody_tests() -> None:
    """There is no finding: an alert of a test that was taken away would stay for ever."""
    story = Story().heard().room_well("r1").saw(path_test("r1"), "r1")
    assert found(story, LINE) == []
    assert the_one(story.uplink(), LINE).bad == "no"


@pytest.mark.parametrize(
    ("hour", "mbps", "bad"), [(10, 95, "unknown"), (10, 300, "no"), (18, 95, "unknown"), (18, 300, "no")]
)
def test_a_line_that_is_shared(hour: int, mbps: int, bad: str) -> None:
    """Two rooms on it: what is enough for both is enough; after lessons too small a share is nobody's."""
    story = Story(policy=BY_SHARE, now=at(f"2026-11-23 {hour}:00")).heard()
    assert the_one(story.saw(bandwidth(at_least_bps=mbps * MBIT)), LINE).bad == bad


@pytest.mark.parametrize(("hour", "bad"), [(10, "yes"), (18, "unknown")])
def test_a_line_that_is_too_small_for_all(hour: int, bad: str) -> None:
    """It was measured to its end: enough for one, and not for two at once."""
    story = Story(policy=BY_SHARE, now=at(f"2026-11-23 {hour}:00")).heard()
    story.saw(bandwidth(estimate_mbps=120, at_most_bps=120 * MBIT))
    assert the_one(story, LINE).bad == bad


@pytest.mark.parametrize("basis", ["port", "reach"])
def test_where_only_ports_are_judged_nobody_is_told_of_lines(basis: Any) -> None:
    """Neither of lines and exits, nor of trunks."""
    story = Story(policy=replace(POLICY, basis=basis)).all_well()
    for _ in range(2):
        story.later(60).heard().uplink(passed=False).saw(trunk(10))
    bad = {each.cause: each.bad for each in of_school(shared(story.school, story.now, story.policy))}
    expected = "unknown" if basis == "port" else "yes"
    assert (bad[LINE], bad[Cause.SEGMENT_BELOW_REQUIRED]) == (expected, expected)


def two_gateways() -> Story:
    story = Story(school(gateways=(GATEWAY, OTHER))).heard().heard(OTHER).uplink()
    return from_other(from_other(story.room_well("r1"), bandwidth()), port("r2"), "r2")


@pytest.mark.parametrize(
    ("one", "other", "bad", "rooms"),
    [
        ("PP", "PP", "no", ("r1", "r2")),
        ("FF", "PP", "yes", ("r1",)),
        ("PP", "FF", "yes", ("r2",)),
        ("FF", "FF", "yes", ("r1", "r2")),
        ("PP", "F", "unknown", ("r2",)),
        ("PP", "", "no", ("r1",)),
    ],
)
def test_an_exit_that_two_gateways_see(one: str, other: str, bad: str, rooms: tuple[str, ...]) -> None:
    """One that sees it well does not clear it for the rooms of the other, nor speak for one that is not sure."""
    story = two_gateways()
    for n in range(2):
        story.later(60).heard().heard(OTHER)
        if n < len(one):
            story.saw(exit_test(passed=one[n] == "P"))
        if n < len(other):
            from_other(story, exit_test(passed=other[n] == "P"))
    finding = the_one(story, EXIT)
    assert (finding.bad, finding.classrooms) == (bad, rooms)


def test_evidence_of_an_exit_is_late_where_all_of_it_is() -> None:
    """What one gateway tells in time counts; its date is that of the newest."""
    for late, is_late in (((True, True), True), ((True, False), False), ((False, True), False)):
        story = two_gateways()
        for _ in range(2):
            story.later(60).heard().heard(OTHER).saw(exit_test(passed=False), late=late[0])
            from_other(story.later(1), exit_test(passed=False), late=late[1])
        finding = the_one(story, EXIT)
        assert (finding.late, finding.evidence_at) == (is_late, story.now)
        assert finding.since == story.now - 62


def test_an_exit_that_is_blamed_by_one_is_in_doubt_no_more() -> None:
    """Two gateways: one saw it fail for ten minutes, the other twice just now."""
    story = two_gateways()
    story.policy = replace(POLICY, blame_spacing_s=600)
    story.later(60).saw(exit_test(passed=False))
    story.later(600).heard().heard(OTHER)
    from_other(story, exit_test(passed=False)).later(60)
    from_other(story, exit_test(passed=False))
    assert (the_one(story, EXIT).bad, the_one(story, EXIT).in_doubt) == ("yes", True)
    story.saw(exit_test(passed=False))
    assert (the_one(story, EXIT).bad, the_one(story, EXIT).in_doubt) == ("yes", False)


def test_the_newest_look_at_a_platform_dates_it() -> None:
    """It has two pages: each new look counts, and is late if that look was."""
    story = Story(school(platforms={"national": ("page", "login")})).heard()
    assert found(story, MISSED) == []
    story.saw(http(target="page"), late=True)
    assert (the_one(story, MISSED).evidence_at, the_one(story, MISSED).late) == (story.now, True)
    story.later(30).saw(http(target="login"))
    assert (the_one(story, MISSED).evidence_at, the_one(story, MISSED).late) == (story.now, False)


SILENT_SWITCH = Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


@pytest.mark.parametrize(
    ("seen", "later_s", "bad"),
    [
        (SILENT_SWITCH, 0, "yes"),
        (SILENT_SWITCH, 149, "yes"),
        (SILENT_SWITCH, 600, "unknown"),
        (port("r1"), 0, "no"),
        (port("r1"), 600, "unknown"),
    ],
)
def test_a_switch_as_it_was_last_seen(seen: Port, later_s: float, bad: str) -> None:
    """Of what was looked at some intervals ago nobody knows how it is now."""
    story = Story().all_well().later(30).heard().saw(seen, "r1").later(later_s).heard()
    assert the_one(story, Cause.SWITCH_UNREACHABLE).bad == bad


def test_a_silent_gateway_says_nothing_of_lines() -> None:
    """What it measured last may have changed since."""
    story = Story().all_well().later(60).heard().uplink(passed=False).later(60).heard().uplink(passed=False)
    assert the_one(story, LINE).bad == "yes"
    assert the_one(story.event(Tick(), now=story.now + 600), LINE).bad == "unknown"


def test_an_exit_of_which_nothing_is_known() -> None:
    """It is asked for: that nothing came of it says neither that it is short nor that it is well."""
    vain = {"outcome": Outcome.UNMEASURED, "reason": Reason.TIMEOUT, "at_least_bps": None}
    finding = the_one(Story().heard().uplink().saw(exit_test(**vain)), EXIT)
    assert (finding.bad, finding.gateway, finding.classrooms) == ("unknown", "", ())


def test_a_silent_gateway_says_nothing_of_an_exit() -> None:
    """It is neither short nor well, and nothing about that is late or in doubt."""
    story = Story().all_well()
    for _ in range(2):
        story.later(60).heard().uplink().saw(exit_test(passed=False))
    assert the_one(story, EXIT).bad == "yes"
    finding = the_one(story.event(Tick(), now=story.now + 600), EXIT)
    assert (finding.bad, finding.late, finding.in_doubt, finding.evidence_at) == ("unknown", False, False, None)


def test_an_exit_that_is_short_in_two_directions() -> None:
    """One gateway finds its download short, the other its upload: told is one, by its own."""
    story = two_gateways()
    story.policy = BOTH
    from_other(story.saw(bandwidth(**UP)), bandwidth(**UP))
    for _ in range(2):
        story.later(60).heard().heard(OTHER).saw(exit_test(passed=False)).saw(exit_test(**UP_BEYOND))
        from_other(from_other(story, exit_test()), exit_test(passed=False, **UP_BEYOND, at_most_bps=10 * MBIT))
    finding = the_one(story, EXIT)
    assert (finding.bad, finding.direction, finding.gateway) == ("yes", "down", GATEWAY)
    assert (finding.classrooms, finding.measured, finding.limit) == (("r1",), 100 * MBIT, 100 * MBIT)
