"""The benchmark of a province, with twenty schools: it runs, and every value is there."""

import json
import shutil
import subprocess
import sys

import pytest

from bench.province.lines import GOALS

PARTS = "http,mqtt,steady,board,scrape,restart,idle"
"""All but the lesson: it begins at a full minute, and that is waited for."""
PUSHGATEWAY_METRICS = {"scrape_cpu_ratio_pushgateway"}


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
def test_the_bench_runs() -> None:
    """Reports are committed over both links, all rooms become ready, and each metric with a goal has its line."""
    command = [sys.executable, "-m", "bench.province", "--schools=20", "--quick", "--seconds=1", f"--parts={PARTS}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    left_out = set() if shutil.which("prometheus-pushgateway") else PUSHGATEWAY_METRICS
    assert {line["metric"] for line in lines} >= set(GOALS) - left_out
    idle = {"idle_cpu_share", "idle_scraped_cpu_share"}
    assert [line for line in lines if line["value"] <= 0 and line["metric"] not in idle] == []
    assert all(line["schools"] == 20 and line["machine"] and line["commit"] for line in lines)
