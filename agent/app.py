"""The agent from its start to its end: signals, settings that come while it runs, and what systemd is told."""

import asyncio
import signal
import time

import structlog

from agent.clock import Clock, boot_id
from agent.inforce import InForce
from agent.metrics import Metrics
from agent.probes import Table
from agent.session import Session, identity, open_session
from classready import logs
from classready.measuring import Document
from classready.settings import SettingsError
from classready.systemd import notify

Event = signal.Signals | tuple[Document, bytes]
"""A signal, or settings from the bureau as they came."""

_log = structlog.get_logger()


async def run(in_force: InForce, table: Table) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP reads the box's files again. Wrong settings are told and change nothing."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, events.put_nowait, number)
    in_force.bureau.on_document = lambda document, body: events.put_nowait((document, body))
    numbers = Metrics()
    numbers.put("classready_agent_start_time_seconds", time.time())
    clock = Clock(boot_id())
    goes_on = True
    while goes_on:
        _note_read(numbers)
        async with open_session(in_force, table, clock, numbers) as session:
            notify("READY=1")
            _log.info("ready", gateway=in_force.settings.gateway, targets=len(in_force.settings.targets))
            goes_on = await _keep_following(session, in_force, events, numbers)
            notify("RELOADING=1" if goes_on else "STOPPING=1")


async def _keep_following(
    session: Session, in_force: InForce, events: "asyncio.Queue[Event]", numbers: Metrics
) -> bool:
    """Change what runs whenever other settings come; return whether another session has to begin, False = to stop."""
    while True:
        match await events.get():
            case signal.SIGHUP:
                changed = _reload(in_force, numbers)
            case (document, body):
                changed = document.version != session.crew.bureau.report().version and in_force.take(document, body)
                session.crew.courier.hurry()
            case _:
                return False
        if not changed:
            continue
        if identity(in_force.settings) != identity(session.settings):
            return True
        notify("RELOADING=1")
        if in_force.settings.log_level != session.settings.log_level:
            logs.configure(level=in_force.settings.log_level)
        await session.follow(in_force.settings)
        _note_read(numbers)
        version = session.crew.bureau.report().version
        _log.info("settings_in_force", targets=len(in_force.settings.targets), bureau=version)
        notify("READY=1")


def _reload(in_force: InForce, numbers: Metrics) -> bool:
    """Read the box's own files again; False = they are wrong, and nothing has changed."""
    try:
        in_force.reload()
    except SettingsError as error:
        numbers.put("classready_agent_config_last_reload_successful", 0)
        for problem in error.problems:
            _log.error("reload_refused", problem=str(problem))
        return False
    _log.info("reloaded", path=str(in_force.path))
    return True


def _note_read(numbers: Metrics) -> None:
    numbers.put("classready_agent_config_last_reload_successful", 1)
    numbers.put("classready_agent_config_last_reload_success_timestamp_seconds", time.time())
