"""When a gateway that reports no more is told of: by lesson time, so that a night is nobody's trouble."""

import pytest
from msgspec.structs import replace

from collector.core.events import AlertChange, Resumed
from collector.core.roster import Hours, SchoolDay
from collector.core.words import Cause
from tests.support.school import POLICY, Story, Tick, at, school

HELD = replace(POLICY, silence_hold_s=900, silence_hold_next_lesson_s=600)


def told_at(last: str, until: str, *, policy: object = HELD, hours: Hours | None = None) -> str | None:
    """Heard for the last time at ``last``, never again: when somebody is told, looked at whenever it says."""
    start = school() if hours is None else replace(school(), hours=hours)
    story = Story(start, policy=policy, now=at(last)).heard()
    while story.wake_at is not None and story.wake_at <= at(until):
        story.event(Tick(), now=story.wake_at)
        if told := [change for change in story.told(AlertChange) if change.cause is Cause.GATEWAY_SILENT]:
            assert told[0].since == at(last)
            return next(text for text in _minutes(last, until) if at(text) >= story.now - 1)
    return None


def _minutes(first: str, last: str) -> list[str]:
    days = ("2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25")
    every = [f"{day} {hour:02}:{minute:02}" for day in days for hour in range(24) for minute in range(60)]
    return [text for text in every if first <= text <= last]


@pytest.mark.parametrize(
    ("last", "told"),
    [
        pytest.param("2026-11-23 10:00", "2026-11-23 10:15", id="in a lesson: a quarter of an hour"),
        pytest.param("2026-11-23 16:50", "2026-11-24 08:05", id="ten minutes before the end: five of the next day"),
        pytest.param("2026-11-23 17:00", "2026-11-24 08:10", id="as lessons end: ten minutes of the next day"),
        pytest.param("2026-11-23 22:30", "2026-11-24 08:10", id="power cut at night"),
        pytest.param("2026-11-20 23:00", "2026-11-23 08:10", id="and over the weekend"),
        pytest.param("2026-11-24 07:59", "2026-11-24 08:10", id="just before the first lesson"),
    ],
)
def test_when_a_silence_is_told(last: str, told: str) -> None:
    """Lesson time counts, and what fell silent outside lessons has ten minutes of the next one."""
    assert told_at(last, "2026-11-25 12:00") == told


def test_breaks_do_not_count() -> None:
    """Lessons of 40 minutes with breaks of 20: silent five minutes before a break, told ten minutes after it."""
    lessons = tuple((at(f"2026-11-23 {h:02}:00"), at(f"2026-11-23 {h:02}:40")) for h in range(8, 17))
    hours = Hours((SchoolDay("2026-11-23", lessons),))
    assert told_at("2026-11-23 08:35", "2026-11-23 17:00", hours=hours) == "2026-11-23 09:10"
    assert told_at("2026-11-23 08:45", "2026-11-23 17:00", hours=hours) == "2026-11-23 09:10"


@pytest.mark.parametrize("last", ["2026-11-23 10:00", "2026-11-23 23:00"])
def test_no_hold(last: str) -> None:
    """With 0 it is told as soon as it is silent, three intervals later, lesson or not."""
    at_once = replace(HELD, silence_hold_s=0)
    assert told_at(last, "2026-11-25 12:00", policy=at_once) == f"{last[:-2]}03"


def test_without_lessons_nobody_is_told() -> None:
    """Holidays: power is off for weeks, and harms no lesson."""
    assert told_at("2026-11-23 10:00", "2026-11-25 12:00", hours=Hours()) is None


def test_a_night_tells_nobody() -> None:
    """Off from ten to seven, every night for a week: shown, and no message, neither of silence nor of its end."""
    story = Story(policy=HELD, now=at("2026-11-23 07:00"))
    for day in range(23, 28):
        for minute in range(7 * 60, 22 * 60, 5):
            story.now = at(f"2026-11-{day} {minute // 60:02}:{minute % 60:02}")
            story.heard(interval_s=300)
        story.event(Tick(), now=at(f"2026-11-{day} 23:59"))
        assert story.school.state.gateways["dem-gw-01"].silent
    assert story.told(AlertChange) == []


def test_the_collectors_own_absence_does_not_count() -> None:
    """It was away for an hour of lessons: whoever is silent when it is back is told a quarter of an hour later."""
    story = Story(policy=HELD, now=at("2026-11-23 09:00")).heard()
    story.event(Resumed(away_from=at("2026-11-23 09:01"), away_to=at("2026-11-23 10:01")), now=at("2026-11-23 10:01"))
    story.event(Tick(), now=at("2026-11-23 10:14"))
    assert story.school.state.gateways["dem-gw-01"].silent
    assert story.told(AlertChange) == []
    story.event(Tick(), now=at("2026-11-23 10:16"))
    assert [change.cause for change in story.told(AlertChange)] == [Cause.GATEWAY_SILENT]
