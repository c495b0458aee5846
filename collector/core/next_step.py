"""The one cheapest thing that would turn an unknown into an answer."""

from collections.abc import Iterable
from math import inf

from collector.core.case import Case
from collector.core.evidence import Leg
from collector.core.hours import are_lessons_ahead
from collector.core.link import judged_directions, leg_interval, line_legs, part_state
from collector.core.state import Clauses, School
from collector.core.words import Cause, NextStep

_PASSING_REASONS: dict[str | None, NextStep] = {
    None: NextStep.WAIT_FOR_TEST,
    "no_policy": NextStep.WAIT_FOR_TEST,
    "peer_busy": NextStep.WAIT_FOR_TEST,
    "time_limit": NextStep.WAIT_FOR_TEST,
    "deadline": NextStep.WAIT_FOR_TEST,
    "outside_hours": NextStep.WAIT_FOR_HOURS,
    "budget": NextStep.WAIT_FOR_BUDGET,
    "clock": NextStep.SET_CLOCK,
}
"""What a test without result waits for; every other reason stays until somebody looks."""


def next_step(case: Case, clauses: Clauses, causes: tuple[Cause, ...], *, uplink_known: bool) -> NextStep:
    """For a room that is unknown, or ready and not proven yet."""
    if Cause.SWITCH_UNREACHABLE in causes:
        return NextStep.CHECK_SWITCH
    if clauses.link == "unknown":
        return _step_of_link(case, uplink_known=uplink_known)
    if clauses.device == "unknown":
        return NextStep.LIST_DEVICE if case.state.watched_since is None else NextStep.CHECK_DEVICE_PROBE
    if clauses.platforms == "unknown":
        return _step_of_platforms(case)
    return _step_of_device(case)


def step_unheard(school: School) -> NextStep:
    """For a room of which no gateway tells."""
    heard = [school.state.gateways[g] for g in school.roster.gateways if g in school.state.gateways]
    if not heard:
        return NextStep.INSTALL_GATEWAY
    return NextStep.CHECK_GATEWAY if all(gateway.silent for gateway in heard) else NextStep.NAME_ROOM


def _step_of_link(case: Case, *, uplink_known: bool) -> NextStep:
    school, directions = case.school, dict(judged_directions(case.policy))
    if not uplink_known:
        return _step_of_tests(case, (leg for d in directions for leg in line_legs(school, case.gateway, d)))
    way = (case.room.id, case.gateway)
    paths = [leg for leg in school.state.paths.values() if (leg.classroom, leg.gateway) == way]
    if (step := _step_of_tests(case, paths)) is not NextStep.ADD_TEST:
        return step
    match case.room.access:
        # nothing at the school changes what a radio cell gives at noon
        case "cellular":
            return NextStep.WIRE_ROOM
        # its access point's port is a trunk: only a test from the room shows what the air lets through
        case "wifi":
            return NextStep.TEST_ROOM
        case "wired":
            return _step_of_port(case)


def _step_of_tests(case: Case, legs: Iterable[Leg]) -> NextStep:
    """What the newest attempt without result waits for, where tests decide nothing yet; else the next test will."""
    # a direction without requirement is shown and decides nothing: nobody need wait for it
    thetas = dict(judged_directions(case.policy))
    tried = [
        leg
        for leg in legs
        if (leg.tests or leg.last_unmeasured_at is not None)
        and leg.direction in thetas
        and part_state(leg_interval(leg), thetas[leg.direction]) == "unknown"
    ]
    if not tried:
        return NextStep.ADD_TEST
    newest = max(tried, key=lambda leg: leg.last_unmeasured_at or -inf)
    reason = newest.last_unmeasured_reason if newest.waits else None
    return _PASSING_REASONS.get(reason, NextStep.CHECK_TEST)


def _step_of_port(case: Case) -> NextStep:
    """For a wired room whose port, as far as it is known, is no evidence."""
    port = case.state.last_port
    if port is None:
        return _step_without_port(case)
    # a port counts once its device was awake after the reading: without that no reading helps
    if case.device_up is not True:
        return NextStep.WAKE_DEVICE
    if not case.is_fresh(port.observed_at):
        return NextStep.CHECK_SWITCH_PROBE
    return NextStep.WAIT_FOR_READING if port.seen.speed_bps else NextStep.TEST_ROOM


def _step_without_port(case: Case) -> NextStep:
    """What a card once said of its speed, or a managed switch that is read, is the shortest way to a port."""
    if case.state.nic_speed_bps is not None:
        return NextStep.WAKE_DEVICE
    state = case.school.state
    switches = [switch for switch in state.switches.values() if switch.gateway == case.gateway]
    # before anybody looks for the room's port: who cannot be asked tells of no port
    if switches and not any(switch.reachable for switch in switches):
        return NextStep.CHECK_SWITCH
    has_trunk = any(segment.gateway == case.gateway for segment in state.segments.values())
    return NextStep.PLACE_ROOM if switches or has_trunk else NextStep.SHOW_LINK


def _step_of_platforms(case: Case) -> NextStep:
    """Nobody at the school can do anything while all that is unknown is the platforms' own fault."""
    unknown = [platform for platform, state in case.upstream.platforms.items() if state == "unknown"]
    faults = case.school.state.platform_faults
    return NextStep.WAIT_FOR_PLATFORM if set(unknown) <= set(faults) else NextStep.CHECK_PLATFORM_PROBE


def _step_of_device(case: Case) -> NextStep:
    """For a room that is ready, and whose device was never seen awake: outside lessons nobody expects it to be."""
    if case.state.watched_since is None and case.state.last_port is None:
        return NextStep.LIST_DEVICE
    return NextStep.WAIT_FOR_LESSONS if are_lessons_ahead(case.school.hours, case.now) else NextStep.WAKE_DEVICE
