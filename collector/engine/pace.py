"""So long a turn may be."""

import asyncio
import time

SLICE_S = 0.02
"""Of stepping, then what it brought is committed and others get their turn: none waits for more than 50 ms."""
BREATH_S = 0.01
"""The event loop gets a turn after so much work."""


class Pace:
    """How long a turn has gone on; the event loop breathes meanwhile."""

    def __init__(self) -> None:
        now = time.perf_counter()
        self._until, self._breath_at = now + SLICE_S, now + BREATH_S

    async def is_over(self) -> bool:
        if time.perf_counter() >= self._until:
            return True
        await self.breathe()
        return False

    async def breathe(self) -> None:
        """Give way, if there was much work since that happened last."""
        if time.perf_counter() >= self._breath_at:
            await asyncio.sleep(0)
            self._breath_at = time.perf_counter() + BREATH_S
