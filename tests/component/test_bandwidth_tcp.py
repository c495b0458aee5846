"""The test by TCP streams: on loopback what can go wrong, on shaped lines between network namespaces the verdict."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agent.probes.bandwidth import exchange, tcp
from classready.bandwidth.packets import group_of
from classready.bandwidth.streams import SECONDS
from classready.codec import encode
from classready.observation import Bandwidth, Outcome, Reason
from classready.targets import BandwidthTarget
from classready.units import MBIT, MBYTE
from tests.component.test_responder import KEY, Client, serving
from tests.support.shaped_link import ShapedLink, shaped_link

TARGET = BandwidthTarget(name="wan", host="127.0.0.1", mode="tcp")


def asked(port: int, key: bytes = b"", **wishes: Any) -> exchange.Test:
    return exchange.Test(
        target=replace(TARGET, port=port, **wishes),
        thetas_bps=(95.0 * MBIT, 100.0 * MBIT),
        key=key,
        cancelled=threading.Event(),
        explain=lambda _: None,
        state_dir=Path("unused"),
        now_s=None,
        may_drain_again=False,
        may_learn=False,
    )


async def observe(test: exchange.Test) -> Bandwidth:
    """Test once; the observation must survive the wire."""
    return msgspec.json.decode(encode(await asyncio.to_thread(tcp.run, test)), type=Bandwidth)


@pytest.mark.parametrize("direction", ["down", "up"])
async def test_a_line_that_is_fast_enough(direction: str) -> None:
    """Loopback passes, with all evidence, and is offered no more than 1.5 times what is asked of it."""
    async with serving() as port:
        seen = await observe(asked(port, direction=direction))
    assert (seen.outcome, seen.mode, seen.direction) == (Outcome.PASS, "tcp", direction), seen
    assert seen.at_least_bps >= 95 * MBIT
    assert seen.bytes <= 1.5 * 100 * MBIT / 8 * seen.seconds * 1.1 + MBYTE
    assert seen.windows.count >= 5
    assert seen.windows.min_bps <= seen.windows.median_bps <= seen.windows.max_bps


async def test_a_cancelled_test_ends_at_once() -> None:
    """In the middle of the load: over within 50 ms, and the responder is free again."""
    async with serving() as port:
        test = asked(port)
        running = asyncio.create_task(observe(test))
        await asyncio.sleep(0.4)
        test.cancelled.set()
        started_s = time.monotonic()
        seen = await running
        assert time.monotonic() - started_s < 0.1
        assert (seen.outcome, seen.reason, seen.mode) == (Outcome.UNMEASURED, Reason.DEADLINE, "tcp")
        async with asyncio.timeout(1):
            while (await observe(replace(test, thetas_bps=(1e12, 2e12)))).reason == Reason.PEER_BUSY:
                pass


@pytest.mark.parametrize(
    ("own", "reason"), [(b"", Reason.AUTH_FAILED), (b"wrong", Reason.AUTH_FAILED)], ids=["no key", "another key"]
)
async def test_a_responder_with_a_key(own: bytes, reason: Reason) -> None:
    """Who does not share it is refused, and told so; who does is tested."""
    async with serving(KEY) as port:
        seen = await observe(asked(port, own))
        assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, reason)
        assert (await observe(asked(port, KEY))).outcome == Outcome.PASS


async def test_a_busy_responder() -> None:
    """A school of the same group is tested: busy, with the time to come back."""
    async with serving() as port:
        await Client(port, "127.0.0.2").lease(group=group_of("olt-3"))
        seen = await observe(asked(port, group="olt-3"))
        assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.PEER_BUSY)
        assert "try again in" in seen.detail


async def test_a_responder_that_may_send_too_little() -> None:
    """A share below the requirement proves nothing about the line."""
    async with serving(link_bps=100 * MBIT) as port:
        seen = await observe(asked(port))
        assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.SENDER_LIMITED)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.NO_ANSWER, Reason.PROTOCOL, id="another protocol"),
        pytest.param(b"", Outcome.NO_ANSWER, Reason.PROTOCOL, id="hangs up"),
        pytest.param(None, Outcome.NO_ANSWER, Reason.TIMEOUT, id="says nothing"),
    ],
)
async def test_no_responder(answer: bytes | None, outcome: Outcome, reason: Reason) -> None:
    """Something else on the port, or something that never answers, is said, not measured."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read(1_000)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await observe(asked(port))
    assert (seen.outcome, seen.reason) == (outcome, reason), seen
    assert (await observe(asked(port))).reason == Reason.REFUSED


# --- shaped lines -----------------------------------------------------------------------------------------------


