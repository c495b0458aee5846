"""Why an alert is not told: a new gateway is observed, somebody works on it, there are examinations, or it is night.

Muted is the telling alone: everything is measured and judged as ever, and what still fails when it ends is told then.
"""

from collections.abc import Iterator

from collector.core.evidence import GatewayState
from collector.core.hours import (
    after_school_hours,
    in_lesson,
    last_begun,
    school_days_between,
    school_hours_between,
)
from collector.core.policy import Policy
from collector.core.roster import Hours, Mute
from collector.core.state import School
from collector.core.subject import Subject


def is_observing(school: School, gateway: str, now: float, policy: Policy) -> bool:
    """观察期: a new gateway is measured and shown, but nobody is told yet. It ends as a lesson begins."""
    heard = school.state.gateways.get(gateway)
    if heard is None:
        return False
    # at the midnight that ends it nobody is there to read what a week has gathered
    begun_at = last_begun(school.hours, now)
    return school_days_between(school.hours, heard.first_committed_at, begun_at) < policy.observation_school_days


def silence_held_until(school: School, heard: GatewayState, policy: Policy) -> float:
    """The last moment at which nobody is told of a gateway that stays silent; infinite = no lesson is known.

    Power is cut at night and lines are dialled anew: what is over by the next lesson harmed none. What counts is lesson
    time, without that in which the collector itself was away.
    """
    began, hours, away = heard.last_committed_at, school.hours, school.away
    hold_s = policy.silence_hold_s
    if not in_lesson(hours, began):
        hold_s = min(hold_s, policy.silence_hold_next_lesson_s)
    if not hold_s:
        return began
    deaf_h = school_hours_between(hours, max(away.start, began), away.end) if away is not None else 0.0
    return after_school_hours(hours, began, hold_s / 3_600 + deaf_h)


def mutes_at(hours: Hours, now: float) -> Iterator[Mute]:
    """What mutes something now; at its last moment it no longer does."""
    return (mute for mute in hours.mutes if mute.start <= now < mute.end)


def is_muted(school: School, subject: Subject, gateway: str, now: float, policy: Policy) -> bool:
    """Whether nobody is told now of what begins to fail about ``subject``, of which ``gateway`` tells."""
    about = (None, subject.name) if subject.kind == "platform" else (None,)
    return any(mute.platform in about for mute in mutes_at(school.hours, now)) or is_observing(
        school, gateway, now, policy
    )
