"""The calendar: which days are school days and when the lessons are, for one school and one week at a time."""

from datetime import UTC, date, datetime

import pytest

from collector.core.hours import Calendar, MakeUpDay, Term, in_lesson, local_date
from collector.core.policy import Policy
from collector.roster.calendar import FUTURE_DAYS, PAST_DAYS, followed_weekday, hours, hours_of_schools, is_workday
from collector.roster.files import SchoolEntry


def school(**changes) -> SchoolEntry:
    return SchoolEntry(**{"id": "s1", "name": "S", **changes})


def at(text: str) -> float:
    """Unix seconds of a time in Meishan."""
    return datetime.fromisoformat(f"{text}+08:00").timestamp()


NOW = at("2026-11-23T10:00")
TERM = Calendar(terms=(Term(first="2026-09-01", last="2027-01-22"),))


@pytest.mark.parametrize(
    ("day", "calendar", "expected"),
    [
        pytest.param("2026-11-23", Calendar(), "mon", id="monday"),
        pytest.param("2026-11-22", Calendar(), None, id="sunday"),
        pytest.param("2026-10-01", Calendar(), None, id="national day"),
        pytest.param("2026-10-10", Calendar(), "sat", id="official make-up day, no timetable named"),
        pytest.param(
            "2026-10-10", Calendar(make_up_days=(MakeUpDay(date="2026-10-10", follows="wed"),)), "wed", id="named"
        ),
        pytest.param(
            "2026-11-21",
            Calendar(make_up_days=(MakeUpDay(date="2026-11-21", follows="fri"),)),
            "fri",
            id="local make-up",
        ),
        pytest.param("2026-11-23", Calendar(days_off=("2026-11-23",)), None, id="day off"),
        pytest.param("2026-08-31", TERM, None, id="before the term"),
        pytest.param("2026-09-01", TERM, "tue", id="first day of term"),
        pytest.param(
            "2026-08-29",
            Calendar(terms=TERM.terms, make_up_days=(MakeUpDay(date="2026-08-29", follows="mon"),)),
            None,
            id="the term wins over a make-up day",
        ),
    ],
)
def test_school_day(day, calendar, expected):
    """A school day is a working day within a term; a make-up day follows the weekday it names."""
    assert followed_weekday(date.fromisoformat(day), school(), calendar) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2031-01-01", False),
        ("2031-10-02", False),
        ("2031-10-08", True),
        ("2031-11-22", False),
        ("2031-11-24", True),
    ],
)
def test_year_not_announced(day, expected):
    """A year without announced holidays is Monday to Friday without the fixed ones."""
    assert is_workday(date.fromisoformat(day)) is expected


def test_default_lessons():
    """Without a timetable lessons are Monday to Friday 08:00 to 17:00, and so on a Saturday that is worked."""
    found = hours(school(), Calendar(), NOW)
    assert in_lesson(found, at("2026-11-23T08:00"))
    assert not in_lesson(found, at("2026-11-23T17:00"))
    assert not in_lesson(found, at("2026-11-22T10:00"))
    assert in_lesson(found, at("2026-10-10T10:00"))
    assert not in_lesson(found, at("2026-10-17T10:00"))


def test_horizon():
    """Days reach from 60 days ago to 14 days ahead."""
    found = hours(school(school_days="every"), Calendar(), NOW)
    assert len(found.days) == PAST_DAYS + FUTURE_DAYS + 1
    assert (found.days[0].date, found.days[-1].date) == ("2026-09-24", "2026-12-07")


AUTUMN = Calendar(
    terms=(Term(first="2026-02-25", last="2026-07-03"), Term(first="2026-09-01", last="2027-01-22")),
)


@pytest.mark.parametrize(
    ("today", "policy", "calendar", "expected"),
    [
        pytest.param("2026-09-03", {}, AUTUMN, 21, id="after the summer"),
        pytest.param("2026-09-03", {"compliant_max_age_school_days": 60}, AUTUMN, 61, id="a longer age"),
        pytest.param("2026-09-03", {"absent_after_school_days": 40}, AUTUMN, 41, id="another age"),
        pytest.param("2026-09-03", {"compliant_max_age_school_days": 1_000}, Calendar(), 1_001, id="the longest age"),
        pytest.param("2026-09-03", {"compliant_max_age_school_days": 1_000}, AUTUMN, 92, id="no earlier term is known"),
        pytest.param("2026-11-23", {}, AUTUMN, 37, id="sixty days in term"),
        pytest.param("2026-09-03", {"uplink_max_school_hours": 500}, AUTUMN, 56, id="an age in hours"),
    ],
)
def test_the_past_reaches_as_far_as_any_age(today, policy, calendar, expected):
    """What is older than the oldest kept day is too old by every rule, however long the holidays were."""
    past = [day for day in hours(school(), calendar, at(f"{today}T10:00"), Policy(**policy)).days if day.date < today]
    assert len(past) == expected


