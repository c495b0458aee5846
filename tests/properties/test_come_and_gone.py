"""Whatever came and went leaves nothing behind: no alert, whatever the cause, the order and the roster meanwhile."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from collector.core.events import AlertChange, Observed, RosterChanged
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.step import leave
from tests.support.school import (
    GATEWAY,
    Story,
    Tick,
    bandwidth,
    device,
    exit_test,
    http,
    path_test,
    port,
    roster,
    school,
    trunk,
)

POLICY = Policy(
    observation_school_days=0,
    device_proof_school_days=0,
    blame_spacing_s=0,
    silence_hold_s=0,
    platform_hold_s=0,
    required_up_bps=20_000_000,
)
OTHER = "dem-gw-02"
Act = Callable[[Story], Any]


def told(story: Story, gateway: str, observation: Any, room: str | None = None) -> Story:
    return story.event(Observed(gateway=gateway, observation=observation, classroom=room, observed_at=story.now - 0.5))


def silent_switch(story: Story) -> None:
    for room in ("r1", "r2"):
        story.saw(Port(classroom=room, switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), room)


def line(story: Story, *, passed: bool) -> None:
    story.uplink(passed=passed).saw(upload(passed=True))


def upload(*, passed: bool) -> Any:
    fields = {"at_least_bps": 19e6} if passed else {"at_most_bps": 20e6}
    return bandwidth(passed=passed, target="up", direction="up", **fields)


def well(story: Story) -> None:
    """Everything that can be told of the school is good."""
    line(story, passed=True)
    story.saw(exit_test(passed=True)).saw(path_test(passed=True), "r1").platform()
    told(story, OTHER, http())
    for room in ("r1", "r2"):
        if room in story.school.roster.classrooms:
            story.saw(port(room, in_octets=int(story.now)), room).saw(device(room), room)
    story.saw(trunk(1000))


BAD: dict[str, Act] = {
    "uplink": lambda s: line(s, passed=False),
    "upload": lambda s: s.uplink(passed=True).saw(upload(passed=False)),
    "exit": lambda s: (line(s, passed=True), s.saw(exit_test(passed=False))),
    "path": lambda s: s.saw(path_test(passed=False), "r1"),
    "trunk": lambda s: s.saw(trunk(10)),
    "trunk at half duplex": lambda s: s.saw(trunk(1000, full=False)),
    "slow port": lambda s: s.room_well("r1", 10),
    "half duplex": lambda s: s.room_well("r1", 1000, full=False),
    "slow card": lambda s: s.saw(replace(device("r1"), nic_speed_bps=10**7), "r1"),
    "port switched off": lambda s: s.saw(port("r1", admin_up=False), "r1"),
    "port down, device awake": lambda s: s.saw(device("r1"), "r1").saw(port("r1", oper_up=False), "r1"),
    "device off": lambda s: s.saw(device("r1", answered=False), "r1"),
    "platform": lambda s: s.platform(up=False),
    "platform from one of two gateways": lambda s: told(s, OTHER, http(up=False)),
    "switch": silent_switch,
}
GOOD: dict[str, Act] = {"slow card": lambda s: s.saw(replace(device("r1"), nic_speed_bps=10**9), "r1")}


def start() -> Story:
    story = Story(school(gateways=(GATEWAY, OTHER)), policy=POLICY)
    story.heard().heard(OTHER)
    for room in ("r1", "r2"):
        story.saw(port(room), room)
    well(story)
    return story


def rounds_of(story: Story, act: Act, count: int) -> None:
    for _ in range(count):
        story.later(61).heard().heard(OTHER)
        act(story)
        story.event(Tick())


def changes(story: Story) -> dict[Any, list[str]]:
    turns = defaultdict(list)
    for change in story.told(AlertChange):
        turns[change.subject, change.cause].append(change.change)
    return turns


@pytest.mark.parametrize("cause", BAD)
def test_bad_then_good(cause: str) -> None:
    """Six times bad opens, six times good closes, and nothing is remembered."""
    story = start()
    rounds_of(story, BAD[cause], 6)
    assert [turn for turn in changes(story).values() if turn == ["opened"]], cause
    rounds_of(story, lambda s: (GOOD.get(cause, lambda _: None)(s), well(s)), 6)
    assert {tuple(turn) for turn in changes(story).values()} == {("opened", "closed")}
    assert story.school.state.alerts == ()


@pytest.mark.parametrize("cause", BAD)
def test_bad_then_removed(cause: str) -> None:
    """Both rooms are taken off the roster, or exempted: what was told is taken back, and is never called recovered."""
    for left in ({"r3": Classroom(id="r3")}, {r: Classroom(id=r, device="p", exempt="拆除") for r in ("r1", "r2")}):
        story = start()
        rounds_of(story, BAD[cause], 6)
        story.event(RosterChanged(roster=roster(classrooms=left, gateways=(GATEWAY, OTHER)), hours=story.school.hours))
        of_rooms = [c for c in story.told(AlertChange) if c.change == "closed" and c.subject.kind == "classroom"]
        assert all(change.why == "withdrawn" for change in of_rooms)
        rounds_of(story, well, 6)
        assert story.school.state.alerts == ()
        assert {turn[-1] for turn in changes(story).values()} == {"closed"}


@pytest.mark.parametrize("cause", BAD)
def test_bad_then_not_told_of_any_more(cause: str) -> None:
    """The thing was replaced or taken away: after two weeks of reports that say nothing of it, it is forgotten."""
    story = start()
    rounds_of(story, BAD[cause], 6)
    for _ in range(16):
        story.later(86_400).heard().heard(OTHER).event(Tick())
    absent = [alert for alert in story.school.state.alerts if alert.cause != "device_absent"]
    assert absent == []


@pytest.mark.parametrize("cause", BAD)
def test_the_school_moves_to_another_office(cause: str) -> None:
    """The old office's alert is taken back, the new one has it, and the recovery goes to the new one."""
    story = start()
    rounds_of(story, BAD[cause], 6)
    story.effects.clear()
    moved = roster(office="511403", gateways=(GATEWAY, OTHER))
    story.event(RosterChanged(roster=moved, hours=story.school.hours))
    rounds_of(story, BAD[cause], 3)
    rounds_of(story, lambda s: (GOOD.get(cause, lambda _: None)(s), well(s)), 6)
    by_office = defaultdict(set)
    for change in story.told(AlertChange):
        by_office[change.office].add((change.change, change.why))
    assert by_office == {
        "511402": {("closed", "withdrawn")},
        "511403": {("opened", "recovered"), ("closed", "recovered")},
    }


@pytest.mark.parametrize("cause", BAD)
def test_the_school_leaves_and_returns(cause: str) -> None:
    """Taken back when it leaves; told again when it is back and the trouble still there; then it recovers."""
    story = start()
    rounds_of(story, BAD[cause], 6)
    story.effects.clear()
    story.school, effects, _ = leave(story.school, story.now)
    assert {(change.change, change.why) for change in effects} == {("closed", "withdrawn")}
    rounds_of(story, BAD[cause], 3)
    assert "opened" in {change.change for change in story.told(AlertChange)}
    rounds_of(story, lambda s: (GOOD.get(cause, lambda _: None)(s), well(s)), 6)
    assert story.school.state.alerts == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(BAD)), st.integers(1, 4)), max_size=6))
def test_any_order(history: list[tuple[str, int]]) -> None:
    """Causes one after the other, in any order and number, then all is well."""
    story = start()
    for cause, count in history:
        rounds_of(story, BAD[cause], count)
    rounds_of(story, lambda s: (GOOD["slow card"](s), well(s)), 8)
    assert story.school.state.alerts == ()
    for turn in changes(story).values():
        assert turn == [("opened", "closed")[n % 2] for n in range(len(turn))]
        assert turn[-1] == "closed"
