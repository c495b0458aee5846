# ruff: noqa: INP001 - a script, not a package
"""Build the Grafana board (office -> school -> classroom): ``python dashboards/build.py`` writes ``classready.json``.

The JSON is committed; a test says whether it is up to date. Another runs every panel against a real Prometheus and
Grafana's own code (tests/component/test_grafana.py).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableRefresh, VariableSort
from panels import (
    AMBER,
    BITS,
    DATE,
    GREEN,
    GREY,
    RATIO,
    RED,
    SCHOOLS_DRAWN_MAX,
    SOURCE,
    Column,
    Label,
    Query,
    Steps,
    figures,
    graph,
    grid,
    nothing_drawn,
    states,
    zh,
)

from collector.core.state import Cause
from collector.text import say

OUTPUT = Path(__file__).with_name("classready.json")

OFFICE = 'office=~"$office"'
SCHOOL = f'{OFFICE},school=~"$school"'
ROOM = f'{SCHOOL},classroom=~"$classroom"'
FEW = f" and on () (count(count by (school) (classready_school_classrooms{{{SCHOOL}}})) <= {SCHOOLS_DRAWN_MAX})"
"""Narrows a graph's query: with all of 2,000 schools chosen, a browser would be sent 80,000 lines."""

ALL = ".+"
"""What "All" stands for. Without it Grafana writes the ids of all schools into every query."""

STATE_COLOURS = {"yes": GREEN, "no": RED, "unknown": AMBER, "exempt": GREY}
CAUSE_WORDS = {cause.value: (say(f"cause.{cause}", "zh"), "") for cause in Cause}
BOUND_WORDS = {"estimate": (zh("bound.estimate"), ""), "at_least": (zh("bound.at_least"), "")}
YES_NO = {"0": (zh("no"), RED), "1": (zh("yes"), GREEN)}
AWAKE = {"0": (zh("no"), GREY), "1": (zh("yes"), GREEN)}
"""A screen that is off is no fault: teachers switch it off at noon."""
IN_LESSON = AWAKE
"""Neither is better."""
RATIO_STEPS: Steps = ((None, RED), (0.9, AMBER), (1, GREEN))
"""Every classroom is to have its device and its line: only all of them is green."""

