"""A new release comes to a fleet in stages: first to the canary office, and when enough of it is well to the others.

Pure: ``decide`` folds what is seen of the gateways into marks, one for each that was offered the release. A mark is
never taken back by what is seen: who was offered the release stays offered, so nothing flaps.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

State = Literal["running", "paused", "halted", "aborted"]
"""``halted``: by too many failures; the others by a person."""

STEADY_INTERVALS: Final = 3
"""A gateway is well when it reported for so many of its intervals with the new release."""
GATE_RATIO: Final = 0.8
"""So many of the canaries that can be reached must be well before anybody else gets the release."""
FAILED_MAX_RATIO: Final = 0.1
"""With more failures among those that are through, nobody gets it any more: of a few canaries one is too many."""
IN_FLIGHT_MAX: Final = 50
"""Gateways at work on it at one time: so many a bad release can reach before it is noticed, and one line carries."""
LOST_AFTER_S: Final = 1_800.0
"""A gateway that said it is installing, and was not heard since for so long, needs somebody to go there."""

Fate = Literal["waiting", "arrived", "well", "failed"]


class Plan(Struct, frozen=True, kw_only=True):
    """``canary``: the office that gets it first. ``percent``: how many of all others get it, after that or at once.

    ``forgiven_count``: failures that somebody saw and went on after.
    """

    version: str
    canary: str | None = None
    percent: int = 0
    state: State = "running"
    by: str
    asked_at: float
    gate_at: float | None = None
    """When enough canaries were well; never taken back."""
    halted_at: float | None = None
    forgiven_count: int = 0


class Mark(Struct, frozen=True, kw_only=True):
    """One gateway, and the release that it was offered. Times are the collector's Unix seconds."""

    gateway: str
    offered_at: float
    arrived_at: float | None = None
    """When it was first heard with the release."""
    well_at: float | None = None
    failed_at: float | None = None
    reason: str | None = None

    @property
    def fate(self) -> Fate:
        if self.failed_at is not None:
            return "failed"
        if self.well_at is not None:
            return "well"
        return "waiting" if self.arrived_at is None else "arrived"


class Told(NamedTuple):
    """What a gateway last told of an upgrade. ``asked_at``: of the offer that it speaks of."""

    version: str
    asked_at: float | None
    state: str
    reason: str | None


class Seen(NamedTuple):
    """One gateway of the roster. ``release`` None: not from a bundle, or too old to tell: it cannot follow."""

    gateway: str
    office: str
    release: str | None
    heard_at: float | None
    interval_s: float
    is_silent: bool
    told: Told | None


class Decision(NamedTuple):
    """``marks``: those that are new or changed."""

    plan: Plan
    marks: Mapping[str, Mark]


FAILED: Final = frozenset({"refused", "rolled_back", "failed"})
"""What a gateway tells of an upgrade that is over and did not come to be."""


def decide(plan: Plan, marks: Mapping[str, Mark], seen: Collection[Seen], now: float) -> Decision:
    """Return the plan and the marks as they are after a look at every gateway."""
    changed = {
        one.gateway: after
        for one in seen
        if (mark := marks.get(one.gateway)) and (after := _followed(plan, mark, one, now)) != mark
    }
    present = {one.gateway: mark for one in seen if (mark := changed.get(one.gateway) or marks.get(one.gateway))}
    plan = _gated(plan, present, seen, now)
    plan = _halted(plan, present, now)
    if plan.state == "running":
        changed |= {name: Mark(gateway=name, offered_at=now) for name in _offers(plan, present, seen)}
    return Decision(plan, changed)


def is_wanted(plan: Plan, mark: Mark | None) -> bool:
    """Whether a gateway is told to have the release now. Pause, halt and abort stop whoever has not switched yet."""
    return plan.state == "running" and mark is not None and mark.failed_at is None


