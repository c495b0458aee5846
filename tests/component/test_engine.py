"""The engine on real stores: what it acknowledges is durable, once, whatever is sent again or fails."""

import asyncio
import random

import msgspec
import pytest
from sqlalchemy import text

from classready.report import Rejected
from collector.core import directives
from collector.core.fold import link
from collector.core.hours import Calendar
from collector.core.words import Cause
from collector.engine import CommitFailedError, UnknownGatewayError
from collector.engine.queue import BATCH_MAX_REPORTS
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.store.ledgers import load
from collector.store.outbox import next_pending
from collector.store.tables import bandwidth_result, incident, school_state, verdict_transition
from tests.support.collecting import (
    NOW,
    OTHER_SPOOL,
    POLICY,
    ROSTER,
    SPOOL,
    FakeClock,
    awake,
    bandwidth,
    opened,
    pings,
    port,
    record,
    report,
    start_engine,
    write_roster,
)
from tests.support.engines import counted, ledger, rows, running

pytestmark = pytest.mark.usefixtures("every_store")


def incidents(engine):
    return [incident for desk in engine.bureau.state.desks.values() for incident in desk.incidents.values()]


def members(found):
    return sorted(f"{school}|{m.alert.subject.label}" for school, held in found.schools.items() for m in held)


# --- the ledger -----------------------------------------------------------------------------------------------------


async def test_ack_names_what_is_durable(tmp_path):
    """The ack names exactly the records of the report, and the ledger holds them."""
    async with running(tmp_path) as (engine, store, _):
        ack = await engine.submit("gw-one", report(pings([1, 2, 3, 7])), NOW)
        assert (ack.spool_id, ack.committed, ack.rejected) == (SPOOL, ((1, 3), (7, 7)), ())
        assert ack.directives.theta.down == (95e6, 100e6)
        held = await ledger(store)
        assert (held.ranges, held.applied_records) == (((1, 3), (7, 7)), 4)


async def test_redelivery(tmp_path):
    """A report sent again gets the same answer and changes nothing but a counter."""
    tests = [record(1, bandwidth(passed=True)), *pings([2, 3])]
    async with running(tmp_path) as (engine, store, clock):
        first = await engine.submit("gw-one", report(tests), NOW)
        states, duplicates = await rows(store, school_state), counted("classready_collector_records_duplicate_total")
        clock.now += 5
        again = await engine.submit("gw-one", report(tests), NOW + 5)
        assert (again.committed, again.rejected) == (first.committed, first.rejected) == (((1, 3),), ())
        assert await rows(store, school_state) == states
        assert len(await rows(store, bandwidth_result)) == 1
        assert (await ledger(store)).applied_records == 3
        assert counted("classready_collector_records_duplicate_total") == duplicates + 3


async def test_shuffled_and_overlapping(tmp_path):
    """Whatever the order, the overlap and the concurrency: every record is applied once."""
    chooser = random.Random(7)
    batches = [chooser.sample(range(1, 201), 30) for _ in range(40)] + [
        list(range(n, n + 20)) for n in range(1, 201, 20)
    ]
    chooser.shuffle(batches)
    async with running(tmp_path) as (engine, store, _):
        acks = await asyncio.gather(*(engine.submit("gw-one", report(pings(b)), NOW) for b in batches))
        for batch, ack in zip(batches, acks, strict=True):
            assert {n for first, last in ack.committed for n in range(first, last + 1)} == set(batch)
        held = await ledger(store)
        assert (held.ranges, held.applied_records) == (((1, 200),), 200)


async def test_two_spools(tmp_path):
    """A re-imaged gateway begins a new spool at 1: these are other records."""
    async with running(tmp_path) as (engine, store, _):
        await engine.submit("gw-one", report(pings([1, 2])), NOW)
        await engine.submit("gw-one", report(pings([1]), spool_id=OTHER_SPOOL), NOW)
        assert (await ledger(store)).applied_records == 2
        assert (await ledger(store, spool=OTHER_SPOOL)).applied_records == 1


async def test_rejected_stay_answered(tmp_path):
    """Refused records are answered by name, counted once, and answered alike for ever, also after a restart."""
    mixed = [
        record(1),
        record(2, awake("s3/r1")),
        record(3, awake("r9")),
        b'{"sequence":4,"observation":{"kind":"ping"}}',
    ]
    expected = (
        Rejected(sequence=2, reason="identity"),
        Rejected(sequence=3, reason="identity"),
        Rejected(sequence=4, reason="schema"),
    )
    before = counted("classready_collector_records_rejected_total", reason="identity")
    for _ in range(2):
        async with running(tmp_path) as (engine, store, _):
            for _ in range(2):
                ack = await engine.submit("gw-one", report(mixed), NOW)
                assert (ack.committed, ack.rejected) == (((1, 1),), expected)
            held = await ledger(store)
            assert (held.applied_records, held.rejected_records) == (1, 3)
    assert counted("classready_collector_records_rejected_total", reason="identity") == before + 2


