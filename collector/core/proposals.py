"""What a gateway found and nobody assigned, each with the room that is proposed for it.

A port of a switch is proposed for a room by its label; a device by the port behind which it hangs, or by its own name.
Two ports or devices that may be what is looked for in one room are proposed for none, unless one of them alone says
that it is the board. What the gateway measures already has its place.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from classready.observation import Found, FoundPort
from collector.core.placing import CANDIDATES_MAX, NOWHERE, Placed, Room, Rooms, names_board
from collector.core.roster import SchoolRoster

Target = Mapping[str, Any]
"""As in agent.yml."""


class Sight(Struct, frozen=True, kw_only=True):
    """What a gateway found at an address. ``ignored_at``: when somebody said that it is not to be assigned."""

    gateway: str
    host: str
    seen: Found
    first_seen_at: float
    observed_at: float
    ignored_at: float | None = None
    ignored_by: str | None = None


class PortProposal(Struct, frozen=True, kw_only=True):
    """``hosts``: addresses of what hangs there."""

    port: FoundPort
    placed: Placed
    hosts: tuple[str, ...] = ()


class SwitchProposal(Struct, frozen=True, kw_only=True):
    """``is_proposed``: whether there is something to measure at it, as far as is known."""

    sight: Sight
    ports: tuple[PortProposal, ...]
    is_proposed: bool


class DeviceProposal(Struct, frozen=True, kw_only=True):
    sight: Sight
    placed: Placed


class Assigned(Struct, frozen=True, kw_only=True):
    """What the gateway is told to measure. ``sight``: what was found at its address; None = nothing was."""

    target: Target
    sight: Sight | None


class Proposals(Struct, frozen=True, kw_only=True):
    """Of one gateway. ``sweep``: its last search; ``others``: what shows no sign of being a board of a room.

    ``names``: of all its targets.
    """

    gateway: str
    sweep: Sight | None
    switches: tuple[SwitchProposal, ...]
    devices: tuple[DeviceProposal, ...]
    others: tuple[DeviceProposal, ...]
    ignored: tuple[Sight, ...]
    assigned: tuple[Assigned, ...]
    names: frozenset[str] = frozenset()

    def sights(self) -> Iterator[Sight]:
        """What may be assigned."""
        yield from (switch.sight for switch in self.switches)
        yield from (device.sight for device in (*self.devices, *self.others))
        yield from self.ignored

    @property
    def open_count(self) -> int:
        """How many wait for somebody to say what they are."""
        return len(self.switches) + len(self.devices)


def rooms_of(schools: Sequence[SchoolRoster]) -> list[Room]:
    """The rooms of a gateway, as it names them: with their school where it serves several."""
    return [
        Room(f"{school.school}/{room.id}" if len(schools) > 1 else room.id, room.id, room.name)
        for school in schools
        for room in school.classrooms.values()
        if room.exempt is None
    ]


def propose(
    gateway: str, schools: Sequence[SchoolRoster], sights: Sequence[Sight], targets: Iterable[Target]
) -> Proposals:
    """Sort what ``gateway`` found. ``schools``: those that it serves; ``targets``: what it is told to measure."""
    rooms, told = Rooms(rooms_of(schools)), list(targets)
    known = {sight.host: sight for sight in _newest(sights) if sight.seen.what != "sweep"}
    measured = {str(target.get("host")) for target in told}
    left = [sight for sight in known.values() if sight.host not in measured]
    waiting = [sight for sight in left if sight.ignored_at is None]
    devices = [sight for sight in waiting if sight.seen.what != "switch"]
    switches = _switches([sight for sight in waiting if sight.seen.what == "switch"], devices, rooms, told)
    placed = _devices(devices, switches, known, rooms, told)
    return Proposals(
        gateway=gateway,
        sweep=next((sight for sight in sights if sight.seen.what == "sweep"), None),
        switches=tuple(switches),
        devices=tuple(each for each in placed if _may_be_board(each)),
        others=tuple(each for each in placed if not _may_be_board(each)),
        ignored=tuple(sight for sight in left if sight.ignored_at is not None),
        assigned=tuple(
            Assigned(target=each, sight=known.get(str(each.get("host")))) for each in told if each.get("kind") in _FOUND
        ),
        names=frozenset(str(target.get("name")) for target in told),
    )


_FOUND = ("switch", "whiteboard")
"""Kinds of targets that a search can find."""


def _newest(sights: Iterable[Sight]) -> list[Sight]:
    """A device that got another address is not there twice."""
    found: dict[str, Sight] = {}
    for sight in sorted(sights, key=lambda sight: sight.observed_at):
        found[sight.seen.mac if sight.seen.mac and sight.seen.what != "switch" else sight.host] = sight
    return sorted(found.values(), key=lambda sight: _by_address(sight.host))


def _by_address(host: str) -> tuple[tuple[int, ...], str]:
    """10.0.0.9 before 10.0.0.10."""
    parts = host.split(".")
    return (tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (), host)


# --- switches -------------------------------------------------------------------------------------------------------


def _switches(
    sights: Sequence[Sight], devices: Sequence[Sight], rooms: Rooms, told: Sequence[Target]
) -> list[SwitchProposal]:
    taken = {room for target in told if target.get("kind") == "switch" for room in target.get("ports", {}).values()}
    behind: dict[tuple[str | None, str | None], list[str]] = {}
    for sight in devices:
        behind.setdefault((sight.seen.switch, sight.seen.if_name), []).append(sight.host)
    ports = {
        (sight.host, port.name): PortProposal(
            port=port, placed=_of_port(port, rooms), hosts=tuple(behind.get((sight.host, port.name), ()))
        )
        for sight in sights
        for port in sight.seen.ports or ()
    }
    labels = {key: names_board(each.port.label or "") for key, each in ports.items()}
    placed = _without_rivals({key: each.placed for key, each in ports.items()}, labels, taken)
    found = []
    for sight in sights:
        own = tuple(
            replace(ports[sight.host, port.name], placed=placed[sight.host, port.name])
            for port in sight.seen.ports or ()
        )
        # a trunk alone is on the way of the rooms behind it
        is_proposed = any(each.placed.room or each.port.trunk for each in own)
        found.append(SwitchProposal(sight=sight, ports=own, is_proposed=is_proposed))
    return found


def _of_port(port: FoundPort, rooms: Rooms) -> Placed:
    return NOWHERE if port.trunk or not port.label else rooms.place(port.label)


# --- devices --------------------------------------------------------------------------------------------------------


def _devices(
    sights: Sequence[Sight],
    switches: Sequence[SwitchProposal],
    known: Mapping[str, Sight],
    rooms: Rooms,
    told: Sequence[Target],
) -> list[DeviceProposal]:
    taken = {str(target["classroom"]) for target in told if target.get("kind") == "whiteboard"}
    by_port = {(each.sight.host, port.port.name): port.placed for each in switches for port in each.ports}
    for target in told:
        if target.get("kind") == "switch":
            host, bound = str(target.get("host")), target.get("ports", {})
            labelled = known[host].seen.ports if host in known else None
            by_port |= {(host, port.name): _of_port(port, rooms) for port in labelled or ()}
            by_port |= {(str(target["host"]), name): Placed(room, "port", (room,)) for name, room in bound.items()}
    placed = {sight.host: _of_device(sight, by_port, rooms) for sight in sights}
    # one that speaks is more likely the board than a computer that only answers pings
    says = {s.host: s.seen.community_digest is not None or names_board(s.seen.name or "") for s in sights}
    settled = _without_rivals(placed, says, taken)
    return [DeviceProposal(sight=sight, placed=settled[sight.host]) for sight in sights]


def _of_device(sight: Sight, by_port: Mapping[tuple[str, str], Placed], rooms: Rooms) -> Placed:
    """By its place and by its name; where they differ nobody knows."""
    seen = sight.seen
    if seen.what == "printer":
        return Placed(None, "other_device")
    named = rooms.place(seen.name or "")
    there = by_port.get((seen.switch or "", seen.if_name or ""), NOWHERE)
    if named.why == "other_device":
        return named
    refs = tuple(dict.fromkeys(room for room in (there.room, named.room) if room))
    if len(refs) == 1:
        return Placed(refs[0], "port" if there.room else "name", refs)
    if refs:
        return Placed(None, "several", refs)
    return there if there.why != "none" else named


def _may_be_board(each: DeviceProposal) -> bool:
    """Whether a person should look at it: it has a room, or may have one, or speaks of itself and is no printer."""
    if each.placed.why == "other_device":
        return False
    return each.placed.why != "none" or each.sight.seen.community_digest is not None


# --- both -----------------------------------------------------------------------------------------------------------


def _without_rivals(
    placed: Mapping[Any, Placed], says_board: Mapping[Any, bool], taken: Iterable[str]
) -> dict[Any, Placed]:
    """Of several in one room the only one that says it is the board; where none or several say so, none."""
    gone = set(taken)
    claims = Counter(each.room for each in placed.values() if each.room)
    boards = Counter(each.room for key, each in placed.items() if each.room and says_board[key])
    settled = {}
    for key, each in placed.items():
        if each.room in gone:
            settled[key] = Placed(None, "taken", each.candidates[:CANDIDATES_MAX])
        elif each.room and claims[each.room] > 1 and not (says_board[key] and boards[each.room] == 1):
            settled[key] = Placed(None, "rivals", each.candidates[:CANDIDATES_MAX])
        else:
            settled[key] = each
    return settled
