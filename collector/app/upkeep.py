"""What the service does by itself, again and again: days go on, old records go, and who asks for a reload gets it."""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from classready.settings import SettingsError
from collector.engine import CommitFailedError

if TYPE_CHECKING:
    from collector.app.service import Service

CALENDAR_RENEWAL_S = 86_400.0
CALENDAR_LOOK_S = 60.0
"""An exemption that ends at midnight has ended after this at the latest."""
PRUNE_EVERY_S = 6 * 3_600.0
PRUNE_PAUSE_S = 0.2
"""Between two slices of records that are deleted."""


async def renew_calendar(service: "Service") -> None:
    """Let the days that are known go on, and judge rooms again whose exemption is over."""
    renew_at = time.monotonic() + CALENDAR_RENEWAL_S
    while True:
        await asyncio.sleep(CALENDAR_LOOK_S)
        await service.admit()
        ends_at = service.exemption_ends_at
        if time.monotonic() < renew_at and (ends_at is None or time.time() < ends_at):
            continue
        with suppress(CommitFailedError):
            await service.apply(service.configuration)
            renew_at = time.monotonic() + CALENDAR_RENEWAL_S


async def prune_records(service: "Service") -> None:
    """A few at a time, so that nobody waits for the store meanwhile."""
    while True:
        deleted_count = 0
        with suppress(CommitFailedError):
            deleted_count = await service.engine.bureau.prune()
            if not deleted_count:
                await service.engine.finds.prune(service.engine.roster.gateways, time.time())
        await asyncio.sleep(PRUNE_PAUSE_S if deleted_count else PRUNE_EVERY_S)


async def reload_when_asked(service: "Service", asked: asyncio.Event) -> None:
    while True:
        await asked.wait()
        asked.clear()
        with suppress(SettingsError, CommitFailedError):
            await service.reload()
