"""A search with real packets: simulated devices on addresses of a namespace, and nobody on the others."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agent.discover import discover
from agent.discover.inspect import Device as Found
from agent.discover.inspect import Switch
from agent.discover.proposal import render
from bench.demo.snmp_devices import Devices, recorded
from classready.devices import Snmp
from tests.support.lying_agents import Endless, WrongTypes
from tests.support.namespaces import Namespace, join, namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip")]

REPOSITORY = Path(__file__).parents[2]
WALKS = Path(os.environ.get("CLASSREADY_WALKS") or REPOSITORY.parent / "shared" / "walks")
OWN = REPOSITORY / "tests" / "data" / "snmp"
BOARD = "10.97.0.31"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A gateway whose LAN has a switch with described ports, a panel with SNMP, and one that only answers ping."""
    log = tmp_path_factory.mktemp("devices") / "log"
    with namespaces("da", "db") as (gateway, lan), log.open("wb") as output:
        _, device = join(gateway, "10.97.0.1/24", lan, "10.97.0.2/24")
        for address in (BOARD, "10.97.0.32"):
            subprocess.run(lan.command("ip", "address", "add", f"{address}/24", "dev", device), check=True)
        shown = subprocess.run(lan.command("ip", "-j", "link", "show", device), check=True, capture_output=True).stdout
        mac = json.loads(shown)[0]["address"]
        lines = ["port 1 alias b2-301", "port 2 alias 三年级2班", f"port 2 plug {mac}", "port 24 neighbour core"]
        command = [sys.executable, "-m", "bench.demo.snmp_devices", "--switch=sw-core=10.97.0.2:161"]
        command += ["--board=panel=10.97.0.31:161", *(f"--do={line}" for line in lines)]
        process = subprocess.Popen(lan.command(*command), stdout=output, stderr=output, cwd=REPOSITORY)
        try:
            until_s = time.monotonic() + 20
            while not log.read_bytes() and time.monotonic() < until_s:
                time.sleep(0.05)
            assert json.loads(log.read_text()), log.read_text()
            yield gateway
        finally:
            process.terminate()
            process.wait()


def _discover(school: Namespace, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = school.command(sys.executable, "-m", "agent", "discover", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=60)


def test_a_school_is_found(school: Namespace, tmp_path: Path) -> None:
    """Switch, panel and the one that only pings; the panel's room is that of the port behind which its MAC is."""
    output = tmp_path / "targets.yml"
    done = _discover(school, "10.97.0.0/26", "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert "61 of 61 addresses" in done.stderr
    assert "1 switches with 2 described ports, 2 other devices" in done.stderr
    text = output.read_text(encoding="utf-8")
    targets = {target["host"]: target for target in yaml.safe_load(text)["targets"]}
    switch = targets["10.97.0.2"]
    assert (switch["name"], "trunks" in switch) == ("sw-core", False)
    assert '# trunks: recognised by itself, now "GE0/0/24"' in text
    assert switch["ports"] == {"GE0/0/1": "b2-301", "GE0/0/2": "sw-core-2"}
    assert targets[BOARD]["classroom"] == "sw-core-2"
    assert targets["10.97.0.32"]["snmp"] is None
    assert "10.97.0.1:" not in text


def test_nobody_is_there(school: Namespace) -> None:
    """Exit code 1, nothing on standard output, and what it may be."""
    done = _discover(school, "10.97.0.64/29")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing answered" in done.stderr


def test_the_rate_holds(school: Namespace) -> None:
    """14 addresses at 10 in a second take at least 1.3 s until the last one is begun."""
    began_s = time.monotonic()
    assert _discover(school, "10.97.0.80/28", "--rate", "10").returncode == 1
    assert time.monotonic() - began_s > 1.3


def test_an_interrupted_search_shows_what_it_has(school: Namespace) -> None:
    """Ctrl-C: exit code 130, and the switch that was found before."""
    command = school.command(sys.executable, "-m", "agent", "discover", "10.97.0.0/24", "--rate", "5")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        time.sleep(3)
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "host: 10.97.0.2" in stdout
    assert "Interrupted: 1 switches" in stderr


def test_without_the_permission_to_ping(school: Namespace) -> None:
    """SNMP finds what it can, and the summary says what is missing."""
    command = school.command("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable)
    done = subprocess.run(
        [*command, "-m", "agent", "discover", "10.97.0.0/30"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    assert "Devices without SNMP were not found" in done.stderr


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem) for p in (OWN / "address_tables.snmprec", *sorted(WALKS.glob("*.snmprec")))]
)
def test_recorded_switches_are_switches(path: Path, tmp_path: Path) -> None:
    """Whatever tables it lacks, a real switch is one, each of its ports is a line, and the proposal is YAML."""
    switches, others = asyncio.run(_search_recorded(path))
    assert (len(switches), others) == (1, [])
    assert len(switches[0].ports) > 5
    assert switches[0].problem is None
    text = render(switches, others)
    yaml.safe_load(text)
    assert all(json.dumps(port.name, ensure_ascii=False) in text for port in switches[0].ports)


async def _search_recorded(path: Path) -> tuple[list[Switch], list[Found]]:
    async with Devices() as devices:
        host, port = await devices.add("it", recorded(path))
        switches, others, _ = await discover(
            [host], [Snmp(port=port)], rate_per_s=50, progress=lambda _: None, stop=asyncio.Event()
        )
        return switches, others


def test_devices_that_lie() -> None:
    """Any type for any object: the search ends, and what it proposes is YAML."""
    asyncio.run(_search_liars())


async def _search_liars() -> None:
    async with Devices() as devices:
        host, port = await devices.add("a", WrongTypes(seed=1), "127.0.22.1")
        await devices.add("b", Endless(), "127.0.22.2", port)
        access = Snmp(port=port, timeout_s=0.5, max_rows=200)
        for _ in range(10):
            switches, others, _ = await discover(
                [host, "127.0.22.2"], [access], rate_per_s=100, progress=lambda _: None, stop=asyncio.Event()
            )
            assert len(switches) + len(others) == 2
            yaml.safe_load(render(switches, others))
