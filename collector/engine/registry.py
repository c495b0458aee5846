"""What is in force: roster, policy and every school, with what the store holds of it. Changes only after a commit."""

from collections.abc import Iterable, Mapping
from math import floor
from types import MappingProxyType

from msgspec import Struct

from collector.core.bureau.root import Scope
from collector.core.events import Event
from collector.core.policy import Policy
from collector.core.state import School
from collector.engine.draft import Draft
from collector.engine.due import DueTimes
from collector.roster import Roster

SAVE_AFTER_S = 600.0
"""What only moved on (dates, counters) is stored after this: more often is wear, more seldom is lost in a crash."""


class Row(Struct):
    """A school beside its state. Revision 0 = never stored; ``dirty`` = dates and counters moved on since."""

    revision: int = 0
    saved_at: float = 0.0
    dirty: bool = False
    wake_at: float | None = None
    waiting: tuple[Event, ...] = ()
    """What the school must hear before anything else."""

    @property
    def save_at(self) -> float:
        """When what only moved on must be stored: in one transaction with all others of that second.

        A province has 33 of them a second; at their own moments they were as many transactions again as the reports.
        """
        return floor(self.saved_at + SAVE_AFTER_S)

    def due_at(self) -> float | None:
        """When to look at the school: time matters to it, or what moved on must be stored."""
        times = [self.wake_at] if self.wake_at is not None else []
        if self.dirty:
            times.append(self.save_at)
        return min(times, default=None)


class Registry:
    """The one owner of what is true now. Only ``accept`` and what the engine does under its lock change it."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.roster = Roster()
        self.scopes: Mapping[str, Scope] = {}
        """Of each office, with its census."""
        self.faults: frozenset[str] = frozenset()
        """Platforms that every school has heard, or is hearing, to be at fault themselves."""
        self.rows: dict[str, Row] = {}
        self.due = DueTimes()
        self._schools: dict[str, School] = {}

    @property
    def schools(self) -> Mapping[str, School]:
        return MappingProxyType(self._schools)

    def enter(self, name: str, school: School, row: Row) -> None:
        """Take in a school that the roster lists now."""
        self._schools[name] = school
        self.rows[name] = row

    def keep(self, names: Iterable[str]) -> None:
        """Have these schools in this order, and no others."""
        kept = {name: self._schools[name] for name in names}
        for name in self._schools.keys() - kept.keys():
            del self.rows[name]
            self.due.set(name, None)
        self._schools = kept

    def tell(self, name: str, event: Event, due_at: float | None = None) -> None:
        """Have ``name`` hear ``event`` before anything else: at ``due_at``, or when it is next looked at (None)."""
        row = self.rows[name]
        row.waiting = (*row.waiting, event)
        if due_at is not None:
            self.due.set(name, due_at)

    def accept(self, draft: Draft, saved: Iterable[str]) -> None:
        """What ``draft`` holds is durable: make it true. ``saved`` = the schools whose rows were written."""
        stored = set(saved)
        for name, school in draft.schools.items():
            row, before = self.rows[name], self._schools[name]
            if name in stored:
                row.revision, row.saved_at, row.dirty = row.revision + 1, draft.now, False
            elif school.state is not before.state:
                row.dirty = True
            if name in draft.caught_up:
                row.waiting = ()
            row.wake_at = draft.wake_at.get(name, row.wake_at)
            self._schools[name] = school
            self.due.set(name, row.due_at())
