"""The runner with probes of our own: deadlines, concurrency, faults, retests."""

import asyncio
import contextlib
import itertools
from functools import partial

import msgspec
import pytest

from agent.clock import Clock
from agent.metrics import Metrics
from agent.probes.contract import Context, Probe
from agent.runner import Runner, observe
from agent.settings import AgentSettings, HttpLink
from classready.observation import Bandwidth, Outcome, Ping, Reason
from classready.report import Directives
from classready.targets import BandwidthTarget, PingTarget
from classready.targets import deadline_s as usual_deadline_s
from tests.support import probing

LINK = HttpLink(url="http://127.0.0.1:1", token_file="x")


def made(probe, target):
    """A probe of ``target`` by one function, treated as a test of the line or as anything else."""
    is_load = isinstance(target, BandwidthTarget)
    return Probe(
        target=target,
        observe=partial(probe, target),
        unmeasured=partial(unmeasured, target),
        deadline_s=usual_deadline_s(target),
        loads_line=is_load,
        urgent=is_load,
        needs_directives=is_load,
    )


def unmeasured(target, reason, detail):
    kind = Bandwidth if isinstance(target, BandwidthTarget) else Ping
    return [kind(target=target.name, outcome=Outcome.UNMEASURED, reason=reason, detail=detail)]


class Desk:
    """A runner with one probe function for every kind, and what it wrote."""

    def __init__(self, probe, targets, **settings):
        self.settings = AgentSettings(gateway="gw-1", link=LINK, targets=tuple(targets), **settings)
        self.probes = [made(probe, target) for target in targets]
        self.records = []
        self.clock = Clock("0" * 32)
        self.runner = Runner(self.settings, self.probes, self.clock, self.append, Metrics())

    async def append(self, records):
        self.records += records

    def seen(self, name):
        return [r for r in self.records if r.observation.target == name]

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.runner.run())
        try:
            async with asyncio.timeout(10):
                yield
        finally:
            self.runner.stop()
            await asyncio.wait([task], timeout=0.2)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


async def answered(target, context):
    kind = Bandwidth if isinstance(target, BandwidthTarget) else Ping
    return [kind(target=target.name, outcome=Outcome.ANSWERED)]


def ping(name, interval_s=0.05, **more):
    return PingTarget(name=name, host="127.0.0.1", interval_s=interval_s, **more)


def load(name, interval_s=0.05):
    return BandwidthTarget(name=name, host="127.0.0.1", interval_s=interval_s)


async def once(probe, target):
    desk = Desk(probe, [target])
    context = Context(settings=desk.settings, directives=None, clock_good=False)
    return await observe(desk.probes[0], context, desk.clock)


async def test_starts_keep_their_distance_and_records_carry_the_clocks():
    """Every record is dated at the start of its probe, and starts are never closer than the interval."""
    desk = Desk(answered, [ping("a")])
    async with desk.running():
        await until(lambda: len(desk.records) >= 4)
    starts = [r.monotonic_s for r in desk.records]
    assert all(b - a >= 0.05 for a, b in itertools.pairwise(starts))
    assert desk.records[0].boot_id == "0" * 32
    assert desk.records[0].wall_s is not None
    assert desk.records[0].observation.elapsed_s is not None


async def test_a_dead_target_delays_no_other():
    """Targets that hang until their deadline do not slow those that answer."""

    async def probe(target, context):
        if target.name.startswith("dead"):
            await asyncio.sleep(3_600)
        return await answered(target, context)

    desk = Desk(probe, [*(ping(f"dead{i}", deadline_s=5) for i in range(8)), ping("alive")])
    async with desk.running():
        await until(lambda: len(desk.seen("alive")) >= 5)
    starts = [r.monotonic_s for r in desk.seen("alive")]
    assert starts[4] - starts[0] < 5


async def test_many_dead_targets_hold_no_slot_of_the_living():
    """Three times as many silent targets as slots: from the second time on, living ones do not wait for them."""
    asked, waiting = set(), set()

    async def probe(target, context):
        if target.name == "alive":
            return await answered(target, context)
        if target.name in asked:
            waiting.add(target.name)
            await asyncio.sleep(3_600)
        asked.add(target.name)
        return [Ping(target=target.name, outcome=Outcome.NO_ANSWER)]

    desk = Desk(probe, [*(ping(f"dead{i}", deadline_s=60) for i in range(12)), ping("alive")], concurrency=4)
    async with desk.running():
        await until(lambda: len(asked) == 12 and len(waiting) == 4)
        before = len(desk.seen("alive"))
        await until(lambda: len(desk.seen("alive")) >= before + 5)
        assert len(waiting) == 4


