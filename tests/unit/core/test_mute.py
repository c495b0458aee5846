"""Maintenance and examination days: nobody is told of what begins to fail, and at the end of what still does."""

import pytest
from msgspec.structs import replace

from collector.core.events import AlertChange
from collector.core.roster import Mute
from collector.core.words import Cause
from tests.support.school import MONDAY, POLICY, Story, Tick, at, school

MINUTE = 60.0
BEGIN, END = MONDAY, MONDAY + 3_600.0


def muted(*mutes: Mute) -> Story:
    well = school()
    return Story(replace(well, hours=replace(well.hours, mutes=mutes)), now=BEGIN - 10 * MINUTE).all_well()


def see(story: Story, what: str, *, well: bool) -> Story:
    story.heard()
    if what == "platform":
        return story.platform(up=well)
    return story.uplink(passed=well, estimate_mbps=120 if well else 60)


def fail(story: Story, what: str) -> Story:
    """Long enough for an alert."""
    for _ in range(POLICY.raise_after):
        see(story.later(MINUTE), what, well=False)
    return story


def recover(story: Story, what: str) -> Story:
    for _ in range(3):
        see(story.later(MINUTE), what, well=True)
    return story


def at_end(story: Story, what: str, *, well: bool, end: float = END) -> Story:
    """Seen once more shortly before, and then only time passes."""
    return see(story.later(end - story.now - MINUTE), what, well=well).event(Tick(), now=end)


def told(story: Story, since: float = 0.0) -> list[tuple[str, str, bool]]:
    return [(c.change, c.cause.value, c.still) for c in story.told(AlertChange) if c.at >= since]


PLATFORM, UPLINK = Cause.PLATFORM_UNREACHABLE.value, Cause.UPLINK_BELOW_REQUIRED.value
WINDOW = Mute(BEGIN, END, "maintenance", None, "机房改造")
OTHER = Mute(BEGIN, END, "maintenance", "provincial", "x")
NATIONAL = Mute(BEGIN, END, "maintenance", "national", "x")
EXAM = Mute(BEGIN, END, "exam")


@pytest.mark.parametrize(
    ("mutes", "what", "during", "after"),
    [
        pytest.param((), "platform", [("opened", PLATFORM, False)], [], id="no window"),
        pytest.param((WINDOW,), "platform", [], [("opened", PLATFORM, True)], id="everything"),
        pytest.param((WINDOW,), "uplink", [], [("opened", UPLINK, True)], id="everything: a line"),
        pytest.param((EXAM,), "uplink", [], [("opened", UPLINK, True)], id="examination"),
        pytest.param((NATIONAL,), "platform", [], [("opened", PLATFORM, True)], id="that platform"),
        pytest.param((OTHER,), "platform", [("opened", PLATFORM, False)], [], id="another platform"),
        pytest.param((NATIONAL,), "uplink", [("opened", UPLINK, False)], [], id="a platform's window and a line"),
        pytest.param((OTHER, WINDOW), "uplink", [], [("opened", UPLINK, True)], id="one of two"),
    ],
)
def test_what_still_fails_at_the_end_is_told_then(mutes, what, during, after):
    """As still failing; what the window is not about is told at once."""
    story = muted(*mutes)
    story.later(10 * MINUTE)
    fail(story, what)
    assert told(story) == during
    at_end(story, what, well=False)
    assert told(story) == during + after
    assert [change[0] for change in told(story, END)] == [change[0] for change in after]


def test_the_end_wakes_the_school():
    """Time alone tells it: nothing else need happen."""
    story = fail(muted(WINDOW).later(END - BEGIN + 5 * MINUTE), "uplink")
    assert (story.now < END, told(story)) == (True, [])
    while (wake_at := story.wake_at) is not None and wake_at < END:
        story.event(Tick(), now=wake_at)
    assert (story.wake_at, told(story)) == (END, [])
    assert told(story.event(Tick(), now=END)) == [("opened", UPLINK, True)]


@pytest.mark.parametrize("what", ["platform", "uplink"])
def test_what_recovers_within_is_never_told(what):
    """Somebody worked on it, and it is well."""
    story = recover(fail(muted(WINDOW).later(10 * MINUTE), what), what)
    assert told(at_end(story, what, well=True)) == []


@pytest.mark.parametrize("what", ["platform", "uplink"])
def test_what_was_told_before_is_told_to_be_over(what):
    """Creation is suppressed, not resolution; and no window tells it again."""
    story = fail(muted(WINDOW), what)
    opened = told(story)
    assert [(change, still) for change, _, still in opened] == [("opened", False)]
    fail(story.later(10 * MINUTE), what)
    both = recover(story, what).told(AlertChange)
    assert [change.change for change in both if change.cause.value == opened[0][1]] == ["opened", "closed"]
    assert BEGIN < both[-1].at < END
    at_end(story, what, well=True)
    assert len(story.told(AlertChange)) == len(both)


def test_windows_that_adjoin():
    """Over midnight: at the end of the first the second has begun."""
    story = fail(muted(WINDOW, replace_end(WINDOW)).later(10 * MINUTE), "uplink")
    assert told(at_end(story, "uplink", well=False)) == []
    assert told(at_end(story, "uplink", well=False, end=END + 3_600.0)) == [("opened", UPLINK, True)]


def replace_end(window: Mute) -> Mute:
    return window._replace(start=window.end, end=window.end + 3_600.0)


def test_since_is_when_it_began():
    """Not when it is told."""
    story = at_end(fail(muted(WINDOW).later(10 * MINUTE), "platform"), "platform", well=False)
    (change,) = story.told(AlertChange)
    assert change.at == END
    assert BEGIN < (change.since or 0.0) < BEGIN + 5 * MINUTE


def test_observation_that_ends_says_so_too():
    """What the observation period kept back is as old as what a window kept back."""
    policy = replace(POLICY, observation_school_days=1)
    story = Story(now=at("2026-11-23 16:00"), policy=policy).all_well()
    fail(story, "uplink")
    assert told(story) == []
    at_end(story, "uplink", well=False, end=at("2026-11-24 08:00"))
    assert told(story) == [("opened", UPLINK, True)]
