"""补报: what came and went while a gateway was cut off is told once, when it is back, and is never news of now."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from collector.core.bureau.digest import MEANWHILE_MAX, recalled
from collector.core.bureau.words import Since
from collector.core.events import AlertChange, Episode, Meanwhile, Observed, RosterChanged
from collector.core.facts import is_news
from collector.core.meanwhile import EPISODES_MAX, SETTLES_S
from collector.core.policy import Policy
from collector.core.roster import Hours, Mute
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, Story, Tick, at, bandwidth, http, roster, school

POLICY = Policy(observation_school_days=0, device_proof_school_days=0, blame_spacing_s=0, group_wait_s=0)
PLATFORM, LINE = Subject("platform", GATEWAY, "national"), Subject("uplink", GATEWAY)
SWITCH = Subject("switch", GATEWAY, "sw1")
BACK = "2026-11-23 14:00"


def no_switch(room: str = "r1") -> Port:
    return Port(classroom=room, switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


def cut(policy: Policy = POLICY) -> Story:
    """Heard in the morning, cut off until two, and well when it is back."""
    story = Story(school(), at("2026-11-23 09:00"), policy).all_well()
    story.now = at(BACK)
    return story.all_well()


def late(story: Story, seen: Any, when: str, room: str | None = None, gateway: str = GATEWAY) -> Story:
    return story.event(
        Observed(gateway=gateway, observation=seen, classroom=room, observed_at=at(f"2026-11-23 {when}"), late=True)
    )


def settled(story: Story, after_s: float = SETTLES_S) -> list[Meanwhile]:
    """Reports that say that all is well go on, and then time passes."""
    story.later(after_s - 1).all_well()
    story.later(2).event(Tick())
    return story.told(Meanwhile)


def test_what_came_and_went() -> None:
    """The platform for an hour, in the order in which an old spool is sent: told once, and kept no longer."""
    story = cut()
    for minute in range(60):
        late(story, http(up=False), f"10:{minute:02}")
        late(story, http(up=True), f"10:{minute:02}") if minute > 58 else None
    (told,) = settled(story)
    assert (told.office, told.school, told.school_name, told.gateway) == ("511402", "s1", "示例小学", GATEWAY)
    assert told.episodes == (
        Episode(subject=PLATFORM, cause=Cause.PLATFORM_UNREACHABLE, first_at=at("2026-11-23 10:00"),
                last_at=at("2026-11-23 10:59"), count=60),
    )  # fmt: skip
    assert story.told(AlertChange) == []
    assert story.school.state.meanwhile == {}
    assert settled(story) == [told]


@pytest.mark.parametrize(
    ("seen", "room", "times", "told"),
    [
        pytest.param(http(up=False), None, ["10:00", "10:01", "10:02"], PLATFORM, id="a platform, three times"),
        pytest.param(http(up=False), None, ["10:00", "10:01"], None, id="too few to tell of a platform"),
        pytest.param(http(up=False), None, ["07:00", "07:01", "07:02"], None, id="before lessons"),
        pytest.param(http(up=False, target="x"), None, ["10:00", "10:01", "10:02"], None, id="of no platform"),
        pytest.param(bandwidth(passed=False), None, ["10:00", "11:00"], LINE, id="the line, twice"),
        pytest.param(bandwidth(passed=False), None, ["10:00"], None, id="one failed test"),
        pytest.param(bandwidth(passed=False, beyond="metro"), None, ["10:00", "11:00"], None, id="an exit is no line"),
        pytest.param(no_switch(), "r1", ["10:00", "10:01", "10:02"], SWITCH, id="a switch"),
        pytest.param(no_switch(), "r1", ["10:00", "10:00", "10:00"], None, id="ports of one poll count once"),
        pytest.param(no_switch("x9"), "x9", ["10:00", "10:01", "10:02"], None, id="a room that is not listed"),
        pytest.param(http(up=False), None, ["15:00", "15:01", "15:02"], None, id="dated later than now"),
    ],
)
def test_what_is_worth_telling(seen: Any, room: str | None, times: list[str], told: Subject | None) -> None:
    """As often as an alert would need, and in lessons; boards, trunks and pings are not told afterwards."""
    story = cut()
    for when in times:
        late(story, seen, when, room)
    found = [episode.subject for each in settled(story) for episode in each.episodes]
    assert found == ([] if told is None else [told])


def test_the_order_does_not_matter() -> None:
    """Newest first, as some spools are emptied, is the same episode."""
    story = cut()
    for when in ("10:03", "10:02", "10:01", "10:02"):
        late(story, http(up=False), when)
    ((episode,),) = (told.episodes for told in settled(story))
    assert (episode.first_at, episode.last_at) == (at("2026-11-23 10:01"), at("2026-11-23 10:03"))


def test_it_waits_for_the_last_of_a_spool() -> None:
    """Each late record puts it off; a day of them is one summary."""
    story = cut()
    for minute in range(0, 50, 5):
        late(story, http(up=False), f"10:{minute:02}")
        story.later(300).all_well()
        story.event(Tick())
    assert story.told(Meanwhile) == []
    assert [each.episodes[0].count for each in settled(story)] == [10]


def test_what_still_fails_is_no_matter_of_the_past() -> None:
    """An alert tells it, with the evidence of now; nothing is told afterwards."""
    story = cut()
    for minute in range(3):
        late(story, http(up=False), f"10:0{minute}")
    for _ in range(20):
        story.later(61).heard().platform(up=False)
    assert [change.cause for change in story.told(AlertChange)] == [Cause.PLATFORM_UNREACHABLE]
    for _ in range(20):
        story.later(61).heard().platform()
    story.later(3_700).all_well().event(Tick())
    assert story.told(Meanwhile) == []
    assert story.school.state.meanwhile == {}


def test_what_nobody_sees_since_waits_and_is_forgotten() -> None:
    """Cut off again at once: nobody knows whether it is well. Ten school days later nobody asks."""
    story = Story(school(), at("2026-11-23 09:00"), POLICY).all_well()
    story.now = at(BACK)
    story.heard()
    for minute in range(3):
        late(story, http(up=False), f"10:0{minute}")
    story.later(700).event(Tick())
    assert story.told(Meanwhile) == []
    assert story.school.state.meanwhile[GATEWAY].look_at > story.now
    story.event(Tick(), at("2026-12-20 10:00"))
    assert (story.told(Meanwhile), story.school.state.meanwhile) == ([], {})


@pytest.mark.parametrize("muted", ["observation", "maintenance"])
def test_what_nobody_would_have_been_told_is_not_told_afterwards(muted: str) -> None:
    story = cut(replace(POLICY, observation_school_days=7) if muted == "observation" else POLICY)
    if muted == "maintenance":
        mute = Mute(at("2026-11-23 13:00"), at("2026-11-23 15:00"), "maintenance")
        hours = Hours(days=story.school.hours.days, mutes=(mute,))
        story.event(RosterChanged(roster=story.school.roster, hours=hours))
    for minute in range(3):
        late(story, http(up=False), f"10:0{minute}")
    assert story.school.state.meanwhile == {}


def test_what_is_mended_in_this_moment_is_still_the_alerts() -> None:
    """One good reading of the two that end it: its recovery will say so."""
    story = cut()
    for minute in range(3):
        late(story, http(up=False), f"10:0{minute}")
    for _ in range(9):
        story.later(61).heard().platform(up=False)
    story.later(40).platform().later(15).event(Tick())
    assert [alert.cause for alert in story.school.state.alerts if alert.opened_at] == [Cause.PLATFORM_UNREACHABLE]
    assert (story.told(Meanwhile), story.school.state.meanwhile) == ([], {})


def test_what_nobody_tests_any_more_is_not_called_well() -> None:
    """Two days later the tests of then count no more, and no others came."""
    story = cut()
    for when in ("12:00", "13:00"):
        late(story, bandwidth(passed=False), when)
    late(story, bandwidth(passed=False), "13:59")
    story.school = replace(story.school, state=replace(story.school.state, uplinks={}))
    story.later(700).heard().event(Tick())
    assert story.told(Meanwhile) == []
    assert GATEWAY in story.school.state.meanwhile


def test_the_moment_at_which_it_settles_is_looked_at() -> None:
    """Were nothing else to happen before: reports of this gateway come every hour."""
    story = Story(school(), at(BACK), POLICY).heard(interval_s=3_600).platform().event(Tick())
    late(story, http(up=False), "10:00")
    assert story.wake_at == story.now + SETTLES_S


def test_it_is_a_fact_and_bounded() -> None:
    """Written with its commit, for the records are acknowledged with it; however many switches a gateway names."""
    story = cut()
    before = story.school.state
    assert is_news(before, late(story, http(up=False), "10:00").school.state)
    story.school = replace(story.school, state=before)
    for number in range(EPISODES_MAX + 5):
        for minute in range(3):
            late(story, replace(no_switch(), switch=f"s{number}"), f"10:0{minute}", "r1")
    held = story.school.state.meanwhile[GATEWAY]
    assert (len(held.episodes), held.more_count) == (EPISODES_MAX, 15)
    story.later(SETTLES_S + 1).event(Tick())
    assert story.told(Meanwhile) == []
    assert story.school.state.meanwhile[GATEWAY].more_count == 15, "nobody was told of these yet"


def test_a_gateway_that_leaves_takes_it_along() -> None:
    story = cut()
    late(story, http(up=False), "10:00")
    story.event(RosterChanged(roster=roster(gateways=("other",)), hours=story.school.hours))
    assert story.school.state.meanwhile == {}


def test_a_desk_keeps_it_once_and_so_many() -> None:
    """A gateway of two schools says it to both; a region that was cut off is counted."""
    one = settled(told_story())[0]
    since = recalled(recalled(Since(), one), replace(one, school="s2"))
    assert since.meanwhile == (one,)
    for number in range(MEANWHILE_MAX + 3):
        since = recalled(since, replace(one, gateway=f"g{number}"))
    assert (len(since.meanwhile), since.meanwhile_more_count) == (MEANWHILE_MAX, 4)


def told_story() -> Story:
    story = cut()
    for minute in range(3):
        late(story, http(up=False), f"10:0{minute}")
    return story
