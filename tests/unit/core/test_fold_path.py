"""What is kept of switches, of trunks and of the platforms, and whose word is taken."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Http, Outcome, Ping, Port, Reason
from collector.core.evidence import HttpReading, PingReading, PlatformReading, SwitchReading
from tests.support.school import GATEWAY, Story, http, port, trunk

NO_ANSWER = Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)


def switches(story: Story) -> dict[str, tuple[bool, float]]:
    known: dict[str, SwitchReading] = dict(story.school.state.switches)
    return {key: (reading.reachable, story.now - reading.observed_at) for key, reading in known.items()}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(port("r1"), (True, 0), id="it answers"),
        pytest.param(NO_ANSWER, (False, 0), id="it does not"),
        pytest.param(replace(NO_ANSWER, outcome=Outcome.UNMEASURED), (True, 60), id="it was not asked"),
        pytest.param(replace(NO_ANSWER, switch=None), (True, 60), id="nobody knows which"),
        pytest.param(replace(port("r1"), switch=None), (True, 60), id="a port of nobody knows which"),
    ],
)
def test_whether_a_switch_answers(seen: Port, expected: tuple[bool, float]) -> None:
    """As it was last asked; who could not ask says neither."""
    story = Story().heard().saw(port("r1"), "r1").later(60).saw(seen, "r1")
    assert switches(story) == {f"{GATEWAY}/sw1": expected}


@pytest.mark.parametrize(("ago_s", "is_taken"), [(59, True), (60, False), (61, False)])
def test_of_a_switch_the_newest_word_counts(ago_s: float, *, is_taken: bool) -> None:
    """All ports of one poll carry the same time: the first of them tells."""
    story = Story().heard().saw(port("r1"), "r1").later(60).saw(NO_ANSWER, "r1", ago_s=ago_s)
    assert switches(story) == {f"{GATEWAY}/sw1": (not is_taken, ago_s if is_taken else 60)}


@pytest.mark.parametrize(
    ("name", "behind", "served"),
    [
        pytest.param("sw1:uplink", None, ("sw1",), id="of its switch"),
        pytest.param("sw1:uplink", ("sw2", "sw3"), ("sw1", "sw2", "sw3"), id="and of those behind it"),
        pytest.param("sw1:uplink", ("sw2", "sw1"), ("sw1", "sw2"), id="its own is named once"),
        pytest.param("access-point-3", None, None, id="of no switch: everybody's"),
        pytest.param("access-point-3", ("sw2",), None, id="also where some are named"),
    ],
)
def test_whose_rooms_a_trunk_serves(name: str, behind: tuple[str, ...] | None, served: tuple[str, ...] | None) -> None:
    """Names are kept once."""
    story = Story().heard().saw(trunk(name=name, switches=behind))
    (reading,) = story.school.state.segments.values()
    assert (reading.switches, reading.seen.switches) == (served, None)


@pytest.mark.parametrize(
    ("seen", "ago_s", "speed_mbps"),
    [
        pytest.param(trunk(10), 0, 10, id="another speed"),
        pytest.param(trunk(10), 60, 1000, id="as old as what is known"),
        pytest.param(replace(trunk(10), outcome=Outcome.NO_ANSWER), 0, 1000, id="not read"),
    ],
)
def test_what_is_known_of_a_trunk(seen: Any, ago_s: float, speed_mbps: int) -> None:
    """Of a switch that does not answer nothing new is."""
    story = Story().heard().saw(trunk()).later(60).saw(seen, ago_s=ago_s)
    (reading,) = story.school.state.segments.values()
    assert reading.seen.speed_bps == speed_mbps * 1_000_000


def unmeasured(reason: Reason) -> Http:
    return Http(target="national", outcome=Outcome.UNMEASURED, reason=reason)


@pytest.mark.parametrize(
    ("seen", "ago_s", "up", "age_s"),
    [
        pytest.param(http(), 0, True, 0, id="it answers"),
        pytest.param(http(up=False), 0, False, 0, id="it does not"),
        pytest.param(unmeasured(Reason.UNPROVEN), 0, None, 0, id="anybody may have answered"),
        pytest.param(unmeasured(Reason.NAME_UNRESOLVED), 0, True, 60, id="it could not be asked"),
        pytest.param(http(up=False), 60, True, 60, id="as old as what is known"),
        pytest.param(http(up=False), 59, False, 59, id="newer"),
    ],
)
def test_what_is_known_of_a_platform(seen: Http, ago_s: float, up: bool | None, age_s: float) -> None:  # noqa: FBT001
    """An answer that proves nothing is kept, too: it makes the platform unknown."""
    story = Story().heard().saw(http()).saw(Ping(target="national", outcome=Outcome.ANSWERED)).later(60)
    story.saw(seen, ago_s=ago_s)
    known: PlatformReading = story.school.state.platforms[f"{GATEWAY}/national"]
    reading: HttpReading | None = known.http
    assert reading is not None
    assert (reading.up, story.now - reading.observed_at, known.ping is not None) == (up, age_s, True)


@pytest.mark.parametrize(
    ("outcome", "ago_s", "age_s"),
    [
        (Outcome.ANSWERED, 0, 0), (Outcome.NO_ANSWER, 0, 0), (Outcome.UNMEASURED, 0, 60), (Outcome.ANSWERED, 60, 60),
        (Outcome.ANSWERED, 59, 59),
    ],
)  # fmt: skip
def test_what_is_known_of_a_ping(outcome: Outcome, ago_s: float, age_s: float) -> None:
    """It ages by itself, beside what was fetched."""
    story = Story().heard().saw(http()).saw(Ping(target="national", outcome=Outcome.ANSWERED)).later(60)
    story.saw(Ping(target="national", outcome=outcome), ago_s=ago_s)
    known: PlatformReading = story.school.state.platforms[f"{GATEWAY}/national"]
    reading: PingReading | None = known.ping
    assert reading is not None
    assert (story.now - reading.observed_at, known.http is not None) == (age_s, True)
