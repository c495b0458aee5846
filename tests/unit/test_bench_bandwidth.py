"""The bandwidth benchmark: what it counts and leaves out, and that the committed table is the decider's."""

import json
import random

import pytest

from bench.bandwidth import __main__ as program
from bench.bandwidth import characteristic, report
from bench.bandwidth.cases import Case, drawn_bursts, drawn_rates, right_verdict, table
from bench.bandwidth.characteristic import BEGIN, END, Cell
from bench.bandwidth.report import Delay, Peer, Run
from classready.observation import Outcome
from classready.units import MBIT, MBYTE

FIELDS = {"bench", "metric", "value", "unit", "peer", "peer_value", "ratio", "n"}
LINE = Case(mode="quick", direction="down", rate_mbps=90, burst_bytes=32_000)


def run(mode: str = "quick", rate_mbps: float = 90, outcome: Outcome = Outcome.FAIL, **fields) -> Run:
    case = Case(mode=mode, direction="down", rate_mbps=rate_mbps, burst_bytes=32_000)
    known = {"reason": None, "bytes": MBYTE, "seconds": 0.1, "estimate_bps": None, "cpu_seconds": 0.01}
    return Run(case=case, outcome=outcome, **(known | fields))


def value(metrics, bench: str, name: str) -> float:
    return next(m.value for m in metrics if (m.bench, m.metric) == (bench, name))


@pytest.mark.parametrize(
    ("rate_mbps", "outcome", "wrong", "inconclusive"),
    [
        (95, Outcome.FAIL, False, False),
        (95, Outcome.PASS, True, False),
        (97, Outcome.PASS, False, False),
        (97, Outcome.FAIL, False, False),
        (100, Outcome.FAIL, True, False),
        (100, Outcome.PASS, False, False),
        (50, Outcome.UNMEASURED, False, True),
        (120, Outcome.NO_ANSWER, False, True),
    ],
)
def test_what_is_wrong(rate_mbps: float, outcome: Outcome, wrong, inconclusive) -> None:
    """Between the thresholds no verdict is wrong, and no verdict never is."""
    made = run(rate_mbps=rate_mbps, outcome=outcome)
    assert (made.wrong, made.inconclusive) == (wrong, inconclusive)


def test_modes_and_directions_are_never_pooled() -> None:
    """One wrong drain verdict does not show in quick, nor the bytes of one in the other."""
    runs = [run(), run("drain", outcome=Outcome.PASS, bytes=9 * MBYTE), run("drain", bytes=9 * MBYTE)]
    found = list(report.metrics(runs, [], []))
    assert value(found, "bandwidth.quick.down", "wrong_verdicts") == 0
    assert value(found, "bandwidth.drain.down", "wrong_verdicts") == 1
    assert value(found, "bandwidth.quick.down", "quick_bytes_median") == MBYTE
    assert value(found, "bandwidth.drain.down", "drain_bytes_median") == 9 * MBYTE


def test_a_line_of_json_has_exactly_the_agreed_fields() -> None:
    """Whoever reads the lines relies on these eight."""
    peer = Peer(case=LINE, seconds=10, bytes=125e6, rate_bps=90 * MBIT)
    delays = [Delay(mode="quick", direction="down", loaded=loaded, took_s=0.001) for loaded in (True, False)]
    lines = [json.loads(report.json_line(m)) for m in report.metrics([run()], [peer], delays)]
    assert all(set(line) == FIELDS for line in lines)
    (median,) = (line for line in lines if line["metric"] == "quick_bytes_median")
    assert (median["peer"], median["peer_value"], median["ratio"]) == ("iperf3 -t 10", 125e6, 125.0)
    (ratio,) = (line for line in lines if line["metric"] == "quick_bytes_ratio_iperf3_10s")
    assert (ratio["value"], ratio["n"]) == (125.0, 1)


def test_what_was_not_measured_has_no_line() -> None:
    """No runs, no numbers; no peer, no ratio; runs without bytes give no bytes."""
    assert list(report.metrics([], [], [])) == []
    names = {m.metric for m in report.metrics([run(outcome=Outcome.NO_ANSWER, bytes=None, seconds=None)], [], [])}
    assert names == {"wrong_verdicts", "inconclusive_share", "cpu_seconds_per_verdict"}


def test_bytes_are_compared_on_the_same_line_only() -> None:
    """Another rate, or the same line with a hog, is not the same line."""
    peers = [Peer(case=LINE, seconds=10, bytes=100e6, rate_bps=90 * MBIT)]
    assert not any("ratio" in m.metric for m in report.metrics([run(rate_mbps=80)], peers, []))


def test_percentiles_are_values_that_were_seen() -> None:
    """Nearest rank."""
    assert report.percentile([4.0, 1.0, 3.0, 2.0], 0.95) == 4.0
    assert report.percentile(list(range(1, 101)), 0.95) == 95
    assert report.percentile([7.0], 0.05) == 7.0


