"""A school in one line: what of it is numbers and codes is kept, what is words is put in when it is shown."""

from collections import Counter

from msgspec import Struct

from collector.core.figures import counts
from collector.core.state import School
from collector.core.words import Cause
from collector.text import Language, Names, say
from collector.views.urgency import Counts, Need, need_of

_CAUSES = tuple(Cause)


class CauseCount(Struct, frozen=True, kw_only=True):
    cause: Cause
    classrooms: int
    text: str


class SchoolLine(Struct, frozen=True, kw_only=True):
    """True until the school changes: no words of a language, no name that is not the school's, and no age."""

    school: str
    name: str
    office: str
    kind: str
    rural_weak: bool
    need: Need
    classrooms: int
    unlisted: int
    ready: Counts
    compliant: Counts
    gateways: int
    gateways_up: int
    gateways_silent: int
    """That did report and fell silent; those never heard are in neither."""
    last_report_at: float | None
    utc_offset_s: float
    """The school's own zone."""


class SchoolFigures(SchoolLine, frozen=True, kw_only=True):
    first_causes: dict[Cause, int]
    """Judged classrooms that are not ready or unknown, by what keeps them from it first."""


class SchoolSummary(SchoolLine, frozen=True, kw_only=True):
    office_name: str
    need_text: str
    causes: tuple[CauseCount, ...]
    """First causes, most frequent first."""


def summarise(school: School, names: Names, language: Language) -> SchoolSummary:
    """The school in one line."""
    return worded(figures(school), names, language)


def figures(school: School) -> SchoolFigures:
    """Count what the school's line shows."""
    roster, state = school.roster, school.state
    heard = [state.gateways[g] for g in roster.gateways if g in state.gateways]
    by_verdict = counts(school)
    ready = Counts(**by_verdict["ready"])
    silent = sum(gateway.silent for gateway in heard)
    return SchoolFigures(
        school=roster.school,
        name=roster.name or roster.school,
        office=roster.office,
        kind=roster.kind,
        rural_weak=roster.rural_weak,
        need=need_of(ready, len(heard) - silent, silent),
        classrooms=len(roster.classrooms),
        unlisted=len(state.unlisted),
        ready=ready,
        compliant=Counts(**by_verdict["compliant"]),
        first_causes=_first_causes(school),
        gateways=len(roster.gateways),
        gateways_up=len(heard) - silent,
        gateways_silent=silent,
        last_report_at=max((gateway.last_committed_at for gateway in heard), default=None),
        utc_offset_s=school.hours.utc_offset_s,
    )


def worded(kept: SchoolFigures, names: Names, language: Language) -> SchoolSummary:
    """Put in the words; ``names`` as they are in force now."""
    return SchoolSummary(
        **{field: getattr(kept, field) for field in SchoolLine.__struct_fields__},
        office_name=names.office(kept.office),
        need_text=say(f"need.{kept.need}", language),
        causes=cause_counts(kept.first_causes, language),
    )


def cause_counts(found: dict[Cause, int], language: Language) -> tuple[CauseCount, ...]:
    """Most frequent first, then in root-cause order: an office's must not depend on who reported last."""
    ordered = sorted(found.items(), key=lambda item: (-item[1], _CAUSES.index(item[0])))
    return tuple(
        CauseCount(cause=cause, classrooms=count, text=say(f"cause.{cause}", language)) for cause, count in ordered
    )


def _first_causes(school: School) -> dict[Cause, int]:
    judged = [room.id for room in school.roster.classrooms.values() if room.exempt is None]
    verdicts = [state.verdict for room in judged if (state := school.state.classrooms.get(room))]
    return dict(Counter(verdict.causes[0] for verdict in verdicts if verdict.causes and verdict.ready != "yes"))