async def test_refused_and_resent_in_one_batch(tmp_path):
    """Two reports that wait together see each other's refusals."""
    async with running(tmp_path) as (engine, store, _):
        foreign = report([record(1, awake("s3/r1"))])
        acks = await asyncio.gather(*(engine.submit("gw-one", foreign, NOW) for _ in range(3)))
        assert {ack.rejected for ack in acks} == {(Rejected(sequence=1, reason="identity"),)}
        assert (await ledger(store)).rejected_records == 1


async def test_one_sequence_twice_in_a_report(tmp_path):
    """A sender that gives one sequence to several records harms only itself: the first one counts."""
    twice = [record(5), record(5, awake("s3/r1")), b'{"sequence":5,"observation":{"kind":"new"}}', b'{"sequence":5}']
    async with running(tmp_path) as (engine, store, _):
        ack = await engine.submit("gw-one", report(twice), NOW)
        assert (ack.committed, ack.rejected) == (((5, 5),), ())
        assert (await ledger(store)).applied_records == 1


async def test_unknown_kinds_are_committed(tmp_path):
    """A record of a newer agent is taken off its hands and counted, its content is not kept."""
    before = counted("classready_collector_records_unknown_kind_total")
    async with running(tmp_path) as (engine, store, _):
        ack = await engine.submit("gw-one", report([b'{"sequence":9,"observation":{"kind":"radio"}}']), NOW)
        assert ack.committed == ((9, 9),)
        assert (await ledger(store)).applied_records == 1
    assert counted("classready_collector_records_unknown_kind_total") == before + 1


async def test_declared_drops(tmp_path):
    """Cumulative drops are counted once; reasons that are not ours go together under ``other``."""
    spool_full = counted("classready_collector_records_declared_dropped_total", reason="spool_full")
    other = counted("classready_collector_records_declared_dropped_total", reason="other")
    async with running(tmp_path) as (engine, store, _):
        for dropped in ({"spool_full": 5}, {"spool_full": 7, "x1": 1, "x2": 2}, {"spool_full": 5}):
            await engine.submit("gw-one", report(dropped=dropped), NOW)
        assert (await ledger(store)).declared_drops == {"spool_full": 7, "other": 3}
    assert counted("classready_collector_records_declared_dropped_total", reason="spool_full") == spool_full + 7
    assert counted("classready_collector_records_declared_dropped_total", reason="other") == other + 3


async def test_undatable(tmp_path):
    """A record that no clock can date enters the ledger and judges nothing."""
    lost = record(1, port("s1/r1"), wall_s=None, boot_id="0")
    async with running(tmp_path) as (engine, _, _):
        ack = await engine.submit("gw-one", report([lost]), NOW)
        assert ack.committed == ((1, 1),)
        assert not engine.schools["s1"].state.classrooms["r1"].last_port


# --- failures -------------------------------------------------------------------------------------------------------


async def rename(store, old: str, new: str) -> None:
    async with store.writer.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


async def test_failed_commit_leaves_nothing(tmp_path):
    """When the store fails in the middle, nothing is acknowledged, nothing is half there, and sending again repairs."""
    sent = report([record(1, bandwidth(passed=True)), record(2, awake("s1/r1")), record(3, awake("s3/r1"))])
    async with running(tmp_path) as (engine, store, _):
        before, seen = dict(engine.schools), []
        engine.on_change(lambda changed, _: seen.append(changed))
        await rename(store, "bandwidth_result", "away")
        with pytest.raises(CommitFailedError):
            await engine.submit("gw-one", sent, NOW)
        assert (dict(engine.schools), seen) == (before, [])
        async with store.reader.connect() as connection:
            assert await load(connection, {("gw-one", SPOOL)}) == {}
        await rename(store, "away", "bandwidth_result")
        ack = await engine.submit("gw-one", sent, NOW)
        assert (ack.committed, len(ack.rejected)) == (((1, 2),), 1)
        assert (await ledger(store)).applied_records == 2
        assert seen


async def test_a_bug_harms_one_record(tmp_path, monkeypatch):
    """A record on which the core fails is refused as ``internal``; its neighbours and the engine go on."""
    async with opened(tmp_path) as store:
        monkeypatch.setattr(link, "test", lambda *_: 1 / 0)
        monkeypatch.setattr(directives, "Thetas", lambda **_: 1 / 0)
        engine = await start_engine(store, tmp_path, FakeClock())
        task = asyncio.create_task(engine.run())
        ack = await engine.submit("gw-one", report([record(1), record(2, bandwidth(passed=True)), record(3)]), NOW)
        await engine.tick()
        assert (ack.committed, ack.rejected) == (((1, 1), (3, 3)), (Rejected(sequence=2, reason="internal"),))
        assert ack.directives is None
        assert (await ledger(store)).applied_records == 2
        task.cancel()


