"""Markers: which tests need servers or network namespaces, and what becomes of them without."""

import os
import shutil
from collections.abc import Generator

import hypothesis
import pytest

REQUIRED = os.environ.get("CI") == "true"
"""In CI a missing server is a failure, never a skip."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = [
        name for mark in item.iter_markers("servers") for name in mark.args if shutil.which(name, path=_PATH) is None
    ]
    if missing:
        _refuse(f"not installed: {', '.join(missing)} (make test installs it as root)")
    if item.get_closest_marker("netns") and os.geteuid() != 0:
        _refuse("network namespaces need root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips itself, for whatever reason, fails."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


hypothesis.settings.register_profile("house", deadline=None, derandomize=REQUIRED, print_blob=True)
hypothesis.settings.load_profile("house")

_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _refuse(why: str) -> None:
    if REQUIRED:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
