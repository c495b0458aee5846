"""What time does to a school, when it is due: gateways fall silent, tests become history, what is gone is forgotten."""

from collections.abc import Callable

from msgspec.structs import replace

from collector.core.age import is_forgotten, seconds_since, tests_valid_from
from collector.core.evidence import Leg
from collector.core.folded import Folded
from collector.core.state import ClassroomState


def let_age(folded: Folded) -> None:
    """Before everybody is judged."""
    now, policy = folded.now, folded.policy
    for name, heard in folded.state.gateways.items():
        quiet_s = seconds_since(heard.last_committed_at, now, folded.school.away)
        # several intervals: one report may be lost on the way, and the next be late, without anything being wrong
        if not heard.silent and quiet_s > policy.silent_after_intervals * heard.report_interval_s:
            folded.put("gateways", name, replace(heard, silent=True))
    valid_from = tests_valid_from(folded.school, now, policy)
    for part in ("uplinks", "paths"):
        legs: dict[str, Leg] = dict(getattr(folded.state, part))
        for key, leg in legs.items():
            if (younger := _without_old_tests(leg, valid_from)) is not leg:
                folded.put(part, key, younger)
    _forget(folded)


def _without_old_tests(leg: Leg, valid_from: float) -> Leg:
    """A bandwidth test is evidence for a number of school hours, then it is history."""
    # an attempt without result is no evidence, but it says what to wait for: as long as a test would
    if leg.last_unmeasured_at is not None and leg.last_unmeasured_at < valid_from:
        leg = replace(leg, last_unmeasured_at=None, last_unmeasured_reason=None)
    if all(test.observed_at >= valid_from for test in leg.tests):
        return leg
    tests = tuple(test for test in leg.tests if test.observed_at >= valid_from)
    return replace(leg, tests=tests, failing_since=leg.failing_since if tests else None)


def _forget(folded: Folded) -> None:
    """What was replaced or taken away is told of by nobody: its evidence goes, and with it what is open about it."""

    def is_gone(at: float, gateway: str) -> bool:
        return is_forgotten(folded.school, at, gateway, folded.now, folded.policy)

    state = folded.state
    folded.drop("switches", {k for k, v in state.switches.items() if is_gone(v.observed_at, v.gateway)})
    folded.drop("segments", {k for k, v in state.segments.items() if is_gone(v.observed_at, v.gateway)})
    for part in ("uplinks", "paths"):
        legs: dict[str, Leg] = dict(getattr(state, part))
        folded.drop(part, {k for k, v in legs.items() if not v.tests and is_gone(v.told_at, v.gateway)})
    folded.drop(
        "platforms",
        {
            k
            for k, v in state.platforms.items()
            if is_gone(max(r.observed_at for r in (v.http, v.ping) if r is not None), v.gateway)
        },
    )
    for room_id, room in state.classrooms.items():
        if (left := _without_gone(room, is_gone)) is not room:
            folded.put("classrooms", room_id, left)


def _without_gone(room: ClassroomState, is_gone: Callable[[float, str], bool]) -> ClassroomState:
    port, device = room.last_port, room.device
    # a board that was carried elsewhere leaves its old port behind: what that negotiated is of nobody now
    if port is not None and is_gone(port.observed_at, port.gateway):
        room = replace(room, port=None, pending_port=None, last_port=None, place=None, link_lost_at=None)
    if device is not None and is_gone(device.observed_at, device.gateway):
        room = replace(room, device=None, nic_speed_bps=None, watched_since=None, link_lost_at=None)
    return room
