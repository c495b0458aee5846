"""What becomes of one school's part of an incident, and what its office hears of it: each change alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau import incidents
from collector.core.bureau.incidents import Members, recounted
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Incident, Member
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import change
from tests.support.school import at, weekdays

POLICY = Policy(group_wait_s=30, flapping_quiet_s=1_800)
SCOPE = Scope(school_count=60, operators={"电信": 20})
PORT, SILENT = Cause.PORT_DOWN, Cause.GATEWAY_SILENT
ROOMS = ("r1", "r2")


def alert(room: str = "a", kind: str = "opened", **fields: Any) -> Any:
    given = {"cause": PORT, "subject": Subject("classroom", name=room), "since": 50.0, "at": 60.0}
    return change("s1", kind, **{**given, **fields})


ONE = alert()
OVER = alert(kind="closed", at=100.0, classrooms=("r9",))
"""By now it has another room."""
TOLD = Member(alert=ONE, told=ROOMS)
UNTOLD = Member(alert=ONE)
OTHER = Member(alert=alert("b"), told=ROOMS)
CLOSED = Member(alert=replace(OVER, classrooms=ROOMS), told=ROOMS)
COMES_AND_GOES = Member(alert=replace(ONE, flapping=True), told=ROOMS)
CALM = replace(COMES_AND_GOES, ending=OVER)


@pytest.mark.parametrize(
    ("members", "new", "after"),
    [
        pytest.param((), ONE, (UNTOLD,), id="the first"),
        pytest.param((OTHER,), ONE, (OTHER, UNTOLD), id="another room"),
        pytest.param((TOLD,), alert(cause=SILENT), (TOLD, Member(alert=alert(cause=SILENT))), id="another cause"),
        pytest.param((TOLD,), ONE, (TOLD,), id="the same again"),
        pytest.param(
            (TOLD,), alert(measured=5.0, at=90.0), (Member(alert=alert(measured=5.0), told=ROOMS),), id="says more"
        ),
        pytest.param(
            (TOLD,), alert(since=20.0), (Member(alert=alert(since=20.0), told=ROOMS),), id="was bad before that"
        ),
        pytest.param((TOLD,), alert(since=80.0, at=90.0), (TOLD,), id="what is open is not younger than it was"),
        pytest.param((CLOSED,), alert(at=200.0), (Member(alert=alert(at=200.0), told=ROOMS),), id="opens again"),
        pytest.param((COMES_AND_GOES,), ONE, (COMES_AND_GOES,), id="what comes and goes goes on to"),
        pytest.param((CALM,), ONE, (COMES_AND_GOES,), id="and is bad again before its end counts"),
    ],
)
def test_what_opens(members: Members, new: AlertChange, after: Members) -> None:
    """An alert is one member, however often it is said."""
    assert incidents.opened(members, new) == after


@pytest.mark.parametrize(
    ("members", "over", "after"),
    [
        pytest.param((), OVER, (), id="nobody knows it"),
        pytest.param((TOLD, OTHER), OVER, (CLOSED, OTHER), id="told: stays until it is told to be over"),
        pytest.param((UNTOLD, OTHER), OVER, (OTHER,), id="never told: is forgotten"),
        pytest.param((CLOSED,), replace(OVER, at=300.0), (CLOSED,), id="over already"),
        pytest.param((COMES_AND_GOES,), OVER, (CALM,), id="what comes and goes is held open"),
        pytest.param((CALM,), replace(OVER, at=300.0), (CALM,), id="from its first end on"),
        pytest.param(
            (COMES_AND_GOES,), replace(OVER, why="withdrawn"),
            (Member(alert=replace(OVER, why="withdrawn", classrooms=ROOMS), told=ROOMS),),
            id="unless it is withdrawn",
        ),
    ],
)  # fmt: skip
def test_what_closes(members: Members, over: AlertChange, after: Members) -> None:
    """Those rooms are over that were told, whatever rooms there are by now."""
    assert incidents.closed(members, over) == after


@pytest.mark.parametrize(
    ("now", "is_over"),
    [(1_899.0, False), (1_900.0, True), (9_999.0, True), (100.0, False), (99.0, True)],
)
def test_what_was_well_for_long_enough(now: float, *, is_over: bool) -> None:
    """Half an hour from its end; one that is dated in a future that never came counts at once."""
    after = incidents.ended((OTHER, CALM), now, POLICY)
    assert after == ((OTHER, CLOSED) if is_over else (OTHER, CALM))


def test_the_first_of_several_ends() -> None:
    """Of two that are held open the one that was well first."""
    later = replace(CALM, ending=replace(OVER, at=400.0))
    assert incidents.ends_at({"s1": (later, TOLD), "s2": (CALM,)}, POLICY) == 1_900.0
    assert incidents.ends_at({"s1": (TOLD,)}, POLICY) is None


def test_what_is_open() -> None:
    """Neither what is over, nor what may be."""
    kept = {"open": TOLD, "over": CLOSED, "may be over": CALM, "comes and goes": COMES_AND_GOES}
    found = {name: incidents.is_open((OTHER, member), ONE) for name, member in kept.items()}
    assert found == {"open": True, "over": False, "may be over": False, "comes and goes": True}
    assert not incidents.is_open((OTHER,), ONE)


def test_a_school_that_is_gone_or_went() -> None:
    """Nobody calls that recovered: it was removed, or another office has it now."""
    for office, withdrawal in (("511402", "removed"), ("511403", "moved")):
        (member,) = incidents.withdrawn((TOLD,), office, 200.0)
        said = member.alert
        assert (said.change, said.why, said.withdrawal, said.office) == ("closed", "withdrawn", withdrawal, office)
    assert incidents.withdrawn((UNTOLD,), "511402", 200.0) == ()


def test_a_school_that_is_renamed() -> None:
    """Every alert of it says its name; the same name changes nothing."""
    named = incidents.renamed((TOLD, OTHER), "新校名")
    assert {member.alert.school_name for member in named} == {"新校名"}
    assert incidents.renamed(named, "新校名") is named
    mixed = (named[0], OTHER)
    assert {member.alert.school_name for member in incidents.renamed(mixed, "新校名")} == {"新校名"}


def whole(*members: Member, **fields: Any) -> Incident:
    given: dict[str, Any] = {
        "id": "000001", "scope": "school", "office": "511402", "cause": PORT, "opened_at": 0.0, "since": 50.0,
        "schools": {"s1": members}, "notified_at": 70.0,
    }  # fmt: skip
    return recounted(Incident(**{**given, **fields}))


MORE = Member(alert=replace(ONE, classrooms=("r1", "r2", "r3")), told=ROOMS)
FEWER = Member(alert=replace(ONE, classrooms=("r1",)), told=ROOMS)
TURNED = Member(alert=replace(ONE, classrooms=("r2", "r1")), told=ROOMS)
GONE = replace(CLOSED, alert=replace(CLOSED.alert, why="withdrawn"))


@pytest.mark.parametrize(
    ("incident", "kind", "said"),
    [
        pytest.param(whole(UNTOLD, notified_at=None), "opened", [("opened", ROOMS)], id="the first message"),
        pytest.param(whole(TOLD), "reminder", [("opened", ROOMS)], id="nothing new"),
        pytest.param(whole(TURNED), "reminder", [("opened", ("r2", "r1"))], id="the same rooms in another order"),
        pytest.param(whole(TOLD, Member(alert=alert("b"))), "updated", [("opened", ROOMS)], id="another alert"),
        pytest.param(whole(MORE), "updated", [("opened", ("r3",))], id="another room"),
        pytest.param(whole(FEWER), "withdrawn", [("closed", ("r2",))], id="a room less"),
        pytest.param(whole(CLOSED), "resolved", [("closed", ROOMS)], id="it is well again"),
        pytest.param(whole(CLOSED, GONE), "resolved", [("closed", ROOMS)] * 2, id="one is well, one is gone"),
        pytest.param(whole(GONE), "withdrawn", [("closed", ROOMS)], id="it is gone"),
        pytest.param(
            whole(CLOSED, Member(alert=alert("b"))), "updated", [("closed", ROOMS), ("opened", ROOMS)], id="one for one"
        ),
    ],
)
def test_what_a_message_says(incident: Incident, kind: str, said: list[tuple[str, tuple[str, ...]]]) -> None:
    """What is news, or all of it as a reminder; and afterwards its office knows all of it."""
    after, notice = incidents.tell(incident, 900.0, SCOPE)
    assert (notice.kind, [(item.change, item.classrooms) for item in notice.members]) == (kind, said)
    assert (after.notified_at, after.due_at, after.tally.news_count) == (900.0, None, 0)
    members = after.schools.get("s1", ())
    assert [set(member.told or ()) for member in members] == [set(member.alert.classrooms) for member in members]


SATURDAY, MONDAY = at("2026-11-28 10:00"), at("2026-11-30 07:00")
TAUGHT = replace(SCOPE, hours=weekdays())


def test_when_it_is_told_next() -> None:
    """Its news when they are due, a room's never on a day without lessons; and nothing before the first message."""
    news = whole(TOLD, Member(alert=alert("b")), due_at=SATURDAY)
    assert incidents.due_at(news, SATURDAY, POLICY, TAUGHT) == MONDAY
    assert incidents.due_at(replace(news, due_at=None), SATURDAY, POLICY, TAUGHT) is None
    silent = replace(news, cause=SILENT)
    assert incidents.due_at(silent, SATURDAY, POLICY, TAUGHT) == SATURDAY
    nothing_new = whole(TOLD)
    assert incidents.due_at(replace(nothing_new, notified_at=None), SATURDAY, POLICY, TAUGHT) is None
    assert incidents.due_at(replace(nothing_new, scope="bureau"), SATURDAY, POLICY, TAUGHT) is None


