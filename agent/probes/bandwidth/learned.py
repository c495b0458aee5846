"""What is remembered of each target, kept beside the spool: its bucket, its plateau, and what its tests have cost.

A file that is missing, broken or about another line is as good as none for what was learned: the next test is a drain
test. What was spent is another matter: of a broken file nobody knows, so that a target with ``max_day_bytes`` is not
tested again on the day on which the file was last written. The broken file is kept beside the new one.
"""

import socket
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from classready.bandwidth import windows
from classready.codec import UNDECODABLE, encode
from classready.targets import BandwidthTarget
from classready.units import MBYTE

FILE: Final = "bandwidth.json"
FRESH_S: Final = 7 * 86_400.0
"""How long a bucket or a plateau is believed. So a drain test is made at least once a week: it alone learns a bucket,
and it alone sees through a line that gives more for a while than it keeps (dual-rate lines), up to a bucket of 6 MB."""
_DAY_MAX_S = 90_000.0
"""The longest local day."""
_MAX_FILE_BYTES = 1_000_000


class Learned(Struct, frozen=True, kw_only=True):
    """One target. ``bucket_bytes`` was learned at ``at_s``, on the line with the fingerprint ``line``."""

    bucket_bytes: Annotated[int, Meta(gt=0, le=100 * MBYTE)] | None = None
    at_s: float | None = None
    line: str | None = None
    plateau_bps: Annotated[float, Meta(gt=0)] | None = None
    """What a line was last seen to carry at most; None where it never showed."""
    plateau_at_s: float | None = None
    drained_at_s: float | None = None
    """When the last drain test ended."""
    capacity_at_s: float | None = None
    """When the last long test by TCP was made; at first, when the line was first tested."""
    spent_bytes: Annotated[int, Meta(ge=0)] = 0
    """On the local day in which ``spent_at_s`` lies."""
    spent_at_s: float | None = None
    inconclusive_count: Annotated[int, Meta(ge=0)] = 0
    """UDP tests in a row that decided nothing."""


_NOTHING: Final = Learned()


def line(interface: str | None, mtu_bytes: int | None, peer: str, direction: str, theta1_bps: float) -> str:
    """Make the fingerprint: when any of it changes, another line is in question, or another question."""
    gateway = windows.gateway_of(interface) if interface else ""
    return f"{interface} mtu {mtu_bytes} via {gateway} to {peer} {direction} {theta1_bps:.0f}"


def line_of(sock: socket.socket, target: BandwidthTarget, theta1_bps: float) -> str:
    """The fingerprint of the line that a test from ``sock``, which is connected, goes over."""
    interface = target.interface or windows.interface_of(sock.getsockname()[0])
    mtu_bytes = windows.mtu_of(interface) if interface else None
    return line(interface, mtu_bytes, sock.getpeername()[0], target.direction, theta1_bps)


def recall(state_dir: Path, target: str) -> Learned:
    return (_load(state_dir) or {}).get(target, _NOTHING)


def known(state_dir: Path, target: str, now_s: float | None, line: str) -> tuple[int | None, str]:
    """Return the bound for ``target``, or None, and why in words."""
    learned = recall(state_dir, target)
    if learned.bucket_bytes is None or learned.at_s is None:
        return None, "the bucket of this line is not known yet"
    if learned.line != line:
        return None, "the line is not the one whose bucket is known"
    if now_s is None or not is_fresh(learned.at_s, now_s):
        return None, "what is known of the bucket is older than a week, or of unknown age"
    days = (now_s - learned.at_s) / 86_400
    return learned.bucket_bytes, f"bucket of at most {learned.bucket_bytes:,} bytes, learned {days:.1f} days ago"


def is_fresh(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and 0 <= now_s - at_s <= FRESH_S


def fresh_bucket_bytes(learned: Learned, now_s: float) -> int | None:
    return learned.bucket_bytes if is_fresh(learned.at_s, now_s) else None


def fresh_plateau_bps(learned: Learned, now_s: float) -> float | None:
    return learned.plateau_bps if is_fresh(learned.plateau_at_s, now_s) else None


def keep(state_dir: Path, target: str, bucket_bytes: int, now_s: float, line: str) -> None:
    """Remember the bound. Failing is no harm: the next test is a drain test again."""
    note(state_dir, target, bucket_bytes=bucket_bytes, at_s=now_s, line=line)


def note(state_dir: Path, target: str, **changes: Any) -> bool:
    """Change what is remembered of ``target``; False = it could not be written down."""
    everything = _load(state_dir)
    path = state_dir / FILE
    new = path.with_suffix(".new")
    try:
        if everything is None:
            path.replace(_broken(state_dir))
        before = (everything or {}).get(target, _NOTHING)
        new.write_bytes(encode({**(everything or {}), target: replace(before, **changes)}))
        new.replace(path)
    except OSError:
        return False
    return True


def spent_bytes(state_dir: Path, target: str, midnight_s: float) -> int | None:
    """What the tests of ``target`` have sent since ``midnight_s``; None = nobody knows."""
    broken = [_broken(state_dir), *([state_dir / FILE] if _load(state_dir) is None else [])]
    if any(_written_since(path, midnight_s) for path in broken):
        return None
    return spent(recall(state_dir, target), midnight_s)


def spent(learned: Learned, midnight_s: float) -> int:
    """The same of what was recalled. A date in another day, also a later one, counts as another day."""
    at_s = learned.spent_at_s
    return learned.spent_bytes if at_s is not None and midnight_s <= at_s < midnight_s + _DAY_MAX_S else 0


def spend(state_dir: Path, target: str, count_bytes: int, now_s: float, midnight_s: float) -> bool:
    """Add ``count_bytes``, negative to give back what was not needed; False = it could not be written down."""
    before = spent(recall(state_dir, target), midnight_s)
    return note(state_dir, target, spent_bytes=max(0, before + count_bytes), spent_at_s=now_s)


def _load(state_dir: Path) -> dict[str, Learned] | None:
    """Return what the file holds, nothing where there is none; None = it is broken."""
    try:
        with (state_dir / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_FILE_BYTES), type=dict[str, Learned])
    except FileNotFoundError:
        return {}
    except (OSError, *UNDECODABLE):
        return None


def _broken(state_dir: Path) -> Path:
    return state_dir / f"{FILE}.broken"


def _written_since(path: Path, midnight_s: float) -> bool:
    try:
        return path.stat().st_mtime >= midnight_s
    except OSError:
        return False
