"""Boards behind one switch that lose their link together in a lesson are told at once; switched off by hand, never."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Port
from collector.core.events import AlertChange, Heard, Observed
from collector.core.hours import Hours
from collector.core.power_hours import is_unusual
from collector.core.roster import Classroom, SchoolDay
from collector.core.step import step
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, device, port, school

QUIET = replace(POLICY, device_proof_school_days=2)
ROOMS = ("r1", "r2", "r3", "r4")
Link = bool | str
"""``mqtt``: without a link that anybody reads."""


def reading(room: str, *, up: bool, **fields: object) -> Port:
    return port(room, 1000 if up else 0, oper_up=up, **fields)


def county(rooms: tuple[str, ...] = ROOMS) -> Story:
    listed = {room: Classroom(id=room, name=room, device="whiteboard") for room in rooms}
    return Story(school(classrooms=listed, platforms={}), policy=QUIET)


def polled(story: Story, now: float, links: dict[str, Link], *, apart_s: float = 0, interval_s: float = 60) -> Story:
    """One report: each room's port, one after the other, and its device."""
    events: list[Heard | Observed] = [Heard(gateway=GATEWAY, report_interval_s=interval_s)]
    for index, (room, link) in enumerate(links.items()):
        seen_at = now + apart_s * index
        up = link in {True, "asleep"}
        if link != "mqtt":
            seen = reading(room, up=up)
            events.append(Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=seen_at, late=False))
        answers = link in {True, "mqtt", "wifi"}
        seen_device = device(room, answered=answers)
        events.append(
            Observed(gateway=GATEWAY, observation=seen_device, classroom=room, observed_at=seen_at + 1, late=False)
        )
    story.now = now + apart_s * len(links) + 2
    story.school, effects, story.wake_at = step(story.school, events, story.now, story.policy)
    story.effects += effects
    return story


def groups(story: Story) -> list[AlertChange]:
    return [e for e in story.told(AlertChange) if e.cause is Cause.DEVICE_OFFLINE and e.subject.kind == "switch"]


def on(*off: str, **links: Link) -> dict[str, Link]:
    return {**{room: room not in off for room in ROOMS}, **links}


@pytest.mark.parametrize(
    ("clock", "before", "after", "is_told"),
    [
        pytest.param("10:00", on(), on(*ROOMS), True, id="all go"),
        pytest.param("10:00", on("r4"), on(*ROOMS), True, id="one was off before"),
        pytest.param("10:00", on("r3", "r4"), on(*ROOMS), False, id="two are too few"),
        pytest.param("10:00", on(), on("r1", "r2", "r3"), False, id="one is still on"),
        pytest.param("10:00", on(r4="asleep"), on("r1", "r2", "r3", r4="asleep"), False, id="a sleeping one has power"),
        pytest.param("10:00", on(r4="asleep"), on(*ROOMS), True, id="the sleeping one goes, too"),
        pytest.param(
            "10:00", on(r4="mqtt"), on("r1", "r2", "r3", r4="mqtt"), True, id="a board without port has no say"
        ),
        pytest.param("10:00", on(), on(r1="wifi", r2="wifi", r3="wifi", r4="wifi"), False, id="awake by another path"),
        pytest.param("11:50", on(), on(*ROOMS), False, id="noon"),
        pytest.param("14:10", on(), on(*ROOMS), True, id="after noon"),
        pytest.param("16:30", on(), on(*ROOMS), False, id="they leave"),
        pytest.param("17:30", on(), on(*ROOMS), False, id="after the lessons"),
        pytest.param("07:30", on(), on(*ROOMS), False, id="before the lessons"),
    ],
)
@pytest.mark.parametrize("interval_s", [60.0, 300.0])
def test_who_is_told(
    clock: str, before: dict[str, Link], after: dict[str, Link], *, is_told: bool, interval_s: float
) -> None:
    """At the poll that finds it, with the switch's name and the rooms that went."""
    now = at(f"2026-11-23 {clock}")
    story = polled(county(), now - interval_s, before, interval_s=interval_s)
    polled(story, now, after, interval_s=interval_s)
    told = groups(story)
    assert bool(told) is is_told
    if is_told:
        assert told[0].subject == Subject("switch", GATEWAY, "sw1")
        assert set(told[0].classrooms) == {room for room, link in before.items() if link is True}
        assert all("device_offline" in story.causes(room) for room in told[0].classrooms)
    assert not [e for e in story.told(AlertChange) if e.cause is Cause.DEVICE_ABSENT]


@pytest.mark.parametrize("is_on", [True, False])
def test_ports_read_one_after_the_other(*, is_on: bool) -> None:
    """The cut falls behind the first port's reading: nobody is told before its turn comes again."""
    now = at("2026-11-23 10:00")
    story = polled(county(), now - 60, on(), apart_s=5)
    polled(story, now, on("r2", "r3", "r4"), apart_s=5)
    assert groups(story) == []
    polled(story, now + 60, on("r2", "r3", "r4") if is_on else on(*ROOMS), apart_s=5)
    assert [e.classrooms for e in groups(story)] == ([] if is_on else [ROOMS])


