"""The driver on gufo-snmp: a BER coder and UDP sockets in Rust, one socket for each call.

What version 0.13 does not tell, and what is made of it here. An error status (RFC 3416, 3) looks like an answer without
values, and an answer beyond its 4 kB buffer like a broken one: GETs are then repeated in halves, which finds what the
device does have, and walks with fewer rows at a time. In the middle of a walk an error looks like its end. A broken
length makes the decoder panic, which arrives as a ``BaseException``. Its ``wait_for`` (Python 3.11) swallows a
cancellation that comes together with a datagram, and it would wait on: hence the look at ``cancelling()``, and a time
limit for the library, too.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gufo.snmp import Aes128Key, Sha256Key, SnmpAuthError, SnmpVersion, User
from gufo.snmp import SnmpError as GufoError
from gufo.snmp.aio import SnmpSession
from gufo.snmp.user import KeyType

from agent.snmp.access import ROWS_PER_BULK, address_of, batches, credentials, numbers, silence
from agent.snmp.contract import Device, SnmpError, Value
from classready.observation import Reason

_FEW_ROWS = 4

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
        found |= {oid: value for oid in chunk if isinstance(value := answer.get(oid), Value)}
        if not answer and len(chunk) > 1:
            chunks += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
    return found


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    session = await _open(device)
    for row_count in () if device.settings.version == "1" else (ROWS_PER_BULK, _FEW_ROWS):
        with contextlib.suppress(_BrokenError):
            if found := await _follow(device, base, session.getbulk(base, row_count).__anext__):
                return found
            break
    return await _follow(device, base, session.getnext(base).__anext__)


def close() -> None:
    """See ``Driver.close``. Nothing stays open between calls."""


class _BrokenError(SnmpError):
    """What came back could not be read."""


_Row = Awaitable[tuple[str, object]]


async def _follow(device: Device, base: str, following: Callable[[], _Row]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    last, row_count = base, 0
    while True:
        try:
            oid, value = await _ask(device, following)
        except StopAsyncIteration:
            return found
        if numbers(oid) <= numbers(last):
            raise SnmpError(Reason.PROTOCOL, f"OIDs do not increase: {oid} after {last}")
        if isinstance(value, Value):
            found[oid] = value
        last, row_count = oid, row_count + 1
        if row_count > device.settings.max_rows:
            raise SnmpError(Reason.PROTOCOL, f"more than {device.settings.max_rows} values below {base}")


async def _ask(device: Device, request: Callable[[], Awaitable[T]]) -> T:
    """Send one request, again when it stays unanswered or brings what is no SNMP.

    Raises:
        StopAsyncIteration: a walk is over.
        SnmpError: as ``Driver.get`` says.
    """
    settings = device.settings
    garbled: BaseException | None = None
    for _ in range(settings.retry_count + 1):
        try:
            async with asyncio.timeout(settings.timeout_s):
                answer = await request()
                _be_cancelled()
                return answer
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


def _be_cancelled() -> None:
    """Make up for a swallowed cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _open(device: Device) -> SnmpSession:
    """A session with its own socket, which closes when nobody holds it any more.

    The library's time limit begins anew with every datagram, so the one that counts is ours.
    """
    address, port = await address_of(device)
    secrets = credentials(device.settings)
    version = {"1": SnmpVersion.v1, "2c": SnmpVersion.v2c, "3": SnmpVersion.v3}[device.settings.version]
    timeout_s = device.settings.timeout_s
    try:
        if secrets.community is not None:
            return SnmpSession(address, port, secrets.community, version=version, timeout=timeout_s)
        session = SnmpSession(address, port, user=_user(*secrets.user), version=version, timeout=timeout_s)
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
