"""Reports that wait: those that come close together share a transaction, and none waits for nothing."""

import asyncio
from typing import cast

import pytest

from classready.report import Ack
from collector.core.policy import Policy
from collector.engine import CommitFailedError, engine, queue
from collector.engine.queue import Queue
from collector.store.database import Store
from tests.support.collecting import NOW, SPOOL, pings, report

AGES_S = 3_600.0


def put(waiting: Queue, count: int) -> list["asyncio.Future[object]"]:
    return [waiting.put("gw-one", report(pings([n])), NOW) for n in range(1, count + 1)]


async def test_the_first_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "GATHER_S", AGES_S)
    waiting = Queue()
    put(waiting, 1)
    async with asyncio.timeout(AGES_S / 2):
        assert len(await waiting.take()) == 1


async def test_those_that_come_meanwhile_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "GATHER_S", 0.2)
    waiting = Queue()
    put(waiting, 1)
    await waiting.take()
    put(waiting, 1)
    taken = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    assert not taken.done()
    put(waiting, 2)
    assert len(await taken) == 3


@pytest.mark.parametrize("before", [0, 1, queue.BATCH_MAX_REPORTS])
async def test_a_full_batch_goes_at_once(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was full before anybody came to take it, or fills while somebody waits."""
    monkeypatch.setattr(queue, "GATHER_S", AGES_S)
    waiting = Queue()
    put(waiting, 1)
    await waiting.take()
    put(waiting, before)
    taken = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    put(waiting, queue.BATCH_MAX_REPORTS - before)
    async with asyncio.timeout(AGES_S / 2):
        assert len(await taken) == queue.BATCH_MAX_REPORTS


async def test_what_is_left_of_many_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "GATHER_S", AGES_S)
    waiting = Queue()
    put(waiting, 3 * queue.BATCH_MAX_REPORTS)
    async with asyncio.timeout(AGES_S / 2):
        assert [len(await waiting.take()) for _ in range(3)] == [queue.BATCH_MAX_REPORTS] * 3


async def test_who_waits_for_others_is_answered_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was taken and waits for company is in no queue any more when the engine ends."""
    monkeypatch.setattr(queue, "GATHER_S", AGES_S)
    waiting = Queue()
    put(waiting, 1)
    await waiting.take()
    (answer,) = put(waiting, 1)
    taken = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    taken.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taken
    with pytest.raises(CommitFailedError):
        await answer


async def test_who_is_not_answered_in_time_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender waits so long and no longer; the answer that comes after that is nobody's."""
    monkeypatch.setattr(engine, "ANSWER_MAX_S", 0.01)
    idle = engine.Engine(cast("Store", None), Policy(), [], lambda: NOW)
    async with asyncio.timeout(5):
        with pytest.raises(CommitFailedError):
            await idle.submit("gw-one", report(pings([1])), NOW)
    (late,) = await idle._queue.take()
    queue.give(late, Ack(spool_id=SPOOL))
    assert isinstance(late.answer.exception(), CommitFailedError)
