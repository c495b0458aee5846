"""The Grafana board is what the builder builds, and speaks of metrics and labels that exist."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collector.exposition import FAMILIES, ROLL_UP
from tests.support.grafana import HERE as NODE
from tests.support.grafana import rows_of

FOLDER = Path(__file__).parents[2] / "dashboards"
LABELS = {family.name: set(family.labels) for family in (*FAMILIES, *ROLL_UP)}


def load_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Run as a script it finds its neighbour panels.py; loaded from here it must be told where that is.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        spec.loader.exec_module(module)
        sys.modules.pop("panels")
    return module


@pytest.fixture(scope="module")
def board() -> Any:
    return json.loads((FOLDER / "classready.json").read_text(encoding="utf-8"))


def expressions(board: Any) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


def panels(board: Any) -> list[Any]:
    """Every panel, those inside closed rows too."""
    return [panel for row in rows_of(board) for panel in row]


def test_the_committed_json_is_up_to_date() -> None:
    """Run ``python dashboards/build.py`` after a change."""
    assert load_builder().build() == (FOLDER / "classready.json").read_text(encoding="utf-8")


def test_every_metric_and_label_exists(board: Any) -> None:
    """A renamed metric would leave an empty panel that nobody notices."""
    queries = expressions(board) + [v["query"] for v in board["templating"]["list"]]
    used = {name for query in queries for name in re.findall(r"classready_\w+\b(?!=)", query) if not name.endswith("_")}
    assert used <= set(LABELS)
    for query in queries:
        for name, selector in re.findall(r"(classready_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)(?:=|!=|=~)\"", selector)) <= LABELS[name] | {"__name__"}, query
    assert set(LABELS) - used == set(), "a metric without a panel"


def test_capacities_are_shown_in_bits(board: Any) -> None:
    """Metrics are bytes; people read bit/s."""
    for panel in panels(board):
        for target in panel["targets"]:
            if "bytes_per_second" in target["expr"]:
                assert target["expr"].lstrip("(").startswith("8 * ")
                assert '"bps"' in json.dumps(panel["fieldConfig"])


def test_the_way_down_is_office_school_classroom(board: Any) -> None:
    """Each variable narrows the next; the data source can be chosen."""
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "office", "school", "classroom"]
    assert "$office" in board["templating"]["list"][2]["query"]
    assert "$school" in board["templating"]["list"][3]["query"]


def test_panels_do_not_overlap(board: Any) -> None:
    """The grid is 24 wide; every cell belongs to one panel."""
    taken: set[tuple[int, int]] = set()
    for panel in [row for row in board["panels"] if row["type"] == "row"] + panels(board):
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_only_the_first_row_is_open(board: Any) -> None:
    """A closed row asks nothing; a panel that stands beside it instead of in it would be asked at once."""
    rows = [panel for panel in board["panels"] if panel["type"] == "row"]
    assert [row["collapsed"] for row in rows] == [False, True, True]
    assert [len(row["panels"]) > 0 for row in rows] == [False, True, True]
    open_ones = [p for p in board["panels"] if p["type"] not in {"row", "table", "stat"}]
    assert len(open_ones) == 1


def test_all_is_a_pattern_and_not_a_list_of_schools(board: Any) -> None:
    """Every variable with "All" has a value for it, and it matches any id."""
    chosen = [v for v in board["templating"]["list"] if v.get("includeAll")]
    assert len(chosen) == 3
    assert {v["allValue"] for v in chosen} == {".+"}


def test_figures_and_tables_are_asked_at_one_instant(board: Any) -> None:
    """The last value of a range is what was true before an outage."""
    for panel in panels(board):
        for target in panel["targets"]:
            assert bool(target.get("instant")) == (panel["type"] in {"stat", "table"}), panel["title"]
            assert not (target.get("instant") and target.get("range")), panel["title"]


def test_the_queries_of_a_table_are_aggregated_by_the_same_labels(board: Any) -> None:
    """Grafana joins rows with the same labels: a metric's own name in one query makes rows of its own."""
    for panel in panels(board):
        if panel["type"] != "table":
            continue
        by = [set(_LABELS_OF.findall(target["expr"])[0].split(", ")) for target in panel["targets"]]
        notes = {"down_is", "up_is", "name", "version", "platform_name", "room_name"}
        names = [labels - notes for labels in by]
        assert names == names[:1] * len(names), panel["title"]


_LABELS_OF = re.compile(r" by \(([a-z_, ]+)\)")


def test_grafanas_code_is_locked_without_an_address() -> None:
    """Where packages come from is the machine's own setting; what they are is an exact version and its hash."""
    lock = json.loads((NODE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages["node_modules/@grafana/data"]["version"].startswith("11.6.")
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
