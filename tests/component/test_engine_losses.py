"""What is lost between an agent and the store shows in a metric, once it is certain."""

import asyncio

import pytest

from collector.engine import metrics
from tests.support.collecting import OTHER_SPOOL, FakeClock, opened, pings, report, start_engine

pytestmark = pytest.mark.usefixtures("every_store")


async def test_lost_records_are_counted(tmp_path):
    """Of the spool in use after a second look, of one that was replaced at once; declared ones never."""
    lost, clock = metrics.RECORDS_LOST_UNEXPLAINED._value, FakeClock()
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, clock)
        run = asyncio.create_task(engine.run())
        before = lost.get()

        async def said(*sequences, **fields):
            clock.now += 60
            decoded = report(pings(sequences), **{"spool_records": len(sequences), **fields})
            await engine.submit("gw-one", decoded, clock())
            await engine.losses.look()
            return lost.get() - before

        assert await said(1, 2, 6) == 0
        assert await said(7) == 3
        assert await said(8) == 3
        assert await said(12, dropped={"spool_full": 3}) == 3
        assert await said(1, spool_id=OTHER_SPOOL) == 3
        assert await said(4, spool_id=OTHER_SPOOL) == 3
        assert await said(5, spool_id=OTHER_SPOOL, dropped={"disk_full": 2}) == 3
        run.cancel()
