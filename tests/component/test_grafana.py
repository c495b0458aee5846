"""The board, panel by panel, as Grafana shows it: a county in a real Prometheus, tables made by Grafana's own code."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.words import Cause
from collector.exposition import Exposition
from collector.text import say
from tests.support import grafana
from tests.support.county import GATEWAYS, NAMES, PLANS, Plan, county
from tests.support.grafana import Board
from tests.support.monitoring import Database, prometheus, scrape_file, serving, victoria_metrics
from tests.support.mosquitto import free_port

pytestmark = pytest.mark.servers("prometheus", "node", "npm")

CROWD = 60
"""More schools than a graph draws."""


def zh(name: str, **fields: object) -> str:
    return say(f"grafana.{name}", "zh", **fields)


@dataclass
class Monitored:
    database: Database
    exposition: Exposition


@pytest.fixture(scope="module")
def grafana_code() -> None:
    if why := grafana.install():
        pytest.skip(why)


@pytest.fixture(scope="module")
def monitored(grafana_code: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder, port = tmp_path_factory.mktemp("county"), free_port()
    with (
        serving(county(time.time()), NAMES, port) as exposition,
        prometheus(folder, scrape_file(folder, port)) as database,
    ):
        _wait_for_county(database)
        yield Monitored(database, exposition)


def _wait_for_county(database: Database) -> None:
    database.wait("classready_gateway_up", len(GATEWAYS))
    database.wait("classready_office_classrooms", 3 * 7)


def board(monitored: Monitored, **chosen: tuple[str, ...]) -> Board:
    return Board(monitored.database, time.time(), chosen)


def texts(table: dict[str, Any]) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in table["rows"]]


def figures(shown: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(figure["title"], figure["text"], figure["colour"]) for figure in shown["figures"]]


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_gateway_table_has_one_row_a_gateway(monitored: Monitored) -> None:
    """Thirteen gateways are thirteen rows, the silent ones first, with a date, and words where nothing is known."""
    table = board(monitored).show(zh("gateways"))[zh("gateways")]
    assert table["columns"] == ["名称", "单位", "学校", "网关", "网关在线", "最近上报", "时钟偏差", "积压记录", "版本"]
    rows = texts(table)
    assert sorted(row[3] for row in rows) == sorted(line.gateway for line in GATEWAYS)
    assert rows[1] == ["东坡中学", "511402", "5114020003", "gw-c1", "否", "从未上报", "", "", ""]
    assert rows[0][:5] == ["实验小学", "511402", "5114020002", "gw-b1", "否"]
    assert {row[4] for row in rows[2:]} == {"是"}
    assert {tuple(row[6:]) for row in rows[2:]} == {("200 ms", "0", "0.1.0")}
    dated = [row[5] for row in rows if row[3] != "gw-c1"]
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", text) for text in dated)
    assert [row[4]["colour"] for row in table["rows"]] == ["red", "red"] + 11 * ["green"]


def test_the_school_table_shows_down_and_up_apart_and_the_estimate_before_the_bound(monitored: Monitored) -> None:
    """A 480M line with 95M up is no 95M line; a proven bound is called "at least"; who needs a person comes first."""
    table = board(monitored).show(zh("schools"))[zh("schools")]
    assert table["columns"] == [
        "名称", "单位", "学校", "待处理", "不可用", "未知", "可用", "下行", "下行为", "上行", "上行为", "超配倍数",
    ]  # fmt: skip
    rows = texts(table)
    assert {row[2]: row[0] for row in rows} == {plan.school: plan.name for plan in PLANS}
    assert {row[2]: row[3:] for row in rows} == {
        "5114020001": ["3", "2", "1", "3", "480 Mb/s", "实测", "95 Mb/s", "实测", "1.3"],
        "5114020002": ["2", "0", "2", "0", "", "", "", "", ""],
        "5114020003": ["2", "0", "2", "0", "", "", "", "", ""],
        "5114020004": ["0", "0", "0", "0", "200 Mb/s", "实测", "200 Mb/s", "实测", "0.0"],
        "5114210001": ["0", "0", "0", "4", "90 Mb/s", "实测", "0 b/s", "实测", "4.0"],
        "5114210002": ["1", "1", "0", "2", "95.5 Mb/s", "实测", "30 Mb/s", "实测", "3.1"],
        "5114210003": ["0", "0", "0", "0", "95 Mb/s", "至少", "20 Mb/s", "至少", "0.0"],
        "5114230001": ["0", "0", "0", "6", "500 Mb/s", "实测", "400 Mb/s", "实测", "0.6"],
        "5114230002": ["3", "0", "3", "0", "", "", "", "", ""],
        "parent-01": ["0", "0", "0", "1", "", "", "", "", ""],
    }
    assert len(rows) == len(PLANS)
    assert [row[3] for row in rows] == ["3", "3", "2", "2", "1", "0", "0", "0", "0", "0"]


def test_the_office_table_is_worst_first(monitored: Monitored) -> None:
    """Each office once, by its own ratio, red below nine tenths."""
    table = board(monitored).show(zh("offices"))[zh("offices")]
    assert table["columns"] == ["名称", "单位", "达标率", "达标", "不达标", "未知", "豁免"]
    assert texts(table) == [
        ["洪雅县", "511423", "70.0%", "7", "0", "3", "0"],
        ["东坡区", "511402", "80.0%", "8", "1", "1", "1"],
        ["仁寿县", "511421", "85.7%", "6", "1", "0", "2"],
    ]
    assert {row[2]["colour"] for row in table["rows"]} == {"red"}


def test_every_table_is_one_frame_of_named_columns_without_repeated_rows(monitored: Monitored) -> None:
    """No "Value", no technical label; what names a row names it once."""
    shown = board(monitored).show()
    tables = {title: panel for title, panel in shown.items() if "columns" in panel}
    assert len(tables) == 8
    for title, table in tables.items():
        assert table["frames"] == 1, title
        assert not [c for c in table["columns"] if re.match(r"[ -~]*$", c)], (title, table["columns"])
        labels = ("单位", "学校", "网关", "干线", "平台", "教室", "原因")
        keys = [
            tuple(c["text"] for c, n in zip(row, table["columns"], strict=True) if n in labels) for row in table["rows"]
        ]
        assert keys, title
        assert len(keys) == len(set(keys)), title


def test_causes_are_chinese_and_there_is_a_word_for_each(monitored: Monitored) -> None:
    """The words are those of the collector's own texts, so that board and chat never differ."""
    shown = board(monitored).show(zh("causes"), zh("main_causes"))
    assert texts(shown[zh("main_causes")])[:2] == [["校园网关无上报", "4"], ["尚未测得", "4"]]
    rows = texts(shown[zh("causes")])
    assert len(rows) == 13
    assert ["城关小学", "511402", "5114020001", "b4", "教室端口为半双工"] in rows
    mappings = [
        prop["value"][0]["options"]
        for panel in board(monitored).panels()
        for override in panel["fieldConfig"].get("overrides", [])
        if override["matcher"]["options"] == "原因"
        for prop in override["properties"]
        if prop["id"] == "mappings"
    ]
    assert len(mappings) == 2
    for options in mappings:
        assert {code: option["text"] for code, option in options.items()} == {c: say(f"cause.{c}", "zh") for c in Cause}


