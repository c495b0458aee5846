"""The bureau told event by event, and what schools tell it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from collector.core.bureau.root import Scope
from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau as State
from collector.core.bureau.words import BureauEvent, Incident, IncidentChanged, Notice
from collector.core.events import AlertChange, DeviceMoved
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause

POLICY = Policy(group_wait_s=30)
UPLINK = Subject("uplink", "gw1")


def change(school: str = "s1", kind: str = "opened", cause: Cause = Cause.UPLINK_BELOW_REQUIRED, **fields: Any) -> Any:
    given = {"office": "511402", "school_name": school, "subject": UPLINK, "classrooms": ("r1", "r2"), "at": 0.0}
    return AlertChange(change=kind, school=school, cause=cause, **{**given, **fields})


class Bureau:
    def __init__(self, policy: Policy = POLICY, scopes: Mapping[str, Scope] = MappingProxyType({})) -> None:
        self.scopes = scopes
        self.state = State()
        self.policy = policy
        self.wake_at: float | None = None
        self.notices: list[Notice] = []
        self.history: list[IncidentChanged] = []

    def step(self, now: float, *changes: BureauEvent) -> list[Notice]:
        self.state, effects, self.wake_at = step(self.state, changes, now, self.policy, self.scopes)
        notices = [e for e in effects if isinstance(e, Notice)]
        self.notices += notices
        self.history += [e for e in effects if isinstance(e, IncidentChanged)]
        return notices

    def wait(self, now: float) -> list[Notice]:
        """Let time pass until ``now`` as the engine does: whenever the bureau said."""
        told = []
        while self.wake_at is not None and self.wake_at <= now:
            told += self.step(self.wake_at)
        return told

    @property
    def told(self) -> list[Notice]:
        """All that was told, each part of a message by itself."""
        return [part for notice in self.notices for part in notice.parts or (notice,)]

    @property
    def incidents(self) -> list[Incident]:
        return [incident for desk in self.state.desks.values() for incident in desk.incidents.values()]


def moved(room: str, office: str = "511402", at: float = 0.0) -> DeviceMoved:
    return DeviceMoved(
        office=office, school="s1", school_name="s1", classroom=room, before="sw1:1", after=f"sw2:{room}", at=at
    )
