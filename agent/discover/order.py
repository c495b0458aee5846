"""What the bureau lets be searched, whether that was done already, and what of it is this gateway's own. Pure but for
the note beside the spool.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from agent.discover import MAX_ADDRESSES, Network, NotSweptError, network
from classready.codec import encode
from classready.measuring import Discovery

FILE_NAME = "searched"
OWN_MAX_ADDRESSES = 1_024
"""So many in all are searched without having been named: the LAN of a school, and not that of a county."""

_log = structlog.get_logger()


class Places(NamedTuple):
    """``left_out``: what is not searched, and why; for people."""

    networks: list[Network]
    left_out: str


def places(order: Discovery, own: Sequence[ipaddress.IPv4Network]) -> Places:
    """The networks that are named, else of the gateway's ``own`` private ones the smallest, as many as fit."""
    return _own(own) if order.networks is None else _named(order.networks)


def _named(texts: Sequence[str]) -> Places:
    networks, problems, count = list[Network](), list[str](), 0
    for text in texts:
        try:
            found = network(text)
        except NotSweptError as error:
            problems.append(str(error))
            continue
        count += found.num_addresses
        if count > MAX_ADDRESSES:
            problems.append(f"{text}: more than {MAX_ADDRESSES} addresses with those before it")
            break
        networks.append(found)
    return Places(networks, "; ".join(problems))


def _own(own: Sequence[ipaddress.IPv4Network]) -> Places:
    networks, problems, count = list[Network](), list[str](), 0
    for each in sorted(own, key=lambda network: (network.num_addresses, network)):
        if not each.is_private or each.is_link_local or each.is_loopback:
            continue
        if count + each.num_addresses > OWN_MAX_ADDRESSES:
            problems.append(f"{each} is not searched, {each.num_addresses} addresses: name it in discovery.networks")
            continue
        count += each.num_addresses
        networks.append(each)
    return Places(networks, "; ".join(problems))


def name_of(order: Discovery) -> str:
    """The same for the same order: another network or community, and whoever asks again, makes it a new one."""
    return hashlib.sha256(encode((order.networks, order.communities, order.again_at))).hexdigest()


def is_done(state_dir: Path, order: Discovery) -> bool:
    try:
        return (state_dir / FILE_NAME).read_text(encoding="ascii") == name_of(order)
    except (OSError, UnicodeDecodeError):
        return False


def note_done(state_dir: Path, order: Discovery) -> None:
    """Failing is no harm: it is searched once more after a restart."""
    try:
        (state_dir / FILE_NAME).write_text(name_of(order), encoding="ascii")
    except OSError as error:
        _log.warning("search_not_noted", error=str(error))
