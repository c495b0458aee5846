"""Runs each probe when it is due, within its deadline, and writes what came of it to the spool.

All that it knows of a probe stands in ``probes.contract``; what kinds there are, only ``probes`` knows.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
from msgspec.structs import replace

from agent import schedule
from agent.clock import Clock, Reading
from agent.metrics import Metrics
from agent.probes.contract import Context, Probe
from agent.progress import Progress, Sight
from agent.settings import AgentSettings
from classready import forms
from classready.codec import encode
from classready.observation import Observation, Outcome, Reason, clean_text
from classready.report import Directives, Record

Append = Callable[[Sequence[Record]], Awaitable[None]]

WAIT_MAX_S = 60.0
"""Sleep in pieces: the event loop's clock stands still while the machine is suspended."""
STALLED_S = 120.0
RETEST_AGAIN_S = 10.0
HURRY_AGAIN_S = 10.0
INCONCLUSIVE_INTERVALS = 10
"""A retest that measured nothing is not repeated sooner than this many report intervals."""

_log = structlog.get_logger()
_decoder: msgspec.json.Decoder[Observation] = msgspec.json.Decoder(Observation)


async def observe(probe: Probe, context: Context, clock: Clock) -> list[Observation]:
    """Observe once. Whatever happens inside the probe, observations fit for the wire come out."""
    started_s = clock.now_s()
    limit = asyncio.timeout(probe.deadline_s)
    try:
        async with limit:
            found = await probe.observe(context)
        return [_finish(observation, clock.now_s() - started_s) for observation in found]
    except Exception as error:  # noqa: BLE001 - a bug in one probe must not end the others
        if limit.expired():
            found = probe.unmeasured("deadline", f"no result within {probe.deadline_s:g} s")
        else:
            _log.exception("probe_failed", target=probe.target.name)
            found = probe.unmeasured("probe_bug", type(error).__name__)
    return [_finish(observation, clock.now_s() - started_s) for observation in found]


def _finish(observation: Observation, elapsed_s: float) -> Observation:
    """Fill in the duration, make the detail one safe line, and check every field against the wire's limits.

    Raises:
        msgspec.ValidationError: the probe set a field to what it may not be.
    """
    whole = replace(
        observation,
        elapsed_s=max(0.0, elapsed_s) if observation.elapsed_s is None else observation.elapsed_s,
        detail=clean_text(observation.detail or "") or observation.reason,  # a reason never stands without a word
    )
    decoded = _decoder.decode(encode(whole))
    forms.check(type(decoded), [decoded])
    return decoded