OF_B = Member(alert=alert("b"))
SHUT = Member(alert=alert("c", "closed", classrooms=("r3",), since=20.0), told=("r3",))


@pytest.mark.parametrize(
    ("members", "has_begun", "begins"),
    [
        pytest.param((TOLD,), False, False, id="told"),
        pytest.param((TOLD, OF_B), True, True, id="one of two was never told"),
        pytest.param((TOLD, SHUT), False, False, id="one of two is over, and was told"),
        pytest.param((SHUT, OF_B), True, True, id="one is over, one was never told"),
        pytest.param((OF_B,), True, True, id="never told"),
        pytest.param((MORE,), False, True, id="of a room more the office has not heard"),
        pytest.param((MORE, TOLD), False, True, id="of one of two"),
    ],
)
def test_what_its_office_has_not_heard(members: Members, *, has_begun: bool, begins: bool) -> None:
    """A message that something begins may go where one that says more of it waits."""
    assert incidents.has_begun(whole(*members)) is has_begun
    assert incidents.begins(members) is begins


@pytest.mark.parametrize(
    ("members", "sums"),
    [
        pytest.param((), (0, 0, 0, False), id="nothing"),
        pytest.param((TOLD,), (1, 2, 2, False), id="told"),
        pytest.param((UNTOLD,), (1, 2, 0, True), id="never told"),
        pytest.param((TOLD, OF_B), (2, 2, 2, True), id="the same rooms count once"),
        pytest.param(
            (TOLD, SHUT), (1, 2, 3, True), id="rooms that are well again are affected as far as anybody knows"
        ),
        pytest.param((SHUT,), (0, 0, 1, True), id="an end that was not told"),
        pytest.param((MORE,), (1, 3, 2, True), id="a room more"),
    ],
)
def test_what_a_school_counts(members: Members, sums: tuple[int, int, int, bool]) -> None:
    """Open alerts, rooms that are affected, rooms that the office knows of, and whether there is news."""
    found = incidents.tally(members)
    assert (found.open_count, found.classroom_count, found.told_classroom_count, bool(found.news_count)) == sums


