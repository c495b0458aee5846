"""One school, one event: fold it into the evidence, judge again what it touches, and say what changed.

A port reading counts only once its device was seen awake after it, and not asleep before it: a sleeping board
renegotiates to 10M, and one that wakes leaves such a reading behind. So the state holds one pending reading per
classroom until the device speaks (or its octets grow).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from classready.observation import Bandwidth, Device, Http, Outcome, Ping, Port, Reason, Segment
from collector.core import alerts, verdict
from collector.core.alerts import Sighting
from collector.core.hours import in_lesson, school_hours_between
from collector.core.policy import Policy
from collector.core.state import (
    AlertChange,
    BandwidthTest,
    Cause,
    Classroom,
    ClassroomState,
    DeviceMoved,
    DeviceReading,
    DeviceStateName,
    Event,
    GatewayState,
    Heard,
    Leg,
    Observed,
    PathState,
    PlatformFault,
    PlatformReading,
    PolicyChanged,
    PortReading,
    Resumed,
    RosterChanged,
    School,
    SchoolEffect,
    SegmentReading,
    SwitchState,
    Tick,
    UplinkState,
    VerdictChanged,
)

SPACING_TOLERANCE_RATIO = 0.01
"""Two tests a clock's slew short of ``confirm_spacing_s`` apart still count as two."""

LOOK_AGAIN_S = 5.0
"""Silence and ageing are looked at again after this."""

_Leg = TypeVar("_Leg", bound=Leg)

ANSWERED = Outcome.ANSWERED
NO_ANSWER = Outcome.NO_ANSWER


class Step(NamedTuple):
    """The school afterwards, what changed, and when time alone can next change anything (None = never)."""

    school: School
    effects: tuple[SchoolEffect, ...]
    wake_at: float | None


class Folded(Struct, frozen=True, kw_only=True):
    """A school after folding, the rooms to judge again (None = all), and the subjects that were observed."""

    school: School
    rooms: tuple[str, ...] | None = ()
    subjects: tuple[str, ...] = ()
    moved: tuple[DeviceMoved, ...] = ()


def step(school: School, events: Sequence[Event], now: float, policy: Policy) -> Step:
    """Fold the events that came together and judge; no events = time has passed."""
    effects: list[SchoolEffect] = []
    for event in events or (Tick(),):
        school, found = _one(school, event, now, policy)
        effects += found
    return Step(school, tuple(effects), now + LOOK_AGAIN_S)


def leave(school: School, now: float) -> Step:
    """Close what was told of a school that the roster no longer lists: nobody will hear of it again."""
    kept, closed = alerts.withdrawn(school, now)
    return Step(_with(school, alerts=kept) if closed else school, closed, None)


def _one(school: School, event: Event, now: float, policy: Policy) -> tuple[School, tuple[SchoolEffect, ...]]:
    folded = _fold(school, event, now, policy)
    if folded.school is school and folded.rooms == ():
        return school, ()
    judged, transitions = _judge(folded.school, folded.rooms, now, policy)
    late = isinstance(event, Observed) and event.late
    sightings = tuple(replace(s, late=late) for s in _sightings(judged, folded.subjects, now, policy))
    held = tuple(_held(judged, now, policy)) if isinstance(event, Tick | PolicyChanged | PlatformFault) else ()
    kept, changes = alerts.apply(judged, (*sightings, *held), now, policy)
    gone: tuple[AlertChange, ...] = ()
    if isinstance(event, RosterChanged):
        kept, gone = alerts.without_gone(judged, kept, now)
    if kept != judged.state.alerts:
        judged = _with(judged, alerts=kept)
    return judged, (*transitions, *changes, *gone, *(() if late else folded.moved))


# --- fold -----------------------------------------------------------------------------------------------------------


def _fold(school: School, event: Event, now: float, policy: Policy) -> Folded:
    match event:
        case Observed():
            return _observed(school, event, now, policy)
        case Heard():
            return _heard(school, event, now)
        case Tick():
            return _tick(school, now, policy)
        case RosterChanged():
            return Folded(school=_new_roster(school, event), rooms=None)
        case PlatformFault():
            return Folded(school=_platform_fault(school, event), rooms=None)
        case PolicyChanged():
            return Folded(school=school, rooms=None)
        case Resumed():
            return Folded(school=school)


