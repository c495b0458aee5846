"""``make demo`` as a new user meets it."""

import subprocess
import sys

import pytest

from bench.demo.__main__ import TCP_PORTS, is_taken


@pytest.mark.timeout(150)
def test_demo_settles_tells_and_leaves_nothing():
    """The demo school settles at four ready, two not and one unknown; the chat is told; no port stays open."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.demo", "--once"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 ready 可用, 2 not ready 不可用, 1 unknown 未知" in done.stdout
    assert "http://127.0.0.1:9711/" in done.stdout
    assert "演示小学" in done.stdout
    assert "10 Mbit/s" in done.stdout
    assert [port for port in TCP_PORTS if is_taken(port)] == []
