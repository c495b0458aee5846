"""What the bureau knows, in the store: row by row, compared before it is replaced, nothing of an old release lost."""

from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import NullPool, select, text
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import create_async_engine

from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau, Notice, SchoolChanged, SchoolGone
from collector.core.events import AlertChange, DeviceMoved, Episode, Meanwhile
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.store import alert_changes, incidents, outbox
from collector.store.database import upgrade
from collector.store.incidents import Revisions
from collector.store.states import NewerStoreError, StaleStateError
from collector.store.tables import alert_change, incident, incident_member, office_desk
from tests.support.collecting import NOW, opened
from tests.support.samples import alert
from tests.support.stores import address_in

POLICY = Policy(group_wait_s=30)

pytestmark = pytest.mark.usefixtures("every_store")
OLD_STORE = Path(__file__).parents[1] / "data" / "store" / "0002.sql"
"""Made by release 0002: an engine at work, with every kind of subject, told and untold, over and open."""


async def stored(store, bureau, known, events, now):
    """Step and save as the engine does; return what is then known."""
    made = step(bureau, events, now, POLICY)
    closed = [e for e in made.effects if not isinstance(e, Notice) and e.change == "closed"]
    async with store.writer.begin() as connection:
        return made.bureau, await incidents.save(connection, known, bureau, made.bureau, closed)


async def rows(store, table):
    async with store.reader.connect() as connection:
        return (await connection.execute(select(table))).all()


async def loaded(store):
    async with store.reader.connect() as connection:
        return await incidents.load(connection)


async def test_a_bureau_comes_back_as_it_was(tmp_path):
    """Members, what was told of them, moves, limits and counters; a closed incident is history with its room count."""
    move = DeviceMoved(office="o1", school="s1", school_name="", classroom="r", before="a:1", after="a:2", at=40.0)
    async with opened(tmp_path) as store:
        known = Revisions()
        bureau, known = await stored(store, Bureau(), known, [alert("s1", office="o1"), alert("s2", office="o2")], 0.0)
        bureau, known = await stored(store, bureau, known, [], 30.0)
        over = alert("s2", office="o2", change="closed")
        bureau, known = await stored(store, bureau, known, [alert("s3", office="o1"), move, over], 40.0)
        found, revisions = await loaded(store)
        # what opened once is not kept
        once = {office: replace(desk, openings={}) for office, desk in bureau.desks.items()}
        assert step(found, [], 41.0, POLICY) == step(replace(bureau, desks=once), [], 41.0, POLICY)
        assert revisions == known
        bureau, known = await stored(store, bureau, known, [], 70.0)
        found = sorted(await rows(store, incident))
        assert [(r.id, r.closed_at, r.classroom_count, r.state is None) for r in found] == [
            ("000001", None, 14, False), ("000002", 70.0, 7, True),
        ]  # fmt: skip
        found, _ = await loaded(store)
        assert (found.incident_count, list(found.holders)) == (2, ["s1", "s3"])


async def test_numbers_go_on_after_a_million(tmp_path):
    """An incident never gets a number that another one had, also where the digits grow."""
    async with opened(tmp_path) as store:
        bureau = Bureau(incident_count=999_999)
        bureau, known = await stored(store, bureau, Revisions(), [alert("s1", office="o1")], 0.0)
        await stored(store, bureau, known, [alert("s2", office="o2")], 1.0)
        found, _ = await loaded(store)
        assert (found.incident_count, sorted(i.id for d in found.desks.values() for i in d.incidents.values())) == (
            1_000_001, ["1000000", "1000001"],
        )  # fmt: skip


async def test_rows_are_compared_before_they_are_replaced(tmp_path):
    """Who did not read a row cannot replace it, be it an incident or a desk; nothing of the attempt stays."""
    async with opened(tmp_path) as store:
        first, second, third = (
            [alert(f"s{n}", office="o1"), DeviceMoved(
                office="o1", school=f"s{n}", school_name="", classroom="r", before="a:1", after="a:2", at=n
            )] for n in range(3)
        )  # fmt: skip
        bureau, known = await stored(store, Bureau(), Revisions(), first, 0.0)
        bureau, newer = await stored(store, bureau, known, second, 1.0)
        before = await loaded(store)
        for stale in (known, Revisions(newer.incidents, known.desks), Revisions(known.incidents, newer.desks)):
            with pytest.raises(StaleStateError):
                await stored(store, bureau, stale, third, 2.0)
        assert (await loaded(store)) == before
        assert before[1] == newer