async def test_unknown_gateway(tmp_path):
    """A gateway that is not in the roster gets no answer that would let it delete anything."""
    async with running(tmp_path) as (engine, _, _):
        with pytest.raises(UnknownGatewayError):
            await engine.submit("gw-three", report(pings([1]), gateway="gw-three"), NOW)
        assert (await engine.submit("gw-one", report(pings([1])), NOW)).committed == ((1, 1),)


async def test_more_than_one_batch(tmp_path):
    """More reports than fit one transaction are all answered."""
    async with running(tmp_path) as (engine, store, _):
        count = BATCH_MAX_REPORTS * 2 + 3
        acks = await asyncio.gather(*(engine.submit("gw-one", report(pings([n])), NOW) for n in range(1, count + 1)))
        assert [ack.committed for ack in acks] == [((n, n),) for n in range(1, count + 1)]
        assert (await ledger(store)).ranges == ((1, count),)


# --- judgement goes through -----------------------------------------------------------------------------------------


def proof(first: int, at: float, *, passed: bool = True) -> list:
    """Records that show both rooms of s3's gateway well, and its uplink as told, twice."""
    monotonic = {"monotonic_s": 990.0}
    return [
        record(first, bandwidth(passed=passed), wall_s=at - 5, **monotonic),
        record(first + 1, bandwidth(passed=passed), wall_s=at - 3, **monotonic),
        record(first + 2, port("r1"), wall_s=at - 2, **monotonic),
        record(first + 3, awake("r1"), wall_s=at - 1, **monotonic),
    ]


def from_two(records):
    return report(records, gateway="gw-two")


def _but_for_what_opened_once(bureau):
    """A restart forgets that: it takes one opening more to be told to come and go (``store.incidents``)."""
    desks = {office: msgspec.structs.replace(desk, openings={}) for office, desk in bureau.desks.items()}
    return msgspec.structs.replace(bureau, desks=desks)


async def test_verdicts_alerts_messages_and_restart(tmp_path):
    """From records to verdict, incident and outbox row; a restart forgets and repeats nothing."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await engine.submit("gw-two", from_two(proof(1, NOW)), NOW)
        clock.now += 20
        await engine.submit("gw-two", from_two(proof(11, clock.now, passed=False)), clock.now)
        assert Cause.UPLINK_BELOW_REQUIRED in engine.schools["s3"].state.classrooms["r1"].verdict.causes
        await engine.tick()
        async with store.reader.connect() as connection:
            delivery = await next_pending(connection, "terminal")
        assert (delivery.notice.kind, delivery.notice.cause) == ("opened", Cause.UPLINK_BELOW_REQUIRED)
        assert delivery.notice.members[0].measured == 80e6
        assert await rows(store, verdict_transition)
        assert [row.closed_at for row in await rows(store, incident)] == [None]
        state, bureau = engine.schools["s3"].state, _but_for_what_opened_once(engine.bureau.state)
    async with running(tmp_path, clock) as (engine, store, _):
        assert (engine.schools["s3"].state, _but_for_what_opened_once(engine.bureau.state)) == (state, bureau)
        await engine.tick()
        async with store.reader.connect() as connection:
            assert (await next_pending(connection, "terminal")) == delivery
        await engine.mark_sent(delivery.id)
        async with store.reader.connect() as connection:
            assert await next_pending(connection, "terminal") is None
        clock.now += 20
        await engine.submit("gw-two", from_two(proof(21, clock.now)), clock.now)
        await engine.tick()
        async with store.reader.connect() as connection:
            assert (await next_pending(connection, "terminal")).notice.kind == "resolved"
        assert all(row.closed_at for row in await rows(store, incident))


async def test_final_state_does_not_depend_on_order(tmp_path):
    """The same records in any order of reports leave the same evidence."""
    records = [record(n, port("s1/r1", 10**n), wall_s=NOW - 100 + n, monotonic_s=900.0 + n) for n in range(1, 10)]
    found = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        random.Random(seed).shuffle(records)
        async with running(folder) as (engine, _, _):
            for one in records:
                await engine.submit("gw-one", report([one]), NOW)
            found.append(engine.schools["s1"].state.classrooms["r1"].last_port)
    assert {reading.seen.speed_bps for reading in found} == {10**9}


async def test_silence_needs_no_report(tmp_path):
    """Three intervals after the last report a tick calls the gateway silent; unchanged schools are not written."""
    async with running(tmp_path) as (engine, store, clock):
        await engine.submit("gw-two", from_two(pings([1])), NOW)
        clock.now += 5.9
        await engine.tick()
        before = await rows(store, school_state)
        assert not engine.schools["s3"].state.gateways["gw-two"].silent
        await engine.tick()
        assert await rows(store, school_state) == before
        clock.now += 5.1
        await engine.tick()
        assert engine.schools["s3"].state.gateways["gw-two"].silent


async def test_unlisted_rooms(tmp_path):
    """A room that is not in the roster is kept and never judged, up to the cap."""
    rooms = [record(n, awake(f"s1/new-{n}")) for n in (1, 2, 3)]
    async with running(tmp_path) as (engine, _, _):
        ack = await engine.submit("gw-one", report(rooms), NOW)
        assert (ack.committed, ack.rejected) == (((1, 2),), (Rejected(sequence=3, reason="inventory"),))
        assert set(engine.schools["s1"].state.unlisted) == {"new-1", "new-2"}


async def test_a_test_of_a_room_is_its_schools(tmp_path):
    """The way to a room concerns that room's school alone; a foreign school is refused, too many rooms as well."""
    seen = [bandwidth(passed=False, target="pc", classroom=ref) for ref in ("s1/r1", "s3/r1", "s1/n-1", "s1/n-2")]
    seen += [
        bandwidth(passed=True, target="pc", classroom="r1"),
        bandwidth(passed=True, target="pc", classroom="s1/n-3"),
    ]
    async with running(tmp_path) as (engine, store, _):
        ack = await engine.submit("gw-one", report([record(n, o) for n, o in enumerate(seen, 1)]), NOW)
        assert ack.committed == ((1, 1), (3, 5))
        assert ack.rejected == (Rejected(sequence=2, reason="identity"), Rejected(sequence=6, reason="inventory"))
        one, two = engine.schools["s1"].state, engine.schools["s2"].state
        assert (list(one.paths), two.paths) == (["gw-one/pc/down"], {})
        assert (one.uplinks, two.uplinks, set(one.unlisted)) == ({}, {}, {"n-1", "n-2"})
        assert [row.classroom for row in await rows(store, bandwidth_result)] == ["s1/r1", "s1/n-1", "s1/n-2", "r1"]


