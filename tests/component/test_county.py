"""A small county driven by hand: what it is told and what it says, with no store and no clock behind it."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from classready.codec import MalformedReport
from classready.report import Rejected
from collector.core.bureau.words import SchoolGone
from collector.core.directives import directives
from collector.core.hours import Calendar, Term
from collector.core.policy import Policy
from collector.core.words import Cause
from collector.county import County
from collector.engine import UnknownGatewayError
from collector.engine.rostering import InForce
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from tests.support.collecting import NOW, ROSTER, awake, bandwidth, body, port, record, write_roster

POLICY = Policy(
    observation_school_days=0,
    blame_spacing_s=0,
    silence_hold_s=0,
    group_wait_s=30,
    confirm_spacing_s=1,
    raise_after=1,
    clear_after=1,
    platform_hold_s=0,
)


def given(folder, text=ROSTER, policy=POLICY):
    roster = load_roster(write_roster(folder, text), {"p": ("p",)})
    return InForce(roster, hours_of_schools(roster.entries, Calendar(), NOW), policy)


def county(folder, language="en"):
    return County(given(folder), NOW, platforms={"p": "platform"}, language=language)


def line_report(first, at, *, passed):
    """Two tests of the line of s3 and what shows its room well, as gw-two would report them."""
    monotonic = {"monotonic_s": 990.0}
    seen = [bandwidth(passed=passed), bandwidth(passed=passed), port("r1"), awake("r1")]
    records = [record(first + n, one, wall_s=at - 5 + n, **monotonic) for n, one in enumerate(seen)]
    return body(records, gateway="gw-two", report_interval_s=600.0)


def test_a_fault_and_its_end(tmp_path):
    """Reports go in; verdicts, alerts and messages come out, each at its moment, until all is well again."""
    place = county(tmp_path)
    _, outcome = place.report("gw-two", line_report(1, NOW, passed=True), NOW)
    assert not outcome.alerts
    ack, outcome = place.report("gw-two", line_report(11, NOW + 2, passed=False), NOW + 2)
    assert ack.committed == ((11, 14),)
    assert [(alert.change, alert.cause, alert.school) for alert in outcome.alerts] == [
        ("opened", Cause.UPLINK_BELOW_REQUIRED, "s3")
    ]
    assert ("r1", "ready", "no") in [(v.classroom, v.verdict, v.after) for v in outcome.verdicts]
    assert not outcome.messages
    assert Cause.UPLINK_BELOW_REQUIRED in place.schools["s3"].state.classrooms["r1"].verdict.causes
    assert not place.pass_time(NOW + 5).messages
    (_, at) = place.report("gw-two", line_report(21, NOW + 40, passed=False), NOW + 40)
    (told,) = at.messages
    assert (told.at, told.notice.kind, told.notice.office) == (NOW + 32, "opened", "511402")
    assert "东坡区" in told.message.title
    _, outcome = place.report("gw-two", line_report(31, NOW + 44, passed=True), NOW + 44)
    assert [alert.change for alert in outcome.alerts] == ["closed"]
    (told,) = place.pass_time(NOW + 100).messages
    assert (told.at, told.notice.kind) == (NOW + 74, "resolved")
    assert not place.bureau.holders


def test_silence_comes_by_itself(tmp_path):
    """Time that passes is enough: three intervals after the last report its gateway is silent."""
    place = county(tmp_path)
    place.report("gw-two", body(gateway="gw-two", report_interval_s=60.0), NOW)
    assert not place.pass_time(NOW + 179).alerts
    assert not place.schools["s3"].state.gateways["gw-two"].silent
    place.pass_time(NOW + 190)
    assert place.schools["s3"].state.gateways["gw-two"].silent


def test_who_has_not_installed_yet(tmp_path):
    """Told on the second morning after they were listed, and not each day after it; one that reports is none."""
    place = county(tmp_path, "zh")
    place.report("gw-two", line_report(1, NOW, passed=True), NOW)
    (told,) = [m for m in place.pass_time(NOW + 4 * 86_400).messages if m.notice.census]
    (group,) = told.notice.census
    assert (group.kind, [found.names for found in group.found]) == ("not_installed", [("gw-one",)])
    assert told.at - NOW > 86_400
    assert "还没装的网关 1 台:示例中心校 gw-one。" in "".join(told.message.lead)


def test_a_line_that_was_short_while_it_was_cut_off(tmp_path):
    """Two tests failed, an hour apart, and one of now passes: no alert, and one line in the next morning's digest."""
    place, back = county(tmp_path, "zh"), NOW + 14_400
    place.report("gw-two", line_report(1, NOW, passed=True), NOW)
    alerts = place.pass_time(back).alerts
    alerts += place.report("gw-two", line_report(11, back, passed=True), back)[1].alerts
    spool = [record(21 + n, bandwidth(passed=False), wall_s=NOW + 3_600 * (n + 1), monotonic_s=100.0) for n in (0, 1)]
    alerts += place.report("gw-two", body(spool, gateway="gw-two", report_interval_s=600.0), back + 5)[1].alerts
    outcome = place.pass_time(back + 2 * 86_400)
    assert {alert.cause for alert in alerts + outcome.alerts} <= {Cause.GATEWAY_SILENT}
    lines = [line for told in outcome.messages for line in told.message.lead if line.startswith("断网期间")]
    assert len(lines) == 1
    assert "示例小学 学校上联带宽低于要求(gw-two)" in lines[0]


