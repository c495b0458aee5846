"""What is otherwise than on the sheet before. Pure.

What was not known then or is not known now is no change: a board that sleeps, a switch that was away.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from agent.acceptance import sheet as sheets
from agent.acceptance.sheet import Change, Room, Sheet, Switch
from classready.observation import Bandwidth, Device, Outcome, Port, Segment
from classready.units import bps_to_mbps

NEW_PORTS_MAX_COUNT = 20
"""Of one switch: a whole building that was plugged in is one thing."""
_LASTING_FACTS = ("description", "firmware", "version", "model", "name")
"""Words in the names of facts that stay as they are until somebody changes the device; temperatures do not."""
_DECIDED = {Outcome.PASS, Outcome.FAIL}

Key = TypeVar("Key")
Value = TypeVar("Value")


def changes(before: Sheet, now: Sheet) -> list[Change]:
    """In the order in which the sheet shows things."""
    return [*_checks(before, now), *_lines(before, now), *_rooms(before, now), *_switches(before, now)]


def _both(before: Mapping[Key, Value], now: Mapping[Key, Value]) -> Iterator[tuple[Key, Value, Value]]:
    return ((key, before[key], value) for key, value in now.items() if key in before)


def _differs(before: object, now: object) -> bool:
    return before is not None and now is not None and before != now


def _checks(before: Sheet, now: Sheet) -> Iterator[Change]:
    """What is shown of switches, boards and lines says more than the result of their check."""
    if before.agent_version != now.agent_version:
        yield Change(code="version", values={"was": before.agent_version, "now": now.agent_version})
    told = sheets.TARGET_CHECKS - {"ping", "http"}
    results = [{(f.check, f.subject): f.result for f in each.findings if f.check not in told} for each in (before, now)]
    for (check, subject), was, is_now in _both(*results):
        if was == "ok" and is_now in {"failed", "warning"}:
            yield Change(code="check_worse", subject=subject, values={"check": check})
        elif was in {"failed", "warning"} and is_now == "ok":
            yield Change(code="check_better", subject=subject, values={"check": check})


def _lines(before: Sheet, now: Sheet) -> Iterator[Change]:
    of = [{(line.target, line.direction): line for line in sheets.lines(each)} for each in (before, now)]
    for (target, _), was, line in _both(*of):
        if {was.outcome, line.outcome} <= _DECIDED and was.outcome != line.outcome:
            yield Change(code="line_better" if line.outcome is Outcome.PASS else "line_worse", subject=target)
        elif _is_below(line, was):
            yield Change(code="line_slower", subject=target, values=_mbps(was.at_least_bps, line.at_most_bps))
        elif _is_below(was, line):
            yield Change(code="line_faster", subject=target, values=_mbps(was.at_most_bps, line.at_least_bps))


def _is_below(lower: Bandwidth, higher: Bandwidth) -> bool:
    """Whether the two intervals do not touch."""
    most, least = lower.at_most_bps, higher.at_least_bps
    return most is not None and least is not None and most < least


def _mbps(was_bps: float | None, now_bps: float | None) -> dict[str, str]:
    return {"was": _shown(was_bps), "now": _shown(now_bps)}


def _shown(speed_bps: float | None) -> str:
    return "?" if speed_bps is None else f"{bps_to_mbps(speed_bps):.4g} Mbit/s"


def _rooms(before: Sheet, now: Sheet) -> Iterator[Change]:
    were, are = ({room.classroom: room for room in sheets.rooms(each)} for each in (before, now))
    for name in sorted(were.keys() - are.keys()):
        yield Change(code="room_gone", subject=name)
    for name, room in are.items():
        if name not in were:
            yield Change(code="room_new", subject=name)
        else:
            yield from _ports(were[name], room)
            yield from _boards(were[name], room)


def _ports(before: Room, now: Room) -> Iterator[Change]:
    """A room with several ports: each is compared with itself, and only the only one can have moved."""
    of = [{(port.switch, port.if_name): port for port in room.ports if port.if_name} for room in (before, now)]
    for _, was, port in _both(*of):
        yield from _link(was, port, now.classroom)
    if len(of[0]) == len(of[1]) == 1 and of[0].keys() != of[1].keys():
        [was], [port] = of[0].values(), of[1].values()
        values = {"was": f"{was.switch}:{was.if_name}", "now": f"{port.switch}:{port.if_name}"}
        yield Change(code="port_moved", subject=now.classroom, values=values)
        yield from _speed(was, port, now.classroom)


def _link(was: Port, port: Port, classroom: str) -> Iterator[Change]:
    values = {"port": f"{port.switch}:{port.if_name}"}
    if _differs(was.admin_up, port.admin_up):
        yield Change(code="port_enabled" if port.admin_up else "port_disabled", subject=classroom, values=values)
    elif _differs(was.oper_up, port.oper_up):
        yield Change(code="port_up" if port.oper_up else "port_down", subject=classroom, values=values)
    yield from _speed(was, port, classroom)


def _speed(was: Port | Segment, now: Port | Segment, subject: str) -> Iterator[Change]:
    if _differs(was.speed_bps, now.speed_bps):
        yield Change(code="port_speed", subject=subject, values=_mbps(was.speed_bps, now.speed_bps))
    if _differs(was.full_duplex, now.full_duplex):
        yield Change(code="duplex_full" if now.full_duplex else "duplex_half", subject=subject)


def _boards(before: Room, now: Room) -> Iterator[Change]:
    """A board has no name here: those of a room are compared in their order, while there are as many."""
    if len(before.boards) != len(now.boards):
        yield Change(code="board_count", subject=now.classroom, values=_counts(before, now))
        return
    for was, board in zip(before.boards, now.boards, strict=True):
        yield from _board(was, board, now.classroom)


def _counts(before: Room, now: Room) -> dict[str, int]:
    return {"was": len(before.boards), "now": len(now.boards)}


def _board(was: Device, board: Device, classroom: str) -> Iterator[Change]:
    answered = (Outcome.ANSWERED, Outcome.NO_ANSWER)
    if (was.outcome, board.outcome) == answered:
        yield Change(code="board_silent", subject=classroom)
    elif (was.outcome, board.outcome) == answered[::-1]:
        yield Change(code="board_back", subject=classroom)
    if _differs(was.nic_speed_bps, board.nic_speed_bps):
        yield Change(code="board_speed", subject=classroom, values=_mbps(was.nic_speed_bps, board.nic_speed_bps))
    for fact, old, new in _both(was.facts or {}, board.facts or {}):
        if old != new and any(word in fact for word in _LASTING_FACTS):
            yield Change(code="board_fact", subject=classroom, values={"fact": fact, "was": old, "now": new})


def _switches(before: Sheet, now: Sheet) -> Iterator[Change]:
    trunks = [{trunk.name: trunk for trunk in sheets.trunks(each)} for each in (before, now)]
    for name, was_trunk, trunk in _both(*trunks):
        if _differs(was_trunk.if_name, trunk.if_name):
            yield Change(code="trunk_moved", subject=name, values={"was": was_trunk.if_name, "now": trunk.if_name})
        yield from _speed(was_trunk, trunk, name)
    of = [{switch.name: switch for switch in each.switches} for each in (before, now)]
    for _, was, switch in _both(*of):
        yield from _switch(was, switch, now)


def _switch(was: Switch, switch: Switch, now: Sheet) -> Iterator[Change]:
    if was.problem is not None or switch.problem is not None:
        if was.problem is None:
            yield Change(code="switch_silent", subject=switch.name)
        elif switch.problem is None:
            yield Change(code="switch_back", subject=switch.name)
        return
    if was.description and switch.description and was.description != switch.description:
        about = {"was": was.description, "now": switch.description}
        yield Change(code="switch_firmware", subject=switch.name, values=about)
    used = {port.name for port in was.ports if port.up}
    if new := [port.name for port in sheets.unbound(now, switch) if port.name not in used]:
        values: dict[str, Any] = {"ports": ", ".join(new[:NEW_PORTS_MAX_COUNT]), "count": len(new)}
        yield Change(code="port_new", subject=switch.name, values=values)
