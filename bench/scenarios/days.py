"""School days and lessons as they really are, and what teachers do on them. The collector has its own calendar."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache, lru_cache
from typing import Final

import chinese_calendar

from bench.scenarios.draws import between, draw
from bench.scenarios.places import Place, Room
from collector.core.hours import Calendar, MakeUpDay, Term

ZONE: Final = timezone(timedelta(hours=8))
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
OFF_DAY: Final = "2026-09-29"
"""Sports day: no lessons, and the office's calendar says so."""
CALENDAR: Final = Calendar(
    terms=(Term(first="2026-09-01", last="2027-01-20"),),
    # of the two working days at a weekend one names its timetable; 2026-09-20 is in the public calendar alone
    make_up_days=(MakeUpDay(date="2026-10-10", follows="wed"),),
    days_off=(OFF_DAY,),
)
MASTER_SWITCH_RATIO: Final = 0.15
"""Schools in which somebody switches off all boards at once as the day ends."""
UNUSED_RATIO: Final = 0.1
"""Boards that nobody switches on, of any day's."""


def at(day: date, hour: float = 0.0) -> float:
    """Unix seconds of an hour of a day in China."""
    return datetime.combine(day, time(), ZONE).timestamp() + hour * HOUR_S


@lru_cache(maxsize=8)
def day_of(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).astimezone(ZONE).date()


@lru_cache(maxsize=8)
def hour_of(now: float) -> float:
    return (now - at(day_of(now))) / HOUR_S


@cache
def is_school_day(day: date) -> bool:
    return bool(chinese_calendar.is_workday(day)) and day.isoformat() != OFF_DAY


def school_days(first: date, count: int) -> list[date]:
    """Return those of ``count`` days in a row."""
    return [day for day in (first + timedelta(days=n) for n in range(count)) if is_school_day(day)]


def in_lesson(now: float) -> bool:
    return is_school_day(day_of(now)) and 8 <= hour_of(now) < 17


def told_by(ended_at: float, mornings: int = 1) -> float:
    """The evening by which people should know that it is over: of the next school day, or of a later one."""
    day = day_of(ended_at)
    for _ in range(mornings):
        day += timedelta(days=1)
        while not is_school_day(day):
            day += timedelta(days=1)
    return at(day, 18.0)


def has_power(seed: int, place: Place, now: float) -> bool:
    """The gateway's: not at night where a master switch is thrown, nor on half of the free days there."""
    if not place.has_night_cut:
        return True
    day, hour = day_of(now), hour_of(now)
    if not is_school_day(day) and draw(seed, "free day", place.id, day) < 0.5:
        return False
    return between(6.2, 7.0, seed, "up", place.id, day) <= hour < between(20.5, 22.5, seed, "down", place.id, day)


def redials(seed: int, place: Place, now: float) -> bool:
    """A line that its operator cuts once a night for three minutes."""
    began = between(1, 5, seed, "redial", place.id, day_of(now))
    return began <= hour_of(now) < began + 0.05


@cache
def _lit(seed: int, school: str, room: str, day: date) -> tuple[tuple[float, float], ...]:
    """Hours in which a board is on: in the morning, in the afternoon, or not at all."""
    key = (school, room, day)
    if not is_school_day(day) or draw(seed, "unused", *key) < UNUSED_RATIO:
        return ()
    on, off = between(7.6, 8.4, seed, "on", *key), between(16.5, 17.6, seed, "off", *key)
    if draw(seed, "master switch", school) < MASTER_SWITCH_RATIO:
        off = between(16.1, 17.2, seed, "all off", school, day)
    if draw(seed, "noon", *key) < 0.4:
        return ((on, off),)
    return ((on, between(11.7, 12.2, seed, "noon off", *key)), (between(13.7, 14.4, seed, "noon on", *key), off))


def is_lit(seed: int, place: Place, room: Room, now: float) -> bool:
    """Whether somebody has the board of ``room`` switched on."""
    hour = hour_of(now)
    return any(on <= hour < off for on, off in _lit(seed, place.id, room.id, day_of(now)))


def is_dipping(seed: int, place: Place, now: float) -> bool:
    """Somebody copies a large file: for six minutes of some noons half of the line is theirs. Nothing is wrong."""
    day = day_of(now)
    if draw(seed, "dips", place.id, day) >= 0.05:
        return False
    began = between(12.0, 13.3, seed, "dip", place.id, day)
    return began <= hour_of(now) < began + 0.1
