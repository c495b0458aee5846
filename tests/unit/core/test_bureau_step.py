"""The bureau's step by itself: what belongs to which desk, and what each step leaves as it is."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau import digest
from collector.core.bureau.root import Scope
from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau as State
from collector.core.bureau.words import Fixed, Notice, SchoolChanged, SchoolGone, Since
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change, moved

MISSED, PORT = Cause.PLATFORM_UNREACHABLE, Cause.PORT_DOWN
SCOPES = {office: Scope(school_count=20, platforms={"p": 20, "q": 20}) for office in "ab"}


def missed(school: str, **fields: Any) -> AlertChange:
    subject = Subject("platform", f"gw-{school}", "p")
    return change(school, cause=MISSED, **{"subject": subject, "office": school[0], "since": 0.0, **fields})


def move(school: str, office: str, room: str = "r1") -> DeviceMoved:
    return replace(moved(room, office=office), school=school)


# --- a school that is listed anew ------------------------------------------------------------------------------------


def test_a_new_name_is_no_new_incident() -> None:
    """Told or not: its number stays, and it did not come and go."""
    for told in (False, True):
        bureau = Bureau()
        bureau.step(0, change("s1"))
        if told:
            bureau.wait(60)
        before = bureau.state.desks["511402"]
        bureau.step(70 if told else 10, SchoolChanged(school="s1", office="511402", name="甲"))
        after = bureau.state.desks["511402"]
        assert (list(after.incidents), after.openings) == (list(before.incidents), before.openings)
        assert [made.change for made in bureau.history] == ["opened"]
        assert [m.alert.school_name for i in bureau.incidents for m in i.schools["s1"]] == ["甲"]


def test_moves_go_where_their_school_is() -> None:
    """Whichever desk they wait at, and whether or not the school has an alert; those of others stay."""
    bureau = Bureau()
    bureau.step(0, move("s1", "a"), move("s2", "a"), move("s1", "b", "r2"))
    bureau.step(5, SchoolChanged(school="s1", office="b", name="甲"))
    waiting = {o: [(m.school, m.office, m.classroom) for m in desk.moves] for o, desk in bureau.state.desks.items()}
    assert waiting == {"a": [("s2", "a", "r1")], "b": [("s1", "b", "r2"), ("s1", "b", "r1")]}
    bureau.step(6, SchoolGone(school="s1"))
    assert {o: len(desk.moves) for o, desk in bureau.state.desks.items()} == {"a": 1, "b": 0}


def test_what_is_known_of_the_holders_is_copied_for_a_change_alone() -> None:
    """A province has ten thousand of them, and most reports change none."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    before = bureau.state.holders
    noise = Meanwhile(office="511402", school="s1", school_name="s1", gateway="gw", episodes=(), at=1.0)
    bureau.step(1, change("s1", cause=PORT), change("s9", "closed"), moved("r1"), noise, SchoolGone(school="s8"))
    assert bureau.state.holders is before
    bureau.step(2, change("s3"))
    assert before == {"s1": "511402", "s2": "511402"}
    assert bureau.state.holders == {**before, "s3": "511402"}


# --- a platform's own fault ------------------------------------------------------------------------------------------


def at_everybody(bureau: Bureau) -> list[str]:
    desk = bureau.state.desks.get("")
    return [] if desk is None else list(desk.incidents)


