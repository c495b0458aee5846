"""What the SNMP layer promises, whichever library speaks the protocol."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from classready.devices import Snmp
from classready.ids import Host
from classready.observation import Reason

Value = int | bytes | str
"""Integers, counters and time ticks are int; octet strings bytes; OIDs and IP addresses text."""


class Manners(Struct):
    """How a device wants to be asked, as far as it was found out; times are monotonic."""

    heard_s: float | None = None
    most_count: int | None = None
    """Objects in one answer; None = no limit was met."""
    bulk: bool = True
    found_s: float = 0.0
    """When the limits were found."""


class Session:
    """What is kept from one request to the next: the library's open things, and how each device wants to be asked.

    Whoever makes one closes it. It belongs to the event loop in which it is first used.
    """

    def __init__(self, choose: "Callable[[], Driver]") -> None:
        self._choose = choose
        self._driver: Driver | None = None
        self.manners: OrderedDict[Device, Manners] = OrderedDict()
        self.opened: dict[Hashable, Any] = {}
        """What the driver holds open, by names of its own."""

    @property
    def driver(self) -> "Driver":
        """The library is imported with the first request, never before."""
        self._driver = self._driver or self._choose()
        return self._driver

    def device(self, host: Host, settings: Snmp) -> "Device":
        return Device(host=host, settings=settings, session=self)

    def close(self) -> None:
        """Give back what is open and forget every device; the next request begins anew."""
        if self._driver is not None:
            self._driver.close(self)
        self.opened.clear()
        self.manners.clear()


class Device(Struct, frozen=True, kw_only=True):
    """Whom to ask, how, and in which session: in another one it is a stranger."""

    host: Host
    settings: Snmp
    session: Session

    def __str__(self) -> str:
        return f"{self.host} port {self.settings.port}, SNMP {self.settings.version}"


class SnmpError(Exception):
    """The device did not give what was asked for. ``reason`` is what an observation says, ``detail`` is for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    @property
    def silent(self) -> bool:
        """Nothing at all came back, so the device may be off; anything else is an answer of a kind."""
        return self.reason in {Reason.TIMEOUT, Reason.UNREACHABLE, Reason.NAME_UNRESOLVED}


class Driver(Protocol):
    async def get(self, device: Device, oids: Sequence[str]) -> dict[str, Value]:
        """Read single values. What the device does not have is left out.

        Raises:
            SnmpError: no usable answer within the device's timeout and retries.
        """
        ...

    async def walk(self, device: Device, base: str) -> dict[str, Value]:
        """Read everything below ``base``, in order, at most ``settings.max_rows`` values.

        Raises:
            SnmpError: as for ``get``; PROTOCOL where the device loops or never ends.
        """
        ...

    def close(self, session: Session, /) -> None:
        """Give back the sockets and timers of ``session``."""
        ...
