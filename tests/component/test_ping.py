"""Real ICMP, in namespaces where nobody else answers, and without the permission for it."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pytest

from agent.probes.icmp import echo
from classready.observation import Outcome, Ping, Reason
from classready.targets import PingTarget
from tests.support.namespaces import Namespace, ip, join, namespaces
from tests.support.probing import observe

WITHOUT_RAW = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
CODE = """
import asyncio
from classready.targets import PingTarget
from tests.support.probing import observe
(ping,) = asyncio.run(observe(PingTarget(name="p", host="127.0.0.1", count=1)))
print(ping.outcome.value, ping.reason and ping.reason.value, ping.detail)
"""


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Namespace, Namespace]]:
    with namespaces("pa", "pb") as (gateway, school):
        join(gateway, "10.99.0.1/24", school, "10.99.0.2/24")
        yield gateway, school


def _ping(namespace: Namespace, host: str, **changes: object) -> Ping:
    target = PingTarget(name="p", host=host, packet_interval_s=0.05, **changes)
    (ping,) = namespace.call(lambda: asyncio.run(observe(target)))
    assert isinstance(ping, Ping)
    return ping


@pytest.mark.netns
def test_a_neighbour_answers(network: tuple[Namespace, Namespace]) -> None:
    """Every echo comes back, within milliseconds on a local link."""
    _ping(network[0], "10.99.0.2", count=1)  # an ARP request that a link just up has lost is repeated after 1 s
    ping = _ping(network[0], "10.99.0.2", count=5)
    assert (ping.outcome, ping.sent_count, ping.received_count) == (Outcome.ANSWERED, 5, 5)
    assert 0 < ping.rtt_s.min <= ping.rtt_s.median <= ping.rtt_s.max < 1
    assert ping.rtt_s.median < 0.1
    assert ping.jitter_s is not None


@pytest.mark.netns
def test_datagram_sockets_where_the_group_may(network: tuple[Namespace, Namespace]) -> None:
    """With ``ping_group_range`` set, the same comes without raw sockets."""
    told: list[str] = []
    gateway, _ = network
    subprocess.run(gateway.command("sysctl", "-qw", "net.ipv4.ping_group_range=0 0"), check=True)
    target = PingTarget(name="p", host="10.99.0.2", count=2, packet_interval_s=0.05)
    (ping,) = gateway.call(lambda: asyncio.run(observe(target, told=told)))
    subprocess.run(gateway.command("sysctl", "-qw", "net.ipv4.ping_group_range=1 0"), check=True)
    assert (ping.outcome, ping.received_count) == (Outcome.ANSWERED, 2)
    assert any("datagram" in line for line in told)


@pytest.mark.netns
def test_silence(network: tuple[Namespace, Namespace]) -> None:
    """Nobody there: NO_ANSWER after one timeout, whatever the count, and no times."""
    ping = _ping(network[0], "10.99.0.77", count=5, timeout_s=0.5)
    assert (ping.outcome, ping.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
    assert (ping.sent_count, ping.received_count, ping.rtt_s) == (5, 0, None)


@pytest.mark.netns
def test_silence_within_a_short_deadline(network: tuple[Namespace, Namespace]) -> None:
    """A target polled every second still says NO_ANSWER before its deadline cuts it off."""

    async def hurried() -> Outcome | None:
        async with asyncio.timeout(1):
            return (await observe(PingTarget(name="p", host="10.99.0.77", interval_s=1)))[0].outcome

    assert network[0].call(lambda: asyncio.run(hurried())) is Outcome.NO_ANSWER


@pytest.mark.netns
def test_no_route(network: tuple[Namespace, Namespace]) -> None:
    """No way there: nothing was sent, so no loss is claimed."""
    ping = _ping(network[0], "198.51.100.1")
    assert (ping.outcome, ping.reason, ping.sent_count) == (Outcome.NO_ANSWER, Reason.UNREACHABLE, None)


@pytest.mark.netns
def test_partial_loss(network: tuple[Namespace, Namespace]) -> None:
    """A neighbour that answers only so often: lost echoes are counted, the answered ones measured."""
    gateway, school = network
    subprocess.run(
        school.command("sysctl", "-qw", "net.ipv4.icmp_ratemask=1", "net.ipv4.icmp_ratelimit=1000"), check=True
    )
    ping = _ping(gateway, "10.99.0.2", count=40, timeout_s=0.3, deadline_s=10)
    subprocess.run(school.command("sysctl", "-qw", "net.ipv4.icmp_ratemask=6168"), check=True)
    assert ping.outcome is Outcome.ANSWERED
    assert ping.sent_count == 40
    assert 2 < ping.received_count < 38


@pytest.mark.netns
@pytest.mark.servers("fping")
@pytest.mark.parametrize("group_range", ["1 0", "0 0"], ids=["raw", "datagram"])
def test_sixty_at_once_beside_fping(group_range: str) -> None:
    """While the event loop is busy for 20 ms at a time, nearly every median is within 0.2 ms of fping's."""
    addresses = [f"10.98.0.{i}" for i in range(10, 70)]
    with namespaces("pc", "pd") as (gateway, school):
        _, device = join(gateway, "10.98.0.1/24", school, "10.98.0.2/24")
        for address in addresses:
            subprocess.run(school.command("ip", "address", "add", f"{address}/24", "dev", device), check=True)
        subprocess.run(gateway.command("sysctl", "-qw", f"net.ipv4.ping_group_range={group_range}"), check=True)
        _fping(gateway, addresses)  # neighbours are known from here on
        theirs = _fping(gateway, addresses)
        ours = gateway.call(lambda: asyncio.run(_while_busy(addresses)))
    errors_s = sorted(abs(ours[address] - theirs[address]) for address in addresses)
    assert errors_s[56] < 0.000_2, errors_s[-6:]


