"""The calendar in any zone, whatever stands in the timetable."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.core.hours import Calendar, in_lesson, next_quiet, period_at
from collector.core.timetable import QUIET_KINDS, PeriodEntry, TimetableEntry
from collector.roster.calendar import hours
from collector.roster.files import ClassroomEntry, SchoolEntry

ZONES = ("Asia/Shanghai", "Asia/Kathmandu", "UTC", "America/New_York", "America/Havana", "Australia/Lord_Howe")
KINDS = ("lesson", "break", "long_break", "after_school", "evening_study")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@st.composite
def periods(draw):
    """In order and disjoint, as `check` lets them be."""
    minutes = sorted(draw(st.lists(st.integers(0, 24 * 60), min_size=2, max_size=12, unique=True)))
    clocks = [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes]
    return tuple(
        PeriodEntry(begins=begins, ends=ends, kind=draw(st.sampled_from(KINDS)))
        for begins, ends in pairwise(clocks)
        if draw(st.booleans())
    )


def found(zone, plans, now, **changes):
    timetables = [TimetableEntry(name=f"t{i}", days=DAYS, periods=plan) for i, plan in enumerate(plans)]
    rooms = tuple(ClassroomEntry(id=f"r{i}", follows=f"t{i}") for i in range(1, len(plans)))
    entry = SchoolEntry(id="s1", name="S", timezone=zone, follows="t0", school_days="every", classrooms=rooms)
    return hours(entry, Calendar(timetables=tuple(timetables), **changes), now.timestamp())


moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.sampled_from(ZONES), st.lists(periods(), min_size=1, max_size=3), moments)
def test_spans_are_in_order_and_disjoint(zone, plans, now):
    """Whatever clocks do: what is looked up by bisection must be sorted, disjoint, and not empty."""
    hours_ = found(zone, plans, now)
    for starts, ends in [(hours_.starts, hours_.ends), (hours_.quiet_starts, hours_.quiet_ends)]:
        assert all(start < end for start, end in zip(starts, ends, strict=True))
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


@given(st.sampled_from(ZONES), st.lists(periods(), min_size=1, max_size=3), moments, st.integers(0, 86_400))
def test_what_is_asked_of_a_moment_agrees(zone, plans, now, later_s):
    """A lesson is a lesson, whatever is quiet is found as quiet, and a break is not."""
    hours_ = found(zone, plans, now)
    at = (now + timedelta(seconds=later_s)).timestamp()
    kind = period_at(hours_, at)
    assert (kind == "lesson") is in_lesson(hours_, at)
    if len(plans) == 1:  # else another group may be taught in this one's break
        assert bool(next_quiet(hours_, at, 0.001)) is (kind in QUIET_KINDS)
    elif kind in QUIET_KINDS:
        assert next_quiet(hours_, at, 0.001)
