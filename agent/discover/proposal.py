"""The YAML that is proposed. No I/O.

What is only a guess stands there as a comment; what does not is accepted by ``classready-agent check`` as it is.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from agent.discover.inspect import Device, Port, Switch
from agent.discover.sweep import System
from classready.devices import Snmp

_ROOM_MAX = 32
_NAME_MAX = 64


class Proposal:
    """Names given so far: rooms and targets are unique in a file."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.rooms: dict[tuple[str, int], str] = {}
        """Switch and ifIndex of a port -> the room that it was given."""

    def unique(self, text: str, limit: int) -> str:
        """``text`` as far as it fits, with a number behind it where it is taken."""
        number, name = 1, text[:limit]
        while name.lower() in self._names:
            number += 1
            name = f"{text[: limit - 1 - len(str(number))]}-{number}"
        self._names.add(name.lower())
        return name


def render(switches: Sequence[Switch], devices: Sequence[Device]) -> str:
    """Lines for agent.yml, beginning with ``targets:``."""
    proposal = Proposal()
    lines = ["# Check every classroom: they are read from descriptions of ports, and may be wrong.", "targets:"]
    for switch in switches:
        lines += _switch(switch, proposal)
    for device in devices:
        lines += _device(device, proposal)
    if all(not line or line.lstrip().startswith("#") for line in lines[2:]):
        lines[1] = "targets: []"
    return "\n".join(lines) + "\n"


def _switch(switch: Switch, proposal: Proposal) -> Iterator[str]:
    rooms = [port for port in switch.ports if port.label and port.trunk is None]
    trunk = next((port for port in switch.ports if port.index == switch.way), None)
    name = proposal.unique(_safe(switch.system.name) or f"switch-{_safe(switch.address)}", _NAME_MAX)
    body = [
        f"  - name: {name}",
        "    kind: switch",
        f"    host: {switch.address}",
        *_access(switch.system.access),
        "    ports:" if rooms else "    ports: {}",
        *(_port(switch, port, proposal) for port in switch.ports),
        f"    # trunks: recognised by itself, now {json.dumps(trunk.name, ensure_ascii=False)}"
        if trunk
        else "    # trunks: []   not recognised",
    ]
    yield from ("", f"  # {_told(switch.system)}")
    if switch.problem:
        yield f"  # Its ports could not be read: {switch.problem}"
    if not rooms and trunk is None:
        yield "  # No port has a description: write them on the switch, or give classrooms by their devices."
        yield from _commented(body)
    else:
        yield from body


def _port(switch: Switch, port: Port, proposal: Proposal) -> str:
    """One line: bound where somebody wrote on the port what is behind it."""
    key = json.dumps(port.name, ensure_ascii=False)
    if port.trunk is not None:
        return f"      # {key}: trunk, {port.trunk}; {port.state}"
    if not port.label:
        return f"      # {key}: ?   {port.state}"
    room = proposal.unique(_room(port.label) or f"{_safe(switch.system.name) or 'room'}-{port.index}", _ROOM_MAX)
    proposal.rooms[switch.address, port.index] = room
    return f"      {key}: {json.dumps(room)}   # {port.label}; {port.state}"


def _device(device: Device, proposal: Proposal) -> Iterator[str]:
    port = device.port
    room = proposal.rooms.get((device.switch, port.index)) if device.switch and port else None
    name = proposal.unique(f"board-{room or _safe(device.address)}", _NAME_MAX)
    body = [
        f"  - name: {name}",
        "    kind: whiteboard",
        f"    host: {device.address}",
        f"    classroom: {json.dumps(room or '?')}",
        *(_access(device.system.access) if device.system else ["    snmp: null"]),
    ]
    told = _told(device.system) if device.system else "answers to ping only"
    where = f"; on {device.switch}:{port.name}" if port else ""
    yield from ("", f"  # {device.address} {device.mac or ''}: {told}{where}")
    if device.system is not None and device.system.is_printer:
        yield "  # A printer: left out."
    elif room is None:
        yield "  # Its classroom is not known."
        yield from _commented(body)
    else:
        yield from body


def _access(access: Snmp) -> list[str]:
    if access.version == "3":
        lines = ['version: "3"', f"user: {json.dumps(access.user)}"]
        lines += [
            f"auth_key_file: {json.dumps(access.auth_key_file)}",
            f"priv_key_file: {json.dumps(access.priv_key_file)}",
        ]
    else:
        lines = [f'version: "{access.version}"', f"community: {json.dumps(access.community, ensure_ascii=False)}"]
    port = [f"port: {access.port}"] if access.port != Snmp().port else []
    return ["    snmp:", *(f"      {line}" for line in (*lines, *port))]


def _commented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  # {line[2:]}" for line in lines)


def _told(system: System) -> str:
    return ", ".join(filter(None, (system.name, system.description))) or "says nothing of itself"


def _room(label: str) -> str:
    """An identifier of a room, empty where the label is not one: in Chinese, mostly."""
    text = _safe(label)
    return text if text and len(text) >= len(label) - label.count(" ") else ""


def _safe(text: str) -> str:
    """What identifiers may hold."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")
