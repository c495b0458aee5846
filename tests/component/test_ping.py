"""Real ICMP, in namespaces where nobody else answers, and without the permission for it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.settings import PingTarget
from classready.observation import Outcome, Ping, Reason
from tests.support.namespaces import Namespace, join, namespaces
from tests.support.probing import observe

WITHOUT_RAW = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
CODE = """
import asyncio
from agent.settings import PingTarget
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
    ping = _ping(network[0], "10.99.0.2", count=5)
    assert (ping.outcome, ping.sent_count, ping.received_count) == (Outcome.ANSWERED, 5, 5)
    assert 0 < ping.rtt_s.min <= ping.rtt_s.median <= ping.rtt_s.max < 0.1
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
