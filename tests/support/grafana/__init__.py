"""The board as Grafana would show it: variables filled in, a real database asked, its answers shown by Grafana's code.

That code is ``@grafana/data``, called by ``show.cjs``. What is written here stands for two parts of Grafana that are no
library of usable size: how the Prometheus data source fills in variables, and how it makes data frames of an answer.
As a table an answer is one frame a query: sorted label columns between ``Time`` and a value named ``Value``, or
``Value #A`` where the panel has several queries. An empty answer is an empty frame, and still one of several.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.monitoring import Database

HERE = Path(__file__).parent
BOARD = Path(__file__).parents[3] / "dashboards" / "classready.json"
Frame = dict[str, Any]

ALL = "$__all"


def install() -> str | None:
    """Put Grafana's code beside ``package-lock.json`` unless it is there; say why that failed."""
    marker = HERE / "node_modules" / ".package-lock.json"
    if marker.exists() and marker.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "not installed: npm"
    try:
        done = subprocess.run([npm, "ci"], cwd=HERE, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        return "npm ci did not end within 240 s"
    if done.returncode == 0:
        os.utime(marker)
        return None
    return f"npm ci: {done.stderr[-500:]}"


@dataclass
class Board:
    """``chosen``: variable -> the values a person chose; what is absent is "All"."""

    database: Database
    now: float
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    range_s: float = 30.0
    step_s: float = 1.0

    def __post_init__(self) -> None:
        self.json = json.loads(BOARD.read_text(encoding="utf-8"))

    def panels(self, row: int | None = None) -> list[dict[str, Any]]:
        """Every panel, those of closed rows too; or of one row."""
        rows = rows_of(self.json) if row is None else [rows_of(self.json)[row]]
        return [panel for found in rows for panel in found]

    def show(self, *titles: str) -> dict[str, Any]:
        """Title -> what a person sees of that panel; all panels unless told."""
        panels = [panel for panel in self.panels() if not titles or panel["title"] in titles]
        asked = [self._asked(panel) for panel in panels]
        done = subprocess.run(
            ["node", HERE / "show.cjs"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "TZ": "Asia/Shanghai"},
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        return {panel["title"]: shown for panel, shown in zip(panels, json.loads(done.stdout), strict=True)}

    def _asked(self, panel: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": panel["type"],
            "frames": [frame for target in panel["targets"] for frame in self.frames(panel, target)],
            "transformations": panel.get("transformations", []),
            "fieldConfig": {"defaults": {}, "overrides": [], **panel["fieldConfig"]},
            "reduceOptions": panel.get("options", {}).get("reduceOptions", {"calcs": ["lastNotNull"]}),
            "variables": {
                "datasource:queryparam": "var-datasource=prometheus",
                "__url_time_range": "from=now-6h&to=now",
            },
        }

    # --- questions ------------------------------------------------------------------------------------------------

    def interpolated(self, text: str) -> str:
        for variable in self.json["templating"]["list"]:
            text = re.sub(rf"\${variable['name']}\b", lambda _, v=variable: self._value(v), text)
        return text

    def _value(self, variable: Mapping[str, Any]) -> str:
        chosen = self.chosen.get(variable["name"], (ALL,))
        if tuple(chosen) == (ALL,):
            if "allValue" in variable:
                return str(variable["allValue"])
            chosen = self.options(variable["name"])
        escaped = [re.sub(r"[$^*{}\[\]'+?.()|]", lambda found: "\\\\" + found.group(), value) for value in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    def options(self, name: str) -> list[str]:
        """What the list of a variable offers."""
        query = next(v["query"] for v in self.json["templating"]["list"] if v["name"] == name)
        series = self.interpolated(query.removeprefix("label_values(").rpartition(",")[0])
        return self.database.label_values(name, series)

    # --- answers --------------------------------------------------------------------------------------------------

    def frames(self, panel: Mapping[str, Any], target: Mapping[str, Any]) -> list[Frame]:
        expr = self.interpolated(target["expr"])
        if target.get("format") == "table":
            found, lone = self.database.instant(expr, self.now), len(panel["targets"]) == 1
            name = "Value" if lone else f"Value #{target['refId']}"
            return [_empty(target["refId"]) if lone and not found else _table(target["refId"], found, name)]
        if target.get("instant"):
            found = [{**one, "values": [one["value"]]} for one in self.database.instant(expr, self.now)]
        else:
            found = self.database.range(expr, self.now - self.range_s, self.now, self.step_s)
        legend = target.get("legendFormat", "")
        return [_series(target["refId"], one, legend or expr) for one in found] or [_empty(target["refId"])]


def rows_of(board: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The panels of each row, whether it is open (its panels follow it) or closed (they are inside it)."""
    rows: list[list[dict[str, Any]]] = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows.append(list(panel.get("panels", [])))
        else:
            rows[-1].append(panel)
    return rows


def _table(ref_id: str, vector: Sequence[Mapping[str, Any]], value_name: str) -> Frame:
    labels = sorted({label for one in vector for label in one["metric"]})
    columns = [
        _column("Time", "time", [one["value"][0] * 1_000 for one in vector]),
        *(_column(label, "string", [one["metric"].get(label, "") for one in vector]) for label in labels),
        _column(value_name, "number", [float(one["value"][1]) for one in vector]),
    ]
    return {"refId": ref_id, "fields": columns if vector else columns[:1] + columns[-1:], "length": len(vector)}


def _series(ref_id: str, one: Mapping[str, Any], legend: str) -> Frame:
    name = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: one["metric"].get(found.group(1), ""), legend)
    value = _column("Value", "number", [float(v) for _, v in one["values"]])
    value |= {"labels": one["metric"], "config": {"displayNameFromDS": name}}
    time = _column("Time", "time", [at * 1_000 for at, _ in one["values"]])
    return {"refId": ref_id, "name": name, "fields": [time, value], "length": len(one["values"])}


def _column(name: str, kind: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "type": kind, "config": {}, "values": values}


def _empty(ref_id: str) -> Frame:
    return {"refId": ref_id, "fields": [], "length": 0}
