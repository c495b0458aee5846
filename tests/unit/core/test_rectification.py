"""What the record of an incident keeps of each message; decision tables."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.alerts import withdrawn
from collector.core.bureau.rectification import Joined, Told, ending_of, lesson_s, named, news, reopens_from
from collector.core.bureau.root import Scope
from collector.core.bureau.step import step
from collector.core.bureau.words import Acknowledged, Notice, SchoolChanged, SchoolGone
from collector.core.hours import before_school_days
from collector.core.policy import Policy
from collector.core.roster import Classroom, Hours, SchoolDay
from collector.core.state import AlertState
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change
from tests.support.samples import demo_school

DAY_S = 86_400.0


class Recorder(Bureau):
    """A bureau whose steps are kept as the engine keeps them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: list[tuple[Any, ...]] = []

    def step(self, now: float, *changes: Any) -> Any:
        made = step(self.state, changes, now, self.policy, self.scopes)
        self.state, self.wake_at = made.bureau, made.wake_at
        for one in news(made.effects, made.bureau):
            if isinstance(one, Told):
                said = "open" if one.alert.change == "opened" else ending_of(one.alert)
                self.kept.append((one.incident, one.alert.school, one.alert.classrooms, said, one.at))
            else:
                self.kept.append(one)
        return [effect for effect in made.effects if isinstance(effect, Notice)]


def closed(school: str = "s1", **fields: Any) -> Any:
    return change(school, "closed", **fields)


BEGUN = ("000001", "s1", ("r1", "r2"), "open", 30.0)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param([(0, change()), (10, closed())], [], id="over before it was told: nobody was told of anything"),
        pytest.param([(0, change())], [BEGUN], id="told"),
        pytest.param(
            [(0, change()), (100, closed(at=100.0))],
            [BEGUN, ("000001", "s1", ("r1", "r2"), "recovered", 130.0)],
            id="well again by evidence",
        ),
        pytest.param(
            [(0, change()), (100, change(classrooms=("r1", "r2", "r3")))],
            [BEGUN, ("000001", "s1", ("r3",), "open", 130.0)],
            id="a room more",
        ),
        pytest.param([(0, change()), (100, change(classrooms=("r1",)))], [BEGUN], id="a room that left is no end"),
        pytest.param(
            [(0, change()), (100, SchoolGone(school="s1"))],
            [BEGUN, ("000001", "s1", ("r1", "r2"), "removed", 130.0)],
            id="the roster has the school no more",
        ),
        pytest.param(
            [(0, change()), (100, SchoolChanged(school="s1", office="511421", name="s1"))],
            [BEGUN, ("000001", "s1", ("r1", "r2"), "moved", 130.0), ("000002", "s1", ("r1", "r2"), "open", 130.0)],
            id="another office has it now: that is a record of its own",
        ),
        pytest.param(
            [(0, change()), (100, closed(why="withdrawn", withdrawal="exempted"))],
            [BEGUN, ("000001", "s1", ("r1", "r2"), "exempted", 130.0)],
            id="exempted",
        ),
        pytest.param(
            [(0, change()), (100, closed(why="withdrawn"))],
            [BEGUN, ("000001", "s1", ("r1", "r2"), "withdrawn", 130.0)],
            id="not heard of any more: why nobody knows",
        ),
        pytest.param(
            [(0, change()), (100, closed()), (110, change())],
            [BEGUN],
            id="back before its end was told: it never ended",
        ),
        pytest.param([(0, change()), (40 + DAY_S,)], [BEGUN], id="a reminder says nothing new"),
        pytest.param(
            [(0, change(), change(subject=Subject("uplink", "gw2"), classrooms=("r5",))), (100, closed(at=100.0))],
            [BEGUN, ("000001", "s1", ("r5",), "open", 30.0), ("000001", "s1", ("r1", "r2"), "recovered", 130.0)],
            id="one of two lines of the school is well, the other goes on",
        ),
    ],
)
def test_what_is_kept_of_messages(script, expected):
    bureau = Recorder()
    for at, *changes in script:
        bureau.wait(at)
        bureau.step(at, *changes)
    bureau.wait(script[-1][0] + 60)
    assert bureau.kept == expected


def test_what_turns_out_to_be_one_is_kept_as_one():
    """Told by themselves, then known to have one root: the others go on under the number that was told first."""
    scope = Scope(school_count=12, operators={"电信": 4, "移动": 8})
    bureau = Recorder(policy=replace(POLICY, spread_wait_s=30.0), scopes={"511402": scope})
    for at, school in enumerate(("s1", "s2", "s3", "s4")):
        silent = change(
            school, cause=Cause.GATEWAY_SILENT, subject=Subject("gateway", school), operator="电信", at=100.0 * at
        )
        bureau.step(400 * at, silent)
        bureau.wait(400 * at + 390)
    joins = [one for one in bureau.kept if isinstance(one, Joined)]
    assert [(one.incident, one.goes_on_as) for one in joins] == [("000002", "000001")]
    (incident,) = bureau.incidents
    assert (incident.actor, incident.root_name) == ("operator", "电信")


