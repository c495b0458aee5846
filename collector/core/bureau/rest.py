"""When nobody is told anything: at night, and of single rooms on days without school.

What begins then is told as the morning begins, as it is by then; what came and went meanwhile nobody hears of.
"""

from bisect import bisect_right
from typing import Final

from collector.core.hours import into_day_s
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours
from collector.core.words import Cause

OF_ROOMS: Final = frozenset(
    {Cause.PORT_DOWN, Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX, Cause.SEGMENT_BELOW_REQUIRED}
)
"""Nobody is at school on a Sunday to change a plug."""


def awake_at(at: float, hours: Hours, policy: Policy) -> float:
    """The first moment from ``at`` on that is no night by the office's clock; where no days are known ``at`` itself."""
    begins_s, ends_s = into_day_s(policy.quiet_chat_from), into_day_s(policy.quiet_chat_until)
    if not hours.midnights or begins_s == ends_s:
        return at
    now_s = (at + hours.utc_offset_s) % DAY_S
    is_night = (now_s - begins_s) % DAY_S < (ends_s - begins_s) % DAY_S
    return at + (ends_s - now_s) % DAY_S if is_night else at


def may_be_told_at(cause: Cause | None, at: float, hours: Hours, policy: Policy) -> float:
    """The first moment from ``at`` on at which an office wants to hear of ``cause`` (None: of what is no fault)."""
    awake = awake_at(at, hours, policy)
    if cause not in OF_ROOMS or not hours.midnights:
        return awake
    day = bisect_right(hours.midnights, awake)
    if day and awake < hours.midnights[day - 1] + DAY_S:
        return awake
    # the days are known for two weeks: in longer holidays it is said on the last evening that is known
    return awake_at(hours.midnights[day], hours, policy) if day < len(hours.midnights) else awake