@pytest.mark.parametrize(
    ("outcomes", "silent", "inconclusive"),
    [
        ([], False, True),
        ([Outcome.NO_ANSWER, Outcome.NO_ANSWER], True, False),
        ([Outcome.NO_ANSWER, Outcome.ANSWERED], False, False),
        ([Outcome.NO_ANSWER, Outcome.UNMEASURED], False, False),
        ([Outcome.UNMEASURED], False, True),
        ([Outcome.ANSWERED], False, False),
    ],
)
async def test_what_is_remembered_of_a_probe(outcomes, silent, inconclusive):
    """Only who was asked and did not answer is silent; a probe that returned nothing was not, and concludes nothing."""

    async def probe(target, context):
        return [Ping(target=target.name, outcome=outcome) for outcome in outcomes]

    desk = Desk(probe, [ping("a")])
    progress = desk.runner._progress["a"]
    async with desk.running():
        await until(lambda: progress.finished_s is not None)
    assert (progress.silent, progress.inconclusive) == (silent, inconclusive)
    assert bool(desk.seen("a")) is bool(outcomes)


async def test_overrunning_the_deadline_is_unmeasured():
    """A probe that hangs is cut off, and says so; it never reads as no answer."""

    async def probe(target, context):
        await asyncio.sleep(3_600)

    [found] = await once(probe, ping("a", deadline_s=0.05))
    assert (found.outcome, found.reason) == (Outcome.UNMEASURED, "deadline")
    assert 0.05 <= found.elapsed_s < 2


@pytest.mark.parametrize(
    "fault",
    [
        lambda _: 1 / 0,
        lambda _: (n for n in ()).throw(TimeoutError("its own")),
        lambda target: [Ping(target=target.name, sent_count=-1)],
        lambda _: [Ping(target="no such name!")],
        lambda _: None,
    ],
    ids=["raises", "timeout of its own", "impossible value", "impossible name", "nothing"],
)
async def test_a_bug_in_a_probe_is_unmeasured(fault):
    """Whatever a probe does wrong, the record says that nothing was measured."""

    async def probe(target, context):
        return fault(target)

    [found] = await once(probe, ping("a"))
    assert (found.outcome, found.reason) == (Outcome.UNMEASURED, "probe_bug")


@pytest.mark.parametrize(("detail", "told"), [(None, "timeout"), (" \n", "timeout"), ("x", "x")])
async def test_a_reason_is_never_without_a_word(detail, told):
    """Where a probe has nothing to tell, its reason stands in the detail; what answered needs none."""

    async def probe(target, context):
        silent = Ping(target="a", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, detail=detail)
        return [silent, Ping(target="a", outcome=Outcome.ANSWERED)]

    assert [found.detail for found in await once(probe, ping("a"))] == [told, None]


async def test_details_are_cleaned():
    """Text from the outside world becomes one short line before it is stored."""

    async def probe(target, context):
        return [Ping(target="a", outcome=Outcome.NO_ANSWER, detail="line\n\x1b[31mtwo\u202e" + "x" * 300)]

    [found] = await once(probe, ping("a"))
    assert found.detail.startswith("line [31mtwo x")
    assert len(found.detail) == 200


async def test_concurrency_is_bounded_and_tests_run_alone():
    """At most ``concurrency`` probes at once; two bandwidth tests never overlap, and waiting ones hold no slot."""
    running, most = {"ping": 0, "load": 0}, {"ping": 0, "load": 0}

    async def probe(target, context):
        kind = "load" if isinstance(target, BandwidthTarget) else "ping"
        running[kind] += 1
        most[kind] = max(most[kind], running[kind])
        try:
            await asyncio.sleep(0.02)
        finally:  # a busy machine may take it beyond its deadline, and then it is cut off here
            running[kind] -= 1
        return await answered(target, context)

    targets = [*(ping(f"p{i}", deadline_s=5) for i in range(20)), *(load(f"l{i}") for i in range(5))]
    desk = Desk(probe, targets, concurrency=4)
    async with desk.running():
        await until(lambda: len({r.observation.target for r in desk.records}) == 25)
    assert most["load"] == 1
    assert 3 <= most["ping"] <= 4


