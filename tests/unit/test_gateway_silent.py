"""Why a gateway is silent, as far as it is known: on its school's page, in `explain` and in the API."""

import pytest
from msgspec.structs import replace

from collector.core.roster import Mute
from collector.text import LANGUAGES, Names, say
from collector.views import show
from tests.support.school import POLICY, Story, Tick, at, school, weekdays

HELD = replace(POLICY, silence_hold_s=900.0, silence_hold_next_lesson_s=600.0)
FROM, UNTIL = at("2026-11-23 12:00"), at("2026-11-23 20:00")
WORK = Mute(FROM, UNTIL, "maintenance", None, "机房改造")


@pytest.mark.parametrize(
    ("heard", "now", "mutes", "because"),
    [
        pytest.param("2026-11-23 10:00", "2026-11-23 10:30", (), "lost", id="in a lesson"),
        pytest.param("2026-11-23 18:00", "2026-11-23 22:00", (), "after_lessons", id="in the evening"),
        pytest.param("2026-11-27 18:00", "2026-11-29 10:00", (), "after_lessons", id="over a weekend"),
        pytest.param("2026-11-23 18:00", "2026-11-24 08:09", (), "after_lessons", id="as lessons begin"),
        pytest.param("2026-11-23 18:00", "2026-11-24 08:11", (), "lost", id="and still in lessons"),
        pytest.param("2026-11-23 12:10", "2026-11-23 12:30", (WORK,), "maintenance", id="somebody works on it"),
        pytest.param("2026-11-23 11:58", "2026-11-23 12:30", (WORK,), "maintenance", id="switched off as it began"),
        pytest.param("2026-11-23 10:00", "2026-11-23 12:30", (WORK,), "lost", id="silent long before it began"),
        pytest.param("2026-11-23 12:10", "2026-11-23 20:30", (WORK,), "lost", id="the work is over"),
        pytest.param(
            "2026-11-23 12:10", "2026-11-23 12:30", (WORK._replace(platform="national"),), "lost", id="on a platform"
        ),
        pytest.param("2026-11-23 12:10", "2026-11-23 12:30", (WORK._replace(why="exam"),), "exam", id="examinations"),
    ],
)
def test_why(heard: str, now: str, mutes: tuple[Mute, ...], because: str) -> None:
    start = replace(school(), hours=replace(weekdays(), mutes=mutes))
    story = Story(start, now=at(heard), policy=HELD).heard().event(Tick(), now=at(now))
    for language in LANGUAGES:
        (gateway,) = show(story.school, Names(), HELD, story.now, language).gateways
        assert (gateway.state, gateway.silent_because) == ("silent", because)
        assert gateway.text == say(f"silent.{because}", language, work="机房改造")


def test_one_that_reports_has_no_reason() -> None:
    story = Story(now=FROM).heard()
    (gateway,) = show(story.school, Names(), HELD, story.now, "zh").gateways
    assert (gateway.state, gateway.silent_because, gateway.text) == ("up", None, "在线")