@pytest.mark.parametrize(
    ("member", "since"), [(SHUT, 50.0), (OF_B, 50.0), (Member(alert=replace(OF_B.alert, since=20.0)), 20.0)]
)
def test_since_when_it_is_bad_rests_on_what_is_bad(member: Member, since: float) -> None:
    """What is over already makes no incident older that it joins."""
    incident = whole(TOLD)
    assert incidents.put(incident, dict(incident.schools), "s2", (member,)).since == since


def test_what_an_incident_brought_that_turned_out_to_be_another() -> None:
    """By school the rooms that the office knew by it alone; of a school that it was not told of it knew nothing."""
    known = whole(TOLD)
    other = replace(
        whole(), id="000002", schools={"s1": (Member(alert=alert("b"), told=("r2", "r3")),), "s2": (UNTOLD,)}
    )
    joined, brought = incidents.joined(known, other, dict(known.schools))
    assert brought == {"000002": {"s1": 1}}
    assert sorted(joined.schools) == ["s1", "s2"]
    assert incidents.joined(known, replace(other, notified_at=None), dict(known.schools))[1] == {}


@pytest.mark.parametrize(
    ("scope", "cause", "due"),
    [
        pytest.param("office", Cause.DEVICE_OFFLINE, at("2026-11-30 08:40"), id="what can wait is told in the morning"),
        pytest.param("school", Cause.DEVICE_OFFLINE, SATURDAY + 30, id="boards of one switch are not"),
        pytest.param("office", SILENT, SATURDAY + 30, id="what nobody waits with"),
    ],
)
def test_when_news_of_a_saturday_may_go(scope: Any, cause: Cause, due: float) -> None:
    """Nobody needs to hear of a board before somebody could switch it on."""
    incident = whole(TOLD, scope=scope, cause=cause)
    assert incidents.news_due_at(incident, SATURDAY, POLICY, TAUGHT, begins=True) == due


