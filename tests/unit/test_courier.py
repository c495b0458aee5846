"""The courier over a real spool, against a collector that is a function."""

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import courier as courier_module
from agent.bureau import Bureau
from agent.clock import Clock
from agent.courier import BACKOFF_MAX_S, Courier, backoff_s
from agent.links import Acked, Keep, Refused, TooLarge
from agent.metrics import Metrics
from agent.settings import AgentSettings, HttpLink, SpoolSettings
from agent.spool import FILE_NAME, Spool
from agent.spread import AWAY_MAX_S
from classready.codec import decode_report, encode, ranges
from classready.measuring import document_of
from classready.report import REPORT_MAX_BYTES, Ack, Directives, Rejected
from tests.support.records import ping_record

SETTINGS = AgentSettings(
    gateway="gw-1", link=HttpLink(url="http://127.0.0.1:1", token_file="x"), targets=(), report_interval_s=60
)


class Collector:
    """A link to a collector that answers each report by ``answer(report, records)``, or commits everything."""

    trouble = "as the link says"

    def __init__(self, answer=None):
        self.answer = answer or (lambda _: None)
        self.reports, self.fetched, self.document = [], [], None

    async def fetch(self, known):
        self.fetched.append(known)
        return self.document

    async def send(self, body, sequences):
        assert len(body) <= REPORT_MAX_BYTES
        decoded = decode_report(body)
        assert tuple(r.sequence for r in decoded.records) == tuple(sequences)
        self.reports.append(decoded)
        return self.answer(decoded) or commit(decoded)


def commit(decoded, **more):
    committed = ranges([r.sequence for r in decoded.records])
    return Acked(acks=(Ack(spool_id=decoded.report.spool_id, committed=committed, **more),))


@contextlib.asynccontextmanager
async def carrying(folder, link, heard=None, settings=SETTINGS, bureau=None):
    spool = await Spool.open(folder, SpoolSettings(), live_s=180)
    hear = heard if heard is not None else []
    try:
        yield (
            Courier(
                settings=settings,
                spool=spool,
                link=link,
                clock=Clock("0" * 32),
                metrics=Metrics(),
                on_directives=lambda directives, at: hear.append((directives, at)),
                bureau=bureau,
            ),
            spool,
        )
    finally:
        await spool.close()


def now_s():
    return Clock("").now_s()


async def held_count(spool):
    return (await spool.statistics()).held_count


async def append(spool, count, size=0):
    await spool.append([ping_record(monotonic_s=now_s(), detail="x" * size) for _ in range(count)])


async def test_everything_live_travels_in_bounded_reports(tmp_path):
    """A thousand records go in as many reports as 60,000 bytes ask for, and are deleted once acknowledged."""
    collector = Collector()
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 1_000, size=100)
        assert await courier.report(until_s=now_s()) is None
        assert await held_count(spool) == 0
    assert len(collector.reports) > 4
    assert sorted(r.sequence for d in collector.reports for r in d.records) == list(range(1, 1_001))
    first = collector.reports[0].report
    assert (first.gateway, first.report_interval_s, first.spool_records) == ("gw-1", 60, 1_000)


async def test_an_empty_spool_sends_a_heartbeat_that_brings_directives(tmp_path):
    """With nothing to say the gateway still reports, and hears what the collector wants, and as of when it asked."""
    directives = Directives(policy_version="1", retest=("uplink",))
    collector = Collector(lambda decoded: commit(decoded, directives=directives))
    heard = []
    async with carrying(tmp_path, collector, heard) as (courier, _spool):
        before_s = now_s()
        assert await courier.report(until_s=now_s()) is None
    [(got, asked_at_s)] = heard
    assert got == directives
    assert before_s <= asked_at_s <= now_s()
    assert collector.reports[0].records == ()


