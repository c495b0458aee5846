"""What should exist: a school as its roster lists it, and its hours. Files and calendars are read by the shell."""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import accumulate
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import force_setattr

from collector.core.timetable import QUIET_KINDS, PeriodKind, SchoolKind

DAY_S = 86_400.0
_EPOCH = date(1970, 1, 1)


class Classroom(Struct, frozen=True, kw_only=True, gc=False):
    id: str
    name: str = ""
    access: Literal["wired", "wifi", "cellular"] = "wired"
    device: str | None = None
    """The kind of interactive device listed; None = none listed."""
    exempt: str | None = None
    """Why this room is not judged; None = it is."""


class SchoolRoster(Struct, frozen=True, kw_only=True, gc=False):
    office: str
    school: str
    name: str = ""
    kind: SchoolKind = "base"
    rural_weak: bool = False
    operator: str | None = None
    """Who provides the line."""
    hub: str | None = None
    """The hub school (中心校) that it belongs to."""
    classrooms: Mapping[str, Classroom] = {}
    gateways: tuple[str, ...] = ()
    platforms: Mapping[str, tuple[str, ...]] = {}
    """Platform id -> the agents' targets that make it up."""


Span = tuple[float, float]
"""Unix seconds, from and until."""


class Period(NamedTuple):
    start: float
    end: float
    kind: PeriodKind


class Mute(NamedTuple):
    """A span in which nobody is told of what begins to fail."""

    start: float
    end: float
    why: Literal["maintenance", "exam"]
    platform: str | None = None
    """The only one that it is about; None = it is about everything."""
    text: str = ""
    """What is being done, in the words of whoever wrote it."""


class CheckUp(NamedTuple):
    """The last working days before a term, in Unix seconds. ``term``: its first day."""

    term: str
    begins: float
    last_midnight: float
    """At which the last of them begins."""
    ends: float
    """As the term begins."""


class SchoolDay(Struct, frozen=True, gc=False):
    """One school day in the school's own time zone. ``lessons``: sorted, disjoint spans of Unix seconds, maybe none."""

    date: str
    lessons: tuple[Span, ...] = ()
    others: tuple[Period, ...] = ()
    """What goes on beside lessons, by its begin: breaks, after-school service, evening study."""


class Hours(Struct, frozen=True, gc=False):
    """The school's days, oldest first, far enough into past and future for every rule; the shell renews it daily."""

    days: tuple[SchoolDay, ...] = ()
    utc_offset_s: float = 28_800.0
    mutes: tuple[Mute, ...] = ()
    """To come, or not over yet. An examination day is one, and no school day."""
    checkup: CheckUp | None = None
    """Before the next term; None = none is announced."""
    rooms: Mapping[str, "Hours"] = {}
    """Of rooms with a timetable of their own. ``days`` has the lessons of all of them."""
    midnights: tuple[float, ...] = ()
    """At which ``days`` begin. This and what follows is filled in: ages are looked up here many times a judgement."""
    starts: tuple[float, ...] = ()
    """Of all lessons, in order."""
    ends: tuple[float, ...] = ()
    taught_s: tuple[float, ...] = ()
    """Seconds of lessons from the first day on to each of ``ends``."""
    quiet_starts: tuple[float, ...] = ()
    """When nothing may load the lines; disjoint, in order. Where there is nothing beside lessons: these themselves."""
    quiet_ends: tuple[float, ...] = ()
    mute_ends: tuple[float, ...] = ()
    """In order."""

    def __post_init__(self) -> None:
        lessons = [lesson for day in self.days for lesson in day.lessons]
        midnights = ((date.fromisoformat(day.date) - _EPOCH).days * DAY_S - self.utc_offset_s for day in self.days)
        force_setattr(self, "midnights", tuple(midnights))
        force_setattr(self, "starts", tuple(start for start, _ in lessons))
        force_setattr(self, "ends", tuple(end for _, end in lessons))
        force_setattr(self, "taught_s", tuple(accumulate(end - start for start, end in lessons)))
        beside = [p[:2] for day in self.days for p in day.others if p.kind in QUIET_KINDS]
        beside += [mute[:2] for mute in self.mutes if mute.why == "exam"]
        quiet = joined([*lessons, *beside]) if beside else ()
        force_setattr(self, "mute_ends", tuple(sorted({mute.end for mute in self.mutes})))
        force_setattr(self, "quiet_starts", tuple(start for start, _ in quiet) if beside else self.starts)
        force_setattr(self, "quiet_ends", tuple(end for _, end in quiet) if beside else self.ends)


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort ``spans`` and make one of those that overlap or touch."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
