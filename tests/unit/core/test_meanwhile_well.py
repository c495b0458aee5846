"""补报: whether what a gateway told late is over, waited for, or told by an alert: tables of what was seen since."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping, Reason
from collector.core.events import Episode, Meanwhile, Observed
from collector.core.evidence import (
    BandwidthTest,
    GatewayState,
    HttpReading,
    PingReading,
    PlatformReading,
    SwitchReading,
    UplinkState,
)
from collector.core.meanwhile import SETTLES_S
from collector.core.policy import Policy
from collector.core.state import AlertState, Cut, School, SchoolState
from collector.core.step import step
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, Story, at, bandwidth, http, school

POLICY = Policy(observation_school_days=0, device_proof_school_days=0, blame_spacing_s=0, group_wait_s=0)
NOW = at("2026-11-23 14:00")
THEN = at("2026-11-23 10:00")
"""The last that was bad."""
OTHER = "dem-gw-02"
KINDS = {
    "platform": (Subject("platform", GATEWAY, "p"), Cause.PLATFORM_UNREACHABLE),
    "switch": (Subject("switch", GATEWAY, "sw1"), Cause.SWITCH_UNREACHABLE),
    "line": (Subject("uplink", GATEWAY), Cause.UPLINK_BELOW_REQUIRED),
}


def episode(kind: str, count: int = 3, last_at: float = THEN) -> Episode:
    subject, cause = KINDS[kind]
    return Episode(subject=subject, cause=cause, first_at=THEN - 600, last_at=last_at, count=count)


def page(target: str, seen: Any, at_: float = NOW - 60) -> dict[str, Any]:
    read = {"observed_at": at_, "gateway": GATEWAY}
    fetched = {"http": HttpReading(seen=seen, **read)} if seen is not None else {}  # type: ignore[arg-type]
    echo = Ping(target=target, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
    ping = PingReading(seen=echo, **read)  # type: ignore[arg-type]
    return {f"{GATEWAY}/{target}": PlatformReading(gateway=GATEWAY, target=target, ping=ping, **fetched)}


def pages(*given: dict[str, Any]) -> dict[str, Any]:
    return {"platforms": {key: value for each in given for key, value in each.items()}}


def switch(
    name: str = "sw1", at_: float = NOW - 60, *, reachable: bool = True, gateway: str = GATEWAY
) -> dict[str, Any]:
    reading = SwitchReading(observed_at=at_, gateway=gateway, switch=name, reachable=reachable)
    return {"switches": {f"{gateway}/{name}": reading}}


def line(*tests: tuple[float, bool], **fields: Any) -> UplinkState:
    seen = tuple(BandwidthTest(observed_at=when, seen=bandwidth(passed=passed)) for when, passed in tests)
    return UplinkState(**{"gateway": GATEWAY, "target": "uplink", "direction": "down", "tests": seen, **fields})


def lines(*legs: UplinkState) -> dict[str, Any]:
    return {"uplinks": {f"u{n}": leg for n, leg in enumerate(legs)}}


def settled(cut: Cut, **state: Any) -> tuple[list[Meanwhile], Cut | None]:
    """What is told as it settles, and what is still waited for."""
    heard = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)
    kept = SchoolState(gateways={GATEWAY: heard}, meanwhile={GATEWAY: cut}, **state)
    listed: School = replace(school(platforms={"p": ("page", "video")}), state=kept)
    done = step(listed, [], NOW, POLICY)
    return [e for e in done.effects if isinstance(e, Meanwhile)], done.school.state.meanwhile.get(GATEWAY)


GOOD = line((THEN - 9, False), (NOW - 60, True))
BAD = ((NOW - 90, False), (NOW - 30, False))
UP, DOWN = http(), http(up=False)
PORTAL = replace(DOWN, outcome=Outcome.UNMEASURED, reason=Reason.NOT_THE_PLATFORM)


@pytest.mark.parametrize(
    ("kind", "state", "is_over"),
    [
        pytest.param("platform", pages(page("page", UP), page("video", UP)), True, id="all of it answers"),
        pytest.param("platform", pages(page("page", UP)), True, id="what is fetched of it answers"),
        pytest.param("platform", pages(page("page", UP), page("video", None)), True, id="a target that is only pinged"),
        pytest.param("platform", pages(page("page", UP), page("video", UP, THEN - 9)), True, id="one is newer"),
        pytest.param("platform", pages(page("page", UP), page("video", DOWN)), False, id="a part of it fails"),
        pytest.param(
            "platform", pages(page("page", UP), page("video", PORTAL)), True, id="a portal is not its failure"
        ),
        pytest.param("platform", pages(page("page", UP, THEN)), False, id="it was both in one second"),
        pytest.param("platform", pages(page("page", UP, THEN + 1)), True, id="a second later"),
        pytest.param("platform", pages(page("other", UP)), False, id="another platform"),
        pytest.param("platform", {}, False, id="nobody fetched it since"),
        pytest.param("switch", switch(), True, id="it answers"),
        pytest.param("switch", switch(reachable=False), False, id="it does not"),
        pytest.param("switch", switch("sw2"), False, id="another one answers"),
        pytest.param("switch", switch(gateway=OTHER), False, id="one of another gateway"),
        pytest.param("switch", {}, False, id="nobody asked it since"),
        pytest.param("line", lines(GOOD), True, id="the last test passed"),
        pytest.param("line", lines(line((NOW - 90, True), (NOW - 30, False))), False, id="the last one failed"),
        pytest.param("line", lines(line((THEN - 9, True), (NOW - 60, True))), True, id="passed before and after"),
        pytest.param("line", lines(line((THEN - 9, True))), False, id="no test since"),
        pytest.param("line", lines(GOOD, line()), True, id="a target that was never tested"),
        pytest.param("line", lines(GOOD, line(*BAD, beyond="metro")), True, id="an exit is not the line"),
        pytest.param("line", lines(GOOD, line(*BAD, gateway=OTHER)), True, id="the line of another gateway"),
        pytest.param("line", lines(GOOD, line(*BAD, direction="up")), False, id="upwards it fails"),
        pytest.param("line", {}, False, id="nobody tests it"),
    ],
)
def test_whether_it_is_over(kind: str, state: dict[str, Any], is_over: bool) -> None:  # noqa: FBT001 - a table
    """All that was seen last is good, and newer; else it is waited for, for an hour at a time."""
    about = episode(kind)
    told, left = settled(Cut(look_at=NOW, episodes=(about,)), **state)
    if is_over:
        assert [each.episodes for each in told] == [(about,)]
        assert left is None
    else:
        assert (told, left) == ([], Cut(look_at=NOW + 3_600, episodes=(about,)))


@pytest.mark.parametrize(
    ("kind", "count", "is_told"),
    [
        ("platform", 2, False),
        ("platform", 3, True),
        ("switch", 2, False),
        ("switch", 3, True),
        ("line", 1, False),
        ("line", 2, True),
    ],
)
def test_how_often_is_worth_telling(kind: str, count: int, is_told: bool) -> None:  # noqa: FBT001 - a table
    """As often as an alert would need; of a line, two tests."""
    well = {**pages(page("page", UP)), **switch(), **lines(GOOD)}
    told, left = settled(Cut(look_at=NOW, episodes=(episode(kind, count),)), **well)
    assert (bool(told), left) == (is_told, None)


def test_nobody_looks_before_it_settles() -> None:
    cut = Cut(look_at=NOW + 1, episodes=(episode("switch"),))
    assert settled(cut, **switch()) == ([], cut)


@pytest.mark.parametrize(
    ("subject", "cause", "opened_at", "is_told"),
    [
        pytest.param(*KINDS["switch"], NOW - 9, False, id="it is open: its end will say so"),
        pytest.param(*KINDS["switch"], None, True, id="it is only counted"),
        pytest.param(Subject("switch", GATEWAY, "sw2"), Cause.SWITCH_UNREACHABLE, NOW - 9, True, id="another switch"),
        pytest.param(KINDS["switch"][0], Cause.DEVICE_OFFLINE, NOW - 9, True, id="another cause"),
    ],
)
def test_what_an_alert_tells_of_is_not_told_twice(
    subject: Subject,
    cause: Cause,
    opened_at: float | None,
    is_told: bool,  # noqa: FBT001 - a table
) -> None:
    alert = AlertState(subject=subject, cause=cause, opened_at=opened_at, bad_streak=1)
    told, left = settled(Cut(look_at=NOW, episodes=(episode("switch"),)), **switch(), alerts=(alert,))
    assert (bool(told), left) == (is_told, None)


def test_what_was_counted_is_told_with_the_first_that_is() -> None:
    """One is over and told with them; what still waits has none of its own."""
    over, waits = episode("switch"), episode("line")
    (told,), left = settled(Cut(look_at=NOW, episodes=(over, waits), more_count=5), **switch())
    assert (told.episodes, told.more_count, told.hub, told.at) == ((over,), 5, None, NOW)
    assert left == Cut(look_at=NOW + 3_600, episodes=(waits,))
    told_later, left = settled(Cut(look_at=NOW, episodes=(waits,), more_count=5))
    assert (told_later, left) == ([], Cut(look_at=NOW + 3_600, episodes=(waits,), more_count=5))


@pytest.mark.parametrize(("last", "waits"), [("2026-11-09 10:00", True), ("2026-11-06 10:00", False)])
def test_it_is_waited_for_ten_school_days(last: str, waits: bool) -> None:  # noqa: FBT001 - a table
    """Then nobody asks any more."""
    told, left = settled(Cut(look_at=NOW, episodes=(episode("switch", last_at=at(last)),)))
    assert (told, left is not None) == ([], waits)


@pytest.mark.parametrize(
    ("seen", "when", "is_noted"),
    [
        pytest.param(DOWN, NOW, True, id="of this very second"),
        pytest.param(DOWN, NOW + 1, False, id="of the future"),
        pytest.param(http(up=False, target="nobody's"), NOW, False, id="a target of no platform"),
        pytest.param(bandwidth(passed=False), NOW, True, id="a line that fails"),
        pytest.param(
            bandwidth(passed=False, estimate_mbps=97, theta0_bps=95e6, theta1_bps=100e6), NOW, False,
            id="a line between what passes and what fails",
        ),
    ],
)  # fmt: skip
def test_what_is_noted(seen: Any, when: float, is_noted: bool) -> None:  # noqa: FBT001 - a table
    """Late records of lessons, of what schools are told of."""
    story = Story(school(), NOW, POLICY).heard()
    story.event(Observed(gateway=GATEWAY, observation=seen, classroom=None, observed_at=when, late=True))
    assert [cut.look_at for cut in story.school.state.meanwhile.values()] == ([NOW + SETTLES_S] if is_noted else [])
