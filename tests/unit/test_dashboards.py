"""The Grafana board is what the builder builds, and speaks of metrics and labels that exist."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collector.exposition import FAMILIES, OFFICE_CLASSROOMS

FOLDER = Path(__file__).parents[2] / "dashboards"
LABELS = {family.name: set(family.labels) for family in (*FAMILIES, OFFICE_CLASSROOMS)}


def load_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def board() -> Any:
    return json.loads((FOLDER / "classready.json").read_text(encoding="utf-8"))


def expressions(board: Any) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def test_the_committed_json_is_up_to_date() -> None:
    """Run ``python dashboards/build.py`` after a change."""
    assert load_builder().build() == (FOLDER / "classready.json").read_text(encoding="utf-8")


def test_every_metric_and_label_exists(board: Any) -> None:
    """A renamed metric would leave an empty panel that nobody notices."""
    queries = expressions(board) + [v["query"] for v in board["templating"]["list"]]
    used = {name for query in queries for name in re.findall(r"classready_\w+", query) if not name.endswith("_")}
    assert used <= set(LABELS)
    for query in queries:
        for name, selector in re.findall(r"(classready_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)(?:=|!=|=~)\"", selector)) <= LABELS[name] | {"__name__"}, query
    assert set(LABELS) - used == set(), "a metric without a panel"


def test_capacities_are_shown_in_bits(board: Any) -> None:
    """Metrics are bytes; people read bit/s."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            if "bytes_per_second" in target["expr"]:
                assert target["expr"].startswith("8 * ")
                assert '"bps"' in json.dumps(panel["fieldConfig"])


def test_the_way_down_is_office_school_classroom(board: Any) -> None:
    """Each variable narrows the next; the data source can be chosen."""
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "office", "school", "classroom"]
    assert "$office" in board["templating"]["list"][2]["query"]
    assert "$school" in board["templating"]["list"][3]["query"]


def test_panels_do_not_overlap(board: Any) -> None:
    """The grid is 24 wide; every cell belongs to one panel."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
