"""Time and the engine: who is woken when, what is stored when, and what the collector's own absence is to a school."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from collector.core.events import Heard, Observed, Resumed, RosterChanged
from collector.engine import clockwork, draft
from collector.engine.due import DueTimes
from collector.engine.timekeeping import Timekeeper
from collector.store.tables import school_state
from tests.support.collecting import NOW, FakeClock, opened, pings, report, start_engine
from tests.support.engines import Overheard, counted, rows, running

pytestmark = pytest.mark.usefixtures("every_store")


def from_two(records=(), **changes):
    return report(records, gateway="gw-two", **changes)


async def stored(store):
    return {row.school: (row.revision, row.saved_at) for row in await rows(store, school_state)}


# --- who is woken ---------------------------------------------------------------------------------------------------


def test_due_times():
    """Due is who was set to be, once, in order; what was set anew counts as it was set last."""
    due = DueTimes()
    for school, at in (("a", 5.0), ("b", 3.0), ("c", 9.0), ("a", 4.0), ("b", 20.0), ("d", 1.0)):
        due.set(school, at)
    due.set("d", None)
    assert not due.has_due(3.9)
    assert [due.take(10.0) for _ in range(3)] == ["a", "c", None]
    assert due.take(20.0) == "b"
    assert not due.has_due(1e12)


def test_due_times_stay_small():
    """A school that puts its due time off at each of many reports leaves no trail."""
    due = DueTimes()
    for n in range(10_000):
        due.set("a", float(n))
        due.set("b", 1e9)
    assert len(due._heap) < 200
    assert [due.take(1e10) for _ in range(3)] == ["a", "b", None]


async def test_only_who_is_due_is_woken(tmp_path, monkeypatch):
    """Time passes for a school when the core said so and not before; a report moves that moment."""
    core = Overheard(monkeypatch, wake_after_s=100.0)
    async with running(tmp_path) as (engine, _, clock):
        core.clear()
        clock.now += 60
        await engine.submit("gw-two", from_two(), clock.now)
        core.clear()
        clock.now += 39.9
        await engine.tick()
        assert not core.told
        clock.now += 0.2
        await engine.tick()
        assert core.told == [("s1", (), clock.now), ("s2", (), clock.now)]
        core.clear()
        clock.now += 60
        await engine.tick()
        assert core.told == [("s3", (), clock.now)]


async def test_one_step_a_school_and_report(tmp_path, monkeypatch):
    """All that a report brings is told to a school at once, heard first, then in the order in which it was seen."""
    core = Overheard(monkeypatch)
    async with running(tmp_path) as (engine, _, _):
        core.clear()
        await engine.submit("gw-one", report(reversed(pings(range(1, 35)))), NOW)
        (told,) = core.of("s1")
        assert [type(event) for event in told] == [Heard] + [Observed] * 34
        assert core.of("s2") == [told]


MANY = f"""\
office: "511402"
name: 东坡区
schools:
{"".join(f"  - {{id: s{n}, name: 小学, timetable: always, classrooms: [{{id: r1}}]}}{chr(10)}" for n in range(200))}
gateways:
  - {{id: gw-one, token_sha256: ONE, schools: [s1, s2]}}
  - {{id: gw-two, token_sha256: TWO, schools: [s3]}}
