"""The benchmark of the agent: its lines, its goals, and what it says when a peer is missing."""

import json
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.probes.switch import mib
from bench.agent import __main__ as program
from bench.agent import exporters, polls, whole
from bench.agent.processes import cpu_s, module, rss_bytes, started
from bench.agent.whole import Used
from bench.lines import Metric, json_line

FIELDS = {"bench", "metric", "value", "unit", "peer", "peer_value", "ratio", "n"}


def test_poll_metrics_beside_the_exporter() -> None:
    """Medians of both, what the exporter costs beside ours, and ours as a share of it."""
    found = list(polls._metrics({"gufo": [0.002, 0.003, 0.009]}, [0.006, 0.012, 0.006]))
    cost, ratio = found
    assert (cost.value, cost.peer_value, cost.ratio) == (0.003, 0.006, 2.0)
    assert (ratio.metric, ratio.value) == ("poll_cpu_ratio_snmp_exporter", 0.5)
    assert all(set(json.loads(json_line(metric))) == FIELDS for metric in found)


def test_without_a_peer_its_fields_are_null() -> None:
    """No exporter: no ratio is claimed."""
    (cost,) = polls._metrics({"gufo": [0.002]}, [])
    assert (cost.peer, cost.peer_value, cost.ratio) == (None, None, None)
    rss, share = whole._use(Used(rss_bytes=10, cpu_share=0.5), [], 3)
    assert (rss.value, rss.peer, share.peer_value) == (10, None, None)


def test_use_beside_two_exporters() -> None:
    """Their memory and processor time are added up."""
    peers = [Used(rss_bytes=15, cpu_share=0.1), Used(rss_bytes=25, cpu_share=0.1)]
    rss, share, ratio = whole._use(Used(rss_bytes=10, cpu_share=0.5), peers, 3)
    assert (rss.peer_value, rss.ratio) == (40, 4.0)
    assert share.ratio == pytest.approx(0.4)
    assert (ratio.metric, ratio.value) == ("rss_ratio_exporters", 0.25)


@pytest.mark.parametrize(("value", "told"), [(0.5, "at most 0.5)"), (0.6, "MISSED")])
def test_a_missed_goal_is_told(value: float, told: str) -> None:
    """People see at once which figure is too high."""
    metric = Metric(bench="agent.poll.gufo", metric="poll_cpu_ratio_snmp_exporter", value=value, unit="ratio", n=1)
    assert told in program.beside_goal(metric)
    assert "goal" not in program.beside_goal(replace(metric, bench="agent.poll.pysnmp"))


def test_options() -> None:
    """Unknown parts are refused."""
    assert program.options(["--parts", "rtt,poll"]).parts == ["rtt", "poll"]
    with pytest.raises(SystemExit):
        program.options(["--parts", "everything"])


def test_the_exporter_reads_what_a_poll_may_read() -> None:
    """The columns from which a poll chooses, and no others; ifType is asked for where ifHighSpeed says nothing."""
    shown = exporters._module(exporters.SWITCH_COLUMNS)
    assert shown["walk"] == [metric["oid"] for metric in shown["metrics"]]
    assert set(exporters.SWITCH_COLUMNS) == {mib.IF_NAME, *mib._COLUMNS} - {mib.IF_TYPE}


def test_measuring_a_process(tmp_path: Path) -> None:
    """Processor time and memory come from /proc, and the process is gone at the end."""
    with started(module("http.server", "0"), tmp_path / "log") as process:
        until_s = time.monotonic() + 20
        while rss_bytes(process) < 5_000_000 or cpu_s(process) < 0.01:
            assert time.monotonic() < until_s
            time.sleep(0.02)
    assert process.returncode is not None
