"""Maintenance windows: whom they are about, and from when to when, in their zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from collector.core.hours import Calendar
from collector.core.maintenance import (
    BureauOnceWindow,
    BureauWeeklyWindow,
    Maintenance,
    OfficeMaintenance,
    OnceWindow,
)
from collector.core.policy import Policy
from collector.core.roster import Mute, SchoolRoster
from collector.roster import Roster
from collector.roster.calendar import hours_of_roster
from collector.roster.files import SchoolEntry

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC).timestamp()  # Monday 10:00 in Meishan


def roster(maintenance: OfficeMaintenance | None = None, **changes) -> Roster:
    offices = {"a": ("a1", "a2"), "b": ("b1",)}
    return Roster(
        offices={office: office for office in offices},
        schools={s: SchoolRoster(office=o, school=s) for o, schools in offices.items() for s in schools},
        entries={s: SchoolEntry(**{"id": s, "name": s, **changes}) for schools in offices.values() for s in schools},
        calendars={office: Calendar() for office in offices},
        maintenance={"a": maintenance or OfficeMaintenance(), "b": OfficeMaintenance()},
    )


def muted(found: Roster, bureau: Maintenance | None = None, now: float = NOW) -> dict[str, tuple[Mute, ...]]:
    hours = hours_of_roster(found, Calendar(), now, Policy(), bureau or Maintenance())
    return {school: of_school.mutes for school, of_school in hours.items()}


def local(text: str, zone: str = "Asia/Shanghai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


ONCE = {"begins": "2026-11-28 20:00", "ends": "2026-11-29 06:00", "why": "机房改造"}
SPAN = (local("2026-11-28 20:00"), local("2026-11-29 06:00"))


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        pytest.param({}, {"a1": [None], "a2": [None], "b1": [None]}, id="all"),
        pytest.param({"offices": ("a",)}, {"a1": [None], "a2": [None]}, id="an office"),
        pytest.param({"schools": ("a2", "b1")}, {"a2": [None], "b1": [None]}, id="schools"),
        pytest.param({"offices": ("a",), "schools": ("a2", "b1")}, {"a2": [None]}, id="schools of an office"),
        pytest.param(
            {"platforms": ("p", "q"), "offices": ("b",)}, {"b1": ["p", "q"]}, id="platforms as an office sees them"
        ),
    ],
)
def test_whom_a_window_of_the_bureau_is_about(about, expected):
    """All that is not narrowed down."""
    found = muted(roster(), Maintenance(once=(BureauOnceWindow(**ONCE, **about),)))
    assert {school: [mute.platform for mute in mutes] for school, mutes in found.items() if mutes} == expected
    assert {mute[:2] for mutes in found.values() for mute in mutes} == {SPAN}
    assert {(mute.why, mute.text) for mutes in found.values() for mute in mutes} == {("maintenance", "机房改造")}


@pytest.mark.parametrize(
    ("about", "expected"),
    [pytest.param({}, {"a1", "a2"}, id="all of its schools"), pytest.param({"schools": ("a1",)}, {"a1"}, id="one")],
)
def test_whom_an_offices_window_is_about(about, expected):
    """Never another office's schools."""
    found = muted(roster(OfficeMaintenance(once=(OnceWindow(**ONCE, **about),))))
    assert {school for school, mutes in found.items() if mutes} == expected


def test_every_week():
    """Each of its days within the two weeks that are laid out, and the one that has begun."""
    weekly = BureauWeeklyWindow(days=("sat", "mon"), begins="09:00", ends="11:00", why="x", schools=("a1",))
    found = muted(roster(), Maintenance(weekly=(weekly,)))["a1"]
    assert [mute.start for mute in found] == [
        local(f"{day} 09:00") for day in ("2026-11-23", "2026-11-28", "2026-11-30", "2026-12-05", "2026-12-07")
    ]
    assert all(mute.end - mute.start == 7_200.0 for mute in found)


@pytest.mark.parametrize(
    ("ends", "is_kept"), [("2026-11-22 23:59", False), ("2026-11-23 00:01", True), ("2026-11-23 09:00", True)]
)
def test_what_is_over_is_left_out_the_next_day(ends, is_kept):
    """The same all day, so that no school hears of new hours at every reload."""
    window = BureauOnceWindow(begins="2026-11-20 08:00", ends=ends, why="x")
    assert bool(muted(roster(), Maintenance(once=(window,)))["a1"]) is is_kept


@pytest.mark.parametrize(
    ("zone", "own", "expected_zone"),
    [
        pytest.param("Asia/Urumqi", None, "Asia/Urumqi", id="the school's"),
        pytest.param("Asia/Urumqi", "Asia/Shanghai", "Asia/Shanghai", id="its own"),
        pytest.param("Asia/Shanghai", "America/New_York", "America/New_York", id="far away"),
        pytest.param("Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Pago_Pago", id="a day apart"),
    ],
)
def test_the_zone_of_a_window(zone, own, expected_zone):
    """The school's, unless the window names one."""
    once = BureauOnceWindow(**ONCE, timezone=own)
    weekly = BureauWeeklyWindow(days=("sat",), begins="20:00", ends="24:00", why="x", timezone=own)
    found = muted(roster(timezone=zone), Maintenance(once=(once,), weekly=(weekly,)))["a1"]
    starts = local("2026-11-28 20:00", expected_zone)
    assert [mute.start for mute in found if mute.start == starts] == [starts, starts]


@pytest.mark.parametrize(
    ("begins", "ends", "hours"),
    [
        pytest.param("2026-11-01 00:30", "2026-11-01 03:00", 3.5, id="set back within"),
        pytest.param("2026-11-01 01:15", "2026-11-01 01:45", 1.5, id="both come twice"),
        pytest.param("2026-03-08 00:30", "2026-03-08 03:30", 2.0, id="set forward within"),
        pytest.param("2026-03-08 02:10", "2026-03-08 02:50", 1 + 40 / 60, id="neither exists"),
        pytest.param("2026-03-08 02:30", "2026-03-08 03:15", 0.75, id="the beginning does not exist"),
        pytest.param("2026-07-01 22:00", "2026-07-02 24:00", 26.0, id="summer"),
    ],
)
def test_where_clocks_are_set(begins, ends, hours):
    """From the first moment that the beginning may mean to the last that the end may mean."""
    window = BureauOnceWindow(begins=begins, ends=ends, why="x", timezone="America/New_York")
    now = local(begins, "America/New_York")
    (found,) = muted(roster(), Maintenance(once=(window,)), now)["a1"]
    assert (found.end - found.start) / 3_600.0 == pytest.approx(hours)


def test_only_schools_that_it_is_about_differ():
    """The others go on sharing one value."""
    found = hours_of_roster(
        roster(), Calendar(), NOW, Policy(), Maintenance(once=(BureauOnceWindow(**ONCE, schools=("a1",)),))
    )
    assert found["a2"] is found["b1"]
    assert found["a1"].days == found["a2"].days
    assert found["a1"] != found["a2"]
