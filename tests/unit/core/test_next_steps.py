"""What an unknown asks for: true in each situation that can be met, and possible with what exists."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Device, Outcome, Port, Reason
from collector import text
from collector.core.events import Observed, PlatformFault, RosterChanged
from collector.core.roster import Classroom, Hours
from collector.core.state import SchoolState
from collector.core.words import NextStep
from tests.support.school import (
    GATEWAY,
    MONDAY,
    POLICY,
    Story,
    Tick,
    at,
    bandwidth,
    device,
    http,
    path_test,
    port,
    roster,
    school,
    trunk,
)

OTHER_GATEWAY = "dem-gw-02"
WIRED_ROOMS = {name: Classroom(id=name, device="panel") for name in ("r1", "r2", "r3")}
WIFI_ROOMS = {name: Classroom(id=name, access="wifi", device="panel") for name in ("r1", "r2")}
EVENING = at("2026-11-23 19:00")
"""After lessons: nobody expects a device to be awake."""
TUESDAY_EVENING = at("2026-11-24 19:00")


def room(access: Any = "wired", now: float = MONDAY) -> Story:
    """A school with one room, its gateway heard and its uplink good; nothing is known of the room."""
    rooms = {"r1": Classroom(id="r1", access=access, device="panel")}
    return Story(school(classrooms=rooms), now=now).heard().platform().uplink()


def unmeasured(reason: Reason, room_id: str | None = None) -> Bandwidth:
    return bandwidth(outcome=Outcome.UNMEASURED, reason=reason, at_least_bps=None, mode=None, classroom=room_id)


def untested(reason: Reason) -> Story:
    """A gateway whose uplink test brings no result, and a room that is otherwise well."""
    return Story().heard().platform().room_well().saw(unmeasured(reason))


def two_gateways(*, heard: bool, silent: bool) -> Story:
    story = Story(school(gateways=(GATEWAY, OTHER_GATEWAY)))
    if heard:
        story.heard().heard(OTHER_GATEWAY, 60)
    return story.event(Tick(), now=story.now + (600 if silent else 1))


def one_of_two_silent() -> Story:
    story = two_gateways(heard=True, silent=True)
    return story.heard(OTHER_GATEWAY)


def read_elsewhere() -> Story:
    """The school's second gateway reads the switch of its own building, which does not answer."""
    story = Story(school(gateways=(GATEWAY, OTHER_GATEWAY))).heard().platform().uplink().saw(device("r1"), "r1")
    silent = Observed(gateway=OTHER_GATEWAY, observation=no_answer("r2"), classroom="r2", observed_at=story.now)
    return story.heard(OTHER_GATEWAY).event(silent)


def asleep(story: Story) -> Story:
    return story.saw(device("r1", "asleep"), "r1")


