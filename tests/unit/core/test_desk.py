"""The desk of an office by itself: what it holds, when it is to be asked again, what goes with what."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.desk import OpenDesk
from collector.core.bureau.incidents import founded, opened, recounted
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Desk, Incident, IncidentChanged, Member, Morning, Notice
from collector.core.census import Census, Found
from collector.core.events import AlertChange, DeviceMoved
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, change, moved
from tests.support.school import at, weekdays

PORT, SILENT, MISSED = Cause.PORT_DOWN, Cause.GATEWAY_SILENT, Cause.PLATFORM_UNREACHABLE
NOW = at("2026-11-24 10:00")
SOON_S, SPREAD_S, WINDOW_S, QUIET_S = 30.0, 330.0, 300.0, 1_800.0
DAY_S = 86_400.0
HOURS = weekdays()


def port(school: str = "s1", kind: str = "opened", **fields: Any) -> AlertChange:
    return change(school, kind, **{"cause": PORT, "office": "a", **fields})


def held(*alerts: AlertChange, number: int = 1, told: bool = True, ending: bool = False, **fields: Any) -> Incident:
    """``told``: its office was told of all of it, an hour ago; ``ending``: it came and went, and has just gone."""
    schools: dict[str, tuple[Member, ...]] = {}
    for alert in alerts or (port(),):
        (*before, last) = opened(schools.get(alert.school, ()), alert)
        over = replace(alert, change="closed", at=NOW) if ending else None
        last = replace(last, told=alert.classrooms if told else None, ending=over)
        schools[alert.school] = (*before, last)
    told_at = NOW - 3_600 if told else None
    given: dict[str, Any] = {"notified_at": told_at, "told_at": told_at, **fields}
    return recounted(replace(founded(number, (*alerts, port())[0], 0.0), schools=schools, **given))


def over(*schools: str, number: int = 1, **fields: Any) -> Incident:
    """All is well again, and its office was not told of that."""
    whole = held(*map(port, schools), number=number, **fields)
    closed = {
        school: tuple(replace(m, alert=replace(m.alert, change="closed")) for m in members)
        for school, members in whole.schools.items()
    }
    return recounted(replace(whole, schools=closed))


def office(
    *incidents: Incident, now: float = NOW, policy: Policy = POLICY, scope: Scope | None = None,
    at_fault: Iterable[str] = (), **fields: Any,
) -> OpenDesk:  # fmt: skip
    desk = Desk(incidents={incident.id: incident for incident in incidents}, **fields)
    return OpenDesk("a", desk, now, policy, Scope() if scope is None else scope, set(at_fault))


def only(desk: OpenDesk) -> Incident:
    (incident,) = desk.closed().incidents.values()
    return incident


def spoken(desk: OpenDesk) -> list[list[str]]:
    """The incidents of each message."""
    notices = [effect for effect in desk.speak() if isinstance(effect, Notice)]
    return [[part.incident for part in notice.parts or (notice,)] for notice in notices]


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


# --- a clock that was ahead ------------------------------------------------------------------------------------------

LATE = NOW + 1e6


@pytest.mark.parametrize(
    ("field", "latest"),
    [
        pytest.param("due_at", NOW + SOON_S, id="due_at"),
        pytest.param("notified_at", NOW, id="notified_at"),
        pytest.param("fault_at", NOW + SPREAD_S, id="fault_at"),
        pytest.param("over_at", NOW + SPREAD_S, id="over_at"),
    ],
)
def test_no_date_of_an_incident_is_later_than_it_can_be(field: str, latest: float) -> None:
    """As if it had been set now; one that is sooner stays, and none is none."""
    for given, expected in ((LATE, latest), (latest - 5, latest - 5), (None, None)):
        desk = office(held(**{field: given}))
        desk.forget_the_future()
        assert getattr(only(desk), field) == expected


@pytest.mark.parametrize(
    ("incident", "wait_s"),
    [
        pytest.param(over("s1", "s2", scope="operator"), SOON_S, id="all of many are well"),
        pytest.param(held(port("s1"), port("s2"), scope="operator", told=False), SOON_S, id="it was never told"),
        pytest.param(
            recounted(replace(held(port("s1"), port("s2")), scope="operator", schools={
                **held(port("s1")).schools, **over("s2").schools})),
            SPREAD_S, id="some of many are well",
        ),
        pytest.param(
            recounted(replace(held(port("s1"), port("s2")), scope="operator", schools={
                **held(port("s1")).schools, **held(port("s2"), told=False).schools})),
            SOON_S, id="one more began",
        ),
    ],
)  # fmt: skip
def test_news_of_a_clock_that_was_ahead_waits_as_new_ones(incident: Incident, wait_s: float) -> None:
    desk = office(replace(incident, due_at=LATE))
    desk.forget_the_future()
    assert only(desk).due_at == NOW + wait_s


@pytest.mark.parametrize(("gone_s", "left_s"), [(0, QUIET_S), (-60, QUIET_S - 60), (1e6, QUIET_S)])
def test_what_came_and_went_is_over_no_later_than_it_can_be(gone_s: float, left_s: float) -> None:
    whole = held(ending=True, ends_at=LATE)
    ((member,),) = whole.schools.values()
    gone = replace(member.alert, change="closed", at=NOW + gone_s)
    desk = office(replace(whole, schools={"s1": (replace(member, ending=gone),)}))
    desk.forget_the_future()
    assert only(desk).ends_at == NOW + left_s
    steady = office(held())
    steady.forget_the_future()
    assert only(steady).ends_at is None


def test_dates_of_a_desk_of_a_clock_that_was_ahead() -> None:
    """Messages of the future were never sent; moves and the last message date from now at the latest."""
    desk = office(
        sent_at=(NOW - 9, NOW, NOW + 1), followed_at=LATE, moves=(moved("r1", at=LATE), moved("r2", at=NOW - 9))
    )
    desk.forget_the_future()
    after = desk.closed()
    assert (after.sent_at, after.followed_at, [m.at for m in after.moves]) == ((NOW - 9, NOW), NOW, [NOW, NOW - 9])
    for given, expected in ((NOW - 5, NOW - 5), (None, None)):
        desk = office(followed_at=given)
        desk.forget_the_future()
        assert desk.closed().followed_at == expected


# --- when it is asked again ------------------------------------------------------------------------------------------

TOLD = Policy(group_wait_s=30, escalate_after_lesson_hours=2.0)
AWAKE = at("2026-11-25 07:00")
NIGHT = at("2026-11-24 23:00")
SENT = {"sent_at": (NOW - 100, NOW - 90, NOW - 80)}


@pytest.mark.parametrize(
    ("incidents", "fields", "expected"),
    [
        pytest.param([], {}, None, id="nothing"),
        pytest.param([held()], {}, NOW - 3_600 + DAY_S, id="a reminder where no days are known"),
        pytest.param([held(told=False, due_at=NOW + 5)], {}, NOW + 5, id="news"),
        pytest.param([held(told=False, due_at=NOW + 5)], SENT, NOW + 200, id="news, and the limit is reached"),
        pytest.param([held(told=False, due_at=NOW + 250)], SENT, NOW + 250, id="the limit is past by then"),
        pytest.param(
            [over("s1", due_at=NOW + 5)], {"followed_at": NOW - 60}, NOW + 240, id="an end soon after another"
        ),
        pytest.param([], {"moves": (moved("r1", at=NOW - 10),)}, NOW + 20, id="moves"),
        pytest.param([held(ending=True, ends_at=NOW + 70)], {}, NOW + 70, id="what came and went is over"),
        pytest.param([held(fault_at=NOW + 60)], {}, NOW + 60, id="a fault is sure"),
        pytest.param([held(fault_at=NOW)], {}, NOW - 3_600 + DAY_S, id="it is sure now: nothing to wait for"),
        pytest.param([held(over_at=NOW + 60)], {}, NOW + 60, id="a fault is over"),
        pytest.param([held(over_at=NOW)], {}, NOW - 3_600 + DAY_S, id="it was looked at"),
    ],
)
def test_when_time_alone_changes_something(
    incidents: list[Incident], fields: dict[str, Any], expected: float | None
) -> None:
    assert office(*incidents, **fields).closed().next_at == expected


@pytest.mark.parametrize(
    ("now", "incidents", "expected"),
    [
        pytest.param(NIGHT, [held(told=False, due_at=NIGHT - 5)], AWAKE, id="at night: when it ends"),
        pytest.param(
            NIGHT, [held(ending=True, ends_at=NIGHT + 5)], NIGHT + 5, id="what is over in the night is looked at"
        ),
        pytest.param(NOW, [held(told=False, due_at=NOW - 5)], NOW - 5, id="by day: at once"),
        pytest.param(NOW, [held()], at("2026-11-25 08:40"), id="a reminder: the next morning"),
    ],
)
def test_when_it_is_asked_again_by_the_offices_clock(now: float, incidents: list[Incident], expected: float) -> None:
    assert office(*incidents, now=now, scope=Scope(hours=HOURS)).closed().next_at == expected


def test_a_digest_in_the_night_waits_for_its_end() -> None:
    """Somebody set `digest_at` before seven: it goes at seven, and until then nobody is asked again and again."""
    early, now = replace(POLICY, digest_at="06:00"), at("2026-11-24 06:10")
    desk = office(held(notified_at=now - DAY_S), now=now, policy=early, scope=Scope(hours=HOURS))
    assert (spoken(desk), desk.closed().next_at) == ([], at("2026-11-24 07:00"))


def test_what_nobody_takes_is_asked_for() -> None:
    """Two hours of lessons after it was told; at that moment it is told, and then no more."""
    told = office(held(), policy=TOLD, scope=Scope(hours=HOURS))
    assert told.closed().next_at == NOW + 3_600
    assert told.escalate() == []
    for late_s in (0, 5):
        desk = office(held(), now=NOW + 3_600 + late_s, policy=TOLD, scope=Scope(hours=HOURS))
        assert [effect.kind for effect in desk.escalate() if isinstance(effect, Notice)] == ["escalated"]
        assert desk.escalate() == []


@pytest.mark.parametrize(("left_s", "concerned"), [(5, set()), (0, {"s1"}), (-5, {"s1"})])
def test_what_came_and_went_is_over(left_s: float, concerned: set[str]) -> None:
    """Once it was well for long enough; what is open beside it stays."""
    whole = held(ending=True, ends_at=NOW + left_s)
    ((member,),) = whole.schools.values()
    gone = replace(member.alert, change="closed", at=NOW + left_s - QUIET_S)
    whole = replace(whole, schools={"s1": (replace(member, ending=gone),)})
    desk = office(whole, held(port("s2"), number=2))
    assert desk.settle() == concerned
    assert [desk.holds(school) for school in ("s1", "s2")] == [not concerned, True]


# --- what goes with what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "together"),
    [
        pytest.param(held(port("s2"), number=2, told=False, due_at=NOW + 60), True, id="due within a minute"),
        pytest.param(held(port("s2"), number=2, told=False, due_at=NOW + 61), False, id="due later"),
        pytest.param(over("s2", number=2, due_at=NOW + 330), True, id="all is over: no more will come"),
        pytest.param(over("s2", number=2, due_at=NOW + 331), False, id="over, and due later than ever goes along"),
        pytest.param(held(port("s2"), number=2), False, id="nothing new"),
    ],
)
def test_what_goes_along_with_what_is_due(other: Incident, *, together: bool) -> None:
    desk = office(held(told=False, due_at=NOW), other)
    assert spoken(desk) == [["000001", "000002"] if together else ["000001"]]


def test_longer_waits_take_more_along() -> None:
    """Where an office asks to wait four minutes for company, so many minutes are a message."""
    policy = replace(POLICY, group_wait_s=240.0)
    for due_s, expected in ((480, [["000001", "000002"]]), (481, [["000001"]])):
        desk = office(held(told=False, due_at=NOW), over("s2", number=2, due_at=NOW + due_s), policy=policy)
        assert spoken(desk) == expected


@pytest.mark.parametrize(
    ("due_s", "fields", "messages"),
    [
        pytest.param(0, {}, 1, id="due now"),
        pytest.param(1, {}, 0, id="due in a moment, and nothing else is"),
        pytest.param(0, {"sent_at": (NOW - 299, NOW - 200, NOW - 100)}, 0, id="too many were sent"),
        pytest.param(0, {"sent_at": (NOW - 300, NOW - 200, NOW - 100)}, 1, id="the first of them is long enough ago"),
    ],
)
def test_whether_news_go(due_s: float, fields: dict[str, Any], messages: int) -> None:
    desk = office(held(told=False, due_at=NOW + due_s), **fields)
    assert len(spoken(desk)) == messages
    assert len(desk.closed().sent_at) == min(3, len(fields.get("sent_at", ())) + messages)


@pytest.mark.parametrize(
    ("incident", "followed_at"),
    [(held(told=False, due_at=NOW), None), (over("s1", due_at=NOW), NOW)],
    ids=["something begins", "something ends"],
)
def test_a_message_without_a_beginning_is_noted(incident: Incident, followed_at: float | None) -> None:
    """One of a window may be: the next one waits for it."""
    desk = office(incident)
    assert len(spoken(desk)) == 1
    assert desk.closed().followed_at == followed_at


def test_a_beginning_takes_an_end_along() -> None:
    """Then it is no message without a beginning."""
    desk = office(held(told=False, due_at=NOW), over("s2", number=2, due_at=NOW))
    assert (len(spoken(desk)), desk.closed().followed_at) == (1, None)


MORNING = at("2026-11-24 08:40")


def test_what_begins_in_the_moment_of_the_digest_is_a_message_of_its_own() -> None:
    """The digest holds what can wait, and what is told and not fixed."""
    waits = held(number=1, notified_at=MORNING - DAY_S)
    begins = held(port("s2"), number=2, told=False, due_at=MORNING)
    desk = office(waits, begins, now=MORNING, scope=Scope(hours=HOURS))
    notices = [effect for effect in desk.speak() if isinstance(effect, Notice)]
    told = [(n.kind, [part.incident for part in n.parts or (n,)]) for n in notices]
    assert sorted(told) == [("digest", ["000001"]), ("opened", ["000002"])]


def test_moves_are_no_part_of_the_digest() -> None:
    """Nor does it go at the same moment: neither says that anything began."""
    known = held(notified_at=MORNING - DAY_S)
    desk = office(known, now=MORNING, scope=Scope(hours=HOURS), moves=(moved("r1", at=MORNING - 30),))
    assert [notice.kind for notice in desk.speak() if isinstance(notice, Notice)] == ["moved"]
    assert desk.closed().next_at == MORNING + WINDOW_S


def test_at_night_nothing_goes() -> None:
    desk = office(held(told=False, due_at=NIGHT - 60), now=NIGHT, scope=Scope(hours=HOURS))
    assert spoken(desk) == []


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
