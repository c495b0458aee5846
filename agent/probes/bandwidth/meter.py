"""Reads the counters of the lines' ports while the agent runs: evidence that costs no bytes.

Only a port that the settings name is read (``interface`` or ``uplink_port``): through any other one traffic may go
that never sees the line. A source that cannot be read gives no sample; a reset, a wrap or another port behind the
same name is found by ``passive``.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from agent import snmp
from agent.probes.bandwidth.passive import Sample
from agent.probes.tools import Tools
from agent.settings import AgentSettings
from agent.snmp import SnmpError, Value
from classready.observation import clean_text
from classready.targets import BandwidthTarget, TargetSettings, UplinkPort
from classready.units import COUNTED_OVERHEAD_BYTES, MBIT

KEEP_S: Final = 7_200.0
_LOCAL_EVERY_S, _LOCAL_STALE_S = 10.0, 2.0
"""Drivers renew their counters at least every two seconds (e1000; most at each read, some once a second)."""
_SNMP_EVERY_S, _SNMP_STALE_S = 30.0, 30.0
"""Switches keep what they tell over SNMP for up to 30 s."""
_SNMP_PATIENCE_S = 20.0

_NET = Path("/sys/class/net")
_IFX_ENTRY = "1.3.6.1.2.1.31.1.1.1"
_NAMES = (f"{_IFX_ENTRY}.1", f"{_IFX_ENTRY}.18", "1.3.6.1.2.1.2.2.1.2")
"""ifName, ifAlias, ifDescr."""
_IN_OCTETS, _OUT_OCTETS = f"{_IFX_ENTRY}.6", f"{_IFX_ENTRY}.10"
_IN_PACKETS = tuple(f"{_IFX_ENTRY}.{column}" for column in (7, 8, 9))
_OUT_PACKETS = tuple(f"{_IFX_ENTRY}.{column}" for column in (11, 12, 13))
"""ifHC..UcastPkts, ..MulticastPkts, ..BroadcastPkts: 64 bits (RFC 2863)."""
_FRAMED_OVERHEAD_BYTES = COUNTED_OVERHEAD_BYTES - 4
"""Octets of a switch include the FCS (RFC 2863, section 3.1.5), those of Linux do not."""
_HIGH_SPEED, _DISCONTINUITY = f"{_IFX_ENTRY}.15", f"{_IFX_ENTRY}.19"

Source = str | UplinkPort
"""An interface of this machine, or a port of a switch."""

_log = structlog.get_logger()


def source_of(target: TargetSettings) -> Source | None:
    """Return what counts the line of ``target``; None = nothing that the settings name."""
    return target.uplink_port or target.interface if isinstance(target, BandwidthTarget) else None


def of_session(tools: Tools) -> "Meter":
    """Read as long as the session what its settings name."""
    meter = Meter(tools.settings.targets, tools.now_s, tools.snmp)
    tools.services["meter"] = meter.run
    return meter


def read_by(settings: AgentSettings) -> object:
    """What of ``settings`` a meter is made of."""
    return [(target.name, source_of(target)) for target in settings.targets if source_of(target) is not None]


class Meter:
    """The samples of each source, of the last ``KEEP_S``. ``now_s`` is the boot clock."""

    def __init__(self, targets: Sequence[TargetSettings], now_s: Callable[[], float], session: snmp.Session) -> None:
        self._now_s, self._session = now_s, session
        self._sources = {target.name: source for target in targets if (source := source_of(target)) is not None}
        self._samples: dict[Source, deque[Sample]] = {source: deque() for source in self._sources.values()}
        self._cells: dict[UplinkPort, str] = {}
        """Where the name of a port stands in the tables of its switch."""

    async def run(self) -> None:
        """Read every source, each at its own pace, until cancelled; without any there is nothing to do."""
        async with asyncio.TaskGroup() as group:
            for source in self._samples:
                group.create_task(self._keep_reading(source))

    def since(self, target: str, at_s: float) -> Sequence[Sample]:
        """The samples of ``target``'s source that were taken at ``at_s`` or later, oldest first."""
        source = self._sources.get(target)
        return [] if source is None else [sample for sample in self._samples[source] if sample.at_s >= at_s]

    def add(self, source: Source, sample: Sample) -> None:
        samples = self._samples[source]
        samples.append(sample)
        while sample.at_s - samples[0].at_s > KEEP_S:
            samples.popleft()

    async def _keep_reading(self, source: Source) -> None:
        readable = True
        while True:
            started_s = self._now_s()
            sample = await self._read(source)
            if sample is not None:
                self.add(source, sample)
            if readable is not (sample is not None):
                readable = not readable
                _log.info("counters_readable" if readable else "counters_unreadable", source=_name(source))
            every_s = _LOCAL_EVERY_S if isinstance(source, str) else _SNMP_EVERY_S
            await asyncio.sleep(max(1.0, started_s + every_s - self._now_s()))

    async def _read(self, source: Source) -> Sample | None:
        if isinstance(source, str):
            return await asyncio.to_thread(read_interface, source, self._now_s)
        try:
            async with asyncio.timeout(_SNMP_PATIENCE_S):
                return await self._read_switch(source)
        except (SnmpError, TimeoutError):
            return None

    async def _read_switch(self, port: UplinkPort) -> Sample | None:
        device = self._session.device(port.host, port.snmp)
        # ifIndex may move when the switch restarts: the name is read with each sample, at the place where it was found.
        cell = self._cells.get(port) or await _find(device, port.port)
        if cell is None:
            return None
        index = cell.rpartition(".")[2]
        columns = (_IN_OCTETS, _OUT_OCTETS, *_IN_PACKETS, *_OUT_PACKETS, _HIGH_SPEED, _DISCONTINUITY)
        before_s = self._now_s()
        values = await snmp.get(device, [cell, *(f"{column}.{index}" for column in columns)])
        after_s = self._now_s()
        if clean_text(snmp.text(values.get(cell)) or "") != clean_text(port.port):
            self._cells.pop(port, None)
            return None
        self._cells[port] = cell
        return switch_sample(values, index, before_s, after_s)


