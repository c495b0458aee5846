"""达标 where days, rooms and gateways are not the usual ones: holidays, exemptions, a summer, another gateway."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from collector.core.compliance import compliant
from collector.core.events import Heard, Observed, RosterChanged
from collector.core.hours import Hours
from collector.core.roster import Classroom, SchoolDay
from tests.support.school import GATEWAY, Story, Tick, at, bandwidth, device, path_test, port, roster, school

OTHER = "dem-gw-02"


def taught(*spans: tuple[str, str]) -> Hours:
    """Monday to Friday, 08:00-17:00, from and until; nothing between the spans."""
    days = []
    for first, last in spans:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        days += [begin + timedelta(days=n) for n in range((end - begin).days + 1)]
    lessons = {day: ((at(f"{day} 08:00"), at(f"{day} 17:00")),) for day in days if day.weekday() < 5}
    return Hours(tuple(SchoolDay(day.isoformat(), spans_) for day, spans_ in lessons.items()))


def seen(story: Story, day: str, mbps: int) -> Story:
    story.now = at(f"{day} 10:00")
    return story.heard().uplink().platform().room_well("r1", mbps)


def shown(story: Story) -> str:
    return compliant(story.school.roster.classrooms["r1"], story.school.state.classrooms["r1"])


GOLDEN_WEEK = taught(("2026-09-01", "2026-09-30"), ("2026-10-08", "2026-12-31"))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param((("2026-09-30", 10),), "yes", id="the day before the holiday alone"),
        pytest.param((("2026-09-30", 10), ("2026-10-03", 10)), "yes", id="a day of it counts for nothing"),
        pytest.param((("2026-09-30", 10), ("2026-10-08", 10)), "no", id="the days around it follow each other"),
        pytest.param((("2026-09-30", 10), ("2026-10-03", 1000), ("2026-10-08", 10)), "no", id="a good one of it, too"),
        pytest.param((("2026-09-30", 10), ("2026-10-08", 1000), ("2026-10-09", 10)), "yes", id="a good day between"),
    ],
)
def test_fail_days_around_a_holiday(days: tuple[tuple[str, int], ...], expected: str) -> None:
    story = Story(replace(school(), hours=GOLDEN_WEEK))
    seen(story, "2026-09-28", 1000)
    for day, mbps in days:
        seen(story, day, mbps)
    assert shown(story) == expected


def test_exempt_and_back() -> None:
    """What was known stays behind the exemption: a bad room is not good for having been exempt."""
    story = Story()
    for day, mbps in (("2026-11-23", 1000), ("2026-11-24", 10), ("2026-11-25", 10)):
        seen(story, day, mbps)
    assert shown(story) == "no"
    rooms = story.school.roster.classrooms
    exempt = {**rooms, "r1": replace(rooms["r1"], exempt="改造")}
    story.event(RosterChanged(roster=roster(classrooms=exempt), hours=story.school.hours))
    assert shown(story) == "exempt"
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours), now=at("2026-11-26 09:00"))
    assert shown(story) == "no"
    for day, expected in (("2026-11-26", "no"), ("2026-11-27", "yes")):
        assert shown(seen(story, day, 1000)) == expected


def test_a_summer_ages_nothing() -> None:
    """Two months without a lesson are no school day; then it ages as ever."""
    hours = taught(("2026-03-01", "2026-06-30"), ("2026-09-01", "2026-12-31"))
    story = seen(Story(replace(school(), hours=hours)), "2026-06-30", 1000)
    for day, expected in (("2026-08-31", "yes"), ("2026-09-28", "yes"), ("2026-09-29", "unknown")):
        assert shown(story.event(Tick(), now=at(f"{day} 10:00"))) == expected


def test_a_new_room_begins_unknown() -> None:
    """Its first proof counts at once; two short days make it no, without ever having been yes."""
    story = seen(Story(), "2026-11-23", 1000)
    rooms = {**story.school.roster.classrooms, "r9": Classroom(id="r9", device="panel")}
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours))
    assert story.compliant("r9") == "unknown"
    for day, expected in (("2026-11-24", "unknown"), ("2026-11-25", "no")):
        story.now = at(f"{day} 10:00")
        story.heard().uplink().room_well("r9", 10)
        assert story.compliant("r9") == expected


def told_by(story: Story, gateway: str, day: str, *, passed: bool) -> Story:
    """A day on which ``gateway`` tests its line and tells of the room."""
    story.now = at(f"{day} 10:00")
    story.event(Heard(gateway=gateway, report_interval_s=60))
    begin = story.now
    tested = bandwidth(passed=passed)
    for after_s, seen_, room in (
        (0, tested, None),
        (61, tested, None),
        (70, port("r1"), "r1"),
        (71, device("r1"), "r1"),
    ):
        observed_at = begin + after_s
        story.event(
            Observed(gateway=gateway, observation=seen_, classroom=room, observed_at=observed_at, late=False),
            now=observed_at,
        )
    return story


def test_a_room_that_changes_its_gateway() -> None:
    """It rests on the line of the one that tells of it now, and keeps what it had until that one speaks against it."""
    story = Story(school(gateways=(GATEWAY, OTHER), platforms={}))
    told_by(story, GATEWAY, "2026-11-23", passed=True)
    assert shown(story) == "yes"
    told_by(story, OTHER, "2026-11-24", passed=False)
    assert (shown(story), story.ready()) == ("yes", "no")
    told_by(story, OTHER, "2026-11-25", passed=False)
    assert shown(story) == "no"
    # the line that it hung on before is good all the while, and nobody's of its rooms
    told_by(story, GATEWAY, "2026-11-26", passed=True)
    told_by(story, OTHER, "2026-11-26", passed=False)
    told_by(story, OTHER, "2026-11-27", passed=False)
    assert shown(story) == "no"


def test_a_line_that_is_tested_keeps_no_device_young() -> None:
    """Nobody looks at the board any more, and the way to its room is tested each day."""
    rooms = {"r1": Classroom(id="r1", access="wifi", device="panel")}
    hours = taught(("2026-09-01", "2026-12-31"))
    story = Story(replace(school(classrooms=rooms, platforms={}), hours=hours), now=at("2026-09-07 10:00"))
    story.heard().uplink().saw(path_test(), "r1").saw(device("r1"), "r1")
    assert shown(story) == "yes"
    told = []
    for n in range(1, 30):
        story.now = at("2026-09-07 10:00") + n * 86_400
        story.heard().uplink().saw(path_test(), "r1").event(Tick())
        told.append(shown(story))
    assert told.index("unknown") == 28, "on the 21st school day after it was seen"
