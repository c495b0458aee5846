"""A start: what may have changed is judged before anybody sees it, what has not is shown as it was stored."""

import pytest

from collector.core.events import Heard, Observed, Resumed, RosterChanged
from collector.core.hours import Calendar
from collector.core.state import Away
from collector.engine import Engine, engine
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from tests.support.collecting import (
    NOW,
    POLICY,
    ROSTER,
    FakeClock,
    awake,
    bandwidth,
    opened,
    pings,
    port,
    record,
    report,
    write_roster,
)
from tests.support.engines import Overheard, running

pytestmark = pytest.mark.usefixtures("every_store")

MORE = ROSTER.replace("示例小学\n", "示例小学\n    operator: 电信\n")
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def _no_time(monkeypatch):
    """As in a province: nothing is judged at the start but what must be."""
    monkeypatch.setattr(engine, "JUDGING_AT_START_S", 0.0)


async def lived(folder, speed_bps=10**9):
    """A collector that heard all three schools, and ended in order."""
    async with running(folder) as (before, _, clock):
        seen = [bandwidth(passed=True), port("s1/r1", speed_bps), awake("s1/r1"), port("s2/r3"), awake("s2/r3")]
        for n, observation in enumerate(seen, 1):
            await before.submit("gw-one", report([record(n, observation, wall_s=NOW - 5 + n / 10)]), clock.now)
        await before.submit("gw-two", report(pings([1]), gateway="gw-two"), clock.now)
        await before.tick()
        await before.save(10.0)
        return dict(before.schools)


async def begin(store, folder, now, text=ROSTER):
    """Start another one; return it with what it showed."""
    clock, shown = FakeClock(now), {}
    begun = Engine(store, POLICY, (), clock)
    begun.on_change(lambda changed, _now: shown.update(changed))
    roster = load_roster(write_roster(folder, text), {"p": ("p",)})
    await begun.replace_roster(roster, hours_of_schools(roster.entries, Calendar(), now), POLICY)
    return begun, shown


def verdicts(schools):
    return {(name, id_): room.verdict for name, s in schools.items() for id_, room in s.state.classrooms.items()}


async def test_what_nothing_happened_to_is_shown_as_it_was_and_judged_soon(tmp_path, monkeypatch):
    """Half a minute away: every school is there at once; then each is judged once, and keeps its verdicts."""
    before = await lived(tmp_path)
    assert before["s1"].state.classrooms["r1"].latch.value == "yes"
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        begun, shown = await begin(store, tmp_path, NOW + 30)
        assert core.told == []
        assert list(shown) == list(begun.schools) == ["s1", "s2", "s3"]
        assert {name: school.state for name, school in shown.items()} == {n: s.state for n, s in before.items()}
        assert {school.away for school in shown.values()} == {Away(NOW, NOW + 30)}
        await begun.tick()
        assert sorted(core.told) == [
            (name, (Resumed(away_from=NOW, away_to=NOW + 30), RosterChanged(roster=s.roster, hours=s.hours)), NOW + 30)
            for name, s in begun.schools.items()
        ]
        assert verdicts(begun.schools) == verdicts(before)
        assert shown == dict(begun.schools)
        await begun.tick()
        assert len(core.told) == 3


async def test_time_is_used_where_there_is_some(tmp_path, monkeypatch):
    """A city is judged before it is ready."""
    await lived(tmp_path)
    monkeypatch.setattr(engine, "JUDGING_AT_START_S", 60.0)
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        await begin(store, tmp_path, NOW + 30)
        assert sorted(name for name, _, _ in core.told) == ["s1", "s2", "s3"]


async def test_what_time_may_have_changed_is_judged_before_it_is_shown(tmp_path, monkeypatch):
    """Another school day has begun meanwhile, which counts for what is kept by days."""
    await lived(tmp_path)
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        begun, shown = await begin(store, tmp_path, NOW + DAY_S)
        assert sorted(name for name, _, _ in core.told) == ["s1", "s2", "s3"]
        assert shown == dict(begun.schools)


