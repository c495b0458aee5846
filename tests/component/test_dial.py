"""Connections to hosts with several addresses, some of them dead."""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import dial
from agent.dial import ADDRESS_MAX_COUNT, Unreached, connect, in_turn, resolve
from classready.observation import Outcome, Reason
from classready.targets import HttpTarget
from tests.support.namespaces import Namespace, ip, join, namespaces
from tests.support.probing import observe


def v4(host: str, port: int = 80) -> dial.Address:
    return int(socket.AF_INET), (host, port)


def v6(host: str, port: int = 80) -> dial.Address:
    return int(socket.AF_INET6), (host, port, 0, 0)


@pytest.fixture
async def good() -> AsyncIterator[int]:
    """The port of a server on every IPv4 address of loopback."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture
def silent() -> Iterator[dial.Address]:
    """An address that never answers."""
    with _full("127.9.0.1") as listener:
        yield v4(*listener.getsockname())


@contextmanager
def _full(host: str) -> Iterator[socket.socket]:
    """A server whose queue is full: the kernel leaves every further SYN without an answer until one is accepted."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):
            yield listener


@pytest.fixture
def refusing() -> Iterator[dial.Address]:
    """A port that is taken and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.8.0.1", 0))
        yield int(socket.AF_INET), taken.getsockname()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a turn now waits for ever."""
    monkeypatch.setattr(dial, "ATTEMPT_DELAY_S", 1_000.0)


async def test_the_first_refuses_at_once(patient: None, refusing: dial.Address, good: int) -> None:
    """The next attempt does not wait for its turn, and what refused is told."""
    connected = await connect([refusing, v4("127.0.0.1", good)], 60)
    connected.sock.close()
    assert (connected.address, connected.others) == ("127.0.0.1", "refused: 127.8.0.1")


async def test_the_first_is_silent(silent: dial.Address, good: int) -> None:
    """It costs one delay, and is told apart from one that refused."""
    start_s = time.monotonic()
    connected = await connect([silent, v4("127.0.0.1", good)], 5)
    connected.sock.close()
    elapsed_s = time.monotonic() - start_s
    assert dial.ATTEMPT_DELAY_S <= elapsed_s < 2
    assert (connected.address, connected.others) == ("127.0.0.1", "no answer yet: 127.9.0.1")
    assert connected.seconds <= elapsed_s - dial.ATTEMPT_DELAY_S


async def test_the_slower_one_may_still_win(silent: dial.Address) -> None:
    """What was started first and needs longer than a delay is not given up."""
    with _full("127.9.0.2") as listener:
        asyncio.get_running_loop().call_later(0.5, _accept_one, listener)
        connected = await connect([v4(*listener.getsockname()), silent], 10)
        connected.sock.close()
    assert (connected.address, connected.others) == ("127.9.0.2", "")


async def test_all_refuse(patient: None, refusing: dial.Address) -> None:
    """Refused, at once, and the addresses are named."""
    with pytest.raises(Unreached) as caught:
        await connect([refusing, v6("::1", refusing[1][1])], 60)
    assert (caught.value.reason, caught.value.detail) == (Reason.REFUSED, "refused: 127.8.0.1, ::1")


async def test_one_refuses_and_one_is_silent(refusing: dial.Address, silent: dial.Address) -> None:
    """Whoever refuses is there: that says more than silence, and both are told."""
    with pytest.raises(Unreached) as caught:
        await connect([silent, refusing], 0.6)
    assert (caught.value.reason, caught.value.detail) == (
        Reason.REFUSED,
        "refused: 127.8.0.1; no answer: 127.9.0.1",
    )


async def test_all_are_silent(silent: dial.Address) -> None:
    """A timeout that ends when the caller said."""
    start_s = time.monotonic()
    with pytest.raises(Unreached) as caught:
        await connect([silent], 0.4)
    assert time.monotonic() - start_s < 2
    assert (caught.value.reason, caught.value.detail) == (Reason.TIMEOUT, "no answer: 127.9.0.1")


async def test_forty_addresses(patient: None, good: int, refusing: dial.Address) -> None:
    """The last of forty is reached; a text names a few and counts the rest."""
    addresses = [v4(f"127.8.1.{i}", refusing[1][1]) for i in range(39)]
    connected = await connect([*addresses, v4("127.0.0.1", good)], 60)
    connected.sock.close()
    assert connected.others == "refused: 127.8.1.0, 127.8.1.1, 127.8.1.2 and 36 more"


async def test_no_address() -> None:
    """Nothing to try is not reached, either."""
    with pytest.raises(Unreached) as caught:
        await connect([], 1)
    assert caught.value.detail


