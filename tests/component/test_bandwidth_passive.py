"""Passive evidence on real counters: shaped lines under real traffic, interfaces that come and go, a switch by SNMP."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec
import pytest
from msgspec.structs import replace

from agent.probes.bandwidth import meter, passive
from agent.probes.bandwidth.passive import Sample
from bench.demo.snmp_devices import Devices, Switch
from classready.devices import Snmp
from classready.observation import Bandwidth, Outcome
from classready.targets import BandwidthTarget, UplinkPort
from classready.units import MBIT
from tests.support import asking
from tests.support.namespaces import ip
from tests.support.shaped_link import ShapedLink, shaped_link

THETAS = (95.0 * MBIT, 100.0 * MBIT)
WATCHED_S = 11.0
WATCH = f"""
import asyncio, sys
from pathlib import Path
from agent import snmp
from agent.clock import Clock
from agent.probes import bandwidth
from agent.probes.bandwidth.meter import Meter
from agent.probes.contract import Context
from classready.targets import BandwidthTarget
from classready.codec import encode
from msgspec.structs import replace
from tests.support.bandwidth_ends import DIRECTIVES, SETTINGS

async def main(interface, state_dir):
    target = BandwidthTarget(name="wan", host="10.91.0.1", interface=interface, mode="passive")
    meter = Meter([target], Clock("0" * 32).now_s, snmp.Session(snmp.installed))
    task = asyncio.create_task(meter.run())
    await asyncio.sleep({WATCHED_S})
    context = Context(settings=replace(SETTINGS, state_dir=state_dir), directives=DIRECTIVES, clock_good=True)
    [seen] = await bandwidth.observe(target, meter.since("wan", 0.0), context)
    task.cancel()
    print(encode(seen).decode())

asyncio.run(main(*sys.argv[1:]))
"""


@contextlib.contextmanager
def downloading(link: ShapedLink) -> Iterator[None]:
    """Four TCP streams from the far end, as fast as the line lets them, until the ``with`` block ends."""
    server = link.near.popen(["iperf3", "-s", "--forceflush"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert server.stdout is not None
    while b"listening" not in (line := server.stdout.readline()):
        assert line, "iperf3 -s has ended"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = ["iperf3", "-c", link.near.address, "-P", "4", "-t", "60"]
    client = link.far.popen(command, **quiet)
    try:
        yield
        assert client.poll() is None, "the traffic ended too soon"
    finally:
        for process in (client, server):
            process.terminate()
            process.communicate(timeout=10)


@pytest.mark.netns
@pytest.mark.servers("iperf3")
async def test_real_traffic_on_shaped_lines(tmp_path) -> None:
    """A full line of 150 proves itself; of 94, even with a bucket of 5 MB that is full at first, it never does."""
    lines = {"fast": (150.0, 32_000), "slow": (94.0, 5_000_000)}

    def watch(name: str) -> Bandwidth:
        (tmp_path / name).mkdir()
        with shaped_link() as link:
            link.set_rate(*lines[name])
            with downloading(link):
                program = [sys.executable, "-c", WATCH, link.near.interface, str(tmp_path / name)]
                shown = link.near.run(program, capture_output=True, text=True).stdout
        return msgspec.json.decode(shown, type=Bandwidth)

    fast, slow = await asyncio.gather(*(asyncio.to_thread(watch, name) for name in lines))
    assert (fast.outcome, fast.mode, fast.bytes) == (Outcome.PASS, "passive", 0), fast
    assert 105 * MBIT < fast.at_least_bps <= 150 * MBIT
    assert slow.outcome == Outcome.UNMEASURED, slow
    assert "used for 10 s" in slow.detail


@pytest.mark.netns
def test_an_interface_that_comes_and_goes() -> None:
    """Gone: no sample. Another one of the same name: no window from the old one's counters to the new one's."""
    name, now_s = "crpassive0", 0.0

    def make() -> None:
        ip("link", "add", name, "type", "veth", "peer", "name", "crpassive1")

    def read() -> Sample | None:
        nonlocal now_s
        now_s += 10
        return meter.read_interface(name, lambda: now_s)

    make()
    try:
        before = read()
        ip("link", "del", name)
        assert read() is None
        make()
        after = read()
    finally:
        subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
    assert before is not None
    assert after is not None
    assert before.port != after.port
    assert before.limit_bps is None, "what a virtual interface calls its speed was not negotiated"
    assert passive.best([before, replace(after, down_bytes=10**12)], "down", None) is None


# --- a switch -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def switch() -> AsyncIterator[tuple[Switch, meter.Meter, UplinkPort, list[float]]]:
    """A switch, a meter of its uplink, and the meter's clock, which the test sets."""
    now_s = [0.0]
    async with Devices() as devices:
        agent = Switch()
        host, port = await devices.add("sw1", agent)
        settings = Snmp(port=port, timeout_s=0.3, retry_count=0)
        source = UplinkPort(host=host, port="GE0/0/24", snmp=settings)
        target = BandwidthTarget(name="wan", host="h", uplink_port=source)
        yield agent, meter.Meter([target], lambda: now_s[0], asking.session()), source, now_s
    asking.close()
    await asyncio.sleep(0)


async def read_twice(switch, mbps: float, seconds: float = 120.0) -> Sequence[Sample]:
    """Two samples, between which the port received ``mbps``."""
    agent, watched, source, now_s = switch
    first = await watched._read(source)
    agent.port("GE0/0/24").counted_bytes += mbps * MBIT * seconds / 8
    now_s[0] += seconds
    second = await watched._read(source)
    return [sample for sample in (first, second) if sample is not None]


@pytest.mark.parametrize(("mbps", "expected"), [(200.0, True), (130.0, True), (118.0, False), (5_000.0, False)])
async def test_the_counters_of_a_switch(switch, mbps: float, *, expected: bool) -> None:
    """What the port received is the download, less for counters that may be half a minute old; not beyond its speed."""
    samples = await read_twice(switch, mbps)
    assert len(samples) == 2
    assert passive.proves(passive.best(samples, "down", None), THETAS) is expected


async def test_a_switch_that_does_not_tell(switch) -> None:
    """Silent, or without the port: no sample, and no way back to an old one's place in the tables."""
    agent, watched, source, _ = switch
    assert await watched._read(source) is not None
    agent.on = False
    assert await watched._read(source) is None
    agent.on = True
    assert await watched._read(source) is not None
    assert await watched._read(replace(source, port="GE9/9/9")) is None


async def test_ports_that_moved_in_the_tables(switch) -> None:
    """After a restart the index is another port's: it is noticed by the name, and looked for anew."""
    _, watched, source, _ = switch
    first = await watched._read(source)
    watched._cells[source] = watched._cells[source].rpartition(".")[0] + ".7"
    assert await watched._read(source) is None
    again = await watched._read(source)
    assert (again.port, again.limit_bps) == (first.port, first.limit_bps)
