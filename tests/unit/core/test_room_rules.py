"""Edges of time and of rooms: the last moment that counts, and what is not asked of a room at all."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping
from collector.core.case import case_of, shared
from collector.core.events import RosterChanged
from collector.core.mute import is_muted
from collector.core.room_findings import of_room
from collector.core.roster import Classroom, Mute
from collector.core.subject import Subject
from collector.core.timetable import PeriodEntry, TimetableEntry
from collector.core.words import Cause, VerdictValue
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, Tick, at, device, port, school, weekdays

OF_DEVICES = (Cause.DEVICE_ABSENT, Cause.DEVICE_OFFLINE)
NINE_HOURS = replace(POLICY, uplink_max_school_hours=9)


def relisted(story: Story) -> Story:
    """Everybody is judged, whether or not anything is due."""
    return story.event(RosterChanged(roster=story.school.roster, hours=story.school.hours))


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2026-11-24 10:00", ["2026-11-23 10:00", "2026-11-23 12:00"]),
        ("2026-11-24 10:00:01", ["2026-11-23 12:00"]),
        ("2026-11-24 12:00", ["2026-11-23 12:00"]),
        ("2026-11-24 12:00:01", []),
    ],
)
def test_each_test_of_a_line_ages_by_itself(time: str, kept: list[str]) -> None:
    """A day of lessons it counts, with its last second. The line fails since the first until none is left."""
    story = Story(policy=NINE_HOURS).heard().uplink(passed=False)
    story.later(7_200).heard().uplink(passed=False)
    story.event(Tick(), now=at(time))
    (leg,) = story.school.state.uplinks.values()
    assert [test.observed_at for test in leg.tests] == [at(moment) for moment in kept]
    assert leg.failing_since == (MONDAY if kept else None)


def test_time_in_which_nothing_grows_old_writes_nothing() -> None:
    """A school that wakes for another reason keeps its legs as they are: nobody compares or stores them again."""
    story = Story().all_well()
    (before,) = story.school.state.uplinks.values()
    (after,) = relisted(story.later(60)).school.state.uplinks.values()
    assert after is before


@pytest.mark.parametrize(("quiet_s", "silent"), [(180, False), (181, True)])
def test_a_gateway_is_silent_after_its_last_interval(quiet_s: float, silent: bool) -> None:  # noqa: FBT001
    """Three of a minute each: the report that comes with the third is in time."""
    story = Story(policy=replace(POLICY, silent_after_intervals=3)).heard(interval_s=60)
    assert relisted(story.later(quiet_s)).school.state.gateways[GATEWAY].silent is silent


def test_a_platform_that_is_still_pinged_is_not_forgotten() -> None:
    """Any probe that tells of it keeps it: its page was fetched for the last time two weeks ago."""
    story = Story().heard().platform()
    for day in ("2026-11-30", "2026-12-07"):
        story.now = at(f"{day} 10:00")
        story.heard().saw(Ping(target="national", outcome=Outcome.ANSWERED, sent_count=1, received_count=1))
    (known,) = relisted(story).school.state.platforms.values()
    assert known.http is not None


def answers(story: Story) -> dict[Cause, VerdictValue]:
    """What is asked of the room, and whether it is bad."""
    case = case_of(shared(story.school, story.now, story.policy), story.school.roster.classrooms["r1"])
    assert case is not None
    return {finding.cause: finding.bad for finding in of_room(case)}


@pytest.mark.parametrize("access", ["wifi", "cellular"])
def test_a_room_without_cable_is_not_asked_for_one(access: Any) -> None:
    """Also where a port was read that its board once hung on."""
    story = Story(school(classrooms={"r1": Classroom(id="r1", access=access, device="panel")})).heard()
    story.room_well("r1", 10)
    assert not {Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX} & answers(story).keys()


def test_a_room_of_which_nothing_was_seen_is_asked_nothing() -> None:
    """Neither its cable nor its board is known to anybody yet."""
    assert answers(Story().heard()) == {}
    only_port = answers(Story().heard().saw(port("r1"), "r1"))
    assert not set(OF_DEVICES) & only_port.keys()


def test_what_nobody_looked_for_is_not_missed() -> None:
    """However soon others are: the board is listed, and no probe of it was ever set up."""
    assert Cause.DEVICE_ABSENT not in answers(Story(policy=replace(POLICY, absent_after_school_days=1)).heard())


def test_a_slow_port_is_told_with_its_place() -> None:
    """Whoever goes there must find it."""
    story = Story().heard().room_well("r1", 10)
    case = case_of(shared(story.school, story.now, story.policy), story.school.roster.classrooms["r1"])
    assert case is not None
    (slow,) = (finding for finding in of_room(case) if finding.cause is Cause.PORT_BELOW_REQUIRED)
    assert slow.place is not None
    assert slow.place == story.school.state.classrooms["r1"].place


@pytest.mark.parametrize(
    ("subject", "muted"),
    [
        (Subject("platform", GATEWAY, "national"), True),
        (Subject("platform", GATEWAY, "city"), False),
        (Subject("exit", GATEWAY, "national"), False),
        (Subject("classroom", name="national"), False),
    ],
)
def test_maintenance_of_a_platform_mutes_nothing_of_the_same_name(subject: Subject, *, muted: bool) -> None:
    """Rooms, exits and platforms are named by different people."""
    mute = Mute(MONDAY, MONDAY + 3_600, "maintenance", "national")
    busy = replace(school(), hours=replace(weekdays(), mutes=(mute,)))
    assert is_muted(busy, subject, GATEWAY, MONDAY, POLICY) is muted


def test_a_board_that_sleeps_after_lessons_is_neither_missed_nor_there() -> None:
    """Nothing that is open about it is called recovered by that; awake it is."""
    story = Story(now=at("2026-11-23 19:00")).heard().saw(device("r1", "asleep"), "r1")
    assert [answers(story)[cause] for cause in OF_DEVICES] == ["unknown", "unknown"]
    story.later(60).saw(device("r1"), "r1")
    assert [answers(story)[cause] for cause in OF_DEVICES] == ["no", "no"]


def test_a_room_without_a_board_in_the_roster_lacks_one_at_once() -> None:
    """Nobody need look for what is not there."""
    story = Story(school(classrooms={"r1": Classroom(id="r1")})).heard()
    assert answers(story)[Cause.DEVICE_ABSENT] == "yes"


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        (PeriodEntry, {"begins": "08:00", "ends": "08:45", "king": "lesson"}),
        (TimetableEntry, {"name": "primary", "day": ["mon"], "periods": []}),
    ],
)
def test_a_misspelt_key_of_a_timetable_is_refused(kind: type, entry: dict[str, Any]) -> None:
    """Left out, a break would be a lesson, and one day's hours those of every day."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(entry, kind)
