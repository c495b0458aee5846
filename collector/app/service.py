"""``classready-collector run``: one process, one event loop, one writer."""

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import NamedTuple

import structlog
from aiohttp import ClientSession
from prometheus_client import Gauge
from sqlalchemy.exc import DBAPIError

from classready.settings import SettingsError
from classready.systemd import feed_watchdog, notify
from collector import ack_links, responder
from collector.app import keeping
from collector.app.broker_watch import show_behind
from collector.app.doors import application
from collector.app.finds import finds_of
from collector.app.heartbeat import beat, what_is_wrong
from collector.app.listening import listening
from collector.app.loading import Configuration, load_to_run, state_folder, store_address, store_file
from collector.app.notes import OpenQuestions
from collector.app.twin_notices import tell_of_twins
from collector.app.upkeep import prune_records, reload_when_asked, renew_calendar
from collector.core.bureau.standing import standing
from collector.core.bureau.words import Notice
from collector.core.state import School
from collector.engine import CommitFailedError, Engine
from collector.engine.pace import Pace
from collector.engine.rostering import InForce
from collector.exposition import Exposition
from collector.finding import OpenCounts
from collector.ingest import mqtt as mqtt_door
from collector.ingest.gate import Gate
from collector.notify import notifiers
from collector.notify.alertmanager import Alertmanager
from collector.notify.contract import Notifier
from collector.notify.message import Message, render
from collector.notify.robot.budget import Budgets
from collector.notify.robot.tools import Tools
from collector.outbox import Outbox
from collector.roster import exemptions
from collector.roster.calendar import hours_of_roster
from collector.roster.enrolled import with_enrolled
from collector.settings import CollectorSettings, Receiver
from collector.store.database import Store, close_store, open_store, sqlite_has_wal_reset_bug, why_unusable
from collector.store.files import held
from collector.store.states import NewerStoreError
from collector.store.transaction import StoreAwayError, StoreDamagedError
from collector.text import Language, Names
from collector.views import Kept

NEEDS_RESTART = (
    "listen",
    "enrolment",
    "store",
    "store_password_file",
    "responder",
    "mqtt",
    "receivers",
    "log_level",
    "tick_s",
)
SAVE_WITHIN_S = 10.0
"""At the end, for dates and counters: what is not stored then is up to ten minutes older after the restart."""
GARBAGE_AFTER_OBJECTS = 50_000
"""New ones that were not freed, before Python looks for circles. A transaction of 128 reports holds 20,000 until it
is committed; with Python's own 700 they would be looked through thirty times meanwhile, and never be garbage."""

RELOAD_OK = Gauge("classready_collector_config_last_reload_successful", "1 if the last reload was applied, else 0.")
RELOADED_AT = Gauge(
    "classready_collector_config_last_reload_success_timestamp_seconds", "When settings and roster were last applied."
)
WAL_RESET_BUG = Gauge(
    "classready_collector_sqlite_wal_reset_bug", "1 if this SQLite can lose commits when two connections write."
)

EXPECTED_FAILURES = (OSError, DBAPIError, StoreAwayError, NewerStoreError, CommitFailedError)
"""What an operator can mend: a port that is taken, a disk that is full, a store of a newer release."""

_log = structlog.get_logger()


class Signals(NamedTuple):
    """What the process was asked for. Heard from its first moment on: a SIGHUP that nobody hears ends a process."""

    stop: asyncio.Event
    reload: asyncio.Event


