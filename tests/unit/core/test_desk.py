"""The desk of an office by itself: what it holds, what is entered, what it counts, and what turns out to be one."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.incidents import recounted
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Incident, IncidentChanged, Morning
from collector.core.census import Census, Found
from collector.core.events import AlertChange, DeviceMoved
from collector.core.roster import Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.desks import (
    DAY_S,
    HOURS,
    MORNING,
    NOW,
    QUIET_S,
    SOON_S,
    held,
    office,
    only,
    over,
    port,
    spoken,
)
from tests.support.offices import moved

SILENT, MISSED = Cause.GATEWAY_SILENT, Cause.PLATFORM_UNREACHABLE

# --- what it holds ---------------------------------------------------------------------------------------------------


def test_whose_alerts_are_open() -> None:
    """One that comes and goes is held until its end lasted, but goes on nowhere else."""
    mixed = [Subject("classroom", name=room) for room in ("r1", "r2")]
    desk = office(
        held(port("s1", subject=mixed[0])),
        held(port("s1", subject=mixed[1]), ending=True, number=2),
        over("s2", number=3),
    )
    assert [desk.holds(school) for school in ("s1", "s2", "s3")] == [True, False, False]
    assert [alert.subject for alert in desk.open_alerts("s1")] == mixed[:1]
    assert desk.open_alerts("s2") == desk.open_alerts("s3") == []


@pytest.mark.parametrize(
    ("incident", "counted"),
    [
        pytest.param(None, 1, id="it opens"),
        pytest.param(held(), 0, id="it is open: more is said of it"),
        pytest.param(held(ending=True), 1, id="it had just gone"),
        pytest.param(over("s1"), 1, id="it is over, and opens again"),
        pytest.param(held(port("s1", subject=Subject("uplink", "gw9"))), 1, id="another one of the school is open"),
    ],
)
def test_what_counts_as_an_opening(incident: Incident | None, counted: int) -> None:
    """What is said twice did not come and go."""
    desk = office(*([] if incident is None else [incident]))
    desk.take(port(measured=1.0), 2)
    assert sum(map(len, desk.closed().openings.values())) == counted


@pytest.mark.parametrize(("why", "left"), [("recovered", 1), ("withdrawn", 0)])
def test_what_a_roster_took_back_did_not_come_and_go(why: Any, left: int) -> None:
    desk = office()
    desk.take(port(), 1)
    desk.drop(port(kind="closed", why=why))
    assert sum(map(len, desk.closed().openings.values())) == left


def test_what_began_and_ended_is_noted_once() -> None:
    """An incident of two schools begins with the first and ends with the last."""
    desk, shared = office(), {"cause": Cause.UPLINK_BELOW_REQUIRED, "operator": "电信"}
    noted = []
    for kind, school in (("opened", "s1"), ("opened", "s2"), ("closed", "s1"), ("closed", "s2")):
        alert = port(school, kind, **shared)
        took = desk.take(alert, 1) if kind == "opened" else desk.drop(alert)
        noted.append((took, [made.change for made in desk.effects if isinstance(made, IncidentChanged)]))
    assert noted == [(True, ["opened"]), (False, ["opened"]), (None, ["opened"]), (None, ["opened", "closed"])]
    assert desk.closed().incidents == {}


def test_moves_of_one_school_are_taken_away() -> None:
    """Those of others stay; the same one is not held twice."""
    mine, others = moved("r1"), replace(moved("r2"), school="s2")
    desk = office(moves=(mine, others))
    desk.add_moves((mine, moved("r3")))
    taken: tuple[DeviceMoved, ...] = desk.take_moves("s1")
    assert [move.classroom for move in taken] == ["r1", "r3"]
    assert desk.closed().moves == (others,)


ABOUT_P = held(port("s1", cause=MISSED, subject=Subject("platform", "gw", "p")))


def test_what_everybody_misses_is_handed_over() -> None:
    """And asked for at once; a fault of another platform, or what is everybody's already, is not."""
    assert office(ABOUT_P).hand_over() == office(ABOUT_P, at_fault=["q"]).hand_over() == []
    assert office(replace(ABOUT_P, scope="bureau"), at_fault=["p"]).hand_over() == []
    assert office(held(), at_fault=["p"]).hand_over() == []
    desk = office(ABOUT_P, held(number=2), at_fault=["p"])
    assert desk.closed().next_at == NOW
    assert [(name, given.id, len(given.schools)) for name, given in desk.hand_over()] == [("p", "000001", 1)]
    assert (list(desk.closed().incidents), desk.closed().next_at == NOW) == (["000002"], False)


# --- what is entered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("incident", "alert", "due_at"),
    [
        pytest.param(held(), port("s1", measured=1.0), None, id="more is said of what is known: no news"),
        pytest.param(held(), port("s1", classrooms=("r1", "r2", "r3")), NOW + SOON_S, id="one more room"),
        pytest.param(held(due_at=NOW + 5), port("s1", classrooms=("r3",)), NOW + 5, id="others wait already"),
        pytest.param(over("s1", due_at=NOW + 5), port("s1"), None, id="it is back before its end was told"),
        pytest.param(held(port("s1"), port("s2"), scope="operator"), port("s3"), NOW + SOON_S, id="one more of many"),
        pytest.param(held(scope="bureau", due_at=NOW + 9), port("s1", classrooms=("r3",)), NOW + 9, id="everybody's"),
        pytest.param(held(scope="bureau"), port("s1", classrooms=("r3",)), None, id="everybody's, and told"),
    ],
)
def test_when_what_is_entered_is_told(incident: Incident, alert: AlertChange, due_at: float | None) -> None:
    """From the first of the news on; of what is everybody's only what had to be told before."""
    desk = office(incident)
    desk.take(alert, 9)
    assert only(desk).due_at == due_at


