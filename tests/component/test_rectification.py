"""Records of what was told and mended, in the store: kept, linked, counted, exported, and deleted after years."""

import csv
import io
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace
from sqlalchemy import func, insert, select, update

from collector import api
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledged, SchoolChanged, SchoolGone
from collector.core.objection import Answer, Found
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolDay
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.engine.bureau import YEAR_S, Dispatcher
from collector.settings import ConsoleReceiver
from collector.store import alert_changes, objections, records
from collector.store.objections import NewObjection
from collector.store.records import Wanted
from collector.store.tables import incident, incident_told
from collector.views import Bureau, Kept, Records
from tests.support.collecting import FakeClock, opened
from tests.support.samples import NAMES, alert

DAY_S = 86_400.0
MONDAY = datetime(2026, 10, 11, 16, tzinfo=UTC).timestamp()
"""Midnight at the schools, 12 October."""
NOON = MONDAY + 12 * 3_600.0


def day(number: int) -> SchoolDay:
    midnight = MONDAY + number * DAY_S
    date = (datetime(2026, 10, 12, tzinfo=UTC) + timedelta(days=number)).strftime("%Y-%m-%d")
    return SchoolDay(date, ((midnight + 8 * 3_600, midnight + 17 * 3_600),))


pytestmark = pytest.mark.usefixtures("every_store")


class Desk:
    """A dispatcher over a store, told day by day. Times are seconds from noon of a Monday."""

    def __init__(self, store, policy=None):
        self.store, self.clock = store, FakeClock()
        self.policy = policy or Policy(group_wait_s=30, digest_at="08:00", reopened_within_school_days=2)
        self.restart()

    def restart(self):
        receivers = [ConsoleReceiver(name="chat")]
        self.dispatcher = Dispatcher(self.begin, receivers, lambda: self.policy, self.clock, lambda: self.scopes)

    scopes = {  # noqa: RUF012 - given, never changed
        "511402": Scope(
            school_count=40,
            operators={"电信": 4},
            hours=Hours(days=tuple(map(day, (0, 1, 2, 3, 4, 7, 8, 9))), utc_offset_s=8 * 3_600.0),
        )
    }

    @asynccontextmanager
    async def begin(self):
        async with self.store.writer.begin() as connection:
            yield connection

    async def at(self, seconds, *changes):
        """Take ``changes`` then, and tell them half a minute later."""
        for now, events in ((NOON + seconds, changes), (NOON + seconds + 30, ())):
            self.clock.now = now
            async with self.store.writer.begin() as connection:
                await alert_changes.append(connection, events, now)
            await self.dispatcher.settle()

    async def reading(self, ask, *arguments):
        async with self.store.reader.connect() as connection:
            return await ask(connection, *arguments)

    async def all(self, **wanted):
        return (await self.reading(records.page, Wanted(**wanted), 0, 100)).rows

    @asynccontextmanager
    async def client(self):
        source = Records(**{name: partial(self.reading, getattr(records, name)) for name in ("page", "one", "counts")})
        bureau = Bureau(
            schools=dict, kept=lambda: Kept(()), names=lambda: NAMES, policy=Policy, clock=self.clock, records=source
        )
        app = web.Application()
        app.add_routes(api.routes(bureau))
        async with TestClient(TestServer(app)) as client:
            yield client


def begun(school="s1", at=0.0, **fields):
    return alert(school, at=NOON + at, since=NOON + at - 600, rooms=2, **fields)


def over(school="s1", at=0.0, **fields):
    return alert(school, at=NOON + at, change="closed", **fields)


def ack(number, by="王工", at=0.0):
    return Acknowledged(incident=number, by=by, note="已联系电信", at=NOON + at)


async def object_to(store, number, at):
    """An objection that was raised and answered at ``at``."""
    before = Found(at=at, link="short")
    new = NewObjection(
        school="s1", classroom=None, office="o", incident=number, by="李", note="100M", at=at, before=before
    )  # fmt: skip
    async with store.writer.begin() as connection:
        taken = await objections.add(connection, new)
        await objections.settle(connection, taken.id, Answer(outcome="upheld", reason=None, after=before), at)


