"""The bureau at work: what schools tell waits in the store; here it becomes incidents and messages.

In transactions of its own, each of them bounded: a province whose lines fail at once must not keep reports waiting.
What is taken from the queue, the incidents and the messages are committed together, so whatever moment a kill comes,
everything is told and nothing twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.bureau import rectification
from collector.core.bureau.platforms import at_fault
from collector.core.bureau.root import Scope
from collector.core.bureau.routing import Route, routed
from collector.core.bureau.step import Step, step
from collector.core.bureau.words import (
    Bureau,
    BureauEvent,
    Incident,
    IncidentChanged,
    Notice,
    SchoolChanged,
    SchoolGone,
)
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.engine.errors import CommitFailedError
from collector.engine.metrics import STEP_BUGS
from collector.engine.queue import GATHER_S
from collector.roster import Roster
from collector.settings import Receiver, route_of
from collector.store import alert_changes, incidents, outbox, records, rectifications
from collector.store.incidents import Revisions
from collector.store.states import StaleStateError

CHANGES_PER_TRANSACTION = 250
RETRY_S = 1.0
YEAR_S = 365.25 * 86_400
BUG_PAUSE_S = 600.0
"""A bug that time alone meets is met again after this."""
SLEEP_MAX_S = 60.0
"""Due times are of the wall clock, sleeping is not: a clock that was set is noticed after this at the latest."""

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Begins a transaction that nobody else's crosses; raises ``CommitFailedError`` if the store does not take it."""

_log = structlog.get_logger()


