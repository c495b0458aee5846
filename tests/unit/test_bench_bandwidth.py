"""The bandwidth benchmark: what it counts and leaves out, and that the committed table is the decider's."""

import json
import os
import random
import time

import pytest
from msgspec.structs import replace

from bench.bandwidth import __main__ as program
from bench.bandwidth import characteristic, day, report
from bench.bandwidth.cases import Case, drawn_bursts, drawn_rates, right_verdict, table
from bench.bandwidth.characteristic import BEGIN, END, Cell
from bench.bandwidth.ends import Answer
from bench.bandwidth.links import Line
from bench.bandwidth.report import Delay, Peer, Run
from bench.bandwidth.run import run_of
from bench.lines import json_line
from classready.observation import Bandwidth, Outcome
from classready.units import MBIT, MBYTE
from tests.support.shaped_link import End, ShapedLink

FIELDS = {"bench", "metric", "value", "unit", "peer", "peer_value", "ratio", "n"}
LINE = Case(mode="quick", direction="down", rate_mbps=90, burst_bytes=32_000)


def run(mode: str = "quick", rate_mbps: float = 90, outcome: Outcome = Outcome.FAIL, **fields) -> Run:
    case = Case(mode=mode, direction="down", rate_mbps=rate_mbps, burst_bytes=32_000)
    known = {"reason": None, "bytes": MBYTE, "seconds": 0.1, "estimate_bps": None, "cpu_seconds": 0.01}
    known["responder_cpu_seconds"] = 0.02
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


@pytest.mark.parametrize(("made_in", "counts_as"), [("drain", "drain"), ("tcp", "tcp"), (None, "quick")])
def test_a_test_counts_under_the_mode_it_was_made_in(made_in: str | None, counts_as: str) -> None:
    """The product decides: a TCP test costs fifty times a quick one. None = it ended before it began."""
    observation = Bandwidth(target="wan", outcome=Outcome.FAIL, mode=made_in, bytes=MBYTE, seconds=0.1)
    answer = Answer(observation=observation, cpu_seconds=0.01, started_s=5.0, ended_s=5.2)
    made = run_of(LINE, answer, 0.02)
    assert (made.case.mode, made.bytes, made.cpu_seconds, made.responder_cpu_seconds) == (counts_as, MBYTE, 0.01, 0.02)


def test_a_line_of_json_has_exactly_the_agreed_fields() -> None:
    """Whoever reads the lines relies on these eight."""
    peer = Peer(case=LINE, seconds=10, bytes=125e6, rate_bps=90 * MBIT)
    delays = [
        Delay(mode="quick", direction="down", rate_mbps=100, loaded=loaded, took_s=0.001) for loaded in (True, False)
    ]
    lines = [json.loads(json_line(m)) for m in report.metrics([run()], [peer], delays)]
    assert all(set(line) == FIELDS for line in lines)
    (median,) = (line for line in lines if line["metric"] == "quick_bytes_median")
    assert (median["peer"], median["peer_value"], median["ratio"]) == ("iperf3 -t 10", 125e6, 125.0)
    (ratio,) = (line for line in lines if line["metric"] == "quick_bytes_ratio_iperf3_10s")
    assert (ratio["value"], ratio["n"]) == (125.0, 1)


def test_what_was_not_measured_has_no_line() -> None:
    """No runs, no numbers; no peer, no ratio; runs without bytes give no bytes."""
    assert list(report.metrics([], [], [])) == []
    names = {m.metric for m in report.metrics([run(outcome=Outcome.NO_ANSWER, bytes=None, seconds=None)], [], [])}
    assert names == {
        "wrong_verdicts",
        "inconclusive_share",
        "cpu_seconds_per_verdict",
        "responder_cpu_seconds_per_verdict",
    }


