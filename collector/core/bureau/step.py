"""The bureau's step: it alone decides messages.

Suppress creation, not resolution; wait a little so that what belongs together is told together; never more than a few
messages per office in a window. What was told is told to be over, once.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from collector.core.bureau import incidents, platforms
from collector.core.bureau.desk import OpenDesk
from collector.core.bureau.everywhere import Everywhere
from collector.core.bureau.platforms import EVERYBODY
from collector.core.bureau.root import Scope
from collector.core.bureau.words import (
    Acknowledged,
    Bureau,
    BureauEffect,
    BureauEvent,
    Desk,
    Incident,
    SchoolChanged,
    SchoolGone,
)
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.core.policy import Policy
from collector.core.words import Cause

OFFICES_PER_STEP = 4
"""So many offices are told in one step; if more are due, ``wake_at`` is not later than now. A province whose line fails
has something to say to each of its offices at the same moment, and reports must not wait until all are written."""


class Step(NamedTuple):
    """The bureau afterwards, what it decided, and when time alone can next change anything (None = never)."""

    bureau: Bureau
    effects: tuple[BureauEffect, ...]
    wake_at: float | None


def step(
    bureau: Bureau,
    events: Sequence[BureauEvent],
    now: float,
    policy: Policy,
    scopes: Mapping[str, Scope] = MappingProxyType({}),
) -> Step:
    """Fold what came, and say what is due; no events = time has passed. ``scopes``: of the offices, by the roster.

    Whatever comes twice counts once, and the end of something that never began is nothing.
    """
    draft = _Draft(bureau, now, policy, scopes)
    for office, scope in scopes.items():
        if scope.take_census is not None:
            draft.seat(office)
    if now < bureau.as_of or policy != bureau.policy:
        draft.look_everywhere()
    for event in events:
        draft.fold(event)
    return draft.told()


def resume(found: Iterable[Incident], desks: Mapping[str, Desk], incident_count: int) -> Bureau:
    """Put a bureau together again from its parts; its first step then looks at every desk once."""
    by_office = {office: dict(desk.incidents) for office, desk in desks.items()}
    holders: dict[str, str] = {}
    for incident in found:
        by_office.setdefault(incident.office, {})[incident.id] = incidents.recounted(incident)
        for school, members in incident.schools.items():
            if open_ := [member for member in members if member.is_open]:
                holders[school] = incident.office or open_[0].alert.office
    whole = {office: replace(desks.get(office, Desk()), incidents=open_) for office, open_ in by_office.items()}
    return Bureau(desks=whole, holders=holders, incident_count=incident_count)


class _Draft:
    def __init__(self, bureau: Bureau, now: float, policy: Policy, scopes: Mapping[str, Scope]) -> None:
        self._bureau, self._now, self._policy, self._scopes = bureau, now, policy, scopes
        self._open: dict[str, OpenDesk] = {}
        self._holders = bureau.holders
        self._own_holders: dict[str, str] | None = None
        self._incident_count = bureau.incident_count
        everybodys = bureau.desks.get(EVERYBODY, Desk()).incidents.values()
        self._at_fault = {platform for platform, _ in platforms.faulty(everybodys)}
        self._missed: dict[str, float] = {}
        """Platforms of which an alert opened -> since when the newest of them is missed."""

    def _desk(self, office: str) -> OpenDesk:
        if office == EVERYBODY:
            return self._everywhere()
        if office not in self._open:
            desk = self._bureau.desks.get(office, Desk())
            scope = self._scopes.get(office, Scope())
            self._open[office] = OpenDesk(office, desk, self._now, self._policy, scope, self._at_fault)
        return self._open[office]

    def _everywhere(self) -> Everywhere:
        desk = self._open.get(EVERYBODY)
        if not isinstance(desk, Everywhere):
            stored, scope = self._bureau.desks.get(EVERYBODY, Desk()), platforms.whole(self._scopes)
            desk = Everywhere(EVERYBODY, stored, self._now, self._policy, scope, self._at_fault)
            self._open[EVERYBODY] = desk
        return desk

    def _offices_of(self, office: str) -> list[str]:
        """Where alerts of its schools may be."""
        has_more = EVERYBODY in self._open or self._bureau.desks.get(EVERYBODY, Desk()).incidents
        return [office, EVERYBODY] if has_more else [office]

    def seat(self, office: str) -> None:
        """Have a desk at which the schools of ``office`` are counted, were there never an alert in it."""
        if (desk := self._bureau.desks.get(office)) is None or desk.morning is None:
            self._desk(office)

    def fold(self, event: BureauEvent) -> None:
        match event:
            case AlertChange(change="opened"):
                self._opened(event)
            case AlertChange():
                self._closed(event)
            case DeviceMoved():
                self._desk(event.office).add_moves((event,))
            case Meanwhile():
                self._desk(event.office).recall(event)
            case SchoolChanged():
                self._settle_in(event.school, event.office, event.name)
            case SchoolGone():
                self._gone(event.school)
            case Acknowledged():
                self._acknowledged(event)

    def _opened(self, change: AlertChange) -> None:
        if self._holders.get(change.school, change.office) != change.office:
            self._settle_in(change.school, change.office, change.school_name)
        self._hold(change.school, change.office)
        platform = change.subject.name
        if change.cause is Cause.PLATFORM_UNREACHABLE:
            self._missed[platform] = change.at if change.since is None else change.since
            if platform in self._at_fault and self._is_everybodys(change):
                self._everywhere().join(change)
                return
        self._incident_count += self._desk(change.office).take(change, self._incident_count + 1)

    def _is_everybodys(self, change: AlertChange) -> bool:
        if not self._everywhere().is_at_fault(change.subject.name):
            return False  # what was never told may have ended in this very step
        return self._everywhere().has(change) or not self._desk(change.office).has_home(change)

    def _closed(self, change: AlertChange) -> None:
        """Wherever it is: the school may have changed its office since the alert opened."""
        if (office := self._holders.get(change.school)) is not None:
            for desk in map(self._desk, self._offices_of(office)):
                desk.drop(change)
            self._hold_as_found(change.school, office)

    def _hold_as_found(self, school: str, office: str) -> None:
        found = any(self._desk(desk).holds(school) for desk in self._offices_of(office))
        self._hold(school, office if found else None)

    def _settle_in(self, school: str, office: str, name: str) -> None:
        """Rename the school; if it comes from another office, that one is told that it moved away, this one has it."""
        self._take_moves(school, office, name)
        before = self._holders.get(school)
        if before is None:
            return
        if before != office:
            alerts = self._desk(before).open_alerts(school)
            self._withdraw(before, school, office)
            for alert in alerts:
                self._opened(replace(alert, office=office, school_name=name))
        self._desk(office).edit(school, partial(incidents.renamed, name=name))
        if EVERYBODY in self._offices_of(office):
            self._everywhere().edit(school, partial(incidents.listed, office=office, name=name))
            self._hold_as_found(school, office)

    def _gone(self, school: str) -> None:
        self._take_moves(school, None, "")
        if (office := self._holders.get(school)) is not None:
            for desk in self._offices_of(office):
                self._desk(desk).edit(school, partial(incidents.withdrawn, office=office, now=self._now))
            self._hold(school, None)

    def _acknowledged(self, event: Acknowledged) -> None:
        stored = [office for office, desk in self._bureau.desks.items() if event.incident in desk.incidents]
        for office in stored or list(self._open):
            self._desk(office).acknowledge(event)

    def _withdraw(self, office: str, school: str, goes_to: str) -> None:
        self._desk(office).edit(school, partial(incidents.withdrawn, office=goes_to, now=self._now))
        self._hold(school, None)

    def _take_moves(self, school: str, office: str | None, name: str) -> None:
        """Have the moves of ``school`` that wait told to the office that it now belongs to, or to nobody."""
        waiting = [o for o, desk in self._bureau.desks.items() if desk.moves] + list(self._open)
        for found in dict.fromkeys(waiting):
            if found != office and (moves := self._desk(found).take_moves(school)) and office is not None:
                changed = tuple(replace(move, office=office, school_name=name) for move in moves)
                self._desk(office).add_moves(changed)

    def _hold(self, school: str, office: str | None) -> None:
        if self._holders.get(school) == office:
            return
        if self._own_holders is None:
            self._own_holders = dict(self._holders)
            self._holders = self._own_holders
        if office is None:
            del self._own_holders[school]
        else:
            self._own_holders[school] = office

    # --- what everybody misses ---------------------------------------------------------------------------------------

    def _weigh(self, platform: str, since: float) -> None:
        """See whether what schools miss is the platform's own fault; then it is one incident of everybody."""
        desks = {**self._bureau.desks, **{office: desk.closed() for office, desk in self._open.items()}}
        count = platforms.missing_count(platform, since, desks, self._scopes, self._policy)
        if platform in self._at_fault:
            self._everywhere().confirm(platform, count)
            return
        found = {
            (incident.notified_at is None, incident.id): office
            for office, desk in desks.items()
            for incident in desk.incidents.values()
            if count and incident.scope != "bureau" and platforms.about(incident) == platform
        }
        if found:
            # the one that some office knows longest goes on: its number stands in a chat
            first = min(found)
            self._everywhere().begin(platform, self._desk(found[first]).release(first[1]), count)
            for office in found.values():
                self._desk(office)  # it is due now

    def _look_at_faults(self) -> None:
        """What is over is over for everybody; a school that goes on to miss it is its office's again."""
        stored = self._bureau.desks.get(EVERYBODY, Desk())
        if not self._at_fault or not (EVERYBODY in self._open or _is_due(stored, self._now)):
            return
        held = {school for _, incident in platforms.faulty(stored.incidents.values()) for school in incident.schools}
        for alert in self._everywhere().look():
            self._opened(alert)
        for school in held:
            if (office := self._holders.get(school)) is not None:
                self._hold_as_found(school, office)

    def _gather(self, office: str) -> None:
        """Before an office is told anything: what everybody misses is not told by it."""
        for platform, incident in self._desk(office).hand_over():
            self._everywhere().absorb(platform, incident)

    def look_everywhere(self) -> None:
        """Nothing that was worked out about times holds any more."""
        for office in self._bureau.desks:
            self._desk(office).forget_the_future()

    def told(self) -> Step:
        """Let the offices that are due hear their news, and return everything."""
        if EVERYBODY in self._open:
            self._everywhere().forget_untold()
        for platform, since in self._missed.copy().items():
            self._weigh(platform, since)
        self._look_at_faults()
        effects = [effect for office in sorted(self._open) for effect in self._open[office].effects]
        desks = {**self._bureau.desks, **{office: desk.closed() for office, desk in self._open.items()}}
        # everybody last: nothing is said to all before every office has handed over what is part of it
        due = sorted((o == EVERYBODY, d.next_at, o) for o, d in desks.items() if _is_due(d, self._now))
        for _, _, office in due[:OFFICES_PER_STEP]:
            desk = self._desk(office)
            desk.effects = []
            self._gather(office)
            for school in desk.settle():
                self._hold_as_found(school, self._holders.get(school, office))
            desk.count()
            effects += [*desk.effects, *desk.escalate(), *desk.check_up(), *desk.speak()]
        desks |= {office: desk.closed() for office, desk in self._open.items()}
        bureau = Bureau(
            desks=desks,
            holders=self._holders,
            incident_count=self._incident_count,
            as_of=self._now,
            policy=self._policy,
        )
        times = [desk.next_at for desk in desks.values() if desk.next_at is not None]
        return Step(bureau, tuple(effects), min(times, default=None))


def _is_due(desk: Desk, now: float) -> bool:
    return desk.next_at is not None and desk.next_at <= now
