"""A school as people and programs read it: codes and numbers, each with its sentence. Both API and board show these.

Pure: everything is computed from the state given. Rates are bit/s, times Unix seconds, ages seconds; null = not known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from classready.observation import WindowSummary
from collector.core.policy import Policy
from collector.core.state import (
    BandwidthTest,
    Basis,
    Cause,
    Classroom,
    ClassroomState,
    CompliantValue,
    DeviceReading,
    DeviceStateName,
    Direction,
    Grade,
    Interval,
    Leg,
    LinkState,
    NextStep,
    PlatformReading,
    PortReading,
    School,
    SegmentReading,
    UplinkState,
    VerdictValue,
)
from collector.core.verdict import (
    compliant,
    contention_ratio,
    counts,
    gateway_of,
    grade_of,
    is_fresh,
    leg_interval,
    link_bps,
    platform_state,
    rooms_behind,
    segment_contention_ratio,
    segment_interval,
    segments_of,
    segments_on_the_way,
    sharing_port,
)
from collector.text import ACTORS, Actor, Language, Names, ago, capacity, duration, rate, reason, say, size

BASES: tuple[Basis, ...] = ("port", "reach", "share")

EvidenceKind = Literal["port", "segment", "device", "path", "uplink", "exit"]


@dataclass(frozen=True)
class Bureau:
    """Where the pages get what they show; every entry is asked anew for each request."""

    schools: Callable[[], Mapping[str, School]]
    names: Callable[[], Names]
    policy: Callable[[], Policy]
    clock: Callable[[], float]
    language: Language = "zh"


class Counts(Struct, frozen=True, kw_only=True):
    """Number of classrooms by state; exempt ones are no part of ``ready``."""

    yes: int = 0
    no: int = 0
    unknown: int = 0
    exempt: int = 0


class CauseCount(Struct, frozen=True, kw_only=True):
    cause: Cause
    classrooms: int
    text: str


class SchoolSummary(Struct, frozen=True, kw_only=True):
    school: str
    name: str
    office: str
    office_name: str
    kind: str
    classrooms: int
    unlisted: int
    ready: Counts
    compliant: Counts
    causes: tuple[CauseCount, ...]
    gateways: int
    gateways_up: int
    last_report_at: float | None


class GatewayView(Struct, frozen=True, kw_only=True):
    gateway: str
    state: Literal["up", "silent", "never"]
    text: str
    last_report_at: float | None = None
    age_s: float | None = None
    age_text: str
    report_interval_s: float | None = None
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""


class Capacity(Struct, frozen=True, kw_only=True):
    at_least_bps: float | None
    at_most_bps: float | None
    estimate_bps: float | None
    half_duplex: bool
    text: str


class TestView(Struct, frozen=True, kw_only=True):
    observed_at: float
    age_text: str
    passed: bool
    mode: str | None
    bytes: int | None
    seconds: float | None
    theta0_bps: float | None
    theta1_bps: float | None
    bucket_bytes: int | None
    loss_ratio: float | None
    windows: WindowSummary | None
    capacity: Capacity
    text: str
    evidence_text: str
    """What the result rests on, on one line."""


class UplinkView(Struct, frozen=True, kw_only=True):
    gateway: str
    target: str
    beyond: str | None
    """The exit of the metropolitan network that was tested with the line."""
    direction: Direction
    capacity: Capacity
    tests: tuple[TestView, ...]
    last_unmeasured_at: float | None
    """Set while the newest attempt brought no result."""
    last_unmeasured_reason: str | None
    text: str


class SegmentView(Struct, frozen=True, kw_only=True):
    gateway: str
    segment: str
    if_name: str | None
    capacity: Capacity
    classrooms: int
    """Judged rooms whose traffic passes it."""
    contention_ratio: float | None
    observed_at: float
    age_text: str
    text: str


class PlatformTarget(Struct, frozen=True, kw_only=True):
    gateway: str
    target: str
    up: bool | None
    observed_at: float | None
    age_text: str
    status: int | None
    reason: str | None
    http_s: float | None
    rtt_s: float | None
    loss_ratio: float | None
    certificate_expires_at: float | None
    text: str


class PlatformView(Struct, frozen=True, kw_only=True):
    platform: str
    name: str
    state: Literal["up", "down", "unknown", "fault"]
    text: str
    targets: tuple[PlatformTarget, ...]


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


class Unlisted(Struct, frozen=True, kw_only=True):
    """A room that reports but is not in the roster (未登记)."""

    classroom: str
    last_heard_at: float
    age_text: str


class SchoolView(Struct, frozen=True, kw_only=True):
    summary: SchoolSummary
    now: float
    utc_offset_s: float
    required_down_bps: int
    required_text: str
    basis: Basis
    contention_ratio: float | None
    gateways: tuple[GatewayView, ...]
    uplinks: tuple[UplinkView, ...]
    segments: tuple[SegmentView, ...]
    platforms: tuple[PlatformView, ...]
    classrooms: tuple[ClassroomView, ...]
    unlisted: tuple[Unlisted, ...]


def summarise(school: School, names: Names, language: Language) -> SchoolSummary:
    """The school in one line."""
    roster, state = school.roster, school.state
    heard = [state.gateways[g] for g in roster.gateways if g in state.gateways]
    by_verdict = counts(school)
    return SchoolSummary(
        school=roster.school,
        name=roster.name or roster.school,
        office=roster.office,
        office_name=names.office(roster.office),
        kind=roster.kind,
        classrooms=len(roster.classrooms),
        unlisted=len(state.unlisted),
        ready=Counts(**by_verdict["ready"]),
        compliant=Counts(**by_verdict["compliant"]),
        causes=_cause_counts(school, language),
        gateways=len(roster.gateways),
        gateways_up=sum(not gateway.silent for gateway in heard),
        last_report_at=max((gateway.last_committed_at for gateway in heard), default=None),
    )


def _cause_counts(school: School, language: Language) -> tuple[CauseCount, ...]:
    """First causes of the judged classrooms that are not ready or unknown, most frequent first."""
    verdicts = [_state(school, room).verdict for room in school.roster.classrooms.values() if room.exempt is None]
    first = Counter(verdict.causes[0] for verdict in verdicts if verdict.causes and verdict.ready != "yes")
    return tuple(
        CauseCount(cause=cause, classrooms=count, text=say(f"cause.{cause}", language))
        for cause, count in first.most_common()
    )


def show(school: School, names: Names, policy: Policy, now: float, language: Language) -> SchoolView:
    """The school with everything that its verdicts rest on."""
    state = school.state
    return SchoolView(
        summary=summarise(school, names, language),
        now=now,
        utc_offset_s=school.hours.utc_offset_s,
        required_down_bps=policy.required_down_bps,
        required_text=rate(policy.required_down_bps, language),
        basis=policy.basis,
        contention_ratio=contention_ratio(school, policy),
        gateways=tuple(_gateway(school, gateway, now, language) for gateway in school.roster.gateways),
        uplinks=tuple(_uplink(uplink, now, language) for uplink in state.uplinks.values()),
        segments=tuple(
            _segment(school, segment, policy, now, language)
            for gateway in school.roster.gateways
            for segment in segments_of(school, gateway, now, policy)
        ),
        platforms=tuple(_platform(school, p, names, policy, now, language) for p in school.roster.platforms),
        classrooms=tuple(_classroom(school, room, policy, now, language) for room in school.roster.classrooms.values()),
        unlisted=tuple(
            Unlisted(classroom=room, last_heard_at=at, age_text=ago(at, now, language))
            for room, at in sorted(state.unlisted.items())
        ),
    )


def _state(school: School, room: Classroom) -> ClassroomState:
    return school.state.classrooms.get(room.id, ClassroomState())


def _gateway(school: School, name: str, now: float, language: Language) -> GatewayView:
    gateway = school.state.gateways.get(name)
    if gateway is None:
        never = say("gateway.never", language)
        return GatewayView(gateway=name, state="never", text=never, age_text=say("never", language))
    state: Literal["up", "silent"] = "silent" if gateway.silent else "up"
    return GatewayView(
        gateway=name,
        state=state,
        text=say(f"gateway.{state}", language),
        last_report_at=gateway.last_committed_at,
        age_s=now - gateway.last_committed_at,
        age_text=ago(gateway.last_committed_at, now, language),
        report_interval_s=gateway.report_interval_s,
        clock_skew_s=gateway.clock_skew_s,
        spool_records=gateway.spool_records,
        agent_version=gateway.agent_version,
    )


def _capacity(interval: Interval, language: Language) -> Capacity:
    return Capacity(
        at_least_bps=interval.at_least_bps,
        at_most_bps=interval.at_most_bps,
        estimate_bps=interval.estimate_bps,
        half_duplex=interval.half_duplex,
        text=capacity(interval, language),
    )


def _uplink(uplink: UplinkState, now: float, language: Language) -> UplinkView:
    known = _capacity(leg_interval(uplink), language)
    newest_at = uplink.tests[-1].observed_at if uplink.tests else 0.0
    failed_since = (uplink.last_unmeasured_at or 0.0) > newest_at
    why = uplink.last_unmeasured_reason if failed_since else None
    return UplinkView(
        gateway=uplink.gateway,
        target=uplink.target,
        beyond=uplink.beyond,
        direction=uplink.direction,
        capacity=known,
        tests=tuple(_test(test, now, language) for test in reversed(uplink.tests)),
        last_unmeasured_at=uplink.last_unmeasured_at if failed_since else None,
        last_unmeasured_reason=why and reason(why, language),
        text=_leg_text(uplink, language),
    )


def _leg_text(leg: Leg, language: Language) -> str:
    known = f"{say(f'direction.{leg.direction}', language)} {capacity(leg_interval(leg), language)}"
    beyond = leg.beyond if isinstance(leg, UplinkState) else None
    return known if beyond is None else say("evidence.beyond", language, exit=beyond, known=known)


def _test(test: BandwidthTest, now: float, language: Language) -> TestView:
    interval = Interval(test.at_least_bps, test.at_most_bps, test.estimate_bps)
    return TestView(
        observed_at=test.observed_at,
        age_text=ago(test.observed_at, now, language),
        passed=test.passed,
        mode=test.mode,
        bytes=test.bytes,
        seconds=test.seconds,
        theta0_bps=test.theta0_bps,
        theta1_bps=test.theta1_bps,
        bucket_bytes=test.bucket_bytes,
        loss_ratio=test.loss_ratio,
        windows=test.windows,
        capacity=_capacity(interval, language),
        text=_test_text(test, capacity(interval, language), language),
        evidence_text=" · ".join(_test_evidence(test, language)),
    )


def _test_text(test: BandwidthTest, measured: str, language: Language) -> str:
    text = f"{say('test.passed' if test.passed else 'test.failed', language)} {measured}"
    if test.bytes is None or test.seconds is None:
        return text
    used = "test.watched" if test.mode == "passive" else "test.cost"
    cost = say(used, language, bytes=size(test.bytes, language), seconds=duration(test.seconds, language))
    return f"{text} · {cost}"


def _test_evidence(test: BandwidthTest, language: Language) -> Iterator[str]:
    """Result, method, thresholds, and what the line did meanwhile, as far as the agent said so."""
    interval = Interval(test.at_least_bps, test.at_most_bps, test.estimate_bps)
    yield _test_text(test, capacity(interval, language), language)
    if test.mode is not None:
        yield say(f"mode.{test.mode}", language)
    if test.theta0_bps is not None and test.theta1_bps is not None:
        low, high = rate(test.theta0_bps, language), rate(test.theta1_bps, language)
        yield say("test.thetas", language, low=low, high=high)
    if test.bucket_bytes is not None:
        yield say("test.bucket", language, bytes=size(test.bucket_bytes, language))
    if test.loss_ratio is not None:
        yield say("test.loss", language, ratio=f"{test.loss_ratio * 100:.1f}".removesuffix(".0"))
    if test.windows is not None:
        yield from _windows_evidence(test.windows, language)


def _windows_evidence(windows: WindowSummary, language: Language) -> Iterator[str]:
    known = (windows.min_bps, windows.median_bps, windows.max_bps)
    rates = [rate(rate_bps, language) for rate_bps in known if rate_bps is not None]
    if windows.count is not None and len(rates) == len(known):
        low, middle, high = rates
        yield say("test.windows", language, count=windows.count, low=low, middle=middle, high=high)
    if windows.cross_bytes is not None:
        yield say("test.cross", language, bytes=size(windows.cross_bytes, language))
    if windows.max_queue_s is not None:
        yield say("test.queue", language, duration=duration(windows.max_queue_s, language))


def _segment(school: School, segment: SegmentReading, policy: Policy, now: float, language: Language) -> SegmentView:
    return SegmentView(
        gateway=segment.gateway,
        segment=segment.name,
        if_name=segment.if_name,
        capacity=_capacity(segment_interval(segment), language),
        classrooms=len(rooms_behind(school, segment)),
        contention_ratio=segment_contention_ratio(school, segment, policy),
        observed_at=segment.observed_at,
        age_text=ago(segment.observed_at, now, language),
        text=_segment_text(school, segment, policy, language),
    )


def _segment_text(school: School, segment: SegmentReading, policy: Policy, language: Language) -> str:
    if_name = segment.if_name or ""
    where = {"switch": segment.name.removesuffix(f":{if_name}"), "port": if_name}
    parts = [
        _negotiated_text(segment, where, language),
        say("evidence.segment_shared", language, count=len(rooms_behind(school, segment))),
    ]
    if (ratio := segment_contention_ratio(school, segment, policy) or 0) > 1:
        parts.append(say("board.contention", language, ratio=f"{ratio:.1f}"))
    return " · ".join(parts)


def _platform(  # noqa: PLR0913, PLR0917
    school: School, platform: str, names: Names, policy: Policy, now: float, language: Language
) -> PlatformView:
    targets = school.roster.platforms[platform]
    readings = [r for r in school.state.platforms.values() if r.target in targets]
    state = _platform_state(school, platform, readings, policy, now)
    return PlatformView(
        platform=platform,
        name=names.platform(platform),
        state=state,
        text=say(f"platform.{state}", language),
        targets=tuple(_platform_target(school, reading, policy, now, language) for reading in readings),
    )


def _platform_state(
    school: School, platform: str, readings: Iterable[PlatformReading], policy: Policy, now: float
) -> Literal["up", "down", "unknown", "fault"]:
    if platform in school.state.platform_faults:
        return "fault"
    states = {platform_state(school, platform, gateway, now, policy) for gateway in {r.gateway for r in readings}}
    if "no" in states:
        return "down"
    return "up" if states == {"yes"} else "unknown"


def _platform_target(
    school: School, reading: PlatformReading, policy: Policy, now: float, language: Language
) -> PlatformTarget:
    times = [at for at in (reading.http_at, reading.ping_at) if at is not None]
    heard = school.state.gateways.get(reading.gateway)
    up = reading.up if is_fresh(reading.http_at, heard, now, policy) else None
    return PlatformTarget(
        gateway=reading.gateway,
        target=reading.target,
        up=up,
        observed_at=max(times, default=None),
        age_text=ago(max(times, default=None), now, language),
        status=reading.status,
        reason=reading.reason,
        http_s=sum(reading.phases_s.values()) if reading.phases_s else None,
        rtt_s=reading.rtt_s,
        loss_ratio=reading.loss_ratio,
        certificate_expires_at=reading.certificate_expires_at,
        text=_platform_text(reading, language, up=up),
    )


def _platform_text(reading: PlatformReading, language: Language, *, up: bool | None) -> str:
    """What was seen, fullest first: answer, why not, HTTP time, round trip, loss."""
    parts: list[str] = []
    if reading.http_at is not None:
        parts.append(say({True: "platform.up", False: "platform.down", None: "platform.unknown"}[up], language))
        if not up and reading.up is up and reading.reason:
            parts.append(reason(reading.reason, language))
        if up and reading.phases_s:
            parts.append(say("platform.http", language, duration=duration(sum(reading.phases_s.values()), language)))
    if reading.rtt_s is not None:
        parts.append(say("platform.rtt", language, duration=duration(reading.rtt_s, language)))
    if reading.loss_ratio:
        parts.append(say("platform.loss", language, ratio=round(reading.loss_ratio * 100)))
    return " · ".join(parts) or say("platform.unknown", language)


def _classroom(school: School, room: Classroom, policy: Policy, now: float, language: Language) -> ClassroomView:
    state = _state(school, room)
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
        capacity=_capacity(interval or Interval(), language),
    )


def _evidence(school: School, room: Classroom, policy: Policy, now: float, language: Language) -> tuple[Evidence, ...]:
    state = _state(school, room)
    found: list[Evidence] = []

    def add(kind: EvidenceKind, grade: Grade, at: float, text: str) -> None:
        title = say(f"evidence.kind.{kind}", language)
        age_text = ago(at, now, language)
        found.append(
            Evidence(kind=kind, grade=grade, observed_at=at, age_s=now - at, age_text=age_text, title=title, text=text)
        )

    if (port := state.port or state.last_port) is not None:
        add("port", Grade.NEGOTIATED, port.observed_at, " · ".join(_port_facts(school, room, port, language)))
    for segment in segments_on_the_way(school, room.id, now, policy):
        add("segment", Grade.NEGOTIATED, segment.observed_at, _segment_text(school, segment, policy, language))
    if state.device is not None:
        add("device", Grade.PASSIVE, state.device.observed_at, _device_text(state.device, language))
    for kind, leg in _legs(school, room):
        if leg.tests:
            newest = leg.tests[-1]
            tested = " · ".join(_test_evidence(newest, language))
            text = say("evidence.tested", language, known=_leg_text(leg, language), test=tested)
            add(kind, grade_of(newest), newest.observed_at, text)
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


def _port_facts(school: School, room: Classroom, port: PortReading, language: Language) -> Iterator[str]:
    yield _port_text(port, language)
    newest = _state(school, room).last_port
    if newest and newest.bad_frame_count:
        yield say("evidence.bad_frames", language, count=newest.bad_frame_count)
    if others := sharing_port(school, room.id):
        named = (school.roster.classrooms[other].name or other for other in others)
        yield say("evidence.shared_port", language, rooms=say("list.separator", language).join(named))


def _port_text(port: PortReading, language: Language) -> str:
    where = {"switch": port.switch or "", "port": port.if_name or ""}
    if port.oper_up is False:
        return say("evidence.port_down", language, **where).strip()
    return _negotiated_text(port, where, language)


def _negotiated_text(reading: PortReading | SegmentReading, where: Mapping[str, str], language: Language) -> str:
    duplex = {True: "full_duplex", False: "half_duplex", None: "duplex_unknown"}[reading.full_duplex]
    speed = rate(reading.speed_bps, language) if reading.speed_bps else say("evidence.speed_unknown", language)
    return say("evidence.port", language, **where, speed=speed, duplex=say(f"evidence.{duplex}", language)).strip()


def _device_text(device: DeviceReading, language: Language) -> str:
    state = say(f"device.{device.state}", language)
    if device.seen_by is None:
        return say("evidence.device", language, state=state)
    return say("evidence.device_by", language, state=state, seen_by=say(f"seen_by.{device.seen_by}", language))
