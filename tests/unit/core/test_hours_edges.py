"""School time at its edges: the moments at which lessons, breaks, days and mutes begin and end, one table each."""

from math import inf

import pytest

from collector.core.hours import (
    after_school_hours,
    are_lessons_ahead,
    before_school_days,
    before_school_hours,
    hours_of,
    into_day_s,
    is_school_day,
    last_begun,
    lesson_at,
    local_date,
    next_boundary,
    next_quiet,
    period_at,
    school_days_between,
    school_hours_between,
)
from collector.core.roster import Hours, Mute, Period, SchoolDay
from tests.support.school import at


def t(clock: str, day: int = 23) -> float:
    return at(f"2026-11-{day} {clock}")


def day(number: int) -> SchoolDay:
    """Two lessons with a break between, and care after them."""
    lessons = ((t("08:00", number), t("10:00", number)), (t("10:10", number), t("12:00", number)))
    others = (
        Period(t("10:00", number), t("10:10", number), "break"),
        Period(t("12:00", number), t("13:00", number), "after_school"),
    )
    return SchoolDay(f"2026-11-{number}", lessons, others)


HOURS = Hours((day(23), day(24)))
NOTHING = Hours()


@pytest.mark.parametrize(
    ("clock", "lesson", "period", "begun"),
    [
        pytest.param("07:59", None, None, None, id="before all that is known"),
        pytest.param("08:00", ("08:00", "10:00"), "lesson", "08:00", id="its first second"),
        pytest.param("09:59", ("08:00", "10:00"), "lesson", "08:00", id="in the lesson"),
        pytest.param("10:00", None, "break", "08:00", id="it is over"),
        pytest.param("10:09", None, "break", "08:00", id="in the break"),
        pytest.param("10:10", ("10:10", "12:00"), "lesson", "10:10", id="the second one"),
        pytest.param("12:00", None, "after_school", "10:10", id="care after lessons"),
        pytest.param("13:00", None, None, "10:10", id="nothing more"),
    ],
)
def test_what_is_on(clock: str, lesson: tuple[str, str] | None, period: str | None, begun: str | None) -> None:
    now = t(clock)
    assert lesson_at(HOURS, now) == (None if lesson is None else (t(lesson[0]), t(lesson[1])))
    assert period_at(HOURS, now) == period
    assert last_begun(HOURS, now) == (-inf if begun is None else t(begun))


@pytest.mark.parametrize("known", [23, 24])
def test_what_is_on_where_clocks_are_set(known: int) -> None:
    """By the offset of today a day's last hour, or its first, lies beyond the midnight that it is counted from."""
    evening = Period(t("00:10", 24), t("00:50", 24), "evening_study")
    early = Period(t("23:10", 23), t("23:50", 23), "evening_study")
    days = (SchoolDay("2026-11-22"), SchoolDay("2026-11-23", (), (evening,)), SchoolDay("2026-11-24", (), (early,)))
    hours = Hours((*days, SchoolDay("2026-11-25")))
    assert period_at(hours, t("00:30", 24) if known == 23 else t("23:30", 23)) == "evening_study"
    assert period_at(hours, t("00:30", 25)) is None


def test_where_nothing_is_known() -> None:
    """No lesson, no day: not before and not after anything."""
    now = t("09:00")
    assert (lesson_at(NOTHING, now), period_at(NOTHING, now)) == (None, None)
    assert (last_begun(NOTHING, now), next_boundary(NOTHING, now), are_lessons_ahead(NOTHING, now)) == (
        -inf,
        inf,
        False,
    )
    assert (before_school_hours(NOTHING, now, 1), after_school_hours(NOTHING, now, 1)) == (-inf, inf)
    assert (before_school_days(NOTHING, now, 2), school_days_between(NOTHING, 0.0, now)) == (now - 2 * 86_400, 0)


def test_a_room_has_its_own_hours_or_those_of_the_school() -> None:
    own = Hours((day(24),))
    hours = Hours((day(23),), rooms={"r1": own})
    assert hours_of(hours, "r1") is own
    assert hours_of(hours, "r2") is hours


@pytest.mark.parametrize(
    ("clock", "day_", "ahead"),
    [("07:00", 23, True), ("09:00", 24, True), ("10:09", 24, True), ("10:10", 24, False), ("11:00", 24, False)],
)
def test_whether_lessons_are_still_to_come(clock: str, day_: int, ahead: bool) -> None:  # noqa: FBT001 - a table
    """One that has begun is none that will."""
    assert are_lessons_ahead(HOURS, t(clock, day_)) is ahead


@pytest.mark.parametrize(
    ("after", "until"),
    [
        (t("23:00", 22), t("00:00", 23)),
        (t("00:00"), t("08:00")),
        (t("08:00"), t("10:00")),
        (t("10:00"), t("10:10")),
        (t("12:00"), t("12:30")),
        (t("12:30"), t("00:00", 24)),
        (t("10:10", 24), t("12:00", 24)),
        (t("12:00", 24), inf),
    ],
)
def test_what_comes_next(after: float, until: float) -> None:
    """A day, a lesson, its end or the end of what mutes; nothing that is no later."""
    mute = Mute(t("07:00"), t("12:30"), "maintenance")
    assert next_boundary(Hours(HOURS.days, mutes=(mute,)), after) == until


