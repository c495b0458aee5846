"""What of a calendar is allowed and may still be a mistake, or must be guessed: for `check`."""

from collections.abc import Iterator
from datetime import date, timedelta

from classready.settings import Loaded, Problem
from collector.core.hours import Calendar
from collector.roster.calendar import FUTURE_DAYS, is_unsaid
from collector.roster.holidays import is_announced, make_up_days

NOTED_MAX_DAYS = 366
"""So far ahead is looked."""


def written_notes(loaded: Loaded, in_force: Calendar, today: date) -> Iterator[Problem]:
    """What the file's own calendar leaves open; ``in_force`` = it, with what stands behind it."""
    for i, made_up in enumerate(loaded.value.calendar.make_up_days):
        day = date.fromisoformat(made_up.date)
        if day >= today and is_unsaid(day, in_force):
            yield loaded.problem(f"calendar.make_up_days[{i}]", _unsaid(day))


def unwritten_notes(loaded: Loaded, calendar: Calendar, today: date) -> Iterator[Problem]:
    """What the bureau's calendar does not say and the State Council does, or has yet to say."""
    here = {made_up.date for made_up in calendar.make_up_days}
    for day in make_up_days(today, today + timedelta(days=NOTED_MAX_DAYS)):
        if day.isoformat() not in here and is_unsaid(day, calendar):
            yield loaded.problem("calendar", _unsaid(day))
    for year in range(today.year, _last_day(calendar, today).year + 1):
        if not is_announced(year):
            text = (
                f"the public holidays of {year} are not known to this release: until they are, Monday to Friday are "
                "school days but for 1 January, 1-2 May and 1-3 October. Once they are announced update classready, "
                "or write them here (days_off, make_up_days)"
            )
            yield loaded.problem("calendar", text)


def _unsaid(day: date) -> str:
    return (
        f"{day} ({day:%a}) is a school day (调休), and nothing says whose timetable it follows: where a timetable has "
        f'none for that weekday, lessons are 08:00-17:00. Write {{date: "{day}", follows: fri}} or the like into '
        "make_up_days"
    )


def _last_day(calendar: Calendar, today: date) -> date:
    """Until when there is school for certain, as far as is looked."""
    last = [date.fromisoformat(term.last) for term in calendar.terms]
    return min(max([today + timedelta(days=FUTURE_DAYS), *last]), today + timedelta(days=NOTED_MAX_DAYS))
