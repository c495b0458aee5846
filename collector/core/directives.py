"""What a gateway should do next: thresholds, quiet hours, retests. Computed anew for every ack, never stored."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from classready.report import Directives, Thetas
from collector.core.evidence import Leg
from collector.core.hours import next_lessons, school_hours_between
from collector.core.link import leg_interval, majority, part_state
from collector.core.policy import Policy
from collector.core.state import School

QUIET_HORIZON_S = 86_400.0


def directives(schools: Sequence[School], gateway: str, policy: Policy, now: float) -> Directives:
    """Directives for ``gateway``, which serves ``schools``."""
    return Directives(
        policy_version=f"{zlib.crc32(msgspec.json.encode(policy)):08x}",
        theta=Thetas(down=policy.theta_down_bps, up=policy.theta_up_bps),
        quiet=_quiet(schools, now),
        retest=tuple(sorted({leg.target for s in schools for leg in _unsettled(s, gateway, policy, now)})),
    )


def _quiet(schools: Sequence[School], now: float) -> tuple[tuple[float, float], ...]:
    """Lessons of the next day. Where lessons never end (``timetable: always``) there is no better time to wait for."""
    spans = sorted(
        span
        for school in schools
        if school_hours_between(school.hours, now, now + QUIET_HORIZON_S) * 3_600 < QUIET_HORIZON_S - 1
        for span in next_lessons(school.hours, now, QUIET_HORIZON_S)
    )
    merged: list[tuple[float, float]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _unsettled(school: School, gateway: str, policy: Policy, now: float) -> Iterator[Leg]:
    """Legs whose last test decides nothing yet, or speaks against what the earlier ones say."""
    for leg in chain[Leg](school.state.uplinks.values(), school.state.paths.values()):
        if leg.gateway != gateway or not leg.tests:
            continue
        last = leg.tests[-1]
        thetas = policy.theta_down_bps if leg.direction == "down" else policy.theta_up_bps
        undecided = thetas is not None and part_state(leg_interval(leg), thetas) == "unknown"
        contradicts = majority(leg.tests) is not last.passed
        if (undecided or contradicts) and now >= last.observed_at + policy.confirm_spacing_s:
            yield leg
