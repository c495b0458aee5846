"""One run: faults by their plan, then healing, then what everybody says they have."""

import random
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Final

from bench.chaos import ledgers
from bench.chaos.county import County
from bench.chaos.faults import Strike
from bench.lines import say

START_LIMIT_S: Final = 120.0
DRAIN_LIMIT_S: Final = 180.0
_TICK_S: Final = 0.1
_TELL_EVERY_S: Final = 5.0


def wait_for_all(county: County) -> None:
    """Wait until the collector stored something of every gateway.

    Raises:
        RuntimeError: it ended, or did not within the limit; with its last words.
    """

    def heard_or_ended() -> bool:
        return len(_ledgers(county)) >= len(county.agents) or not county.collector.is_alive

    if _until(heard_or_ended, START_LIMIT_S) is None or not county.collector.is_alive:
        raise RuntimeError(f"not every gateway was heard:\n{county.collector.tail()}\n{county.agents[0].tail()}")


def strike_all(county: County, strikes: Sequence[Strike], dice: random.Random) -> None:
    """Begin and end each fault at its time; who ends by itself meanwhile is started again."""
    moments = [(strike.begins_s, n, True) for n, strike in enumerate(strikes)]
    moments += [(strike.ends_s, n, False) for n, strike in enumerate(strikes)]
    ends: dict[int, Callable[[], None]] = {}
    began_s = time.monotonic()
    for at_s, n, begins in sorted(moments):
        while (wait_s := began_s + at_s - time.monotonic()) > 0:
            county.look_after()
            time.sleep(min(wait_s, _TICK_S))
        say(f"{at_s:6.1f} s  {strikes[n].fault.name}{'' if begins else ' is over'}")
        if begins:
            ends[n] = strikes[n].fault.strike(county, dice)
        else:
            ends.pop(n)()


def drain_s(county: County) -> float:
    """Seconds until no spool holds anything any more that it held as the last fault ended; the limit where one does."""
    began_s = time.monotonic()
    spools = {gateway: _spool(county, gateway) for gateway in county.gateways}
    last = {gateway: spool.last if spool else 0 for gateway, spool in spools.items()}
    next_tell_s = 0.0
    while (passed_s := time.monotonic() - began_s) < DRAIN_LIMIT_S and (late := _late(county, last)):
        county.look_after()
        if passed_s >= next_tell_s:
            say(f"{passed_s:6.1f} s of healing, {len(late)} gateways hold something old: {', '.join(late[:5])}")
            next_tell_s += _TELL_EVERY_S
        time.sleep(_TICK_S)
    return time.monotonic() - began_s


def wait_for_messages(county: County) -> None:
    """Wait until the outbox is empty, or for so long."""
    _until(lambda: not ledgers.read_outbox(county.store).get("pending"), DRAIN_LIMIT_S)


def _late(county: County, last: Mapping[str, int]) -> list[str]:
    """Whose spool still holds what it held at ``last``."""
    spools = {gateway: _spool(county, gateway) for gateway in county.gateways}
    return [name for name, spool in spools.items() if spool is None or min(spool.held, default=inf) <= last[name]]


def _spool(county: County, gateway: str) -> ledgers.Spool | None:
    with suppress(sqlite3.Error):
        return ledgers.read_spool(county.spool_file(gateway))
    return None


def _ledgers(county: County) -> Mapping[str, ledgers.Ledger]:
    with suppress(sqlite3.Error):
        return ledgers.read_ledgers(county.store)
    return {}


def _until(look: Callable[[], bool], limit_s: float) -> float | None:
    """Seconds until ``look`` says so; None where it does not within the limit."""
    began_s = time.monotonic()
    while (passed_s := time.monotonic() - began_s) < limit_s:
        if look():
            return passed_s
        time.sleep(_TICK_S)
    return None
