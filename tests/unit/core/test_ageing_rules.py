"""What time does to a school, to the second: silence, tests that become history, and what nobody tells of any more."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping
from collector.core.ageing import let_age
from collector.core.evidence import (
    BandwidthTest,
    DeviceReading,
    GatewayState,
    HttpReading,
    PathState,
    PingReading,
    PlatformReading,
    PortReading,
    SegmentReading,
    SwitchReading,
    UplinkState,
)
from collector.core.folded import Folded
from collector.core.policy import Policy
from collector.core.state import Away, ClassroomState, SchoolState
from tests.support.school import GATEWAY, at, bandwidth, http, port, school, trunk

NOW = at("2026-11-23 10:00")
POLICY = Policy()
VALID = at("2026-11-19 12:00")
"""Sixteen hours of lessons ago."""
TOLD, GONE = at("2026-11-10 10:00"), at("2026-11-09 10:00")
"""Nine school days ago, and ten."""
HEARD = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)


def aged(away: Away | None = None, **state: Any) -> SchoolState:
    kept = SchoolState(**{"gateways": {GATEWAY: HEARD}, **state})
    folded = Folded(replace(school(), state=kept, away=away), NOW, POLICY)
    let_age(folded)
    return folded.state


@pytest.mark.parametrize(
    ("quiet_s", "away", "silent"),
    [
        pytest.param(180, None, False, id="three intervals"),
        pytest.param(181, None, True, id="more"),
        pytest.param(300, Away(NOW - 200, NOW - 80), False, id="without the time in which nobody listened"),
        pytest.param(301, Away(NOW - 200, NOW - 80), True, id="more than that"),
    ],
)
def test_when_a_gateway_is_silent(quiet_s: float, away: Away | None, silent: bool) -> None:  # noqa: FBT001 - a table
    heard = replace(HEARD, last_committed_at=NOW - quiet_s)
    assert aged(away, gateways={GATEWAY: heard}).gateways[GATEWAY].silent is silent
    kept = SchoolState(gateways={GATEWAY: replace(heard, silent=True)})
    folded = Folded(replace(school(), state=kept, away=away), NOW, POLICY)
    let_age(folded)
    assert folded.state is kept, "it ends by being heard, and by nothing else"


def results(*times: float) -> tuple[BandwidthTest, ...]:
    return tuple(BandwidthTest(observed_at=when, seen=bandwidth(passed=False)) for when in times)


@pytest.mark.parametrize(
    ("tests", "left", "failing_since"),
    [
        pytest.param((VALID, NOW), (VALID, NOW), 5.0, id="all of them count"),
        pytest.param((VALID - 1, VALID, NOW), (VALID, NOW), 5.0, id="one is history; it fails for as long as it did"),
        pytest.param((VALID - 9, VALID - 1), (), None, id="all are: nothing is known to fail"),
        pytest.param((), (), 5.0, id="there was none"),
    ],
)
@pytest.mark.parametrize("part", ["uplinks", "paths"])
def test_tests_become_history(
    part: str, tests: tuple[float, ...], left: tuple[float, ...], failing_since: float | None
) -> None:
    fields: dict[str, Any] = {
        "gateway": GATEWAY,
        "target": "t",
        "direction": "down",
        "told_at": NOW,
        "failing_since": 5.0,
    }
    leg = UplinkState(**fields) if part == "uplinks" else PathState(classroom="r1", **fields)
    leg = replace(leg, tests=results(*tests))
    found = getattr(aged(**{part: {"k": leg}}), part)["k"]
    assert (tuple(test.observed_at for test in found.tests), found.failing_since) == (left, failing_since)
    assert (found is leg) is (tests == left), "what does not change is not written"


@pytest.mark.parametrize(("tried_at", "is_kept"), [(VALID, True), (VALID - 1, False)])
def test_attempts_become_history(tried_at: float, is_kept: bool) -> None:  # noqa: FBT001 - a table
    """With their reason."""
    leg = UplinkState(
        gateway=GATEWAY, target="t", direction="down", told_at=NOW, last_unmeasured_at=tried_at,
        last_unmeasured_reason="clock",
    )  # fmt: skip
    found = aged(uplinks={"k": leg}).uplinks["k"]
    assert found == (leg if is_kept else replace(leg, last_unmeasured_at=None, last_unmeasured_reason=None))


def page(http_at: float | None, ping_at: float | None) -> PlatformReading:
    echo = Ping(target="t", outcome=Outcome.ANSWERED)
    return PlatformReading(
        gateway=GATEWAY,
        target="t",
        http=None if http_at is None else HttpReading(observed_at=http_at, gateway=GATEWAY, seen=http(target="t")),
        ping=None if ping_at is None else PingReading(observed_at=ping_at, gateway=GATEWAY, seen=echo),
    )


def leg(told_at: float, *tests: float) -> UplinkState:
    return UplinkState(gateway=GATEWAY, target="t", direction="down", told_at=told_at, tests=results(*tests))


def way(told_at: float, *tests: float) -> PathState:
    return PathState(
        gateway=GATEWAY, target="t", direction="down", told_at=told_at, tests=results(*tests), classroom="r1"
    )


def read(when: float) -> dict[str, Any]:
    return {"observed_at": when, "gateway": GATEWAY}


@pytest.mark.parametrize(
    ("part", "value", "is_kept"),
    [
        pytest.param("switches", SwitchReading(switch="sw1", reachable=True, **read(TOLD)), True, id="switch"),
        pytest.param("switches", SwitchReading(switch="sw1", reachable=True, **read(GONE)), False, id="switch gone"),
        pytest.param("segments", SegmentReading(seen=trunk(), **read(TOLD)), True, id="trunk"),
        pytest.param("segments", SegmentReading(seen=trunk(), **read(GONE)), False, id="trunk gone"),
        pytest.param("uplinks", leg(TOLD), True, id="line that was never tested"),
        pytest.param("uplinks", leg(GONE), False, id="line gone"),
        pytest.param("uplinks", leg(GONE, NOW), True, id="line whose test still counts"),
        pytest.param("paths", way(TOLD), True, id="way that was never tested"),
        pytest.param("paths", way(GONE), False, id="way gone"),
        pytest.param("paths", way(GONE, NOW), True, id="way whose test still counts"),
        pytest.param("platforms", page(TOLD, None), True, id="page"),
        pytest.param("platforms", page(GONE, None), False, id="page gone"),
        pytest.param("platforms", page(GONE, TOLD), True, id="page that is still pinged"),
        pytest.param("platforms", page(TOLD, GONE), True, id="page that is pinged no more"),
        pytest.param("platforms", page(GONE, GONE), False, id="neither"),
    ],
)
def test_what_is_forgotten(part: str, value: Any, is_kept: bool) -> None:  # noqa: FBT001 - a table
    """Nobody told of it for ten school days, although the gateway reports; of a silent one nothing is forgotten."""
    assert ("k" in getattr(aged(**{part: {"k": value}}), part)) is is_kept
    silent = {"gateways": {GATEWAY: replace(HEARD, silent=True)}}
    assert "k" in getattr(aged(**silent, **{part: {"k": value}}), part)


PORT = PortReading(seen=port("r1"), **read(TOLD))
ROOM = ClassroomState(
    gateway=GATEWAY, port=PORT, pending_port=PORT, last_port=PORT, place="sw1:1",
    device=DeviceReading(state="away", **read(TOLD)), nic_speed_bps=10**9, watched_since=1.0, link_lost_at=TOLD,
    last_awake_at=5.0,
)  # fmt: skip
OLD_PORT, OLD_DEVICE = PortReading(seen=port("r1"), **read(GONE)), DeviceReading(state="away", **read(GONE))
NO_PORT: dict[str, Any] = dict.fromkeys(("port", "pending_port", "last_port", "place", "link_lost_at"))
NO_DEVICE: dict[str, Any] = dict.fromkeys(("device", "nic_speed_bps", "watched_since", "link_lost_at"))


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        pytest.param({}, {}, id="both are told of"),
        pytest.param({"last_port": OLD_PORT}, NO_PORT, id="its port is told of no more"),
        pytest.param({"device": OLD_DEVICE}, NO_DEVICE, id="its board is not"),
        pytest.param({"last_port": OLD_PORT, "device": OLD_DEVICE}, {**NO_PORT, **NO_DEVICE}, id="neither"),
        pytest.param({"last_port": None, "device": None}, {"last_port": None, "device": None}, id="there was neither"),
    ],
)
def test_what_is_forgotten_of_a_room(changes: dict[str, Any], left: dict[str, Any]) -> None:
    """A board that was carried elsewhere leaves its old port behind; when it was last awake is history, and stays."""
    room = replace(ROOM, **changes)
    found = aged(classrooms={"r1": room}).classrooms["r1"]
    assert found == replace(room, **left)
