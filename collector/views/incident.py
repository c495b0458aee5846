"""One incident with everything it explains: root -> schools -> rooms, who acts, and who is on it."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from collector.core.bureau.groups import joined_root
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledgement, Bureau, Incident, Member
from collector.core.words import Actor, Cause
from collector.text import Language, Names, say
from collector.views.bureau import Incidents
from collector.views.concern import IncidentState, rooms_in, state_of

NUMBER_MAX_DIGITS = 12
ROOMS_SHOWN_MAX = 500
"""Of each school: a page must not grow with what senders name."""


class AffectedSchool(Struct, frozen=True, kw_only=True):
    """``cause`` is the school's own. ``is_open`` false: it is well again, which its office was not told yet."""

    school: str
    name: str
    cause: Cause
    cause_text: str
    is_open: bool
    since: float
    classroom_count: int
    classrooms: tuple[str, ...]


class IncidentView(Struct, frozen=True, kw_only=True):
    """``schools`` is empty in lists and of closed ones, of which only counts are kept; null = not known, or nobody.

    ``classroom_count``: affected now; ``classroom_peak_count``: at most, at once.
    """

    incident: str
    state: IncidentState
    state_text: str
    scope: str
    office: str
    office_name: str
    cause: Cause
    cause_text: str
    since: float
    opened_at: float
    closed_at: float | None = None
    notified_at: float | None = None
    notified_count: int | None = None
    actor: Actor | None = None
    actor_text: str | None = None
    root_name: str | None = None
    school_count: int | None = None
    classroom_count: int = 0
    classroom_peak_count: int
    acknowledgement: Acknowledgement | None = None
    schools: tuple[AffectedSchool, ...] = ()


def find(bureau: Bureau, number: str) -> Incident | None:
    """Return the open incident of that number, or None."""
    held = (desk.incidents.get(number) for desk in bureau.desks.values())
    return next((incident for incident in held if incident is not None), None)


def all_open(bureau: Bureau, office: str | None = None) -> list[Incident]:
    """Return the open incidents, oldest first."""
    found = (i for name, desk in bureau.desks.items() if office in {None, name} for i in desk.incidents.values())
    return sorted(found, key=lambda incident: (incident.opened_at, incident.id))


def concerning(bureau: Bureau, school: str, classroom: str | None = None) -> list[Incident]:
    """The open incidents that a school, or a room of it, belongs to, oldest first."""
    found = ((incident, rooms_in(incident, school)) for incident in all_open(bureau))
    return [incident for incident, rooms in found if rooms is not None and (classroom is None or classroom in rooms)]


def number_of(text: str) -> str | None:
    """Incidents are written with leading zeros; people leave them out. None = that is no number."""
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS):
        return None
    return f"{int(text):06d}"


async def look_up(source: Incidents, text: str, names: Names, language: Language) -> IncidentView | None:
    """Return the incident of that number, open or over; None = there is none. Raises what the store raises."""
    if (number := number_of(text)) is None:
        return None
    if (incident := find(source.open(), number)) is not None:
        return shown(incident, source.scopes(), names, language, with_schools=True)
    row = await source.one_closed(number)
    return None if row is None else shown_closed(row, names, language)


def shown(
    incident: Incident, scopes: Mapping[str, Scope], names: Names, language: Language, *, with_schools: bool
) -> IncidentView:
    """Show an open one."""
    root, state = joined_root(incident, scopes.get(incident.office, Scope())), state_of(incident)
    return IncidentView(
        incident=incident.id,
        state=state,
        scope=incident.scope,
        office=incident.office,
        cause=incident.cause,
        since=incident.since,
        opened_at=incident.opened_at,
        notified_at=incident.notified_at,
        notified_count=incident.notified_count,
        actor=root.actor,
        actor_text=say(f"actor.{root.actor}", language),
        root_name=root.name,
        school_count=len(incident.schools),
        classroom_count=incident.tally.classroom_count,
        classroom_peak_count=incident.classroom_peak_count,
        acknowledgement=incident.acknowledgement,
        schools=tuple(_schools(incident, language)) if with_schools else (),
        **_texts(incident.office, incident.cause, state, names, language),
    )


def shown_closed(row: Mapping[str, Any], names: Names, language: Language) -> IncidentView:
    """Show what the store keeps of one that is over: ``row`` of the table ``incident``."""
    cause = Cause(row["cause"])
    return IncidentView(
        incident=row["id"],
        state="closed",
        scope=row["scope"],
        office=row["office"],
        cause=cause,
        since=row["since"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        classroom_peak_count=row["classroom_count"],
        **_texts(row["office"], cause, "closed", names, language),
    )


def _texts(office: str, cause: Cause, state: str, names: Names, language: Language) -> dict[str, Any]:
    return {
        "office_name": names.office(office) if office else say("chat.everywhere", language),
        "cause_text": say(f"cause.{cause}", language),
        "state_text": say(f"incident.{state}", language),
    }


def _schools(incident: Incident, language: Language) -> Iterator[AffectedSchool]:
    """A school with several subjects (two gateways, some switches) is one, with all of their rooms."""
    for school, members in sorted(incident.schools.items()):
        open_ = [member for member in members if member.is_open] or list(members)
        rooms = sorted({room for member in open_ for room in member.alert.classrooms})
        first = open_[0].alert
        yield AffectedSchool(
            school=school,
            name=first.school_name or school,
            cause=first.cause,
            cause_text=say(f"cause.{first.cause}", language),
            is_open=open_[0].is_open,
            since=min(map(_since, open_)),
            classroom_count=len(rooms),
            classrooms=tuple(rooms[:ROOMS_SHOWN_MAX]),
        )


def _since(member: Member) -> float:
    return member.alert.at if member.alert.since is None else member.alert.since
