"""One school, everything that came together: fold it in, judge what it touches, and say what changed and when to look.

The events of a report are folded in rounds, in each at most one new piece of evidence a subject, so that a backlog of
ten readings counts as ten; almost always it is one round. Judged is once a round.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import Literal, NamedTuple

from msgspec.structs import replace

from classready.observation import Bandwidth, Device, Http, Ping, Port, Segment
from collector.core import alerts, findings, fold
from collector.core.age import is_forgotten, newest_at, seconds_since, tests_valid_from
from collector.core.case import Shared, case_of, shared
from collector.core.compliance import aged, compliant, latched
from collector.core.due import next_due
from collector.core.events import (
    Event,
    Heard,
    Observed,
    PlatformFault,
    PolicyChanged,
    Resumed,
    RosterChanged,
    SchoolEffect,
    VerdictChanged,
)
from collector.core.evidence import GatewayState, Leg
from collector.core.findings import Finding
from collector.core.folded import NOBODY, Folded
from collector.core.next_step import step_unheard
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import Away, ClassroomState, School, Verdict
from collector.core.verdict import link_of, unheard, verdict_of
from collector.core.words import Cause, NextStep, ShownValue

_VERDICTS: tuple[Literal["ready", "compliant"], ...] = ("ready", "compliant")


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
    return Step(*alerts.taken_back(school, now), None)


def rounds(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """At least one, empty when there are no events."""
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
    match event.observation:
        case Port() | Device():
            return type(event.observation), event.gateway, event.classroom
        case Segment(name=name) | Http(target=name) | Ping(target=name):
            return type(event.observation), event.gateway, name
        case Bandwidth(target=name, direction=direction):
            return Bandwidth, event.gateway, name, direction


def _round(
    school: School, events: Sequence[Event], now: float, policy: Policy
) -> tuple[School, tuple[SchoolEffect, ...]]:
    folded = Folded(school, now, policy)
    for event in events:
        _fold(folded, event)
    if _is_due(folded):
        _let_age(folded)
        return _judge(school, folded, None)
    if folded.rooms or (events and school.state.alerts):
        # Where something is open, any new evidence may be about it.
        return _judge(school, folded, None if school.state.alerts else folded.rooms)
    return folded.school, tuple(folded.moved)


def _is_due(folded: Folded) -> bool:
    """Whether everybody has to be judged: by an event, or because a moment came at which something may turn."""
    school = folded.school
    if folded.everybody or school.judged_at is None:
        return True
    if folded.now < school.wake_at:
        return False
    due_at = next_due(school, school.judged_at, folded.policy)
    folded.become(replace(school, wake_at=due_at))
    return due_at <= folded.now


# --- fold -----------------------------------------------------------------------------------------------------------


def _fold(folded: Folded, event: Event) -> None:
    match event:
        case Observed():
            fold.observe(folded, event)
        case Heard():
            _hear(folded, event)
        case Resumed():
            away = Away(event.away_from, event.away_to)
            folded.become(replace(folded.school, away=away, wake_at=0.0))
        case RosterChanged():
            _relist(folded, event)
        case PlatformFault():
            others = set(folded.state.platform_faults) - {event.platform}
            folded.set(platform_faults=tuple(sorted(others | ({event.platform} if event.on else set()))))
            folded.everybody = True
        case PolicyChanged():
            folded.everybody = True


def _hear(folded: Folded, event: Heard) -> None:
    before = folded.state.gateways.get(event.gateway)
    heard = GatewayState(
        first_committed_at=before.first_committed_at if before else folded.now,
        last_committed_at=folded.now,
        report_interval_s=event.report_interval_s,
        clock_skew_s=event.clock_skew_s,
        spool_records=event.spool_records,
        agent_version=event.agent_version,
    )
    folded.hear(event.gateway, heard)
    same = before is not None and not before.silent and before.report_interval_s == event.report_interval_s
    folded.everybody |= not same


def _relist(folded: Folded, event: RosterChanged) -> None:
    """Take over the new roster; what it no longer lists is forgotten, what it now lists is no longer unlisted.

    A school that moved to another office takes along what is open: the old one is told so, the new one anew.
    """
    school, roster = folded.school, event.roster
    if school.roster.office != roster.office:
        school, folded.taken_back = alerts.taken_back(school, folded.now)
    state = school.state
    state = replace(
        state,
        gateways={k: v for k, v in state.gateways.items() if k in roster.gateways},
        uplinks={k: v for k, v in state.uplinks.items() if v.gateway in roster.gateways},
        paths={
            k: v for k, v in state.paths.items() if v.gateway in roster.gateways and v.classroom in roster.classrooms
        },
        switches={k: v for k, v in state.switches.items() if v.gateway in roster.gateways},
        segments={k: v for k, v in state.segments.items() if v.gateway in roster.gateways},
        platforms={k: v for k, v in state.platforms.items() if v.gateway in roster.gateways},
        classrooms={k: v for k, v in state.classrooms.items() if k in roster.classrooms},
        unlisted={k: v for k, v in state.unlisted.items() if k not in roster.classrooms},
    )
    folded.become(replace(school, roster=roster, hours=event.hours, state=state))
    folded.everybody = True


def _let_age(folded: Folded) -> None:
    """Gateways fall silent, old tests stop being evidence, and what nobody tells of any more is forgotten."""
    now, policy = folded.now, folded.policy
    for name, heard in folded.state.gateways.items():
        quiet_s = seconds_since(heard.last_committed_at, now, folded.school.away)
        if not heard.silent and quiet_s > policy.silent_after_intervals * heard.report_interval_s:
            folded.put("gateways", name, replace(heard, silent=True))
    valid_from = tests_valid_from(folded.school, now, policy)
    for part in ("uplinks", "paths"):
        legs: dict[str, Leg] = dict(getattr(folded.state, part))
        for key, leg in legs.items():
            if (younger := _without_old_tests(leg, valid_from)) is not leg:
                folded.put(part, key, younger)
    _forget(folded)


def _without_old_tests(leg: Leg, valid_from: float) -> Leg:
    """A bandwidth test is evidence for a number of school hours, then it is history."""
    if leg.last_unmeasured_at is not None and leg.last_unmeasured_at < valid_from:
        leg = replace(leg, last_unmeasured_at=None, last_unmeasured_reason=None)
    if all(test.observed_at >= valid_from for test in leg.tests):
        return leg
    return replace(leg, tests=tuple(test for test in leg.tests if test.observed_at >= valid_from))


def _forget(folded: Folded) -> None:
    """What was replaced or taken away is told of by nobody: its evidence goes, and with it what is open about it."""

    def is_gone(at: float, gateway: str) -> bool:
        return is_forgotten(folded.school, at, gateway, folded.now, folded.policy)

    state = folded.state
    folded.drop("switches", {k for k, v in state.switches.items() if is_gone(v.observed_at, v.gateway)})
    folded.drop("segments", {k for k, v in state.segments.items() if is_gone(v.observed_at, v.gateway)})
    for part in ("uplinks", "paths"):
        legs: dict[str, Leg] = dict(getattr(state, part))
        folded.drop(part, {k for k, v in legs.items() if not v.tests and is_gone(newest_at(v), v.gateway)})
    folded.drop(
        "platforms",
        {
            k
            for k, v in state.platforms.items()
            if is_gone(max(r.observed_at for r in (v.http, v.ping) if r is not None), v.gateway)
        },
    )
    for room_id, room in state.classrooms.items():
        if (left := _without_gone(room, is_gone)) is not room:
            folded.put("classrooms", room_id, left)


def _without_gone(room: ClassroomState, is_gone: Callable[[float, str], bool]) -> ClassroomState:
    port, device = room.last_port, room.device
    if port is not None and is_gone(port.observed_at, port.gateway):
        room = replace(room, port=None, pending_port=None, last_port=None, place=None)
    if device is not None and is_gone(device.observed_at, device.gateway):
        room = replace(room, device=None, nic_speed_bps=None, watched_since=None)
    return room


# --- judge ----------------------------------------------------------------------------------------------------------


def _judge(before: School, folded: Folded, rooms: Iterable[str] | None) -> tuple[School, tuple[SchoolEffect, ...]]:
    """Judge the named rooms (None = all), and the alerts on what was found."""
    now, policy = folded.now, folded.policy
    common = shared(folded.school, now, policy)
    found = list(findings.of_school(common))
    of_school = tuple(found)
    for room_id in folded.school.roster.classrooms if rooms is None else rooms:
        room = folded.school.roster.classrooms.get(room_id)
        if room is not None:
            state, of_room = _judged(common, room, of_school)
            found += of_room
            if state != folded.room(room_id):
                folded.put("classrooms", room_id, state)
    left, changes = alerts.apply(folded.school, found, now, policy, all_found=rooms is None)
    if left != folded.state.alerts:
        folded.set(alerts=left)
    school = folded.school
    if rooms is None:
        school = replace(school, judged_at=now, wake_at=next_due(school, now, policy))
    else:
        school = replace(school, wake_at=min(school.wake_at, next_due(school, now, policy)))
    return school, (*_transitions(before, school, now), *folded.taken_back, *changes, *folded.moved)


def _judged(
    common: Shared, room: Classroom, of_school: tuple[Finding, ...]
) -> tuple[ClassroomState, tuple[Finding, ...]]:
    """The room with both its verdicts, and the findings about it alone."""
    school, now, policy = common.school, common.now, common.policy
    state = school.state.classrooms.get(room.id, NOBODY)
    latch = aged(school, state.latch, now, policy)
    case = case_of(common, room)
    if case is None:
        verdict = unheard(Cause.NOT_MEASURED, step_unheard(school))
        return replace(state, verdict=_since(state, verdict, now), latch=latch), ()
    mine = findings.of_room(case)
    if case.heard.silent:
        verdict = unheard(Cause.GATEWAY_SILENT, NextStep.CHECK_GATEWAY)
        return replace(state, verdict=_since(state, verdict, now), latch=latch), mine
    concerned = (*mine, *(finding for finding in of_school if room.id in finding.classrooms))
    link = link_of(case, concerned)
    latch = latched(case, latch, link, concerned)
    is_proven = room.exempt is not None or latch.value != "unknown"
    verdict = verdict_of(case, link, concerned, is_proven=is_proven)
    return replace(state, verdict=_since(state, verdict, now), latch=latch), mine


def _since(state: ClassroomState, verdict: Verdict, now: float) -> Verdict:
    unchanged = state.verdict.ready == verdict.ready and state.verdict.ready_since is not None
    return replace(verdict, ready_since=state.verdict.ready_since if unchanged else now)


# --- what changed ---------------------------------------------------------------------------------------------------


def _transitions(before: School, after: School, now: float) -> tuple[VerdictChanged, ...]:
    """Of both verdicts, as they are shown: exempt and removed rooms change, too."""
    changed: list[VerdictChanged] = []
    relisted = before.roster is not after.roster
    for room_id in dict.fromkeys((*before.roster.classrooms, *after.roster.classrooms)):
        if not relisted and before.state.classrooms.get(room_id) is after.state.classrooms.get(room_id):
            continue
        verdict = after.state.classrooms.get(room_id, NOBODY).verdict
        for name, was, became in zip(_VERDICTS, _shown(before, room_id), _shown(after, room_id), strict=True):
            if was != became:
                changed.append(
                    VerdictChanged(
                        office=after.roster.office,
                        school=after.roster.school,
                        classroom=room_id,
                        verdict=name,
                        before=was,
                        after=became,
                        causes=verdict.causes,
                        at=now,
                    )
                )
    return tuple(changed)


def _shown(school: School, room_id: str) -> tuple[ShownValue, ShownValue]:
    room = school.roster.classrooms.get(room_id)
    if room is None:
        return "removed", "removed"
    state = school.state.classrooms.get(room_id, NOBODY)
    return ("exempt" if room.exempt is not None else state.verdict.ready), compliant(room, state)
