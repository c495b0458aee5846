"""How a county's gateways come back to what was away: spread, soon, and never spinning."""

import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from agent.courier import backoff_s
from agent.links.mqtt import STEADY_S, reconnect_span_s
from agent.spread import AWAY_MAX_S, JUST_BOOTED_S, RETURN_MAX_S, start_span_s

INSTALL = (Path(__file__).parents[2] / "install.sh").read_text()
GATEWAYS = 2_000
PEAK_PER_S = 100


@pytest.mark.parametrize(
    ("attempt", "report_interval_s", "span_s"),
    [
        pytest.param(0, 300.0, 60.0, id="the first time over a minute"),
        pytest.param(3, 300.0, 60.0, id="and never over more"),
        pytest.param(0, 60.0, 45.0, id="over three quarters of the interval"),
        pytest.param(1, 60.0, RETURN_MAX_S, id="twice as long the second time"),
        pytest.param(9, 60.0, RETURN_MAX_S, id="never over more than a minute"),
        pytest.param(0, 0.1, 1.0, id="a second at least"),
        pytest.param(9, 2.0, 10.0, id="who reports often is back within five intervals"),
        pytest.param(9, 0.1, 1.0, id="a demo never waits longer than at first"),
    ],
)
def test_how_long_the_longest_waits(attempt: int, report_interval_s: float, span_s: float) -> None:
    """To a broker."""
    assert reconnect_span_s(attempt, report_interval_s) == pytest.approx(span_s)


@pytest.mark.parametrize(
    ("uptime_s", "span_s"),
    [
        pytest.param(0.0, 45.0, id="a box that has just got its power back"),
        pytest.param(JUST_BOOTED_S, 12.0, id="a program that was started again"),
    ],
)
def test_first_reports(uptime_s: float, span_s: float) -> None:
    """A power cut is a county's, an upgrade one box's."""
    assert start_span_s(60.0, uptime_s) == pytest.approx(span_s)


@pytest.mark.parametrize("uptime_s", [5, int(JUST_BOOTED_S) - 1, int(JUST_BOOTED_S), 1_000_000])
@pytest.mark.parametrize("report_interval_s", [1, 60, 99, 300, 86_400])
@pytest.mark.parametrize("is_told", [True, False])
def test_an_upgrade_waits_for_the_first_report(
    tmp_path: Path, uptime_s: int, report_interval_s: int, *, is_told: bool
) -> None:
    """install.sh goes back to the release before if none was acknowledged in time: so it must know when one is due.

    Where the bureau says how often to report, agent.yml does not.
    """
    settings = tmp_path / "agent.yml"
    settings.write_text(f"report_interval_s: {report_interval_s}\n" if is_told else "gateway: gw-1\n")
    rules = "".join(re.findall(r"^(?:spread_s\(\) \{\n.*?^\}\n|at_most\(\) .*?\n)", INSTALL, re.DOTALL | re.MULTILINE))
    script = f"role=agent settings={settings}\nup_s() {{ echo {uptime_s}; }}\n{rules}spread_s\n"
    said = subprocess.run(["/bin/sh", "-euc", script], check=True, capture_output=True, text=True).stdout
    assert start_span_s(report_interval_s, uptime_s) <= int(said) <= RETURN_MAX_S


@pytest.mark.parametrize("report_interval_s", [60.0, 300.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_county_that_comes_back_is_no_herd(report_interval_s: float, seed: int) -> None:
    """2,000 at once, after their power, their broker or their collector: at most 100 a second, all within 120 s."""
    dice = random.Random(seed)
    spans_s = {
        "power": start_span_s(report_interval_s, 30.0),
        "broker that was restarted": reconnect_span_s(0, report_interval_s),
        "broker that was away for long": reconnect_span_s(9, report_interval_s),
    }
    for what, span_s in spans_s.items():
        seconds = Counter(int(dice.uniform(0.1, span_s)) for _ in range(GATEWAYS))
        assert max(seconds.values()) <= PEAK_PER_S, what
    back_s = [tried_again_s(dice, report_interval_s) for _ in range(GATEWAYS)]
    assert max(Counter(map(int, back_s)).values()) <= PEAK_PER_S
    assert max(*spans_s.values(), *back_s) <= AWAY_MAX_S


def tried_again_s(dice: random.Random, report_interval_s: float, outage_s: float = 3_600.0) -> float:
    """How long after the end of the collector's outage a gateway comes again, which tried all the time."""
    now_s = failure_count = 0
    while now_s < outage_s:
        failure_count += 1
        now_s += backoff_s(failure_count, report_interval_s, None, dice.random())
    return now_s - outage_s


@pytest.mark.parametrize("report_interval_s", [60.0, 300.0])
@pytest.mark.parametrize("seed", range(3))
def test_two_boxes_with_one_client_id_do_not_spin(report_interval_s: float, seed: int) -> None:
    """Each that connects ends the other's connection: of each at most six connections in any minute, for four hours."""
    dice = random.Random(seed)
    wakes_at: list[float | None] = [0.0, 0.0]
    began_at, attempts = [0.0, 0.0], [0, 0]
    connected: list[list[float]] = [[], []]
    now = 0.0
    while now < 14_400.0:
        now, one = min((at, box) for box, at in enumerate(wakes_at) if at is not None)
        connected[one].append(now)
        wakes_at[one], began_at[one] = None, now
        other = 1 - one
        if wakes_at[other] is None:
            attempts[other] = 0 if now - began_at[other] > STEADY_S else min(attempts[other] + 1, 10)
            wakes_at[other] = now + dice.uniform(0.1, reconnect_span_s(attempts[other], report_interval_s))
    for times in connected:
        assert len(times) > 100
        assert max(sum(at <= each < at + 60.0 for each in times[i : i + 20]) for i, at in enumerate(times)) <= 6
