"""How large a request each device was found to answer, and whether it hears GETBULK at all.

An agent that cannot fit its answer should say tooBig (RFC 3416, 4.2.1 and 4.2.3). Small ones drop the request instead,
and some know no GETBULK: without a word, as if they were switched off. So silence to a large request says nothing of a
device until it was silent to a small one, too. Here is what all sizes have in common; the drivers speak the protocol.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agent.snmp.access import batches
from agent.snmp.contract import Device, Manners, SnmpError, Value
from classready.observation import Reason

ROWS_PER_BULK = 32
"""Names of ports, which are all that a usual switch has, fit one Ethernet frame: old switches drop fragments."""
REMEMBERED_S = 3_600.0
"""Then the full size is tried again: two packets that were lost in a row look like a size that is too large."""
HEARD_FOR_S = 600.0
"""For so long a community that was answered is not suspected."""
DEVICES_MAX = 1_000


class SilentError(SnmpError):
    """Nothing came back."""


class Get(Protocol):
    async def __call__(self, oids: list[str], try_count: int, /) -> tuple[dict[str, Value], list[list[str]]]:
        """One GET of ``oids``, sent up to ``try_count`` times: their values, and what has to be asked for anew.

        Raises:
            SilentError: nothing came back.
        """
        ...


class Walk(Protocol):
    async def __call__(self, row_count: int, /) -> dict[str, Value]:
        """A whole table, ``row_count`` rows a request; 1 = by GETNEXT.

        Raises:
            SilentError: to one of the requests nothing came back.
        """
        ...


async def get(device: Device, oids: Sequence[str], ask: Get) -> dict[str, Value]:
    """Read single values through ``ask``, in as few requests as the device was found to answer.

    Raises:
        SnmpError: as ``Driver.get``; after an unanswered request for several objects, one of them was asked for alone.
    """
    found: dict[str, Value] = {}
    chunks, alive = batches(oids, _of(device).most_count), False
    while chunks:
        chunk = chunks.pop()
        try:
            values, again = await ask(chunk, try_count(device, len(chunk)))
        except SilentError:
            if len(chunk) == 1:
                raise
            if not alive:
                await ask(chunk[:1], 1)
                alive = True
            chunks = batches([oid for rest in (*chunks, chunk) for oid in rest], _halve(device, len(chunk)))
            continue
        found |= values
        chunks += again
    return found


async def walk(device: Device, follow: Walk, first: Callable[[bool], Awaitable[object]]) -> dict[str, Value]:
    """Read a table through ``follow``. ``first(bulk)`` asks for its first row alone, once: by GETBULK or by GETNEXT.

    Raises:
        SnmpError: as ``Driver.walk``.
    """
    row_count, alive = _row_count(device), False
    while True:
        try:
            return await follow(row_count)
        except SilentError:
            if row_count == 1:
                raise
            if not alive and not await _hears_bulk(device, first):
                row_count = 1
                continue
            alive = True
            row_count = _halve(device, row_count)


async def _hears_bulk(device: Device, first: Callable[[bool], Awaitable[object]]) -> bool:
    """Whether a GETBULK for one row is answered.

    Raises:
        SilentError: nor is GETNEXT.
    """
    try:
        await first(True)
    except SilentError:
        await first(False)
        manners = _of(device)
        manners.bulk, manners.found_s = False, time.monotonic()
        return False
    return True


def try_count(device: Device, object_count: int) -> int:
    """How often a request is sent. The last try with a stranger is for one object alone."""
    retry_count = device.settings.retry_count
    return retry_count + 1 if object_count == 1 or was_heard(device) else max(1, retry_count)


def hear(device: Device) -> None:
    """Remember that it has answered."""
    _of(device).heard_s = time.monotonic()


def was_heard(device: Device) -> bool:
    """Whether it answered lately, so that it is there and its community is right."""
    heard_s = _of(device).heard_s
    return heard_s is not None and time.monotonic() - heard_s < HEARD_FOR_S


def silence(device: Device) -> SilentError:
    """Make the error for a device that did not answer in any of its tries."""
    settings = device.settings
    hint = "; the community may be wrong" if settings.version != "3" else ""
    if was_heard(device):
        hint = ", though it answered other requests just before"
    tries = f"{settings.retry_count + 1} x {settings.timeout_s:g} s"
    return SilentError(Reason.TIMEOUT, f"no SNMP answer after {tries}{hint}")


def _of(device: Device) -> Manners:
    known = device.session.manners
    manners = known.setdefault(device, Manners())
    known.move_to_end(device)
    while len(known) > DEVICES_MAX:
        known.popitem(last=False)
    if time.monotonic() - manners.found_s > REMEMBERED_S:
        manners.most_count, manners.bulk = None, True
    return manners


def _row_count(device: Device) -> int:
    manners = _of(device)
    if device.settings.version == "1" or not manners.bulk:
        return 1
    return min(ROWS_PER_BULK, manners.most_count or ROWS_PER_BULK)


def _halve(device: Device, object_count: int) -> int:
    """Note that it keeps silent to so many objects; return how many to try next."""
    manners = _of(device)
    manners.most_count, manners.found_s = max(1, object_count // 2), time.monotonic()
    return manners.most_count