"""


async def test_reports_go_between_the_slices(tmp_path, monkeypatch):
    """However many schools are due at once, a report waits for a few of them, and the event loop for none."""
    core = Overheard(monkeypatch, wake_after_s=10.0)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, clock := FakeClock(), text=MANY)
        task = asyncio.create_task(engine.run())

        def slowly(*arguments):
            time.sleep(0 if arguments[1] else 0.01)  # what is tested is a core that takes its time
            return core(*arguments)

        monkeypatch.setattr("collector.engine.draft.step", slowly)
        clock.now += 20
        core.clear()
        passing = asyncio.create_task(engine.tick())
        while not core.told:
            await asyncio.sleep(0)
        await engine.submit("gw-two", from_two(pings([1])), clock.now)
        assert 0 < len(core.told) < 150
        await passing
        assert sorted({school for school, _, _ in core.told}) == sorted(engine.schools)
        task.cancel()


async def test_the_loop_wakes_by_itself(tmp_path, monkeypatch):
    """What is due is done without a tick from anybody, also where a report makes it due sooner."""
    core = Overheard(monkeypatch, wake_after_s=0.2)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        engine._time._wall = engine._time._monotonic = time.time
        task = asyncio.create_task(engine.keep_time(3_600.0))
        async with asyncio.timeout(20):
            while len([1 for events in core.of("s1") if not events]) < 3 or not engine.is_well:
                await asyncio.sleep(0.02)
        task.cancel()


# --- what is stored when --------------------------------------------------------------------------------------------


@pytest.fixture
def only_dates_move(monkeypatch):
    """Nothing that happens is news once a school was stored."""
    monkeypatch.setattr(draft, "is_news", lambda *_: False)


@pytest.mark.usefixtures("only_dates_move")
async def test_what_only_moved_on_is_stored_within_ten_minutes(tmp_path, monkeypatch):
    """Not with each report, but after ten minutes at the latest, whether reports still come or not."""
    Overheard(monkeypatch, wake_after_s=1e6)
    async with running(tmp_path) as (engine, store, clock):
        assert (await stored(store))["s3"] == (1, NOW)
        for n in range(1, 11):
            clock.now += 59
            await engine.submit("gw-two", from_two(pings([n])), clock.now)
        assert (await stored(store))["s3"] == (1, NOW)
        clock.now = NOW + 601
        await engine.submit("gw-two", from_two(pings([20])), clock.now)
        assert (await stored(store))["s3"] == (2, clock.now)
        clock.now += 1
        await engine.submit("gw-two", from_two(pings([21])), clock.now)
        clock.now = NOW + 1_202
        await engine.tick()
        assert (await stored(store)) == {"s1": (1, NOW), "s2": (1, NOW), "s3": (3, clock.now)}


async def all_moved_on(engine, clock):
    """Each school was stored at another moment of the first second, and was heard since."""
    for n, (name, row) in enumerate(engine._registry.rows.items()):
        row.saved_at, row.dirty = NOW + 0.2 + n / 4, True
        engine._registry.due.set(name, row.due_at())
    clock.now = NOW + 599.9
    await engine.tick()
    clock.now = NOW + 600


@pytest.mark.usefixtures("only_dates_move")
@pytest.mark.parametrize(("slice_schools", "turns"), [(200, 1), (2, 2)])
async def test_what_must_be_stored_in_the_same_second_is_stored_together(tmp_path, monkeypatch, slice_schools, turns):
    """In one transaction, but for so many that all others had to wait: in a province somebody must at each moment."""
    Overheard(monkeypatch, wake_after_s=1e6)
    monkeypatch.setattr(clockwork, "SAVE_SLICE_SCHOOLS", slice_schools)
    async with running(tmp_path) as (engine, store, clock):
        await all_moved_on(engine, clock)
        assert (await stored(store)) == dict.fromkeys(("s1", "s2", "s3"), (1, NOW))
        before = counted("classready_collector_commit_duration_seconds_count")
        await engine.tick()
        assert (await stored(store)) == dict.fromkeys(("s1", "s2", "s3"), (2, NOW + 600))
        assert counted("classready_collector_commit_duration_seconds_count") - before == turns


@pytest.mark.usefixtures("only_dates_move")
async def test_the_end_of_work_stores_everything(tmp_path):
    """A graceful end leaves nothing to be lost: the next start finds the state as it was."""
    async with running(tmp_path) as (engine, store, clock):
        clock.now += 30
        await engine.submit("gw-two", from_two(pings([1])), clock.now)
        state = engine.schools["s3"].state
        assert await engine.save(10.0) == 0
        assert (await stored(store))["s3"] == (2, clock.now)
    async with running(tmp_path, clock) as (engine, _, _):
        assert engine.schools["s3"].state.gateways == state.gateways


# --- the collector's own absence ------------------------------------------------------------------------------------


async def first_told(tmp_path, monkeypatch, clock):
    with monkeypatch.context() as patch:
        core = Overheard(patch)
        async with running(tmp_path, clock):
            return {school: core.of(school)[0] for school in ("s1", "s2", "s3")}


@pytest.mark.usefixtures("only_dates_move")
async def test_a_restart_is_told_to_each_school(tmp_path, monkeypatch):
    """After a crash: from its row on where reports were lost since, else from the collector's last sign of life."""
    clock = FakeClock()
    for events in (await first_told(tmp_path, monkeypatch, clock)).values():
        assert [type(event) for event in events] == [RosterChanged]
    async with running(tmp_path, clock) as (engine, _, _):
        clock.now += 100
        await engine.submit("gw-two", from_two(pings([1])), clock.now)
    clock.now += 60
    told = await first_told(tmp_path, monkeypatch, clock)
    assert told["s3"][0] == Resumed(away_from=NOW, away_to=NOW + 160)
    assert told["s1"][0] == told["s2"][0] == Resumed(away_from=NOW + 100, away_to=NOW + 160)
    assert {type(events[1]) for events in told.values()} == {RosterChanged}


