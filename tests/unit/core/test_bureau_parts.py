"""Small parts of the bureau, each alone: the morning's dates, what comes and goes, what a digest counts."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau import counting, digest, escalation, incidents
from collector.core.bureau.flapping import Openings
from collector.core.bureau.incidents import recounted
from collector.core.bureau.noteworthy import AGAIN_AFTER_S
from collector.core.bureau.root import Scope
from collector.core.bureau.step import resume
from collector.core.bureau.words import Desk, Fixed, Incident, Member, Morning, Notice, Remembered, Since
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import change
from tests.support.school import at, weekdays

POLICY = Policy(group_wait_s=30, escalate_after_lesson_hours=4.0)
SILENT, PORT, SLOW = Cause.GATEWAY_SILENT, Cause.PORT_DOWN, Cause.UPLINK_BELOW_REQUIRED
ROOMS = ("r1", "r2")
NOW = 1_000_000.0
ONE = Fixed(incident="000001", school="s1", school_name="s1", cause=PORT, since=10.0, at=20.0)


# --- the morning ------------------------------------------------------------------------------------------------------


def test_where_no_days_are_known_nobody_is_counted() -> None:
    """There is no morning on which it could be told."""
    assert counting.due_at(counting.begun(0.0), Hours(), at("2026-11-23 10:00"), POLICY) is None
    assert counting.due_at(counting.begun(0.0), weekdays(), at("2026-11-23 10:00"), POLICY) is not None


@pytest.mark.parametrize(
    ("fixed", "age_s", "is_wanted"),
    [((ONE,), AGAIN_AFTER_S, True), ((ONE,), AGAIN_AFTER_S - 1, False), ((), AGAIN_AFTER_S, False)],
)
def test_what_was_fixed_is_told_within_a_week(fixed: tuple[Fixed, ...], age_s: float, *, is_wanted: bool) -> None:
    """Also where nothing else is worth a digest."""
    taken = counting.taken(counting.begun(NOW - age_s), {}, Since(fixed=fixed), NOW - 5, NOW)
    assert (taken.wanted_at, taken.census_at) == (NOW - 5 if is_wanted else None, NOW)


def test_dates_of_a_clock_that_was_ahead() -> None:
    """None is later than now; those that are not stay, and what was never said was not said now."""
    early, late = NOW - 50, NOW + 50
    for given, expected in ((early, early), (late, NOW)):
        memory: Any = {"silent": Remembered(said_at=given), "unlisted": Remembered()}
        morning = Morning(census_at=given, digest_at=given, wanted_at=given, remembered=memory)
        after = counting.not_ahead(morning, NOW)
        dates = (after.census_at, after.digest_at, after.wanted_at, after.remembered["silent"].said_at)
        assert dates == (expected,) * 4
        assert after.remembered["unlisted"].said_at is None
    assert counting.not_ahead(counting.begun(NOW), NOW).wanted_at is None


# --- what comes and goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opened_ago_s", "comes_and_goes"),
    [
        pytest.param((7_000, 60), True, id="the third within three hours"),
        pytest.param((60,), False, id="the second"),
        pytest.param((10_799, 60), True, id="the first a moment less than three hours ago"),
        pytest.param((10_800, 60), False, id="three hours ago"),
        pytest.param((60, 0), True, id="twice in one step"),
        pytest.param((60, -1), False, id="by a clock that was ahead"),
        pytest.param((90, 70, 60), True, id="the fourth"),
    ],
)
def test_the_third_opening_makes_it_one_that_comes_and_goes(
    opened_ago_s: tuple[float, ...], *, comes_and_goes: bool
) -> None:
    """Of this school, this subject and this cause."""
    alert = change("s1", cause=SILENT)
    key = f"s1/{alert.subject.label}/{alert.cause}"
    openings = Openings({key: tuple(NOW - ago_s for ago_s in opened_ago_s)}, NOW, POLICY)
    assert openings.note(change("s2", cause=SILENT)) is False
    assert openings.note(alert) is comes_and_goes
    assert len(openings.kept()[key]) <= POLICY.flapping_openings


def test_openings_are_forgotten_by_name() -> None:
    """What was listed anew begins anew; of what is unknown nothing is copied."""
    known = {f"s1/{change('s1').subject.label}/{SILENT}": (NOW - 60,), f"s2/{change('s2').subject.label}/{SILENT}": ()}
    openings = Openings(known, NOW, POLICY)
    openings.forget(change("s9", cause=SILENT))
    assert openings.kept() is known
    openings.forget(change("s1", cause=SILENT))
    assert openings.kept() == {}


# --- what a digest counts -------------------------------------------------------------------------------------------


def closed(school: str, *, since: float | None = 50.0, ended_at: float = 90.0, **fields: Any) -> Any:
    return change(school, "closed", cause=PORT, since=since, at=ended_at, **fields)


def notice(kind: Any, *members: Any, left: int = 0, **fields: Any) -> Notice:
    given: dict[str, Any] = {"incident": "000001", "office": "511402", "cause": PORT, "at": NOW, "since": 0.0}
    return Notice(kind=kind, members=members, remaining_classrooms=left, **{**given, **fields})


@pytest.mark.parametrize(
    ("told", "began_count", "ended_count"),
    [
        (notice("opened", change(cause=PORT)), 1, 0),
        (notice("resolved", closed("s1")), 0, 1),
        (notice("withdrawn", closed("s1", why="withdrawn")), 0, 1),
        (notice("resolved", closed("s1"), left=2), 0, 0),
        (notice("updated", change(cause=PORT)), 0, 0),
        (notice("moved", cause=None), 0, 0),
        (notice("several", cause=None, parts=(notice("opened"), notice("opened"), notice("resolved"))), 2, 1),
    ],
)
def test_what_began_and_what_ended(told: Notice, began_count: int, ended_count: int) -> None:
    """Incidents as a whole, each part of a message by itself."""
    since = digest.counted(Since(began_count=5, ended_count=7), told, {})
    assert (since.began_count, since.ended_count) == (5 + began_count, 7 + ended_count)


def test_who_is_well_again_and_for_how_long_it_failed() -> None:
    """From its first bad evidence to its last end; not who was taken back, who fails again, or of whom more is open."""
    told = notice(
        "resolved", closed("s1"), closed("s1", since=40.0, ended_at=80.0), closed("s2", since=None, ended_at=70.0),
        closed("s3", why="withdrawn"), closed("s4"), change("s4", cause=PORT), closed("s5"),
    )  # fmt: skip
    left = recounted(incident(("s5", Member(alert=change("s5", cause=PORT), told=ROOMS))))
    since = digest.counted(Since(), told, {"000001": left})
    assert [(each.school, each.since, each.at) for each in since.fixed] == [("s1", 40.0, 90.0), ("s2", 70.0, 70.0)]
    again = digest.counted(since, notice("updated", change("s1", cause=PORT)), {"000001": left})
    assert [each.school for each in again.fixed] == ["s2"]
    of_another = digest.counted(since, notice("updated", change("s1"), incident="000002"), {})
    assert [each.school for each in of_another.fixed] == ["s1", "s2"]


def test_so_many_of_whom_it_is_kept() -> None:
    """All others are counted."""
    known = Since(fixed=tuple(replace(ONE, school=f"k{n}") for n in range(digest.FIXED_MAX - 1)), fixed_more_count=4)
    for count, more_count in ((1, 4), (2, 5), (3, 6)):
        since = digest.counted(known, notice("resolved", *(closed(f"s{n}") for n in range(count))), {})
        assert (len(since.fixed), since.fixed_more_count) == (digest.FIXED_MAX, more_count)


def test_the_order_of_a_digest() -> None:
    """Kinds as they stand in the list, what it does not name last; of a kind the cause with the most rooms first."""
    parts = [
        notice("escalated", left=9, incident="6"),
        notice("reminder", left=1, incident="1"),
        notice("reminder", left=2, incident="2"),
        notice("reminder", left=2, incident="3", cause=SLOW),
        notice("reminder", left=3, incident="4", cause=SLOW, since=-5.0),
        notice("opened", left=0, incident="5"),
    ]
    told = digest.digest("511402", NOW, parts, Since())
    assert [part.incident for part in told.parts] == ["5", "4", "3", "2", "1", "6"]
    assert told.since == -5.0
    assert digest.digest("511402", NOW, [], Since()).since == NOW


# --- incidents ------------------------------------------------------------------------------------------------------


def incident(*members: tuple[str, Member], **fields: Any) -> Incident:
    schools: dict[str, tuple[Member, ...]] = {}
    for school, member in members:
        schools[school] = (*schools.get(school, ()), member)
    given: dict[str, Any] = {
        "id": "000001", "scope": "school", "office": "511402", "cause": PORT, "opened_at": 0.0, "since": 50.0,
        "schools": schools, "notified_at": 70.0,
    }  # fmt: skip
    return recounted(Incident(**{**given, **fields}))


def member(school: str = "s1", told: tuple[str, ...] | None = ROOMS, kind: str = "opened", **fields: Any) -> Member:
    return Member(alert=change(school, kind, cause=PORT, **fields), told=told)


@pytest.mark.parametrize(
    ("one", "other", "kind", "rooms", "told"),
    [
        pytest.param(member(), member(told=None), "opened", ROOMS, ROOMS, id="both open, one told"),
        pytest.param(member(told=None), member(told=None), "opened", ROOMS, None, id="nobody was told"),
        pytest.param(member(told=("r1",)), member(told=("r3",)), "opened", ROOMS, ("r1", "r3"), id="told of others"),
        pytest.param(member(kind="closed"), member(), "opened", ROOMS, ROOMS, id="over there, open here"),
        pytest.param(member(), member(kind="closed"), "opened", ROOMS, ROOMS, id="open there, over here"),
        pytest.param(
            member(kind="closed", told=("r1",), classrooms=("r1",)),
            member(kind="closed", told=("r2",), classrooms=("r2",)), "closed", ("r1", "r2"), ("r1", "r2"),
            id="over at both",
        ),
    ],
)  # fmt: skip
def test_one_alert_in_two_incidents_that_become_one(
    one: Member, other: Member, kind: str, rooms: tuple[str, ...], told: tuple[str, ...] | None
) -> None:
    """Its school changed its office: it is one, with all the rooms that either was told of."""
    first = incident(("s1", one))
    whole, _ = incidents.joined(first, incident(("s1", other)), dict(first.schools))
    ((found,),) = whole.schools.values()
    assert (found.alert.change, found.alert.classrooms, found.told) == (kind, rooms, told)


GONE = member("s2", kind="closed")
UNTOLD = Member(alert=change("s3", cause=PORT, subject=Subject("uplink", "gw9")))


@pytest.mark.parametrize(
    ("whole", "wait_s"),
    [
        pytest.param(incident(("s1", UNTOLD), notified_at=None), 30, id="a first message"),
        pytest.param(incident(("s1", member())), 30, id="of one school"),
        pytest.param(incident(("s1", member()), ("s2", GONE), scope="operator"), 330, id="some of many are well"),
        pytest.param(incident(("s1", member()), ("s3", UNTOLD), scope="operator"), 30, id="one more has begun"),
        pytest.param(
            incident(("s1", member()), ("s3", UNTOLD), scope="operator", cause=SILENT), 330, id="one more is cut off"
        ),
        pytest.param(incident(("s1", member()), scope="operator", cause=SILENT), 30, id="of one school of an operator"),
        pytest.param(incident(("s1", member()), ("s2", GONE)), 30, id="two schools on one gateway"),
        pytest.param(incident(("s2", GONE), scope="operator"), 30, id="the last is well"),
        pytest.param(
            incident(("s1", member("s1", kind="closed")), ("s2", GONE), scope="operator"), 30, id="all are well"
        ),
    ],
)
def test_how_long_news_wait_for_company(whole: Incident, wait_s: float) -> None:
    """Who else is cut off, and who of many is well again, shows report by report."""
    begins = any(map(incidents.begins, whole.schools.values()))
    assert incidents.news_due_at(whole, NOW, POLICY, Scope(), begins=begins) == NOW + wait_s


@pytest.mark.parametrize(
    ("cause", "wait_s"), [(SILENT, 50), (Cause.PLATFORM_UNREACHABLE, 50), (SLOW, 30), (Cause.SWITCH_UNREACHABLE, 30)]
)
def test_a_first_message_of_what_comes_together_waits_longer(cause: Cause, wait_s: float) -> None:
    """Several gateways or platforms fail within minutes: none is said before others are seen, nor after a minute."""
    whole = incident(("s1", UNTOLD), notified_at=None, cause=cause)
    assert incidents.news_due_at(whole, NOW, POLICY, Scope(), begins=True) == pytest.approx(NOW + wait_s)


def test_what_is_handed_back_is_open_elsewhere() -> None:
    """What is still open goes on, and is not called over; what was well already is."""
    ending = change("s1", "closed", cause=PORT, at=90.0)
    held = replace(member(flapping=True), ending=ending)
    (over,) = incidents.handed_back((held,), NOW)
    assert (over.alert.change, over.alert.why, over.alert.at, over.alert.flapping) == (
        "closed",
        "recovered",
        90.0,
        False,
    )
    (left,) = incidents.handed_back((member(),), NOW)
    assert (left.alert.change, left.alert.why, left.alert.still) == ("closed", "withdrawn", True)
    assert incidents.handed_back((member(kind="closed"),), NOW) == (member(kind="closed"),)


def test_who_holds_a_school_after_a_start() -> None:
    """The office of its open incident; of one that is everybody's, the office of the school."""
    own = incident(("s1", member()))
    everybody = incident(("s2", member("s2")), id="000002", office="")
    over = incident(("s3", member("s3", kind="closed")), id="000003")
    bureau = resume([own, everybody, over], {"511402": Desk()}, 3)
    assert bureau.holders == {"s1": "511402", "s2": "511402"}


# --- what nobody takes ----------------------------------------------------------------------------------------------

LESSONS = weekdays("2026-11-23", 1)
"""One Monday."""


@pytest.mark.parametrize(
    ("told", "due"),
    [
        ("2026-11-23 09:00", "2026-11-23 13:00"),
        ("2026-11-23 12:59", "2026-11-23 16:59"),
        ("2026-11-23 13:01", None),
    ],
)
def test_it_is_not_due_where_no_lessons_are_known(told: str, due: str | None) -> None:
    """Four hours after it was told, if so many are in the calendar."""
    whole = incident(("s1", member()), told_at=at(told))
    assert escalation.due_at(whole, Scope(hours=LESSONS), POLICY) == (None if due is None else at(due))


def test_only_what_is_open_and_told_is_escalated() -> None:
    """Whoever is told of it now need not hear what is over, nor what its office has not heard."""
    others = [Subject("uplink", f"gw{n}") for n in range(2)]
    whole = incident(
        ("s1", member()), ("s1", member(kind="closed", subject=others[0])), ("s1", member(told=None, subject=others[1]))
    )
    after, told = escalation.escalate(whole, NOW, Scope())
    assert [each.subject for each in told.members] == [member().alert.subject]
    assert after.escalated_at == NOW
