"""Several schools in one line: an office, or the whole bureau."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from collector.core.words import Cause
from collector.text import Language, say
from collector.views.summary import CauseCount, SchoolSummary
from collector.views.urgency import NEEDS, Counts, Need, need_of

_TOLD = (Need.SILENT, Need.NOT_READY, Need.UNKNOWN)
"""What is said of an office by number of schools."""


class NeedCount(Struct, frozen=True, kw_only=True):
    need: Need
    schools: int
    text: str


class OfficeSummary(Struct, frozen=True, kw_only=True):
    office: str
    name: str
    need: Need
    need_text: str
    needs: tuple[NeedCount, ...]
    """How many of its schools need somebody most, most urgent first."""
    schools: int
    classrooms: int
    ready: Counts
    compliant: Counts
    causes: tuple[CauseCount, ...]
    rural_weak: bool = False
    """Of schools, not of offices: here for the common order."""


def total(schools: Sequence[SchoolSummary], language: Language, office: str = "", name: str = "") -> OfficeSummary:
    """Add up; the need of an office is decided like that of a school."""
    ready = _sum(school.ready for school in schools)
    need = need_of(ready, sum(s.gateways_up for s in schools), sum(s.gateways_silent for s in schools))
    needs = Counter(school.need for school in schools)
    return OfficeSummary(
        office=office,
        name=name,
        need=need,
        need_text=say(f"need.{need}", language),
        needs=tuple(
            NeedCount(need=need, schools=needs[need], text=say(f"need.{need}", language))
            for need in NEEDS
            if need in _TOLD and needs[need]
        ),
        schools=len(schools),
        classrooms=sum(school.classrooms for school in schools),
        ready=ready,
        compliant=_sum(school.compliant for school in schools),
        causes=_causes(schools),
    )


def _causes(schools: Iterable[SchoolSummary]) -> tuple[CauseCount, ...]:
    """First causes over all schools, most frequent first."""
    found: Counter[Cause] = Counter()
    texts: dict[Cause, str] = {}
    for cause in (cause for school in schools for cause in school.causes):
        found[cause.cause] += cause.classrooms
        texts[cause.cause] = cause.text
    return tuple(CauseCount(cause=cause, classrooms=count, text=texts[cause]) for cause, count in found.most_common())


def _sum(parts: Iterable[Counts]) -> Counts:
    parts = tuple(parts)
    return Counts(
        yes=sum(part.yes for part in parts),
        no=sum(part.no for part in parts),
        unknown=sum(part.unknown for part in parts),
        exempt=sum(part.exempt for part in parts),
    )
