"""The driver on pysnmp 7.

One engine serves all v1 and v2c devices, and each v3 device has its own: an engine knows a user name once, and schools
reuse names; and it keeps the clock of an agent that has restarted since, so one that got no answer is thrown away.
pysnmp's own timers follow the wall clock, which steps; so waiting and retrying are done here.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import structlog
from msgspec import Struct
from pyasn1.type import univ
from pysnmp.carrier.asyncio.dgram.udp import UdpAsyncioTransport
from pysnmp.carrier.asyncio.dgram.udp6 import Udp6AsyncioTransport
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC192_SHA256,
    USM_PRIV_CFB128_AES,
    CommunityData,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    UsmUserData,
)
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator
from pysnmp.proto import errind, rfc1902, rfc1905

from agent.snmp import manners
from agent.snmp.access import address_of, circles, credentials, too_long
from agent.snmp.contract import Device, Session, SnmpError, Value
from classready.observation import Reason, error_text

_log = structlog.get_logger()

_TOO_BIG, _NO_SUCH_NAME, _GEN_ERR = 1, 2, 5
_REFUSALS = {6, 16}
"""noAccess and authorizationError of RFC 3416."""

_ABSENT = (rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)
_AUTH_ERRORS = (
    errind.AuthenticationError,
    errind.AuthenticationFailure,
    errind.DecryptionError,
    errind.NoGroupName,
    errind.NoAccessEntry,
    errind.NotInTimeWindow,
    errind.UnknownSecurityName,
    errind.UnknownUserName,
    errind.UnsupportedAuthProtocol,
    errind.UnsupportedPrivProtocol,
    errind.UnsupportedSecurityLevel,
    errind.WrongDigest,
)


class _Tolerant(asyncio.DatagramProtocol):
    """Drops a datagram that pysnmp stumbles over; the request it may have answered runs into its timeout."""

    _callback_function: Any

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            self._callback_function(self, addr, data)
        except Exception as error:  # noqa: BLE001 - anybody may send anything to an open port
            _log.debug("snmp_datagram_dropped", sender=addr[0], error=repr(error))


class Udp(_Tolerant, UdpAsyncioTransport):  # type: ignore[misc]
    """UDP over IPv4, also for who receives traps."""


class _Udp6(_Tolerant, Udp6AsyncioTransport):  # type: ignore[misc]
    pass


class _Target(UdpTransportTarget):  # type: ignore[misc]
    PROTO_TRANSPORT = Udp


class _Target6(Udp6TransportTarget):  # type: ignore[misc]
    PROTO_TRANSPORT = _Udp6


class _Asked(Struct, frozen=True):
    """Everything that one request to one device needs."""

    engine: SnmpEngine
    credentials: CommunityData | UsmUserData
    target: _Target | _Target6
    device: Device


class _Answer(Struct, frozen=True):
    status: int
    index: int
    """Counts from 1; which of the asked objects ``status`` is about, 0 for none."""
    values: list[tuple[str, Any]]


_LCD = CommandGeneratorLcdConfigurator()


async def get(device: Device, oids: Sequence[str]) -> dict[str, Value]:
    """See ``Driver.get``. What an agent refuses (too big, no such name) is asked for again without it, or in halves."""
    async with _session(device) as session:
        return await _get(session, oids)


async def _get(session: _Asked, oids: Sequence[str]) -> dict[str, Value]:
    async def ask(chunk: list[str], try_count: int) -> tuple[dict[str, Value], list[list[str]]]:
        answer = await _request(session, cmdgen.GetCommandGenerator, chunk, try_count)
        return {oid: value for oid, value in _plain(answer.values) if oid in chunk}, _again(chunk, answer)

    return await manners.get(session.device, oids, ask)


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    async with _session(device) as session:
        return await _walk(session, base)


async def _walk(session: _Asked, base: str) -> dict[str, Value]:
    async def first(bulk: bool) -> object:  # noqa: FBT001 - which of the two requests
        if bulk:
            return await _request(session, cmdgen.BulkCommandGeneratorSingleRun, [base], 1, 0, 1)
        return await _request(session, cmdgen.NextCommandGeneratorSingleRun, [base], 1)

    return await manners.walk(session.device, functools.partial(_follow, session, base), first)


def close(session: Session, /) -> None:
    """See ``Driver.close``."""
    for engine in session.opened.values():
        engine.close_dispatcher()


async def _follow(session: _Asked, base: str, row_count: int) -> dict[str, Value]:
    """Collect rows to the end of their table."""
    found: dict[str, Value] = {}
    seen: set[str] = set()
    last, complete = base, False
    while not complete:
        answer = await _next_rows(session, last, row_count)
        complete = not answer
        for oid, value in answer:
            if not oid.startswith(f"{base}.") or isinstance(value, _ABSENT):
                complete = True
                break
            if oid in seen:
                raise circles(oid)
            seen.add(oid)
            found.update(_plain([(oid, value)]))
            last = oid
        if len(seen) > session.device.settings.max_rows:
            raise too_long(session.device)
    return found


async def _next_rows(session: _Asked, last: str, row_count: int) -> list[tuple[str, Any]]:
    """The rows after ``last``; one at a time from a device that stumbles over GETBULK."""
    answer = None
    try_count = manners.try_count(session.device, row_count)
    if row_count > 1:
        answer = await _request(session, cmdgen.BulkCommandGeneratorSingleRun, [last], try_count, 0, row_count)
    if answer is None or answer.status in {_TOO_BIG, _GEN_ERR}:
        answer = await _request(session, cmdgen.NextCommandGeneratorSingleRun, [last], try_count)
    if answer.status == _NO_SUCH_NAME:
        return []
    if answer.status:
        raise _refused(answer)
    return answer.values


def _again(chunk: list[str], answer: _Answer) -> list[list[str]]:
    """What to ask next after a GET: nothing, the two halves, or all but the object that the agent stumbled over."""
    if answer.status == 0 or (len(chunk) == 1 and answer.status in {_TOO_BIG, _NO_SUCH_NAME, _GEN_ERR}):
        return []
    if answer.status in {_NO_SUCH_NAME, _GEN_ERR} and 1 <= answer.index <= len(chunk):
        return [chunk[: answer.index - 1] + chunk[answer.index :]]
    if answer.status in {_TOO_BIG, _NO_SUCH_NAME, _GEN_ERR}:
        return [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
    raise _refused(answer)


def _refused(answer: _Answer) -> SnmpError:
    reason = Reason.AUTH_FAILED if answer.status in _REFUSALS else Reason.PROTOCOL
    return SnmpError(reason, f"the device answered with SNMP error status {answer.status}")


async def _request(session: _Asked, generator: Any, oids: Iterable[str], try_count: int, *limits: int) -> _Answer:
    """One request, sent up to ``try_count`` times. ``limits``: non-repeaters and max-repetitions of a GETBULK."""
    for _ in range(try_count):
        try:
            async with asyncio.timeout(session.device.settings.timeout_s):
                answer = _read(*await _send(session, generator, oids, *limits))
        except TimeoutError:
            continue
        except PySnmpError as error:
            raise SnmpError(Reason.PROTOCOL, f"SNMP failed: {error_text(error)}") from error
        manners.hear(session.device)
        return answer
    raise manners.silence(session.device)


async def _send(session: _Asked, generator: Any, oids: Iterable[str], *limits: int) -> tuple[Any, Any, Any, Any]:
    """One request by pysnmp's RFC 3413 application; its ``hlapi`` resolves each OID in MIBs, a third of all the CPU."""
    answered: asyncio.Future[tuple[Any, Any, Any, Any]] = asyncio.get_running_loop().create_future()

    def done(_engine: Any, _handle: Any, *answer: Any) -> None:
        if not answered.done():
            answered.set_result((answer[0], answer[1], answer[2], answer[3]))

    address_name, _ = _LCD.configure(session.engine, session.credentials, session.target)
    binds = [(rfc1902.ObjectName(oid), rfc1905.unSpecified) for oid in oids]
    generator().send_varbinds(session.engine, address_name, None, b"", *limits, binds, done)
    return await answered


