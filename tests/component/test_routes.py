"""Routes, from the alerts of schools to the rows that wait for each receiver's robot."""

import msgspec
import pytest
from sqlalchemy import select

from collector.core.bureau.words import Notice
from collector.core.policy import Policy
from collector.core.words import Cause
from collector.engine.bureau import Dispatcher
from collector.settings import ConsoleReceiver
from collector.store import alert_changes
from collector.store import outbox as outbox_rows
from collector.store.tables import outbox
from tests.component.test_bureau_engine import Countdown, begin_on
from tests.support.collecting import FakeClock, opened
from tests.support.samples import alert

pytestmark = pytest.mark.usefixtures("every_store")

RECEIVERS = [
    ConsoleReceiver(name="office", offices=("o1",)),
    ConsoleReceiver(name="school", schools=("s1",), fallback="office"),
    ConsoleReceiver(name="elsewhere", schools=("t1",)),
    ConsoleReceiver(name="urgent", least="urgent"),
    ConsoleReceiver(name="spare", standby=True),
]


async def rows(store) -> list[tuple[int, str, Notice]]:
    async with store.reader.connect() as connection:
        found = await connection.execute(select(outbox.c.id, outbox.c.receiver, outbox.c.notice).order_by(outbox.c.id))
        return [(row.id, row.receiver, msgspec.json.decode(row.notice, type=Notice)) for row in found]


async def test_each_receiver_has_its_part_once(tmp_path):
    """One incident of two schools: the office reads both, the school itself alone with its own sums; nobody twice."""
    slow = [alert(s, office="o1", cause=Cause.UPLINK_BELOW_REQUIRED, rooms=n) for s, n in (("s1", 2), ("s2", 5))]
    async with opened(tmp_path) as store:
        clock = FakeClock()
        begin = begin_on(store, Countdown())
        bureau = Dispatcher(begin, RECEIVERS, lambda: Policy(group_wait_s=30), clock)
        async with begin() as connection:
            await alert_changes.append(connection, slow, clock.now)
        await bureau.settle()
        clock.now += 30
        await bureau.settle()
        found = await rows(store)
        told = {receiver: notice for _, receiver, notice in found}
        assert sorted(receiver for _, receiver, _ in found) == ["office", "school"]
        assert [m.school for m in told["office"].members] == ["s1", "s2"]
        assert [m.school for m in told["school"].members] == ["s1"]
        assert (told["office"].remaining_classrooms, told["school"].remaining_classrooms) == (7, 2)
        assert told["office"].incident == told["school"].incident
        narrow = next(number for number, receiver, _ in found if receiver == "school")
        async with begin() as connection:
            await outbox_rows.copy(connection, narrow, "office", clock.now)
            await outbox_rows.copy(connection, narrow, "spare", clock.now)
        assert [receiver for _, receiver, _ in (await rows(store))[2:]] == ["spare"], "the office knows it already"
