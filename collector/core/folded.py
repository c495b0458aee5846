"""A school while the events of one round are put in: each part is copied when first written, so the step stays pure."""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from msgspec.structs import replace

from collector.core.age import fresh_from, fresh_window_s, ports_valid_from
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.core.evidence import GatewayState
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School

NOBODY: Final = ClassroomState()


class Folded:
    """``rooms`` must be judged again, or ``everybody``; ``news`` and ``taken_back`` are told besides alerts.

    ``counts``: something may count for an alert, whether or not it changes the verdict on a room.
    """

    def __init__(self, school: School, now: float, policy: Policy) -> None:
        self.school = school
        self.state = school.state
        self.listed = school.roster.classrooms
        self.now = now
        self.policy = policy
        self.rooms: set[str] = set()
        self.everybody = False
        self.counts = False
        self.news: list[DeviceMoved | Meanwhile] = []
        self.taken_back: tuple[AlertChange, ...] = ()
        self._fresh_from: dict[str, float] = {}
        self._ports_valid_from: float | None = None
        self._written: dict[str, dict[str, Any]] = {}

    def room(self, room_id: str) -> ClassroomState:
        return self.state.classrooms.get(room_id, NOBODY)

    def put(self, part: str, key: str, value: Any) -> None:
        """Write one entry of a mapping of the state."""
        mine = self._written.get(part)
        if mine is None:
            # once a round: a report writes thirty entries, and copying the mapping each time would be quadratic
            mine = self._written[part] = dict(getattr(self.state, part))
            self.set(**{part: mine})
        mine[key] = value

    def hear(self, gateway: str, heard: GatewayState) -> None:
        """How long its evidence is fresh depends on the interval that it announces."""
        self.put("gateways", gateway, heard)
        self._fresh_from.pop(gateway, None)

    def drop(self, part: str, keys: set[str]) -> None:
        if keys:
            kept: Mapping[str, Any] = getattr(self.state, part)
            self._written[part] = {key: value for key, value in kept.items() if key not in keys}
            self.set(**{part: self._written[part]})

    def become(self, school: School) -> None:
        """Go on from another value."""
        self.school, self.state, self.listed = school, school.state, school.roster.classrooms
        self._written.clear()
        self._fresh_from.clear()

    def set(self, **fields: Any) -> None:
        """Replace whole fields of the state."""
        self.state = replace(self.state, **fields)
        self.school = replace(self.school, state=self.state)

    def is_newer(self, at: float, before: float | None) -> bool:
        """Whether evidence of ``at`` replaces what is known."""
        if before is None or at > before:
            return True
        if before > self.now:
            # dated by a clock that was wrong: what was made of it as fresh evidence need not hold
            self.everybody = True
            return True
        return False

    def is_port_valid(self, at: float | None) -> bool:
        """Whether what a cable negotiated at ``at`` is still evidence."""
        if at is None:
            return False
        if self.now - at <= self.policy.port_max_school_hours * 3_600:
            return True  # no more hours of lessons have gone by than hours
        if self._ports_valid_from is None:
            self._ports_valid_from = ports_valid_from(self.school, self.now, self.policy)
        return at >= self._ports_valid_from

    def is_fresh(self, at: float, gateway: str) -> bool:
        """Asked for nearly every record: the limit is worked out once a gateway."""
        limit = self._fresh_from.get(gateway)
        if limit is None:
            window_s = fresh_window_s(self.school, gateway, self.policy)
            limit = inf if window_s is None else fresh_from(window_s, self.now, self.school.away)
            self._fresh_from[gateway] = limit
        return at >= limit
