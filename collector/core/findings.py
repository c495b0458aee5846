"""What is bad? Decided here and nowhere else: a room's causes, its verdicts and the alerts all read findings.

A finding is about one subject and cause: ``yes``, ``no``, or ``unknown`` where the evidence is missing, too old or in
doubt. Unknown neither raises nor clears anything. Where there is no evidence at all there is no finding.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from collector.core.age import is_fresh
from collector.core.case import Case, Shared
from collector.core.evidence import Leg
from collector.core.hours import school_days_between
from collector.core.link import (
    Line,
    Tested,
    divided,
    exits_of,
    legs_interval,
    link_bps,
    part_state,
    path_legs,
    port_interval,
    segment_interval,
    tested,
)
from collector.core.policy import Policy
from collector.core.state import Interval, School
from collector.core.subject import Subject
from collector.core.wiring import rooms_behind, rooms_on
from collector.core.words import Cause, Direction, LinkState, VerdictValue

PORT_CAUSES = (Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX)
LINK_CAUSES = (
    Cause.UPLINK_BELOW_REQUIRED,
    Cause.EXIT_BELOW_REQUIRED,
    Cause.SEGMENT_BELOW_REQUIRED,
    *PORT_CAUSES,
)
"""A room that has one of these has not what is required."""

_BAD: dict[LinkState, VerdictValue] = {"short": "yes", "enough": "no", "unknown": "unknown"}
_NOT: dict[VerdictValue, VerdictValue] = {"yes": "no", "no": "yes", "unknown": "unknown"}


class Finding(Struct, frozen=True, kw_only=True):
    """``bad`` of ``cause`` at ``subject``. Rates are bit/s; None = not known, or none.

    ``evidence_at`` is when the newest evidence that decides was observed: streaks move only when it moves. ``gateway``
    is whose observation period counts.
    """

    subject: Subject
    cause: Cause
    bad: VerdictValue
    gateway: str
    evidence_at: float | None = None
    late: bool = False
    classrooms: tuple[str, ...] = ()
    measured: float | None = None
    limit: float | None = None
    direction: Direction | None = None
    explained: bool = False
    """It holds, and another finding about the same subject already tells it: it is shown, and no alert of its own."""


# --- what the whole school shares -----------------------------------------------------------------------------------


def of_school(common: Shared) -> tuple[Finding, ...]:
    """Everything that is not about one classroom."""
    return (
        *_gateways(common),
        *_uplinks(common),
        *_exits(common),
        *_switches(common),
        *_segments(common),
        *_platforms(common),
    )


def _gateways(common: Shared) -> Iterator[Finding]:
    for name in common.school.roster.gateways:
        if (heard := common.school.state.gateways.get(name)) is not None:
            yield Finding(
                subject=Subject("gateway", name),
                cause=Cause.GATEWAY_SILENT,
                bad="yes" if heard.silent else "no",
                gateway=name,
                evidence_at=heard.last_committed_at,
                classrooms=common.judged[name],
            )


def _uplinks(common: Shared) -> Iterator[Finding]:
    targets = {leg.gateway for leg in common.school.state.uplinks.values()}
    for gateway, lines in common.lines.items():
        if gateway in targets:
            tested_lines = [line for line in lines if line.uplink.was_tested] or lines[:1]
            states = [(line, _uplink_state(common, gateway, line)) for line in tested_lines]
            yield _of_lines(common, Subject("uplink", gateway), Cause.UPLINK_BELOW_REQUIRED, gateway, states)


def _uplink_state(common: Shared, gateway: str, line: Line) -> LinkState:
    """The line alone, or what is left of it for each room where the policy asks for a share.

    Outside lessons a share is nobody's: a line that is too small for all at once is then neither bad nor good.
    """
    state = line.uplink.state
    if common.policy.basis != "share" or state != "enough":
        return state
    share = part_state(divided(line.uplink.interval, max(1, len(common.judged[gateway]))), line.thetas)
    return share if common.in_lesson or share == "enough" else "unknown"


def _of_lines(
    common: Shared, subject: Subject, cause: Cause, gateway: str, states: list[tuple[Line, LinkState]]
) -> Finding:
    """One finding for both directions: the first that is short, else the first that is not known."""
    line, state = next((found for wish in ("short", "unknown") for found in states if found[1] == wish), states[0])
    bad = _BAD[state] if _is_asked(common, gateway) else "unknown"
    return Finding(
        subject=subject,
        cause=cause,
        bad=bad,
        gateway=gateway,
        evidence_at=line.uplink.decided_at,
        late=line.uplink.is_late,
        classrooms=common.judged[gateway],
        measured=link_bps(line.uplink.interval),
        limit=_required_bps(common, line.direction),
        direction=line.direction,
    )


def _is_asked(common: Shared, gateway: str) -> bool:
    """Whether capacities beyond the port count, and are told: not where the port alone decides, nor in silence."""
    heard = common.school.state.gateways.get(gateway)
    return common.policy.basis != "port" and heard is not None and not heard.silent


def _exits(common: Shared) -> Iterator[Finding]:
    """One exit for the whole school: short if it is from any of its gateways, for the rooms of those."""
    school = common.school
    names = sorted({name for gateway in school.roster.gateways for name in exits_of(school, gateway)})
    for name in names:
        parts = [
            (gateway, line.direction, line.exits[name])
            for gateway, lines in common.lines.items()
            for line in lines
            if name in line.exits
        ]
        if parts:
            yield _exit(common, name, parts)
        else:
            # asked for, and nothing it found is young enough to say anything
            yield Finding(
                subject=Subject("exit", name=name), cause=Cause.EXIT_BELOW_REQUIRED, bad="unknown", gateway=""
            )


def _exit(common: Shared, name: str, parts: list[tuple[str, Direction, Tested]]) -> Finding:
    states = {part.state if _is_asked(common, gateway) else "unknown" for gateway, _, part in parts}
    worst: LinkState = "short" if "short" in states else "enough" if states == {"enough"} else "unknown"
    concerned = [found for found in parts if found[2].state == worst]
    gateway, direction, _ = next(iter(concerned), parts[0])
    gateways = dict.fromkeys(gateway for gateway, way, _ in concerned if way == direction)
    legs = [leg for g, way, part in concerned if way == direction for leg in part.legs]
    return Finding(
        subject=Subject("exit", name=name),
        cause=Cause.EXIT_BELOW_REQUIRED,
        bad=_BAD[worst],
        gateway=gateway,
        evidence_at=max((part.decided_at or 0.0 for _, _, part in concerned), default=None),
        late=all(part.is_late for _, _, part in concerned) if concerned else False,
        classrooms=tuple(room for g in gateways for room in common.judged[g]),
        measured=link_bps(legs_interval(legs)),
        limit=_required_bps(common, direction),
        direction=direction,
    )


def _switches(common: Shared) -> Iterator[Finding]:
    """A switch that serves no judged room any more is nobody's trouble: there is no finding."""
    for reading in common.school.state.switches.values():
        if rooms := rooms_on(common.school, reading.gateway, reading.switch):
            fresh = is_fresh(common.school, reading.observed_at, reading.gateway, common.now, common.policy)
            yield Finding(
                subject=Subject("switch", reading.gateway, reading.switch),
                cause=Cause.SWITCH_UNREACHABLE,
                bad="unknown" if not fresh else "no" if reading.reachable else "yes",
                gateway=reading.gateway,
                evidence_at=reading.observed_at,
                late=reading.late,
                classrooms=rooms,
            )


