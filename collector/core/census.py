"""The census of an office: what no alert tells of, school by school. Made once a school day, for the digest."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from collector.core.hours import school_days_between
from collector.core.mute import is_observing, silence_held_until
from collector.core.policy import Policy
from collector.core.roster import DAY_S
from collector.core.state import AlertState, School
from collector.core.words import Cause, NextStep

GroupKind = Literal["not_installed", "silent", "observation_ends", "observed", "unlisted", "unproven"]


class Found(Struct, frozen=True, kw_only=True):
    """What one school brings to a group. ``names``: gateways, or rooms (of ``observed``: what the alerts are about)."""

    school: str
    school_name: str
    names: tuple[str, ...]
    count: int
    """Of all; ``names`` may be some of them."""
    new_count: int = 0
    """Of those that its office was not told of before."""
    cause: Cause | None = None
    """Of ``observed``: it stands once for each cause."""
    next_step: NextStep | None = None
    """Of ``unproven``: what most of its rooms need first."""
    hub: str | None = None
    """The hub school that it belongs to."""


Census = Mapping[GroupKind, tuple[Found, ...]]


def census(schools: Iterable[School], now: float, policy: Policy) -> Census:
    """Count the schools of an office; a gateway that serves several of them is the first one's."""
    found = defaultdict[GroupKind, list[Found]](list)
    counted: set[str] = set()
    for school in schools:
        own = [name for name in school.roster.gateways if name not in counted]
        counted.update(own)
        for kind, names_of in _GROUPS.items():
            names = tuple(names_of(school, own, now, policy))
            found[kind] += _found(school, names)
        found["observed"] += _observed(school, now, policy)
        found["unproven"] += _unproven(school, now, policy)
    return {kind: tuple(each) for kind, each in found.items()}


def _found(school: School, names: tuple[str, ...], **fields: object) -> Iterator[Found]:
    if names:
        roster = school.roster
        fields |= {"school": roster.school, "school_name": roster.name, "hub": roster.hub}
        yield Found(names=names, count=len(names), **fields)  # type: ignore[arg-type]


def _never_heard(school: School, gateways: list[str], _now: float, _policy: Policy) -> Iterator[str]:
    """谁还没装."""
    return (name for name in gateways if name not in school.state.gateways)


def _silent(school: School, gateways: list[str], now: float, policy: Policy) -> Iterator[str]:
    """Where it would be told, were nobody working on it, or the gateway not new."""
    for name in gateways:
        heard = school.state.gateways.get(name)
        if heard is not None and heard.silent and now > silence_held_until(school, heard, policy):
            yield name


def _observation_ends(school: School, gateways: list[str], now: float, policy: Policy) -> Iterator[str]:
    """Whose observation ends on the day of ``now``, whether or not its first lesson has begun."""
    midnight = now - (now + school.hours.utc_offset_s) % DAY_S
    for name in gateways:
        if is_observing(school, name, midnight, policy) and not is_observing(school, name, midnight + DAY_S, policy):
            yield name


def _unlisted(school: School, _gateways: list[str], now: float, policy: Policy) -> Iterator[str]:
    """未登记: as long as somebody tells of them. A record that names no room at all is nobody's."""
    for room, heard_at in sorted(school.state.unlisted.items()):
        if room and school_days_between(school.hours, heard_at, now) <= policy.forget_after_school_days:
            yield room


_GROUPS: Final[Mapping[GroupKind, Callable[[School, list[str], float, Policy], Iterator[str]]]] = {
    "not_installed": _never_heard,
    "silent": _silent,
    "observation_ends": _observation_ends,
    "unlisted": _unlisted,
}


def _observed(school: School, now: float, policy: Policy) -> Iterator[Found]:
    """What is open and kept out of the chat because the gateway is new."""
    by_cause: dict[Cause, list[str]] = {}
    for alert in school.state.alerts:
        if alert.opened_at is not None and not alert.announced and _is_new(school, alert, now, policy):
            by_cause.setdefault(alert.cause, []).append(alert.subject.name or alert.subject.gateway)
    for cause, names in by_cause.items():
        yield from _found(school, tuple(names), cause=cause)


def _is_new(school: School, alert: AlertState, now: float, policy: Policy) -> bool:
    room = school.state.classrooms.get(alert.subject.name) if alert.subject.kind == "classroom" else None
    gateway = (room.gateway if room is not None else None) or alert.subject.gateway
    asked = [gateway] if gateway else school.roster.gateways
    return any(is_observing(school, name, now, policy) for name in asked)


def _unproven(school: School, now: float, policy: Policy) -> Iterator[Found]:
    """Rooms of which it was never shown that they have what they must, nor that they have not.

    Where no gateway is, or a new one looks around, that is no wonder.
    """
    heard = [name for name in school.roster.gateways if name in school.state.gateways]
    if not heard or any(is_observing(school, name, now, policy) for name in heard):
        return
    steps: dict[str, NextStep | None] = {}
    for room_id, listed in school.roster.classrooms.items():
        room = school.state.classrooms.get(room_id)
        if listed.exempt is None and (room is None or (room.latch.value == "unknown" and room.latch.since is None)):
            steps[room_id] = room.verdict.next_step if room is not None else None
    asked = Counter(step for step in steps.values() if step is not None)
    yield from _found(school, tuple(steps), next_step=max(asked, key=asked.__getitem__, default=None))