async def test_nothing_is_deleted_that_was_not_named(tmp_path):
    """Only committed records go; a rejected one is set aside; the rest is sent again."""

    def answer(decoded):
        committed = tuple((r.sequence, r.sequence) for r in decoded.records if r.sequence in {1, 3})
        rejected = tuple(Rejected(sequence=2, reason="identity") for r in decoded.records if r.sequence == 2)
        return Acked(acks=(Ack(spool_id=decoded.report.spool_id, committed=committed, rejected=rejected),))

    async with carrying(tmp_path, Collector(answer)) as (courier, spool):
        await append(spool, 4)
        await courier.report(until_s=now_s())
        held = await spool.statistics()
        assert (held.held_count, held.rejected) == (1, {"identity": 1})
        assert await courier.report(until_s=now_s()) == Keep(why="not_acknowledged")
        assert (await spool.take("live", now_s(), 10_000)).sequences == (4,)


async def test_keep_keeps_everything(tmp_path):
    """A way that is closed costs no record, and ends the round."""
    collector = Collector(lambda _: Keep(why="denied", retry_after_s=7))
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 1_000, size=100)
        assert await courier.report(until_s=now_s() + 60) == Keep(why="denied", retry_after_s=7)
        assert await held_count(spool) == 1_000
    assert len(collector.reports) == 1


async def test_too_large_is_halved_until_it_passes(tmp_path):
    """A collector (or proxy) with a smaller limit still gets every record, except one that alone is too large."""

    def answer(decoded):
        too_many = len(decoded.records) > 3 or any(r.sequence == 8 for r in decoded.records)
        return TooLarge() if too_many else None

    collector = Collector(answer)
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 20)
        assert await courier.report(until_s=now_s()) is None
        held = await spool.statistics()
    assert (held.held_count, held.dropped) == (0, {"too_large": 1})


async def test_a_report_ends_though_nothing_can_be_set_aside(tmp_path, monkeypatch):
    """With a file that cannot be written, records that are too large come again with the next report, not at once."""
    monkeypatch.setattr("agent.spool.table.BUSY_S", 0.0)
    link = Collector(lambda _: TooLarge())
    async with carrying(tmp_path, link) as (courier, spool):
        await append(spool, 600, size=150)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(20):
                await courier.report(until_s=now_s())
        assert await held_count(spool) == 600
        assert len(link.reports) < 600


async def test_the_one_refused_record_is_set_aside_after_three_times(tmp_path):
    """A report that is refused is sent record by record; only the culprit goes, and only the third time."""
    collector = Collector(lambda decoded: Refused() if any(r.sequence == 2 for r in decoded.records) else None)
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 3)
        for left in (1, 1, 0):
            assert await courier.report(until_s=now_s()) is None
            assert await held_count(spool) == left
        assert (await spool.statistics()).dropped == {"refused": 1}


async def test_a_collector_that_refuses_everything_costs_nothing(tmp_path):
    """While not even a heartbeat is taken, no record is to blame."""
    async with carrying(tmp_path, Collector(lambda _: Refused())) as (courier, spool):
        await append(spool, 3)
        for _ in range(5):
            assert await courier.report(until_s=now_s()) == Keep(why="refused")
        assert await held_count(spool) == 3


@pytest.mark.parametrize("outage", [TooLarge(), Refused()], ids=["413", "400"])
@pytest.mark.parametrize("first", [0, 1, 3, 12])
@pytest.mark.parametrize("count", [5, 50, 150])
async def test_a_proxy_that_refuses_everything_for_a_while_costs_nothing(tmp_path, outage, first, count):
    """Whenever such a time begins and ends, within a round or not, every record arrives."""
    answers = [None] * first + [outage] * count
    collector = Collector(lambda _: answers.pop(0) if answers else None)
    async with carrying(tmp_path, collector) as (courier, spool):
        for _ in range(40):
            if len(answers) > 3:
                await append(spool, 10)
            await courier.report(until_s=now_s())
        assert not answers
        held = await spool.statistics()
    assert (held.held_count, held.dropped) == (0, {})


@pytest.mark.parametrize("refusal", [TooLarge(), Refused()], ids=["413", "400"])
async def test_a_limit_that_no_record_passes_costs_nothing(tmp_path, refusal):
    """A proxy that lets heartbeats through and no record shows nothing about a record."""
    collector = Collector(lambda decoded: refusal if decoded.records else None)
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 3)
        for _ in range(5):
            assert await courier.report(until_s=now_s()) is None
        held = await spool.statistics()
    assert (held.held_count, held.dropped) == (3, {})