def test_certificates_end_on_a_date_and_the_first_to_end_stands_first(monitored: Monitored) -> None:
    """Days are counted down, an expired one is below zero."""
    rows = texts(board(monitored).show(zh("certificates"))[zh("certificates")])
    assert {(row[3], row[6]) for row in rows} == {("national", "national"), ("sichuan", "sichuan")}
    assert [row[2:5] for row in rows[:4]] == [
        ["5114230002", "national", "-3"],
        ["5114230002", "sichuan", "-3"],
        ["5114210002", "national", "3"],
        ["5114210002", "sichuan", "3"],
    ]
    assert len(rows) == 14
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", row[5]) for row in rows)


def test_what_a_rooms_verdict_rests_on_is_dated(monitored: Monitored) -> None:
    """Every room is there by the name of its class; what was not measured is blank, as all is of a silent school."""
    table = board(monitored).show(zh("evidence"))[zh("evidence")]
    assert table["columns"] == ["名称", "单位", "学校", "教室", "班级", "端口", "线路", "校内", "设备"]
    rows = {(row[2], row[3]): row[4:] for row in texts(table)}
    assert len(rows) == len(table["rows"]) == sum(len(plan.rooms) for plan in PLANS)
    name, port, line, inside, device = rows["5114020001", "b1"]
    assert (name, inside) == ("三年级1班", "")
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", text) for text in (port, line, device))
    assert rows["5114020002", "b1"] == ["三年级1班", "", "", "", ""]


