"""The release that this program runs from, and where the installer says what became of another one."""

import re
import sys
from pathlib import Path
from typing import Final, NamedTuple

from agent.upgrading.outcome import Outcome, of_exit_code

RESULT_FILE: Final = "upgraded"
_RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
_RESULT = re.compile(r"([0-9A-Za-z][0-9A-Za-z.+-]{0,63}) ([0-9a-f]{16}) ([0-9]{1,3})")
_MAX_BYTES = 200


class Home(NamedTuple):
    """``release`` None: not installed by install.sh, so nobody upgrades it."""

    release: str | None
    result_file: Path


def home() -> Home:
    """install.sh makes the release's folder the environment, below ``/opt/classready/agent/releases``."""
    folder = Path(sys.prefix)
    found = _read(folder / "VERSION")
    release = found if found is not None and _RELEASE.fullmatch(found) else None
    return Home(release, folder.parent.parent / RESULT_FILE)


def result(of: Home, version: str, nonce: str) -> Outcome | None:
    """Return what became of the request for ``version`` with ``nonce``; None = nothing was said of it yet."""
    found = _RESULT.fullmatch(_read(of.result_file) or "")
    return of_exit_code(int(found[3])) if found and found[1] == version and found[2] == nonce else None


def _read(file: Path) -> str | None:
    try:
        with file.open(encoding="ascii") as opened:
            return opened.read(_MAX_BYTES).strip()
    except (OSError, ValueError):
        return None
