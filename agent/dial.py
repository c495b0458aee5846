"""From a host's name to a TCP connection, as browsers and curl make it: no address is waited for alone (RFC 8305).

Own code for the race, for the libraries' (asyncio, aiohappyeyeballs) forget which address failed and why once another
one has answered, and a cut by the caller's timeout leaves them nothing to tell (docs/decisions/0027).
"""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import chain, zip_longest
from typing import Any

from msgspec import Struct

from classready.observation import Reason, error_text

ATTEMPT_DELAY_S = 0.25
"""The Connection Attempt Delay that RFC 8305, section 5, recommends."""
ADDRESS_MAX_COUNT = 64
"""Of all families together, after interleaving: who answers a name with thousands does not make us a port scanner."""
_NAMED_MAX_COUNT = 3
"""Addresses that one text names for each way to fail: a detail has 200 characters, and IPv6 addresses 39."""

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""This machine's own limits: nothing was asked of anybody."""

Address = tuple[int, tuple[Any, ...]]
"""Family and socket address, as ``socket.socket`` and ``connect`` take them."""
_Name = tuple[str, int, int]
_Found = list[Address] | Exception

_BY_MEANING = (Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE)
"""Of several, the first says most about the host: who refuses is there; no route may lie with us."""

_lookups: dict[_Name, Future[_Found]] = {}
"""Those on their way: whoever asks for the same meanwhile waits for the same answer."""


class Unreached(Exception):  # noqa: N818 - a finding, not a fault
    """No connection. ``reason`` is what an observation says, ``detail`` names the addresses and is for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Connected(Struct, frozen=True, kw_only=True):
    """``sock`` is the caller's, who closes it. ``seconds`` is what the connection took by itself."""

    sock: socket.socket
    peer: Address
    address: str
    """``peer`` as people write it."""
    seconds: float
    others: str
    """Which addresses were tried before it in vain, and what became of them; empty where there were none."""


async def resolve(
    host: str, port: int, kind: int = socket.SOCK_STREAM, *, timeout_s: float | None = None
) -> list[Address]:
    """All addresses of ``host``, in the system's order (RFC 6724), each once.

    A resolver that hangs costs one thread for each name, however often it is asked for.

    Raises:
        Unreached: NAME_UNRESOLVED.
    """
    try:
        try:
            # A literal address asks no server, so it needs no thread.
            return _getaddrinfo(host, port, kind, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await _found((host, port, kind), timeout_s)
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and host[1:].endswith("."):
            # DNS knows such a name, but glibc does not find it in /etc/hosts.
            return await resolve(host.removesuffix("."), port, kind, timeout_s=timeout_s)
        raise Unreached(Reason.NAME_UNRESOLVED, f"{host}: {error_text(error)}") from None


async def connect(addresses: Sequence[Address], timeout_s: float) -> Connected:
    """Connect to the first of ``addresses`` that lets us in; the others are given up.

    An attempt starts when the one before it failed, or is ``ATTEMPT_DELAY_S`` old.

    Raises:
        Unreached: REFUSED where one address refused, else TIMEOUT where one was silent, else UNREACHABLE.
        OSError: this machine has no socket or memory to spare; no address is to blame.
    """
    race = _Race(asyncio.get_running_loop().time() + timeout_s)
    try:
        return await race.run(in_turn(addresses))
    finally:
        race.end()


def in_turn(addresses: Iterable[Address]) -> list[Address]:
    """Families take turns (RFC 8305, section 4), the preferred one first: a dead one costs one delay."""
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    woven = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in woven if address][:ADDRESS_MAX_COUNT]


def shown(address: Address) -> str:
    """The address as people write it, with the interface of a link-local one."""
    return socket.getnameinfo(address[1], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]


def told(fates: Mapping[str, Sequence[str]]) -> str:
    """What became of which addresses, in few words; empty where there are none."""
    return "; ".join(f"{fate}: {_listed(addresses)}" for fate, addresses in fates.items() if addresses)


def _listed(addresses: Sequence[str]) -> str:
    more = len(addresses) - _NAMED_MAX_COUNT
    return ", ".join(addresses[:_NAMED_MAX_COUNT]) + (f" and {more} more" if more > 0 else "")


