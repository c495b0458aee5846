"""The check-up before a term (开学前体检): one message to each office, on the last working day before it."""

from collector.core.bureau.rest import awake_at
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Morning, Notice
from collector.core.checkup import Surveyed, told_at
from collector.core.policy import Policy


def due_at(morning: Morning | None, scope: Scope, now: float, policy: Policy) -> float | None:
    """When to tell it; None = it was told, no term is announced, or the term has begun meanwhile."""
    checkup, at = scope.hours.checkup, told_at(scope.hours, policy)
    if morning is None or scope.survey is None or checkup is None or at is None:
        return None
    if morning.checked_up == checkup.term or now >= checkup.ends:
        return None
    return awake_at(max(at, now), scope.hours, policy)


def tell(office: str, term: str, surveys: tuple[Surveyed, ...], now: float) -> Notice:
    """Say what every school is ready for; those with most to do first."""
    return Notice(
        kind="checkup",
        incident="",
        office=office,
        cause=None,
        at=now,
        since=now,
        term=term,
        surveys=tuple(sorted(surveys, key=lambda each: (-_open_count(each), each.school))),
    )


def _open_count(each: Surveyed) -> int:
    return each.short_count + sum(each.unknown.values())
