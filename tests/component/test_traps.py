"""Traps and informs, sent by net-snmp's own programs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.traps import Receiver
from classready.devices import Traps
from classready.targets import PingTarget, SwitchTarget, WhiteboardTarget
from tests.support.mosquitto import free_port
from tests.support.probing import made

pytestmark = pytest.mark.servers("snmptrap")

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
TARGETS = [
    SwitchTarget(name="sw1", host="127.0.0.1", ports={"GE1": "r1"}),
    WhiteboardTarget(name="board", host="127.0.0.1", classroom="r1"),
    SwitchTarget(name="sw2", host="127.0.0.2", ports={"GE1": "r2"}),
    PingTarget(name="p", host="127.0.0.1"),
]


class Ear:
    """A running receiver, and the targets that it hurried."""

    def __init__(self) -> None:
        self.port = free_port()
        self.hurried: list[str] = []
        settings = Traps(host="127.0.0.1", port=self.port, community="school")
        self.receiver = Receiver(settings, [made(target) for target in TARGETS], self.hurried.append)

    async def send(self, program: str, *arguments: str, community: str = "school") -> int:
        command = [program, "-m", "", "-r", "1", "-t", "1", "-c", community, *arguments]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        return await process.wait()

    async def until_hurried(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.hurried) < count:
                await asyncio.sleep(0.02)
        return self.hurried


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(ear.receiver.run())
    await asyncio.sleep(0.2)
    yield ear
    task.cancel()
    await asyncio.wait([task])


async def test_a_trap_hurries_its_sender(ear: Ear) -> None:
    """v2c: both targets at that address, and no other."""
    assert await ear.send("snmptrap", "-v", "2c", f"127.0.0.1:{ear.port}", "", LINK_DOWN) == 0
    assert await ear.until_hurried(2) == ["sw1", "board"]


async def test_version_1(ear: Ear) -> None:
    """The old form counts, too."""
    trap = ["", "127.0.0.1", "2", "0", "1"]
    assert await ear.send("snmptrap", "-v", "1", f"127.0.0.1:{ear.port}", *trap) == 0
    assert await ear.until_hurried(2) == ["sw1", "board"]


async def test_an_inform_is_answered(ear: Ear) -> None:
    """snmpinform waits for the answer, and fails without one."""
    assert await ear.send("snmpinform", "-v", "2c", f"127.0.0.1:{ear.port}", "", LINK_DOWN) == 0
    assert await ear.until_hurried(2) == ["sw1", "board"]


async def test_a_wrong_community_is_dropped(ear: Ear) -> None:
    """Nobody is hurried, and an inform stays unanswered."""
    assert await ear.send("snmpinform", "-v", "2c", f"127.0.0.1:{ear.port}", "", LINK_DOWN, community="x") != 0
    assert ear.hurried == []


async def test_garbage(ear: Ear) -> None:
    """What is no SNMP is dropped, and the next trap is heard."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", ear.port))
    for garbage in (b"", b"0", b"\x30\x82\xff\xff", b"\x30\x0a\x02\x01\x01\x04\x06school", bytes(1_400)):
        transport.sendto(garbage)
    transport.close()
    assert await ear.send("snmptrap", "-v", "2c", f"127.0.0.1:{ear.port}", "", LINK_DOWN) == 0
    assert await ear.until_hurried(2) == ["sw1", "board"]


async def test_a_port_that_is_taken(ear: Ear) -> None:
    """It is told, and the rest of the agent goes on."""
    other = Receiver(Traps(host="127.0.0.1", port=ear.port), [], print)
    async with asyncio.timeout(5):
        await other.run()
