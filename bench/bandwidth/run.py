"""Run the cases: each test's outcome is kept with the line it was made on."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.bandwidth.cases import Case, Direction, Mode
from bench.bandwidth.ends import Answer, Specification
from bench.bandwidth.links import PORT, Line, ProgramFailedError, line, running_end
from bench.bandwidth.report import USUAL_MBPS, Delay, Peer, Run
from bench.lines import say
from classready.observation import Outcome
from classready.targets import BandwidthTarget

IPERF_SECONDS: Final = (10, 1)
DELAY_MBPS: Final = (USUAL_MBPS, 50.0)
IDLE_BURST_BYTES: Final = 32_000
_IDLE_S = 0.4
_DELAY_TESTS = 8
_OTHER_MODE_LIMIT = 2


class Scope(Struct, frozen=True, kw_only=True):
    """How much to do. ``until_s`` is a moment of the monotonic clock; cases that do not fit are left out, and named."""

    cases: Sequence[Case]
    peers: Sequence[tuple[Case, int]]
    """Where iperf3 runs too, and for how many seconds."""
    delays: Sequence[tuple[Mode | None, Direction, float]]
    """What is to load a line of so many Mbit/s; None = iperf3."""
    runs: int
    until_s: float


class Found(Struct, kw_only=True):
    """Everything measured."""

    runs: list[Run]
    peers: list[Peer]
    delays: list[Delay]
    exit_code: int = 0
    """1 = some programs failed, 130 = interrupted."""


def measure(scope: Scope) -> Found:
    """Also returns what was found until Ctrl-C or the end of the time."""
    found = Found(runs=[], peers=[], delays=[])
    with line() as made:
        try:
            for case, seconds in scope.peers:
                with _reported(found, f"iperf3 -t {seconds} on {case.line}"):
                    found.peers.append(_peer(made, case, seconds))
            for mode, direction, rate_mbps in scope.delays:
                with _reported(found, f"added delay, {mode or 'iperf3 -t 1'} {direction} {rate_mbps:.4g} Mbit/s"):
                    found.delays.extend(_delays(made, mode, direction, rate_mbps))
            _all_cases(made, scope, found)
        except KeyboardInterrupt:
            say("interrupted: what follows is only what was measured until now")
            found.exit_code = 130
    return found


@contextmanager
def _reported(found: Found, what: str) -> Iterator[None]:
    """Name a program that failed, and go on: what it would have measured is missing then, not made up."""
    say(what)
    try:
        yield
    except (ProgramFailedError, subprocess.SubprocessError) as error:
        say(f"FAILED: {what}: {error}")
        found.exit_code = 1


def _all_cases(made: Line, scope: Scope, found: Found) -> None:
    for done, case in enumerate(scope.cases):
        if time.monotonic() > scope.until_s:
            say(f"time is up: {len(scope.cases) - done} of {len(scope.cases)} cases left out")
            return
        with _reported(found, f"[{done + 1}/{len(scope.cases)}] {case}"):
            before = len(found.runs)
            for run in _case(made, case, scope.runs):
                found.runs.append(run)
            say("    " + "; ".join(_short(run) for run in found.runs[before:]))


def _short(run: Run) -> str:
    """Everything there is to say about a test that went wrong, and little about the others."""
    told = f" ({run.reason}: {run.detail})" if run.inconclusive else f" ({run.detail})" if run.wrong else ""
    return f"{run.case.mode} {'WRONG ' if run.wrong else ''}{run.outcome}{told}"


def _case(made: Line, case: Case, count: int) -> Iterator[Run]:
    """Make the tests of one case, on a full bucket each.

    A quick test needs a bucket that was learned before, by a drain test in calmer times. The product decides the mode:
    what it made as a drain test counts as one, and a line on which it twice does so is no line for quick tests.
    """
    calm, others = replace(case, cross=None, hog=False), 0
    with made.relay(case), _probe(made, case) as test:
        if case.mode == "quick":
            made.shape(calm)
            yield _run(made, calm, test)
        with made.under(case):
            for _ in range(count):
                made.shape(case)
                run = _run(made, case, test)
                yield run
                others += run.case.mode != case.mode
                if others == _OTHER_MODE_LIMIT:
                    return


def _run(made: Line, case: Case, test: "_Test") -> Run:
    before_s = made.responder_cpu_s()
    answer = test()
    return run_of(case, answer, made.responder_cpu_s() - before_s)


def run_of(case: Case, answer: Answer, responder_cpu_seconds: float) -> Run:
    """Keep the observation under the mode that it was made in; it has none when the test ended before it began."""
    observation = answer.observation
    return Run(
        case=replace(case, mode=observation.mode or case.mode),
        outcome=observation.outcome or Outcome.UNMEASURED,
        reason=observation.reason,
        bytes=observation.bytes,
        seconds=observation.seconds,
        estimate_bps=observation.estimate_bps,
        cpu_seconds=answer.cpu_seconds,
        responder_cpu_seconds=responder_cpu_seconds,
        detail=observation.detail,
    )


class _Test:
    """One probe process; every call makes one test."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self) -> Answer:
        return msgspec.json.decode(_ask(self._process), type=Answer)


