"""A calendar that contradicts itself is refused, with both values.

The bureau's (collector.yml) and an office's (its roster file) are each checked for themselves: where they differ, the
office's stands before the bureau's.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from classready.settings import Loaded, Problem
from collector.core.hours import Calendar
from collector.core.timetable import PeriodEntry, TimetableEntry


class _Dated(NamedTuple):
    path: str
    day: str
    what: str


def calendar_problems(loaded: Loaded, path: str, calendar: Calendar) -> Iterator[Problem]:
    """What is wrong with ``calendar``, which stands at ``path`` of the file."""
    dates = list(_dates(path, calendar))
    yield from _no_such_days(loaded, dates)
    yield from _term_problems(loaded, path, calendar)
    yield from _twice(loaded, [dated for dated in dates if dated.what != "term"])
    yield from _timetable_problems(loaded, f"{path}.timetables", calendar.timetables)


def _dates(path: str, calendar: Calendar) -> Iterator[_Dated]:
    for i, term in enumerate(calendar.terms):
        yield _Dated(f"{path}.terms[{i}].first", term.first, "term")
        yield _Dated(f"{path}.terms[{i}].last", term.last, "term")
    for i, made_up in enumerate(calendar.make_up_days):
        yield _Dated(f"{path}.make_up_days[{i}].date", made_up.date, "a make-up day")
    for i, day in enumerate(calendar.days_off):
        yield _Dated(f"{path}.days_off[{i}]", day, "a day off")
    for i, day in enumerate(calendar.exam_days):
        yield _Dated(f"{path}.exam_days[{i}]", day, "an examination day")


def _no_such_days(loaded: Loaded, dates: Sequence[_Dated]) -> Iterator[Problem]:
    for dated in dates:
        try:
            date.fromisoformat(dated.day)
        except ValueError:
            yield loaded.problem(dated.path, f"no such day: {dated.day}")


def _twice(loaded: Loaded, dates: Sequence[_Dated]) -> Iterator[Problem]:
    """A day is one thing: what the second entry meant is anybody's guess."""
    first: dict[str, _Dated] = {}
    for dated in dates:
        other = first.setdefault(dated.day, dated)
        if other is not dated:
            where = f"line {loaded.lines.get(other.path, 1)}"
            text = f"{dated.day} is {dated.what} here and {other.what} in {where}: leave one of them out"
            yield loaded.problem(dated.path, text)


def _term_problems(loaded: Loaded, path: str, calendar: Calendar) -> Iterator[Problem]:
    terms = [(term, f"{path}.terms[{i}]") for i, term in enumerate(calendar.terms)]
    for term, place in terms:
        if term.last < term.first:
            text = f"a term must end after it begins: {term.first}..{term.last}: are they the wrong way round?"
            yield loaded.problem(f"{place}.last", text)
    whole = sorted((pair for pair in terms if pair[0].first <= pair[0].last), key=lambda pair: pair[0].first)
    for (term, place), (later, later_place) in pairwise(whole):
        if later.first <= term.last:
            text = (
                f"terms must not overlap: {later.first}..{later.last}, and {term.first}..{term.last} "
                f"in line {loaded.lines.get(place, 1)}: let one begin after the other has ended"
            )
            yield loaded.problem(f"{later_place}.first", text)


# --- timetables -----------------------------------------------------------------------------------------------------


def _timetable_problems(loaded: Loaded, path: str, entries: Sequence[TimetableEntry]) -> Iterator[Problem]:
    for i, entry in enumerate(entries):
        place = f"{path}[{i}]"
        if len(set(entry.days)) < len(entry.days):
            yield loaded.problem(f"{place}.days", f"a weekday is given twice: {', '.join(entry.days)}")
        if found := period_problem(entry.periods):
            number, text = found
            yield loaded.problem(f"{place}.periods[{number}]", text)
    yield from _claimed_twice(loaded, path, entries, "name", lambda entry: (entry.name,))
    yield from _claimed_twice(loaded, path, entries, "stages", lambda entry: entry.stages)
    yield from _claimed_twice(loaded, path, entries, "kinds", lambda entry: entry.kinds)


def _claimed_twice(
    loaded: Loaded,
    path: str,
    entries: Sequence[TimetableEntry],
    field: str,
    claimed: Callable[[TimetableEntry], Sequence[str]],
) -> Iterator[Problem]:
    """Two timetables for one day: of one name, or for schools of one stage or kind."""
    first: dict[tuple[str, str], int] = {}
    for i, entry in enumerate(entries):
        clashes: dict[tuple[str, int], list[str]] = {}
        for claim in dict.fromkeys(claimed(entry)):
            for day in dict.fromkeys(entry.days):
                other = first.setdefault((claim, day), i)
                if other != i:
                    clashes.setdefault((claim, other), []).append(day)
        for (claim, other), days in clashes.items():
            line = loaded.lines.get(f"{path}[{other}].{field}", loaded.lines.get(f"{path}[{other}]", 1))
            text = (
                f"two timetables for {claim!r} on {', '.join(days)}: {entry.name!r} here and "
                f"{entries[other].name!r} in line {line}: give each day to one of them (days)"
            )
            yield loaded.problem(f"{path}[{i}].{field}", text)


def period_problem(periods: Sequence[PeriodEntry]) -> tuple[int, str] | None:
    """Say which period ends before it begins, or overlaps the one before it; None = they are in order."""
    for i, period in enumerate(periods):
        if period.begins >= period.ends:
            return i, f"{_with_article(period)} must end after it begins: {period.begins}-{period.ends}"
    for i, (period, later) in enumerate(pairwise(periods)):
        if later.begins < period.ends:
            what = "lessons" if period.kind == later.kind == "lesson" else "periods"
            text = f"{what} must be in order and must not overlap: {_hours(period)}, {_hours(later)}"
            return i + 1, text
    return None


def _hours(period: PeriodEntry) -> str:
    span = f"{period.begins}-{period.ends}"
    return span if period.kind == "lesson" else f"{span} ({_named(period)})"


def _with_article(period: PeriodEntry) -> str:
    return f"{'an' if period.kind[0] in 'aeiou' else 'a'} {_named(period)}"


def _named(period: PeriodEntry) -> str:
    return period.kind.replace("_", " ")
