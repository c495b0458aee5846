"""Judging the rooms of a school and its alerts, after a round was folded in; and what of it is another than before."""

from collections.abc import Collection
from typing import Literal

from msgspec.structs import replace

from collector.core import alerts, room_findings, school_findings
from collector.core.case import Shared, case_of, shared
from collector.core.compliance import aged, compliant, latched
from collector.core.due import next_due
from collector.core.events import SchoolEffect, VerdictChanged
from collector.core.findings import Finding
from collector.core.folded import NOBODY, Folded
from collector.core.next_step import step_unheard
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Latch, School, Verdict
from collector.core.verdict import link_of, unheard, verdict_of
from collector.core.words import Cause, NextStep, ShownValue

_VERDICTS: tuple[Literal["ready", "compliant"], ...] = ("ready", "compliant")


def judge(before: School, folded: Folded, rooms: Collection[str] | None) -> tuple[School, tuple[SchoolEffect, ...]]:
    """Judge the named rooms (None = all), and the alerts on what was found."""
    now, policy = folded.now, folded.policy
    common = shared(folded.school, now, policy)
    found = list(school_findings.of_school(common))
    bad = tuple(finding for finding in found if finding.bad == "yes")
    # in the roster's order, for alerts that open together are told in it
    for room_id, room in folded.listed.items():
        if rooms is None or room_id in rooms:
            state, of_room = _judged(common, room, bad)
            found += of_room
            if state is not folded.room(room_id):
                folded.put("classrooms", room_id, state)
    left, changes = alerts.apply(folded.school, found, now, policy, all_found=rooms is None)
    if left != folded.state.alerts:
        folded.set(alerts=left)
    school = folded.school
    if rooms is None:
        school = replace(school, judged_at=now, wake_at=next_due(school, now, policy))
    else:
        school = replace(school, wake_at=min(school.wake_at, next_due(school, now, policy)))
    return school, (*_transitions(before, school, now), *folded.taken_back, *changes, *folded.news)


def _judged(
    common: Shared, room: Classroom, bad_of_school: tuple[Finding, ...]
) -> tuple[ClassroomState, tuple[Finding, ...]]:
    """The room with both its verdicts (the same where nothing changed), and the findings about it alone."""
    school, now, policy = common.school, common.now, common.policy
    state = school.state.classrooms.get(room.id, NOBODY)
    latch = aged(school, state, now, policy)
    case = case_of(common, room)
    if case is None:
        return _with(state, unheard(Cause.NOT_MEASURED, step_unheard(school)), latch, now), ()
    mine = room_findings.of_room(case)
    # nothing is known of now; what was proven before stays proven (the latch), until it is too old
    if case.heard.silent:
        return _with(state, unheard(Cause.GATEWAY_SILENT, NextStep.CHECK_GATEWAY), latch, now), mine
    bad = [finding for finding in mine if finding.bad == "yes"]
    bad += [finding for finding in bad_of_school if room.id in finding.classrooms]
    link = link_of(case, bad)
    latch = latched(case, latch, link, bad)
    # an exempt room will never be called compliant: it needs no next step towards that
    is_proven = room.exempt is not None or latch.value != "unknown"
    return _with(state, verdict_of(case, link, bad, is_proven=is_proven), latch, now), mine


def _with(state: ClassroomState, verdict: Verdict, latch: Latch, now: float) -> ClassroomState:
    unchanged = state.verdict.ready == verdict.ready and state.verdict.ready_since is not None
    verdict = replace(verdict, ready_since=state.verdict.ready_since if unchanged else now)
    if verdict == state.verdict and latch == state.latch:
        return state
    return replace(state, verdict=verdict, latch=latch)


# --- what changed ---------------------------------------------------------------------------------------------------


def _transitions(before: School, after: School, now: float) -> tuple[VerdictChanged, ...]:
    """Of both verdicts, as they are shown: exempt and removed rooms change, too."""
    changed: list[VerdictChanged] = []
    relisted = before.roster is not after.roster
    for room_id in dict.fromkeys((*before.roster.classrooms, *after.roster.classrooms)):
        prior = before.state.classrooms.get(room_id, NOBODY)
        state = after.state.classrooms.get(room_id, NOBODY)
        verdict = state.verdict
        if not relisted and verdict is prior.verdict and state.latch is prior.latch:
            continue
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