def _followed(plan: Plan, mark: Mark, one: Seen, now: float) -> Mark:
    if one.release == plan.version and one.heard_at is not None and one.heard_at > mark.offered_at:
        arrived_at = one.heard_at if mark.arrived_at is None else mark.arrived_at
        is_steady = one.heard_at - arrived_at >= STEADY_INTERVALS * one.interval_s
        well_at = mark.well_at if mark.well_at is not None else now if is_steady else None
        # one that was given up for lost was only late
        return replace(mark, arrived_at=arrived_at, well_at=well_at, failed_at=None, reason=None)
    if mark.failed_at is not None:
        return mark
    why = _failure(plan, mark, one, now)
    return mark if why is None else replace(mark, failed_at=now, reason=why, well_at=None)


def _failure(plan: Plan, mark: Mark, one: Seen, now: float) -> str | None:
    told = one.told
    is_of_this = told is not None and told.version == plan.version and told.asked_at == mark.offered_at
    if told is not None and is_of_this and told.state in FAILED:
        return told.reason or told.state
    if mark.arrived_at is not None and one.release != plan.version:
        return "rolled_back"
    is_away = one.is_silent and one.heard_at is not None and now - one.heard_at > LOST_AFTER_S
    if told is not None and is_of_this and told.state == "installing" and is_away:
        return "lost"
    return None


def _gated(plan: Plan, marks: Mapping[str, Mark], seen: Iterable[Seen], now: float) -> Plan:
    """Open the gate once enough canaries are well; those that cannot be reached keep nobody waiting."""
    if plan.canary is None or plan.gate_at is not None or plan.state != "running":
        return plan
    fates = [_fate(plan, marks.get(one.gateway), one) for one in seen if one.office == plan.canary]
    reached, well = sum(fate is not None for fate in fates), fates.count("well")
    return replace(plan, gate_at=now) if well and well >= GATE_RATIO * reached else plan


def _fate(plan: Plan, mark: Mark | None, one: Seen) -> Fate | None:
    """None = there is nothing to wait for: it is switched off, or cannot follow."""
    if mark is not None:
        return mark.fate if mark.fate in {"well", "failed"} or not one.is_silent else None
    if one.is_silent or one.release is None:
        return None
    return "well" if _has_it(plan, one) else "waiting"


def _halted(plan: Plan, marks: Mapping[str, Mark], now: float) -> Plan:
    fates = [mark.fate for mark in marks.values()]
    failed, well = fates.count("failed"), fates.count("well")
    if plan.state != "running" or failed - plan.forgiven_count <= FAILED_MAX_RATIO * (failed + well):
        return plan
    return replace(plan, state="halted", halted_at=now)


def _offers(plan: Plan, marks: Mapping[str, Mark], seen: Collection[Seen]) -> list[str]:
    """Those who get the release now, in an order that is another one for each release, and always the same for one."""
    busy = sum(one.gateway in marks and _is_busy(marks[one.gateway], one) for one in seen)
    free = [one for one in seen if one.gateway not in marks and _can_follow(one) and not _has_it(plan, one)]
    chosen = sorted(
        (one for one in free if plan.canary is not None and one.office == plan.canary), key=lambda one: one.gateway
    )
    if plan.canary is None or plan.gate_at is not None:
        chosen += _part(plan, marks, [one for one in seen if one.office != plan.canary], free)
    return [one.gateway for one in chosen[: max(0, IN_FLIGHT_MAX - busy)]]


def _part(plan: Plan, marks: Mapping[str, Mark], others: Collection[Seen], free: Iterable[Seen]) -> list[Seen]:
    """As many of ``free`` as ``percent`` of ``others`` leaves room for: whoever has it or was offered it counts."""
    taken = sum(one.gateway in marks or _has_it(plan, one) for one in others)
    room = len(others) * plan.percent // 100 - taken
    ordered = sorted((one for one in free if one.office != plan.canary), key=lambda one: _place(plan, one))
    return ordered[: max(0, room)]


def _place(plan: Plan, one: Seen) -> bytes:
    return hashlib.sha256(f"{plan.version}/{one.gateway}".encode()).digest()


def _can_follow(one: Seen) -> bool:
    return one.release is not None and not one.is_silent


def _has_it(plan: Plan, one: Seen) -> bool:
    return one.release == plan.version


def _is_busy(mark: Mark, one: Seen) -> bool:
    """A gateway that fell silent keeps nobody waiting; it goes on when it comes back."""
    return mark.fate in {"waiting", "arrived"} and not one.is_silent
