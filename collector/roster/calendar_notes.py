"""What of a calendar is allowed and may still be a mistake, or must be guessed."""

from collections.abc import Iterator
from datetime import date, timedelta

from classready.settings import Loaded
from collector.core.hours import Calendar
from collector.core.timetable import WEEKDAYS
from collector.roster.calendar import FUTURE_DAYS, is_unsaid
from collector.roster.holidays import is_announced, make_up_days
from collector.roster.notes import Note, note_of

NOTED_MAX_DAYS = 366
"""So far ahead is looked."""


def written_notes(loaded: Loaded, in_force: Calendar, today: date) -> Iterator[Note]:
    """What the file's own calendar leaves open; ``in_force`` = it, with what stands behind it."""
    for i, made_up in enumerate(loaded.value.calendar.make_up_days):
        day = date.fromisoformat(made_up.date)
        if day >= today and is_unsaid(day, in_force):
            yield _unsaid(loaded, f"calendar.make_up_days[{i}]", day)


def unwritten_notes(loaded: Loaded, calendar: Calendar, today: date) -> Iterator[Note]:
    """What the bureau's calendar does not say and the State Council does, or has yet to say."""
    here = {made_up.date for made_up in calendar.make_up_days}
    for day in make_up_days(today, today + timedelta(days=NOTED_MAX_DAYS)):
        if day.isoformat() not in here and is_unsaid(day, calendar):
            yield _unsaid(loaded, "calendar", day)
    for year in range(today.year, _last_day(calendar, today).year + 1):
        if not is_announced(year):
            yield note_of(loaded, "calendar", "year_unknown", year=year)


def _unsaid(loaded: Loaded, path: str, day: date) -> Note:
    return note_of(loaded, path, "make_up_unsaid", day=day, weekday=WEEKDAYS[day.weekday()])


def _last_day(calendar: Calendar, today: date) -> date:
    """Until when there is school for certain, as far as is looked."""
    last = [date.fromisoformat(term.last) for term in calendar.terms]
    return min(max([today + timedelta(days=FUTURE_DAYS), *last]), today + timedelta(days=NOTED_MAX_DAYS))
