"""The desk of everybody by itself: when a fault begins for all, what joins it, when it is over, and who is touched."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.everywhere import Everywhere
from collector.core.bureau.incidents import founded, opened, recounted
from collector.core.bureau.platforms import at_fault
from collector.core.bureau.root import Scope
from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau as State
from collector.core.bureau.words import Desk, Incident, Member, SchoolChanged, SchoolGone
from collector.core.events import AlertChange, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change, moved
from tests.support.school import at, weekdays

MISSED = Cause.PLATFORM_UNREACHABLE
NOW, SOON_S, SPREAD_S = 1_000_000.0, POLICY.group_wait_s, POLICY.spread_wait_s
ROOMS = ("r1", "r2")


def missed(school: str, platform: str = "p", office: str = "a", **fields: Any) -> AlertChange:
    subject = Subject("platform", f"gw-{school}", platform)
    return change(school, cause=MISSED, **{"subject": subject, "office": office, "since": 0.0, **fields})


def held(alerts: Iterable[AlertChange], *, number: int = 1, told: bool = True, **fields: Any) -> Incident:
    """``told``: its office was told of all of it."""
    alerts = list(alerts)
    schools: dict[str, tuple[Member, ...]] = {}
    for alert in alerts:
        members = opened(schools.get(alert.school, ()), alert)
        schools[alert.school] = tuple(replace(m, told=m.alert.classrooms) for m in members) if told else members
    return recounted(
        replace(founded(number, alerts[0], 0.0), schools=schools, notified_at=9.0 if told else None, **fields)
    )


def fault(platform: str = "p", *schools: str, **fields: Any) -> Incident:
    alerts = [missed(school, platform) for school in schools or ("s1", "s2", "s3")]
    given: dict[str, Any] = {"scope": "bureau", "office": "", "platform": platform, "fault_at": NOW - 100}
    return held(alerts, **{**given, **fields})


def everybody(*incidents: Incident, now: float = NOW, at_fault: Iterable[str] = ("p", "q")) -> Everywhere:
    desk = Desk(incidents={incident.id: incident for incident in incidents})
    return Everywhere("", desk, now, POLICY, Scope(), set(at_fault))


def only(desk: Everywhere) -> Incident:
    (incident,) = desk.closed().incidents.values()
    return incident


# --- it begins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("office_count", "its_own_s", "due_s", "sure_s"),
    [
        pytest.param(2, None, SOON_S, 0, id="of two offices that were told: after the usual wait, and sure at once"),
        pytest.param(2, 10, 10, 0, id="one was about to be told: then"),
        pytest.param(2, SPREAD_S, SOON_S, 0, id="one would have waited longer: not so long"),
        pytest.param(1, None, SPREAD_S, SPREAD_S, id="of one office: when all of it has looked"),
        pytest.param(1, 50, 50, SPREAD_S, id="of one that is about to be told: then, and sure later"),
    ],
)
def test_when_everybody_is_told_that_it_began(
    office_count: int, its_own_s: float | None, due_s: float, sure_s: float
) -> None:
    """Two offices cannot both be wrong; of one it is better known when its last gateway had time to look."""
    first = held([missed("s1")], due_at=None if its_own_s is None else NOW + its_own_s)
    desk = everybody(at_fault=())
    desk.begin("p", first, office_count)
    begun = only(desk)
    assert (begun.scope, begun.office, begun.platform) == ("bureau", "", "p")
    assert (begun.due_at, begun.fault_at) == (NOW + due_s, NOW + sure_s)
    assert desk.is_at_fault("p")


@pytest.mark.parametrize(
    ("office_count", "sure_s", "expected_s"),
    [
        pytest.param(2, 200, 0, id="another office misses it, too: sure at once"),
        pytest.param(1, 200, 200, id="the same office still does: sure when all have looked"),
        pytest.param(0, 200, 200, id="fewer do"),
        pytest.param(2, -50, -50, id="it was sure before"),
        pytest.param(2, None, None, id="it is over"),
    ],
)
def test_when_it_is_sure(office_count: int, sure_s: float | None, expected_s: float | None) -> None:
    """Never later than it was to be."""
    desk = everybody(fault(fault_at=None if sure_s is None else NOW + sure_s))
    desk.confirm("p", office_count)
    assert only(desk).fault_at == (None if expected_s is None else NOW + expected_s)


def test_of_two_faults_each_is_its_own() -> None:
    """What is seen of one platform says nothing of the other, and what is no fault has no alert."""
    sure_at = NOW + 200
    desk = everybody(fault(fault_at=sure_at), fault("q", number=2, fault_at=sure_at))
    desk.confirm("q", 2)
    desk.confirm("x", 2)
    assert [i.fault_at for i in desk.closed().incidents.values()] == [sure_at, NOW]
    assert [desk.is_at_fault(name) for name in ("p", "q", "x")] == [True, True, False]
    has = [desk.has(alert) for alert in (missed("s1"), missed("s1", "q"), missed("s9"), missed("s1", "x"))]
    assert has == [True, True, False, False]


# --- it grows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_s", "others_s", "expected_s"),
    [
        pytest.param(20, 10, 10, id="what an office would have said sooner"),
        pytest.param(20, 30, 20, id="later"),
        pytest.param(20, None, 20, id="what an office has nothing to say of"),
        pytest.param(None, 10, None, id="everybody was told: nothing of what joins is said"),
    ],
)
def test_when_what_an_office_had_is_told(due_s: float | None, others_s: float | None, expected_s: float | None) -> None:
    """As that one fault, with the number that stands in the office's chat."""
    due_at, others_at = (None if s is None else NOW + s for s in (due_s, others_s))
    desk = everybody(fault(due_at=due_at, brought={"000008": {"s8": 2}}))
    desk.absorb("p", held([missed("b1", office="b")], number=7, due_at=others_at))
    whole = only(desk)
    assert (whole.due_at, sorted(whole.schools)) == (
        None if expected_s is None else NOW + expected_s,
        ["b1", "s1", "s2", "s3"],
    )
    assert whole.brought == {"000008": {"s8": 2}, "000007": {"b1": 2}}


