"""Whose timetable is it, what goes on when, and when nothing may load a line."""

from datetime import datetime

import pytest

from classready.ids import ClassroomId
from collector.core.hours import Calendar, MakeUpDay, hours_of, in_lesson, next_quiet, period_at, school_hours_between
from collector.core.roster import Mute, SchoolRoster
from collector.core.timetable import PeriodEntry, TimetableEntry
from collector.roster import Roster
from collector.roster.calendar import hours, hours_of_roster, hours_of_schools
from collector.roster.files import ClassroomEntry, SchoolEntry


def at(text: str) -> float:
    """Unix seconds of a time in Meishan."""
    return datetime.fromisoformat(f"{text}+08:00").timestamp()


NOW = at("2026-11-23T10:00")  # a Monday


def period(begins: str, ends: str, kind: str = "lesson") -> PeriodEntry:
    return PeriodEntry(begins=begins, ends=ends, kind=kind)


PRIMARY = TimetableEntry(
    name="primary",
    stages=("primary",),
    kinds=("point",),
    periods=(
        period("08:30", "09:10"),
        period("09:10", "09:20", "break"),
        period("09:20", "10:00"),
        period("10:00", "10:30", "long_break"),
        period("10:30", "11:50"),
        period("14:30", "16:00"),
        period("16:10", "17:30", "after_school"),
    ),
)
SENIOR = TimetableEntry(
    name="senior",
    stages=("senior",),
    days=("mon", "tue", "wed", "thu", "fri", "sat"),
    periods=(period("07:40", "12:00"), period("14:00", "17:40"), period("19:00", "21:30", "evening_study")),
)
CALENDAR = Calendar(timetables=(PRIMARY, SENIOR))


def school(**changes) -> SchoolEntry:
    return SchoolEntry(**{"id": "s1", "name": "S", **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"stage": "primary"}, [None, "lesson", "long_break", None, "after_school", None], id="its stage"),
        pytest.param({"stage": "senior"}, ["lesson", "lesson", "lesson", None, "lesson", "evening_study"], id="other"),
        pytest.param({"kind": "point"}, [None, "lesson", "long_break", None, "after_school", None], id="its kind"),
        pytest.param(
            {"kind": "point", "stage": "senior"},
            ["lesson", "lesson", "lesson", None, "lesson", "evening_study"],
            id="the stage before the kind",
        ),
        pytest.param(
            {"stage": "primary", "follows": "senior"},
            ["lesson", "lesson", "lesson", None, "lesson", "evening_study"],
            id="named",
        ),
        pytest.param(
            {"stage": "primary", "timetable": {"mon": (("12:00", "14:00"),)}},
            [None, None, None, "lesson", None, None],
            id="its own",
        ),
        pytest.param({"stage": "junior"}, ["lesson"] * 4 + [None] * 2, id="a stage that nobody wrote one for"),
        pytest.param({"stage": "primary", "timetable": "never"}, [None] * 6, id="never"),
        pytest.param({"stage": "primary", "timetable": "always"}, ["lesson"] * 6, id="always"),
    ],
)
def test_whose_timetable(changes, expected):
    """Its own, the one it names, that of its stage, that of its kind, the default: in this order."""
    found = hours(school(**changes), CALENDAR, NOW)
    clocks = ["08:00", "09:00", "10:15", "12:30", "17:00", "20:00"]
    assert [period_at(found, at(f"2026-11-23T{clock}")) for clock in clocks] == expected


def test_edges_of_periods():
    """The first second of a period is in it, its last is not."""
    found = hours(school(stage="primary"), CALENDAR, NOW)
    begins, ends = at("2026-11-23T10:00"), at("2026-11-23T10:30")
    assert [period_at(found, t) for t in (begins - 1, begins, ends - 1, ends)] == [
        "lesson",
        "long_break",
        "long_break",
        "lesson",
    ]


def test_what_nothing_may_load():
    """Lessons, after-school service and evening study are quiet; breaks and noon are when lines are tested."""
    found = hours(school(stage="primary"), CALENDAR, NOW)
    day = at("2026-11-23T00:00")
    assert next_quiet(found, day, 86_400.0) == tuple(
        (at(f"2026-11-23T{begins}"), at(f"2026-11-23T{ends}"))
        for begins, ends in [
            ("08:30", "09:10"),
            ("09:20", "10:00"),
            ("10:30", "11:50"),
            ("14:30", "16:00"),
            ("16:10", "17:30"),
        ]
    )