def _observed(school: School, event: Observed, now: float, policy: Policy) -> Folded:
    of_a_room = isinstance(event.observation, Port | Device) or event.classroom is not None
    if of_a_room and event.classroom not in school.roster.classrooms:
        unlisted = {**school.state.unlisted, event.classroom or "": event.observed_at}
        return Folded(school=_with(school, unlisted=unlisted))
    match event.observation:
        case Port():
            return _port(school, event, event.observation, now, policy)
        case Device():
            return _device(school, event, event.observation, policy)
        case Bandwidth() if event.classroom is not None:
            return _path(school, event, event.observation, event.classroom, policy)
        case Bandwidth():
            return _line(school, event, event.observation, policy)
        case Http():
            return _http(school, event, event.observation)
        case Ping():
            return _ping(school, event, event.observation)
        case Segment():
            return _segment(school, event, event.observation)


def _heard(school: School, event: Heard, now: float) -> Folded:
    before = school.state.gateways.get(event.gateway)
    heard = GatewayState(
        first_committed_at=before.first_committed_at if before else now,
        last_committed_at=now,
        report_interval_s=event.report_interval_s,
        clock_skew_s=event.clock_skew_s,
        spool_records=event.spool_records,
        agent_version=event.agent_version,
    )
    was_silent = before is None or before.silent
    return Folded(
        school=_with(school, gateways={**school.state.gateways, event.gateway: heard}),
        rooms=None if was_silent else (),
        subjects=(f"gateway:{event.gateway}",) if was_silent else (),
    )


def _tick(school: School, now: float, policy: Policy) -> Folded:
    fell_silent = {
        name: replace(heard, silent=True)
        for name, heard in school.state.gateways.items()
        if not heard.silent and now - heard.last_committed_at > policy.silent_after_intervals * heard.report_interval_s
    }
    if fell_silent:
        school = _with(school, gateways={**school.state.gateways, **fell_silent})
    return Folded(
        school=_without_old_tests(school, now, policy),
        rooms=None,
        subjects=tuple(f"gateway:{name}" for name in fell_silent),
    )


def _without_old_tests(school: School, now: float, policy: Policy) -> School:
    """A bandwidth test is evidence for a number of school hours, then it is history."""

    def valid(at: float) -> bool:
        return school_hours_between(school.hours, at, now) <= policy.uplink_max_school_hours

    def young(leg: _Leg) -> _Leg:
        if leg.last_unmeasured_at is not None and not valid(leg.last_unmeasured_at):
            leg = replace(leg, last_unmeasured_at=None, last_unmeasured_reason=None)
        if all(valid(test.observed_at) for test in leg.tests):
            return leg
        return replace(leg, tests=tuple(test for test in leg.tests if valid(test.observed_at)))

    uplinks = {key: young(leg) for key, leg in school.state.uplinks.items()}
    paths = {key: young(leg) for key, leg in school.state.paths.items()}
    if (uplinks, paths) == (school.state.uplinks, school.state.paths):
        return school
    return _with(school, uplinks=uplinks, paths=paths)


def _new_roster(school: School, event: RosterChanged) -> School:
    """Take over the new roster; what it no longer lists is forgotten, what it now lists is no longer unlisted."""
    roster, state = event.roster, school.state
    rooms = {k: v for k, v in state.classrooms.items() if k in roster.classrooms}
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
        classrooms=rooms,
        unlisted={k: v for k, v in state.unlisted.items() if k not in roster.classrooms},
    )
    return replace(school, roster=roster, hours=event.hours, state=state)


def _platform_fault(school: School, event: PlatformFault) -> School:
    faults = set(school.state.platform_faults) - {event.platform} | ({event.platform} if event.on else set())
    return _with(school, platform_faults=tuple(sorted(faults)))


# --- fold: the classroom's own evidence -----------------------------------------------------------------------------


