"""The bench of a county that comes back: what it counts. That it runs is seen when it is run (a minute and a half)."""

from bench.herd import _CONNECTED, options


def test_quick_is_smaller() -> None:
    """And never larger than what was asked for."""
    assert options(["--quick"]).gateways == 200
    assert options(["--quick", "--gateways", "50"]).gateways == 50
    assert options([]).gateways == 2_000


def test_what_the_broker_wrote_is_counted() -> None:
    """A line of mosquitto 2.0.11, by second and client; what is not a new connection is none."""
    log = (
        "1795950717: New connection from 127.0.0.1:55237 on port 26043.\n"
        "1795950717: New client connected from 127.0.0.1:55237 as gw-00001 (p5, c1, k60).\n"
        "1795950718: Client gw-00001 disconnected.\n"
    )
    assert _CONNECTED.findall(log) == [("1795950717", "gw-00001")]