async def asked(client, path, status=200):
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_a_record_from_the_first_message_to_the_end(tmp_path):
    """Number, school, rooms, whom it asks, when what, who was on it, how long it took: over a restart, and for good."""
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, begun(operator="电信"), begun("s2", cause=Cause.PORT_DOWN), over("s2", cause=Cause.PORT_DOWN))
        async with desk.client() as client:
            (record,) = (await asked(client, "/api/v1/rectifications"))["records"]
            assert (record["state"], record["told_at"], record["fixed_at"], record["ending"]) == (
                "open", NOON + 30, None, None,
            )  # fmt: skip
            await desk.at(60, ack("000001", at=60))
            desk.restart()
            await desk.at(7_200, over(at=7_200))
            record = await asked(client, "/api/v1/rectifications/1")
            assert (record["incident"], record["state"], record["cause"]) == (
                "000001",
                "fixed",
                "uplink_below_required",
            )
            assert (record["office_name"], record["actor"], record["root_name"]) == (
                "东坡区教育和体育局", "operator", "电信",
            )  # fmt: skip
            assert (record["since"], record["opened_at"], record["closed_at"]) == (NOON - 600, NOON, NOON + 7_230)
            assert (record["fixed_at"], record["fix_s"], record["fix_lesson_s"]) == (NOON + 7_200, 7_800, 7_800)
            assert record["acknowledgement"] == {"by": "王工", "note": "已联系电信", "at": NOON + 60}
            (school,) = record["schools"]
            assert (school["school"], school["name"], school["classrooms"]) == ("s1", "城关小学", ["b2-301", "b2-302"])
            assert (school["ending"], school["ended_at"], record["school_count"]) == ("recovered", NOON + 7_200, 1)
            await asked(client, "/api/v1/rectifications/2", 404)
            await asked(client, "/api/v1/rectifications/x", 404)


async def test_how_it_ends(tmp_path):
    """Recovered, exempted, removed, moved to another office, not heard of: each is called what it is."""
    gone = {"cause": Cause.SWITCH_UNREACHABLE, "why": "withdrawn"}
    ends = {
        "a": [over("a", 60, cause=Cause.SWITCH_UNREACHABLE)],
        "b": [over("b", 60, withdrawal="exempted", **gone)],
        "c": [SchoolGone(school="c")],
        "d": [SchoolChanged(school="d", office="511421", name="d")],
        "e": [over("e", 60, **gone)],
    }
    async with opened(tmp_path) as store:
        desk = Desk(store, Policy(group_wait_s=30, messages_per_window=100))
        await desk.at(0, *(begun(school, cause=Cause.SWITCH_UNREACHABLE) for school in ends))
        await desk.at(60, *(event for events in ends.values() for event in events))
        rows = {row["id"]: row for row in await desk.all()}
        assert [rows[f"{n:06d}"]["ending"] for n in range(1, 6)] == [
            "recovered", "exempted", "removed", "moved", "withdrawn",
        ]  # fmt: skip
        assert [rows[f"{n:06d}"]["fixed_at"] for n in range(1, 6)] == [NOON + 60, None, None, None, None]
        assert (rows["000006"]["office"], rows["000006"]["ending"]) == ("511421", None)
        counts = await desk.reading(records.counts, Wanted())
        assert (counts.open, counts.fixed, counts.withdrawn, counts.median_fix_s) == (1, 1, 4, 660)


async def test_one_that_was_partly_withdrawn_was_fixed_when_the_rest_was(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, begun("a", operator="电信"), begun("b", operator="电信"))
        await desk.at(400, over("a", 400))
        await desk.at(800, over("b", 800, why="withdrawn", withdrawal="exempted"))
        (row,) = await desk.all()
        assert (row["ending"], row["fixed_at"]) == ("recovered", NOON + 400)
        page = await desk.reading(records.one, "000001")
        assert [(told["school"], told["ending"]) for told in page.told] == [("a", "recovered"), ("b", "exempted")]


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        pytest.param(begun(at=2 * DAY_S), "000001", id="the same within two school days"),
        pytest.param(begun(at=7 * DAY_S), None, id="three school days later, over a weekend"),
        pytest.param(begun(at=DAY_S, cause=Cause.SWITCH_UNREACHABLE), None, id="another cause"),
        pytest.param(begun(at=DAY_S, subject=Subject("uplink", "gw-other")), None, id="another line of the school"),
        pytest.param(begun("s2", at=DAY_S), None, id="another school"),
    ],
)
async def test_what_fails_again_is_linked_to_the_record_before(tmp_path, again, expected):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, begun())
        await desk.at(600, over(at=600))
        await desk.at(again.at - NOON, again)
        first, second = sorted(await desk.all(), key=lambda row: row["id"])
        assert (first["reopened_from"], second["reopened_from"]) == (None, expected)
        assert (await desk.reading(records.counts, Wanted())).reopened == (expected is not None)


