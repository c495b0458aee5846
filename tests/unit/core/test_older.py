"""Which evidence replaces which: the newest of each kind stands, and what a wrong clock dated gives way."""

import pytest

from classready.observation import Bandwidth, Device, Outcome, Ping, Port, Reason
from classready.units import MBIT
from collector.core.events import RosterChanged
from tests.support.school import Story, bandwidth, device, exit_test, http, path_test, port, roster, trunk

VAIN = {"direction": "down", "outcome": Outcome.UNMEASURED}


def silent(kind: type) -> object:
    named = {"classroom": "r1", "switch": "sw1"} if kind is Port else {"target": "national"}
    return kind(**named, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


KINDS = {
    "switch that answers": (port("r1"), silent(Port), "r1"),
    "port": (port("r1", 1000), port("r1", 10), "r1"),
    "device": (device("r1"), device("r1", answered=False), "r1"),
    "sleeping device": (device("r1", "asleep"), device("r1"), "r1"),
    "trunk": (trunk(1000), trunk(100), None),
    "platform": (http(up=True), http(up=False), None),
    "ping": (Ping(target="national", outcome=Outcome.ANSWERED, sent_count=9, received_count=9), silent(Ping), None),
    "test of the line": (bandwidth(passed=True), bandwidth(passed=False), None),
    "test beyond an exit": (exit_test(passed=True), exit_test(passed=False), None),
    "test of a way": (path_test(passed=True), path_test(passed=False), "r1"),
    "vain attempt": (
        Bandwidth(target="a", reason=Reason.BUDGET, **VAIN),
        Bandwidth(target="a", reason=Reason.CLOCK, **VAIN),
        None,
    ),
}


def known(story: Story) -> object:
    """All evidence of the school, without the dates at which a target was last told of."""
    state = story.school.state
    rooms = {key: (room.last_port, room.device, room.last_awake_at) for key, room in state.classrooms.items()}
    legs = [(leg.tests, leg.last_unmeasured_reason) for leg in (*state.uplinks.values(), *state.paths.values())]
    return state.switches, state.segments, state.platforms, rooms, legs


@pytest.mark.parametrize("ago_s", [0, 0.001, 100, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_newer_replaces_nothing(kind, ago_s):
    """Neither from the backlog nor of the same date: that is the same record once more."""
    newest, older, room = KINDS[kind]
    story = Story().heard().saw(newest, room)
    before = known(story)
    story.saw(older, room, ago_s=ago_s, late=ago_s > 180)
    assert known(story) == before


@pytest.mark.parametrize(("ago_s", "reachable"), [(-0.001, True), (0, False), (1, False)])
def test_a_silent_switch_is_not_heard_by_what_it_said_before(ago_s, reachable):
    """An older reading of one of its ports came later."""
    story = Story().heard().saw(silent(Port), "r1").saw(port("r2"), "r2", ago_s=ago_s)
    assert [switch.reachable for switch in story.school.state.switches.values()] == [reachable]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_newer_replaces_it(kind):
    """From the first moment on; a test joins those before it once it is a minute later."""
    first, newer, room = KINDS[kind]
    story = Story().heard().saw(first, room)
    before = known(story)
    story.later(60 if "test" in kind else 0.001).saw(newer, room)
    assert known(story) != before


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_dated_in_the_future_gives_way(kind):
    """A clock was wrong, and is right again: the future is no evidence against the present."""
    first, second, room = KINDS[kind]
    story = Story().heard().saw(first, room, ago_s=-86_400)
    before = known(story)
    story.later(1).saw(second, room)
    assert known(story) != before


def test_a_test_dated_in_the_future_is_none_of_three():
    """What gives way does not count towards the majority: one failure alone decides nothing."""
    story = Story().heard().saw(bandwidth(passed=False), ago_s=-86_400)
    story.later(60).heard().saw(bandwidth(passed=False))
    (leg,) = story.school.state.uplinks.values()
    assert [test.observed_at for test in leg.tests] == [story.now]
    assert "uplink_below_required" not in story.causes()


@pytest.mark.parametrize(("apart_s", "count"), [(59.399, 1), (59.4, 2), (60, 2)])
def test_tests_a_minute_apart_are_two(apart_s, count):
    """A clock's slew of a hundredth is forgiven; closer ones are one opinion."""
    story = Story().heard().saw(bandwidth(passed=False)).later(apart_s).saw(bandwidth(passed=False))
    (leg,) = story.school.state.uplinks.values()
    assert len(leg.tests) == count


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [((0,), None), ((100,), 100), ((1000, 0), 1000), ((1000, 100), 100), ((100, 0, 1000), 1000)],
)
def test_the_card_of_a_device_speaks_for_itself(speeds, expected):
    """Its newest speed stands; awake without one it tells nothing new (a driver that reports none)."""
    story = Story().heard()
    for mbps in speeds:
        seen = Device(classroom="r1", outcome=Outcome.ANSWERED, state="awake", nic_speed_bps=mbps * MBIT or None)
        story.later(1).saw(seen, "r1")
    assert story.school.state.classrooms["r1"].nic_speed_bps == (expected and expected * MBIT)


def test_what_a_gateway_told_goes_with_it():
    """The roster lists another in its place: nothing of the old one is kept, not even that it was heard."""
    story = Story().heard()
    for newest, _, room in KINDS.values():
        story.saw(newest, room)
    state = story.school.state
    parts = ("gateways", "uplinks", "paths", "switches", "segments", "platforms")
    assert all(getattr(state, part) for part in parts)
    story.event(RosterChanged(roster=roster(gateways=("dem-gw-02",)), hours=story.school.hours))
    assert [getattr(story.school.state, part) for part in parts] == [{}] * len(parts)
