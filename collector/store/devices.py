"""Devices that somebody confirmed: what each gateway measures beside its templates."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.configuring.words import Device
from collector.store.tables import device

__all__ = ["Device", "load", "put", "remove"]

_device = device.c


async def load(connection: AsyncConnection) -> list[Device]:
    """Return all, by gateway and name."""
    rows = await connection.execute(select(device).order_by(_device.gateway, _device.name))
    return [
        Device(
            gateway=row.gateway,
            name=row.name,
            target=msgspec.json.decode(row.target),
            confirmed_by=row.confirmed_by,
            confirmed_at=row.confirmed_at,
        )
        for row in rows
    ]


async def put(connection: AsyncConnection, devices: Sequence[Device]) -> None:
    """Add them, each in place of one of the same name."""
    for each in devices:
        await remove(connection, each.gateway, [each.name])
        row = {
            "gateway": each.gateway,
            "name": each.name,
            "target": msgspec.json.encode(each.target).decode(),
            "confirmed_by": each.confirmed_by,
            "confirmed_at": each.confirmed_at,
        }
        await connection.execute(insert(device).values(row))


async def remove(connection: AsyncConnection, gateway: str, names: Collection[str]) -> None:
    for name in names:
        await connection.execute(delete(device).where(_device.gateway == gateway, _device.name == name))
