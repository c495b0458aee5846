"""``python -m bench.mutants --deliberate``: what promises rest on is taken away, and the tests notice."""

import json
import subprocess
import sys

import pytest

from bench.mutants import deliberate
from bench.mutants.deliberate import BREAKAGES, Breakage
from bench.mutants.tree import PROJECT

pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd", "strace", "postgres")


@pytest.mark.timeout(300)
def test_each_deliberate_breakage_is_caught_by_its_test():
    """No sync in the spool, or in the store; a PUBACK deletes; no de-duplication; a raw label; HTTP 200 is success."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.mutants", "--deliberate"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {line["metric"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}
    assert found == {f"caught_{breakage.name}": 1.0 for breakage in BREAKAGES}, done.stderr
    assert done.returncode == 0


def test_a_breakage_that_nothing_notices_is_told():
    """And a text that is not there (any more) is no success either."""
    harmless = Breakage(
        "harmless",
        "classready/units.py",
        "MBYTE = 10**6",
        "MBYTE = 1_000_000",
        "tests/unit/test_units.py::test_worked_examples",
    )
    assert [line.value for line in deliberate.lines([harmless])] == [0.0]
    with pytest.raises(SystemExit, match="does not hold"):
        list(deliberate.lines([harmless._replace(text="no such text")]))