class Runner:
    """One loop per probe; at most ``concurrency`` of them, and one that loads the line, run at a time.

    Those that were silent the last time have as many slots of their own, so that they never delay living ones.
    """

    def __init__(
        self, settings: AgentSettings, probes: Sequence[Probe], clock: Clock, append: Append, metrics: Metrics
    ) -> None:
        self._settings, self._clock = settings, clock
        self._append, self._metrics = append, metrics
        self.directives: Directives | None = None
        self.on_urgent: Callable[[], None] = _nobody_waits
        """Called when the result of an urgent probe is in the spool."""
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._silent_slots = asyncio.Semaphore(settings.concurrency)
        self._one_load = asyncio.Lock()
        self._stopping, self._stopped = False, asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._progress = {probe.target.name: Progress(probe, self._first_due_s(probe)) for probe in probes}

    def _phase(self, probe: Probe) -> float:
        return schedule.phase(self._settings.gateway, probe.target.name)

    def _first_due_s(self, probe: Probe) -> float:
        return schedule.first_start(self._clock.now_s(), probe.target.interval_s, self._phase(probe))

    async def run(self) -> None:
        """Probe until ``stop``; then finish what is running."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for progress in self._progress.values():
                self._begin(progress)
            await self._stopped.wait()

    def _begin(self, progress: Progress) -> None:
        if self._group is not None and not self._stopping:
            self._group.create_task(self._keep_observing(progress), name=progress.probe.target.name)

    def exchange(self, settings: AgentSettings, probes: Sequence[Probe]) -> None:
        """Go by other settings: a probe that was there goes on as it was, one that is not is begun no more.

        What runs, finishes, and its record is kept.
        """
        if settings.concurrency != self._settings.concurrency:
            # Who holds a slot gives it back where it was taken from.
            self._slots = asyncio.Semaphore(settings.concurrency)
            self._silent_slots = asyncio.Semaphore(settings.concurrency)
        self._settings, before = settings, self._progress
        self._progress = {}
        for probe in probes:
            name = probe.target.name
            old = before.get(name)
            stays = old is not None and old.probe is probe
            self._progress[name] = old if old and stays else self._successor(probe, old)
        for name, old in before.items():
            if self._progress.get(name) is not old:
                old.ended = True
                old.wake.set()
        for progress in self._progress.values():
            if progress not in before.values():
                self._begin(progress)

    def _successor(self, probe: Probe, old: Progress | None) -> Progress:
        """Whoever takes the place of another one begins no later than that would have."""
        first_s = self._first_due_s(probe)
        return Progress(probe, first_s if old is None else min(first_s, old.due_s))

    def stop(self) -> None:
        self._stopping = True
        self._stopped.set()
        for progress in self._progress.values():
            progress.wake.set()

    async def _keep_observing(self, progress: Progress) -> None:
        while True:
            await self._wait(progress)
            # The turn comes first, so that a load that waits for another one never holds a slot.
            turn = self._one_load if progress.probe.loads_line else contextlib.nullcontext()
            slots = self._silent_slots if progress.silent else self._slots
            # A target that is silent takes all of its deadline: with slots of their own, dead ones delay only each
            # other.
            async with turn, slots:
                if self._stopping or progress.ended:
                    return
                await self._observe_once(progress)
            self._plan(progress)

    async def _wait(self, progress: Progress) -> None:
        while not progress.wake.is_set() and (left_s := progress.due_s - self._clock.now_s()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, WAIT_MAX_S)):
                    await progress.wake.wait()

    async def _observe_once(self, progress: Progress) -> None:
        reading = self._clock.read()
        progress.wake.clear()
        progress.running, progress.started_s = True, reading.monotonic_s
        observations = await observe(progress.probe, self._context(reading), self._clock)
        if observations:
            # Before anything is told of it: what is not in the spool does not exist, and a crash must lose nothing that
            # was said.
            await self._append([self._record(observation, reading) for observation in observations])
        if progress.probe.urgent:
            self.on_urgent()
        progress.running, progress.finished_s = False, self._clock.now_s()
        progress.last = reading.monotonic_s, observations
        # A switch whose devices were all seen on other switches has nothing to tell: it is not silent for that.
        outcomes = {observation.outcome for observation in observations}
        # The empty set, too: what observed nothing concludes nothing.
        progress.inconclusive = outcomes <= {Outcome.UNMEASURED}
        progress.silent = outcomes == {Outcome.NO_ANSWER}
        progress.waits_for_hours = any(observation.reason is Reason.OUTSIDE_HOURS for observation in observations)
        self._count(observations)

    def _context(self, reading: Reading) -> Context:
        return Context(
            settings=self._settings,
            directives=self.directives,
            clock_good=reading.quality == "good",
        )

    def _record(self, observation: Observation, reading: Reading) -> Record:
        """Date an observation by the clocks at the start of its probe; the spool gives the real sequence."""
        return Record(
            sequence=1,
            boot_id=self._clock.boot_id,
            monotonic_s=reading.monotonic_s,
            wall_s=reading.wall_s,
            clock_quality=reading.quality,
            observation=observation,
        )

    def _count(self, observations: Sequence[Observation]) -> None:
        self._metrics.add("classready_agent_records_generated_total", by=len(observations))
        self._metrics.put("classready_agent_last_probe_timestamp_seconds", self._clock.read().wall_s)
        for observation in observations:
            outcome = observation.outcome.value if observation.outcome else "none"
            self._metrics.add("classready_agent_probe_results_total", observation.KIND, outcome)
        if observations and observations[0].reason == "deadline":
            self._metrics.add("classready_agent_probe_timeouts_total", observations[0].KIND)

    def _plan(self, progress: Progress) -> None:
        assert progress.started_s is not None
        interval_s, now_s = progress.probe.target.interval_s, self._clock.now_s()
        progress.due_s = schedule.next_start(progress.started_s, now_s, interval_s, self._phase(progress.probe))
        if progress.waits_for_hours and (moment_s := self._moment_s(progress.probe)) is not None:
            progress.due_s = min(progress.due_s, moment_s)

    def _moment_s(self, probe: Probe) -> float | None:
        """The moment of ``probe`` in its next opening; None where there is none, or the time of day is unknown."""
        reading = self._clock.read()
        if reading.quality != "good":
            return None
        opening = probe.next_opening(self._context(reading), reading.wall_s)
        if opening is None:
            return None
        return reading.monotonic_s + schedule.moment(*opening, self._phase(probe)) - reading.wall_s

    def direct(self, directives: Directives, asked_at_s: float) -> None:
        """Obey the collector. ``asked_at_s``: when the report that it answers was taken from the spool."""
        # Later ones change limits, which the next test at its own time is soon enough for; loads cost bytes.
        if self.directives is None:
            self._catch_up()
        self.directives = directives
        for name in directives.retest:
            progress = self._progress.get(name)
            if progress is not None and not progress.running and self._may_retest(progress, asked_at_s):
                progress.wake.set()

    def _catch_up(self) -> None:
        """Run what came too early to know what is asked of it, instead of an interval later."""
        for progress in self._progress.values():
            if progress.probe.needs_directives and progress.started_s is not None:
                progress.wake.set()

    def _may_retest(self, progress: Progress, asked_at_s: float) -> bool:
        """Run again only if the collector asked with the last result in hand, or that result is on its way for long.

        What waits for its hours has a moment in them already.
        """
        if progress.finished_s is None:
            return True
        since_s = self._clock.now_s() - progress.finished_s
        if progress.waits_for_hours:
            return since_s > progress.probe.target.interval_s
        if progress.inconclusive:
            return since_s > INCONCLUSIVE_INTERVALS * self._settings.report_interval_s
        return progress.finished_s < asked_at_s or since_s > RETEST_AGAIN_S

    def hurry(self, target: str) -> None:
        """Probe ``target`` now, unless it was probed just before: a device may send many traps at once."""
        progress = self._progress.get(target)
        if progress is None:
            return
        if progress.started_s is None or self._clock.now_s() - progress.started_s > HURRY_AGAIN_S:
            progress.wake.set()

    def sights(self) -> list[Sight]:
        return [progress.sight() for progress in self._progress.values()]

    def is_stalled(self) -> bool:
        """Say whether some target is long overdue or runs far beyond its deadline: a fault of ours."""
        now_s = self._clock.now_s()
        return any(now_s > progress.latest_s() + STALLED_S for progress in self._progress.values())


def _nobody_waits() -> None:
    """Nothing to be told."""
