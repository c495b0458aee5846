"""The bureau at work on a real store: every change is told once, whatever stops it in between, and holds nobody up."""

import asyncio
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from sqlalchemy import Row, delete, event, func, select

from collector.core.bureau.root import Scope
from collector.core.bureau.words import Notice, SchoolChanged, SchoolGone
from collector.core.census import Found
from collector.core.events import DeviceMoved, Episode, Meanwhile
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.engine import bureau as at_work
from collector.engine.bureau import CHANGES_PER_TRANSACTION, Dispatcher
from collector.engine.errors import CommitFailedError
from collector.settings import ConsoleReceiver
from collector.store import alert_changes
from collector.store.states import StaleStateError
from collector.store.tables import alert_change, incident, incident_member, incident_told, office_desk, outbox
from tests.support.collecting import NOW, FakeClock, opened
from tests.support.samples import alert
from tests.support.school import at, weekdays

POLICY = Policy(group_wait_s=30)
pytestmark = pytest.mark.usefixtures("every_store")

RECEIVERS = [
    ConsoleReceiver(name="one"),
    ConsoleReceiver(name="two", offices=("o1",)),
    ConsoleReceiver(name="spare", standby=True),
]


class Killed(BaseException):
    """As by a signal that nothing can catch."""


class Countdown:
    """Ends what is under way at the ``at``-th point that it reaches, by ``error``."""

    def __init__(self, at: int | None = None, error: type[BaseException] = Killed) -> None:
        self.left, self.error = at, error

    def reach(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise self.error


def begin_on(store, countdown):
    lock = asyncio.Lock()

    @asynccontextmanager
    async def begin():
        countdown.reach()
        async with lock, store.writer.begin() as connection:
            yield connection
        countdown.reach()

    return begin


def move(room: str, at: float) -> DeviceMoved:
    return DeviceMoved(office="o1", school="s1", school_name="", classroom=room, before="a:1", after="a:2", at=at)


def cut_off(gateway: str) -> Meanwhile:
    bad = Episode(subject=Subject("uplink", gateway), cause=Cause.UPLINK_BELOW_REQUIRED, first_at=NOW, last_at=NOW + 9)
    return Meanwhile(office="o1", school="s2", school_name="", gateway=gateway, episodes=(bad,), at=NOW)


SLICE = 6
"""Changes in one transaction here: that there are more of them than that is what counts, not how many."""
MANY = [alert(f"m{n}", office="o1", cause=Cause.GATEWAY_SILENT, rooms=1, at=NOW) for n in range(SLICE)]
SCRIPT = [
    (0, [alert("s1", office="o1"), alert("s2", office="o2"), *MANY]),
    (30, []),
    (60, [alert("s1", office="o1", change="closed"), alert("s3", office="o1"), move("r1", NOW + 60)]),
    (90, []),
    (100, [SchoolChanged(school="s3", office="o2", name="新名"), SchoolGone(school="m7")]),
    (400, [alert("s2", office="o2", change="closed")]),
    (430, [alert(f"m{n}", change="closed", cause=Cause.GATEWAY_SILENT) for n in range(SLICE)]),
    (800, [alert("s3", change="closed")]),
    (2_000, []),
]


async def told(store) -> list[tuple[str, bytes]]:
    async with store.reader.connect() as connection:
        rows = await connection.execute(select(outbox.c.receiver, outbox.c.notice).order_by(outbox.c.id))
        return [(row.receiver, row.notice) for row in rows]


async def history(store) -> list[Row]:
    async with store.reader.connect() as connection:
        columns = [c for c in incident.c if c.name != "revision"]
        incidents = (await connection.execute(select(*columns).order_by(incident.c.id))).all()
        return [*incidents, *(await connection.execute(select(incident_told).order_by(*incident_told.c[:3]))).all()]


async def waiting_count(store) -> int:
    async with store.reader.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(alert_change))).scalar()


async def empty(store) -> None:
    async with store.writer.begin() as connection:
        for table in (alert_change, incident, incident_member, incident_told, office_desk, outbox):
            await connection.execute(delete(table))


