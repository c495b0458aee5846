"""How many messages a robot takes, and how many it has been sent.

A sliding window and not a bucket that refills: a full bucket plus its refill lets nearly twice the limit through in one
minute, and DingTalk punishes that with ten minutes of silence.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from collector.notify.contract import Deferred


class Limit(Struct, frozen=True):
    """At most ``count`` messages in any ``window_s``."""

    count: int
    window_s: float


class Budget:
    """What one robot still takes, whoever sends: the vendors count per robot, not per sender."""

    def __init__(self, limits: tuple[Limit, ...], clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._sent_at: deque[float] = deque(maxlen=max(limit.count for limit in limits))
        self._closed_until = 0.0

    def take(self) -> None:
        """Count one message that is sent now.

        Raises:
            Deferred: one more would be too many; nothing was counted.
        """
        now = self._clock()
        wait_s = max(self._closed_until - now, *(self._wait_s(limit, now) for limit in self._limits))
        if wait_s > 0:
            raise Deferred("rate", retry_after_s=wait_s)
        self._sent_at.append(now)

    def _wait_s(self, limit: Limit, now: float) -> float:
        if len(self._sent_at) < limit.count:
            return 0.0
        return self._sent_at[-limit.count] + limit.window_s - now

    @contextmanager
    def obeying(self) -> Iterator[None]:
        """Where the robot says that it is too fast, let no other receiver ask it before its time either."""
        try:
            yield
        except Deferred as error:
            if error.reason == "rate":
                self._closed_until = max(self._closed_until, self._clock() + error.retry_after_s)
            raise


class Budgets:
    """One budget for each robot, also where several receivers name the same one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_robot: dict[Hashable, Budget] = {}

    def of(self, robot: Hashable, limits: tuple[Limit, ...]) -> Budget:
        """Return the budget of ``robot``: its kind, address and secret."""
        return self._by_robot.setdefault(robot, Budget(limits, self._clock))