async def test_a_retest_runs_once_until_the_collector_has_the_result():
    """Listed again before the result could have reached the collector, the target is left alone."""
    desk = Desk(answered, [load("uplink", interval_s=7_200)])
    order = Directives(policy_version="1", retest=("uplink", "unknown"))
    async with desk.running():
        asked_at_s = desk.clock.now_s()
        desk.runner.direct(order, asked_at_s)
        await until(lambda: len(desk.records) == 1)
        desk.runner.direct(order, asked_at_s)
        await asyncio.sleep(0.05)
        assert len(desk.records) == 1
        desk.runner.direct(order, desk.clock.now_s())
        await until(lambda: len(desk.records) == 2)


async def test_an_inconclusive_retest_is_not_repeated_at_every_report():
    """A line that cannot be measured now is not loaded again and again."""

    async def probe(target, context):
        return unmeasured(target, "peer_busy", "")

    desk = Desk(probe, [load("uplink", interval_s=7_200)], report_interval_s=60)
    order = Directives(policy_version="1", retest=("uplink",))
    async with desk.running():
        desk.runner.direct(order, desk.clock.now_s())
        await until(lambda: len(desk.records) == 1)
        for _ in range(5):
            desk.runner.direct(order, desk.clock.now_s())
            await asyncio.sleep(0.01)
    assert len(desk.records) == 1


async def test_probes_get_the_last_directives():
    """The thetas of the collector reach the probe."""
    heard = []

    async def probe(target, context):
        heard.append(context.directives)
        return await answered(target, context)

    desk = Desk(probe, [ping("a")])
    desk.runner.directives = Directives(policy_version="7")
    async with desk.running():
        await until(lambda: heard)
    assert heard[0].policy_version == "7"


async def test_tests_that_came_too_early_run_with_the_first_directives():
    """A bandwidth test that knew no thresholds yet is repeated when they arrive; a ping is not."""
    desk = Desk(answered, [load("uplink", interval_s=3600), ping("page", interval_s=3600)])
    for progress in desk.runner._progress.values():
        progress.due_s = 0.0
    async with desk.running():
        await until(lambda: desk.seen("uplink") and desk.seen("page"))
        for _ in range(2):
            desk.runner.direct(Directives(policy_version="7"), asked_at_s=0.0)
            await until(lambda: len(desk.seen("uplink")) == 2)
    assert len(desk.seen("page")) == 1


async def test_bandwidth_results_are_told_once_they_are_safe():
    """The courier is hurried after the record of a bandwidth test is in the spool, and by no other probe."""
    told = []
    desk = Desk(answered, [load("uplink", interval_s=0.05), ping("page", interval_s=0.01)])
    desk.runner.on_urgent = lambda: told.append(len(desk.seen("uplink")))
    async with desk.running():
        await until(lambda: len(told) == 3 and len(desk.seen("page")) > 3)
    assert told[:3] == [1, 2, 3]


async def test_stop_lets_a_running_probe_finish():
    """What was begun is kept; nothing new begins."""
    begun = asyncio.Event()

    async def probe(target, context):
        begun.set()
        await asyncio.sleep(0.1)
        return await answered(target, context)

    desk = Desk(probe, [ping("a", interval_s=0.01), ping("b", interval_s=3_600)])
    async with desk.running():
        await begun.wait()
    assert len(desk.records) == 1


async def test_stalled_only_when_overdue():
    """The watchdog hears of a runner that stands still, not of one that waits."""
    desk = Desk(answered, [ping("a", interval_s=3_600)])
    assert not desk.runner.is_stalled()
    desk.runner._progress["a"].due_s -= 3_600 + 121
    assert desk.runner.is_stalled()


@pytest.mark.parametrize(
    ("target", "expected_s"),
    [
        (ping("a", interval_s=2), 2),
        (ping("a", interval_s=600), 30),
        (ping("a", interval_s=600, deadline_s=90), 90),
        (load("u", interval_s=2), 30),
        (msgspec.structs.replace(load("u"), deadline_s=40), 40),
    ],
)
def test_deadlines(target, expected_s):
    """As set, else the interval up to 30 s; a bandwidth test always has 30 s."""
    assert probing.made(target).deadline_s == expected_s


async def test_a_hurried_probe_runs_at_once_and_once():
    """Many traps of one device make one probe more, not many."""
    desk = Desk(answered, [ping("a", interval_s=3600)])
    async with desk.running():
        desk.runner.hurry("a")
        await until(lambda: len(desk.seen("a")) == 1)
        for _ in range(5):
            desk.runner.hurry("a")
        await asyncio.sleep(0.1)
        assert len(desk.seen("a")) == 1
