"""A school at one moment, and what several groups of samples ask of it: worked out once for all of them."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from collector.core.age import fresh_from, fresh_window_s
from collector.core.evidence import PlatformReading, Reading
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School

_UNHEARD = ClassroomState()


class Look(NamedTuple):
    school: School
    now: float
    policy: Policy
    platform_names: Mapping[str, str]
    rooms: Sequence[ClassroomState]
    """Of the roster's classrooms, in their order; one that nobody told of yet is there, too."""
    audible: School
    """The school without what a silent gateway measured, and with a failing platform as it was measured."""
    fresh_from: Mapping[str, float]
    """By gateway that was ever heard: what it measured of platforms from then on counts."""


def look_at(school: School, now: float, policy: Policy, platform_names: Mapping[str, str]) -> Look:
    states = school.state.classrooms
    rooms = [states.get(name, _UNHEARD) for name in school.roster.classrooms]
    fresh = {
        gateway: fresh_from(window_s, now, school.away)
        for gateway in school.state.gateways
        if (window_s := fresh_window_s(school, gateway, policy)) is not None
    }
    return Look(school, now, policy, platform_names, rooms, _audible(school), fresh)


def _audible(school: School) -> School:
    state = school.state
    silent = {name for name, gateway in state.gateways.items() if gateway.silent}
    if not silent and not state.platform_faults:
        return school
    return replace(
        school,
        state=replace(
            state,
            uplinks={key: uplink for key, uplink in state.uplinks.items() if uplink.gateway not in silent},
            segments={key: segment for key, segment in state.segments.items() if segment.gateway not in silent},
            platforms={key: reading for key, reading in state.platforms.items() if reading.gateway not in silent},
            platform_faults=(),
        ),
    )


def readings_of(look: Look, platform: str) -> list[PlatformReading]:
    """What the school's gateways told of the platform's targets, in the order of the targets."""
    roster, told = look.audible.roster, look.audible.state.platforms.values()
    targets = roster.platforms[platform]
    readings = [r for r in told if r.target in targets and r.gateway in roster.gateways]
    return sorted(readings, key=lambda r: targets.index(r.target)) if len(readings) > 1 else readings


def is_current(look: Look, reading: Reading) -> bool:
    return reading.observed_at >= look.fresh_from.get(reading.gateway, inf)
