"""When a load may be put on the line, and which. Pure: the caller says what time it is.

No load outside ``allowed_hours``. In lessons (the collector's ``quiet`` spans) none either, but for a quick test of a
line with room for it: its plateau is 1.1 theta1 above what is in use. Everything else needs a line of its own: drain
tests, TCP and iperf3 wait for the end of the lesson. During examinations (``no_load``) nothing at all is sent.

A target that falls due while no load may be sent is not lost for the day: it gets a moment of its own in the next
opening, which ``schedule.moment`` spreads over the opening by the names of gateway and target. An opening is a span of
allowed hours less the lessons, of at least two minutes.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from agent.probes.bandwidth import learned
from agent.probes.bandwidth.learned import Learned
from agent.probes.contract import Context, Span
from classready.bandwidth import streams
from classready.bandwidth.decider import QUICK_MAX_BUCKET_BYTES, QUICK_MAX_BYTES
from classready.observation import Reason
from classready.report import Directives
from classready.targets import BandwidthTarget, HourSpan
from classready.units import MBYTE, bps_to_bytes_per_s, bps_to_mbps

LEAST_BYTES: Final = MBYTE
"""With less left of the day's budget no test is worth beginning."""
STREAMS_MAX_S: Final = streams.SECONDS + 1
"""Longest that a test of TCP streams sends, with a second for headers and a slow end."""
OPENING_MIN_S: Final = 120.0

_ALL_DAY: Final[HourSpan] = ("00:00", "24:00")
_DAY: Final = timedelta(days=1)

_EXAMINATIONS = (Reason.OUTSIDE_HOURS, "the collector asked for no load at all (examinations)")

Load = Literal["quick", "drain", "streams"]
WhyNot = tuple[Reason, str]


def not_now(target: BandwidthTarget, context: Context, now: float) -> WhyNot | None:
    """Say why a drain test may not be made now; None = it may."""
    if no_load(context.directives, now):
        return _EXAMINATIONS
    if (context.on_demand and not context.keeps_hours) or context.directives is None:
        return None
    if quiet(context, now):
        return Reason.OUTSIDE_HOURS, "the collector asked for quiet (lessons)"
    return _outside_hours(target, context, now)


def not_even_quick(
    target: BandwidthTarget, context: Context, now: float, known: Learned, needed_bps: float | None
) -> WhyNot | None:
    """Say why not even a quick test may be made in a lesson; None = it may. ``needed_bps``: test and present use."""
    if no_load(context.directives, now):
        return _EXAMINATIONS
    if (why_not := _outside_hours(target, context, now)) is not None:
        return why_not
    bucket_bytes = learned.fresh_bucket_bytes(known, now)
    plateau_bps = learned.fresh_plateau_bps(known, now)
    if target.mode != "auto" or not context.clock_good or bucket_bytes is None or bucket_bytes > QUICK_MAX_BUCKET_BYTES:
        return Reason.OUTSIDE_HOURS, "lessons, and this line cannot be tested quickly"
    if plateau_bps is None or needed_bps is None:
        return Reason.OUTSIDE_HOURS, "lessons, and it is not known how much room the line has"
    if plateau_bps < needed_bps:
        carried, needed = f"{bps_to_mbps(plateau_bps):.0f}", f"{bps_to_mbps(needed_bps):.0f}"
        return Reason.OUTSIDE_HOURS, f"lessons, and a test beside present use needs {needed} Mbit/s of {carried}"
    return None


def drained_today(target: BandwidthTarget, context: Context, now: float, known: Learned) -> WhyNot | None:
    """Say that a drain test can wait for tomorrow; None = it cannot.

    Where no limit shows, nothing is learned that makes cheaper tests legal. So such a line is drained once a day,
    unless the collector asks for more, or the settings allow tests at any time.
    """
    asked = context.directives is not None and target.name in context.directives.retest
    if context.on_demand or asked or target.mode != "auto" or _ALL_DAY in target.allowed_hours:
        return None
    if known.plateau_bps is not None or (known.drained_at_s or 0.0) < midnight(now, context.settings.timezone):
        return None
    return Reason.BUDGET, "today's drain test met no limit of this line: one a day is enough"


def capacity_due(target: BandwidthTarget, context: Context, now: float, known: Learned) -> bool:
    """Say whether the week's long test is due: a line of two rates gives its lower one only after a while."""
    if context.on_demand or target.mode != "auto" or not context.clock_good:
        return False
    return known.capacity_at_s is not None and now - known.capacity_at_s > learned.FRESH_S


