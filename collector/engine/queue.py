"""Reports that wait for their transaction."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from classready.codec import DecodedReport
from classready.report import Ack
from collector.engine import metrics
from collector.engine.errors import CommitFailedError, QueueFullError

QUEUE_MAX_REPORTS = 512
QUEUE_MAX_BYTES = 8_000_000
"""As they came: 512 usual reports have 5 MB, 133 of the largest fill it. Decoded that is 100 MB at the very worst."""
BATCH_MAX_REPORTS = 128
"""In one transaction: with 60,000 bytes a report at most 8 MB of JSON."""
BATCH_MAX_RECORDS = 8_000
GATHER_S = 0.05
"""Between the beginnings of two batches, unless one is full: reports that come meanwhile share a transaction.

A transaction costs some milliseconds of processor time whatever it holds, so at 333 reports a second one each would
take more of a core than the reports themselves (PostgreSQL's commit_delay is for the same). A lone report on an idle
collector waits for nobody, and no gateway minds an answer that comes a twentieth of a second later.
"""
GATHER_LONGER_S = 0.1
"""So long where fewer than ``WORTHWHILE_REPORTS`` wait and others still come (of 333 a second 17 in half of it)."""
WORTHWHILE_REPORTS = 32
QUIET_S = 0.02
"""If so long nobody came, nobody still comes: of a few gateways that send report after report all are there."""


class Waiting(NamedTuple):
    """``received_at`` is the collector's clock; ``answer`` is given when the report is durable, or never will be."""

    gateway: str
    decoded: DecodedReport
    received_at: float
    answer: "asyncio.Future[Ack]"


class Queue:
    """First come, first served; bounded, so that a store that is slow is felt by who sends, not by memory.

    Nobody can fill it for others: of each gateway the gate before the engine lets in one report at a time.
    """

    def __init__(self) -> None:
        self._waiting_bytes = 0
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(QUEUE_MAX_REPORTS)
        self._are_enough = asyncio.Event()
        self._wanted_count = BATCH_MAX_REPORTS
        self._taken_at = self._came_at = float("-inf")
        metrics.QUEUE.set_function(self._waiting.qsize)
        metrics.QUEUE_LIMIT.set(QUEUE_MAX_REPORTS)

    def put(self, gateway: str, decoded: DecodedReport, received_at: float) -> "asyncio.Future[Ack]":
        """Return the answer to come.

        Raises:
            QueueFullError: ours; the sender comes back.
        """
        if self._waiting.full() or self._waiting_bytes + decoded.size_bytes > QUEUE_MAX_BYTES:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Ack] = loop.create_future()
        self._came_at = loop.time()
        self._waiting.put_nowait(Waiting(gateway, decoded, received_at, answer))
        self._waiting_bytes += decoded.size_bytes
        if self._waiting.qsize() >= self._wanted_count - 1:  # one more was taken and waits for them
            self._are_enough.set()
        return answer

    async def take(self) -> list[Waiting]:
        """Wait for a report; return it with all that wait behind it, as far as one transaction may hold."""
        batch = [await self._waiting.get()]
        self._waiting_bytes -= batch[0].decoded.size_bytes
        try:
            await self._gather()
        except asyncio.CancelledError:
            refuse(batch)
            raise
        record_count = len(batch[0].decoded.records)
        while len(batch) < BATCH_MAX_REPORTS and record_count < BATCH_MAX_RECORDS and not self._waiting.empty():
            batch.append(self._taken())
            record_count += len(batch[-1].decoded.records)
        return batch

    async def _gather(self) -> None:
        """Let more come, unless a batch is full or the last one was long ago; then those that make it worth while."""
        loop = asyncio.get_running_loop()
        await self._wait_for(BATCH_MAX_REPORTS, self._taken_at + GATHER_S)
        longest = self._taken_at + GATHER_LONGER_S
        while loop.time() < (until := min(longest, self._came_at + QUIET_S)):
            if await self._wait_for(WORTHWHILE_REPORTS, until):
                break
        self._taken_at = loop.time()

    async def _wait_for(self, count: int, until: float) -> bool:
        """Return when ``count`` are there, the one that was taken included, or at ``until``; say which."""
        self._wanted_count = count
        self._are_enough.clear()
        if self._waiting.qsize() < count - 1:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._are_enough.wait()
        return self._waiting.qsize() >= count - 1

    def close(self) -> None:
        """Nobody takes any more: those that wait are told so now, not when their patience ends."""
        while not self._waiting.empty():
            refuse([self._taken()])

    def _taken(self) -> Waiting:
        waiting = self._waiting.get_nowait()
        self._waiting_bytes -= waiting.decoded.size_bytes
        return waiting


def give(waiting: Waiting, ack: Ack) -> None:
    """Answer, unless whoever asked is gone."""
    if not waiting.answer.done():
        waiting.answer.set_result(ack)


def refuse(batch: Sequence[Waiting], why: Exception | None = None) -> None:
    """Whatever was not answered was not committed."""
    for waiting in batch:
        give_up(waiting.answer, why)


def give_up(answer: "asyncio.Future[Ack]", why: Exception | None = None) -> None:
    """Tell whoever still waits for ``answer`` that it will not come."""
    if not answer.done():
        answer.set_exception(why or CommitFailedError())