def _segments(common: Shared) -> Iterator[Finding]:
    """As with switches: a trunk behind which no judged room hangs bounds nobody."""
    theta_bps = common.policy.theta_down_bps
    for segment in common.school.state.segments.values():
        if rooms := rooms_behind(common.school, segment):
            state = part_state(segment_interval(segment), theta_bps) if segment in common.segments else "unknown"
            yield Finding(
                subject=Subject("segment", segment.gateway, segment.seen.name),
                cause=Cause.SEGMENT_BELOW_REQUIRED,
                bad=_BAD[state] if _is_asked(common, segment.gateway) else "unknown",
                gateway=segment.gateway,
                evidence_at=segment.observed_at,
                late=segment.late,
                classrooms=rooms,
                measured=segment.seen.speed_bps,
                limit=_required_bps(common, "down"),
            )


def _platforms(common: Shared) -> Iterator[Finding]:
    school = common.school
    for platform, targets in school.roster.platforms.items():
        for gateway in school.roster.gateways:
            found = [school.state.platforms.get(f"{gateway}/{target}") for target in targets]
            fetched = [reading.http for reading in found if reading and reading.http]
            if not fetched:
                continue
            newest = max(fetched, key=lambda reading: reading.observed_at)
            yield Finding(
                subject=Subject("platform", gateway, platform),
                cause=Cause.PLATFORM_UNREACHABLE,
                bad=_NOT[platform_state(school, platform, gateway, common.now, common.policy)],
                gateway=gateway,
                evidence_at=newest.observed_at,
                late=newest.late,
                classrooms=common.judged[gateway],
            )


