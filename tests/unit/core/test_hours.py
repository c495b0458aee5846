"""School time."""

import msgspec
import pytest

from collector.core.hours import (
    Calendar,
    MakeUpDay,
    Term,
    after_school_hours,
    before_school_hours,
    in_lesson,
    is_school_day,
    local_date,
    school_days_between,
    school_hours_between,
)
from collector.core.roster import Hours, SchoolDay
from tests.support.school import at, weekdays

HOURS = weekdays()


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-23 08:00", True),
        ("2026-11-23 16:59", True),
        ("2026-11-23 17:00", False),
        ("2026-11-23 07:59", False),
        ("2026-11-22 10:00", False),
        ("2030-01-01 10:00", False),
    ],
)
def test_in_lesson(time, expected):
    """The first second of a lesson is in it, the last is not; weekends and unknown dates are not."""
    assert in_lesson(HOURS, at(time)) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-23 09:00", "2026-11-23 10:30", 1.5),
        ("2026-11-23 16:00", "2026-11-24 09:00", 2.0),
        ("2026-11-20 16:00", "2026-11-23 09:00", 2.0),
        ("2026-11-21 10:00", "2026-11-22 10:00", 0.0),
        ("2026-11-23 10:00", "2026-11-23 09:00", 0.0),
        ("2026-11-16 00:00", "2026-11-23 00:00", 45.0),
    ],
)
def test_school_hours_between(start, end, expected):
    """Nights and weekends do not age evidence."""
    assert school_hours_between(HOURS, at(start), at(end)) == pytest.approx(expected)


def test_school_days_between():
    """Days are counted after the first, with the last; a Friday and the Monday after it are one apart."""
    assert school_days_between(HOURS, at("2026-11-20 10:00"), at("2026-11-23 10:00")) == 1
    assert school_days_between(HOURS, at("2026-11-20 10:00"), at("2026-11-22 10:00")) == 0
    assert school_days_between(HOURS, at("2026-11-23 10:00"), at("2026-11-20 10:00")) == 0


def test_local_date_and_school_day():
    """The date is the school's, not UTC's."""
    assert local_date(HOURS, at("2026-11-23 00:30")) == "2026-11-23"
    assert is_school_day(HOURS, at("2026-11-23 23:30"))
    assert not is_school_day(HOURS, at("2026-11-22 10:00"))


@pytest.mark.parametrize("kind", [Calendar, MakeUpDay, Term])
def test_a_misspelt_key_of_the_calendar_is_refused(kind):
    """Unseen it would leave a term or a day off out."""
    whole = {"first": "2026-09-01", "last": "2027-01-20", "date": "2026-10-10", "follows": "fri"}
    right = {name: value for name, value in whole.items() if name in kind.__struct_fields__}
    msgspec.convert(right, kind)
    with pytest.raises(msgspec.ValidationError, match="unknown field `frist`"):
        msgspec.convert({**right, "frist": "2026-09-01"}, kind)


def test_a_lesson_before_its_day_by_the_clock_of_another_season():
    """Where clocks are set, a day's lessons begin an hour before the midnight that today's offset gives."""
    begin = at("2026-11-22 23:30")
    hours = Hours((SchoolDay("2026-11-22"), SchoolDay("2026-11-23", ((begin, begin + 7_200),))))
    assert in_lesson(hours, begin + 60)
    assert school_hours_between(hours, begin - 900, begin + 900) == 0.25


def test_a_night_belongs_to_both_its_lessons():
    """After exactly a day of lessons nothing ages until the next begins, and before it nothing since the last ended."""
    monday_5pm, tuesday_5pm, tuesday_8am = at("2026-11-23 17:00"), at("2026-11-24 17:00"), at("2026-11-24 08:00")
    assert before_school_hours(HOURS, tuesday_5pm, 9) == monday_5pm
    assert after_school_hours(HOURS, at("2026-11-23 08:00"), 9) == tuesday_8am


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("time", "is_day", "is_taught"),
    [
        ("2026-11-22 23:59:59", False, False),
        ("2026-11-23 00:00", True, False),
        ("2026-11-23 08:00", True, True),
        ("2026-11-23 16:59:59", True, True),
        ("2026-11-23 17:00", True, False),
        ("2026-11-23 23:59:59", True, False),
    ],
)
def test_the_first_day_that_is_known_is_a_day(count, time, is_day, is_taught):
    """Also where it is the only one."""
    hours = weekdays("2026-11-23", count)
    assert (is_school_day(hours, at(time)), in_lesson(hours, at(time))) == (is_day, is_taught)