def test_whom_the_last_message_asked_stays_with_the_incident():
    bureau = Bureau()
    bureau.step(0, change(operator="电信"))
    assert [i.actor for i in bureau.incidents] == [None]
    bureau.step(30)
    assert [(i.actor, i.root_name) for i in bureau.incidents] == [("operator", "电信")]
    bureau.step(40, change("s2", operator="电信"), Acknowledged(incident="000001", by="王工", note="", at=40.0))
    bureau.step(50, change("s1", "closed"))
    bureau.wait(100)
    bureau.step(110, change("s2", "closed"))
    assert [(i.actor, i.root_name) for i in bureau.incidents] == [("operator", "电信")]


@pytest.mark.parametrize(
    ("actor", "items", "expected"),
    [
        pytest.param("operator", [change(operator="电信"), change("s2", operator="电信")], "电信", id="one operator"),
        pytest.param("operator", [change(operator="电信"), change("s2", operator="移动")], None, id="two operators"),
        pytest.param("operator", [change()], None, id="the roster names none"),
        pytest.param("exit", [change(subject=Subject("exit", name="metro"))], "metro", id="the exit that is too slow"),
        pytest.param("exit", [change(operator="电信")], None, id="not about an exit"),
        pytest.param("school", [change(operator="电信")], None, id="the school is asked, whatever its line is"),
    ],
)
def test_which_operator_or_exit_has_to_act(actor, items, expected):
    assert named(actor, items) == expected


# --- the roster says why --------------------------------------------------------------------------------------------

ROOMS = {room.id: room for room in (Classroom(id="r1"), Classroom(id="lab", exempt="拆除"))}
OF = {"classrooms": ROOMS, "gateways": ("gw",)}


@pytest.mark.parametrize(
    ("subject", "roster", "expected"),
    [
        pytest.param(Subject("classroom", name="lab"), OF, "exempted", id="the room is exempt"),
        pytest.param(Subject("classroom", name="r9"), OF, "removed", id="the room is not listed"),
        pytest.param(Subject("classroom", name="r1"), OF, None, id="listed and judged: it is not heard of"),
        pytest.param(Subject("switch", "gw", "sw1"), OF, None, id="a switch of a gateway that is listed"),
        pytest.param(Subject("switch", "old", "sw1"), OF, "removed", id="a switch of a gateway that is not"),
        pytest.param(Subject("gateway", "old"), OF, "removed", id="the gateway is not listed"),
        pytest.param(Subject("platform", "gw", "none"), OF, "removed", id="the platform is not listed"),
        pytest.param(
            Subject("uplink", "gw"), {**OF, "classrooms": {"lab": ROOMS["lab"]}}, "exempted", id="all rooms are exempt"
        ),
        pytest.param(Subject("uplink", "gw"), {**OF, "classrooms": {}}, None, id="no rooms are listed"),
    ],
)
def test_why_something_is_withdrawn(subject, roster, expected):
    alert = AlertState(subject=subject, cause=Cause.PORT_DOWN, opened_at=1.0, announced=True)
    (over,) = withdrawn(demo_school(**roster), [alert], 5.0)
    assert (over.why, over.withdrawal) == ("withdrawn", expected)


# --- days and lessons -----------------------------------------------------------------------------------------------


def day(number: int) -> SchoolDay:
    begin = DAY_S * number
    return SchoolDay(f"1970-01-{number + 1:02}", ((begin + 8 * 3_600, begin + 10 * 3_600),))


WEEK = Hours(days=tuple(day(n) for n in (1, 2, 3, 6, 7)), utc_offset_s=0.0)
"""Midnight of day n is n days after the epoch; days 4 and 5 are free."""


@pytest.mark.parametrize(
    ("hours", "end", "count", "expected"),
    [
        pytest.param(WEEK, 7.5 * DAY_S, 0, 7 * DAY_S, id="the same school day"),
        pytest.param(WEEK, 7.5 * DAY_S, 1, 6 * DAY_S, id="the one before"),
        pytest.param(WEEK, 6.5 * DAY_S, 1, 3 * DAY_S, id="over free days"),
        pytest.param(WEEK, 5.0 * DAY_S, 0, 3 * DAY_S, id="asked on a free day"),
        pytest.param(WEEK, 7.5 * DAY_S, 9, float("-inf"), id="more than are known"),
        pytest.param(Hours(), 7.5 * DAY_S, 2, 5.5 * DAY_S, id="no days are known: those of the calendar"),
    ],
)
def test_so_many_school_days_ago(hours, end, count, expected):
    assert before_school_days(hours, end, count) == expected
    assert reopens_from(hours, end, Policy(reopened_within_school_days=count)) == expected


@pytest.mark.parametrize(
    ("hours", "since", "fixed_at", "expected"),
    [
        pytest.param(WEEK, DAY_S + 9 * 3_600, 2 * DAY_S + 9 * 3_600, 7_200.0, id="an hour of each of two days"),
        pytest.param(WEEK, 3 * DAY_S + 12 * 3_600, 5 * DAY_S, 0.0, id="no lesson meanwhile is known to be none"),
        pytest.param(WEEK, DAY_S + 8 * 3_600, 2 * DAY_S, 7_200.0, id="from the first lesson on that is known"),
        pytest.param(WEEK, DAY_S + 9 * 3_600 + 0.1234567, 2 * DAY_S, 3_599.877, id="to the millisecond"),
        pytest.param(WEEK, DAY_S + 7 * 3_600, 2 * DAY_S, None, id="from before the days that are known"),
        pytest.param(Hours(), 0.0, DAY_S, None, id="no days are known"),
    ],
)
def test_lessons_that_it_took(hours, since, fixed_at, expected):
    assert lesson_s(hours, since, fixed_at) == expected
