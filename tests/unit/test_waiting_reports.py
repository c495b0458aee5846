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


@pytest.fixture
def longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first half of the pause is over at once."""
    monkeypatch.setattr(queue, "GATHER_S", 0.0)
    monkeypatch.setattr(queue, "GATHER_LONGER_S", AGES_S)


@pytest.mark.usefixtures("longer")
@pytest.mark.parametrize("before", [1, queue.WORTHWHILE_REPORTS - 1])
async def test_as_many_as_are_worth_while_are_waited_for(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUIET_S", AGES_S)
    waiting = Queue()
    put(waiting, 1)
    monkeypatch.setattr(waiting, "_taken_at", asyncio.get_running_loop().time())
    put(waiting, before - 1)
    taken = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    assert not taken.done()
    put(waiting, queue.WORTHWHILE_REPORTS - before)
    async with asyncio.timeout(AGES_S / 2):
        assert len(await taken) == queue.WORTHWHILE_REPORTS


@pytest.mark.usefixtures("longer")
async def test_nobody_waits_for_those_who_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few gateways that send one report after the other are all there: each answer lets one of them send again."""
    monkeypatch.setattr(queue, "QUIET_S", 0.001)
    waiting = Queue()
    async with asyncio.timeout(60):
        for _ in range(20):
            put(waiting, 3)
            assert len(await waiting.take()) == 3


async def test_nobody_waits_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was there first is answered soon, however slowly others come."""
    monkeypatch.setattr(queue, "GATHER_LONGER_S", 0.6)
    monkeypatch.setattr(queue, "QUIET_S", 0.2)
    waiting, loop = Queue(), asyncio.get_running_loop()
    put(waiting, 1)
    await waiting.take()
    began_at = loop.time()
    put(waiting, 1)
    taken = asyncio.create_task(waiting.take())
    while not taken.done():
        put(waiting, 1)
        await asyncio.sleep(0.05)
    assert loop.time() - began_at > 0.55
    assert len(taken.result()) < queue.WORTHWHILE_REPORTS
