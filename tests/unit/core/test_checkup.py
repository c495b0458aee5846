"""The check-up before a term: what is tested anew, what counts as ready, and when an office is told, once."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from collector.core.bureau.checkup import tell
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Bureau as State
from collector.core.checkup import BEGINS_S, SPREAD_S, Surveyed, orders, survey
from collector.core.directives import directives
from collector.core.evidence import BandwidthTest, SwitchReading, UplinkState
from collector.core.policy import Policy
from collector.core.roster import CheckUp, Classroom, Hours
from collector.core.state import ClassroomState, SchoolState, Verdict
from collector.core.words import NextStep
from tests.support.offices import Bureau
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, Tick, at, bandwidth, school

TERM = CheckUp("2026-11-27", at("2026-11-24 00:00"), at("2026-11-26 00:00"), at("2026-11-27 00:00"))
DURING = at("2026-11-25 18:00")


def story(**changes: Any) -> Story:
    """Well on the Monday before the check-up begins."""
    listed = school(**changes)
    days = tuple(day for day in listed.hours.days if day.date <= "2026-11-23")
    hours = Hours(days=days, checkup=TERM)
    return Story(replace(listed, hours=hours), policy=replace(POLICY, device_proof_school_days=2)).all_well()


def surveyed(told: Story) -> Surveyed:
    (found,) = survey([told.school], told.now)
    return found


def line(told: Story) -> Story:
    return told.heard().uplink(passed=True)


def ready(told: Story) -> Story:
    return line(told).room_well("r1").room_well("r2").platform()


CASES: dict[str, tuple[Any, tuple[int, int, dict[NextStep, int]]]] = {
    "nothing was seen since it began": (lambda s: s.heard().platform(), (0, 0, {NextStep.WAIT_FOR_TEST: 2})),
    "the line was tested, boards are off": (lambda s: line(s).platform(), (0, 0, {NextStep.WAKE_DEVICE: 2})),
    "one board was on": (lambda s: line(s).platform().room_well("r1"), (1, 0, {NextStep.WAKE_DEVICE: 1})),
    "all was seen": (ready, (2, 0, {})),
    "a port is slow": (lambda s: ready(s).room_well("r1", 10), (1, 1, {})),
    "the platform does not answer": (lambda s: ready(s).later(5).platform(up=False), (0, 2, {})),
}


def test_who_has_most_to_do_stands_first() -> None:
    """Rooms that are short and rooms of which nothing is known are both something to do."""
    much = Surveyed(school="s2", school_name="B", short_count=1, unknown={NextStep.WAKE_DEVICE: 2})
    less = Surveyed(school="s1", school_name="A", short_count=2)
    told = tell("511402", TERM.term, (less, much, replace(less, school="s0")), DURING)
    assert [each.school for each in told.surveys] == ["s2", "s0", "s1"]


@pytest.mark.parametrize("name", CASES)
def test_what_a_room_is_ready_for(name: str) -> None:
    """By what was seen since the check-up began: what the last term showed counts for nothing."""
    act, (ready_count, short_count, unknown) = CASES[name]
    told = story()
    act(told.later(DURING - told.now))
    found = surveyed(told)
    assert (found.ready_count, found.short_count, dict(found.unknown)) == (ready_count, short_count, unknown)
    assert found.silent == ()


def test_gateways_that_do_not_answer_and_rooms_that_do_not_count() -> None:
    """Silent or never heard: they are named; an exempt room is no room."""
    rooms = {"r1": Classroom(id="r1", device="whiteboard"), "r2": Classroom(id="r2", exempt="拆除")}
    told = story(classrooms=rooms, gateways=(GATEWAY, "dem-gw-02"))
    told.later(DURING - told.now).event(Tick())
    found = surveyed(told)
    assert found.silent == (GATEWAY, "dem-gw-02")
    assert sum(found.unknown.values()) == 1


def test_without_a_term_there_is_none() -> None:
    """Nor once the term has begun."""
    told = Story().all_well()
    assert survey([told.school], told.now) == ()
    assert [*orders(told.school, GATEWAY, told.now)] == []
    assert survey([story().school], TERM.ends) == ()


def asked(told: Story) -> list[str]:
    return list(directives([told.school], GATEWAY, told.policy, told.now).retest)


def test_lines_are_tested_anew() -> None:
    """From the first of the days on, at a moment of the gateway's own, until a test is in."""
    told = story()
    assert asked(told) == []
    told.now = TERM.begins + BEGINS_S - 1
    assert asked(told) == []
    told.now = TERM.begins + BEGINS_S + SPREAD_S
    assert asked(told) == ["uplink"]
    line(told)
    assert asked(told) == []
    late = story()
    late.now = TERM.ends
    assert asked(late) == []