def _port(school: School, event: Observed, seen: Port, now: float, policy: Policy) -> Folded:
    room_id = event.classroom or ""
    school, switch_subjects = _switch(school, event, seen)
    rooms = None if switch_subjects else (room_id,)
    room = school.state.classrooms.get(room_id, ClassroomState())
    stale = room.last_port is not None and event.observed_at <= room.last_port.observed_at
    if seen.outcome is not ANSWERED or stale:
        return Folded(school=school, rooms=rooms, subjects=switch_subjects)
    reading = _reading(school, event, seen, room)
    room, moved = _placed(school, room_id, room, reading, now, policy)
    grew = _grew(room.last_port, reading)
    accepted = grew and _accepts(room, reading.observed_at, school, event.gateway, policy)
    room = replace(room, gateway=event.gateway, last_port=reading, port=room.pending_port if accepted else room.port)
    room = replace(room, pending_port=reading if reading.oper_up is not False else None)
    if grew:
        room = _awake_by_traffic(room, reading)
    subjects = [f"way:{room_id}"]
    if accepted:
        subjects.append(f"port:{room_id}")
    if grew:
        subjects.append(f"device:{room_id}")
    return Folded(
        school=_with_room(school, room_id, room), rooms=rooms, subjects=(*switch_subjects, *subjects), moved=moved
    )


def _placed(  # noqa: PLR0913, PLR0917
    school: School, room_id: str, room: ClassroomState, reading: PortReading, now: float, policy: Policy
) -> tuple[ClassroomState, tuple[DeviceMoved, ...]]:
    """Follow the device to another port once two readings in a row found it there: one may be a stray table entry."""
    before, after = room.place, reading.place
    if after is None or after == before:
        return room, ()
    if before is None:
        return replace(room, place=after), ()
    if room.last_port is None or room.last_port.place != after:
        return room, ()
    told = school.roster.classrooms[room_id].exempt is None
    if not told or alerts.is_observing(school, reading.gateway, now, policy):
        return replace(room, place=after), ()
    move = DeviceMoved(
        office=school.roster.office,
        school=school.roster.school,
        school_name=school.roster.name,
        classroom=room_id,
        before=before,
        after=after,
        at=now,
    )
    return replace(room, place=after), (move,)


def _reading(school: School, event: Observed, seen: Port, room: ClassroomState) -> PortReading:
    reading = PortReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        switch=seen.switch,
        if_name=seen.if_name,
        admin_up=seen.admin_up,
        oper_up=seen.oper_up,
        speed_bps=seen.speed_bps,
        full_duplex=seen.full_duplex,
        in_octets=seen.in_octets,
        fcs_error_count=seen.fcs_error_count,
        alignment_error_count=seen.alignment_error_count,
        late_collision_count=seen.late_collision_count,
        in_lesson=in_lesson(school.hours, event.observed_at),
        while_asleep=room.device is not None and room.device.state != "awake",
    )
    return replace(reading, bad_frame_count=_bad_frames(room.last_port, reading))


def _same_port(before: PortReading | None, after: PortReading) -> bool:
    return before is not None and (before.switch, before.if_name) == (after.switch, after.if_name)


def _bad_frames(before: PortReading | None, after: PortReading) -> int | None:
    """Growth of the port's error counters; None where one is not known, and where one fell: the switch restarted.

    All are Counter32 (EtherLike-MIB, RFC 3635): a fall by more than half their range is a wrap, not a restart.
    """
    if before is None or not _same_port(before, after):
        return None
    total: int | None = None
    for name in ("fcs_error_count", "alignment_error_count", "late_collision_count"):
        was, now = getattr(before, name), getattr(after, name)
        if was is None or now is None:
            continue
        grown = now - was if now >= was or was - now < 2**31 else now - was + 2**32
        if grown < 0:
            return None
        total = (total or 0) + grown
    return total


def _grew(before: PortReading | None, after: PortReading) -> bool:
    """Octets came from the device since the last reading of the same port. A counter that fell proves nothing."""
    if before is None or not _same_port(before, after):
        return False
    return before.in_octets is not None and after.in_octets is not None and after.in_octets > before.in_octets


def _accepts(room: ClassroomState, awake_at: float, school: School, gateway: str, policy: Policy) -> bool:
    """The pending reading becomes evidence when its device was awake after it, soon enough."""
    if room.pending_port is None or room.pending_port.while_asleep:
        return False
    heard = school.state.gateways.get(gateway)
    window_s = max(policy.awake_window_s, heard.report_interval_s if heard else 0.0)
    return 0 <= awake_at - room.pending_port.observed_at <= window_s


