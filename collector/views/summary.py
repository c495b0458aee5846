"""A school in one line."""

from collections import Counter

from msgspec import Struct

from collector.core.figures import counts
from collector.core.state import School
from collector.core.words import Cause
from collector.text import Language, Names, say
from collector.views.urgency import Counts, Need, need_of


class CauseCount(Struct, frozen=True, kw_only=True):
    cause: Cause
    classrooms: int
    text: str


class SchoolSummary(Struct, frozen=True, kw_only=True):
    school: str
    name: str
    office: str
    office_name: str
    kind: str
    rural_weak: bool
    need: Need
    need_text: str
    classrooms: int
    unlisted: int
    ready: Counts
    compliant: Counts
    causes: tuple[CauseCount, ...]
    gateways: int
    gateways_up: int
    gateways_silent: int
    """That did report and fell silent; those never heard are in neither."""
    last_report_at: float | None
    utc_offset_s: float
    """The school's own zone."""


def summarise(school: School, names: Names, language: Language) -> SchoolSummary:
    """The school in one line."""
    roster, state = school.roster, school.state
    heard = [state.gateways[g] for g in roster.gateways if g in state.gateways]
    by_verdict = counts(school)
    ready = Counts(**by_verdict["ready"])
    silent = sum(gateway.silent for gateway in heard)
    need = need_of(ready, len(heard) - silent, silent)
    return SchoolSummary(
        school=roster.school,
        name=roster.name or roster.school,
        office=roster.office,
        office_name=names.office(roster.office),
        kind=roster.kind,
        rural_weak=roster.rural_weak,
        need=need,
        need_text=say(f"need.{need}", language),
        classrooms=len(roster.classrooms),
        unlisted=len(state.unlisted),
        ready=ready,
        compliant=Counts(**by_verdict["compliant"]),
        causes=_cause_counts(school, language),
        gateways=len(roster.gateways),
        gateways_up=len(heard) - silent,
        gateways_silent=silent,
        last_report_at=max((gateway.last_committed_at for gateway in heard), default=None),
        utc_offset_s=school.hours.utc_offset_s,
    )


def _cause_counts(school: School, language: Language) -> tuple[CauseCount, ...]:
    """First causes of the judged classrooms that are not ready or unknown, most frequent first."""
    judged = [room.id for room in school.roster.classrooms.values() if room.exempt is None]
    verdicts = [state.verdict for room in judged if (state := school.state.classrooms.get(room))]
    first = Counter(verdict.causes[0] for verdict in verdicts if verdict.causes and verdict.ready != "yes")
    return tuple(
        CauseCount(cause=cause, classrooms=count, text=say(f"cause.{cause}", language))
        for cause, count in first.most_common()
    )
