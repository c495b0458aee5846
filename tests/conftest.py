"""Markers: which tests need servers or network namespaces, and what becomes of them without."""

import os
import shutil

import pytest

REQUIRED = os.environ.get("CI") == "true"
"""In CI a missing server is a failure, never a skip."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = [name for mark in item.iter_markers("servers") for name in mark.args if shutil.which(name, path=_PATH) is None]
    if missing:
        _refuse(f"not installed: {', '.join(missing)} (make test installs it as root)")
    if item.get_closest_marker("netns") and os.geteuid() != 0:
        _refuse("network namespaces need root")


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _refuse(why: str) -> None:
    if REQUIRED:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
