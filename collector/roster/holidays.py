"""Official working days in China: of years that the State Council has announced, and what stands for the others."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache

import chinese_calendar
import structlog

_FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""(month, day) that are holidays every year (State Council order 795, from 2025); the others follow the moon."""

_log = structlog.get_logger()


def is_workday(day: date) -> bool:
    """Say whether ``day`` is an official working day in China, make-up days included."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        _warn_unannounced(day.year)
        return day.weekday() < 5 and (day.month, day.day) not in _FIXED_HOLIDAYS


def is_make_up_day(day: date) -> bool:
    """Say whether ``day`` is a Saturday or Sunday that is worked (调休)."""
    return day.weekday() >= 5 and is_workday(day)


def is_announced(year: int) -> bool:
    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True


def make_up_days(first: date, last: date) -> Iterator[date]:
    """Saturdays and Sundays that are worked, as far as they are announced."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return (day for day in days if is_announced(day.year) and is_make_up_day(day))


@cache
def _warn_unannounced(year: int) -> None:
    _log.warning("holidays_not_announced", year=year, instead="Monday to Friday without the fixed holidays")
