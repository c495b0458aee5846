"""A switch that fails takes those behind it along: one thing is told, with the rooms of all of them."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Reason
from collector.core.events import AlertChange, Heard, Observed
from collector.core.roster import Classroom
from collector.core.step import step
from collector.core.words import Cause
from tests.support.school import GATEWAY, Story, device, port, school, trunk

WHERE = {"r1": "core", "r2": "acc1", "r3": "acc2", "r4": "far"}
"""core - acc1 - far, core - acc2: each room on a switch of its own."""
DEAD: dict[str, Any] = {"outcome": Outcome.NO_ANSWER, "reason": Reason.TIMEOUT, "oper_up": None, "speed_bps": None}
CORE = trunk(name="core:uplink", switches=("acc1", "acc2"))
ACC1 = trunk(name="acc1:uplink", switches=("far",))


def building(*trunks: object) -> Story:
    rooms = {room: Classroom(id=room, device="panel") for room in WHERE}
    story = Story(school(classrooms=rooms, platforms={})).heard().uplink()
    for segment in trunks or (CORE, ACC1):
        story.saw(segment)
    return polls(story, 1)


def polls(story: Story, count: int, *dead: str) -> Story:
    """So many polls of all switches, a minute apart."""
    for _ in range(count):
        story.later(60).heard()
        for room, switch in WHERE.items():
            seen = port(room, switch=switch)
            if switch in dead:
                seen = replace(seen, **DEAD)
            story.saw(seen, room)
            story.saw(device(room, answered=switch not in dead), room)
    return story


def told(story: Story) -> list[tuple[str, str, tuple[str, ...]]]:
    changes = [e for e in story.told(AlertChange) if e.cause is Cause.SWITCH_UNREACHABLE]
    return [(e.change, e.subject.name, e.classrooms) for e in changes]


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        pytest.param(("core", "acc1", "acc2", "far"), {"core": ("r1", "r2", "r3", "r4")}, id="core takes all along"),
        pytest.param(("acc1", "far"), {"acc1": ("r2", "r4")}, id="a branch"),
        pytest.param(("far",), {"far": ("r4",)}, id="the last of a branch"),
        pytest.param(("core",), {"core": ("r1",)}, id="its management alone: all behind it answer"),
        pytest.param(("acc2", "far"), {"acc2": ("r3",), "far": ("r4",)}, id="two apart"),
        pytest.param(("core", "far"), {"core": ("r1",), "far": ("r4",)}, id="what is between answers"),
    ],
)
def test_what_fails_together(dead: tuple[str, ...], expected: dict[str, tuple[str, ...]]) -> None:
    story = polls(building(), 4, *dead)
    assert {name: rooms for _, name, rooms in told(story)} == expected
    for room, switch in WHERE.items():
        assert ("switch_unreachable" in story.causes(room)) is (switch in dead)


def test_it_ends_as_one() -> None:
    story = polls(polls(building(), 4, "core", "acc1", "acc2", "far"), 3)
    assert [(change, name) for change, name, _ in told(story)] == [("opened", "core"), ("closed", "core")]
    assert not [a for a in story.school.state.alerts if a.cause is Cause.SWITCH_UNREACHABLE]


def test_what_stays_down_is_told_when_the_one_before_it_is_back() -> None:
    """The cut broke a second one: it hid behind the first."""
    story = polls(polls(building(), 4, "core", "acc1"), 4, "acc1")
    assert [(change, name) for change, name, _ in told(story)] == [
        ("opened", "core"), ("closed", "core"), ("opened", "acc1")
    ]  # fmt: skip


def test_what_fails_later_is_news() -> None:
    """Of the core the management is lost, as everybody knows; then a switch behind it dies."""
    story = polls(polls(building(), 4, "core"), 4, "core", "acc2")
    assert [(change, name) for change, name, _ in told(story)] == [("opened", "core"), ("opened", "acc2")]


def test_without_a_trunk_nothing_explains_anything() -> None:
    story = polls(building(trunk(name="core:uplink")), 4, "core", "acc1")
    assert sorted(name for _, name, _ in told(story)) == ["acc1", "core"]


@pytest.mark.parametrize("names", [("core", "acc1"), ("core", "acc1", "acc2")])
def test_trunks_that_name_each_other(names: tuple[str, ...]) -> None:
    """Whatever a gateway says of its wiring: they must not all be silent, and no walk is endless."""
    after = dict(zip(names, (*names[1:], names[0]), strict=True))
    story = building(*(trunk(name=f"{name}:uplink", switches=(behind,)) for name, behind in after.items()))
    for _ in range(4):
        story.later(60)
        seen = [replace(port(room, switch=switch), **DEAD) for room, switch in WHERE.items() if switch in names]
        events = [
            Observed(gateway=GATEWAY, observation=each, classroom=each.classroom, observed_at=story.now, late=False)
            for each in seen
        ]
        heard = Heard(gateway=GATEWAY, report_interval_s=60)
        story.school, effects, _ = step(story.school, [heard, *events], story.now, story.policy)
        story.effects += effects
    assert sorted(name for _, name, _ in told(story)) == sorted(names)
