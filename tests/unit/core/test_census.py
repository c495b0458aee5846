"""The census of an office: what no alert tells of, what of it is worth a message, and when it goes."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.noteworthy import NAMES_MAX, noteworthy, said, without
from collector.core.bureau.words import Remembered
from collector.core.census import Census, Found, census
from collector.core.policy import Policy
from collector.core.roster import DAY_S, Classroom
from collector.core.state import AlertState, ClassroomState, School, Verdict
from collector.core.subject import Subject
from collector.core.words import Cause, NextStep
from tests.support.school import GATEWAY, Story, Tick, at, port, roster, school

POLICY = Policy(device_proof_school_days=0, blame_spacing_s=0, group_wait_s=0)
MONDAY = "2026-11-23 10:00"
OTHER = "dem-gw-02"


def story(**changes: Any) -> Story:
    return Story(school(**changes), at(MONDAY), POLICY)


def counted(schools: list[School], when: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    found = census(schools, at(when), POLICY)
    return {kind: [(each.school, each.names) for each in groups] for kind, groups in found.items() if groups}


def test_a_gateway_that_was_never_heard() -> None:
    """Its rooms are not counted as never proven: without it that is no wonder."""
    assert counted([school()], MONDAY) == {"not_installed": [("s1", (GATEWAY,))]}


def test_one_that_was_heard_is_installed() -> None:
    """Whatever became of it."""
    heard = story(gateways=(GATEWAY, OTHER)).heard().school
    assert counted([heard], MONDAY)["not_installed"] == [("s1", (OTHER,))]
    (found,) = census([heard], at(MONDAY), POLICY)["not_installed"]
    assert (found.count, found.new_count, found.cause, found.next_step) == (1, 0, None, None)


@pytest.mark.parametrize(
    ("subject", "is_held"),
    [
        pytest.param(Subject("classroom", name="r1"), False, id="a room of a gateway that is known"),
        pytest.param(Subject("classroom", name="r2"), True, id="a room of a new one"),
        pytest.param(Subject("classroom", name="r9"), True, id="a room of which nobody knows whose it is"),
        pytest.param(Subject("switch", OTHER, "r1"), True, id="a switch of the new one, called like a room"),
        pytest.param(Subject("switch", GATEWAY, "r2"), False, id="a switch of the known one, called like a room"),
        pytest.param(Subject("exit", name="metro"), True, id="what several gateways see, one of them new"),
    ],
)
def test_whose_observation_keeps_it_back(subject: Subject, is_held: bool) -> None:  # noqa: FBT001 - a table
    """Two gateways; one of them is known for weeks, and the other one was installed today."""
    told = story(gateways=(GATEWAY, OTHER)).heard()
    told.now = at("2026-12-10 10:00")
    state = told.heard().heard(OTHER).school.state
    rooms = {name: ClassroomState(gateway=gateway) for name, gateway in (("r1", GATEWAY), ("r2", OTHER))}
    alert = AlertState(subject=subject, cause=Cause.PORT_DOWN, opened_at=1.0)
    held = replace(told.school, state=replace(state, classrooms=rooms, alerts=(alert,)))
    assert bool(census([held], told.now, POLICY).get("observed")) is is_held


def test_a_gateway_of_two_schools_is_counted_once() -> None:
    other = replace(school(), roster=roster(school="s2"))
    assert counted([school(), other], MONDAY) == {"not_installed": [("s1", (GATEWAY,))]}


@pytest.mark.parametrize(
    ("when", "is_silent"),
    [
        pytest.param("2026-11-23 10:04", False, id="silent, and it may be back before anybody is told"),
        pytest.param("2026-11-23 10:15", False, id="a quarter of an hour of lessons, and not more"),
        pytest.param("2026-11-23 10:16", True, id="for more than a quarter of an hour of lessons"),
    ],
)
def test_a_gateway_that_is_silent(when: str, is_silent: bool) -> None:  # noqa: FBT001 - a table
    """In its observation period: no alert will say so."""
    silent = story().heard()
    silent.later(at(when) - silent.now).event(Tick())
    assert silent.school.state.gateways[GATEWAY].silent
    assert ("silent" in counted([silent.school], when)) is is_silent


@pytest.mark.parametrize(
    ("when", "ends"),
    [
        pytest.param("2026-12-01 08:40", False, id="the day before"),
        pytest.param("2026-12-01 20:00", False, id="the evening before: by the clock of the school"),
        pytest.param("2026-12-02 07:00", True, id="before its last lesson begins"),
        pytest.param("2026-12-02 08:40", True, id="after it began"),
        pytest.param("2026-12-03 08:40", False, id="the day after"),
    ],
)
def test_the_day_on_which_an_observation_ends(when: str, ends: bool) -> None:  # noqa: FBT001 - a table
    """Seven school days after Monday: on Wednesday of the next week, whenever one looks."""
    heard = story().heard().school
    assert ("observation_ends" in counted([heard], when)) is ends


def test_what_an_observation_period_keeps_back() -> None:
    """By cause; what was told in spite of it, and what another gateway has, is not of it."""
    held = [
        AlertState(subject=Subject("classroom", name="r1"), cause=Cause.PORT_DOWN, opened_at=1.0),
        AlertState(subject=Subject("classroom", name="r2"), cause=Cause.PORT_DOWN, opened_at=1.0),
        AlertState(subject=Subject("switch", GATEWAY, "sw1"), cause=Cause.SWITCH_UNREACHABLE, opened_at=1.0),
        AlertState(subject=Subject("platform", GATEWAY, "x"), cause=Cause.PLATFORM_UNREACHABLE, bad_streak=2),
        AlertState(subject=Subject("exit", name="e"), cause=Cause.EXIT_BELOW_REQUIRED, opened_at=1.0, announced=True),
        AlertState(subject=Subject("uplink", "other"), cause=Cause.UPLINK_BELOW_REQUIRED, opened_at=1.0),
    ]  # fmt: skip
    heard = story().heard().school
    heard = replace(heard, state=replace(heard.state, alerts=tuple(held)))
    found = census([heard], at(MONDAY), POLICY)["observed"]
    assert [(each.cause, each.names) for each in found] == [
        (Cause.PORT_DOWN, ("r1", "r2")), (Cause.SWITCH_UNREACHABLE, ("sw1",)),
    ]  # fmt: skip
    assert not census([heard], at("2026-12-03 08:40"), POLICY).get("observed")


def test_rooms_that_no_roster_lists() -> None:
    """As long as somebody tells of them; a record without a room is nobody's."""
    told = story().heard().saw(port("x9"), "x9").school
    told = replace(told, state=replace(told.state, unlisted={**told.state.unlisted, "": at(MONDAY)}))
    assert counted([told], MONDAY)["unlisted"] == [("s1", ("x9",))]
    assert "unlisted" in counted([told], "2026-12-07 10:00"), "ten school days"
    assert "unlisted" not in counted([told], "2026-12-08 10:00")