async def test_what_is_due_as_the_collector_ends_is_done_before_it_is_stored(tmp_path, monkeypatch):
    """A row is true at the moment that it names: a gateway that fell silent as the collector ended is stored so."""
    async with running(tmp_path) as (before, _, clock):
        await before.submit("gw-two", report(pings([1]), gateway="gw-two"), clock.now)
        clock.now += 60
        await before.submit("gw-two", report(pings([2]), gateway="gw-two"), clock.now)
        clock.now += 3_600
        assert await before.save(10.0) == 0
        assert before.schools["s3"].state.gateways["gw-two"].silent
    async with opened(tmp_path) as store:
        _, shown = await begin(store, tmp_path, clock.now + 30)
        assert shown["s3"].state.gateways["gw-two"].silent


async def test_what_there_was_no_time_to_do_is_done_before_it_is_shown(tmp_path, monkeypatch):
    """The collector ended with a school still due: its row is as old as what it says."""
    await lived(tmp_path)
    async with running(tmp_path, FakeClock(NOW + 1)) as (before, _, clock):
        await before.tick()
        clock.now += 3_600
        assert await before.save(0.0) >= 0
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        begun, shown = await begin(store, tmp_path, clock.now + 30)
        assert shown["s3"].state.gateways["gw-two"].silent
        assert "s3" in [name for name, _, _ in core.told]
        assert begun.schools["s3"] == shown["s3"]


async def test_what_was_never_stored_is_judged_before_it_is_shown(tmp_path, monkeypatch):
    """The first start of all, and a school that the roster lists since then."""
    core = Overheard(monkeypatch)
    without = ROSTER[: ROSTER.index("  - id: s3")] + ROSTER[ROSTER.index("gateways:") :].replace("[s3]", "[s2]")
    async with opened(tmp_path) as store:
        await begin(store, tmp_path, NOW, without)
        assert sorted(name for name, _, _ in core.told) == ["s1", "s2"]
        core.clear()
        _, shown = await begin(store, tmp_path, NOW + 30)
        assert [name for name, _, _ in core.told] == ["s3"]
        assert list(shown) == ["s3", "s1", "s2"]


async def test_where_something_is_open_is_judged_before_it_is_shown(tmp_path, monkeypatch):
    """A slow port in one school; its neighbours wait."""
    before = await lived(tmp_path, speed_bps=10**7)
    assert before["s1"].state.alerts
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        await begin(store, tmp_path, NOW + 30)
        assert [name for name, _, _ in core.told] == ["s1"]


async def test_where_a_gateway_was_silent_nothing_is_judged_before(tmp_path, monkeypatch):
    """Nobody but the gateway ends that: an outage of a province makes a start during it no longer."""
    async with running(tmp_path) as (before, _, clock):
        await before.submit("gw-two", report(pings([1]), gateway="gw-two"), clock.now)
        clock.now += 3_600
        await before.tick()
        assert [alert.cause for alert in before.schools["s3"].state.alerts] == ["gateway_silent"]
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        _, shown = await begin(store, tmp_path, clock.now + 30)
        assert "s3" not in [name for name, _, _ in core.told]
        assert shown["s3"].state.gateways["gw-two"].silent


async def test_a_report_that_comes_first_finds_its_schools_judged(tmp_path, monkeypatch):
    """What a school must hear, it hears before the report: away, roster, then who reported."""
    await lived(tmp_path)
    core = Overheard(monkeypatch)
    async with running(tmp_path, FakeClock(NOW + 30)) as (begun, _, clock):
        assert core.told == []
        await begun.submit("gw-two", report(pings([2]), gateway="gw-two"), clock.now)
        kinds = [[type(event) for event in events] for events in core.of("s3")]
        assert kinds == [[Resumed, RosterChanged], [Heard, Observed]]
        assert {name for name, _, _ in core.told} == {"s3"}


async def test_another_roster_is_in_force_before_its_schools_are_judged(tmp_path, monkeypatch):
    """What files say is shown at once: nothing of it is asked of the store."""
    await lived(tmp_path)
    core = Overheard(monkeypatch)
    async with opened(tmp_path) as store:
        _, shown = await begin(store, tmp_path, NOW + 30, MORE)
        assert core.told == []
        assert shown["s3"].roster.operator == "电信"
