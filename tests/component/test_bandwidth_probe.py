"""The whole bandwidth test: real sockets on loopback, and shaped lines between network namespaces."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from agent.probes import bandwidth
from agent.probes.contract import Context
from agent.settings import BandwidthTarget
from classready.bandwidth import packets, windows
from classready.codec import encode
from classready.observation import Bandwidth, Outcome, Reason
from classready.report import Directives, Thetas
from classready.units import MBIT, MBYTE
from collector import responder
from collector.settings import Responder
from tests.support.bandwidth_ends import DIRECTIVES, SETTINGS
from tests.support.shaped_link import ShapedLink, shaped_link

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
CONTEXT = Context(settings=SETTINGS, directives=DIRECTIVES, clock_good=True, on_demand=True)
TARGET = BandwidthTarget(name="wan", host="127.0.0.1")


@contextlib.asynccontextmanager
async def serving(key: bytes | None = None, **settings):
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(responder.serve(Responder(port=0, **settings), key, on_ready=port.set_result))
    try:
        yield await asyncio.wait_for(port, 5)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


async def observe(target: BandwidthTarget, context: Context = CONTEXT) -> Bandwidth:
    """Test once; the observation must survive the wire."""
    (observation,) = await bandwidth.probe(target, context)
    return msgspec.json.decode(encode(observation), type=Bandwidth)


# --- whether to test at all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "directives",
    [
        None,
        Directives(policy_version="1"),
        Directives(policy_version="1", theta=Thetas(down=(100e6, 100e6))),
        Directives(policy_version="1", theta=Thetas(down=(0.0, 100e6))),
        Directives(policy_version="1", theta=Thetas(up=(95e6, 100e6))),
    ],
)
async def test_without_a_requirement_nothing_is_tested(directives: Directives | None) -> None:
    """No thetas from the collector for this direction, or none that can be decided: no_policy, and no packet sent."""
    seen = await observe(TARGET, replace(CONTEXT, directives=directives))
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.NO_POLICY)
    assert (seen.target, seen.direction, seen.mode) == ("wan", "down", "drain")


@pytest.mark.parametrize(
    ("spans", "clock", "allowed"),
    [
        ([("12:00", "13:30")], "12:00", True),
        ([("12:00", "13:30")], "13:29", True),
        ([("12:00", "13:30")], "13:30", False),
        ([("12:00", "13:30"), ("17:00", "18:30")], "17:30", True),
        ([("00:00", "24:00")], "03:00", True),
        ([("22:00", "06:00")], "23:30", True),
        ([("22:00", "06:00")], "05:59", True),
        ([("22:00", "06:00")], "12:00", False),
        ([], "12:00", False),
    ],
)
def test_only_in_allowed_hours(spans: list, clock: str, *, allowed: bool) -> None:
    """Hours are those of the school's clock; a span may pass midnight."""
    hour, minute = map(int, clock.split(":"))
    now = NOON + (hour - 12) * 3_600 + minute * 60
    target = replace(TARGET, allowed_hours=tuple(spans))
    context = replace(CONTEXT, on_demand=False)
    why_not = bandwidth._not_now(target, context, now)
    assert (why_not is None) is allowed
    assert why_not is None or why_not[0] == Reason.OUTSIDE_HOURS
    assert bandwidth._not_now(target, CONTEXT, now) is None


def test_quiet_and_an_unknown_clock() -> None:
    """A quiet span wins over allowed hours; without a known time of day, hours cannot be kept."""
    quiet = replace(DIRECTIVES, quiet=((NOON - 10, NOON + 10),))
    context = replace(CONTEXT, on_demand=False, directives=quiet)
    assert bandwidth._not_now(TARGET, context, NOON)[0] == Reason.OUTSIDE_HOURS
    assert bandwidth._not_now(TARGET, context, NOON + 10) is None
    unknown = replace(context, clock_good=False)
    assert bandwidth._not_now(TARGET, unknown, NOON + 10)[0] == Reason.CLOCK
    all_day = replace(TARGET, allowed_hours=(("00:00", "24:00"),))
    assert bandwidth._not_now(all_day, unknown, NOON + 10) is None