@pytest.mark.parametrize("table", [incident, office_desk], ids=lambda table: table.name)
async def test_a_newer_release(tmp_path, table):
    """What a newer release wrote is not understood half."""
    move = DeviceMoved(office="o1", school="s1", school_name="", classroom="r", before="a:1", after="a:2", at=0.0)
    async with opened(tmp_path) as store:
        await stored(store, Bureau(), Revisions(), [alert("s1"), move], 0.0)
        async with store.writer.begin() as connection:
            state = (await connection.execute(select(table.c.state))).scalar()
            await connection.execute(table.update().values(state=state.replace('"version":1', '"version":2')))
        with pytest.raises(NewerStoreError):
            await loaded(store)


async def test_only_members_that_changed_are_written(tmp_path):
    """One school more, one less and one that says more: three rows of members; a closed incident leaves none behind."""
    async with opened(tmp_path) as store:
        bureau, known = await stored(store, Bureau(), Revisions(), [alert(f"s{n}") for n in range(9)], 0.0)
        written = []
        listen(store.writer.sync_engine, "before_cursor_execute", lambda *given: written.append(given[2]))
        changes = [alert("s9"), alert("s0", change="closed"), alert("s1", measured=1.0)]
        bureau, known = await stored(store, bureau, known, changes, 1.0)
        assert sorted(text.split()[0] for text in written if "incident_member" in text) == [
            "DELETE",
            "INSERT",
            "UPDATE",
        ]
        assert sorted(row.school for row in await rows(store, incident_member)) == [f"s{n}" for n in range(1, 10)]
        over = [alert(f"s{n}", change="closed") for n in range(1, 10)]
        await stored(store, bureau, known, over, 2.0)
        assert await rows(store, incident_member) == []


async def test_the_queue_keeps_its_order_and_every_kind(tmp_path):
    """What goes in comes out, oldest first, a few at a time; only what was taken is removed."""
    events = [
        alert("s1", subject=Subject("switch", "gw", "a/b"), since=5.0, direction="up"),
        DeviceMoved(office="o", school="s1", school_name="名", classroom="r", before="a:1", after="a:2", at=1.0),
        SchoolChanged(school="s1", office="o2", name="名"),
        SchoolGone(school="s1"),
        alert("s1", change="closed", why="withdrawn"),
        Meanwhile(
            office="o", school="s1", school_name="名", gateway="gw", more_count=2, at=9.0,
            episodes=(Episode(subject=Subject("uplink", "gw"), cause=Cause.PORT_DOWN, first_at=1.0, last_at=2.0),),
        ),
    ]  # fmt: skip
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            await alert_changes.append(connection, events[:3], NOW)
            await alert_changes.append(connection, events[3:], NOW)
            await alert_changes.append(connection, [], NOW)
        async with store.writer.begin() as connection:
            first = await alert_changes.take(connection, 3)
            await alert_changes.append(connection, events[:1], NOW)
            await alert_changes.remove(connection, [entry.id for entry in first])
        async with store.writer.begin() as connection:
            rest = await alert_changes.take(connection, 100)
        assert [entry.event for entry in (*first, *rest)] == [*events, events[0]]


# --- the release before -------------------------------------------------------------------------------------------


async def make_old_store(folder, *statements: str) -> None:
    """The tables of then, with the rows of then; and what ``statements`` make of them."""
    writer = create_async_engine(address_in(folder), poolclass=NullPool)
    rows_of_then = OLD_STORE.read_text(encoding="utf-8").splitlines()
    inserts = [line for line in rows_of_then if line.startswith("INSERT INTO") and "alembic_version" not in line]
    async with writer.begin() as connection:
        await connection.run_sync(upgrade, "0002")
        for line in [*inserts, *statements]:
            await connection.exec_driver_sql(line)


@pytest.fixture
async def old_store(tmp_path):
    await make_old_store(tmp_path)
    return tmp_path


