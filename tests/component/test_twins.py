"""A disk that was copied with its token and its spool: two boxes, one name. What each sees does not come and go."""

import asyncio
import contextlib
import uuid

import msgspec
import pytest

from classready.observation import Device, Outcome, Reason
from collector.app.twin_notices import tell_of_twins
from collector.core.roster import Hours
from collector.engine import TwinError
from collector.engine.twins import ON_ITS_WAY_S, RETURNS_MIN
from collector.notify.message import Message
from collector.settings import CollectorSettings, ConsoleReceiver
from collector.store.tables import ledger as ledger_table
from collector.store.tables import outbox as outbox_table
from collector.text import LANGUAGES, Names
from collector.views.refused import refused_views
from tests.support.collecting import BOOT, NOW, SPOOL, FakeClock, awake, record, report
from tests.support.engines import ledger, rows, running

pytestmark = pytest.mark.usefixtures("every_store")
ROUNDS = 40


async def sent(engine, clock: FakeClock, number: int, boot: str, seen: Device) -> bool:
    """The report of a box, its records numbered as the copied spool goes on; False = it was refused."""
    seconds = 1_000.0 + 2 * number
    one = record(number, seen, boot_id=boot, monotonic_s=seconds, wall_s=clock.now)
    try:
        ack = await engine.submit("gw-one", report([one], boot_id=boot, sent_monotonic_s=seconds), clock.now)
    except TwinError:
        return False
    assert ack.committed or ack.rejected or ack.renumber
    return True