def test_one_by_one_over_a_morning() -> None:
    """Teachers who leave one after the other tell nobody."""
    story = polled(county(), at("2026-11-23 08:30"), on())
    for index in range(1, 5):
        for minute in range(10):
            polled(story, at(f"2026-11-23 {8 + index:02}:0{minute}"), on(*ROOMS[:index]))
    assert groups(story) == []


@pytest.mark.parametrize(("back", "told"), [("2026-11-23 10:40", 1), ("2026-11-24 08:10", 1)])
def test_it_ends_when_they_are_on_again(back: str, told: int) -> None:
    """The same morning or the next one; in the evening between nobody calls it over, and nothing is left."""
    story = polled(county(), at("2026-11-23 09:59"), on())
    polled(story, at("2026-11-23 10:00"), on(*ROOMS))
    if back > "2026-11-24":
        for clock in ("2026-11-23 16:59", "2026-11-23 17:30", "2026-11-23 22:00", "2026-11-24 07:50"):
            polled(story, at(clock), on(*ROOMS))
            assert ("device_offline" in story.causes()) is (clock == "2026-11-23 16:59"), "out of lessons nobody asks"
    assert len(groups(story)) == told
    polled(story, at(back), on())
    assert [e.change for e in groups(story)] == ["opened", "closed"]
    assert groups(story)[-1].why == "recovered"
    assert not [a for a in story.school.state.alerts if a.cause is Cause.DEVICE_OFFLINE]
    assert all("device_offline" not in story.causes(room) for room in ROOMS)


def test_the_first_that_is_on_again_ends_it() -> None:
    """There is power: what of the others stays off is a board that is off."""
    story = polled(county(), at("2026-11-23 09:59"), on())
    polled(story, at("2026-11-23 10:00"), on(*ROOMS))
    polled(story, at("2026-11-23 10:01"), on("r2", "r3", "r4"))
    assert [e.change for e in groups(story)] == ["opened", "closed"]
    assert all("device_offline" not in story.causes(room) for room in ROOMS)


def test_a_switch_that_answers_no_more_is_told_as_such() -> None:
    """Its ports are not read: nothing is known of the boards behind it."""
    story = polled(county(), at("2026-11-23 09:59"), on())
    for minute in range(5):
        story.now = at(f"2026-11-23 10:0{minute}")
        story.heard()
        for room in ROOMS:
            story.saw(replace(port(room), outcome=Outcome.NO_ANSWER, oper_up=None, speed_bps=None), room)
            story.saw(device(room, answered=False), room)
    assert groups(story) == []
    assert [e.cause for e in story.told(AlertChange)] == [Cause.SWITCH_UNREACHABLE]


def test_after_a_pause_nobody_knows_when_they_went() -> None:
    """The gateway was away for an hour, and they are off when it is back."""
    story = polled(county(), at("2026-11-23 09:00"), on())
    polled(story, at("2026-11-23 10:00"), on(*ROOMS))
    polled(story, at("2026-11-23 10:01"), on(*ROOMS))
    assert groups(story) == []


def test_each_record_alone_says_the_same() -> None:
    """A board that goes is judged with the others, in whatever pieces the news of it comes."""
    story = polled(county(), at("2026-11-23 09:59"), on())
    together = polled(county(), at("2026-11-23 09:59"), on())
    polled(together, at("2026-11-23 10:00"), on(*ROOMS))
    for room in reversed(ROOMS):
        polled(story, at("2026-11-23 10:00"), {room: False})
    story.event(Tick(), together.now)
    for room in ROOMS:
        assert story.causes(room) == together.causes(room) == ["device_offline"]
    assert len(groups(story)) == len(groups(together)) == 1


@pytest.mark.parametrize(
    ("clock", "lessons", "unusual"),
    [
        ("09:00", (("08:00", "17:00"),), True),
        ("11:30", (("08:00", "17:00"),), False),
        ("13:59", (("08:00", "17:00"),), False),
        ("14:00", (("08:00", "17:00"),), True),
        ("09:30", (("08:00", "10:00"),), True),
        ("09:30", (("08:00", "10:01"),), False),
        ("15:59", (("08:00", "17:00"),), True),
        ("16:00", (("08:00", "17:00"),), False),
        ("11:40", (("11:20", "12:00"),), True),
        ("11:54", (("11:20", "12:00"),), True),
        ("11:55", (("11:20", "12:00"),), False),
        ("12:10", (("11:20", "12:00"),), False),
    ],
)
def test_when_boards_usually_go_off(clock: str, lessons: tuple[tuple[str, str], ...], *, unusual: bool) -> None:
    """A timetable with breaks says it itself; in one without, at noon and in the last hour."""
    day = SchoolDay("2026-11-23", tuple((at(f"2026-11-23 {a}"), at(f"2026-11-23 {b}")) for a, b in lessons))
    hours = Hours((day,), utc_offset_s=28_800)
    assert is_unusual(hours, at(f"2026-11-23 {clock}"), POLICY) is unusual
