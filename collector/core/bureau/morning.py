"""When an office is told what can wait: once a school day, before anybody has begun to look at boards."""

from bisect import bisect_right
from typing import Final

from collector.core.hours import into_day_s
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours
from collector.core.words import Cause

CAN_WAIT: Final = frozenset({Cause.DEVICE_OFFLINE, Cause.DEVICE_ABSENT})
"""A board that stays off harms no other room, and by the next lesson somebody may have switched it on."""
MORNING_S: Final = 10_800.0
"""So long after ``digest_at`` it is still morning: what was missed is not said in the evening."""


def next_morning(hours: Hours, after: float, now: float, policy: Policy) -> float:
    """The first ``digest_at`` of a school day not before ``after``; ``after`` itself where there are no days.

    One that was missed, as the collector was away, is the next school day's. The days are known for two weeks, and
    holidays last longer: then it is a day from ``now``, when to ask again.
    """
    if not hours.midnights:
        return after
    at = _first_morning(hours, after, now, policy)
    return at if now <= at + MORNING_S else _first_morning(hours, now, now, policy)


def another_day(hours: Hours, at: float) -> float:
    """When the day after that of ``at`` begins: nobody is told twice in a day. A day later where no days are known."""
    return at + DAY_S - ((at + hours.utc_offset_s) % DAY_S if hours.midnights else 0.0)


def _first_morning(hours: Hours, after: float, now: float, policy: Policy) -> float:
    digest_s = into_day_s(policy.digest_at)
    day = bisect_right(hours.midnights, after - digest_s)
    if day and hours.midnights[day - 1] + digest_s == after:
        return after
    return hours.midnights[day] + digest_s if day < len(hours.midnights) else max(after, now) + DAY_S
