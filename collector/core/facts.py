"""What of a school's state is a fact, to be written with the commit that made it, and what only a clock or a counter.

A date that moved on, octets, the depth of a spool: they change with every report, and nothing that was told rests on
their last value; they are written with the next fact, or after a while.

Asked of all that each report tells, and the answer is mostly no: so field is compared with field, and what is the same
object is not looked into.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from collector.core.evidence import (
    DeviceReading,
    GatewayState,
    Leg,
    PlatformReading,
    PortReading,
    SegmentReading,
    SwitchReading,
    is_alike,
)
from collector.core.state import AlertState, ClassroomState, Latch, SchoolState


def is_news(before: SchoolState, after: SchoolState) -> bool:
    """Whether ``after`` must be written now; else only dates and counters differ from ``before``."""
    if before is after:
        return False
    if before.platform_faults != after.platform_faults or before.meanwhile != after.meanwhile:
        return True
    if before.alerts is not after.alerts and [*map(_alert, before.alerts)] != [*map(_alert, after.alerts)]:
        return True
    if before.unlisted.keys() != after.unlisted.keys():
        return True
    return any(_differ(getattr(before, name), getattr(after, name), is_same) for name, is_same in _IS_SAME.items())


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], is_same: Callable[[Any, Any], bool]) -> bool:
    if before is after:
        return False
    if before.keys() != after.keys():
        return True
    for key, was in before.items():
        now = after[key]
        if now is not was and not is_same(was, now):
            return True
    return False


def _alert(alert: AlertState) -> object:
    """Streaks are counters: while something is open they grow with every report."""
    return alert.subject, alert.cause, alert.opened_at, alert.bad_since, alert.announced


def _is_same_gateway(was: GatewayState, now: GatewayState) -> bool:
    return (
        was.first_committed_at == now.first_committed_at
        and was.report_interval_s == now.report_interval_s
        and was.agent_version == now.agent_version
        and was.silent is now.silent
        and was.box == now.box
    )


def _is_same_leg(was: Leg, now: Leg) -> bool:
    """A test that counted is a fact; attempts that bring nothing, each time for the same reason, only move a date."""
    # whether it waits decides what the next step is: that is told, so it is a fact
    return was.waits is now.waits and was == replace(
        now, told_at=was.told_at, last_unmeasured_at=was.last_unmeasured_at
    )


def _is_same_switch(was: SwitchReading, now: SwitchReading) -> bool:
    return was.reachable is now.reachable and was.late is now.late


def _is_same_segment(was: SegmentReading, now: SegmentReading) -> bool:
    one, other = was.seen, now.seen
    return (
        was.switches == now.switches
        and one.speed_bps == other.speed_bps
        and one.full_duplex is other.full_duplex
        and one.if_name == other.if_name
        and was.late is now.late
    )


def _is_same_platform(was: PlatformReading, now: PlatformReading) -> bool:
    # ping is left out: nobody is judged by it
    one, other = was.http, now.http
    if one is None or other is None:
        return one is other
    return (
        one.up is other.up
        and one.seen.reason == other.seen.reason
        and one.seen.status == other.seen.status
        and one.late is other.late
    )


def _is_same_room(was: ClassroomState, now: ClassroomState) -> bool:
    return (
        was.gateway == now.gateway
        and was.place == now.place
        and was.nic_speed_bps == now.nic_speed_bps
        and was.watched_since == now.watched_since
        and was.link_lost_at == now.link_lost_at
        and (was.verdict is now.verdict or was.verdict == now.verdict)
        and _is_same_latch(was.latch, now.latch)
        and _is_same_port(was.port, now.port)
        and _is_same_port(was.last_port, now.last_port)
        and _is_same_device(was.device, now.device)
    )


def _is_same_latch(was: Latch, now: Latch) -> bool:
    if was is now:
        return True
    return (
        was.value == now.value
        and was.since == now.since
        and was.short_days == now.short_days
        and was.good_days == now.good_days
    )


def _is_same_port(was: PortReading | None, now: PortReading | None) -> bool:
    if was is None or now is None:
        return was is now
    return was is now or is_alike(was.seen, now.seen)


def _is_same_device(was: DeviceReading | None, now: DeviceReading | None) -> bool:
    if was is None or now is None:
        return was is now
    return was is now or (was.state == now.state and was.seen_by == now.seen_by and was.facts == now.facts)


_IS_SAME: Mapping[str, Callable[[Any, Any], bool]] = {
    "gateways": _is_same_gateway,
    "uplinks": _is_same_leg,
    "paths": _is_same_leg,
    "switches": _is_same_switch,
    "segments": _is_same_segment,
    "platforms": _is_same_platform,
    "classrooms": _is_same_room,
}