async def perform(
    store, script, kill_at: int | None = None, error: type[BaseException] = Killed, scopes: Any = MappingProxyType({})
) -> int:
    """Play ``script``; a bureau that is killed is followed by another one. Return how many times it was stopped."""
    clock, countdown, stopped = FakeClock(), Countdown(kill_at, error), 0
    begin = begin_on(store, countdown)
    bureau = Dispatcher(begin, RECEIVERS, lambda: POLICY, clock, lambda: scopes)
    event.listen(store.writer.sync_engine, "before_cursor_execute", countdown.reach)
    for seconds, changes in script:
        clock.now, left, countdown.left = NOW + seconds, countdown.left, None
        async with store.writer.begin() as connection:
            await alert_changes.append(connection, changes, clock.now)
        countdown.left = left
        while True:
            try:
                await bureau.settle()
                break
            except Killed:
                stopped += 1
                bureau = Dispatcher(begin, RECEIVERS, lambda: POLICY, clock, lambda: scopes)
            except CommitFailedError:
                stopped += 1
    event.remove(store.writer.sync_engine, "before_cursor_execute", countdown.reach)
    return stopped


@pytest.mark.parametrize("error", [Killed, CommitFailedError])
async def test_stopped_at_any_point_nothing_is_told_twice_or_lost(tmp_path, error, monkeypatch):
    """Killed, or let down by the store, before, between and after any two statements of any transaction: the same
    messages and the same history as without.
    """
    monkeypatch.setattr(at_work, "CHANGES_PER_TRANSACTION", SLICE)
    async with opened(tmp_path) as store:
        assert await perform(store, SCRIPT) == 0
        expected, incidents = await told(store), await history(store)
        assert {name for name, _ in expected} == {"one", "two"}
        assert all(row.closed_at for row in incidents if hasattr(row, "closed_at"))
        assert all(row.ending for row in incidents if hasattr(row, "subject"))
        at, stopped = 0, 1
        while stopped:
            at += 1
            await empty(store)
            stopped = await perform(store, SCRIPT, kill_at=at, error=error)
            assert (await told(store), await history(store), await waiting_count(store)) == (expected, incidents, 0), at
    assert at > 50


MONDAY = at("2026-11-23 10:00") - NOW
OF_MORNINGS = [
    (MONDAY, []),
    (MONDAY + 60, [alert("s1", office="o1"), cut_off("gw2"), cut_off("gw2")]),
    (MONDAY + 120, []),
    (MONDAY + 180, [alert("s1", office="o1", change="closed")]),
    *((MONDAY + 180 + hours * 3_600, []) for hours in (23, 47)),
]


async def test_a_digest_is_told_once_wherever_it_is_stopped(tmp_path):
    """What the census found, what was fixed, and what came and went while a gateway was cut off."""
    found = Found(school="s2", school_name="s2", names=("x1",), count=1)
    scopes = {"o1": Scope(school_count=2, hours=weekdays(), take_census=lambda _now: {"unlisted": (found,)})}
    async with opened(tmp_path) as store:
        assert await perform(store, OF_MORNINGS, scopes=scopes) == 0
        expected = await told(store)
        notices = [msgspec.json.decode(notice, type=Notice) for _, notice in expected]
        digests = [notice.since_digest for notice in notices if notice.since_digest is not None]
        assert [[each.gateway for each in digest.meanwhile] for digest in digests] == [["gw2"]] * 2, "two receivers"
        assert [[each.school for each in digest.fixed] for digest in digests] == [["s1"]] * 2
        assert [group.kind for notice in notices for group in notice.census] == ["unlisted"] * 2
        at_, stopped = 0, 1
        while stopped:
            at_ += 1
            await empty(store)
            stopped = await perform(store, OF_MORNINGS, kill_at=at_, scopes=scopes)
            assert (await told(store), await waiting_count(store)) == (expected, 0), at_
    assert at_ > 15


async def test_only_rows_that_changed_are_written(tmp_path):
    """One more change writes its own incident and nothing else, however much is open; time that changes nothing."""
    async with opened(tmp_path) as store:
        clock = FakeClock()
        bureau = Dispatcher(begin_on(store, Countdown()), RECEIVERS, lambda: POLICY, clock)
        for events in ([alert(f"s{n}", office=f"o{n % 5}") for n in range(50)], [alert("t", office="o3")], []):
            async with store.writer.begin() as connection:
                await alert_changes.append(connection, events, clock.now)
            await bureau.settle()
        async with store.reader.connect() as connection:
            revisions = (await connection.execute(select(incident.c.office, incident.c.revision))).all()
            assert sorted(map(tuple, revisions)) == [("o0", 1), ("o1", 1), ("o2", 1), ("o3", 2), ("o4", 1)]
            assert (await connection.execute(select(office_desk))).all() == []


