"""Records on their way to the collector: written and synced before anything else may happen to them.

One SQLite file, touched by one thread. A record leaves it only when the collector named it as durable, when the bounds
of the spool push it out (counted), or when it is set aside (counted). While the disk cannot be written, a small spool
in memory, with an identity of its own, takes its place: records keep flowing, and no sequence is ever used twice.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from agent.settings import SpoolSettings
from agent.spool.faults import SpoolInUseError
from agent.spool.file import Batch, Lane
from agent.spool.store import FILE_NAME, Statistics, Store
from classready.report import Record, Rejected

__all__ = ["FILE_NAME", "Batch", "Lane", "Spool", "SpoolInUseError", "Statistics"]

T = TypeVar("T")


class Spool:
    """The spool as the event loop sees it: every call runs in the one thread that owns the database.

    ``live_s``: records younger than this travel before all others.
    """

    def __init__(self, thread: ThreadPoolExecutor, store: Store) -> None:
        self._thread, self._store = thread, store
        self.appended = asyncio.Event()

    @classmethod
    async def open(cls, folder: Path, settings: SpoolSettings, *, live_s: float) -> "Spool":
        """Open or make the spool in ``folder``; a broken or foreign file there is renamed aside.

        Raises:
            SpoolInUseError: another agent runs on this folder.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        try:
            store = await asyncio.get_running_loop().run_in_executor(thread, Store, folder, settings, live_s)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, store)

    async def follow(self, *, live_s: float) -> None:
        """Records younger than ``live_s`` travel before all others from now on."""
        await self._call(lambda: self._store.follow(live_s))

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def append(self, records: Sequence[Record]) -> None:
        """Keep ``records`` (their ``sequence`` is given here) until they are settled. Returns when they are on disk."""
        await self._call(lambda: self._store.append(records))
        self.appended.set()

    async def take(self, lane: Lane, now_s: float, limit_bytes: int) -> Batch | None:
        """Take records to be sent; until they are settled, or others taken, no bound pushes them out."""
        return await self._call(lambda: self._store.send(lane, now_s, limit_bytes))

    async def heartbeat(self) -> Batch:
        return await self._call(self._store.heartbeat)

    async def settle(
        self, spool_id: str, committed: Sequence[tuple[int, int]], rejected: Sequence[Rejected] = ()
    ) -> bool:
        return await self._call(lambda: self._store.on(spool_id, lambda file: file.settle(committed, rejected)))

    async def set_aside(self, spool_id: str, sequence: int, reason: str) -> bool:
        return await self._call(lambda: self._store.on(spool_id, lambda file: file.set_aside(sequence, reason)))

    async def renumber(self, spool_id: str) -> bool:
        """Have what the spool of that identity holds travel under another one; False = it could not be written."""
        return await self._call(lambda: self._store.on(spool_id, lambda file: file.renumber()))

    @property
    def degraded(self) -> bool:
        """Whether records go to memory only, as far as is known at this moment."""
        return self._store.degraded

    async def statistics(self) -> Statistics:
        return await self._call(self._store.statistics)

    async def close(self) -> None:
        await self._call(self._store.close)
        self._thread.shutdown(wait=False)
