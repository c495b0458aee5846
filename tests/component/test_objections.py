"""申诉 with a real engine and store: durable, capped, its test ordered with the next ack, answered once it is there."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import api
from collector import web as pages
from collector.core.objection import Found
from collector.engine import CommitFailedError, ObjectedAlreadyError
from collector.engine import objections as at_work
from collector.engine.writing import Writer
from collector.exposition import Exposition
from collector.store import objections as stored
from collector.store import records
from collector.store.objections import NewObjection
from collector.text import Names
from collector.views import Bureau, Incidents, Kept, Objections, Records
from tests.support.collecting import NOW, POLICY, awake, bandwidth, port, record, report
from tests.support.engines import running

PATH = "/api/v1/objections"
pytestmark = pytest.mark.usefixtures("every_store")


@asynccontextmanager
async def client_of(engine, store, clock):
    async def reading(ask, *arguments):
        async with store.reader.connect() as connection:
            return await ask(connection, *arguments)

    bureau = Bureau(
        schools=lambda: engine.schools,
        kept=lambda: Kept(engine.schools.values()),
        names=lambda: Names(offices={"511402": "东坡区"}),
        policy=lambda: POLICY,
        clock=clock,
        incidents=Incidents(open=lambda: engine.bureau.state),
        records=Records(one=partial(reading, records.one)),
        objections=Objections(
            take=engine.objections.take, page=partial(reading, stored.page), waiting=engine.objections.of
        ),
    )
    app = web.Application()
    app.add_routes(api.routes(bureau))
    app.add_routes(pages.routes(bureau, Exposition(POLICY), lambda: True))
    async with TestClient(TestServer(app)) as client:
        yield client


async def raised(client, status=200, **body):
    given = {"school": "s3", "name": "李校长", "note": "我们测得 100M", **body}
    async with client.post(PATH, json=given) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def listed(client, query=""):
    async with client.get(f"{PATH}?{query}") as response:
        assert response.status == 200, await response.text()
        return (await response.json())["objections"]


class Gateway:
    """gw-two, which tests the line of s3."""

    def __init__(self, engine, clock):
        self.engine, self.clock, self.sequence = engine, clock, 0

    async def says(self, *seen):
        self.clock.now += 5
        records_ = [
            record(self.sequence + n, one, wall_s=self.clock.now, monotonic_s=990.0 + self.sequence)
            for n, one in enumerate(seen, 1)
        ]
        self.sequence += len(seen)
        sent = report(records_, gateway="gw-two", report_interval_s=600.0)
        return (await self.engine.submit("gw-two", sent, self.clock.now)).directives.retest


FAIL, PASS = bandwidth(passed=False), bandwidth(passed=True)


async def test_an_objection_from_its_order_to_its_answer(tmp_path):
    """What stood is taken down, the test is ordered with the next ack, the new result stands beside it; both stay."""
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        gateway = Gateway(engine, clock)
        await gateway.says(FAIL, port("r1"), awake("r1"))
        await gateway.says(FAIL)
        await engine.bureau.settle()
        assert await gateway.says() == ()
        taken = await raised(client)
        assert (taken["objection"]["incident"], taken["objection"]["outcome"]) == ("000001", None)
        assert taken["plan"].startswith("已安排复测 uplink。")
        assert await gateway.says() == ("uplink",)
        await gateway.says(PASS)
        assert await gateway.says() == ("uplink",), "it contradicts the two before"
        await gateway.says(PASS)
        await engine.objections.settle()
        assert await gateway.says() == ()
        (said,) = await listed(client, "school=s3")
        assert (said["outcome"], said["text"], said["by"]) == ("changed", "已复测,判定已改", "李校长")
        assert (said["before"]["link"], said["after"]["link"]) == ("short", "enough")
        assert said["before"]["tests"][0]["observed_at"] < said["at"] < said["after"]["tests"][0]["observed_at"]
        for path in ("/school/s3", "/school/s3?lang=en"):
            async with client.get(path) as response:
                page = await response.text()
            assert "李校长" in page
            assert "100 Mbit/s" in page
        async with client.get("/incidents/1") as response:
            assert "我们测得 100M" in await response.text()


async def test_it_outlives_a_kill_and_is_answered_by_its_days(tmp_path):
    """Taken is kept: after a restart it is ordered again; one that nobody can test is said to be that, and why."""
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        gateway = Gateway(engine, clock)
        await gateway.says(FAIL, port("r1"), awake("r1"))
        await gateway.says(FAIL)
        await raised(client)
    clock.now += 60
    async with running(tmp_path, clock) as (engine, store, clock), client_of(engine, store, clock) as client:
        again = asyncio.create_task(engine.objections.run())
        gateway = Gateway(engine, clock)
        gateway.sequence = 100
        async with asyncio.timeout(20):
            while await gateway.says() != ("uplink",):
                await asyncio.sleep(0.02)
        again.cancel()
        clock.now += 4 * 86_400
        await engine.tick()
        await engine.objections.settle()
        (said,) = await listed(client)
        assert (said["outcome"], said["reason"]) == ("unmeasured", "silent")
        assert "网关无上报" in said["text"]


class CutOff(Writer):
    """Loses the answer of a transaction, or of a question, that did what it should; as often as it is told."""

    cuts_count = 0

    @asynccontextmanager
    async def exclusive(self):
        async with super().exclusive() as connection:
            yield connection
        self.cut()

    @asynccontextmanager
    async def read(self):
        async with super().read() as connection:
            yield connection
        self.cut()

    def cut(self):
        if self.cuts_count:
            self.cuts_count -= 1
            raise CommitFailedError


async def test_whoever_is_cut_off_reads_again_what_the_store_has(tmp_path):
    """Neither lost nor twice: taken without an answer it is ordered, and one that is read twice is answered once."""
    before = Found(at=NOW, link="short")
    new = NewObjection(
        school="s3", classroom=None, office="o", incident=None, by="李", note="x", at=NOW, before=before
    )  # fmt: skip
    async with running(tmp_path) as (engine, store, clock):
        await Gateway(engine, clock).says(FAIL)
        writer = CutOff(store)
        desk = at_work.Objections(writer, lambda: engine.schools, lambda: POLICY, clock)
        for _ in range(2):
            writer.cuts_count = 1
            with pytest.raises(CommitFailedError):
                await desk.settle()
        await desk.settle()
        writer.cuts_count = 1
        with pytest.raises(CommitFailedError):
            await desk.take(new)
        await desk.settle()
        assert [each.school for each in desk.of(["s3"])] == ["s3"]
        with pytest.raises(ObjectedAlreadyError):
            await desk.take(new)
        clock.now += 4 * 86_400
        writer.cuts_count = 1
        with pytest.raises(CommitFailedError):
            await desk.settle()
        await desk.settle()
        assert not desk.of(["s3"])


async def test_new_evidence_answers_it_without_waiting_for_anything(tmp_path):
    """A commit about the school wakes whoever answers; the look at all is a minute away."""
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        gateway = Gateway(engine, clock)
        await gateway.says(FAIL)
        await gateway.says(FAIL)
        working = asyncio.create_task(engine.objections.run())
        await raised(client)
        await gateway.says(FAIL)
        async with asyncio.timeout(20):
            while (await listed(client))[0]["outcome"] != "upheld":
                await asyncio.sleep(0.02)
        working.cancel()


async def test_a_school_that_leaves_takes_its_objections_along(tmp_path):
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        await Gateway(engine, clock).says(FAIL)
        await raised(client)
        await engine.replace_roster(type(engine.roster)(), {}, POLICY)
        await engine.objections.settle()
        assert [(o["outcome"], o["reason"]) for o in await listed(client)] == [("unmeasured", "removed")]


async def test_what_is_taken_and_what_is_not(tmp_path):
    """One about a thing at a time, of what the roster lists, with a short name and note."""
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        await Gateway(engine, clock).says(FAIL)
        await raised(client)
        assert "waits for its tests since" in (await raised(client, 409))["error"]
        await raised(client, classroom="r1")
        await raised(client, school="s1")
        for status, wrong in (
            (404, {"school": "none"}), (404, {"classroom": "r9"}), (400, {"note": " "}), (400, {"name": "x" * 41}),
            (400, {"note": "x" * 201}), (413, {"note": "x" * 5_000}), (400, {"at": 5}), (400, {"name": 5}),
        ):  # fmt: skip
            assert set(await raised(client, status, **wrong)) == {"error"}
        async with client.post(PATH, data="school=s3") as response:
            assert response.status == 415
        assert [o["classroom"] for o in await listed(client, "school=s3")] == ["r1", None]
        assert len(await listed(client, "classroom=r1")) == 1


async def test_a_school_may_object_so_often_in_a_day(tmp_path, monkeypatch):
    """Answered ones count as well; another school has its own, and the next day is another day."""
    monkeypatch.setattr(at_work, "PER_SCHOOL_DAY_MAX", 2)
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        for room in (None, "r1"):
            taken = await raised(client, school="s1", classroom=room)
            assert (taken["objection"]["reason"], taken["plan"]) == ("no_test", "")
        assert "too many" in (await raised(client, 429, school="s1", classroom="r2"))["error"]
        await raised(client, school="s2")
        clock.now += 86_400
        await raised(client, school="s1", classroom="r2")


async def test_names_and_notes_stay_text(tmp_path):
    """Invisible characters and line ends become spaces; markup is shown, not obeyed."""
    async with running(tmp_path) as (engine, store, clock), client_of(engine, store, clock) as client:
        await Gateway(engine, clock).says(FAIL)
        await raised(client, name="<b>\u202e李\n", note="<script>alert(1)</script>")
        async with client.get("/school/s3") as response:
            page = await response.text()
        assert "&lt;script&gt;alert(1)" in page
        assert "<b>\u202e" not in page
