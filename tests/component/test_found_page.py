"""发现待分配 on a real engine: shown, confirmed by one click, ignored, released; nothing is done by half."""

import asyncio
import io
import re
from dataclasses import replace

import pytest
from aiohttp import FormData

from classready.observation import Found, FoundPort
from collector.app.finds import finds_of
from collector.finding import OpenCounts
from tests.support.finding import SCHOOL, client_of, school, switch, tell

PATH = "/school/s1/found"
pytestmark = pytest.mark.usefixtures("every_store")


async def get(client, path=PATH, status=200):
    async with client.get(path) as response:
        text = await response.text()
        assert response.status == status, text
        return text


async def post(client, fields, status=200, path=PATH):
    async with client.post(path, data=fields) as response:
        text = await response.text()
        assert response.status == status, text
        return text


def key_in(text):
    return re.search(r'name="key" value="([0-9a-f]{64})"', text)[1]


def form_of(text, act="confirm", by="王工"):
    """What a browser sends of the first form, as the page has it filled in."""
    form = text.partition("<form")[2].partition("</form>")[0]
    fields = [("key", key_in(form)), ("name", by), ("act", act)]
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and name[1].startswith("room|"):
            fields.append((name[1], value[1]))
        elif name and name[1] == "take" and " checked" in tag:
            fields.append(("take", value[1]))
    return fields


def targets(engine, gateway="gw-one"):
    return [dict(device.target) for device in engine.devices.of(gateway)]


async def test_the_page_shows_what_was_found_and_one_click_confirms_it(tmp_path):
    """The proposals are ticked; afterwards they are in the gateway's settings, under the name of who confirmed."""
    async with school(tmp_path) as (engine, _, client):
        before = engine.configuring.version("gw-one")
        text = await get(client)
        assert "上次查找:10.0.0.0/24,253 个地址,4 个有应答" in text
        assert "3 台待分配" in text
        assert "标注里有教室编号" in text
        assert "接在该教室的端口上" in text
        told = await post(client, form_of(text))
        assert "已确认 3 台" in told
        assert targets(engine) == [
            {"kind": "whiteboard", "name": "board-b2-301", "host": "10.0.0.31", "classroom": "b2-301", "snmp": None},
            {"kind": "whiteboard", "name": "board-b2-303", "host": "10.0.0.32", "classroom": "b2-303"},
            {"kind": "switch", "name": "switch-sw-b-core-b", "host": "10.0.0.2", "snmp": {"community": "school"}}
            | {"ports": {"GE0/0/1": "b2-301", "GE0/0/2": "b2-302"}},
        ]
        assert {device.confirmed_by for device in engine.devices.of("gw-one")} == {"王工"}
        assert engine.configuring.version("gw-one") != before
        assert "没有待分配的设备" not in told, "the computer that only answers pings may be looked at"
        assert "0 台待分配" in told
        again = await post(client, form_of(text), 409)
        assert "10.0.0.2:已经分配过了" in again


async def test_a_keeper_chooses_otherwise(tmp_path):
    """Another room, one board left out, one more port: what stands in the form is done, and nothing else."""
    async with school(tmp_path) as (engine, _, client):
        text = await get(client)
        fields = [
            ("key", key_in(text)),
            ("name", "王工"),
            ("act", "confirm"),
            ("take", "gw-one|10.0.0.2"),
            ("room|gw-one|10.0.0.2|GE0/0/1", ""),
            ("room|gw-one|10.0.0.2|1/3", "b2-303"),
            ("room|gw-one|10.0.0.32|", "b2-301"),
        ]
        await post(client, fields)
        (target,) = targets(engine)
        assert target["ports"] == {"1/3": "b2-303"}


async def test_mistakes_are_all_said_and_nothing_is_done(tmp_path):
    """What was chosen stays in the form; a name is asked for; nothing selected changes nothing."""
    async with school(tmp_path) as (engine, _, client):
        key = key_in(await get(client))
        fields = [
            ("key", key),
            ("name", "王工"),
            ("act", "confirm"),
            ("take", "gw-one|10.0.0.31"),
            ("take", "gw-one|10.0.0.32"),
            ("room|gw-one|10.0.0.31|", "b9-999<"),
            ("room|gw-one|10.0.0.32|", ""),
        ]
        text = await post(client, fields, 409)
        assert "10.0.0.31:名册里没有教室“b9-999&lt;”" in text
        assert "10.0.0.32:没有选教室" in text
        assert 'value="b9-999&lt;"' in text
        assert text.count(" checked") == 2
        assert "请填写姓名" in await post(client, [("key", key), ("act", "confirm"), ("take", "gw-one|10.0.0.31")], 400)
        assert "没有选择任何设备" in await post(client, [("key", key), ("act", "confirm"), ("name", "王工")])
        assert "没有选择任何设备" in await post(
            client, [("key", key), ("act", "confirm"), ("name", "王工"), ("take", "gw-two|10.0.0.1")]
        )
        assert targets(engine) == []


