"""Why an alert is not told: the observation period of a new gateway, and a silence that may be a night's."""

from collector.core.evidence import GatewayState
from collector.core.hours import (
    after_school_hours,
    in_lesson,
    last_begun,
    school_days_between,
    school_hours_between,
)
from collector.core.policy import Policy
from collector.core.state import School


def is_observing(school: School, gateway: str, now: float, policy: Policy) -> bool:
    """观察期: a new gateway is measured and shown, but nobody is told yet. It ends as a lesson begins."""
    heard = school.state.gateways.get(gateway)
    if policy.observation_school_days == 0 or heard is None:
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