class Dispatcher:
    """Owner of the bureau's state. It is read from the store, and again whenever a commit's outcome is not known."""

    def __init__(
        self,
        begin: Begin,
        receivers: Sequence[Receiver],
        policy: Callable[[], Policy],
        clock: Callable[[], float],
        scopes: Callable[[], Mapping[str, Scope]] = dict,
    ) -> None:
        self._begin = begin
        self._receivers = tuple(receivers)
        self._policy = policy
        self._clock = clock
        self.scopes = scopes
        self._known: Revisions | None = None
        self._busy = asyncio.Lock()
        self._news = asyncio.Event()
        self._on_notice: list[Callable[[], None]] = []
        self._on_faults: list[Callable[[frozenset[str]], Awaitable[None]]] = []
        self._faults: frozenset[str] = frozenset()
        self.state = Bureau()

    def on_notice(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the outbox got new rows."""
        self._on_notice.append(callback)

    def on_faults(self, callback: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Have ``callback`` called with the platforms that are themselves at fault, whenever they are others."""
        self._on_faults.append(callback)

    def wake(self) -> None:
        """Say that a commit put something into the queue."""
        self._news.set()

    async def run(self) -> None:
        """Consume what comes, and let time pass when it matters, until cancelled."""
        while True:
            self._news.clear()
            began_at = time.monotonic()
            try:
                wake_at = await self.settle()
            except (CommitFailedError, StaleStateError) as error:
                _log.warning("bureau_not_committed", error=repr(error)[:200])
                await asyncio.sleep(RETRY_S)
                continue
            except Exception:  # noqa: BLE001 - it must stop neither reports nor messages, and nothing of it is lost
                _log.exception("bureau_failed")
                STEP_BUGS.inc()
                await asyncio.sleep(SLEEP_MAX_S)
                continue
            wait_s = SLEEP_MAX_S if wake_at is None else min(SLEEP_MAX_S, max(0.0, wake_at - self._clock()))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            # where a province fails there is news in each commit: what comes meanwhile shares the next transaction
            await asyncio.sleep(began_at + GATHER_S - time.monotonic())

    async def act(self, event: BureauEvent) -> None:
        """Take what a person did; it is durable then, and shown if the store lets it be worked off at once.

        Raises:
            CommitFailedError: it was not taken.
        """
        async with self._begin() as connection:
            await alert_changes.append(connection, [event], self._clock())
        self.wake()
        with suppress(CommitFailedError, StaleStateError):
            await self.settle()

    async def settle(self) -> float | None:
        """Consume all that waits and tell what is due; return when time alone can next matter.

        Raises:
            CommitFailedError, StaleStateError: nothing is lost; try again.
        """
        async with self._busy:
            while True:
                try:
                    wake_at, is_more = await self._slice()
                except BaseException:
                    self._known = None
                    raise
                await self._tell_faults()
                if not is_more:
                    return wake_at
                await asyncio.sleep(0)

    async def _slice(self) -> tuple[float | None, bool]:
        """One transaction; return when time next matters, and whether there is more to do at once."""
        async with self._begin() as connection:
            if self._known is None:
                self.state, self._known = await incidents.load(connection)
            queued = await alert_changes.take(connection, CHANGES_PER_TRANSACTION)
            now = self._clock()
            made = self._step([entry.event for entry in queued], now)
            if made is None:
                return now + BUG_PAUSE_S, False
            closed = [e for e in made.effects if isinstance(e, IncidentChanged) and e.change == "closed"]
            known = await incidents.save(connection, self._known, self.state, made.bureau, closed)
            await self._record(connection, made, [change.incident for change in closed])
            await alert_changes.remove(connection, [entry.id for entry in queued])
            notices = [effect for effect in made.effects if isinstance(effect, Notice)]
            for notice in notices:
                for to, told in _addressed(notice, self._receivers):
                    await outbox.add(connection, to, told, now)
        self.state, self._known = made.bureau, known
        self._announce(made, told=bool(notices))
        is_due = made.wake_at is not None and made.wake_at <= now
        return made.wake_at, is_due or len(queued) == CHANGES_PER_TRANSACTION

    async def _record(self, connection: AsyncConnection, made: Step, closed: Sequence[Incident]) -> None:
        scopes = self.scopes()

        def hours_of(office: str) -> Hours:
            return scopes.get(office, Scope()).hours

        news = rectification.news(made.effects, made.bureau)
        await rectifications.note(connection, news, self._policy(), hours_of)
        await rectifications.close(connection, closed, hours_of)

    async def prune(self) -> int:
        """Delete some of the records that are older than the policy keeps them; return how many.

        Raises:
            CommitFailedError: none of them.
        """
        async with self._begin() as connection:
            kept_s = self._policy().records_kept_years * YEAR_S
            return await records.prune(connection, self._clock(), kept_s)

    async def _tell_faults(self) -> None:
        faults = at_fault(self.state, self._clock())
        if faults != self._faults:
            _log.warning("platform_faults", platforms=sorted(faults))
            self._faults = faults
            for tell in self._on_faults:
                await tell(faults)

    def _announce(self, made: Step, *, told: bool) -> None:
        for effect in made.effects:
            if isinstance(effect, IncidentChanged):
                about = effect.incident
                _log.info("incident", change=effect.change, id=about.id, office=about.office, cause=about.cause)
        for wake in self._on_notice if told else ():
            wake()

    # --- bugs --------------------------------------------------------------------------------------------------------

    def _step(self, events: Sequence[BureauEvent], now: float) -> Step | None:
        """Step; an event on which the core fails is left out and harms no other. None = it fails on time alone."""
        made = self._try(self.state, events, now)
        if made is not None or not events:
            return made
        made = self._try(self.state, (), now)
        if made is None:
            return None
        for event in events:
            after = self._try(made.bureau, [event], now)
            if after is not None:
                made = Step(after.bureau, (*made.effects, *after.effects), after.wake_at)
        return made

    def _try(self, bureau: Bureau, events: Sequence[BureauEvent], now: float) -> Step | None:
        try:
            return step(bureau, events, now, self._policy(), self.scopes())
        except Exception:  # noqa: BLE001 - a bug must stop neither the queue nor the other offices
            _log.exception("bureau_step_failed", events=sorted({type(event).__name__ for event in events}))
            STEP_BUGS.inc()
            return None


def roster_news(before: Roster, after: Roster, held: Iterable[str]) -> list[SchoolChanged | SchoolGone]:
    """What the bureau must hear of a new roster; ``held`` are the schools of which it has open alerts.

    After a start there is no roster before: whatever changed while the collector was away is told of those held.
    """
    known = before.schools.keys() | set(held)
    gone = [SchoolGone(school=school) for school in sorted(known - after.schools.keys())]
    return gone + [
        SchoolChanged(school=school, office=now.office, name=now.name)
        for school in sorted(known & after.schools.keys())
        for was, now in [(before.schools.get(school), after.schools[school])]
        if was is None or (was.office, was.name) != (now.office, now.name)
    ]


def _addressed(notice: Notice, receivers: Iterable[Receiver]) -> list[tuple[list[str], Notice]]:
    """Who gets it, and what of it; receivers of one route share the work."""
    escalated = notice.kind == "escalated"
    by_route: dict[Route, list[str]] = {}
    for receiver in receivers:
        if not receiver.standby and receiver.escalation is escalated:
            by_route.setdefault(route_of(receiver), []).append(receiver.name)
    told = ((names, routed(notice, route)) for route, names in by_route.items())
    return [(names, its) for names, its in told if its is not None]
