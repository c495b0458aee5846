"""The benchmark of a province: reports that are what they should be, honest latencies, goals and first numbers."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.province import chart, gateways
from bench.province import roster as province
from bench.province.__main__ import FILL, ORDER, PARTS, options, pace, parts_of
from bench.province.fleet import Order
from bench.province.gateways import _at_a_rate
from bench.province.growth import growth
from bench.province.lines import (
    BASELINE,
    GOALS,
    LATEST,
    Line,
    beside_goal_and_first,
    for_people,
    json_line,
    read_file,
    read_lines,
)
from bench.province.reports import NEWS_EVERY, RECORDS, REPORT_INTERVAL_S, School
from bench.province.table import table
from classready.codec import decode_report, encode_ack
from classready.observation import Bandwidth, Device, Http, Port, Segment
from classready.report import REPORT_MAX_BYTES, Ack
from collector.core.hours import Calendar, in_lesson
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools

NOW = 1_795_400_000.0


def line(metric: str, value: float, **more: object) -> Line:
    return Line(**{"bench": "province.http", "metric": metric, "value": value, "unit": "1/s", "schools": 1_000, **more})


# --- reports --------------------------------------------------------------------------------------------------------


def test_a_report_is_well_formed_and_whole() -> None:
    """The collector takes every record: 15 ports, 15 devices, 3 pages and a trunk, first also the line's test."""
    first = decode_report(School(7, 1).report("first", NOW).body)
    kinds = [type(record.observation) for record in first.records]
    assert [kinds.count(kind) for kind in (Port, Device, Http, Segment, Bandwidth)] == [15, 15, 3, 1, 1]
    made = School(7, 1).report("usual", NOW)
    usual = decode_report(made.body)
    assert len(usual.records) == RECORDS == 34
    assert (usual.rejected, usual.unknown_kinds, usual.nameless_count) == ((), (), 0)
    assert len(made.body) < REPORT_MAX_BYTES


def test_counters_grow_and_times_change() -> None:
    """A school's next report goes on where the last one ended; a device is seen awake after its port."""
    school = School(7, 1)
    reports = [decode_report(_next(school, NOW + n * 60)) for n in range(2)]
    sequences = [record.sequence for report in reports for record in report.records]
    assert sequences == list(range(1, 2 * RECORDS + 1))
    walls = [record.wall_s for report in reports for record in report.records]
    assert all(before < after for before, after in pairwise(walls))
    octets = [
        record.observation.in_octets
        for r in reports
        for record in r.records
        if hasattr(record.observation, "in_octets")
    ]
    assert all(before < after for before, after in zip(octets[:16], octets[16:], strict=True))
    assert len({report.report.sent_monotonic_s for report in reports}) == 2


def _next(school: School, now: float) -> bytes:
    body = school.report("usual", now).body
    school.acknowledged()
    return body


def test_what_was_not_acknowledged_comes_again() -> None:
    """Byte for byte, until it is: so a refusal leaves no hole in what the collector has of a spool."""
    school = School(7, 1)
    refused = school.report("usual", NOW)
    assert school.report("usual", NOW + 60) == refused
    school.acknowledged()
    assert school.report("usual", NOW + 60).first == refused.last + 1


def test_two_schools_and_two_runs_have_spools_of_their_own() -> None:
    """Nothing of an earlier run is taken for a redelivery."""
    spools = {
        decode_report(School(n, salt).report("usual", NOW).body).report.spool_id for n in (1, 2) for salt in (3, 4)
    }
    assert len(spools) == 4


