"""SNMP in two functions. The library behind them is imported with the first call, never before."""

from collections.abc import Sequence

from agent.snmp.contract import Device, Driver, Session, SnmpError, Value
from classready.units import MBIT

__all__ = [
    "IF_SPEED_MAX_BPS",
    "Device",
    "Session",
    "SnmpError",
    "Value",
    "get",
    "installed",
    "integer",
    "is_ethernet_speed",
    "speed_bps",
    "text",
    "walk",
]

_NO_MBPS = 10**6
IF_SPEED_MAX_BPS = 2**32 - 1
_TEN_MBPS = 10
_100_GBPS_IN_MBPS = 100_000
_1BASE5_MBPS = 1
_EITHER_MBPS = 10_000
"""10 Gbit/s with ifSpeed in kbit/s, or 10 Mbit/s with ifHighSpeed in kbit/s: who knows."""


def installed() -> Driver:
    """gufo-snmp where its wheel is: a tenth of the processor time (docs/decisions/0018). pysnmp runs everywhere."""
    try:
        from agent.snmp import gufo_driver
    except ImportError:
        from agent.snmp import pysnmp_driver

        return pysnmp_driver
    return gufo_driver


async def get(device: Device, oids: Sequence[str]) -> dict[str, Value]:
    """See ``Driver.get``."""
    return await device.session.driver.get(device, oids)


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    return await device.session.driver.walk(device, base)


def integer(value: Value | None) -> int | None:
    """The value where it is a number >= 0, else None: a device may send any type for any object."""
    return value if isinstance(value, int) and value >= 0 else None


def speed_bps(high_mbps: int | None, low_bps: int | None) -> int | None:
    """What ifHighSpeed says, else ifSpeed (RFC 2863), whose largest value 2^32 - 1 means "at least"; 0 is none.

    Some D-Link switches give ifHighSpeed in bit/s (librenms/librenms#12957): a terabit is no port of a school. In
    kbit/s it would make 100 Gbit/s of 100 Mbit/s: ifSpeed then is a thousand times it, and right. But if that is less
    than any port has, it is ifSpeed that is in kbit/s; and beside 100 Gbit/s it would have to be 2^32 - 1.
    """
    if not high_mbps or high_mbps >= _NO_MBPS:
        return low_bps or None
    if low_bps and low_bps < _TEN_MBPS * MBIT:
        return low_bps if high_mbps >= _100_GBPS_IN_MBPS else high_mbps * MBIT
    if high_mbps * 1_000 != low_bps:
        return high_mbps * MBIT
    return low_bps if high_mbps != _EITHER_MBPS else None


def is_ethernet_speed(speed_bps: int, high_mbps: int | None) -> bool:
    """Whether a port can have it: less than 10 Mbit/s only where ifHighSpeed says so, too.

    1BASE5 of IEEE 802.3 is the slowest there ever was. What ifSpeed gives in Mbit/s or in kbit/s looks slower, and
    1 Gbit/s in kbit/s just like it.
    """
    confirmed = high_mbps is not None and high_mbps * MBIT == speed_bps
    return speed_bps >= (_1BASE5_MBPS if confirmed else _TEN_MBPS) * MBIT


def text(value: Value | None) -> str | None:
    """The value as text, None where it is empty or no string.

    RFC 3411 wants UTF-8; switches set up from a Chinese Windows terminal hold GBK.
    """
    if not isinstance(value, bytes):
        return None
    for encoding in ("utf-8", "gb18030"):
        try:
            return value.decode(encoding) or None
        except UnicodeDecodeError:
            continue
    return value.decode("utf-8", errors="replace")