def test_what_joins_no_fault() -> None:
    """It is over by now: nothing is entered anywhere."""
    desk = everybody(fault())
    desk.join(missed("s9", "x"))
    desk.absorb("x", held([missed("s9", "x")], number=7))
    assert only(desk) == fault()


# --- it is over ------------------------------------------------------------------------------------------------------


def back(incident: Incident, *schools: str) -> Incident:
    after = dict(incident.schools)
    for school in schools:
        after[school] = tuple(replace(m, alert=replace(m.alert, change="closed")) for m in incident.schools[school])
    return recounted(replace(incident, schools=after))


@pytest.mark.parametrize(
    ("schools", "over_s", "expected_s"),
    [
        pytest.param((), None, None, id="all miss it"),
        pytest.param((), 50, None, id="all miss it again: it is not over after all"),
        pytest.param(("s1", "s2"), None, SPREAD_S, id="most have it back: over if it stays so"),
        pytest.param(("s1", "s2"), 50, 50, id="they have had it for a while: that is not begun anew"),
    ],
)
def test_when_it_is_over(schools: tuple[str, ...], over_s: float | None, expected_s: float | None) -> None:
    """As long as those that report slowly have to say otherwise."""
    before = back(fault(over_at=None if over_s is None else NOW + over_s), *schools)
    desk = everybody(before)
    assert desk.look() == []
    assert only(desk).over_at == (None if expected_s is None else NOW + expected_s)
    assert (only(desk) is before) is (over_s == expected_s), "no row is written for nothing"


@pytest.mark.parametrize("over_s", [0, -5])
def test_what_is_still_missed_goes_back_to_its_office(over_s: float) -> None:
    """Of three schools one: as what opens now. Everybody is told at once that it is over."""
    desk = everybody(back(fault(over_at=NOW + over_s), "s1", "s2"))
    assert [(alert.school, alert.at, alert.change) for alert in desk.look()] == [("s3", NOW, "opened")]
    over = only(desk)
    assert (over.platform, over.fault_at, over.over_at, over.due_at) == (None, None, None, NOW)
    assert {m.alert.change for members in over.schools.values() for m in members} == {"closed"}
    assert not desk.is_at_fault("p")


def test_what_comes_and_goes_is_not_still_missed() -> None:
    """Its end only has to last: that is no alert of its office."""
    whole = fault(over_at=NOW)
    calm = {school: (replace(m, ending=replace(m.alert, change="closed")),) for school, (m,) in whole.schools.items()}
    assert everybody(replace(whole, schools=calm)).look() == []


def test_a_fault_that_nobody_was_told_of_leaves_nothing() -> None:
    """At night it began and is over: what one school still misses is its office's, and there is no end to tell."""
    alerts = [missed("s3")]
    untold = held(
        alerts, told=False, scope="bureau", office="", platform="p", fault_at=NOW - 9, over_at=NOW, due_at=NOW + 9
    )
    desk = everybody(untold)
    assert [alert.school for alert in desk.look()] == ["s3"]
    assert desk.closed().incidents == {}


def test_over_in_the_night() -> None:
    """People hear of it in the morning, schools at once: what one of them still misses is its own room's again."""
    evening, hours = at("2026-11-23 21:50"), weekdays()
    scopes = {office: Scope(school_count=20, platforms={"p": 20, "q": 20}, hours=hours) for office in "ab"}
    bureau = Bureau(POLICY, scopes)
    begun = [missed(f"{office}{n}", office=office, since=evening, at=evening) for n in range(3) for office in "ab"]
    bureau.step(evening, *begun)
    bureau.wait(evening + 300)
    assert at_fault(bureau.state, evening + 300) == {"p"}
    bureau.step(evening + 500, *(replace(alert, change="closed") for alert in begun[:-1]))
    bureau.wait(evening + 500 + SPREAD_S)
    assert at_fault(bureau.state, evening + 500 + SPREAD_S) == frozenset()
    bureau.wait(at("2026-11-24 07:10"))
    told = [(n.office, n.kind, n.at) for n in bureau.notices[1:]]
    assert sorted(told) == [("", "resolved", at("2026-11-24 07:00")), ("b", "opened", at("2026-11-24 07:00"))]


