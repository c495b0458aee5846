"""Boards that went off together and hang on nothing that can be read: by their own answers, or by what they share."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from classready.observation import Device, Outcome, Reason
from collector.core.events import AlertChange, Heard, Observed
from collector.core.hours import Hours
from collector.core.roster import Classroom, SchoolDay
from collector.core.step import step
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, device, port, school, trunk

QUIET = replace(POLICY, device_proof_school_days=2)
ROOMS = tuple(f"r{number}" for number in range(1, 9))
WILL = Device(classroom="", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, state="away")
"""The broker has heard the last will of a board over MQTT."""
ANSWERS: Mapping[str, Device] = {
    "on": device(""),
    "will": WILL,
    "mute": replace(WILL, state=None),  # over SNMP or ICMP a board that is off just does not answer
    "asleep": device("", "asleep"),
    "not known": replace(WILL, outcome=Outcome.UNMEASURED, reason=Reason.UNREACHABLE, state=None),
}
BREAKS = Hours(
    tuple(
        SchoolDay(
            f"2026-11-{day}",
            tuple(
                (at(f"2026-11-{day} {begins}"), at(f"2026-11-{day} {ends}"))
                for begins, ends in (("08:00", "08:45"), ("09:40", "10:25"), ("10:35", "11:20"))
            ),
        )
        for day in (23, 24)
    ),
    utc_offset_s=28_800.0,
)
"""A timetable that knows when the bell rings."""
BEHIND_GATEWAY = Subject("gateway", GATEWAY)


def county(hours: Hours | None = None, rooms: tuple[str, ...] = ROOMS) -> Story:
    listed = {room: Classroom(id=room, name=room, device="whiteboard") for room in rooms}
    start = school(classrooms=listed, platforms={})
    return Story(start if hours is None else replace(start, hours=hours), policy=QUIET)


def looked(story: Story, now: float, boards: Mapping[str, str], *extra: object, late: bool = False) -> Story:
    """One report about the boards, and ``extra`` observations of a room (or of none)."""
    events: list[Heard | Observed] = [Heard(gateway=GATEWAY, report_interval_s=60)]
    for room, answer in boards.items():
        seen = replace(ANSWERS[answer], classroom=room)
        events.append(Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=now, late=late))
    for seen in extra:
        room = getattr(seen, "classroom", None)
        events.append(Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=now, late=late))
    story.now = now + 1
    story.school, effects, story.wake_at = step(story.school, events, story.now, story.policy)
    story.effects += effects
    return story


def groups(story: Story) -> list[AlertChange]:
    return [e for e in story.told(AlertChange) if e.cause is Cause.DEVICE_OFFLINE and e.subject.kind != "classroom"]


def all_but(*off: str, answer: str = "will") -> dict[str, str]:
    return {room: answer if room in off else "on" for room in ROOMS}


@pytest.mark.parametrize(
    ("clock", "off", "answer", "is_told"),
    [
        pytest.param("10:00", ROOMS, "will", True, id="all, over MQTT"),
        pytest.param("10:00", ROOMS, "mute", True, id="all, over SNMP"),
        pytest.param("10:00", ROOMS[:5], "will", True, id="most of them: a building"),
        pytest.param("10:00", ROOMS[:4], "will", False, id="half of them leave at a bell nobody knows"),
        pytest.param("10:00", ROOMS[:2], "will", False, id="two are too few"),
        pytest.param("10:00", ROOMS, "asleep", False, id="they say that they sleep: there is power"),
        pytest.param("10:00", ROOMS, "not known", False, id="nobody knows: the broker is gone"),
        pytest.param("11:50", ROOMS, "will", False, id="noon"),
        pytest.param("16:30", ROOMS, "will", False, id="a master switch as everybody leaves"),
        pytest.param("17:30", ROOMS, "will", False, id="after the lessons"),
        pytest.param("07:30", ROOMS, "will", False, id="before the lessons"),
    ],
)
def test_who_is_told(clock: str, off: tuple[str, ...], answer: str, *, is_told: bool) -> None:
    """At once, as boards of that gateway, where the timetable has no breaks."""
    now = at(f"2026-11-23 {clock}")
    story = looked(looked(county(), now - 60, all_but()), now, all_but(*off, answer=answer))
    told = groups(story)
    assert [(each.subject, each.classrooms) for each in told] == ([(BEHIND_GATEWAY, off)] if is_told else [])
    assert all(("device_offline" in story.causes(room)) is (is_told and room in off) for room in ROOMS)


@pytest.mark.parametrize(
    ("clock", "off", "is_told"),
    [
        pytest.param("10:00", ROOMS[:3], True, id="three in the midst of a lesson"),
        pytest.param("10:00", ROOMS[:2], False, id="two"),
        pytest.param("10:22", ROOMS, False, id="at the bell"),
        pytest.param("10:30", ROOMS, False, id="in the break"),
    ],
)
def test_where_the_bell_is_known(clock: str, off: tuple[str, ...], *, is_told: bool) -> None:
    """Nobody leaves in the midst of a lesson: a building of a school is enough."""
    now = at(f"2026-11-23 {clock}")
    story = looked(looked(county(BREAKS), now - 60, all_but()), now, all_but(*off))
    assert [each.classrooms for each in groups(story)] == ([off] if is_told else [])


def test_what_comes_in_pieces() -> None:
    """Wills come when each board's patience ends: the group is told as soon as it is the most of them."""
    story = looked(county(), at("2026-11-23 09:59"), all_but())
    looked(story, at("2026-11-23 10:00"), all_but(*ROOMS[:4]))
    assert groups(story) == []
    looked(story, at("2026-11-23 10:01"), all_but(*ROOMS))
    assert [each.classrooms for each in groups(story)] == [ROOMS]


