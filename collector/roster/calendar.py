"""Which days are school days, and what goes on when: per school, in its own time zone, as ``core.roster.Hours``.

A school day is a working day within a term, and the term wins. Official working days come from chinese-calendar, which
knows only years that the State Council has announced; for others Monday to Friday without the fixed holidays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from collector.core.hours import Calendar
from collector.core.maintenance import Maintenance, Window
from collector.core.policy import Policy
from collector.core.roster import CheckUp, Hours, Mute, Period, SchoolDay, joined
from collector.core.timetable import WEEKDAYS, PeriodEntry, Weekday
from collector.roster.files import SchoolEntry
from collector.roster.holidays import is_make_up_day, is_workday
from collector.roster.loading import Roster
from collector.roster.timetables import Plan, named_plan, of_office, periods_on, plan_of
from collector.roster.windows import mutes, windows_of_schools

PAST_DAYS = 60
FUTURE_DAYS = 14
LOOK_BACK_MAX_DAYS = 6 * 366
"""1,000 school days, the most that a policy can ask for, lie within six years of 190."""
CHECKUP_LOOK_BACK_DAYS = 60
"""The Spring Festival and what lies around it are shorter."""
HOUR_S = 3_600.0

_DEFAULTS = Policy()
_NO_MAINTENANCE = Maintenance()
_SCHOOL_DAY_SETTINGS = tuple(name for name in Policy.__struct_fields__ if name.endswith("_school_days"))
_SCHOOL_HOUR_SETTINGS = tuple(name for name in Policy.__struct_fields__ if name.endswith("_school_hours"))


class Given(NamedTuple):
    """What a school has beside its own entry."""

    calendar: Calendar
    windows: tuple[Window, ...] = ()


def hours_of_roster(
    roster: Roster,
    calendar: Calendar,
    now: float,
    policy: Policy = _DEFAULTS,
    maintenance: Maintenance = _NO_MAINTENANCE,
) -> dict[str, Hours]:
    """Hours of every school around ``now``, by what the bureau says and what its office says beside it."""
    windows = windows_of_schools(roster, maintenance)
    calendars = {office: of_office(own, calendar) for office, own in roster.calendars.items()}

    def given_of(name: str) -> Given:
        return Given(calendars.get(roster.schools[name].office, calendar), windows.get(name, ()))

    return _hours(roster.entries, given_of, now, policy)


def hours_of_schools(
    entries: Mapping[str, SchoolEntry], calendar: Calendar, now: float, policy: Policy = _DEFAULTS
) -> dict[str, Hours]:
    """Hours of schools whose offices say nothing themselves."""
    return _hours(entries, lambda _name: Given(calendar), now, policy)


def _hours(
    entries: Mapping[str, SchoolEntry], given_of: Callable[[str], Given], now: float, policy: Policy
) -> dict[str, Hours]:
    """Schools with the same timetable share one value: a province has few."""
    shared: dict[object, Hours] = {}
    found: dict[str, Hours] = {}
    for name, entry in entries.items():
        given = given_of(name)
        groups = sorted((room.id, room.follows) for room in entry.classrooms if room.follows)
        own = (entry.timezone, entry.timetable, entry.follows, entry.school_days, entry.stage, entry.kind, groups)
        key = (id(given.calendar), tuple(map(id, given.windows)), msgspec.msgpack.encode(own))
        if key not in shared:
            shared[key] = hours(entry, given.calendar, now, policy, given.windows)
        found[name] = shared[key]
    return found


def hours(
    entry: SchoolEntry,
    calendar: Calendar,
    now: float,
    policy: Policy = _DEFAULTS,
    windows: tuple[Window, ...] = (),
) -> Hours:
    """Hours of one school, and of its rooms that follow a timetable of their own.

    In a lesson of some of its rooms the school is in a lesson: nothing may load the line that they share.
    """
    given = Given(calendar, windows)
    named = sorted({room.follows for room in entry.classrooms if room.follows})
    plans = {name: named_plan(name, calendar) for name in named}
    whole = _around(entry, [plan_of(entry, calendar), *plans.values()], given, now, policy)
    if not plans:
        return whole
    groups = {name: _around(entry, [plan], given, now, policy) for name, plan in plans.items()}
    return msgspec.structs.replace(
        whole, rooms={room.id: groups[room.follows] for room in entry.classrooms if room.follows}
    )


def _around(entry: SchoolEntry, plans: list[Plan], given: Given, now: float, policy: Policy) -> Hours:
    """School days until ``FUTURE_DAYS`` after ``now``, and of the past as many as any age of ``policy`` can reach.

    An age is counted in these days: what is older than the oldest of them must already be too old.
    """
    calendar, zone = given.calendar, ZoneInfo(entry.timezone)
    today = datetime.fromtimestamp(now, zone)
    offset = today.utcoffset()
    coming = [today.date() + timedelta(days=n) for n in range(FUTURE_DAYS + 1)]
    past = [*_past(entry, plans, calendar, today.date(), policy)]
    exams = [day for day in coming if day.isoformat() in calendar.exam_days and _has_calendar(entry)]
    examined = joined((instant(day, "00:00", zone), instant(day, "24:00", zone)) for day in exams)
    return Hours(
        days=(*reversed(past), *_school_days(coming, entry, plans, calendar)),
        utc_offset_s=offset.total_seconds() if offset else 0.0,
        checkup=_checkup(entry, calendar, today.date(), zone, policy.checkup_working_days),
        mutes=(*(Mute(*span, "exam") for span in examined), *mutes(given.windows, zone, coming)),
    )


def _checkup(entry: SchoolEntry, calendar: Calendar, today: date, zone: ZoneInfo, day_count: int) -> CheckUp | None:
    """The working days before the next term that is listed; none while another term is still going on."""
    first = min((term.first for term in calendar.terms if term.first > today.isoformat()), default=None)
    if first is None or not day_count or not _has_calendar(entry):
        return None
    term = date.fromisoformat(first)
    before = (term - timedelta(days=n) for n in range(1, CHECKUP_LOOK_BACK_DAYS))
    working = [day for day in before if is_workday(day) and day.isoformat() not in calendar.days_off][:day_count]
    if len(working) < day_count or in_term(working[-1], calendar):
        return None
    begins, last, ends = (instant(day, "00:00", zone) for day in (working[-1], working[0], term))
    return CheckUp(first, begins, last, ends)


def _past(
    entry: SchoolEntry, plans: list[Plan], calendar: Calendar, today: date, policy: Policy
) -> Iterator[SchoolDay]:
    """School days before ``today``, newest first: ``PAST_DAYS``, and on over holidays until the policy has enough.

    Before the first term that is listed nothing is known, so the walk ends there.
    """
    days_needed = max(getattr(policy, name) for name in _SCHOOL_DAY_SETTINGS)
    hours_needed = max(getattr(policy, name) for name in _SCHOOL_HOUR_SETTINGS)
    if not any(period.kind == "lesson" for plan in plans for periods in plan.values() for period in periods):
        hours_needed = 0.0
    known_from = min((term.first for term in calendar.terms), default="") if _has_calendar(entry) else ""
    count, lessons_s = 0, 0.0
    for n in range(1, LOOK_BACK_MAX_DAYS + 1):
        day = today - timedelta(days=n)
        enough = count > days_needed and lessons_s >= hours_needed * HOUR_S
        if n > PAST_DAYS and (enough or day.isoformat() < known_from):
            return
        for school_day in _school_days([day], entry, plans, calendar):
            count += 1
            lessons_s += sum(end - start for start, end in school_day.lessons)
            yield school_day


def _school_days(
    days: Iterable[date], entry: SchoolEntry, plans: list[Plan], calendar: Calendar
) -> Iterator[SchoolDay]:
    zone = ZoneInfo(entry.timezone)
    for day in days:
        if (weekday := followed_weekday(day, entry, calendar)) is None:
            continue
        unsaid = _has_calendar(entry) and is_unsaid(day, calendar)
        told = [p for plan in plans for p in _periods(day, periods_on(plan, weekday, unsaid=unsaid), zone)]
        lessons = [period[:2] for period in told if period.kind == "lesson"]
        yield SchoolDay(
            day.isoformat(),
            tuple(lessons) if len(plans) == 1 else joined(lessons),
            tuple(sorted({period for period in told if period.kind != "lesson"})),
        )


def _has_calendar(entry: SchoolEntry) -> bool:
    return entry.school_days != "every" and entry.timetable != "always"


def followed_weekday(day: date, entry: SchoolEntry, calendar: Calendar) -> Weekday | None:
    """Return the weekday whose timetable ``day`` follows; None = no school on that day."""
    named = next((m for m in calendar.make_up_days if m.date == day.isoformat()), None)
    weekday = (named and named.follows) or WEEKDAYS[day.weekday()]
    if not _has_calendar(entry):
        return weekday
    if not in_term(day, calendar) or day.isoformat() in calendar.days_off or day.isoformat() in calendar.exam_days:
        return None
    return weekday if named or is_workday(day) else None


def in_term(day: date, calendar: Calendar) -> bool:
    return not calendar.terms or any(t.first <= day.isoformat() <= t.last for t in calendar.terms)


def is_unsaid(day: date, calendar: Calendar) -> bool:
    """Whether ``day`` is a Saturday or Sunday with school, and nobody said whose timetable it follows."""
    if day.weekday() < 5 or not in_term(day, calendar) or day.isoformat() in {*calendar.days_off, *calendar.exam_days}:
        return False
    named = next((m for m in calendar.make_up_days if m.date == day.isoformat()), None)
    return is_make_up_day(day) if named is None else named.follows is None


# --- clock times ----------------------------------------------------------------------------------------------------


def _periods(day: date, entries: Iterable[PeriodEntry], zone: ZoneInfo) -> Iterator[Period]:
    """What of ``day`` is left where clocks are set in the middle of it: in order, disjoint, none of them empty."""
    free_from = 0.0
    for entry in entries:
        start, end = max(free_from, instant(day, entry.begins, zone)), instant(day, entry.ends, zone)
        if start < end:
            free_from = end
            yield Period(start, end, entry.kind)


def instant(day: date, clock: str, zone: ZoneInfo) -> float:
    """Unix seconds of a local clock time, ``24:00`` included."""
    if clock == "24:00":
        return instant(day + timedelta(days=1), "00:00", zone)
    return datetime.combine(day, time.fromisoformat(clock), zone).timestamp()
