"""Whether the collector's own clock may be trusted: the wall clock, watched by the monotonic one."""

from collections.abc import Callable

import structlog

from collector.core.events import Resumed

STEP_MIN_S = 60.0
"""NTP slews smaller errors away; a larger one is a clock that was set, or a machine that slept meanwhile."""

_log = structlog.get_logger()


class Timekeeper:
    """``now`` in Unix seconds, and what became of the time between two looks at it."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float] | None = None) -> None:
        """Without ``monotonic`` no step is ever seen."""
        self._wall = wall
        self._monotonic = monotonic or wall
        self._seen = (wall(), self._monotonic())

    def now(self) -> float:
        return self._wall()

    def step_s(self) -> float:
        """By how many seconds the clock was set since the last look; 0 where it only went on.

        A slow drift is forgotten at each look, so that it never adds up to a step.
        """
        wall, monotonic = self._wall(), self._monotonic()
        step_s = (wall - self._seen[0]) - (monotonic - self._seen[1])
        self._seen = (wall, monotonic)
        if abs(step_s) <= STEP_MIN_S:
            return 0.0
        _log.warning("clock_was_set", step_s=round(step_s, 3))
        return step_s

    def resumed(self, step_s: float) -> Resumed:
        """What a step forward is to the schools: time in which nobody could have been heard."""
        now = self._wall()
        return Resumed(away_from=now - step_s, away_to=now)
