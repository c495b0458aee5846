"""Finds switches and whiteboards in the school's own network, and proposes the targets for agent.yml.

``sweep`` asks every address once, ``inspect`` asks what was found more, ``proposal`` makes YAML of it.
"""

import asyncio
import contextlib
import functools
import ipaddress
from collections.abc import Callable, Iterable, Sequence

from agent import snmp
from agent.discover.inspect import Device, Switch, inspect
from agent.discover.sweep import sweep
from classready.devices import Snmp

ASK_ABOVE = 1_024
"""More addresses than this are confirmed by a person."""
MAX_ADDRESSES = 65_536
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
"""RFC 6598: providers give it to schools, too."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NotSweptError(ValueError):
    """What was given cannot or must not be searched; the text says why, for people."""


def network(text: str) -> Network:
    """Read ``192.168.1.0/24`` or a single address.

    Raises:
        NotSweptError: it is none, is not a private one, or is too large.
    """
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise NotSweptError(f"{text}: not a network; write it like 192.168.1.0/24") from None
    shared = isinstance(found, ipaddress.IPv4Network) and found.subnet_of(_SHARED)
    if not (found.is_private or shared):
        raise NotSweptError(f"{text}: not a network of your own; only private addresses are searched")
    if found.num_addresses > MAX_ADDRESSES:
        raise NotSweptError(f"{text}: {found.num_addresses} addresses; the largest is a /16, or a /112 of IPv6")
    return found


def addresses(networks: Iterable[Network]) -> list[str]:
    """Each address once, without those of networks themselves and of broadcasts."""
    return list(dict.fromkeys(str(address) for each in networks for address in each.hosts()))


async def discover(  # noqa: PLR0913 - what is asked, and how
    hosts: Sequence[str],
    accesses: Sequence[Snmp],
    *,
    rate_per_s: float,
    progress: Callable[[int], None],
    stop: asyncio.Event,
    switches_max: int | None = None,
) -> tuple[list[Switch], list[Device], bool]:
    """Search ``hosts``, beginning at most ``rate_per_s`` of them in a second, until ``stop``.

    ``progress`` is told how many are done; of more switches than ``switches_max`` no ports are read. Also returns
    whether this machine may ping.
    """
    with contextlib.closing(snmp.Session(snmp.installed)) as session:
        ways = [functools.partial(session.device, settings=access) for access in accesses]
        answers, may_ping = await sweep(hosts, ways, rate_per_s=rate_per_s, progress=progress, stop=stop)
        answers.sort(key=lambda answer: ipaddress.ip_address(answer.address).packed)
        switches, devices = await inspect(answers, session, switches_max)
    return switches, devices, may_ping