@pytest.mark.parametrize(
    ("members", "was_told", "known", "still", "remaining"),
    [
        pytest.param((UNTOLD,), False, 0, 0, 2, id="never told"),
        pytest.param((TOLD,), True, 0, 0, 2, id="no news"),
        pytest.param((TOLD, OF_B), True, 2, 0, 2, id="another alert of the same rooms"),
        pytest.param((CLOSED, OF_B), True, 2, 2, 2, id="one for one, of the same rooms"),
        pytest.param((TOLD, SHUT), True, 0, 0, 2, id="the end of another room"),
        pytest.param((SHUT, OF_B), True, 0, 0, 2, id="one for one, of other rooms"),
        pytest.param((MORE,), True, 0, 0, 3, id="a room more"),
    ],
)
def test_what_one_school_brings_to_the_sums_of_a_message(
    members: Members, *, was_told: bool, known: int, still: int, remaining: int
) -> None:
    """Rooms that the office knew to be affected begin for it by no second alert, and end only with their last one."""
    _, notice = incidents.tell(whole(*members), 900.0, SCOPE, {"000002": {"s1": 1}, "000003": {"s2": 5}})
    share = notice.shares["s1"]
    assert (share.was_told, share.known_classrooms, share.still_classrooms) == (was_told, known, still)
    assert (share.remaining_classrooms, notice.remaining_classrooms) == (remaining, remaining)
    assert share.brought == {"000002": 1}


def test_a_school_stays_with_the_hub_that_heard_of_it_first() -> None:
    """It was given to another hub meanwhile: whoever was told that it began is told how it goes on."""
    members = (replace(TOLD, alert=replace(ONE, hub="old")), Member(alert=alert("b", hub="new")))
    _, notice = incidents.tell(whole(*members), 900.0, SCOPE)
    assert notice.shares["s1"].hub == "old"