def test_bytes_are_compared_on_the_same_line_only() -> None:
    """Another rate, or the same line with a hog, is not the same line."""
    peers = [Peer(case=LINE, seconds=10, bytes=100e6, rate_bps=90 * MBIT)]
    assert not any("ratio" in m.metric for m in report.metrics([run(rate_mbps=80)], peers, []))


def test_percentiles_are_values_that_were_seen() -> None:
    """Nearest rank."""
    assert report.percentile([4.0, 1.0, 3.0, 2.0], 0.95) == 4.0
    assert report.percentile(list(range(1, 101)), 0.95) == 95
    assert report.percentile([7.0], 0.05) == 7.0


def delays(mode: str | None, rate_mbps: float, loaded_s: float) -> list[Delay]:
    known = {"mode": mode, "direction": "up", "rate_mbps": rate_mbps}
    return [Delay(**known, loaded=took_s > 0.001, took_s=took_s) for took_s in (loaded_s, 0.001) for _ in range(5)]


def test_the_added_delay_is_what_the_load_adds() -> None:
    """95th percentile under load less the one without."""
    (found,) = report.metrics([], [], delays("quick", 100, 0.009))
    assert (found.bench, found.metric, found.peer) == ("bandwidth.quick.up", "added_delay_p95_seconds", None)
    assert (found.value, found.n) == (pytest.approx(0.008), 5)


def test_added_delay_stands_beside_iperf3_on_the_same_line() -> None:
    """Another line than the usual one has a name of its own; a load of iperf3's alone is no metric of ours."""
    seen = [*delays("quick", 100, 0.009), *delays("quick", 50, 0.011), *delays(None, 50, 0.041)]
    slow, usual = report.metrics([], [], seen)
    assert (usual.bench, usual.peer) == ("bandwidth.quick.up", None)
    assert (slow.bench, slow.peer, slow.peer_value) == ("bandwidth.quick.up.50M", "iperf3 -t 1", pytest.approx(0.04))
    assert (slow.value, slow.ratio, slow.n) == (pytest.approx(0.01), pytest.approx(4), 5)
    assert list(report.metrics([], [], delays(None, 100, 0.009))) == []


def test_goodput_is_not_what_was_promised() -> None:
    """iperf3 on a perfect 100 Mbit/s line reads 94.1: right once turned into layer 1, wrong as it stands."""
    line = replace(LINE, rate_mbps=100)
    peers = [
        Peer(case=line, seconds=10, bytes=125e6, rate_bps=100 * MBIT),
        Peer(case=line, seconds=1, bytes=13e6, rate_bps=107 * MBIT),
    ]
    found = report.metrics([run(rate_mbps=100, outcome=Outcome.PASS)], peers, [])
    wrong = {m.peer: m.peer_value for m in found if m.metric == "wrong_verdicts"}
    assert wrong == {
        "iperf3 -t 10": 0,
        "iperf3 -t 1": 0,
        "iperf3 -t 10, goodput >= 100": 1,
        "iperf3 -t 1, goodput >= 100": 0,
    }
    assert ["WRONG" in text for text in report.peer_table(peers)] == [True, False]


def test_a_day_is_counted_at_the_measured_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dearer direction's median on that very line; beside it as many runs of iperf3 as there were verdicts."""
    asked = []

    def simulate(line_mbps: float, *, quick_bytes: int, drain_bytes: int, seed: int) -> day.DayResult:
        asked.append((line_mbps, quick_bytes, drain_bytes, seed))
        return day.DayResult(down=("passive", "passive", "quick"), up=("drain", "unmeasured"), bytes=10 * MBYTE)

    monkeypatch.setattr(day, "simulate", simulate)
    upward = replace(LINE, direction="up", rate_mbps=100)
    runs = [
        run(rate_mbps=100, bytes=600_000),
        replace(run(bytes=900_000), case=upward),
        run("drain", rate_mbps=100, bytes=9 * MBYTE),
        run("drain", rate_mbps=1_000, bytes=9 * MBYTE),
    ]
    peers = [Peer(case=LINE, seconds=10, bytes=100e6, rate_bps=90 * MBIT)]
    found = list(report.day_metrics(runs, peers, [7, 8]))
    assert asked == [(100, 900_000, 9 * MBYTE, 7), (100, 900_000, 9 * MBYTE, 8)]
    (size,) = (m for m in found if m.metric == "day_bytes_per_link")
    assert (size.value, size.peer, size.peer_value, size.ratio, size.n) == (10e6, "iperf3 -t 10", 400e6, 40, 2)
    shares = {m.bench.removeprefix("bandwidth.day.100M"): m.value for m in found if m.metric == "passive_share"}
    assert shares == {"": 0.5, ".down": pytest.approx(2 / 3), ".up": 0}
    verdicts = {m.bench.removeprefix("bandwidth.day.100M"): m.value for m in found if m.metric == "day_verdicts"}
    assert verdicts == {"": 4, ".down": 3, ".up": 1}


