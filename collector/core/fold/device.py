"""A classroom's device and the port that it hangs on.

A port reading counts only once its device was seen awake after it, and not asleep before it: a sleeping board
renegotiates to 10M (Wake-on-LAN), and one that wakes leaves such a reading behind. So one reading waits per classroom
until the device speaks, or its octets grow.
"""

from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from classready.observation import Device, Outcome, Port
from collector.core.age import fresh_window_s, is_fresh
from collector.core.events import DeviceMoved, Observed
from collector.core.evidence import DeviceReading, PortReading, is_alike
from collector.core.folded import Folded
from collector.core.hours import in_lesson
from collector.core.mute import is_observing
from collector.core.power_hours import is_unusual
from collector.core.state import ClassroomState
from collector.core.wiring import has_port
from collector.core.words import DeviceStateName

_ANSWERED: Final = Outcome.ANSWERED
_NO_ANSWER: Final = Outcome.NO_ANSWER
_counters: Final = attrgetter("fcs_error_count", "alignment_error_count", "late_collision_count")
_UNCOUNTED: Final = (None, None, None)
"""Many switches have no EtherLike-MIB."""
AWAKE_WINDOW_MAX_S = 3_600.0
"""Where ports are polled more seldom than this, nothing ties a reading to the moment in which its device was awake."""


# --- the port -------------------------------------------------------------------------------------------------------


def port(folded: Folded, event: Observed, seen: Port, room_id: str) -> None:
    # a switch that did not answer tells nothing of its ports: what was read before ages
    if seen.outcome is not _ANSWERED:
        return
    room, at = folded.room(room_id), event.observed_at
    before, device, accepted = room.last_port, room.device, room.port
    if before is not None and not folded.is_newer(at, before.observed_at):
        return
    earlier = _earlier(before, seen)
    reading = PortReading(
        observed_at=at,
        gateway=event.gateway,
        late=event.late,
        seen=seen,
        bad_frame_count=_bad_frames(earlier, seen),
        while_asleep=device is not None and device.state != "awake",
    )
    if _grew(earlier, seen):
        accepted = _accepted(folded, room, at, AWAKE_WINDOW_MAX_S)
        device = _awake_by_traffic(device, reading)
    after = replace(
        room,
        gateway=event.gateway,
        port=accepted,
        # without link a port may still show its last speed, or what it could do: ifSpeed is an estimate (RFC 2863)
        pending_port=reading if seen.oper_up is not False else None,
        last_port=reading,
        place=_placed(folded, room_id, room, reading),
        link_lost_at=_link_lost_at(folded, room, reading),
        device=device,
        last_awake_at=room.last_awake_at if device is room.device else at,
    )
    folded.put("classrooms", room_id, after)
    if event.gateway != room.gateway or seen.switch != (before.seen.switch if before else None):
        # other trunks and switches are on its way: those that it left are judged by the rooms that are left to them
        folded.everybody = True
    if not _is_confirmed(folded, before, event, seen):
        folded.rooms.add(room_id)
        # one board that is on speaks for the power of all that were lost beside it
        if after.link_lost_at or (before is not None and _is_any_lost(folded)):
            folded.everybody = True
    elif _is_other(folded, room, after):
        folded.rooms.add(room_id)


def _is_any_lost(folded: Folded) -> bool:
    return any(room.link_lost_at is not None for room in folded.school.state.classrooms.values())


def _link_lost_at(folded: Folded, room: ClassroomState, reading: PortReading) -> float | None:
    """Since when the link of a board is gone that was awake just before it; it may come back by any path."""
    seen, before, at = reading.seen, room.last_port, reading.observed_at
    if seen.oper_up is not False or seen.admin_up is False or before is None or before.place != reading.place:
        return None if seen.oper_up is not None else room.link_lost_at
    if before.seen.oper_up is not True:
        return room.link_lost_at
    window_s = fresh_window_s(folded.school, reading.gateway, folded.policy) or 0.0
    # after a longer pause nobody knows when it went, and the night is one
    was_awake = room.last_awake_at is not None and at - room.last_awake_at <= window_s
    is_dated = at - before.observed_at <= window_s and is_unusual(folded.school.hours, at, folded.policy)
    return at if was_awake and is_dated else None


