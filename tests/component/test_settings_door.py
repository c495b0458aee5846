"""Settings of gateways over real HTTP, engine and stores: whose they are, their versions, and what was said of them."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from classready.codec import decode_document
from classready.report import RefusedSettings, SettingsReport
from collector.configuring.words import Audience, Template
from collector.engine import CommitFailedError
from collector.engine.devices import DEVICES_PER_GATEWAY_MAX, DeviceRefusedError, Devices
from collector.engine.writing import Writer
from collector.ingest import http as reports_door
from collector.ingest import settings as door
from collector.ingest.gate import Gate
from collector.store.devices import Device
from collector.store.tables import audit
from tests.support.collecting import NOW, TOKENS, body, pings
from tests.support.engines import rows, running

TestServer.__test__ = False
pytestmark = pytest.mark.usefixtures("every_store")

PAGE = {"kind": "http", "name": "smartedu", "url": "https://basic.smartedu.cn/"}
EVERYWHERE = Template(name="every", targets={"smartedu": PAGE})
ONLY_TWO = Template(name="two", audience=Audience(gateways=("gw-two",)), settings={"report_interval_s": 30.0})


def board(name="b1", gateway="gw-one", **more):
    target = {"kind": "whiteboard", "name": name, "host": "10.0.0.9", "classroom": "s1/r1", **more}
    return Device(gateway=gateway, name=name, target=target, confirmed_by="王主任", confirmed_at=NOW)


class Bureau:
    def __init__(self, engine, store, clock, server, session):
        self.engine, self.store, self.clock, self.server, self.session = engine, store, clock, server, session

    async def settings(self, gateway, known=None):
        headers = {"Authorization": f"Bearer {TOKENS.get(gateway, gateway)}"}
        headers |= {"If-None-Match": f'"{known}"'} if known else {}
        async with self.session.get(self.server.make_url(door.PATH), headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.get("ETag")

    async def report(self, gateway, **more):
        headers = {"Authorization": f"Bearer {TOKENS[gateway]}"}
        sent = body(pings([1]), gateway=gateway, **more)
        async with self.session.post(self.server.make_url(reports_door.PATH), data=sent, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@asynccontextmanager
async def bureau(folder):
    async with running(folder) as (engine, store, clock):
        await engine.devices.load()
        engine.configuring.templates = (EVERYWHERE, ONLY_TWO)
        gate = Gate()
        application = web.Application()
        application.add_routes([*door.routes(engine, clock, gate), *reports_door.routes(engine, clock, gate)])
        async with TestServer(application) as server, ClientSession() as session:
            yield Bureau(engine, store, clock, server, session)


async def test_each_gateway_gets_its_own_and_by_its_own_token_only(tmp_path):
    async with bureau(tmp_path) as here:
        status, sent, tag = await here.settings("gw-one")
        one = decode_document(sent)
        assert (status, tag, one.targets, one.settings) == (200, f'"{one.version}"', (PAGE,), {})
        two = decode_document((await here.settings("gw-two"))[1])
        assert (two.settings, two.version == one.version) == ({"report_interval_s": 30.0}, False)
        assert await here.settings("gw-one", known=one.version) == (304, b"", tag)
        assert (await here.settings("gw-one", known=two.version))[0] == 200
        assert (await here.settings("a guess"))[:2] == (401, b'{"reason":"unknown_agent"}')


async def test_an_ack_names_the_version_until_there_is_another_one(tmp_path):
    async with bureau(tmp_path) as here:
        first = (await here.report("gw-one"))["directives"]["settings_version"]
        assert first == decode_document((await here.settings("gw-one"))[1]).version
        await here.engine.devices.put([board()], NOW)
        second = (await here.report("gw-one"))["directives"]["settings_version"]
        assert second != first
        assert [t["name"] for t in decode_document((await here.settings("gw-one"))[1]).targets] == ["smartedu", "b1"]
        other = (await here.report("gw-two"))["directives"]["settings_version"]
        await here.engine.devices.remove("gw-one", ["b1"], NOW)
        assert (await here.report("gw-one"))["directives"]["settings_version"] == first
        here.engine.configuring.templates = (EVERYWHERE,)
        assert (await here.report("gw-two"))["directives"]["settings_version"] != other


async def test_what_a_gateway_says_is_kept_until_it_says_another_thing(tmp_path):
    async with bureau(tmp_path) as here:
        said = SettingsReport(version="0" * 16, refused=RefusedSettings(version="1" * 16, problems=("timezone: 没有",)))
        assert here.engine.configuring.said("gw-one") is None
        await here.report("gw-one", settings=said)
        assert here.engine.configuring.said("gw-one") == (said, here.clock.now)
        await here.report("gw-one")
        assert here.engine.configuring.said("gw-one") is None, "an agent of an older release"


async def test_confirmed_devices_outlive_the_process_and_are_audited(tmp_path):
    async with bureau(tmp_path) as here:
        await here.engine.devices.put([board("b2"), board("b1"), board("b1", "gw-two")], NOW)
        await here.engine.devices.put([board("b1", host="10.0.0.10")], NOW)
        again = Devices(Writer(here.store))
        await again.load()
        assert again.of("gw-one") == here.engine.devices.of("gw-one")
        assert [(d.name, d.target["host"]) for d in again.of("gw-one")] == [("b1", "10.0.0.10"), ("b2", "10.0.0.9")]
        told = [(row.actor, row.action, row.detail) for row in await rows(here.store, audit)]
        assert told.count(("王主任", "device_confirmed", "gw-one b1")) == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "no host"}, "b1: .*host"),
        ({"name": "b9"}, "called b9"),
        ({"colour": "red"}, "colour"),
        ({"kind": "toaster"}, "toaster"),
    ],
)
async def test_what_is_no_target_is_confirmed_by_nobody(tmp_path, wrong, says):
    async with bureau(tmp_path) as here:
        bad = board()
        bad = Device(gateway="gw-one", name="b1", target={**bad.target, **wrong}, confirmed_by="王", confirmed_at=NOW)
        before = here.engine.devices.revision
        with pytest.raises(DeviceRefusedError, match=says):
            await here.engine.devices.put([board("b0"), bad], NOW)
        assert (here.engine.devices.of("gw-one"), here.engine.devices.revision) == ((), before)


async def test_there_is_an_end_to_the_devices_of_a_gateway(tmp_path):
    async with bureau(tmp_path) as here:
        many = [board(f"b{i}") for i in range(DEVICES_PER_GATEWAY_MAX)]
        await here.engine.devices.put(many, NOW)
        with pytest.raises(DeviceRefusedError, match="more than"):
            await here.engine.devices.put([board("one-more")], NOW)
        assert len(here.engine.devices.of("gw-one")) == DEVICES_PER_GATEWAY_MAX


async def test_a_document_too_large_for_a_broker_is_none(tmp_path):
    async with bureau(tmp_path) as here:
        fat = {f"t{i}": {**PAGE, "name": f"t{i}", "expect": "很" * 200} for i in range(100)}
        here.engine.configuring.templates = (Template(name="fat", targets=fat),)
        assert (await here.report("gw-one"))["directives"]["settings_version"] is None
        assert (await here.settings("gw-one"))[0] == 404


async def test_a_store_that_is_away_takes_no_device(tmp_path, monkeypatch):
    async with bureau(tmp_path) as here:
        here.engine.condemn("gone")
        with pytest.raises(CommitFailedError):
            await here.engine.devices.put([board()], NOW)
        assert here.engine.devices.of("gw-one") == ()
