"""The whiteboard probe against a simulated panel and against net-snmp on this machine."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.demo.snmp_devices import Devices, Whiteboard
from classready.devices import Snmp
from classready.observation import Device, Outcome, Reason
from classready.targets import WhiteboardTarget
from tests.support import asking, snmpd
from tests.support.namespaces import join, namespaces
from tests.support.probing import observe


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    asking.close()
    await asyncio.sleep(0)


@pytest.fixture
async def devices() -> AsyncIterator[Devices]:
    async with Devices() as devices:
        yield devices


async def _probe(host: str, settings: Snmp | None, **changes: Any) -> Device:
    (device,) = await observe(WhiteboardTarget(name="b", host=host, classroom="b2-301", snmp=settings, **changes))
    assert isinstance(device, Device)
    return device


async def test_a_panel(devices: Devices) -> None:
    """Awake with its facts and its network card's speed; silent when it is off."""
    board = Whiteboard("b2-301", speed_mbps=100)
    host, port = await devices.add("b2-301", board)
    settings = Snmp(port=port, timeout_s=0.2)
    awake = await _probe(host, settings, icmp=False)
    assert (awake.outcome, awake.state, awake.seen_by) == (Outcome.ANSWERED, "awake", "snmp")
    assert (awake.nic_speed_bps, awake.facts["name"]) == (100_000_000, "b2-301")
    await devices.command(["board", "b2-301", "off"])
    silent = await _probe(host, settings, icmp=False)
    assert (silent.outcome, silent.state, silent.reason) == (Outcome.NO_ANSWER, None, Reason.TIMEOUT)


async def test_a_vendor_object_that_fails_costs_only_its_fact(devices: Devices) -> None:
    """A device that answers genErr when its vendor's object is asked for is awake, with all its other facts."""
    vendor = "1.3.6.1.4.1.99999.1.0"

    class Faulty(Whiteboard):
        def _fill(self, module, request, reply):
            if any(str(oid) == vendor for oid, _ in module.apiPDU.get_varbinds(request)):
                module.apiPDU.set_error_status(reply, 5)
            else:
                super()._fill(module, request, reply)

    host, port = await devices.add("b", Faulty("b2-301"))
    device = await _probe(host, Snmp(port=port, timeout_s=0.2), icmp=False, oids={"lamp_hours": vendor})
    assert (device.state, device.reason, device.nic_speed_bps) == ("awake", None, 10**9)
    assert device.facts is not None
    assert (device.facts["name"], device.facts.get("lamp_hours")) == ("b2-301", None)


async def test_wrong_community_is_still_awake_by_icmp(devices: Devices) -> None:
    """A device that does not open its SNMP but answers ping is there."""
    host, port = await devices.add("b", Whiteboard(community="secret"))
    device = await _probe(host, Snmp(port=port, timeout_s=0.2))
    assert (device.state, device.seen_by) == ("awake", "icmp")


async def test_silence_within_a_short_deadline(devices: Devices) -> None:
    """A board polled every two seconds with default SNMP settings says NO_ANSWER before it is cut off."""
    board = Whiteboard()
    host, port = await devices.add("b", board)
    board.on = False
    async with asyncio.timeout(2.0):
        device = await _probe(host, Snmp(port=port), icmp=False, interval_s=2.0)
    assert device.outcome is Outcome.NO_ANSWER


@pytest.mark.servers("snmpd")
async def test_net_snmp_as_a_board(tmp_path: Path) -> None:
    """snmpd with v3: its name is a fact; with wrong keys it refuses, which nobody does asleep."""
    with snmpd.running_snmpd(tmp_path) as server:
        good = await _probe("127.0.0.1", server.v3(), icmp=False, oids={"contact": "1.3.6.1.2.1.1.4.0"})
        refused = await _probe("127.0.0.1", server.v3(auth_key="another-secret"), icmp=False)
    assert (good.state, good.facts["name"]) == ("awake", snmpd.SYS_NAME)
    assert good.facts["contact"]
    assert (refused.state, refused.seen_by, refused.reason) == ("awake", "snmp", Reason.AUTH_FAILED)


@pytest.mark.netns
def test_nobody_there() -> None:
    """Neither SNMP nor ICMP is answered: no answer, and both ways are named."""

    async def probe() -> Device:
        try:
            return await _probe("10.98.0.77", Snmp(timeout_s=0.2))
        finally:
            asking.close()
            await asyncio.sleep(0)

    with namespaces("wa", "wb") as (gateway, school):
        join(gateway, "10.98.0.1/24", school, "10.98.0.2/24")
        device = gateway.call(lambda: asyncio.run(probe()))
    assert (device.outcome, device.state) == (Outcome.NO_ANSWER, None)
    assert "SNMP" in device.detail
    assert "ICMP" in device.detail


@pytest.mark.netns
def test_behind_a_firewall_that_drops_pings() -> None:
    """ARP is the last resort where the settings want it; a device that is gone does not answer it."""
    with namespaces("wc", "wd") as (gateway, lan):
        uplink, device = join(gateway, "10.96.0.1/24", lan, "10.96.0.2/24")
        subprocess.run(lan.command("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"), check=True)
        verify_after = f"net.ipv4.neigh.{uplink}.base_reachable_time_ms=1000"
        subprocess.run(gateway.command("sysctl", "-qw", verify_after), check=True)

        async def asked(*hosts: str, arp: bool) -> list[Device]:
            return await asyncio.gather(*(_probe(host, None, arp=arp) for host in hosts))

        (silent,) = gateway.call(lambda: asyncio.run(asked("10.96.0.2", arp=False)))
        assert (silent.outcome, silent.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
        there, nobody = gateway.call(lambda: asyncio.run(asked("10.96.0.2", "10.96.0.77", arp=True)))
        assert (there.outcome, there.state, there.seen_by) == (Outcome.ANSWERED, "awake", "arp")
        assert (nobody.outcome, nobody.state) == (Outcome.NO_ANSWER, None)
        subprocess.run(lan.command("ip", "link", "set", device, "arp", "off"), check=True)
        (gone,) = gateway.call(lambda: asyncio.run(asked("10.96.0.2", arp=True)))
        assert (gone.outcome, gone.state) == (Outcome.NO_ANSWER, None)
