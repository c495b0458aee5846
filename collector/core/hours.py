"""School time: "in a lesson?", "school hours between?", "which school day?", from days that the shell computed."""

from bisect import bisect_right
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Literal

from msgspec import Meta, Struct

from collector.core.state import Hours, SchoolDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Date = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", examples=["2026-09-01"], description="year, month, day"),
]

DAY_S = 86_400.0


class Term(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    first: Date
    """First day of the term."""
    last: Date
    """Last day of the term."""


class MakeUpDay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """调休: a school day off the usual week, and the weekday whose timetable it follows."""

    date: Date
    """The day."""
    follows: Weekday
    """The weekday whose timetable it follows."""


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A school day is a working day within a term. No ``terms`` = every working day."""

    terms: tuple[Term, ...] = ()
    """Empty = the whole year."""
    make_up_days: tuple[MakeUpDay, ...] = ()
    """School days off the usual week (调休)."""
    days_off: tuple[Date, ...] = ()
    """Days without lessons beyond the public holidays."""


def in_lesson(hours: Hours, at: float) -> bool:
    """Say whether ``at`` falls into a lesson; its first second does, its last does not."""
    return any(start <= at < end for day in _days_near(hours, at) for start, end in day.lessons)


def next_lessons(hours: Hours, now: float, horizon_s: float) -> tuple[tuple[float, float], ...]:
    """Lessons that touch ``now .. now + horizon_s``, in order."""
    return tuple(
        (start, end) for day in hours.days for start, end in day.lessons if end > now and start < now + horizon_s
    )


def school_hours_between(hours: Hours, start: float, end: float) -> float:
    """Hours of lessons in ``start .. end``: the scale on which evidence ages. 0 when ``end`` is not later."""
    if end <= start:
        return 0.0
    seconds = sum(
        max(0.0, min(end, lesson_end) - max(start, lesson_start))
        for day in hours.days[_first_day(hours, start) : _first_day(hours, end) + 2]
        for lesson_start, lesson_end in day.lessons
    )
    return seconds / 3_600


def local_date(hours: Hours, at: float) -> str:
    """Calendar date ``YYYY-MM-DD`` at the school."""
    days, _ = divmod(at + hours.utc_offset_s, DAY_S)
    return _iso_date(int(days))


def is_school_day(hours: Hours, at: float) -> bool:
    index = _days_until(hours, at) - 1
    return index >= 0 and hours.days[index].date == local_date(hours, at)


def school_days_between(hours: Hours, start: float, end: float) -> int:
    """School days after the day of ``start``, up to and with the day of ``end``."""
    return _days_until(hours, end) - _days_until(hours, start) if end > start else 0


def _days_until(hours: Hours, at: float) -> int:
    """How many of the school's days have begun at ``at``."""
    return bisect_right(hours.days, local_date(hours, at), key=_date)


def _date(day: SchoolDay) -> str:
    return day.date


def _first_day(hours: Hours, at: float) -> int:
    """Index of the last school day that began before ``at`` (0 if none): where a lesson at ``at`` could be."""
    return max(0, _days_until(hours, at) - 1)


def _days_near(hours: Hours, at: float) -> tuple[SchoolDay, ...]:
    first = _first_day(hours, at)
    return hours.days[max(0, first - 1) : first + 2]


@lru_cache(maxsize=1024)
def _iso_date(days_since_epoch: int) -> str:
    """Civil date of a day number (proleptic Gregorian calendar), without a clock or a time zone library."""
    return (date(1970, 1, 1) + timedelta(days=days_since_epoch)).isoformat()
