"""When wall time may be believed."""

import time
from pathlib import Path

import pytest

from agent import clock as clock_module
from agent.clock import FIRST_DAY, Clock, boot_id


@pytest.fixture(autouse=True)
def _no_timesync(monkeypatch, tmp_path):
    monkeypatch.setattr(clock_module, "SYNCHRONIZED_FILE", tmp_path / "synchronized")


def test_a_clock_nobody_confirmed_is_unknown():
    """Without timesyncd and collector nothing is claimed."""
    assert Clock("0").read().quality == "unknown"


def test_timesyncd_is_believed(tmp_path):
    """systemd-timesyncd leaves a file when it has set the clock."""
    (tmp_path / "synchronized").touch()
    assert Clock("0").read().quality == "good"


@pytest.mark.parametrize("skew_s", [0, 25, -25, 3_600, -3_600])
def test_the_collectors_clock_decides(skew_s):
    """Wall time within 30 s of the collector's is good."""
    clock = Clock("0")
    clock.compare(time.time() + skew_s)
    assert clock.read().quality == ("good" if abs(skew_s) < 30 else "unknown")


def test_a_step_takes_the_trust_away(monkeypatch):
    """A clock that was right and then jumped is not right."""
    clock = Clock("0")
    clock.compare(time.time())
    wall_s = time.time()
    monkeypatch.setattr(clock_module.time, "time", lambda: wall_s + 3600)
    assert clock.read().quality == "unknown"


@pytest.mark.parametrize(
    ("text", "floor_s"),
    [
        ("1900000000\n", 1_900_000_000 - 86_400),
        ("1000000000\n", FIRST_DAY.timestamp() - 86_400),
        ("nan", FIRST_DAY.timestamp() - 86_400),
        ("soon", FIRST_DAY.timestamp() - 86_400),
        (None, FIRST_DAY.timestamp() - 86_400),
    ],
)
def test_no_clock_is_earlier_than_the_program(tmp_path, text, floor_s):
    """The bundle says when it was made, by itself; a checkout knows the first day of all."""
    if text is not None:
        (tmp_path / "BUILT_AT").write_text(text)
    assert clock_module.floor_s(tmp_path / "BUILT_AT") == floor_s


def test_boot_id_is_the_same_from_unit_and_kernel(monkeypatch):
    """systemd writes it without dashes, the kernel with them; a broken one gives a new one."""
    monkeypatch.delenv("CLASSREADY_BOOT_ID", raising=False)
    kernel = boot_id()
    monkeypatch.setenv("CLASSREADY_BOOT_ID", kernel)
    assert boot_id() == kernel
    monkeypatch.delenv("CLASSREADY_BOOT_ID")
    monkeypatch.setattr(clock_module, "BOOT_ID_FILE", Path("/nonexistent"))
    assert boot_id() != kernel
    assert len(boot_id()) == 32
