"""Whose record is it? The credential names the gateway, the roster its schools; a record may name only those."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from classready.ids import split_classroom_ref
from classready.observation import Bandwidth, Device, Observation, Port
from collector.core.inventory import CappedKind, Kind, Name, count, facts_bytes, is_known, limit, names_in
from collector.core.policy import Policy
from collector.core.state import School

_OF_A_ROOM = (Port, Device, Bandwidth)


class Route(NamedTuple):
    school: str
    classroom: str | None


class RefusedError(Exception):
    """The record will never be accepted: for ``beyond`` the gateway has no place left, or it names a foreign school."""

    def __init__(self, beyond: CappedKind | None = None) -> None:
        self.reason = "inventory" if beyond else "identity"
        self.beyond = beyond
        super().__init__(self.reason)


class Newcomers:
    """What one report names for the first time: it counts against the caps before any state shows it."""

    def __init__(self) -> None:
        self.rooms: set[tuple[str, str]] = set()
        """(school, room)."""
        self.names: set[Name] = set()
        self.full: set[tuple[str, Kind]] = set()
        """(school, kind): nobody counts again for each of ten thousand names."""


def route(
    gateway: str,
    observation: Observation,
    schools: Mapping[str, School],
    policy: Policy,
    newcomers: Newcomers | None = None,
) -> Sequence[Route]:
    """Return the schools of ``gateway`` that ``observation`` is about: all, or the one whose classroom it names.

    Raises:
        RefusedError: a foreign school, or more of something than the policy allows one gateway to name.
    """
    newcomers = newcomers or Newcomers()
    routes = _routes(observation, schools, policy, newcomers)
    if facts_bytes(observation) > policy.facts_per_device_max_bytes:
        raise RefusedError("facts")
    for name in names_in(gateway, observation):
        for found in routes:
            _admit_name(name, schools[found.school], policy, newcomers)
    return routes


def _admit_name(name: Name, school: School, policy: Policy, newcomers: Newcomers) -> None:
    if is_known(school.state, name) or name in newcomers.names:
        return
    others = (new for new in newcomers.names if new.kind == name.kind and new[:-1] != name[:-1])
    new_count = sum(new.places for new in others)
    if (school.roster.school, name.kind) in newcomers.full:
        raise RefusedError(name.kind)
    if count(school.state, name) + new_count + name.places > limit(policy, name.kind):
        if name.kind != "behind":  # where one trunk lists too many, another may still fit
            newcomers.full.add((school.roster.school, name.kind))
        raise RefusedError(name.kind)
    newcomers.names.add(name)


def _routes(
    observation: Observation, schools: Mapping[str, School], policy: Policy, newcomers: Newcomers
) -> Sequence[Route]:
    ref = observation.classroom if isinstance(observation, _OF_A_ROOM) else None
    if ref is None:
        return [Route(school, None) for school in schools]
    named, room = split_classroom_ref(ref)
    school = schools.get(named or _school_of(room, schools))
    if school is None:
        raise RefusedError
    if room not in school.roster.classrooms:
        _admit(room, school, schools, policy, newcomers)
    return [Route(school.roster.school, room)]


def _school_of(room: str, schools: Mapping[str, School]) -> str:
    """Which school an unqualified room belongs to: the only school, or the only one that lists it; else none."""
    if len(schools) == 1:
        return next(iter(schools))
    candidates = [name for name, school in schools.items() if room in school.roster.classrooms]
    return candidates[0] if len(candidates) == 1 else ""


def _admit(room: str, school: School, schools: Mapping[str, School], policy: Policy, newcomers: Newcomers) -> None:
    newcomer = (school.roster.school, room)
    if room in school.state.unlisted or newcomer in newcomers.rooms:
        return
    unlisted_count = sum(len(s.state.unlisted) for s in schools.values()) + len(newcomers.rooms)
    if unlisted_count >= policy.classrooms_per_gateway_max:
        raise RefusedError("classroom")
    newcomers.rooms.add(newcomer)
