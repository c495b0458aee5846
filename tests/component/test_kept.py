"""What pages show is what the engine's schools say, whatever the engine went through."""

import random
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from collector.core.hours import Calendar
from collector.engine import CommitFailedError
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.views import Kept
from tests.support.collecting import NOW, POLICY, ROSTER, awake, bandwidth, port, record, report, write_roster
from tests.support.engines import counted, running

WITHOUT_S2 = ROSTER.replace(
    "  - id: s2\n    name: 示例教学点\n    timetable: always\n    classrooms: [{id: r3}, {id: r2}]\n", ""
).replace("[s1, s2]", "[s1]")
RENAMED = ROSTER.replace("示例小学", "新名小学").replace("[{id: r1}, {id: r2}]", "[{id: r1, exempt: 装修}, {id: r9}]")
MOVED = ROSTER.replace("511402", "511421")
ROSTERS = (ROSTER, WITHOUT_S2, RENAMED, MOVED)


async def reload(engine, folder, roster_text, now) -> None:
    roster = load_roster(write_roster(folder, roster_text), {"p": ("p",)})
    await engine.replace_roster(roster, hours_of_schools(roster.entries, Calendar(), now), POLICY)


def seen(rng):
    return rng.choice(
        [
            lambda: port("s1/r1", rng.choice([10**7, 10**9])),
            lambda: awake(rng.choice(["s1/r1", "s1/r2", "s1/r77", "s2/r3"])),
            lambda: bandwidth(passed=rng.random() < 0.5),
        ]
    )()


@asynccontextmanager
async def perhaps_away(store, *, away):
    """The store takes no states meanwhile; what was refused for that comes again later, or not at all."""
    names = ("school_state", "gone") if away else ()
    try:
        await rename(store, *names)
        with suppress(CommitFailedError):
            yield
    finally:
        await rename(store, *reversed(names))


async def rename(store, *names):
    if names:
        async with store.writer.begin() as connection:
            await connection.execute(text("ALTER TABLE {} RENAME TO {}".format(*names)))


@pytest.mark.parametrize("seed", range(4))
async def test_kept_follows_the_engine(tmp_path, seed):
    """Reports, silence, schools that leave, return, move and are renamed, and a store that is away now and then."""
    rng = random.Random(seed)
    kept, failed = Kept(), counted("classready_collector_commits_failed_total")
    async with running(tmp_path) as (engine, store, clock):
        engine.on_change(kept.take)
        kept.take(engine.schools, NOW)
        for step in range(60):
            clock.now += rng.choice([1.0, 3.0, 4_000.0])
            async with perhaps_away(store, away=rng.random() < 0.2):
                match rng.randrange(3):
                    case 0:
                        records = [record(10 * step + n, seen(rng), wall_s=clock.now - 9 + n) for n in range(1, 4)]
                        await engine.submit("gw-one", report(records), clock.now)
                    case 1:
                        await reload(engine, tmp_path, rng.choice(ROSTERS), clock.now)
                    case 2:
                        await engine.tick()
            clock.now += 2
            await engine.tick()
            assert shown(kept) == shown(Kept(engine.schools.values()))
    assert counted("classready_collector_commits_failed_total") > failed


def shown(kept):
    lines = sorted(kept.schools(), key=lambda line: line.school)
    return lines, {office: +sums.tally for office, sums in kept.offices().items()}
