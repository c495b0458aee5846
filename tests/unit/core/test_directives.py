"""The down channel: thetas, quiet hours, retests."""

from collector.core.directives import directives
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolDay
from collector.core.state import School
from tests.support.school import GATEWAY, POLICY, Story, at, roster


def test_thetas_and_version_follow_the_policy():
    """theta0 is the requirement less the tolerance; another policy has another version."""
    story = Story()
    first = directives([story.school], GATEWAY, POLICY, story.now)
    assert (first.theta.down, first.theta.up) == ((95e6, 100e6), None)
    other = directives([story.school], GATEWAY, Policy(required_up_bps=10_000_000), story.now)
    assert (other.theta.up, other.policy_version != first.policy_version) == ((9.5e6, 1e7), True)


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