def no_load(given: Directives | None, now: float) -> bool:
    """Whether nothing at all may be put on the line, whoever asks."""
    return given is not None and _is_in(given.no_load, now)


def quiet(context: Context, now: float) -> bool:
    return context.directives is not None and _is_in(context.directives.quiet, now)


def _is_in(spans: Sequence[Span], now: float) -> bool:
    return any(start <= now < end for start, end in spans)


def most_bytes(load: Load, max_bytes: int, theta1_bps: float) -> int:
    """What a test may cost at most. Streams are not bound by ``max_bytes``, but by rate and time."""
    if load == "streams":
        return int(STREAMS_MAX_S * bps_to_bytes_per_s(streams.OFFERED_RATIO * theta1_bps))
    return min(max_bytes, QUICK_MAX_BYTES) if load == "quick" else max_bytes


def affordable(load: Load, wanted_bytes: int, max_day_bytes: int | None, spent_bytes: int | None) -> int | WhyNot:
    """How many of ``wanted_bytes`` the day's budget still has, or why too few. Streams need all of them."""
    if max_day_bytes is None:
        return wanted_bytes
    if spent_bytes is None:
        return Reason.BUDGET, f"what today's tests have sent cannot be read ({learned.FILE}), so there are none today"
    left_bytes = max_day_bytes - spent_bytes
    if left_bytes < (wanted_bytes if load == "streams" else LEAST_BYTES):
        spent, limit = f"{spent_bytes / MBYTE:.1f}", f"{max_day_bytes / MBYTE:.1f}"
        return Reason.BUDGET, f"today's tests have sent {spent} of max_day_bytes {limit} MB: not enough left"
    return min(left_bytes, wanted_bytes)


def midnight(now: float, timezone: str) -> float:
    """When the local day of ``now`` began."""
    zone = ZoneInfo(timezone)
    return _at(datetime.fromtimestamp(now, zone).date(), "00:00", zone)


def openings(target: BandwidthTarget, context: Context, now: float) -> list[Span]:
    """The spans of the next day in which a load may be sent, earliest first; the first may have begun."""
    zone = ZoneInfo(context.settings.timezone)
    today = datetime.fromtimestamp(now, zone).date()
    allowed = (
        (_at(day, first, zone), _at(day + (_DAY if last < first else timedelta()), last, zone))
        for day in (today - _DAY, today, today + _DAY)
        for first, last in target.allowed_hours
    )
    quiet_spans = context.directives.quiet if context.directives is not None else ()
    free = (part for span in allowed for part in _without(span, quiet_spans))
    ahead = ((max(start, now), end) for start, end in free if end > now)
    return sorted((start, end) for start, end in ahead if end - start >= OPENING_MIN_S)


def next_opening(target: BandwidthTarget, context: Context, now: float) -> Span | None:
    return next(iter(openings(target, context, now)), None)


def _outside_hours(target: BandwidthTarget, context: Context, now: float) -> WhyNot | None:
    # Then the time of day does not matter, and a box without a clock may test, too.
    if _ALL_DAY in target.allowed_hours:
        return None
    if not context.clock_good:
        return Reason.CLOCK, "the time of day is not known, so allowed_hours cannot be kept"
    local = datetime.fromtimestamp(now, ZoneInfo(context.settings.timezone))
    if any(_within(span, f"{local:%H:%M}") for span in target.allowed_hours):
        return None
    return Reason.OUTSIDE_HOURS, f"{local:%H:%M} is outside allowed_hours"


def _within(span: HourSpan, clock: str) -> bool:
    """Spans may pass midnight: 22:00 to 06:00."""
    first, last = span
    # Text compares like time, for both have two digits (ClockTime).
    return first <= clock < last if first <= last else clock >= first or clock < last


def _at(day: date, clock: str, zone: ZoneInfo) -> float:
    hours, minutes = map(int, clock.split(":"))
    day += hours // 24 * _DAY
    return datetime(day.year, day.month, day.day, hours % 24, minutes, tzinfo=zone).timestamp()


def _without(span: Span, holes: Sequence[Span]) -> Iterator[Span]:
    start, end = span
    for hole_start, hole_end in sorted(holes):
        if hole_end <= start or hole_start >= end:
            continue
        yield start, hole_start
        start = hole_end
    yield start, end