def test_without_lessons_an_age_in_hours_asks_for_no_past():
    """Where no lesson ever is, no number of days would hold enough of them."""
    (of_never, of_default) = (
        hours(school(timetable=timetable), Calendar(), NOW, Policy(port_max_school_hours=10_000))
        for timetable in ("never", None)
    )
    assert len(of_never.days) < 70 < len(of_default.days)


def test_always():
    """``always``: every day is a school day and all of it is lesson, without a gap at midnight."""
    found = hours(school(timetable="always"), Calendar(days_off=("2026-11-22",)), NOW)
    assert all(in_lesson(found, at("2026-11-22T00:00") + n * 3_599) for n in range(72))
    assert all(a.lessons[-1][1] == b.lessons[0][0] for a, b in zip(found.days, found.days[1:], strict=False))


def test_never():
    """``never``: school days by the calendar, no lessons on them."""
    found = hours(school(timetable="never"), Calendar(), NOW)
    assert found.days
    assert not any(day.lessons for day in found.days)


def test_own_timetable():
    """A timetable says the spans per weekday; a weekday it leaves out has none."""
    found = hours(school(timetable={"mon": (("08:30", "11:50"), ("14:00", "24:00"))}), Calendar(), NOW)
    assert in_lesson(found, at("2026-11-23T23:59"))
    assert not in_lesson(found, at("2026-11-23T12:00"))
    assert not in_lesson(found, at("2026-11-24T09:00"))


def test_daylight_saving():
    """Clock times are the school's own on both sides of a change of its clocks."""
    fall = datetime(2026, 11, 2, 13, 0, tzinfo=UTC).timestamp()
    found = hours(school(timezone="America/New_York", school_days="every", timetable="always"), Calendar(), fall)
    lengths = {day.date: day.lessons[0][1] - day.lessons[0][0] for day in found.days}
    assert lengths["2026-11-01"] == 25 * 3_600
    assert lengths["2026-11-02"] == 24 * 3_600
    assert local_date(found, fall) == "2026-11-02"


def test_shared():
    """Schools with the same timetable share one value: a province has few timetables."""
    found = hours_of_schools({"a": school(id="a"), "b": school(id="b")}, Calendar(), NOW)
    assert found["a"] is found["b"]


@pytest.mark.parametrize(
    ("today", "terms", "days_off", "days"),
    [
        pytest.param("2026-08-10", [("2026-09-01", "2027-01-22")], (), ("08-27", "08-31"), id="a weekend between"),
        pytest.param("2026-08-31", [("2026-09-01", "2027-01-22")], (), ("08-27", "08-31"), id="on the last of them"),
        pytest.param("2026-09-01", [("2026-09-01", "2027-01-22")], (), None, id="on the first day of the term"),
        pytest.param("2026-08-10", [("2026-09-01", "2027-01-22")], ("2026-08-31",), ("08-26", "08-28"), id="a day off"),
        pytest.param("2026-08-10", [], (), None, id="no term is listed"),
        pytest.param("2026-08-10", [("2026-03-01", "2026-07-01")], (), None, id="all terms are over"),
        pytest.param(
            "2026-08-10", [("2026-03-01", "2026-08-28"), ("2026-09-01", "2027-01-22")], (), None, id="another goes on"
        ),
        pytest.param(
            "2026-08-10", [("2027-02-22", "2027-07-01"), ("2026-09-01", "2027-01-22")], (), ("08-27", "08-31"), id="two"
        ),
    ],
)
def test_the_check_up_before_a_term(today, terms, days_off, days):
    """The last three working days before the next term that is listed: from the first to the last of them."""
    listed = tuple(Term(first=first, last=last) for first, last in terms)
    found = hours(school(), Calendar(terms=listed, days_off=days_off), at(f"{today}T10:00")).checkup
    if days is None:
        assert found is None
    else:
        spans = [at(f"2026-{day}T00:00") for day in days]
        assert found == ("2026-09-01", *spans, at("2026-09-01T00:00"))
    never = Policy(checkup_working_days=0)
    assert hours(school(), Calendar(terms=listed), at(f"{today}T10:00"), never).checkup is None
    assert hours(school(timetable="always"), Calendar(terms=listed), at(f"{today}T10:00")).checkup is None
