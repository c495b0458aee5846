"""The desk of everybody: the faults of platforms that every office misses, each an incident over all of them.

It is told once that it began and once that it is over. What an office was told before goes on as that incident; what a
school still misses afterwards goes back to its office, and is told there as its own.
"""

from msgspec.structs import replace

from collector.core.bureau import incidents, platforms
from collector.core.bureau.desk import OpenDesk
from collector.core.bureau.words import Incident
from collector.core.events import AlertChange


class Everywhere(OpenDesk):
    """Its hours are those of the largest office."""

    def begin(self, platform: str, first: Incident, office_count: int) -> None:
        """Make ``first`` the incident of everybody; what other offices have of it is handed over to it."""
        policy, now = self._policy, self._now
        # where others miss it, too, nothing is gained by waiting; of one office it is better known when all have looked
        waits_s, holds_s = (policy.group_wait_s, 0.0) if office_count > 1 else (policy.spread_wait_s,) * 2
        due_at = min(now + waits_s, now + waits_s if first.due_at is None else first.due_at)
        self._incidents[first.id] = replace(
            first, scope="bureau", office=platforms.EVERYBODY, platform=platform, due_at=due_at, fault_at=now + holds_s
        )
        self._at_fault.add(platform)

    def confirm(self, platform: str, office_count: int) -> None:
        """More of it is seen."""
        incident = self._of(platform)
        if incident is not None and incident.fault_at is not None and office_count > 1:
            self._incidents[incident.id] = replace(incident, fault_at=min(incident.fault_at, self._now))

    def is_at_fault(self, platform: str) -> bool:
        return self._of(platform) is not None

    def has(self, change: AlertChange) -> bool:
        """Whether a fault that is not over has this alert."""
        incident = self._of(change.subject.name)
        return incident is not None and incidents.holds(incident, change)

    def join(self, change: AlertChange) -> None:
        """Enter an alert that opened meanwhile: who is told of a fault is not told of each school."""
        if (incident := self._of(change.subject.name)) is not None:
            members = incidents.opened(incident.schools.get(change.school, ()), change)
            self._put(incident, change.school, members)

    def absorb(self, platform: str, other: Incident) -> None:
        """Take over what an office had of it."""
        if (incident := self._of(platform)) is None:
            return
        schools = dict(incident.schools)
        due_at = None if incident.due_at is None else min(incident.due_at, other.due_at or incident.due_at)
        taken, its = incidents.joined(incident, other, schools)
        self._own[incident.id] = schools
        self._keep(replace(taken, due_at=due_at, brought={**incident.brought, **other.brought, **its}))

    def forget_untold(self) -> None:
        """What ended before anybody was told of it is no fault any more."""
        self._at_fault.intersection_update(name for name, _ in platforms.faulty(self._incidents.values()))

    def look(self) -> list[AlertChange]:
        """See which faults are over; return what their offices must hear of by themselves."""
        left: list[AlertChange] = []
        for platform in tuple(self._at_fault):
            if (incident := self._of(platform)) is None:
                continue
            over_at = None if platforms.lasts(incident) else incident.over_at or self._now + self._policy.spread_wait_s
            if over_at != incident.over_at:
                self._incidents[incident.id] = replace(incident, over_at=over_at)
            if over_at is not None and over_at <= self._now:
                left += self._end(platform, self._incidents[incident.id])
        return left

    def _end(self, platform: str, incident: Incident) -> list[AlertChange]:
        held = [member for members in incident.schools.values() for member in members]
        left = [replace(m.alert, at=self._now) for m in held if m.is_open and m.ending is None]
        self._at_fault.discard(platform)
        # stored first: a school that has it back already changes nothing below
        self._incidents[incident.id] = replace(incident, platform=None, fault_at=None, over_at=None)
        for school, members in tuple(incident.schools.items()):
            self._put(self._incidents[incident.id], school, incidents.handed_back(members, self._now))
        if (over := self._incidents.get(incident.id)) is not None:
            self._incidents[incident.id] = replace(over, due_at=self._now)
        return left

    def _of(self, platform: str) -> Incident | None:
        return next((i for name, i in platforms.faulty(self._incidents.values()) if name == platform), None)
