"""How often an SQLite store is looked through."""

import pytest

from collector.app.keeping import rest_s


@pytest.mark.parametrize(
    ("every_s", "took_s", "expected_s"),
    [
        pytest.param(900, 1.5, 900, id="a province from a quiet disk"),
        pytest.param(900, 18, 900, id="just so"),
        pytest.param(900, 60, 3_000, id="a slow disk"),
        pytest.param(1, 0.01, 1, id="a small one"),
    ],
)
def test_rest(every_s: float, took_s: float, expected_s: float) -> None:
    """As often as it is set, but never more than a fiftieth of the time."""
    assert rest_s(every_s, took_s) == expected_s