async def test_what_was_withdrawn_or_is_open_is_not_reopened(tmp_path):
    """An exemption that ended mended nothing; and back within its own incident it is the same record, open again."""
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, begun("a", operator="电信"), begun("b", operator="电信"))
        await desk.at(400, over("a", 400))
        await desk.at(800, begun("a", 800, operator="电信"))
        (row,) = await desk.all()
        page = await desk.reading(records.one, "000001")
        assert (row["reopened_from"], [told["ending"] for told in page.told]) == (None, [None, None])
        await desk.at(2_000, *(over(s, 2_000, why="withdrawn") for s in "ab"))
        await desk.at(3_000, begun("a", 3_000))
        assert [row["reopened_from"] for row in await desk.all()] == [None, None]


async def test_incidents_that_become_one_point_to_it(tmp_path):
    """The record that goes on has all schools with when each was told; the others say as what they go on."""
    async with opened(tmp_path) as store:
        await object_to(store, "000002", NOON)
        desk = Desk(store, Policy(group_wait_s=15, spread_wait_s=30))
        for number, school in enumerate(("a", "b", "c")):
            silent = begun(school, 400 * number, cause=Cause.GATEWAY_SILENT, operator="电信")
            await desk.at(400 * number, replace(silent, subject=Subject("gateway", school)))
        one, other = sorted(await desk.all(), key=lambda row: row["id"])[:2]
        assert (other["ending"], other["joined_to"], other["fixed_at"]) == ("joined", "000001", None)
        page = await desk.reading(records.one, "000001")
        assert [(t["school"], t["told_at"], t["ending"]) for t in page.told] == [
            ("a", NOON + 30, None), ("b", NOON + 430, None), ("c", NOON + 830, None),
        ]  # fmt: skip
        assert (one["actor"], one["root_name"], page.school_counts) == ("operator", "电信", {"000001": 3})
        assert [o["school"] for o in (await desk.reading(objections.page, {"incident": "000001"}, 0, 9))[1]] == ["s1"]


async def test_filters_pages_and_mistakes(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store, Policy(group_wait_s=30, messages_per_window=100))
        for number, office in enumerate(("511402", "511402", "511421")):
            await desk.at(DAY_S * number, begun(f"s{number}", DAY_S * number, office=office, cause=Cause.PORT_DOWN))
        await desk.at(3 * DAY_S, over("s0", 3 * DAY_S, cause=Cause.PORT_DOWN))
        async with desk.client() as client:
            for query, expected in (
                ("", ["000003", "000002", "000001"]),
                ("office=511402", ["000002", "000001"]),
                ("school=s1", ["000002"]),
                ("state=fixed", ["000001"]),
                ("state=open&office=511421", ["000003"]),
                ("from=2026-10-13&until=2026-10-14", ["000002"]),
                (f"from={int(NOON + 2 * DAY_S)}", ["000003"]),
                ("office=nobody", []),
                ("limit=1&offset=1", ["000002"]),
            ):
                page = await asked(client, f"/api/v1/rectifications?{query}")
                assert [record["incident"] for record in page["records"]] == expected, query
            page = await asked(client, "/api/v1/rectifications?limit=2&state=open")
            assert (page["total"], page["next_offset"], page["counts"]["open"], page["counts"]["fixed"]) == (
                2, None, 2, 1,
            )  # fmt: skip
            for query in ("state=closed", "from=yesterday", "until=2026-13-01", "limit=0", "offset=-1", "lang=fr"):
                assert set(await asked(client, f"/api/v1/rectifications?{query}", 400)) == {"error"}
            async with client.get("/api/v1/rectifications.csv?office=511402") as response:
                assert response.content_type == "text/csv"
                rows = list(csv.reader(io.StringIO((await response.read()).decode("utf-8-sig"))))
            assert [row[:3] for row in rows] == [
                ["事件编号", "单位", "学校代码"],
                ["000002", "东坡区教育和体育局", "s1"],
                ["000001", "东坡区教育和体育局", "s0"],
            ]


