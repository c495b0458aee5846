"""What one gateway does to the engine is that gateway's affair: its poison is refused, its hoards are bounded."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from classready.codec import DecodedReport, encode
from classready.report import Rejected
from collector.core.policy import Policy
from collector.engine import CommitFailedError, NotAppliedError
from collector.store.tables import ledger as ledger_table
from collector.store.tables import ledger_rejected
from tests.support.collecting import NOW, POLICY, SPOOL, awake, bandwidth, pings, record, report
from tests.support.engines import counted, ledger, rows, running

pytestmark = pytest.mark.usefixtures("every_store")

NEIGHBOUR_WORST_S = 2.0
"""Of an honest report beside the worst that one gateway can do, on a busy machine; quiet it is a hundredth of that."""


def from_two(records=(), **changes):
    return report(records, gateway="gw-two", **changes)


# --- a report that the store refuses --------------------------------------------------------------------------------


def poisoned(**changes) -> DecodedReport:
    """A report that no decoder lets through: what a hole in the schema would be."""
    good = report([record(1), record(2, bandwidth(passed=True))])
    bad = replace(good.records[1], observation=replace(good.records[1].observation, **changes))
    return replace(good, records=(good.records[0], bad))


POISONS = [
    pytest.param({"bucket_bytes": 2**63}, id="integer out of range"),
    pytest.param({"beyond": "metro\ud800"}, id="text that is no text"),
    pytest.param({"loss_ratio": [0.5]}, id="no value at all"),
]


@pytest.mark.parametrize("changes", POISONS)
@pytest.mark.parametrize("place", [0, 3, 6])
async def test_poison_harms_its_own_report(tmp_path, changes, place):
    """What the store will never take is refused for good, alone, wherever it waits; nothing of it stays."""
    async with running(tmp_path) as (engine, store, _):
        batch = [from_two(pings([n])) for n in range(1, 7)]
        sent = [engine.submit("gw-two", one, NOW) for one in batch]
        sent.insert(place, engine.submit("gw-one", poisoned(**changes), NOW))
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(answers.pop(place), NotAppliedError)
        assert [ack.committed for ack in answers] == [((n, n),) for n in range(1, 7)]
        assert (await ledger(store, "gw-two")).applied_records == 6
        assert [row.gateway for row in await rows(store, ledger_table)] == ["gw-two"]
        assert not engine.schools["s1"].state.uplinks
        assert (await engine.submit("gw-one", report(pings([1])), NOW)).committed == ((1, 1),)


NO_POISON = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON bandwidth_result WHEN NEW.target = 'poison'"
    " BEGIN SELECT RAISE(ABORT, 'no'); END",
    "postgresql": "ALTER TABLE bandwidth_result ADD CHECK (target <> 'poison')",
}


async def test_a_refusal_of_the_store_itself(tmp_path, every_store):
    """A constraint of the database speaks against what was to be written, not against the store."""
    async with running(tmp_path) as (engine, store, _):
        async with store.writer.begin() as connection:
            await connection.execute(text(NO_POISON[every_store]))
        bad = report([record(1, bandwidth(passed=True, target="poison"))])
        sent = [engine.submit("gw-one", bad, NOW), engine.submit("gw-two", from_two(pings([1])), NOW)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(answers[0], NotAppliedError)
        assert answers[1].committed == ((1, 1),)
        assert not engine._writer.is_failing


async def test_a_store_that_is_away_refuses_nothing_for_good(tmp_path):
    """Where the store cannot be written all reports are kept by their senders; none is blamed."""
    async with running(tmp_path) as (engine, store, _):
        async with store.writer.begin() as connection:
            await connection.execute(text("ALTER TABLE ledger RENAME TO away"))
        sent = [engine.submit("gw-two", from_two(pings([n])), NOW) for n in range(1, 4)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers] == [CommitFailedError] * 3
        assert not engine.is_well


# --- what a ledger may hold -----------------------------------------------------------------------------------------


@asynccontextmanager
async def beside(engine, clock, hostile):
    """An honest neighbour reports again and again while ``hostile`` sends: the worst it waited for an ack."""
    waits = []

    async def honest():
        for n in range(1, 1_000):
            started = time.perf_counter()
            await engine.submit("gw-two", from_two(pings([n])), NOW)
            waits.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)

    neighbour = asyncio.create_task(honest())
    for each in hostile:
        clock.now += 1
        await engine.submit("gw-one", each, clock.now)
    yield waits
    neighbour.cancel()


async def size_of(store, column="ranges"):
    return max(len(getattr(row, column)) for row in await rows(store, ledger_table))


async def test_every_second_sequence(tmp_path):
    """A ledger of nothing but gaps stays small: the oldest gaps are closed, and what comes there late is refused."""
    policy = replace(POLICY, ranges_per_spool_max=100)
    flood = [report(pings(range(start, start + 400, 2))) for start in range(1, 8_001, 400)]
    async with running(tmp_path, policy=policy) as (engine, store, clock):
        async with beside(engine, clock, flood) as waits:
            pass
        assert max(waits) < NEIGHBOUR_WORST_S
        held = await ledger(store)
        assert (len(held.ranges), held.applied_records) == (100, 4_000)
        assert await size_of(store) < 2_000
        held_count = sum(last - first + 1 for first, last in held.ranges)
        assert held_count == held.applied_records + held.rejected_records + held.closed_records
        newest, closed = 7_999, held.closed_through
        ack = await engine.submit("gw-one", report(pings([2, closed, closed + 2, newest + 1])), NOW)
        assert ack.rejected == (Rejected(sequence=2, reason="inventory"), Rejected(sequence=closed, reason="inventory"))
        assert ack.committed == ((closed + 2, closed + 2), (newest + 1, newest + 1))


async def test_a_backlog_beside_live_records_keeps_its_place(tmp_path):
    """An honest spool has few gaps, however it sends: none of them is closed, and none of its records refused."""
    policy = replace(POLICY, ranges_per_spool_max=10)
    async with running(tmp_path, policy=policy) as (engine, store, _):
        for n in range(100):
            await engine.submit("gw-one", report(pings([5_000 + n])), NOW)
            await engine.submit("gw-one", report(pings(range(1 + 10 * n, 11 + 10 * n))), NOW)
        held = await ledger(store)
        assert (held.ranges, held.closed_records) == (((1, 1_000), (5_000, 5_099)), 0)


async def test_one_refused_record_in_each_report(tmp_path):
    """A gateway that names a foreign room again and again has one range, not one more with each report."""
    async with running(tmp_path) as (engine, store, _):
        for n in range(0, 300, 3):
            ack = await engine.submit(
                "gw-one", report([record(n + 1), record(n + 2, awake("s3/r1")), record(n + 3)]), NOW
            )
            assert ack.rejected == (Rejected(sequence=n + 2, reason="identity"),)
        held = await ledger(store)
        assert (held.ranges, held.applied_records, held.rejected_records) == (((1, 300),), 200, 100)


async def test_refusals_are_forgotten_oldest_first(tmp_path):
    """So many refusals of a spool are kept by name; the newest get the same answer again."""
    policy = replace(POLICY, rejections_per_spool_max=2_000)
    bad = b'{"sequence":%d,"observation":{"kind":"ping"}}'
    flood = [report([bad % n for n in range(start, start + 1_000)]) for start in range(1, 12_001, 1_000)]
    async with running(tmp_path, policy=policy) as (engine, store, clock):
        async with beside(engine, clock, flood) as waits:
            pass
        assert max(waits) < NEIGHBOUR_WORST_S
        for start in (20_001, 21_001, 22_001, 23_001):
            clock.now += 1
            await engine.submit("gw-one", report([bad % n for n in range(start, start + 1_000)]), clock.now)
        assert len(await rows(store, ledger_rejected)) <= 4_000
        ack = await engine.submit("gw-one", report([bad % 24_000]), NOW)
        assert ack.rejected == (Rejected(sequence=24_000, reason="schema"),)
        assert (await ledger(store)).rejected_records == 16_000


async def test_a_spool_a_report(tmp_path):
    """A gateway that makes a new spool with each report is remembered by its last ones; neighbours keep theirs."""
    policy = replace(POLICY, spools_per_gateway_max=5)
    before = counted("classready_collector_spools_forgotten_total")
    flood = [report([record(1, bandwidth(passed=True))], spool_id=f"{n:032x}") for n in range(50)]
    async with running(tmp_path, policy=policy) as (engine, store, clock):
        await engine.submit("gw-one", report(pings([1, 2])), NOW)
        async with beside(engine, clock, flood) as waits:
            pass
        assert max(waits) < NEIGHBOUR_WORST_S
        held = await rows(store, ledger_table)
        assert len([row for row in held if row.gateway == "gw-one"]) == 5
        assert [row.spool_id for row in held if row.gateway == "gw-two"] == [SPOOL]
        again = await engine.submit("gw-one", flood[0], NOW)
        assert again.committed == ((1, 1),)
    assert counted("classready_collector_spools_forgotten_total") == before + 47


def test_the_caps_are_policy():
    """Whoever runs the collector may set them; a report's worth of refusals is always kept."""
    assert Policy().rejections_per_spool_max >= 2_000
    assert len(encode(tuple((2**53 - 2 * n, 2**53 - 2 * n) for n in range(Policy().ranges_per_spool_max)))) < 150_000


