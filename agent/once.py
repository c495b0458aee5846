"""One probe for a person: ``classready-agent probe TARGET``. Nothing is reported and nothing is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from agent import directives
from agent.clock import Clock, boot_id
from agent.metrics import Metrics
from agent.probes import Table, make_all
from agent.probes.contract import Context, Probe, silent
from agent.probes.tools import Tools
from agent.runner import observe
from agent.settings import AgentSettings
from classready.observation import Observation
from classready.targets import TargetSettings

Ask = Callable[[], Awaitable[Sequence[Observation]]]


async def probe_once(
    settings: AgentSettings, table: Table, target: TargetSettings, explain: Callable[[str], None] = silent
) -> Sequence[Observation]:
    """Probe ``target`` now, with the directives of the last run; nothing is written."""
    async with asking(settings, table, [target], Asked(explain=explain)) as [ask]:
        return await ask()


class Asked(Struct, frozen=True, kw_only=True):
    """How. ``keeps_hours``: loads wait for their hours, as those of the running agent do. ``clock_good``: somebody else
    than a time server says that the time is right.
    """

    explain: Callable[[str], None] = silent
    keeps_hours: bool = False
    clock_good: bool = False


@contextlib.asynccontextmanager
async def asking(
    settings: AgentSettings, table: Table, targets: Sequence[TargetSettings], asked: Asked | None = None
) -> AsyncIterator[Sequence[Ask]]:
    """One session for ``targets``: yield, in their order, what probes each of them once."""
    asked = asked or Asked()
    clock = Clock(boot_id())
    tools = Tools(settings, clock.now_s, Metrics())
    probes = make_all(table, targets, tools)
    context = Context(
        settings=settings,
        directives=directives.load(Path(settings.state_dir)),
        clock_good=asked.clock_good or clock.read().quality == "good",
        on_demand=True,
        keeps_hours=asked.keeps_hours,
        explain=asked.explain,
    )

    async def ask(probe: Probe) -> Sequence[Observation]:
        await probe.settle()
        return await observe(probe, context, clock)

    async with _serving(tools):
        yield [partial(ask, probe) for probe in probes]


@contextlib.asynccontextmanager
async def _serving(tools: Tools) -> AsyncIterator[None]:
    """Run what the probe shares with others in a session, as long as it needs it."""
    services = [asyncio.create_task(run(), name=name) for name, run in tools.services.items()]
    try:
        yield
    finally:
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        tools.close()
