"""Which MACs lead out of a school's network: from a gateway, and from a box that stands beside one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import network
from tests.support.namespaces import Namespace, join, namespaces

REPOSITORY = Path(__file__).parents[2]
CODE = "import json; from agent import network; print(json.dumps(network.ways_out('10.96.0.2', 161)))"


@pytest.fixture(scope="module")
def school() -> Iterator[tuple[Namespace, Namespace, Namespace]]:
    """An agent's machine, the switch's side of its cable, and the provider's."""
    with namespaces("na", "nb", "nc") as (machine, switch, provider):
        join(machine, "10.96.0.1/24", switch, "10.96.0.2/24")
        join(machine, "10.96.1.1/24", provider, "10.96.1.2/24")
        yield machine, switch, provider


def mac(namespace: Namespace, towards: Namespace) -> str:
    shown = subprocess.run(
        namespace.command("ip", "-j", "link", "show", f"to{towards.name[-6:]}"), capture_output=True, check=True
    )
    return str(json.loads(shown.stdout)[0]["address"])


def ways_out(machine: Namespace) -> list[str]:
    done = subprocess.run(
        machine.command(sys.executable, "-c", CODE), capture_output=True, check=True, text=True, cwd=REPOSITORY
    )
    return list(json.loads(done.stdout))


@pytest.mark.netns
@pytest.mark.servers("fping")
@pytest.mark.parametrize(
    ("router", "expected"),
    [
        pytest.param(None, ["own"], id="no default route"),
        pytest.param("10.96.1.2", ["own"], id="it is the gateway: the provider is on another side"),
        pytest.param("10.96.0.2", ["router", "own"], id="it stands beside the gateway"),
        pytest.param("10.96.0.9", ["own"], id="a router that is not there"),
    ],
)
def test_ways_out(school: tuple[Namespace, Namespace, Namespace], router: str | None, expected: list[str]) -> None:
    """This machine, unless its default route leads back through the interface with the switch."""
    machine, switch, _ = school
    subprocess.run(machine.command("ip", "route", "del", "default"), check=False, capture_output=True)
    if router is not None:
        machine.route(router)
        ping = machine.command("fping", "-c", "1", "-t", "500", router)
        subprocess.run(ping, check=False, capture_output=True)
    known = {"own": mac(machine, switch), "router": mac(switch, machine)}
    assert ways_out(machine) == [known[name] for name in expected]


HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LITTLE_ENDIAN = pytest.mark.skipif(sys.byteorder != "little", reason="the kernel writes addresses in its own order")


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", ["192.168.0.1"]),
        ("eth1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", []),
        ("eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", []),
        ("eth0\t00000000\t00000000\t0001\t0\t0\t100\t00000000\t0\t0\t0\n", []),
        ("", []),
    ],
)
@LITTLE_ENDIAN
def test_default_routers(tmp_path: Path, routes: str, expected: list[str]) -> None:
    """Only default routes with a router count, and only those of the interface."""
    (tmp_path / "route").write_text(HEAD + routes)
    assert network.default_routers("eth0", tmp_path / "route") == expected


def test_a_machine_without_ipv4(tmp_path: Path) -> None:
    """There is no table at all."""
    assert network.default_routers("eth0", tmp_path / "none") == []
