"""One probe for a person: ``classready-agent probe TARGET``. Nothing is reported and nothing is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from agent import directives
from agent.clock import Clock, boot_id
from agent.metrics import Metrics
from agent.probes import Table, make_all
from agent.probes.contract import Context, silent
from agent.probes.tools import Tools
from agent.runner import observe
from agent.settings import AgentSettings, TargetSettings
from classready.observation import Observation


async def probe_once(
    settings: AgentSettings, table: Table, target: TargetSettings, explain: Callable[[str], None] = silent
) -> Sequence[Observation]:
    """Probe ``target`` now, with the directives of the last run; nothing is written."""
    clock = Clock(boot_id())
    tools = Tools(settings, clock.now_s, Metrics())
    [probe] = make_all(table, [target], tools)
    context = Context(
        settings=settings,
        directives=directives.load(Path(settings.state_dir)),
        clock_good=clock.read().quality == "good",
        on_demand=True,
        explain=explain,
    )
    async with _serving(tools):
        await probe.settle()
        return await observe(probe, context, clock)


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