class Service:
    """What is in force now. ``reload`` replaces roster, calendar, policy and platforms; the rest needs a restart."""

    def __init__(self, configuration: Configuration, store: Store) -> None:
        self.configuration = configuration
        self.exemption_ends_at: float | None = None
        self.engine = Engine(
            store, configuration.settings.policy, configuration.settings.receivers, time.time, time.monotonic
        )
        self.exposition = Exposition(
            configuration.settings.policy, _platform_names(configuration.settings), lambda: self.engine.bureau.state
        )
        self.kept = Kept()
        self.engine.on_change(self._expose)
        self.engine.on_change(self.kept.take)
        self.gate = Gate()
        self.finds = finds_of(self.engine)
        self.open_counts = OpenCounts(self.finds, lambda: self.engine.schools)
        self.ack_key = ack_links.keep_key(state_folder(configuration.path))
        self.open_questions = OpenQuestions()
        self._reloading = asyncio.Lock()
        self._applying = asyncio.Lock()
        self._admitting = asyncio.Lock()
        self._next_admission: asyncio.Task[None] | None = None
        self._given: InForce | None = None
        """By the files: what enrolled stands beside it."""

    def names(self) -> Names:
        return Names(
            offices=self.engine.roster.offices,
            platforms=_platform_names(self.configuration.settings),
            classroom_name=self.engine.roster.classroom_name,
            board_url=self.configuration.settings.listen.public_url,
            acknowledge_url=self._acknowledge_url,
            school_offset_s=self._school_offset_s,
            is_rural_weak=self.engine.roster.is_rural_weak,
        )

    def _acknowledge_url(self, incident: str, told_at: float) -> str | None:
        board_url = self.configuration.settings.listen.public_url
        return board_url and ack_links.link(board_url, incident, told_at, self.ack_key)

    def _school_offset_s(self, school: str) -> float | None:
        known = self.engine.schools.get(school)
        return known.hours.utc_offset_s if known else None

    def render(self, notice: Notice, language: Language | None = None) -> Message:
        return render(notice, language or self.configuration.settings.language, self.names())

    def hubs(self) -> dict[str, str]:
        """School -> the hub that it belongs to."""
        schools = self.engine.roster.schools
        return {school: roster.hub for school, roster in schools.items() if roster.hub is not None}

    def is_well(self) -> bool:
        """Whether time passes and the store takes what is written, so that reports can be committed."""
        return self.engine.is_well

    async def is_alive(self) -> bool:
        """What systemd's watchdog asks: a store that is away gets no better by a restart of ours."""
        return self.engine.is_alive

    async def apply(self, configuration: Configuration) -> None:
        """Bring roster, calendar and policy into force."""
        settings, now = configuration.settings, time.time()
        roster = await asyncio.to_thread(exemptions.in_force, configuration.roster, now)
        hours = await asyncio.to_thread(
            hours_of_roster, roster, settings.calendar, now, settings.policy, settings.maintenance
        )
        await self._put_in_force(InForce(roster, hours, settings.policy))
        self.configuration = configuration
        self.engine.configuring.templates = configuration.templates
        self.exemption_ends_at = exemptions.next_end(configuration.roster, now)
        self.open_questions.look_at(configuration.path, settings, configuration.roster)
        await self._expose_by(settings)
        RELOAD_OK.set(1)
        RELOADED_AT.set_to_current_time()

    async def admit(self) -> None:
        """Have gateways that enrolled report, and those that no longer may report no more.

        Whoever comes while others are admitted shares the pass that begins after them: it looks at every school. The
        token is durable: where the store is away now, that comes with the next look at the calendar.
        """
        if self._next_admission is None:
            self._next_admission = asyncio.create_task(self._admit(), name="admission")
        await asyncio.shield(self._next_admission)

    async def _admit(self) -> None:
        async with self._admitting:
            self._next_admission = None
            with suppress(CommitFailedError):
                await self._put_in_force()

    async def _put_in_force(self, new: InForce | None = None) -> None:
        """``new``: by the files; None = as it was, and only who enrolled is looked at again."""
        async with self._applying:
            given = new or self._given
            assert given is not None
            roster = with_enrolled(given.roster, self.engine.enrolment.gateways())
            if new or roster.gateways.keys() != self.engine.roster.gateways.keys():
                await self.engine.replace_roster(roster, given.hours, given.policy)
            self._given = given

    async def reload(self) -> None:
        """Read everything again and apply it.

        Raises:
            SettingsError, CommitFailedError: what was in force stays in force.
        """
        async with self._reloading:
            before = self.configuration.settings
            try:
                known = self.configuration.roster.files
                await self.apply(await asyncio.to_thread(load_to_run, self.configuration.path, known))
            except (SettingsError, CommitFailedError) as error:
                RELOAD_OK.set(0)
                if isinstance(error, SettingsError):
                    self.open_questions.refuse(error, self.configuration.path.parent)
                _log.error("reload_failed", problems=str(error).splitlines())
                raise
            self.open_questions.accept()
            _log.info("reloaded", schools=len(self.engine.schools))
            after = self.configuration.settings
            if late := [name for name in NEEDS_RESTART if getattr(before, name) != getattr(after, name)]:
                _log.warning("restart_needed", settings=late)

    async def _expose_by(self, settings: CollectorSettings) -> None:
        """Have every school show what it shows by the settings in force; what a commit changed was shown with it."""
        exposition, names = self.exposition, _platform_names(settings)
        if (exposition.policy, exposition.platform_names) == (settings.policy, names):
            return
        exposition.policy, exposition.platform_names = settings.policy, names
        pace = Pace()
        for name in list(self.engine.schools):
            if school := self.engine.schools.get(name):
                exposition.update(school, time.time())
            await pace.breathe()

    def _expose(self, changed: Mapping[str, School | None], now: float) -> None:
        for name, school in changed.items():
            if school is None:
                self.exposition.remove(name)
            else:
                self.exposition.update(school, now)


