"""Maintenance windows that never end, end before they begin, or are about nothing: refused, with what stands there."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from classready.settings import Loaded, Problem
from collector.core.maintenance import Maintenance, OfficeMaintenance, OnceWindow, WeeklyWindow, Window
from collector.core.roster import joined
from collector.core.timetable import WEEKDAYS
from collector.roster.notes import Note, note_of

ONCE_MAX_DAYS = 31
"""A longer one is no window: nobody would remember what it was for."""
_WEEK_MIN = 7 * 24 * 60

Windows = Maintenance | OfficeMaintenance


def window_problems(loaded: Loaded, windows: Windows) -> Iterator[Problem]:
    """What is wrong with the windows at ``maintenance`` of the file, whatever the roster holds."""
    for i, once in enumerate(windows.once):
        yield from _once_problems(loaded, f"maintenance.once[{i}]", once)
    for i, weekly in enumerate(windows.weekly):
        if weekly.begins >= weekly.ends:
            text = (
                f"a window must end after it begins: {weekly.begins}-{weekly.ends}: over midnight write one until "
                "24:00, and one from 00:00 on for the days after"
            )
            yield loaded.problem(f"maintenance.weekly[{i}].ends", text)
    yield from _endless(loaded, windows.weekly)
    for path, window in _placed(windows):
        if window.timezone is not None and not _is_zone(window.timezone):
            yield loaded.problem(f"{path}.timezone", f"unknown time zone {window.timezone!r}")


def _once_problems(loaded: Loaded, path: str, window: OnceWindow) -> Iterator[Problem]:
    begins, ends = _moment(window.begins), _moment(window.ends)
    for field, moment in (("begins", begins), ("ends", ends)):
        if moment is None:
            yield loaded.problem(f"{path}.{field}", f"no such day: {getattr(window, field)}")
    if begins is None or ends is None:
        return
    if ends <= begins:
        text = f"a window must end after it begins: {window.begins} to {window.ends}: are they the wrong way round?"
        yield loaded.problem(f"{path}.ends", text)
    elif ends - begins > timedelta(days=ONCE_MAX_DAYS):
        text = (
            f"a window of {(ends - begins).days} days ({window.begins} to {window.ends}) is as good as one that never "
            f"ends: at most {ONCE_MAX_DAYS}; rooms that are out of use for longer are `exempt`"
        )
        yield loaded.problem(f"{path}.ends", text)


def _moment(text: str) -> datetime | None:
    day, clock = text.split(" ")
    hour, minute = map(int, clock.split(":"))
    try:
        return datetime.fromisoformat(day) + timedelta(hours=hour, minutes=minute)
    except (ValueError, OverflowError):
        return None


def _endless(loaded: Loaded, windows: tuple[WeeklyWindow, ...]) -> Iterator[Problem]:
    """Windows about the same that leave no minute of the week between them."""
    alike: dict[object, list[int]] = {}
    for i, window in enumerate(windows):
        about = (getattr(window, "offices", ()), window.schools, window.platforms, window.timezone)
        alike.setdefault(about, []).append(i)
    for numbers in alike.values():
        covered = joined(span for i in numbers for span in _minutes(windows[i]))
        if sum(end - start for start, end in covered) >= _WEEK_MIN:
            lines = ", ".join(str(loaded.lines.get(f"maintenance.weekly[{i}]", 1)) for i in numbers)
            text = (
                f"a window that never ends: with line {lines} no minute of the week is left, and nobody would ever be "
                "told anything: leave time between, or take rooms that are out of use out with `exempt`"
            )
            yield loaded.problem(f"maintenance.weekly[{numbers[-1]}]", text)


def _minutes(window: WeeklyWindow) -> Iterator[tuple[float, float]]:
    begins, ends = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (window.begins, window.ends))
    for day in window.days if begins < ends else ():
        midnight = WEEKDAYS.index(day) * 24 * 60
        yield midnight + begins, midnight + ends


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def unknown_subjects(loaded: Loaded, windows: Windows, known: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Names of schools, platforms and offices that are not ``known``, each by its setting."""
    for path, window in _placed(windows):
        for field, names in known.items():
            for j, name in enumerate(getattr(window, field, ())):
                if name not in names:
                    where = "in the settings" if field == "platforms" else "in the roster"
                    yield loaded.problem(f"{path}.{field}[{j}]", f"no {field.removesuffix('s')} {name!r} {where}")


def over_notes(loaded: Loaded, windows: Windows, today: date) -> Iterator[Note]:
    """Windows that are over, and may go."""
    for i, window in enumerate(windows.once):
        ends = _moment(window.ends)
        if ends is not None and ends.date() < today:
            yield note_of(loaded, f"maintenance.once[{i}].ends", "window_over", ends=window.ends)


def _placed(windows: Windows) -> Iterator[tuple[str, Window]]:
    once = ((f"maintenance.once[{i}]", window) for i, window in enumerate(windows.once))
    weekly = ((f"maintenance.weekly[{i}]", window) for i, window in enumerate(windows.weekly))
    return chain[tuple[str, Window]](once, weekly)
