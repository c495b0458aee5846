"""What gateways find, in a real engine and store: kept apart from judgement, replaced by newer evidence, bounded."""

import pytest

from classready.observation import Found, FoundPort, Outcome
from collector.store import found
from collector.store.found import GONE_S, OTHERS_PER_GATEWAY_MAX, SWITCHES_PER_GATEWAY_MAX
from collector.store.tables import audit
from tests.support.collecting import NOW, record, report
from tests.support.engines import Overheard, rows, running

pytestmark = pytest.mark.usefixtures("every_store")

SWITCH = Found(
    what="switch",
    outcome=Outcome.ANSWERED,
    host="10.0.0.2",
    name="sw-core",
    ports=(FoundPort(name="GE0/0/1", label="3-2班 大屏", up=True, trunk=False),),
)


def device(number, **changes):
    return Found(**{"what": "device", "host": f"10.0.{number // 256}.{number % 256}", **changes})


class Gateway:
    def __init__(self, engine, clock, name="gw-one"):
        self.engine, self.clock, self.name, self.sequence = engine, clock, name, 0

    async def finds(self, *seen, at=None):
        at = self.clock.now - 1 if at is None else at
        for some in (seen[i : i + 300] for i in range(0, len(seen), 300)):
            sent = [record(self.sequence + n, one, wall_s=at) for n, one in enumerate(some, 1)]
            self.sequence += len(some)
            ack = await self.engine.submit(self.name, report(sent, gateway=self.name), self.clock.now)
            assert ack.committed == ((self.sequence - len(some) + 1, self.sequence),)

    async def rows(self):
        return (await self.engine.finds.of([self.name])).get(self.name, [])


async def test_what_is_found_is_kept_and_told_to_no_school(tmp_path, monkeypatch):
    """It is acknowledged and stands in the store, and outlives the process; no school is stepped for it."""
    async with running(tmp_path) as (engine, _, clock):
        gateway = Gateway(engine, clock)
        heard = Overheard(monkeypatch)
        await gateway.finds(Found(what="sweep", address_count=254), SWITCH, device(31, switch="10.0.0.2"))
        assert {type(event).__name__ for _, events, _ in heard.told for event in events} <= {"Heard"}
    async with running(tmp_path) as (engine, _, clock):
        kept = {row.host: row for row in await Gateway(engine, clock).rows()}
        assert list(kept) == ["", "10.0.0.2", "10.0.0.31"]
        assert kept["10.0.0.2"].seen == SWITCH
        assert kept["10.0.0.31"].seen.switch == "10.0.0.2"
        assert kept[""].seen.address_count == 254


async def test_newer_evidence_replaces_older(tmp_path):
    """Of one address the newest counts in whatever order it comes, and when it was first seen stays."""
    async with running(tmp_path) as (engine, _, clock):
        gateway = Gateway(engine, clock)
        await gateway.finds(device(7, name="new"), at=NOW - 50)
        before = engine.finds.revision("gw-one")
        await gateway.finds(device(7, name="old"), at=NOW - 100)
        (row,) = await gateway.rows()
        assert (row.seen.name, row.observed_at, row.first_seen_at) == ("new", NOW - 50, NOW - 50)
        await gateway.finds(device(7, name="newest"), at=NOW - 5)
        (row,) = await gateway.rows()
        assert (row.seen.name, row.observed_at, row.first_seen_at) == ("newest", NOW - 5, NOW - 50)
        assert engine.finds.revision("gw-one") > before


async def test_a_flood_stays_bounded(tmp_path):
    """4,000 answers and 300 switches of one gateway: the newest are kept, and another gateway loses nothing."""
    async with running(tmp_path) as (engine, _, clock):
        other = Gateway(engine, clock, "gw-two")
        await other.finds(device(1), at=NOW - 500)
        gateway = Gateway(engine, clock)
        await gateway.finds(*(device(n) for n in range(2_000)), at=NOW - 100)
        await gateway.finds(*(device(n) for n in range(2_000, 4_000)), at=NOW - 50)
        await gateway.finds(*(device(n, what="switch") for n in range(5_000, 5_300)), at=NOW - 40)
        await gateway.finds(Found(what="sweep"), at=NOW - 30)
        kept = await gateway.rows()
        assert sum(row.seen.what == "device" for row in kept) == OTHERS_PER_GATEWAY_MAX
        assert sum(row.seen.what == "switch" for row in kept) == SWITCHES_PER_GATEWAY_MAX
        assert min(row.observed_at for row in kept) == NOW - 50
        assert len(await other.rows()) == 1


