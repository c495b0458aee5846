"""How old evidence is: in report intervals what changes by the minute, in school hours what changes by the month."""

from collector.core.evidence import Leg
from collector.core.hours import before_school_hours, school_days_between
from collector.core.policy import Policy
from collector.core.state import Away, School


def seconds_since(at: float, now: float, away: Away | None) -> float:
    """Seconds from ``at`` to ``now``, without those in which the collector itself was away and could hear nobody."""
    if away is None:
        return now - at
    return now - at - max(0.0, min(now, away.end) - max(at, away.start))


def fresh_until(at: float, window_s: float, away: Away | None) -> float:
    """The last moment at which ``at`` is at most ``window_s`` ago."""
    until = at + window_s
    if away is None or until < away.start:
        return until
    return until + max(0.0, away.end - max(at, away.start))


def fresh_from(window_s: float, now: float, away: Away | None) -> float:
    """The earliest date that is at most ``window_s`` old at ``now``."""
    # what would have been heard while nobody listened is given the same time again after it
    if away is None or now - away.end > window_s:
        return now - window_s
    return now - window_s - (away.end - away.start)


def fresh_window_s(school: School, gateway: str, policy: Policy) -> float | None:
    """Device and platform evidence is good for a few report intervals of the gateway that told it; None = unheard."""
    heard = school.state.gateways.get(gateway)
    return None if heard is None else policy.fresh_intervals * heard.report_interval_s


def is_fresh(school: School, at: float | None, gateway: str, now: float, policy: Policy) -> bool:
    window_s = fresh_window_s(school, gateway, policy)
    return at is not None and window_s is not None and at >= fresh_from(window_s, now, school.away)


def ports_valid_from(school: School, now: float, policy: Policy) -> float:
    """What a cable negotiated is good for so many hours of lessons: readings from this moment on count."""
    return before_school_hours(school.hours, now, policy.port_max_school_hours)


def tests_valid_from(school: School, now: float, policy: Policy) -> float:
    """So are bandwidth tests."""
    return before_school_hours(school.hours, now, policy.uplink_max_school_hours)


def is_forgotten(school: School, at: float, gateway: str, now: float, policy: Policy) -> bool:
    """Nobody told of it for days, although the gateway reports: it was taken away, or is no longer asked for."""
    heard = school.state.gateways.get(gateway)
    # a gateway that is silent tells of nothing: that is no sign that what it told of is gone
    if heard is None or heard.silent:
        return False
    return school_days_between(school.hours, at, now) >= policy.forget_after_school_days


def newest_at(leg: Leg) -> float:
    """When the leg was last tested or tried; 0 = never."""
    return max(leg.tests[-1].observed_at if leg.tests else 0.0, leg.last_unmeasured_at or 0.0)
