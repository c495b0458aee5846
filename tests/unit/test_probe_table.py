"""The table of probes, what a new kind needs, and what importing the table must not cost."""

import ast
import asyncio
import contextlib
import subprocess
import sys
import time
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

import agent
from agent.clock import Clock, Reading
from agent.metrics import Metrics
from agent.once import probe_once
from agent.probes import PROBES, Table, make_all
from agent.probes.contract import Context, Probe, Span, patience_s
from agent.probes.tools import Tools
from agent.runner import Runner
from agent.settings import AgentSettings
from agent.traps import Receiver
from classready.devices import Snmp
from classready.observation import Observation, Outcome, Ping, Reason
from classready.report import Directives, Record
from classready.targets import (
    BandwidthTarget,
    HttpTarget,
    PingTarget,
    SwitchTarget,
    Target,
    TargetSettings,
    WhiteboardTarget,
)
from tests.support.probing import SETTINGS, made, wired

TARGETS = (
    PingTarget(name="ping", host="h"),
    HttpTarget(name="http", url="https://h/"),
    SwitchTarget(name="switch", host="h", ports={"1": "r1", "2": "r2"}, trunks=("24",)),
    WhiteboardTarget(name="board", host="h", classroom="r1"),
    BandwidthTarget(name="wan", host="h"),
)


def test_the_table_and_the_settings_agree() -> None:
    """Every kind of target has a probe, and there is no probe without its kind."""
    assert set(PROBES) == set(typing.get_args(TargetSettings))


