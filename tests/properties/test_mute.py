"""What a window does and does not do, for every history of a school."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core import room_findings, school_findings
from collector.core.case import case_of, shared
from collector.core.events import AlertChange, VerdictChanged
from collector.core.maintenance import OnceWindow, WeeklyWindow
from collector.core.roster import Mute
from collector.roster.windows import moments, mutes
from tests.properties.test_core import HISTORIES, play
from tests.support.school import MONDAY, Story, Tick, school

EXAMPLES = settings(max_examples=60, deadline=None)
MUTES = st.builds(
    lambda start, length, platform: Mute(MONDAY + start, MONDAY + start + length, "maintenance", platform),
    st.sampled_from([-100.0, 0.0, 500.0, 40_000.0]),
    st.sampled_from([1.0, 300.0, 5_000.0, 200_000.0]),
    st.sampled_from([None, "national", "other"]),
)


def told(story: Story, mute: Mute | None, history: list[Any]) -> Story:
    well = story.school
    story.school = replace(well, hours=replace(well.hours, mutes=(mute,) if mute else ()))
    return play(story, history)


@EXAMPLES
@given(MUTES, HISTORIES)
def test_a_window_never_changes_a_verdict(mute: Mute, history: list[Any]) -> None:
    """The rooms, and all that is remembered but who was told, are what they are without one."""
    with_window, without = told(Story(school()), mute, history), told(Story(school()), None, history)
    of_both = [replace(s.school.state, alerts=()) for s in (with_window, without)]
    assert of_both[0] == of_both[1]
    open_in_both = [{(a.subject, a.cause, a.opened_at) for a in s.school.state.alerts} for s in (with_window, without)]
    assert open_in_both[0] == open_in_both[1]
    assert with_window.told(VerdictChanged) == without.told(VerdictChanged)


@EXAMPLES
@given(MUTES, HISTORIES)
def test_a_window_keeps_back_openings_alone(mute: Mute, history: list[Any]) -> None:
    """Nothing about its subject opens within; what opens and what closes alternate; what it kept back is told at most
    once, as still failing.
    """
    story = told(Story(school()), mute, history)
    last: dict[Any, str] = {}
    for change in story.told(AlertChange):
        key = (change.subject, change.cause)
        assert change.change != last.get(key, "closed")
        last[key] = change.change
        is_about = mute.platform in (None, change.subject.name if change.subject.kind == "platform" else None)
        if change.change == "opened" and is_about:
            assert not mute.start <= change.at < mute.end
            assert not change.still or change.at >= mute.end


@EXAMPLES
@given(MUTES, HISTORIES)
def test_a_window_loses_nothing(mute: Mute, history: list[Any]) -> None:
    """When it is over, whatever is open without one, and still seen to fail, is announced with one, too."""
    with_window, without = told(Story(school()), mute, history), told(Story(school()), None, history)
    end = max(with_window.now, mute.end)
    for story in (with_window, without):
        story.event(Tick(), now=end)
    kept_back = {(a.subject, a.cause) for a in with_window.school.state.alerts if a.opened_at and not a.announced}
    assert {(a.subject, a.cause) for a in without.school.state.alerts if a.opened_at} >= kept_back
    assert kept_back.isdisjoint(seen_to_fail(with_window))


def seen_to_fail(story: Story) -> set[Any]:
    """What is found bad now, and told by nobody else."""
    common = shared(story.school, story.now, story.policy)
    found = list(school_findings.of_school(common))
    for room in story.school.roster.classrooms.values():
        if (case := case_of(common, room)) is not None:
            found += room_findings.of_room(case)
    return {(f.subject, f.cause) for f in found if f.bad == "yes" and not f.explained and not f.in_doubt}


ZONES = st.sampled_from(["Asia/Shanghai", "UTC", "America/New_York", "America/Havana", "Australia/Lord_Howe"])
DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
CLOCKS = st.integers(0, 24 * 60).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
DST_FREE = ("Asia/Shanghai", "UTC")


@given(ZONES, DAYS, CLOCKS, CLOCKS)
def test_a_window_of_a_day(zone: str, day: date, one: str, other: str) -> None:
    """It ends after it begins, and is as long as it says, but for the hour that clocks may be set by."""
    begins, ends = sorted((one, other))
    if begins == ends:
        return
    window = OnceWindow(begins=f"{day} {begins}", ends=f"{day} {ends}", why="x")
    (found,) = mutes([window], ZoneInfo(zone), [day])
    said_s = (int(ends[:2]) - int(begins[:2])) * 3_600 + (int(ends[3:]) - int(begins[3:])) * 60
    assert found.start < found.end
    assert abs(found.end - found.start - said_s) <= (0 if zone in DST_FREE else 3_600)
    assert moments(day, begins, ZoneInfo(zone))[0] == found.start


@given(ZONES, ZONES, DAYS, st.integers(0, 6), CLOCKS)
def test_every_week_there_is_one(zone: str, own: str, today: date, weekday: int, clock: str) -> None:
    """Of a weekly window there are two or three within the two weeks, each on its day in its own zone."""
    if clock == "24:00":
        return
    days = [today + timedelta(days=n) for n in range(15)]
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    window = WeeklyWindow(days=(names[weekday],), begins=clock, ends="24:00", why="x", timezone=own)
    found = list(mutes([window], ZoneInfo(zone), days))
    assert 2 <= len(found) <= 4
    assert all(found[i].end <= found[i + 1].start for i in range(len(found) - 1))
    # the middle is on its day, whatever became of its edges
    middles = [datetime.fromtimestamp((mute.start + mute.end) / 2, UTC).astimezone(ZoneInfo(own)) for mute in found]
    assert {middle.weekday() for middle in middles} == {weekday}
