"""A classroom's device and the port that it hangs on.

A port reading counts only once its device was seen awake after it, and not asleep before it: a sleeping board
renegotiates to 10M (Wake-on-LAN), and one that wakes leaves such a reading behind. So one reading waits per classroom
until the device speaks, or its octets grow.
"""

from msgspec.structs import replace

from classready.observation import Device, Outcome, Port
from collector.core.age import is_fresh
from collector.core.events import DeviceMoved, Observed
from collector.core.evidence import DeviceReading, PortReading
from collector.core.folded import Folded, is_newer
from collector.core.hours import in_lesson
from collector.core.mute import is_observing
from collector.core.state import ClassroomState
from collector.core.words import DeviceStateName

_COUNTERS = ("fcs_error_count", "alignment_error_count", "late_collision_count")
AWAKE_WINDOW_MAX_S = 3_600.0
"""Where ports are polled more seldom than this, nothing ties a reading to the moment in which its device was awake."""


# --- the port -------------------------------------------------------------------------------------------------------


def port(folded: Folded, event: Observed, seen: Port, room_id: str) -> None:
    room = folded.room(room_id)
    before = room.last_port
    if seen.outcome is not Outcome.ANSWERED:
        return
    if not is_newer(event.observed_at, before.observed_at if before else None, folded.now):
        return
    reading = _reading(event, seen, room)
    after = _placed(folded, room_id, room, reading)
    if before is not None and _grew(before, reading):
        gap_s = min(reading.observed_at - before.observed_at, AWAKE_WINDOW_MAX_S)
        after = _awake_by_traffic(_accepted(folded, after, reading.observed_at, gap_s), reading)
    waiting = reading if seen.oper_up is not False else None
    after = replace(after, gateway=event.gateway, last_port=reading, pending_port=waiting)
    folded.put("classrooms", room_id, after)
    folded.everybody |= after.gateway != room.gateway or _switch(after) != _switch(room)
    if _port_facts(reading) != _port_facts(before) or not _still_holds(folded, room, event):
        folded.rooms.add(room_id)
    _note_device(folded, room_id, room, after)


def _reading(event: Observed, seen: Port, room: ClassroomState) -> PortReading:
    reading = PortReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        late=event.late,
        seen=seen,
        while_asleep=room.device is not None and room.device.state != "awake",
    )
    return replace(reading, bad_frame_count=_bad_frames(room.last_port, reading))


def _still_holds(folded: Folded, room: ClassroomState, event: Observed) -> bool:
    """Whether what was known of the port was still good: else the new reading changes what is known."""
    return room.last_port is not None and folded.is_fresh(room.last_port.observed_at, event.gateway)


def _port_facts(reading: PortReading | None) -> tuple[object, ...] | None:
    if reading is None:
        return None
    seen = reading.seen
    return seen.switch, seen.if_name, seen.admin_up, seen.oper_up, seen.speed_bps, seen.full_duplex


def _switch(room: ClassroomState) -> str | None:
    return room.last_port.seen.switch if room.last_port else None


def _bad_frames(before: PortReading | None, after: PortReading) -> int | None:
    """Growth of the port's error counters; None where one is not known, and where one fell: the switch restarted.

    All are Counter32 (EtherLike-MIB, RFC 3635): a fall by more than half their range is a wrap, not a restart.
    """
    if before is None or not before.is_of_port(after):
        return None
    total: int | None = None
    for name in _COUNTERS:
        was, now = getattr(before.seen, name), getattr(after.seen, name)
        if was is None or now is None:
            continue
        grown = now - was if now >= was or was - now < 2**31 else now - was + 2**32
        if grown < 0:
            return None
        total = (total or 0) + grown
    return total


def _grew(before: PortReading, after: PortReading) -> bool:
    """Octets came from the device since the last reading of the same port. A counter that fell proves nothing."""
    was, now = before.seen.in_octets, after.seen.in_octets
    return before.is_of_port(after) and was is not None and now is not None and now > was


def _accepted(folded: Folded, room: ClassroomState, awake_at: float, gap_s: float = 0.0) -> ClassroomState:
    """The waiting reading becomes evidence when its device was awake after it, soon enough.

    ``gap_s``: the port's own interval, where its octets are the proof: ports may be polled more seldom than reports go.
    """
    waiting = room.pending_port
    if waiting is None or waiting.while_asleep:
        return room
    heard = folded.state.gateways.get(waiting.gateway)
    window_s = max(folded.policy.awake_window_s, heard.report_interval_s if heard else 0.0, gap_s)
    if not 0 <= awake_at - waiting.observed_at <= window_s:
        return room
    return replace(room, port=waiting, pending_port=None)


