"""When a load may be put on the line. Pure: the caller says what time it is."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from agent.probes.contract import Context
from agent.settings import BandwidthTarget, HourSpan
from classready.observation import Reason

_ALL_DAY: Final[HourSpan] = ("00:00", "24:00")


def not_now(target: BandwidthTarget, context: Context, now: float) -> tuple[Reason, str] | None:
    """Say why no load may be put on the line now; None = it may."""
    if context.on_demand or context.directives is None:
        return None
    if quiet(context, now):
        return Reason.OUTSIDE_HOURS, "the collector asked for quiet (lessons)"
    if _ALL_DAY in target.allowed_hours:
        return None
    if not context.clock_good:
        return Reason.CLOCK, "the time of day is not known, so allowed_hours cannot be kept"
    local = datetime.fromtimestamp(now, ZoneInfo(context.settings.timezone))
    if any(_within(span, f"{local:%H:%M}") for span in target.allowed_hours):
        return None
    return Reason.OUTSIDE_HOURS, f"{local:%H:%M} is outside allowed_hours"


def quiet(context: Context, now: float) -> bool:
    return context.directives is not None and any(start <= now < end for start, end in context.directives.quiet)


def _within(span: HourSpan, clock: str) -> bool:
    """Spans may pass midnight: 22:00 to 06:00."""
    first, last = span
    return first <= clock < last if first <= last else clock >= first or clock < last
