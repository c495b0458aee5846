# ruff: noqa: INP001 - a script, not a package
"""Build the Grafana board (office -> school -> classroom): ``python dashboards/build.py`` writes ``classready.json``.

The JSON is committed; a test says whether it is up to date. Metrics are in bytes; the board shows bit/s.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from collector.text import say

OUTPUT = Path(__file__).with_name("classready.json")
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

OFFICE = 'office=~"$office"'
SCHOOL = f'{OFFICE},school=~"$school"'
ROOM = f'{SCHOOL},classroom=~"$classroom"'
BITS = "bps"
RED, GREEN, AMBER, GREY = "red", "green", "#C4A000", "#7b8794"


class Query(NamedTuple):
    """``expr`` with the legend of its series."""

    expr: str
    legend: str = ""


def zh(name: str) -> str:
    return say(f"grafana.{name}", "zh")


def build() -> str:
    """Return the board as JSON text."""
    board = (
        dashboard.Dashboard(zh("title"))
        .uid("classready")
        .tags(["classready"])
        .timezone("browser")
        .refresh("1m")
        .time("now-6h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label(zh("datasource")).type("prometheus"))
        .with_variable(_variable("office", "classready_gateway_up"))
        .with_variable(_variable("school", f"classready_gateway_up{{{OFFICE}}}"))
        .with_variable(_variable("classroom", f'{{__name__=~"classready_classroom_.+",{SCHOOL}}}'))
    )
    for row, panels in _ROWS:
        board = board.with_row(dashboard.Row(zh(row)))
        for panel in panels:
            board = board.with_panel(panel)
    return json.dumps(board.build(), cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _variable(name: str, series: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(zh(name))
        .datasource(SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .include_all(include_all=True)
        .multi(multi=True)
    )


def _targets(queries: Sequence[Query], *, instant: bool = False) -> list[Any]:
    targets = []
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend).datasource(SOURCE)
        if instant:
            target = target.instant().format(PromQueryFormat.TABLE)
        targets.append(target)
    return targets


def _thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().steps([Threshold(value, colour) for value, colour in steps])


def _counts(title: str, verdict: str, states: Sequence[tuple[str, str]]) -> stat.Panel:
    """One figure per state, each with its word and colour."""
    series = f'classready_school_classrooms{{{SCHOOL},verdict="{verdict}"'
    queries = [Query(f'sum({series},state="{state}"}})', say(f"{verdict}.{state}", "zh")) for state, _ in states]
    panel = stat.Panel().title(zh(title)).datasource(SOURCE).targets(_targets(queries)).span(9).height(5).decimals(0)
    for (_, colour), query in zip(states, queries, strict=True):
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel = panel.override_by_name(query.legend, [DynamicConfigValue("color", fixed)])
    return panel


def _graph(title: str, unit: str, *queries: Query, span: int = 12) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )
    return (
        timeseries.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(_targets(queries))
        .unit(unit)
        .span(span)
        .height(8)
        .min(0)
        .legend(legend)
    )


def _states(title: str, query: Query, *, span: int = 12) -> statetimeline.Panel:
    """0 and 1 as words; a gap is unknown."""
    words = {
        "0": ValueMappingResult(text=zh("no"), color=RED, index=0),
        "1": ValueMappingResult(text=zh("yes"), color=GREEN, index=1),
    }
    return (
        statetimeline.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(_targets([query]))
        .mappings([ValueMap(words)])
        .thresholds(_thresholds((None, RED), (1, GREEN)))
        .span(span)
        .height(8)
    )


def _table(title: str, *queries: Query, hide: Sequence[str] = (), span: int = 24) -> table.Panel:
    """Instant values joined by their labels; each value column is named by its query's legend."""
    names = {f"Value #{letter}": query.legend for letter, query in zip("ABCDEFGH", queries, strict=False)}
    hidden = dict.fromkeys(("Time", "__name__", "job", "instance", "classready_shard", *hide), True)
    labels = {name: zh(name) for name in ("office", "school", "classroom", "gateway", "segment", "cause")}
    organise = {"excludeByName": hidden, "renameByName": {**labels, **names}}
    panel = (
        table.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(_targets(queries, instant=True))
        .transformations(
            [DataTransformerConfig("merge", options={}), DataTransformerConfig("organize", options=organise)]
        )
        .span(span)
        .height(9)
    )
    bit_columns = [query.legend for query in queries if query.expr.startswith("8 *")]
    for column in bit_columns:
        panel = panel.override_by_name(column, [DynamicConfigValue("unit", BITS)])
    return panel


def _total(metric: str, verdict: str, state: str, by: str, selector: str) -> str:
    return f'sum by ({by}) ({metric}{{{selector},verdict="{verdict}",state="{state}"}})'


def _ready(state: str) -> Query:
    total = _total("classready_school_classrooms", "ready", state, "office, school", SCHOOL)
    return Query(total, say(f"ready.{state}", "zh"))


def _office(state: str) -> Query:
    total = _total("classready_office_classrooms", "compliant", state, "office", OFFICE)
    return Query(total, say(f"compliant.{state}", "zh"))