def test_importing_the_table_loads_no_driver() -> None:
    """``--help`` and an agent without switches pay nothing for SNMP, ICMP, certificates or the other link."""
    code = "import sys, agent.probes; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["gufo", "pysnmp", "pyasn1", "aiohttp", "aiomqtt", "icmplib", "cryptography"]
    found = subprocess.run([sys.executable, "-c", code, *heavy], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_unmeasured_names_every_subject(target: TargetSettings) -> None:
    """What a probe could not finish is UNMEASURED with its reason, for each classroom and trunk, fit for the wire."""
    observations = wired(made(target).unmeasured("deadline", "no result\nwithin 30 s" * 40))
    assert len(observations) == (3 if isinstance(target, SwitchTarget) else 1)
    assert {o.outcome for o in observations} == {Outcome.UNMEASURED}
    assert {o.reason for o in observations} == {Reason.DEADLINE}


def test_patience_ends_before_the_deadline() -> None:
    """Silence must be reported as silence, so a probe stops waiting before the runner cuts it off."""
    assert patience_s(PingTarget(name="p", host="h", interval_s=2)) < 2
    assert patience_s(PingTarget(name="p", host="h", interval_s=600)) < 30
    assert patience_s(PingTarget(name="p", host="h", deadline_s=90)) > 60


def test_targets_have_defaults_that_fit_their_deadline() -> None:
    """With default settings a silent SNMP device takes less than half of a probe's patience."""
    snmp = Snmp()
    assert snmp.timeout_s * (snmp.retry_count + 1) < patience_s(TARGETS[3]) / 2


@pytest.mark.parametrize("module", ["app", "courier", "once", "runner", "schedule", "traps"])
def test_who_runs_probes_names_no_kind(module: str) -> None:
    """No settings of one kind, either: what there is to know of a probe stands in its contract."""
    nodes = list(ast.walk(ast.parse((Path(agent.__file__).parent / f"{module}.py").read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words = {word for name in names for word in name.split("_")}
    words |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not names & {kind.__name__ for kind in PROBES}
    assert not words & {str(kind.__struct_config__.tag) for kind in PROBES}


def test_no_module_remembers() -> None:
    """What is kept from one observation to the next lives in a probe or a session, and ends with it.

    Names that are being looked up are the exception: the resolver's thread goes on when nobody waits any more, so the
    next one who asks, in whichever session, waits for it instead of starting another.
    """
    folder = Path(agent.__file__).parent
    found = {
        (str(file.relative_to(folder)), name)
        for file in folder.rglob("*.py")
        for name in _containers(ast.parse(file.read_text()))
    }
    assert found == {("dial.py", "_lookups")}


def _containers(module: ast.Module) -> Iterator[str]:
    """Names of the module that begin as an empty container, or are set by a function."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        empty = (isinstance(value, ast.List | ast.Set) and not value.elts) or (
            isinstance(value, ast.Dict) and not value.keys
        )
        made = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _CONTAINERS
        if empty or made:
            yield from (target.id for target in targets if isinstance(target, ast.Name))
    yield from (name for node in ast.walk(module) if isinstance(node, ast.Global) for name in node.names)


_CONTAINERS = {"dict", "list", "set", "deque", "defaultdict", "OrderedDict", "Counter"}


# --- a kind that the agent has never heard of -----------------------------------------------------------------------


class LampTarget(Target, frozen=True, kw_only=True, tag="lamp"):
    """A projector's lamp, which is asked for its hours."""

    host: str = "10.0.0.9"


class Lamps:
    """What all lamps of a session share, and a service that runs beside them."""

    def __init__(self, tools: Tools) -> None:
        self.seen: list[tuple[str, int]] = []
        self.cut: list[str] = []
        self.hangs = self.closed = self.serving = False
        self.opening: Span | None = None
        self.most = self.now = 0
        tools.services["lamps"] = self.run

    async def run(self) -> None:
        self.serving = True
        try:
            await asyncio.Event().wait()
        finally:
            self.serving = False


class LampProbe:
    """Remembers how often it was asked."""

    def __init__(self, target: LampTarget, lamps: Lamps) -> None:
        self._target, self._lamps, self._count = target, lamps, 0

    async def observe(self, _context: Context) -> Sequence[Observation]:
        lamps, name = self._lamps, self._target.name
        self._count += 1
        lamps.seen.append((name, self._count))
        lamps.now += 1
        lamps.most = max(lamps.most, lamps.now)
        try:
            await asyncio.sleep(3_600 if lamps.hangs else 0.01)
        except asyncio.CancelledError:
            lamps.cut.append(name)
            raise
        finally:
            lamps.now -= 1
        if lamps.closed:
            return [Ping(target=name, outcome=Outcome.UNMEASURED, reason=Reason.OUTSIDE_HOURS)]
        return [Ping(target=name, outcome=Outcome.ANSWERED)]

    def next_opening(self, _context: Context, _now: float) -> Span | None:
        return self._lamps.opening


def make_lamp(target: LampTarget, tools: Tools, **traits: typing.Any) -> Probe:
    lamp = LampProbe(target, tools.share(Lamps))
    return Probe(
        target=target,
        observe=lamp.observe,
        unmeasured=lambda reason, detail: [
            Ping(target=target.name, outcome=Outcome.UNMEASURED, reason=Reason(reason), detail=detail)
        ],
        deadline_s=target.deadline_s or 5.0,
        next_opening=lamp.next_opening,
        **traits,
    )


class RightClock(Clock):
    """It knows what time it is, whatever the machine of the test thinks of its own."""

    def read(self) -> Reading:
        return replace(super().read(), wall_s=time.time(), quality="good")


class School:
    """A running session with lamps: all that stands in for the agent's own code is the table."""

    def __init__(self, *targets: Target, **traits: typing.Any) -> None:
        self.settings = AgentSettings(gateway="gw-1", link=SETTINGS.link, targets=targets)  # type: ignore[arg-type]
        table: Table = {**PROBES, LampTarget: partial(make_lamp, **traits)}
        self.clock = RightClock("0" * 32)
        self.tools = Tools(self.settings, self.clock.now_s, Metrics())
        self.probes = make_all(table, self.settings.targets, self.tools)
        self.lamps = self.tools.share(Lamps)
        self.records: list[Record] = []
        self.runner = Runner(self.settings, self.probes, self.clock, self.append, Metrics())

    async def append(self, records: Sequence[Record]) -> None:
        self.records += records

    def direct(self, **directives: typing.Any) -> None:
        """As when an ack comes that knows of all that is in the spool."""
        self.runner.direct(Directives(policy_version="1", **directives), self.clock.now_s())

    def seen(self) -> list[str]:
        return [name for name, _ in self.lamps.seen]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(run()) for run in (self.runner.run, *self.tools.services.values())]
        try:
            yield
        finally:
            self.runner.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def lamp(name: str = "lamp", interval_s: float = 3_600.0, **more: typing.Any) -> LampTarget:
    return LampTarget(name=name, interval_s=interval_s, **more)


async def test_a_new_kind_is_scheduled_and_remembers() -> None:
    """One line in the table: it is due at its interval, its records reach the spool, and its memory is its own."""
    school = School(lamp("a", interval_s=0.03), lamp("b", interval_s=0.03))
    async with school.running():
        await school.until(lambda: min(school.seen().count(name) for name in "ab") >= 3)
    for name in "ab":
        assert [count for seen, count in school.lamps.seen if seen == name][:3] == [1, 2, 3]
    assert {record.observation.outcome for record in school.records} == {Outcome.ANSWERED}


async def test_a_new_kind_is_retested() -> None:
    """The collector names a target, whatever it is: it runs at once, and not twice for one wish."""
    school = School(lamp(), lamp("other"))
    async with school.running():
        school.direct(retest=("lamp",))
        await school.until(lambda: len(school.records) == 1)
        school.direct(retest=("lamp",))
        await school.until(lambda: len(school.records) == 2)
    assert school.seen() == ["lamp", "lamp"]


async def test_a_new_kind_is_cancelled() -> None:
    """Beyond its deadline it is cut off, and its own ``unmeasured`` says so; what is due goes on."""
    school = School(lamp(deadline_s=0.05))
    school.lamps.hangs = True
    async with school.running():
        school.runner.hurry("lamp")
        await school.until(lambda: len(school.records) == 1)
    assert school.lamps.cut == ["lamp"]
    assert school.records[0].observation.reason is Reason.DEADLINE


async def test_a_new_kind_is_cancelled_with_the_session() -> None:
    """What was never finished was never observed."""
    school = School(lamp())
    school.lamps.hangs = True
    async with school.running():
        school.runner.hurry("lamp")
        await school.until(lambda: bool(school.seen()))
        assert school.lamps.serving
    assert (school.lamps.cut, school.records, school.lamps.serving) == (["lamp"], [], False)


async def test_a_new_kind_may_load_the_line() -> None:
    """Then it takes turns with all that load it."""
    school = School(*(lamp(f"l{i}", interval_s=0.02) for i in range(4)), loads_line=True)
    async with school.running():
        await school.until(lambda: len(set(school.seen())) == 4)
    assert school.lamps.most == 1
    school = School(*(lamp(f"l{i}", interval_s=0.02) for i in range(4)))
    async with school.running():
        await school.until(lambda: school.lamps.most > 1)


async def test_a_new_kind_may_be_urgent() -> None:
    """The courier hears of it as soon as its record is in the spool, and of no other."""
    for urgent in (True, False):
        school = School(lamp(interval_s=0.02), urgent=urgent)
        told: list[int] = []
        school.runner.on_urgent = lambda told=told, school=school: told.append(len(school.records))  # type: ignore[misc]
        async with school.running():
            await school.until(lambda school=school: len(school.records) >= 3)  # type: ignore[misc]
        assert told[:3] == ([1, 2, 3] if urgent else [])


@pytest.mark.parametrize("needs_directives", [True, False])
async def test_a_new_kind_may_need_directives(needs_directives: bool) -> None:  # noqa: FBT001 - a parameter
    """It runs again as soon as it can know what is asked of it; another kind waits for its time."""
    school = School(lamp(), needs_directives=needs_directives)
    async with school.running():
        school.runner.hurry("lamp")
        await school.until(lambda: len(school.records) == 1)
        school.direct()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await school.until(lambda: len(school.records) == 2)
    assert len(school.records) == (2 if needs_directives else 1)


async def test_a_new_kind_may_have_hours() -> None:
    """What it put off, it does in its own next opening instead of an interval later."""
    school = School(lamp())
    school.lamps.closed = True
    async with school.running():
        now = school.clock.read().wall_s
        assert now is not None
        school.lamps.opening = (now + 0.1, now + 0.2)
        school.runner.hurry("lamp")
        await school.until(lambda: len(school.records) == 1)
        school.lamps.closed = False
        await school.until(lambda: len(school.records) == 2)
    assert [record.observation.outcome for record in school.records] == [Outcome.UNMEASURED, Outcome.ANSWERED]


def test_a_new_kind_may_be_hurried_by_traps() -> None:
    """By what its probe says, the receiver knows whose trap it is."""
    hurried: list[str] = []
    school = School(lamp(), trap_host="10.0.0.9")
    receiver = Receiver(typing.cast("typing.Any", None), school.probes, hurried.append)
    for sender in ("10.0.0.9", "10.0.0.8"):
        receiver._received(None, "", {"transportAddress": (sender, 162)}, None)
    assert hurried == ["lamp"]


async def test_a_new_kind_is_probed_once_for_a_person(tmp_path: object) -> None:
    """``probe TARGET``: what it shares with others runs meanwhile, and it may listen before it answers."""
    lamps: list[Lamps] = []
    seen_before: list[int] = []

    def make(target: LampTarget, tools: Tools) -> Probe:
        lamps.append(tools.share(Lamps))

        async def settle() -> None:
            while not lamps[0].serving:
                await asyncio.sleep(0.005)
            seen_before.append(len(lamps[0].seen))

        return make_lamp(target, tools, settle=settle)

    settings = AgentSettings(gateway="gw-1", link=SETTINGS.link, targets=(), state_dir=str(tmp_path))
    [found] = await asyncio.wait_for(probe_once(settings, {LampTarget: make}, lamp()), 5)  # type: ignore[arg-type]
    assert (found.outcome, seen_before, lamps[0].serving) == (Outcome.ANSWERED, [0], False)
