"""Maintenance windows as they stand in files: when somebody works on something, and nobody wants to be told."""

from typing import Annotated

from msgspec import Meta, Struct

from classready.ids import ClockTime, OfficeId, SchoolId, TargetName
from classready.observation import Text
from collector.core.timetable import Weekday

WINDOWS_MAX = 200
"""Of one kind in a file: each is laid out over two weeks for each school that it is about."""

LocalTime = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2} (([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z",
        examples=["2026-12-05 20:00"],
        description="day and local time",
    ),
]


class _Window(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """About schools and platforms: with both, those platforms as those schools see them; with neither, everything."""

    why: Text
    """What is being done; shown beside what it mutes."""
    schools: tuple[SchoolId, ...] = ()
    """Only these; empty = all."""
    platforms: tuple[TargetName, ...] = ()
    """Only that these cannot be reached; empty = whatever fails."""
    timezone: str | None = None
    """IANA name of the zone of `begins` and `ends`; null = each school's own."""


class OnceWindow(_Window, frozen=True, kw_only=True):
    begins: LocalTime
    """From then on nobody is told of what begins to fail."""
    ends: LocalTime
    """What still fails then is told. At most 31 days later."""


class WeeklyWindow(_Window, frozen=True, kw_only=True):
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1)]
    """On these weekdays of each week."""
    begins: ClockTime
    """From then on nobody is told of what begins to fail."""
    ends: ClockTime
    """What still fails then is told. Over midnight: until 24:00, and another window from 00:00 on."""


Window = OnceWindow | WeeklyWindow


class OfficeMaintenance(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Windows of one office."""

    once: Annotated[tuple[OnceWindow, ...], Meta(max_length=WINDOWS_MAX)] = ()
    """Each at one time."""
    weekly: Annotated[tuple[WeeklyWindow, ...], Meta(max_length=WINDOWS_MAX)] = ()
    """In each week."""


class BureauOnceWindow(OnceWindow, frozen=True, kw_only=True):
    offices: tuple[OfficeId, ...] = ()
    """Only the schools of these; empty = of all."""


class BureauWeeklyWindow(WeeklyWindow, frozen=True, kw_only=True):
    offices: tuple[OfficeId, ...] = ()
    """Only the schools of these; empty = of all."""


class Maintenance(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Windows of the bureau."""

    once: Annotated[tuple[BureauOnceWindow, ...], Meta(max_length=WINDOWS_MAX)] = ()
    """Each at one time."""
    weekly: Annotated[tuple[BureauWeeklyWindow, ...], Meta(max_length=WINDOWS_MAX)] = ()
    """In each week."""
