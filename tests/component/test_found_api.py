"""What was found for programs and spreadsheets: listed, confirmed, and a table that goes out and comes back."""

import csv
import io

import pytest
from openpyxl import Workbook

from classready.observation import Found, FoundPort, community_digest
from tests.support.finding import SCHOOL, school, switch, tell

PATH = "/api/v1/found"
TABLE = {"Content-Type": "text/csv"}
pytestmark = pytest.mark.usefixtures("every_store")


async def listed(client, query=""):
    async with client.get(f"{PATH}?{query}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def act(client, verb, status=200, **body):
    async with client.post(f"{PATH}/{verb}", json={"name": "王工", **body}) as response:
        said = await response.json()
        assert response.status == status, said
        return said.get("count") if status == 200 else said["error"]


async def exported(client, query="school=s1"):
    async with client.get(f"{PATH}.csv?{query}") as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def imported(client, raw, status=200, headers=TABLE, name="王工"):
    async with client.post(f"{PATH}.csv", params={"name": name}, data=raw, headers=headers) as response:
        said = await response.json()
        assert response.status == status, said
        return said.get("count") if status == 200 else said["error"]


def cells(raw):
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))


def written(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def confirming(rows):
    """The table with every row confirmed that has a room."""
    head, *rest = rows
    room = head.index("教室")
    return [head, *([*row[:-1], "确认" if row[room] else ""] for row in rest)]


def names(engine):
    return [device.name for device in engine.devices.of("gw-one")]


async def test_what_waits_and_what_is_proposed(tmp_path):
    """By gateway, with each proposal and why; in both languages."""
    async with school(tmp_path) as (_, _, client):
        page = await listed(client)
        assert (page["total"], page["next_offset"]) == (2, None)
        one, two = page["gateways"]
        assert (one["gateway"], one["schools"], one["open_count"], one["is_allowed"]) == ("gw-one", ["s1"], 3, True)
        assert (two["open_count"], two["searched_at"]) == (0, None)
        (sw,) = one["switches"]
        ports = {port["name"]: (port["classroom"], port["why"]) for port in sw["ports"]}
        assert ports["GE0/0/1"] == ("b2-301", "id")
        assert ports["GE0/0/2"] == ("b2-302", "class")
        assert ports["1/3"] == (None, "none")
        assert [(d["host"], d["classroom"], d["why"]) for d in one["devices"]] == [
            ("10.0.0.31", "b2-301", "port"),
            ("10.0.0.32", "b2-303", "name"),
        ]
        assert [d["host"] for d in one["others"]] == ["10.0.0.99"]
        assert (await listed(client, "school=s3"))["total"] == 1
        assert (await listed(client, "office=other"))["total"] == 0
        english = (await listed(client, "school=s1&lang=en"))["gateways"][0]["switches"][0]["ports"][0]["text"]
        assert english == "三年级1班 · its label has the room's id"
        async with client.get(f"{PATH}?school=none") as response:
            assert response.status == 404


async def test_confirmed_ignored_released_asked(tmp_path):
    """Every act of the page, for programs."""
    async with school(tmp_path) as (engine, clock, client):
        at = {"gateway": "gw-one", "host": "10.0.0.2"}
        assert await act(client, "confirm", devices=[{**at, "ports": {"GE0/0/4": "b2-303"}}]) == 1
        assert names(engine) == ["switch-sw-b-core-b"]
        assert "已经分配过了" in await act(client, "confirm", 409, devices=[at])
        assert await act(client, "ignore", devices=[{"gateway": "gw-one", "host": "10.0.0.32"}]) == 1
        assert (await listed(client, "school=s1"))["gateways"][0]["ignored"][0]["host"] == "10.0.0.32"
        assert await act(client, "heed", devices=[{"gateway": "gw-one", "host": "10.0.0.32"}]) == 1
        (assigned,) = (await listed(client, "school=s1"))["gateways"][0]["assigned"]
        assert (assigned["target"], assigned["confirmed_by"]) == ("switch-sw-b-core-b", "王工")
        assert await act(client, "release", targets=[{"gateway": "gw-one", "target": "switch-sw-b-core-b"}]) == 1
        assert names(engine) == []
        assert await act(client, "again", gateways=["gw-one"]) == 1
        assert engine.finds.asked_at("gw-one") == clock.now
        assert "no such gateway" in await act(client, "again", 404, gateways=["gw-none"])
        assert "name must have" in await act(client, "again", 400, gateways=["gw-one"], name=" ")


@pytest.mark.parametrize("verb", ["confirm", "ignore", "heed", "release", "again"])
async def test_a_page_elsewhere_cannot_send_it(tmp_path, verb):
    """A form is no JSON; what is neither is the asker's mistake."""
    async with school(tmp_path) as (engine, _, client):
        async with client.post(f"{PATH}/{verb}", data={"name": "x"}) as response:
            assert response.status == 415
        async with client.post(f"{PATH}/{verb}", json={"name": 1}) as response:
            assert response.status == 400
        async with client.post(f"{PATH}.csv", data={"name": "x"}) as response:
            assert response.status == 415
        assert names(engine) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
async def test_the_table_goes_out_and_comes_back(tmp_path, encoding):
    """As Excel and WPS save it: what is confirmed there is confirmed, what is ignored is ignored, the rest is left."""
    async with school(tmp_path) as (engine, _, client):
        raw = await exported(client)
        assert raw.startswith(b"\xef\xbb\xbf")
        rows = cells(raw)
        assert rows[0][:5] == ["学校", "网关", "类型", "地址", "MAC"]
        assert not [
            cell for row in rows for cell in row if cell.startswith(tuple("=+-@")) and not cell.startswith('="')
        ]
        by_port = {row[6]: row for row in rows}
        assert by_port['="1/3"'][7] == "<script>alert(1)</script>"
        assert by_port['="GE0/0/1"'][9] == '="b2-301"'
        assert '="GE0/0/24"' not in by_port, "a trunk is of no room"
        # a spreadsheet shows ="1/3" as 1/3, and saves that
        saved = [[cell[2:-1] if cell.startswith('="') else cell for cell in row] for row in rows]
        chosen = confirming(saved)
        chosen = [[*row[:-1], "忽略"] if row[3] == "10.0.0.99" else row for row in chosen]
        assert await imported(client, written(chosen).encode(encoding)) == 4
        assert names(engine) == ["board-b2-301", "board-b2-303", "switch-sw-b-core-b"]
        assert engine.devices.of("gw-one")[2].target["ports"] == {"GE0/0/1": "b2-301", "GE0/0/2": "b2-302"}
        (row,) = [row for row in (await engine.finds.of(["gw-one"]))["gw-one"] if row.ignored_at]
        assert (row.host, row.ignored_by) == ("10.0.0.99", "王工")
        assert await imported(client, raw) == 0, "without an action nothing changes"


async def test_the_table_as_a_workbook_and_in_english(tmp_path):
    """An .xlsx, whose columns are in another order; the actions in English."""
    async with school(tmp_path) as (engine, _, client):
        workbook = Workbook()
        workbook.active.append(["Action", "Port", "Classroom", "Address", "Gateway"])
        workbook.active.append(["confirm", "1/3", "b2-303", "10.0.0.2", "gw-one"])
        workbook.active.append(["confirm", "", "b2-302", "10.0.0.31", "gw-one"])
        file = io.BytesIO()
        workbook.save(file)
        headers = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
        assert await imported(client, file.getvalue(), headers=headers) == 2
        assert names(engine) == ["board-b2-302", "switch-sw-b-core-b"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["网关", "地址"], ["gw-one", "10.0.0.2"]], "缺少列:端口、教室、处理"),
        (
            [["网关", "地址", "端口", "教室", "处理"], ["gw-one", "10.0.0.31", "", "b2-301", "好"]],
            "第 2 行:“处理”列只能填",
        ),
        (
            [["网关", "地址", "端口", "教室", "处理"], ["gw-one", "10.0.0.2", "1-Mar", "b2-301", "确认"]],
            "第 2 行:is a date",
        ),
        ([["网关", "地址", "端口", "教室", "处理"], ["gw-one", "10.0.0.31", "", "b9", "确认"]], "没有教室“b9”"),
        ([["网关", "地址", "端口", "教室", "处理"], ["gw-x", "10.0.0.31", "", "b9", "确认"]], "没有找到过这台设备"),
    ],
)
async def test_a_table_with_a_mistake_changes_nothing(tmp_path, rows, said):
    """It is said where, and a good row beside it is not done either."""
    async with school(tmp_path) as (engine, _, client):
        good = ["gw-one", "10.0.0.32", "", "b2-303", "确认"]
        assert said in await imported(client, written([*rows, good]).encode(), 409)
        assert names(engine) == []


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff\x00", b"%PDF-1.7", b"PK\x03\x04 no zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"]
)
async def test_what_is_no_table_is_said_to_be_none(tmp_path, raw):
    async with school(tmp_path) as (_, _, client):
        assert await imported(client, raw, 409)


