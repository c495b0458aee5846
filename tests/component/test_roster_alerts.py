"""Schools that are renamed, change their office, leave and return while something is wrong: told right, to the end."""

import pytest

from collector.core.hours import Calendar
from collector.core.words import Cause
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.store.outbox import next_pending
from tests.component.test_engine import from_two, incidents, proof, running
from tests.support.collecting import NOW, POLICY, ROSTER, FakeClock, pings, report, write_roster

pytestmark = pytest.mark.usefixtures("every_store")

S3 = ROSTER[ROSTER.index("  - id: s3") : ROSTER.index("gateways:")]
WITHOUT = ROSTER.replace(S3, "").replace("  - {id: gw-two, token_sha256: TWO, schools: [s3]}\n", "")
OTHER = 'office: "511403"\nname: 彭山区\nschools:\n'
ELSEWHERE = OTHER + S3
RENAMED = ROSTER.replace("示例小学", "城关小学")
STAYS = OTHER + S3.replace("s3", "s9")
"""The other office has a school of its own all along."""


async def apply(engine, folder, text: str, other: str | None = None) -> None:
    """Bring another roster into force, as a reload does."""
    roster = write_roster(folder, text)
    (roster / "511403.yml").unlink(missing_ok=True)
    if other:
        (roster / "511403.yml").write_text(other)
    found = load_roster(roster, {"p": ("p",)})
    await engine.replace_roster(found, hours_of_schools(found.entries, Calendar(), NOW), POLICY)


async def told(engine, store) -> list[tuple[str, str, list[str]]]:
    """Take what waits in the outbox about lines: (office, kind, schools by name). (That gateways are silent is not.)"""
    found = []
    while True:
        async with store.reader.connect() as connection:
            delivery = await next_pending(connection, "terminal")
        if delivery is None:
            return found
        notice = delivery.notice
        if notice.cause is Cause.UPLINK_BELOW_REQUIRED:
            found.append((notice.office, notice.kind, sorted({m.school_name for m in notice.members})))
        await engine.mark_sent(delivery.id)


def lines(engine):
    return [incident for incident in incidents(engine) if incident.cause is Cause.UPLINK_BELOW_REQUIRED]


async def send(engine, clock, first: int, *, passed: bool) -> None:
    """Two tests of the line of s3, well after those before."""
    clock.now += 400
    seen = report(proof(first, clock.now, passed=passed), gateway="gw-two", report_interval_s=3_600.0)
    await engine.submit("gw-two", seen, clock.now)
    await engine.bureau.settle()


FAILS = [("511402", "opened", ["示例小学"])]


@pytest.mark.parametrize("silent_s", [1, 400], ids=["heard", "silent"])
async def test_a_school_changes_its_office_while_its_line_fails(tmp_path, silent_s):
    """The old office reads that it moved away; the new one that its line fails, and later that it is well again.

    While the gateway is silent nobody knows whether the line still fails: the new office reads it once somebody does.
    """
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        assert await told(engine, store) == FAILS
        clock.now += silent_s
        await apply(engine, tmp_path, ROSTER.replace(S3, ""), ELSEWHERE)
        read = await told(engine, store)
        await send(engine, clock, 11, passed=False)
        read += await told(engine, store)
        assert read == [("511402", "withdrawn", ["示例小学"]), ("511403", "opened", ["示例小学"])]
        await send(engine, clock, 21, passed=True)
        assert await told(engine, store) == [("511403", "resolved", ["示例小学"])]
        assert lines(engine) == []


async def test_a_school_leaves_and_returns_while_its_line_fails(tmp_path):
    """Withdrawn when it leaves; back again and still failing, that is told again, and its end as well."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        await told(engine, store)
        clock.now += 400
        await apply(engine, tmp_path, WITHOUT)
        assert (await told(engine, store), lines(engine)) == ([("511402", "withdrawn", ["示例小学"])], [])
        clock.now += 400
        await apply(engine, tmp_path, ROSTER)
        await send(engine, clock, 11, passed=False)
        assert await told(engine, store) == FAILS
        await send(engine, clock, 21, passed=True)
        assert (await told(engine, store), lines(engine)) == ([("511402", "resolved", ["示例小学"])], [])


@pytest.mark.parametrize("back", ["while running", "while away"])
async def test_a_school_leaves_while_the_collector_is_away(tmp_path, back):
    """The roster that is read at the start counts: it is withdrawn then, and told again whenever it is back."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        await told(engine, store)
    clock.now += 400
    async with running(tmp_path, clock, text=WITHOUT) as (engine, store, _):
        assert (await told(engine, store), lines(engine)) == ([("511402", "withdrawn", ["示例小学"])], [])
        clock.now += 400
        if back == "while running":
            await apply(engine, tmp_path, ROSTER)
            await send(engine, clock, 11, passed=False)
            assert await told(engine, store) == FAILS
    async with running(tmp_path, clock) as (engine, store, _):
        if back == "while away":
            await send(engine, clock, 11, passed=False)
            assert await told(engine, store) == FAILS
        await send(engine, clock, 21, passed=True)
        assert (await told(engine, store), lines(engine)) == ([("511402", "resolved", ["示例小学"])], [])


async def test_an_office_changes_while_the_collector_is_away(tmp_path):
    """Also then the old office and the new one are told, once."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        await told(engine, store)
    clock.now += 400
    write_roster(tmp_path, ROSTER)
    (tmp_path / "roster" / "511403.yml").write_text(ELSEWHERE)
    for expected in ([("511402", "withdrawn", ["示例小学"]), ("511403", "opened", ["示例小学"])], []):
        async with running(tmp_path, clock, text=ROSTER.replace(S3, "")) as (engine, store, _):
            assert sorted(await told(engine, store)) == expected
            assert [(i.office, i.tally.open_count) for i in lines(engine)] == [("511403", 1)]


async def test_a_school_is_renamed_while_its_line_fails(tmp_path):
    """A rename is no news; the message of the end has the new name."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        assert await told(engine, store) == FAILS
        clock.now += 400
        await apply(engine, tmp_path, RENAMED)
        assert await told(engine, store) == []
        await send(engine, clock, 11, passed=True)
        assert await told(engine, store) == [("511402", "resolved", ["城关小学"])]


async def test_the_same_roster_again_is_no_news(tmp_path):
    """A reload, and the daily one of the calendar, put nothing into the queue."""
    clock = FakeClock()
    async with running(tmp_path, clock) as (engine, store, _):
        await send(engine, clock, 1, passed=False)
        await told(engine, store)
        before = engine.bureau.state
        for _ in range(2):
            await apply(engine, tmp_path, ROSTER, STAYS)
        assert engine.bureau.state.desks["511402"] == before.desks["511402"]
        await engine.submit("gw-two", from_two(pings([90])), clock.now)
        assert await told(engine, store) == []