async def test_nothing_stays_open(silent: dial.Address, refusing: dial.Address, good: int) -> None:
    """Losers are closed, also where the caller was cancelled in the middle."""
    before = _open_files()
    connected = await connect([silent, silent, refusing, v4("127.0.0.1", good)], 5)
    connected.sock.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await connect([silent, v4("127.9.0.1", silent[1][1])], 5)
    await _until(lambda: _open_files() == before)


async def test_two_win_at_once(good: int) -> None:
    """Of two that let us in in the same turn of the loop, one is closed."""
    before = _open_files()
    race = dial._Race(asyncio.get_running_loop().time() + 5)
    for address in ("127.0.0.1", "127.0.0.2"):
        race._start(v4(address, good))
    await asyncio.wait(race._running)
    connected = race._take_done()
    race.end()
    assert connected.address == "127.0.0.1"
    connected.sock.close()
    await _until(lambda: _open_files() == before)


async def test_our_own_limits_blame_nobody(good: int) -> None:
    """Without a file descriptor to spare nothing was asked of the platform, so nothing is known of it."""
    target = HttpTarget(name="p", url=f"http://127.0.0.1:{good}/", deadline_s=5)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        (http,) = await observe(target)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (http.outcome, http.reason) == (Outcome.UNMEASURED, Reason.PROBE_BUG)
    assert "Too many open files" in http.detail


def test_families_take_turns() -> None:
    """Each once, the preferred family first, bounded in number, and no family crowds out the other."""
    six = [v6(f"2001:db8::{i:x}") for i in range(1, 5)]
    assert in_turn([*six, v4("192.0.2.1")]) == [six[0], v4("192.0.2.1"), *six[1:]]
    assert in_turn([v4("192.0.2.1"), v4("192.0.2.1"), six[0]]) == [v4("192.0.2.1"), six[0]]
    many = in_turn([*(v6(f"2001:db8::{i:x}") for i in range(1, 4000)), v4("192.0.2.1")])
    assert (len(many), many[1]) == (ADDRESS_MAX_COUNT, v4("192.0.2.1"))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", v4("127.0.0.1")),
        ("::1", v6("::1")),
        ("2001:db8::7", v6("2001:db8::7")),
        ("fe80::1%lo", (int(socket.AF_INET6), ("fe80::1", 80, 0, 1))),
    ],
)
async def test_literal_addresses(host: str, address: dial.Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """They need no resolver and no thread; a zone stays in what people read."""
    monkeypatch.setattr(threading, "Thread", None)
    assert await resolve(host, 80) == [address]
    assert dial.shown(address) == host


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".invalid", "fe80::1%nosuch0"])
async def test_unknown_names(host: str) -> None:
    """What cannot be resolved is named, whatever is wrong with it."""
    with pytest.raises(Unreached, match="^" + host[:3]) as caught:
        await resolve(host, 80)
    assert caught.value.reason is Reason.NAME_UNRESOLVED


async def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a name is asked for, one thread waits; its answer serves all who wait; files can still be read."""
    release, asked = threading.Event(), []
    real = socket.getaddrinfo

    def hanging(host: str, port: int, *args: object, **options: object) -> object:
        if options.get("flags"):
            return real(host, port, *args, **options)
        asked.append(host)
        release.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.9", port))]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    for _ in range(100):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await resolve("hanging.example", 443)
    assert asked == ["hanging.example"]
    assert len([t for t in threading.enumerate() if t.name.startswith("resolve hanging")]) == 1
    assert await asyncio.to_thread(os.getpid) == os.getpid()
    waiting = [asyncio.create_task(resolve("hanging.example", 443)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    release.set()
    assert await waiting[1] == await waiting[2] == [v4("192.0.2.9", 443)]
    await _until(lambda: not dial._lookups)
    assert asked == ["hanging.example"]


def _accept_one(listener: socket.socket) -> None:
    listener.accept()[0].close()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


HOSTS = (
    "".join(f"2001:db8:99::{i} four.test\n" for i in (66, 67, 68, 69))
    + """10.99.1.2 four.test