async def test_a_keeper_sees_which_gateway_it_is(tmp_path):
    """What was refused of a gateway within a day is told of that gateway: how much, when last, and no longer."""
    policy = replace(POLICY, ranges_per_spool_max=10, spools_per_gateway_max=2)
    async with running(tmp_path, policy=policy) as (engine, _, clock):
        await engine.submit("gw-one", report([record(1, awake("s3/r1")), record(2, awake("s3/r1"))]), NOW)
        assert engine.refusals("gw-one") == [("identity", 2, NOW, NOW)]
        assert engine.refusals("gw-two") == []
        for n in range(4):
            clock.now += 1
            await engine.submit("gw-one", report(pings(range(3, 200, 3)), spool_id=f"{n:032x}"), clock.now)
        await engine.submit("gw-one", report(pings([2]), spool_id=f"{3:032x}"), clock.now)
        assert sorted(engine.refusals("gw-one")) == [
            ("gaps", 4, NOW + 1, NOW + 4),
            ("identity", 2, NOW, NOW),
            ("late_gaps", 1, NOW + 4, NOW + 4),
            ("spools", 3, NOW + 2, NOW + 4),
        ]
        clock.now = NOW + 86_402
        assert sorted(refused.reason for refused in engine.refusals("gw-one")) == ["gaps", "late_gaps", "spools"]


async def test_what_was_refused_in_the_future(tmp_path):
    """A clock that was a year ahead and is set back: it is told as of now, and for a day, not for a year."""
    ahead = 365 * 86_400.0
    foreign = record(1, awake("s3/r1"))
    async with running(tmp_path) as (engine, _, clock):
        clock.now = NOW + ahead
        await engine.submit("gw-one", report([foreign]), clock.now)
        clock.now = NOW
        assert engine.refusals("gw-one") == [("identity", 1, NOW, NOW)]
        clock.now = NOW + 60
        await engine.submit("gw-one", report([replace(foreign, sequence=2)]), clock.now)
        assert engine.refusals("gw-one") == [("identity", 2, NOW, NOW + 60)]
        clock.now = NOW + 86_461
        assert engine.refusals("gw-one") == []
        await engine.submit("gw-one", report([replace(foreign, sequence=3)]), clock.now)
        assert engine.refusals("gw-one") == [("identity", 1, clock.now, clock.now)]