def test_only_lessons_age_evidence():
    """In the evening a few rooms are in use and nobody knows which: no board is missed, and nothing grows old."""
    found = hours(school(stage="senior"), CALENDAR, NOW)
    assert not in_lesson(found, at("2026-11-23T20:00"))
    assert school_hours_between(found, at("2026-11-23T18:00"), at("2026-11-24T00:00")) == 0.0


ROOMS = tuple(
    ClassroomEntry(id=ClassroomId(id_), follows=follows)
    for id_, follows in [("r1", None), ("r2", "senior"), ("r3", "senior")]
)


def test_a_group_of_rooms():
    """A room of the group has its own lessons; the line that all share is quiet in the lessons of any."""
    found = hours(school(stage="primary", classrooms=ROOMS), CALENDAR, NOW)
    early, break_, evening = (at(f"2026-11-23T{clock}") for clock in ("08:00", "10:15", "20:00"))
    of_room = {room: hours_of(found, room) for room in ("r1", "r2", "r3")}
    assert of_room["r2"] is of_room["r3"]
    assert [period_at(of_room["r2"], t) for t in (early, break_, evening)] == ["lesson", "lesson", "evening_study"]
    assert [period_at(found, t) for t in (early, break_, evening)] == ["lesson", "lesson", "evening_study"]
    assert in_lesson(found, early)
    assert any(start <= evening < end for start, end in next_quiet(found, NOW, 86_400.0))
    assert found.starts == tuple(sorted(found.starts))
    assert all(end <= start for end, start in zip(found.ends, found.starts[1:], strict=False))


def test_a_group_beside_lessons_without_a_timetable():
    """What a group does on a Saturday makes that a day of lessons for the line, not for the other rooms."""
    calendar = Calendar(timetables=(SENIOR,), make_up_days=(MakeUpDay(date="2026-11-28", follows="sat"),))
    found = hours(school(classrooms=ROOMS, timetable="never"), calendar, NOW)
    saturday = at("2026-11-28T09:00")
    assert in_lesson(found, saturday)
    assert in_lesson(hours_of(found, "r2"), saturday)


EXAMS = Calendar(exam_days=("2026-11-24", "2026-11-25", "2026-11-28"), timetables=CALENDAR.timetables)


def test_an_examination_day():
    """No lessons, no school day, and quiet from midnight to midnight; a Saturday, too."""
    found = hours(school(stage="primary"), EXAMS, NOW)
    assert {"2026-11-24", "2026-11-25"}.isdisjoint(day.date for day in found.days)
    assert found.mutes == (
        Mute(at("2026-11-24T00:00"), at("2026-11-26T00:00"), "exam"),
        Mute(at("2026-11-28T00:00"), at("2026-11-29T00:00"), "exam"),
    )
    noon = at("2026-11-24T12:30")
    assert any(start <= noon < end for start, end in next_quiet(found, NOW, 86_400.0 * 2))
    assert found.quiet_starts == tuple(sorted(found.quiet_starts))


@pytest.mark.parametrize(
    ("calendar", "changes", "clock", "expected"),
    [
        pytest.param(Calendar(), {}, "2026-10-10T10:00", "lesson", id="unsaid: the default"),
        pytest.param(Calendar(), {}, "2026-10-10T17:30", None, id="its evening"),
        pytest.param(CALENDAR, {"stage": "primary"}, "2026-10-10T13:00", "lesson", id="a timetable without Saturday"),
        pytest.param(CALENDAR, {"stage": "senior"}, "2026-10-10T13:00", None, id="a timetable with Saturday"),
        pytest.param(Calendar(), {"timetable": "never"}, "2026-10-10T10:00", None, id="never"),
        pytest.param(Calendar(), {"school_days": "every"}, "2026-10-10T10:00", None, id="all days are school days"),
        pytest.param(
            Calendar(make_up_days=(MakeUpDay(date="2026-11-21"),)),
            {},
            "2026-11-21T10:00",
            "lesson",
            id="listed, unsaid",
        ),
        pytest.param(
            Calendar(make_up_days=(MakeUpDay(date="2026-10-10", follows="sun"),)),
            {"timetable": {"mon": (("08:00", "09:00"),)}},
            "2026-10-10T08:30",
            None,
            id="follows a day that has none",
        ),
    ],
)
def test_a_saturday_that_is_worked(calendar, changes, clock, expected):
    """Of which nobody said whose timetable it follows: all of it is lesson, unless its weekday has a timetable."""
    assert period_at(hours(school(**changes), calendar, NOW), at(clock)) == expected


