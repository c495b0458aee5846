"""Devices that somebody confirmed, at work: in the store, and in memory, where each ack looks for them."""

import asyncio
from collections.abc import Collection, Iterable, Sequence

import msgspec
import structlog

from classready.targets import TargetSettings
from collector.engine.writing import Writer
from collector.store import devices, history
from collector.store.devices import Device

DEVICES_PER_GATEWAY_MAX = 500
"""More would not fit into its settings document."""

_log = structlog.get_logger()


class DeviceRefusedError(ValueError):
    """Whoever confirms it is at fault; nothing of what came with it was kept either."""


class Devices:
    """``revision`` grows whenever another device is there than before."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._busy = asyncio.Lock()
        self._of: dict[str, tuple[Device, ...]] = {}
        self.revision = 0

    def of(self, gateway: str) -> tuple[Device, ...]:
        """What was confirmed for ``gateway``, by name."""
        return self._of.get(gateway, ())

    async def load(self) -> None:
        """Read what the store has, before anything else is done.

        Raises:
            CommitFailedError: it is away.
        """
        async with self._writer.read() as connection:
            found = await devices.load(connection)
        self._of = {}
        for each in found:
            self._of[each.gateway] = (*self.of(each.gateway), each)
        self.revision += 1

    async def put(self, new: Sequence[Device], now: float) -> None:
        """Have gateways measure ``new``, each in place of what they have under that name.

        Raises:
            DeviceRefusedError: one of them is no target of agent.yml, or there are too many.
            CommitFailedError: none was taken.
        """
        for each in new:
            _check(each)
        async with self._busy:
            after = {gateway: self._with(gateway, new) for gateway in {each.gateway for each in new}}
            if full := next((g for g, those in after.items() if len(those) > DEVICES_PER_GATEWAY_MAX), None):
                raise DeviceRefusedError(f"{full} would have more than {DEVICES_PER_GATEWAY_MAX} confirmed devices")
            async with self._writer.exclusive() as connection:
                await devices.put(connection, new)
                for each in new:
                    await history.add_audit(
                        connection, now, each.confirmed_by, "device_confirmed", f"{each.gateway} {each.name}"
                    )
            self._of |= after
            self.revision += 1
        _log.info("devices_confirmed", count=len(new), gateways=sorted(after))

    async def remove(self, gateway: str, names: Collection[str], now: float, by: str = "") -> None:
        """Have ``gateway`` measure them no more.

        Raises:
            CommitFailedError: it still does.
        """
        async with self._busy:
            gone = [each.name for each in self.of(gateway) if each.name in names]
            async with self._writer.exclusive() as connection:
                await devices.remove(connection, gateway, gone)
                for name in gone:
                    await history.add_audit(connection, now, by, "device_removed", f"{gateway} {name}")
            self._of[gateway] = tuple(each for each in self.of(gateway) if each.name not in gone)
            self.revision += 1
        _log.info("devices_removed", gateway=gateway, count=len(gone))

    def _with(self, gateway: str, new: Iterable[Device]) -> tuple[Device, ...]:
        merged = {each.name: each for each in (*self.of(gateway), *new) if each.gateway == gateway}
        return tuple(merged[name] for name in sorted(merged))


def _check(device: Device) -> None:
    try:
        target = msgspec.convert(device.target, TargetSettings)
    except msgspec.ValidationError as error:
        raise DeviceRefusedError(f"{device.name}: {error}") from None
    if target.name != device.name:
        raise DeviceRefusedError(f"{device.name}: its target is called {target.name}")
