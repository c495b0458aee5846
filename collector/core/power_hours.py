"""When boards usually go off: what happens then is no sign of a power cut."""

from collector.core.hours import into_day_s, lesson_at
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Hours


def is_unusual(hours: Hours, at: float, policy: Policy) -> bool:
    """Whether a board that goes off at ``at`` is more than a teacher who leaves: in the middle of a lesson."""
    lesson = lesson_at(hours, at)
    if lesson is None:
        return False
    _, ends = lesson
    if is_within_a_lesson(hours, at, policy):
        return at < ends - policy.device_group_window_s
    # a timetable without breaks does not say when teachers rest and leave: at noon a whole floor goes off together
    now_s = (at + hours.utc_offset_s) % DAY_S
    at_noon = into_day_s(policy.noon_begins) <= now_s < into_day_s(policy.noon_ends)
    return at < ends - policy.leaving_s and not at_noon


def is_within_a_lesson(hours: Hours, at: float, policy: Policy) -> bool:
    """Whether ``at`` is known to be between two bells: in a lesson of a timetable that has breaks."""
    lesson = lesson_at(hours, at)
    return lesson is not None and lesson[1] - lesson[0] <= policy.lesson_max_s
