"""Whose record is it? The credential names the gateway, the roster its schools; a record may name only those."""

from collections.abc import Mapping
from typing import NamedTuple

from classready.ids import split_classroom_ref
from classready.observation import Bandwidth, Device, Found, Observation, Port
from collector.core.inventory import CappedKind, Kind, Name, count, facts_bytes, is_known, limit, names_in
from collector.core.policy import Policy
from collector.core.state import School

_OF_A_ROOM = (Port, Device, Bandwidth)


class Route(NamedTuple):
    """The schools that a record is about: all of its gateway's, or the one of whose ``classroom`` it tells.

    None for what a search found: nobody said yet what it is, so no school is told of it.
    """

    schools: tuple[str, ...]
    classroom: str | None


_OF_NO_SCHOOL = Route((), None)


class RefusedError(Exception):
    """The record will never be accepted: for ``beyond`` the gateway has no place left, or it names a foreign school."""

    def __init__(self, beyond: CappedKind | None = None) -> None:
        self.reason = "inventory" if beyond else "identity"
        self.beyond = beyond
        super().__init__(self.reason)


class Router:
    """Of one report: what it names for the first time counts against the caps before any state shows it."""

    def __init__(self, gateway: str, schools: Mapping[str, School], policy: Policy) -> None:
        """``schools`` are those of ``gateway``."""
        self._gateway = gateway
        self._schools = schools
        self._policy = policy
        self._everywhere = Route(tuple(schools), None)
        self._rooms: dict[str, Route] = {}
        """By how the report names them: most rooms are told of twice, by their port and by their device."""
        self._switches: set[tuple[str | None, tuple[str, ...]]] = set()
        """(switch, schools) that have their place: all ports of a switch name it."""
        self._new_rooms: set[tuple[str, str]] = set()
        """(school, room)."""
        self._new_names: set[Name] = set()
        self._full: set[tuple[str, Kind]] = set()
        """(school, kind): nobody counts again for each of ten thousand names."""

    def route(self, observation: Observation) -> Route:
        """Return which schools ``observation`` is about.

        Raises:
            RefusedError: a foreign school, or more of something than the policy allows one gateway to name.
        """
        if isinstance(observation, Found):
            return _OF_NO_SCHOOL
        ref = observation.classroom if isinstance(observation, _OF_A_ROOM) else None
        found = self._everywhere if ref is None else self._rooms.get(ref) or self._room(ref)
        if isinstance(observation, Device):
            if observation.facts and facts_bytes(observation.facts) > self._policy.facts_per_device_max_bytes:
                raise RefusedError("facts")
        elif not isinstance(observation, Port):
            self._admit_names(observation, found)
        elif (key := (observation.switch, found.schools)) not in self._switches:
            self._admit_names(observation, found)
            self._switches.add(key)
        return found

    def _room(self, ref: str) -> Route:
        named, room = split_classroom_ref(ref)
        school = self._schools.get(named or self._school_of(room))
        if school is None:
            raise RefusedError
        if room not in school.roster.classrooms:
            self._admit_room(room, school)
        found = self._rooms[ref] = Route((school.roster.school,), room)
        return found

    def _school_of(self, room: str) -> str:
        """Which school an unqualified room belongs to: the only school, or the only one that lists it; else none."""
        if len(self._schools) == 1:
            return self._everywhere.schools[0]
        candidates = [name for name, school in self._schools.items() if room in school.roster.classrooms]
        return candidates[0] if len(candidates) == 1 else ""

    def _admit_room(self, room: str, school: School) -> None:
        newcomer = (school.roster.school, room)
        if room in school.state.unlisted or newcomer in self._new_rooms:
            return
        unlisted_count = sum(len(s.state.unlisted) for s in self._schools.values()) + len(self._new_rooms)
        if unlisted_count >= self._policy.classrooms_per_gateway_max:
            raise RefusedError("classroom")
        self._new_rooms.add(newcomer)

    def _admit_names(self, observation: Observation, found: Route) -> None:
        for name in names_in(self._gateway, observation):
            for school in found.schools:
                self._admit_name(name, self._schools[school])

    def _admit_name(self, name: Name, school: School) -> None:
        if is_known(school.state, name) or name in self._new_names:
            return
        others = (new for new in self._new_names if new.kind == name.kind and new[:-1] != name[:-1])
        new_count = sum(new.places for new in others)
        if (school.roster.school, name.kind) in self._full:
            raise RefusedError(name.kind)
        if count(school.state, name) + new_count + name.places > limit(self._policy, name.kind):
            if name.kind != "behind":  # where one trunk lists too many, another may still fit
                self._full.add((school.roster.school, name.kind))
            raise RefusedError(name.kind)
        self._new_names.add(name)
