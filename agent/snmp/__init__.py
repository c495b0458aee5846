"""SNMP in two functions. The library behind them is imported with the first call, never before."""

from collections.abc import Sequence

from agent.snmp import manners
from agent.snmp.contract import Device, Driver, SnmpError, Value
from classready.units import MBIT

__all__ = [
    "ETHERNET_MIN_BPS",
    "IF_SPEED_MAX_BPS",
    "Device",
    "SnmpError",
    "Value",
    "close",
    "get",
    "integer",
    "speed_bps",
    "text",
    "walk",
]

_NO_MBPS = 10**6
IF_SPEED_MAX_BPS = 2**32 - 1
ETHERNET_MIN_BPS = 1 * MBIT
"""1BASE5 of IEEE 802.3, the slowest there ever was. Below it ifSpeed was given in Mbit/s or in kbit/s."""

_drivers: list[Driver] = []


def _driver() -> Driver:
    """gufo-snmp where it is installed: a tenth of the processor time. pysnmp runs everywhere."""
    if not _drivers:
        try:
            from agent.snmp import gufo_driver

            _drivers.append(gufo_driver)
        except ImportError:
            from agent.snmp import pysnmp_driver

            _drivers.append(pysnmp_driver)
    return _drivers[0]


def use(driver: Driver) -> None:
    """Ask through ``driver`` until ``close``: for tests and benchmarks."""
    close()
    _drivers.append(driver)


async def get(device: Device, oids: Sequence[str]) -> dict[str, Value]:
    """See ``Driver.get``."""
    return await _driver().get(device, oids)


async def walk(device: Device, base: str) -> dict[str, Value]:
    """See ``Driver.walk``."""
    return await _driver().walk(device, base)


def close() -> None:
    """Close what was opened; nothing happens when SNMP was never used. The next call opens it again."""
    for driver in _drivers:
        driver.close()
    _drivers.clear()
    manners.forget()


def integer(value: Value | None) -> int | None:
    """The value where it is a number >= 0, else None: a device may send any type for any object."""
    return value if isinstance(value, int) and value >= 0 else None


def speed_bps(high_mbps: int | None, low_bps: int | None) -> int | None:
    """What ifHighSpeed says, else ifSpeed (RFC 2863), whose largest value 2^32 - 1 means "at least"; 0 is none.

    Some D-Link switches give ifHighSpeed in bit/s (librenms/librenms#12957): a terabit is no port of a school. In
    kbit/s it would make 100 Gbit/s of 100 Mbit/s: ifSpeed then is a thousand times it, and right.
    """
    if not high_mbps or high_mbps >= _NO_MBPS or high_mbps * 1_000 == low_bps:
        return low_bps or None
    return high_mbps * MBIT


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
