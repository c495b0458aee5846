"""我在处理, over the API and on a real store: durable, shown at once, told with the next message, over with it."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import api
from collector.core.policy import Policy
from collector.engine.bureau import Dispatcher
from collector.engine.errors import CommitFailedError
from collector.settings import ConsoleReceiver
from collector.store import alert_changes, incidents, outbox
from collector.views import Bureau, Incidents, Kept
from tests.support.collecting import NOW, FakeClock, opened
from tests.support.samples import NAMES, alert

POLICY = Policy(group_wait_s=30)
PATH = "/api/v1/incidents/1/acknowledge"
pytestmark = pytest.mark.usefixtures("every_store")


class Desk:
    """A dispatcher over ``store`` and its API; ``away`` = the store takes nothing."""

    def __init__(self, store):
        self.store, self.clock, self.away = store, FakeClock(), False
        self.restart()

    def restart(self):
        receivers = [ConsoleReceiver(name="chat")]
        self.dispatcher = Dispatcher(self.begin, receivers, lambda: POLICY, self.clock)

    @asynccontextmanager
    async def begin(self):
        if self.away:
            raise CommitFailedError
        async with self.store.writer.begin() as connection:
            yield connection

    async def at(self, seconds, *changes):
        self.clock.now = NOW + seconds
        async with self.store.writer.begin() as connection:
            await alert_changes.append(connection, changes, self.clock.now)
        await self.dispatcher.settle()

    async def reading(self, ask, *arguments):
        async with self.store.reader.connect() as connection:
            return await ask(connection, *arguments)

    async def last_notice(self):
        """Take the message that waits."""
        async with self.store.writer.begin() as connection:
            found = await outbox.next_pending(connection, "chat")
            await outbox.settle(connection, found.id, "sent", None, NOW)
        return found.notice

    @asynccontextmanager
    async def client(self):
        source = Incidents(
            open=lambda: self.dispatcher.state,
            closed=partial(self.reading, incidents.closed_page),
            one_closed=partial(self.reading, incidents.closed_row),
            acknowledge=self.dispatcher.act,
        )
        bureau = Bureau(
            schools=dict, kept=lambda: Kept(()), names=lambda: NAMES, policy=Policy, clock=self.clock, incidents=source
        )
        app = web.Application()
        app.add_routes(api.routes(bureau))
        async with TestClient(TestServer(app)) as client:
            yield client


async def asked(client, path, status=200):
    async with client.get(path) as response:
        assert response.status == status
        return await response.json()


async def sent(client, status=200, path=PATH, **body):
    async with client.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_it_is_kept_over_a_restart_and_told_with_the_next_message(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        await desk.at(30)
        assert (await desk.last_notice()).acknowledgement is None
        async with desk.client() as client:
            assert (await asked(client, "/api/v1/incidents/1"))["state"] == "firing"
            shown = await sent(client, name=" 王工\n", note="已联系\u202e电信")
            assert shown["state"] == "acknowledged"
            assert shown["acknowledgement"] == {"by": "王工", "note": "已联系 电信", "at": NOW + 30}
            assert [(s["school"], s["classroom_count"]) for s in shown["schools"]] == [("s1", 7)]
        desk.restart()
        await desk.at(60, alert("s1", office="o1", at=NOW, rooms=9))
        await desk.at(90)
        notice = await desk.last_notice()
        assert (notice.kind, notice.acknowledgement.by) == ("updated", "王工")
        async with desk.client() as client:
            shown = await asked(client, "/api/v1/incidents/000001")
            assert (shown["state"], shown["notified_count"], shown["classroom_count"]) == ("acknowledged", 2, 9)


async def test_what_is_over_takes_none_and_what_opens_again_has_none(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        await desk.at(30)
        async with desk.client() as client:
            await sent(client, name="王工")
            await desk.at(60, alert("s1", office="o1", change="closed", at=NOW + 60))
            assert (await asked(client, "/api/v1/incidents/1"))["state"] == "ending"
            await desk.at(90)
            await sent(client, status=409, name="李工")
            assert (await asked(client, "/api/v1/incidents/1"))["closed_at"] == NOW + 90
            await desk.at(120, alert("s1", office="o1", at=NOW + 120))
            (again,) = (await asked(client, "/api/v1/incidents"))["incidents"]
            assert (again["incident"], again["state"], again["acknowledgement"]) == ("000002", "pending", None)
            closed = await asked(client, "/api/v1/incidents?state=closed")
            assert (closed["total"], [i["incident"] for i in closed["incidents"]]) == (1, ["000001"])
            assert (await asked(client, "/api/v1/incidents?state=closed&office=o2"))["total"] == 0


async def test_who_is_on_it_last_counts_and_a_store_that_is_away_takes_nothing(tmp_path):
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        async with desk.client() as client:
            await sent(client, name="王工")
            desk.away = True
            await sent(client, status=503, name="李工")
            desk.away = False
            assert (await asked(client, "/api/v1/incidents/1"))["acknowledgement"]["by"] == "王工"
            assert (await sent(client, name="李工"))["acknowledgement"]["by"] == "李工"


async def test_nothing_but_a_short_name_and_note_is_taken(tmp_path):
    """Too long, empty, invisible, unknown fields, no JSON, no such incident: refused, and nobody is on it."""
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        async with desk.client() as client:
            await sent(client, status=400, name="王" * 41)
            await sent(client, status=400, name="\u200b \n")
            await sent(client, status=400, name="王工", note="x" * 201)
            await sent(client, status=413, name="王工", note="x" * 9_000)
            await sent(client, status=400, name="王工", at=5)
            await sent(client, status=400, name=5)
            await sent(client, status=404, path="/api/v1/incidents/2/acknowledge", name="王工")
            await sent(client, status=404, path="/api/v1/incidents/x/acknowledge", name="王工")
            async with client.post(PATH, data="name=a") as response:
                assert response.status == 415
            for query in ("state=both", "limit=0", "offset=-1", "lang=fr"):
                await asked(client, f"/api/v1/incidents?{query}", status=400)
            assert (await asked(client, "/api/v1/incidents/1"))["acknowledgement"] is None


async def test_a_body_in_several_packets_is_read_to_its_end(tmp_path):
    """A pause of the sender is no end; a body without end is refused all the same."""

    async def packets(*parts):
        for part in parts:
            yield part
            await asyncio.sleep(0.05)

    json = {"Content-Type": "application/json"}
    async with opened(tmp_path) as store:
        desk = Desk(store)
        await desk.at(0, alert("s1", office="o1", at=NOW))
        async with desk.client() as client:
            async with client.post(PATH, data=packets(b'{"name":', b' "a"}'), headers=json) as response:
                assert response.status == 200
            async with client.post(PATH, data=packets(b" " * 4_000, b" " * 4_000), headers=json) as response:
                assert response.status == 413
