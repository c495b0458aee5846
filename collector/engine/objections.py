"""Objections (申诉) at work: taken durably, their tests ordered with each ack, answered once the tests are there.

Beside the judgement, not in it: no report costs more than a look whether its school has one.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from collector.core.objection import Answer, Objection, answer, unmeasured
from collector.core.policy import Policy
from collector.core.state import School
from collector.engine.errors import CommitFailedError, ObjectedAlreadyError, TooManyObjectionsError
from collector.engine.metrics import STEP_BUGS
from collector.engine.writing import Writer
from collector.store import objections
from collector.store.objections import NewObjection

PER_SCHOOL_DAY_MAX = 10
DAY_S = 86_400.0
LOOK_AT_ALL_S = 60.0
"""Days that pass answer one as well."""
RETRY_S = 1.0

_log = structlog.get_logger()


class Objections:
    """Those without an answer, by school. Read from the store before anything else is done with them."""

    def __init__(
        self,
        writer: Writer,
        schools: Callable[[], Mapping[str, School]],
        policy: Callable[[], Policy],
        clock: Callable[[], float],
    ) -> None:
        self._writer, self._schools, self._policy, self._clock = writer, schools, policy, clock
        self._open: dict[str, tuple[Objection, ...]] = {}
        self._is_loaded = False
        self._busy = asyncio.Lock()
        self._touched: set[str] = set()
        self._news = asyncio.Event()

    def of(self, schools: Iterable[str]) -> Sequence[Objection]:
        """Those of ``schools`` that wait for their tests."""
        return [each for school in schools for each in self._open.get(school, ())] if self._open else ()

    def noticed(self, changed: Mapping[str, School | None], _now: float) -> None:
        """Evidence of these schools changed."""
        if self._open and (touched := self._open.keys() & changed.keys()):
            self._touched |= touched
            self._news.set()

    async def take(self, new: NewObjection) -> None:
        """Keep an objection and order its tests.

        Raises:
            ObjectedAlreadyError: one about the same has no answer yet.
            TooManyObjectionsError: the school's fault.
            CommitFailedError: it was not taken.
        """
        async with self._busy:
            await self._load()
            for each in self._open.get(new.school, ()):
                if each.classroom == new.classroom:
                    raise ObjectedAlreadyError(each.at)
            # whoever is cut off here does not know what the store has: it is read again
            self._is_loaded = False
            async with self._writer.exclusive() as connection:
                is_too_many = await objections.count_since(connection, new.school, new.at - DAY_S) >= PER_SCHOOL_DAY_MAX
                taken = None if is_too_many else await objections.add(connection, new)
            self._is_loaded = True
            if taken is None:
                raise TooManyObjectionsError
            self._open[new.school] = (*self._open.get(new.school, ()), taken)
        with suppress(CommitFailedError):
            await self.settle([new.school])

    async def run(self) -> None:
        """Answer what can be answered, until cancelled."""
        while True:
            try:
                touched = None if not self._news.is_set() else sorted(self._touched)
                self._news.clear()
                self._touched.clear()
                await self.settle(touched)
            except CommitFailedError:
                await asyncio.sleep(RETRY_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AT_ALL_S):
                    await self._news.wait()

    async def settle(self, schools: Iterable[str] | None = None) -> None:
        """Answer those of ``schools`` (None = of all) whose tests are there, or whose days are over.

        Raises:
            CommitFailedError: they wait on.
        """
        async with self._busy:
            await self._load()
            names = list(self._open) if schools is None else schools
            made = [(each, said) for each in self.of(names) if (said := self._answer(each)) is not None]
            if not made:
                return
            async with self._writer.exclusive() as connection:
                for each, said in made:
                    await objections.settle(connection, each.id, said, said.after.at)
            for each, said in made:
                self._forget(each)
                _log.info("objection", school=each.school, classroom=each.classroom, outcome=said.outcome)

    def _answer(self, each: Objection) -> Answer | None:
        now, school = self._clock(), self._schools().get(each.school)
        if school is None:
            return unmeasured(now, "removed")
        try:
            return answer(school, each, now, self._policy())
        except Exception:  # noqa: BLE001 - a bug about one must not stop the others
            _log.exception("objection_failed", school=each.school)
            STEP_BUGS.inc()
            return None

    def _forget(self, each: Objection) -> None:
        left = tuple(other for other in self._open[each.school] if other.id != each.id)
        if left:
            self._open[each.school] = left
        else:
            del self._open[each.school]

    async def _load(self) -> None:
        if self._is_loaded:
            return
        async with self._writer.read() as connection:
            found = await objections.unanswered(connection)
        by_school: dict[str, tuple[Objection, ...]] = {}
        for each in found:
            by_school[each.school] = (*by_school.get(each.school, ()), each)
        self._open, self._is_loaded = by_school, True
