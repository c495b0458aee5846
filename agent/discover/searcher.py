"""Looks around in the gateway's own networks when the bureau lets it, gently, and once an order.

A search is about three small packets to each address, at most ``rate_per_s`` of them begun in a second: what no lesson
feels. It waits for the end of examinations (``no_load``), and of lessons where the order says so; one that they begin
in is given up and starts anew.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

import structlog

from agent import network
from agent.clock import Clock, Reading
from agent.discover import addresses, discover
from agent.discover.order import Places, is_done, note_done, places
from agent.discover.report import Search, checked, observations
from classready.devices import Snmp
from classready.hosts import is_own
from classready.ids import Host
from classready.measuring import Discovery
from classready.observation import Found
from classready.report import Directives, Record

LOOK_S = 5.0
"""Between two looks whether examinations have begun, or are over."""
SNMP_TIMEOUT_S = 1.0
SWITCHES_MAX = 128
"""Whose ports are read, one after the other: a network in which everything claims to be a switch is not ours."""
AFTER_BUG_S = 3_600.0

Append = Callable[[Sequence[Record]], Awaitable[None]]

_log = structlog.get_logger()


class Searcher:
    """Carries out one order, however often it is begun anew."""

    def __init__(  # noqa: PLR0913 - what a session has, and what a test puts in its place
        self,
        order: Discovery,
        clock: Clock,
        append: Append,
        *,
        state_dir: Path,
        directives: Callable[[], Directives | None],
        measured: Callable[[], Collection[Host]] = tuple,
        own: Callable[[], Sequence[ipaddress.IPv4Network]] = network.attached,
    ) -> None:
        """``directives`` are the collector's last ones; ``own``: the networks that this machine stands in.

        ``measured``: what the box's own files have it measure; the bureau, which does not know them, need not be told.
        """
        self._order, self._clock, self._append, self._state_dir = order, clock, append, state_dir
        self._directives, self._measured, self._own = directives, measured, own

    async def run(self) -> None:
        """Search until it was done once without being disturbed; what was done before is not done again."""
        while not is_done(self._state_dir, self._order):
            try:
                if await self._carry_out():
                    return
            except Exception:  # noqa: BLE001 - a bug here must not end what is measured
                _log.exception("search_failed")
                await asyncio.sleep(AFTER_BUG_S)

    async def _carry_out(self) -> bool:
        while self._must_wait():  # noqa: ASYNC110 - the time of day is no event
            await asyncio.sleep(LOOK_S)
        reading = self._clock.read()
        found = await self._search()
        if found is None:
            _log.info("search_disturbed")
            return False
        await self._append([self._record(each, reading) for each in found])
        note_done(self._state_dir, self._order)
        _log.info("searched", found=len(found) - 1)
        return True

    async def _search(self) -> list[Found] | None:
        """What was found; None = it was disturbed."""
        began_s, order = self._clock.now_s(), self._order
        where: Places = places(order, await asyncio.to_thread(self._own))
        hosts = [host for host in addresses(where.networks) if not is_own(host)]
        accesses = [Snmp(community=each, timeout_s=SNMP_TIMEOUT_S, retry_count=1) for each in order.communities]
        stop = asyncio.Event()
        watching = asyncio.create_task(self._watch(stop))
        try:
            switches, devices, may_ping = await discover(
                hosts,
                accesses,
                rate_per_s=order.rate_per_s,
                progress=_nobody_watches,
                stop=stop,
                switches_max=SWITCHES_MAX,
            )
        finally:
            watching.cancel()
        if stop.is_set():
            return None
        measured = set(self._measured())
        search = Search(
            networks=[str(each) for each in where.networks],
            address_count=len(hosts),
            switches=[each for each in switches if each.address not in measured],
            devices=[each for each in devices if each.address not in measured],
            may_ping=may_ping,
            left_out=where.left_out,
            elapsed_s=self._clock.now_s() - began_s,
        )
        return [each for each in observations(search) if checked(each)]

    async def _watch(self, stop: asyncio.Event) -> None:
        """End the search when it must wait."""
        while not self._must_wait():  # noqa: ASYNC110 - the time of day is no event
            await asyncio.sleep(LOOK_S)
        stop.set()

    def _must_wait(self) -> bool:
        """Whether the bureau wants quiet now; where the time of day is not known, as long as it wants any at all."""
        directives, reading = self._directives(), self._clock.read()
        if directives is None:
            return True
        spans = directives.no_load if self._order.in_lessons else directives.quiet
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
