"""Findings about one classroom: its port, the tested way to it, and its device."""

from collections.abc import Iterator
from typing import Any

from collector.core.case import Case
from collector.core.findings import BAD, Finding, required_bps
from collector.core.hours import school_days_between
from collector.core.link import link_bps
from collector.core.subject import Subject
from collector.core.words import Cause, VerdictValue


def of_room(case: Case) -> tuple[Finding, ...]:
    """Everything about one classroom alone; nothing about one that is exempt, or whose gateway is silent."""
    if case.room.exempt is not None:
        return ()
    found = [_port_down(case), *_port_speed(case), _path(case), *_device(case)]
    return tuple(finding for finding in found if finding is not None)


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
    # a board that is off takes its link down with it: that alone is no fault of the port, and no proof that it is well
    down = port.seen.admin_up is False or (port.seen.oper_up is False and case.device_up is True)
    is_known = case.is_fresh(port.observed_at) and (down or port.seen.oper_up is not False)
    bad: VerdictValue = "unknown" if not is_known else "yes" if down else "no"
    return _of_room(case, Cause.PORT_DOWN, bad, port.observed_at, late=port.late, place=port.place)


def _port_speed(case: Case) -> Iterator[Finding]:
    """A slow port also explains its duplex, and is told alone."""
    port, part, nic_bps = case.state.port, case.port, case.state.nic_speed_bps
    if case.room.access != "wired" or (port is None and nic_bps is None):
        return
    theta0_bps, _ = case.policy.theta_down_bps
    slow = part is not None and part.at_most_bps is not None and part.at_most_bps < theta0_bps
    told: dict[str, Any] = {
        "evidence_at": _port_evidence_at(case),
        "late": bool(port and port.late),
        "measured": part.at_most_bps if part else None,
        "limit": float(case.policy.required_down_bps),
        "place": port.place if port else None,
        "half_duplex": bool(part and part.half_duplex),
    }
    known = part is not None and part.at_most_bps is not None
    # a side that does not negotiate leaves the other one half duplex (parallel detection, IEEE 802.3 clause 28), and
    # mostly at a low speed: one cable, one message
    yield _of_room(case, Cause.PORT_BELOW_REQUIRED, "yes" if slow else "no" if known else "unknown", **told)
    # a card does not tell its duplex, so the port alone does
    half: VerdictValue = "unknown" if case.valid_port is None else "yes" if part and part.half_duplex else "no"
    yield _of_room(case, Cause.PORT_HALF_DUPLEX, half, explained=slow, **told)


def _port_evidence_at(case: Case) -> float | None:
    """The device's card speaks each time it is seen awake, after the reading of any port that counts; else the port."""
    if case.valid_nic_bps is not None:
        return case.state.last_awake_at
    return case.state.port.observed_at if case.state.port else None


def _path(case: Case) -> Finding | None:
    """T, the tested way to the room. While the room's own port is short, that is what is told."""
    port = case.port
    parts = [(line, way) for line, way in zip(case.upstream.lines, case.ways, strict=True) if way.was_tested]
    if not parts:
        legs = case.school.state.paths.values()
        asked = any((leg.classroom, leg.gateway) == (case.room.id, case.gateway) for leg in legs)
        return _of_room(case, Cause.SEGMENT_BELOW_REQUIRED, "unknown", None) if asked else None
    found = ((line, part) for wish in ("short", "unknown") for line, part in parts if part.state == wish)
    line, part = next(found, parts[0])
    explained = port is not None and (port.half_duplex or (port.at_most_bps or 0.0) < case.policy.theta_down_bps[0])
    # a way is as slow as the port at its end: the trunk before it is not to blame for that
    asked = case.policy.basis != "port" and not (explained and part.state == "short")
    return _of_room(
        case,
        Cause.SEGMENT_BELOW_REQUIRED,
        BAD[part.state] if asked else "unknown",
        part.decided_at,
        late=part.is_late,
        since=part.failing_since,
        in_doubt=part.is_in_doubt(case.policy),
        measured=link_bps(part.interval),
        limit=required_bps(case.policy, line.direction),
        direction=line.direction,
    )


def _device(case: Case) -> Iterator[Finding]:
    """Absent replaces offline: never both. What is off outside lessons, or was seen awake lately, is neither."""
    absent = _is_absent(case)
    device, up = case.state.device, case.device_up
    at, late = (device.observed_at, device.late) if device else (None, False)
    seen: VerdictValue = "no" if up else "unknown"
    missed = up is False and case.shared.in_lesson and _is_missed(case)
    offline = missed and not absent and not _is_behind_silent_switch(case)
    if device is None and not absent:
        return
    yield _of_room(case, Cause.DEVICE_ABSENT, "yes" if absent else seen, at, late=late)
    yield _of_room(case, Cause.DEVICE_OFFLINE, "yes" if offline else seen, at, late=late)


def _is_missed(case: Case) -> bool:
    """Off for longer than a board that works may be; one never seen has as long, from when it was first looked for."""
    days = case.policy.device_proof_school_days
    return days == 0 or _school_days_in_vain(case) > days


def _is_absent(case: Case) -> bool:
    """None of an interactive kind listed, or looked for and not seen awake on enough school days."""
    return case.room.device is None or _school_days_in_vain(case) >= case.policy.absent_after_school_days


def _school_days_in_vain(case: Case) -> int:
    """School days since the device was last seen awake, or was first looked for."""
    # nobody is missed before somebody looked: holidays and a probe that was set up late count for nothing
    watched_since = case.state.watched_since
    if watched_since is None:
        return 0
    since = max(watched_since, case.state.last_awake_at or watched_since)
    return school_days_between(case.school.hours, since, case.now)


def _is_behind_silent_switch(case: Case) -> bool:
    """Whatever hangs on a switch that does not answer is unknown, not bad."""
    port = case.state.last_port
    switch = case.school.state.switches.get(f"{case.gateway}/{port.seen.switch}") if port else None
    return switch is not None and not switch.reachable and case.is_fresh(switch.observed_at)
