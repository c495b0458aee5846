"""The check-up before a term (开学前体检): what is tested anew, and what a school is ready for.

The evidence of the last term is weeks old by the clock, and of today by the clock of lessons: it does not age while
there are none. So on the last working days before a term only what was seen since they began counts.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from collector.core.evidence import Leg
from collector.core.hours import into_day_s
from collector.core.policy import Policy
from collector.core.roster import CheckUp, Classroom, Hours
from collector.core.state import ClassroomState, School
from collector.core.words import NextStep

BEGINS_S: Final = 8 * 3_600.0
SPREAD_S: Final = 8 * 3_600.0
"""Tests are ordered from eight in the morning on, each gateway's at a moment of its own: power is on, and 20,000 lines
are not tested at once."""


class Surveyed(Struct, frozen=True, kw_only=True):
    """One school. ``unknown``: next step -> of how many rooms it is the next step."""

    school: str
    school_name: str
    ready_count: int = 0
    short_count: int = 0
    unknown: Mapping[NextStep, int] = {}
    silent: tuple[str, ...] = ()
    """Gateways that do not report, or never did."""
    switch_count: int = 0
    """Switches that do not answer."""
    hub: str | None = None
    """The hub school that it belongs to."""


def told_at(hours: Hours, policy: Policy) -> float | None:
    """When an office is told: on the last working day before the term, in the morning; None = no term is announced."""
    return None if hours.checkup is None else hours.checkup.last_midnight + into_day_s(policy.digest_at)


def orders(school: School, gateway: str, now: float) -> Iterator[Leg]:
    """The lines of ``gateway`` that are to be tested again before the term."""
    checkup = school.hours.checkup
    if checkup is None or not _begins_at(checkup, gateway) <= now < checkup.ends:
        return
    for leg in school.state.uplinks.values():
        if leg.gateway == gateway and not _is_tested(leg, checkup):
            yield leg


def _begins_at(checkup: CheckUp, gateway: str) -> float:
    return checkup.begins + BEGINS_S + zlib.crc32(gateway.encode()) % SPREAD_S


def survey(schools: Iterable[School], now: float) -> tuple[Surveyed, ...]:
    """What each school is ready for; those without a check-up are left out."""
    return tuple(
        _surveyed(school, checkup)
        for school in schools
        if (checkup := school.hours.checkup) is not None and now < checkup.ends
    )


def _surveyed(school: School, checkup: CheckUp) -> Surveyed:
    roster, state = school.roster, school.state
    found = Counter(
        _room(school, checkup, room, state.classrooms.get(room.id, _UNHEARD))
        for room in roster.classrooms.values()
        if room.exempt is None
    )
    heard = {name for name, gateway in state.gateways.items() if not gateway.silent}
    return Surveyed(
        school=roster.school,
        school_name=roster.name,
        hub=roster.hub,
        ready_count=found["ready"],
        short_count=found["short"],
        unknown={step: count for step, count in found.most_common() if isinstance(step, NextStep)},
        silent=tuple(name for name in roster.gateways if name not in heard),
        switch_count=sum(not switch.reachable for switch in state.switches.values()),
    )


def _room(
    school: School, checkup: CheckUp, room: Classroom, state: ClassroomState
) -> Literal["ready", "short"] | NextStep:
    """A room is ready if its line was tested and its board seen since the check-up began.

    | verdict | line tested | board seen | is                     |
    |---------|-------------|------------|------------------------|
    | no      | any         | any        | short                  |
    | unknown | any         | any        | unknown, its next step |
    | yes     | no          | any        | unknown, wait for test |
    | yes     | yes         | no         | unknown, wake device   |
    | yes     | yes         | yes        | ready                  |
    """
    verdict = state.verdict
    if verdict.ready == "no":
        return "short"
    if verdict.ready == "unknown":
        return verdict.next_step or NextStep.INSTALL_GATEWAY
    legs = [leg for leg in school.state.uplinks.values() if leg.gateway == state.gateway and leg.direction == "down"]
    if not any(_is_tested(leg, checkup) for leg in legs):
        return NextStep.WAIT_FOR_TEST
    if room.device is not None and (state.last_awake_at is None or state.last_awake_at < checkup.begins):
        return NextStep.WAKE_DEVICE
    return "ready"


def _is_tested(leg: Leg, checkup: CheckUp) -> bool:
    return bool(leg.tests) and leg.tests[-1].observed_at >= checkup.begins


_UNHEARD: Final = ClassroomState()
