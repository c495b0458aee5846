"""What every driver needs before it can ask: where the device is, and what opens it."""

import functools
import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from agent import dial
from agent.snmp.contract import Device, SnmpError
from classready.devices import Snmp
from classready.observation import Reason
from classready.settings import read_secret

_GET_BYTES = 1_350
"""What the values of one answer may take: old switches drop fragments of an Ethernet frame. Headers and SNMPv3 need the
rest of the 1,472 bytes."""
_VALUE_BYTES = 13
"""Type and length of the pair, of the OID and of the value, and 7 bytes of it: many are smaller, few are larger."""


class Credentials(Struct, frozen=True, kw_only=True):
    """``community`` for versions 1 and 2c; None with version 3, which has ``user``: name and both passphrases."""

    community: str | None = None
    user: tuple[str, str, str] = ("", "", "")


async def address_of(device: Device) -> tuple[str, int]:
    """Address and port of ``device``.

    Raises:
        SnmpError: NAME_UNRESOLVED.
    """
    try:
        return str(ipaddress.ip_address(device.host)), device.settings.port
    except ValueError:
        pass
    try:
        found = await dial.resolve(device.host, device.settings.port, socket.SOCK_DGRAM)
    except dial.Unreached as error:
        raise SnmpError(error.reason, error.detail) from None
    return dial.shown(found[0]), device.settings.port


def credentials(settings: Snmp) -> Credentials:
    """Read the credentials that ``settings`` names.

    Raises:
        SnmpError: PERMISSION: a file cannot be read, or version 3 lacks one.
    """
    if settings.version != "3":
        return Credentials(community=_secret(settings.community_file) or settings.community)
    user, auth, priv = settings.user, _secret(settings.auth_key_file), _secret(settings.priv_key_file)
    if not user or not auth or not priv:
        raise SnmpError(Reason.PERMISSION, "SNMPv3 needs user, auth_key_file and priv_key_file")
    return Credentials(user=(user, auth, priv))


def _secret(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return read_secret(Path(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SnmpError(Reason.PERMISSION, f"{path}: {error}") from None


def batches(oids: Sequence[str], most_count: int | None = None) -> list[list[str]]:
    """What one GET each may ask for: as much as fits a frame, and at most ``most_count`` objects."""
    found = _batches(tuple(oids))
    if most_count is None:
        return found.copy()
    return [batch[i : i + most_count] for batch in found for i in range(0, len(batch), most_count)]


@functools.lru_cache(maxsize=32)
def _batches(oids: tuple[str, ...]) -> list[list[str]]:
    """A poll asks for the same as the one before it."""
    found: list[list[str]] = []
    room = 0
    for oid in oids:
        size = _answer_bytes(oid)
        if size > room:
            found.append([])
            room = _GET_BYTES
        found[-1].append(oid)
        room -= size
    return found


def _answer_bytes(oid: str) -> int:
    """About what an OID and its number take in an answer: seven bits to a byte, the first two numbers share one."""
    return _VALUE_BYTES - 1 + sum(max(1, -(-number.bit_length() // 7)) for number in numbers(oid))


def too_long(device: Device) -> SnmpError:
    """Make the error for a table that has more rows than may be read."""
    limit = device.settings.max_rows
    return SnmpError(Reason.PROTOCOL, f"more than {limit} values: it never ends, or snmp.max_rows is too small")


def circles(oid: str) -> SnmpError:
    """Make the error for a walk that has come to ``oid`` twice.

    Order is not asked of a device: agents that hold a table in the order of a hash, or of the text of its OIDs, give
    all of it all the same.
    """
    return SnmpError(Reason.PROTOCOL, f"OIDs do not increase: {oid} came twice, so the table has no end")


def numbers(oid: str) -> tuple[int, ...]:
    """An OID in the order of SNMP."""
    return tuple(map(int, oid.split(".")))
