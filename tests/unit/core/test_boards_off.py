"""A board that is off is no fault as long as it was seen awake lately."""

import pytest
from msgspec.structs import replace

from collector.core.events import AlertChange
from collector.core.words import Cause
from tests.support.school import POLICY, Story, Tick, at, bandwidth, device, http, port

MONDAY_MORNING = at("2026-11-23 10:00")


def off(proof_days: int, now: float) -> Story:
    """All was well on Monday morning; at ``now`` the board of r1 does not answer, and all else is as it was."""
    policy = replace(POLICY, device_proof_school_days=proof_days)
    story = Story(policy=policy, now=MONDAY_MORNING).all_well()
    story.now = now
    story.heard().saw(bandwidth(estimate_mbps=120)).saw(http()).saw(device("r2"), "r2")
    return story.saw(device("r1", answered=False), "r1")


@pytest.mark.parametrize(
    ("proof_days", "now", "is_missed"),
    [
        pytest.param(2, "2026-11-23 10:10", False, id="a moment ago"),
        pytest.param(2, "2026-11-23 16:59", False, id="at the end of the day"),
        pytest.param(2, "2026-11-24 08:00", False, id="first lesson of the next day"),
        pytest.param(2, "2026-11-25 16:59", False, id="two school days later"),
        pytest.param(2, "2026-11-26 08:00", True, id="three school days later"),
        pytest.param(2, "2026-11-26 07:59", False, id="before its first lesson nobody asks"),
        pytest.param(1, "2026-11-25 08:00", True, id="one day is asked for"),
        pytest.param(4, "2026-11-27 16:59", False, id="four days, the last of them"),
        pytest.param(5, "2026-11-30 08:00", True, id="no proof outlives absence"),
        pytest.param(0, "2026-11-23 10:10", True, id="must be on in lessons"),
        pytest.param(0, "2026-11-23 18:00", False, id="must be on in lessons, in the evening"),
    ],
)
def test_a_board_is_missed_only_after_its_proof_ran_out(proof_days: int, now: str, *, is_missed: bool) -> None:
    """School days count, today's sighting included; a weekend does not."""
    story = off(proof_days, at(now))
    room = story.school.state.classrooms["r1"]
    assert room.verdict.clauses.device == ("no" if is_missed else "yes")
    assert bool({"device_offline", "device_absent"} & {*story.causes()}) is is_missed
    assert room.verdict.device_up is False, "that it is off is shown all the same"


def test_a_weekend_is_no_school_day() -> None:
    """Seen on Friday, off on Monday and Tuesday: two school days."""
    policy = replace(POLICY, device_proof_school_days=2)
    story = Story(policy=policy, now=at("2026-11-20 10:00")).all_well()
    for now, is_missed in (("2026-11-23 09:00", False), ("2026-11-24 16:00", False), ("2026-11-25 09:00", True)):
        story.now = at(now)
        story.heard().saw(device("r1", answered=False), "r1")
        assert ("device_offline" in story.causes()) is is_missed, now


def test_a_day_of_teachers_tells_nobody() -> None:
    """On and off at every break, off at noon and overnight: no alert on any day."""
    policy = replace(POLICY, device_proof_school_days=2)
    story = Story(policy=policy, now=MONDAY_MORNING).all_well()
    for day in range(23, 28):
        for hour in range(8, 17):
            for minute in range(60):
                story.now = at(f"2026-11-{day} {hour:02}:{minute:02}")
                is_used = hour in {9, 14} and minute < 40
                story.heard().saw(device("r1", answered=is_used), "r1")
    assert not [e for e in story.told(AlertChange) if e.cause in {Cause.DEVICE_OFFLINE, Cause.DEVICE_ABSENT}]


@pytest.mark.parametrize(
    ("proof_days", "now", "is_missed"),
    [
        (2, "2026-11-23 10:10", False),
        (2, "2026-11-25 16:59", False),
        (2, "2026-11-26 08:00", True),
        (0, "2026-11-23 10:10", True),
    ],
)
def test_a_board_that_was_never_seen(proof_days: int, now: str, *, is_missed: bool) -> None:
    """It may have been off when the gateway was set up: it has as long as any other, and meanwhile it is unknown."""
    story = Story(policy=replace(POLICY, device_proof_school_days=proof_days), now=MONDAY_MORNING)
    story.heard().saw(device("r1", answered=False), "r1")
    story.now = at(now)
    story.heard().saw(device("r1", answered=False), "r1")
    room = story.school.state.classrooms["r1"]
    assert ("device_offline" in story.causes()) is is_missed
    assert room.verdict.clauses.device == ("no" if is_missed else "unknown")


def test_the_proof_runs_out_by_itself() -> None:
    """What was seen on Monday is no proof on Thursday, and nothing else is known of the board."""
    story = off(2, at("2026-11-25 16:59"))
    assert story.school.state.classrooms["r1"].verdict.clauses.device == "yes"
    story.now = at("2026-11-26 08:00")
    story.heard().event(Tick())
    assert story.school.state.classrooms["r1"].verdict.clauses.device == "unknown"


def test_what_was_told_is_over_once_the_board_is_seen() -> None:
    """An alert opened after the proof ran out closes by the board's own evidence, and by nothing else."""
    story = off(2, at("2026-11-26 08:00"))
    for _ in range(POLICY.raise_after):
        story.later(60).heard().saw(device("r1", answered=False), "r1")
    assert [e.change for e in story.told(AlertChange)] == ["opened"]
    story.later(60).event(Tick())
    for _ in range(POLICY.clear_after):
        story.later(60).heard().saw(device("r1"), "r1")
    assert [e.change for e in story.told(AlertChange)] == ["opened", "closed"]


def test_a_pulled_cable_is_not_mended_by_switching_the_board_off() -> None:
    """Told while the board works by another path; at noon it is off, afterwards all is as it was: told once."""
    story = Story(now=MONDAY_MORNING).all_well()
    for awake in (True, False, False, True):
        for _ in range(4):
            story.later(60).heard().saw(port("r1", 0, oper_up=False), "r1").later(1).saw(
                device("r1", answered=awake), "r1"
            )
    assert [(e.change, e.cause) for e in story.told(AlertChange) if e.cause is Cause.PORT_DOWN] == [
        ("opened", Cause.PORT_DOWN)
    ]
    for _ in range(4):
        story.later(60).heard().room_well("r1")
    assert [e.change for e in story.told(AlertChange) if e.cause is Cause.PORT_DOWN] == ["opened", "closed"]
