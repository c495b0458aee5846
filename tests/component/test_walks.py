"""Recorded devices, served over the wire: both drivers give back every value that the file holds."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent import snmp
from agent.snmp import gufo_driver, pysnmp_driver
from agent.snmp.contract import Driver
from bench.demo.snmp_devices import Devices, recorded
from classready.devices import Snmp
from tests.support import asking

OWN = Path(__file__).parents[1] / "data" / "snmp"
REAL = Path(os.environ.get("CLASSREADY_WALKS") or Path(__file__).parents[2].parent / "shared" / "walks")
WALKS = [*sorted(OWN.glob("*.snmprec")), *sorted(REAL.glob("*.snmprec"))]

TABLES = {
    "system": "1.3.6.1.2.1.1",
    "ifEntry": "1.3.6.1.2.1.2.2.1",
    "ipNetToMediaEntry": "1.3.6.1.2.1.4.22.1",
    "dot3StatsEntry": "1.3.6.1.2.1.10.7.2.1",
    "dot1dBasePortEntry": "1.3.6.1.2.1.17.1.4.1",
    "dot1dTpFdbEntry": "1.3.6.1.2.1.17.4.3.1",
    "dot1qTpFdbEntry": "1.3.6.1.2.1.17.7.1.2.2.1",
    "ifXEntry": "1.3.6.1.2.1.31.1.1.1",
    "pethPsePortEntry": "1.3.6.1.2.1.105.1.1.1",
    "lldpLocPortEntry": "1.0.8802.1.1.2.1.3.7.1",
    "lldpRemEntry": "1.0.8802.1.1.2.1.4.1.1",
}


@pytest.fixture(params=[gufo_driver, pysnmp_driver], ids=["gufo", "pysnmp"])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    asking.use(request.param)
    yield request.param
    asking.close()


def held(path: Path, base: str) -> dict[str, int | bytes | str]:
    """What the file says is below ``base``, read without the product's own reader of such files."""
    found: dict[str, int | bytes | str] = {}
    for line in path.read_bytes().split(b"\n"):
        if line.count(b"|") < 2:
            continue
        name, tag, text = line.split(b"|", 2)
        oid, kind = name.decode().strip("."), tag.decode()
        raw = bytes.fromhex(text.decode()) if kind.endswith("x") else text
        if not oid.startswith(f"{base}.") or kind == "5":
            continue
        if kind.rstrip("x") in {"2", "65", "66", "67", "70"}:
            found[oid] = int(raw)
        elif kind.rstrip("x") == "64":
            found[oid] = ".".join(map(str, raw)) if kind.endswith("x") else raw.decode()
        else:
            found[oid] = raw.decode() if kind == "6" else raw
    return found


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
async def test_every_value(path: Path) -> None:
    """Walked table by table, and asked for again one by one."""
    async with Devices() as devices:
        host, port = await devices.add("it", recorded(path))
        device = asking.device(host=host, settings=Snmp(port=port, max_rows=20_000))
        total = 0
        for base in TABLES.values():
            expected = held(path, base)
            walked = await snmp.walk(device, base)
            assert walked == expected
            assert list(walked) == sorted(walked, key=lambda oid: tuple(map(int, oid.split("."))))
            some = list(expected)[:60]
            assert await snmp.get(device, some) == {oid: expected[oid] for oid in some}
            total += len(expected)
        assert total > 20