def _awake_by_traffic(room: ClassroomState, reading: PortReading) -> ClassroomState:
    if room.device and room.device.observed_at > reading.observed_at:
        return room
    device = DeviceReading(
        observed_at=reading.observed_at,
        gateway=reading.gateway,
        state="awake",
        seen_by="traffic",
        facts=room.device.facts if room.device else {},
    )
    return replace(room, device=device, last_awake_at=max(reading.observed_at, room.last_awake_at or 0.0))


def _switch(school: School, event: Observed, seen: Port) -> tuple[School, tuple[str, ...]]:
    """Whether the switch itself answered; all its ports of one poll carry the same time and count once."""
    if seen.switch is None or seen.outcome not in (ANSWERED, NO_ANSWER):
        return school, ()
    key = f"{event.gateway}/{seen.switch}"
    before = school.state.switches.get(key)
    if before is not None and event.observed_at <= before.observed_at:
        return school, ()
    reachable = seen.outcome is ANSWERED
    after = SwitchState(gateway=event.gateway, switch=seen.switch, observed_at=event.observed_at, reachable=reachable)
    school = _with(school, switches={**school.state.switches, key: after})
    if reachable and (before is None or before.reachable):
        return school, ()
    return school, (f"switch:{key}",)


def _device(school: School, event: Observed, seen: Device, policy: Policy) -> Folded:
    room_id = event.classroom or ""
    room = school.state.classrooms.get(room_id, ClassroomState())
    room = replace(room, gateway=event.gateway, watched_since=room.watched_since or event.observed_at)
    stale = room.device is not None and event.observed_at <= room.device.observed_at
    reading = None if stale else _device_reading(school, event, seen, room, policy)
    if reading is None:
        return Folded(school=_with_room(school, room_id, room), rooms=(room_id,))
    subjects = [f"device:{room_id}"]
    if reading.state == "awake":
        if _accepts(room, reading.observed_at, school, event.gateway, policy):
            room = replace(room, port=room.pending_port, pending_port=None)
            subjects.append(f"port:{room_id}")
        nic_speed_bps = reading.nic_speed_bps or room.nic_speed_bps
        room = replace(room, last_awake_at=reading.observed_at, nic_speed_bps=nic_speed_bps)
    room = replace(room, device=reading)
    return Folded(school=_with_room(school, room_id, room), rooms=(room_id,), subjects=tuple(subjects))


def _device_reading(
    school: School, event: Observed, seen: Device, room: ClassroomState, policy: Policy
) -> DeviceReading | None:
    """The device as of this observation; None when it says nothing (unmeasured, or traffic just proved it awake)."""
    if seen.outcome not in (ANSWERED, NO_ANSWER) and seen.state is None:
        return None
    state = seen.state or "awake"
    if seen.outcome is NO_ANSWER or state != "awake":
        if _traffic_was_last(room):
            return None
        state = _silent_state(school, event, room, policy)
    return DeviceReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        state=state,
        seen_by=seen.seen_by,
        nic_speed_bps=seen.nic_speed_bps,
        facts=seen.facts or {},
    )


def _traffic_was_last(room: ClassroomState) -> bool:
    """The newest port reading showed octets from the device: silence to a question proves nothing then."""
    if room.device is None or room.last_port is None or room.device.seen_by != "traffic":
        return False
    return room.last_port.observed_at == room.device.observed_at


def _silent_state(school: School, event: Observed, room: ClassroomState, policy: Policy) -> DeviceStateName:
    """Link up, no answer = asleep; no link = away in lessons, asleep outside; link not known = as the agent says."""
    heard = school.state.gateways.get(event.gateway)
    state = event.observation.state if isinstance(event.observation, Device) else None
    port = room.last_port
    if state == "asleep" or port is None or not verdict.is_fresh(port.observed_at, heard, event.observed_at, policy):
        return state or "asleep"
    if port.oper_up is None:
        return state or "asleep"
    return "asleep" if port.oper_up or not in_lesson(school.hours, event.observed_at) else "away"