def test_one_by_one_over_a_morning() -> None:
    story = looked(county(), at("2026-11-23 08:30"), all_but())
    for index in range(1, len(ROOMS) + 1):
        for minute in (0, 1, 10):
            looked(story, at("2026-11-23 08:30") + 960 * index + 60 * minute, all_but(*ROOMS[:index]))
    assert groups(story) == []


@pytest.mark.parametrize("clock", ["2026-11-23 10:40", "2026-11-24 08:30"])
def test_it_ends_when_they_are_on_again(clock: str) -> None:
    """The same morning or the next, and nothing is left of it."""
    story = looked(county(), at("2026-11-23 09:59"), all_but())
    looked(story, at("2026-11-23 10:00"), all_but(*ROOMS))
    if clock > "2026-11-24":
        looked(story, at("2026-11-23 19:00"), all_but(*ROOMS))
    looked(story, at(clock), all_but("r1"))
    assert [(e.change, e.why) for e in groups(story)] == [("opened", "recovered"), ("closed", "recovered")]
    assert not [a for a in story.school.state.alerts if a.cause is Cause.DEVICE_OFFLINE]
    assert all("device_offline" not in story.causes(room) for room in ROOMS)


def test_boards_that_say_that_they_sleep_have_power() -> None:
    """After the cut they come up in standby: that is the end of it."""
    story = looked(county(), at("2026-11-23 09:59"), all_but())
    looked(story, at("2026-11-23 10:00"), all_but(*ROOMS))
    looked(story, at("2026-11-23 10:30"), all_but(*ROOMS, answer="asleep"))
    assert [e.change for e in groups(story)] == ["opened", "closed"]


def test_a_class_of_forty_behind_a_master_switch() -> None:
    """Day after day the janitor throws it as school ends: nobody is ever told."""
    rooms = tuple(f"c{number}" for number in range(40))
    story = county(rooms=rooms)
    for day in (23, 24, 25, 26, 27):
        for clock, answer in (("08:10", "on"), ("12:10", "on"), ("16:04", "on"), ("16:05", "will"), ("16:06", "will")):
            looked(story, at(f"2026-11-{day} {clock}"), dict.fromkeys(rooms, answer))
    assert story.told(AlertChange) == []


