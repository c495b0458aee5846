"""A disk that was copied with its token and its spool: two boxes, one name. What each sees does not come and go."""

import pytest

from classready.observation import Device, Outcome, Reason
from collector.core.roster import Hours
from collector.engine import TwinError
from collector.engine.twins import RETURNS_MIN
from collector.text import LANGUAGES
from collector.views.refused import refused_views
from tests.support.collecting import BOOT, FakeClock, awake, record, report
from tests.support.engines import ledger, running

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
    assert ack.committed or ack.rejected
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
