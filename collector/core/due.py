"""When can time alone next change anything of a school? The engine sleeps until then.

A report that only confirms what is known moves these moments further away, so the one that was computed before it stays
true as "not before"; whoever is woken early computes it again and sleeps on.
"""

from collections.abc import Iterable, Iterator
from math import inf

from collector.core.age import fresh_until
from collector.core.alerts import held_until
from collector.core.hours import after_school_hours, before_school_hours, next_boundary
from collector.core.mute import silence_held_until
from collector.core.policy import Policy
from collector.core.state import School

JUST_AFTER_S = 0.001
"""Limits are inclusive: what may be 180 s old is too old a moment later."""


def next_due(school: School, after: float, policy: Policy) -> float:
    """The first moment later than ``after`` at which a judgement could turn out otherwise; infinite = none."""
    times = (
        next_boundary(school.hours, after),
        *(until + JUST_AFTER_S for until in _limits(school, after, policy)),
        *(cut.look_at for cut in school.state.meanwhile.values()),
        *(until for alert in school.state.alerts if (until := held_until(alert, policy)) is not None),
    )
    return min((time for time in times if time > after), default=inf)


def _limits(school: School, after: float, policy: Policy) -> Iterator[float]:
    """The last moments at which something is still good."""
    yield from _freshness(school, after, policy)
    yield from _school_hours(school, after, policy.port_max_school_hours, _ports(school))
    yield from _school_hours(school, after, policy.uplink_max_school_hours, _tests(school))


def _freshness(school: School, after: float, policy: Policy) -> Iterator[float]:
    """Per gateway: its silence, and the oldest of what is fresh. An earlier date is never good for longer."""
    oldest: dict[str, float] = {}
    state = school.state
    windows = {name: policy.fresh_intervals * heard.report_interval_s for name, heard in state.gateways.items()}
    for gateway, at in _short_lived(school):
        window_s = windows.get(gateway)
        known = oldest.get(gateway)
        if window_s is None or (known is not None and known <= at):
            continue
        if fresh_until(at, window_s, school.away) + JUST_AFTER_S > after:
            oldest[gateway] = at
    for gateway, at in oldest.items():
        yield fresh_until(at, windows[gateway], school.away)
    # a silence can only end by being heard, which is no matter of time; when it is told is
    for heard in state.gateways.values():
        if heard.silent:
            yield silence_held_until(school, heard, policy)
        else:
            window_s = policy.silent_after_intervals * heard.report_interval_s
            yield fresh_until(heard.last_committed_at, window_s, school.away)


def _short_lived(school: School) -> Iterator[tuple[str, float]]:
    for room in school.state.classrooms.values():
        if room.device is not None:
            yield room.gateway or room.device.gateway, room.device.observed_at
        if room.last_port is not None:
            yield room.gateway or room.last_port.gateway, room.last_port.observed_at
    for switch in school.state.switches.values():
        yield switch.gateway, switch.observed_at
    for platform in school.state.platforms.values():
        if platform.http is not None:
            yield platform.gateway, platform.http.observed_at


def _school_hours(school: School, after: float, limit_h: float, dates: Iterable[float]) -> Iterator[float]:
    # an earlier date never expires later, so the oldest of those that still count is the next one
    since = before_school_hours(school.hours, after, limit_h)  # what is older has expired before
    oldest = min((at for at in dates if at >= since), default=None)
    if oldest is not None:
        yield after_school_hours(school.hours, oldest, limit_h)


def _ports(school: School) -> Iterator[float]:
    for room in school.state.classrooms.values():
        if room.port is not None:
            yield room.port.observed_at
        # the card's speed is as old as the last time its device was awake
        if room.nic_speed_bps is not None and room.last_awake_at is not None:
            yield room.last_awake_at
    for segment in school.state.segments.values():
        yield segment.observed_at


def _tests(school: School) -> Iterator[float]:
    for legs in (school.state.uplinks, school.state.paths):
        for leg in legs.values():
            yield from (test.observed_at for test in leg.tests)
            if leg.last_unmeasured_at is not None:
                yield leg.last_unmeasured_at
