"""Timetables as they stand in files: what goes on in a school day, from when to when, and whose day that is."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from classready.ids import ClockTime

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

PeriodKind = Literal["lesson", "break", "long_break", "after_school", "evening_study"]
QUIET_KINDS: frozenset[PeriodKind] = frozenset({"lesson", "after_school", "evening_study"})
"""Pupils sit before the boards: nothing may load the line. Only a lesson ages evidence and asks for an awake board:
after school and in the evening a few rooms are in use, and nobody knows which."""

SchoolKind = Literal["city", "hub", "base", "point"]
Stage = Literal["primary", "junior", "senior", "nine_year", "complete", "vocational"]

TimetableName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
        examples=["primary-summer"],
        description="a-z 0-9 -, at most 32",
    ),
]


class PeriodEntry(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    begins: ClockTime
    """Local time."""
    ends: ClockTime
    """Local time; 24:00 = the end of the day."""
    kind: PeriodKind = "lesson"
    """lesson 课, break 课间, long_break 大课间, after_school 课后服务, evening_study 晚自习."""


class TimetableEntry(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Some weekdays of a timetable; entries of one name are parts of the same."""

    name: TimetableName
    """What schools and rooms name it by."""
    stages: tuple[Stage, ...] = ()
    """Schools of these stages follow it, unless they name another."""
    kinds: tuple[SchoolKind, ...] = ()
    """Schools of these kinds follow it, unless they name another, or there is one for their stage."""
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1)] = ("mon", "tue", "wed", "thu", "fri")
    """Weekdays that look like this."""
    periods: tuple[PeriodEntry, ...]
    """In order; what lies between them is nothing in particular."""
