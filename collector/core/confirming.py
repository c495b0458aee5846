"""From what a person said of what was found to targets of agent.yml: all of it, or none and every mistake named."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from collector.core.placing import Room
from collector.core.proposals import Proposals, Sight, Target

NAME_MAX_CHARACTERS = 64
_UNFIT = re.compile(r"[^A-Za-z0-9]+")


class Choice(Struct, frozen=True, kw_only=True):
    """What is at ``host``: of a switch the rooms of its ``ports``, of a device its ``classroom``.

    Rooms as the gateway names them: ``b2-301``, or ``school/b2-301`` where it serves several schools.
    """

    gateway: str
    host: str
    ports: Mapping[str, str] = {}
    classroom: str | None = None


Fault = Literal[
    "not_found", "assigned", "no_community", "no_room", "no_port", "trunk", "room_twice", "room_taken", "no_classroom"
]


class Problem(NamedTuple):
    """``what``: the port or the room that it is about."""

    choice: Choice
    fault: Fault
    what: str = ""


class Confirmed(NamedTuple):
    targets: list[tuple[str, Target]]
    """(gateway, target)."""
    problems: list[Problem]


def confirm(
    choices: Sequence[Choice],
    proposals: Mapping[str, Proposals],
    rooms: Mapping[str, Sequence[Room]],
    communities: Mapping[str, str],
) -> Confirmed:
    """Make targets of ``choices``.

    ``proposals`` and ``rooms`` by gateway; ``communities``: digest -> community, of those that searches were given.
    """
    made: list[tuple[str, Target]] = []
    problems: list[Problem] = []
    for gateway in dict.fromkeys(choice.gateway for choice in choices):
        own = [choice for choice in choices if choice.gateway == gateway]
        if gateway not in proposals:
            problems += [Problem(choice, "not_found") for choice in own]
            continue
        maker = _Maker(proposals[gateway], rooms[gateway], communities)
        for choice in own:
            found = list(maker.problems(choice))
            problems += found
            if not found:
                made.append((gateway, maker.target(choice)))
    return Confirmed(made, problems)


class _Maker:
    """Of one gateway: names and rooms that are given away are gone for the next."""

    def __init__(self, proposals: Proposals, rooms: Sequence[Room], communities: Mapping[str, str]) -> None:
        self._communities = communities
        self._rooms = {room.ref for room in rooms}
        told = [each.target for each in proposals.assigned]
        self._measured = {str(target.get("host")) for target in told}
        self._names = {name.lower() for name in proposals.names}
        self._ports = {room for target in told for room in target.get("ports", {}).values()}
        self._boards = {str(target["classroom"]) for target in told if "classroom" in target}
        self._sights = {sight.host: sight for sight in proposals.sights()}

    def problems(self, choice: Choice) -> Iterator[Problem]:
        sight = self._sights.get(choice.host)
        if sight is None:
            yield Problem(choice, "assigned" if choice.host in self._measured else "not_found")
            return
        digest = sight.seen.community_digest
        if digest is not None and digest not in self._communities:
            yield Problem(choice, "no_community")
        if sight.seen.what == "switch":
            yield from self._port_problems(choice, sight)
        elif choice.classroom is None:
            yield Problem(choice, "no_classroom")
        elif choice.classroom not in self._rooms:
            yield Problem(choice, "no_room", choice.classroom)
        elif choice.classroom in self._boards:
            yield Problem(choice, "room_taken", choice.classroom)

    def _port_problems(self, choice: Choice, sight: Sight) -> Iterator[Problem]:
        trunks = {port.name: port.trunk for port in sight.seen.ports or ()}
        given: set[str] = set()
        for name, room in choice.ports.items():
            if name not in trunks:
                yield Problem(choice, "no_port", name)
            elif trunks[name]:
                yield Problem(choice, "trunk", name)
            if room not in self._rooms:
                yield Problem(choice, "no_room", room)
            elif room in given:
                yield Problem(choice, "room_twice", room)
            elif room in self._ports:
                yield Problem(choice, "room_taken", room)
            given.add(room)

    def target(self, choice: Choice) -> Target:
        """Of a choice without a problem."""
        sight = self._sights[choice.host]
        target = self._switch(choice, sight) if sight.seen.what == "switch" else self._board(choice, sight)
        self._names.add(str(target["name"]).lower())
        self._measured.add(choice.host)
        del self._sights[choice.host]
        return target

    def _switch(self, choice: Choice, sight: Sight) -> dict[str, Any]:
        self._ports |= set(choice.ports.values())
        # the prefix keeps a device that calls itself like a platform from taking that target's place
        name = self._unique(f"switch-{_safe(sight.seen.name or '') or _safe(choice.host)}")
        target = {"kind": "switch", "name": name, "host": choice.host, "ports": dict(choice.ports)}
        return {**target, **self._snmp(sight)}

    def _board(self, choice: Choice, sight: Sight) -> dict[str, Any]:
        room = str(choice.classroom)
        self._boards.add(room)
        name = self._unique(f"board-{_safe(room)}")
        target = {"kind": "whiteboard", "name": name, "host": choice.host, "classroom": room}
        return {**target, **self._snmp(sight)}

    def _snmp(self, sight: Sight) -> dict[str, Any]:
        """What is the default anyway is left out."""
        if sight.seen.community_digest is None:
            return {"snmp": None}
        community = self._communities[sight.seen.community_digest]
        return {} if community == "public" else {"snmp": {"community": community}}

    def _unique(self, text: str) -> str:
        number, name = 1, text[:NAME_MAX_CHARACTERS]
        while name.lower() in self._names:
            number += 1
            name = f"{text[: NAME_MAX_CHARACTERS - 1 - len(str(number))]}-{number}"
        return name


def _safe(text: str) -> str:
    """What names of targets may hold."""
    return _UNFIT.sub("-", text).strip("-")


def choices_of(proposals: Iterable[Proposals]) -> list[Choice]:
    """Everything as it is proposed: what one click confirms."""
    found = []
    for each in proposals:
        for switch in each.switches:
            if switch.is_proposed:
                ports = {port.port.name: port.placed.room for port in switch.ports if port.placed.room}
                found.append(Choice(gateway=each.gateway, host=switch.sight.host, ports=ports))
        found += [
            Choice(gateway=each.gateway, host=device.sight.host, classroom=device.placed.room)
            for device in each.devices
            if device.placed.room
        ]
    return found