def _ask(process: "subprocess.Popen[str]") -> str:
    """Send a program its line, and return the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    if not (text := process.stdout.readline()):
        raise ProgramFailedError("a program ended instead of answering")
    return text


@contextmanager
def _probe(made: Line, case: Case) -> Iterator[_Test]:
    """A probe with an empty memory."""
    state_dir = Path(tempfile.mkdtemp(prefix="classready-bench-"))
    target = {
        "name": "wan",
        "host": "127.0.0.1" if case.rtt_s else made.far.address,
        "port": PORT,
        "direction": case.direction,
        "allowed_hours": [["00:00", "24:00"]],
        "mode": "drain" if case.mode == "drain" else "auto",
    }
    specification = Specification(state_dir=str(state_dir), target=target)
    try:
        with running_end(made.near, "probe", msgspec.json.encode(specification).decode()) as process:
            yield _Test(process)
    finally:
        shutil.rmtree(state_dir)


def _peer(made: Line, case: Case, seconds: int) -> Peer:
    made.shape(case)
    sent_bytes, rate_bps = made.iperf3(case, seconds)
    return Peer(case=case, seconds=seconds, bytes=sent_bytes, rate_bps=rate_bps)


def _delays(made: Line, mode: Mode | None, direction: Direction, rate_mbps: float) -> Iterator[Delay]:
    """Ping through an otherwise idle line, with and without a load on it."""
    case = Case(mode=mode or "drain", direction=direction, rate_mbps=rate_mbps, burst_bytes=IDLE_BURST_BYTES)
    with made.under(case):
        loads, pings = _pinged_iperf3(made, case) if mode is None else _pinged_tests(made, case)
    for asked_s, took_s in pings:
        during = [meant for started_s, ended_s, meant in loads if started_s <= asked_s <= ended_s]
        if all(during):
            yield Delay(mode=mode, direction=direction, rate_mbps=rate_mbps, loaded=bool(during), took_s=took_s)


_Loads = list[tuple[float, float, bool]]
"""From when until when, and whether the load was of the mode that was meant."""
_Pings = list[tuple[float, float]]
"""(asked_s, took_s)"""


def _pinged_tests(made: Line, case: Case) -> tuple[_Loads, _Pings]:
    with _probe(made, case) as test:
        if case.mode == "quick":
            test()
        with _pinging(made) as pings:
            answers = [test() for _ in range(_DELAY_TESTS)]
    return [(a.started_s, a.ended_s, a.observation.mode == case.mode) for a in answers], pings


def _pinged_iperf3(made: Line, case: Case) -> tuple[_Loads, _Pings]:
    with _pinging(made) as pings:
        started_s = time.monotonic()
        made.iperf3(case, 1)
        return [(started_s, time.monotonic(), True)], pings


@contextmanager
def _pinging(made: Line) -> Iterator[_Pings]:
    """Ping from before until after what is done meanwhile; the list is filled at the end."""
    pings: _Pings = []
    with running_end(made.far, "echo"), running_end(made.near, "ping", made.far.address) as ping:
        time.sleep(_IDLE_S)
        yield pings
        time.sleep(_IDLE_S)
        pings.extend(msgspec.json.decode(_ask(ping), type=_Pings))


def can_do(direction: Direction, mode: Mode) -> bool:
    """Ask the product's own settings whether it has this direction and mode."""
    wish = {"name": "wan", "host": "127.0.0.1", "direction": direction, "mode": "drain" if mode == "drain" else "auto"}
    try:
        msgspec.convert(wish, BandwidthTarget)
    except msgspec.ValidationError:
        return False
    return True
