"""What comes and goes is told once, held open, and called over once it was well for a while."""

from typing import Any

import pytest

from collector.core.bureau.words import SchoolChanged
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import Bureau, change

POLICY = Policy(group_wait_s=30)
MINUTE_S, HOUR_S = 60.0, 3_600.0


def flap(bureau: Bureau, times: int, every_s: float, down_s: float, begun_at: float = 0.0) -> float:
    """Be down so often; return when it was well the last time."""
    at = 0.0
    for n in range(times):
        for kind, at in (("opened", begun_at + n * every_s), ("closed", begun_at + n * every_s + down_s)):
            bureau.wait(at)
            bureau.step(at, change(kind=kind, cause=Cause.GATEWAY_SILENT, at=at))
    return at


@pytest.mark.parametrize(
    ("every_s", "down_s"), [(15 * MINUTE_S, 8 * MINUTE_S), (30 * MINUTE_S, 20 * MINUTE_S), (HOUR_S, 40 * MINUTE_S)]
)
def test_a_day_of_flapping(every_s: float, down_s: float) -> None:
    """Told twice, told to come and go with the third, and over half an hour after the last: six messages."""
    bureau = Bureau(POLICY)
    last = flap(bureau, int(10 * HOUR_S / every_s), every_s, down_s)
    bureau.wait(last + 2 * HOUR_S)
    assert [(n.kind, n.members[0].flapping) for n in bureau.notices] == [
        ("opened", False), ("resolved", False), ("opened", False), ("resolved", False), ("opened", True),
        ("resolved", False),
    ]  # fmt: skip
    assert (bureau.notices[-1].at, bureau.notices[-1].members[0].at) == (last + 1_830, last)
    assert (bureau.incidents, bureau.state.holders) == ([], {})


def test_an_hour_of_half_minutes() -> None:
    """What is well again before its first message goes was nothing: nobody is told."""
    bureau = Bureau(POLICY)
    last = flap(bureau, 60, 60.0, 30.0)
    bureau.wait(last + 2 * HOUR_S)
    assert (list(bureau.notices), bureau.incidents) == ([], [])


def test_what_opens_seldom_recovers_at_once() -> None:
    """Every two hours is no flapping."""
    bureau = Bureau(POLICY)
    flap(bureau, 5, 2 * HOUR_S, HOUR_S)
    bureau.wait(10 * HOUR_S)
    assert [n.kind for n in bureau.notices] == ["opened", "resolved"] * 5


def test_held_open_it_counts_and_others_come_and_go() -> None:
    """Another room of the same school that is mended leaves, and what is left counts the one that is held."""
    bureau = Bureau(POLICY)
    last = flap(bureau, 4, 10 * MINUTE_S, 5 * MINUTE_S)
    assert [i.tally.classroom_count for i in bureau.incidents] == [2]
    other: Any = {"cause": Cause.GATEWAY_SILENT, "subject": Subject("gateway", "gw2"), "classrooms": ("r9",)}
    bureau.step(last + 10, change(at=last + 10, **other))
    assert [n.remaining_classrooms for n in bureau.wait(last + 400)] == [3]
    bureau.step(last + 500, change(kind="closed", at=last + 500, **other))
    assert [(n.kind, n.remaining_classrooms) for n in bureau.wait(last + 900)] == [("resolved", 2)]
    assert [(n.kind, n.remaining_classrooms) for n in bureau.wait(last + HOUR_S)] == [("resolved", 0)]


def test_what_is_withdrawn_is_not_held() -> None:
    """An exemption, or another list of rooms, is no coming and going: told at once, and it counts for nothing."""
    bureau = Bureau(POLICY)
    last = flap(bureau, 3, 10 * MINUTE_S, 5 * MINUTE_S)
    bureau.wait(last + 400)
    bureau.step(last + 500, change(kind="closed", cause=Cause.GATEWAY_SILENT, why="withdrawn"))
    assert [n.kind for n in bureau.wait(last + 900)] == ["withdrawn"]
    bureau.step(last + 1_000, change(cause=Cause.GATEWAY_SILENT, at=last + 1_000))
    assert [n.members[0].flapping for n in bureau.wait(last + 1_100)] == [False]


def test_what_was_well_when_its_school_moved() -> None:
    """The office that has it now hears nothing of what is over; what still fails goes with the school."""
    bureau = Bureau(POLICY)
    last = flap(bureau, 4, 10 * MINUTE_S, 5 * MINUTE_S)
    bureau.step(last + 60, SchoolChanged(school="s1", office="511403", name="s1"))
    assert {n.office for n in bureau.wait(last + 2 * HOUR_S)} == {"511402"}
    assert (bureau.incidents, bureau.state.holders, bureau.wake_at) == ([], {}, None)


def test_a_clock_that_was_ahead_keeps_nothing_open() -> None:
    """An end that is dated in a future that never came counts half an hour from now."""
    bureau = Bureau(POLICY)
    flap(bureau, 4, 10 * MINUTE_S, 5 * MINUTE_S, begun_at=1_000 * HOUR_S)
    bureau.step(10 * HOUR_S)
    bureau.wait(11 * HOUR_S)
    assert bureau.incidents == []
