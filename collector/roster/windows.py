"""Maintenance windows and examination days of a school, as spans of time: what nobody is told of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from collector.core.maintenance import Maintenance, OnceWindow, WeeklyWindow, Window
from collector.core.roster import Mute, Span
from collector.core.timetable import WEEKDAYS
from collector.roster.loading import Roster


def windows_of_schools(roster: Roster, bureau: Maintenance) -> Mapping[str, tuple[Window, ...]]:
    """The windows that are about each school; those that have none are left out."""
    of_office: dict[str, list[Window]] = {}
    for office, own in roster.maintenance.items():
        once = (window for window in bureau.once if not window.offices or office in window.offices)
        weekly = (window for window in bureau.weekly if not window.offices or office in window.offices)
        of_office[office] = [*once, *weekly, *own.once, *own.weekly]
    found = {
        name: tuple(w for w in of_office.get(school.office, ()) if not w.schools or name in w.schools)
        for name, school in roster.schools.items()
    }
    return {name: windows for name, windows in found.items() if windows}


def mutes(windows: Sequence[Window], zone: ZoneInfo, days: Sequence[date]) -> Iterator[Mute]:
    """Lay ``windows`` out over ``days``, which adjoin; what was over before the first of them is left out."""
    begins = moments(days[0], "00:00", zone)[0]
    ends = moments(days[-1], "24:00", zone)[1]
    for window in windows:
        for start, end in _spans(window, ZoneInfo(window.timezone) if window.timezone else zone, days):
            if end > begins and start < ends:
                for platform in window.platforms or (None,):
                    yield Mute(start, end, "maintenance", platform, window.why)


def _spans(window: Window, zone: ZoneInfo, days: Sequence[date]) -> Iterable[Span]:
    match window:
        case OnceWindow():
            yield dated_moments(window.begins, zone)[0], dated_moments(window.ends, zone)[1]
        case WeeklyWindow():
            # in another zone the day may be the one before or after
            for day in (days[0] - timedelta(days=1), *days, days[-1] + timedelta(days=1)):
                if WEEKDAYS[day.weekday()] in window.days:
                    yield moments(day, window.begins, zone)[0], moments(day, window.ends, zone)[1]


def dated_moments(text: str, zone: ZoneInfo) -> Span:
    day, clock = text.split(" ")
    return moments(date.fromisoformat(day), clock, zone)


def moments(day: date, clock: str, zone: ZoneInfo) -> Span:
    """First and last moment that a local clock time may mean, in Unix seconds.

    Where clocks are set back it comes twice, where they are set forward never; a window that reaches from the first to
    the last never ends before it begins, and is rather too long than too short.
    """
    if clock == "24:00":
        return moments(day + timedelta(days=1), "00:00", zone)
    naive = datetime.combine(day, time.fromisoformat(clock), zone)
    either = [naive.replace(fold=fold).timestamp() for fold in (0, 1)]
    return min(either), max(either)
