"""A maintenance window from the roster file to the chat group."""

from datetime import UTC, datetime, timedelta, timezone

from collector.core.hours import Calendar
from collector.core.words import Cause
from collector.county import County
from collector.engine.rostering import InForce
from collector.notify.robot.fitting import write
from collector.roster import load_roster
from collector.roster.calendar import hours_of_roster
from tests.component.test_county import POLICY, line_report
from tests.support.collecting import NOW, ROSTER, write_roster

BEIJING = timezone(timedelta(hours=8))


def local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


BEGIN = NOW // 60 * 60
END = BEGIN + 3_600.0


def given(folder, maintenance: str) -> InForce:
    roster = load_roster(write_roster(folder, f"{ROSTER}{maintenance}"), {"p": ("p",)})
    return InForce(roster, hours_of_roster(roster, Calendar(), NOW, POLICY), POLICY)


def window(schools: str) -> str:
    span = f'begins: "{local(BEGIN)}", ends: "{local(END)}"'
    return f"maintenance: {{once: [{{{span}, why: 机房改造, schools: [{schools}]}}]}}\n"


def failing(place: County, until: float) -> list[str]:
    """The line of s3 fails until then; return what the group reads."""
    outcome = place.report("gw-two", line_report(1, NOW, passed=True), NOW)[1]
    read = list(outcome.messages)
    for n, at in enumerate(range(int(NOW) + 2, int(until), 540)):
        read += place.report("gw-two", line_report(11 + 10 * n, float(at), passed=False), float(at))[1].messages
    read += place.pass_time(until).messages
    return [write(told.message) for told in read]


def test_at_the_end_the_group_reads_what_still_fails(tmp_path):
    """Nothing within; then the line, with its real beginning."""
    place = County(given(tmp_path, window("s3")), NOW, language="zh")
    assert failing(place, END - 1) == []
    assert Cause.UPLINK_BELOW_REQUIRED in place.schools["s3"].state.classrooms["r1"].verdict.causes
    (told,) = place.pass_time(END + 60).messages
    assert told.at == END + POLICY.group_wait_s
    (line,) = [line for line in write(told.message).splitlines() if "示例小学" in line]
    assert "此前未告警,仍未恢复" in line
    assert f"{local(NOW)[-5:]} 起" in line


def test_another_schools_window_keeps_nothing_back(tmp_path):
    """The line of s3 is told at once."""
    place = County(given(tmp_path, window("s1, s2")), NOW, language="zh")
    (told,) = failing(place, NOW + 120)
    assert "仍未恢复" not in told


def test_a_window_that_is_taken_away(tmp_path):
    """The next reload tells what it kept back."""
    place = County(given(tmp_path, window("s3")), NOW, language="zh")
    assert failing(place, NOW + 600) == []
    outcome = place.change_roster(given(tmp_path, ""), NOW + 700)
    (told,) = (*outcome.messages, *place.pass_time(NOW + 760).messages)
    assert "此前未告警,仍未恢复" in write(told.message)