AWAKE = Verdict(ready="yes")
OTHER = "dem-gw-02"


def leg(at_: float | None, **fields: Any) -> UplinkState:
    """A leg that passed a day before ``at_``, too; None = it was never tested."""
    times = [] if at_ is None else [at_ - 86_400, at_]
    tests = tuple(BandwidthTest(observed_at=when, seen=bandwidth()) for when in times)
    return UplinkState(**{"gateway": GATEWAY, "target": "uplink", "direction": "down", "tests": tests, **fields})


@pytest.mark.parametrize(("gateway", "clock"), [(GATEWAY, "09:34:14"), ("dem-gw-02", "12:59:24")])
def test_each_gateway_has_its_moment(gateway: str, clock: str) -> None:
    """Between eight and four: 20,000 lines are not tested at once, and nobody's moment moves with a restart."""
    began = at(f"2026-11-24 {clock}")
    state = SchoolState(uplinks={"u": leg(None, gateway=gateway)})
    told = replace(school(), state=state, hours=Hours(checkup=TERM))
    assert [*orders(told, gateway, began - 1)] == []
    assert [each.gateway for each in orders(told, gateway, began)] == [gateway]
    assert [*orders(told, "another", TERM.ends - 1)] == []
    last = replace(told, hours=Hours(checkup=TERM._replace(ends=began + 1)))
    assert [each.gateway for each in orders(last, gateway, began)] == [gateway]
    assert [*orders(last, gateway, began + 1)] == []


@pytest.mark.parametrize(
    ("verdict", "legs", "awake_at", "expected"),
    [
        pytest.param(AWAKE, [leg(DURING)], DURING, "ready", id="tested and seen since"),
        pytest.param(AWAKE, [leg(TERM.begins)], TERM.begins, "ready", id="as it began"),
        pytest.param(AWAKE, [leg(TERM.begins - 1)], DURING, NextStep.WAIT_FOR_TEST, id="tested just before"),
        pytest.param(AWAKE, [leg(None)], DURING, NextStep.WAIT_FOR_TEST, id="never tested"),
        pytest.param(AWAKE, [leg(DURING)], TERM.begins - 1, NextStep.WAKE_DEVICE, id="seen just before"),
        pytest.param(AWAKE, [leg(DURING)], None, NextStep.WAKE_DEVICE, id="never seen"),
        pytest.param(AWAKE, [leg(DURING, gateway=OTHER)], DURING, NextStep.WAIT_FOR_TEST, id="another's line"),
        pytest.param(AWAKE, [leg(DURING, direction="up")], DURING, NextStep.WAIT_FOR_TEST, id="only upwards"),
        pytest.param(AWAKE, [leg(None), leg(DURING)], DURING, "ready", id="one of two targets"),
        pytest.param(Verdict(ready="no"), [leg(DURING)], DURING, "short", id="short, whatever was seen"),
        pytest.param(Verdict(), [leg(DURING)], DURING, NextStep.INSTALL_GATEWAY, id="nobody knows, nor why"),
        pytest.param(
            Verdict(next_step=NextStep.ADD_TEST), [leg(DURING)], DURING, NextStep.ADD_TEST, id="nobody knows: why"
        ),
    ],
)
def test_when_a_room_is_ready(
    verdict: Verdict, legs: list[UplinkState], awake_at: float | None, expected: str | NextStep
) -> None:
    """By its own gateway's download, and its board: each seen in the days of the check-up."""
    listed = school(classrooms={"r1": Classroom(id="r1", device="whiteboard")}, gateways=(GATEWAY, OTHER))
    room = ClassroomState(gateway=GATEWAY, verdict=verdict, last_awake_at=awake_at)
    state = SchoolState(classrooms={"r1": room}, uplinks={f"u{n}": each for n, each in enumerate(legs)})
    told = replace(listed, state=state, hours=Hours(checkup=TERM))
    (found,) = survey([told], DURING)
    counted = {"ready": found.ready_count, "short": found.short_count, **found.unknown}
    assert {name: count for name, count in counted.items() if count} == {expected: 1}


