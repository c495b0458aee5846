"""The way to a room, from the root on: gateway -> uplink -> exit -> switch -> trunk -> tested way -> port -> device.

What fails is marked, and the first of it is the root. Nothing is judged here: a node fails where its cause holds. Parts
that nobody has seen are left out, for most rooms hang on switches that nobody can read.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from collector.core.age import is_fresh, ports_valid_from
from collector.core.evidence import Leg
from collector.core.figures import segments_on_the_way
from collector.core.link import legs_interval, part_state, port_interval, segment_interval
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of, has_port, switch_of
from collector.core.words import Cause, VerdictValue
from collector.text import Language, say

NodeKind = Literal["gateway", "uplink", "exit", "switch", "segment", "path", "port", "device"]
Part = tuple[NodeKind, str, VerdictValue]
"""Kind, name, and what is seen of it."""

CAUSES: Final[dict[NodeKind, frozenset[Cause]]] = {
    "gateway": frozenset({Cause.GATEWAY_SILENT}),
    "uplink": frozenset({Cause.UPLINK_BELOW_REQUIRED}),
    "exit": frozenset({Cause.EXIT_BELOW_REQUIRED}),
    "switch": frozenset({Cause.SWITCH_UNREACHABLE}),
    "segment": frozenset({Cause.SEGMENT_BELOW_REQUIRED}),
    "path": frozenset({Cause.SEGMENT_BELOW_REQUIRED}),
    "port": frozenset({Cause.PORT_DOWN, Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX}),
    "device": frozenset({Cause.DEVICE_ABSENT, Cause.DEVICE_OFFLINE}),
}
_STATES: Final[dict[str, VerdictValue]] = {"enough": "yes", "short": "no", "unknown": "unknown"}


class Node(Struct, frozen=True, kw_only=True):
    """``state``: yes = well, no = it fails, unknown. ``is_root``: the first that fails, which explains what follows."""

    kind: NodeKind
    name: str
    title: str
    state: VerdictValue
    is_root: bool = False


def way_to(school: School, room: Classroom, policy: Policy, now: float, language: Language) -> tuple[Node, ...]:
    state = school.state.classrooms.get(room.id, ClassroomState())
    causes = frozenset() if room.exempt is not None else frozenset(state.verdict.causes)
    is_silent, found = Cause.GATEWAY_SILENT in causes, list[Node]()
    for kind, name, seen in _parts(school, room, state, policy, now):
        fails = _fails(kind, causes, seen)
        # what lies behind a silent gateway was seen before it fell silent
        known: VerdictValue = "no" if fails else "unknown" if is_silent or seen == "no" else seen
        is_root = fails and not any(node.is_root for node in found)
        title = say(f"way.{kind}", language)
        found.append(Node(kind=kind, name=name, title=title, state=known, is_root=is_root))
    return tuple(found)


def way_text(way: tuple[Node, ...], language: Language) -> str:
    """On one line."""
    marks: dict[VerdictValue, str] = {"yes": "✓", "no": "✕", "unknown": "?"}
    nodes = [" ".join(filter(None, (node.title, node.name, marks[node.state]))) for node in way]
    rooted = [f"【{text}】" if node.is_root else text for text, node in zip(nodes, way, strict=True)]
    return say("way.arrow", language).join(rooted)


def _fails(kind: NodeKind, causes: frozenset[Cause], seen: VerdictValue) -> bool:
    """A way that is too slow may be any of its parts: those fail that are seen to be."""
    return not causes.isdisjoint(CAUSES[kind]) and (kind not in {"segment", "path"} or seen == "no")


def _parts(school: School, room: Classroom, state: ClassroomState, policy: Policy, now: float) -> Iterator[Part]:
    gateway, switch = gateway_of(school, room.id), switch_of(school, room.id)
    if gateway is not None:
        heard = school.state.gateways.get(gateway)
        yield "gateway", gateway, "unknown" if heard is None else "no" if heard.silent else "yes"
    lines = [leg for leg in school.state.uplinks.values() if leg.gateway == gateway]
    yield from _tested("uplink", [leg for leg in lines if leg.beyond is None], policy)
    yield from _tested("exit", [leg for leg in lines if leg.beyond is not None], policy)
    if switch is not None:
        answered = school.state.switches.get(f"{gateway}/{switch}")
        known = answered is not None and is_fresh(school, answered.observed_at, answered.gateway, now, policy)
        yield "switch", switch, "unknown" if answered is None or not known else "yes" if answered.reachable else "no"
    for segment in segments_on_the_way(school, room.id, now, policy):
        yield "segment", segment.seen.name, _STATES[part_state(segment_interval(segment), policy.theta_down_bps)]
    ways = [leg for leg in school.state.paths.values() if leg.classroom == room.id]
    yield from _tested("path", ways, policy)
    if has_port(state) and state.last_port is not None:
        yield "port", state.last_port.seen.if_name or "", _port(school, state, policy, now)
    if room.device is not None:
        yield "device", "", "yes" if state.verdict.device_up else "unknown"


def _tested(kind: NodeKind, legs: Sequence[Leg], policy: Policy) -> Iterator[Part]:
    """What the tests say; a part that none was ever asked for is not shown, and too old ones the school has dropped."""
    if legs:
        down = legs_interval(leg for leg in legs if leg.direction == "down")
        yield kind, ", ".join(sorted({leg.target for leg in legs})), _STATES[part_state(down, policy.theta_down_bps)]


def _port(school: School, state: ClassroomState, policy: Policy, now: float) -> VerdictValue:
    port = state.port
    if port is None or port.observed_at < ports_valid_from(school, now, policy):
        return "unknown"
    capacity = port_interval(port, state.nic_speed_bps)
    return "unknown" if capacity is None else _STATES[part_state(capacity, policy.theta_down_bps)]