def test_a_silent_gateway_explains_them() -> None:
    """Records of its boards that come when it is back are of a past in which nobody knew."""
    story = looked(county(), at("2026-11-23 09:59"), all_but())
    story.event(Tick(), now=at("2026-11-23 10:10"))
    looked(story, at("2026-11-23 10:00"), all_but(*ROOMS), late=True)
    assert groups(story) == []


def test_a_switch_that_does_not_answer_explains_them() -> None:
    """They hang on nothing that is read: then perhaps on the one that is gone."""
    dead = replace(port("r1"), outcome=Outcome.NO_ANSWER, oper_up=None, speed_bps=None)
    behind = dict.fromkeys(ROOMS[1:], "on")
    story = looked(county(), at("2026-11-23 09:59"), behind, port("r1"))
    looked(story, at("2026-11-23 10:00"), dict.fromkeys(behind, "will"), dead)
    assert groups(story) == []


# --- as much of the wiring as is known -------------------------------------------------------------------------------


def ports(places: Mapping[str, tuple[str, str]], down: tuple[str, ...]) -> list[object]:
    return [
        port(room, 0 if room in down else 1000, oper_up=room not in down, switch=switch, if_name=name)
        for room, (switch, name) in places.items()
    ]


SHARED = {room: ("sw1", "Gi0/3" if room in ROOMS[:4] else f"Gi0/1{room[1:]}") for room in ROOMS}
"""Four rooms on one port: an unmanaged switch stands behind it."""
TWO_BY_TWO = {room: (f"sw{1 + index // 2}", f"Gi0/{index}") for index, room in enumerate(ROOMS[:6])}
"""Two boards a switch."""
DISTRIBUTION = trunk(name="core:Gi0/24", switches=("sw1", "sw2"))


def gone(places: Mapping[str, tuple[str, str]], off: tuple[str, ...], *extra: object) -> Story:
    boards = dict.fromkeys(places, "on")
    story = looked(county(), at("2026-11-23 09:59"), boards, *ports(places, ()), *extra)
    boards |= dict.fromkeys(off, "mute")
    return looked(story, at("2026-11-23 10:00"), boards, *ports(places, off), *extra)


def test_an_unmanaged_switch_behind_one_port() -> None:
    """Named by the port that it hangs on; the boards beside it go on."""
    story = gone(SHARED, ROOMS[:4])
    assert [(e.subject, e.classrooms) for e in groups(story)] == [(Subject("segment", GATEWAY, "sw1:Gi0/3"), ROOMS[:4])]
    looked(story, at("2026-11-23 10:30"), dict.fromkeys(ROOMS, "on"), *ports(SHARED, ()))
    assert [e.change for e in groups(story)] == ["opened", "closed"]


@pytest.mark.parametrize(
    ("off", "extra", "named"),
    [
        pytest.param(ROOMS[:4], [DISTRIBUTION], ["core:Gi0/24"], id="all behind the trunk"),
        pytest.param(ROOMS[:4], [], [], id="no trunk is known"),
        pytest.param(ROOMS[:3], [DISTRIBUTION], [], id="one behind it is on"),
        pytest.param(ROOMS[:6], [DISTRIBUTION], ["core:Gi0/24"], id="others go, too, and are too few"),
    ],
)
def test_a_trunk_before_several_switches(off: tuple[str, ...], extra: list[object], named: list[str]) -> None:
    """Two boards each are too few for a switch; four behind one trunk are not."""
    assert [e.subject.name for e in groups(gone(TWO_BY_TWO, off, *extra))] == named


def test_a_switch_that_is_told_itself_is_told_once() -> None:
    """Its trunk says nothing more than it does."""
    places = {room: ("sw1" if index < 3 else "sw2", f"Gi0/{index}") for index, room in enumerate(ROOMS[:5])}
    assert [e.subject.name for e in groups(gone(places, ROOMS[:5], DISTRIBUTION))] == ["sw1"]