class Line:
    """A responder on all addresses of the far end, and agents at both ends."""

    def __init__(self, link: ShapedLink, state_dir: Path) -> None:
        self.link = link
        self._log = (state_dir / "responder.log").open("w+")
        ends = [sys.executable, "-m", "tests.support.bandwidth_ends"]
        serving = link.far.popen([*ends, "serve", "::"], stdout=subprocess.PIPE, stderr=self._log, text=True)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.near, self.far = (end.popen([*ends, "probe", str(state_dir)], **pipes) for end in (link.near, link.far))
        self._processes = [serving, self.near, self.far]
        self._port = int(serving.stdout.readline())

    def begin(self, probe: "subprocess.Popen[str]", **wishes: str) -> None:
        target = {"kind": "bandwidth", "name": "wan", "host": self.link.far.address, "port": self._port, "mode": "tcp"}
        always = {"allowed_hours": [["00:00", "24:00"]]}
        probe.stdin.write(json.dumps(target | always | wishes) + "\n")
        probe.stdin.flush()

    def end(self, probe: "subprocess.Popen[str]") -> Bandwidth:
        return msgspec.json.decode(probe.stdout.readline(), type=Bandwidth)

    def test(self, **wishes: str) -> Bandwidth:
        self.begin(self.near, **wishes)
        return self.end(self.near)

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.communicate(timeout=10)
        self._log.close()


@contextlib.contextmanager
def made_line(state_dir: Path) -> Iterator[Line]:
    with shaped_link() as link, contextlib.closing(Line(link, state_dir)) as line:
        yield line


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with made_line(tmp_path_factory.mktemp("state")) as made:
        yield made


def conclusive(line: Line, **wishes: str) -> Bandwidth:
    """Test until there is a verdict: on a machine busy with other things a test may end without one, never wrongly."""
    deadline_s = time.monotonic() + 25
    while (seen := line.test(**wishes)).outcome not in {Outcome.PASS, Outcome.FAIL}:
        assert seen.outcome == Outcome.UNMEASURED, seen
        assert time.monotonic() < deadline_s, seen
    return seen


@pytest.mark.netns
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(
    ("mbps", "burst_bytes"), [(40, 32_000), (90, 32_000), (90, 5_000_000), (105, 32_000), (120, 5_000_000)]
)
def test_the_verdict_on_a_shaped_line(line: Line, mbps: int, burst_bytes: int, direction: str) -> None:
    """Right on both sides of the threshold and in both directions, whatever the bucket, within the lease."""
    line.link.set_rate(mbps, burst_bytes, direction=direction)
    seen = conclusive(line, direction=direction)
    line.link.set_rate(None, direction=direction)
    assert (seen.outcome, seen.mode) == (Outcome.PASS if mbps >= 100 else Outcome.FAIL, "tcp"), seen
    assert seen.bytes <= 40 * MBYTE
    assert seen.seconds < SECONDS + 0.5
    if seen.outcome == Outcome.FAIL:
        assert seen.estimate_bps == pytest.approx(mbps * MBIT, rel=0.02)


@pytest.mark.netns
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(("mbps", "wrong"), [(105, Outcome.FAIL), (90, Outcome.PASS)])
def test_others_never_make_a_wrong_verdict(line: Line, mbps: int, wrong: Outcome, direction: str) -> None:
    """Others take 30 Mbit/s of the line: no sound one is called short, and no short one sound."""
    link = line.link
    here, there = (link.far, link.near) if direction == "down" else (link.near, link.far)
    link.set_rate(mbps, direction=direction)
    noise = here.popen([sys.executable, "-c", NOISE, there.address])
    try:
        seen = [line.test(direction=direction) for _ in range(2)]
    finally:
        noise.kill()
        noise.wait()
        link.set_rate(None, direction=direction)
    assert wrong not in {s.outcome for s in seen}, seen


NOISE = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 9))
due = time.monotonic()
while True:
    try: sock.send(bytes(1400))
    except OSError: pass
    due += 1400 * 8 / 30e6
    time.sleep(max(0, due - time.monotonic()))
"""


@pytest.mark.netns
@pytest.mark.parametrize("direction", ["down", "up"])
def test_an_ipv6_line(line: Line, direction: str) -> None:
    """The larger header is counted: the same line has the same rate as over IPv4."""
    line.link.set_rate(90, direction=direction)
    seen = conclusive(line, direction=direction, host=line.link.far.address6)
    line.link.set_rate(None, direction=direction)
    assert (seen.outcome, seen.estimate_bps) == (Outcome.FAIL, pytest.approx(90 * MBIT, rel=0.01))


@pytest.mark.netns
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("mode", ["tcp", "drain"])
def test_an_interface_that_disappears(tmp_path: Path, mode: str, direction: str) -> None:
    """In the middle of a load the port is gone: unmeasured, in words; the responder goes on serving others."""
    with made_line(tmp_path) as line:
        line.link.set_rate(90, 5_000_000, direction=direction)
        counter = Path(f"/sys/class/net/{line.link.near.interface}/statistics")
        way = counter / ("rx_bytes" if direction == "down" else "tx_bytes")
        line.begin(line.near, mode=mode, direction=direction)
        read = ["cat", str(way)]
        while int(line.link.near.run(read, capture_output=True).stdout) < 300_000:
            pass
        line.link.near.run(["ip", "link", "del", line.link.near.interface])
        seen = line.end(line.near)
        # Who sends may notice first, by its own windows: then less was sent than wanted, which is as true.
        honest = {Reason.NO_DATA, Reason.SENDER_LIMITED} if (mode, direction) == ("drain", "up") else {Reason.NO_DATA}
        assert seen.outcome == Outcome.UNMEASURED, seen
        assert seen.reason in honest, seen
        assert seen.detail
        line.begin(line.far, mode=mode, direction=direction, host="127.0.0.1")
        assert line.end(line.far).outcome == Outcome.PASS
        assert "Traceback" not in line.log()