async def test_a_form_of_a_page_elsewhere_does_nothing(tmp_path):
    """A browser sends the board's password with it; without a key of this page, school and day it is not ours."""
    async with school(tmp_path) as (engine, clock, client):
        text = await get(client)
        fields = form_of(text)
        for forged in ("", "0" * 64, "\udc80", key_in(await get(client, "/school/s3/found"))):
            assert "不是从本页提交的" in await post(
                client, [("key", forged.encode("utf-8", "replace").decode()), *fields[1:]], 403
            )
        clock.now += 90_000
        assert "不是从本页提交的" in await post(client, fields, 403)
        assert targets(engine) == []
        async with client.get(PATH) as response:
            policy = response.headers["Content-Security-Policy"]
        assert "form-action 'self'" in policy
        assert "default-src 'self'" in policy


async def test_what_devices_call_themselves_is_text(tmp_path):
    """Names and labels from the network are shown, and are no markup."""
    async with school(tmp_path) as (_, _, client):
        text = await get(client)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
        assert "sw-&lt;b&gt;core&lt;/b&gt;" in text
        assert "http-equiv" not in text, "a refresh would take away what is being chosen"
        assert "refresh.js" not in text


async def test_ignored_heeded_released_and_searched_again(tmp_path):
    """Each with the name of who said so, each shown, each taken back."""
    async with school(tmp_path) as (engine, clock, client):
        text = await get(client)
        key = key_in(text)
        said = [("key", key), ("name", "李工")]
        told = await post(client, [*said, ("act", "ignore"), ("take", "gw-one|10.0.0.32")])
        assert "已忽略 1 台" in told
        assert "2 台待分配" in told
        assert "已忽略(1)" in told
        assert "3 台待分配" in await post(client, [*said, ("act", "heed"), ("take", "gw-one|10.0.0.32")])
        await post(client, form_of(text))
        told = await post(client, [*said, ("act", "release"), ("take", "gw-one|board-b2-301")])
        assert "已取消分配 1 台" in told
        assert [target["name"] for target in targets(engine)] == ["board-b2-303", "switch-sw-b-core-b"]
        assert "1 台待分配" in told
        told = await post(client, [*said, ("act", "again"), ("take", "gw-one|")])
        assert "已要求重新查找" in told
        document = engine.configuring.of("gw-one")
        assert document.discovery.again_at == clock.now
        assert "已要求重新查找,等待网关执行" in told
        clock.now += 60
        await tell(engine, clock, [SCHOOL[0]], first=100)
        assert "等待网关执行" not in await get(client)
        assert "上次查找没有找到" in await get(client)


async def test_it_is_linked_and_counted_on_the_board(tmp_path):
    """On the school's page and in the office's list; the count follows what people do."""
    async with school(tmp_path) as (_, _, client):
        assert '<a href="/school/s1/found">发现待分配</a> <b>3 台待分配</b>' in await get(client, "/school/s1")
        assert '<a href="/school/s1/found">3 台待分配</a>' in await get(client, "/office/511402")
        assert "to assign" in await get(client, "/school/s1?lang=en")
        await post(client, form_of(await get(client)))
        assert "台待分配</b>" not in await get(client, "/school/s1")
        assert "/school/s1/found" not in await get(client, "/office/511402")


async def test_an_office_sees_where_something_waits_and_has_one_table(tmp_path):
    """Schools with their counts, the whole as CSV, and back: also by who has the board's password alone."""
    async with school(tmp_path) as (engine, clock, client):
        await tell(engine, clock, [Found(what="device", host="10.0.0.5", name="r1")], gateway="gw-two")
        path = "/office/511402/found"
        assert f'<a href="{path}">发现待分配</a>' in await get(client, "/office/511402")
        text = await get(client, path)
        assert '<a href="/school/s1/found">示例中心校</a> <b>3 台待分配</b>' in text
        assert '<a href="/school/s3/found">示例小学</a> <b>1 台待分配</b>' in text
        table = await get(client, f"{path}.csv")
        assert "10.0.0.5" in table
        lines = ["网关,地址,端口,教室,处理", "gw-two,10.0.0.5,,r1,确认", "gw-one,10.0.0.99,,,忽略"]
        form = FormData({"key": key_in(text), "name": "王工", "act": "import"})
        form.add_field("table", "\r\n".join(lines).encode("gb18030"), filename="表.csv", content_type="text/csv")
        assert "确认 1 台,忽略 1 台" in await post(client, form, path=path)
        assert [device.name for device in engine.devices.of("gw-two")] == ["board-r1"]
        assert "不是从本页提交的" in await post(
            client, [("key", key_in(await get(client))), ("act", "import")], 403, path
        )
        await get(client, "/office/none/found", 404)


