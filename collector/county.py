"""Judge and bureau without store, clock and sockets: reports, acts and rosters in; verdicts, alerts and messages out.

For simulations and for whoever wants to know what classready would have said. Time is an argument, and everything that
the collector decides is decided here by the same code. See docs/county.md.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from classready.codec import decode_report
from classready.report import Ack
from collector.core.bureau.platforms import at_fault
from collector.core.bureau.step import step as bureau_step
from collector.core.bureau.words import Bureau, BureauEvent, Notice
from collector.core.events import AlertChange, VerdictChanged
from collector.core.state import School
from collector.engine.bureau import roster_news
from collector.engine.draft import Draft
from collector.engine.errors import UnknownGatewayError
from collector.engine.registry import Registry
from collector.engine.reports import apply_report, spool_of
from collector.engine.resuming import Remembered
from collector.engine.rostering import InForce, draft_farewell, put_in_force, tell_faults
from collector.notify.message import Message, render
from collector.store.ledgers import Ledger, Spool
from collector.store.states import Stored
from collector.text import Language, Names


class Told(NamedTuple):
    """A message as a chat gets it; ``notice`` is the same in codes and numbers."""

    at: float
    notice: Notice
    message: Message


class Outcome(Struct):
    """What came of it, in order."""

    verdicts: list[VerdictChanged] = []
    alerts: list[AlertChange] = []
    messages: list[Told] = []


class County:
    """Schools of a roster with their bureau. ``now`` is Unix seconds and must never fall from call to call."""

    def __init__(
        self, given: InForce, now: float, *, platforms: Mapping[str, str] | None = None, language: Language = "en"
    ) -> None:
        """``platforms``: id -> name, for messages."""
        self._registry = Registry(given.policy)
        self._left: dict[str, Stored] = {}
        """Schools that left: one that returns knows what it knew."""
        self._ledgers: dict[Spool, Ledger] = {}
        self._refused: dict[Spool, dict[int, str]] = {}
        self._bureau_due_at: float | None = None
        self._platforms = platforms or {}
        self._language: Language = language
        self.bureau = Bureau()
        self.change_roster(given, now)

    @property
    def schools(self) -> Mapping[str, School]:
        """Each with its present verdicts."""
        return self._registry.schools

    def report(self, gateway: str, body: bytes, now: float) -> tuple[Ack, Outcome]:
        """Take a report that ``gateway`` sent, received now; time passes until then.

        Raises:
            MalformedReport, UnknownGatewayError: as over HTTP.
        """
        decoded = decode_report(body)
        if (entry := self._registry.roster.gateways.get(gateway)) is None or decoded.report.gateway != gateway:
            raise UnknownGatewayError(gateway)
        outcome = self.pass_time(now)
        draft, spool = self._draft(now), spool_of(decoded)
        if (ledger := self._ledgers.get(spool)) is not None:
            draft.ledgers[spool] = (ledger, ledger)
        draft.refused_before[spool] = self._refused.setdefault(spool, {})
        ack = apply_report(draft, decoded, entry.schools, now)
        self._ledgers[spool] = draft.ledgers[spool][1]
        self._accept(draft, outcome)
        return ack, outcome

    def change_roster(self, given: InForce, now: float) -> Outcome:
        """Judge by another roster, calendar or policy from now on."""
        outcome, roster = self.pass_time(now), given.roster
        draft = self._draft(now)
        gone = draft_farewell(draft, self._registry, given)
        draft.news += roster_news(self._registry.roster, roster, self.bureau.holders)
        self._accept(draft, outcome)
        self._left.update({name: Stored(1, self.schools[name].state, now) for name in gone})
        news = [
            name
            for name, entry in roster.schools.items()
            if (was := self.schools.get(name)) is None or was.roster != entry or was.hours != given.hours[name]
        ]
        memory = Remembered(schools=self._left, heard_at={}, lives=[(0.0, now)], read_at=now, were_unlisted=True)
        put_in_force(self._registry, given, news, memory, self.bureau.holders)
        self._bureau_due_at = now
        self._pass(now, outcome)
        return outcome

    def act(self, event: BureauEvent, now: float) -> Outcome:
        """Hand something to the bureau that no school tells: what a person did."""
        outcome = self.pass_time(now)
        self._tell_bureau([event], now, outcome)
        return outcome

    def pass_time(self, now: float) -> Outcome:
        """Do everything that falls due until ``now``, each at its own moment."""
        outcome = Outcome()
        while (at := self._next_at()) is not None and at <= now:
            self._pass(at, outcome)
        return outcome

    def _next_at(self) -> float | None:
        times = [at for at in (self._registry.due.next_at(), self._bureau_due_at) if at is not None]
        return min(times, default=None)

    def _pass(self, now: float, outcome: Outcome) -> None:
        draft = self._draft(now)
        while (name := self._registry.due.take(now)) is not None:
            if self._registry.rows[name].waiting:
                draft.catch_up(name)
            else:
                draft.pass_time(name)
        self._accept(draft, outcome)
        if self._bureau_due_at is not None and self._bureau_due_at <= now:
            self._tell_bureau([], now, outcome)

    def _draft(self, now: float) -> Draft:
        registry = self._registry
        return Draft(registry.schools, lambda name: registry.rows[name].waiting, registry.policy, now)

    def _accept(self, draft: Draft, outcome: Outcome) -> None:
        self._registry.accept(draft, saved=draft.schools)
        outcome.verdicts += draft.transitions
        outcome.alerts += [event for event in draft.news if isinstance(event, AlertChange)]
        if draft.news:
            self._tell_bureau(draft.news, draft.now, outcome)

    def _tell_bureau(self, events: list[BureauEvent], now: float, outcome: Outcome) -> None:
        made = bureau_step(self.bureau, events, now, self._registry.policy, self._registry.scopes)
        self.bureau, self._bureau_due_at = made.bureau, made.wake_at
        before, self._registry.faults = self._registry.faults, at_fault(self.bureau, now)
        tell_faults(self._registry, self.schools, before, self._registry.faults, now)
        notices = [effect for effect in made.effects if isinstance(effect, Notice)]
        outcome.messages += [Told(now, notice, render(notice, self._language, self._names())) for notice in notices]

    def _names(self) -> Names:
        roster = self._registry.roster
        return Names(
            offices=roster.offices,
            platforms=self._platforms,
            classroom_name=roster.classroom_name,
            is_rural_weak=roster.is_rural_weak,
        )
