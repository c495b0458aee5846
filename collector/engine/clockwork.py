"""Time: what is due is done when it is due, a few schools a turn, and a sign of life is left while it passes."""

import asyncio
import time
from collections.abc import Sequence
from math import inf

import structlog

from collector.engine import metrics
from collector.engine.committing import Committer
from collector.engine.draft import BUG_PAUSE_S, Draft
from collector.engine.errors import CommitFailedError
from collector.engine.pace import Pace
from collector.engine.queue import GATHER_S
from collector.store import lives, states

GAP_S = 0.005
"""Between two slices, at least; else as long as the slice took. Where a lesson begins for a whole province, that is ten
seconds of work: it may take half the time of the process, so that reports and pages do not wait in line for it."""
RETRY_S = 1.0
BEAT_S = 60.0
SAVE_SLICE_SCHOOLS = 200
"""In one transaction: to write the states of so many takes 50 ms, as long as a turn may be."""

_log = structlog.get_logger()


class Clockwork:
    """Wakes schools."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._registry = committer.registry
        self._writer = committer.writer
        self._time = committer.time
        self._beaten_at: float | None = None
        self.turned_at: float | None = None
        """When time last passed here, by the monotonic clock."""

    async def run(self, idle_max_s: float) -> None:
        """Do what is due when it is due, until cancelled."""
        while True:
            began_at = time.monotonic()
            try:
                await self.tick()
                await self._beat()
            except CommitFailedError:
                await asyncio.sleep(RETRY_S)
            self.turned_at = time.monotonic()
            await self._registry.due.wait(self._time.now(), idle_max_s)
            # 20,000 schools are due at 20,000 moments: those of the next one come along, in one turn and transaction
            await asyncio.sleep(began_at + GATHER_S - time.monotonic())

    async def wake(self, until: float, within_s: float = inf) -> None:
        """At the start, when nobody waits yet: do what is due ``until`` then, as far as there is time ``within_s``.

        Raises:
            CommitFailedError: what was not done yet is due again soon.
        """
        end = time.monotonic() + within_s
        while self._registry.due.has_due(until) and time.monotonic() < end:
            await self._pass_time(until)

    async def tick(self) -> None:
        """Do what is due by now, slice after slice: reports go between them, and whatever else needs ``GAP_S``.

        Raises:
            CommitFailedError: what was not done yet is due again soon.
        """
        async with self._writer.turn():
            self._committer.watch_clock()
        now = self._time.now()
        while self._registry.due.has_due(now):
            worked_s = await self._pass_time(now)
            self.turned_at = time.monotonic()  # a province takes many slices, and is neither dead nor unready meanwhile
            await asyncio.sleep(max(GAP_S, worked_s))

    async def _pass_time(self, now: float) -> float:
        """Let time pass for as many of the schools that are due as a turn has time for; return how long that took."""
        async with self._writer.turn():
            began_at = time.monotonic()
            draft, pace, names = self._committer.draft(), Pace(), []
            while (name := self._registry.due.take(now)) is not None:
                names.append(name)
                self._look_at(draft, name)
                if len(names) >= SAVE_SLICE_SCHOOLS or await pace.is_over():
                    break
            drafts = [draft] if await self._keep(draft, names) else await self._keep_each(names)
        for draft in drafts:
            self._committer.announce(draft)
        return time.monotonic() - began_at

    async def _keep_each(self, names: Sequence[str]) -> list[Draft]:
        """Commit school by school: something in one of them breaks the transaction."""
        kept = []
        for name in names:
            draft = self._committer.draft()
            self._look_at(draft, name)
            if await self._keep(draft, [name]):
                kept.append(draft)
            else:
                self._registry.due.set(name, draft.now + BUG_PAUSE_S)
        return kept

    async def _keep(self, draft: Draft, names: Sequence[str]) -> bool:
        """Commit ``draft`` of ``names``; False = the store refuses something in it.

        Raises:
            CommitFailedError: they are due again in a moment.
        """
        try:
            await self._committer.commit(draft)
        except CommitFailedError:
            for name in names:
                self._registry.due.set(name, draft.now + RETRY_S)
            raise
        except states.StaleStateError:
            raise
        except Exception:  # noqa: BLE001 - one school that cannot be stored must not stop the others
            _log.exception("schools_not_stored", schools=list(names)[:3])
            metrics.STEP_BUGS.inc()
            return False
        return True

    def _look_at(self, draft: Draft, name: str) -> None:
        row = self._registry.rows[name]
        if row.waiting:
            draft.catch_up(name)
        elif row.wake_at is None or row.wake_at <= draft.now:
            draft.pass_time(name)
        else:
            draft.touch(name)

    async def _beat(self) -> None:
        """Leave a sign of life, and prove that the store takes one."""
        now = self._time.now()
        is_young = self._beaten_at is not None and 0 <= now - self._beaten_at < BEAT_S
        if is_young and self._committer.slept_at is None and not self._writer.is_failing:
            return
        async with self._writer.exclusive() as connection:
            if (slept_at := self._committer.slept_at) is None:
                await lives.go_on(connection, now)
            else:
                await lives.begin(connection, now, slept_at)
        self._committer.slept_at = None
        self._writer.took_a_beat()
        self._beaten_at = now

    async def save(self, within_s: float) -> int:
        """Store what only moved on, at the end of work; return how many schools there was no time for."""
        until = time.monotonic() + within_s
        names = [name for name, row in self._registry.rows.items() if row.dirty]
        while names and time.monotonic() < until:
            async with self._writer.turn():
                draft = self._committer.draft()
                for name in names[:SAVE_SLICE_SCHOOLS]:
                    self._look_at(draft, name)
                await self._committer.commit(draft, everything=True)
            names = names[SAVE_SLICE_SCHOOLS:]
        self._beaten_at = None
        await self._beat()
        return len(names)