def test_switches_that_do_not_answer_are_counted() -> None:
    """Somebody has to go there before the term."""
    switches = {
        name: SwitchReading(observed_at=DURING, gateway=GATEWAY, switch=name, reachable=name == "sw1")
        for name in ("sw1", "sw2", "sw3")
    }
    told = replace(school(), state=SchoolState(switches=switches), hours=Hours(checkup=TERM))
    (found,) = survey([told], DURING)
    assert found.switch_count == 2


def test_what_a_survey_does_not_name_it_did_not_find() -> None:
    """As it was written by an earlier release."""
    found = msgspec.convert({"school": "s1", "school_name": "A"}, Surveyed)
    assert (found.ready_count, found.short_count, found.switch_count, found.silent) == (0, 0, 0, ())


# --- the message ------------------------------------------------------------------------------------------------------

SURVEYS = (
    Surveyed(school="s1", school_name="甲", ready_count=3),
    Surveyed(school="s2", school_name="乙", short_count=1),
)
TELLS_AT = at("2026-11-26 08:40")


def office(checkup: CheckUp | None = TERM) -> Bureau:
    hours = Hours(days=school().hours.days, checkup=checkup)
    scope = Scope(school_count=2, hours=hours, take_census=lambda _now: {}, survey=lambda _now: SURVEYS)
    return Bureau(Policy(), {"511402": scope})


def test_each_office_is_told_once() -> None:
    """On the last working day before the term, at the time of the digest; after a restart not again."""
    bureau = office()
    bureau.step(MONDAY)
    bureau.wait(TELLS_AT - 1)
    assert bureau.notices == []
    bureau.wait(TELLS_AT)
    (notice,) = bureau.notices
    assert (notice.kind, notice.office, notice.term) == ("checkup", "511402", "2026-11-27")
    assert [each.school for each in notice.surveys] == ["s2", "s1"]
    bureau.state = State(desks={name: replace(desk, next_at=None) for name, desk in bureau.state.desks.items()})
    bureau.step(TELLS_AT + 1)
    bureau.wait(TERM.ends + 86_400)
    assert [n.kind for n in bureau.notices] == ["checkup"]


@pytest.mark.parametrize(
    ("back", "told"),
    [("2026-11-26 15:00", 1), ("2026-11-26 23:30", 0), ("2026-11-27 09:00", 0)],
    ids=["the same afternoon", "at night", "when the term has begun"],
)
def test_one_that_was_missed(back: str, told: int) -> None:
    """It is told as soon as somebody is awake, unless the term has begun by then."""
    bureau = office()
    bureau.step(at(back))
    bureau.wait(TERM.ends + 86_400)
    assert len(bureau.notices) == told


def test_no_term_no_check_up() -> None:
    bureau = office(None)
    bureau.step(MONDAY)
    bureau.wait(TERM.ends + 86_400)
    assert bureau.notices == []
