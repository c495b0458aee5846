"""Whose timetable is it: a school's own, the one that it names, the one of its stage or kind, or the default."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from collector.core.hours import Calendar
from collector.core.timetable import WEEKDAYS, PeriodEntry, TimetableEntry, Weekday
from collector.roster.files import SchoolEntry

Plan = Mapping[Weekday, tuple[PeriodEntry, ...]]
"""A weekday that is not in it has nothing."""

DEFAULT_DAY = (PeriodEntry(begins="08:00", ends="17:00"),)
DEFAULT: Plan = MappingProxyType(dict.fromkeys(WEEKDAYS[:5], DEFAULT_DAY))
_WHOLE_DAY = (PeriodEntry(begins="00:00", ends="24:00"),)
_ALWAYS: Plan = MappingProxyType(dict.fromkeys(WEEKDAYS, _WHOLE_DAY))
_NEVER: Plan = MappingProxyType({})


def plan_of(entry: SchoolEntry, calendar: Calendar) -> Plan:
    """The timetable of the school, whatever some of its rooms follow."""
    match entry.timetable:
        case "always":
            return _ALWAYS
        case "never":
            return _NEVER
        case None if entry.follows is not None:
            return named_plan(entry.follows, calendar)
        case None:
            return (
                _plan(calendar, lambda found: entry.stage in found.stages)
                or _plan(calendar, lambda found: entry.kind in found.kinds)
                or DEFAULT
            )
        case lessons:
            return {day: tuple(PeriodEntry(begins=b, ends=e) for b, e in spans) for day, spans in lessons.items()}


def named_plan(name: str, calendar: Calendar) -> Plan:
    return _plan(calendar, lambda found: found.name == name)


def _plan(calendar: Calendar, is_meant: Callable[[TimetableEntry], bool]) -> Plan:
    return {day: found.periods for found in calendar.timetables if is_meant(found) for day in found.days}


def periods_on(plan: Plan, weekday: Weekday, *, unsaid: bool) -> tuple[PeriodEntry, ...]:
    """What goes on in a day that follows ``weekday``.

    ``unsaid``: a Saturday that is worked, and nobody said whose timetable it follows. It is taught all day, for a
    load that a lesson could feel is worse than a noon without a test.
    """
    return plan.get(weekday, DEFAULT_DAY if unsaid and plan else ())


def of_office(own: Calendar, bureau: Calendar) -> Calendar:
    """The calendar of an office: what it says itself stands before what the bureau says."""
    if own == Calendar():
        return bureau
    said = {*own.days_off, *own.exam_days, *(day.date for day in own.make_up_days)}
    return Calendar(
        terms=own.terms or bureau.terms,
        make_up_days=own.make_up_days + tuple(day for day in bureau.make_up_days if day.date not in said),
        days_off=own.days_off + tuple(day for day in bureau.days_off if day not in said),
        exam_days=own.exam_days + tuple(day for day in bureau.exam_days if day not in said),
        timetables=own.timetables + _left_over(own, bureau),
    )


def _left_over(own: Calendar, bureau: Calendar) -> tuple[TimetableEntry, ...]:
    """The bureau's timetables, for whom the office has none of its own."""
    names = {found.name for found in own.timetables}
    stages = {stage for found in own.timetables for stage in found.stages}
    kinds = {kind for found in own.timetables for kind in found.kinds}
    return tuple(
        replace(
            found,
            stages=tuple(stage for stage in found.stages if stage not in stages),
            kinds=tuple(kind for kind in found.kinds if kind not in kinds),
        )
        for found in bureau.timetables
        if found.name not in names
    )
