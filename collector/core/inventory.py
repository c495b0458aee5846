"""How much one gateway may name. Every key of the state that a sender chooses has a cap, so that nobody else pays."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from classready.observation import Bandwidth, Device, Found, Http, Observation, Ping, Port, Segment
from collector.core.evidence import SegmentReading
from collector.core.policy import Policy
from collector.core.state import SchoolState

Kind = Literal["switch", "segment", "behind", "target", "test", "exit"]
CappedKind = Literal[Kind, "classroom", "facts"]

SETTINGS: Mapping[str, str] = {
    "classroom": "classrooms_per_gateway_max",
    "switch": "switches_per_gateway_max",
    "segment": "segments_per_gateway_max",
    "behind": "switches_behind_trunks_max",
    "target": "targets_per_gateway_max",
    "test": "tests_per_gateway_max",
    "exit": "exits_per_gateway_max",
    "facts": "facts_per_device_max_bytes",
}
"""Which entry of the policy bounds what."""


class Name(NamedTuple):
    """Something that a gateway named: where its evidence is kept."""

    kind: Kind
    gateway: str
    key: str
    is_inside: bool = False
    """The way to a room: kept apart from a line's test, whatever both are called."""
    places: int = 1
    """How many of its kind it takes."""


def names_in(gateway: str, observation: Observation) -> tuple[Name, ...]:
    """What would take a place in the state of a school; rooms have a cap of their own."""
    match observation:
        case Device() | Port(switch=None) | Found():  # nearly all of a report, so they come first
            return ()
        case Port(switch=name):
            return (Name("switch", gateway, f"{gateway}/{name}"),)
        case Segment(name=name, switches=behind):
            trunk = Name("segment", gateway, f"{gateway}/{name}")
            return (trunk, trunk._replace(kind="behind", places=len(behind))) if behind and ":" in name else (trunk,)
        case Http(target=name) | Ping(target=name):
            return (Name("target", gateway, f"{gateway}/{name}"),)
        # each direction is a leg of its own, and so is each exit: a sender could fill either
        case Bandwidth(target=name, direction=direction, beyond=beyond, classroom=room):
            test = Name("test", gateway, f"{gateway}/{name}/{direction or 'down'}", is_inside=room is not None)
            return (test,) if beyond is None else (test, Name("exit", gateway, beyond))


def is_known(state: SchoolState, name: Name) -> bool:
    """Nearly every record is about something that is."""
    match name.kind:
        case "switch":
            return name.key in state.switches
        case "segment":
            return name.key in state.segments
        case "behind":
            return name.places <= _behind(state.segments.get(name.key))
        case "target":
            return name.key in state.platforms
        case "test":
            return name.key in (state.paths if name.is_inside else state.uplinks)
        case "exit":
            return any((leg.gateway, leg.beyond) == (name.gateway, name.key) for leg in state.uplinks.values())


def count(state: SchoolState, name: Name) -> int:
    """How many of its kind the same gateway has named before, ``name`` itself left out."""
    match name.kind:
        case "behind":
            trunks = ((key, trunk) for key, trunk in state.segments.items() if trunk.gateway == name.gateway)
            return sum(_behind(trunk) for key, trunk in trunks if key != name.key)
        case "switch":
            gateways = [switch.gateway for switch in state.switches.values()]
        case "segment":
            gateways = [segment.gateway for segment in state.segments.values()]
        case "target":
            gateways = [platform.gateway for platform in state.platforms.values()]
        case "test":
            gateways = [leg.gateway for leg in (*state.uplinks.values(), *state.paths.values())]
        case "exit":
            gateways = [g for g, _ in {(leg.gateway, leg.beyond) for leg in state.uplinks.values() if leg.beyond}]
    return gateways.count(name.gateway)


def _behind(trunk: SegmentReading | None) -> int:
    """How many switches it listed beside the one that it is of."""
    return len(trunk.switches) - 1 if trunk is not None and trunk.switches else 0


def facts_bytes(facts: Mapping[str, str]) -> int:
    """How much a device tells of itself."""
    return len("".join((*facts, *facts.values())).encode())


def limit(policy: Policy, kind: CappedKind) -> int:
    return int(getattr(policy, SETTINGS[kind]))