async def test_a_test_beyond_an_exit_is_every_schools(tmp_path):
    """One gateway of two schools tests an exit for both; the answer orders a retest of what failed once."""
    clock = FakeClock(NOW + 20)
    async with running(tmp_path, clock) as (engine, store, _):
        line, far = bandwidth(passed=True), bandwidth(passed=False, target="far", beyond="metro")
        ack = await engine.submit("gw-one", report([record(1, line), record(2, far)]), NOW)
        assert ack.directives.retest == ("far",)
        for school in ("s1", "s2"):
            assert list(engine.schools[school].state.uplinks) == ["gw-one/uplink/down", "gw-one/far/down"]
        await engine.submit("gw-one", report([record(3, far, wall_s=clock.now, monotonic_s=1_010.0)]), clock.now)
        await engine.bureau.settle()
        assert [(i.cause, members(i)) for i in incidents(engine)] == [
            (Cause.EXIT_BELOW_REQUIRED, ["s1|exit:metro", "s2|exit:metro"])
        ]
        assert [row.beyond for row in await rows(store, bandwidth_result)] == [None, "metro", "metro"]


async def test_roster_change(tmp_path):
    """A school that leaves the roster is gone, with its alerts; one that comes back still knows what it knew."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, _, _):
        gone = []
        engine.on_change(lambda changed, _: gone.extend(s for s, school in changed.items() if school is None))
        await engine.submit("gw-two", from_two(proof(1, NOW, passed=False)), NOW)
        await engine.bureau.settle()
        assert incidents(engine)
        full = load_roster(tmp_path / "roster", {})
        without = (
            ROSTER[: ROSTER.index("  - id: s3")] + ROSTER[ROSTER.index("gateways:") : ROSTER.index("  - {id: gw-two")]
        )
        roster = load_roster(write_roster(tmp_path, without), {})
        await engine.replace_roster(roster, hours_of_schools(roster.entries, Calendar(), NOW), POLICY)
        assert (gone, list(engine.schools)) == (["s3"], ["s1", "s2"])
        await engine.tick()
        assert not [m for i in incidents(engine) for m in members(i)]
        await engine.replace_roster(full, hours_of_schools(full.entries, Calendar(), NOW), POLICY)
        assert engine.schools["s3"].state.uplinks
        await engine.submit("gw-two", from_two(pings([50])), NOW)


async def test_the_end_of_work_is_told_to_those_that_wait(tmp_path):
    """Whoever waits when the engine ends is refused at once, in the queue as in the transaction, and comes back."""
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        waiting = [asyncio.create_task(engine.submit("gw-one", report(pings([n])), NOW)) for n in range(1, 300)]
        await asyncio.sleep(0)
        task = asyncio.create_task(engine.run())
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(10):
            found = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, CommitFailedError) for one in found)