@pytest.mark.parametrize(
    ("clock", "horizon_s", "quiet"),
    [
        pytest.param("07:00", 3_600, [], id="the lesson begins as the horizon ends"),
        pytest.param("07:00", 3_601, ["08:00"], id="a second within it"),
        pytest.param("09:00", 60, ["08:00"], id="the present one"),
        pytest.param("10:00", 60, [], id="it is over this very second"),
        pytest.param("09:59", 900, ["08:00", "10:10"], id="this one and the next, in order"),
    ],
)
def test_when_nothing_may_load_the_lines(clock: str, horizon_s: float, quiet: list[str]) -> None:
    begins = [begin for begin, _ in next_quiet(HOURS, t(clock), horizon_s)]
    assert begins == [t(each) for each in quiet]


@pytest.mark.parametrize(
    ("start", "end", "hours", "days"),
    [
        pytest.param(t("09:00"), t("09:00"), 0.0, 0, id="no time"),
        pytest.param(t("09:00"), t("08:00"), 0.0, 0, id="backwards"),
        pytest.param(t("09:00", 24), t("09:00"), 0.0, 0, id="a day backwards"),
        pytest.param(t("07:00"), t("08:00"), 0.0, 0, id="until the first begins"),
        pytest.param(t("08:00"), t("10:00"), 2.0, 0, id="a lesson"),
        pytest.param(t("10:00"), t("10:10"), 0.0, 0, id="a break"),
        pytest.param(t("09:00"), t("11:10"), 2.0, 0, id="parts of two"),
        pytest.param(t("11:00"), t("08:30", 24), 1.5, 1, id="over the night"),
        pytest.param(t("23:59", 22), t("00:00"), 0.0, 1, id="a day begins at its midnight"),
        pytest.param(t("00:00"), t("23:59"), 3 + 5 / 6, 0, id="all of a day"),
    ],
)
def test_how_much_school_is_between(start: float, end: float, hours: float, days: int) -> None:
    assert school_hours_between(HOURS, start, end) == pytest.approx(hours)
    assert school_days_between(HOURS, start, end) == days


@pytest.mark.parametrize(
    ("end", "count_h", "expected"),
    [
        (t("09:00"), 0.5, t("08:30")),
        (t("09:00"), 1.0, -inf),
        (t("09:00"), 2.0, -inf),
        (t("11:10"), 1.0, t("10:00")),
        (t("11:10"), 1.5, t("09:30")),
        (t("09:00", 24), 2.0, t("11:00", 23)),
        (t("20:00", 24), 1.0, t("11:00", 24)),
    ],
)
def test_the_earliest_that_is_not_too_old(end: float, count_h: float, expected: float) -> None:
    """Of a break both ends are as old: the earlier one counts."""
    assert before_school_hours(HOURS, end, count_h) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("start", "count_h", "expected"),
    [
        (t("07:00"), 1.0, t("09:00")),
        (t("09:00"), 1.0, t("10:10")),
        (t("09:00"), 1.5, t("10:40")),
        (t("11:30"), 1.0, t("08:30", 24)),
        (t("11:30", 24), 0.5, inf),
        (t("11:30", 24), 0.4, t("11:54", 24)),
    ],
)
def test_how_long_it_is_good(start: float, count_h: float, expected: float) -> None:
    """A break ages nothing: what is good as it begins is good until it ends. Beyond what is known it stays good."""
    assert after_school_hours(HOURS, start, count_h) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("end", "count", "expected"),
    [
        (t("10:00", 24), 0, t("00:00", 24)),
        (t("10:00", 24), 1, t("00:00", 23)),
        (t("10:00", 24), 2, -inf),
        (t("00:00", 24), 0, t("00:00", 24)),
        (t("10:00", 26), 1, t("00:00", 23)),
        (t("10:00", 22), 0, -inf),
    ],
)
def test_the_day_from_which_there_are_so_many(end: float, count: int, expected: float) -> None:
    assert before_school_days(HOURS, end, count) == expected


@pytest.mark.parametrize(
    ("clock", "number", "is_day"), [("00:00", 24, True), ("23:59:59", 24, True), ("00:00", 25, False)]
)
def test_a_day_ends_at_its_midnight(clock: str, number: int, is_day: bool) -> None:  # noqa: FBT001 - a table
    assert is_school_day(HOURS, t(clock, number)) is is_day


@pytest.mark.parametrize(("clock", "seconds"), [("00:00", 0.0), ("08:40", 31_200.0), ("24:00", 86_400.0)])
def test_a_time_of_day(clock: str, seconds: float) -> None:
    assert into_day_s(clock) == seconds


def test_the_date_is_that_of_the_school() -> None:
    """An hour west and an hour east of Greenwich it is another day."""
    midnight = at("2026-11-23 08:00")  # UTC
    assert local_date(Hours(utc_offset_s=-3_600.0), midnight) == "2026-11-22"
    assert local_date(Hours(utc_offset_s=3_600.0), midnight) == "2026-11-23"
    assert local_date(Hours(utc_offset_s=0.0), midnight - 1) == "2026-11-22"
    assert local_date(Hours(utc_offset_s=0.0), 0.0) == "1970-01-01"
