"""The driver on gufo-snmp: a BER coder and UDP sockets in Rust, one socket for each call.

What version 0.13 does not tell, and what is made of it here. An error status (RFC 3416, 3) looks like an answer without
values, and an answer beyond its 4 kB buffer like a broken one: GETs are then repeated in halves, which finds what the
device does have, and walks with fewer rows at a time. In the middle of a walk an error looks like its end. A broken
length makes the decoder panic, which arrives as a ``BaseException``.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from gufo.snmp import Aes128Key, Sha256Key, SnmpAuthError, SnmpVersion, User
from gufo.snmp import SnmpError as GufoError
from gufo.snmp.aio import SnmpSession
from gufo.snmp.user import KeyType

from agent.snmp.access import ROWS_PER_BULK, address_of, batches, credentials, numbers, silence, too_long
from agent.snmp.contract import Device, SnmpError, Value
from classready.observation import Reason

_PLAIN = (int, bytes, str)
_FEW_ROWS = 4
_PORTION_REQUESTS = 4
"""For as many requests there is time to collect the rows of one: small switches send fewer than they are asked for."""
_NO_LIMIT = cast("float", None)
"""Ours is the one that counts: the library's would begin anew with every datagram, cost a second timer, and swallow a
cancellation that comes together with a datagram (``wait_for`` of Python 3.11)."""

T = TypeVar("T")


async def get(device: Device, oids: Sequence[str]) -> dict[str, Value]:
    """See ``Driver.get``."""
    session = await _open(device)
    found: dict[str, Value] = {}
    chunks = batches(oids)
    while chunks:
        chunk = chunks.pop()
        try:
            answer = await _ask(device, functools.partial(session.get_many, chunk))
        except _BrokenError:
            if len(chunk) == 1:
                raise
            answer = {}
        found |= {oid: value for oid in chunk if isinstance(value := answer.get(oid), _PLAIN)}
        if not answer and len(chunk) > 1:
            chunks += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
    return found


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    session = await _open(device)
    for row_count in () if device.settings.version == "1" else (ROWS_PER_BULK, _FEW_ROWS):
        with contextlib.suppress(_BrokenError):
            if found := await _follow(device, base, session.getbulk(base, row_count).__anext__, row_count):
                return found
            break
    return await _follow(device, base, session.getnext(base).__anext__, 1)


def close() -> None:
    """See ``Driver.close``. Nothing stays open between calls."""


class _BrokenError(SnmpError):
    """What came back could not be read."""


_Row = tuple[str, object]


async def _follow(
    device: Device, base: str, following: Callable[[], Awaitable[_Row]], portion: int
) -> dict[str, Value]:
    """Collect rows to the end of ``base``.

    The first row of a portion says whether the device answers. The others mostly came with it, so they share one time
    limit, which costs more than a row.
    """
    found: dict[str, Value] = {}
    last, row_count, complete = numbers(base), 0, False
    while not complete:
        rows: list[_Row] = []
        complete = await _ask(device, functools.partial(_take, following, rows, 1))
        if not complete and portion > 1:
            complete = await _ask(device, functools.partial(_take, following, rows, portion), _PORTION_REQUESTS)
        for oid, value in rows:
            before, last = last, numbers(oid)
            if last <= before:
                raise SnmpError(Reason.PROTOCOL, f"OIDs do not increase: {oid} after {'.'.join(map(str, before))}")
            if isinstance(value, _PLAIN):
                found[oid] = value
            row_count += 1
        if row_count > device.settings.max_rows:
            raise too_long(device)
    return found


async def _take(following: Callable[[], Awaitable[_Row]], rows: list[_Row], portion: int) -> bool:
    """Fill ``rows``, which keep what they have when a request fails; say whether there are no more."""
    try:
        while len(rows) < portion:
            rows.append(await following())
    except StopAsyncIteration:
        return True
    return False


async def _ask(device: Device, request: Callable[[], Awaitable[T]], request_count: int = 1) -> T:
    """Send one request, or ``request_count`` of them within their time; again when it stays unanswered or is no SNMP.

    Raises:
        SnmpError: as ``Driver.get`` says.
    """
    settings = device.settings
    garbled: BaseException | None = None
    for _ in range(settings.retry_count + 1):
        try:
            async with asyncio.timeout(request_count * settings.timeout_s):
                return await request()
        except TimeoutError:
            continue
        except SnmpAuthError as error:
            raise SnmpError(Reason.AUTH_FAILED, f"the device refused user, keys or access: {error}") from None
        except GufoError as error:
            garbled = error
        except OSError as error:
            raise SnmpError(Reason.UNREACHABLE, f"{device.host}: {error}") from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            garbled = error
    if garbled is not None:
        raise _BrokenError(Reason.PROTOCOL, f"the answer cannot be read: {garbled}")
    raise silence(device)


async def _open(device: Device) -> SnmpSession:
    """A session with its own socket, which closes when nobody holds it any more."""
    address, port = await address_of(device)
    secrets = credentials(device.settings)
    version = {"1": SnmpVersion.v1, "2c": SnmpVersion.v2c, "3": SnmpVersion.v3}[device.settings.version]
    try:
        if secrets.community is not None:
            return SnmpSession(address, port, secrets.community, version=version, timeout=_NO_LIMIT)
        session = SnmpSession(address, port, user=_user(*secrets.user), version=version, timeout=_NO_LIMIT)
    except OSError as error:
        raise SnmpError(Reason.UNREACHABLE, f"{device.host}: {error}") from None
    await _ask(device, session.refresh)
    return session


@functools.lru_cache(maxsize=64)
def _user(name: str, auth: str, priv: str) -> User:
    """Make a v3 user. Keys come from passphrases by hashing a megabyte each (RFC 3414, A.2): once is enough."""
    return User(
        name,
        auth_key=Sha256Key(Sha256Key.get_master_key(auth.encode()), key_type=KeyType.Master),
        priv_key=Aes128Key(Sha256Key.get_master_key(priv.encode()), key_type=KeyType.Master),
    )
