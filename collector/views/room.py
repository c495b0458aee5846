"""A classroom with both its verdicts and what they rest on."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from collector.core.compliance import compliant
from collector.core.evidence import DeviceReading, Leg
from collector.core.figures import segments_on_the_way
from collector.core.hours import hours_of, period_at
from collector.core.link import grade_of, link_bps
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Interval, School
from collector.core.timetable import PeriodKind
from collector.core.wiring import gateway_of
from collector.core.words import (
    ACTORS,
    Actor,
    Basis,
    Cause,
    CompliantValue,
    DeviceStateName,
    Grade,
    LinkState,
    NextStep,
    VerdictValue,
)
from collector.text import Language, ago, capacity, say
from collector.views.bandwidth import Capacity, capacity_view, evidence_of_test, leg_text
from collector.views.concern import IncidentRef
from collector.views.way import Node, way_to
from collector.views.wiring import port_facts, segment_text

BASES: tuple[Basis, ...] = ("port", "reach", "share")

EvidenceKind = Literal["port", "segment", "device", "path", "uplink", "exit"]


class CauseView(Struct, frozen=True, kw_only=True):
    cause: Cause
    actor: Actor
    title: str
    text: str


class NextStepView(Struct, frozen=True, kw_only=True):
    step: NextStep
    text: str


class ClauseView(Struct, frozen=True, kw_only=True):
    clause: Literal["link", "way", "device", "platforms"]
    value: VerdictValue
    title: str
    text: str


class BasisView(Struct, frozen=True, kw_only=True):
    basis: Basis
    decides: bool
    title: str
    capacity: Capacity


class Evidence(Struct, frozen=True, kw_only=True):
    """One measured fact that the verdict rests on."""

    kind: EvidenceKind
    grade: Grade
    observed_at: float
    age_s: float
    age_text: str
    title: str
    text: str


class ClassroomView(Struct, frozen=True, kw_only=True):
    classroom: str
    name: str
    access: str
    device: str | None
    gateway: str | None
    exempt: str | None
    period: PeriodKind | None
    """What its timetable says for now; null = nothing."""
    ready: CompliantValue
    ready_text: str
    ready_since: float | None
    compliant: CompliantValue
    compliant_text: str
    compliant_since: float | None
    compliant_evidence_at: float | None
    clauses: tuple[ClauseView, ...]
    causes: tuple[CauseView, ...]
    next_step: NextStepView | None
    link_state: LinkState
    link_bps: float | None
    link_text: str
    grade: Grade | None
    bases: tuple[BasisView, ...]
    device_up: bool | None
    device_state: DeviceStateName | None
    evidence: tuple[Evidence, ...]
    measured_at: float | None
    measured_text: str
    way: tuple[Node, ...]
    incidents: tuple[IncidentRef, ...] = ()
    """Open ones that it belongs to."""


def room_view(school: School, room: Classroom, policy: Policy, now: float, language: Language) -> ClassroomView:
    state = school.state.classrooms.get(room.id, ClassroomState())
    verdict, judged = state.verdict, room.exempt is None
    proven = compliant(room, state)
    ready: CompliantValue = verdict.ready if judged else "exempt"
    deciding = verdict.link.get(policy.basis, Interval())
    evidence = _evidence(school, room, policy, now, language)
    measured_at = max((item.observed_at for item in evidence), default=None)
    return ClassroomView(
        classroom=room.id,
        name=room.name,
        access=room.access,
        device=room.device,
        gateway=gateway_of(school, room.id),
        exempt=room.exempt,
        period=period_at(hours_of(school.hours, room.id), now),
        ready=ready,
        ready_text=say(f"ready.{ready}", language),
        ready_since=verdict.ready_since,
        compliant=proven,
        compliant_text=say(f"compliant.{proven}", language),
        compliant_since=state.latch.since,
        compliant_evidence_at=state.latch.evidence_at,
        clauses=_clauses(state, language),
        causes=tuple(_cause(cause, language) for cause in verdict.causes) if judged else (),
        next_step=_next_step(verdict.next_step if judged else None, language),
        link_state=verdict.link_state,
        link_bps=link_bps(deciding),
        link_text=capacity(deciding, language),
        grade=verdict.grade,
        bases=tuple(_basis(basis, verdict.link.get(basis), policy, language) for basis in BASES),
        device_up=verdict.device_up,
        device_state=state.device.state if state.device else None,
        evidence=evidence,
        measured_at=measured_at,
        measured_text=ago(measured_at, now, language),
        way=way_to(school, room, policy, now, language),
    )


def _clauses(state: ClassroomState, language: Language) -> tuple[ClauseView, ...]:
    clauses = state.verdict.clauses
    names: tuple[Literal["link", "way", "device", "platforms"], ...] = ("link", "way", "device", "platforms")
    values: Mapping[str, VerdictValue] = {name: getattr(clauses, name) for name in names}
    return tuple(
        ClauseView(
            clause=name,
            value=values[name],
            title=say(f"clause.{name}", language),
            text=say(f"clause.{values[name]}", language),
        )
        for name in names
    )


def _cause(cause: Cause, language: Language) -> CauseView:
    return CauseView(
        cause=cause,
        actor=ACTORS[cause],
        title=say(f"cause.{cause}", language),
        text=say(f"why.{cause}", language),
    )


def _next_step(step: NextStep | None, language: Language) -> NextStepView | None:
    return None if step is None else NextStepView(step=step, text=say(f"next.{step}", language))


def _basis(basis: Basis, interval: Interval | None, policy: Policy, language: Language) -> BasisView:
    return BasisView(
        basis=basis,
        decides=basis == policy.basis,
        title=say(f"basis.{basis}", language),
        capacity=capacity_view(interval or Interval(), language),
    )


def _evidence(school: School, room: Classroom, policy: Policy, now: float, language: Language) -> tuple[Evidence, ...]:
    state = school.state.classrooms.get(room.id, ClassroomState())
    found: list[Evidence] = []

    def add(kind: EvidenceKind, grade: Grade, at: float, text: str) -> None:
        title = say(f"evidence.kind.{kind}", language)
        age_text = ago(at, now, language)
        found.append(
            Evidence(kind=kind, grade=grade, observed_at=at, age_s=now - at, age_text=age_text, title=title, text=text)
        )

    if (port := state.port or state.last_port) is not None:
        add("port", Grade.NEGOTIATED, port.observed_at, " · ".join(port_facts(school, room, port, language)))
    for segment in segments_on_the_way(school, room.id, now, policy):
        add("segment", Grade.NEGOTIATED, segment.observed_at, segment_text(school, segment, policy, language))
    if state.device is not None:
        add("device", Grade.PASSIVE, state.device.observed_at, _device_text(state.device, language))
    for kind, leg in _legs(school, room):
        if leg.tests:
            newest = leg.tests[-1]
            tested = " · ".join(evidence_of_test(newest, language))
            text = say("evidence.tested", language, known=leg_text(leg, language), test=tested)
            add(kind, grade_of(leg, newest), newest.observed_at, text)
    return tuple(found)


def _legs(school: School, room: Classroom) -> Iterator[tuple[EvidenceKind, Leg]]:
    """What tests the way of a room, from the room outwards."""
    gateway = gateway_of(school, room.id)
    yield from (
        ("path", leg) for leg in school.state.paths.values() if (leg.classroom, leg.gateway) == (room.id, gateway)
    )
    uplinks = [leg for leg in school.state.uplinks.values() if leg.gateway == gateway]
    yield from (("uplink", leg) for leg in uplinks if leg.beyond is None)
    yield from (("exit", leg) for leg in uplinks if leg.beyond is not None)


def _device_text(device: DeviceReading, language: Language) -> str:
    state = say(f"device.{device.state}", language)
    if device.seen_by is None:
        return say("evidence.device", language, state=state)
    return say("evidence.device_by", language, state=state, seen_by=say(f"seen_by.{device.seen_by}", language))
