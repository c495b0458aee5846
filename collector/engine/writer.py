"""The engine: takes what waits, makes one draft of it, commits it, and only then lets anybody see it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.codec import DecodedReport
from classready.report import Ack, Directives
from collector.core.directives import directives
from collector.core.policy import Policy
from collector.core.state import (
    Hours,
    PolicyChanged,
    RosterChanged,
    School,
    SchoolState,
    Tick,
)
from collector.engine import metrics
from collector.engine.bureau import Dispatcher, roster_news
from collector.engine.draft import Draft
from collector.engine.errors import CommitFailedError, NotAppliedError, QueueFullError, UnknownGatewayError
from collector.engine.reports import apply_report
from collector.roster import Roster
from collector.settings import Receiver
from collector.store import alert_changes, history, ledgers, outbox, states
from collector.store.database import Store
from collector.store.ledgers import Ledger
from collector.store.transaction import StoreAwayError, begin

QUEUE_MAX_REPORTS = 512
BATCH_MAX_REPORTS = 64
SCHOOLS_PER_SLICE = 50
"""After so many schools the event loop gets a turn, so that a tick of a province delays no answer."""

Changed = Callable[[Mapping[str, School | None], float], None]
"""Called after a commit with the schools that are new or changed, None for those that left the roster, and the time."""

_log = structlog.get_logger()


class _Waiting(NamedTuple):
    gateway: str
    decoded: DecodedReport
    received_at: float
    answer: "asyncio.Future[Ack]"


class Engine:
    """The one owner of state. Everything that changes it goes through ``_transaction``, one after the other."""

    def __init__(self, store: Store, policy: Policy, receivers: Sequence[Receiver], clock: Callable[[], float]) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._roster = Roster()
        self._schools: dict[str, School] = {}
        self._revisions: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE_MAX_REPORTS)
        self._on_change: list[Changed] = []
        self.bureau = Dispatcher(self._exclusive, receivers, lambda: self._policy, clock)
        self.last_commit_at: float | None = None
        metrics.QUEUE.set_function(self._queue.qsize)
        metrics.QUEUE_LIMIT.set(QUEUE_MAX_REPORTS)

    @property
    def schools(self) -> Mapping[str, School]:
        return MappingProxyType(self._schools)

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def policy(self) -> Policy:
        return self._policy

    def on_change(self, callback: Changed) -> None:
        self._on_change.append(callback)

    async def submit(self, gateway: str, decoded: DecodedReport, received_at: float) -> Ack:
        """Return the ack once the report is durable.

        Raises:
            UnknownGatewayError: the gateway's fault.
            NotAppliedError: ours; nothing of it was kept.
            QueueFullError, CommitFailedError: ours; the sender keeps the report and comes back.
        """
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Waiting(gateway, decoded, received_at, answer))
        except asyncio.QueueFull:
            raise QueueFullError from None
        return await answer

    async def run(self) -> None:
        """Commit what waits, many reports at a time, until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH_MAX_REPORTS and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit_or_refuse(batch)
            finally:
                _refuse(batch)

    async def tick(self) -> None:
        """Let time pass for every school and for the bureau."""
        async with self._lock:
            draft = self._draft()
            for n, school in enumerate(tuple(self._schools), 1):
                draft.feed([school], Tick())
                if n % SCHOOLS_PER_SLICE == 0:
                    await asyncio.sleep(0)
            await self._commit(draft)
        await self.bureau.settle()

    async def replace_roster(self, roster: Roster, hours: Mapping[str, Hours], policy: Policy) -> None:
        """Judge by another roster, calendar or policy from now on.

        Raises:
            CommitFailedError: the old ones stay in force.
        """
        await self.bureau.settle()
        async with self._lock:
            added = roster.schools.keys() - self._schools.keys()
            async with self._store.reader.connect() as connection:
                stored = await states.load_schools(connection, added)
            draft = self._draft(policy)
            self._revisions.update({school: revision for school, (revision, _) in stored.items()})
            for n, (school, entry) in enumerate(roster.schools.items(), 1):
                state = stored[school][1] if school in stored else SchoolState()
                now = self._schools.get(school) or School(roster=entry, hours=hours[school], state=state)
                if school in added:
                    draft.schools[school] = now
                    self._return(draft, school)
                _change_roster(draft, now, RosterChanged(roster=entry, hours=hours[school]), self._policy, added)
                if n % SCHOOLS_PER_SLICE == 0:
                    await asyncio.sleep(0)
            gone = self._schools.keys() - roster.schools.keys()
            for school in gone:
                draft.leave(school)
            draft.news += roster_news(self._roster, roster, self.bureau.state.holders)
            await self._commit(draft, gone=gone, roster=roster)
        await self.bureau.settle()

    def _return(self, draft: Draft, school: str) -> None:
        """It was away, unless the bureau holds something of it: whatever it had told was withdrawn then."""
        if school not in self.bureau.state.holders:
            draft.leave(school)

    async def mark_sent(self, delivery_id: int) -> None:
        async with self._lock, self._begin() as connection:
            await outbox.settle(connection, delivery_id, "sent", None, self._clock())

    async def mark_refused(self, delivery_id: int, reason: str) -> None:
        async with self._lock, self._begin() as connection:
            await outbox.settle(connection, delivery_id, "refused", reason, self._clock())

    async def mark_deferred(self, delivery_id: int, reason: str, due_at: float) -> None:
        async with self._lock, self._begin() as connection:
            await outbox.defer(connection, delivery_id, reason, due_at)

    # --- one transaction ---------------------------------------------------------------------------------------------

    def _draft(self, policy: Policy | None = None) -> Draft:
        return Draft(self._schools, policy or self._policy, self._clock())

    async def _commit_or_refuse(self, batch: Sequence[_Waiting]) -> None:
        """Commit ``batch``; if something in it breaks the transaction, each report on its own."""
        try:
            await self._apply_reports(batch)
        except CommitFailedError:
            _refuse(batch)
        except states.StaleStateError:
            raise
        except Exception:  # noqa: BLE001 - one report that breaks the transaction must not stop the others
            _log.exception("reports_not_applied", report_count=len(batch))
            if len(batch) == 1:
                _refuse(batch, NotAppliedError())
                return
            for waiting in batch:
                await self._commit_or_refuse([waiting])

    async def _apply_reports(self, batch: Sequence[_Waiting]) -> None:
        async with self._lock:
            known = [w for w in batch if w.gateway in self._roster.gateways]
            draft = self._draft()
            await self._load_ledgers(draft, known)
            acks: list[tuple[_Waiting, Ack]] = []
            for waiting in known:
                schools = self._roster.gateways[waiting.gateway].schools
                acks.append((waiting, apply_report(draft, waiting.decoded, schools, waiting.received_at)))
                await asyncio.sleep(0)
            await self._commit(draft)
            metrics.BATCH_RECORDS.observe(sum(len(w.decoded.records) for w in known))
        for waiting, ack in acks:
            orders = self._directives(waiting.gateway)
            _answer(waiting, msgspec.structs.replace(ack, sent_at=self._clock(), directives=orders))
        for waiting in batch:
            if waiting.gateway not in self._roster.gateways and not waiting.answer.done():
                waiting.answer.set_exception(UnknownGatewayError(waiting.gateway))

    async def _load_ledgers(self, draft: Draft, batch: Sequence[_Waiting]) -> None:
        """Put what the store holds of the spools of ``batch`` into ``draft``."""
        reports = [w.decoded for w in batch]
        async with self._begin() as connection:
            found = await ledgers.load(connection, {(d.report.gateway, d.report.spool_id) for d in reports})
            draft.ledgers = {spool: (ledger, ledger) for spool, ledger in found.items()}
            for decoded in reports:
                spool = (decoded.report.gateway, decoded.report.spool_id)
                if spool in found and found[spool].rejected_records and (sequences := _sequences(decoded)):
                    refused = await ledgers.load_rejected(connection, spool, min(sequences), max(sequences))
                    draft.refused_before.setdefault(spool, {}).update(refused)

    async def _commit(
        self, draft: Draft, *, gone: frozenset[str] | set[str] = frozenset(), roster: Roster | None = None
    ) -> None:
        """Make ``draft`` durable, then true. Nothing in memory has changed if this raises."""
        changed = {s: school for s, school in draft.schools.items() if self._is_news(s, school)}
        with metrics.COMMIT_DURATION.time():
            async with self._begin() as connection:
                await self._write(connection, draft, changed, roster)
        self._schools.update(draft.schools)
        for school in gone:
            self._schools.pop(school, None)
        self._revisions.update({s: self._revisions.get(s, 0) + 1 for s in changed})
        self._policy = draft.policy
        self._roster = roster or self._roster
        self.last_commit_at = draft.now
        self._announce(draft, gone)

    def _is_news(self, name: str, school: School) -> bool:
        """Whether the stored part of ``school`` differs from what is stored."""
        before = self._schools.get(name)
        return before is None or school.state is not before.state

    async def _write(
        self, connection: AsyncConnection, draft: Draft, changed: Mapping[str, School], roster: Roster | None
    ) -> None:
        if changed:
            rows = {s: (self._revisions.get(s, 0), school.state) for s, school in changed.items()}
            await states.save_schools(connection, rows)
        for spool, (before, after) in draft.ledgers.items():
            if after != (before or Ledger()):
                await ledgers.save(connection, spool, before, after, draft.now)
        await ledgers.add_rejected(connection, draft.refusals)
        await history.add_transitions(connection, draft.transitions)
        await history.add_bandwidth_results(connection, draft.bandwidth_results)
        if roster is not None:
            detail = (
                f"{len(roster.schools)} schools, policy {'as before' if draft.policy == self._policy else 'changed'}"
            )
            await history.add_audit(connection, draft.now, "operator", "roster_applied", detail)
        await alert_changes.append(connection, draft.news, draft.now)

    def _announce(self, draft: Draft, gone: frozenset[str] | set[str]) -> None:
        if draft.tally[metrics.MESSAGES_ACCEPTED]:
            metrics.LAST_COMMIT.set(draft.now)
        for metric, count in draft.tally.items():
            metric.inc(count)
        for delay_s in draft.delays_s:
            metrics.END_TO_END_DELAY.observe(delay_s)
        changed: dict[str, School | None] = {**draft.schools, **dict.fromkeys(gone)}
        if changed:
            for callback in self._on_change:
                callback(changed, draft.now)
        if draft.news:
            self.bureau.wake()

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[AsyncConnection]:
        async with self._lock, self._begin() as connection:
            yield connection

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with begin(self._store.writer) as connection:
                yield connection
        except StoreAwayError as error:
            metrics.COMMITS_FAILED.inc()
            metrics.DB_BUSY.inc("locked" in str(error))
            _log.error("commit_failed", error=str(error))
            raise CommitFailedError from error

    def _directives(self, gateway: str) -> Directives | None:
        try:
            schools = [self._schools[s] for s in self._roster.gateways[gateway].schools]
            return directives(schools, gateway, self._policy, self._clock())
        except Exception:  # noqa: BLE001 - the ack is true without them
            _log.exception("directives_failed", gateway=gateway)
            metrics.STEP_BUGS.inc()
            return None


def _change_roster(draft: Draft, school: School, event: RosterChanged, policy: Policy, added: set[str]) -> None:
    """Tell ``school`` what is new for it, if anything."""
    name = event.roster.school
    if name in added or school.roster != event.roster or school.hours != event.hours:
        draft.feed([name], event)
    if name not in added and draft.policy != policy:
        draft.feed([name], PolicyChanged())


def _sequences(decoded: DecodedReport) -> list[int]:
    named = [r.sequence for r in decoded.records] + [r.sequence for r in decoded.rejected]
    return [*named, *decoded.unknown_kinds]


def _answer(waiting: _Waiting, ack: Ack) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(ack)


def _refuse(batch: Sequence[_Waiting], why: Exception | None = None) -> None:
    """Whatever was not answered was not committed."""
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(why or CommitFailedError())
