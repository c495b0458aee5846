"""The store's file while the collector lives: looked through, set aside where it is damaged, copied once a day."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from collector.app.loading import Configuration, backup_folder
from collector.app.notes import OpenQuestions
from collector.engine import Engine
from collector.roster.notes import Note
from collector.store import backup
from collector.store.files import ASIDE, damage, lying_aside, set_aside
from collector.store.transaction import StoreDamagedError

CHECK_AT_START_S = 4.0
"""1.5 GB at 400 MB/s. A larger store is served at once, and looked through meanwhile."""
CHECK_MAX_S = 600.0
LOOK_S = 5.0
NICE = 19
"""Of the thread that reads through the file: whoever judges and answers goes first. The unit's filter of system calls
forbids it; there the rest between two looks is what bounds it.
"""
REST_FACTOR = 50
"""A look takes at most a fiftieth of the time. A province's store (20,000 schools, 257 MB): 0.2 s of a processor, 1.5 s
where it is read from the disk.
"""
SET_ASIDE_MAX = 5
FAILING_S = 3_600.0
"""With so many stores set aside within that, the disk is not fit for another one."""
DAILY_LOOK_S = 30.0
BACKUP_RETRY_S = 900.0

SET_ASIDE = Gauge("classready_collector_store_set_aside", "Damaged stores beside the one in use; 0 = none.")
CHECKED_AT = Gauge(
    "classready_collector_store_check_last_success_timestamp_seconds",
    "When the store's file was last looked through and found sound.",
)
BACKUP_AT = Gauge("classready_collector_backup_last_success_timestamp_seconds", "When the newest backup was made.")
BACKUP_AGE = Gauge("classready_collector_backup_age_seconds", "Age of the newest backup; +Inf = there is none.")
BACKUP_BYTES = Gauge("classready_collector_backup_bytes", "Size of the newest backup.")
BACKUP_FAILURES = Counter("classready_collector_backup_failures", "Backups that could not be made.")

_Result = TypeVar("_Result")
_log = structlog.get_logger()


def make_ready(file: Path, configuration: Configuration) -> None:
    """See to it, before the store is opened, that what is opened is sound."""
    backup.finish(file)
    if file.exists() and file.stat().st_size:
        try:
            found = damage(file, CHECK_AT_START_S)
        except TimeoutError:
            _log.info("store_check_goes_on", file=str(file))
        except sqlite3.OperationalError as error:
            _log.warning("store_not_checked", file=str(file), error=str(error))  # to open it says what is to be done
        else:
            if found is None:
                CHECKED_AT.set_to_current_time()
            else:
                replace_damaged(file, configuration, found)


def replace_damaged(file: Path, configuration: Configuration, found: str) -> None:
    """Set ``file`` aside; in its place comes the newest backup that is sound, or else an empty store.

    Raises:
        OSError: it happened too often: the disk is at fault.
    """
    # By when each was renamed, and not by a clock that is set back since
    recent = [aside for aside in lying_aside(file) if abs(time.time() - aside.stat().st_ctime) < FAILING_S]
    if len(recent) >= SET_ASIDE_MAX:
        raise OSError(f"{len(recent)} damaged stores in {file.parent} within an hour: look at the disk, move them away")
    for copy in backup.kept(backup_folder(configuration.path, configuration.settings)):
        try:
            done = backup.restore(file, copy, ASIDE)
        except backup.BackupError as error:
            _log.error("backup_not_usable", error=str(error))
            continue
        _tell(file, found, done.set_aside, f"the backup of {_utc(done.made_at)} ({copy})")
        return
    aside = set_aside(file, ASIDE)
    _tell(file, found, None if aside is None else str(aside), "an empty store, for there is no backup")


def _tell(file: Path, found: str, aside: str | None, instead: str) -> None:
    _log.error(
        "store_set_aside",
        store=str(file),
        damage=found,
        kept_as=aside,
        instead=instead,
        lost="what was acknowledged since then: agents delete that, and send again whatever they still hold",
        remedy="look at the disk, then move the damaged file away; docs/bureau.md, Backup",
    )


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def end_when_damaged(engine: Engine) -> NoReturn:
    """
    Raises:
        StoreDamagedError: the store cannot be worked on any more.
    """
    await engine.until_damaged()
    raise StoreDamagedError(engine.damage or "")


async def watch(file: Path, engine: Engine, every_s: float) -> None:
    """Look through the file again and again, beside everything else, and whether it is still there."""
    opened, due_at = _place(file), time.monotonic()
    while True:
        await asyncio.sleep(min(LOOK_S, every_s))
        if _place(file) != opened:
            engine.condemn("the file was moved away, deleted or replaced")
            return
        if time.monotonic() < due_at:
            continue
        begun_s = time.monotonic()
        try:
            found = await in_background(lambda: damage(file, CHECK_MAX_S))
        except (TimeoutError, sqlite3.OperationalError) as error:
            _log.warning("store_not_checked", file=str(file), error=str(error) or "it took too long")
        else:
            if found is not None:
                engine.condemn(found)
                return
            CHECKED_AT.set_to_current_time()
        due_at = time.monotonic() + rest_s(every_s, time.monotonic() - begun_s)


def rest_s(every_s: float, took_s: float) -> float:
    """How long until the next look: a file that takes long is looked through less often, never all the time."""
    return max(every_s, REST_FACTOR * took_s)


def _place(file: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = file.stat()
        return status.st_dev, status.st_ino
    return None


async def show_set_aside(file: Path, questions: OpenQuestions) -> None:
    """Have the board say it as long as a damaged store lies there."""
    while True:
        with suppress(OSError):  # somebody takes one away at this moment
            questions.alarms = tuple(_alarm(aside) for aside in lying_aside(file))
            SET_ASIDE.set(len(questions.alarms))
        await asyncio.sleep(LOOK_S)


def _alarm(aside: Path) -> Note:
    at = datetime.fromtimestamp(aside.stat().st_ctime, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    return Note(word="store_set_aside", file=str(aside), line=0, path="", fields={"at": at})


# --- backups --------------------------------------------------------------------------------------------------------


async def back_up_daily(file: Path, configuration: Configuration) -> None:
    """One copy a day; the one that was missed while the collector was away is made at once."""
    settings = configuration.settings.backup
    assert settings is not None
    folder = backup_folder(configuration.path, configuration.settings)
    BACKUP_AGE.set_function(lambda: _age_s(folder))
    while True:
        pause_s = DAILY_LOOK_S
        newest_at = backup.newest_at(folder)
        if newest_at is None or newest_at < last_due_at(settings.at, time.time()):
            try:
                made = await in_background(lambda: backup.make(file, folder, settings.keep, into_folder=True))
                _log.info("backed_up", file=made.file, bytes=made.bytes, seconds=made.seconds)
            except backup.BackupError as error:
                BACKUP_FAILURES.inc()
                _log.error("backup_failed", error=str(error))
                pause_s = BACKUP_RETRY_S
        _show_newest(folder)
        await asyncio.sleep(pause_s)


def _show_newest(folder: Path) -> None:
    for newest in backup.kept(folder)[:1]:
        BACKUP_AT.set(backup.made_at(newest))
        with suppress(OSError):
            BACKUP_BYTES.set(newest.stat().st_size)


def _age_s(folder: Path) -> float:
    at = backup.newest_at(folder)
    return float("inf") if at is None else max(0.0, time.time() - at)


def last_due_at(clock_time: str, now: float) -> float:
    """When it was last ``clock_time`` by the clock of this machine."""
    hour, minute = map(int, clock_time.split(":"))
    today = datetime.fromtimestamp(now, UTC).astimezone()
    due = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (due if due <= today else due - timedelta(days=1)).timestamp()


async def in_background(work: Callable[[], _Result]) -> _Result:
    """Run ``work`` in a thread to which everybody else is preferred, and for whose end no stop waits."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        result, error = None, None
        try:
            result = work()
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits
            error = problem
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True, name="store-file").start()
    return await answer
