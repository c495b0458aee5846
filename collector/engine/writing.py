"""The one pen: transactions one after the other, and whether the store takes any."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.engine import metrics
from collector.engine.errors import CommitFailedError
from collector.store.database import Store
from collector.store.transaction import StoreAwayError, StoreDamagedError, begin, reading

UNWELL_S = 10.0
"""After a failure, at least: on a disk that is all but full a small transaction passes where a report does not."""

_log = structlog.get_logger()


class Writer:
    """A turn is held by whoever decides what to write, from reading what is in force until it is true."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._failed_at: float | None = None
        self._failing = False
        self.damage: str | None = None
        """What is wrong with the store's file, once that is known: from then on nothing is written to it."""
        self.condemned = asyncio.Event()

    def condemn(self, damage: str) -> None:
        """The store's file is damaged: no report may be acknowledged on it any more."""
        self._is_away()
        self.damage = self.damage or damage
        self.condemned.set()

    @property
    def is_failing(self) -> bool:
        """Whether the last transaction failed, or one did a moment ago."""
        just_now = self._failed_at is not None and time.monotonic() - self._failed_at < UNWELL_S
        return self._failing or just_now

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for all others, then let none of them write."""
        async with self._lock:
            with metrics.WRITER_HELD.time():
                yield

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, by whoever has the turn.

        Raises:
            CommitFailedError: the store's fault. What the store says against the content is raised as it is.
        """
        if self.damage is not None:
            raise CommitFailedError
        try:
            async with begin(self._store.writer) as connection:
                yield connection
        except StoreAwayError as error:
            self._suffer(error)
            metrics.COMMITS_FAILED.inc()
            metrics.DB_BUSY.inc("locked" in str(error))
            _log.error("commit_failed", error=str(error))
            raise CommitFailedError from error

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[AsyncConnection]:
        """A turn that is one transaction."""
        async with self.turn(), self.begin() as connection:
            yield connection

    def took_it(self) -> None:
        """Something was written; that a transaction without a row ends well proves nothing."""
        self._failing, self._failed_at = False, None

    def took_a_beat(self) -> None:
        """Something small was written: that does not end the doubt at once."""
        self._failing = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Ask the store; needs no turn, and nobody waits for it.

        Raises:
            CommitFailedError: the store is away.
        """
        try:
            async with reading(self._store.reader) as connection:
                yield connection
        except StoreAwayError as error:
            self._suffer(error)
            _log.error("store_not_readable", error=str(error))
            raise CommitFailedError from error

    def _suffer(self, error: StoreAwayError) -> None:
        if isinstance(error, StoreDamagedError):
            self.condemn(str(error))
        self._is_away()

    def _is_away(self) -> None:
        self._failing, self._failed_at = True, time.monotonic()
