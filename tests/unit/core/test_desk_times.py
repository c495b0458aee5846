"""When the desk of an office is asked again, what goes with what, and what a clock that was ahead has put off."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.incidents import recounted
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Incident, Notice
from collector.core.policy import Policy
from tests.support.desks import (
    DAY_S,
    HOURS,
    MORNING,
    NOW,
    QUIET_S,
    SOON_S,
    SPREAD_S,
    WINDOW_S,
    held,
    office,
    only,
    over,
    port,
    spoken,
)
from tests.support.offices import POLICY, moved
from tests.support.school import at

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