async def test_a_store_of_the_release_before(old_store):
    """Incidents, who was told of what, moves, limits, the counter and messages on their way are carried over."""
    async with opened(old_store) as store:
        bureau, known = await loaded(store)
        desk = bureau.desks["511402"]
        assert bureau.incident_count == 7
        assert set(known.incidents) == {f"{n:06d}" for n in range(2, 8)}
        assert [r.closed_at for r in await rows(store, incident) if r.id == "000001"] == [1795396030.0]
        assert desk.sent_at == (NOW + 51, NOW + 91, NOW + 91)
        assert [(m.classroom, m.after) for m in desk.moves] == [("r1", "sw1:2")]
        uplink = desk.incidents["000002"]
        assert {(s, m.is_open, m.told) for s, members in uplink.schools.items() for m in members} == {
            ("s1", False, ("r1", "r2")), ("s2", True, ("r2", "r3")), ("s3", True, ("r1",)),
        }  # fmt: skip
        assert (uplink.since, uplink.tally.classroom_count, uplink.tally.told_classroom_count) == (NOW + 20, 3, 5)
        subjects = {m.alert.subject for i in desk.incidents.values() for ms in i.schools.values() for m in ms}
        assert subjects == {
            Subject("uplink", "gw-one"), Subject("uplink", "gw-two"), Subject("switch", "gw-one", "sw/1"),
            Subject("segment", "gw-one", "sw1:Gi0/0/24"), Subject("classroom", name="r2"),
            Subject("classroom", name="r3"), Subject("platform", "gw-one", "p"),
            Subject("platform", "gw-two", "q"), Subject("exit", name="metro/1"),
        }  # fmt: skip


class PowerLost(BaseException):
    """Nothing of this transaction is heard of again."""


async def test_an_upgrade_that_is_cut_off(old_store):
    """Stopped before any statement of it the store is as it was, and the next start brings it up to date."""
    writer = create_async_engine(address_in(old_store), poolclass=NullPool)
    left = 0

    def reach(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerLost

    listen(writer.sync_engine, "before_cursor_execute", reach)
    for point in count(1):
        left = point
        try:
            async with writer.begin() as connection:
                await connection.run_sync(upgrade)
        except PowerLost:
            left = 0
            async with writer.begin() as connection:
                assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "0002"
                assert (await connection.execute(text("SELECT revision FROM bureau_state"))).all()
        else:
            break
    assert point > 40
    async with opened(old_store) as store:
        assert len((await loaded(store))[1].incidents) == 6


async def test_a_platform_that_no_gateway_sees_any_more(tmp_path):
    """Nothing could ever end such an alert: untold it is forgotten, and its incident is over."""
    await make_old_store(tmp_path, "DELETE FROM school_state")
    async with opened(tmp_path) as store:
        bureau, known = await loaded(store)
        assert Cause.PLATFORM_UNREACHABLE not in {i.cause for i in bureau.desks["511402"].incidents.values()}
        assert set(known.incidents) == {"000002", "000003", "000004", "000006", "000007"}
        assert all(row.closed_at for row in await rows(store, incident) if row.id == "000005")


async def test_messages_of_the_release_before(old_store):
    """What was not sent yet is sent; what was stays as the log."""
    async with opened(old_store) as store, store.reader.connect() as connection:
        waiting = await outbox.next_pending(connection, "terminal")
        assert (waiting.notice.kind, waiting.notice.since) == ("resolved", NOW - 5_000)
        assert [m.subject for m in waiting.notice.members] == [Subject("gateway", "gw-one")]
        assert (await outbox.pending_summary(connection)) == {
            "terminal": (4, NOW - 3_970), "group": (5, NOW - 4_970),
        }  # fmt: skip


async def test_the_release_before_goes_on(old_store):
    """After the upgrade: news of then is told once, nothing told is told again, and every end is an end."""
    async with opened(old_store) as store:
        bureau, _ = await loaded(store)
        notices, now, wake_at = [], NOW + 101, None
        closing = [
            AlertChange(change="closed", at=now, **{
                name: getattr(m.alert, name) for name in ("office", "school", "school_name", "subject", "cause")
            })
            for i in bureau.desks["511402"].incidents.values() for ms in i.schools.values() for m in ms
        ]  # fmt: skip
        events: list = []
        for _ in range(60):
            bureau, effects, wake_at = step(bureau, events, now, POLICY)
            notices += [part for e in effects if isinstance(e, Notice) for part in e.parts or (e,)]
            if wake_at is None:
                break
            events, now = (closing, now) if wake_at > now + 3_000 else ([], max(now, wake_at))
        told = [(n.kind, n.cause, sorted({m.school for m in n.members})) for n in notices]
        assert told[0] == ("resolved", Cause.UPLINK_BELOW_REQUIRED, ["s1"])
        assert told.count(("moved", None, [])) == 1
        assert {cause for kind, cause, _ in told if kind == "opened"} == {
            Cause.PLATFORM_UNREACHABLE, Cause.EXIT_BELOW_REQUIRED, Cause.PORT_DOWN,
        }  # fmt: skip
        assert [schools for kind, cause, schools in told if cause is Cause.UPLINK_BELOW_REQUIRED] == [
            ["s1"], ["s2", "s3"],
        ]  # fmt: skip
        assert (wake_at, bureau.holders) == (None, {})
        assert await rows(store, alert_change) == []