def test_incidents_are_none_where_none_is_open(monitored: Monitored) -> None:
    """A zero, in grey: the offices are scraped, and nothing is open."""
    shown = board(monitored).show(zh("incidents"))[zh("incidents")]
    assert figures(shown) == [("已通知", "0", "#7b8794"), ("待通知", "0", "#7b8794")]


def test_links_lead_from_office_to_school_and_the_board_follows(monitored: Monitored) -> None:
    """The address sets the variables of this board; with them only that school is shown."""
    schools = board(monitored).show(zh("schools"))[zh("schools")]
    name, office, school, *_ = next(row for row in schools["rows"] if row[2]["text"] == "parent-01")
    assert office["link"] == "/d/classready?var-datasource=prometheus&from=now-6h&to=now&var-office=511423"
    assert name["link"] == school["link"] == office["link"] + "&var-school=parent-01"
    followed = board(monitored, office=("511423",), school=("parent-01",)).show(zh("schools"), zh("gateways"))
    assert [row[0] for row in texts(followed[zh("schools")])] == ["高庙教学点"]
    assert texts(followed[zh("gateways")]) == []


def test_several_chosen_schools_are_a_pattern_and_a_dot_is_a_dot(monitored: Monitored) -> None:
    """Several values are joined, each taken as it is written."""
    two = board(monitored, school=("parent-01", "5114230001"))
    assert sorted(row[2] for row in texts(two.show(zh("schools"))[zh("schools")])) == ["5114230001", "parent-01"]
    assert texts(board(monitored, school=("parent.01",)).show(zh("schools"))[zh("schools")]) == []


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_say_what_is_true_now(monitored: Monitored) -> None:
    """Counts of the whole county, each in its own colour."""
    shown = board(monitored).show(zh("ready"), zh("compliant"), zh("compliant_ratio"), zh("not_scraped"))
    assert figures(shown[zh("ready")]) == [("可用", "16", "green"), ("不可用", "3", "red"), ("未知", "8", "#C4A000")]
    assert figures(shown[zh("compliant")]) == [
        ("达标", "21", "green"),
        ("不达标", "2", "red"),
        ("未知", "4", "#C4A000"),
        ("豁免", "3", "#7b8794"),
    ]
    assert figures(shown[zh("compliant_ratio")]) == [("达标率(不含豁免)", "77.7%", "red")]
    assert figures(shown[zh("not_scraped")]) == [("采集失败的单位", "0", "green")]


@pytest.mark.parametrize(
    ("school", "ratio", "ready"),
    [
        ("5114230002", ("0.0%", "red"), ("0", "#7b8794")),
        ("5114210002", ("66.6%", "red"), ("2", "green")),
        ("5114230001", ("100.0%", "green"), ("6", "green")),
        ("5114210003", ("无数据", None), ("0", "#7b8794")),
        ("5114020004", ("无数据", None), ("0", "#7b8794")),
    ],
    ids=["nothing proven", "two of three", "all", "all exempt", "no rooms"],
)  # fmt: skip
def test_a_ratio_is_green_only_for_all_and_absent_without_rooms(
    monitored: Monitored, school: str, ratio: tuple[str, str | None], ready: tuple[str, str]
) -> None:
    """0 % is red, a zero is grey, nothing to judge is no number."""
    shown = board(monitored, school=(school,)).show(zh("compliant_ratio"), zh("ready"))
    ((_, text, colour),) = figures(shown[zh("compliant_ratio")])
    assert text == ratio[0]
    assert ratio[1] in {None, colour}
    assert figures(shown[zh("ready")])[0][1:] == ready


def test_nearly_all_is_not_all(grafana_code: None, tmp_path: Path) -> None:
    """2,999 of 3,000 rooms are 99.9 %, and amber: never rounded up to the 100.0 % that is green."""
    port = free_port()
    schools = county(time.time(), [Plan("511402", "s1", "大学校", 2_999 * "r" + "s")])
    with serving(schools, NAMES, port), prometheus(tmp_path, scrape_file(tmp_path, port)) as database:
        database.wait("classready_school_classrooms", 7)
        ratio = Board(database, time.time()).show(zh("compliant_ratio"))[zh("compliant_ratio")]
    assert figures(ratio) == [("达标率(不含豁免)", "99.9%", "#C4A000")]