async def test_rows_of_an_earlier_release_say_that_they_do_not_know(tmp_path):
    """NULL is shown as not known, never as 0 or nobody; what was never told is no record."""
    old = {"revision": 2, "scope": "school", "office": "511402", "cause": "port_down", "since": 5.0, "opened_at": 9.0}
    async with opened(tmp_path) as store:
        async with store.writer.begin() as connection:
            rows = [
                {**old, "id": "000001", "closed_at": 50.0, "classroom_count": 7},
                {**old, "id": "000002", "closed_at": 60.0, "classroom_count": 1, "notified_count": 0},
            ]
            for row in rows:
                await connection.execute(insert(incident).values(row))
        desk = Desk(store)
        async with desk.client() as client:
            page = await asked(client, "/api/v1/rectifications?lang=en")
            (record,) = page["records"]
            assert (record["incident"], record["state"], record["state_text"]) == (
                "000001", "unknown", "closed, outcome not recorded",
            )  # fmt: skip
            unknown = ("actor", "told_at", "fixed_at", "fix_s", "fix_lesson_s", "ending", "school_count")
            assert [record[name] for name in unknown] == [None] * len(unknown)
            assert (page["counts"]["unknown"], page["counts"]["median_fix_s"]) == (1, None)
            async with client.get("/api/v1/rectifications.csv") as response:
                rows = list(csv.reader(io.StringIO((await response.read()).decode("utf-8-sig"))))
            assert (rows[1][4], rows[1][8], rows[1][17]) == ("未记录", "未记录", "")


async def test_one_that_an_earlier_release_told_ends_like_all_others(tmp_path):
    """The members that it told have no rows: their end is kept, and when they were told is not known."""
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, begun())
        async with store.writer.begin() as connection:
            await connection.execute(incident_told.delete())
            await connection.execute(update(incident).values(told_at=None, notified_count=None))
        desk.restart()
        await desk.at(600, over(at=600))
        page = await desk.reading(records.one, "000001")
        assert [(t["told_at"], t["ending"], t["ended_at"]) for t in page.told] == [(None, "recovered", NOON + 600)]
        assert page.rows[0]["ending"] == "recovered"


async def test_after_the_years_of_the_policy_they_are_deleted_a_few_at_a_time(tmp_path, monkeypatch):
    """With what was told of them. Open ones stay, and the newest number, whatever its age: none is given twice."""
    monkeypatch.setattr(records, "DELETED_PER_TRANSACTION", 2)
    async with opened(tmp_path) as store:
        desk = Desk(store, Policy(group_wait_s=30, messages_per_window=100, records_kept_years=1))
        await desk.at(-2 * YEAR_S, *(begun(f"s{n}", -2 * YEAR_S, cause=Cause.PORT_DOWN) for n in range(6)))
        await desk.at(60 - 2 * YEAR_S, *(over(f"s{n}", cause=Cause.PORT_DOWN) for n in range(1, 6)))
        await object_to(store, "000001", NOON - 2 * YEAR_S)
        await object_to(store, "000001", NOON)
        await desk.at(0)
        assert [await desk.dispatcher.prune(), await desk.dispatcher.prune()] == [0, 0]  # as if the clock were ahead
        await desk.at(0, begun("s7", cause=Cause.PORT_DOWN))
        assert [await desk.dispatcher.prune() for _ in range(4)] == [3, 2, 1, 0]
        _, left = await desk.reading(objections.page, {}, 0, 9)
        assert [one["at"] for one in left] == [NOON]
        assert [row["id"] for row in await desk.all()] == ["000007", "000001"]
        async with store.reader.connect() as connection:
            assert set((await connection.execute(select(incident_told.c.incident))).scalars()) == {"000001", "000007"}
        await desk.at(60, over("s7", 60, cause=Cause.PORT_DOWN), over("s0", 60, cause=Cause.PORT_DOWN))
        desk.clock.now = NOON + 3 * YEAR_S
        async with store.writer.begin() as connection:
            await connection.execute(update(incident).values(opened_at=0.0, closed_at=1.0))
        await desk.dispatcher.prune()
        assert (await desk.reading(lambda c: c.scalar(select(func.max(incident.c.id))))) == "000007"
