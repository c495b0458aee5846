"""Why an alert is not told: today the observation period of a new gateway."""

from collector.core.hours import school_days_between
from collector.core.policy import Policy
from collector.core.state import School


def is_observing(school: School, gateway: str, now: float, policy: Policy) -> bool:
    """观察期: a new gateway is measured and shown, but nobody is told yet."""
    heard = school.state.gateways.get(gateway)
    if policy.observation_school_days == 0 or heard is None:
        return False
    return school_days_between(school.hours, heard.first_committed_at, now) < policy.observation_school_days
