"""One probe for a person: ``classready-agent probe TARGET``. Nothing is reported and nothing is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent import directives
from agent.clock import Clock, boot_id
from agent.metrics import Metrics
from agent.probes.contract import Context, Heard, deaf, silent
from agent.runner import observe
from agent.settings import AgentSettings, TargetSettings, WhiteboardTarget
from classready.observation import Observation

if TYPE_CHECKING:
    from agent.hearing import Hearing

LISTEN_S = 5.0
"""How long a single probe waits for what the school's broker tells."""


async def probe_once(
    settings: AgentSettings, target: TargetSettings, explain: Callable[[str], None] = silent
) -> Sequence[Observation]:
    """Probe ``target`` now, with the directives of the last run; nothing is written."""
    from agent.probes import PROBES

    clock = Clock(boot_id())
    async with _listening(settings, target) as hear:
        context = Context(
            settings=settings,
            directives=directives.load(Path(settings.state_dir)),
            clock_good=clock.read().quality == "good",
            on_demand=True,
            hear=hear,
            explain=explain,
        )
        return await observe(PROBES, target, context, clock)


@contextlib.asynccontextmanager
async def _listening(
    settings: AgentSettings, target: TargetSettings
) -> AsyncIterator[Callable[[WhiteboardTarget], Heard]]:
    """Listen to the broker until it has told something of ``target``, but not for long."""
    hearing = ear(settings, Metrics())
    if hearing is None or not isinstance(target, WhiteboardTarget) or target.mqtt is None:
        yield deaf
        return
    listening = asyncio.create_task(hearing.run())
    try:
        await hearing.until_heard(target, LISTEN_S)
        yield hearing.hear
    finally:
        listening.cancel()
        await asyncio.wait([listening])


def ear(settings: AgentSettings, numbers: Metrics) -> "Hearing | None":
    """What listens to the school's broker. The MQTT library is imported only where there is one."""
    if settings.broker is None:
        return None
    from agent.hearing import hearing

    return hearing(settings, numbers)
