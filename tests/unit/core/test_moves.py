"""A device on another port, broken frames, and ports that several rooms share."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.events import DeviceMoved, Observed, VerdictChanged
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.step import step
from collector.core.wiring import sharing_port
from tests.support.collecting import port
from tests.support.samples import NOW, demo_school

POLICY = Policy(observation_school_days=0)
ROOM = "b2-301"


class Switches:
    """One school whose room is read every minute, at a time when nothing else changes."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.school: School = demo_school()
        self.now = NOW
        self.moves: list[DeviceMoved] = []
        self.effects: list[Any] = []

    def read(self, switch: str, if_name: str, room: str = ROOM, **fields: Any) -> None:
        self.now += 60
        observation = replace(port(room), switch=switch, if_name=if_name, **fields)
        event = Observed(
            gateway=self.school.roster.gateways[0],
            observation=observation,
            observed_at=self.now,
            classroom=room,
        )
        self.school, effects, _ = step(self.school, [event], self.now, self.policy)
        self.effects += effects
        self.moves += [effect for effect in effects if isinstance(effect, DeviceMoved)]

    def verdicts(self) -> list[VerdictChanged]:
        return [effect for effect in self.effects if isinstance(effect, VerdictChanged)]

    def bad_frames(self) -> int | None:
        reading = self.school.state.classrooms[ROOM].last_port
        assert reading is not None
        return reading.bad_frame_count


def test_a_move_is_told_once_and_fails_nobody() -> None:
    """The second reading at the new place makes it a move; the verdict stays as it was."""
    seen, unmoved = Switches(), Switches()
    for place in (("sw1", "1"), ("sw1", "1"), ("sw2", "7")):
        seen.read(*place)
    assert seen.moves == []
    for _ in range(3):
        seen.read("sw2", "7")
    for _ in range(6):
        unmoved.read("sw1", "1")
    (move,) = seen.moves
    assert (move.classroom, move.before, move.after) == (ROOM, "sw1:1", "sw2:7")
    assert seen.verdicts() == unmoved.verdicts()


def test_two_places_by_turns_are_no_move() -> None:
    """A room bound twice, or a table entry that goes to and fro, is never told as moving."""
    seen = Switches()
    for _ in range(5):
        seen.read("sw1", "1")
        seen.read("sw2", "7")
    assert seen.moves == []


def test_a_new_gateway_moves_silently() -> None:
    """In the observation days nobody is told yet."""
    seen = Switches(Policy(observation_school_days=10))
    for place in (("sw1", "1"), ("sw2", "7"), ("sw2", "7")):
        seen.read(*place)
    assert seen.moves == []
    assert seen.school.state.classrooms[ROOM].place == "sw2:7"


def test_an_exempt_room_moves_silently() -> None:
    """Nobody asked about that room; the place is followed all the same."""
    seen = Switches()
    rooms = seen.school.roster.classrooms
    exempt = {**rooms, ROOM: replace(rooms[ROOM], exempt="2026 年拆除")}
    seen.school = replace(seen.school, roster=replace(seen.school.roster, classrooms=exempt))
    for place in (("sw1", "1"), ("sw2", "7"), ("sw2", "7")):
        seen.read(*place)
    assert seen.moves == []
    assert seen.school.state.classrooms[ROOM].place == "sw2:7"


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        ({"fcs_error_count": 5}, {"fcs_error_count": 9}, 4),
        ({"fcs_error_count": 5, "late_collision_count": 1}, {"fcs_error_count": 5, "late_collision_count": 3}, 2),
        ({"alignment_error_count": 2**32 - 10}, {"alignment_error_count": 5}, 15),
        ({"fcs_error_count": 100}, {"fcs_error_count": 0}, None),
        ({"fcs_error_count": 1}, {"fcs_error_count": 0}, None),
        ({"fcs_error_count": 5}, {}, None),
        ({}, {}, None),
    ],
    ids=["grows", "adds up", "wraps", "restarted", "restarted after one", "gone", "never there"],
)
def test_bad_frames(before: dict[str, int], after: dict[str, int], grown: int | None) -> None:
    """Growth between two readings of one port; unknown is None, never 0."""
    seen = Switches()
    seen.read("sw1", "1", **before)
    assert seen.bad_frames() is None
    seen.read("sw1", "1", **after)
    assert seen.bad_frames() == grown


def test_bad_frames_of_another_port_are_not_compared() -> None:
    """Counters of two ports have nothing to do with one another."""
    seen = Switches()
    seen.read("sw1", "1", fcs_error_count=5)
    seen.read("sw1", "2", fcs_error_count=900)
    assert seen.bad_frames() is None


def test_rooms_on_one_port_are_named() -> None:
    """Several rooms behind one unmanaged switch know of one another."""
    seen = Switches()
    seen.read("sw1", "1")
    seen.read("sw1", "1", room="b2-302")
    seen.read("sw1", "3", room="b2-303")
    assert sharing_port(seen.school, ROOM) == ("b2-302",)
    assert sharing_port(seen.school, "b2-303") == ()
