"""What a gateway should do next: thresholds, quiet hours, retests. Computed anew for every ack, never stored."""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

import msgspec

from classready.report import Directives, Thetas
from collector.core import checkup
from collector.core.evidence import Leg
from collector.core.hours import next_quiet, school_hours_between
from collector.core.link import NEARLY, failing_for_s, majority, part_state, test_interval
from collector.core.objection import Objection, orders
from collector.core.policy import Policy
from collector.core.roster import joined
from collector.core.state import School

QUIET_HORIZON_S = 86_400.0


def directives(
    schools: Sequence[School], gateway: str, policy: Policy, now: float, objections: Sequence[Objection] = ()
) -> Directives:
    """Directives for ``gateway``, which serves ``schools``; ``objections`` of theirs wait for an answer."""
    theta = Thetas(down=policy.theta_down_bps, up=policy.theta_up_bps)
    unsettled = {leg.target for school in schools for leg in _unsettled(school, gateway, theta, now, policy)}
    unsettled |= {leg.target for school in schools for leg in checkup.orders(school, gateway, now)}
    if objections:
        unsettled |= set(_objected(schools, gateway, objections, now, policy))
    return Directives(
        policy_version=_version(policy),
        theta=theta,
        quiet=_quiet(schools, now),
        retest=tuple(sorted(unsettled)),
        no_load=_no_load(schools, now),
    )


@lru_cache(maxsize=4)
def _version(policy: Policy) -> str:
    # asked for with each ack; only a reload brings another policy
    return f"{zlib.crc32(msgspec.json.encode(policy)):08x}"


def _quiet(schools: Sequence[School], now: float) -> tuple[tuple[float, float], ...]:
    """Lessons and their like within a day. Where lessons never end (``timetable: always``) no better time will come."""
    return joined(
        span
        for school in schools
        if school_hours_between(school.hours, now, now + QUIET_HORIZON_S) * 3_600 < QUIET_HORIZON_S - 1
        for span in next_quiet(school.hours, now, QUIET_HORIZON_S)
    )


def _no_load(schools: Sequence[School], now: float) -> tuple[tuple[float, float], ...]:
    """Examinations within a day: a voice in a listening test has no second chance."""
    return joined(
        (mute.start, mute.end)
        for school in schools
        for mute in school.hours.mutes
        if mute.why == "exam" and mute.start < now + QUIET_HORIZON_S and now < mute.end
    )


def _unsettled(school: School, gateway: str, theta: Thetas, now: float, policy: Policy) -> Iterator[Leg]:
    """Legs whose last test decides nothing yet, speaks against what the earlier ones say, or is to be confirmed."""
    for leg in chain[Leg](school.state.uplinks.values(), school.state.paths.values()):
        if leg.gateway != gateway or not leg.tests:
            continue
        last = leg.tests[-1]
        if now < last.observed_at + policy.confirm_spacing_s:
            continue
        thetas = theta.down if leg.direction == "down" else theta.up
        # where the last test is of the majority, it is the one that says how wide the line is
        undecided = thetas is not None and part_state(test_interval(last), thetas) == "unknown"
        if majority(leg.tests) is not last.passed or undecided or _is_to_be_confirmed(leg, now, policy):
            yield leg


def _objected(
    schools: Sequence[School], gateway: str, objections: Sequence[Objection], now: float, policy: Policy
) -> Iterator[str]:
    by_name = {school.roster.school: school for school in schools}
    for objection in objections:
        for leg in orders(by_name[objection.school], objection, now, policy):
            if leg.gateway == gateway:
                yield leg.target


def _is_to_be_confirmed(leg: Leg, now: float, policy: Policy) -> bool:
    """It fails, and nobody may be blamed before a test that lies further apart says so, too."""
    if leg.failing_since is None or failing_for_s(leg) >= policy.blame_spacing_s * NEARLY:
        return False
    return now >= leg.failing_since + policy.blame_spacing_s
