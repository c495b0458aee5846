"""The engine: takes what waits or is due, makes one draft of it, commits it, and only then lets anybody see it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from classready.codec import DecodedReport
from classready.report import Ack
from collector.broker.accounts import Accounts
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.state import School
from collector.engine import resuming
from collector.engine.bureau import Dispatcher, roster_news
from collector.engine.clockwork import Clockwork
from collector.engine.committing import Changed, Committer
from collector.engine.configuring import Configuring
from collector.engine.devices import Devices
from collector.engine.enrolment import Enrolment
from collector.engine.errors import CommitFailedError, TwinError
from collector.engine.finds import Finds
from collector.engine.intake import Intake
from collector.engine.losses import Losses
from collector.engine.objections import Objections
from collector.engine.pace import Pace
from collector.engine.queue import Queue, give_up
from collector.engine.refusals import Refused
from collector.engine.registry import Registry
from collector.engine.rostering import BEFORE_ALL, InForce, draft_farewell, put_in_force, tell_faults
from collector.engine.timekeeping import Timekeeper
from collector.engine.twins import KNOWN_S, Twins
from collector.engine.upgrades import Upgrades
from collector.engine.writing import Writer
from collector.fleet.sight import sightings
from collector.fleet.staging import Seen
from collector.roster import Roster
from collector.settings import Receiver
from collector.store import history, outbox
from collector.store.database import Store

ANSWER_MAX_S = 30.0
"""Whoever waits longer is told to come again: a store that hangs must not collect open requests."""
JUDGING_AT_START_S = 2.0
"""For schools that nothing happened to while the collector was away; beyond it, they are judged while reports come in:
20,000 within half a minute, or each with its own report if that comes sooner."""
TOLD_IN_A_TURN = 1_000
"""Schools: to tell so many takes 3 ms, and the clockwork looks at them as it has time."""
UNWELL_AFTER_S = 30.0
"""Without a turn of the clockwork."""


class Engine:
    """The one owner of state, seen from outside: reports, roster and time in, callbacks and answers out."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        receivers: Sequence[Receiver],
        clock: Callable[[], float],
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """``monotonic`` shows when ``clock`` was set; without one that is never seen."""
        self._time = Timekeeper(clock, monotonic)
        self._registry = Registry(policy)
        self._writer = Writer(store)
        self.bureau = Dispatcher(
            self._writer.exclusive, receivers, lambda: self._registry.policy, clock, lambda: self._registry.scopes
        )
        self.bureau.on_faults(self._spread_faults)
        self._committer = Committer(self._registry, self._writer, self._time, self.bureau.wake)
        self._twins = Twins()
        self._queue = Queue()
        self.objections = Objections(
            self._writer, lambda: self._registry.schools, lambda: self._registry.policy, self._time.now
        )
        self.enrolment = Enrolment(self._writer)
        self.devices = Devices(self._writer)
        self.configuring = Configuring(lambda: self._registry.roster, self.devices)
        self.upgrades = Upgrades(self._writer, self._sightings, self._time.now)
        self.configuring.release = self.upgrades.release
        self.finds = Finds(self._writer)
        self.configuring.again_at = self.finds.asked_at
        self._committer.on_found = self.finds.noticed
        self.accounts = Accounts(
            lambda: self._registry.roster, lambda: self.enrolment.tokens, lambda: self.enrolment.revision
        )
        self._committer.on_change.append(self.objections.noticed)
        self.losses = Losses(self._writer, self._held)
        self._intake = Intake(self._queue, self._committer, self.objections.of, self.configuring)
        self._clockwork = Clockwork(self._committer)
        self._reloading = asyncio.Lock()
        self._is_born = False

    @property
    def schools(self) -> Mapping[str, School]:
        return self._registry.schools

    @property
    def roster(self) -> Roster:
        return self._registry.roster

    @property
    def policy(self) -> Policy:
        return self._registry.policy

    @property
    def is_alive(self) -> bool:
        """Whether time passes here, or cannot because of the store, which no restart would mend."""
        turned_at = self._clockwork.turned_at
        turns = turned_at is not None and time.monotonic() - turned_at < UNWELL_AFTER_S
        return turns or self._writer.is_failing

    @property
    def is_well(self) -> bool:
        """Whether time passes here, and the store takes what is written."""
        return self.is_alive and not self._writer.is_failing

    @property
    def damage(self) -> str | None:
        """What is wrong with the store's file: nothing is written to it any more."""
        return self._writer.damage

    async def until_damaged(self) -> None:
        await self._writer.condemned.wait()

    def condemn(self, damage: str) -> None:
        """Take nothing any more: the store's file is damaged."""
        self._writer.condemn(damage)

    def refusals(self, gateway: str) -> list[Refused]:
        """What of ``gateway`` was refused or given up within a day."""
        now = self._time.now()
        return [*self._twins.of(gateway, now), *self._committer.refusals.of(gateway, now)]

    def _held(self, gateway: str) -> int | None:
        """How many records the gateway said it held, when it last reported."""
        entry = self.roster.gateways.get(gateway)
        for name in entry.schools if entry else ():
            school = self.schools.get(name)
            if school and (known := school.state.gateways.get(gateway)):
                return known.spool_records
        return None

    def _sightings(self) -> list[Seen]:
        listed = ((entry.id, entry.schools) for entry in self.roster.gateways.values())
        return list(sightings(listed, self.schools))

    def on_change(self, callback: Changed) -> None:
        self._committer.on_change.append(callback)

    async def submit(self, gateway: str, decoded: DecodedReport, received_at: float) -> Ack:
        """Return the ack once the report is durable.

        Raises:
            UnknownGatewayError, TwinError: the gateway's fault.
            NotAppliedError: this report's; nothing of it was kept.
            QueueFullError, CommitFailedError: ours; the sender keeps the report and comes back.
        """
        report = decoded.report
        if not self._twins.admits(gateway, report.boot_id, report.sent_monotonic_s, received_at):
            raise TwinError(gateway)
        self._twins.note_spool(gateway, report.spool_id, report.report_interval_s, received_at)
        answer = self._queue.put(gateway, decoded, received_at)
        patience = asyncio.get_running_loop().call_later(ANSWER_MAX_S, give_up, answer)
        try:
            ack = await answer
        finally:
            patience.cancel()
        if ack.renumber:
            self._twins.asked_to_leave(gateway, report.spool_id, received_at)
        return ack

    def twins(self) -> set[str]:
        """Gateways of which two machines were found of late."""
        return self._twins.found(self._time.now())

    async def queue_words_once(self, words: Mapping[str, str], action: str, detail: str) -> bool:
        """As ``queue_words``, unless it was done within ``KNOWN_S``; audited. False = it was.

        Raises:
            CommitFailedError: nothing was queued.
        """
        now = self._time.now()
        async with self._writer.exclusive() as connection:
            if await history.has_audit(connection, action, detail, now - KNOWN_S):
                return False
            await history.add_audit(connection, now, "collector", action, detail)
            if words:
                await outbox.add_words(connection, words, now)
        return True

    async def queue_words(self, words: Mapping[str, str]) -> None:
        """Queue messages that are no notices of the bureau: receiver -> words.

        Raises:
            CommitFailedError: nothing was queued.
        """
        async with self._writer.exclusive() as connection:
            await outbox.add_words(connection, words, self._time.now())

    async def mark_sent(self, delivery_id: int) -> None:
        async with self._writer.exclusive() as connection:
            await outbox.settle(connection, delivery_id, "sent", None, self._time.now())

    async def mark_part_sent(self, delivery_id: int, words: str) -> None:
        """``words``: the parts that follow."""
        async with self._writer.exclusive() as connection:
            await outbox.advance(connection, delivery_id, words, self._time.now())

    async def mark_refused(self, delivery_id: int, reason: str) -> None:
        async with self._writer.exclusive() as connection:
            await outbox.settle(connection, delivery_id, "refused", reason, self._time.now())

    async def mark_handed_over(self, delivery_id: int, reason: str, receiver: str) -> None:
        async with self._writer.exclusive() as connection:
            now = self._time.now()
            await outbox.settle(connection, delivery_id, "handed", reason, now)
            await outbox.copy(connection, delivery_id, receiver, now)

    async def mark_deferred(self, delivery_id: int, reason: str, due_at: float) -> None:
        async with self._writer.exclusive() as connection:
            await outbox.defer(connection, delivery_id, reason, due_at)

    async def run(self) -> None:
        """Commit what waits, many reports at a time, until cancelled."""
        await self._intake.run()

    async def keep_time(self, idle_max_s: float = 1.0) -> None:
        """Do what is due when it is due, until cancelled; look at the clock at least every ``idle_max_s``."""
        await self._clockwork.run(idle_max_s)

    async def tick(self) -> None:
        """Do what is due by now, in schools and bureau.

        Raises:
            CommitFailedError: what was not done yet is due again soon.
        """
        await self._clockwork.tick()
        await self.bureau.settle()

    async def save(self, within_s: float) -> int:
        """Store what only moved on, at the end of work; return how many schools there was no time for."""
        return await self._clockwork.save(within_s)

    async def _spread_faults(self, faults: frozenset[str]) -> None:
        """Have every school hear which platforms are themselves at fault, some in a turn.

        Nothing of it is stored: at a start each school is told where it differs from what the bureau knows.
        """
        registry, names = self._registry, tuple(self.schools)
        async with self._writer.turn():
            before, registry.faults = registry.faults, faults
        for some in range(0, len(names), TOLD_IN_A_TURN):
            async with self._writer.turn():
                due_at = self._time.now()
                tell_faults(registry, names[some : some + TOLD_IN_A_TURN], before, faults, due_at)
            await asyncio.sleep(0)

    # --- roster ------------------------------------------------------------------------------------------------------

    async def replace_roster(self, roster: Roster, hours: Mapping[str, Hours], policy: Policy) -> None:
        """Judge by another roster, calendar or policy from now on.

        Raises:
            CommitFailedError: the old ones stay in force.
        """
        new, is_start = InForce(roster, hours, policy), not self._is_born
        async with self._reloading:
            await self.bureau.settle()
            added = roster.schools.keys() - self.schools.keys()
            async with self._writer.read() as connection:
                remembered = await resuming.load(connection, added, self._time.now(), were_unlisted=not is_start)
            others = await self._differing(new)
            async with self._writer.turn():
                holders = self.bureau.state.holders
                draft = self._committer.draft()
                gone = draft_farewell(draft, self._registry, new)
                draft.news += roster_news(self.roster, roster, holders)
                draft.born = (draft.now, min(remembered.alive_at, draft.now)) if is_start else None
                await self._committer.commit(draft)
                self._is_born = True
                put_in_force(self._registry, new, [*added, *others], remembered, holders)
            self._committer.announce(draft, gone)
            self._committer.refusals.forget_others(roster.gateways)
            self._twins.forget_others(roster.gateways)
            self._intake.prints.forget_others(roster.gateways)
            self.configuring.forget_others(roster.gateways)
            with suppress(CommitFailedError):
                await (self._wake() if is_start else self._clockwork.tick())
                await self.bureau.settle()

    async def _wake(self) -> None:
        """Judge what may not be what it was; show all others as they were stored, and judge those for which is time."""
        await self._clockwork.wake(BEFORE_ALL)
        await self._committer.show([name for name in self.schools if self._registry.rows[name].waiting])
        await self._clockwork.wake(self._time.now(), JUDGING_AT_START_S)

    async def _differing(self, new: InForce) -> list[str]:
        """The schools that stay, and for which something is not what it was."""
        pace, differing = Pace(), []
        for name, now in self.schools.items():
            entry = new.roster.schools.get(name)
            if entry is not None and (now.roster != entry or now.hours != new.hours[name]):
                differing.append(name)
            await pace.breathe()
        return differing