# --- graphs -----------------------------------------------------------------------------------------------------------


def test_every_series_of_a_graph_has_a_name_of_its_own_in_chinese(monitored: Monitored) -> None:
    """Two lines of one name cannot be told apart; codes of the metrics are no words."""
    shown = board(monitored).show()
    graphs = {title: panel["series"] for title, panel in shown.items() if "series" in panel}
    assert len(graphs) == 13
    codes = re.compile(r"\b(down|up|estimate|at_least|port|reach|share|classready_\w+)\b|\{|\}")
    for title, series in graphs.items():
        names = [one["title"] for one in series]
        assert names, title
        assert len(names) == len(set(names)), title
        assert not [name for name in names if codes.search(name) or name.strip() != name], title


def test_lines_are_bits_by_direction_and_a_screen_that_is_off_is_no_alarm(monitored: Monitored) -> None:
    """What is drawn carries its unit, its direction and whether it was measured."""
    shown = board(monitored).show(zh("uplink"), zh("room_device"), zh("platform_up"))
    uplinks = {one["title"]: one["last"] for one in shown[zh("uplink")]["series"]}
    assert uplinks["城关小学 gw-a1 下行 实测"] == "480 Mb/s"
    assert uplinks["城关小学 gw-a1 上行 实测"] == "95 Mb/s"
    assert uplinks["文林小学 gw-e2 下行 至少"] == "95 Mb/s"
    assert uplinks["文林小学 gw-e1 上行 实测"] == "0 b/s"
    assert len(uplinks) == 2 * 10, "one a direction and gateway with a known line"
    devices = {one["title"]: (one["last"], one["colour"]) for one in shown[zh("room_device")]["series"]}
    assert devices["城关小学 5114020001 b5"] == ("否", "#7b8794")
    platforms = {one["title"]: (one["last"], one["colour"]) for one in shown[zh("platform_up")]["series"]}
    assert platforms["文宫中学 5114210002 sichuan"] == ("否", "red")
    assert platforms["文宫中学 5114210002 national"] == ("是", "green")


# --- variables, and many schools --------------------------------------------------------------------------------------


def test_a_school_without_a_gateway_can_be_chosen(monitored: Monitored) -> None:
    """Lists of offices and schools hold what the roster holds, installed or not."""
    shown = board(monitored)
    assert shown.options("office") == ["511402", "511421", "511423"]
    assert sorted(shown.options("school")) == sorted(plan.school for plan in PLANS)
    assert board(monitored, office=("511423",)).options("school") == ["5114230001", "5114230002", "parent-01"]


def test_all_names_no_school_in_the_queries(monitored: Monitored) -> None:
    """Without a value of its own, "All" of 2,000 schools would be 22 kB in each query."""
    shown = board(monitored)
    for panel in shown.panels():
        for target in panel["targets"]:
            asked = shown.interpolated(target["expr"])
            assert "511402" not in asked
            assert "$" not in asked.replace("$1", "")


def test_many_schools_are_counted_not_drawn(grafana_code: None, tmp_path: Path) -> None:
    """What opens with the board has the same few lines for 60 schools as for 10; the rest says why it is empty."""
    plans = [Plan("511402", f"s{n}", f"第{n}小学", "rs", PLANS[0].lines[:1]) for n in range(CROWD)]
    port = free_port()
    with (
        serving(county(time.time(), plans), NAMES, port),
        prometheus(tmp_path, scrape_file(tmp_path, port)) as database,
    ):
        database.wait("classready_gateway_up", CROWD)
        many = Board(database, time.time())
        opened = [
            frame
            for panel in many.panels(0)
            for target in panel["targets"]
            if not target.get("instant")
            for frame in many.frames(panel, target)
        ]
        assert len(opened) == 3
        shown = many.show()
        for panel in many.panels(1) + many.panels(2):
            if panel["type"] != "table":
                assert shown[panel["title"]]["series"] == [], panel["title"]
                assert shown[panel["title"]]["empty"] == zh("nothing_drawn", schools=50)
        assert texts(shown[zh("causes")]) == []
        assert shown[zh("causes")]["empty"] == zh("nothing_drawn", schools=50)
        assert len(shown[zh("gateways")]["rows"]) == CROWD
        few = Board(database, time.time(), {"school": tuple(f"s{n}" for n in range(50))}).show(zh("gateway_up"))
        assert len(few[zh("gateway_up")]["series"]) == 50


