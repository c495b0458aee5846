"""What a person sees of a test: a line while it runs, and a plot of its windows afterwards.

ASCII only: every terminal and locale shows it, and no character is two columns wide.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from classready.bandwidth.decider import Window
from classready.units import MBYTE, bps_to_mbps

MAX_ROWS: Final = 20
_MIN_BAR = 10
_DRAINED_WITHIN, _DECIDING_FROM = 3, 6
"""How many windows the decider takes to give a plateau up, and to judge one."""


class Seen(Struct, frozen=True):
    """One window, and whether the line was full in it."""

    window: Window
    saturated: bool


def progress(seen: Sequence[Seen]) -> str:
    """One line about the test until now; it starts with a carriage return, for the next one takes its place."""
    window = seen[-1].window
    return (
        f"\r{_state(seen):8} {_seconds(seen):.2f} s {_arrived_bytes(seen) / MBYTE:6.2f} MB"
        f"  arrived {bps_to_mbps(window.rate_bps):6.1f} of {bps_to_mbps(window.offered_bps):6.1f} Mbit/s"
        f"  queue {window.queue_delay_s * 1_000:.0f} ms  lost {window.lost_count}"
    )


def rows(seen: Sequence[Seen], theta1_bps: float, columns: int) -> Iterator[str]:
    """At most MAX_ROWS rows below a heading, none wider than ``columns``; nothing when nothing was seen.

    A row stands for one window, or for several in a long test: their mean rates, longest queue, and all losses.
    """
    if not seen:
        return
    size = math.ceil(len(seen) / MAX_ROWS)
    groups = [seen[first : first + size] for first in range(0, len(seen), size)]
    windows = [_joined(group) for group in groups]
    top_bps = max(theta1_bps, *(max(window.rate_bps, window.offered_bps) for window in windows))
    yield f"      s  Mbit/s  queue  lost  # arrived  . offered  | {bps_to_mbps(theta1_bps):.0f} Mbit/s"[:columns]
    end_s = 0.0
    for group, window in zip(groups, windows, strict=True):
        end_s += window.seconds
        figures = f"{end_s:7.3f} {bps_to_mbps(window.rate_bps):7.1f} {window.queue_delay_s * 1_000:3.0f} ms"
        lost = f"{window.lost_count or '':>5}"
        mark = "*" if any(each.saturated for each in group) else " "
        head = f"{figures} {lost} {mark} "
        width = max(_MIN_BAR, columns - len(head))
        yield (head + _bar(window, theta1_bps, top_bps, width))[:columns]
    if any(each.saturated for each in seen):
        yield "* = the line was full: less came than was offered, with a queue or losses"[:columns]


def _bar(window: Window, theta1_bps: float, top_bps: float, width: int) -> str:
    def column(rate_bps: float) -> int:
        return round(rate_bps / top_bps * (width - 1))

    arrived = "#" * column(window.rate_bps)
    bar = f"{arrived:.<{column(window.offered_bps)}}".ljust(width)
    mark = column(theta1_bps)
    return f"{bar[:mark]}|{bar[mark + 1 :]}".rstrip()


def _joined(group: Sequence[Seen]) -> Window:
    seconds = _seconds(group)
    windows = [each.window for each in group]
    return Window(
        seconds=seconds,
        received_bytes=sum(window.received_bytes for window in windows),
        sent_bps=sum(window.sent_bps * window.seconds for window in windows) / seconds,
        queue_delay_s=max(window.queue_delay_s for window in windows),
        lost_count=sum(window.lost_count for window in windows),
        cross_bytes=sum(window.cross_bytes for window in windows),
    )


def _seconds(seen: Sequence[Seen]) -> float:
    return sum(each.window.seconds for each in seen)


def _arrived_bytes(seen: Sequence[Seen]) -> float:
    return sum(each.window.received_bytes for each in seen)


def _state(seen: Sequence[Seen]) -> str:
    """Say how far the test is: the bucket is emptied, a plateau is there, it is judged."""
    if not any(each.saturated for each in seen[-_DRAINED_WITHIN:]):
        return "draining"
    recent = seen[-_DECIDING_FROM:]
    return "deciding" if sum(each.saturated for each in recent) == _DECIDING_FROM else "plateau"
