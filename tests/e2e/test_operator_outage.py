"""Lines of one operator fail at several schools: the group reads one incident, whatever becomes of the collector."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.e2e.town import ROOMS_PER_SCHOOL, School, Town, running

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip"), pytest.mark.timeout(180)]

TELECOM, MOBILE = "中国电信眉山分公司", "中国移动眉山分公司"
NAMES = ("城关小学", "思蒙小学", "尚义小学", "松江小学", "崇礼小学", "太和小学", "永寿小学")
SCHOOLS = [School(f"325114020{n}", name, TELECOM if n < 4 else MOBILE) for n, name in enumerate(NAMES[:5])]
SCHOOLS += [School(f"325114210{n}", name, MOBILE, "511421") for n, name in enumerate(NAMES[5:])]
CUT, LATER, OTHER = SCHOOLS[:3], SCHOOLS[3], SCHOOLS[5]
"""The last is another office's: what one office is to hear at the same time would be one message."""
POLICY = {"group_wait_s": 5, "spread_wait_s": 14, "flapping_window_s": 1}
"""Agents try again after 7.5 s at most, and an attempt takes up to 2 s: by then every line that was mended shows."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running(tmp_path_factory.mktemp("town"), SCHOOLS, POLICY) as town:
        yield town


@pytest.fixture
def outage(town: Town) -> Iterator[tuple[Town, int]]:
    """Three of four lines of an operator are cut; with how many messages there were before."""
    town.mend(*SCHOOLS)
    town.until("all are heard and nothing is open", lambda: town.hears(*SCHOOLS) and not town.incidents(), 60)
    before = len(town.messages())
    town.cut(*CUT)
    yield town, before
    town.mend(*SCHOOLS)


def scale(count: int) -> str:
    """What a message says of so many schools."""
    return f"{count} 所学校 {count * ROOMS_PER_SCHOOL} 间教室"


def named(message: str) -> set[str]:
    return {name for name in NAMES if name in message}


def names_of(*schools: School) -> set[str]:
    return {school.name for school in schools}


def of_incident(town: Town, incident: Mapping[str, Any]) -> list[str]:
    return [message for message in town.messages() if f"事件编号 {incident['incident']}" in message]


def recovered_count(messages: Sequence[str]) -> int:
    """How many rooms the reader was told to be well again, less those that failed anew meanwhile.

    On a machine with more to do than it can an agent is sometimes heard too late. That is told, too: then there are
    more messages, and they still add up.
    """
    told = "\n".join(messages)
    fixed, added = (
        re.findall(f"{before}\\d+ 所学校 (\\d+) 间教室{after}", told)
        for before, after in (("", "已恢复"), ("新增 ", ""))
    )
    return sum(map(int, fixed)) - sum(map(int, added))


def test_three_schools_are_one_incident_that_asks_the_operator(outage: tuple[Town, int]):
    """One message names the three and the operator, the last says that all are well again, and the sums agree."""
    town, before = outage
    (alarm,) = town.told(before + 1)[before:]
    assert named(alarm) == names_of(*CUT)
    assert scale(3) in alarm
    assert f"这些学校的线路都由{TELECOM}提供" in alarm
    assert "请处理:网络运营商" in alarm
    (incident,) = town.incidents()
    assert (incident["actor"], incident["classroom_count"]) == ("operator", 3 * ROOMS_PER_SCHOOL)
    town.mend(*CUT)
    town.until("it is over", lambda: not town.incidents(), 60)
    town.until("its end is told", lambda: "已全部恢复" in of_incident(town, incident)[-1], 60)
    told = of_incident(town, incident)
    assert told[0] == alarm
    assert recovered_count(told[1:]) == 3 * ROOMS_PER_SCHOOL
    assert set().union(*map(named, told[1:])) >= names_of(*CUT)
    assert len(told) <= 5, "an incident is told in at most five messages, its end included"


def test_a_collector_killed_in_the_middle(outage: tuple[Town, int]):
    """Told before the kill is not told again; what failed meanwhile is told after it; the ends add up."""
    town, before = outage
    (alarm,) = town.told(before + 1)[before:]
    assert named(alarm) == names_of(*CUT)
    # between a robot's answer and the note of it nobody can know whether it took the message: then it is sent again
    town.until("that it was delivered is noted", lambda: not town.waiting())
    town.programs["collector"].kill()
    town.cut(LATER, OTHER)
    town.programs["collector"].restart()
    added, other = sorted(town.told(before + 3)[before + 1 :], key=lambda message: OTHER.name in message)
    assert "【更新】" in added
    assert named(added) == {LATER.name}
    assert f"新增 {scale(1)}" in added
    assert f"此事件目前共影响 {4 * ROOMS_PER_SCHOOL} 间教室" in added
    assert "【告警】" in other
    assert named(other) == {OTHER.name}
    assert "请处理:学校" in other
    town.mend(*SCHOOLS)
    town.until("all is over", lambda: not town.incidents() and not town.waiting(), 60)
    ends = town.messages()[before + 3 :]
    assert set().union(*map(named, ends)) >= names_of(*CUT, LATER, OTHER)
    assert recovered_count(ends) == (4 + 1) * ROOMS_PER_SCHOOL
