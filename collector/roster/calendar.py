"""Which days are school days, and when the lessons are: per school, in its own time zone, as ``core.state.Hours``.

A school day is a working day within a term, and the term wins. Official working days come from chinese-calendar, which
knows only years that the State Council has announced; for others Monday to Friday without the fixed holidays.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfo

import chinese_calendar
import msgspec
import structlog

from collector.core.hours import Calendar, Weekday
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolDay
from collector.roster.files import SchoolEntry

PAST_DAYS = 60
FUTURE_DAYS = 14
LOOK_BACK_MAX_DAYS = 6 * 366
"""1,000 school days, the most that a policy can ask for, lie within six years of 190."""
HOUR_S = 3_600.0

_DEFAULTS = Policy()
_SCHOOL_DAY_SETTINGS = tuple(name for name in Policy.__struct_fields__ if name.endswith("_school_days"))
_SCHOOL_HOUR_SETTINGS = tuple(name for name in Policy.__struct_fields__ if name.endswith("_school_hours"))

_log = structlog.get_logger()

_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_OFFICE_HOURS = (("08:00", "17:00"),)
_WHOLE_DAY = (("00:00", "24:00"),)
_FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""(month, day) that are holidays every year (State Council order 795, from 2025); the others follow the moon."""

Spans = tuple[tuple[str, str], ...]


def hours_of_schools(
    entries: Mapping[str, SchoolEntry], calendar: Calendar, now: float, policy: Policy = _DEFAULTS
) -> dict[str, Hours]:
    """Hours of every school around ``now``; schools with the same timetable share one value."""
    shared: dict[bytes, Hours] = {}
    found: dict[str, Hours] = {}
    for school, entry in entries.items():
        key = msgspec.json.encode((entry.timezone, entry.timetable, entry.school_days))
        if key not in shared:
            shared[key] = hours(entry, calendar, now, policy)
        found[school] = shared[key]
    return found


def hours(entry: SchoolEntry, calendar: Calendar, now: float, policy: Policy = _DEFAULTS) -> Hours:
    """School days until ``FUTURE_DAYS`` after ``now``, and of the past as many as any age of ``policy`` can reach.

    An age is counted in these days: what is older than the oldest of them must already be too old.
    """
    zone = ZoneInfo(entry.timezone)
    today = datetime.fromtimestamp(now, zone)
    offset = today.utcoffset()
    coming = (today.date() + timedelta(days=n) for n in range(FUTURE_DAYS + 1))
    past = [*_past(entry, calendar, today.date(), policy)]
    return Hours(
        days=(*reversed(past), *_school_days(coming, entry, calendar)),
        utc_offset_s=offset.total_seconds() if offset else 0.0,
    )


def _past(entry: SchoolEntry, calendar: Calendar, today: date, policy: Policy) -> Iterator[SchoolDay]:
    """School days before ``today``, newest first: ``PAST_DAYS``, and on over holidays until the policy has enough.

    Before the first term that is listed nothing is known, so the walk ends there.
    """
    days_needed = max(getattr(policy, name) for name in _SCHOOL_DAY_SETTINGS)
    hours_needed = max(getattr(policy, name) for name in _SCHOOL_HOUR_SETTINGS)
    if not any(spans_on(entry, weekday) for weekday in _WEEKDAYS):
        hours_needed = 0.0
    known_from = min((term.first for term in calendar.terms), default="") if _has_calendar(entry) else ""
    count, lessons_s = 0, 0.0
    for n in range(1, LOOK_BACK_MAX_DAYS + 1):
        day = today - timedelta(days=n)
        enough = count > days_needed and lessons_s >= hours_needed * HOUR_S
        if n > PAST_DAYS and (enough or day.isoformat() < known_from):
            return
        for school_day in _school_days([day], entry, calendar):
            count += 1
            lessons_s += sum(end - start for start, end in school_day.lessons)
            yield school_day


def _school_days(days: Iterable[date], entry: SchoolEntry, calendar: Calendar) -> Iterator[SchoolDay]:
    zone = ZoneInfo(entry.timezone)
    for day in days:
        if (weekday := followed_weekday(day, entry, calendar)) is not None:
            yield SchoolDay(day.isoformat(), _lessons(day, spans_on(entry, weekday), zone))


def _has_calendar(entry: SchoolEntry) -> bool:
    return entry.school_days != "every" and entry.timetable != "always"


def followed_weekday(day: date, entry: SchoolEntry, calendar: Calendar) -> Weekday | None:
    """Return the weekday whose timetable ``day`` follows; None = no school on that day."""
    follows = next((m.follows for m in calendar.make_up_days if m.date == day.isoformat()), None)
    weekday = follows or _WEEKDAYS[day.weekday()]
    if not _has_calendar(entry):
        return weekday
    if not _in_term(day, calendar) or day.isoformat() in calendar.days_off:
        return None
    return weekday if follows or is_workday(day) else None


def spans_on(entry: SchoolEntry, weekday: Weekday) -> Spans:
    """Lessons of a day that follows ``weekday``, as local clock times."""
    match entry.timetable:
        case "always":
            return _WHOLE_DAY
        case "never":
            return ()
        case None:
            return _OFFICE_HOURS if weekday not in {"sat", "sun"} else ()
        case timetable:
            return timetable.get(weekday, ())


def is_workday(day: date) -> bool:
    """Say whether ``day`` is an official working day in China, make-up days included."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        _warn_unannounced(day.year)
        return day.weekday() < 5 and (day.month, day.day) not in _FIXED_HOLIDAYS


@cache
def _warn_unannounced(year: int) -> None:
    _log.warning("holidays_not_announced", year=year, instead="Monday to Friday without the fixed holidays")


def _in_term(day: date, calendar: Calendar) -> bool:
    return not calendar.terms or any(t.first <= day.isoformat() <= t.last for t in calendar.terms)


def _lessons(day: date, spans: Spans, zone: ZoneInfo) -> tuple[tuple[float, float], ...]:
    return tuple((_instant(day, start, zone), _instant(day, end, zone)) for start, end in spans)


def _instant(day: date, clock: str, zone: ZoneInfo) -> float:
    if clock == "24:00":
        return _instant(day + timedelta(days=1), "00:00", zone)
    return datetime.combine(day, time.fromisoformat(clock), zone).timestamp()
