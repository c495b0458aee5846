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

from agent.snmp import manners
from agent.snmp.access import address_of, circles, credentials, too_long
from agent.snmp.contract import Device, Session, SnmpError, Value
from classready.observation import Reason, error_text

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

    async def ask(chunk: list[str], try_count: int) -> tuple[dict[str, Value], list[list[str]]]:
        try:
            answer = await _ask(device, functools.partial(session.get_many, chunk), try_count)
        except _BrokenError:
            if len(chunk) == 1:
                raise
            answer = {}
        values = {oid: value for oid in chunk if isinstance(value := answer.get(oid), _PLAIN)}
        half = len(chunk) // 2
        return values, [chunk[:half], chunk[half:]] if half and not answer else []

    return await manners.get(device, oids, ask)


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    session = await _open(device)

    async def follow(row_count: int) -> dict[str, Value]:
        for count in (row_count, _FEW_ROWS) if row_count > 1 else ():
            with contextlib.suppress(_BrokenError):
                if found := await _follow(device, session.getbulk(base, count).__anext__, count):
                    return found
                break
        return await _follow(device, session.getnext(base).__anext__, 1)

    async def first(bulk: bool) -> bool:  # noqa: FBT001 - which of the two requests
        rows = session.getbulk(base, 1) if bulk else session.getnext(base)
        return await _ask(device, functools.partial(_take, rows.__anext__, [], 1), 1)

    return await manners.walk(device, follow, first)


def close(_session: Session, /) -> None:
    """See ``Driver.close``. Nothing stays open between calls."""


class _BrokenError(SnmpError):
    """What came back could not be read."""


_Row = tuple[str, object]


async def _follow(device: Device, following: Callable[[], Awaitable[_Row]], portion: int) -> dict[str, Value]:
    """Collect rows to the end of their table.

    The first row of a portion says whether the device answers. The others mostly came with it, so they share one time
    limit, which costs more than a row.
    """
    found: dict[str, Value] = {}
    seen: set[str] = set()
    try_count, complete = manners.try_count(device, portion), False
    while not complete:
        rows: list[_Row] = []
        complete = await _ask(device, functools.partial(_take, following, rows, 1), try_count)
        if not complete and portion > 1:
            request = functools.partial(_take, following, rows, portion)
            complete = await _ask(device, request, try_count, _PORTION_REQUESTS)
        for oid, value in rows:
            if oid in seen:
                raise circles(oid)
            seen.add(oid)
            if isinstance(value, _PLAIN):
                found[oid] = value
        if len(seen) > device.settings.max_rows:
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


async def _ask(device: Device, request: Callable[[], Awaitable[T]], try_count: int, request_count: int = 1) -> T:
    """Send one request, or ``request_count`` of them within their time; again when it stays unanswered or is no SNMP.

    Raises:
        SilentError: nothing came back to the last of ``try_count`` tries.
        SnmpError: as ``Driver.get`` says.
    """
    garbled: BaseException | None = None
    for _ in range(try_count):
        try:
            async with asyncio.timeout(request_count * device.settings.timeout_s):
                return await _heard(device, request)
        except TimeoutError:
            continue
        except SnmpAuthError as error:
            raise SnmpError(
                Reason.AUTH_FAILED, f"the device refused user, keys or access: {error_text(error)}"
            ) from None
        except GufoError as error:
            garbled = error
        except OSError as error:
            raise SnmpError(Reason.UNREACHABLE, f"{device.host}: {error_text(error)}") from None
        except BaseException as error:
            # pyo3 makes its own class of it in each library, which cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            garbled = error
    if garbled is not None:
        raise _BrokenError(Reason.PROTOCOL, f"the answer cannot be read: {error_text(garbled)}")
    raise manners.silence(device)


async def _heard(device: Device, request: Callable[[], Awaitable[T]]) -> T:
    answer = await request()
    manners.hear(device)
    return answer


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
        raise SnmpError(Reason.UNREACHABLE, f"{device.host}: {error_text(error)}") from None
    await _ask(device, session.refresh, device.settings.retry_count + 1)
    return session


@functools.lru_cache(maxsize=64)
def _user(name: str, auth: str, priv: str) -> User:
    """Make a v3 user. Keys come from passphrases by hashing a megabyte each (RFC 3414, A.2): once is enough."""
    return User(
        name,
        auth_key=Sha256Key(Sha256Key.get_master_key(auth.encode()), key_type=KeyType.Master),
        priv_key=Aes128Key(Sha256Key.get_master_key(priv.encode()), key_type=KeyType.Master),
    )
