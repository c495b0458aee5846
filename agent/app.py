"""Puts the agent together: the running parts of one set of settings, signals, and what systemd is told."""

import asyncio
import contextlib
import functools
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog

from agent import directives, textfile
from agent.clock import Clock, boot_id
from agent.courier import Courier
from agent.links import open_link
from agent.loading import load_settings
from agent.metrics import Metrics
from agent.probes import Table, make_all
from agent.probes.contract import Probe
from agent.probes.tools import Tools
from agent.runner import Runner
from agent.settings import LIVE_INTERVALS, AgentSettings
from agent.spool import Spool
from classready import __version__
from classready.report import Directives
from classready.settings import SettingsError
from classready.systemd import feed_watchdog, notify

DRAIN_S = 2.0
LAST_REPORT_S = 5.0

_log = structlog.get_logger()


async def run(path: Path, settings: AgentSettings, table: Table) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP loads the settings again; wrong ones are logged and change nothing."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    numbers = Metrics()
    numbers.put("classready_agent_start_time_seconds", time.time())
    clock = Clock(boot_id())
    following: AgentSettings | None = settings
    while following is not None:
        numbers.put("classready_agent_config_last_reload_successful", 1)
        numbers.put("classready_agent_config_last_reload_success_timestamp_seconds", time.time())
        following = await _session(
            path,
            following,
            table,
            clock=clock,
            numbers=numbers,
            next_settings=lambda: _next_settings(path, signals, numbers),
        )


async def _next_settings(
    path: Path, signals: "asyncio.Queue[signal.Signals]", numbers: Metrics
) -> AgentSettings | None:
    """Wait for a reason to end the present session; None = to stop."""
    while await signals.get() is signal.SIGHUP:
        try:
            settings = load_settings(path)
        except SettingsError as error:
            numbers.put("classready_agent_config_last_reload_successful", 0)
            for problem in error.problems:
                _log.error("reload_refused", problem=str(problem))
        else:
            _log.info("reloaded", path=str(path))
            return settings
    return None


async def _session(  # noqa: PLR0913 - what outlives one set of settings
    path: Path,
    settings: AgentSettings,
    table: Table,
    *,
    clock: Clock,
    numbers: Metrics,
    next_settings: Callable[[], Awaitable[AgentSettings | None]],
) -> AgentSettings | None:
    """Run everything with one set of settings, until there are other ones or none."""
    state_dir = Path(settings.state_dir)
    async with contextlib.AsyncExitStack() as stack:
        spool = await Spool.open(state_dir, settings.spool, live_s=LIVE_INTERVALS * settings.report_interval_s)
        stack.push_async_callback(spool.close)
        link = await stack.enter_async_context(
            open_link(settings.link, settings.gateway, __version__, settings.report_interval_s)
        )
        tools = Tools(settings, clock.now_s, numbers)
        # After the probes: a request that is cut off must find its socket still there.
        stack.callback(tools.close)
        probes = make_all(table, settings.targets, tools)
        runner = Runner(settings, probes, clock, spool.append, numbers)
        runner.directives = directives.load(state_dir)
        courier = Courier(
            settings=settings,
            spool=spool,
            link=link,
            clock=clock,
            metrics=numbers,
            on_directives=functools.partial(_direct, runner, state_dir),
        )
        runner.on_urgent = courier.hurry
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(runner.run(), name="runner")
            parts = {"courier": courier.run, **tools.services, **_parts(settings, probes, runner, spool)}
            if settings.page is not None:
                from agent import page

                seen = page.Running(
                    path=path,
                    settings=settings,
                    runner=runner,
                    courier=courier,
                    spool=spool,
                    clock=clock,
                    numbers=numbers,
                )
                parts["page"] = functools.partial(page.keep_serving, settings.page, seen)
            if settings.metrics_file is not None:
                parts["metrics"] = functools.partial(textfile.keep_writing, settings, spool, clock, numbers)
            rest = [group.create_task(part(), name=name) for name, part in parts.items()]
            notify("READY=1")
            _log.info("ready", gateway=settings.gateway, targets=len(settings.targets))
            following = await next_settings()
            notify("RELOADING=1" if following else "STOPPING=1")
            await _drain(runner, probing)
            for task in rest:
                task.cancel()
        # What was observed while stopping is still sent; what does not get through in time waits in the spool.
        await _report_last(courier, clock)
    return following


def _parts(
    settings: AgentSettings, probes: Sequence[Probe], runner: Runner, spool: Spool
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """What runs beside probing and reporting, by name."""
    is_well = functools.partial(_is_well, runner, spool)
    parts: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"watchdog": lambda: feed_watchdog(is_well)}
    if settings.traps is not None:
        from agent.traps import Receiver

        parts["traps"] = Receiver(settings.traps, probes, runner.hurry).run
    return parts


async def _is_well(runner: Runner, spool: Spool) -> bool:
    """Whether no target is stuck; while the spool does not answer, nobody says so."""
    await spool.statistics()
    return not runner.is_stalled()


def _direct(runner: Runner, state_dir: Path, given: Directives, asked_at_s: float) -> None:
    if given != runner.directives:
        directives.save(state_dir, given)
    runner.direct(given, asked_at_s)


async def _drain(runner: Runner, probing: "asyncio.Task[None]") -> None:
    """Let running probes finish, but not for long; what is cancelled was never observed."""
    runner.stop()
    await asyncio.wait([probing], timeout=DRAIN_S)
    probing.cancel()


async def _report_last(courier: Courier, clock: Clock) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_REPORT_S):
            await courier.report(until_s=clock.now_s())