def _read(indication: Any, status: Any, index: Any, binds: Iterable[Any]) -> _Answer:
    if isinstance(indication, errind.RequestTimedOut):
        raise TimeoutError
    if isinstance(indication, _AUTH_ERRORS):
        raise SnmpError(Reason.AUTH_FAILED, f"the device refused the SNMPv3 user or keys: {indication}")
    if indication:
        raise SnmpError(Reason.PROTOCOL, f"SNMP failed: {indication}")
    return _Answer(int(status), int(index), [(str(oid), value) for oid, value in binds])


@contextlib.asynccontextmanager
async def _session(device: Device) -> AsyncIterator[_Asked]:
    session = await _open(device)
    try:
        yield session
    except manners.SilentError:
        if device.settings.version == "3":
            _throw_away(session)
        raise


async def _open(device: Device) -> _Asked:
    address = await address_of(device)
    credentials, key = _credentials(device)
    kind = _Target6 if ":" in address[0] else _Target
    # Longer than ours: pysnmp then only clears away what we gave up.
    target = await kind.create(address, timeout=device.settings.timeout_s + 1, retries=0)
    return _Asked(_engine(device.session, key), credentials, target, device)


def _engine(session: Session, key: tuple[str | None, ...]) -> SnmpEngine:
    if key not in session.opened:
        session.opened[key] = SnmpEngine()
    return session.opened[key]


def _throw_away(asked: _Asked) -> None:
    engines = asked.device.session.opened
    for key in [key for key, known in engines.items() if known is asked.engine]:
        engines.pop(key).close_dispatcher()


def _credentials(device: Device) -> tuple[CommunityData | UsmUserData, tuple[str | None, ...]]:
    """Credentials, and the key of the engine that may hold them."""
    settings = device.settings
    secrets = credentials(settings)
    if secrets.community is not None:
        return CommunityData(secrets.community, mpModel=0 if settings.version == "1" else 1), ()
    user, auth, priv = secrets.user
    data = UsmUserData(user, auth, priv, authProtocol=USM_AUTH_HMAC192_SHA256, privProtocol=USM_PRIV_CFB128_AES)
    return data, (user, auth, priv, device.host, str(settings.port))


def _plain(binds: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Value]]:
    for oid, value in binds:
        if (converted := _convert(value)) is not None:
            yield oid, converted


def _convert(value: Any) -> Value | None:
    """A plain value; None for what is absent, or of a type that no object we ask for can have."""
    if isinstance(value, _ABSENT):
        return None
    if isinstance(value, univ.ObjectIdentifier):
        return str(value)
    if isinstance(value, rfc1902.IpAddress):
        return str(value.prettyPrint())
    if isinstance(value, univ.OctetString):
        return bytes(value)
    if isinstance(value, univ.Integer):
        return int(value)
    return None
