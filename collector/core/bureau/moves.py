"""Devices that changed their switch port: nothing is wrong, and a rewired building is one piece of news."""

from collector.core.bureau.words import Notice
from collector.core.events import DeviceMoved
from collector.core.policy import Policy

Moves = tuple[DeviceMoved, ...]


def due_at(moves: Moves, policy: Policy) -> float | None:
    return moves[0].at + policy.group_wait_s if moves else None


def tell(office: str, moves: Moves, now: float) -> Notice:
    return Notice(kind="moved", incident="", office=office, cause=None, at=now, since=moves[0].at, moves=moves)
