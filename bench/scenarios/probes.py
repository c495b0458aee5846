"""What a gateway's probes observe of the world as it is, and nothing that an agent could not know."""

from collections.abc import Iterator

from msgspec.structs import replace

from bench.scenarios.draws import draw
from bench.scenarios.places import EXIT, PLATFORMS, Place, Room
from bench.scenarios.world import World
from classready.observation import Bandwidth, Device, Http, Observation, Outcome, Port, Reason, Segment
from classready.units import MBIT

REQUIRED_BPS = 100.0 * MBIT
ENOUGH_BPS = 95.0 * MBIT


def ports(world: World, place: Place, gateway: str) -> Iterator[Observation]:
    """One poll of every managed switch of the gateway, and of the ports of its access points."""
    for switch in (name for name, owner in place.switches.items() if owner == gateway):
        if world.answers_snmp(place, switch):
            speed_bps, full = world.trunk(place, switch)
            behind = place.behind(switch) or None
            yield Segment(
                outcome=Outcome.ANSWERED,
                name=f"{switch}:uplink",
                if_name="GigabitEthernet0/0/48",
                switches=behind,
                speed_bps=int(speed_bps),
                full_duplex=full,
            )
    for room in place.rooms:
        if room.gateway != gateway:
            continue
        if room.switch is not None:
            yield _port(world, place, room, room.switch)
        if room.ap is not None and place.switches:
            bps = int(world.ap_bps(place, room.ap))
            yield Segment(outcome=Outcome.ANSWERED, name=room.ap, speed_bps=bps, full_duplex=True)


def _port(world: World, place: Place, room: Room, switch: str) -> Port:
    if not world.answers_snmp(place, switch):
        return Port(
            classroom=room.id, switch=switch, if_name=room.port, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT
        )
    admin_up, oper_up, speed_bps, full = world.port(place, room)
    return Port(
        outcome=Outcome.ANSWERED,
        classroom=room.id,
        switch=switch,
        if_name=room.port,
        admin_up=admin_up,
        oper_up=oper_up,
        speed_bps=int(speed_bps),
        full_duplex=full if oper_up else None,
    )


def boards(world: World, place: Place, gateway: str) -> Iterator[Observation]:
    for room in place.rooms:
        if room.gateway == gateway:
            yield _board(world, place, room)


def _board(world: World, place: Place, room: Room) -> Device:
    if not (world.is_awake(place, room) and world.is_reachable(place, room)):
        # the broker hears the last will of a board that is cut off; one that is asked over SNMP just does not answer
        will = Device(classroom=room.id, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, state="away")
        return will if room.board == "mqtt" else replace(will, state=None)
    nic_bps = int(world.cable_bps(place, room)) if room.access == "wired" else None
    return Device(classroom=room.id, outcome=Outcome.ANSWERED, state="awake", seen_by=room.board, nic_speed_bps=nic_bps)


def pages(world: World, place: Place) -> Iterator[Observation]:
    for platform, targets in PLATFORMS.items():
        failure = world.platform_failure(place, platform)
        for target in targets:
            if failure is None:
                yield Http(target=target, outcome=Outcome.ANSWERED, status=200)
            else:
                yield Http(target=target, outcome=Outcome.NO_ANSWER, reason=Reason(failure))


def tests(world: World, place: Place, gateway: str) -> Iterator[Observation]:
    """Of the line, of what is beyond it, and of the ways to rooms that have an end to test with."""
    yield _test(world, place, "uplink", world.line_bps(place))
    if place.is_metro:
        yield _test(world, place, f"beyond-{EXIT}", world.beyond_bps(place), beyond=EXIT)
    for room in place.rooms:
        if room.is_tested and room.gateway == gateway:
            yield _test(world, place, f"way-{room.id}", world.way_bps(place, room), classroom=room.id)


def _test(
    world: World, place: Place, target: str, bps: float, *, beyond: str | None = None, classroom: str | None = None
) -> Bandwidth:
    """A line within the band may pass or fail: either answer is right."""
    if bps <= 0:
        return Bandwidth(target=target, beyond=beyond, direction="down", outcome=Outcome.NO_ANSWER)
    passed = bps >= REQUIRED_BPS or (bps >= ENOUGH_BPS and draw(world.seed, "test", place.id, target, world.now) < 0.5)
    return Bandwidth(
        target=target,
        classroom=classroom,
        beyond=beyond,
        direction="down",
        mode="quick",
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        at_least_bps=ENOUGH_BPS if passed else None,
        at_most_bps=None if passed else REQUIRED_BPS,
        estimate_bps=bps if bps < REQUIRED_BPS else None,
    )
