"""Whether evidence still counts: by report intervals, by hours of lessons, and by days on which nobody told of it."""

from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.age import fresh_window_s, is_forgotten, is_fresh, newest_at, ports_valid_from
from collector.core.age import tests_valid_from as bandwidth_valid_from
from collector.core.evidence import BandwidthTest, GatewayState, Leg
from collector.core.policy import Policy
from collector.core.state import Away, School, SchoolState
from tests.support.school import GATEWAY, at, bandwidth, school

NOW = at("2026-11-23 10:00")
POLICY = Policy(fresh_intervals=3, port_max_school_hours=3, uplink_max_school_hours=5)


def county(**fields: Any) -> School:
    heard = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)
    return replace(school(), state=SchoolState(gateways={GATEWAY: replace(heard, **fields)}))


@pytest.mark.parametrize(
    ("seen", "fresh"),
    [
        pytest.param(NOW - 180, True, id="three intervals ago"),
        pytest.param(NOW - 181, False, id="longer ago"),
        pytest.param(NOW, True, id="now"),
        pytest.param(None, False, id="never"),
    ],
)
def test_what_is_fresh(seen: float | None, fresh: bool) -> None:  # noqa: FBT001 - a table
    """By the intervals of the gateway that told it; of one that was never heard nothing is."""
    assert is_fresh(county(), seen, GATEWAY, NOW, POLICY) is fresh
    assert not is_fresh(county(), seen, "another", NOW, POLICY)


def test_what_came_before_the_collector_was_away_is_still_fresh() -> None:
    """Nobody could have told of it again."""
    told = replace(county(), away=Away(NOW - 1_000, NOW - 60))
    assert is_fresh(told, NOW - 1_100, GATEWAY, NOW, POLICY)
    assert not is_fresh(told, NOW - 1_121, GATEWAY, NOW, POLICY)


def test_the_window_of_a_gateway() -> None:
    assert fresh_window_s(county(report_interval_s=300.0), GATEWAY, POLICY) == 900.0
    assert fresh_window_s(county(), "another", POLICY) is None


def test_cables_and_tests_have_limits_of_their_own() -> None:
    """Three and five hours of lessons before ten on a Monday: Friday afternoon."""
    assert ports_valid_from(county(), NOW, POLICY) == at("2026-11-20 16:00")
    assert bandwidth_valid_from(county(), NOW, POLICY) == at("2026-11-20 14:00")
    assert ports_valid_from(School(roster=school().roster), NOW, POLICY) == -inf


@pytest.mark.parametrize(
    ("seen", "gateway", "forgotten"),
    [
        pytest.param("2026-11-10 10:00", GATEWAY, False, id="nine school days"),
        pytest.param("2026-11-09 10:00", GATEWAY, True, id="ten"),
        pytest.param("2026-11-07 10:00", GATEWAY, True, id="more"),
        pytest.param("2026-10-09 10:00", "another", False, id="its gateway was never heard"),
    ],
)
def test_what_is_forgotten(seen: str, gateway: str, forgotten: bool) -> None:  # noqa: FBT001 - a table
    """Nobody told of it, although its gateway reports; one that is silent tells of nothing."""
    assert is_forgotten(county(), at(seen), gateway, NOW, Policy()) is forgotten
    assert not is_forgotten(county(silent=True), at(seen), gateway, NOW, Policy())


@pytest.mark.parametrize(
    ("tests", "tried_at", "expected"),
    [
        pytest.param((), None, 0.0, id="never"),
        pytest.param((5.0, 9.0), None, 9.0, id="tested"),
        pytest.param((), 7.0, 7.0, id="tried"),
        pytest.param((5.0, 9.0), 7.0, 9.0, id="tried, then tested"),
        pytest.param((5.0, 6.0), 7.0, 7.0, id="tested, then tried"),
    ],
)
def test_when_a_target_was_last_asked(tests: tuple[float, ...], tried_at: float | None, expected: float) -> None:
    seen = tuple(BandwidthTest(observed_at=when, seen=bandwidth()) for when in tests)
    leg = Leg(gateway=GATEWAY, target="t", direction="down", tests=seen, last_unmeasured_at=tried_at)
    assert newest_at(leg) == expected
