"""What the record of an incident keeps (发现问题、整改落实): what its office was told of whom, and what became of that.

It rests on messages alone: what nobody was told was no finding that anybody could have mended.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from collector.core.bureau.words import Bureau, BureauEffect, Notice
from collector.core.events import AlertChange
from collector.core.hours import before_school_days, school_hours_between
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.words import Actor

Ending = Literal["recovered", "exempted", "moved", "removed", "withdrawn", "joined"]
"""``withdrawn``: nobody says whether it is well, and why is not known. ``joined``: it goes on as another incident."""

_NEWS: Final = frozenset({"opened", "updated", "resolved", "withdrawn"})
"""Kinds of messages that say something new of their members."""


class Told(NamedTuple):
    """One alert, as the office of ``incident`` was told of it at ``at``: that it is open, or over."""

    incident: str
    alert: AlertChange
    at: float


class Joined(NamedTuple):
    """An incident that the office knew by itself goes on as ``goes_on_as``."""

    incident: str
    goes_on_as: str
    at: float


News = Told | Joined


def news(effects: Iterable[BureauEffect], after: Bureau) -> list[News]:
    """What ``effects`` say of incidents, in order; ``after``: the bureau once they were told.

    That rooms left an alert which goes on is no end of it.
    """
    found: list[News] = []
    for notice in _notices(effects):
        found += [Joined(other, notice.incident, notice.at) for other in notice.joined]
        found += [
            Told(notice.incident, alert, notice.at)
            for alert in notice.members
            if alert.change == "opened" or not _goes_on(after, notice, alert)
        ]
    return found


def named(actor: Actor, items: Iterable[AlertChange]) -> str | None:
    """Which operator or exit has to act, where all that is told hangs on one; a message names it to several alone."""
    match actor:
        case "operator":
            names = {item.operator for item in items}
        case "exit":
            names = {item.subject.name if item.subject.kind == "exit" else None for item in items}
        case _:
            return None
    return names.pop() if len(names) == 1 else None


def ending_of(alert: AlertChange) -> Ending:
    """Of a closed one."""
    return "recovered" if alert.why == "recovered" else alert.withdrawal or "withdrawn"


def reopens_from(hours: Hours, at: float, policy: Policy) -> float:
    """What was fixed from then on, and is told again at ``at``, was not mended for good."""
    return before_school_days(hours, at, policy.reopened_within_school_days)


def lesson_s(hours: Hours, since: float, fixed_at: float) -> float | None:
    """Seconds of lessons that it took; None = the days that are known do not reach back so far."""
    if not hours.starts or since < hours.starts[0]:
        return None
    return round(3_600 * school_hours_between(hours, since, fixed_at), 3)


def _notices(effects: Iterable[BureauEffect]) -> Iterator[Notice]:
    messages = (effect for effect in effects if isinstance(effect, Notice))
    return (part for message in messages for part in message.parts or (message,) if part.kind in _NEWS)


def _goes_on(after: Bureau, notice: Notice, alert: AlertChange) -> bool:
    desk = after.desks.get(notice.office)
    incident = desk and desk.incidents.get(notice.incident)
    members = incident.schools.get(alert.school, ()) if incident else ()
    return any(m.is_open and (m.alert.subject, m.alert.cause) == (alert.subject, alert.cause) for m in members)