def _is_confirmed(folded: Folded, before: PortReading | None, event: Observed, seen: Port) -> bool:
    """Whether the port was known to be what it is now: else the reading changes what is known of it."""
    if before is None or not folded.is_fresh(before.observed_at, event.gateway):
        return False
    return is_alike(before.seen, seen)


def _earlier(before: PortReading | None, seen: Port) -> Port | None:
    """What was seen before of the same port: counters of another one are no beginning to count from."""
    if before is None or before.seen.if_name != seen.if_name or before.seen.switch != seen.switch:
        return None
    return before.seen


def _bad_frames(before: Port | None, after: Port) -> int | None:
    """Growth of the port's error counters; None where one is not known, and where one fell: the switch restarted.

    All are Counter32 (EtherLike-MIB, RFC 3635): a fall by more than half their range is a wrap, not a restart.
    """
    if before is None:
        return None
    were, are = _counters(before), _counters(after)
    if were == are:
        return None if are == _UNCOUNTED else 0
    total: int | None = None
    for was, now in zip(were, are, strict=True):
        if was is None or now is None:
            continue
        grown = now - was if now >= was or was - now < 2**31 else now - was + 2**32
        if grown < 0:
            return None
        total = (total or 0) + grown
    return total


def _grew(before: Port | None, after: Port) -> bool:
    """Octets came from the device since the last reading of the same port. A counter that fell proves nothing."""
    if before is None or before.in_octets is None or after.in_octets is None:
        return False
    return after.in_octets > before.in_octets


def _accepted(folded: Folded, room: ClassroomState, awake_at: float, least_s: float = 0.0) -> PortReading | None:
    """The reading that is evidence: the waiting one, when its device was awake after it, soon enough.

    ``least_s``: the shortest that soon enough may be. Where the port's own octets are the proof, the reading that waits
    is the one before them, and ports may be polled more seldom than reports go.
    """
    waiting = room.pending_port
    # read while the board slept, it shows what sleep negotiated, however soon the board woke after it
    if waiting is None or waiting.while_asleep:
        return room.port
    heard = folded.state.gateways.get(waiting.gateway)
    window_s = max(folded.policy.awake_window_s, heard.report_interval_s if heard else 0.0, least_s)
    return waiting if 0 <= awake_at - waiting.observed_at <= window_s else room.port


def _awake_by_traffic(known: DeviceReading | None, reading: PortReading) -> DeviceReading:
    """Whoever sends is awake; a newer word of the device itself stands."""
    if known is not None and known.observed_at > reading.observed_at:
        return known
    return DeviceReading(
        observed_at=reading.observed_at,
        gateway=reading.gateway,
        late=reading.late,
        state="awake",
        seen=known.seen if known else None,
        by_traffic=True,
    )


def _placed(folded: Folded, room_id: str, room: ClassroomState, reading: PortReading) -> str | None:
    """Follow the device to another port once two readings in a row found it there: one may be a stray table entry."""
    before, after = room.place, reading.place
    if after is None or after == before:
        return before
    if before is None:
        return after
    if room.last_port is None or room.last_port.place != after:
        return before
    # nobody is told what a late record tells: by now the device may be back
    school = folded.school
    if (
        school.roster.classrooms[room_id].exempt is None
        and not reading.late
        and not is_observing(school, reading.gateway, folded.now, folded.policy)
    ):
        folded.news.append(
            DeviceMoved(
                office=school.roster.office,
                school=school.roster.school,
                school_name=school.roster.name,
                classroom=room_id,
                before=before,
                after=after,
                at=folded.now,
                hub=school.roster.hub,
            )
        )
    return after


# --- the device -----------------------------------------------------------------------------------------------------


