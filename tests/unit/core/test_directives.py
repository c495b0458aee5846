"""The down channel: thetas, quiet hours, retests."""

import msgspec
import pytest

from collector.core.directives import directives
from collector.core.policy import Policy
from collector.core.roster import Hours, Mute, SchoolDay
from collector.core.state import School
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, roster


def test_thetas_and_version_follow_the_policy():
    """theta0 is the requirement less the tolerance; another policy has another version."""
    story = Story()
    first = directives([story.school], GATEWAY, POLICY, story.now)
    assert (first.theta.down, first.theta.up) == ((95e6, 100e6), None)
    other = directives([story.school], GATEWAY, Policy(required_up_bps=10_000_000), story.now)
    assert (other.theta.up, other.policy_version != first.policy_version) == ((9.5e6, 1e7), True)
    assert directives([story.school], GATEWAY, msgspec.structs.replace(POLICY), story.now) == first


def test_a_test_that_no_longer_decides_is_made_anew():
    """What was proven for 100 Mbit/s says nothing of 300, nor does a pass prove the other direction."""
    story = Story().uplink(passed=True).uplink(passed=True).later(60)
    ordered = [
        directives([story.school], GATEWAY, policy, story.now).retest
        for policy in (
            POLICY,
            Policy(required_down_bps=300_000_000),
            POLICY,
            Policy(required_up_bps=300_000_000),
        )
    ]
    assert ordered == [(), ("uplink",), (), ()]


def test_quiet_is_the_lessons_of_the_next_day():
    """The present lesson and tomorrow's are quiet."""
    story = Story()
    quiet = directives([story.school], GATEWAY, POLICY, story.now).quiet
    assert quiet == (
        (at("2026-11-23 08:00"), at("2026-11-23 17:00")),
        (at("2026-11-24 08:00"), at("2026-11-24 17:00")),
    )


def test_lessons_that_never_end_are_not_quiet():
    """With ``timetable: always`` there is no better time, so tests are not forbidden."""
    days = tuple(
        SchoolDay(f"2026-11-{day}", ((at(f"2026-11-{day} 00:00"), at(f"2026-11-{day + 1} 00:00")),))
        for day in range(20, 28)
    )
    always = School(roster=roster(), hours=Hours(days))
    assert directives([always], GATEWAY, POLICY, at("2026-11-23 10:00")).quiet == ()


def test_retest_is_ordered_until_settled():
    """After one failure the target is listed from the spacing on; a second result settles it."""
    story = Story().heard().uplink(passed=False)

    def retest() -> tuple[str, ...]:
        return directives([story.school], GATEWAY, POLICY, story.now).retest

    assert retest() == ()
    assert (story.later(60) and retest()) == ("uplink",)
    story.uplink(passed=False)
    assert (story.later(60) and retest()) == ()
    story.uplink(passed=True)
    assert (story.later(60) and retest()) == ("uplink",), "a contradiction is tested again"
    story.uplink(passed=True)
    assert (story.later(60) and retest()) == ()


def test_each_direction_is_measured_by_what_is_asked_of_it():
    """An upload of 25M is enough where 20M are asked, whatever is asked of downloads."""
    story = Story(policy=Policy(required_up_bps=20_000_000, blame_spacing_s=0)).heard()
    story.saw(bandwidth(direction="up", target="up", at_least_bps=25e6)).later(60)
    assert directives([story.school], GATEWAY, story.policy, story.now).retest == ()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param([(9, 11), (15, 17)], [(8, 11), (14, 17)], id="overlap"),
        pytest.param([(8, 9), (15, 15.5)], [(8, 10), (14, 16)], id="within"),
        pytest.param([(10, 11), (16, 17)], [(8, 11), (14, 17)], id="one after the other"),
        pytest.param([(11, 12), (17, 18)], [(8, 10), (11, 12), (14, 16), (17, 18)], id="apart"),
    ],
)
def test_quiet_is_the_lessons_of_all_schools_together(other, expected):
    """A gateway that serves two schools is quiet while either has lessons; spans that touch are one."""
    midnight = at("2026-11-23 00:00")

    def spans(hours: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return tuple((midnight + 3_600 * begin, midnight + 3_600 * end) for begin, end in hours)

    schools = [
        School(roster=roster(), hours=Hours((SchoolDay("2026-11-23", spans(lessons)),)))
        for lessons in ([(8, 10), (14, 16)], other)
    ]
    assert directives(schools, GATEWAY, POLICY, midnight).quiet == spans(expected)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([0], [0], id="today"),
        pytest.param([1], [1], id="tomorrow"),
        pytest.param([2], [], id="beyond a day"),
        pytest.param([-1], [], id="over"),
    ],
)
def test_nothing_may_be_sent_during_examinations(days, expected):
    """Told a day ahead, for any school of the gateway; it is quiet, too, for agents that know no better."""
    midnight = at("2026-11-23 00:00")

    def spans(numbers: list[int]) -> tuple[tuple[float, float], ...]:
        return tuple((midnight + 86_400 * n, midnight + 86_400 * (n + 1)) for n in numbers)

    exams = tuple(Mute(start, end, "exam") for start, end in spans(days))
    work = Mute(midnight, midnight + 86_400, "maintenance")
    schools = [School(roster=roster()), School(roster=roster(), hours=Hours(mutes=(*exams, work)))]
    told = directives(schools, GATEWAY, POLICY, midnight + 36_000)
    assert told.no_load == spans(expected)
    assert told.quiet == spans(expected)