async def test_what_is_gone_for_long_is_forgotten(tmp_path):
    """Only a later search shows that something is gone; without one everything stays."""
    async with running(tmp_path) as (engine, _, clock):
        gateway = Gateway(engine, clock)
        await gateway.finds(Found(what="sweep"), device(1), device(2))
        clock.now += GONE_S + 100
        await gateway.finds(device(2))
        assert len(await gateway.rows()) == 3
        await gateway.finds(Found(what="sweep"))
        assert [row.host for row in await gateway.rows()] == ["", "10.0.0.2"]


async def test_gateways_that_left_are_forgotten(tmp_path):
    """Not at once: a gateway that is renamed back has what it found."""
    async with running(tmp_path) as (engine, _, clock):
        await Gateway(engine, clock).finds(device(1))
        await Gateway(engine, clock, "gw-two").finds(device(1))
        await engine.finds.ask_again(["gw-two"], "王工", NOW)
        await engine.finds.prune({"gw-one"}, clock.now + GONE_S - 60)
        assert len(await engine.finds.of(["gw-one", "gw-two"])) == 2
        await engine.finds.prune({"gw-one"}, clock.now + GONE_S + 60)
        assert list(await engine.finds.of(["gw-one", "gw-two"])) == ["gw-one"]
        await engine.finds.load()
        assert engine.finds.asked_at("gw-two") is None


async def test_without_an_address_nothing_is_kept(tmp_path):
    """A device must say where it is; it is committed all the same, and the search stays what it was."""
    async with running(tmp_path) as (engine, _, clock):
        gateway = Gateway(engine, clock)
        await gateway.finds(Found(what="sweep", answer_count=3), Found(what="device", name="x"))
        (row,) = await gateway.rows()
        assert row.seen.answer_count == 3


async def test_people_ignore_and_ask_again(tmp_path):
    """Both outlive the process, a later sighting changes nothing of it, and the audit names who it was."""
    async with running(tmp_path) as (engine, _, clock):
        gateway = Gateway(engine, clock)
        await gateway.finds(device(1), device(2))
        await engine.finds.say("ignore", {"gw-one": ["10.0.0.1"]}, "王工", NOW)
        await engine.finds.ask_again(["gw-one"], "王工", NOW + 5)
        clock.now += 60
        await gateway.finds(device(1, name="again"))
    async with running(tmp_path) as (engine, store, clock):
        await engine.finds.load()
        assert (engine.finds.asked_at("gw-one"), engine.finds.asked_at("gw-two")) == (NOW + 5, None)
        one, two = await Gateway(engine, clock).rows()
        assert (one.ignored_by, one.ignored_at, one.seen.name, two.ignored_at) == ("王工", NOW, "again", None)
        await engine.finds.say("heed", {"gw-one": ["10.0.0.1"]}, "李工", NOW + 9)
        assert [row.ignored_at for row in await Gateway(engine, clock).rows()] == [None, None]
        told = [(row.actor, row.action, row.detail) for row in await rows(store, audit) if "found" in row.action]
        assert told == [
            ("王工", "found_ignored", "gw-one 10.0.0.1"),
            ("王工", "found_asked", "gw-one"),
            ("李工", "found_heeded", "gw-one 10.0.0.1"),
        ]


async def test_a_row_of_each_address_of_each_gateway(tmp_path):
    """Many gateways are asked for at once."""
    async with running(tmp_path) as (engine, _, clock):
        await Gateway(engine, clock).finds(device(1))
        await Gateway(engine, clock, "gw-two").finds(device(1), device(2))
        read = await engine.finds.of(["gw-one", "gw-two", *(f"gw-{n}" for n in range(1_200))])
        assert {gateway: len(own) for gateway, own in read.items()} == {"gw-one": 1, "gw-two": 2}
        assert found.SWEEP_HOST not in {row.host for own in read.values() for row in own}
