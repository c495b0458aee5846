"""达标, day by day: how many days take it away, how many give it back, and which days count."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from classready.observation import Outcome
from collector.core.policy import Policy
from tests.support.school import Story, Tick, at, bandwidth, device, exit_test, path_test, port

SCHOOL_DAYS = [f"2026-11-{n}" for n in (10, 11, 12, 13, 16, 17, 18, 19)]
"""Tuesday to Friday, and Monday to Thursday."""


PORTS = {
    "s": ((10, 10),),
    "g": ((10, 1000),),
    "m": ((9, 1000), (12, 10)),
    "n": ((9, 10), (12, 1000)),
    "-": (),
}
"""By hour, in Mbit/s: s(hort), g(ood), good in the m(orning) or at n(oon) alone; - is a day without a word."""


def live(story: Story, letter: str, day: str) -> None:
    for hour, mbps in PORTS[letter]:
        story.now = at(f"{day} {hour:02}:00")
        story.heard().uplink().room_well("r1", mbps)


@pytest.mark.parametrize(
    ("fail_days", "days", "expected"),
    [
        (1, "s", "no"),
        (1, "sg", "yes"),
        (1, "sm", "no"),
        (2, "s", "yes"),
        (2, "ss", "no"),
        (2, "s-s", "no"),
        (2, "sgs", "yes"),
        (2, "sgss", "no"),
        (2, "mm", "no"),
        (2, "nn", "no"),
        (2, "ssg", "no"),
        (2, "ssgg", "yes"),
        (2, "ssg-g", "yes"),
        (2, "ssgsg", "no"),
        (2, "ssgsgg", "yes"),
        (2, "ssgm", "no"),
        (2, "ssggs", "yes"),
        (2, "ssggss", "no"),
        (2, "----", "yes"),
        (3, "ss", "yes"),
        (3, "sss", "no"),
        (3, "sssgg", "no"),
        (3, "sssggg", "yes"),
    ],
)
def test_days_that_take_it_away_and_give_it_back(fail_days, days, expected):
    """So many short days without a good one between, so many good ones in a row; a day with both is a short one."""
    story = Story(policy=Policy(compliant_fail_days=fail_days), now=at("2026-11-09 10:00")).all_well()
    for letter, day in zip(days, SCHOOL_DAYS, strict=False):
        live(story, letter, day)
    assert story.compliant() == expected


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (("2026-11-13", "2026-11-14", "2026-11-15"), "yes"),
        (("2026-11-14", "2026-11-15", "2026-11-16"), "yes"),
        (("2026-11-13", "2026-11-14", "2026-11-16"), "no"),
    ],
)
def test_a_weekend_is_no_day(dates, expected):
    """What is short on Saturday speaks against nobody; Friday and Monday are days one after the other."""
    story = Story(now=at("2026-11-09 10:00")).all_well()
    for day in dates:
        story.now = at(f"{day} 10:00")
        for _ in range(2):
            story.heard().later(60).uplink(passed=False)
        story.room_well("r1")
    assert story.compliant() == expected


@pytest.mark.parametrize(("absent_days", "expected"), [(4, "yes"), (5, "yes"), (6, "no")])
def test_a_device_that_is_gone(absent_days, expected):
    """Absent after five school days, and that is the first short day; the line is good all the time."""
    story = Story(now=at("2026-11-09 10:00")).all_well()
    for day in SCHOOL_DAYS[:absent_days]:
        story.now = at(f"{day} 10:00")
        story.heard().uplink().saw(port("r1"), "r1").saw(device("r1", answered=False), "r1")
    assert ("device_absent" in story.causes()) == (absent_days >= 5)
    assert story.compliant() == expected


@pytest.mark.parametrize(("time", "short_days"), [("08:00", 1), ("16:59:59", 1), ("07:59:59", 0), ("17:00", 0)])
def test_a_port_is_negotiated_in_a_lesson_or_says_nothing(time, short_days):
    """Its first second is in it, its last is not: boards sleep outside and negotiate down."""
    story = Story(now=at("2026-11-09 10:00")).all_well()
    story.now = at(f"2026-11-10 {time}")
    seen = device("r1")
    assert seen.outcome is Outcome.ANSWERED
    story.heard().saw(port("r1", 10), "r1").saw(seen, "r1")
    assert len(story.school.state.classrooms["r1"].latch.short_days) == short_days


@pytest.mark.parametrize(
    "see",
    [
        pytest.param(lambda story: story.saw(bandwidth()), id="a test of the line"),
        pytest.param(lambda story: story.saw(path_test(), "r1"), id="a test of the way"),
        pytest.param(lambda story: story.saw(exit_test()), id="a test beyond an exit"),
    ],
)
def test_what_was_proven_is_as_new_as_its_newest_evidence(see: Callable[[Story], Story]):
    """Each of them keeps it young; what says nothing of the link does not."""
    story = Story().all_well().saw(path_test(), "r1").saw(exit_test())
    before = story.school.state.classrooms["r1"].latch.evidence_at
    story.later(100).heard().event(Tick())
    assert story.school.state.classrooms["r1"].latch.evidence_at == before
    see(story)
    assert story.school.state.classrooms["r1"].latch.evidence_at == story.now


def test_good_days_alone_are_nothing_to_write():
    """Where nothing was ever short they are counted against nothing: a room that is always well is no news each day."""
    story = Story(now=at("2026-11-09 10:00")).all_well()
    before = story.school.state.classrooms["r1"].latch
    live(story, "g", "2026-11-10")
    after = story.school.state.classrooms["r1"].latch
    assert after.evidence_at > before.evidence_at
    assert after == replace(before, evidence_at=after.evidence_at)
