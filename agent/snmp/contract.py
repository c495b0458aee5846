"""What the SNMP layer promises, whichever library speaks the protocol."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from agent.settings import Snmp
from classready.ids import Host
from classready.observation import Reason

Value = int | bytes | str
"""Integers, counters and time ticks are int; octet strings bytes; OIDs and IP addresses text."""


class Device(Struct, frozen=True, kw_only=True):
    """Whom to ask, and how."""

    host: Host
    settings: Snmp

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

    def close(self) -> None:
        """Give sockets and timers back. The next call opens them again."""
        ...