class _Race:
    """Attempts that were started, and what came of them."""

    def __init__(self, until_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._until_s = until_s
        self._running: dict[asyncio.Task[socket.socket], tuple[Address, float]] = {}
        """Address and start of each, oldest first."""
        self._failed: dict[Reason, dict[str, list[str]]] = {reason: {} for reason in _BY_MEANING}
        """Reason -> what happened -> addresses."""

    async def run(self, addresses: Sequence[Address]) -> Connected:
        waiting = list(reversed(addresses))
        while waiting or self._running:
            if waiting:
                self._start(waiting.pop())
            # The next one starts while those before it may still answer (RFC 8305, section 5).
            await self._wait(ATTEMPT_DELAY_S if waiting else None)
            if winner := self._take_done():
                return winner
            if self._loop.time() >= self._until_s:
                break
        raise self._unreached()

    def end(self) -> None:
        """Give up what still runs. An attempt that won too late is closed here, a cancelled one closes itself."""
        for task in self._running:
            if not task.cancel() and not task.exception():
                task.result().close()

    def _start(self, address: Address) -> None:
        self._running[self._loop.create_task(_open(address))] = address, self._loop.time()

    async def _wait(self, at_most_s: float | None) -> None:
        left_s = self._until_s - self._loop.time()
        timeout_s = left_s if at_most_s is None else min(at_most_s, left_s)
        await asyncio.wait(self._running, timeout=max(timeout_s, 0), return_when=asyncio.FIRST_COMPLETED)

    def _take_done(self) -> Connected | None:
        for task in [task for task in self._running if task.done()]:
            error = task.exception()
            if error is None:
                return self._won(task)
            if not isinstance(error, OSError) or error.errno in _OURS:
                raise error
            address, _ = self._running.pop(task)
            reason, fate = _fate(error)
            self._failed[reason].setdefault(fate, []).append(shown(address))
        return None

    def _won(self, winner: asyncio.Task[socket.socket]) -> Connected:
        peer, start_s = self._running.pop(winner)
        slower = [shown(other) for other, at_s in self._running.values() if at_s < start_s]
        others = told(self._fates() | {"no answer yet": slower})
        seconds = self._loop.time() - start_s
        return Connected(sock=winner.result(), peer=peer, address=shown(peer), seconds=seconds, others=others)

    def _unreached(self) -> Unreached:
        silent = [shown(address) for address, _ in self._running.values()]
        if silent:
            self._failed[Reason.TIMEOUT].setdefault("no answer", []).extend(silent)
        reason = next((reason for reason, fates in self._failed.items() if fates), Reason.UNREACHABLE)
        return Unreached(reason, told(self._fates()) or "the name has no address")

    def _fates(self) -> dict[str, list[str]]:
        return {fate: addresses for fates in self._failed.values() for fate, addresses in fates.items()}


def _fate(error: OSError) -> tuple[Reason, str]:
    if isinstance(error, ConnectionRefusedError):
        return Reason.REFUSED, "refused"
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT, "no answer"
    return Reason.UNREACHABLE, os.strerror(error.errno).lower() if error.errno else type(error).__name__


async def _open(address: Address) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _found(name: _Name, timeout_s: float | None) -> list[Address]:
    lookup = _lookup(name)
    # Unlike awaiting it, this cancels nothing that others wait for.
    done, _ = await asyncio.wait([asyncio.wrap_future(lookup)], timeout=timeout_s)
    if not done:
        raise TimeoutError(f"no answer from the resolver within {timeout_s:g} s")
    found = lookup.result()
    if isinstance(found, Exception):
        raise found
    return found


def _lookup(name: _Name) -> Future[_Found]:
    """Look ``name`` up in a thread of its own, unless one does so already.

    The loop's executor has few threads, which files need, too; glibc can hold one for half a minute (resolv.conf(5):
    5 s, two attempts, three servers). A daemon thread does not hold up the end of the program either.
    """
    if (pending := _lookups.get(name)) is not None:
        return pending
    lookup: Future[_Found] = Future()
    threading.Thread(target=_look_up, args=(name, lookup), name=f"resolve {name[0]}", daemon=True).start()
    _lookups[name] = lookup
    lookup.add_done_callback(lambda _: _lookups.pop(name, None))
    return lookup


def _look_up(name: _Name, lookup: Future[_Found]) -> None:
    try:
        lookup.set_result(_getaddrinfo(*name))
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        lookup.set_result(error)


def _getaddrinfo(host: str, port: int, kind: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=kind, flags=flags)
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))