def test_rooms_never_proven() -> None:
    """Neither exempt ones nor those that once were; with what most of them need. Not while a gateway is observed."""
    rooms = {name: Classroom(id=name, device="whiteboard") for name in ("r1", "r2", "r3")}
    rooms["r4"] = Classroom(id="r4", exempt="拆除")
    known = story(classrooms=rooms).all_well()
    known.event(Tick())
    assert "unproven" not in counted([known.school], MONDAY)
    state, r1 = known.school.state, known.school.state.classrooms["r1"]
    assert r1.latch.value == "yes"
    unknown = replace(r1, latch=type(r1.latch)(), verdict=replace(r1.verdict, next_step=NextStep.ADD_TEST))
    aged = replace(r1, latch=type(r1.latch)(since=5.0))
    later = replace(known.school, state=replace(state, classrooms={"r1": r1, "r2": aged}))
    assert counted([later], "2026-12-10 10:00")["unproven"] == [("s1", ("r3",))]
    later = replace(known.school, state=replace(state, classrooms={"r1": unknown, "r2": unknown, "r3": r1}))
    (found,) = census([later], at("2026-12-10 10:00"), POLICY)["unproven"]
    assert (found.count, found.next_step) == (2, NextStep.ADD_TEST)


@pytest.mark.parametrize(
    ("steps", "most"),
    [
        pytest.param(
            [NextStep.ADD_TEST, NextStep.ADD_TEST, NextStep.WAKE_DEVICE], NextStep.ADD_TEST, id="most of them"
        ),
        pytest.param([NextStep.WAKE_DEVICE, None, None], NextStep.WAKE_DEVICE, id="of the others nobody knows"),
        pytest.param([NextStep.WAKE_DEVICE, NextStep.ADD_TEST], NextStep.WAKE_DEVICE, id="as many: the first"),
        pytest.param([None], None, id="nobody knows"),
    ],
)
def test_what_rooms_need_first(steps: list[NextStep | None], most: NextStep | None) -> None:
    """What helps most of them is what somebody should do; and where a new gateway still looks around, nobody asks."""
    rooms = {f"r{n}": ClassroomState(verdict=Verdict(next_step=step)) for n, step in enumerate(steps)}
    listed = {name: Classroom(id=name) for name in rooms}
    known = story(classrooms=listed, gateways=(GATEWAY, OTHER)).heard()
    known.now = at("2026-12-10 10:00")
    told = replace(known.school, state=replace(known.school.state, classrooms=rooms))
    (found,) = census([told], known.now, POLICY)["unproven"]
    assert (found.names, found.next_step) == (tuple(rooms), most)
    new = known.heard(OTHER).school
    assert "unproven" not in counted([new], "2026-12-10 10:00")


# --- what is worth a message ------------------------------------------------------------------------------------------


def one(kind: Any, *names: str, school: str = "s1") -> Census:
    return {kind: (Found(school=school, school_name=school, names=names, count=len(names)),)}


