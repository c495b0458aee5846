"""One school, everything that came together: fold it in, judge what it touches, and say what changed and when to look.

The events of a report are folded in rounds, in each at most one new piece of evidence a subject, so that a backlog of
ten readings counts as ten; almost always it is one round. Judged is once a round.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Final, NamedTuple

from msgspec.structs import replace

from classready.observation import Bandwidth, Device, Found, Http, Ping, Port, Segment
from collector.core import alerts, fold, meanwhile
from collector.core.ageing import let_age
from collector.core.concern import look_again
from collector.core.due import next_due
from collector.core.events import (
    Event,
    Heard,
    Notice,
    Observed,
    PlatformFault,
    PolicyChanged,
    Resumed,
    RosterChanged,
    SchoolEffect,
)
from collector.core.fold import gateway, roster
from collector.core.folded import Folded
from collector.core.judge import judge
from collector.core.policy import Policy
from collector.core.state import Away, School

_OF_A_ROOM: Final = (Port, Device)


class Step(NamedTuple):
    """The school afterwards, what changed, and when time alone can next change anything (None = never)."""

    school: School
    effects: tuple[SchoolEffect, ...]
    wake_at: float | None


def step(school: School, events: Sequence[Event], now: float, policy: Policy) -> Step:
    """Fold the events that came together and judge; no events = time has passed."""
    effects: list[SchoolEffect] = []
    for together in rounds(events):
        school, found = _round(school, together, now, policy)
        effects += found
    return Step(school, tuple(effects), None if school.wake_at == inf else school.wake_at)


def leave(school: School, now: float) -> Step:
    """The roster no longer lists the school: take back what was told of it. If it returns, it is told again."""
    return Step(*alerts.taken_back(school, now, "removed"), None)


def rounds(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """At least one, empty when there are no events."""
    # written out for what nearly all evidence is about: this is asked of every report
    keys = [
        (type(seen), event.gateway, event.classroom) if isinstance(seen, _OF_A_ROOM) else _evidence_key(event)
        for event in events
        if isinstance(event, Observed) and (seen := event.observation)
    ]
    return iter([events]) if len(set(keys)) == len(keys) else _dealt(events)


def _dealt(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Where evidence about one subject repeats: in each round at most one of it."""
    found: list[list[Event]] = [[]]
    counts: dict[object, int] = {}
    for event in events:
        turn = 0
        if isinstance(event, Observed):
            key = _evidence_key(event)
            turn = counts[key] = counts.get(key, -1) + 1
        if turn == len(found):
            found.append([])
        found[turn].append(event)
    return iter(found)


def _evidence_key(event: Observed) -> object:
    seen = event.observation
    if isinstance(seen, _OF_A_ROOM):
        return type(seen), event.gateway, event.classroom
    match seen:
        case Segment(name=name) | Http(target=name) | Ping(target=name):
            return type(seen), event.gateway, name
        case Bandwidth(target=name, direction=direction):
            return Bandwidth, event.gateway, name, direction
        case Found(what=what, host=host):
            return Found, event.gateway, what, host


def _round(
    school: School, events: Sequence[Event], now: float, policy: Policy
) -> tuple[School, tuple[SchoolEffect, ...]]:
    folded = Folded(school, now, policy)
    for event in events:
        if isinstance(event, Observed):
            fold.observe(folded, event)
            if event.late:
                meanwhile.note(folded, event)
        else:
            _note(folded, event)
    if _is_due(folded):
        let_age(folded)
        meanwhile.settle(folded)
        return judge(school, folded, None)
    # a finding that opened something, or soon will, is counted by each of its sightings, also by those that confirm
    if school.state.alerts:
        look_again(folded, school.state, events)
    if folded.rooms or folded.counts:
        return judge(school, folded, folded.rooms)
    return folded.school, tuple(folded.news)


def _is_due(folded: Folded) -> bool:
    """Whether everybody has to be judged: by an event, or because a moment came at which something may turn."""
    school = folded.school
    if folded.everybody or school.judged_at is None:
        return True
    # evidence that came since can only have moved that moment away: it stays true as "not before"
    if folded.now < school.wake_at:
        return False
    due_at = next_due(school, school.judged_at, folded.policy)
    folded.become(replace(school, wake_at=due_at))
    return due_at <= folded.now


# --- fold -----------------------------------------------------------------------------------------------------------


def _note(folded: Folded, event: Notice) -> None:
    match event:
        case Heard():
            gateway.hear(folded, event)
        case Resumed():
            away = Away(event.away_from, event.away_to)
            folded.become(replace(folded.school, away=away, wake_at=0.0))
            # whoever was judged meanwhile was judged on evidence that only seemed too old
            folded.everybody |= (folded.school.judged_at or -inf) > event.away_from
        case RosterChanged():
            roster.relist(folded, event)
        case PlatformFault():
            others = set(folded.state.platform_faults) - {event.platform}
            folded.set(platform_faults=tuple(sorted(others | ({event.platform} if event.on else set()))))
            folded.everybody = True
        case PolicyChanged():
            folded.everybody = True
