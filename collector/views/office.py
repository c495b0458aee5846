"""Several schools in one line: an office, or the whole bureau."""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from collector.core.words import Cause
from collector.text import Language, say
from collector.views.summary import CauseCount, SchoolFigures, cause_counts
from collector.views.urgency import Counts, Need, need_of

_TOLD = (Need.SILENT, Need.NOT_READY, Need.UNKNOWN)
"""What is said of an office by number of schools, most urgent first."""


class Sums:
    """What schools add up to. Whole numbers only, so that what was added can be taken away again without a trace."""

    def __init__(self, schools: Iterable[SchoolFigures] = ()) -> None:
        self.tally: Counter[tuple[str, str]] = Counter()
        """Keyed (what, state)."""
        for school in schools:
            self.add(school)

    def add(self, school: SchoolFigures, times: int = 1) -> None:
        """``times`` -1 takes away what was added before, with 1."""
        for key, count in _weights(school):
            self.tally[key] += times * count

    def join(self, other: "Sums") -> None:
        """Add all that ``other`` adds up."""
        self.tally.update(other.tally)

    def count(self, what: str, state: str = "") -> int:
        return self.tally[what, state]

    def counts(self, verdict: str) -> Counts:
        return Counts(**{state: self.tally[verdict, state] for state in Counts.__struct_fields__})

    @property
    def first_causes(self) -> dict[Cause, int]:
        return {cause: count for cause in Cause if (count := self.tally["cause", cause])}


def _weights(school: SchoolFigures) -> Iterator[tuple[tuple[str, str], int]]:
    yield ("schools", ""), 1
    yield ("classrooms", ""), school.classrooms
    yield ("gateways", "up"), school.gateways_up
    yield ("gateways", "silent"), school.gateways_silent
    yield ("need", school.need), 1
    for state in Counts.__struct_fields__:
        yield ("ready", state), getattr(school.ready, state)
        yield ("compliant", state), getattr(school.compliant, state)
    for cause, count in school.first_causes.items():
        yield ("cause", cause), count


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


def total(sums: Sums, language: Language, office: str = "", name: str = "") -> OfficeSummary:
    """Put in the words; the need of an office is decided like that of a school."""
    ready = sums.counts("ready")
    need = need_of(ready, sums.count("gateways", "up"), sums.count("gateways", "silent"))
    return OfficeSummary(
        office=office,
        name=name,
        need=need,
        need_text=say(f"need.{need}", language),
        needs=tuple(
            NeedCount(need=need, schools=count, text=say(f"need.{need}", language))
            for need in _TOLD
            if (count := sums.count("need", need))
        ),
        schools=sums.count("schools"),
        classrooms=sums.count("classrooms"),
        ready=ready,
        compliant=sums.counts("compliant"),
        causes=cause_counts(sums.first_causes, language),
    )