def test_what_is_known_is_the_very_same() -> None:
    """No row is written for what says nothing."""
    whole = held()
    desk = office(whole)
    desk.take(port(), 2)
    desk.drop(port("s9", "closed"))
    desk.edit("s1", lambda members: members)
    assert only(desk) is whole
    earlier = dict(whole.schools)
    desk.take(port("s1", measured=2.0), 2)
    desk.take(port("s1", measured=3.0), 2)
    assert (whole.schools, [m.alert.measured for m in only(desk).schools["s1"]]) == (earlier, [3.0])


@pytest.mark.parametrize(
    ("incident", "ends_at"),
    [
        pytest.param(held(port(flapping=True)), NOW + QUIET_S, id="its end has to last"),
        pytest.param(
            held(port(flapping=True), port(subject=Subject("uplink", "gw9"))), NOW + QUIET_S, id="beside others"
        ),
        pytest.param(held(port()), None, id="it is over at once"),
    ],
)
def test_until_when_an_end_has_to_last(incident: Incident, ends_at: float | None) -> None:
    """Where it comes and goes; if it is back meanwhile, nothing waits any more."""
    desk = office(incident, held(port("s2"), number=2))
    desk.drop(port("s1", "closed", at=NOW))
    assert desk.closed().incidents["000001"].ends_at == ends_at
    desk.take(port("s1", at=NOW + 60), 3)
    assert desk.closed().incidents["000001"].ends_at is None


# --- what is counted -------------------------------------------------------------------------------------------------


def counts(census: Census, hours: Hours = HOURS) -> Scope:
    return Scope(hours=hours, take_census=lambda _now: census)


GONE: Census = {"silent": (Found(school="s9", school_name="s9", names=("gw1", "gw2"), count=2),)}


@pytest.mark.parametrize(
    ("now", "counted"),
    [(MORNING - 1, False), (MORNING, True), (MORNING + 60, True)],
    ids=["before", "in time", "a minute late"],
)
def test_when_schools_are_counted(now: float, *, counted: bool) -> None:
    """Once a school day; silent gateways of which an incident tells are left out, whatever else fails there."""
    silent = held(port("s1", cause=SILENT, subject=Subject("gateway", "gw1")), number=1)
    slow = held(port("s2", subject=Subject("uplink", "gw2")), number=2)
    desk = office(silent, slow, now=now, scope=counts(GONE), morning=Morning(census_at=NOW - DAY_S, digest_at=0.0))
    desk.count()
    morning = desk.closed().morning
    assert morning is not None
    assert [found.names for group in morning.groups for found in group.found] == ([("gw2",)] if counted else [])
    assert (morning.census_at == now) is counted


def test_an_office_begins_to_count_by_itself() -> None:
    """And one that counts goes on from where it was; one that cannot does not begin."""
    known = Morning(census_at=5.0, digest_at=6.0)
    assert office(scope=counts({})).closed().morning == Morning(census_at=NOW, digest_at=NOW)
    assert office(scope=counts({}), morning=known).closed().morning == known
    assert office(morning=known).closed().morning == known
    assert office().closed().morning is None


def test_an_office_that_cannot_be_counted_any_more_is_not_asked() -> None:
    """Else its desk would be due, and nothing could be done about it, for ever."""
    known = Morning(census_at=NOW - DAY_S, digest_at=NOW - DAY_S)
    assert office(scope=counts({}), morning=known).closed().next_at == MORNING
    desk = office(scope=Scope(hours=HOURS), morning=known)
    desk.count()
    assert (desk.closed().next_at, desk.closed().morning) == (None, known)


# --- what turns out to be one ----------------------------------------------------------------------------------------

OF_OPERATOR = Scope(school_count=60, operators={"电信": 20, "移动": 40})


def cut_off(number: int, **fields: Any) -> Incident:
    subject = Subject("gateway", f"gw{number}")
    return held(port(f"s{number}", cause=SILENT, subject=subject, operator="电信"), number=number, **fields)


@pytest.mark.parametrize(
    ("last", "left"),
    [
        pytest.param(cut_off(4, told=False, due_at=NOW), ["000001"], id="a fourth school is cut off"),
        pytest.param(cut_off(4, told=True), ["000001", "000002", "000003", "000004"], id="nothing new"),
    ],
)
def test_incidents_become_one_when_something_begins(last: Incident, left: list[str]) -> None:
    """With that it can be said; what an office reads of an end has the number that it knows."""
    desk = office(*map(cut_off, (1, 2, 3)), last, scope=OF_OPERATOR)
    spoken(desk)
    assert sorted(desk.closed().incidents) == left


def test_an_end_makes_nothing_one() -> None:
    """Four schools of one operator were told one by one, and one of them is back: that is all there is to say."""
    whole = cut_off(4, due_at=NOW)
    ((member,),) = whole.schools.values()
    back = {"s4": (replace(member, alert=replace(member.alert, change="closed")),)}
    desk = office(*map(cut_off, (1, 2, 3)), recounted(replace(whole, schools=back)), scope=OF_OPERATOR)
    assert spoken(desk) == [["000004"]]
    assert sorted(desk.closed().incidents) == ["000001", "000002", "000003"]