async def test_a_copied_disk(tmp_path) -> None:
    """After a few reports the copy is refused: the board of the first school stays awake, and one line says why."""
    gone = Device(classroom="r1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, state="away")
    states, copies = [], []
    async with running(tmp_path) as (engine, store, clock):
        assert engine.schools["s1"].hours != Hours()
        for number in range(1, ROUNDS + 1):
            clock.now += 1
            assert await sent(engine, clock, number, BOOT, awake("r1"))
            clock.now += 1
            copies.append(await sent(engine, clock, 1_000 + number, "c" * 8, gone))
            states.append(engine.schools["s1"].state.classrooms["r1"].device.state)
        own = (await ledger(store)).ranges
        (told,) = engine.refusals("gw-one")
        texts = [refused_views([told], engine.policy, language)[0].text for language in LANGUAGES]
    assert set(states[RETURNS_MIN:]) == {"awake"}
    assert copies.count(True) < RETURNS_MIN + 1
    assert (1, ROUNDS) in own, "nothing of the first is lost"
    assert (told.reason, told.refused_count) == ("twin", copies.count(False))
    assert all(str(told.refused_count) in text for text in texts)


async def test_a_copy_that_begins_with_the_same_numbers(tmp_path) -> None:
    """Its records would pass for repetitions of the first one's: it is not told that they are kept."""
    async with running(tmp_path) as (engine, _, clock):
        for number in range(1, RETURNS_MIN + 3):
            clock.now += 1
            assert await sent(engine, clock, number, BOOT, awake("r1"))
            copied = await sent(engine, clock, number, "c" * 8, awake("r1"))
        assert not copied


class Box:
    """An agent as far as its numbers go: a record a report, and another spool id when it is asked for one."""

    def __init__(self, engine, clock, boot, number, *, spool=SPOOL, shift_s=0.0, obeys=True):
        self.engine, self.clock, self.boot, self.spool = engine, clock, boot, spool
        self.number, self.shift_s, self.obeys = number, shift_s, obeys
        self.held, self.acked = [], []

    def copy(self, **changes):
        other = Box(self.engine, self.clock, self.boot, self.number, spool=self.spool)
        vars(other).update(held=list(self.held), **changes)
        return other

    async def report(self):
        """Make a record, send all that is held; False = refused."""
        self.clock.now += 1
        self.number += 1
        seconds = self.clock.now - NOW + 1_000 + self.shift_s
        made = record(self.number, awake("r1"), boot_id=self.boot, monotonic_s=seconds, wall_s=self.clock.now)
        self.held.append(made)
        return await self._send(seconds)

    async def _send(self, seconds):
        sent = report(self.held, boot_id=self.boot, sent_monotonic_s=seconds, spool_id=self.spool)
        try:
            ack = await self.engine.submit("gw-one", sent, self.clock.now)
        except TwinError:
            return False
        gone = [r for r in self.held if any(a <= r.sequence <= b for a, b in ack.committed)]
        self.held = [r for r in self.held if r not in gone]
        self.acked += [(self.spool, r) for r in gone]
        if ack.renumber and self.obeys:
            self.spool = uuid.uuid4().hex
            return await self._send(seconds)
        return True


async def applied(store):
    return sum(row.applied_records for row in await rows(store, ledger_table))


@pytest.mark.parametrize("boot", [BOOT, "c" * 8], ids=["one boot", "two boots"])
@pytest.mark.parametrize("ahead", [0, 5], ids=["together", "copy ahead"])
async def test_nothing_of_a_copy_is_acknowledged_as_the_others(tmp_path, boot, ahead):
    """Each number is stored for both: what was acknowledged was applied. It is told within two intervals."""
    async with running(tmp_path) as (engine, store, clock):
        first = Box(engine, clock, BOOT, 0)
        for _ in range(3):
            await first.report()
        other = first.copy(boot=boot, shift_s=0.25)
        for _ in range(ahead):
            await other.report()
        for _ in range(2):
            await first.report()
            await other.report()
            await asyncio.sleep(0)
            clock.now += ON_ITS_WAY_S
        assert await first.report()
        assert engine.twins() == {"gw-one"}
        for _ in range(5):
            await first.report()
            await other.report()
        kept = {box: len(box.acked) for box in (first, other)}
        assert await applied(store) == sum(kept.values())
        assert all(kept.values())
        numbers = [(spool, r.sequence) for box in (first, other) for spool, r in box.acked]
        assert len(numbers) == len(set(numbers)), "no row took the place of another"
        (told,) = engine.refusals("gw-one")[:1]
        assert told.reason in {"copy", "twin"}
        assert {"copy", "twin"} & {each.reason for each in engine.refusals("gw-one")}


@pytest.mark.parametrize("obeys", [True, False], ids=["today", "an earlier agent"])
async def test_a_disk_that_was_set_back_is_no_copy(tmp_path, obeys):
    """A restored image, or a power cut that undid writes: it goes on, nothing is lost, and nobody speaks of two."""
    async with running(tmp_path) as (engine, store, clock):
        before = Box(engine, clock, BOOT, 0)
        for _ in range(3):
            await before.report()
        restored = before.copy(boot="d" * 8, obeys=obeys)
        for _ in range(4):
            await before.report()
        for _ in range(40):
            assert await restored.report()
        assert engine.twins() == set()
        reasons = {each.reason: each.refused_count for each in engine.refusals("gw-one")}
        assert set(reasons) == {"numbers"}
        assert await applied(store) == len(before.acked) + len(restored.acked)
        assert (not restored.held) == obeys, "an agent that knows no other spool keeps them"


async def test_a_restart_of_the_collector_forgets_no_boot(tmp_path):
    """Which boot a number came from is in the ledger."""
    async with running(tmp_path) as (engine, _, clock):
        first = Box(engine, clock, BOOT, 0)
        for _ in range(3):
            await first.report()
        other = first.copy(boot="c" * 8)
        await first.report()
    async with running(tmp_path) as (engine, store, _):
        other.engine = engine
        await other.report()
        ((spool, _),) = other.acked
        assert spool != SPOOL
        assert await applied(store) == 5


async def test_the_group_is_told_once(tmp_path):
    """In Chinese, with what to do; not again after a restart."""
    settings = CollectorSettings(
        receivers=(ConsoleReceiver(name="chat"), ConsoleReceiver(name="other", offices=("x",)))
    )
    for _ in range(2):
        async with running(tmp_path) as (engine, store, clock):
            first = Box(engine, clock, BOOT, 0, spool=uuid.uuid4().hex)
            await first.report()
            other = first.copy(boot="c" * 8)
            for _ in range(RETURNS_MIN + 2):
                await first.report()
                await other.report()
            assert engine.twins() == {"gw-one"}
            woken = []
            telling = tell_of_twins(engine, settings, Names, lambda: woken.append(1), 0.01)  # noqa: B023
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await telling
            (queued,) = await rows(store, outbox_table)
    assert queued.receiver == "chat"
    (message,) = msgspec.json.decode(queued.words, type=list[Message])
    assert "示例中心校" in message.title
    assert "enroll --rotate gw-one" in message.closing[0]