def device(folded: Folded, event: Observed, seen: Device, room_id: str) -> None:
    room = folded.room(room_id)
    at = event.observed_at
    reading, accepted, awake_at, nic_bps = room.device, room.port, room.last_awake_at, room.nic_speed_bps
    if folded.is_newer(at, reading.observed_at if reading else None):
        reading = _device_reading(folded, event, seen, room)
        if reading is not room.device and reading is not None and reading.state == "awake":
            accepted, awake_at = _accepted(folded, room, at), at
            # a card that goes to sleep negotiates down, so its speed stands until it is awake again
            nic_bps = seen.nic_speed_bps or nic_bps
    after = replace(
        room,
        gateway=event.gateway,
        port=accepted,
        pending_port=room.pending_port if accepted is room.port else None,
        device=reading,
        last_awake_at=awake_at,
        link_lost_at=_lost_at(folded, seen, room, reading, awake_at),
        nic_speed_bps=nic_bps,
        watched_since=room.watched_since or at,
    )
    folded.put("classrooms", room_id, after)
    if event.gateway != room.gateway or after.link_lost_at != room.link_lost_at:
        folded.everybody = True
    if room.watched_since is None or _is_other(folded, room, after):
        folded.rooms.add(room_id)


def _lost_at(
    folded: Folded, seen: Device, room: ClassroomState, reading: DeviceReading | None, awake_at: float | None
) -> float | None:
    """Since when a board is gone that was awake just before, as far as it tells by itself: its port knows better."""
    lost_at, before = room.link_lost_at, room.device
    if awake_at is not None and lost_at is not None and awake_at >= lost_at:
        return None
    if has_port(room) or reading is None or reading is before or reading.state == "awake":
        return lost_at
    if seen.state == "asleep":
        return None  # it said so itself: there is power
    if before is None or before.state != "awake" or awake_at is None:
        return lost_at
    at = reading.observed_at
    window_s = fresh_window_s(folded.school, reading.gateway, folded.policy) or 0.0
    is_dated = at - awake_at <= window_s and is_unusual(folded.school.hours, at, folded.policy)
    return at if is_dated else None


def _is_other(folded: Folded, before: ClassroomState, after: ClassroomState) -> bool:
    """Whether the device, its card or its accepted port is another than before, or was too old."""
    return _is_device_other(folded, before, after) or _is_accepted_other(folded, before.port, after.port)


def _is_device_other(folded: Folded, before: ClassroomState, after: ClassroomState) -> bool:
    known, found = before.device, after.device
    if found is known:
        return False
    if known is None or found is None or known.state != found.state:
        return True
    if not folded.is_fresh(known.observed_at, known.gateway):
        return True
    if before.nic_speed_bps != after.nic_speed_bps:
        return True
    # after days in which nobody listened a board is as fresh as before, and what its card said then is too old
    return before.last_awake_at != after.last_awake_at and not folded.is_port_valid(before.last_awake_at)


def _is_accepted_other(folded: Folded, before: PortReading | None, after: PortReading | None) -> bool:
    if after is before:
        return False
    if before is None or after is None or not is_alike(before.seen, after.seen):
        return True
    return not folded.is_port_valid(before.observed_at)


def _device_reading(folded: Folded, event: Observed, seen: Device, room: ClassroomState) -> DeviceReading | None:
    """The device as of this observation; as it was when that says nothing (unmeasured, or traffic proved it awake)."""
    silent = seen.outcome is _NO_ANSWER
    if seen.state is None and not silent and seen.outcome is not _ANSWERED:
        return room.device
    state = seen.state or "awake"
    # a panel may drop pings and answer nothing while it works: its octets are the better witness
    if silent or state != "awake":
        if _traffic_was_last(room):
            return room.device
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
    # an agent that heard "asleep" from the board itself (its broker, its will) knows better than a port
    if seen.state == "asleep" or oper_up is None:
        return seen.state or "asleep"
    return "asleep" if oper_up or not in_lesson(folded.school.hours, at) else "away"
