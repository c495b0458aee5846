"""Looks around in the gateway's own networks when the bureau lets it, gently, and once an order.

A search is about three small packets to each address, at most ``rate_per_s`` of them begun in a second: what no lesson
feels. It waits for the end of examinations (``no_load``), and of lessons where the order says so; one that they begin
in is given up and starts anew.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from agent import network
from agent.clock import Clock, Reading
from agent.discover import addresses, discover
from agent.discover.order import Places, is_done, note_done, places
from agent.discover.report import Search, checked, observations
from classready.devices import Snmp
from classready.hosts import is_own
from classready.measuring import Discovery
from classready.observation import Found
from classready.report import Directives, Record

LOOK_S = 5.0
"""Between two looks whether examinations are over."""
SNMP_TIMEOUT_S = 1.0
AFTER_BUG_S = 3_600.0

Append = Callable[[Sequence[Record]], Awaitable[None]]

_log = structlog.get_logger()


class Searcher:
    """One search at a time, and none without an order."""

    def __init__(
        self,
        clock: Clock,
        append: Append,
        state_dir: Path,
        directives: Callable[[], Directives | None],
        own: Callable[[], Sequence[ipaddress.IPv4Network]] = network.attached,
    ) -> None:
        """``directives`` are the collector's last ones; ``own``: the networks that this machine stands in."""
        self._clock, self._append, self._state_dir = clock, append, state_dir
        self._directives, self._own = directives, own
        self._order: Discovery | None = None
        self._ordered = asyncio.Event()

    def allow(self, order: Discovery | None) -> None:
        """Search by ``order``, unless that was done already; None = search nothing."""
        self._order = order
        self._ordered.set()

    async def run(self) -> None:
        """Search whenever there is an order that was not carried out yet, until cancelled."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            order = self._order
            if order is not None and not is_done(self._state_dir, order):
                try:
                    await self._carry_out(order)
                except Exception:  # noqa: BLE001 - a bug here must not end what is measured
                    _log.exception("search_failed")
                    await asyncio.sleep(AFTER_BUG_S)
                    self._ordered.set()

    async def _carry_out(self, order: Discovery) -> None:
        """Search until it was done once without being disturbed, or another order came."""
        while not self._ordered.is_set():
            if self._must_wait(order):
                await self._until_ordered(LOOK_S)
                continue
            reading = self._clock.read()
            found = await self._search(order)
            if found is not None:
                await self._append([self._record(each, reading) for each in found])
                note_done(self._state_dir, order)
                _log.info("searched", found=len(found) - 1)
                return

    async def _search(self, order: Discovery) -> list[Found] | None:
        """What was found; None = it was disturbed."""
        began_s = self._clock.now_s()
        where: Places = places(order, await asyncio.to_thread(self._own))
        hosts = [host for host in addresses(where.networks) if not is_own(host)]
        accesses = [Snmp(community=each, timeout_s=SNMP_TIMEOUT_S, retry_count=1) for each in order.communities]
        stop = asyncio.Event()
        watching = asyncio.create_task(self._watch(order, stop))
        try:
            switches, devices, may_ping = await discover(
                hosts, accesses, rate_per_s=order.rate_per_s, progress=_nobody_watches, stop=stop
            )
        finally:
            watching.cancel()
        if stop.is_set():
            _log.info("search_disturbed")
            return None
        search = Search(
            networks=[str(each) for each in where.networks],
            address_count=len(hosts),
            switches=switches,
            devices=devices,
            may_ping=may_ping,
            left_out=where.left_out,
            elapsed_s=self._clock.now_s() - began_s,
        )
        return [each for each in observations(search) if checked(each)]

    async def _watch(self, order: Discovery, stop: asyncio.Event) -> None:
        """End the search when it must wait, or is not wanted any more."""
        while not (self._ordered.is_set() or self._must_wait(order)):
            await self._until_ordered(LOOK_S)
        stop.set()

    async def _until_ordered(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ordered.wait()

    def _must_wait(self, order: Discovery) -> bool:
        """Whether the bureau wants quiet now; where the time of day is not known, as long as it wants any at all."""
        directives, reading = self._directives(), self._clock.read()
        if directives is None:
            return True
        spans = directives.no_load if order.in_lessons else directives.quiet
        if reading.quality != "good":
            return bool(spans)
        return any(start <= reading.wall_s < end for start, end in spans)

    def _record(self, found: Found, reading: Reading) -> Record:
        """The spool gives the real sequence."""
        return Record(
            sequence=1,
            boot_id=self._clock.boot_id,
            monotonic_s=reading.monotonic_s,
            wall_s=reading.wall_s,
            clock_quality=reading.quality,
            observation=found,
        )


def _nobody_watches(_done_count: int) -> None:
    """A person at a terminal sees how far it is; here nobody does."""