_PROVEN = (
    f'sum(classready_school_classrooms{{{SCHOOL},verdict="compliant",state="yes"}})'
    f' / sum(classready_school_classrooms{{{SCHOOL},verdict="compliant",state!="exempt"}})'
)
_RTT = f"classready_platform_ping_rtt_seconds{{{SCHOOL}}}"
_LOSS = f"classready_platform_ping_loss_ratio{{{SCHOOL}}}"
_EXPIRY = f"classready_platform_tls_certificate_expiry_timestamp_seconds{{{SCHOOL}}}"
_TRUNK = "school, gateway, segment"
_LAST_REPORT = f"classready_gateway_last_report_timestamp_seconds{{{SCHOOL}}}"

_ROWS: Sequence[tuple[str, Sequence[Any]]] = (
    (
        "row.office",
        (
            _counts("ready", "ready", (("yes", GREEN), ("no", RED), ("unknown", AMBER))),
            _counts("compliant", "compliant", (("yes", GREEN), ("no", RED), ("unknown", AMBER), ("exempt", GREY))),
            stat.Panel()
            .title(zh("compliant_ratio"))
            .datasource(SOURCE)
            .targets(_targets([Query(_PROVEN)]))
            .unit("percentunit")
            .decimals(1)
            .span(6)
            .height(5),
            _table("offices", _office("yes"), _office("no"), _office("unknown"), _office("exempt"), span=10),
            _table(
                "schools",
                _ready("no"),
                _ready("unknown"),
                _ready("yes"),
                Query(
                    f"8 * min by (office, school) (classready_school_uplink_bytes_per_second{{{SCHOOL}}})", zh("uplink")
                ),
                Query(
                    f"max by (office, school) (classready_school_uplink_contention_ratio{{{SCHOOL}}})", zh("contention")
                ),
                span=14,
            ),
            _graph(
                "ready_over_time",
                "short",
                *(
                    Query(
                        _total("classready_school_classrooms", "ready", state, "state", SCHOOL),
                        say(f"ready.{state}", "zh"),
                    )
                    for state in ("yes", "no", "unknown")
                ),
                span=24,
            ),
        ),
    ),
    (
        "row.school",
        (
            _graph(
                "uplink",
                BITS,
                Query(
                    f"8 * classready_school_uplink_bytes_per_second{{{SCHOOL}}}",
                    "{{school}} {{gateway}} {{direction}} {{bound}}",
                ),
            ),
            _table(
                "segments",
                Query(
                    f"8 * max by ({_TRUNK}) (classready_school_segment_bytes_per_second{{{SCHOOL}}})", zh("capacity")
                ),
                Query(f"max by ({_TRUNK}) (classready_school_segment_contention_ratio{{{SCHOOL}}})", zh("contention")),
                span=12,
            ),
            _states("platform_up", Query(f"classready_platform_up{{{SCHOOL}}}", "{{school}} {{platform}}")),
            _graph(
                "platform_http",
                "s",
                Query(
                    f"sum by (school, platform) (classready_platform_http_duration_seconds{{{SCHOOL}}})",
                    "{{school}} {{platform}}",
                ),
            ),
            _graph("platform_rtt", "s", Query(_RTT, "{{school}} {{platform}}"), span=6),
            _graph("platform_loss", "percentunit", Query(_LOSS, "{{school}} {{platform}}"), span=6),
            _states("gateway_up", Query(f"classready_gateway_up{{{SCHOOL}}}", "{{school}} {{gateway}}")),
            _table(
                "gateways",
                Query(f"classready_gateway_up{{{SCHOOL}}}", zh("gateway_up")),
                Query(f"time() - {_LAST_REPORT}", zh("last_report")),
                Query(f"classready_gateway_clock_skew_seconds{{{SCHOOL}}}", zh("skew")),
                Query(f"classready_gateway_spool_records{{{SCHOOL}}}", zh("spool")),
                span=12,
            ),
            _table("certificates", Query(f"({_EXPIRY} - time()) / 86400", zh("days_left")), span=12),
        ),
    ),
    (
        "row.classroom",
        (
            _table(
                "causes", Query(f"classready_classroom_cause{{{ROOM}}} == 1", ""), hide=("Value", "Value #A"), span=12
            ),
            _states("room_ready", Query(f"classready_classroom_ready{{{ROOM}}}", "{{school}} {{classroom}}")),
            _states("room_compliant", Query(f"classready_classroom_compliant{{{ROOM}}}", "{{school}} {{classroom}}")),
            _states("room_device", Query(f"classready_classroom_device_up{{{ROOM}}}", "{{school}} {{classroom}}")),
            _graph(
                "room_link",
                BITS,
                Query(
                    f"8 * classready_classroom_link_bytes_per_second{{{ROOM}}}", "{{school}} {{classroom}} {{basis}}"
                ),
            ),
            _graph(
                "room_ratio", "short", Query(f"classready_classroom_link_ratio{{{ROOM}}}", "{{school}} {{classroom}}")
            ),
        ),
    ),
)

if __name__ == "__main__":
    OUTPUT.write_text(build(), encoding="utf-8")