async def test_a_store_from_the_future(tmp_path, monkeypatch):
    """A collector whose clock was wrong when it stored: no time was spent away, and nothing is awaited from there."""
    clock = FakeClock(NOW + 86_400)
    async with running(tmp_path, clock) as (engine, _, _):
        await engine.save(10.0)
    clock.now = NOW
    told = await first_told(tmp_path, monkeypatch, clock)
    assert told["s1"][0] == Resumed(away_from=NOW, away_to=NOW)


def test_steps_of_the_clock():
    """Only a clock that was set is seen: neither time that passes nor a slow drift."""
    wall, steady = FakeClock(1_000.0), FakeClock(50.0)
    keeper = Timekeeper(wall, steady)
    for _ in range(100):
        wall.now, steady.now = wall.now + 31, steady.now + 30
        assert keeper.step_s() == 0
    wall.now += 3_600
    assert keeper.step_s() == 3_600
    assert keeper.resumed(3_600) == Resumed(away_from=wall.now - 3_600, away_to=wall.now)
    assert keeper.step_s() == 0
    wall.now -= 61
    assert keeper.step_s() == -61


async def engine_with_two_clocks(store, tmp_path, wall, steady):
    engine = await start_engine(store, tmp_path, wall)
    engine._time._monotonic = steady
    engine._time.step_s()
    return engine


async def test_a_clock_set_forward(tmp_path, monkeypatch):
    """Each school hears of it once, before anything else: by a report, or when it is next due."""
    wall, steady = FakeClock(), FakeClock(0.0)
    core = Overheard(monkeypatch, wake_after_s=100.0)
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, wall)
        engine = await engine_with_two_clocks(store, tmp_path, wall, steady)
        task = asyncio.create_task(engine.run())
        core.clear()
        wall.now, steady.now = wall.now + 3_610, steady.now + 10
        away = Resumed(away_from=NOW + 10, away_to=NOW + 3_610)
        await engine.submit("gw-two", from_two(pings([1])), wall.now)
        assert core.of("s3")[0] == (away,)
        await engine.tick()
        assert core.of("s1") == core.of("s2") == [(away,)]
        assert [events for events in core.of("s3") if away in events] == [(away,)]
        task.cancel()


async def test_a_clock_set_back(tmp_path, monkeypatch):
    """What was due by the wrong clock is looked at by the right one, at once; nothing waits until it is right again."""
    wall, steady = FakeClock(NOW + 86_400), FakeClock(0.0)
    core = Overheard(monkeypatch, wake_after_s=100.0)
    async with opened(tmp_path) as store:
        engine = await engine_with_two_clocks(store, tmp_path, wall, steady)
        core.clear()
        wall.now = NOW
        await engine.tick()
        assert {(school, now) for school, _, now in core.told} == {("s1", NOW), ("s2", NOW), ("s3", NOW)}
        core.clear()
        wall.now, steady.now = NOW + 101, 101.0
        await engine.tick()
        assert len(core.told) == 3


