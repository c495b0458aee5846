"""School time: "in a lesson?", "school hours between?", "which school day?", from days that the shell computed."""

from bisect import bisect_right
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain
from math import inf
from typing import Annotated, Literal

from msgspec import Meta, Struct

from collector.core.roster import Hours, SchoolDay

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
    """Hours of lessons in ``start .. end``: the scale on which evidence ages. 0 when ``end`` is not later.

    The kept days reach as far back as any age limit: what is older than the oldest of them is too old already.
    """
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


def next_boundary(hours: Hours, after: float) -> float:
    """When the next lesson begins or ends, or the next school day does (at its midnight); infinite = none is known."""
    first = _first_day(hours, after)
    times = [time for day in hours.days[first : first + 3] for time in (_midnight(hours, day), *chain(*day.lessons))]
    return min((time for time in times if time > after), default=inf)


def before_school_hours(hours: Hours, end: float, count_h: float) -> float:
    """The earliest moment from which there are at most ``count_h`` hours of lessons until ``end``.

    What is older has aged more, so whoever asks for many ages asks once for this. Minus infinity where there never were
    more lessons.
    """
    left_s = count_h * 3_600
    for day in reversed(hours.days[: _days_until(hours, end) + 1]):
        for start, stop in reversed(day.lessons):
            span_s = max(0.0, min(stop, end) - start)
            if span_s > left_s:
                return min(stop, end) - left_s
            left_s -= span_s
    return -inf


def after_school_hours(hours: Hours, start: float, count_h: float) -> float:
    """The last moment at which no more than ``count_h`` hours of lessons have gone by since ``start``."""
    left_s = count_h * 3_600
    for day in hours.days[_first_day(hours, start) :]:
        for begin, stop in day.lessons:
            span_s = max(0.0, stop - max(begin, start))
            if span_s > left_s:
                return max(begin, start) + left_s
            left_s -= span_s
    return inf


@lru_cache(maxsize=4096)
def _day_number(iso_date: str) -> int:
    return (date.fromisoformat(iso_date) - date(1970, 1, 1)).days


def _midnight(hours: Hours, day: SchoolDay) -> float:
    return _day_number(day.date) * DAY_S - hours.utc_offset_s


def _days_until(hours: Hours, at: float) -> int:
    """How many of the school's days have begun at ``at``."""
    return bisect_right(hours.dates, local_date(hours, at))


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