async def test_it_is_counted_for_the_fleet(tmp_path):
    """In the background, of all gateways; what changed is counted again, and nothing else is read."""
    async with school(tmp_path) as (engine, clock, client):
        asked, finds = [], finds_of(engine)

        def reading(gateways):
            asked.append(gateways)
            return engine.finds.of(gateways)

        counts = OpenCounts(replace(finds, of=reading), lambda: engine.schools)
        assert counts.known("gw-one") is None
        counting = asyncio.create_task(counts.run())
        async with asyncio.timeout(20):
            while (counts.known("gw-one"), counts.known("gw-two")) != (3, 0):
                await asyncio.sleep(0.02)
        counting.cancel()
        await post(client, form_of(await get(client)))
        assert await counts.of(["gw-one"]) == {"gw-one": 0}
        await tell(engine, clock, [switch(host="10.0.0.9")], first=50)
        assert await counts.of(["gw-one"]) == {"gw-one": 1}
        asked.clear()
        assert await counts.of(["gw-one"]) == {"gw-one": 1}
        assert asked == []


async def test_a_school_without_a_search_and_one_that_is_none(tmp_path):
    """What is missing is said: no permission, no search yet."""
    async with school(tmp_path) as (engine, clock, client):
        text = await get(client, "/school/s3/found")
        assert "还没有查找结果" in text
        engine.configuring.templates = ()
        assert "没有允许这台网关自动查找" in await get(client, "/school/s3/found")
        await get(client, "/school/none/found", 404)
        async with client_of(engine, clock) as other:
            await post(
                other,
                [("key", key_in(text)), ("name", "x"), ("act", "again"), ("take", "gw-two|")],
                200,
                "/school/s3/found",
            )


async def test_a_flood_is_a_page_all_the_same(tmp_path):
    """1,000 devices and a stack of 200 ports, with long names: the page comes, and most of it is folded away."""
    many = [Found(what="device", host=f"10.1.{n // 250}.{n % 250 + 1}", name="x" * 64) for n in range(1_000)]
    ports = tuple(FoundPort(name=f"GE0/0/{n}", label="三年级2班" * 12, trunk=False) for n in range(200))
    async with school(tmp_path, [SCHOOL[0]]) as (engine, clock, client):
        for first in range(0, 1_000, 200):
            await tell(engine, clock, many[first : first + 200], first=first + 10)
        await tell(engine, clock, [switch(ports=ports)], first=5_000)
        text = await get(client)
        assert len(text) < 3_000_000
        assert "1 台待分配" in text
        assert "其他设备(1000)" in text
        for first in range(35):
            await tell(engine, clock, [switch(host=f"10.9.9.{first}")], first=6_000 + first)
        assert "还有 6 台交换机没有列出" in await get(client)


async def test_nonsense_in_a_form(tmp_path):
    """No field, a strange act, names with bars, a body that is none, too long a body: a page, and nothing is done."""
    async with school(tmp_path) as (engine, _, client):
        key = key_in(await get(client))
        assert "内容不完整" in await post(
            client, [("key", key), ("name", "a"), ("act", "x"), ("take", "gw-one|a")], 409
        )
        assert "不是从本页提交的" in await post(client, [("room|", "a")], 403)
        await post(
            client,
            [
                ("key", key),
                ("name", "a"),
                ("act", "confirm"),
                ("take", "gw-one|10.0.0.2"),
                ("room|a|b|c|d|e", "x"),
                ("room|gw-one|10.0.0.2|a|b", "b2-301"),
            ],
            409,
        )
        async with client.post(
            PATH, data=io.BytesIO(b"a" * 1_200_000), headers={"Content-Type": "application/x-www-form-urlencoded"}
        ) as response:
            assert response.status == 400
            assert "太长" in await response.text()
        async with client.post(PATH, data=b"--x", headers={"Content-Type": "multipart/form-data"}) as response:
            assert response.status == 400
        assert targets(engine) == []