# --- fold: what the whole school shares -----------------------------------------------------------------------------


def _line(school: School, event: Observed, seen: Bandwidth, policy: Policy) -> Folded:
    """A test of the school's own line, or of that and an exit."""
    direction = seen.direction or "down"
    key = f"{event.gateway}/{seen.target}/{direction}"
    fresh = UplinkState(gateway=event.gateway, target=seen.target, direction=direction, beyond=seen.beyond)
    before = school.state.uplinks.get(key)
    after, counted = _tested(before, fresh, event, seen, policy)
    if after == before:
        return Folded(school=school)
    school = _with(school, uplinks={**school.state.uplinks, key: after})
    if not counted:
        return Folded(school=school)
    return Folded(school=school, rooms=None, subjects=_line_subjects(school, after))


def _line_subjects(school: School, leg: UplinkState) -> tuple[str, ...]:
    """Whom a test speaks of: one of the line also decides whether a shortfall beyond an exit is the exit's."""
    if leg not in verdict.line_legs(school, leg.gateway, leg.direction):
        return (f"exit:{leg.beyond}",)
    return (f"uplink:{leg.gateway}", *(f"exit:{name}" for name in verdict.exits_of(school, leg.gateway)))


def _path(school: School, event: Observed, seen: Bandwidth, room_id: str, policy: Policy) -> Folded:
    direction = seen.direction or "down"
    key = f"{event.gateway}/{seen.target}/{direction}"
    fresh = PathState(gateway=event.gateway, target=seen.target, direction=direction, classroom=room_id)
    before = school.state.paths.get(key)
    after, counted = _tested(before, fresh, event, seen, policy)
    if after == before:
        return Folded(school=school)
    school = _with(school, paths={**school.state.paths, key: after})
    if not counted:
        return Folded(school=school)
    room = school.state.classrooms.get(room_id, ClassroomState())
    school = _with_room(school, room_id, replace(room, gateway=room.gateway or event.gateway))
    return Folded(school=school, rooms=(room_id,), subjects=(f"path:{room_id}",))


def _tested(before: _Leg | None, fresh: _Leg, event: Observed, seen: Bandwidth, policy: Policy) -> tuple[_Leg, bool]:
    """Return the leg with what was seen, and whether it counted. A target that now tests another way starts anew."""
    if before is not None and _is_other(before, fresh):
        if event.observed_at <= _newest_at(before):
            return before, False
        before = None
    leg = before or fresh
    if seen.outcome not in (Outcome.PASS, Outcome.FAIL):
        if event.observed_at <= (leg.last_unmeasured_at or 0.0):
            return leg, False
        reason = seen.reason.value if seen.reason else None
        return replace(leg, last_unmeasured_at=event.observed_at, last_unmeasured_reason=reason), False
    if not _counts(leg, event.observed_at, policy):
        return leg, False
    test = BandwidthTest(
        observed_at=event.observed_at,
        mode=seen.mode,
        passed=seen.outcome is Outcome.PASS,
        at_least_bps=seen.at_least_bps,
        at_most_bps=seen.at_most_bps,
        estimate_bps=seen.estimate_bps,
        bytes=seen.bytes,
        seconds=seen.seconds,
        theta0_bps=seen.theta0_bps,
        theta1_bps=seen.theta1_bps,
        bucket_bytes=seen.bucket_bytes,
        loss_ratio=seen.loss_ratio,
        windows=seen.windows,
    )
    return replace(leg, tests=(*leg.tests, test)[-3:]), True


def _is_other(before: Leg, fresh: Leg) -> bool:
    return replace(before, tests=(), last_unmeasured_at=None, last_unmeasured_reason=None) != fresh


def _newest_at(leg: Leg) -> float:
    return max([test.observed_at for test in leg.tests[-1:]] + [leg.last_unmeasured_at or 0.0])


def _counts(leg: Leg, observed_at: float, policy: Policy) -> bool:
    """Only a newer test counts, and only one that is apart enough from the last to be a second opinion."""
    if not leg.tests:
        return True
    spacing_s = policy.confirm_spacing_s * (1 - SPACING_TOLERANCE_RATIO)
    return observed_at - leg.tests[-1].observed_at >= spacing_s