async def test_an_outage_of_a_province_lets_others_have_their_turn(tmp_path):
    """Between any two slices of a long queue whoever else waits for the store gets it."""
    slices = 20
    async with opened(tmp_path) as store:
        begin = begin_on(store, Countdown())
        bureau = Dispatcher(begin, RECEIVERS, lambda: POLICY, FakeClock())
        async with store.writer.begin() as connection:
            many = [alert(f"s{n}", office=f"o{n % 20}") for n in range(slices * CHANGES_PER_TRANSACTION)]
            await alert_changes.append(connection, many, NOW)
        working, turns = asyncio.create_task(bureau.settle()), 0
        while not working.done():
            async with begin() as connection:
                await connection.execute(select(1))
            turns += 1
        assert turns >= slices
        assert await waiting_count(store) == 0
        assert sum(i.tally.open_count for d in bureau.state.desks.values() for i in d.incidents.values()) == len(many)


async def test_another_writer_is_noticed_and_overcome(tmp_path):
    """Two that believe to own the bureau: the second reads again what the first wrote, and no change is lost."""
    async with opened(tmp_path) as store:
        clock, begin = FakeClock(), begin_on(store, Countdown())
        one, two = (Dispatcher(begin, RECEIVERS, lambda: POLICY, clock) for _ in range(2))
        for bureau in (one, two):
            await bureau.settle()
        for number, bureau in enumerate((one, two, one, two)):
            async with store.writer.begin() as connection:
                await alert_changes.append(connection, [alert(f"s{number}", office="o1")], NOW)
            task = asyncio.create_task(bureau.run())
            async with asyncio.timeout(20):
                while await waiting_count(store):
                    await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        clock.now += 30
        with pytest.raises(StaleStateError):
            await one.settle()
        await one.settle()
        assert len(await told(store)) == 2
        assert '"remaining_classrooms":28' in (await told(store))[0][1]


BROKEN: list[bool] = []


class BrokenPolicy(Policy, frozen=True, kw_only=True):
    """A bug wherever a new alert is put off, from some moment on."""

    @property
    def group_wait_s(self):
        if BROKEN:
            raise ZeroDivisionError
        return 30.0


class BrokenPace(Policy, frozen=True, kw_only=True):
    """A bug wherever time passes."""

    @property
    def message_window_s(self):
        raise ZeroDivisionError


async def test_a_bug_harms_one_change(tmp_path):
    """What the core cannot fold is left out and counted; its neighbours are folded, and the queue moves on."""
    async with opened(tmp_path) as store:
        policy = BrokenPolicy()
        bureau = Dispatcher(begin_on(store, Countdown()), RECEIVERS, lambda: policy, FakeClock())
        for events in ([alert("s1", office="o1")], [alert("s2", office="o2"), alert("s1", change="closed")]):
            async with store.writer.begin() as connection:
                await alert_changes.append(connection, events, NOW)
            await bureau.settle()
            BROKEN.append(True)
        BROKEN.clear()
        assert (await waiting_count(store), bureau.state.holders) == (0, {})


async def test_a_bug_that_time_meets_loses_no_change(tmp_path):
    """Where the bureau fails on time alone, what waits goes on waiting until that is mended."""
    async with opened(tmp_path) as store:
        clock = FakeClock()
        policy: list[Policy] = [BrokenPace(group_wait_s=30, messages_per_window=1)]
        bureau = Dispatcher(begin_on(store, Countdown()), RECEIVERS, lambda: policy[0], clock)
        async with store.writer.begin() as connection:
            await alert_changes.append(connection, [alert("s1", office="o1")], NOW)
        await bureau.settle()
        clock.now += 30
        await bureau.settle()
        async with store.writer.begin() as connection:
            await alert_changes.append(connection, [alert("s2", office="o1")], NOW)
        wake_at = await bureau.settle()
        assert await waiting_count(store) == 1
        assert wake_at > clock.now
        policy[0] = POLICY
        await bureau.settle()
        assert await waiting_count(store) == 0
        assert sorted(bureau.state.holders) == ["s1", "s2"]


@pytest.mark.parametrize("by", ["wake", "time"])
async def test_it_works_by_need(tmp_path, by):
    """A commit that put something into the queue wakes it at once, and so does the time that it named."""
    async with opened(tmp_path) as store:
        clock = FakeClock()
        policy = Policy(group_wait_s=0 if by == "wake" else 0.5)
        bureau = Dispatcher(begin_on(store, Countdown()), RECEIVERS, lambda: policy, asyncio.get_running_loop().time)
        noticed = asyncio.Event()
        bureau.on_notice(noticed.set)
        task = asyncio.create_task(bureau.run())
        await asyncio.sleep(0)
        async with store.writer.begin() as connection:
            await alert_changes.append(connection, [alert("s1", office="o1")], clock.now)
        bureau.wake()
        async with asyncio.timeout(20):
            await noticed.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(await told(store)) == 2