def _platform_names(settings: CollectorSettings) -> dict[str, str]:
    return {platform.id: platform.name for platform in settings.platforms}


async def run(configuration: Configuration) -> None:
    """Run until SIGTERM or SIGINT."""
    signals = Signals(asyncio.Event(), asyncio.Event())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, signals.reload.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.stop.set)
    WAL_RESET_BUG.set(sqlite_has_wal_reset_bug())
    file = store_file(configuration)
    with nullcontext() if file is None else held(file):
        if file is not None:
            await asyncio.to_thread(keeping.make_ready, file, configuration)
        while (damage := await _worked(configuration, signals)) is not None and file is not None:
            await asyncio.to_thread(keeping.replace_damaged, file, configuration, damage)
            with suppress(SettingsError):  # what was reloaded since
                configuration = await asyncio.to_thread(load_to_run, configuration.path)


async def _worked(configuration: Configuration, signals: Signals) -> str | None:
    """Work until the stop; return what is wrong with the store's file, where it ended for that."""
    damage: list[str] = []
    try:
        await _work(configuration, signals)
    except* StoreDamagedError as errors:
        damage.append(str(errors.exceptions[0]))
    return damage[0] if damage else None


async def _work(configuration: Configuration, signals: Signals) -> None:
    store = await open_store(store_address(configuration))
    try:
        service = Service(configuration, store)
        await _start(service, configuration)
        async with ClientSession() as session:
            tools = Tools(session=session, budgets=Budgets(), tls=configuration.receiver_tls, render=service.render)
            told = notifiers(configuration.settings.receivers, configuration.secrets, tools)
            outbox = _outbox(service, store, told, configuration.settings.receivers)
            others = (*_signs_of_life(service, outbox, session), reload_when_asked(service, signals.reload))
            await _serve(service, outbox, told, store, signals.stop, others=others)
    finally:
        await close_store(store)


def _outbox(service: Service, store: Store, notifiers: Mapping[str, Notifier], receivers: Iterable[Receiver]) -> Outbox:
    fallbacks = {r.name: r.fallback for r in receivers if r.fallback}
    renders = {r.name: partial(service.render, language=r.language) for r in receivers}
    return Outbox(store, service.engine, notifiers, service.render, time.time, fallbacks=fallbacks, renders=renders)


