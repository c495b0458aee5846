"""How long one line may hold leases: a test's worth many times over, but never so much that others find no room.

A line pays for the time that it held a lease, and for one that it never started as much as for the longest: else one
address that asks for the whole share, again and again, keeps everybody out, who ask once in ten minutes.
"""

import time
from typing import Final

BURST_S: Final = 30.0
"""A school's tests of a day take 1 to 3 s of leases; fifty schools behind one address need some 25 s in an hour."""
REFILL_RATIO: Final = 0.05
LAPSE_S: Final = 5.0
LINES_MAX: Final = 65_536


class Allowances:
    """A token bucket of seconds for each line that has held a lease lately."""

    def __init__(self, burst_s: float = BURST_S) -> None:
        self._burst_s = burst_s
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, line: str) -> float:
        """Seconds until ``line`` may have a lease again; 0 = now."""
        return max(0.0, -self._left_s(line) / REFILL_RATIO)

    def pay(self, line: str, seconds: float) -> None:
        """Take ``seconds`` from what ``line`` has left, below 0 if need be."""
        left_s = self._left_s(line) - seconds
        self._left.pop(line, None)
        self._left[line] = (left_s, time.monotonic())
        if len(self._left) > LINES_MAX:
            del self._left[next(iter(self._left))]

    def _left_s(self, line: str) -> float:
        if line not in self._left:
            return self._burst_s
        left_s, at_s = self._left[line]
        return min(self._burst_s, left_s + (time.monotonic() - at_s) * REFILL_RATIO)