def test_the_added_delay_is_what_the_load_adds() -> None:
    """95th percentile under load less the one without."""
    delays = [Delay(mode="quick", direction="up", loaded=True, took_s=0.009)] * 5
    delays += [Delay(mode="quick", direction="up", loaded=False, took_s=0.001)] * 5
    (found,) = report.metrics([], [], delays)
    assert (found.metric, found.value, found.n) == ("added_delay_p95_seconds", pytest.approx(0.008), 5)


def test_the_table_holds_every_condition_near_the_threshold() -> None:
    """Both shapers, the policer, both kinds of other traffic, the hog and the long way, on both sides of theta."""
    cases = list(table(["drain"], ["down"], [20, 90, 95, 100, 1000], [16_000, 5_000_000]))
    hard = [case for case in cases if not case.plain]
    assert len(cases) - len(hard) == 10
    for condition in ("htb", "policer", "tbf + 40 % udp", "tbf + 40 % tcp", "tbf + hog", "tbf + 20 ms"):
        labels = {right_verdict(case.rate_mbps) for case in hard if case.condition == condition}
        assert labels == {Outcome.PASS, Outcome.FAIL}
    assert len(set(cases)) == len(cases)


def test_a_seed_draws_other_lines_on_both_sides() -> None:
    """Reproducible, different from the fixed ones, labelled."""
    rates = drawn_rates(random.Random(7))
    assert rates == drawn_rates(random.Random(7)) != drawn_rates(random.Random(8))
    assert {right_verdict(rate) for rate in rates} == {Outcome.PASS, Outcome.FAIL}
    assert all(16_000 <= burst <= 5_000_000 for burst in drawn_bursts(random.Random(7)))


def test_options_choose_other_links() -> None:
    """--rates, --bursts, --modes and --runs reach the cases."""
    chosen = program.options(["--rates", "60,110", "--bursts", "50000", "--modes", "drain", "--runs", "3"])
    found = program.scope(chosen)
    assert {case.rate_mbps for case in found.cases} == {60.0, 110.0}
    assert {case.burst_bytes for case in found.cases} == {50_000}
    assert {case.mode for case in found.cases} == {"drain"}
    assert found.runs == 3


@pytest.mark.parametrize(
    "arguments",
    [["--rates", "0"], ["--rates", "fast"], ["--bursts", "1"], ["--modes", "slow"], ["--runs", "0"], ["--n", "-1"]],
)
def test_a_bad_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a usage line, before anything is made."""
    with pytest.raises(SystemExit):
        program.options(arguments)
    assert "usage" in capsys.readouterr().err


def test_the_quick_bench_runs_iperf3_once() -> None:
    """Ten seconds of it are all that fits into a minute."""
    assert [seconds for _, seconds in program.scope(program.options(["--quick"])).peers] == [10]


@pytest.mark.parametrize("mode", ["quick", "drain"])
@pytest.mark.parametrize(("sigma_mbps", "rho", "capacity_mbps"), [(1, 0.0, 95), (3, 0.5, 100), (6, 0.0, 105)])
def test_the_committed_characteristic_is_the_deciders(mode, sigma_mbps: int, rho: float, capacity_mbps: int) -> None:
    """Whoever changes the decider writes the table anew: python -m bench.bandwidth --characteristic."""
    cell = Cell(mode=mode, sigma_mbps=sigma_mbps, rho=rho, capacity_mbps=capacity_mbps)
    wrong, inconclusive, ms, megabytes = characteristic.committed(characteristic.PAGE.read_text(), cell)
    small = characteristic.run_cell(cell, 100)
    assert small.wrong * 100 == pytest.approx(wrong, abs=5)
    assert small.inconclusive * 100 == pytest.approx(inconclusive, abs=5)
    assert small.mean_seconds * 1_000 == pytest.approx(ms, rel=0.25)
    assert small.mean_bytes / MBYTE == pytest.approx(megabytes, rel=0.25)


def test_a_cell_read_back_is_the_cell_written() -> None:
    """The page's table can be parsed by what the test above relies on."""
    cell = characteristic.cells()[0]
    shares = [characteristic.run_cell(c, 2) for c in characteristic.cells() if c.mode == cell.mode]
    blank = [
        characteristic.Share(cell=c, n=2, wrong=0, inconclusive=0, mean_seconds=0, mean_bytes=0)
        for c in characteristic.cells()
        if c.mode != cell.mode
    ]
    page = characteristic.insert(f"before\n{BEGIN}\nold\n{END}\nafter\n", characteristic.table(shares + blank))
    assert page.startswith("before\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert characteristic.committed(page, cell)[2] == pytest.approx(shares[0].mean_seconds * 1_000, abs=0.5)


def test_a_page_without_markers_is_refused() -> None:
    """Rather than written over."""
    with pytest.raises(ValueError, match="no <!--"):
        characteristic.insert("text", "table")