def mornings(*censuses: Census) -> list[dict[str, tuple[int, int]]]:
    """What of one census a day is told: kind -> (how many, how many new)."""
    memory, told = {}, []
    for day, found in enumerate(censuses):
        memory, groups = noteworthy(found, memory, day * DAY_S)  # type: ignore[assignment]
        memory = said(memory, groups, day * DAY_S)  # type: ignore[assignment]
        told.append({g.kind: (sum(f.count for f in g.found), sum(f.new_count for f in g.found)) for g in groups})
    return told


@pytest.mark.parametrize(
    ("kind", "days", "told"),
    [
        pytest.param("not_installed", ["a", "a", "a"], [None, (1, 1), None], id="not installed: a day after"),
        pytest.param("not_installed", ["a", "", "a"], [None, None, None], id="not installed: installed meanwhile"),
        pytest.param(
            "not_installed", ["a", "ab", "ab", "ab"], [None, (1, 1), (2, 1), None], id="not installed: one more"
        ),
        pytest.param("silent", ["a", "a", "ab"], [(1, 1), None, (2, 1)], id="silent: at once, and when there are more"),
        pytest.param("silent", ["a", "", "a"], [(1, 1), None, (1, 1)], id="silent: again"),
        pytest.param("unlisted", ["ab", "a", "a"], [(2, 2), None, None], id="unlisted: fewer is no news"),
        pytest.param("unlisted", ["a"] * 9, [(1, 1), *[None] * 6, (1, 0), None], id="unlisted: once a week"),
        pytest.param("observation_ends", ["a", ""], [(1, 1), None], id="observation ends"),
        pytest.param("observed", ["a", "ab"], [(1, 1), None], id="observed: a school's second problem is no news"),
        pytest.param("unproven", ["a", "ab", "ab"], [(1, 0), None, None], id="unproven: never news"),
        pytest.param("unproven", [*["a"] * 7, "abc"], [(1, 0), *[None] * 6, (3, 0)], id="unproven: once a week"),
    ],
)
def test_what_is_told_of_a_census_each_morning(kind: str, days: list[str], told: list[Any]) -> None:
    """On the first morning on which something is new, and once a week what goes on."""
    assert [said.get(kind) for said in mornings(*(one(kind, *names) for names in days))] == told


@pytest.mark.parametrize(("after_s", "is_told"), [(6.5 * DAY_S, True), (6.5 * DAY_S - 1, False), (7 * DAY_S, True)])
def test_what_goes_on_is_told_again_at_the_same_time_of_day(after_s: float, *, is_told: bool) -> None:
    """A week later, give or take what a morning may be early."""
    memory, groups = noteworthy(one("unlisted", "a"), {}, 0.0)
    memory = said(memory, groups, 0.0)
    assert bool(noteworthy(one("unlisted", "a"), memory, after_s)[1]) is is_told


def test_one_school_with_something_new_is_news() -> None:
    """All of it is told then, also what goes on elsewhere."""
    memory, groups = noteworthy(one("silent", "a"), {}, 0.0)
    memory = said(memory, groups, 0.0)
    both = {"silent": (*one("silent", "a")["silent"], *one("silent", "b", school="s2")["silent"])}
    (group,) = noteworthy(both, memory, DAY_S)[1]  # type: ignore[arg-type]
    assert [(found.school, found.count, found.new_count) for found in group.found] == [("s2", 1, 1), ("s1", 1, 0)]


def test_new_ones_are_named_first() -> None:
    """Of a school, and of the schools; then the largest."""
    memory, groups = noteworthy(one("unlisted", "a", "b", "c", "d"), {}, 0.0)
    memory = said(memory, groups, 0.0)
    both = one("unlisted", "a", "b", "c", "d", "e")["unlisted"]
    others = (*one("unlisted", "x", school="s2")["unlisted"], *one("unlisted", "y", "z", school="s3")["unlisted"])
    _, (group,) = noteworthy({"unlisted": (*others, *both)}, memory, DAY_S)
    assert [(f.school, f.count, f.new_count, f.names) for f in group.found] == [
        ("s1", 5, 1, ("e", "a", "b")), ("s3", 2, 2, ("y", "z")), ("s2", 1, 1, ("x",)),
    ]  # fmt: skip
    assert all(len(found.names) <= NAMES_MAX for found in group.found)


def test_what_is_remembered_has_an_end() -> None:
    """However many rooms a gateway names: all are counted, so many are known."""
    many = one("unlisted", *(f"r{n}" for n in range(2_500)))
    memory, (group,) = noteworthy(many, {}, 0.0)
    memory = said(memory, [group], 0.0)
    assert len(memory["unlisted"].first_at) == 2_000
    assert sum(found.count for found in group.found) == 2_500
    assert noteworthy(many, memory, DAY_S)[1] == ()
    assert memory == {"unlisted": Remembered(first_at=memory["unlisted"].first_at, said_at=0.0)}


def test_what_incidents_tell_of_is_left_out() -> None:
    assert without(one("silent", "a", "b"), "silent", ["b", "x"])["silent"][0].names == ("a",)
    assert without(one("silent", "a"), "silent", ["a"])["silent"] == ()
