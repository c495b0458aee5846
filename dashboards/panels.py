# ruff: noqa: INP001 - part of a script, not a package
"""How a panel of the board is made: queries, columns, colours. What is on the board stands in ``build.py``.

Metrics are in bytes, people read bit/s: a query of ``..._bytes_per_second`` multiplies by 8, its unit is ``BITS``.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from collector.text import say

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
BITS, DATE, RATIO = "bps", "dateTimeAsIso", "percentunit"
RED, GREEN, AMBER, GREY = "red", "green", "#C4A000", "#7b8794"
SCHOOLS_DRAWN_MAX = 50
"""A graph has at least one line a school: beyond this many it is asked for nothing, and says so."""

Steps = Sequence[tuple[float | None, str]]
"""(from this value on, colour); the first begins at None, minus infinity."""


Words = Mapping[str, tuple[str, str]]
"""Value -> (word, colour); no colour where it is empty."""
NO_WORDS: Words = MappingProxyType({})


class Query(NamedTuple):
    """``expr`` with the legend of its series."""

    expr: str
    legend: str = ""


class Label(NamedTuple):
    """A label as a column: ``words`` for its values; ``link``, the address of what is below it."""

    name: str
    words: Words = NO_WORDS
    link: str = ""


class Column(NamedTuple):
    """A figure, or a column of a table: there ``expr`` is aggregated by exactly the labels of the table's rows.

    ``note`` is one label more that only this query has: it becomes a column of its own behind the value.
    """

    expr: str
    title: str
    unit: str = ""
    steps: Steps = ()
    words: Words = NO_WORDS
    no_value: str = ""
    note: Label | None = None
    decimals: int | None = None


def zh(name: str, **fields: object) -> str:
    return say(f"grafana.{name}", "zh", **fields)


def targets(queries: Sequence[Query], kind: str) -> list[Any]:
    """``kind``: ``range`` for graphs; ``instant`` for what is true now; ``table`` for an instant answer as a table.

    A figure is never the last of a range: that would show for hours what was true before an outage.
    """
    made = []
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        target = prometheus.Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend).datasource(SOURCE)
        if kind != "range":
            target = target.instant()
        if kind == "table":
            target = target.format(PromQueryFormat.TABLE)
        made.append(target)
    return made


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().steps([Threshold(value, colour) for value, colour in steps])


def words_of(words: Words) -> ValueMap:
    return ValueMap(
        {
            value: ValueMappingResult(text=text, color=colour or None, index=index)
            for index, (value, (text, colour)) in enumerate(words.items())
        }
    )


def figures(title: str, *columns: Column, span: int) -> stat.Panel:
    """Values as they stand now, each with its word and the colour of its own steps."""
    panel = _stat(title, span).targets(targets([Query(column.expr, column.title) for column in columns], "instant"))
    for column in columns:
        panel = panel.override_by_name(column.title, _properties(column))
    return panel


def _stat(title: str, span: int) -> stat.Panel:
    return (
        stat.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .no_value(zh("no_data"))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
        .span(span)
        .height(5)
    )


def graph(
    title: str, unit: str, *queries: Query, span: int = 12, colours: Mapping[str, str] | None = None
) -> timeseries.Panel:
    """Lines over time; ``colours`` by legend where a word has a colour of its own."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )
    panel = (
        timeseries.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(targets(queries, "range"))
        .no_value(nothing_drawn())
        .unit(unit)
        .span(span)
        .height(8)
        .min(0)
        .legend(legend)
    )
    for word, colour in (colours or {}).items():
        panel = panel.override_by_name(
            word, [DynamicConfigValue("color", {"mode": FieldColorModeId.FIXED, "fixedColor": colour})]
        )
    return panel


def states(title: str, query: Query, words: Words, *, span: int = 12) -> statetimeline.Panel:
    """0 and 1 as words over time; a gap is unknown."""
    return (
        statetimeline.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(targets([query], "range"))
        .no_value(nothing_drawn())
        .mappings([words_of(words)])
        .span(span)
        .height(8)
    )


def grid(
    title: str, rows: Sequence[Label], *columns: Column, worst: tuple[str, bool] | None = None, span: int = 24
) -> table.Panel:
    """Instant values joined by the labels ``rows``; what is a name to an id need be in the first query only.

    ``worst``: (title, descending?) brings first what needs a person.

    Grafana calls the value of a table's only query ``Value`` and those of several ``Value #A``, ``Value #B`` ...; its
    ``merge`` joins what has the same labels, so that a metric's name left in one of them makes a row of its own.
    """
    fields = _field_titles(rows, columns)
    steps = [
        DataTransformerConfig("merge", options={}),
        DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {name: True for name, shown in fields.items() if not shown},
                "indexByName": {name: index for index, name in enumerate(fields)},
                "renameByName": {name: shown for name, shown in fields.items() if shown},
            },
        ),
    ]
    if worst:
        steps.append(DataTransformerConfig("sortBy", options={"sort": [{"field": worst[0], "desc": worst[1]}]}))
    panel = (
        table.Panel()
        .title(zh(title))
        .datasource(SOURCE)
        .targets(targets([Query(column.expr) for column in columns], "table"))
        .transformations(steps)
        .span(span)
        .height(9)
    )
    notes = (column.note for column in columns if column.note)
    overrides = [(zh(label.name), _label_properties(label)) for label in (*rows, *notes)]
    overrides += [(column.title, _properties(column)) for column in columns]
    for title_shown, properties in overrides:
        if properties:
            panel = panel.override_by_name(title_shown, properties)
    return panel


def _field_titles(rows: Sequence[Label], columns: Sequence[Column]) -> Mapping[str, str]:
    """Every field in its order -> its title; empty = hidden."""
    fields = {"Time": "", **{label.name: zh(label.name) for label in rows}}
    for letter, column in zip(ascii_uppercase, columns, strict=False):
        fields["Value" if len(columns) == 1 else f"Value #{letter}"] = column.title
        if column.note:
            fields[column.note.name] = zh(column.note.name)
    return fields


def _label_properties(label: Label) -> list[DynamicConfigValue]:
    found = []
    if label.words:
        found.append(DynamicConfigValue("mappings", [words_of(label.words)]))
    if label.link:
        link = {"title": zh("open"), "url": label.link, "targetBlank": False}
        found.append(DynamicConfigValue("links", [link]))
    return found


def _properties(column: Column) -> list[DynamicConfigValue]:
    found: dict[str, Any] = {}
    if column.unit:
        found["unit"] = column.unit
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.words:
        found["mappings"] = [words_of(column.words)]
    if column.steps:
        found["thresholds"] = thresholds(column.steps).build()
    if column.steps or column.words:
        found["custom.cellOptions"] = {"type": "color-text"}
    if column.no_value:
        found["noValue"] = column.no_value
    return [DynamicConfigValue(name, value) for name, value in found.items()]


def nothing_drawn() -> str:
    """What an empty panel says that has no answer for many schools."""
    return zh("nothing_drawn", schools=SCHOOLS_DRAWN_MAX)
