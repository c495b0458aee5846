"""The agent's own metrics in a file for node_exporter."""

import asyncio
import contextlib

from agent import textfile
from agent.clock import Clock, boot_id
from agent.metrics import Metrics
from agent.settings import AgentSettings, HttpLink, SpoolSettings
from agent.spool import FILE_NAME, Spool
from tests.support.records import ping_record


async def shown(path, line):
    async with asyncio.timeout(10):
        while not path.exists() or line not in path.read_text():
            await asyncio.sleep(0.01)


async def test_it_says_at_once_that_the_spool_went_to_memory(tmp_path, monkeypatch):
    """Not a report interval later; and so when it is on the disk again."""
    monkeypatch.setattr(textfile, "LOOK_S", 0.01)
    monkeypatch.setattr("agent.spool.store.RETRY_S", 0.0)
    file, state = tmp_path / "agent.prom", tmp_path / "state"
    link = HttpLink(url="https://collector.example", token_file="token")
    settings = AgentSettings(
        gateway="gw-1", link=link, targets=(), report_interval_s=300.0, metrics_file=str(file), state_dir=str(state)
    )
    state.write_text("in the way")
    spool = await Spool.open(state, SpoolSettings(), live_s=10.0)
    writing = asyncio.create_task(textfile.keep_writing(settings, spool, Clock(boot_id()), Metrics()))
    await shown(file, "classready_agent_spool_degraded 1.0")
    state.unlink()
    await spool.append([ping_record()])
    await shown(file, "classready_agent_spool_degraded 0.0")
    assert (state / FILE_NAME).exists()
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    await spool.close()