def _platform_reading(school: School, event: Observed, target: str) -> PlatformReading:
    known = school.state.platforms.get(f"{event.gateway}/{target}")
    return known or PlatformReading(gateway=event.gateway, target=target)


def _http(school: School, event: Observed, seen: Http) -> Folded:
    reading = _platform_reading(school, event, seen.target)
    unproven = seen.reason is Reason.UNPROVEN
    if not (unproven or seen.outcome in (ANSWERED, NO_ANSWER)) or event.observed_at <= (reading.http_at or 0.0):
        return Folded(school=school)
    phases = seen.phases_s
    reading = replace(
        reading,
        http_at=event.observed_at,
        up=None if unproven else seen.outcome is ANSWERED,
        reason=seen.reason.value if seen.reason else None,
        status=seen.status,
        phases_s={name: value for name in phases.__struct_fields__ if (value := getattr(phases, name)) is not None}
        if phases
        else {},
        certificate_expires_at=seen.certificate_expires_at,
    )
    key = f"{event.gateway}/{seen.target}"
    platforms = tuple(p for p, targets in school.roster.platforms.items() if seen.target in targets)
    return Folded(
        school=_with(school, platforms={**school.state.platforms, key: reading}),
        rooms=None,
        subjects=tuple(f"platform:{p}" for p in platforms),
    )


def _ping(school: School, event: Observed, seen: Ping) -> Folded:
    reading = _platform_reading(school, event, seen.target)
    if seen.outcome not in (ANSWERED, NO_ANSWER) or event.observed_at <= (reading.ping_at or 0.0):
        return Folded(school=school)
    lost = None
    if seen.sent_count and seen.received_count is not None:
        lost = max(0.0, 1 - seen.received_count / seen.sent_count)
    reading = replace(
        reading, ping_at=event.observed_at, rtt_s=seen.rtt_s.median if seen.rtt_s else None, loss_ratio=lost
    )
    return Folded(school=_with(school, platforms={**school.state.platforms, f"{event.gateway}/{seen.target}": reading}))


def _segment(school: School, event: Observed, seen: Segment) -> Folded:
    key = f"{event.gateway}/{seen.name}"
    before = school.state.segments.get(key)
    if seen.outcome is not ANSWERED or (before is not None and event.observed_at <= before.observed_at):
        return Folded(school=school)
    owner, colon, _ = seen.name.partition(":")
    reading = SegmentReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        name=seen.name,
        if_name=seen.if_name,
        switches=tuple(dict.fromkeys((owner, *(seen.switches or ())))) if colon else None,
        speed_bps=seen.speed_bps,
        full_duplex=seen.full_duplex,
    )
    return Folded(
        school=_with(school, segments={**school.state.segments, key: reading}),
        rooms=None,
        subjects=(f"segment:{key}",),
    )


# --- judge ----------------------------------------------------------------------------------------------------------


def _judge(
    school: School, rooms: tuple[str, ...] | None, now: float, policy: Policy
) -> tuple[School, tuple[VerdictChanged, ...]]:
    """Judge the named rooms (None = all) and collect what changed."""
    found = dict(school.state.classrooms)
    transitions: list[VerdictChanged] = []
    for room_id in school.roster.classrooms if rooms is None else rooms:
        room = school.roster.classrooms.get(room_id)
        if room is None:
            continue
        before = found.get(room_id, ClassroomState())
        judged, latch = verdict.assess(school, room, now, policy)
        after = replace(before, verdict=judged, latch=latch)
        if after != before:
            found[room_id] = after
            transitions += _transitions(school, room, before, after, now)
    if found == school.state.classrooms:
        return school, ()
    return _with(school, classrooms=found), tuple(transitions)


def _transitions(
    school: School, room: Classroom, before: ClassroomState, after: ClassroomState, now: float
) -> Iterator[VerdictChanged]:
    was = {"ready": before.verdict.ready, "compliant": verdict.compliant(room, before)}
    became = {"ready": after.verdict.ready, "compliant": verdict.compliant(room, after)}
    for name in ("ready", "compliant"):
        if was[name] != became[name]:
            yield VerdictChanged(
                office=school.roster.office,
                school=school.roster.school,
                classroom=room.id,
                verdict=name,
                before=was[name],
                after=became[name],
                causes=after.verdict.causes,
                at=now,
            )


