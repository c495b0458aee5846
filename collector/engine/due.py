"""When time alone next matters to a school: a heap of due times, so that nobody ever asks all schools."""

import asyncio
import heapq
from contextlib import suppress


class DueTimes:
    """School -> when it is due. An entry of the heap that says something else is stale and falls out when reached."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._news = asyncio.Event()

    def set(self, school: str, due_at: float | None) -> None:
        """Have ``school`` looked at when it is ``due_at`` and not before; None = by time alone never."""
        if due_at is None:
            self._due.pop(school, None)
            return
        if self._due.get(school) == due_at:
            return
        if not self._heap or due_at < self._heap[0][0]:
            self._news.set()
        self._due[school] = due_at
        heapq.heappush(self._heap, (due_at, school))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(at, name) for name, at in self._due.items()]
            heapq.heapify(self._heap)

    def take(self, now: float) -> str | None:
        """Return the school that is due longest, and forget that it was; whoever takes it sets it again."""
        while self._heap and self._heap[0][0] <= now:
            at, school = heapq.heappop(self._heap)
            if self._due.get(school) == at:
                del self._due[school]
                return school
        return None

    def next_at(self) -> float | None:
        """When the first one is due; None = nobody ever."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def has_due(self, now: float) -> bool:
        next_at = self.next_at()
        return next_at is not None and next_at <= now

    async def wait(self, now: float, longest_s: float) -> None:
        """Return when a school is due, at the latest after ``longest_s``: a wall clock may be set, sleep is not."""
        self._news.clear()
        if self.has_due(now):
            return
        pause_s = min(longest_s, self._heap[0][0] - now) if self._heap else longest_s
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._news.wait()