async def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Missing, or readable by everyone: permission, with the path or the remedy."""
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o644)
    for path in ("key", "missing"):
        seen = await observe(replace(TARGET, key_file=str(tmp_path / path)))
        assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.PERMISSION)


def test_what_the_runner_reports_for_it() -> None:
    """A probe that was cut off is one observation of its target with the reason given."""
    (seen,) = bandwidth.unmeasured(TARGET, "deadline", "took\ntoo long")
    assert (seen.outcome, seen.reason, seen.detail) == (Outcome.UNMEASURED, Reason.DEADLINE, "took too long")


def test_it_is_cheap_to_import() -> None:
    """The probe brings neither a web framework nor SNMP with it."""
    code = "import sys, agent.probes.bandwidth; print({'aiohttp', 'pysnmp', 'prometheus_client'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- on loopback ----------------------------------------------------------------------------------------------------


async def test_loopback_passes_quickly() -> None:
    """A line too fast to saturate passes beyond the bucket: about 9 MB in a quarter of a second, every step told."""
    told: list[str] = []
    async with serving() as port:
        seen = await observe(replace(TARGET, port=port), replace(CONTEXT, explain=told.append))
    assert seen.outcome == Outcome.PASS, seen
    assert seen.at_least_bps >= 100 * MBIT
    assert (seen.theta0_bps, seen.theta1_bps, seen.bucket_bytes) == (95 * MBIT, 100 * MBIT, 6 * MBYTE)
    assert 6 * MBYTE < seen.bytes <= 20 * MBYTE
    assert seen.seconds <= seen.elapsed_s < 3
    steps = [next((line for line in told if word in line), None) for word in ("hello", "granted", "arrived", "pass")]
    assert None not in steps


async def test_a_silent_responder_is_no_answer() -> None:
    """A port that never answers, and one that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        seen = await observe(replace(TARGET, port=silent.getsockname()[1]))
        assert (seen.outcome, seen.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)
        free = silent.getsockname()[1]
    seen = await observe(replace(TARGET, port=free))
    assert (seen.outcome, seen.reason) == (Outcome.NO_ANSWER, Reason.REFUSED)


async def test_a_name_that_does_not_resolve() -> None:
    """No address, no answer."""
    seen = await observe(replace(TARGET, host="no..name"))
    assert (seen.outcome, seen.reason) == (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED)


async def test_refusals_name_their_reason(tmp_path: Path) -> None:
    """Busy, wrong secret, and a responder whose link is too slow for the question."""
    key = tmp_path / "key"
    key.write_text("secret\n")
    key.chmod(0o600)
    async with serving(b"secret") as port:
        target = replace(TARGET, port=port)
        wrong = await observe(target)
        first, second = await asyncio.gather(*(observe(replace(target, key_file=str(key))) for _ in range(2)))
    assert (wrong.outcome, wrong.reason) == (Outcome.UNMEASURED, Reason.AUTH_FAILED)
    assert {first.outcome, second.outcome} == {Outcome.PASS, Outcome.UNMEASURED}
    assert Reason.PEER_BUSY in {first.reason, second.reason}
    async with serving(link_bps=100 * MBIT) as port:
        slow = await observe(replace(TARGET, port=port))
    assert (slow.outcome, slow.reason) == (Outcome.UNMEASURED, Reason.SENDER_LIMITED)


async def test_a_cancelled_test_ends_at_once() -> None:
    """The caller's deadline leaves no thread and no load behind."""
    async with serving() as port:
        loading = asyncio.Event()
        context = replace(CONTEXT, explain=lambda line: loading.set() if "arrived" in line else None)
        task = asyncio.create_task(bandwidth.probe(replace(TARGET, port=port), context))
        await asyncio.wait_for(loading.wait(), 5)
        before = responder._tests.labels("stopped")._value.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(1):
            while responder._tests.labels("stopped")._value.get() == before:
                await asyncio.sleep(0.01)


async def test_a_responder_that_vanishes_is_no_verdict() -> None:
    """The load ends in the middle: no data, never a failed line."""
    loading = asyncio.Event()
    context = replace(CONTEXT, explain=lambda line: loading.set() if "arrived" in line else None)
    async with serving() as port:
        task = asyncio.create_task(observe(replace(TARGET, port=port), context))
        await asyncio.wait_for(loading.wait(), 5)
    seen = await task
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.NO_DATA)