class Witness(Collector):
    """Gives the drawn answers, and keeps what happened to each record in order."""

    def __init__(self, answers):
        super().__init__(lambda _: next(self.answers, None))
        self.answers = iter(answers)
        self.events = []

    async def send(self, body, sequences):
        outcome = await super().send(body, sequences)
        verdict = "passed" if isinstance(outcome, Acked) else "not"
        self.events += [(verdict, n, len(sequences)) for n in sequences]
        return outcome

    def others_passed(self, sequence):
        """Whether another record got through after ``sequence`` was first refused alone."""
        refused_at = self.events.index(("not", sequence, 1))
        return any(what == "passed" and n != sequence for what, n, _ in self.events[refused_at:])


ANSWERS = st.sampled_from([None, None, TooLarge(), Refused(), Keep(why="timeout")])


@given(st.lists(ANSWERS, max_size=60), st.lists(st.integers(0, 4), min_size=1, max_size=8))
@hypothesis.settings(max_examples=60)
async def test_no_record_is_blamed_before_another_got_through(answers, appended):
    """Whatever the other side answers: a record is set aside only after another was taken since its first refusal."""
    witness = Witness(answers)
    with tempfile.TemporaryDirectory() as folder:
        async with carrying(Path(folder), witness) as (courier, spool):
            aside, set_aside = [], spool.set_aside

            async def witnessed(spool_id, sequence, reason):
                aside.append(witness.others_passed(sequence))
                await set_aside(spool_id, sequence, reason)

            spool.set_aside = witnessed
            for count in appended:
                await append(spool, count)
                await courier.report(until_s=now_s())
    assert all(aside)


async def test_backlog_is_throttled_and_gives_way(tmp_path, monkeypatch):
    """The backlog travels oldest first, slowly, and only until the next report is due."""
    monkeypatch.setattr(courier_module, "BACKLOG_PER_S", 10.0)
    monkeypatch.setattr(courier_module, "RECORDS_MAX_BYTES", 1_000)
    async with carrying(tmp_path, Collector()) as (_, spool):
        await append(spool, 40)
    collector = Collector()
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 1)
        await courier.report(until_s=now_s() + 0.45)
        assert 2 <= len(collector.reports) <= 7
        assert [r.sequence for r in collector.reports[0].records] == [41]
        assert collector.reports[1].records[0].sequence == 1
        await courier.report(until_s=now_s() + 10)
        assert await held_count(spool) == 0


async def test_records_of_memory_and_disk_both_arrive(tmp_path):
    """When the disk is gone, what lives in memory travels under its own identity."""
    (tmp_path / "file").write_text("")
    collector = Collector()
    async with carrying(tmp_path / "file" / "state", collector) as (courier, spool):
        await append(spool, 3)
        assert await courier.report(until_s=now_s()) is None
        assert await held_count(spool) == 0


async def test_run_reports_at_once_and_again_after_failures(tmp_path, monkeypatch):
    """The first record is reported without waiting for the interval, and a failure is tried again."""
    monkeypatch.setattr(courier_module, "start_span_s", lambda *_: 0.0)
    monkeypatch.setattr(courier_module, "BACKOFF_MIN_S", 0.1)
    answers = [Keep(why="timeout"), Keep(why="timeout")]
    collector = Collector(lambda _: answers.pop() if answers else None)
    async with carrying(tmp_path, collector) as (courier, spool):
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(5):
            while len(collector.reports) < 3:
                await asyncio.sleep(0.01)
            await append(spool, 1)
            while await held_count(spool):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_hurried_report_does_not_wait_for_the_interval(tmp_path, monkeypatch):
    """What a verdict hangs on travels at once, also when it arrives while a report is on its way."""
    monkeypatch.setattr(courier_module, "start_span_s", lambda *_: 0.0)
    collector = Collector()
    async with carrying(tmp_path, collector) as (courier, spool):
        await append(spool, 1)
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(5):
            while not collector.reports:
                await asyncio.sleep(0.01)
            for _ in range(2):
                await append(spool, 1)
                courier.hurry()
                while await held_count(spool):
                    await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@given(st.integers(1, 10_000), st.floats(0.1, 3_600), st.none() | st.floats(0, 1e12), st.floats(0, 1))
