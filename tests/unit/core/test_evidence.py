"""What a reading says by itself."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Bandwidth, Http, Outcome, Reason
from collector.core.evidence import (
    BandwidthTest,
    DeviceReading,
    GatewayState,
    HttpReading,
    PortReading,
    SegmentReading,
    is_alike,
)
from tests.support.school import GATEWAY, bandwidth, device, http, port, trunk

AT: dict[str, Any] = {"observed_at": 1.0, "gateway": GATEWAY}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"in_octets": 99, "fcs_error_count": 7}, True),
        ({"speed_bps": 1}, False),
        ({"oper_up": False}, False),
        ({"admin_up": None}, False),
        ({"full_duplex": None}, False),
        ({"if_name": "Gi0/9"}, False),
        ({"switch": None}, False),
    ],
)
def test_two_readings_of_a_port_that_say_the_same(changed: dict[str, Any], *, expected: bool) -> None:
    """Of what is judged; counters grow with each."""
    assert is_alike(port("r1"), replace(port("r1"), **changed)) is expected


@pytest.mark.parametrize(
    ("switch", "name", "place"),
    [("sw1", "Gi0/1", "sw1:Gi0/1"), (None, "Gi0/1", None), ("sw1", None, None), ("sw1", "", None), ("", "Gi0/1", None)],
)
def test_where_a_port_is(switch: str | None, name: str | None, place: str | None) -> None:
    """A switch without a port, or a port without a switch, is no place to go to."""
    assert PortReading(**AT, seen=port("r1", switch=switch, if_name=name)).place == place


def test_a_reading_is_in_time_unless_told() -> None:
    """And a gateway that was heard is not silent."""
    reading = PortReading(**AT, seen=port("r1"))
    assert (reading.late, reading.while_asleep, reading.bad_frame_count) == (False, False, None)
    assert not GatewayState(first_committed_at=1.0, last_committed_at=1.0, report_interval_s=60.0).silent


@pytest.mark.parametrize(
    ("seen", "by_traffic", "seen_by"),
    [(device("r1"), False, "snmp"), (device("r1"), True, "traffic"), (None, True, "traffic"), (None, False, None)],
)
def test_who_saw_a_board(seen: Any, seen_by: str | None, *, by_traffic: bool) -> None:
    """Octets that are newer than its last word are the witness."""
    reading = DeviceReading(**AT, state="awake", seen=seen, by_traffic=by_traffic)
    assert (reading.seen_by, reading.facts) == (seen_by, {})


@pytest.mark.parametrize(
    ("switches", "switch", "serves"),
    [
        (None, "sw1", True),
        (None, None, True),
        (("sw1", "sw2"), "sw2", True),
        (("sw1",), "sw2", False),
        ((), None, False),
    ],
)
def test_whose_trunk_it_is(switches: tuple[str, ...] | None, switch: str | None, *, serves: bool) -> None:
    """One that names no switch is everybody's."""
    assert SegmentReading(**AT, seen=trunk(), switches=switches).serves(switch) is serves


@pytest.mark.parametrize(
    ("seen", "up"),
    [
        (http(), True),
        (http(up=False), False),
        (Http(target="t", outcome=Outcome.UNMEASURED, reason=Reason.UNPROVEN), None),
    ],
)
def test_whether_a_platform_answers(seen: Http, up: bool | None) -> None:  # noqa: FBT001 - a table
    """What anybody may have answered is neither the platform nor its absence."""
    assert HttpReading(**AT, seen=seen).up is up


@pytest.mark.parametrize(
    ("passed", "thetas", "estimate_mbps", "result", "in_band"),
    [
        (True, (95, 100), 120, True, False),
        (False, (95, 100), 80, False, False),
        (False, (95, 100), 95, True, True),
        (False, (95, 100), 100, True, True),
        (False, (95, 100), 94.9, False, False),
        (False, (95, 100), 100.1, False, False),
        (True, (95, 100), 97, True, True),
        (False, (95, 100), None, False, False),
        (False, (None, 100), 97, False, False),
        (False, (95, None), 97, False, False),
    ],
)
def test_a_test_between_the_thetas(passed, thetas, estimate_mbps, result, in_band) -> None:
    """Whichever answer it gave, the line is not one to argue about."""
    low, high = (None if mbps is None else mbps * 1_000_000 for mbps in thetas)
    seen: Bandwidth = bandwidth(passed=passed, estimate_mbps=estimate_mbps, theta0_bps=low, theta1_bps=high)
    test = BandwidthTest(observed_at=1.0, seen=seen)
    assert (test.passed, test.is_in_band) == (result, in_band)
