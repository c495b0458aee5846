"""What every benchmark prints: JSON lines on stdout, progress for people on stderr."""

import sys

import msgspec
from msgspec import Struct


class Metric(Struct, frozen=True, kw_only=True):
    """One line. ``ratio`` = peer_value / value: how many times more the other tool costs."""

    bench: str
    metric: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    n: int


def json_line(metric: Metric) -> str:
    return msgspec.json.encode(metric).decode()


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)
