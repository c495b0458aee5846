"""Reports that wait: those that come close together share a transaction, and none waits for nothing."""

import asyncio

import pytest

from collector.engine import CommitFailedError, queue
from collector.engine.queue import Queue
from tests.support.collecting import NOW, pings, report

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
