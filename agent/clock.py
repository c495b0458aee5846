"""The gateway's clocks. Wall time may be anything (no battery, no NTP); the boot clock only ever runs forward."""

import os
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONIZED_FILE = Path("/run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd. The adjtimex call is forbidden to the hardened unit (ProtectClock)."""

TOLERANCE_S = 30.0
FIRST_DAY = datetime(2026, 11, 29, tzinfo=UTC)
"""Nothing of this program is older."""
BUILT_AT_FILE = Path(sys.prefix) / "BUILT_AT"
"""Where install.sh installed it: the Unix time of the commit that its bundle was made of."""


def floor_s(built_at_file: Path) -> float:
    """No clock that is right says less than when this program was made, less a day for the clock of whoever made it."""
    try:
        built_at_s = int(built_at_file.read_text("ascii"))
    except (OSError, ValueError):
        built_at_s = 0
    return max(FIRST_DAY.timestamp(), built_at_s) - 86_400


FLOOR_S = floor_s(BUILT_AT_FILE)


class Reading(Struct, frozen=True, kw_only=True):
    """Both clocks at one moment. ``monotonic_s`` counts from boot, also while suspended."""

    monotonic_s: float
    wall_s: float
    quality: Literal["good", "unknown"]


class Clock:
    """Wall time is called good when the system says so, or when the collector's clock was seen to agree with it."""

    def __init__(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self._collector: tuple[float, float] | None = None
        """The boot clock and the collector's wall clock at one moment."""

    def now_s(self) -> float:
        # CLOCK_MONOTONIC stands still while the machine sleeps (clock_gettime(2)); then a record would be dated too
        # late.
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def read(self) -> Reading:
        monotonic_s, wall_s = self.now_s(), time.time()
        good = self._agrees(monotonic_s, wall_s) or SYNCHRONIZED_FILE.exists()
        return Reading(monotonic_s=monotonic_s, wall_s=wall_s, quality="good" if good else "unknown")

    def compare(self, collector_s: float) -> None:
        """Take note of the collector's clock, read just now."""
        # Pairs of two clocks, not a difference: the boot clock tells how far the collector's must be by now.
        self._collector = (self.now_s(), collector_s)

    def _agrees(self, monotonic_s: float, wall_s: float) -> bool:
        """Say whether wall time is where the collector's must be by now: a step of the clock ends the trust at once."""
        if self._collector is None:
            return False
        then_s, collector_s = self._collector
        return abs(wall_s - collector_s - (monotonic_s - then_s)) < TOLERANCE_S


def too_early() -> str:
    """Why nothing in TLS can be right now, for people; empty where the clock may be right.

    Certificates are then refused as not yet valid, which is right, and says nothing of what is to be mended.
    """
    wall_s = time.time()
    if wall_s >= FLOOR_S:
        return ""
    now, floor = datetime.fromtimestamp(wall_s, UTC), datetime.fromtimestamp(FLOOR_S, UTC)
    return (
        f"this gateway's clock says {now:%Y-%m-%d %H:%M} UTC, before this program was made ({floor:%Y-%m-%d}): "
        "set the clock (timedatectl set-ntp true), until then every certificate is refused"
    )


def boot_id() -> str:
    """The kernel's, without dashes; from the unit where /proc is hidden; else a new one for this process."""
    try:
        # The hardened unit hides /proc (ProcSubset=pid) and hands the id in; it must be the same for all processes of a
        # boot.
        text = os.environ.get("CLASSREADY_BOOT_ID") or BOOT_ID_FILE.read_text()
        return uuid.UUID(text.strip()).hex
    except (OSError, ValueError):
        return uuid.uuid4().hex
