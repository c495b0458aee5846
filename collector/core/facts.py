"""What of a school's state is a fact, to be written with the commit that made it, and what only a clock or a counter.

A date that moved on, octets, the depth of a spool: they change with every report, and nothing that was told rests on
their last value; they are written with the next fact, or after a while.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from collector.core.evidence import GatewayState, Leg, PlatformReading, PortReading, SegmentReading, SwitchReading
from collector.core.state import AlertState, ClassroomState, SchoolState


def is_news(before: SchoolState | None, after: SchoolState) -> bool:
    """Whether ``after`` must be written now; else only dates and counters differ from ``before``."""
    if before is None:
        return True
    if before is after:
        return False
    if before.platform_faults != after.platform_faults:
        return True
    if [_alert(alert) for alert in before.alerts] != [_alert(alert) for alert in after.alerts]:
        return True
    if before.unlisted.keys() != after.unlisted.keys():
        return True
    return any(_differ(getattr(before, name), getattr(after, name), facts) for name, facts in _FACTS.items())


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], facts: Callable[[Any], object]) -> bool:
    if before is after:
        return False
    if before.keys() != after.keys():
        return True
    pairs = ((was, after[key]) for key, was in before.items())
    return any(now is not was and facts(now) != facts(was) for was, now in pairs)


def _alert(alert: AlertState) -> object:
    """Streaks are counters: while something is open they grow with every report."""
    return alert.subject, alert.cause, alert.opened_at, alert.bad_since, alert.announced


def _gateway(heard: GatewayState) -> object:
    return heard.first_committed_at, heard.report_interval_s, heard.agent_version, heard.silent


def _leg(leg: Leg) -> object:
    """A test that counted is a fact; attempts that bring nothing, each time for the same reason, only move a date."""
    tried_at, tested_at = leg.last_unmeasured_at, leg.tests[-1].observed_at if leg.tests else 0.0
    # whether it waits decides what the next step is: that is told, so it is a fact
    waits = None if tried_at is None else tried_at > tested_at
    return replace(leg, told_at=0.0, last_unmeasured_at=None), waits


def _switch(reading: SwitchReading) -> object:
    return reading.reachable, reading.late


def _segment(reading: SegmentReading) -> object:
    seen = reading.seen
    return reading.switches, seen.speed_bps, seen.full_duplex, seen.if_name, reading.late


def _platform(reading: PlatformReading) -> object:
    # ping is left out: nobody is judged by it
    http = reading.http
    return None if http is None else (http.up, http.seen.reason, http.seen.status, http.late)


def _room(room: ClassroomState) -> object:
    device, latch = room.device, room.latch
    return (
        room.gateway,
        room.place,
        room.nic_speed_bps,
        room.watched_since,
        room.verdict,
        (latch.value, latch.since, latch.short_days, latch.good_days),
        _port(room.port),
        _port(room.last_port),
        None if device is None else (device.state, device.seen_by, device.facts),
    )


def _port(reading: PortReading | None) -> object:
    if reading is None:
        return None
    seen = reading.seen
    return seen.switch, seen.if_name, seen.admin_up, seen.oper_up, seen.speed_bps, seen.full_duplex


_FACTS: Mapping[str, Callable[[Any], object]] = {
    "gateways": _gateway,
    "uplinks": _leg,
    "paths": _leg,
    "switches": _switch,
    "segments": _segment,
    "platforms": _platform,
    "classrooms": _room,
}