def test_what_comes_again_counts_once(tmp_path):
    """Redelivery and refusals are answered as by the collector itself."""
    place = county(tmp_path)
    mixed = body([record(1, port("s1/r1")), record(2, awake("s3/r1"))])
    first, _ = place.report("gw-one", mixed, NOW)
    state = place.schools["s1"].state
    again, outcome = place.report("gw-one", mixed, NOW)
    assert (again.committed, again.rejected) == (first.committed, first.rejected)
    assert again.rejected == (Rejected(sequence=2, reason="identity"),)
    assert place.schools["s1"].state is state
    assert not outcome.verdicts


def test_a_school_that_leaves_and_returns(tmp_path):
    """What was told of it is withdrawn; when it returns, still failing, it is told again."""
    place = county(tmp_path)
    place.report("gw-two", line_report(1, NOW, passed=False), NOW)
    place.report("gw-two", line_report(11, NOW + 2, passed=False), NOW + 2)
    place.pass_time(NOW + 60)
    without = ROSTER[: ROSTER.index("  - id: s3")] + ROSTER[ROSTER.index("gateways:") : ROSTER.index("  - {id: gw-two")]
    outcome = place.change_roster(given(tmp_path, without), NOW + 61)
    outcome.messages += place.pass_time(NOW + 200).messages
    assert [alert.change for alert in outcome.alerts] == ["closed"]
    assert [told.notice.kind for told in outcome.messages] == ["withdrawn"]
    assert list(place.schools) == ["s1", "s2"]
    outcome = place.change_roster(given(tmp_path), NOW + 201)
    assert [alert.change for alert in outcome.alerts] == ["opened"], "what was known when it left still holds"
    _, outcome = place.report("gw-two", line_report(21, NOW + 210, passed=False), NOW + 210)
    assert outcome.alerts == []


def test_an_act(tmp_path):
    """What a person does reaches the bureau without any school."""
    place = county(tmp_path)
    place.report("gw-two", line_report(1, NOW, passed=False), NOW)
    place.report("gw-two", line_report(11, NOW + 2, passed=False), NOW + 2)
    place.pass_time(NOW + 60)
    place.act(SchoolGone(school="s3"), NOW + 61)
    assert not place.bureau.holders


def test_who_is_not_let_in(tmp_path):
    """As over HTTP: bytes that are no report, and a gateway that is not the one it says."""
    place = county(tmp_path)
    with pytest.raises(MalformedReport):
        place.report("gw-one", b"{", NOW)
    for gateway in ("gw-two", "gw-three"):
        with pytest.raises(UnknownGatewayError):
            place.report(gateway, body(), NOW)


def test_the_page_about_it():
    """The example of docs/county.md runs as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", Path("docs/county.md").read_text("utf-8"), re.DOTALL)
    names = {"body": body(gateway="demo-gw-01")}
    exec(code, names)
    assert names["county"].schools["3251140201"].state.gateways["demo-gw-01"].silent


def test_the_check_up_before_a_term(tmp_path):
    """Three working days before it the line is ordered to be tested, once; on the last morning the office is told."""
    day_s, first = 86_400.0, datetime.fromisoformat("2026-08-24T20:00+08:00").timestamp()
    calendar = Calendar(terms=(Term(first="2026-09-01", last="2027-01-20"),))
    roster = load_roster(write_roster(tmp_path, ROSTER.replace("    timetable: always\n", "")), {"p": ("p",)})

    def in_force(now):
        return InForce(roster, hours_of_schools(roster.entries, calendar, now), POLICY)

    place, messages, asked = County(in_force(first), first), [], []
    for day in range(9):
        now = first + day * day_s
        messages += place.change_roster(in_force(now), now).messages
        seen = [port("r1"), awake("r1")]
        if day in {0, 4}:
            seen.append(bandwidth(passed=True))
        records = [record(20 * day + n, one, wall_s=now - 1, monotonic_s=990.0) for n, one in enumerate(seen)]
        whole = body(records, gateway="gw-two", report_interval_s=3_600.0)
        _, outcome = place.report("gw-two", whole, now)
        messages += outcome.messages
        asked.append(directives([place.schools["s3"]], "gw-two", POLICY, now).retest)
    assert asked[:3] == [()] * 3
    assert asked[3] == ("uplink",)
    assert asked[4:] == [()] * 5
    (told,) = [told for told in messages if told.notice.kind == "checkup"]
    assert told.at == datetime.fromisoformat("2026-08-31T08:40+08:00").timestamp()
    by_school = {each.school: each for each in told.notice.surveys}
    assert by_school["s1"].silent == ("gw-one",)
    assert sum(by_school["s3"].unknown.values()) + by_school["s3"].ready_count == 1
    assert "2026-09-01" in told.message.title
