"""What one transaction is going to change. Nothing of it shows anywhere before it is committed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import structlog
from prometheus_client import Counter as Metric

from classready.report import Rejected
from collector.core.bureau.words import BureauEvent
from collector.core.events import Event, SchoolEffect, VerdictChanged
from collector.core.facts import is_news
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.step import Step, leave, step
from collector.engine.claims import Prints
from collector.engine.metrics import STEP_BUGS
from collector.roster import Roster
from collector.store.found import Sighting
from collector.store.history import BandwidthResult
from collector.store.ledgers import Ledger, Spool

BUG_PAUSE_S = 600.0
"""A school on which the core fails by time alone is tried again after this: each time costs a page of log."""
WAKE_MIN_S = 0.05

_log = structlog.get_logger()


class Draft:
    """Reads fall through to what is in force; writes stay here."""

    def __init__(
        self,
        schools: Mapping[str, School],
        waiting: Callable[[str], Sequence[Event]],
        policy: Policy,
        now: float,
    ) -> None:
        """``waiting`` says what a school must hear before anything else."""
        self._in_force = schools
        self._waiting = waiting
        self.policy = policy
        self.now = now
        self.before: dict[str, School] = {}
        self.with_facts: set[str] = set()
        """Schools of which more than dates and counters differs from what is in force."""
        self.schools: dict[str, School] = {}
        self.wake_at: dict[str, float | None] = {}
        self.caught_up: set[str] = set()
        self.gone: AbstractSet[str] = set()
        """Schools that leave the roster: their rows say how they were."""
        self.born: tuple[float, float] | None = None
        """(now, end of the life before): the collector begins to live with it."""
        self.applied: tuple[Roster, bool] | None = None
        """The roster that comes into force with it, and whether the policy is another one."""
        self.news: list[BureauEvent] = []
        """For the bureau."""
        self.transitions: list[VerdictChanged] = []
        self.ledgers: dict[Spool, tuple[Ledger | None, Ledger]] = {}
        self.refused_before: dict[Spool, dict[int, str]] = {}
        self.refusals: list[tuple[Spool, Rejected]] = []
        self.given_up: list[tuple[str, str, int]] = []
        """(gateway, what, how many) of what a gateway has too much of."""
        self.bandwidth_results: list[BandwidthResult] = []
        self.found: list[Sighting] = []
        self.prints = Prints()
        self.tally: Counter[Metric] = Counter()
        self.delays_s: list[float] = []

    def school(self, name: str) -> School:
        return self.schools.get(name) or self._in_force[name]

    @property
    def changed(self) -> dict[str, School]:
        """The schools that show something new once this is true."""
        return {
            name: school
            for name, school in self.schools.items()
            if school is not self.before[name] or name in self.caught_up
        }

    @property
    def changed_ledgers(self) -> dict[Spool, tuple[Ledger | None, Ledger]]:
        return {spool: (was, now) for spool, (was, now) in self.ledgers.items() if now != (was or Ledger())}

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to write besides states."""
        rows = (self.news, self.transitions, self.bandwidth_results, self.found, self.applied)
        return any(rows) or bool(self.changed_ledgers)

    def feed(self, told: Mapping[str, Sequence[Event]]) -> bool:
        """Put to each school what it is told, or to none of them if the core fails on one: then say False.

        No events = time has passed.
        """
        for name in told:
            self.catch_up(name)
        try:
            steps = {name: step(self.school(name), events, self.now, self.policy) for name, events in told.items()}
        except Exception:  # noqa: BLE001 - a bug on one event must not stop the others
            kinds = sorted({type(event).__name__ for events in told.values() for event in events})
            _log.exception("step_failed", schools=list(told)[:3], events=kinds)
            return False
        for name, made in steps.items():
            self._take(name, made)
        return True

    def pass_time(self, name: str) -> None:
        """Let time pass for a school; where the core fails on it, its state stays as it is."""
        if not self.feed({name: ()}):
            self.tally[STEP_BUGS] += 1
            self._take(name, Step(self.school(name), (), self.now + BUG_PAUSE_S))

    def touch(self, name: str) -> None:
        """Nothing happens to the school but that it may be stored."""
        self.schools[name] = self.before[name] = self._in_force[name]

    def leave(self, name: str) -> None:
        """The school is no longer in the roster."""
        self.catch_up(name)
        self._take(name, leave(self.school(name), self.now))

    def catch_up(self, name: str) -> None:
        """Tell the school what waits for it: together, or one by one where the core fails."""
        waiting = self._waiting(name)
        if not waiting or name in self.caught_up:
            return
        self.caught_up.add(name)
        if self.feed({name: waiting}):
            return
        for event in waiting:
            self.tally[STEP_BUGS] += not self.feed({name: [event]})

    def _take(self, name: str, made: Step) -> None:
        before = self.before.setdefault(name, self._in_force[name])
        self.schools[name] = made.school
        # asked now, while the step's objects are in the caches: at the end of a batch it takes twice as long
        if is_news(before.state, made.school.state):
            self.with_facts.add(name)
        else:
            self.with_facts.discard(name)
        # a step that wants to be woken at once would be woken for ever
        self.wake_at[name] = None if made.wake_at is None else max(made.wake_at, self.now + WAKE_MIN_S)
        self._collect(made.effects)

    def _collect(self, effects: Iterable[SchoolEffect]) -> None:
        for effect in effects:
            if isinstance(effect, VerdictChanged):
                self.transitions.append(effect)
            else:
                self.news.append(effect)
