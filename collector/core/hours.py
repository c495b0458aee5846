"""School time: "in a lesson?", "school hours between?", "which school day?", from days that the shell computed."""

from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from functools import lru_cache
from math import inf
from typing import Annotated

from msgspec import Meta, Struct

from collector.core.roster import DAY_S, Hours
from collector.core.timetable import PeriodKind, TimetableEntry, Weekday

Date = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", examples=["2026-09-01"], description="year, month, day"),
]


class Term(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    first: Date
    """First day of the term."""
    last: Date
    """Last day of the term."""


class MakeUpDay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """调休: a school day off the usual week."""

    date: Date
    """The day."""
    follows: Weekday | None = None
    """The weekday whose timetable it follows; null = its own if there is one, else lessons 08:00-17:00."""


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A school day is a working day within a term. No ``terms`` = every working day."""

    terms: tuple[Term, ...] = ()
    """Empty = the whole year."""
    make_up_days: tuple[MakeUpDay, ...] = ()
    """School days off the usual week (调休)."""
    days_off: tuple[Date, ...] = ()
    """Days without lessons beyond the public holidays."""
    exam_days: tuple[Date, ...] = ()
    """Days on which the rooms are examination rooms: no lessons, no load on any line, no alerts."""
    timetables: tuple[TimetableEntry, ...] = ()
    """Of stages, kinds and whoever names them. A school without one has lessons Mon-Fri 08:00-17:00."""


@lru_cache(maxsize=64)
def into_day_s(clock: str) -> float:
    """Seconds from midnight to a time of day such as ``08:40``."""
    hour, minute = clock.split(":")
    return 3_600.0 * int(hour) + 60.0 * int(minute)


def in_lesson(hours: Hours, at: float) -> bool:
    """Say whether ``at`` falls into a lesson; its first second does, its last does not."""
    begun = bisect_right(hours.starts, at)
    return begun > 0 and at < hours.ends[begun - 1]


def lesson_at(hours: Hours, at: float) -> tuple[float, float] | None:
    """The lesson that ``at`` falls into: when it began and when it ends."""
    begun = bisect_right(hours.starts, at)
    return (hours.starts[begun - 1], hours.ends[begun - 1]) if begun and at < hours.ends[begun - 1] else None


def last_begun(hours: Hours, at: float) -> float:
    """When the last lesson began that had begun by ``at``; minus infinity = none is known."""
    begun = bisect_right(hours.starts, at)
    return hours.starts[begun - 1] if begun else -inf


def are_lessons_ahead(hours: Hours, at: float) -> bool:
    """Whether any lesson that is known begins after ``at``."""
    return bisect_right(hours.starts, at) < len(hours.starts)


def period_at(hours: Hours, at: float) -> PeriodKind | None:
    """What the timetable says for ``at``; None = nothing. Where groups of rooms differ, a lesson of any wins."""
    if in_lesson(hours, at):
        return "lesson"
    # a midnight may be an hour off where clocks are set, so the days beside it are looked at as well
    begun = bisect_right(hours.midnights, at)
    periods = (period for day in hours.days[max(0, begun - 2) : begun + 1] for period in day.others)
    return next((period.kind for period in periods if period.start <= at < period.end), None)


def hours_of(hours: Hours, classroom: str) -> Hours:
    """The hours of one room: those of its group, else the school's."""
    return hours.rooms.get(classroom, hours)


def next_quiet(hours: Hours, now: float, horizon_s: float) -> tuple[tuple[float, float], ...]:
    """When nothing may load the lines, as far as that touches ``now .. now + horizon_s``, in order."""
    coming = slice(bisect_right(hours.quiet_ends, now), bisect_left(hours.quiet_starts, now + horizon_s))
    return tuple(zip(hours.quiet_starts[coming], hours.quiet_ends[coming], strict=True))


def school_hours_between(hours: Hours, start: float, end: float) -> float:
    """Hours of lessons in ``start .. end``: the scale on which evidence ages. 0 when ``end`` is not later.

    The kept days reach as far back as any age limit: what is older than the oldest of them is too old already.
    """
    return (_taught_until_s(hours, end) - _taught_until_s(hours, start)) / 3_600 if end > start else 0.0


def _taught_until_s(hours: Hours, at: float) -> float:
    """Seconds of lessons from the first of the school's days on."""
    begun = bisect_right(hours.starts, at)
    return hours.taught_s[begun - 1] - max(0.0, hours.ends[begun - 1] - at) if begun else 0.0


def local_date(hours: Hours, at: float) -> str:
    """Calendar date ``YYYY-MM-DD`` at the school."""
    days, _ = divmod(at + hours.utc_offset_s, DAY_S)
    return _iso_date(int(days))


def is_school_day(hours: Hours, at: float) -> bool:
    # a date that is no school day has no midnight here: it lies behind the end of the one before
    begun = bisect_right(hours.midnights, at)
    return begun > 0 and at < hours.midnights[begun - 1] + DAY_S


def school_days_between(hours: Hours, start: float, end: float) -> int:
    """School days after the day of ``start``, up to and with the day of ``end``."""
    return bisect_right(hours.midnights, end) - bisect_right(hours.midnights, start) if end > start else 0


def next_boundary(hours: Hours, after: float) -> float:
    """When the next lesson begins or ends, the next school day begins, or what mutes ends; infinite = none is known."""
    coming = [
        times[index]
        for times in (hours.starts, hours.ends, hours.midnights, hours.mute_ends)
        if (index := bisect_right(times, after)) < len(times)
    ]
    return min(coming, default=inf)


def before_school_hours(hours: Hours, end: float, count_h: float) -> float:
    """The earliest moment from which there are at most ``count_h`` hours of lessons until ``end``.

    What is older has aged more, so whoever asks for many ages asks once for this. Minus infinity where there never were
    more lessons.
    """
    # the seconds that had been taught by then: later lessons are the last hours before ``end``
    left_s = _taught_until_s(hours, end) - count_h * 3_600
    if left_s <= 0:
        return -inf
    lesson = bisect_left(hours.taught_s, left_s)
    return hours.ends[lesson] - (hours.taught_s[lesson] - left_s)


def before_school_days(hours: Hours, end: float, count: int) -> float:
    """The earliest moment from which there are at most ``count`` school days until ``end`` (`school_days_between`).

    Where fewer days are known every earlier moment is that near; where none is, days of the calendar are counted.
    """
    if not hours.midnights:
        return end - count * DAY_S
    day = bisect_right(hours.midnights, end) - 1 - count
    return hours.midnights[day] if day >= 0 else -inf


def after_school_hours(hours: Hours, start: float, count_h: float) -> float:
    """The last moment at which no more than ``count_h`` hours of lessons have gone by since ``start``."""
    until_s = _taught_until_s(hours, start) + count_h * 3_600
    lesson = bisect_right(hours.taught_s, until_s)
    return hours.ends[lesson] - (hours.taught_s[lesson] - until_s) if lesson < len(hours.ends) else inf


@lru_cache(maxsize=1024)
def _iso_date(days_since_epoch: int) -> str:
    """Civil date of a day number (proleptic Gregorian calendar), without a clock or a time zone library."""
    return (date(1970, 1, 1) + timedelta(days=days_since_epoch)).isoformat()
