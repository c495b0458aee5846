"""A platform that is itself at fault, from the reports of two offices to every school and back, over crashes."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select

from classready.observation import Http, Outcome, Reason
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Notice
from collector.core.hours import Calendar
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.engine import Engine
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.settings import ConsoleReceiver
from collector.store.tables import outbox
from tests.component.test_bureau_engine import empty, history, perform, told, waiting_count
from tests.support.collecting import NOW, POLICY, ROSTER, FakeClock, opened, record, report, write_roster
from tests.support.samples import alert

pytestmark = pytest.mark.usefixtures("every_store")

decode = msgspec.json.Decoder(Notice).decode
SCOPES = {office: Scope(school_count=2, platforms={"p": 2}) for office in ("o1", "o2")}
SCHOOLS = [("o1", "a1"), ("o1", "a2"), ("o2", "b1"), ("o2", "b2")]
MISSED = [
    replace(alert(school, office=office, cause=Cause.PLATFORM_UNREACHABLE, rooms=1, at=NOW),
            subject=Subject("platform", f"gw-{school}", "p"))
    for office, school in SCHOOLS
]  # fmt: skip
BACK = [replace(one, change="closed", at=NOW + 100) for one in MISSED]
SCRIPT = [
    (0, MISSED[:1]),
    (60, []),
    (70, MISSED[1:]),
    (101, []),
    (110, BACK[:3]),
    (500, []),
    (560, []),
    (600, BACK[3:]),
    (1_000, []),
]


async def test_killed_at_any_point_it_is_told_once(tmp_path):
    """Between any two statements: an office's own incident becomes everybody's, ends, and one school goes on alone."""
    async with opened(tmp_path) as store:
        assert await perform(store, SCRIPT, scopes=SCOPES) == 0
        expected, incidents = await told(store), await history(store)
        offices = [decode(notice).office for name, notice in expected if name == "one"]
        assert offices == ["o1", "", "", "o2", "o2"]
        assert all(row.closed_at for row in incidents if hasattr(row, "closed_at"))
        assert all(row.ending for row in incidents if hasattr(row, "subject"))
        at, stopped = 0, 1
        while stopped:
            at += 1
            await empty(store)
            stopped = await perform(store, SCRIPT, kill_at=at, scopes=SCOPES)
            assert (await told(store), await history(store), await waiting_count(store)) == (expected, incidents, 0), at
    assert at > 40


OTHER_OFFICE = """\
office: "511421"
name: 仁寿县
schools:
  - {id: s3, name: 示例小学, timetable: always, classrooms: [{id: r1}]}
gateways:
  - {id: gw-two, token_sha256: TWO, schools: [s3]}
"""
OWN_OFFICE = ROSTER[: ROSTER.index("  - id: s3")] + ROSTER[ROSTER.index("gateways:") : ROSTER.index("  - {id: gw-two")]


@asynccontextmanager
async def at_work(folder, clock):
    """Two offices with a gateway each; at the end the engine is gone as in a crash."""
    async with opened(folder) as store:
        engine = Engine(store, POLICY, (ConsoleReceiver(name="one"),), clock)
        listed = write_roster(folder, OTHER_OFFICE)
        (listed / "511402.yml").rename(listed / "511421.yml")
        roster = load_roster(write_roster(folder, OWN_OFFICE), {"p": ("p",)})
        await engine.replace_roster(roster, hours_of_schools(roster.entries, Calendar(), clock()), POLICY)
        task = asyncio.create_task(engine.run())
        try:
            yield engine, store
        finally:
            task.cancel()


async def tell(engine, clock, *, up):
    """Both gateways report what they see of the platform."""
    clock.now += 10
    seen = Http(target="p", outcome=Outcome.ANSWERED, status=200) if up else None
    seen = seen or Http(target="p", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
    for gateway in ("gw-one", "gw-two"):
        one = record(int(clock.now - NOW), seen, wall_s=clock.now - 1)
        await engine.submit(gateway, report([one], gateway=gateway, report_interval_s=600.0), clock.now)


def faults(engine):
    return {name: school.state.platform_faults for name, school in engine.schools.items()}


async def notices(store) -> list[Notice]:
    async with store.reader.connect() as connection:
        rows = await connection.execute(select(outbox.c.notice).order_by(outbox.c.id))
        return [decode(row.notice) for row in rows]


async def test_every_school_hears_of_it_and_of_its_end(tmp_path):
    """Also where the collector is killed after the bureau decided, and before any school was told."""
    clock, everywhere, nowhere = (
        FakeClock(),
        dict.fromkeys(("s1", "s2", "s3"), ("p",)),
        dict.fromkeys(["s1", "s2", "s3"], ()),
    )
    async with at_work(tmp_path, clock) as (engine, _):
        await tell(engine, clock, up=False)
        await engine.bureau.settle()
        assert faults(engine) == nowhere
    async with at_work(tmp_path, clock) as (engine, store):
        assert faults(engine) == everywhere
        await engine.tick()
        assert [(notice.office, notice.kind) for notice in await notices(store)] == [("", "opened")]
        assert engine.schools["s3"].state.classrooms["r1"].verdict.clauses.platforms == "unknown"
        await tell(engine, clock, up=True)
        await engine.bureau.settle()
        clock.now += POLICY.spread_wait_s
        await engine.bureau.settle()
        assert faults(engine) == everywhere
    async with at_work(tmp_path, clock) as (engine, store):
        assert faults(engine) == nowhere
        assert [(notice.office, notice.kind) for notice in await notices(store)] == [("", "opened"), ("", "resolved")]
        await tell(engine, clock, up=False)
        await engine.tick()
        await engine.tick()
        assert faults(engine) == everywhere