def test_one_fault_ends_and_the_other_goes_on() -> None:
    known = back(fault(over_at=NOW), "s1", "s2", "s3"), fault("q", number=2)
    known_at_fault = {"p", "q", "gone"}
    desk = Everywhere("", Desk(incidents={i.id: i for i in known}), NOW, POLICY, Scope(), known_at_fault)
    desk.forget_untold()
    assert (desk.look(), known_at_fault) == ([], {"q"})


# --- what a step does not touch --------------------------------------------------------------------------------------

NAMED = SchoolChanged(school="s1", office="a", name="甲")
NEWS: Mapping[str, Any] = {
    "a port": change("s9", cause=Cause.PORT_DOWN, office="a"),
    "one more of a school that is part of a fault": change("s1", cause=Cause.PORT_DOWN, office="a"),
    "the end of what never began": change("s7", "closed", office="a"),
    "a device that moved": moved("r1", office="a"),
    "what came and went": Meanwhile(office="a", school="s1", school_name="s1", gateway="gw", episodes=(), at=NOW),
    "a school that is renamed": SchoolChanged(school="s9", office="a", name="甲"),
    "a school that is gone": SchoolGone(school="s9"),
    "nothing": None,
}


@pytest.mark.parametrize("name", NEWS)
@pytest.mark.parametrize("later_s", [0.0, 1.0])
def test_no_other_desk_is_touched(name: str, later_s: float) -> None:
    """What one change costs depends on its own desk: all others stay the very same, however many there are."""
    scopes = {office: Scope(take_census=lambda _now: {}) for office in "abc"}
    state = State(desks={"": Desk(incidents={"000001": fault()})}, holders={"s1": "a", "s2": "a", "s3": "a"})
    before = step(state, (), NOW, POLICY, scopes).bureau
    assert sorted(before.desks) == ["", "a", "b", "c"]
    event = NEWS[name]
    after = step(before, () if event is None else (event,), NOW + later_s, POLICY, scopes).bureau
    assert [office for office in ("", "b", "c") if after.desks[office] is not before.desks[office]] == []


def test_no_desk_is_made_for_nothing() -> None:
    """An office that nobody counts has one with its first alert, everybody with the first fault of a platform."""
    scopes = {office: Scope() for office in "ab"}
    assert step(State(), (), NOW, POLICY, scopes).bureau.desks == {}
    bureau = Bureau(POLICY, scopes)
    bureau.step(NOW, change("s1", office="a"), NAMED, change("s1", "closed", office="a"))
    assert list(bureau.state.desks) == ["a"]


def test_what_has_the_name_of_a_platform_is_not_part_of_its_fault() -> None:
    """A switch that somebody called like it: its own office is told of it."""
    state = State(desks={"": Desk(incidents={"000001": fault()})}, holders={"s1": "a", "s2": "a", "s3": "a"})
    switch = change("s1", cause=Cause.PORT_DOWN, office="a", subject=Subject("switch", "gw-s1", "p"))
    after = step(state, (switch,), NOW, POLICY).bureau
    assert [incident.cause for incident in after.desks["a"].incidents.values()] == [Cause.PORT_DOWN]
    assert list(after.desks[""].incidents["000001"].schools) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("alert", "where"),
    [
        pytest.param(missed("s8"), "", id="one more school misses it"),
        pytest.param(missed("s1", measured=1.0), "", id="more is said of one that is part of it"),
        pytest.param(missed("s9"), "a", id="a school that misses another one as well"),
        pytest.param(missed("s8", "q"), "a", id="another platform"),
    ],
)
def test_where_what_is_missed_meanwhile_belongs(alert: AlertChange, where: str) -> None:
    """To the fault, without an incident of its own; a school that reaches nothing is alone with that."""
    own = held([missed("s9", "q")], number=2, office="a")
    known = {"": Desk(incidents={"000001": fault()}), "a": Desk(incidents={"000002": own})}
    state = State(desks=known, holders={"s1": "a", "s2": "a", "s3": "a", "s9": "a"}, incident_count=2)
    after = step(state, (alert,), NOW, POLICY)
    having = [
        office for office, desk in after.bureau.desks.items() for incident in desk.incidents.values()
        for member in incident.schools.get(alert.school, ()) if member.alert.subject == alert.subject
    ]  # fmt: skip
    assert (having, after.bureau.incident_count) == ([where], 2 + (alert.subject.name == "q"))


def test_so_many_offices_are_told_in_one_step() -> None:
    """Four: reports wait as long as it takes. Everybody's own message is none of the first."""
    bureau = Bureau()
    due = fault(due_at=0.0)
    bureau.state = State(desks={"": Desk(incidents={"1": replace(due, id="1")}, next_at=0.0)})
    bureau.step(NOW, *(change(f"s{n}", office=f"o{n}") for n in range(9)))
    assert len(bureau.step(NOW + SOON_S)) == 4
    assert len(bureau.step(NOW + SOON_S)) == 4
    assert len(bureau.step(NOW + SOON_S)) == 1
