"""What both programs tell systemd, received by a socket like systemd's."""

import asyncio
import contextlib
import socket

import pytest

from classready.systemd import feed_watchdog, notify


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path, monkeypatch):
    """The receiving socket: in the file system, or in Linux's abstract namespace, as in containers."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1))
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield receiver


async def test_each_word_is_one_datagram(systemd):
    """systemd reads a datagram as one message, whichever kind of address it gave."""
    notify("READY=1")
    notify("STOPPING=1")
    assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_nobody_listening_is_no_fault(address, monkeypatch):
    """Started by hand, or by a systemd that went away: the program runs all the same."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_full_queue_holds_nobody_up(systemd):
    """A manager that does not read (stopped, or under a debugger) must not stop the program that reports to it."""
    for _ in range(10_000):
        notify("WATCHDOG=1")
    assert systemd.recv(100) == b"WATCHDOG=1"


async def test_the_watchdog_hears_only_of_the_well(systemd, monkeypatch):
    """Fed often enough for its timeout while all is well, and not at all while it is not."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    asked = 0

    async def is_well():
        nonlocal asked
        asked += 1
        return asked != 1

    feeding = asyncio.create_task(feed_watchdog(is_well))
    async with asyncio.timeout(10):
        while asked < 4:
            await asyncio.sleep(0.005)
    feeding.cancel()
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(systemd.recv(100))
    assert set(heard) == {b"WATCHDOG=1"}
    assert len(heard) in {asked - 1, asked - 2}


async def test_no_watchdog_asks_for_nothing(monkeypatch):
    """Without WatchdogSec= in the unit there is nothing to feed, and the task ends."""
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await feed_watchdog(pytest.fail)