def platform_state(school: School, platform: str, gateway: str, now: float, policy: Policy) -> VerdictValue:
    """Whether a platform is reachable from ``gateway``: every target that is fetched over HTTP must answer.

    The one definition: findings, the rooms' clause, pages and metrics read it.
    """
    if platform in school.state.platform_faults:
        return "unknown"
    readings = [school.state.platforms.get(f"{gateway}/{t}") for t in school.roster.platforms.get(platform, ())]
    fetched = [reading and reading.http for reading in readings if reading is None or reading.http is not None]
    ups = [http.up if http and is_fresh(school, http.observed_at, gateway, now, policy) else None for http in fetched]
    if False in ups:
        return "no"
    return "unknown" if not ups or None in ups else "yes"


def platform_over_gateways(school: School, platform: str, now: float, policy: Policy) -> VerdictValue:
    """The worst over the gateways that look at the platform at all."""
    targets = school.roster.platforms.get(platform, ())
    looking = {reading.gateway for reading in school.state.platforms.values() if reading.target in targets}
    states = [platform_state(school, platform, g, now, policy) for g in school.roster.gateways if g in looking]
    return every(states) if states else "unknown"


def every(values: Iterable[VerdictValue]) -> VerdictValue:
    """Any no -> no, else any unknown -> unknown, else yes."""
    found = set(values)
    if "no" in found:
        return "no"
    return "unknown" if "unknown" in found else "yes"


def _required_bps(common: Shared, direction: Direction) -> float:
    required_bps = common.policy.required_down_bps if direction == "down" else common.policy.required_up_bps
    return float(required_bps or 0)


# --- one classroom --------------------------------------------------------------------------------------------------


def of_room(case: Case) -> tuple[Finding, ...]:
    """Everything about one classroom alone; nothing about one that is exempt, or whose gateway is silent."""
    if case.room.exempt is not None:
        return ()
    port = port_part(case)
    found = [_port_down(case), *_port_speed(case, port), _path(case, port), *_device(case)]
    return tuple(finding for finding in found if finding is not None)


def port_part(case: Case) -> Interval | None:
    """P as far as its evidence is young enough; Wi-Fi and cellular rooms have none."""
    if case.room.access != "wired":
        return None
    return port_interval(case.valid_port(), case.valid_nic_bps())


def _of_room(case: Case, cause: Cause, bad: VerdictValue, evidence_at: float | None, **fields: Any) -> Finding:
    return Finding(
        subject=Subject("classroom", name=case.room.id),
        cause=cause,
        bad="unknown" if case.heard.silent else bad,
        gateway=case.gateway,
        evidence_at=evidence_at,
        classrooms=(case.room.id,),
        **fields,
    )


def _port_down(case: Case) -> Finding | None:
    """Down as a fault: switched off by an administrator, or down while its device is awake by another path."""
    port = case.state.last_port
    if port is None:
        return None
    down = port.seen.admin_up is False or (port.seen.oper_up is False and case.device_up is True)
    bad: VerdictValue = "unknown" if not case.is_fresh(port.observed_at) else "yes" if down else "no"
    return _of_room(case, Cause.PORT_DOWN, bad, port.observed_at, late=port.late)


