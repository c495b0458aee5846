"""What most needs a person comes first: the one order of rooms, schools and offices on every page.

A school of which nobody knows anything stands before one with a slow cable: as long as its gateway is dark, thirty slow
cables may lie there unseen. Within a need weak rural schools stand first, then those with most rooms concerned.
"""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from collector.core.words import Cause, CompliantValue

_CAUSES = tuple(Cause)
_ROOMS: tuple[CompliantValue, ...] = ("no", "unknown", "yes", "exempt")


class Counts(Struct, frozen=True, kw_only=True):
    """Number of classrooms by state; exempt ones are no part of ``ready``."""

    yes: int = 0
    no: int = 0
    unknown: int = 0
    exempt: int = 0


class Need(StrEnum):
    """What a school or office needs, most urgent first."""

    SILENT = "silent"
    """It did report, and no gateway of it does any more: somebody must go and look."""
    NOT_READY = "not_ready"
    """At least half of its judged rooms cannot be used."""
    UNKNOWN = "unknown"
    """Of no room anything is known: nothing installed yet, or nothing measured."""
    PARTLY_SILENT = "partly_silent"
    """One of its gateways fell silent."""
    PARTLY_NOT_READY = "partly_not_ready"
    """Some rooms cannot be used."""
    PARTLY_UNKNOWN = "partly_unknown"
    """Some rooms are not known."""
    NOTHING = "nothing"
    """Every judged room can be used."""
    EMPTY = "empty"
    """There is no room to judge."""


NEEDS = tuple(Need)


class Judged(Protocol):
    """What the order looks at, of a school as of an office."""

    @property
    def name(self) -> str: ...
    @property
    def need(self) -> Need: ...
    @property
    def rural_weak(self) -> bool: ...
    @property
    def ready(self) -> Counts: ...


def need_of(ready: Counts, gateways_up: int, gateways_silent: int) -> Need:
    """Decide from the rooms' states, and the gateways that report and that fell silent (never heard is neither)."""
    judged = ready.yes + ready.no + ready.unknown
    if not judged:
        return Need.EMPTY
    if gateways_silent and not gateways_up:
        return Need.SILENT
    if 2 * ready.no >= judged:
        return Need.NOT_READY
    if ready.unknown == judged:
        return Need.UNKNOWN
    if gateways_silent:
        return Need.PARTLY_SILENT
    if ready.no:
        return Need.PARTLY_NOT_READY
    return Need.PARTLY_UNKNOWN if ready.unknown else Need.NOTHING


def most_urgent(judged: Judged) -> tuple[int, bool, int, int, str]:
    """Sort key of schools and offices."""
    return NEEDS.index(judged.need), not judged.rural_weak, -judged.ready.no, -judged.ready.unknown, judged.name


def most_urgent_room(ready: CompliantValue, first_cause: Cause | None) -> tuple[int, int]:
    """Sort key of the rooms of one school: those not ready by their first cause, in root-cause order."""
    return _ROOMS.index(ready), _CAUSES.index(first_cause) if first_cause else len(_CAUSES)