def roster(own: Calendar, **changes) -> Roster:
    return Roster(
        offices={"o": "O"},
        schools={"s1": SchoolRoster(office="o", school="s1")},
        entries={"s1": school(**changes)},
        calendars={"o": own},
    )


LATE = TimetableEntry(name="late", stages=("primary",), periods=(period("10:30", "11:00"),))


@pytest.mark.parametrize(
    ("own", "bureau", "changes", "clock", "expected"),
    [
        pytest.param(Calendar(), CALENDAR, {"stage": "primary"}, "2026-11-23T09:00", "lesson", id="the bureau's"),
        pytest.param(
            Calendar(timetables=(LATE,)), CALENDAR, {"stage": "primary"}, "2026-11-23T09:00", None, id="its own stage"
        ),
        pytest.param(
            Calendar(timetables=(LATE,)), CALENDAR, {"kind": "point"}, "2026-11-23T09:00", "lesson", id="its kind stays"
        ),
        pytest.param(
            Calendar(timetables=(LATE,)),
            CALENDAR,
            {"follows": "primary"},
            "2026-11-23T09:00",
            "lesson",
            id="by name",
        ),
        pytest.param(
            Calendar(days_off=("2026-11-23",)), CALENDAR, {}, "2026-11-23T09:00", None, id="a day off of the office"
        ),
        pytest.param(
            Calendar(make_up_days=(MakeUpDay(date="2026-11-23", follows="mon"),)),
            Calendar(days_off=("2026-11-23",)),
            {},
            "2026-11-23T09:00",
            "lesson",
            id="school on a day off of the bureau",
        ),
        pytest.param(
            Calendar(exam_days=("2026-11-23",)), CALENDAR, {}, "2026-11-23T09:00", None, id="its examination day"
        ),
    ],
)
def test_what_an_office_says_stands_before_the_bureaus(own, bureau, changes, clock, expected):
    """Where it says nothing, the bureau's holds."""
    (found,) = hours_of_roster(roster(own, **changes), bureau, NOW).values()
    assert period_at(found, at(clock)) == expected


def test_schools_share_what_is_equal():
    """Of equal timetables and groups there is one value, whatever else the schools are."""
    entries = {
        name: school(id=name, stage="primary", rural_weak=weak, classrooms=rooms)
        for name, weak, rooms in [("a", False, ()), ("b", True, ()), ("c", False, ROOMS), ("d", True, ROOMS)]
    }
    found = hours_of_schools(entries, CALENDAR, NOW)
    assert found["a"] is found["b"]
    assert found["c"] is found["d"]
    assert found["a"] != found["c"]


@pytest.mark.parametrize(
    ("zone", "day", "spans", "expected_s"),
    [
        pytest.param(
            "America/New_York", "2026-03-08", [("01:30", "02:45"), ("03:00", "04:00")], [3_600 * 1.25, 900], id="gap"
        ),
        pytest.param("America/New_York", "2026-03-08", [("02:30", "03:15")], [], id="nothing is left"),
        pytest.param(
            "America/Havana", "2026-03-08", [("00:00", "01:00"), ("01:00", "02:00")], [3_600], id="at midnight"
        ),
        pytest.param("Asia/Shanghai", "2026-03-08", [("02:30", "03:15")], [2_700], id="no gap"),
    ],
)
def test_lessons_where_clocks_are_set(zone, day, spans, expected_s):
    """What an hour that does not exist leaves of lessons is in order and does not overlap."""
    now = datetime.fromisoformat(f"{day}T12:00+00:00").timestamp()
    found = hours(school(timezone=zone, school_days="every", timetable={"sun": tuple(spans)}), Calendar(), now)
    (of_day,) = [school_day for school_day in found.days if school_day.date == day]
    assert [end - start for start, end in of_day.lessons] == expected_s
    assert found.starts == tuple(sorted(found.starts))
