"""All that runs as long as the gateway, its link and its spool are the same. Other settings change it as it runs."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from agent import directives, textfile, tls
from agent.bureau import Bureau
from agent.clock import Clock
from agent.courier import Courier
from agent.inforce import InForce
from agent.links import Link, open_link
from agent.metrics import Metrics
from agent.probes import Table, Workshop
from agent.probes.tools import Tools
from agent.runner import Runner
from agent.settings import LIVE_INTERVALS, AgentSettings, HttpLink
from agent.spool import Spool
from agent.upgrading.home import home
from agent.upgrading.upgrader import Upgrader, Ways, is_quiet
from classready import __version__
from classready.box import Box
from classready.measuring import Discovery
from classready.report import Directives
from classready.systemd import feed_watchdog
from classready.units import bps_to_bytes_per_s

DRAIN_S = 2.0
LAST_REPORT_S = 5.0
KEY_FILE = "bundle.pub"
"""Beside agent.yml: the key that install.sh remembers."""

Run = Callable[[], Coroutine[Any, Any, None]]


class Part(NamedTuple):
    """What runs beside probing. ``made_of``: another one is another part, and takes its place."""

    made_of: object
    run: Run


class Crew(Struct, frozen=True, kw_only=True):
    """Who works together in a session, made once for all of it."""

    path: Path
    bureau: Bureau
    spool: Spool
    clock: Clock
    numbers: Metrics
    tools: Tools
    workshop: Workshop
    runner: Runner
    courier: Courier
    upgrader: Upgrader


def identity(settings: AgentSettings) -> object:
    """What cannot be another within a session."""
    return settings.gateway, settings.link, settings.state_dir, settings.spool


@contextlib.asynccontextmanager
async def open_session(in_force: InForce, table: Table, clock: Clock, numbers: Metrics) -> AsyncIterator["Session"]:
    """Yield what runs with the settings ``in_force``. At the end running probes may finish, and a last report goes."""
    settings = in_force.settings
    async with contextlib.AsyncExitStack() as stack:
        crew = await _hired(stack, in_force, table, clock, numbers)
        async with asyncio.TaskGroup() as group:
            session = Session(settings, crew, group)
            yield session
            await session.end()
        # What was observed while stopping is still sent; what does not get through in time waits in the spool.
        await _report_last(crew.courier, clock)


async def _hired(
    stack: contextlib.AsyncExitStack, in_force: InForce, table: Table, clock: Clock, numbers: Metrics
) -> Crew:
    """Open what must be closed on ``stack``, and put together who works with it."""
    settings = in_force.settings
    state_dir = Path(settings.state_dir)
    spool = await Spool.open(state_dir, settings.spool, live_s=_live_s(settings))
    stack.push_async_callback(spool.close)
    link = await stack.enter_async_context(
        open_link(settings.link, settings.gateway, __version__, settings.report_interval_s)
    )
    tools = Tools(settings, clock.now_s, numbers)
    # After the probes: a request that is cut off must find its socket still there.
    stack.callback(tools.close)
    workshop = Workshop(table, tools)
    runner = Runner(settings, workshop.probes, clock, spool.append, numbers)
    runner.directives = directives.load(state_dir)
    upgrader = _upgrader(in_force, runner, clock)
    courier = Courier(
        settings=settings,
        spool=spool,
        link=link,
        clock=clock,
        metrics=numbers,
        on_directives=functools.partial(_direct, runner, state_dir),
        bureau=in_force.bureau,
        box=functools.partial(_box, link, upgrader),
    )
    runner.on_urgent = upgrader.on_news = courier.hurry
    return Crew(
        path=in_force.path,
        bureau=in_force.bureau,
        spool=spool,
        clock=clock,
        numbers=numbers,
        tools=tools,
        workshop=workshop,
        runner=runner,
        courier=courier,
        upgrader=upgrader,
    )


def _upgrader(in_force: InForce, runner: Runner, clock: Clock) -> Upgrader:
    """Who follows the release that the bureau wants."""
    settings, bureau = in_force.settings, in_force.bureau
    link = settings.link
    ways = Ways(
        base=link.url.rstrip("/") if isinstance(link, HttpLink) else None,
        trust=functools.partial(tls.of_link, link),
        timeout_s=link.timeout_s,
        key_file=in_force.path.parent / KEY_FILE,
    )
    upgrader = Upgrader(home(), ways, Path(settings.state_dir), lambda: is_quiet(runner.directives, clock.read()))
    upgrader.want(bureau.release)
    bureau.on_release = upgrader.want
    return upgrader


def _box(link: Link, upgrader: Upgrader) -> Box:
    return Box(release=upgrader.release, certificate_expires_at=link.certificate_expires_at, upgrade=upgrader.told)


class Session:
    """``settings`` are in force. Whatever fails in it for a bug of its own, ends it."""

    def __init__(self, settings: AgentSettings, crew: Crew, group: asyncio.TaskGroup) -> None:
        self.settings, self.crew, self._group = settings, crew, group
        self._parts: dict[str, tuple[object, asyncio.Task[None]]] = {}
        self._probing = group.create_task(crew.runner.run(), name="runner")
        self._begin_missing(_parts(self))

    async def follow(self, settings: AgentSettings) -> None:
        """Go by other ``settings`` of the same identity.

        What runs, finishes, and its record is kept; a target that stays as it is, stays with all it remembers; the
        spool and the link stay open.
        """
        crew, self.settings = self.crew, settings
        crew.workshop.follow(settings)
        crew.runner.exchange(settings, crew.workshop.probes)
        crew.courier.follow(settings)
        await crew.spool.follow(live_s=_live_s(settings))
        parts = _parts(self)
        made_of = {name: part.made_of for name, part in parts.items()}
        over = [name for name, (was, _) in self._parts.items() if name not in made_of or made_of[name] != was]
        # One after the other: a port must be free before its successor takes it.
        ended = [self._parts.pop(name)[1] for name in over]
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)
        self._begin_missing(parts)

    async def end(self) -> None:
        """Let running probes finish, but not for long; what is cancelled was never observed."""
        self.crew.runner.stop()
        await asyncio.wait([self._probing], timeout=DRAIN_S)
        self._probing.cancel()
        for _, task in self._parts.values():
            task.cancel()

    def _begin_missing(self, parts: dict[str, Part]) -> None:
        for name, part in parts.items():
            if name not in self._parts:
                self._parts[name] = part.made_of, self._group.create_task(part.run(), name=name)


def _parts(session: Session) -> dict[str, Part]:
    """What runs beside probing, by name."""
    settings, crew = session.settings, session.crew
    is_well = functools.partial(_is_well, crew.runner, crew.spool)
    parts = {
        "courier": Part(None, crew.courier.run),
        "watchdog": Part(None, lambda: feed_watchdog(is_well)),
        **{name: Part(run, run) for name, run in crew.tools.services.items()},
    }
    if settings.traps is not None:
        from agent.traps import Receiver

        senders = [(probe.trap_host, probe.target.name) for probe in crew.workshop.probes]
        parts["traps"] = Part(
            (settings.traps, senders), Receiver(settings.traps, crew.workshop.probes, crew.runner.hurry).run
        )
    order = crew.bureau.document.discovery if crew.bureau.document else None
    if order is not None:
        parts["searcher"] = Part(order, functools.partial(_search, session, order))
    if settings.upgrades is not None:
        bytes_per_s = bps_to_bytes_per_s(settings.upgrades.rate_bps)
        parts["upgrader"] = Part(settings.upgrades, functools.partial(crew.upgrader.run, bytes_per_s))
    if settings.page is not None:
        from agent import page

        parts["page"] = Part(
            settings.page, functools.partial(page.keep_serving, settings.page, functools.partial(_seen, session))
        )
    if settings.metrics_file is not None:
        writing = functools.partial(textfile.keep_writing, settings, crew.spool, crew.clock, crew.numbers)
        parts["metrics"] = Part((settings.metrics_file, settings.report_interval_s), writing)
    return parts


async def _search(session: Session, order: Discovery) -> None:
    from agent.discover.searcher import Searcher

    crew = session.crew

    searcher = Searcher(
        order,
        crew.clock,
        crew.spool.append,
        state_dir=Path(session.settings.state_dir),
        directives=lambda: crew.runner.directives,
        measured=functools.partial(_measured_here, session),
    )
    await searcher.run()


def _measured_here(session: Session) -> set[str]:
    """The addresses of what only the box's own files name."""
    document = session.crew.bureau.document
    told = {str(target.get("host")) for target in document.targets} if document else set()
    return {str(getattr(target, "host", "")) for target in session.settings.targets} - told


def _seen(session: Session) -> Any:
    """What the page looks at, at this moment."""
    from agent.page import Running

    crew = session.crew
    return Running(
        path=crew.path,
        settings=session.settings,
        runner=crew.runner,
        courier=crew.courier,
        spool=crew.spool,
        clock=crew.clock,
        numbers=crew.numbers,
        bureau=crew.bureau,
    )


def _live_s(settings: AgentSettings) -> float:
    return LIVE_INTERVALS * settings.report_interval_s


async def _is_well(runner: Runner, spool: Spool) -> bool:
    """Whether no target is stuck; while the spool does not answer, nobody says so."""
    await spool.statistics()
    return not runner.is_stalled()


def _direct(runner: Runner, state_dir: Path, given: Directives, asked_at_s: float) -> None:
    if given != runner.directives:
        directives.save(state_dir, given)
    runner.direct(given, asked_at_s)


async def _report_last(courier: Courier, clock: Clock) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_REPORT_S):
            await courier.report(until_s=clock.now_s())
