"""When each cause strikes and when it is mended: on school days, overlapping where neither hides the other."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from bench.scenarios import days
from bench.scenarios.causes import KINDS, Kind
from bench.scenarios.draws import between
from bench.scenarios.places import Place
from bench.scenarios.strikes import Hit

ATTEMPTS: Final = 200
APART_S: Final = 2 * days.HOUR_S
"""Between two causes that would hide or double each other: so long what is over may still be told."""


class Truth(Struct, frozen=True, kw_only=True):
    """One injected cause: what, where, from when to when (Unix seconds)."""

    name: str
    kind: str
    hit: Hit
    began_at: float
    ended_at: float

    @property
    def schools(self) -> frozenset[str]:
        return frozenset(school for school, _ in self.hit.rooms)


def schedule(seed: int, places: Sequence[Place], first: date, day_count: int, per_kind: int) -> tuple[Truth, ...]:
    """``per_kind`` of each kind, fewer where there is no room for them, by their begin."""
    found: list[Truth] = []
    lessons = days.school_days(first, day_count)
    for number in range(per_kind):
        for kind in KINDS:
            if (truth := _placed(seed, places, lessons, (kind, number), found)) is not None:
                found.append(truth)
    return tuple(sorted(found, key=lambda truth: truth.began_at))


def _placed(
    seed: int, places: Sequence[Place], lessons: Sequence[date], which: tuple[str, int], others: Sequence[Truth]
) -> Truth | None:
    kind, number = which
    about, name = KINDS[kind], f"{kind}-{number}"
    for attempt in range(ATTEMPTS):
        key = f"{name}/{attempt}"
        span = _span(seed, key, lessons, about)
        hit = about.strike(seed, places, key)
        if span is None or hit is None or not hit.rooms:
            continue
        truth = Truth(name=name, kind=kind, hit=hit, began_at=span[0], ended_at=span[1])
        if not any(_clash(truth, other) for other in others):
            return truth
    return None


def _span(seed: int, key: str, lessons: Sequence[date], kind: Kind) -> tuple[float, float] | None:
    """Short ones begin and end within a school day; long ones end in an afternoon, with a day left to tell of it."""
    last = len(lessons) - kind.school_days - 1
    if last <= 0:
        return None
    index = int(between(0, last, seed, "day", key))
    began_at = days.at(lessons[index], between(8.4, 11.0, seed, "hour", key))
    if kind.school_days:
        return began_at, days.at(lessons[index + kind.school_days], between(14.5, 16.0, seed, "end", key))
    return began_at, began_at + between(*kind.lasts_h, seed, "lasts", key) * days.HOUR_S


def _clash(one: Truth, other: Truth) -> bool:
    first, second = sorted((one, other), key=lambda truth: truth.began_at)
    if first.hit.groups & second.hit.groups:
        return second.began_at <= _over_at(first)
    is_near = second.began_at <= first.ended_at + APART_S
    hides = KINDS[one.kind].is_silence or KINDS[other.kind].is_silence
    return is_near and hides and bool(one.schools & other.schools)


def _over_at(truth: Truth) -> float:
    """When it can be known to be over. Lines are tested at noon and in the evening: before, nobody sees it."""
    is_tested = any(group == "line" for _, group in truth.hit.groups)
    return days.told_by(truth.ended_at) if is_tested else truth.ended_at + APART_S


def moments(truths: Sequence[Truth]) -> Iterator[tuple[float, bool, Truth]]:
    """(when, whether it begins, which), in order."""
    both = [(t.began_at, True, t) for t in truths] + [(t.ended_at, False, t) for t in truths]
    return iter(sorted(both, key=lambda moment: (moment[0], moment[1], moment[2].name)))
