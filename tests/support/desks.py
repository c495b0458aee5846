"""The desk of one office, opened by itself, and incidents as they stand on it."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from collector.core.bureau.desk import OpenDesk
from collector.core.bureau.incidents import founded, opened, recounted
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Desk, Incident, Member, Notice
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.words import Cause
from tests.support.offices import POLICY, change
from tests.support.school import at, weekdays

PORT = Cause.PORT_DOWN
NOW, MORNING = at("2026-11-24 10:00"), at("2026-11-24 08:40")
"""A Tuesday, and when its digest is due."""
SOON_S, SPREAD_S, WINDOW_S, QUIET_S = 30.0, 330.0, 300.0, 1_800.0
DAY_S = 86_400.0
HOURS = weekdays()


def port(school: str = "s1", kind: str = "opened", **fields: Any) -> AlertChange:
    return change(school, kind, **{"cause": PORT, "office": "a", **fields})


def held(*alerts: AlertChange, number: int = 1, told: bool = True, ending: bool = False, **fields: Any) -> Incident:
    """``told``: its office was told of all of it, an hour ago; ``ending``: it came and went, and has just gone."""
    schools: dict[str, tuple[Member, ...]] = {}
    for alert in alerts or (port(),):
        (*before, last) = opened(schools.get(alert.school, ()), alert)
        over = replace(alert, change="closed", at=NOW) if ending else None
        last = replace(last, told=alert.classrooms if told else None, ending=over)
        schools[alert.school] = (*before, last)
    told_at = NOW - 3_600 if told else None
    given: dict[str, Any] = {"notified_at": told_at, "told_at": told_at, **fields}
    return recounted(replace(founded(number, (*alerts, port())[0], 0.0), schools=schools, **given))


def over(*schools: str, number: int = 1, **fields: Any) -> Incident:
    """All is well again, and its office was not told of that."""
    whole = held(*map(port, schools), number=number, **fields)
    closed = {
        school: tuple(replace(m, alert=replace(m.alert, change="closed")) for m in members)
        for school, members in whole.schools.items()
    }
    return recounted(replace(whole, schools=closed))


def office(
    *incidents: Incident, now: float = NOW, policy: Policy = POLICY, scope: Scope | None = None,
    at_fault: Iterable[str] = (), **fields: Any,
) -> OpenDesk:  # fmt: skip
    desk = Desk(incidents={incident.id: incident for incident in incidents}, **fields)
    return OpenDesk("a", desk, now, policy, Scope() if scope is None else scope, set(at_fault))


def only(desk: OpenDesk) -> Incident:
    (incident,) = desk.closed().incidents.values()
    return incident


def spoken(desk: OpenDesk) -> list[list[str]]:
    """The incidents of each message."""
    notices = [effect for effect in desk.speak() if isinstance(effect, Notice)]
    return [[part.incident for part in notice.parts or (notice,)] for notice in notices]
