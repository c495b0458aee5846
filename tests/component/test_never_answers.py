"""A thousand probes of platforms that take a connection and never say a word."""

import asyncio
import resource
import socket
from pathlib import Path

from msgspec.structs import replace

from agent.clock import Clock
from agent.metrics import Metrics
from agent.runner import Runner
from classready.observation import Outcome
from classready.targets import HttpTarget
from tests.support.probing import SETTINGS, Session

PROBE_COUNT = 1_000


def open_count():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_silence_costs_neither_descriptors_nor_memory():
    """Each ends at its deadline and gives back all it took: no more than the slots are open, and nothing is left."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(4_096)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        targets = [HttpTarget(name=f"p{n}", url=url, interval_s=0.5, deadline_s=0.1) for n in range(100)]
        session, outcomes, most = Session(), [], 0
        before, memory_kb = open_count(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        async def keep(records):
            nonlocal most
            outcomes.extend(record.observation.outcome for record in records)
            most = max(most, open_count())

        settings = replace(SETTINGS, targets=tuple(targets))
        runner = Runner(settings, [session.probe(target) for target in targets], Clock("0" * 32), keep, Metrics())
        running = asyncio.create_task(runner.run())
        async with asyncio.timeout(60):
            while len(outcomes) < PROBE_COUNT:
                await asyncio.sleep(0.05)
            runner.stop()
            await running
        assert set(outcomes) == {Outcome.NO_ANSWER}
        assert most - before <= 2 * settings.concurrency
        assert open_count() <= before
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb <= 8_192
        assert len(asyncio.all_tasks()) == 1