def no_answer(room_id: str = "r1") -> Port:
    return Port(classroom=room_id, switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


def fault(story: Story, *platforms: str) -> Story:
    for platform in platforms:
        story.event(PlatformFault(platform=platform, on=True))
    return story


TWO_PLATFORMS = {"national": ("national",), "sichuan": ("sichuan",)}

SITUATIONS: dict[str, tuple[Callable[[], Story], NextStep | None]] = {
    # --- the gateway
    "no gateway listed": (lambda: Story(school(gateways=())).event(Tick()), NextStep.INSTALL_GATEWAY),
    "gateway never heard": (lambda: Story().event(Tick()), NextStep.INSTALL_GATEWAY),
    "two gateways, none heard": (lambda: two_gateways(heard=False, silent=False), NextStep.INSTALL_GATEWAY),
    "two gateways report, none names the room": (lambda: two_gateways(heard=True, silent=False), NextStep.NAME_ROOM),
    "two gateways fell silent before they named it": (
        lambda: two_gateways(heard=True, silent=True), NextStep.CHECK_GATEWAY
    ),
    "of two gateways one fell silent, the other names no such room": (one_of_two_silent, NextStep.NAME_ROOM),
    "gateway silent": (lambda: room().event(Tick(), now=at("2026-11-23 10:10")), NextStep.CHECK_GATEWAY),
    # --- the uplink's test
    "no bandwidth target": (lambda: Story().heard().platform().room_well(), NextStep.ADD_TEST),
    "every test is too old": (
        lambda: Story().all_well().event(Tick(), now=at("2026-11-25 16:30")).heard().platform().room_well(),
        NextStep.ADD_TEST,
    ),
    "uploads are judged, too, and nothing tests them": (
        lambda: Story(policy=replace(POLICY, required_up_bps=20_000_000)).all_well(), NextStep.ADD_TEST
    ),
    "uploads are judged, too, and wait for their hours": (
        lambda: Story(policy=replace(POLICY, required_up_bps=20_000_000)).all_well().saw(
            replace(unmeasured(Reason.OUTSIDE_HOURS), target="up", direction="up")
        ),
        NextStep.WAIT_FOR_HOURS,
    ),
    "a test of an exit has no result, the line is not tested": (
        lambda: Story().heard().platform().room_well().saw(replace(unmeasured(Reason.TIMEOUT), beyond="metro")),
        NextStep.CHECK_TEST,
    ),
    "one test failed, the second is ordered": (
        lambda: Story().heard().platform().room_well().uplink(passed=False), NextStep.WAIT_FOR_TEST
    ),
    "the gateway has no policy yet": (lambda: untested(Reason.NO_POLICY), NextStep.WAIT_FOR_TEST),
    "the responder is busy": (lambda: untested(Reason.PEER_BUSY), NextStep.WAIT_FOR_TEST),
    "outside the hours for tests": (lambda: untested(Reason.OUTSIDE_HOURS), NextStep.WAIT_FOR_HOURS),
    "the day's bytes are used up": (lambda: untested(Reason.BUDGET), NextStep.WAIT_FOR_BUDGET),
    "the gateway's clock is wrong": (lambda: untested(Reason.CLOCK), NextStep.SET_CLOCK),
    "the responder is not there": (lambda: untested(Reason.REFUSED), NextStep.CHECK_TEST),
    "its name is not known": (lambda: untested(Reason.NAME_UNRESOLVED), NextStep.CHECK_TEST),
    "iperf3 is not installed": (lambda: untested(Reason.TOOL_MISSING), NextStep.CHECK_TEST),
    "the gateway is too slow": (lambda: untested(Reason.RECEIVER_LIMITED), NextStep.CHECK_TEST),
    "the last attempt failed, an older one failed to decide": (
        lambda: Story().heard().platform().room_well().uplink(passed=False).later(90).heard().saw(
            unmeasured(Reason.UNREACHABLE)
        ),
        NextStep.CHECK_TEST,
    ),
    "an attempt without result, then a test": (
        lambda: untested(Reason.REFUSED).later(60).uplink(passed=False), NextStep.WAIT_FOR_TEST
    ),
    # --- the room's link: wired
    "wired, no managed switch": (lambda: room().saw(device("r1"), "r1"), NextStep.SHOW_LINK),
    "wired, no managed switch, the device asleep": (lambda: asleep(room(now=EVENING)), NextStep.SHOW_LINK),
    "wired, a managed switch, the room not placed": (
        lambda: Story().heard().platform().uplink().saw(device("r1"), "r1").room_well("r2"), NextStep.PLACE_ROOM
    ),
    "wired, only the core switch is read": (lambda: room().saw(device("r1"), "r1").saw(trunk()), NextStep.PLACE_ROOM),
    "wired, a switch is read from the school's other building": (read_elsewhere, NextStep.SHOW_LINK),
    "wired, one of two switches answers": (
        lambda: Story(school(classrooms=WIRED_ROOMS)).heard().platform().uplink().saw(device("r1"), "r1").saw(
            no_answer("r2"), "r2"
        ).saw(port("r3", switch="sw2"), "r3"),
        NextStep.PLACE_ROOM,
    ),
    "wired, the switch never answered": (
        lambda: room().saw(device("r1"), "r1").saw(no_answer(), "r1"), NextStep.CHECK_SWITCH
    ),
    "the room's switch stopped answering": (
        lambda: Story().all_well().later(60).heard().platform().saw(no_answer(), "r1"), NextStep.CHECK_SWITCH
    ),
    "wired, the device asleep": (
        lambda: asleep(room(now=EVENING).saw(port("r1"), "r1").later(1)), NextStep.WAKE_DEVICE
    ),
    "wired, the device not looked at": (lambda: room().saw(port("r1"), "r1"), NextStep.WAKE_DEVICE),
    "the port's evidence is too old, the device asleep": (
        lambda: asleep(Story().all_well().event(Tick(), now=TUESDAY_EVENING).heard().platform().uplink()),
        NextStep.WAKE_DEVICE,
    ),
    "the port is not read any more": (
        lambda: Story().all_well().event(Tick(), now=at("2026-11-24 11:00")).heard().platform().uplink().saw(
            device("r1"), "r1"
        ),
        NextStep.CHECK_SWITCH_PROBE,
    ),
    "awake, the first reading has still to be confirmed": (
        lambda: room().saw(device("r1"), "r1").later(1).saw(port("r1"), "r1"), NextStep.WAIT_FOR_READING
    ),
    "the switch tells no speed": (
        lambda: room().saw(port("r1", 0), "r1").later(1).saw(device("r1"), "r1"), NextStep.TEST_ROOM
    ),
    "the card told its speed, long ago": (
        lambda: room().saw(replace(device("r1"), nic_speed_bps=10**9), "r1").event(
            Tick(), now=at("2026-11-24 11:00")
        ).heard().platform().uplink(),
        NextStep.WAKE_DEVICE,
    ),
    # --- the room's link: without a port
    "Wi-Fi": (lambda: room("wifi").saw(device("r1"), "r1"), NextStep.TEST_ROOM),
    "Wi-Fi in a school with a managed switch": (
        lambda: room("wifi").saw(device("r1"), "r1").saw(trunk()), NextStep.TEST_ROOM
    ),
    "Wi-Fi, the test into the room waits for its hours": (
        lambda: room("wifi").saw(device("r1"), "r1").saw(unmeasured(Reason.OUTSIDE_HOURS, "r1"), "r1"),
        NextStep.WAIT_FOR_HOURS,
    ),
    "Wi-Fi, only the test into another room waits for its hours": (
        lambda: Story(school(classrooms=WIFI_ROOMS)).heard().platform().uplink().saw(device("r1"), "r1").saw(
            unmeasured(Reason.OUTSIDE_HOURS, "r2"), "r2"
        ),
        NextStep.TEST_ROOM,
    ),
    "Wi-Fi, the responder in the room is off": (
        lambda: room("wifi").saw(device("r1"), "r1").saw(unmeasured(Reason.TIMEOUT, "r1"), "r1"), NextStep.CHECK_TEST
    ),
    "Wi-Fi, one failed test": (
        lambda: room("wifi").saw(device("r1"), "r1").saw(path_test(passed=False), "r1"), NextStep.WAIT_FOR_TEST
    ),
    "cellular": (lambda: room("cellular").saw(device("r1"), "r1"), NextStep.WIRE_ROOM),
    # --- the device, in a lesson
    "nobody looks at the device": (
        lambda: Story().heard().uplink().platform().saw(port("r1", in_octets=1), "r1").later(30).saw(
            port("r1", in_octets=9), "r1"
        ).later(181).heard().platform().event(Tick()),
        NextStep.LIST_DEVICE,
    ),
    "the device is not read any more": (
        lambda: Story().all_well().later(181).heard().platform().event(Tick()), NextStep.CHECK_DEVICE_PROBE
    ),
    "the device's state cannot be read": (
        lambda: Story().all_well().later(181).heard().platform().saw(
            Device(classroom="r1", outcome=Outcome.UNMEASURED, reason=Reason.PROTOCOL), "r1"
        ).event(Tick()),
        NextStep.CHECK_DEVICE_PROBE,
    ),
    # --- platforms
    "a platform without a result": (
        lambda: Story().heard().uplink().room_well(), NextStep.CHECK_PLATFORM_PROBE
    ),
    "the platform's own fault": (lambda: fault(Story().all_well(), "national"), NextStep.WAIT_FOR_PLATFORM),
    "one platform's own fault, another is well": (
        lambda: fault(Story(school(platforms=TWO_PLATFORMS)).all_well().saw(http(target="sichuan")), "national"),
        NextStep.WAIT_FOR_PLATFORM,
    ),
    "one platform's own fault, another without a result": (
        lambda: fault(Story(school(platforms=TWO_PLATFORMS)).all_well(), "national"), NextStep.CHECK_PLATFORM_PROBE
    ),
    "two platforms' own faults": (
        lambda: fault(Story(school(platforms=TWO_PLATFORMS)).all_well(), "national", "sichuan"),
        NextStep.WAIT_FOR_PLATFORM,
    ),
    # --- ready, and not proven yet
    "evening, the device looked at and never seen awake": (
        lambda: evening(lambda story: story.saw(device("r1", "away"), "r1")), NextStep.WAIT_FOR_LESSONS
    ),
    "evening, nobody looks at the device": (lambda: evening(lambda story: story), NextStep.LIST_DEVICE),
    "no lessons ahead, the device never seen awake": (
        lambda: evening(lambda story: without_lessons(story.saw(device("r1", "away"), "r1"))), NextStep.WAKE_DEVICE
    ),
    "all is well": (lambda: Story().all_well(), None),
    "not ready has a cause instead": (lambda: Story().all_well().later(30).platform(up=False), None),
}  # fmt: skip


WAITED_FOR = {
    Reason.NO_POLICY: NextStep.WAIT_FOR_TEST,
    Reason.PEER_BUSY: NextStep.WAIT_FOR_TEST,
    Reason.TIME_LIMIT: NextStep.WAIT_FOR_TEST,
    Reason.DEADLINE: NextStep.WAIT_FOR_TEST,
    Reason.OUTSIDE_HOURS: NextStep.WAIT_FOR_HOURS,
    Reason.BUDGET: NextStep.WAIT_FOR_BUDGET,
    Reason.CLOCK: NextStep.SET_CLOCK,
}
"""What passes by itself, or has a remedy of its own; every other reason waits for somebody who looks."""


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("where", ["line", "exit", "way", "up"])
def test_a_test_without_result_for_each_reason(reason: Reason, where: str) -> None:
    """Of the line, of what is beyond it, of the way to a Wi-Fi room, and of uploads where they are required."""
    told = {
        "line": lambda: untested(reason),
        "exit": lambda: Story().heard().platform().room_well().saw(replace(unmeasured(reason), beyond="metro")),
        "way": lambda: room("wifi").saw(device("r1"), "r1").saw(unmeasured(reason, "r1"), "r1"),
        "up": lambda: Story(policy=replace(POLICY, required_up_bps=20_000_000)).all_well().saw(
            replace(unmeasured(reason), target="up", direction="up")
        ),
    }[where]().event(Tick()).school.state.classrooms["r1"]  # fmt: skip
    assert told.verdict.next_step == WAITED_FOR.get(reason, NextStep.CHECK_TEST)
    assert (told.verdict.ready, told.latch.value) == ("unknown", "unknown")


@pytest.mark.parametrize("reason", Reason)
def test_a_platform_or_device_without_result_for_each_reason(reason: Reason) -> None:
    """The probe says why where somebody asks it; what it does not know is no fault of a platform or board."""
    missed = replace(http(), outcome=Outcome.UNMEASURED, reason=reason)
    verdict = Story().heard().uplink().room_well().saw(missed).event(Tick()).school.state.classrooms["r1"].verdict
    assert (verdict.ready, verdict.next_step) == ("unknown", NextStep.CHECK_PLATFORM_PROBE)
    unread = Device(classroom="r1", outcome=Outcome.UNMEASURED, reason=reason)
    later = Story().all_well().later(181).heard().platform().saw(unread, "r1").event(Tick())
    verdict = later.school.state.classrooms["r1"].verdict
    assert (verdict.ready, verdict.next_step) == ("unknown", NextStep.CHECK_DEVICE_PROBE)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_unknown_of_either_verdict_has_its_step(situation: str) -> None:
    """Ready or compliant: whoever reads "unknown" finds one thing to do, unless something bad is told instead."""
    state = SITUATIONS[situation][0]().event(Tick()).school.state.classrooms["r1"]
    is_open = state.verdict.ready == "unknown" or (state.verdict.ready == "yes" and state.latch.value == "unknown")
    assert (state.verdict.next_step is not None) is is_open


def unseen(access: Any, way: Bandwidth) -> Story:
    """A school term in which the line and the way are tested and the device is not looked at; it is evening."""
    story = room(access, now=at("2026-10-12 10:00")).saw(way, "r1").saw(device("r1"), "r1")
    for day in range(1, 33):
        story.now = at("2026-10-12 19:00") + day * 86_400
        story.heard().platform().uplink().saw(way, "r1").event(Tick())
    return story


def unlisted() -> Story:
    return Story(school(classrooms={"r1": Classroom(id="r1", device=None)})).heard().platform().saw(port("r1"), "r1")


def moved() -> Story:
    story = Story(school(gateways=(GATEWAY, "dem-gw-02"))).all_well()
    left = roster(gateways=("dem-gw-02", "dem-gw-03"))
    return story.event(RosterChanged(roster=left, hours=story.school.hours)).heard("dem-gw-02").heard("dem-gw-03")


NOBODY_LOOKS = {
    "no platform is configured: none is missed": (
        lambda: Story(school(platforms={})).heard().uplink().room_well(), None
    ),
    "all but the device was proven; nobody looks at it any more": (
        lambda: unseen("wifi", path_test()), NextStep.LIST_DEVICE
    ),
    "no board is listed: that is a cause, whatever else is not known": (unlisted, None),
    "the room hangs on a gateway that left, another reports": (moved, NextStep.NAME_ROOM),
}  # fmt: skip


@pytest.mark.parametrize("situation", NOBODY_LOOKS)
def test_what_nobody_looks_at(situation: str) -> None:
    told, expected = NOBODY_LOOKS[situation]
    state = told().event(Tick()).school.state.classrooms["r1"]
    assert state.verdict.next_step == expected, state


def evening(then: Callable[[Story], Story]) -> Story:
    """After lessons, a Wi-Fi room whose way was tested and found good."""
    rooms = {"r1": Classroom(id="r1", access="wifi", device="panel")}
    story = Story(school(classrooms=rooms), now=EVENING).heard().platform().uplink().saw(path_test(), "r1")
    return then(story)


def without_lessons(story: Story) -> Story:
    return story.event(RosterChanged(roster=story.school.roster, hours=Hours()))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_next_step(situation: str) -> None:
    """One step a situation, once time has gone by (a tick); none where nothing is unknown."""
    told, expected = SITUATIONS[situation]
    verdict = told().event(Tick()).school.state.classrooms["r1"].verdict
    assert verdict.next_step == expected, verdict


def test_every_step_is_asked_for_somewhere() -> None:
    """A step that no situation selects would be a dead word, or an untested one."""
    assert {step for _, step in SITUATIONS.values()} == {*NextStep, None}


@pytest.mark.parametrize("step", NextStep)
def test_no_step_asks_for_what_does_not_exist(step: NextStep) -> None:
    """Commands and settings that a step names are there today; a self-test on the screen is not."""
    for language in text.LANGUAGES:
        sentence = text.say(f"next.{step}", language)
        assert not any(word in sentence.lower() for word in ("自检", "self-test", "self test"))
        named = {word for word in ("discover", "probe", "responder") if f"classready-agent {word}" in sentence}
        assert named <= {"discover", "probe"}
        assert ("responder" in sentence) == ("classready-collector responder --listen" in sentence)


def test_a_step_that_an_earlier_release_stored_is_read() -> None:
    """A state with a word that is no longer used loads, and is judged anew."""
    stored = msgspec.json.encode(Story().heard().event(Tick()).school.state).replace(b'"add_test"', b'"self_test"')
    assert b"self_test" in stored
    state = msgspec.json.decode(stored, type=SchoolState)
    story = Story(replace(school(), state=state))
    story.event(RosterChanged(roster=roster(), hours=story.school.hours))
    assert story.school.state.classrooms["r1"].verdict.next_step is NextStep.ADD_TEST
