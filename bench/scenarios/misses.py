"""What was injected, what should have been said and what was said, by kind of cause: the worst examples of each."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from bench.scenarios.causes import KINDS
from bench.scenarios.days import ZONE
from bench.scenarios.figures import Judged
from bench.scenarios.lines import Example, Miss
from bench.scenarios.schedule import Truth

EXAMPLES: Final = 3
SAID_MAX: Final = 4
"""Different wordings of one example."""


def misses(found: Sequence[Judged]) -> Iterator[Miss]:
    """One a kind with anything wrong, most wrong first."""
    made = [_miss(kind, [one for one in found if one.truth.kind == kind]) for kind in KINDS]
    yield from sorted((m for m in made if m.examples), key=lambda m: -(m.unnamed * 2 + m.wrong_actor + m.unrecovered))


def _miss(kind: str, of_kind: Sequence[Judged]) -> Miss:
    wrong = sorted((one for one in of_kind if _faults(one)), key=lambda one: (-_faults(one), one.truth.began_at))
    return Miss(
        kind=kind,
        injected=KINDS[kind].about,
        should=KINDS[kind].should,
        count=len(of_kind),
        unnamed=sum(not one.is_named for one in of_kind),
        wrong_actor=sum(one.is_named and not one.has_actor for one in of_kind),
        without_words=sum(one.is_named and one.has_words is False for one in of_kind),
        unrecovered=sum(one.is_recovery_told is False for one in of_kind),
        examples=tuple(_example(one) for one in wrong[:EXAMPLES]),
    )


def _faults(one: Judged) -> int:
    """How wrong, to have the worst first."""
    flags = (one.is_named, one.has_actor, one.has_words is not False, one.is_recovery_told is not False)
    return (4, 3, 1, 2)[flags.index(False)] if False in flags else 0


def _example(one: Judged) -> Example:
    said = one.said[:SAID_MAX] or ("nothing",)
    if one.is_recovery_told is False:
        said = (*said, "its recovery was not told")
    return Example(
        where=_where(one.truth), began=_moment(one.truth.began_at), ended=_moment(one.truth.ended_at), said=said
    )


def _where(truth: Truth) -> str:
    schools = sorted(truth.schools)
    what = truth.hit.breakages[0].name
    if len(schools) == 1:
        return f"school {schools[0]}{f', {what}' if what else ''} ({len(truth.hit.rooms)} rooms)"
    return f"{len(schools)} schools{f', {what}' if what else ''} ({len(truth.hit.rooms)} rooms)"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(ZONE).strftime("%m-%d %H:%M")
