"""The examples, run as their headings say."""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.support.bundle import ROOT
from tests.support.headers import runs, until_run
from tests.support.machines import machines

PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
SETTLE_S = 60.0


@pytest.mark.netns
@pytest.mark.servers("unshare", "nsenter")
def test_one_school(tmp_path: Path) -> None:
    """Collector and agent on one machine: a few commands later the collector has heard the school's gateway."""
    shutil.copytree(ROOT / "configs" / "examples" / "one-school", tmp_path / "school")
    heading = tmp_path / "school" / "collector.yml"
    with machines(tmp_path, school="10.78.0.1", nobody="10.78.0.2") as (school, _):
        school.bash(until_run(heading), PATH=PATH)
        for command in runs(heading):
            school.bash(f"nohup {command} > {command.split()[0]}.log 2>&1 &", PATH=PATH)
        until_s = time.monotonic() + SETTLE_S
        while _gateway_state(school) != "up":
            assert time.monotonic() < until_s, school.bash("cat *.log")
            time.sleep(0.5)


def _gateway_state(school) -> str | None:
    told = school.bash("classready-collector explain --json parent-01 -c collector.yml || true", PATH=PATH)
    return json.loads(told)["gateways"][0]["state"] if told.startswith("{") else None
