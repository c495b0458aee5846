"""All checks side by side, each within the one deadline."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct

from agent.doctor import alive, devices, judge, machine, way
from agent.findings import Finding
from agent.loading import advice, load_settings
from agent.once import Ask, asking
from agent.probes import Table
from agent.settings import AgentSettings
from classready.settings import SettingsError
from classready.targets import BandwidthTarget, TargetSettings

DEADLINE_S = 18.0
"""The whole run is over within 20 s: a person waits before it."""
FULL_DEADLINE_S = 120.0
"""With bandwidth tests, one after another."""
GOODBYE_S = 1.0
"""For what was cut off to close its sockets."""
PROBES_MAX_COUNT = 16

_log = structlog.get_logger()


class Check(Struct, frozen=True):
    name: str
    run: Callable[[], Awaitable[list[Finding]]]
    subject: str = ""


def load(path: Path) -> tuple[AgentSettings | None, list[Finding]]:
    """The settings, None where they are wrong, and what there is to say of them."""
    try:
        settings = load_settings(path)
        notes = [str(note) for note in advice(path)]
    except SettingsError as error:
        return None, judge.settings(str(path), [str(problem) for problem in error.problems], (), 0)
    return settings, judge.settings(str(path), (), notes, len(settings.targets))


@asynccontextmanager
async def checks(settings: AgentSettings | None, table: Table, *, full: bool) -> AsyncIterator[list[Check]]:
    """Everything there is to check; without settings what needs none."""
    if settings is None:
        yield [*_of_this_machine(), Check("clock", _clock)]
        return
    targets = _targets(settings, full=full)
    async with asking(settings, table, targets) as asks:
        yield [*of_gateway(settings), *of_targets(targets, asks)]


def of_gateway(settings: AgentSettings) -> list[Check]:
    """This machine, and its ways to collector and responders: all but the targets."""
    state_dir = machine.state_dir(settings)
    return [
        *_of_this_machine(),
        Check("disk", partial(_looked, partial(machine.disk, state_dir))),
        Check("secrets", partial(_looked, partial(machine.secrets, settings))),
        Check("collector", partial(way.collector, settings)),
        Check("reports", partial(alive.acknowledged, settings)),
        *(Check("dns", partial(way.name, host, public=public), host) for host, public in way.names(settings).items()),
        *(Check("responder_tcp", partial(way.responder, t), f"{t.host}:{t.port}") for t in _responders(settings)),
    ]


def of_targets(targets: Sequence[TargetSettings], asks: Sequence[Ask]) -> list[Check]:
    """Each target once, one load on the line at a time."""
    slots, one_load = asyncio.Semaphore(PROBES_MAX_COUNT), asyncio.Semaphore(1)
    found = []
    for target, ask in zip(targets, asks, strict=True):
        turn = one_load if isinstance(target, BandwidthTarget) else slots
        check = partial(_in_turn, turn, partial(devices.check, target, ask))
        found.append(Check(devices.kind(target), check, target.name))
    return found


def _of_this_machine() -> list[Check]:
    return [Check(name, partial(_looked, look)) for name, look in _LOOKS.items()]


_LOOKS: dict[str, Callable[[], list[Finding]]] = {
    "python": machine.python,
    "icmp": machine.icmp,
    "memory": machine.memory,
    "agents": machine.running,
}


async def _looked(look: Callable[[], list[Finding]]) -> list[Finding]:
    """In a daemon thread: a disk may hang, and must not hold up the end of the program."""
    done: Future[list[Finding]] = Future()

    def work() -> None:
        try:
            done.set_result(look())
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(done)


async def _clock() -> list[Finding]:
    return [way.local_clock()]


async def _in_turn(turn: asyncio.Semaphore, run: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    async with turn:
        return await run()


def _targets(settings: AgentSettings, *, full: bool) -> Sequence[TargetSettings]:
    return [target for target in settings.targets if full or not isinstance(target, BandwidthTarget)]


def _responders(settings: AgentSettings) -> list[BandwidthTarget]:
    """One target for each responder: both directions ask the same one."""
    found = [t for t in settings.targets if isinstance(t, BandwidthTarget) and t.mode != "passive"]
    return list({(t.host, t.port): t for t in found}.values())


async def run(todo: Sequence[Check], deadline_s: float, progress: Callable[[int], None]) -> list[Finding]:
    """Run ``todo`` at once; what is not done by the deadline is told as that. In their order."""
    tasks = [asyncio.create_task(_guarded(check), name=check.name) for check in todo]
    for task in tasks:
        task.add_done_callback(lambda _: progress(sum(each.done() for each in tasks)))
    _, pending = await asyncio.wait(tasks, timeout=deadline_s)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=GOODBYE_S)
    found: list[Finding] = []
    for check, task in zip(todo, tasks, strict=True):
        late = [judge.unfinished(check.name, check.subject, deadline_s)]
        found += late if task in pending else task.result()
    return found


async def _guarded(check: Check) -> list[Finding]:
    """A fault of one check must not end the others."""
    try:
        return await check.run()
    except Exception as error:  # noqa: BLE001
        _log.debug("check_failed", check=check.name, exc_info=True)
        values = {"error": f"{type(error).__name__}: {error}"}
        return [
            Finding(check=check.name, result="not_checked", code="check_fault", subject=check.subject, values=values)
        ]
