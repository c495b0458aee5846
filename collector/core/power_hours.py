"""When boards usually go off: what happens then is no sign of a power cut."""

from collector.core.hours import lesson_at
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours


def is_unusual(hours: Hours, at: float, policy: Policy) -> bool:
    """Whether a board that goes off at ``at`` is more than a teacher who leaves: in the middle of a lesson."""
    lesson = lesson_at(hours, at)
    if lesson is None:
        return False
    began, ends = lesson
    if ends - began <= policy.lesson_max_s:
        return at < ends - policy.device_group_window_s
    # a timetable without breaks does not say when teachers rest and leave: at noon a whole floor goes off together
    into_day_s = (at + hours.utc_offset_s) % DAY_S
    at_noon = _into_day_s(policy.noon_begins) <= into_day_s < _into_day_s(policy.noon_ends)
    return at < ends - policy.leaving_s and not at_noon


def _into_day_s(clock: str) -> float:
    hour, minute = clock.split(":")
    return 3_600.0 * int(hour) + 60.0 * int(minute)
