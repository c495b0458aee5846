"""Boards that went off together: somebody's hand switches off one board, a power cut all that hang on one thing.

What they hang on is as much as is known of the wiring: a switch that is read, a port that several rooms share (an
unmanaged switch stands behind it), a trunk before several switches, else the gateway alone.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from collector.core.age import is_fresh
from collector.core.case import Shared
from collector.core.evidence import SegmentReading
from collector.core.findings import Finding
from collector.core.power_hours import is_within_a_lesson
from collector.core.state import ClassroomState, School
from collector.core.subject import Subject
from collector.core.wiring import gateway_of, has_port
from collector.core.words import Cause, VerdictValue

Room = tuple[str, ClassroomState]
Groups = dict[Subject, list[Room]]


def of_groups(common: Shared) -> Iterator[Finding]:
    """One finding for whatever boards hang on, where something was lost there or is told to be."""
    school = common.school
    told = {a.subject for a in school.state.alerts if a.cause is Cause.DEVICE_OFFLINE and a.subject.kind != "classroom"}
    if not told and all(room.link_lost_at is None for room in school.state.classrooms.values()):
        return
    behind = _behind(school)
    own = [_of(common, subject, behind[subject]) for subject in behind if _is_of_interest(subject, behind, told)]
    yield from own
    by_themselves = {finding.subject for finding in own if finding.bad == "yes" or finding.subject in told}
    trunks = _behind_trunks(school, behind)
    for subject, (served, rooms) in trunks.items():
        is_new = by_themselves.isdisjoint(served) and any(state.link_lost_at is not None for _, state in rooms)
        if subject in told or is_new:
            yield _of(common, subject, rooms)


def _is_of_interest(subject: Subject, groups: Groups, told: Collection[Subject]) -> bool:
    return subject in told or any(state.link_lost_at is not None for _, state in groups[subject])


def _behind(school: School) -> Groups:
    """Each room under the nearest thing that it is known to hang on."""
    rooms = [(id_, state) for id_ in school.roster.classrooms if (state := school.state.classrooms.get(id_))]
    users = Counter((gateway_of(school, id_), _port_of(state)) for id_, state in rooms)
    groups: Groups = {}
    for id_, state in rooms:
        gateway = gateway_of(school, id_)
        if gateway is None:
            continue
        place = _port_of(state)
        if place is None:
            subject = Subject("gateway", gateway)
        elif place[1] and users[gateway, place] > 1:
            subject = Subject("segment", gateway, ":".join(place))
        else:
            subject = Subject("switch", gateway, place[0])
        groups.setdefault(subject, []).append((id_, state))
    return groups


def _port_of(state: ClassroomState) -> tuple[str, str] | None:
    """Switch and port; None = no switch is known."""
    if state.last_port is None or state.last_port.seen.switch is None:
        return None
    return state.last_port.seen.switch, state.last_port.seen.if_name or ""


def _behind_trunks(school: School, behind: Groups) -> dict[Subject, tuple[list[Subject], list[Room]]]:
    """Trunk -> the several switches that it serves, and their rooms."""
    found = {Subject("segment", s.gateway, s.seen.name): _served(s, behind) for s in school.state.segments.values()}
    return {
        trunk: (served, [room for subject in served for room in behind[subject]])
        for trunk, served in found.items()
        if len(served) > 1
    }


def _served(trunk: SegmentReading, behind: Mapping[Subject, object]) -> list[Subject]:
    if trunk.switches is None:
        return []
    return [s for s in behind if s.kind == "switch" and s.gateway == trunk.gateway and s.name in trunk.switches]


def _of(common: Shared, subject: Subject, rooms: Sequence[Room]) -> Finding:
    judged = common.upstream[subject.gateway].rooms
    lost = _together(common, subject.gateway, [each for each in rooms if each[0] in judged])
    bad = _bad_by_links if subject.kind != "gateway" else _bad_by_answers
    return Finding(
        subject=subject,
        cause=Cause.DEVICE_OFFLINE,
        bad=bad(common, subject, rooms, lost) if _is_asked(common, subject, rooms) else "unknown",
        gateway=subject.gateway,
        evidence_at=max((at for _, state in rooms if (at := _seen_at(state)) is not None), default=None),
        late=any(_is_late(state) for _, state in lost or rooms),
        since=_first_at(lost) if lost else None,
        classrooms=tuple(room_id for room_id, _ in lost),
    )


def _is_asked(common: Shared, subject: Subject, rooms: Sequence[Room]) -> bool:
    """Behind what does not answer nothing is known of boards."""
    heard = common.school.state.gateways.get(subject.gateway)
    if heard is None or heard.silent:
        return False
    own = {place[0] for _, state in rooms if (place := _port_of(state))}
    switches = [s for s in common.school.state.switches.values() if s.gateway == subject.gateway]
    # boards without a port may hang on any of them
    return all(switch.reachable for switch in switches if subject.kind == "gateway" or switch.switch in own)


def _bad_by_links(common: Shared, _: Subject, rooms: Sequence[Room], lost: Sequence[Room]) -> VerdictValue:
    """A single board that is still on, or on again, says that there is power: the others are merely off."""
    up = [s.last_port for _, s in rooms if s.last_port and s.last_port.seen.oper_up and _is_fresh(common, s)]
    if any(not lost or port.observed_at >= _first_at(lost) for port in up):
        return "no"
    # one that was read just before the others went is not known to be on: its turn comes with the next poll
    known = bool(lost) and not up and all(_is_fresh(common, state) for _, state in lost)
    return "yes" if known and common.in_lesson else "unknown"


def _bad_by_answers(common: Shared, _: Subject, rooms: Sequence[Room], lost: Sequence[Room]) -> VerdictValue:
    """Which of them hang together nobody knows: one building may be dark, and the next one have lessons."""
    stayed = [state for _, state in rooms if _has_power(state) and _is_fresh(common, state)]
    # without breaks in the timetable the bell is not known: three who leave then are no power cut, most of them are one
    enough = bool(lost) and (
        len(lost) > len(stayed) or is_within_a_lesson(common.school.hours, _first_at(lost), common.policy)
    )
    if not enough:
        return "no" if stayed else "unknown"
    known = all(_is_fresh(common, state) for _, state in lost)
    return "yes" if known and common.in_lesson else "unknown"


def _together(common: Shared, gateway: str, rooms: Sequence[Room]) -> Sequence[Room]:
    """The most that were lost within the window; none where they are too few."""
    heard = common.school.state.gateways.get(gateway)
    # boards are looked at one after the other, and mostly once a report: what went at once is seen one interval apart
    window_s = max(common.policy.device_group_window_s, heard.report_interval_s if heard else 0.0)
    dated = [(at, each) for each in rooms if (at := each[1].link_lost_at) is not None]
    groups = [[each for at, each in dated if first <= at <= first + window_s] for first, _ in dated]
    largest = max(groups, key=len, default=[])
    return largest if len(largest) >= common.policy.device_group_min else []


def _first_at(lost: Sequence[Room]) -> float:
    return min(at for _, state in lost if (at := state.link_lost_at) is not None)


def _seen_at(room: ClassroomState) -> float | None:
    """When last was looked at what shows that it is on: its port, else the board itself."""
    reading = room.last_port if has_port(room) else room.device
    return reading.observed_at if reading else None


def _has_power(room: ClassroomState) -> bool:
    """By its own word: one that does not answer may as well be asleep."""
    device = room.device
    return device is not None and (
        device.state == "awake" or (device.seen is not None and device.seen.state == "asleep")
    )


def _is_late(room: ClassroomState) -> bool:
    reading = room.last_port if has_port(room) else room.device
    return reading is not None and reading.late


def _is_fresh(common: Shared, room: ClassroomState) -> bool:
    reading = room.last_port if has_port(room) else room.device
    return reading is not None and is_fresh(
        common.school, reading.observed_at, reading.gateway, common.now, common.policy
    )
