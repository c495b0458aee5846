"""What of a school's state is written with the commit that made it: the table of what is a fact, and what a clock."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping
from collector.core.evidence import BandwidthTest, HttpReading, PingReading, PlatformReading, UplinkState
from collector.core.facts import is_news
from collector.core.state import AlertState, ClassroomState, SchoolState
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, MONDAY, Story, bandwidth, http

ALERT = AlertState(subject=Subject("uplink", GATEWAY), cause=Cause.UPLINK_BELOW_REQUIRED, bad_streak=1)
LEG = UplinkState(gateway=GATEWAY, target="t", direction="down", last_unmeasured_at=MONDAY)
TEST = BandwidthTest(observed_at=MONDAY + 5, seen=bandwidth())


def with_leg(**fields: Any) -> SchoolState:
    return SchoolState(uplinks={"k": replace(LEG, **fields)})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(SchoolState(), SchoolState(), False, id="the same"),
        pytest.param(SchoolState(), SchoolState(platform_faults=("p",)), True, id="a fault of a platform"),
        pytest.param(SchoolState(), SchoolState(alerts=(ALERT,)), True, id="an alert"),
        pytest.param(
            SchoolState(alerts=(ALERT,)), SchoolState(alerts=(replace(ALERT, bad_streak=2),)), False, id="a streak"
        ),
        pytest.param(
            SchoolState(alerts=(ALERT,)), SchoolState(alerts=(replace(ALERT, announced=True),)), True, id="told"
        ),
        pytest.param(SchoolState(), SchoolState(unlisted={"r9": 1.0}), True, id="an unlisted room"),
        pytest.param(SchoolState(unlisted={"r9": 1.0}), SchoolState(unlisted={"r9": 2.0}), False, id="heard again"),
        pytest.param(SchoolState(), with_leg(), True, id="a target"),
        pytest.param(with_leg(), with_leg(told_at=9.0), False, id="told of again"),
        pytest.param(with_leg(), with_leg(last_unmeasured_at=MONDAY + 1), False, id="in vain again"),
        pytest.param(with_leg(), with_leg(last_unmeasured_reason="clock"), True, id="for another reason"),
        pytest.param(with_leg(), with_leg(last_unmeasured_at=None), True, id="an attempt that is history"),
        pytest.param(with_leg(), with_leg(tests=(TEST,)), True, id="a test"),
        pytest.param(
            with_leg(tests=(TEST,)), with_leg(tests=(TEST,), last_unmeasured_at=MONDAY + 5), False, id="not after it"
        ),
        pytest.param(
            with_leg(tests=(TEST,)), with_leg(tests=(TEST,), last_unmeasured_at=MONDAY + 6), True, id="in vain after it"
        ),
        pytest.param(
            SchoolState(classrooms={"r1": ClassroomState()}),
            SchoolState(classrooms={"r1": ClassroomState(last_awake_at=1.0)}),
            False,
            id="seen awake",
        ),
        pytest.param(
            SchoolState(classrooms={"r1": ClassroomState()}),
            SchoolState(classrooms={"r1": ClassroomState(nic_speed_bps=1)}),
            True,
            id="the speed of a card",
        ),
    ],
)
def test_what_is_a_fact(before: SchoolState, after: SchoolState, expected: bool) -> None:  # noqa: FBT001
    """What was told rests on it; dates, counters and streaks wait for the next one."""
    assert is_news(before, after) is expected


def platform(**fields: Any) -> SchoolState:
    return SchoolState(platforms={"k": PlatformReading(gateway=GATEWAY, target="national", **fields)})


def test_a_ping_is_no_fact_and_a_first_page_is_one() -> None:
    """Nobody is judged by a ping; that a target was fetched at all is news, and that it is no more."""
    ping = PingReading(observed_at=MONDAY, gateway=GATEWAY, seen=Ping(target="national", outcome=Outcome.ANSWERED))
    page = HttpReading(observed_at=MONDAY, gateway=GATEWAY, seen=http())
    assert not is_news(platform(ping=ping), platform(ping=replace(ping, observed_at=MONDAY + 60)))
    assert is_news(platform(ping=ping), platform(ping=ping, http=page))
    assert is_news(platform(ping=ping, http=page), platform(ping=ping))
    assert not is_news(platform(http=page), platform(http=replace(page, observed_at=MONDAY + 60)))


def test_a_whole_school() -> None:
    """Everything that it tells is news once; told again it is not."""
    story = Story()
    empty = story.school.state
    known = story.all_well().school.state
    assert is_news(empty, known)
    assert not is_news(known, story.later(30).all_well().school.state)
