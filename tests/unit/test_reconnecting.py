"""How a county's gateways come back to a broker that was away: spread, soon, and never spinning."""

import pytest

from agent.links.mqtt import RECONNECT_MAX_S, reconnect_span_s


@pytest.mark.parametrize(
    ("attempt", "report_interval_s", "span_s"),
    [
        pytest.param(0, 300.0, 60.0, id="the first time over a minute: 2,000 of them are 33 a second"),
        pytest.param(3, 300.0, 60.0, id="and never over more"),
        pytest.param(0, 60.0, 12.0, id="over a fifth of the interval"),
        pytest.param(1, 60.0, 24.0, id="twice as long the second time"),
        pytest.param(9, 60.0, RECONNECT_MAX_S, id="never over more than a minute"),
        pytest.param(0, 0.1, 1.0, id="a second at least"),
        pytest.param(9, 2.0, 10.0, id="who reports often is back within five intervals"),
        pytest.param(9, 0.1, 1.0, id="a demo never waits longer than at first"),
    ],
)
def test_how_long_the_longest_waits(attempt: int, report_interval_s: float, span_s: float) -> None:
    assert reconnect_span_s(attempt, report_interval_s) == pytest.approx(span_s)