# --- sightings ------------------------------------------------------------------------------------------------------

_BAD = {"short": True, "enough": False, "unknown": None}


def _sightings(school: School, subjects: Iterable[str], now: float, policy: Policy) -> Iterator[Sighting]:
    """What the observed subjects look like now, for the alerts."""
    for subject in subjects:
        yield from _sighting(school, subject, now, policy)


def _held(school: School, now: float, policy: Policy) -> Iterator[Sighting]:
    """Alerts with a past, looked at again because time went by: holds run out, an observation period ends."""
    keys = school.state.alerts
    subjects = dict.fromkeys(_observed_subject(key) for key in keys)
    for sighting in _sightings(school, subjects, now, policy):
        if sighting.key in keys:
            yield replace(sighting, counts=False)


def _observed_subject(key: str) -> str:
    """The subject observed for an alert: a classroom is observed as its way, its path, its port and its device."""
    subject, _, cause = key.partition("|")
    kind, _, name = subject.partition(":")
    if kind != "classroom":
        return subject
    if cause == Cause.PORT_DOWN:
        return f"way:{name}"
    if cause == Cause.SEGMENT_BELOW_REQUIRED:
        return f"path:{name}"
    return f"port:{name}" if cause in (Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX) else f"device:{name}"


def _sighting(school: School, subject: str, now: float, policy: Policy) -> Iterator[Sighting]:
    kind, _, name = subject.partition(":")
    match kind:
        case "gateway":
            heard = school.state.gateways.get(name)
            if heard is not None:
                yield Sighting(
                    subject=subject,
                    cause=Cause.GATEWAY_SILENT,
                    bad=heard.silent,
                    gateway=name,
                    classrooms=verdict.judged_rooms(school, name),
                )
        case "uplink":
            yield _uplink_sighting(school, subject, name, policy)
        case "exit":
            yield _exit_sighting(school, subject, name, policy)
        case "switch":
            yield from _switch_sighting(school, subject, name)
        case "segment":
            yield from _segment_sighting(school, subject, name, policy)
        case "platform":
            yield from _platform_sightings(school, subject, name, now, policy)
        case "path":
            yield from _path_sighting(school, name, policy)
        case "way" | "port" | "device":
            yield from _room_sightings(school, kind, name, policy)
        case _:
            raise AssertionError(subject)


def _uplink_sighting(school: School, subject: str, gateway: str, policy: Policy) -> Sighting:
    interval = verdict.gateway_uplink(school, gateway, "down")
    state = verdict.part_state(interval, policy.theta_down_bps)
    return Sighting(
        subject=subject,
        cause=Cause.UPLINK_BELOW_REQUIRED,
        bad=_BAD[state],
        gateway=gateway,
        classrooms=verdict.judged_rooms(school, gateway),
        measured=verdict.link_bps(interval),
        limit=float(policy.required_down_bps),
    )


def _exit_sighting(school: School, subject: str, exit_name: str, policy: Policy) -> Sighting:
    """One exit for the whole school: short if it is from any of its gateways."""
    thetas = policy.theta_down_bps
    states = {g: verdict.exit_state(school, g, exit_name, "down", thetas) for g in school.roster.gateways}
    worst = next((state for state in ("short", "enough") if state in states.values()), "unknown")
    gateways = [gateway for gateway, state in states.items() if state == worst]
    legs = [leg for g in gateways for leg in verdict.exit_legs(school, g, exit_name, "down")]
    return Sighting(
        subject=subject,
        cause=Cause.EXIT_BELOW_REQUIRED,
        bad=_BAD[worst],
        gateway=next(iter(gateways), ""),
        classrooms=tuple(room for gateway in gateways for room in verdict.judged_rooms(school, gateway)),
        measured=verdict.link_bps(verdict.legs_interval(legs)),
        limit=float(policy.required_down_bps),
    )


