"""The outbox on real stores: every message is delivered or refused, once, in order, and no robot delays another."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from collector.core.bureau.words import Notice
from collector.core.words import Cause
from collector.notify.contract import Deferred, Refused
from collector.outbox import Outbox
from collector.settings import ConsoleReceiver
from collector.store import outbox as outbox_rows
from collector.store.tables import outbox as outbox_table
from tests.support.collecting import NOW, FakeClock, opened, start_engine

DEADLINE_S = 10.0

pytestmark = pytest.mark.usefixtures("every_store")


def notice(incident: str) -> Notice:
    return Notice(
        kind="opened",
        incident=incident,
        office="511402",
        cause=Cause.GATEWAY_SILENT,
        at=NOW,
        since=NOW,
    )


class Robot:
    """Does with each message what it is told; takes it when nothing is left to do."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []

    async def send(self, message) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        elif answer is not None:
            raise answer
        self.taken.append(message)


@asynccontextmanager
async def delivering(folder, clock, **robots):
    """An outbox at work for ``robots``; messages are incident ids. Yields (store, outbox)."""
    async with opened(folder) as store:
        engine = await start_engine(store, folder, clock, receivers=[ConsoleReceiver(name=name) for name in robots])
        outbox = Outbox(store, engine, robots, lambda notice: notice.incident, clock)
        task = asyncio.create_task(outbox.run())
        try:
            yield store, outbox
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def write(store, outbox, incident: str, *receivers: str) -> None:
    async with store.writer.begin() as connection:
        await outbox_rows.add(connection, receivers, notice(incident), NOW)
    outbox.wake()


async def states(store) -> list[tuple[str, str, int]]:
    async with store.reader.connect() as connection:
        rows = await connection.execute(select(outbox_table).order_by(outbox_table.c.id))
        return [(row.receiver, row.state, row.attempt_count) for row in rows]


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_in_order_and_once(tmp_path):
    """Messages arrive in the order in which they were written; a restart sends none of them again."""
    robot, clock = Robot(), FakeClock()
    for expected in (["1", "2", "3"], ["1", "2", "3"]):
        async with delivering(tmp_path, clock, r=robot) as (store, outbox):
            for incident in [] if robot.taken else ["1", "2", "3"]:
                await write(store, outbox, incident, "r")

            async def all_sent(store=store):
                return [state for _, state, _ in await states(store)] == ["sent"] * 3

            await until(all_sent)
        assert robot.taken == expected


async def test_dead_robot_delays_nobody(tmp_path):
    """While one robot hangs, the other gets its messages."""
    hangs, well = Robot(asyncio.Event()), Robot()
    async with delivering(tmp_path, FakeClock(), hangs=hangs, well=well) as (store, outbox):
        for incident in ("1", "2"):
            await write(store, outbox, incident, "hangs", "well")

        async def well_has_both():
            return well.taken == ["1", "2"]

        await until(well_has_both)
        assert hangs.taken == []


async def test_deferred(tmp_path):
    """A deferred message is kept, waits as long as it was told, and is delivered when it is taken."""
    robot, clock = Robot(Deferred("timeout", 60.0), Deferred("rate", 7.0)), FakeClock()
    for expected, pause_s in ((("r", "pending", 1), 60.0), (("r", "pending", 2), 7.0), (("r", "sent", 3), 0.0)):
        async with delivering(tmp_path, clock, r=robot) as (store, outbox):
            if not await states(store):
                await write(store, outbox, "1", "r")

            async def attempted(expected=expected, store=store):
                return await states(store) == [expected]

            await until(attempted)
            async with store.reader.connect() as connection:
                waiting = await outbox_rows.next_pending(connection, "r")
            assert waiting is None or waiting.due_at == clock.now + pause_s
        clock.now += pause_s
    assert robot.taken == ["1"]


async def test_refused(tmp_path):
    """A refused message is kept with its reason and counted as lost; the next one goes on."""
    lost = REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) or 0
    robot = Robot(Refused("rejected", 93000))
    async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")

        async def settled():
            return [state for _, state, _ in await states(store)] == ["refused", "sent"]

        await until(settled)
        async with store.reader.connect() as connection:
            assert (await connection.execute(select(outbox_table.c.reason))).scalars().all() == [
                "rejected (93000)",
                None,
            ]
    assert REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) == lost + 1


async def test_bug_in_a_notifier(tmp_path):
    """A notifier that fails in a way nobody thought of loses nothing."""
    async with delivering(tmp_path, FakeClock(), r=Robot(KeyError("?"))) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def kept():
            return await states(store) == [("r", "pending", 1)]

        await until(kept)


async def test_receiver_gone(tmp_path):
    """What waits for a receiver that is no longer in the settings is settled, not forgotten."""
    async with delivering(tmp_path, FakeClock(), old=Robot(Deferred("timeout", 60.0))) as (store, outbox):
        await write(store, outbox, "1", "old")

        async def waits():
            return await states(store) == [("old", "pending", 1)]

        await until(waits)
    async with delivering(tmp_path, FakeClock(), new=Robot()) as (store, _):

        async def refused():
            return await states(store) == [("old", "refused", 2)]

        await until(refused)