# --- what changes -----------------------------------------------------------------------------------------------------


def test_what_left_and_what_is_lost_is_not_shown(grafana_code: None, tmp_path: Path) -> None:
    """What left is gone at the next scrape; after an outage no figure keeps its old total, even hours later."""
    port = free_port()
    schools = county(time.time())
    config = scrape_file(tmp_path, port)
    with prometheus(tmp_path, config) as database:
        with serving(schools, NAMES, port) as exposition:
            _wait_for_county(database)
            school = schools["5114020001"]
            exposition.update(replace(school, roster=replace(school.roster, gateways=("gw-a1",))), time.time())
            database.wait("classready_gateway_up", len(GATEWAYS) - 1)
            rows = texts(Board(database, time.time()).show(zh("gateways"))[zh("gateways")])
            assert "gw-a2" not in [row[3] for row in rows]
        database.wait("up == 0", 4)
        for later_s in (0.0, 3 * 3_600.0):
            shown = Board(database, time.time() + later_s, range_s=later_s + 60).show()
            for title in (zh("ready"), zh("compliant"), zh("compliant_ratio")):
                assert [text for _, text, _ in figures(shown[title])] == ["无数据"], title
            assert texts(shown[zh("schools")]) == []
            # Grafana's own words then: a text of ours would stand in every blank cell of a table, too.
            assert shown[zh("schools")]["empty"] is None
        assert figures(Board(database, time.time()).show(zh("not_scraped"))[zh("not_scraped")]) == [
            ("采集失败的单位", "3", "red")
        ]


def test_without_names_the_numbers_stay(grafana_code: None, tmp_path: Path) -> None:
    """History from before schools had names, or a site that drops them: the same rows, the name is blank."""
    port = free_port()
    config = scrape_file(tmp_path, port)
    drop = "    metric_relabel_configs: [{source_labels: [__name__], regex: classready_.+_info, action: drop}]\n"
    text = config.read_text()
    assert "    http_sd_configs:\n" in text
    config.write_text(text.replace("    http_sd_configs:\n", drop + "    http_sd_configs:\n"))
    with serving(county(time.time()), NAMES, port), prometheus(tmp_path, config) as database:
        _wait_for_county(database)
        shown = Board(database, time.time()).show(zh("gateways"), zh("schools"), zh("gateway_up"))
    assert len(shown[zh("gateways")]["rows"]) == len(GATEWAYS)
    assert len(shown[zh("schools")]["rows"]) == len(PLANS)
    assert len(shown[zh("gateway_up")]["series"]) == len(GATEWAYS)


@pytest.mark.servers("victoria-metrics")
def test_victoria_metrics_answers_every_panel_as_prometheus_does(monitored: Monitored, tmp_path: Path) -> None:
    """Each query is understood and gives the same series; tables and figures read the same."""
    port = free_port()
    with (
        serving(county(time.time()), NAMES, port),
        victoria_metrics(tmp_path, scrape_file(tmp_path, port)) as database,
    ):
        _wait_for_county(database)
        theirs, ours = Board(database, time.time()).show(), board(monitored).show()
    assert theirs.keys() == ours.keys()
    for title, panel in ours.items():
        if "rows" in panel:
            # The day counts and the dates move with the clock; all else is the same text.
            static = [n for n, c in enumerate(panel["columns"]) if c not in {"最近上报", "到期", "线路"}]
            assert _cells(theirs[title], static) == _cells(panel, static), title
        elif "figures" in panel:
            assert theirs[title] == panel, title
        else:
            names = [sorted((one["title"], one["last"]) for one in shown["series"]) for shown in (theirs[title], panel)]
            assert names[0] == names[1], title


def _cells(table: dict[str, Any], columns: list[int]) -> list[tuple[str, ...]]:
    return sorted(tuple(row[n] for n in columns) for row in texts(table))