async def _start(service: Service, configuration: Configuration) -> None:
    """Load everything. None of it is garbage, and to look for some again and again takes a quarter of the time.

    Raises:
        StoreDamagedError: the file has to be replaced.
        StoreAwayError: the store does not take what a start writes.
    """
    gc.disable()
    try:
        await service.engine.enrolment.load()
        await service.engine.devices.load()
        await service.engine.upgrades.load()
        service.engine.upgrades.url = configuration.settings.listen.public_url
        await service.engine.finds.load()
        await service.apply(configuration)
    except CommitFailedError as error:
        if (damage := service.engine.damage) is not None:
            raise StoreDamagedError(damage) from None
        raise StoreAwayError(why_unusable(store_address(configuration), error.__cause__ or error)) from error
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER_OBJECTS)
        gc.enable()


def _signs_of_life(service: Service, outbox: Outbox, session: ClientSession) -> Iterator[Coroutine[None, None, None]]:
    settings = service.configuration.settings.heartbeat
    if settings is not None:

        def wrong() -> str | None:
            return what_is_wrong(is_well=service.is_well(), waiting_s=outbox.waiting_s())

        url = service.configuration.secrets["heartbeat.url_file"]
        yield beat(session, url, settings.every_s, wrong, time.time)


async def _serve(  # noqa: PLR0913 - what works together
    service: Service,
    outbox: Outbox,
    told: Mapping[str, Notifier],
    store: Store,
    stop: asyncio.Event,
    *,
    others: Iterable[Coroutine[None, None, None]],
) -> None:
    """Stop in the order that loses nothing: first the doors, then what works behind them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in (*_parts(service, outbox), *_refreshing(service, told), *others)]
        configuration = service.configuration
        async with listening(application(service, outbox, store), configuration.settings.listen, configuration.tls) as (
            host,
            port,
        ):
            _log.info("listening", host=host, port=port, schools=len(service.engine.schools))
            notify("READY=1")
            await stop.wait()
            notify("STOPPING=1")
            _log.info("stopping")
        for task in tasks:
            task.cancel()
    with suppress(CommitFailedError):
        if left_count := await service.engine.save(SAVE_WITHIN_S):
            _log.warning("not_saved", schools=left_count)


def _parts(service: Service, outbox: Outbox) -> Iterator[Coroutine[None, None, None]]:
    settings, secrets, engine = service.configuration.settings, service.configuration.secrets, service.engine
    yield engine.run()
    yield engine.keep_time(settings.tick_s)
    yield engine.bureau.run()
    yield engine.objections.run()
    yield engine.losses.run()
    yield tell_of_twins(engine, settings, service.names, outbox.wake)
    yield service.open_counts.run()
    yield engine.upgrades.run()
    if (file := store_file(service.configuration)) is not None:
        yield keeping.watch(file, engine, settings.store_check_every_s)
        yield keeping.show_set_aside(file, service.open_questions)
        yield keeping.end_when_damaged(engine)
        if settings.backup:
            yield keeping.back_up_daily(file, service.configuration)
    yield renew_calendar(service)
    yield prune_records(service)
    yield service.open_questions.run()
    yield feed_watchdog(service.is_alive)
    yield outbox.run()
    if settings.responder:
        key = secrets.get("responder.key_file")
        yield responder.serve(settings.responder, key.encode() if key else None)
    if settings.enrolment.broker:
        yield show_behind(engine.accounts, service.open_questions)
    if settings.mqtt:
        password, tls = secrets["mqtt.password_file"], service.configuration.mqtt_tls
        yield mqtt_door.run(settings.mqtt, password, tls, engine, time.time, gate=service.gate)


def _refreshing(service: Service, told: Mapping[str, Notifier]) -> Iterator[Coroutine[None, None, None]]:
    """Who forgets what is not said again."""
    bureau = service.engine.bureau
    for notifier in told.values():
        if isinstance(notifier, Alertmanager):
            yield notifier.keep(lambda: standing(bureau.state, bureau.scopes(), time.time()))
