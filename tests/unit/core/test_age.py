"""How old evidence is beside a time in which the collector itself was away: its first and last moment."""

import pytest

from collector.core.age import fresh_from, fresh_until, seconds_since
from collector.core.state import Away

AWAY = Away(100.0, 150.0)


@pytest.mark.parametrize(
    ("at", "now", "age_s"),
    [
        pytest.param(50, 90, 40, id="before it"),
        pytest.param(50, 100, 50, id="until it began"),
        pytest.param(50, 120, 50, id="it stood still since"),
        pytest.param(50, 170, 70, id="all of it left out"),
        pytest.param(130, 170, 20, id="what is dated within it"),
        pytest.param(150, 170, 20, id="what came with its end"),
        pytest.param(160, 170, 10, id="after it"),
    ],
)
def test_time_stands_still_while_nobody_listens(at: float, now: float, age_s: float) -> None:
    """Without it each second counts."""
    assert seconds_since(at, now, AWAY) == age_s
    assert seconds_since(at, now, None) == now - at


@pytest.mark.parametrize(
    ("at", "until"),
    [
        pytest.param(50, 70, id="over before it"),
        pytest.param(79, 99, id="over a moment before"),
        pytest.param(80, 150, id="over with its begin: so it still is until it ends"),
        pytest.param(90, 160, id="half of its time was left"),
        pytest.param(120, 170, id="dated within"),
        pytest.param(150, 170, id="with its end"),
        pytest.param(160, 180, id="after it"),
    ],
)
def test_fresh_for_twenty_seconds(at: float, until: float) -> None:
    """The last moment; and from that moment, asked the other way round, the evidence is just fresh."""
    assert fresh_until(at, 20.0, AWAY) == until
    assert seconds_since(at, until, AWAY) == 20


@pytest.mark.parametrize(
    ("now", "since"),
    [
        pytest.param(171, 151, id="long over"),
        pytest.param(170, 100, id="what came as it began has had its twenty seconds now"),
        pytest.param(160, 90, id="ten seconds after it"),
    ],
)
def test_what_is_fresh_now(now: float, since: float) -> None:
    """The earliest date that counts."""
    assert fresh_from(20.0, now, AWAY) == since
