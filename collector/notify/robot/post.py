"""One HTTP request to a robot, and what its status means.

The address of a robot is a secret, so nothing that carries it may reach a log or an exception. Redirects are not
followed: they would hand the message, and a signature, to whoever names the target.
"""

import asyncio
import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from socket import gaierror

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
)
from msgspec import Struct

from collector.notify.contract import Deferred

REPLY_MAX_BYTES = 65_536
TIMEOUT = ClientTimeout(total=10)
MINUTE_S = 60.0

_ABOUT_THE_MESSAGE = frozenset({400, 411, 413, 414, 415, 422, 431})
"""HTTP statuses that speak of what was sent; other 4xx speak of the way to the robot (RFC 9110, section 15.5)."""


class Reply(Struct, frozen=True):
    """``dated_at`` is the robot's own clock, None = it did not say."""

    status: int
    body: bytes
    dated_at: float | None = None


async def post(
    session: ClientSession,
    url: str,
    body: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Post a JSON text.

    Raises:
        Deferred: no answer.
    """
    failure: Deferred
    sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    try:
        async with session.post(
            url, params=params, data=body.encode(), headers=sent, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            return Reply(response.status, await _read(response), _dated_at(response))
    except TimeoutError:
        failure = Deferred("timeout", retry_after_s=30)
    except (ClientError, OSError, ValueError) as error:  # ValueError: an address that is none
        failure = Deferred("unreachable", retry_after_s=30, said=_way(error))
    raise failure  # here, so that no exception with the address hangs on it


def _way(error: Exception) -> str:
    """What broke on the way, in the system's words: the library's own may hold the address."""
    if isinstance(error, ClientConnectorCertificateError):
        return str(getattr(error.certificate_error, "verify_message", "certificate"))
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(cause, gaierror) or not isinstance(cause, OSError) or cause.errno is None:
        return getattr(cause, "strerror", None) or type(cause).__name__
    return os.strerror(cause.errno)


async def _read(response: ClientResponse) -> bytes:
    """Read a reply that is whole within the limit; a longer one is no reply of a robot and reads as empty."""
    try:
        await response.content.readexactly(REPLY_MAX_BYTES + 1)
    except asyncio.IncompleteReadError as complete:
        return complete.partial
    return b""


def _dated_at(response: ClientResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def judge_status(status: int) -> None:
    """Raise unless it is the robot's own answer. A robot says 200: anything else is something on the way to it."""
    if status == 429:
        raise Deferred("rate", retry_after_s=MINUTE_S, code=status)
    if 300 <= status < 400:
        raise Deferred("redirect", retry_after_s=300, code=status)
    if status in _ABOUT_THE_MESSAGE:
        raise Deferred("http_refused", retry_after_s=60, code=status)
    if not 200 <= status < 300:
        raise Deferred("http_status", retry_after_s=30 if status >= 500 else 300, code=status)
