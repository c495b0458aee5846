"""An engine at work on a real store, and what can be seen of it from outside."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import Row, Table, select

from collector.core.events import Event
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.step import Step
from collector.engine import Engine, draft
from collector.store.database import Store
from collector.store.ledgers import Ledger, load
from tests.support.collecting import POLICY, ROSTER, SPOOL, FakeClock, opened, start_engine


@asynccontextmanager
async def running(
    folder: Path, clock: FakeClock | None = None, policy: Policy = POLICY, text: str = ROSTER
) -> AsyncIterator[tuple[Engine, Store, FakeClock]]:
    """Run an engine on the store in ``folder``; at the end it is gone as in a crash."""
    clock = clock or FakeClock()
    async with opened(folder) as store:
        engine = await start_engine(store, folder, clock, policy, text=text)
        task = asyncio.create_task(engine.run())
        try:
            yield engine, store, clock
        finally:
            task.cancel()


async def rows(store: Store, table: Table) -> Sequence[Row[Any]]:
    async with store.reader.connect() as connection:
        return (await connection.execute(select(table))).all()


async def ledger(store: Store, gateway: str = "gw-one", spool: str = SPOOL) -> Ledger:
    async with store.reader.connect() as connection:
        return (await load(connection, {(gateway, spool)}))[gateway, spool]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Overheard:
    """Stands between the engine and the core: what each school is told, and when it is to be woken.

    ``wake_after_s`` None = the core's own word.
    """

    def __init__(self, monkeypatch: Any, wake_after_s: float | None = None) -> None:
        self.told: list[tuple[str, tuple[Event, ...], float]] = []
        self.wake_after_s = wake_after_s
        self._step = draft.step
        monkeypatch.setattr(draft, "step", self)

    def __call__(self, school: School, events: Sequence[Event], now: float, policy: Policy) -> Step:
        self.told.append((school.roster.school, tuple(events), now))
        made = self._step(school, events, now, policy)
        return made if self.wake_after_s is None else made._replace(wake_at=now + self.wake_after_s)

    def of(self, school: str) -> list[tuple[Event, ...]]:
        return [events for name, events, _ in self.told if name == school]

    def clear(self) -> None:
        self.told.clear()