_HERE = "/d/classready?${datasource:queryparam}&${__url_time_range}&var-office="
_TO_OFFICE = _HERE + "${__data.fields.office:percentencode}"
_TO_SCHOOL = _TO_OFFICE + "&var-school=${__data.fields.school:percentencode}"
_OFFICE = Label("office", link=_TO_OFFICE)
_SCHOOL = (Label("name", link=_TO_SCHOOL), _OFFICE, Label("school", link=_TO_SCHOOL))
_CAUSE = Label("cause", CAUSE_WORDS)


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
        .with_variable(_variable("office", "classready_school_classrooms"))
        .with_variable(_variable("school", f"classready_school_classrooms{{{OFFICE}}}"))
        .with_variable(_variable("classroom", f'{{__name__=~"classready_classroom_.+",{SCHOOL}}}'))
        .with_row(dashboard.Row(zh("row.office")))
    )
    for panel in _office_row():
        board = board.with_panel(panel)
    # A closed row asks nothing. What is in these grows with schools and rooms, so a person opens them.
    for title, panels in (("row.school", _school_row()), ("row.classroom", _classroom_row())):
        row = dashboard.Row(zh(title))
        for panel in panels:
            row = row.with_panel(panel)
        board = board.with_row(row)
    return json.dumps(board.build(), cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _named(expr: str) -> str:
    """``expr`` with the label ``name`` of its school; what was scraped before there were names keeps its numbers."""
    names = f"max by (office, school, name) (classready_school_info{{{SCHOOL}}})"
    nameless = f"group by (office, school) (classready_school_classrooms{{{SCHOOL}}})"
    return f"{expr} * on (office, school) group_left (name) ({names} or on (office, school) {nameless})"


def _drawn(expr: str) -> str:
    """For a graph: named, and nothing where there would be too much; asked first, so that little is joined."""
    return _named(f"({expr}{FEW})")


def _variable(name: str, series: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(zh(name))
        .datasource(SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .include_all(include_all=True)
        .all_value(ALL)
        .multi(multi=True)
    )


# --- offices and schools: open from the start, so nothing here may grow with the number of classrooms -----------------


def _office_row() -> Sequence[Any]:
    not_scraped = 'sum(1 - up{classready_shard=~"$office"})'
    return (
        _counts("ready", ("yes", "no", "unknown")),
        _counts("compliant", ("yes", "no", "unknown", "exempt")),
        figures(
            "compliant_ratio", Column(_ratio(SCHOOL), zh("compliant_ratio"), RATIO, RATIO_STEPS, decimals=1), span=3
        ),
        figures(
            "not_scraped",
            Column(not_scraped, zh("not_scraped"), steps=((None, GREEN), (1, RED)), decimals=0),
            span=3,
        ),
        _incidents(),
        _offices(),
        grid(
            "main_causes",
            [_CAUSE],
            Column(f"count by (cause) (classready_classroom_cause{{{SCHOOL}}} == 1)", zh("classrooms"), decimals=0),
            worst=(zh("classrooms"), True),
            span=9,
        ),
        _schools(),
        _ready_over_time(),
    )


def _counts(verdict: str, verdict_states: Sequence[str]) -> Any:
    """A zero is grey: no room ready is not good, none unready is not bad."""
    columns = (
        Column(
            _total(verdict, state, SCHOOL),
            _word(verdict, state),
            steps=((None, GREY), (1, STATE_COLOURS[state])),
            decimals=0,
        )
        for state in verdict_states
    )
    return figures(verdict, *columns, span=7)


def _incidents() -> Any:
    """None of a kind has no sample: where its office is scraped, that is a zero."""
    none = f"0 * count(classready_office_info{{{OFFICE}}})"
    columns = (
        Column(
            f'sum(classready_incidents{{{OFFICE},state="{state}"}}) or {none}',
            title,
            steps=((None, GREY), (1, colour)),
            decimals=0,
        )
        for state, title, colour in (("firing", zh("firing"), RED), ("pending", zh("pending"), AMBER))
    )
    return figures("incidents", *columns, span=4)


def _offices() -> Any:
    columns = (
        Column(_total("compliant", state, OFFICE, "office", by="office"), _word("compliant", state), decimals=0)
        for state in ("yes", "no", "unknown", "exempt")
    )
    names = Column(f"max by (office, name) (classready_office_info{{{OFFICE}}})", "")
    ratio = Column(_ratio(OFFICE, "office", by="office"), zh("ratio"), RATIO, RATIO_STEPS, decimals=1)
    rows = [Label("name", link=_TO_OFFICE), _OFFICE]
    return grid("offices", rows, names, ratio, *columns, worst=(zh("ratio"), False), span=15)


def _schools() -> Any:
    by = "office, school"
    counts = (
        Column(_total("ready", state, SCHOOL, by=by), _word("ready", state), decimals=0, steps=steps)
        for state, steps in (("no", ((None, GREY), (1, RED))), ("unknown", ()), ("yes", ()))
    )
    contention = f"max by ({by}) (classready_school_uplink_contention_ratio{{{SCHOOL}}})"
    return grid(
        "schools",
        _SCHOOL,
        Column(_named(_total("ready", "no|unknown", SCHOOL, by=by)), zh("to_do"), decimals=0),
        *counts,
        *(
            Column(_slowest_line(direction, note), zh(direction), BITS, note=Label(note, BOUND_WORDS))
            for direction, note in (("down", "down_is"), ("up", "up_is"))
        ),
        Column(contention, zh("contention"), decimals=1),
        worst=(zh("to_do"), True),
    ).description(zh("schools.about"))


def _slowest_line(direction: str, note: str) -> str:
    """The slowest of a school's lines in one direction; the label ``note`` says which bound it is."""
    lines = f"max by (office, school, gateway, bound) ({' or '.join(_lines(direction).values())})"
    slowest = f"bottomk by (office, school) (1, {lines})"
    named = f'label_replace({slowest}, "{note}", "$1", "bound", "(.*)")'
    return f"8 * max by (office, school, {note}) ({named})"


def _lines(direction: str) -> Mapping[str, str]:
    """Every line in one direction, once: by its estimate, or else, where no plateau was seen, by its proven bound."""
    series = f'classready_school_uplink_bytes_per_second{{{SCHOOL},direction="{direction}"'
    estimate, at_least = (f'{series},bound="{bound}"}}' for bound in ("estimate", "at_least"))
    return {"estimate": estimate, "at_least": f"({at_least} unless on (office, school, gateway) {estimate})"}


def _ready_over_time() -> Any:
    counted = ("yes", "no", "unknown")
    return graph(
        "ready_over_time",
        "short",
        *(Query(_total("ready", state, SCHOOL), _word("ready", state)) for state in counted),
        colours={_word("ready", state): STATE_COLOURS[state] for state in counted},
        span=24,
    )


def _total(verdict: str, state: str, selector: str, scope: str = "school", by: str = "") -> str:
    group = f" by ({by})" if by else ""
    return f'sum{group} (classready_{scope}_classrooms{{{selector},verdict="{verdict}",state=~"{state}"}})'


def _ratio(selector: str, scope: str = "school", by: str = "") -> str:
    """Proven over judged, rounded down to 0.1 %: 99.97 % never reads as all. Nothing judged: no ratio, and no 0/0."""
    proven = _total("compliant", "yes", selector, scope, by)
    judged = _total("compliant", "yes|no|unknown", selector, scope, by)
    return f"floor(1000 * {proven} / ({judged} > 0)) / 1000"


def _word(verdict: str, state: str) -> str:
    return say(f"{verdict}.{state}", "zh")


# --- one school, or a few ---------------------------------------------------------------------------------------------


def _school_row() -> Sequence[Any]:
    platform = "{{name}} {{school}} {{platform}}"
    page_time = f"sum by (office, school, platform) (classready_platform_http_duration_seconds{{{SCHOOL}}})"
    rtt = f"classready_platform_ping_rtt_seconds{{{SCHOOL}}}"
    loss = f"classready_platform_ping_loss_ratio{{{SCHOOL}}}"
    in_lesson = f"classready_school_in_lesson{{{SCHOOL}}}"
    gateway_up = f"classready_gateway_up{{{SCHOOL}}}"
    return (
        graph("uplink", BITS, *_uplinks()),
        _segments(),
        states("platform_up", Query(_drawn(f"classready_platform_up{{{SCHOOL}}}"), platform), YES_NO),
        graph("platform_http", "s", Query(_drawn(page_time), platform)),
        graph("platform_rtt", "s", Query(_drawn(rtt), platform), span=6),
        graph("platform_loss", RATIO, Query(_drawn(loss), platform), span=6),
        states("gateway_up", Query(_drawn(gateway_up), "{{name}} {{gateway}}"), YES_NO, span=6),
        states("in_lesson", Query(_drawn(in_lesson), "{{name}} {{school}}"), IN_LESSON, span=6),
        _gateways(),
        _certificates(),
    )


def _uplinks() -> Sequence[Query]:
    """A bound is called so: it is no measured speed."""
    return [
        Query(_drawn(f"8 * {lines}"), f"{{{{name}}}} {{{{gateway}}}} {zh(direction)} {BOUND_WORDS[bound][0]}")
        for direction in ("down", "up")
        for bound, lines in _lines(direction).items()
    ]


def _segments() -> Any:
    rows = [*_SCHOOL, Label("gateway"), Label("segment")]
    by = "office, school, gateway, segment"
    capacity = f"8 * max by ({by}) (classready_school_segment_bytes_per_second{{{SCHOOL}}})"
    contention = f"max by ({by}) (classready_school_segment_contention_ratio{{{SCHOOL}}})"
    return grid(
        "segments",
        rows,
        Column(_named(capacity), zh("capacity"), BITS),
        Column(contention, zh("contention"), decimals=1),
        worst=(zh("contention"), True),
        span=12,
    )


def _gateways() -> Any:
    def of_gateway(name: str) -> str:
        return f"max by (office, school, gateway) (classready_gateway_{name}{{{SCHOOL}}})"

    version = f"max by (office, school, gateway, version) (classready_gateway_info{{{SCHOOL}}})"
    reported_at = f"1000 * {of_gateway('last_report_timestamp_seconds')}"
    return grid(
        "gateways",
        [*_SCHOOL, Label("gateway")],
        Column(_named(of_gateway("up")), zh("gateway_up"), words=YES_NO),
        Column(reported_at, zh("last_report"), DATE, no_value=zh("never")),
        Column(of_gateway("clock_skew_seconds"), zh("skew"), "s"),
        Column(of_gateway("spool_records"), zh("spool"), decimals=0),
        Column(version, "", note=Label("version")),
        worst=(zh("gateway_up"), False),
    )


def _certificates() -> Any:
    series = f"classready_platform_tls_certificate_expiry_timestamp_seconds{{{SCHOOL}}}"
    expiry = f"min by (office, school, platform) ({series})"
    named = f'label_replace(classready_platform_info{{{SCHOOL}}}, "platform_name", "$1", "name", "(.*)")'
    joined = f"({expiry} * 0 + 1) * on (office, school, platform) group_left (platform_name) {named}"
    days_left = f"floor(({expiry} - time()) / 86400)"
    return grid(
        "certificates",
        [*_SCHOOL, Label("platform")],
        Column(_named(days_left), zh("days_left"), steps=((None, RED), (7, AMBER), (30, GREEN)), decimals=0),
        Column(f"1000 * {expiry}", zh("expires"), DATE),
        Column(f"max by (office, school, platform, platform_name) ({joined})", "", note=Label("platform_name")),
        worst=(zh("days_left"), False),
    )


# --- classrooms -------------------------------------------------------------------------------------------------------


def _classroom_row() -> Sequence[Any]:
    room = "{{name}} {{school}} {{classroom}}"
    causes = f"max by (office, school, classroom, cause) (classready_classroom_cause{{{ROOM}}} == 1)"
    link = f"8 * classready_classroom_link_bytes_per_second{{{ROOM}"
    return (
        grid(
            "causes",
            [*_SCHOOL, Label("classroom"), _CAUSE],
            Column(_drawn(causes), ""),
            worst=(zh("school"), False),
            span=12,
        ).no_value(nothing_drawn()),
        states("room_ready", Query(_drawn(f"classready_classroom_ready{{{ROOM}}}"), room), YES_NO),
        states("room_compliant", Query(_drawn(f"classready_classroom_compliant{{{ROOM}}}"), room), YES_NO),
        states("room_device", Query(_drawn(f"classready_classroom_device_up{{{ROOM}}}"), room), AWAKE),
        graph(
            "room_link",
            BITS,
            *(
                Query(_drawn(f'{link},basis="{basis}"}}'), f"{room} {say(f'basis.{basis}', 'zh')}")
                for basis in ("port", "reach", "share")
            ),
            Query(f'8 * max(classready_required_bytes_per_second{{direction="down"}}){FEW}', zh("required")),
        ),
        graph("room_ratio", "short", Query(_drawn(f"classready_classroom_link_ratio{{{ROOM}}}"), room)),
        _evidence(),
    )


def _evidence() -> Any:
    """How old each part is that a room's verdict rests on; a room of which nothing is known is in it, too."""
    info = f'label_replace(classready_classroom_info{{{ROOM}}}, "room_name", "$1", "name", "(.*)")'
    series = f"classready_classroom_evidence_timestamp_seconds{{{ROOM}"
    parts = {"port": zh("port"), "uplink": zh("line"), "path": zh("inside"), "device": zh("device")}
    dates = (
        Column(f'1000 * max by (office, school, classroom) ({series},part="{part}"}}){FEW}', title, DATE)
        for part, title in parts.items()
    )
    rooms = f"max by (office, school, classroom, room_name) ({info})"
    rows = [*_SCHOOL, Label("classroom"), Label("room_name")]
    return grid("evidence", rows, Column(_drawn(rooms), ""), *dates, worst=(zh("school"), False))


if __name__ == "__main__":
    OUTPUT.write_text(build(), encoding="utf-8")
