"""One step's working copy of a desk: what it touches is copied once, however many events touch it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from collector.core.bureau import (
    acks,
    checkup,
    counting,
    digest,
    escalation,
    flapping,
    groups,
    incidents,
    moves,
    pace,
    platforms,
)
from collector.core.bureau.incidents import Members
from collector.core.bureau.morning import next_morning
from collector.core.bureau.noteworthy import without
from collector.core.bureau.rest import awake_at, may_be_told_at
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledged, BureauEffect, Desk, Incident, IncidentChanged, Notice, Since
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.core.policy import Policy
from collector.core.words import Cause

_CENSUS: Final = "census"
"""In the place of an incident's number: what no incident tells of."""


class OpenDesk:
    """``effects``: what began and what ended while this was folded or told."""

    def __init__(  # noqa: PLR0913, PLR0917
        self, office: str, desk: Desk, now: float, policy: Policy, scope: Scope, at_fault: set[str]
    ) -> None:
        """``at_fault``: the platforms whose own fault is everybody's; it grows and shrinks while this is open."""
        self._at_fault = at_fault
        self._office, self._now, self._policy, self._scope = office, now, policy, scope
        self._incidents = dict(desk.incidents)
        self._own: dict[str, dict[str, Members]] = {}
        self._moves = desk.moves
        self._sent_at, self._followed_at = desk.sent_at, desk.followed_at
        self._openings = flapping.Openings(desk.openings, now, policy)
        self._since_digest = desk.since_digest
        self._morning = desk.morning if desk.morning or not scope.take_census else counting.begun(now)
        self.effects: list[BureauEffect] = []

    def closed(self) -> Desk:
        """Return the desk as it is now."""
        desk = Desk(
            incidents=self._incidents,
            moves=self._moves,
            sent_at=self._sent_at,
            followed_at=self._followed_at,
            openings=self._openings.kept(),
            since_digest=self._since_digest,
            morning=self._morning,
        )
        return replace(desk, next_at=self._next_at())

    # --- members -----------------------------------------------------------------------------------------------------

    def holds(self, school: str) -> bool:
        """Whether an alert of ``school`` is open here."""
        return any(member.is_open for i in self._incidents.values() for member in i.schools.get(school, ()))

    def open_alerts(self, school: str) -> list[AlertChange]:
        members = [member for i in self._incidents.values() for member in i.schools.get(school, ())]
        return [member.alert for member in members if member.is_open and member.ending is None]

    def take(self, change: AlertChange, number: int) -> bool:
        """Enter an opened alert; say whether that made the incident ``number``."""
        held = next((i for i in self._incidents.values() if incidents.holds(i, change)), None)
        if held is None or not incidents.is_open(held.schools[change.school], change):
            change = replace(change, flapping=self._openings.note(change))
        home = held or groups.home_of(change, self._incidents.values(), self._policy)
        incident = home or incidents.founded(number, change, self._now)
        self._put(incident, change.school, incidents.opened(incident.schools.get(change.school, ()), change))
        if home is None:
            self.effects.append(IncidentChanged("opened", self._incidents[incident.id], self._now))
        return home is None

    def drop(self, change: AlertChange) -> None:
        """Enter a closed alert; about one that is not open here it says nothing."""
        if change.why == "withdrawn":
            self._openings.forget(change)
        for incident in tuple(self._incidents.values()):
            if incidents.holds(incident, change):
                self._put(incident, change.school, incidents.closed(incident.schools[change.school], change))

    def edit(self, school: str, change: Callable[[Members], Members]) -> None:
        """Put every member of ``school`` through ``change``."""
        for incident in tuple(self._incidents.values()):
            if school in incident.schools:
                self._put(incident, school, change(incident.schools[school]))

    def acknowledge(self, event: Acknowledged) -> None:
        """One that is over by now, nobody needs to be on."""
        if (incident := self._incidents.get(event.incident)) is not None:
            self._incidents[event.incident] = acks.acknowledged(incident, event)

    def _put(self, incident: Incident, school: str, members: Members) -> None:
        if members is incident.schools.get(school):
            return
        if (schools := self._own.get(incident.id)) is None:
            schools = self._own[incident.id] = dict(incident.schools)
        incident = incidents.put(incident, schools, school, members)
        if incident.ends_at is not None or any(member.ending for member in members):
            incident = replace(incident, ends_at=incidents.ends_at(schools, self._policy))
        self._keep(replace(incident, due_at=self._due_at(incident, begins=incidents.begins(members))))

    def _due_at(self, incident: Incident, *, begins: bool) -> float | None:
        """When its news may go: the first of them waits for others, and none of them puts it off."""
        if not incident.tally.news_count:
            return None
        if incident.scope == "bureau":
            return incident.due_at
        due_at = incidents.news_due_at(incident, self._now, self._policy, self._scope, begins=begins)
        return due_at if incident.due_at is None else min(due_at, incident.due_at)

    def _keep(self, incident: Incident) -> None:
        """Hold ``incident``, or let it go if nobody belongs to it and nobody waits for its end."""
        if incident.schools:
            self._incidents[incident.id] = incident
            return
        self._incidents.pop(incident.id, None)
        self._own.pop(incident.id, None)
        self.effects.append(IncidentChanged("closed", incident, self._now))

    # --- what everybody misses ---------------------------------------------------------------------------------------

    def has_home(self, change: AlertChange) -> bool:
        """Whether an incident here has this alert, or would take it."""
        return groups.home_of(change, self._incidents.values(), self._policy) is not None

    def release(self, number: str) -> Incident:
        """Give away an incident that goes on elsewhere."""
        self._own.pop(number, None)
        return self._incidents.pop(number)

    def hand_over(self) -> list[tuple[str, Incident]]:
        """Give away, each with its platform, what turned out to be everybody's: it ends here."""
        given = [incident for incident in self._incidents.values() if self._is_everybodys(incident)]
        for incident in given:
            self._keep(replace(incident, schools={}))
        return [(platform, incident) for incident in given if (platform := platforms.about(incident)) is not None]

    def _is_everybodys(self, incident: Incident) -> bool:
        return incident.scope != "bureau" and platforms.about(incident) in self._at_fault

    # --- moves -------------------------------------------------------------------------------------------------------

    def add_moves(self, added: tuple[DeviceMoved, ...]) -> None:
        self._moves += tuple(move for move in added if move not in self._moves)

    def take_moves(self, school: str) -> tuple[DeviceMoved, ...]:
        """Take away the moves of ``school`` that were not told of."""
        taken = tuple(move for move in self._moves if move.school == school)
        self._moves = tuple(move for move in self._moves if move.school != school)
        return taken

    def recall(self, event: Meanwhile) -> None:
        """Keep for the digest what came and went while a gateway was cut off."""
        self._since_digest = digest.recalled(self._since_digest, event)

    # --- time --------------------------------------------------------------------------------------------------------

    def forget_the_future(self) -> None:
        """The clock was ahead when this was written: what it put off for long is due as if it had just happened."""
        now = self._now
        self._sent_at = tuple(at for at in self._sent_at if at <= now)
        self._followed_at = None if self._followed_at is None else min(self._followed_at, now)
        self._moves = tuple(replace(move, at=min(move.at, now)) for move in self._moves)
        self._morning = self._morning and counting.not_ahead(self._morning, now)
        for name, incident in self._incidents.items():
            begins = any(map(incidents.begins, incident.schools.values()))
            latest = incidents.news_due_at(incident, now, self._policy, self._scope, begins=begins)
            due_at = None if incident.due_at is None else min(incident.due_at, latest)
            told_at = None if incident.notified_at is None else min(incident.notified_at, now)
            ends_at = incident.ends_at and incidents.ends_at(incident.schools, self._policy)
            ends_at = ends_at and min(ends_at, now + self._policy.flapping_quiet_s)
            fault_at = incident.fault_at and min(incident.fault_at, now + self._policy.spread_wait_s)
            over_at = incident.over_at and min(incident.over_at, now + self._policy.spread_wait_s)
            self._incidents[name] = replace(
                incident, due_at=due_at, notified_at=told_at, ends_at=ends_at, fault_at=fault_at, over_at=over_at
            )

    def settle(self) -> set[str]:
        """Let what came and went be over where it was well for long enough; return the schools concerned."""
        concerned = set[str]()
        for incident in tuple(self._incidents.values()):
            if incident.ends_at is not None and incident.ends_at <= self._now:
                for school, members in incident.schools.items():
                    after = incidents.ended(members, self._now, self._policy)
                    if after is not members:
                        concerned.add(school)
                        self._put(self._incidents[incident.id], school, after)
        return concerned

    def escalate(self) -> list[BureauEffect]:
        """Tell others of what nobody takes. They are no part of the office, so its limit is not asked."""
        notices: list[BureauEffect] = []
        for incident in tuple(self._incidents.values()):
            at = escalation.due_at(incident, self._scope, self._policy)
            if at is not None and at <= self._now:
                after, notice = escalation.escalate(incident, self._now, self._scope)
                self._keep(after)
                notices.append(notice)
        return notices

    def check_up(self) -> list[BureauEffect]:
        """Tell what the schools are ready for, once before each term: at a set time, whatever else there is to say."""
        at, term = self._check_up_at(), self._scope.hours.checkup
        if at is None or at > self._now or term is None or self._scope.survey is None or self._morning is None:
            return []
        self._morning = replace(self._morning, checked_up=term.term)
        self._sent_at = pace.noted(self._sent_at, self._now, self._policy)
        return [checkup.tell(self._office, term.term, self._scope.survey(self._now), self._now)]

    def _check_up_at(self) -> float | None:
        return checkup.due_at(self._morning, self._scope, self._now, self._policy)

    def count(self) -> None:
        """Take the census, if it is time: of what is silent there, what incidents tell of is left out."""
        at = self._census_at()
        if at is None or at > self._now or self._morning is None or self._scope.take_census is None:
            return
        alerts = (m.alert for i in self._incidents.values() for members in i.schools.values() for m in members)
        told = [alert.subject.gateway for alert in alerts if alert.cause is Cause.GATEWAY_SILENT]
        found = without(self._scope.take_census(self._now), "silent", told)
        self._morning = counting.taken(self._morning, found, self._since_digest, at, self._now)

    def _census_at(self) -> float | None:
        if self._morning is None or self._scope.take_census is None:
            return None
        return counting.due_at(self._morning, self._scope.hours, self._now, self._policy)

    def speak(self) -> list[BureauEffect]:
        """Tell what is due, the longest waiting first, as far as the limit allows."""
        self.effects = []
        while names := self._next_message():
            self._sent_at = pace.noted(self._sent_at, self._now, self._policy)
            if not any(map(self._begins, names)):
                self._followed_at = self._now
            # what is due may turn out to be one with what was just told
            is_digest = all(map(self._is_of_the_morning, names))
            told = [self._tell(n) for n in names if n != _CENSUS and self._has_to_say(n)]
            self.effects.append(self._digest(told) if is_digest else self._message(told))
        return self.effects

    def _message(self, told: Sequence[Notice]) -> Notice:
        notice = pace.together(told)
        self._since_digest = digest.counted(self._since_digest, notice, self._incidents)
        return notice

    def _digest(self, told: Sequence[Notice]) -> Notice:
        """All that the morning has to say. What it says itself is not counted for the next one."""
        groups = self._morning.groups if self._morning else ()
        notice = digest.digest(self._office, self._now, told, self._since_digest, groups)
        self._since_digest = Since()
        self._morning = self._morning and counting.told(self._morning, self._now)
        return notice

    def _is_of_the_morning(self, name: str) -> bool:
        """Where no school days are known there is no morning, and each reminder goes by itself."""
        if name == _CENSUS:
            return True
        return bool(name and self._scope.hours.midnights) and digest.is_of_the_morning(self._incidents[name])

    def _next_message(self) -> list[str]:
        """What goes next: the digest, or all other that is due, and with it what would soon be another message."""
        due = self._due_by(self._now)
        first = next((name for name in due if self._may_go_at(name) <= self._now), None)
        if first is None or self._awake_at(self._now) > self._now:
            return []
        if self._is_of_the_morning(first):
            return [name for name in due if self._is_of_the_morning(name)]
        return [name for name in self._due_by(self._latest) if self._goes_along(name)]

    @property
    def _latest(self) -> float:
        """What is due later never goes along."""
        return self._now + max(self._policy.spread_wait_s, pace.COMPANY_WAITS * self._policy.group_wait_s)

    def _goes_along(self, name: str) -> bool:
        """What is due within a minute; and where all is over no more will come that it could wait for."""
        at = self._time_of(name)
        is_soon = at is not None and at <= self._now + pace.COMPANY_WAITS * self._policy.group_wait_s
        is_over = name in self._incidents and not self._incidents[name].tally.open_count
        return (is_soon or is_over) and not self._is_of_the_morning(name)

    def _has_to_say(self, name: str) -> bool:
        at = self._time_of(name)
        return at is not None and at <= self._latest

    def _begins(self, name: str) -> bool:
        return name in self._incidents and self._incidents[name].notified_at is None

    def _may_go_at(self, name: str) -> float:
        if self._begins(name):
            return self._awake_at(pace.free_at(self._sent_at, self._policy))
        return self._awake_at(pace.free_of_beginnings_at(self._sent_at, self._followed_at, self._policy))

    def _awake_at(self, at: float) -> float:
        return awake_at(at, self._scope.hours, self._policy)

    def _tell(self, name: str) -> Notice:
        """Tell one incident, or the moves."""
        if not name:
            notice = moves.tell(self._office, self._moves, self._now)
            self._moves = ()
            return notice
        name, brought = self._joined(name)
        after, notice = incidents.tell(self._incidents[name], self._now, self._scope, brought)
        self._keep(after)
        return notice

    def _joined(self, name: str) -> tuple[str, Mapping[str, Mapping[str, int]]]:
        """Make one of all incidents that turn out to have one root now that something new is to be told.

        Return which goes on, and what those brought that the office was told of by themselves, by school.
        """
        incident, brought = self._incidents[name], dict[str, Mapping[str, int]]()
        if incident.scope == "bureau":
            self._keep(replace(incident, brought={}))
            return name, incident.brought
        if not incidents.has_begun(incident):
            return name, brought
        found = groups.same_root(incident, self._incidents.values(), self._scope, self._policy)
        if len(found) < 2:
            return name, brought
        # the one that the office knows longest goes on: its number stands in the chat
        first, *others = sorted(found, key=lambda each: (each.notified_at is None, each.id))
        whole, schools = replace(first, scope=groups.joined_scope(found, self._scope)), dict(first.schools)
        for other in others:
            whole, its = incidents.joined(whole, other, schools)
            brought.update(its)
            self._keep(replace(other, schools={}))
        self._own[first.id] = schools
        self._keep(whole)
        return first.id, brought

    def _due_by(self, latest: float) -> list[str]:
        """Longest waiting first."""
        return [name for at, name in sorted(self._times()) if at <= latest]

    def _times(self) -> Iterator[tuple[float, str]]:
        """When which incident (the moves: no name; the census: one that no incident has) wants to be told."""
        times = ((self._time_of(name), name) for name in (*self._incidents, "", _CENSUS))
        return ((at, name) for at, name in times if at is not None)

    def _time_of(self, name: str) -> float | None:
        if name == _CENSUS:
            wanted_at = None if self._morning is None else self._morning.wanted_at
            return None if wanted_at is None else next_morning(self._scope.hours, wanted_at, self._now, self._policy)
        if name:
            incident = self._incidents.get(name)
            return None if incident is None else incidents.due_at(incident, self._now, self._policy, self._scope)
        at = moves.due_at(self._moves, self._policy)
        return None if at is None else may_be_told_at(None, at, self._scope.hours, self._policy)

    def _next_at(self) -> float | None:
        night_ends_at = self._awake_at(self._now)
        floor = [night_ends_at] if night_ends_at > self._now else []
        ends = [incident.ends_at for incident in self._incidents.values() if incident.ends_at is not None]
        for incident in self._incidents.values():
            ends += [at for at in (incident.fault_at, incident.over_at) if at is not None and at > self._now]
        if self._at_fault and any(self._is_everybodys(incident) for incident in self._incidents.values()):
            return self._now
        untaken = (escalation.due_at(i, self._scope, self._policy) for i in self._incidents.values())
        ends += [at for at in (*untaken, self._census_at(), self._check_up_at()) if at is not None]
        return min([*ends, *(max([at, self._may_go_at(name), *floor]) for at, name in self._times())], default=None)