def test_a_board_changes_its_speed_from_time_to_time() -> None:
    """Thirty changes in 600 reports, one at a time, at other moments in another school."""

    def speeds(number: int) -> list[tuple[int, ...]]:
        school = School(number, 1)
        decoded = (decode_report(_next(school, NOW + n * 60)) for n in range(600))
        return [tuple(r.observation.speed_bps for r in d.records if isinstance(r.observation, Port)) for d in decoded]

    changes = [
        [sum(a != b for a, b in zip(before, after, strict=True)) for before, after in pairwise(speeds(number))]
        for number in (1, 2)
    ]
    assert [sum(each) for each in changes] == [600 // NEWS_EVERY] * 2
    assert max(map(max, changes)) == 1
    assert changes[0] != changes[1]


def test_only_a_whole_report_counts_as_committed() -> None:
    """An ack that leaves one record out is none."""
    made = School(7, 1).report("usual", NOW)

    def committed(*ranges: tuple[int, int]) -> bool:
        return made.is_committed_by(encode_ack(Ack(spool_id="0" * 32, committed=ranges)))

    assert committed((made.first, made.last))
    assert committed((1, made.last + 5))
    assert not committed((made.first, made.last - 1))
    assert not committed((made.first, 3), (5, made.last))
    assert not committed()


async def test_a_report_is_due_whatever_became_of_the_one_before() -> None:
    """A slow answer does not make the next report due later: a queue is seen as long as it is."""
    due: list[float] = []
    answering = asyncio.Semaphore(1)

    async def send(due_s: float) -> None:
        due.append(due_s)
        async with answering:
            await asyncio.sleep(0.1)

    began_s = time.monotonic()
    await _at_a_rate(Order(what="offer", per_s=20.0, seconds=0.5), send)
    assert [after - before for before, after in pairwise(due)] == pytest.approx([0.05] * 9)
    assert time.monotonic() - began_s >= 1.0


async def test_what_nobody_answers_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that were due and never sent, or never answered, have the longest latencies of all."""
    monkeypatch.setattr(gateways, "_LEFT_OVER_S", 0.2)
    monkeypatch.setattr(gateways, "OFFERED_AT_ONCE", 1)
    heard: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: heard.append(writer), "127.0.0.1", 0)
    async with server:
        fleet = gateways._Gateways(5, server.sockets[0].getsockname()[1], 0, "")
        order = Order(what="offer", per_s=10.0, seconds=0.5)
        tally = gateways._Tally(order)
        fleet._free.extend(fleet._all)
        await fleet._send_over_http(order, tally)
        for writer in heard:
            writer.close()
            await writer.wait_closed()
    done = tally.done()
    assert (done.due_count, done.committed_count, len(heard)) == (5, 0, 1)
    assert done.latency_p99_s is not None
    assert done.latency_p99_s >= 0.7


@pytest.mark.parametrize(
    ("busy_count", "due_count", "committed_count"), [(3, 8, 5), (10**6, 15, 0)], ids=["once", "always"]
)
async def test_a_round_ends_when_every_school_was_acknowledged(
    busy_count: int, due_count: int, committed_count: int
) -> None:
    """What a busy collector refused comes again, of the same schools; one that refuses everything is given up."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].split()[0])
                report = decode_report(await reader.readexactly(length))
                asked.append(report.report.gateway)
                named = [record.sequence for record in report.records]
                ack = encode_ack(Ack(spool_id=report.report.spool_id, committed=((named[0], named[-1]),)))
                status = b"503 Busy" if len(asked) <= busy_count else b"200 OK"
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(ack), ack))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        fleet = gateways._Gateways(5, server.sockets[0].getsockname()[1], 0, "")
        order = Order(what="round")
        tally = gateways._Tally(order)
        fleet._free.extend(fleet._all)
        await fleet._send_over_http(order, tally)
        await asyncio.gather(*(task for task in tasks if task))
    done = tally.done()
    assert (done.due_count, done.committed_count) == (due_count, committed_count)
    assert len(set(asked)) == 5


# --- the province ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hour", range(24))
def test_a_lesson_begins_when_it_should(tmp_path: Path, hour: int) -> None:
    """Whatever the hour of the measurement; in lesson means all schools, also in the minutes before its end."""
    begins = datetime(2026, 11, 28, hour, 41, tzinfo=UTC)
    province.write_roster(tmp_path / "roster", 2, begins)
    roster = load_roster(tmp_path / "roster", {})
    hours = hours_of_schools(roster.entries, Calendar(), begins.timestamp())
    minutes = {-11: True, -9: False, -1: False, 0: True, 39: True, 41: False}
    for school in roster.schools:
        found = {m: in_lesson(hours[school], (begins + timedelta(minutes=m)).timestamp()) for m in minutes}
        assert found == minutes


def test_offices_of_a_province(tmp_path: Path) -> None:
    """One large office, the others like counties; every school is in exactly one."""
    for schools in (20, 2_000, 2_001, 20_000):
        offices = province.offices(schools)
        assert [n for numbers in offices.values() for n in numbers] == list(range(schools))
        assert max(map(len, offices.values())) == min(schools, province.LARGEST_OFFICE_SCHOOLS)
    assert len(province.offices(20_000)) == 165


# --- lines, goals, first numbers ------------------------------------------------------------------------------------


