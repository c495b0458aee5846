"""Who is told when nobody takes an incident: so many hours of lessons after its first message, once.

Hours of lessons, not of the clock: over a free day nobody is expected to have answered.
"""

from math import inf

from msgspec.structs import replace

from collector.core.bureau.groups import can_wait, joined_root
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Incident, Notice
from collector.core.hours import after_school_hours
from collector.core.policy import Policy


def due_at(incident: Incident, scope: Scope, policy: Policy) -> float | None:
    """When nobody has said for long enough to be on it; None = nobody is asked, or nobody knows when lessons are."""
    wanted_h, told_at = policy.escalate_after_lesson_hours, incident.told_at
    if not wanted_h or told_at is None or can_wait(incident) or incident.scope == "bureau":
        return None
    if incident.acknowledgement is not None or incident.escalated_at is not None or not incident.tally.open_count:
        return None
    at = after_school_hours(scope.hours, told_at, wanted_h)
    return at if at < inf else None


def escalate(incident: Incident, now: float, scope: Scope) -> tuple[Incident, Notice]:
    """Say all that is open and was told of it."""
    held = (member for members in incident.schools.values() for member in members if member.is_open)
    root = joined_root(incident, scope)
    notice = Notice(
        kind="escalated",
        incident=incident.id,
        office=incident.office,
        cause=incident.cause,
        at=now,
        since=incident.since,
        members=tuple(member.alert for member in held if member.told is not None),
        remaining_classrooms=incident.tally.told_classroom_count,
        actor=root.actor,
        root_name=root.name,
    )
    return replace(incident, escalated_at=now), notice