def _fping(namespace: Namespace, addresses: list[str]) -> dict[str, float]:
    """Median seconds of five echoes to each address, 0.1 s apart."""
    command = namespace.command("fping", "-q", "-C", "5", "-p", "100", *addresses)
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    split = (line.split(":") for line in lines if ":" in line)
    return {name.strip(): median(float(ms) for ms in times.split()) / 1000 for name, times in split}


async def _while_busy(addresses: list[str]) -> dict[str, float]:
    async def be_busy() -> None:
        while True:
            until = time.perf_counter() + 0.02
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0.01)

    busy = asyncio.create_task(be_busy())
    echoes = await asyncio.gather(*(echo(a, count=5, interval_s=0.1, timeout_s=2) for a in addresses))
    busy.cancel()
    assert all(len(each.rtts_s) == 5 for each in echoes)
    return {each.address: median(each.rtts_s) for each in echoes}


@pytest.mark.netns
@pytest.mark.parametrize("group_range", ["1 0", "0 0"], ids=["raw", "datagram"])
def test_two_at_the_same_address(network: tuple[Namespace, Namespace], group_range: str) -> None:
    """Two targets may be one machine: each takes its own answers only, over IPv4 and IPv6."""
    gateway, _ = network
    subprocess.run(gateway.command("sysctl", "-qw", f"net.ipv4.ping_group_range={group_range}"), check=True)

    async def both(host: str) -> list[int]:
        echoes = await asyncio.gather(*(echo(host, count=n, interval_s=0.01, timeout_s=1) for n in (3, 5)))
        return [len(each.rtts_s) for each in echoes]

    assert gateway.call(lambda: asyncio.run(both("10.99.0.2"))) == [3, 5]
    assert gateway.call(lambda: asyncio.run(both("::1"))) == [3, 5]
    subprocess.run(gateway.command("sysctl", "-qw", "net.ipv4.ping_group_range=1 0"), check=True)


DEAD = ["2001:db8:99::66", "2001:db8:99::67", "2001:db8:99::68"]
"""In the cable's network, with a MAC that nobody has: silent, unlike an address that no neighbour answers for."""