async def test_hostile_names_are_no_formulas(tmp_path):
    """What would be a formula in a spreadsheet is text there."""
    evil = "=cmd|' /C calc'!A0"
    ports = (FoundPort(name='="1"', label="@SUM(1)", trunk=False), FoundPort(name="+1", label=evil, trunk=False))
    device = Found(what="device", host="10.0.0.77", name=evil, community_digest=community_digest("public"))
    async with school(tmp_path, [SCHOOL[0], switch(name=evil, ports=ports), device]) as (_, _, client):
        rows = cells(await exported(client))
        found = {cell for row in rows for cell in row if evil in cell or "SUM" in cell or cell.endswith("+1")}
        assert found == {f"'{evil}", "'@SUM(1)", "'+1"}
        assert [row[6] for row in rows if '"1"' in row[6]] == ['\'="1"']


async def test_the_whole_office_in_one_table(tmp_path):
    """A county's keeper fills in all schools at once; a row of another gateway is done, too."""
    async with school(tmp_path) as (engine, clock, client):
        await tell(engine, clock, [Found(what="device", host="10.0.0.5", name="r1")], gateway="gw-two")
        rows = cells(await exported(client, "office=511402"))
        assert {row[0] for row in rows[1:]} == {"示例中心校", "示例小学"}
        assert await imported(client, written(confirming(rows)).encode()) == 4
        assert [device.name for device in engine.devices.of("gw-two")] == ["board-r1"]
