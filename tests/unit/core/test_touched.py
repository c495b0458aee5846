"""Who is judged anew for one observation: nobody for what only confirms, one room, or all. A report must stay cheap."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Device, Http, Outcome, Port, Reason, Segment
from collector.core import fold
from collector.core.events import Observed, Resumed
from collector.core.folded import Folded
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, device, http, path_test, port, school, trunk

OTHER = "dem-gw-02"
NOBODY: set[str] = set()
ONE = {"r1"}
ALL = {"r1", "r2"}
VAIN: dict[str, Any] = {"outcome": Outcome.UNMEASURED, "at_least_bps": None}
OUTSIDE_HOURS = {**VAIN, "reason": Reason.OUTSIDE_HOURS}


def well() -> Story:
    """Everything of two rooms on one switch is known and young."""
    story = Story(school(gateways=(GATEWAY, OTHER))).all_well().heard(OTHER).saw(trunk())
    return story.later(30)


def stale() -> Story:
    """What changes by the minute is too old, what a cable negotiated is not."""
    return well().later(600).heard().heard(OTHER)


def yesterday() -> Story:
    """Both boards were seen again today; their ports are those of yesterday."""
    story = well()
    story.now = at("2026-11-24 11:00")
    return story.heard().heard(OTHER).saw(device("r1"), "r1").saw(device("r2"), "r2").later(30)


def one_lost() -> Story:
    """The board of r2 was on and lost its link in the midst of the morning."""
    return well().saw(port("r2", oper_up=False), "r2").later(1)


def with_card() -> Story:
    return well().saw(CARD, "r1").later(1)


def asleep_since_monday() -> Story:
    story = well()
    story.now = at("2026-11-24 16:30")
    return story.heard().heard(OTHER).saw(device("r1", "asleep"), "r1").later(30)


def after_days_away() -> Story:
    story = with_card()
    went_at = story.now
    story.now = at("2026-11-26 10:00")
    return story.event(Resumed(away_from=went_at, away_to=story.now)).saw(port("r1"), "r1").later(1)


def silent_switch() -> Story:
    return well().saw(NO_ANSWER, "r1").later(30)


def waits() -> Story:
    """The line was tested; since then every attempt was in vain."""
    return well().saw(bandwidth(**OUTSIDE_HOURS)).later(60)


def two_wait() -> Story:
    return waits().saw(bandwidth(target="second", **OUTSIDE_HOURS)).later(60)


CARD = replace(device("r1"), nic_speed_bps=10**9)
NO_ANSWER = Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
NO_TRUNK = Segment(name="sw1:uplink", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
UNASKED = Http(target="national", outcome=Outcome.UNMEASURED, reason=Reason.NAME_UNRESOLVED)


@pytest.mark.parametrize(
    ("before", "seen", "touched"),
    [
        # --- a port
        pytest.param(well, port("r1"), NOBODY, id="the port is what it was"),
        pytest.param(well, port("r1", 100), ONE, id="another speed"),
        pytest.param(well, port("r1", switch="sw2"), ALL, id="another switch: other trunks are on its way"),
        pytest.param(well, port("r1", admin_up=False), ONE, id="switched off"),
        pytest.param(well, port("r1", oper_up=False), ALL, id="a link is lost: what of the others"),
        pytest.param(stale, port("r1"), ONE, id="the same, long after the last look"),
        pytest.param(one_lost, port("r1"), NOBODY, id="the same, while another is lost"),
        pytest.param(one_lost, port("r1", 100), ALL, id="another speed: there is power where another was lost"),
        pytest.param(silent_switch, NO_ANSWER, NOBODY, id="its switch is still silent"),
        pytest.param(well, NO_ANSWER, ALL, id="its switch fell silent"),
        pytest.param(lambda: silent_switch().later(600).heard(), NO_ANSWER, ALL, id="silent, long after the last look"),
        pytest.param(silent_switch, port("r1"), ALL, id="its switch answers again"),
        # --- a board
        pytest.param(well, device("r1"), NOBODY, id="the board is still awake"),
        pytest.param(well, device("r1", "asleep"), ONE, id="it fell asleep"),
        pytest.param(stale, device("r1"), ONE, id="awake, long after the last look"),
        pytest.param(well, CARD, ONE, id="its card tells a speed"),
        pytest.param(with_card, CARD, NOBODY, id="the same speed"),
        pytest.param(with_card, replace(CARD, nic_speed_bps=10**8), ONE, id="another speed of its card"),
        pytest.param(yesterday, device("r1"), NOBODY, id="still awake, its port read yesterday"),
        pytest.param(asleep_since_monday, device("r1", "asleep"), NOBODY, id="still asleep since yesterday"),
        pytest.param(after_days_away, CARD, ONE, id="awake as it was before the collector was away for days"),
        pytest.param(
            well, Device(classroom="r1", outcome=Outcome.UNMEASURED, reason=Reason.PROTOCOL), NOBODY, id="not asked"
        ),
        # --- trunks and platforms
        pytest.param(well, trunk(), NOBODY, id="the trunk is what it was"),
        pytest.param(well, trunk(100), ALL, id="another speed of the trunk"),
        pytest.param(well, trunk(if_name="Gi0/24"), ALL, id="another port of the trunk"),
        pytest.param(well, NO_TRUNK, NOBODY, id="the trunk was not read"),
        pytest.param(yesterday, trunk(), ALL, id="the trunk, read yesterday"),
        pytest.param(well, http(), NOBODY, id="the platform still answers"),
        pytest.param(well, http(up=False), ALL, id="it does not"),
        pytest.param(stale, http(), ALL, id="it answers, long after the last look"),
        pytest.param(well, UNASKED, NOBODY, id="it could not be asked"),
        pytest.param(well, replace(UNASKED, reason=Reason.UNPROVEN), ALL, id="anybody may have answered"),
        # --- tests
        pytest.param(well, bandwidth(), NOBODY, id="a test of the line too soon after the last"),
        pytest.param(lambda: well().later(60), bandwidth(), ALL, id="another test of the line"),
        pytest.param(well, bandwidth(**OUTSIDE_HOURS), ALL, id="the first attempt in vain"),
        pytest.param(waits, bandwidth(**OUTSIDE_HOURS), NOBODY, id="in vain again"),
        pytest.param(waits, bandwidth(**{**VAIN, "reason": Reason.BUDGET}), ALL, id="in vain for another reason"),
        pytest.param(two_wait, bandwidth(**OUTSIDE_HOURS), ALL, id="in vain, and another target was the last to be"),
        pytest.param(two_wait, bandwidth(target="second", **OUTSIDE_HOURS), NOBODY, id="the last to be, in vain again"),
        pytest.param(well, path_test(), ONE, id="the way to the room was tested"),
        pytest.param(lambda: Story().heard().uplink(), path_test(), ALL, id="a room more shares the line"),
        pytest.param(
            lambda: well().saw(path_test(), "r1").later(10), path_test(), NOBODY, id="and again too soon after it"
        ),
        pytest.param(
            lambda: well().saw(path_test("r2"), "r2").later(60), path_test(), ALL, id="a target that tested another"
        ),
    ],
)  # fmt: skip
def test_who_is_judged_anew(before: Callable[[], Story], seen: Any, touched: set[str]) -> None:
    """By what it says beside what is known, and by how old that is."""
    story = before()
    folded = Folded(story.school, story.now, POLICY)
    room = getattr(seen, "classroom", None)
    fold.observe(folded, Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=story.now))
    assert (ALL if folded.everybody else folded.rooms) == touched


@pytest.mark.parametrize("seen", [port("r1"), device("r1")])
def test_a_room_that_another_gateway_tells_of(seen: Any) -> None:
    """It has another line: who shares that one, and who shared the old one, is judged."""
    story = well()
    folded = Folded(story.school, story.now, POLICY)
    fold.observe(folded, Observed(gateway=OTHER, observation=seen, classroom="r1", observed_at=story.now))
    assert folded.everybody
