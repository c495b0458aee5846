"""A staged upgrade on a real store: orders, offers and what became of them, and all of it again after a restart."""

from pathlib import Path

import pytest

from classready.box import Box, Upgrade
from classready.codec import decode_report
from classready.measuring import Release
from collector.engine.upgrades import Order, OrderError
from collector.store.tables import audit, upgrade_mark
from tests.support.collecting import NOW, SPOOL, FakeClock, report
from tests.support.engines import counted, rows, running

pytestmark = pytest.mark.usefixtures("every_store")

OLD, NEW = "0.1.0-aaaaaaaa", "0.2.0-bbbbbbbb"
OTHERS = """\
office: "511421"
name: 仁寿县
schools: [{id: s9, name: 示例九小, timetable: always, classrooms: [{id: r1}]}]
gateways: [{id: gw-nine, schools: [s9]}]
"""
RECORDED = Path(__file__).parents[1] / "data/wire/v1/report-recorded-of-0.1.0.json"
START = Order("start", "王", NEW, "511402", 100)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "roster").mkdir()
    (tmp_path / "roster/511421.yml").write_text(OTHERS)
    return tmp_path


async def hear(engine, clock, gateway, release=OLD, told=None):
    clock.now += 2.0
    box = Box(release=release, upgrade=told)
    sent = report(gateway=gateway, spool_id=SPOOL, boot_id=None, box=box, agent_version="0.1.0")
    await engine.submit(gateway, sent, clock.now)


async def fleet_heard(engine, clock):
    for gateway in ("gw-one", "gw-two", "gw-nine"):
        await hear(engine, clock, gateway)


async def arrive(engine, clock, gateway):
    for _ in range(5):
        await hear(engine, clock, gateway, NEW)
        await engine.upgrades.look()


async def test_from_the_canaries_to_all(folder):
    """Both gateways of the canary office, then the other one; the last of a school that is told, too."""
    async with running(folder) as (engine, store, clock):
        await fleet_heard(engine, clock)
        await engine.upgrades.order(START)
        assert engine.upgrades.release("gw-one") is None, "nobody looked yet"
        await engine.upgrades.look()
        first = {g for g in engine.roster.gateways if engine.upgrades.release(g)}
        assert first == {"gw-one", "gw-two"}
        assert engine.upgrades.release("gw-one") == Release(version=NEW, asked_at=clock.now)
        assert engine.configuring.of("gw-one").release == engine.upgrades.release("gw-one")
        for gateway in ("gw-one", "gw-two"):
            assert engine.upgrades.release("gw-nine") is None
            await arrive(engine, clock, gateway)
        await engine.upgrades.look()
        assert engine.upgrades.release("gw-nine") is not None
        said = [(row.actor, row.detail) for row in await rows(store, audit) if row.action == "fleet_upgrade"]
        assert said == [("王", f"{NEW} start, canary 511402, 100 %")]


async def test_a_restart_goes_on(folder):
    """Plan, marks and the open gate are there again; nobody is offered it a second time."""
    async with running(folder) as (engine, _, clock):
        await fleet_heard(engine, clock)
        await engine.upgrades.order(START)
        await engine.upgrades.look()
        await arrive(engine, clock, "gw-one")
        before = engine.upgrades.plan, engine.upgrades.marks
        now = clock.now
    async with running(folder, FakeClock(now)) as (engine, _, clock):
        await engine.upgrades.load()
        assert (engine.upgrades.plan, engine.upgrades.marks) == before
        await engine.upgrades.look()
        assert engine.upgrades.marks == before[1]
        assert engine.upgrades.release("gw-two") == Release(version=NEW, asked_at=before[1]["gw-two"].offered_at)


async def test_rolled_back_halts_until_somebody_goes_on(folder):
    """One of two canaries: nobody is told any more; resume goes on without it, retry asks it anew."""
    async with running(folder) as (engine, store, clock):
        await fleet_heard(engine, clock)
        await engine.upgrades.order(START)
        await engine.upgrades.look()
        asked_at = engine.upgrades.marks["gw-one"].offered_at
        told = Upgrade(version=NEW, asked_at=asked_at, state="rolled_back", reason="unhealthy")
        await hear(engine, clock, "gw-one", told=told)
        await engine.upgrades.look()
        assert (engine.upgrades.plan.state, counted("classready_collector_upgrade_halted")) == ("halted", 1)
        assert not any(engine.upgrades.release(g) for g in engine.roster.gateways)
        await engine.upgrades.order(Order("resume", "王"))
        assert counted("classready_collector_upgrade_halted") == 0
        await engine.upgrades.look()
        assert (engine.upgrades.release("gw-one"), engine.upgrades.release("gw-two") is None) == (None, False)
        await engine.upgrades.order(Order("retry", "王"))
        await engine.upgrades.look()
        assert engine.upgrades.release("gw-one").asked_at > asked_at
        assert len(await rows(store, upgrade_mark)) == 2


async def test_abort_and_another_release(folder):
    """Aborted, nobody gets it; another release begins with no memory of the one before."""
    async with running(folder) as (engine, store, clock):
        await fleet_heard(engine, clock)
        await engine.upgrades.order(START)
        await engine.upgrades.look()
        await engine.upgrades.order(Order("abort", "王"))
        await engine.upgrades.look()
        assert not any(engine.upgrades.release(g) for g in engine.roster.gateways)
        await engine.upgrades.order(Order("start", "王", "0.3.0-cccccccc", None, 100))
        assert await rows(store, upgrade_mark) == []
        await engine.upgrades.look()
        assert {engine.upgrades.release(g).version for g in engine.roster.gateways} == {"0.3.0-cccccccc"}


async def test_percent_is_changed_while_it_goes_on(folder):
    """What is not said stays as it was, the marks, too."""
    async with running(folder) as (engine, _, clock):
        await fleet_heard(engine, clock)
        await engine.upgrades.order(Order("start", "王", NEW, None, 34))
        await engine.upgrades.look()
        first = dict(engine.upgrades.marks)
        assert len(first) == 1
        await engine.upgrades.order(Order("start", "李", None, None, 70))
        await engine.upgrades.look()
        assert len(engine.upgrades.marks) == 2
        assert first.items() <= engine.upgrades.marks.items()


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        ([Order("start", "王", None, None, 5)], "which release"),
        ([Order("start", "王", NEW)], "who gets it first"),
        ([Order("pause", "王")], "no upgrade"),
        ([START, Order("pause", "王", "0.9.0-x")], "not to 0.9.0-x"),
        ([START, Order("abort", "王"), Order("pause", "王")], "aborted already"),
        ([START, Order("abort", "王"), Order("start", "王", NEW, None, 5)], "--resume"),
    ],
)
async def test_orders_that_cannot_be_meant(folder, orders, says):
    async with running(folder) as (engine, _, _):
        for order in orders[:-1]:
            await engine.upgrades.order(order)
        before = engine.upgrades.plan
        with pytest.raises(OrderError, match=says):
            await engine.upgrades.order(orders[-1])
        assert engine.upgrades.plan is before


async def test_an_agent_of_the_first_release(folder):
    """It reports as ever and is committed; nobody asks of it what it cannot do."""
    async with running(folder, FakeClock(NOW)) as (engine, _, clock):
        sent = decode_report(RECORDED.read_bytes())
        ack = await engine.submit("gw-one", sent, clock.now)
        assert ack.committed == ((1, 1),)
        await engine.upgrades.order(Order("start", "王", NEW, None, 100))
        await engine.upgrades.look()
        assert engine.upgrades.release("gw-one") is None
