"""A gateway's courier at work: a real spool, and a real link to a broker or a collector."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from agent.clock import Clock
from agent.courier import Courier
from agent.links import Link, open_link
from agent.metrics import Metrics
from agent.settings import AgentSettings, HttpLink, MqttLink, SpoolSettings
from agent.spool import Spool
from tests.support.mosquitto import Broker
from tests.support.records import ping_record


class Carrying(NamedTuple):
    courier: Courier
    spool: Spool
    way: Link

    async def append(self, count: int) -> None:
        """Live ones."""
        await self.spool.append([ping_record(monotonic_s=Clock("").now_s()) for _ in range(count)])

    async def held_count(self) -> int:
        return (await self.spool.statistics()).held_count


def over_mqtt(broker: Broker, gateway: str, timeout_s: float) -> MqttLink:
    password_file = str(broker.password_file(gateway))
    return MqttLink(host=broker.host, port=broker.port, tls=False, password_file=password_file, timeout_s=timeout_s)


@contextlib.asynccontextmanager
async def carrying(link: HttpLink | MqttLink, folder: Path, gateway: str = "gw-one") -> AsyncIterator[Carrying]:
    """Open the spool in ``folder`` and the link; reports go when they are asked for."""
    settings = AgentSettings(gateway=gateway, link=link, targets=(), report_interval_s=1.0)
    spool = await Spool.open(folder, SpoolSettings(), live_s=180)
    try:
        async with open_link(link, gateway, "0.1.0", settings.report_interval_s) as way:
            courier = Courier(
                settings=settings,
                spool=spool,
                link=way,
                clock=Clock("0" * 32),
                metrics=Metrics(),
                on_directives=lambda _directives, _at: None,
            )
            yield Carrying(courier, spool, way)
    finally:
        await spool.close()