def _awake_by_traffic(room: ClassroomState, reading: PortReading) -> ClassroomState:
    if room.device and room.device.observed_at > reading.observed_at:
        return room
    device = DeviceReading(
        observed_at=reading.observed_at,
        gateway=reading.gateway,
        late=reading.late,
        state="awake",
        seen=room.device.seen if room.device else None,
        by_traffic=True,
    )
    return replace(room, device=device, last_awake_at=max(reading.observed_at, room.last_awake_at or 0.0))


def _placed(folded: Folded, room_id: str, room: ClassroomState, reading: PortReading) -> ClassroomState:
    """Follow the device to another port once two readings in a row found it there: one may be a stray table entry."""
    before, after = room.place, reading.place
    if after is None or after == before:
        return room
    if before is None:
        return replace(room, place=after)
    if room.last_port is None or room.last_port.place != after:
        return room
    school = folded.school
    if (
        school.roster.classrooms[room_id].exempt is None
        and not reading.late
        and not is_observing(school, reading.gateway, folded.now, folded.policy)
    ):
        folded.moved.append(
            DeviceMoved(
                office=school.roster.office,
                school=school.roster.school,
                school_name=school.roster.name,
                classroom=room_id,
                before=before,
                after=after,
                at=folded.now,
            )
        )
    return replace(room, place=after)


# --- the device -----------------------------------------------------------------------------------------------------


def device(folded: Folded, event: Observed, seen: Device, room_id: str) -> None:
    room = folded.room(room_id)
    after = replace(room, gateway=event.gateway, watched_since=room.watched_since or event.observed_at)
    before_at = room.device.observed_at if room.device else None
    reading = _device_reading(folded, event, seen, room) if is_newer(event.observed_at, before_at, folded.now) else None
    if reading is not None:
        if reading.state == "awake":
            after = _accepted(folded, after, reading.observed_at)
            nic_bps = seen.nic_speed_bps or room.nic_speed_bps
            after = replace(after, last_awake_at=reading.observed_at, nic_speed_bps=nic_bps)
        after = replace(after, device=reading)
    folded.put("classrooms", room_id, after)
    folded.everybody |= after.gateway != room.gateway
    if room.watched_since is None:
        folded.rooms.add(room_id)
    _note_device(folded, room_id, room, after)


def _note_device(folded: Folded, room_id: str, before: ClassroomState, after: ClassroomState) -> None:
    """Have the room judged where the device, its card or its accepted port is another than before, or was too old."""
    if _device_changed(folded, before, after) or _accepted_changed(folded, before, after):
        folded.rooms.add(room_id)


def _device_changed(folded: Folded, before: ClassroomState, after: ClassroomState) -> bool:
    if after.device is before.device:
        return False
    if before.device is None or after.device is None or before.device.state != after.device.state:
        return True
    if not folded.is_fresh(before.device.observed_at, before.device.gateway):
        return True
    return before.nic_speed_bps != after.nic_speed_bps or not folded.is_port_valid(before.last_awake_at)


def _accepted_changed(folded: Folded, before: ClassroomState, after: ClassroomState) -> bool:
    if after.port is before.port:
        return False
    if before.port is None or _port_facts(before.port) != _port_facts(after.port):
        return True
    return not folded.is_port_valid(before.port.observed_at)


def _device_reading(folded: Folded, event: Observed, seen: Device, room: ClassroomState) -> DeviceReading | None:
    """The device as of this observation; None when it says nothing (unmeasured, or traffic just proved it awake)."""
    if seen.outcome not in (Outcome.ANSWERED, Outcome.NO_ANSWER) and seen.state is None:
        return None
    state = seen.state or "awake"
    if seen.outcome is Outcome.NO_ANSWER or state != "awake":
        if _traffic_was_last(room):
            return None
        state = _silent_state(folded, event, seen, room)
    return DeviceReading(observed_at=event.observed_at, gateway=event.gateway, late=event.late, state=state, seen=seen)


def _traffic_was_last(room: ClassroomState) -> bool:
    """The newest port reading showed octets from the device: silence to a question proves nothing then."""
    if room.device is None or room.last_port is None or not room.device.by_traffic:
        return False
    return room.last_port.observed_at == room.device.observed_at


def _silent_state(folded: Folded, event: Observed, seen: Device, room: ClassroomState) -> DeviceStateName:
    """Link up, no answer = asleep; no link = away in lessons, asleep outside; link not known = as the agent says."""
    last = room.last_port
    at = event.observed_at
    known = last is not None and is_fresh(folded.school, last.observed_at, event.gateway, at, folded.policy)
    oper_up = last.seen.oper_up if last is not None and known else None
    if seen.state == "asleep" or oper_up is None:
        return seen.state or "asleep"
    return "asleep" if oper_up or not in_lesson(folded.school.hours, at) else "away"
