"""When an office is told what is no news: mornings, the check-up before a term, what nobody takes; to the moment."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.acks import acknowledged
from collector.core.bureau.checkup import due_at as checkup_due_at
from collector.core.bureau.counting import begun, due_at, taken, told
from collector.core.bureau.escalation import due_at as escalation_due_at
from collector.core.bureau.escalation import escalate
from collector.core.bureau.flapping import Openings
from collector.core.bureau.incidents import founded, opened, recounted
from collector.core.bureau.morning import another_day, next_morning
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledged, Incident, Member, Morning, Remembered, Since
from collector.core.census import Found
from collector.core.events import Episode, Meanwhile
from collector.core.policy import Policy
from collector.core.roster import CheckUp, Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import change
from tests.support.school import at, weekdays

POLICY = Policy(escalate_after_lesson_hours=4.0)
DAYS = weekdays()
DAY_S = 86_400.0

# --- mornings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "now", "expected"),
    [
        pytest.param("2026-11-24 08:00", "2026-11-24 08:40:00", "2026-11-24 08:40", id="in time"),
        pytest.param("2026-11-24 08:00", "2026-11-24 11:40:00", "2026-11-24 08:40", id="three hours late"),
        pytest.param("2026-11-24 08:00", "2026-11-24 11:40:01", "2026-11-25 08:40", id="a second more: the next day"),
        pytest.param(
            "2026-11-20 12:00", "2026-11-28 12:00:00", "2026-11-30 08:40", id="away for a week, to a Saturday"
        ),
        pytest.param("2026-10-01 12:00", "2026-10-02 12:00:00", "2026-10-05 08:40", id="before all known days"),
        pytest.param("2026-12-23 08:40", "2026-12-23 08:00:00", "2026-12-23 08:40", id="the last day that is known"),
        pytest.param("2026-12-23 08:41", "2026-12-23 08:41:00", "2026-12-24 08:41", id="no more days: asked tomorrow"),
        pytest.param("2027-01-05 08:00", "2027-01-04 07:00:00", "2027-01-06 08:00", id="a day from what is asked for"),
        pytest.param(
            "2026-12-24 08:00", "2027-01-04 07:00:00", "2027-01-05 07:00", id="or from now, where that is later"
        ),
    ],
)
def test_the_next_morning(after: str, now: str, expected: str) -> None:
    """It is said as long as it is morning; where the calendar ends it is asked for again each day."""
    assert next_morning(DAYS, at(after), at(now), POLICY) == at(expected)


@pytest.mark.parametrize(
    ("when", "hours", "expected"),
    [
        ("2026-11-24 00:00", DAYS, at("2026-11-25 00:00")),
        ("2026-11-24 07:59", DAYS, at("2026-11-25 00:00")),
        ("2026-11-24 23:59", DAYS, at("2026-11-25 00:00")),
        ("2026-11-24 08:01", Hours(), at("2026-11-25 08:01")),
    ],
)
def test_another_day_begins_at_midnight(when: str, hours: Hours, expected: float) -> None:
    """By the clock of the office; where nobody knows that, it is a day later."""
    assert another_day(hours, at(when)) == expected


# --- what is counted -------------------------------------------------------------------------------------------------

NOW = at("2026-11-24 08:40")
BEGUN = begun(NOW - DAY_S)
CUT = Meanwhile(
    office="a", school="s1", school_name="s1", gateway="gw", at=1.0,
    episodes=(Episode(subject=Subject("uplink", "gw"), cause=Cause.PORT_DOWN, first_at=1.0, last_at=2.0),),
)  # fmt: skip


def test_a_census_is_another_days() -> None:
    assert due_at(BEGUN, DAYS, NOW, POLICY) == NOW
    assert due_at(begun(NOW), DAYS, NOW, POLICY) == NOW + DAY_S


@pytest.mark.parametrize(
    ("census", "since", "is_wanted"),
    [
        pytest.param({}, Since(), False, id="nothing"),
        pytest.param(
            {"unlisted": (Found(school="s", school_name="s", names=("x",), count=1),)}, Since(), True, id="new"
        ),
        pytest.param({}, Since(meanwhile=(CUT,)), True, id="a gateway was cut off meanwhile"),
        pytest.param({}, Since(began_count=3, ended_count=3), False, id="what was told and is over"),
    ],
)
def test_what_makes_a_digest_by_itself(census: Any, since: Since, *, is_wanted: bool) -> None:
    """It is of the morning for which it was due, however late that was looked at."""
    after = taken(BEGUN, census, since, NOW, NOW + 9)
    assert (after.census_at, after.wanted_at) == (NOW + 9, NOW if is_wanted else None)


def test_what_was_said_is_said_once() -> None:
    """It is remembered as told, and nothing more is wanted."""
    found: Any = {"unlisted": (Found(school="s", school_name="s", names=("x",), count=1),)}
    counted = taken(BEGUN, found, Since(), NOW, NOW)
    after = told(counted, NOW + 5)
    assert (len(counted.groups), after.groups, after.wanted_at, after.digest_at) == (1, (), None, NOW + 5)
    assert {kind: each.said_at for kind, each in after.remembered.items()} == {"unlisted": NOW}
    assert taken(after, found, Since(), NOW + DAY_S, NOW + DAY_S).wanted_at is None
    assert isinstance(after.remembered["unlisted"], Remembered)


# --- the check-up before a term --------------------------------------------------------------------------------------

TERM = CheckUp("2026-11-27", at("2026-11-24 00:00"), at("2026-11-26 00:00"), at("2026-11-27 00:00"))
TELLS = "2026-11-26 08:40"
MORNING = Morning(census_at=0.0, digest_at=0.0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2026-11-23 10:00:00", TELLS, id="days before"),
        pytest.param("2026-11-26 08:40:00", TELLS, id="at that moment"),
        pytest.param("2026-11-26 15:00:00", "2026-11-26 15:00", id="it was missed: now"),
        pytest.param("2026-11-26 23:30:00", "2026-11-27 07:00", id="at night: as it ends"),
        pytest.param("2026-11-26 23:59:59", "2026-11-27 07:00", id="the term has not begun yet"),
        pytest.param("2026-11-27 00:00:00", None, id="the term has begun"),
    ],
)
def test_when_an_office_is_told_of_the_check_up(now: str, expected: str | None) -> None:
    scope = Scope(hours=Hours(days=DAYS.days, checkup=TERM), survey=lambda _now: ())
    assert checkup_due_at(MORNING, scope, at(now), POLICY) == (None if expected is None else at(expected))


@pytest.mark.parametrize(
    ("morning", "checkup", "can_survey", "is_due"),
    [
        pytest.param(MORNING, TERM, True, True, id="all is there"),
        pytest.param(None, TERM, True, False, id="nobody counts its schools"),
        pytest.param(MORNING, None, True, False, id="no term is announced"),
        pytest.param(MORNING, TERM, False, False, id="nobody can look at its schools"),
        pytest.param(replace(MORNING, checked_up="2026-11-27"), TERM, True, False, id="it was told"),
        pytest.param(replace(MORNING, checked_up="2026-09-01"), TERM, True, True, id="that of another term was"),
    ],
)
def test_whether_an_office_is_told_of_it(
    morning: Morning | None, checkup: CheckUp | None, *, can_survey: bool, is_due: bool
) -> None:
    hours = Hours(days=DAYS.days, checkup=checkup)
    scope = Scope(hours=hours, survey=(lambda _now: ()) if can_survey else None)
    assert (checkup_due_at(morning, scope, at("2026-11-25 10:00"), POLICY) is not None) is is_due


# --- what nobody takes -----------------------------------------------------------------------------------------------


def incident(alert: Any = None, **fields: Any) -> Incident:
    """Told on Tuesday at nine."""
    alert = change("s1", cause=Cause.PORT_DOWN) if alert is None else alert
    whole = founded(1, alert, 0.0)
    (member,) = opened((), alert)
    given: dict[str, Any] = {
        "schools": {"s1": (replace(member, told=("r1", "r2")),)},
        "told_at": at("2026-11-24 09:00"),
    }
    return recounted(replace(whole, **{**given, **fields}))


OFF = change("s1", cause=Cause.DEVICE_OFFLINE, subject=Subject("classroom", name="r1"))
SWITCH = change("s1", cause=Cause.DEVICE_OFFLINE, subject=Subject("switch", "gw", "sw1"))
TAKEN = Acknowledged(incident="000001", by="王工", note="", at=1.0)
GONE = {"s1": (Member(alert=change("s1", "closed", cause=Cause.PORT_DOWN), told=("r1",)),)}


@pytest.mark.parametrize(
    ("whole", "policy", "is_asked"),
    [
        pytest.param(incident(), POLICY, True, id="nobody took it"),
        pytest.param(incident(), Policy(), False, id="nobody wants to hear of that"),
        pytest.param(incident(told_at=None), POLICY, False, id="its office was not told yet"),
        pytest.param(incident(scope="bureau"), POLICY, False, id="a platform's fault is nobody's to take"),
        pytest.param(acknowledged(incident(), TAKEN), POLICY, False, id="somebody is on it"),
        pytest.param(incident(escalated_at=5.0), POLICY, False, id="it was told once"),
        pytest.param(incident(schools=GONE), POLICY, False, id="all is well again"),
        pytest.param(incident(OFF), POLICY, False, id="a board that is off waits for the morning"),
        pytest.param(incident(SWITCH), POLICY, True, id="boards that went together do not"),
        pytest.param(incident(told_at=at("2026-12-23 12:59")), POLICY, True, id="four more hours are known"),
        pytest.param(incident(told_at=at("2026-12-23 13:01")), POLICY, False, id="fewer are"),
    ],
)
def test_of_what_others_are_told(whole: Incident, policy: Policy, *, is_asked: bool) -> None:
    expected = None if not is_asked or whole.told_at is None else whole.told_at + 4 * 3_600
    assert escalation_due_at(whole, Scope(hours=DAYS), policy) == expected
    assert escalation_due_at(whole, Scope(), policy) is None, "nobody knows when lessons are"


def test_others_hear_of_what_is_open() -> None:
    after, notice = escalate(incident(schools={**GONE, **incident().schools}), NOW, Scope())
    assert ([m.change for m in notice.members], after.escalated_at, notice.at) == (["opened"], NOW, NOW)


# --- what comes and goes ---------------------------------------------------------------------------------------------


def test_what_is_too_old_is_forgotten_as_something_opens() -> None:
    """Of all that this desk knows; until then nothing is copied."""
    lately = {"x": (NOW - 10_800, NOW - 10_799), "y": (NOW - 10_800,), "z": (NOW + 1,)}
    openings = Openings(lately, NOW, POLICY)
    assert openings.kept() is lately
    assert openings.note(change("s1")) is False
    key = f"s1/{change('s1').subject.label}/{change('s1').cause}"
    assert openings.kept() == {"x": (NOW - 10_799,), key: (NOW,)}
    assert [openings.note(change("s1")) for _ in range(3)] == [False, True, True]
    assert openings.kept()[key] == (NOW,) * 3
