"""What of a census is worth a message: what is new, and once a week what goes on.

"Still three not installed", said each morning, is read by nobody after a week.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final

from msgspec.structs import replace

from collector.core.bureau.words import Group, Remembered
from collector.core.census import Census, Found, GroupKind
from collector.core.roster import DAY_S

AGAIN_AFTER_S: Final = 6.5 * DAY_S
"""At the same time of day a week later, which may be a moment less than seven days."""
NAMES_MAX: Final = 3
KEYS_MAX: Final = 2_000
"""So many things of a group are remembered; senders can name more. What is beyond is counted, and is never new."""
_ORDER: Final[tuple[GroupKind, ...]] = (
    "not_installed", "silent", "observation_ends", "observed", "unlisted", "unproven",
)  # fmt: skip
_WAITS: Final = frozenset({"not_installed"})
"""Counted from the second census that finds it: whoever was listed yesterday cannot be expected to be there today."""
_WEEKLY: Final = frozenset({"unproven"})
"""Never news by itself: rooms come to be proven one by one over months."""
_BY_SCHOOL: Final = frozenset({"observed", "unproven"})
"""A school's second alert of an observation period is no news: it is there to gather them."""

Memory = Mapping[GroupKind, Remembered]


def noteworthy(census: Census, before: Memory, now: float) -> tuple[Memory, tuple[Group, ...]]:
    """Return what to remember, and the groups to tell: all of each, and how many are new."""
    after, groups = dict[GroupKind, Remembered](), list[Group]()
    for kind in _ORDER:
        found, was = census.get(kind, ()), before.get(kind, Remembered())
        keys = sorted({key for each in found for key, _ in _keys(kind, each)})[:KEYS_MAX]
        first_at = {key: was.first_at.get(key, now) for key in keys}
        counted = [each for each in (_counted(kind, each, first_at, was, now) for each in found) if each.count]
        is_news = any(each.new_count for each in counted)
        is_time = was.said_at is None or now - was.said_at >= AGAIN_AFTER_S
        if counted and (is_news or is_time):
            groups.append(Group(kind=kind, found=tuple(sorted(counted, key=_rank))))
        if first_at or was.said_at is not None:
            after[kind] = replace(was, first_at=first_at)
    return after, tuple(groups)


def said(memory: Memory, groups: Iterable[Group], counted_at: float) -> Memory:
    """``groups`` were told, of the census of ``counted_at``; what was not is as new to the office as it was."""
    return {**memory, **{group.kind: replace(memory[group.kind], said_at=counted_at) for group in groups}}


def _counted(kind: GroupKind, found: Found, first_at: Mapping[str, float], was: Remembered, now: float) -> Found:
    """What of ``found`` counts by now; of its names the new ones first."""
    names = [name for key, name in _keys(kind, found) if kind not in _WAITS or first_at.get(key, -inf) < now]
    new = [name for key, name in _keys(kind, found) if name in names and _is_new(kind, first_at.get(key), was)]
    if kind in _BY_SCHOOL:
        is_news = bool(new) and kind not in _WEEKLY
        return replace(found, names=found.names[:NAMES_MAX], new_count=found.count if is_news else 0)
    shown = tuple(dict.fromkeys([*new, *names]))[:NAMES_MAX]
    return replace(found, names=shown, count=len(names), new_count=len(new))


def _is_new(kind: GroupKind, first_at: float | None, was: Remembered) -> bool:
    """Whether the office was not told of it. What waits was found, and not counted, on the day on which it was said."""
    if first_at is None or was.said_at is None:
        return first_at is not None
    return first_at >= was.said_at if kind in _WAITS else first_at > was.said_at


def _keys(kind: GroupKind, found: Found) -> Iterator[tuple[str, str]]:
    if kind in _BY_SCHOOL:
        yield found.school, found.school
        return
    for name in found.names:
        yield f"{found.school}/{name}", name


def _rank(found: Found) -> tuple[bool, int, str]:
    return not found.new_count, -found.count, found.school


def without(census: Census, kind: GroupKind, told: Sequence[str]) -> Census:
    """``census`` without those of a group of which incidents tell."""
    names = set(told)
    left = (
        replace(each, names=kept, count=len(kept))
        for each in census.get(kind, ())
        if (kept := tuple(name for name in each.names if name not in names))
    )
    return {**census, kind: tuple(left)}
