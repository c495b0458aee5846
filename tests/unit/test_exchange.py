"""Settings that change under a running agent: what stays, stays with all it remembers; what runs, finishes."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from agent.clock import Clock
from agent.metrics import Metrics
from agent.probes import Workshop
from agent.probes.contract import Context, Probe
from agent.probes.tools import Tools
from agent.runner import Runner
from agent.settings import AgentSettings, HttpLink
from classready.observation import Outcome, Ping
from classready.report import Record
from classready.targets import PingTarget

SETTINGS = AgentSettings(gateway="gw-1", link=HttpLink(url="https://c.example", token_file="t"))


def ping(name: str, host: str = "h", interval_s: float = 3_600.0) -> PingTarget:
    return PingTarget(name=name, host=host, interval_s=interval_s)


def shared(_tools: Tools) -> list[str]:
    return []


def zone(settings: AgentSettings) -> object:
    return settings.timezone


@dataclass
class Desk:
    """A runner whose probes are held until they are let go; each remembers how often it was asked."""

    targets: list[PingTarget]
    made: list[str] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.settings = replace(SETTINGS, targets=tuple(self.targets))
        self.clock = Clock("0" * 32)
        self.tools = Tools(self.settings, self.clock.now_s, Metrics())
        self.workshop = Workshop({PingTarget: self._make}, self.tools)
        self.runner = Runner(self.settings, self.workshop.probes, self.clock, self._append, Metrics())

    def _make(self, target: PingTarget, tools: Tools) -> Probe:
        tools.share(shared, zone)
        self.made.append(f"{target.name} {target.host}")
        count = 0

        async def observe(_context: Context) -> list[Ping]:
            nonlocal count
            count += 1
            self.asked[target.name] = count
            await self.let_go.wait()
            return [Ping(target=target.name, outcome=Outcome.ANSWERED, detail=target.host)]

        return Probe(target=target, observe=observe, unmeasured=lambda *_: (), deadline_s=5)

    async def _append(self, records: Any) -> None:
        self.records += records

    def follow(self, *targets: PingTarget, **more: Any) -> None:
        self.settings = replace(self.settings, targets=targets, **more)
        self.workshop.follow(self.settings)
        self.runner.exchange(self.settings, self.workshop.probes)

    def seen(self) -> list[str | None]:
        return [record.observation.detail for record in self.records]

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        task = asyncio.create_task(self.runner.run())
        try:
            async with asyncio.timeout(10):
                yield
        finally:
            self.let_go.set()
            self.runner.stop()
            await asyncio.wait([task], timeout=5)
            task.cancel()
            assert task.done()


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def test_a_target_that_stays_keeps_its_probe_and_its_time() -> None:
    desk = Desk([ping("a"), ping("b")])
    before = desk.workshop.probes[0]
    progress = desk.runner._progress["a"]
    desk.follow(ping("c"), ping("a"))
    assert desk.workshop.probes[1] is before
    assert desk.runner._progress["a"] is progress
    assert desk.made == ["a h", "b h", "c h"]
    assert [sight.target.name for sight in desk.runner.sights()] == ["c", "a"]


async def test_what_runs_finishes_and_its_record_is_kept_and_it_never_begins_again() -> None:
    desk = Desk([ping("a", interval_s=0.05), ping("b", interval_s=0.05)])
    async with desk.running():
        await until(lambda: desk.asked == {"a": 1, "b": 1})
        desk.follow(ping("b", interval_s=0.05))
        desk.let_go.set()
        await until(lambda: desk.asked["b"] > 4)
        assert desk.asked["a"] == 1
        assert [r.observation for r in desk.records if getattr(r.observation, "target", "") == "a"]


async def test_a_changed_target_takes_the_place_of_the_one_that_still_runs() -> None:
    """Both records are there, each once; the new one comes no later than the old one would have."""
    desk = Desk([ping("a", "old", interval_s=0.05)])
    async with desk.running():
        await until(lambda: desk.asked == {"a": 1})
        desk.follow(ping("a", "new", interval_s=3_600.0))
        desk.let_go.set()
        await until(lambda: len(desk.seen()) == 2)
    assert sorted(map(str, desk.seen())) == ["new", "old"]


async def test_a_target_that_comes_is_probed_without_a_restart() -> None:
    desk = Desk([])
    async with desk.running():
        await asyncio.sleep(0)
        desk.let_go.set()
        desk.follow(ping("a", interval_s=0.05))
        await until(lambda: desk.asked.get("a", 0) > 2)


async def test_more_at_one_time_holds_for_those_that_wait_from_then_on() -> None:
    desk = Desk([ping("a", interval_s=0.01), ping("b", interval_s=0.01)])
    desk.follow(*desk.targets, concurrency=1)
    async with desk.running():
        await until(lambda: desk.asked)
        await asyncio.sleep(0.1)
        assert len(desk.asked) == 1
        desk.follow(*desk.targets, ping("c", interval_s=0.01), concurrency=3)
        await until(lambda: "c" in desk.asked)


async def test_a_trap_of_a_target_that_is_gone_hurries_nobody() -> None:
    desk = Desk([ping("a")])
    desk.follow()
    desk.runner.hurry("a")
    assert desk.runner.sights() == []


async def test_who_shares_what_is_another_now_is_made_anew() -> None:
    desk = Desk([ping("a"), ping("b")])
    first = desk.tools.share(shared, zone)
    desk.follow(ping("a"), ping("b"), report_interval_s=5.0)
    assert desk.tools.share(shared, zone) is first
    desk.follow(ping("a"), ping("b"), timezone="Asia/Urumqi")
    assert desk.made == ["a h", "b h", "a h", "b h"]
    assert desk.tools.share(shared, zone) is not first


async def test_a_service_ends_with_what_it_belongs_to() -> None:
    desk = Desk([])

    def make(tools: Tools) -> str:
        async def run() -> None:
            """Nothing."""

        tools.services["meter"] = run
        return "made"

    desk.tools.share(make, zone)
    run = desk.tools.services["meter"]
    desk.follow(report_interval_s=5.0)
    assert desk.tools.services["meter"] is run
    desk.follow(timezone="Asia/Urumqi")
    assert desk.tools.services == {}
