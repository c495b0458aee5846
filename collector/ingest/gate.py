"""What one gateway may take of the collector, over both links together: so many reports a second, one at a time.

An honest agent has one report in flight and waits for its ack, so neither limit ever meets it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from msgspec import Struct

REPORTS_PER_S = 20.0
BURST_REPORTS = 40.0
WAITING_MAX_REPORTS = 4
"""Of one gateway, while another one of it is worked on. What waits over MQTT holds up the broker's window."""
TELL_EVERY_S = 60.0

STRANGER = ""
"""Whoever is not in the roster; all of them share the allowance of one gateway."""

_log = structlog.get_logger()


class TooOftenError(Exception):
    """The gateway's fault: it sends more than it may. It keeps what it sent, and comes again."""


class Bucket(Struct, frozen=True):
    """A token bucket: what was left of the burst, and when."""

    tokens: float = BURST_REPORTS
    at: float = 0.0

    def refill(self, now: float) -> "Bucket":
        """A clock that was set back gives nothing, and takes nothing either."""
        return Bucket(min(BURST_REPORTS, self.tokens + max(0.0, now - self.at) * REPORTS_PER_S), now)

    def take(self, now: float) -> "Bucket":
        """Return the bucket after one more report; below 0 it is one too many."""
        return Bucket(self.refill(now).tokens - 1, now)


class Gate:
    """One per collector. Knows only gateways of the roster (and ``STRANGER``), so it stays small."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def admit(self, gateway: str, now: float) -> bool:
        """Count one message of ``gateway``; False = one too many, and it costs nothing."""
        before = self._buckets.get(gateway, Bucket())
        after = before.take(now)
        admitted = after.tokens >= 0
        self._buckets[gateway] = after if admitted else before.refill(now)
        if not admitted:
            self._tell(gateway, now)
        return admitted

    @asynccontextmanager
    async def turn(self, gateway: str, now: float) -> AsyncIterator[None]:
        """Wait until nothing else of ``gateway`` is worked on.

        Raises:
            TooOftenError: too many of its reports wait already.
        """
        lock = self._turns.setdefault(gateway, asyncio.Lock())
        if self._waiting[gateway] > WAITING_MAX_REPORTS:
            self._tell(gateway, now)
            raise TooOftenError
        self._waiting[gateway] += 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[gateway] -= 1

    def _tell(self, gateway: str, now: float) -> None:
        """Metrics carry no gateway's name, so the log says which one it is; it must not be flooded in its turn."""
        if abs(now - self._told_at.get(gateway, -TELL_EVERY_S)) >= TELL_EVERY_S:
            self._told_at[gateway] = now
            _log.warning("gateway_too_often", gateway=gateway or None)
