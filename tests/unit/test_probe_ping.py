"""From echoes to a ``Ping``."""

from types import SimpleNamespace

import pytest

from agent.probes import icmp
from agent.probes.icmp import Echoes
from agent.probes.ping import observation
from classready.observation import Outcome, Reason, Rtt
from classready.targets import PingTarget

TARGET = PingTarget(name="gw", host="192.0.2.1")


def _echoes(*rtts_s: float, sent_count: int = 4) -> Echoes:
    return Echoes(address="192.0.2.1", privileged=True, sent_count=sent_count, rtts_s=list(rtts_s))


def test_all_answered() -> None:
    """Minimum, median, maximum, and jitter as the mean difference of neighbours."""
    ping = observation(TARGET, _echoes(0.010, 0.030, 0.020, 0.020))
    assert ping.outcome is Outcome.ANSWERED
    assert (ping.sent_count, ping.received_count) == (4, 4)
    assert ping.rtt_s == Rtt(min=0.010, median=0.020, max=0.030)
    assert ping.jitter_s == pytest.approx(0.01)


def test_one_answer_has_no_jitter() -> None:
    """Jitter needs two; what is not known is None, not 0."""
    ping = observation(TARGET, _echoes(0.010))
    assert (ping.outcome, ping.received_count, ping.jitter_s) == (Outcome.ANSWERED, 1, None)


def test_silence_has_no_times() -> None:
    """No answer: the counts say so, and no round-trip time is made up."""
    ping = observation(TARGET, _echoes())
    assert (ping.outcome, ping.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
    assert (ping.sent_count, ping.received_count, ping.rtt_s, ping.jitter_s) == (4, 0, None, None)


@pytest.mark.parametrize(
    ("stamp_s", "rtt_s"),
    [(1000.004, 0.004), (1000.0, 0.0), (999.0, 0.5), (4600.0, 0.5), (None, 0.5)],
    ids=["stamped", "at once", "clock set back", "clock set forward", "no stamp"],
)
def test_the_kernels_stamp(monkeypatch: pytest.MonkeyPatch, stamp_s: float | None, rtt_s: float) -> None:
    """It says when a reply came, unless the wall clock was set meanwhile: then the moment of reading does."""
    monkeypatch.setattr(icmp, "time", SimpleNamespace(monotonic=lambda: 70.5))
    assert icmp._rtt_s(1000.0, 70.0, stamp_s) == pytest.approx(rtt_s)
