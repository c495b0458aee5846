"""All ports of a switch, whether anybody bound them or not."""

import asyncio
from collections.abc import Sequence

from agent import snmp
from agent.acceptance.sheet import Switch, SwitchPort
from agent.probes.contract import silent
from agent.probes.switch import mib, names
from agent.snmp import SnmpError
from classready.observation import clean_text
from classready.targets import SwitchTarget

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
ONE_S = 60.0
"""A stack of eight switches of an old kind needs half of it."""
AT_ONCE_COUNT = 8


async def read_all(targets: Sequence[SwitchTarget]) -> list[Switch]:
    """Ask each of ``targets`` for all its ports, in their order; one that does not answer says why."""
    session, slots = snmp.Session(snmp.installed), asyncio.Semaphore(AT_ONCE_COUNT)

    async def one(target: SwitchTarget) -> Switch:
        async with slots:
            return await _read(target, session)

    try:
        return await asyncio.gather(*map(one, targets))
    finally:
        session.close()


async def _read(target: SwitchTarget, session: snmp.Session) -> Switch:
    try:
        async with asyncio.timeout(ONE_S):
            return await _with_ports(target, session.device(target.host, target.snmp))
    except TimeoutError:
        problem = f"not finished within {ONE_S:g} s"
    except SnmpError as error:
        problem = error.detail
    return Switch(name=target.name, host=target.host, problem=clean_text(problem))


async def _with_ports(target: SwitchTarget, device: snmp.Device) -> Switch:
    """Raises ``SnmpError``."""
    described = await snmp.get(device, [SYS_DESCR])
    named = await names.find(device, (), silent)
    known = sorted(named.if_descrs | named.if_names)
    indexes = sorted(set(known) - await mib.bundles(device, known))
    readings = await mib.read(device, indexes, with_errors=False)
    aliases = await mib.optional_walk(device, mib.IF_ALIAS, silent)
    return Switch(
        name=target.name,
        host=target.host,
        description=mib.plain_name(described.get(SYS_DESCR)),
        ports=tuple(
            SwitchPort(
                name=named.name(index),
                alias=mib.plain_name(aliases.get(f"{mib.IF_ALIAS}.{index}")),
                up=readings[index].oper_up,
                speed_bps=readings[index].speed_bps,
                full_duplex=readings[index].full_duplex,
            )
            for index in indexes
        ),
    )