@pytest.fixture
def named(network: tuple[Namespace, Namespace], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives ``host.test`` addresses, in this order. Numbers are read as ever."""
    gateway, school = network
    device = f"to{school.name[-6:]}"
    ip("-n", gateway.name, "addr", "replace", "2001:db8:99::1/64", "dev", device, "nodad")
    for address in DEAD:
        ip("-n", gateway.name, "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", device)
    real = socket.getaddrinfo

    def as_if(*addresses: str) -> None:
        def getaddrinfo(host: str, *more: Any, **options: Any) -> Any:
            if host != "host.test":
                return real(host, *more, **options)
            if options.get("flags"):
                raise socket.gaierror(socket.EAI_NONAME, "not a number")
            return [found for address in addresses for found in real(address, *more, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return as_if


@pytest.mark.netns
def test_the_other_family_answers(network: tuple[Namespace, Namespace], named: Callable[..., None]) -> None:
    """Nobody answers over IPv6: IPv4 is asked; the counts are of the address that answered, and both are named."""
    named(*DEAD, "10.99.0.2")
    ping = _ping(network[0], "host.test", count=3, timeout_s=0.3)
    assert (ping.outcome, ping.sent_count, ping.received_count) == (Outcome.ANSWERED, 3, 3)
    assert ping.detail == "answered by 10.99.0.2 (no answer: 2001:db8:99::66)"


@pytest.mark.netns
def test_without_a_route_the_other_family_answers(
    network: tuple[Namespace, Namespace], named: Callable[..., None]
) -> None:
    """It costs nothing to find out."""
    named("2001:db8:aaaa::1", "10.99.0.2")
    ping = _ping(network[0], "host.test", count=1)
    assert (ping.outcome, ping.sent_count) == (Outcome.ANSWERED, 1)
    assert ping.detail == "answered by 10.99.0.2 (no route: 2001:db8:aaaa::1)"


@pytest.mark.netns
def test_no_family_answers(network: tuple[Namespace, Namespace], named: Callable[..., None]) -> None:
    """Loss is that of one address, not of all together; every one is named, and of many a few are asked."""
    named(*DEAD, "10.99.0.77", "10.99.0.78", "198.51.100.1")
    ping = _ping(network[0], "host.test", count=3, timeout_s=0.1)
    assert (ping.outcome, ping.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
    assert (ping.sent_count, ping.received_count, ping.rtt_s) == (3, 0, None)
    assert ping.detail == "no answer: 2001:db8:99::66; no answer: 10.99.0.77, 2001:db8:99::67, 10.99.0.78"


@pytest.mark.netns
def test_no_family_has_a_route(network: tuple[Namespace, Namespace], named: Callable[..., None]) -> None:
    """Nothing was sent, so no loss is claimed."""
    named("2001:db8:aaaa::1", "198.51.100.1")
    ping = _ping(network[0], "host.test")
    assert (ping.outcome, ping.reason, ping.sent_count) == (Outcome.NO_ANSWER, Reason.UNREACHABLE, None)
    assert ping.detail == "no route: 2001:db8:aaaa::1, 198.51.100.1"


@pytest.mark.netns
@pytest.mark.parametrize("interval_s", [1.0, 2.0])
def test_all_addresses_share_the_patience(
    network: tuple[Namespace, Namespace], named: Callable[..., None], interval_s: float
) -> None:
    """However many are silent, the probe says so before its deadline."""
    named(*DEAD, "10.99.0.77")

    async def hurried() -> Outcome | None:
        async with asyncio.timeout(interval_s):
            return (await observe(PingTarget(name="p", host="host.test", interval_s=interval_s)))[0].outcome

    assert network[0].call(lambda: asyncio.run(hurried())) is Outcome.NO_ANSWER


@pytest.mark.netns
def test_a_link_local_neighbour(network: tuple[Namespace, Namespace]) -> None:
    """An address with its interface is asked through that interface."""
    gateway, school = network
    device = f"to{school.name[-6:]}"
    told = subprocess.run(
        school.command("ip", "-6", "-o", "addr", "show", "scope", "link"), check=True, capture_output=True, text=True
    )
    neighbour = next(word for word in told.stdout.split() if word.startswith("fe80:")).partition("/")[0]
    ping = _ping(gateway, f"{neighbour}%{device}", count=1)
    assert (ping.outcome, ping.detail) == (Outcome.ANSWERED, None)


async def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named before the deadline cuts the probe off."""
    release, real = threading.Event(), socket.getaddrinfo

    def getaddrinfo(*more: Any, **options: Any) -> Any:
        if not options.get("flags"):
            release.wait(30)
        return real(*more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with asyncio.timeout(10):
        (ping,) = await observe(PingTarget(name="p", host="hanging.invalid", interval_s=1))
    release.set()
    assert (ping.outcome, ping.reason) == (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED)
    assert ping.detail == "hanging.invalid: no answer from the resolver within 0.4 s"


async def test_unknown_name() -> None:
    """A name that does not resolve is no answer, and says so."""
    (ping,) = await observe(PingTarget(name="p", host="no-such-host.invalid"))
    assert (ping.outcome, ping.reason) == (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED)
    assert "no-such-host.invalid" in ping.detail


@pytest.mark.netns
@pytest.mark.servers("setpriv")
def test_without_permission(network: tuple[Namespace, Namespace]) -> None:
    """An agent that may not ping is not measuring a dead host: UNMEASURED, and what to do about it."""
    command = network[0].command(*WITHOUT_RAW, sys.executable, "-c", CODE)
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.startswith("unmeasured permission ")
    assert "CAP_NET_RAW" in told
    assert "ping_group_range" in told