async def test_a_clock_set_in_the_middle_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrival times are wall-clock times: a step makes them worthless."""
    offsets = iter(range(0, 10**12, 10**7))
    monkeypatch.setattr(windows, "wall_offset_ns", lambda: next(offsets))
    async with serving() as port:
        seen = await observe(replace(TARGET, port=port))
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.CLOCK)


async def test_foreign_datagrams_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A responder that answers rubbish first, and lies in its report about what it sent."""
    honest = packets.seal

    def lying(message: packets.Message, key: bytes) -> bytes:
        return honest(replace(message, sent_bytes=1) if isinstance(message, packets.Report) else message, key)

    monkeypatch.setattr(responder, "seal", lying)
    async with serving() as port:
        seen = await observe(replace(TARGET, port=port))
    assert seen.outcome == Outcome.PASS
    assert seen.bytes > 6 * MBYTE


def test_no_thread_stays_behind() -> None:
    """After a run of the loop all its threads have ended."""
    asyncio.run(observe(replace(TARGET, port=1)))
    assert [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon] == []


# --- shaped lines ---------------------------------------------------------------------------------------------------


class Line:
    """A shaped link with a responder at its far end and a probe waiting at its near end."""

    def __init__(self, link: ShapedLink) -> None:
        self.link = link
        ends = [sys.executable, "-m", "tests.support.bandwidth_ends"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._processes = [link.far.popen([*ends, "serve"], **pipes)]
        self._processes[0].stdout.readline()
        self._processes.append(link.near.popen([*ends, "probe", link.far.address], **pipes))

    def test(self) -> Bandwidth:
        probe = self._processes[1]
        probe.stdin.write("\n")
        probe.stdin.flush()
        return msgspec.json.decode(probe.stdout.readline(), type=Bandwidth)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with shaped_link() as link, contextlib.closing(Line(link)) as made:
        yield made


def conclusive(line: Line) -> Bandwidth:
    """Test until there is a verdict: on a machine busy with other things a test may end without one, never wrongly."""
    deadline = time.monotonic() + 20
    while (seen := line.test()).outcome not in {Outcome.PASS, Outcome.FAIL}:
        assert seen.outcome == Outcome.UNMEASURED, seen
        assert time.monotonic() < deadline, seen
    return seen


@pytest.mark.netns
@pytest.mark.parametrize("queue_bytes", [16_000, 400_000], ids=["policed", "shaped"])
@pytest.mark.parametrize("burst_bytes", [32_000, 5_000_000])
@pytest.mark.parametrize("mbps", [20, 80, 90, 105, 120, 150, 1_000])
def test_the_verdict_on_a_shaped_line(line: Line, mbps: int, burst_bytes: int, queue_bytes: int) -> None:
    """Right on both sides of the threshold, whatever the bucket; three times in a row."""
    outcome = Outcome.PASS if mbps >= 100 else Outcome.FAIL
    for _ in range(3):
        line.link.set_rate(mbps, burst_bytes, queue_bytes)
        seen = conclusive(line)
        assert seen.outcome == outcome, seen
        assert seen.bytes <= 21 * MBYTE
        if outcome == Outcome.FAIL:
            assert seen.estimate_bps == pytest.approx(mbps * MBIT, rel=0.1)


@pytest.mark.netns
def test_other_traffic_on_the_line_is_credited(line: Line) -> None:
    """A steady 30 Mbit/s of others on a 105M line: still a PASS, with the line's rate as the estimate."""
    line.link.set_rate(105)
    noise = (
        "import socket, time\n"
        "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"sock.connect(('{line.link.near.address}', 9))\n"
        "due = time.monotonic()\n"
        "while True:\n"
        "    try: sock.send(bytes(1400))\n"
        "    except OSError: pass\n"
        "    due += 1400 * 8 / 30e6\n"
        "    time.sleep(max(0, due - time.monotonic()))\n"
    )
    process = line.link.far.popen([sys.executable, "-c", noise])
    try:
        estimates = []
        for _ in range(5):
            seen = conclusive(line)
            assert seen.outcome == Outcome.PASS, seen
            estimates.append(seen.estimate_bps)
    finally:
        process.kill()
        process.wait()
    assert sorted(estimates)[2] == pytest.approx(105 * MBIT, rel=0.03)


@pytest.mark.netns
def test_the_responder_gone_behind_a_dead_line_is_no_answer(line: Line) -> None:
    """A line that carries nothing is not a slow line."""
    line.link.far.run(["ip", "link", "set", line.link.far.interface, "down"])
    try:
        seen = line.test()
    finally:
        line.link.far.run(["ip", "link", "set", line.link.far.interface, "up"])
    assert (seen.outcome, seen.reason) in {
        (Outcome.NO_ANSWER, Reason.TIMEOUT),
        (Outcome.NO_ANSWER, Reason.UNREACHABLE),
    }
