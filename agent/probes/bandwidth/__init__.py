"""Does the line to the school carry the threshold? Method and limits: docs/bandwidth.md.

``meter`` reads counters while the agent runs and ``passive`` says what they prove; ``gate`` says whether a load may be
put on the line now; ``exchange`` gets a lease from the collector's responder, ``load`` moves the bytes, ``udp`` runs a
whole test (``tcp`` and ``iperf3``: by streams); ``learned`` remembers what tests told of the line and what they cost.
The agent decides; the responder only sends, or tells what came.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from agent import network
from agent.probes.bandwidth import gate, learned, meter, passive, udp
from agent.probes.bandwidth.exchange import Test, Unfinished, connect, nothing, resolve
from agent.probes.bandwidth.gate import Load, WhyNot
from agent.probes.bandwidth.meter import Meter
from agent.probes.bandwidth.passive import Sample
from agent.probes.contract import Context, Probe
from agent.probes.tools import Tools
from classready.bandwidth.decider import TEST_RATIO
from classready.observation import Bandwidth, Outcome, Reason, clean_text
from classready.settings import read_secret
from classready.targets import LONGEST_S, BandwidthTarget

UNDECIDED_MAX = 2
"""So many UDP tests in a row that decide nothing, and TCP is asked."""
_UNDECIDED = {Reason.NO_DATA, Reason.TIME_LIMIT, Reason.SENDER_LIMITED, Reason.RECEIVER_LIMITED, Reason.PROTOCOL}
"""Reasons that lie in the way UDP takes; a busy responder, a wrong key or a spent budget do not."""
_UNHEARD = {Reason.TIMEOUT, Reason.REFUSED}


def make(target: BandwidthTarget, tools: Tools) -> Probe:
    """A test that is repeated quickly still has its full time; only one moves bytes at a time."""
    return Probe(
        target=target,
        observe=_Line(target, tools.share(meter.of_session, meter.read_by), tools.now_s).observe,
        unmeasured=partial(unmeasured, target),
        deadline_s=target.deadline_s or LONGEST_S,
        loads_line=True,
        urgent=True,
        needs_directives=True,
        next_opening=partial(gate.next_opening, target),
    )


class _Line:
    """What is kept of a line between two observations: when it was last judged, on the boot clock of ``now_s``.

    What counters say of the time before has been reported: a window that has proved the line proves it no more.
    """

    def __init__(self, target: BandwidthTarget, meter: Meter, now_s: Callable[[], float]) -> None:
        self._target, self._meter, self._now_s = target, meter, now_s
        self._judged_s = 0.0

    async def observe(self, context: Context) -> Sequence[Bandwidth]:
        samples = self._meter.since(self._target.name, self._judged_s)
        found = await observe(self._target, samples, context)
        if {each.outcome for each in found} & {Outcome.PASS, Outcome.FAIL}:
            self._judged_s = self._now_s()
        return found


async def observe(target: BandwidthTarget, samples: Sequence[Sample], context: Context) -> Sequence[Bandwidth]:
    """Answer by the cheapest evidence there is: negotiated speed, counters, and at last a load if this is the time."""
    started_s = time.monotonic()
    seen = await _observe(target, samples, context)
    elapsed_s = time.monotonic() - started_s
    return [replace(seen, classroom=target.classroom, beyond=target.beyond, elapsed_s=elapsed_s)]


def unmeasured(target: BandwidthTarget, reason: str, detail: str) -> Sequence[Bandwidth]:
    seen = nothing(target, Outcome.UNMEASURED, Reason(reason), detail)
    return [replace(seen, classroom=target.classroom, beyond=target.beyond)]


async def _observe(target: BandwidthTarget, samples: Sequence[Sample], context: Context) -> Bandwidth:
    thetas_bps = getattr(context.directives.theta, target.direction) if context.directives is not None else None
    if thetas_bps is None or not 0 < thetas_bps[0] < thetas_bps[1]:
        return _not(target, Reason.NO_POLICY, "the collector has not said what is required of this direction")
    port = await asyncio.to_thread(_negotiated, target)
    if (failed := passive.too_little(target, port, thetas_bps)) is not None:
        context.explain(f"fail: {failed.detail}")
        return failed
    now_s = time.time()
    if (found := by_counters(target, samples, context, thetas_bps, now_s)) is not None:
        return found
    try:
        key = (read_secret(Path(target.key_file)) if target.key_file else target.key or "").encode()
    except (OSError, UnicodeDecodeError) as error:
        return _not(target, Reason.PERMISSION, f"key_file: {error}")
    test = Test(
        target=target,
        thetas_bps=thetas_bps,
        key=key,
        cancelled=threading.Event(),
        explain=_from_thread(context.explain),
        state_dir=Path(context.settings.state_dir),
        now_s=now_s if context.clock_good else None,
        may_drain_again=not gate.quiet(context, now_s),
        may_learn=not context.on_demand,
    )
    return await _by_load(test, samples, context, now_s)


def _negotiated(target: BandwidthTarget) -> tuple[int | None, bool | None]:
    interface = target.interface or network.interface_towards(target.host, target.port)
    return meter.negotiated(interface) if interface is not None else (None, None)


def by_counters(
    target: BandwidthTarget,
    samples: Sequence[Sample],
    context: Context,
    thetas_bps: tuple[float, float],
    now_s: float,
) -> Bandwidth | None:
    """Pass by the counters, or say that they prove nothing where nothing else is wanted; None = go on.

    A person who starts a test wants a test, and is only told what the counters say. A method that the settings name
    is not replaced by another.
    """
    if target.mode not in {"auto", "passive"}:
        return None
    if not passive.provable(target):
        words = "counters can only prove the download of the school's own line"
    elif meter.source_of(target) is None:
        words = "counters are only read where interface or uplink_port is set"
    else:
        remembered = learned.recall(Path(context.settings.state_dir), target.name)
        proof = passive.best(samples, target.direction, learned.fresh_bucket_bytes(remembered, now_s))
        words = passive.text(proof)
        context.explain(f"{words} (the running agent watches them)" if context.on_demand else words)
        if proof is not None and passive.proves(proof, thetas_bps) and not context.on_demand:
            return passive.passed(target, proof, thetas_bps)
    return _not(target, Reason.NO_DATA, words) if target.mode == "passive" else None


async def _by_load(test: Test, samples: Sequence[Sample], context: Context, now_s: float) -> Bandwidth:
    target, in_lesson = test.target, gate.quiet(context, now_s)
    load: Load = "streams" if target.mode in {"tcp", "iperf3"} else "drain"
    if (why_not := gate.not_now(target, context, now_s)) is not None:
        why_not = await asyncio.to_thread(_not_even_quick, test, samples, context, now_s) if in_lesson else why_not
        if why_not is not None:
            return _not(target, *why_not)
        load = "quick"
    known = learned.recall(test.state_dir, target.name)
    if load == "drain":
        if (why_not := gate.drained_today(target, context, now_s, known)) is not None:
            return _not(target, *why_not)
        if gate.capacity_due(target, context, now_s, known):
            context.explain("the week's long test, by TCP")
            seen = await _by_streams(test, context, now_s)
            learned.note(test.state_dir, target.name, capacity_at_s=now_s)
            if seen.outcome in {Outcome.PASS, Outcome.FAIL}:
                return seen
    seen = await _load(test, context, load, now_s)
    if target.mode != "auto" or in_lesson or not _ask_tcp(seen, known.inconclusive_count):
        return seen
    context.explain("UDP decided nothing: trying TCP")
    instead = await _by_streams(test, context, now_s)
    if instead.outcome not in {Outcome.PASS, Outcome.FAIL}:
        return seen
    return replace(instead, detail=clean_text(f"UDP: {seen.reason}; TCP: {instead.detail}"))


async def _by_streams(test: Test, context: Context, now_s: float) -> Bandwidth:
    return await _load(replace(test, target=replace(test.target, mode="tcp")), context, "streams", now_s)


def _not_even_quick(test: Test, samples: Sequence[Sample], context: Context, now_s: float) -> WhyNot | None:
    """Say why not even a quick test may be made in this lesson. Blocking, for a name must be resolved."""
    target = test.target
    remembered = learned.recall(test.state_dir, target.name)
    use_bps = passive.use_bps(samples, target.direction, time.clock_gettime(time.CLOCK_BOOTTIME))
    needed_bps = use_bps + TEST_RATIO * test.thetas_bps[1] if use_bps is not None else None
    why_not = gate.not_even_quick(target, context, now_s, remembered, needed_bps)
    if why_not is None and not _on_line(test, remembered.line):
        return Reason.OUTSIDE_HOURS, "lessons, and the line is not the one whose bucket is known"
    return why_not


def _on_line(test: Test, line: str | None) -> bool:
    """Say whether a test would go over ``line`` for certain. Nothing is sent."""
    try:
        addresses = resolve(test.target)
        with connect(addresses[0]) as sock:
            return len(addresses) == 1 and learned.line_of(sock, test.target, test.thetas_bps[1]) == line
    except Unfinished:
        return False


def _ask_tcp(seen: Bandwidth, undecided_count: int) -> bool:
    if seen.outcome is Outcome.NO_ANSWER:
        return seen.reason in _UNHEARD
    return _undecided(seen) and undecided_count + 1 >= UNDECIDED_MAX


def _undecided(seen: Bandwidth) -> bool:
    return seen.outcome is Outcome.UNMEASURED and seen.reason in _UNDECIDED


async def _load(test: Test, context: Context, load: Load, now_s: float) -> Bandwidth:
    """Run one test within the day's budget, and write down what it told and cost. A person's test leaves no trace."""
    if not test.may_learn:
        return await _run(test)
    target, midnight_s = test.target, gate.midnight(now_s, context.settings.timezone)
    # Booked before, given back after: a box that loses its power within a test has spent the bytes all the same.
    booked = _book(test, load, midnight_s)
    if isinstance(booked, tuple):
        return _not(target, *booked)
    if target.max_day_bytes is not None:
        test = replace(test, target=replace(target, max_bytes=min(target.max_bytes, booked)))
    seen = await _run(test)
    # Without a good clock nothing is written down: a date that is wrong would be believed for a week.
    if test.now_s is not None:
        learned.spend(test.state_dir, target.name, (seen.bytes or 0) - booked, test.now_s, midnight_s)
        learned.note(test.state_dir, target.name, **_told(test, seen, test.now_s))
    return seen


def _book(test: Test, load: Load, midnight_s: float) -> int | WhyNot:
    """Return the bytes that are spent already, whatever happens to the test: 0 where there is no budget."""
    target = test.target
    if target.max_day_bytes is None:
        return 0
    if test.now_s is None:
        return Reason.CLOCK, "the day is not known, so max_day_bytes cannot be kept"
    wanted_bytes = gate.most_bytes(load, target.max_bytes, test.thetas_bps[1])
    spent_bytes = learned.spent_bytes(test.state_dir, target.name, midnight_s)
    booked = gate.affordable(load, wanted_bytes, target.max_day_bytes, spent_bytes)
    if not isinstance(booked, int):
        return booked
    if not learned.spend(test.state_dir, target.name, booked, test.now_s, midnight_s):
        return Reason.BUDGET, f"what tests cost cannot be written down ({learned.FILE}), so none is made"
    return booked


def _told(test: Test, seen: Bandwidth, now_s: float) -> dict[str, Any]:
    """What is to be remembered of a UDP test."""
    if test.target.mode in {"tcp", "iperf3"}:
        return {}
    if seen.outcome not in {Outcome.PASS, Outcome.FAIL}:
        count = learned.recall(test.state_dir, test.target.name).inconclusive_count
        return {"inconclusive_count": count + _undecided(seen)}
    changes: dict[str, Any] = {"inconclusive_count": 0}
    if learned.recall(test.state_dir, test.target.name).capacity_at_s is None:
        changes["capacity_at_s"] = now_s
    if seen.mode == "drain":
        changes["drained_at_s"] = now_s
    if seen.mode == "drain" or seen.estimate_bps is not None:
        changes |= {"plateau_bps": seen.estimate_bps, "plateau_at_s": now_s}
    return changes


async def _run(test: Test) -> Bandwidth:
    test = replace(test, cancelled=threading.Event())
    try:
        return await asyncio.to_thread(_method(test.target.mode), test)
    finally:
        test.cancelled.set()


def _method(mode: str) -> Callable[[Test], Bandwidth]:
    if mode == "tcp":
        from agent.probes.bandwidth import tcp

        return tcp.run
    if mode == "iperf3":
        from agent.probes.bandwidth import iperf3

        return iperf3.run
    return udp.run


def _not(target: BandwidthTarget, reason: Reason, detail: str) -> Bandwidth:
    return nothing(target, Outcome.UNMEASURED, reason, detail)


def _from_thread(explain: Callable[[str], None]) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()

    def hand_over(line: str) -> None:
        loop.call_soon_threadsafe(explain, line)

    return hand_over