# --- late -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval_s", "age_s", "late"), [(60, 179, False), (60, 181, True), (300, 899, False), (300, 901, True)]
)
async def test_late(tmp_path, monkeypatch, interval_s, age_s, late):
    """Late is what is older on arrival than three announced intervals, and than the policy allows."""
    core = Overheard(monkeypatch)
    async with running(tmp_path) as (engine, _, _):
        (one,) = pings([1])
        aged = type(one)(**{**{f: getattr(one, f) for f in one.__struct_fields__}, "wall_s": NOW - age_s})
        await engine.submit("gw-two", from_two([aged], report_interval_s=float(interval_s)), NOW)
        assert [event.late for event in core.of("s3")[-1] if isinstance(event, Observed)] == [late]


# --- silence over absences ------------------------------------------------------------------------------------------


def silent(engine):
    return engine.schools["s3"].state.gateways["gw-two"].silent


async def test_absences_add_up(tmp_path):
    """Down, up for a moment, down again, and again: silence goes on from where it stood, over all of them."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, _, _):
        await engine.submit("gw-two", from_two(pings([1]), report_interval_s=60.0), clock.now)
        clock.now += 50
        await engine._clockwork._beat()
    for _ in range(3):
        clock.now += 600
        async with running(tmp_path, clock) as (engine, _, _):
            clock.now += 30
            await engine.tick()
            assert not silent(engine)
            await engine._clockwork._beat()
    clock.now += 600
    async with running(tmp_path, clock) as (engine, _, _):
        clock.now += 60
        await engine.tick()
        assert silent(engine)


async def test_a_machine_that_slept_and_a_restart(tmp_path):
    """An absence within a life counts like one between two."""
    clock, steady = FakeClock(), FakeClock(0.0)
    async with opened(tmp_path) as store:
        engine = await engine_with_two_clocks(store, tmp_path, clock, steady)
        task = asyncio.create_task(engine.run())
        await engine.submit("gw-two", from_two(pings([1]), report_interval_s=60.0), clock.now)
        clock.now, steady.now = clock.now + 3_600, steady.now + 10
        await engine.tick()
        await engine._clockwork._beat()
        task.cancel()
    async with running(tmp_path, clock) as (engine, _, _):
        clock.now += 160
        await engine.tick()
        assert not silent(engine)
        clock.now += 20
        await engine.tick()
        assert silent(engine)


async def test_a_school_that_was_not_listed_was_not_heard(tmp_path):
    """Its gateway was not let in: that it said nothing meanwhile is no silence."""
    async with running(tmp_path) as (engine, _, clock):
        given = engine.roster, {name: school.hours for name, school in engine.schools.items()}, engine.policy
        await engine.submit("gw-two", from_two(pings([1]), report_interval_s=60.0), clock.now)
        schools = {name: school for name, school in engine.roster.schools.items() if name != "s3"}
        gateways = {name: entry for name, entry in engine.roster.gateways.items() if name != "gw-two"}
        clock.now += 100
        await engine.replace_roster(replace(engine.roster, schools=schools, gateways=gateways), *given[1:])
        clock.now += 3_600
        await engine.replace_roster(*given)
        assert not silent(engine)
        clock.now += 79
        await engine.tick()
        assert not silent(engine)
        clock.now += 2
        await engine.tick()
        assert silent(engine)


async def test_a_restart_writes_no_state(tmp_path):
    """Where nothing happened meanwhile, nothing is news: a province that starts writes no school."""
    async with running(tmp_path) as (engine, store, clock):
        await engine.submit("gw-one", report(pings([1]), report_interval_s=600.0), clock.now)
        await engine.submit("gw-two", from_two(pings([1]), report_interval_s=600.0), clock.now)
        await engine.save(10.0)
        before = await stored(store)
    clock.now += 60
    async with running(tmp_path, clock) as (_, store, _):
        assert await stored(store) == before
