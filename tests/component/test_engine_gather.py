"""Bureau and clockwork do not take up one thing after the other: what comes within a moment is done together."""

import asyncio

import pytest

from collector.engine import bureau, clockwork
from tests.support.collecting import FakeClock, opened, start_engine

pytestmark = pytest.mark.usefixtures("every_store")

DEADLINE_S = 20.0
NEVER_S = 3_600.0
TURNS = 100
"""Of the event loop: whoever waits for nothing has begun anew long before."""


class Counted:
    def __init__(self, work):
        self.work, self.begun_count, self.done = work, 0, asyncio.Event()

    async def __call__(self):
        self.begun_count += 1
        try:
            return await self.work()
        finally:
            self.done.set()


async def test_news_for_the_bureau(tmp_path, monkeypatch):
    """What is news while the pause lasts shares the next transaction."""
    monkeypatch.setattr(bureau, "GATHER_S", NEVER_S)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        settle = Counted(engine.bureau.settle)
        monkeypatch.setattr(engine.bureau, "settle", settle)
        working = asyncio.create_task(engine.bureau.run())
        async with asyncio.timeout(DEADLINE_S):
            await settle.done.wait()
        for _ in range(TURNS):
            engine.bureau.wake()
            await asyncio.sleep(0)
        working.cancel()
    assert settle.begun_count == 1


async def test_schools_that_are_due(tmp_path, monkeypatch):
    """Whoever is due while the pause lasts is looked at in the next turn."""
    monkeypatch.setattr(clockwork, "GATHER_S", NEVER_S)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        tick = Counted(engine._clockwork.tick)
        monkeypatch.setattr(engine._clockwork, "tick", tick)
        working = asyncio.create_task(engine.keep_time(idle_max_s=0.001))
        async with asyncio.timeout(DEADLINE_S):
            while not engine.is_alive:
                await asyncio.sleep(0.01)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        working.cancel()
    assert tick.begun_count == 1


async def test_time_passes_while_many_are_due(tmp_path, monkeypatch):
    """With each slice: a province that is judged anew takes a minute, and is neither unready nor dead meanwhile."""
    monkeypatch.setattr(clockwork, "GAP_S", NEVER_S)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        engine._registry.due.set("s1", 0.0)
        assert not engine.is_alive
        working = asyncio.create_task(engine.keep_time())
        async with asyncio.timeout(DEADLINE_S):
            while not engine.is_alive:
                await asyncio.sleep(0.01)
        working.cancel()