2001:db8:99::66 silent.test
2001:db8:aaaa::1 noroute.test
198.51.100.1 noroute.test
"""
)
SERVER = """
import http.server
http.server.ThreadingHTTPServer(("10.99.1.2", 8080), http.server.BaseHTTPRequestHandler).serve_forever()
"""
PROBE = """
import asyncio, sys, time
from classready.targets import HttpTarget
from classready.codec import encode
from tests.support.probing import observe
start_s = time.monotonic()
page = HttpTarget(name="p", url=sys.argv[1], deadline_s=5, accept_statuses=(200, 501), expect="Server: BaseHTTP")
(http,) = asyncio.run(observe(page))
print(encode(http).decode())
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Namespace]:
    """A namespace with its own hosts file, a server behind a cable, and IPv6 neighbours that never answer."""
    with namespaces("da", "db") as (gateway, school):
        device, _ = join(gateway, "10.99.1.1/24", school, "10.99.1.2/24")
        subprocess.run(gateway.command("sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0"), check=True)
        ip("-n", gateway.name, "addr", "add", "2001:db8:99::1/64", "dev", device, "nodad")
        for i in (66, 67, 68, 69):
            ip("-n", gateway.name, "neigh", "add", f"2001:db8:99::{i}", "lladdr", "02:00:00:00:00:99", "dev", device)
        ip("-n", gateway.name, "-6", "route", "add", "prohibit", "2001:db8:bbbb::/48")
        ip("-n", gateway.name, "route", "add", "unreachable", "198.51.100.0/24")
        etc = Path("/etc/netns") / gateway.name
        etc.mkdir(parents=True)
        (etc / "hosts").write_text(HOSTS)
        server = subprocess.Popen(school.command(sys.executable, "-c", SERVER), stderr=subprocess.DEVNULL)
        try:
            _listening(gateway)
            yield gateway
        finally:
            server.kill()
            server.wait()
            (etc / "hosts").unlink()
            etc.rmdir()


def _listening(gateway: Namespace) -> None:
    until_s = time.monotonic() + 20
    while True:
        try:
            gateway.call(socket.create_connection, ("10.99.1.2", 8080), 1).close()
        except OSError:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        else:
            return


def _probe(gateway: Namespace, host: str) -> dict[str, object]:
    command = gateway.command(sys.executable, "-c", PROBE, f"http://{host}:8080/")
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


@pytest.mark.netns
def test_four_dead_ipv6_addresses_and_one_good(gateway: Namespace) -> None:
    """Reachable within two seconds, and the detail says by which address, and which were dead."""
    http = _probe(gateway, "four.test")
    assert (http["outcome"], http["status"]) == ("answered", 501)
    assert dial.ATTEMPT_DELAY_S <= http["phases_s"]["connect"] < 2
    assert http["detail"] == "connected to 10.99.1.2 (no answer yet: 2001:db8:99::66)"


@pytest.mark.netns
@pytest.mark.parametrize(
    ("dead", "others"),
    [
        ([v6("2001:db8:aaaa::1")], "network is unreachable: 2001:db8:aaaa::1"),
        ([v6("2001:db8:bbbb::1")], "permission denied: 2001:db8:bbbb::1"),
        ([v4("198.51.100.1"), v4("198.51.100.2")], "no route to host: 198.51.100.1, 198.51.100.2"),
    ],
    ids=["no IPv6 at all", "prohibited", "unreachable"],
)
def test_what_fails_at_once_costs_nothing(
    patient: None, gateway: Namespace, dead: list[dial.Address], others: str
) -> None:
    """Without a way there, the next address is tried at once; the kernel's words are kept."""

    async def by_the_last() -> dial.Connected:
        connected = await connect([*dead, v4("10.99.1.2", 8080)], 60)
        connected.sock.close()
        return connected

    connected = gateway.call(lambda: asyncio.run(by_the_last()))
    assert (connected.address, connected.others) == ("10.99.1.2", others)


@pytest.mark.netns
def test_no_way_there(gateway: Namespace) -> None:
    """Unreachable, with every address, is known at once."""
    http = _probe(gateway, "noroute.test")
    assert (http["outcome"], http["reason"]) == ("no_answer", "unreachable")
    assert "network is unreachable: 2001:db8:aaaa::1" in http["detail"]
    assert "no route to host: 198.51.100.1" in http["detail"]


@pytest.mark.netns
def test_a_silent_platform(gateway: Namespace) -> None:
    """Nobody answers: a timeout within the probe's patience that names the address, and no connect phase."""
    http = _probe(gateway, "silent.test")
    assert (http["outcome"], http["reason"]) == ("no_answer", "timeout")
    assert http["detail"] == "no answer: 2001:db8:99::66"
    assert http["phases_s"]["connect"] is None


async def test_a_dot_at_the_end_of_a_name_of_the_hosts_file() -> None:
    """glibc finds it only without the dot; a name that is unknown either way is told as it was asked for."""
    assert v4("127.0.0.1") in await resolve("localhost.", 80)
    with pytest.raises(Unreached) as caught:
        await resolve("no-such-host.invalid.", 80)
    assert caught.value.reason is Reason.NAME_UNRESOLVED
