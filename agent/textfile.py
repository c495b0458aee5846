"""Writes the agent's metrics where node_exporter's text file collector reads them, once a report interval."""

import asyncio
from pathlib import Path

import structlog

from agent.clock import Clock
from agent.metrics import Metrics
from agent.settings import AgentSettings
from agent.spool import Spool

LOOK_S = 5.0

_log = structlog.get_logger()


async def keep_writing(settings: AgentSettings, spool: Spool, clock: Clock, numbers: Metrics) -> None:
    """Write until cancelled; a file that cannot be written costs only the numbers."""
    while True:
        await _gather(spool, clock, numbers)
        try:
            write(numbers, Path(str(settings.metrics_file)))
        except OSError as error:
            _log.warning("metrics_not_written", path=settings.metrics_file, error=str(error))
        await _rest(spool, settings.report_interval_s)


async def _rest(spool: Spool, interval_s: float) -> None:
    """Wait for the next time to write; less long when the spool goes to memory or comes back."""
    before, left_s = spool.degraded, interval_s
    while left_s > 0 and spool.degraded == before:
        await asyncio.sleep(min(LOOK_S, left_s))
        left_s -= LOOK_S


async def _gather(spool: Spool, clock: Clock, numbers: Metrics) -> None:
    held = await spool.statistics()
    numbers.put("classready_agent_spool_records", held.held_count)
    numbers.put("classready_agent_spool_bytes", held.held_bytes)
    numbers.put("classready_agent_spool_limit_bytes", held.limit_bytes)
    numbers.put("classready_agent_spool_degraded", held.degraded)
    numbers.put("classready_agent_clock_synchronized", clock.read().quality == "good")
    for reason, count in held.dropped.items():
        numbers.put("classready_agent_records_dropped_total", count, reason)
    for reason, count in held.rejected.items():
        numbers.put("classready_agent_records_rejected_total", count, reason)


def write(numbers: Metrics, path: Path) -> None:
    """Replace the text file at ``path``, with the process's own memory, descriptors and CPU.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector, write_to_textfile

    registry = CollectorRegistry()
    registry.register(numbers)
    ProcessCollector(registry=registry)
    write_to_textfile(str(path), registry)