def _port_speed(case: Case, part: Interval | None) -> Iterator[Finding]:
    """A slow port also explains its duplex, and is told alone."""
    port, nic_bps = case.state.port, case.state.nic_speed_bps
    if case.room.access != "wired" or (port is None and nic_bps is None):
        return
    theta0_bps, _ = case.policy.theta_down_bps
    slow = part is not None and part.at_most_bps is not None and part.at_most_bps < theta0_bps
    told = {
        "evidence_at": _port_evidence_at(case),
        "late": bool(port and port.late),
        "measured": part.at_most_bps if part else None,
        "limit": float(case.policy.required_down_bps),
    }
    known = part is not None and part.at_most_bps is not None
    yield _of_room(case, Cause.PORT_BELOW_REQUIRED, "yes" if slow else "no" if known else "unknown", **told)
    valid = case.valid_port()
    half: VerdictValue = "unknown" if valid is None else "yes" if part and part.half_duplex else "no"
    yield _of_room(case, Cause.PORT_HALF_DUPLEX, half, explained=slow, **told)


def _port_evidence_at(case: Case) -> float | None:
    """The device's card speaks each time it is seen awake; a port by its accepted readings."""
    port_at = case.state.port.observed_at if case.state.port else None
    if case.valid_nic_bps() is None or case.state.last_awake_at is None:
        return port_at
    return max(port_at or 0.0, case.state.last_awake_at)


def _path(case: Case, port: Interval | None) -> Finding | None:
    """T, the tested way to the room. While the room's own port is short, that is what is told."""
    tested_ways = ((line, path_tested(case, line)) for line in case.lines)
    parts = [(line, part) for line, part in tested_ways if part.was_tested]
    if not parts:
        legs = case.school.state.paths.values()
        asked = any((leg.classroom, leg.gateway) == (case.room.id, case.gateway) for leg in legs)
        return _of_room(case, Cause.SEGMENT_BELOW_REQUIRED, "unknown", None) if asked else None
    found = ((line, part) for wish in ("short", "unknown") for line, part in parts if part.state == wish)
    line, part = next(found, parts[0])
    explained = port is not None and (port.half_duplex or (port.at_most_bps or 0.0) < case.policy.theta_down_bps[0])
    asked = case.policy.basis != "port" and not (explained and part.state == "short")
    return _of_room(
        case,
        Cause.SEGMENT_BELOW_REQUIRED,
        _BAD[part.state] if asked else "unknown",
        part.decided_at,
        late=part.is_late,
        measured=link_bps(part.interval),
        limit=_required_bps(case.shared, line.direction),
        direction=line.direction,
    )


def path_tested(case: Case, line: Line) -> Tested:
    legs: tuple[Leg, ...] = path_legs(case.school, case.room.id, case.gateway, line.direction)
    return tested(legs, legs_interval(legs), line.thetas)


def _device(case: Case) -> Iterator[Finding]:
    """Absent replaces offline: never both. What nobody expects to be awake, outside lessons, is neither."""
    absent = is_device_absent(case)
    device, up = case.state.device, case.device_up
    at, late = (device.observed_at, device.late) if device else (None, False)
    seen: VerdictValue = "no" if up else "unknown"
    offline = up is False and case.shared.in_lesson and not absent and not is_switch_unreachable(case)
    if device is None and not absent:
        return
    yield _of_room(case, Cause.DEVICE_ABSENT, "yes" if absent else seen, at, late=late)
    yield _of_room(case, Cause.DEVICE_OFFLINE, "yes" if offline else seen, at, late=late)


def is_device_absent(case: Case) -> bool:
    """None of an interactive kind listed, or looked for and not seen awake on enough school days."""
    if case.room.device is None:
        return True
    if case.state.watched_since is None:
        return False
    since = max(case.state.watched_since, case.state.last_awake_at or case.state.watched_since)
    return school_days_between(case.school.hours, since, case.now) >= case.policy.absent_after_school_days


def is_switch_unreachable(case: Case) -> bool:
    """Whatever hangs on a switch that does not answer is unknown, not bad."""
    port = case.state.last_port
    switch = case.school.state.switches.get(f"{case.gateway}/{port.seen.switch}") if port else None
    return switch is not None and not switch.reachable and case.is_fresh(switch.observed_at)
