"""When an office is told what can wait: once a school day, before anybody has begun to look at boards."""

from bisect import bisect_right
from typing import Final

from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours
from collector.core.words import Cause

CAN_WAIT: Final = frozenset({Cause.DEVICE_OFFLINE, Cause.DEVICE_ABSENT})
"""A board that stays off harms no other room, and by the next lesson somebody may have switched it on."""


def next_morning(hours: Hours, after: float, now: float, policy: Policy) -> float:
    """The first ``digest_at`` of a school day not before ``after``; ``after`` itself where there are no days.

    The days are known for two weeks, and holidays last longer: then it is a day from ``now``, when to ask again.
    """
    if not hours.midnights:
        return after
    hour, minute = policy.digest_at.split(":")
    into_day_s = 3_600.0 * int(hour) + 60.0 * int(minute)
    day = bisect_right(hours.midnights, after - into_day_s)
    if day and hours.midnights[day - 1] + into_day_s == after:
        return after
    return hours.midnights[day] + into_day_s if day < len(hours.midnights) else max(after, now) + DAY_S
