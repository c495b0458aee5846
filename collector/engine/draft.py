"""What one transaction is going to change. Nothing of it shows anywhere before it is committed."""

from collections import Counter
from collections.abc import Iterable, Mapping

import structlog
from prometheus_client import Counter as Metric

from classready.report import Rejected
from collector.core.bureau.words import BureauEvent
from collector.core.policy import Policy
from collector.core.state import (
    Event,
    School,
    SchoolEffect,
    VerdictChanged,
)
from collector.core.step import Step, leave, step
from collector.engine.metrics import STEP_BUGS
from collector.store.history import BandwidthResult
from collector.store.ledgers import Ledger, Spool

_log = structlog.get_logger()


class Draft:
    """Reads fall through to what is in force; writes stay here."""

    def __init__(self, schools: Mapping[str, School], policy: Policy, now: float) -> None:
        self._in_force = schools
        self.policy = policy
        self.now = now
        self.schools: dict[str, School] = {}
        self.news: list[BureauEvent] = []
        """For the bureau."""
        self.transitions: list[VerdictChanged] = []
        self.ledgers: dict[Spool, tuple[Ledger | None, Ledger]] = {}
        self.refused_before: dict[Spool, dict[int, str]] = {}
        self.refusals: list[tuple[Spool, Rejected]] = []
        self.bandwidth_results: list[BandwidthResult] = []
        self.tally: Counter[Metric] = Counter()
        self.delays_s: list[float] = []

    def school(self, school: str) -> School:
        return self.schools.get(school) or self._in_force[school]

    def feed(self, schools: Iterable[str], event: Event) -> bool:
        """Put ``event`` to each of ``schools``, or to none of them if the core fails on one: then say False."""
        try:
            steps = [(name, step(self.school(name), [event], self.now, self.policy)) for name in schools]
        except Exception:  # noqa: BLE001 - a bug on one event must not stop the others
            _log.exception("step_failed", event_kind=type(event).__name__)
            self.tally[STEP_BUGS] += 1
            return False
        for name, made in steps:
            self._take(name, made)
        return True

    def leave(self, name: str) -> None:
        """The school is no longer in the roster, or was not until now: nobody knows of what was told of it."""
        self._take(name, leave(self.school(name), self.now))

    def _take(self, name: str, made: Step) -> None:
        if made.school is not self.school(name):
            self.schools[name] = made.school
        self._collect(made.effects)

    def _collect(self, effects: Iterable[SchoolEffect]) -> None:
        for effect in effects:
            if isinstance(effect, VerdictChanged):
                self.transitions.append(effect)
            else:
                self.news.append(effect)