def test_backoff_is_bounded_and_never_zero(failure_count, interval_s, retry_after_s, jitter):
    """No herd, no storm, back within two minutes, and within five whatever the collector asks for."""
    wait_s = backoff_s(failure_count, interval_s, retry_after_s, jitter)
    assert 0.1 <= wait_s <= (BACKOFF_MAX_S if retry_after_s else AWAY_MAX_S)
    if retry_after_s is not None:
        assert wait_s >= min(retry_after_s, BACKOFF_MAX_S)


async def test_the_collectors_clock_makes_ours_good(tmp_path):
    """A Date that agrees with wall time is what tells a box without NTP that its clock is right."""
    import time

    collector = Collector(lambda decoded: msgspec.structs.replace(commit(decoded), collector_s=time.time() + 5))
    async with carrying(tmp_path, collector) as (courier, _spool):
        await courier.report(until_s=now_s())
        assert courier._clock.read().quality == "good"


async def test_numbers_that_are_anothers(tmp_path):
    """What is not acknowledged travels under another spool id, at once, and not again and again."""

    async def carried(always):
        def answer(decoded):
            own = [n for n in (r.sequence for r in decoded.records) if n == 1]
            if always or not spools:
                spools.append(decoded.report.spool_id)
                return Acked(acks=(Ack(spool_id=spools[-1], committed=ranges(own), renumber=True),))
            return None

        spools, link = [], Collector(answer)
        async with carrying(tmp_path / str(always), link) as (courier, spool):
            await spool.append([ping_record() for _ in range(3)])
            keep = await courier.report(until_s=courier._clock.now_s() + 60)
            again = await courier.report(until_s=courier._clock.now_s() + 60)
            held = (await spool.statistics()).held_count
        return keep, again, held, link.reports

    keep, again, held, (first, second, *_) = await carried(always=False)
    assert (keep, again, held) == (None, None, 0)
    assert first.report.spool_id != second.report.spool_id
    assert [r.sequence for r in second.records] == [2, 3], "the numbers stay"
    keep, again, held, reports = await carried(always=True)
    assert again == Keep(why="not_acknowledged")
    assert (held, len({sent.report.spool_id for sent in reports})) == (2, 2)


async def test_reports_are_bounded_also_while_settings_are_refused_at_length(tmp_path):
    """Eight problems of 200 wide characters go with every report, and take nothing from its bound."""
    collector, bureau = Collector(), Bureau()
    bureau.refuse("1" * 16, ["很" * 300] * 20)
    async with carrying(tmp_path, collector, bureau=bureau) as (courier, spool):
        await append(spool, 1_000, size=100)
        assert await courier.report(until_s=now_s()) is None
        assert await held_count(spool) == 0
    said = collector.reports[0].report.settings
    assert (said.version, len(said.refused.problems), said.refused.problems[0]) == (None, 8, "很" * 200)


async def test_settings_are_asked_for_once_a_version_and_only_when_another_one_is_named(tmp_path):
    """Not by an older collector, not the one in force, not the one refused; a portal's page is asked for again."""
    document = document_of({}, [])
    named = iter([None, document.version, document.version, document.version, "2" * 16, "2" * 16])
    collector, bureau, came = Collector(), Bureau(), []
    bureau.on_document = lambda document, _body: came.append(document)
    version = None
    collector.answer = lambda decoded: commit(
        decoded, directives=Directives(policy_version="1", settings_version=version)
    )

    async def round_trip():
        nonlocal version
        version = next(named)
        assert await courier.report(until_s=now_s()) is None
        await courier._fetch()

    async with carrying(tmp_path, collector, bureau=bureau) as (courier, _spool):
        await round_trip()
        assert collector.fetched == []
        collector.document = b"<html>please log in</html>"
        await round_trip()
        assert (collector.fetched, came) == ([None], [])
        collector.document = encode(document)
        await round_trip()
        assert came == [document]
        bureau.accept(document)
        await round_trip()
        assert len(collector.fetched) == 2
        await round_trip()
        assert collector.fetched[2:] == [document.version]
        bureau.refuse("2" * 16, ["no"])
        await round_trip()
        assert len(collector.fetched) == 3