def test_without_costs_there_is_no_day() -> None:
    """Only drain tests were asked for: what a quick one costs is not known, and not made up."""
    assert list(report.day_metrics([run("drain")], [], [1])) == []


def test_a_simulated_day_is_a_day() -> None:
    """The simulation itself, at usual costs: every metric is there, and less is sent than by one run of iperf3."""
    runs = [run(rate_mbps=1_000, bytes=700_000), run("drain", rate_mbps=1_000, bytes=2 * MBYTE)]
    found = {(m.bench, m.metric): m.value for m in report.day_metrics(runs, [], [1])}
    assert 0 < found["bandwidth.day.1000M", "day_bytes_per_link"] < 125e6
    assert 0 < found["bandwidth.day.1000M", "passive_share"] <= 1
    assert 0 < found["bandwidth.day.1000M", "day_verdicts"] <= 2 * 24


def test_the_responders_cpu_time_is_that_of_its_process() -> None:
    """Asked of this process itself, it is what the process knows of itself."""
    end = End("none", "none", "192.0.2.1", "2001:db8::1")
    line = Line(ShapedLink(end, end), os.getpid())
    before_s, own_before_s = line.responder_cpu_s(), time.process_time()
    sum(range(200_000))
    assert line.responder_cpu_s() - before_s == pytest.approx(time.process_time() - own_before_s, abs=0.001)
    assert line.responder_cpu_s() > before_s


def test_both_ends_cost_cpu() -> None:
    """The agent's time and the responder's are two metrics, each a mean over the verdicts."""
    found = list(report.metrics([run(), run(cpu_seconds=0.03, responder_cpu_seconds=0.06)], [], []))
    assert value(found, "bandwidth.quick.down", "cpu_seconds_per_verdict") == pytest.approx(0.02)
    assert value(found, "bandwidth.quick.down", "responder_cpu_seconds_per_verdict") == pytest.approx(0.04)


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


def test_the_usual_line_comes_first() -> None:
    """Each mode and direction of it, so that even a short run can tell what a day costs; then all in mixed order."""
    first = program.scope(program.options(["--quick"])).cases[:5]
    assert [(case.plain, case.rate_mbps, case.burst_bytes) for case in first[:4]] == [(True, 100, 32_000)] * 4
    assert len({(case.mode, case.direction) for case in first[:4]}) == 4
    assert (first[4].plain, first[4].rate_mbps, first[4].burst_bytes) != (True, 100, 32_000)


def test_delay_is_measured_on_two_lines_beside_iperf3() -> None:
    """Each mode and direction, and iperf3; --quick leaves out all but quick tests."""
    full = program.scope(program.options([])).delays
    assert {mode for mode, _, _ in full} == {"quick", "drain", None}
    assert {(direction, rate) for _, direction, rate in full} == {(d, r) for d in ("down", "up") for r in (50, 100)}
    assert len(set(full)) == len(full) == 12
    assert {mode for mode, _, _ in program.scope(program.options(["--quick"])).delays} == {"quick"}


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