def _path_sighting(school: School, room_id: str, policy: Policy) -> Iterator[Sighting]:
    """The tested way to one room. While the room's own port is short, that is what is told."""
    state, gateway = school.state.classrooms.get(room_id), verdict.gateway_of(school, room_id)
    if state is None or gateway is None or room_id not in verdict.judged_rooms(school):
        return
    interval = verdict.legs_interval(verdict.path_legs(school, room_id, gateway, "down"))
    bad = _BAD[verdict.part_state(interval, policy.theta_down_bps)]
    if bad and {Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX} & set(state.verdict.causes):
        bad = None
    yield Sighting(
        subject=f"classroom:{room_id}",
        cause=Cause.SEGMENT_BELOW_REQUIRED,
        bad=bad,
        gateway=gateway,
        classrooms=(room_id,),
        measured=verdict.link_bps(interval),
        limit=float(policy.required_down_bps),
    )


def _switch_sighting(school: School, subject: str, key: str) -> Iterator[Sighting]:
    state = school.state.switches.get(key)
    if state is not None:
        rooms = verdict.judged_rooms(school, state.gateway)
        yield Sighting(
            subject=subject,
            cause=Cause.SWITCH_UNREACHABLE,
            bad=not state.reachable,
            gateway=state.gateway,
            classrooms=tuple(room for room in rooms if verdict.switch_of(school, room) == state.switch),
        )


def _segment_sighting(school: School, subject: str, key: str, policy: Policy) -> Iterator[Sighting]:
    segment = school.state.segments.get(key)
    if segment is None:
        return
    state = verdict.part_state(verdict.segment_interval(segment), policy.theta_down_bps)
    rooms = verdict.rooms_behind(school, segment)
    yield Sighting(
        subject=subject,
        cause=Cause.SEGMENT_BELOW_REQUIRED,
        bad=_BAD[state] if rooms or state == "enough" else None,
        gateway=segment.gateway,
        classrooms=rooms,
        measured=segment.speed_bps,
        limit=float(policy.required_down_bps),
    )


def _platform_sightings(school: School, subject: str, platform: str, now: float, policy: Policy) -> Iterator[Sighting]:
    bad = {"no": True, "yes": False, "unknown": None}
    for gateway in school.roster.gateways:
        yield Sighting(
            subject=f"{subject}",
            cause=Cause.PLATFORM_UNREACHABLE,
            bad=bad[verdict.platform_state(school, platform, gateway, now, policy)],
            gateway=gateway,
            classrooms=verdict.judged_rooms(school, gateway),
        )


def _room_sightings(school: School, kind: str, room_id: str, policy: Policy) -> Iterator[Sighting]:
    room = school.roster.classrooms.get(room_id)
    state = school.state.classrooms.get(room_id)
    if room is None or state is None or room.exempt is not None or state.gateway is None:
        return
    causes = state.verdict.causes
    speeds = verdict.port_interval(state.port, state.nic_speed_bps)

    def sighting(cause: Cause, *, bad: bool | None) -> Sighting:
        of_port = cause in (Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX)
        return Sighting(
            subject=f"classroom:{room_id}",
            cause=cause,
            bad=bad,
            gateway=state.gateway or "",
            classrooms=(room_id,),
            measured=speeds.at_most_bps if of_port and speeds else None,
            limit=float(policy.required_down_bps) if of_port else None,
        )

    if kind == "way":
        yield sighting(Cause.PORT_DOWN, bad=Cause.PORT_DOWN in causes)
    elif kind == "port":
        yield sighting(Cause.PORT_BELOW_REQUIRED, bad=Cause.PORT_BELOW_REQUIRED in causes)
        told_by_speed = Cause.PORT_BELOW_REQUIRED in causes
        yield sighting(Cause.PORT_HALF_DUPLEX, bad=None if told_by_speed else Cause.PORT_HALF_DUPLEX in causes)
    else:
        awake = state.verdict.device_up is True
        for cause in (Cause.DEVICE_ABSENT, Cause.DEVICE_OFFLINE):
            yield sighting(cause, bad=True if cause in causes else False if awake else None)


def _with(school: School, **fields: object) -> School:
    return replace(school, state=replace(school.state, **fields))


def _with_room(school: School, room_id: str, room: ClassroomState) -> School:
    if school.state.classrooms.get(room_id) == room:
        return school
    return _with(school, classrooms={**school.state.classrooms, room_id: room})