def read_interface(name: str, now_s: Callable[[], float]) -> Sample | None:
    """Sample an interface of this machine; None where it is gone, or does not count."""
    counters = _NET / name / "statistics"
    try:
        before_s = now_s()
        rx_bytes, rx_packets, tx_bytes, tx_packets = (
            int((counters / file).read_text()) for file in ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")
        )
        after_s = now_s()
        index = (_NET / name / "ifindex").read_text().strip()
    except (OSError, ValueError):
        return None
    limit_bps, _ = negotiated(name)
    return Sample(
        at_s=before_s,
        stale_s=_LOCAL_STALE_S + after_s - before_s,
        port=index,
        limit_bps=limit_bps,
        down_bytes=rx_bytes + COUNTED_OVERHEAD_BYTES * rx_packets,
        up_bytes=tx_bytes + COUNTED_OVERHEAD_BYTES * tx_packets,
    )


def negotiated(name: str) -> tuple[int | None, bool | None]:
    """Speed in bit/s and whether full duplex; None = not known. Virtual interfaces negotiate nothing."""
    folder = _NET / name
    try:
        if not (folder / "device").exists() or (folder / "operstate").read_text().strip() != "up":
            return None, None
        speed_mbps, duplex = int((folder / "speed").read_text()), (folder / "duplex").read_text().strip()
    except (OSError, ValueError):
        return None, None
    # Without a link drivers tell -1, some of them as an unsigned number (SPEED_UNKNOWN of linux/ethtool.h).
    return speed_mbps * MBIT if 0 < speed_mbps < 2**31 else None, {"full": True, "half": False}.get(duplex)


def switch_sample(values: Mapping[str, Value], index: str, before_s: float, after_s: float) -> Sample | None:
    """Interpret the counters of a switch port; what it received from the provider is the school's download.

    None without 64 bit octets, or where they stand still at 0 as on some D-Link switches: those of 32 bits may wrap
    unseen. Without all counts of packets none is credited.
    """

    def number(column: str) -> int | None:
        return snmp.integer(values.get(f"{column}.{index}"))

    octets = [number(column) for column in (_IN_OCTETS, _OUT_OCTETS)]
    packets = [number(column) for column in (*_IN_PACKETS, *_OUT_PACKETS)]
    # 32 bits wrap within the 30 s for which switches keep a value: at 1.1 Gbit/s, and unseen. They prove nothing.
    if octets[0] is None or octets[1] is None or octets == [0, 0]:
        return None
    known = [count for count in packets if count is not None]
    whole = len(known) == len(packets)
    in_packets, out_packets = (sum(known[:3]), sum(known[3:])) if whole else (0, 0)
    return Sample(
        at_s=before_s,
        stale_s=_SNMP_STALE_S + after_s - before_s,
        port=f"{index} {whole} {number(_DISCONTINUITY)}",
        limit_bps=snmp.speed_bps(number(_HIGH_SPEED), None),
        down_bytes=octets[0] + _FRAMED_OVERHEAD_BYTES * in_packets,
        up_bytes=octets[1] + _FRAMED_OVERHEAD_BYTES * out_packets,
    )


async def _find(device: snmp.Device, name: str) -> str | None:
    """Return the cell of the tables that holds ``name``; None where no port or several have it."""
    for column in _NAMES:
        rows = await snmp.walk(device, column)
        cells = [cell for cell, value in rows.items() if clean_text(snmp.text(value) or "") == clean_text(name)]
        if cells:
            return cells[0] if len(cells) == 1 else None
    return None


def _name(source: Source) -> str:
    return source if isinstance(source, str) else f"{source.host} {source.port}"
