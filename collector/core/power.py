"""Boards that lost their link together: somebody's hand switches off one board, a power cut all of a switch's.

DESIGN speaks of devices behind one switch. A board that is known over MQTT alone has no link that could be lost.
"""

from collections.abc import Iterator, Sequence

from collector.core.age import is_fresh
from collector.core.case import Shared
from collector.core.findings import Finding
from collector.core.state import ClassroomState
from collector.core.subject import Subject
from collector.core.wiring import gateway_of
from collector.core.words import Cause, VerdictValue

Room = tuple[str, ClassroomState]


def of_groups(common: Shared) -> Iterator[Finding]:
    """One finding a switch, where something was lost there or is told to be."""
    school = common.school
    told = {a.subject for a in school.state.alerts if a.cause is Cause.DEVICE_OFFLINE and a.subject.kind == "switch"}
    if not told and all(room.link_lost_at is None for room in school.state.classrooms.values()):
        return
    behind: dict[Subject, list[Room]] = {}
    for room_id in school.roster.classrooms:
        state, gateway = school.state.classrooms.get(room_id), gateway_of(school, room_id)
        if state and gateway and state.last_port and state.last_port.seen.switch:
            behind.setdefault(Subject("switch", gateway, state.last_port.seen.switch), []).append((room_id, state))
    for subject, rooms in behind.items():
        if subject in told or any(state.link_lost_at is not None for _, state in rooms):
            yield _of_switch(common, subject, rooms)


def _of_switch(common: Shared, subject: Subject, rooms: Sequence[Room]) -> Finding:
    judged = common.upstream[subject.gateway].rooms
    lost = _together(common, subject.gateway, [each for each in rooms if each[0] in judged])
    ports = [state.last_port for _, state in lost or rooms if state.last_port is not None]
    return Finding(
        subject=subject,
        cause=Cause.DEVICE_OFFLINE,
        bad=_bad(common, subject, rooms, lost),
        gateway=subject.gateway,
        evidence_at=max(port.observed_at for _, state in rooms if (port := state.last_port)),
        late=any(port.late for port in ports),
        since=_first_at(lost) if lost else None,
        classrooms=tuple(room_id for room_id, _ in lost),
    )


def _bad(common: Shared, subject: Subject, rooms: Sequence[Room], lost: Sequence[Room]) -> VerdictValue:
    """A single board that is still on, or on again, says that there is power: the others are merely off."""
    switch = common.school.state.switches.get(f"{subject.gateway}/{subject.name}")
    heard = common.school.state.gateways.get(subject.gateway)
    if heard is None or heard.silent or (switch is not None and not switch.reachable):
        return "unknown"
    up = [s.last_port for _, s in rooms if s.last_port and s.last_port.seen.oper_up and _is_fresh(common, s)]
    if any(not lost or port.observed_at >= _first_at(lost) for port in up):
        return "no"
    # one that was read just before the others went is not known to be on: its turn comes with the next poll
    known = bool(lost) and not up and all(_is_fresh(common, state) for _, state in lost)
    return "yes" if known and common.in_lesson else "unknown"


def _together(common: Shared, gateway: str, rooms: Sequence[Room]) -> Sequence[Room]:
    """The most that were lost within the window; none where they are too few."""
    heard = common.school.state.gateways.get(gateway)
    # ports are read one after the other, and mostly once a report: what went at once is seen one interval apart
    window_s = max(common.policy.device_group_window_s, heard.report_interval_s if heard else 0.0)
    dated = [(at, each) for each in rooms if (at := each[1].link_lost_at) is not None]
    groups = [[each for at, each in dated if first <= at <= first + window_s] for first, _ in dated]
    largest = max(groups, key=len, default=[])
    return largest if len(largest) >= common.policy.device_group_min else []


def _first_at(lost: Sequence[Room]) -> float:
    return min(state.link_lost_at or 0.0 for _, state in lost)


def _is_fresh(common: Shared, room: ClassroomState) -> bool:
    port = room.last_port
    return port is not None and is_fresh(common.school, port.observed_at, port.gateway, common.now, common.policy)
