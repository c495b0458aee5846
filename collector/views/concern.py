"""The open incidents that a school or a room belongs to: by number, with a link."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from collector.core.bureau.words import Incident
from collector.core.words import Cause
from collector.text import Language, Names, say

IncidentState = Literal["pending", "firing", "acknowledged", "ending", "closed"]


class IncidentRef(Struct, frozen=True, kw_only=True):
    """``link`` null = nobody said how people reach the board; ``classrooms``: those of this school."""

    incident: str
    cause: Cause
    cause_text: str
    state: IncidentState
    state_text: str
    classrooms: tuple[str, ...]
    link: str | None


def state_of(incident: Incident) -> IncidentState:
    if not incident.tally.open_count:
        return "ending"
    if incident.acknowledgement is not None:
        return "acknowledged"
    return "pending" if incident.notified_at is None else "firing"


def rooms_in(incident: Incident, school: str) -> tuple[str, ...] | None:
    """The rooms of a school that are affected now; None = it has no part in it, or no more."""
    members = [member for member in incident.schools.get(school, ()) if member.is_open]
    return tuple(sorted({room for m in members for room in m.alert.classrooms})) if members else None


def refs(incidents: Iterable[Incident], school: str, names: Names, language: Language) -> tuple[IncidentRef, ...]:
    return tuple(
        IncidentRef(
            incident=incident.id,
            cause=incident.cause,
            cause_text=say(f"cause.{incident.cause}", language),
            state=state_of(incident),
            state_text=say(f"incident.{state_of(incident)}", language),
            classrooms=rooms,
            link=names.board_url and f"{names.board_url.rstrip('/')}/incidents/{incident.id}",
        )
        for incident in incidents
        if (rooms := rooms_in(incident, school)) is not None
    )


def of_room(found: Sequence[IncidentRef], classroom: str) -> tuple[IncidentRef, ...]:
    return tuple(ref for ref in found if classroom in ref.classrooms)
