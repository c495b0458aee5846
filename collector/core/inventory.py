"""How much one gateway may name. Every key of the state that a sender chooses has a cap, so that nobody else pays."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from classready.observation import Bandwidth, Device, Http, Observation, Ping, Port, Segment
from collector.core.policy import Policy
from collector.core.state import SchoolState

Kind = Literal["switch", "segment", "target", "test", "exit"]
CappedKind = Literal[Kind, "classroom"]

SETTINGS: Mapping[str, str] = {
    "classroom": "classrooms_per_gateway_max",
    "switch": "switches_per_gateway_max",
    "segment": "segments_per_gateway_max",
    "target": "targets_per_gateway_max",
    "test": "tests_per_gateway_max",
    "exit": "exits_per_gateway_max",
}
"""Which entry of the policy bounds what."""


class Name(NamedTuple):
    """Something that a gateway named: where its evidence is kept."""

    kind: Kind
    gateway: str
    key: str


def names_in(gateway: str, observation: Observation) -> tuple[Name, ...]:
    """What would take a place in the state of a school; rooms have a cap of their own."""
    match observation:
        case Device() | Port(switch=None):  # nearly all of a report, so they come first
            return ()
        case Port(switch=name):
            return (Name("switch", gateway, f"{gateway}/{name}"),)
        case Segment(name=name):
            return (Name("segment", gateway, f"{gateway}/{name}"),)
        case Http(target=name) | Ping(target=name):
            return (Name("target", gateway, f"{gateway}/{name}"),)
        # each direction is a leg of its own, and so is each exit: a sender could fill either
        case Bandwidth(target=name, direction=direction, beyond=beyond):
            test = Name("test", gateway, f"{gateway}/{name}/{direction or 'down'}")
            return (test,) if beyond is None else (test, Name("exit", gateway, beyond))


def is_known(state: SchoolState, name: Name) -> bool:
    """Nearly every record is about something that is."""
    match name.kind:
        case "switch":
            return name.key in state.switches
        case "segment":
            return name.key in state.segments
        case "target":
            return name.key in state.platforms
        case "test":
            return name.key in state.uplinks or name.key in state.paths
        case "exit":
            return any((leg.gateway, leg.beyond) == (name.gateway, name.key) for leg in state.uplinks.values())


def count(state: SchoolState, name: Name) -> int:
    """How many of its kind the same gateway has named before."""
    match name.kind:
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


def limit(policy: Policy, kind: CappedKind) -> int:
    return int(getattr(policy, SETTINGS[kind]))
