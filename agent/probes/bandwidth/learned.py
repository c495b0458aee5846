"""What drain tests have learned about the line's token bucket, kept beside the spool: it makes quick tests legal.

A file that is missing, broken or about another line is as good as none: the next test is a drain test.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from classready.bandwidth import windows
from classready.codec import encode
from classready.units import MBYTE

FILE: Final = "bandwidth.json"
FRESH_S: Final = 7 * 86_400.0
_MAX_FILE_BYTES = 65_536


class Learned(Struct, frozen=True, kw_only=True):
    """``line`` is the fingerprint of the line that it was learned on."""

    bucket_bytes: Annotated[int, Meta(gt=0, le=100 * MBYTE)]
    at_s: float
    line: str


def line(interface: str | None, mtu_bytes: int | None, peer: str, direction: str, theta1_bps: float) -> str:
    """Make the fingerprint: when any of it changes, another line is in question, or another question."""
    gateway = windows.gateway_of(interface) if interface else ""
    return f"{interface} mtu {mtu_bytes} via {gateway} to {peer} {direction} {theta1_bps:.0f}"


def known(state_dir: Path, target: str, now_s: float | None, line: str) -> tuple[int | None, str]:
    """Return the bound for ``target``, or None, and why in words."""
    learned = _load(state_dir).get(target)
    if learned is None:
        return None, "the bucket of this line is not known yet"
    if learned.line != line:
        return None, "the line is not the one whose bucket is known"
    if now_s is None or not 0 <= now_s - learned.at_s <= FRESH_S:
        return None, "what is known of the bucket is older than a week, or of unknown age"
    days = (now_s - learned.at_s) / 86_400
    return learned.bucket_bytes, f"bucket of at most {learned.bucket_bytes:,} bytes, learned {days:.1f} days ago"


def keep(state_dir: Path, target: str, bucket_bytes: int, now_s: float, line: str) -> None:
    """Remember the bound. Failing is no harm: the next test is a drain test again."""
    learned = {**_load(state_dir), target: Learned(bucket_bytes=bucket_bytes, at_s=now_s, line=line)}
    path = state_dir / FILE
    new = path.with_suffix(".new")
    try:
        new.write_bytes(encode(learned))
        new.replace(path)
    except OSError:
        return


def _load(state_dir: Path) -> dict[str, Learned]:
    try:
        with (state_dir / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_FILE_BYTES), type=dict[str, Learned])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