@pytest.mark.parametrize(
    ("fields", "is_fault"),
    [
        pytest.param({"since": 90_000.0, "at": 90_000.0}, False, id="two days later"),
        pytest.param({"since": 0.0, "at": 90_000.0}, True, id="told late, and missed at the same time"),
        pytest.param({"since": None, "at": 0.0}, True, id="since when is not said: since it was opened"),
        pytest.param({"since": None, "at": 90_000.0}, False, id="opened later"),
    ],
)
def test_since_when_it_is_missed(fields: dict[str, Any], *, is_fault: bool) -> None:
    """By the evidence, and not by when it was heard of."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *(missed(f"a{n}") for n in range(3)))
    bureau.step(100_000, *(missed(f"b{n}", **fields) for n in range(3)))
    assert bool(at_everybody(bureau)) is is_fault


def test_the_number_that_some_office_knows_goes_on() -> None:
    """One office was told of the younger incident, the older one still waits for its first message."""
    policy = replace(POLICY, message_window_s=3_600.0, messages_per_window=1)
    bureau = Bureau(policy, SCOPES)
    bureau.step(0, change("a9", cause=PORT, office="a"))
    bureau.wait(40)
    bureau.step(50, *(missed(f"a{n}", since=50.0) for n in range(3)))
    bureau.step(51, missed("b0", since=50.0))
    bureau.wait(200)
    numbers = sorted((i.id, i.notified_at is not None) for i in bureau.incidents if i.cause is MISSED)
    assert numbers == [("000002", False), ("000003", False), ("000004", False), ("000005", True)]
    bureau.step(210, missed("b1", since=50.0), missed("b2", since=50.0))
    assert at_everybody(bureau) == ["000005"]


def test_of_other_platforms_and_of_other_causes_nothing_goes_on_as_it() -> None:
    """Both offices have more that is open: that stays theirs."""
    bureau = Bureau(POLICY, SCOPES)
    other = [change(f"{office}8", cause=PORT, office=office) for office in "ab"]
    second = [missed(f"{office}9", subject=Subject("platform", f"gw-{office}9", "q")) for office in "ab"]
    bureau.step(0, *other, *second)
    bureau.step(1, *(missed(f"{office}{n}") for office in "ab" for n in range(3)))
    bureau.wait(100)
    desks = bureau.state.desks
    left = {office: sorted(s for i in desk.incidents.values() for s in i.schools) for office, desk in desks.items()}
    assert left == {"": ["a0", "a1", "a2", "b0", "b1", "b2"], "a": ["a8", "a9"], "b": ["b8", "b9"]}


def test_everybody_is_told_after_all_offices_have_handed_over() -> None:
    """All are due at one moment: the message for all has what any office had, and no office tells it as well."""
    scopes = {office: Scope(school_count=20, platforms={"p": 20, "q": 20}) for office in "abcdefg"}
    bureau = Bureau(POLICY, scopes)
    bureau.step(0, *(missed(f"{office}{n}") for office in "abcdefg" for n in range(3)))
    bureau.wait(1_000)
    assert [(n.office, len(n.members)) for n in bureau.notices] == [("", 21)]


# --- when ------------------------------------------------------------------------------------------------------------


def test_what_is_not_due_says_nothing_and_wakes_in_time() -> None:
    """The next that time alone can change, of all desks the first."""
    bureau = Bureau()
    bureau.step(0, change("s1", office="a"))
    bureau.step(10, change("s2", office="b"))
    assert (bureau.wake_at, bureau.step(20)) == (30, [])
    assert ([n.office for n in bureau.step(30)], bureau.wake_at) == (["a"], 40)
    assert step(State(), (), 0, POLICY).wake_at is None


# --- a digest --------------------------------------------------------------------------------------------------------


def part(incident: str, cause: Cause, rooms: int = 0) -> Notice:
    return Notice(
        kind="reminder", incident=incident, office="a", cause=cause, at=9.0, since=1.0, remaining_classrooms=rooms
    )


@pytest.mark.parametrize(
    ("rooms", "order"),
    [
        pytest.param(1, ["1", "2", "3"], id="two without rooms are more than one with a room"),
        pytest.param(3, ["3", "1", "2"], id="and less than one with three"),
    ],
)
def test_what_has_no_rooms_counts_as_one(rooms: int, order: list[str]) -> None:
    """A gateway that serves no judged room is something to mend, too."""
    parts = [part("3", Cause.UPLINK_BELOW_REQUIRED, rooms), part("2", PORT), part("1", PORT)]
    assert [each.incident for each in digest.digest("a", 9.0, parts, Since()).parts] == order


def test_so_much_is_kept_for_a_digest() -> None:
    """Three hundred schools that are well again, and sixty gateways that were cut off; all others are counted."""
    one = Fixed(incident="9", school="k", school_name="k", cause=PORT, since=1.0, at=2.0)
    well = [change(f"s{n}", "closed", cause=PORT) for n in range(3)]
    told = Notice(kind="resolved", incident="1", office="a", cause=PORT, at=9.0, since=1.0, members=tuple(well))
    few = digest.counted(Since(fixed_more_count=4), told, {})
    assert (len(few.fixed), few.fixed_more_count) == (3, 4)
    since = digest.counted(Since(fixed=tuple(replace(one, school=f"k{n}") for n in range(299))), told, {})
    assert (len(since.fixed), since.fixed_more_count) == (300, 2)
    for n in range(62):
        noise = Meanwhile(office="a", school="s1", school_name="s1", gateway=f"gw{n}", episodes=(), at=1.0)
        since = digest.recalled(since, noise)
    assert (len(since.meanwhile), since.meanwhile_more_count) == (60, 2)