def test_a_value_stands_beside_its_goal_and_the_first_one() -> None:
    """More is better for rates, less for everything else; the nearest size is named where the same was not measured."""
    first = [line("reports_per_second_http", 50.0), line("reports_per_second_http", 30.0, schools=5_000)]
    first.append(line("report_cpu_seconds", 0.02))
    rate = beside_goal_and_first(line("reports_per_second_http", 900.0, schools=20_000), first)
    assert (rate.goal, rate.first, rate.first_schools, rate.times_better) == (1_000.0, 30.0, 5_000, 30.0)
    assert "MISSED" in for_people(rate)
    assert "first 30 with 5000 schools, 30.0 times better" in for_people(rate)
    assert beside_goal_and_first(line("report_cpu_seconds", 0.001), first).times_better == pytest.approx(20)
    assert beside_goal_and_first(line("report_cpu_seconds", 0.001), []).first is None


def test_a_small_province_does_not_meet_the_goal_of_a_large_one() -> None:
    """Whom a goal is for is told where it is not this one."""
    assert "at most 0.02 with 20000 schools" in for_people(line("idle_cpu_share", 0.001, schools=1_000))
    assert "20000 schools" not in for_people(line("idle_cpu_share", 0.001, schools=20_000))
    assert "MISSED" in for_people(line("idle_cpu_share", 0.1, schools=1_000))


def test_growth_is_told_as_worse_than_in_proportion() -> None:
    """Five times the schools with five times the memory is 1; a report should cost the same among many."""
    few = [line("report_cpu_seconds", 0.01), line("rss_bytes", 1e8, bench="province.steady")]
    many = [
        line("report_cpu_seconds", 0.03, schools=5_000),
        line("rss_bytes", 5e8, bench="province.steady", schools=5_000),
    ]
    assert {found.metric: found.value for found in growth([*few, *many])} == {
        "report_cpu_seconds_growth": pytest.approx(3),
        "rss_bytes_growth": pytest.approx(1),
    }
    assert list(growth(few)) == []


def test_the_first_measurement_has_every_value_that_has_a_goal() -> None:
    """Of one commit, by the metrics' names of today."""
    baseline = read_file(BASELINE)
    assert {found.metric for found in baseline} >= set(GOALS)
    assert {found.commit for found in baseline} == {"d3b793c"}
    assert read_lines(map(json_line, baseline)) == baseline


def test_the_chart_shows_every_goal() -> None:
    """Well-formed, and better is left of the goal."""
    better, worse = line("cpu_share_province", 0.035), line("cpu_share_province", 3.5)
    assert (chart.times_worse(better), chart.times_worse(worse)) == (pytest.approx(0.1), pytest.approx(10))
    picture = chart.svg([worse], [better])
    assert all(metric in picture for metric in GOALS)
    circles = [e for e in ET.fromstring(picture) if e.tag.endswith("circle") and len(e)]
    assert [float(c.get("cx", "nan")) for c in circles] == [chart._x(10), chart._x(0.1)]


def test_the_chart_is_fresh() -> None:
    """The picture in the documents is of the kept lines (run: make docs)."""
    assert chart.PICTURE.read_text("utf-8") == chart.svg(read_file(BASELINE), read_file(LATEST))


def test_the_table_has_a_column_for_each_size() -> None:
    """What was not measured for one size stays empty."""
    first = [line("cpu_share", 0.5), line("rss_bytes", 2e8, schools=5_000)]
    rows = list(table(first, [line("rss_bytes", 1e8)]))
    assert rows[0] == "| | goal | first: 1,000 schools | first: 5,000 schools | now: 1,000 schools |"
    assert rows[2] == "| `cpu_share` |  | 0.5 |  |  |"
    assert rows[3] == "| `rss_bytes` | ≤ 1,500 M |  | 200 M | 100 M |"


def test_options() -> None:
    """Parts run in their own order; unknown ones are refused; --seconds is for all windows."""
    assert options(["--parts", "idle,http"]).parts == ["http", "idle"]
    assert {FILL, *ORDER} == set(PARTS)
    assert (options(["--quick"]).schools, options([]).schools) == ([1_000], [1_000, 5_000, 20_000])
    assert pace(options(["--quick", "--seconds", "2"])).offered_s == 2.0
    assert pace(options([])).offered_s == REPORT_INTERVAL_S
    with pytest.raises(SystemExit):
        options(["--parts", "everything"])


def test_a_lesson_is_waited_for_once_in_a_hurry() -> None:
    """With ``--quick`` only the largest province has one; without it, and alone, each."""
    sizes = ["--schools", "1000,20000,5000"]
    assert [parts_of(n, options([*sizes, "--quick"])) == list(ORDER) for n in (1_000, 20_000, 5_000)] == [0, 1, 0]
    assert set(ORDER) - set(parts_of(1_000, options([*sizes, "--quick"]))) == {"lesson"}
    assert parts_of(1_000, options(sizes)) == parts_of(1_000, options(["--quick"])) == list(ORDER)
