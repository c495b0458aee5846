"""Asks each address once: one echo, and one SNMP request for each way to open a device."""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from agent import snmp
from agent.probes.contract import silent
from agent.probes.icmp import Unanswered, echo
from agent.probes.switch import bridge
from agent.snmp import SnmpError
from classready.devices import Snmp
from classready.ids import Host
from classready.observation import Reason, clean_text

SYS_DESCR, SYS_NAME, SYS_SERVICES = (f"1.3.6.1.2.1.1.{column}.0" for column in (1, 5, 7))
PRINTER_CHANGES = "1.3.6.1.2.1.43.5.1.1.1.1"
"""prtGeneralConfigChanges of the first device (RFC 3805): only printers have it."""

_DATALINK = 0x02
"""sysServices of RFC 3418: layer 2, as bridges have it."""
_ECHO_TIMEOUT_S = 1.0
_AT_ONCE = 64


class System(Struct, frozen=True, kw_only=True):
    """What an SNMP device says it is, and how it was opened."""

    access: Snmp
    name: str
    description: str
    is_switch: bool
    is_printer: bool


class Answer(Struct, frozen=True, kw_only=True):
    """An address at which something is. ``system`` None: it answers to echo only."""

    address: Host
    system: System | None


Way = Callable[[Host], snmp.Device]
"""A host, asked with one of the given secrets."""


async def sweep(
    hosts: Sequence[Host],
    ways: Sequence[Way],
    *,
    rate_per_s: float,
    progress: Callable[[int], None],
    stop: asyncio.Event,
) -> tuple[list[Answer], bool]:
    """Who answers, and whether this machine may ping."""
    began_s, slots = asyncio.get_running_loop().time(), asyncio.Semaphore(_AT_ONCE)
    answers: list[Answer] = []
    done_count, may_ping = 0, True

    async def ask(host: Host) -> None:
        nonlocal done_count, may_ping
        try:
            echoed, system = await asyncio.gather(_echoes(host), _system(host, ways))
        finally:
            slots.release()
        may_ping = may_ping and echoed is not None
        if echoed or system is not None:
            answers.append(Answer(address=host, system=system))
        done_count += 1
        progress(done_count)

    async with asyncio.TaskGroup() as group:
        for number, host in enumerate(hosts):
            await _until(began_s + number / rate_per_s, stop)
            if stop.is_set():
                break
            await slots.acquire()
            group.create_task(ask(host))
    return answers, may_ping


async def _until(moment_s: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout_at(moment_s):
            await stop.wait()
    except TimeoutError:
        pass


async def _echoes(host: Host) -> bool | None:
    """Whether ``host`` answers; None where we may not ask."""
    try:
        return bool((await echo(host, count=1, interval_s=0, timeout_s=_ECHO_TIMEOUT_S)).rtts_s)
    except Unanswered as error:
        return None if error.reason is Reason.PERMISSION else False


async def _system(host: Host, ways: Sequence[Way]) -> System | None:
    """The first way that opens it. Nothing at all from one mostly means that there is no SNMP, or another secret."""
    for way in ways:
        device = way(host)
        try:
            values = await snmp.get(device, [SYS_DESCR, SYS_NAME, SYS_SERVICES, PRINTER_CHANGES])
            bridge_ports = await bridge.base_ports(device, silent)
        except SnmpError:
            continue
        services = snmp.integer(values.get(SYS_SERVICES)) or 0
        return System(
            access=device.settings,
            name=clean_text(snmp.text(values.get(SYS_NAME)) or ""),
            description=clean_text(snmp.text(values.get(SYS_DESCR)) or ""),
            is_switch=bool(services & _DATALINK) or len(bridge_ports) > 1,
            is_printer=PRINTER_CHANGES in values,
        )
    return None
