"""The outbox on real stores: every message is delivered or refused, once, in order, and no robot delays another."""

import asyncio
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update
from structlog.testing import capture_logs

from collector import outbox as delivery
from collector.core.bureau.words import Notice
from collector.core.words import Cause
from collector.notify.contract import Deferred, Misconfigured, Refused
from collector.notify.items import Item
from collector.notify.message import Message
from collector.notify.robot.fitting import split
from collector.outbox import Outbox
from collector.settings import ConsoleReceiver
from collector.store import outbox as outbox_rows
from collector.store.tables import outbox as outbox_table
from tests.support.collecting import NOW, FakeClock, opened, start_engine

DEADLINE_S = 10.0

pytestmark = pytest.mark.usefixtures("every_store")


def notice(incident: str) -> Notice:
    return Notice(
        kind="opened",
        incident=incident,
        office="511402",
        cause=Cause.GATEWAY_SILENT,
        at=NOW,
        since=NOW,
    )


class Robot:
    """Does with each message what it is told; takes it when nothing is left to do."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []

    def parts(self, message):
        return [message]

    async def send(self, message) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        elif answer is not None:
            raise answer
        self.taken.append(message)


class Picky(Robot):
    """Never takes message "1", and says why; takes all others."""

    def __init__(self, why: Exception) -> None:
        super().__init__()
        self.why = why
        self.try_count = 0

    async def send(self, message) -> None:
        if message == "1":
            self.try_count += 1
            raise self.why
        await super().send(message)


@asynccontextmanager
async def delivering(folder, clock, *, render=lambda notice: notice.incident, fallbacks=MappingProxyType({}), **robots):
    """An outbox at work for ``robots``; messages are incident ids. Yields (store, outbox)."""
    async with opened(folder) as store:
        engine = await start_engine(store, folder, clock, receivers=[ConsoleReceiver(name=name) for name in robots])
        outbox = Outbox(store, engine, robots, render, clock, fallbacks=fallbacks)
        task = asyncio.create_task(outbox.run())
        try:
            yield store, outbox
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def write(store, outbox, incident: str, *receivers: str, at: float = NOW) -> None:
    async with store.writer.begin() as connection:
        await outbox_rows.add(connection, receivers, notice(incident), at)
    outbox.wake()


async def let_pass(clock, outbox, condition, step_s: float = 301.0) -> None:
    """Let the clock run, in steps longer than any pause, until ``condition`` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            clock.now += step_s
            outbox.wake()
            await asyncio.sleep(0.01)


async def states(store) -> list[tuple[str, str, int]]:
    async with store.reader.connect() as connection:
        rows = await connection.execute(select(outbox_table).order_by(outbox_table.c.id))
        return [(row.receiver, row.state, row.attempt_count) for row in rows]


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_in_order_and_once(tmp_path):
    """Messages arrive in the order in which they were written; a restart sends none of them again."""
    robot, clock = Robot(), FakeClock()
    for expected in (["1", "2", "3"], ["1", "2", "3"]):
        async with delivering(tmp_path, clock, r=robot) as (store, outbox):
            for incident in [] if robot.taken else ["1", "2", "3"]:
                await write(store, outbox, incident, "r")

            async def all_sent(store=store):
                return [state for _, state, _ in await states(store)] == ["sent"] * 3

            await until(all_sent)
        assert robot.taken == expected


async def test_dead_robot_delays_nobody(tmp_path):
    """While one robot hangs, the other gets its messages."""
    hangs, well = Robot(asyncio.Event()), Robot()
    async with delivering(tmp_path, FakeClock(), hangs=hangs, well=well) as (store, outbox):
        for incident in ("1", "2"):
            await write(store, outbox, incident, "hangs", "well")

        async def well_has_both():
            return well.taken == ["1", "2"]

        await until(well_has_both)
        assert hangs.taken == []


async def test_deferred(tmp_path):
    """A deferred message is kept, waits as long as it was told, and is delivered when it is taken."""
    robot, clock = Robot(Deferred("timeout", 60.0), Deferred("rate", 7.0)), FakeClock()
    for expected, pause_s in ((("r", "pending", 1), 60.0), (("r", "pending", 2), 7.0), (("r", "sent", 3), 0.0)):
        async with delivering(tmp_path, clock, r=robot) as (store, outbox):
            if not await states(store):
                await write(store, outbox, "1", "r")

            async def attempted(expected=expected, store=store):
                return await states(store) == [expected]

            await until(attempted)
            async with store.reader.connect() as connection:
                waiting = await outbox_rows.next_pending(connection, "r")
            assert waiting is None or waiting.due_at == clock.now + pause_s
        clock.now += pause_s
    assert robot.taken == ["1"]


async def test_refused(tmp_path):
    """A refused message is kept with its reason and counted as lost; the next one goes on."""
    lost = REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) or 0
    robot = Robot(Refused("rejected", 93000))
    async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")

        async def settled():
            return [state for _, state, _ in await states(store)] == ["refused", "sent"]

        await until(settled)
        async with store.reader.connect() as connection:
            assert (await connection.execute(select(outbox_table.c.reason))).scalars().all() == [
                "rejected (93000)",
                None,
            ]
    assert REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) == lost + 1


@pytest.mark.parametrize(
    ("why", "tries", "reason"),
    [
        pytest.param(Deferred("unknown_code", 300, 99999), 6, "unknown_code (99999)", id="a code nobody knows"),
        pytest.param(Deferred("http_refused", 60, 413), 6, "http_refused (413)", id="too large for a proxy"),
        pytest.param(KeyError("?"), 6, "internal", id="a bug in the notifier"),
        pytest.param(
            Deferred("bad_reply", 60), 24, "bad_reply", id="no code, no JSON: a firewall that dislikes a word"
        ),
    ],
)
async def test_one_message_does_not_hold_back_the_others(tmp_path, why, tries, reason):
    """What may be about a message itself ends after so many tries: lost, counted, told, and the next one goes."""
    lost = REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) or 0
    robot, clock = Picky(why), FakeClock()
    async with delivering(tmp_path, clock, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")

        async def settled():
            assert robot.try_count == tries or not robot.taken
            return [state for _, state, _ in await states(store)] == ["refused", "sent"]

        await let_pass(clock, outbox, settled)
        assert (robot.try_count, robot.taken) == (tries, ["2"])
        [told] = outbox.undelivered()
        assert (told.receiver, told.lost_count, told.lost_reason, told.failing) == ("r", 1, reason, None)
    assert REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) == lost + 1
    async with delivering(tmp_path, clock, r=robot) as (_, outbox):

        async def is_told_after_a_restart():
            return [(one.lost_count, one.lost_reason) for one in outbox.undelivered()] == [(1, reason)]

        await until(is_told_after_a_restart)


async def test_a_message_that_cannot_be_rendered(tmp_path):
    """A bug in the words of one message is the same as one in its notifier."""

    def render(notice):
        return {"2": "2"}[notice.incident]

    robot, clock = Robot(), FakeClock()
    async with delivering(tmp_path, clock, render=render, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")

        async def taken():
            return robot.taken == ["2"]

        await let_pass(clock, outbox, taken)


@pytest.mark.parametrize("row", ["{}", "", "\\u0000", '{"kind": "opened", "subject": 7}', "[]"])
async def test_a_row_that_cannot_be_read(tmp_path, row):
    """What another release left, and this one does not understand, is given up and told; it ends nothing."""
    robot = Robot()
    async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):
        async with store.writer.begin() as connection:
            await outbox_rows.add(connection, ["r"], notice("1"), NOW)
            await connection.execute(update(outbox_table).values(notice=row))
        await write(store, outbox, "2", "r")

        async def taken():
            return robot.taken == ["2"]

        await until(taken)
        assert [one.lost_reason for one in outbox.undelivered()] == ["unreadable"]


@pytest.mark.parametrize(
    "why",
    [
        Deferred("http_status", 30, 502),
        Deferred("http_status", 300, 403),
        Deferred("busy", 30, -1),
        Deferred("unreachable", 30),
        Deferred("redirect", 300, 302),
        TimeoutError(),
    ],
    ids=str,
)
async def test_a_dead_robot_loses_nothing(tmp_path, why):
    """What is the way's fault is kept: all of it, in order, for a day and longer; meanwhile the board says so."""
    robot, clock = Robot(*[why] * 30), FakeClock()
    async with delivering(tmp_path, clock, r=robot) as (store, outbox):
        for incident in ("1", "2", "3"):
            await write(store, outbox, incident, "r")
        told = []

        async def all_taken():
            told.extend(one for one in outbox.undelivered() if one.failing)
            return robot.taken == ["1", "2", "3"]

        await let_pass(clock, outbox, all_taken, step_s=3_600)
        assert clock.now - NOW > 86_400
        assert (told[-1].waiting_count, told[-1].lost_count) == (3, 0)
        assert told[-1].oldest_age_s > 86_400
        assert outbox.undelivered()[0].failing is None


async def test_tries_are_counted_in_a_row(tmp_path):
    """A robot that was away in between begins anew: only an answer speaks about the message."""
    doubt, away = Deferred("unknown_code", 300, 99999), Deferred("unreachable", 30)
    robot, clock = Robot(*([doubt] * 5 + [away]) * 3), FakeClock()
    async with delivering(tmp_path, clock, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def taken():
            return robot.taken == ["1"]

        await let_pass(clock, outbox, taken)


async def test_a_queue_has_an_end(tmp_path, monkeypatch):
    """Of more than so many messages that wait for one receiver the oldest are given up, and told."""
    monkeypatch.setattr(delivery, "PENDING_MAX", 3)
    robot = Robot(*[Deferred("unreachable", 30)] * 10)
    async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):
        for n in range(1, 7):
            await write(store, outbox, str(n), "r")

        async def three_are_left():
            return [state for _, state, _ in await states(store)] == ["refused"] * 3 + ["pending"] * 3

        async def three_are_told():
            return [(one.lost_count, one.lost_reason) for one in outbox.undelivered()] == [(3, "too_many")]

        await until(three_are_left)
        await until(three_are_told)


DAY_S = 86_400.0


async def test_a_message_of_the_future_waits_behind_the_others(tmp_path, monkeypatch):
    """What a wrong clock dated ahead holds back nobody, wakes up for news, and is itself sent before its date."""
    monkeypatch.setattr(delivery, "AHEAD_MAX_S", 1.0)
    robot = Robot()
    async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):
        await write(store, outbox, "ahead", "r", at=NOW + DAY_S)
        await write(store, outbox, "also ahead", "r", at=NOW + 2 * DAY_S)
        for incident in ("1", "2"):
            await write(store, outbox, incident, "r")

        async def all_taken():
            return len(robot.taken) == 4

        await until(all_taken)
        assert robot.taken == ["1", "2", "ahead", "also ahead"]


@pytest.mark.parametrize("step_s", [-DAY_S, -DAY_S * 365, DAY_S])
async def test_the_clock_is_set_while_a_message_is_deferred(tmp_path, step_s):
    """A message that was to be tried in a minute is not held back for a day, and not forgotten either."""
    robot, clock = Robot(Deferred("timeout", 60.0)), FakeClock()
    async with delivering(tmp_path, clock, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def deferred():
            return await states(store) == [("r", "pending", 1)]

        await until(deferred)
        clock.now += step_s
        outbox.wake()

        async def taken():
            return robot.taken == ["1"]

        await until(taken)


async def test_a_pause_is_kept_whatever_comes(tmp_path):
    """News do not shorten the pause that a robot asked for, and do not go before what waits for it."""
    robot, clock = Robot(Deferred("rate", 60.0, 45009)), FakeClock()
    async with delivering(tmp_path, clock, r=robot) as (store, outbox):
        for incident in ("1", "2", "3"):
            await write(store, outbox, incident, "r")

        async def first_tried():
            return (await states(store))[0] == ("r", "pending", 1)

        await until(first_tried)
        for _ in range(20):
            outbox.wake()
            await asyncio.sleep(0.005)
        assert robot.taken == []
        clock.now += 60.0
        outbox.wake()

        async def all_taken():
            return robot.taken == ["1", "2", "3"]

        await until(all_taken)


async def test_receiver_gone(tmp_path):
    """What waits for a receiver that is no longer in the settings is settled, not forgotten."""
    async with delivering(tmp_path, FakeClock(), old=Robot(Deferred("timeout", 60.0))) as (store, outbox):
        await write(store, outbox, "1", "old")

        async def waits():
            return await states(store) == [("old", "pending", 1)]

        await until(waits)
    async with delivering(tmp_path, FakeClock(), new=Robot()) as (store, _):

        async def refused():
            return await states(store) == [("old", "refused", 2)]

        await until(refused)


async def test_a_wrong_setting_is_told_once_and_holds_back_nobody(tmp_path):
    """Each message that meets it is lost and counted; people are called once, and again after it was well."""
    wrong, other = Misconfigured("bad_signature", 19021, "code 19021 x"), Misconfigured("no_keyword", 19024)
    robot = Robot(wrong, wrong, other, None, wrong)
    with capture_logs() as logs:
        async with delivering(tmp_path, FakeClock(), r=robot) as (store, outbox):

            async def send(incident, state):
                await write(store, outbox, incident, "r")
                await until(lambda: is_settled(store, [*so_far, state]))
                so_far.append(state)
                return outbox.undelivered()[0].misconfigured, REGISTRY.get_sample_value(
                    "classready_notifications_misconfigured", {"channel": "r"}
                )

            so_far: list[str] = []
            assert await send("1", "refused") == ("bad_signature (19021)", 1)
            assert await send("2", "refused") == ("bad_signature (19021)", 1)
            assert await send("3", "refused") == ("no_keyword (19024)", 1)
            assert await send("4", "sent") == (None, 0)
            assert await send("5", "refused") == ("bad_signature (19021)", 1)
    called = [(log["reason"], log["said"]) for log in logs if log["event"] == "receiver_misconfigured"]
    signature = ("bad_signature (19021)", "code 19021 x")
    assert called == [signature, ("no_keyword (19024)", ""), signature]


async def is_settled(store, expected: list[str]) -> bool:
    return [state for _, state, _ in await states(store)] == expected


# --- the second channel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param([Misconfigured("bad_signature", 19021)], "bad_signature (19021)", id="a wrong setting"),
        pytest.param([Refused("rejected", 430102)], "rejected (430102)", id="a word that the vendor forbids"),
        pytest.param([Deferred("unknown_code", 300, 7)] * 6, "unknown_code (7)", id="a code nobody knows, six times"),
        pytest.param([Deferred("unreachable", 30)] * 6, "unreachable", id="a robot that is away"),
    ],
)
async def test_the_fallback_gets_what_is_not_taken(tmp_path, answers, reason):
    """It is neither lost nor told twice; the board says who stands in until the first takes messages again."""
    lost = REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) or 0
    robot, other, clock = Robot(*answers), Robot(), FakeClock()
    fallbacks = {"r": "other"}
    async with delivering(tmp_path, clock, fallbacks=fallbacks, r=robot, other=other) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def replaced():
            return other.taken == ["1"]

        await let_pass(clock, outbox, replaced)
        told = next(one for one in outbox.undelivered() if one.receiver == "r")
        assert (told.replaced, told.fallback, told.lost_count) == (reason, "other", 0)
        robot.answers.clear()
        await write(store, outbox, "2", "r", at=clock.now)

        async def taken():
            return robot.taken == ["2"]

        await until(taken)
        await until(lambda: is_settled(store, ["handed", "sent", "sent"]))
        assert next(one for one in outbox.undelivered() if one.receiver == "r").replaced is None
    assert other.taken == ["1"]
    assert REGISTRY.get_sample_value("classready_notifications_lost_total", {"channel": "r"}) == lost


async def test_a_robot_that_wants_a_slower_pace_is_waited_for(tmp_path):
    """Too fast is no refusal: nothing is handed over, however long it takes."""
    robot, other, clock = Robot(*[Deferred("rate", 600.0, 130101)] * 9), Robot(), FakeClock()
    async with delivering(tmp_path, clock, fallbacks={"r": "other"}, r=robot, other=other) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def taken():
            return robot.taken == ["1"]

        await let_pass(clock, outbox, taken)
    assert other.taken == []


async def test_a_short_silence_is_waited_for(tmp_path):
    """Five minutes without an answer are no reason to tell others."""
    robot, other, clock = Robot(*[Deferred("timeout", 60.0)] * 5), Robot(), FakeClock()
    async with delivering(tmp_path, clock, fallbacks={"r": "other"}, r=robot, other=other) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def taken():
            return robot.taken == ["1"]

        await let_pass(clock, outbox, taken, step_s=60.0)
    assert other.taken == []


async def test_a_fallback_is_told_once(tmp_path):
    """It had the message of its own, or two give it theirs: it gets it once; what it does not take goes on."""
    wrong = Misconfigured("invalid_robot", 93000)
    a, b, c, clock = Robot(*[wrong] * 9), Robot(*[wrong] * 9), Robot(wrong), FakeClock()
    last, fallbacks = Robot(), {"a": "c", "b": "c", "c": "last"}
    async with delivering(tmp_path, clock, fallbacks=fallbacks, a=a, b=b, c=c, last=last) as (store, outbox):
        await write(store, outbox, "1", "a", "b", "c")
        await write(store, outbox, "2", "a", "b", at=NOW + 1)
        clock.now += 1

        async def all_settled():
            found = sorted((receiver, state) for receiver, state, _ in await states(store))
            handed = [(receiver, "handed") for receiver in "aabbc"]
            return found == [*handed, ("c", "sent"), ("last", "sent")]

        await until(all_settled)
    assert (c.taken, last.taken) == (["2"], ["1"])


async def test_a_message_waits_for_its_fallback_over_a_restart(tmp_path):
    """Handed over and not delivered yet: the next start goes on with it."""
    clock, fallbacks = FakeClock(), {"r": "other"}
    away, other = Robot(Deferred("timeout", 60.0)), Robot()
    async with delivering(tmp_path, clock, fallbacks=fallbacks, r=Robot(Refused("rejected")), other=away) as (
        store,
        outbox,
    ):
        await write(store, outbox, "1", "r")
        await until(lambda: is_settled(store, ["handed", "pending"]))
    clock.now += 60.0
    async with delivering(tmp_path, clock, fallbacks=fallbacks, r=Robot(), other=other) as (store, _):
        await until(lambda: is_settled(store, ["handed", "sent"]))
    assert other.taken == ["1"]


# --- long messages --------------------------------------------------------------------------------------------------


class Cutter(Robot):
    """Takes two items at a time."""

    def parts(self, message):
        return split(message, lambda part: len(part.items) <= 2)

    async def send(self, message) -> None:
        await super().send("+".join([message.title, *(item.name for item in message.items)]))


def long_message(incident: str, names: str) -> Message:
    items = tuple(Item(name=f"{incident}{name}", facts="", classrooms=frozenset()) for name in names)
    return Message(language="zh", alarming=True, title="t", lead=("l",), items=items, closing=("c",))


async def test_parts_go_in_order_before_what_follows(tmp_path):
    """Each is taken once; a robot that wants a pause between two of them gets it, and nothing comes in between."""
    robot, clock = Cutter(None, Deferred("rate", 60.0), None, None), FakeClock()
    render = lambda notice: long_message(notice.incident, "abcde")  # noqa: E731
    async with delivering(tmp_path, clock, render=render, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")

        async def all_taken():
            return len(robot.taken) == 6

        await let_pass(clock, outbox, all_taken)
        await until(lambda: is_settled(store, ["sent", "sent"]))
    assert robot.taken == [
        f"t({part}/3)+{'+'.join(number + name for name in names)}"
        for number in "12"
        for part, names in ((1, "ab"), (2, "cd"), (3, "e"))
    ]


async def test_a_kill_between_two_parts(tmp_path):
    """The next start goes on with the second part, as it was cut, whatever became of names and numbers meanwhile."""
    robot, clock = Cutter(None, asyncio.Event()), FakeClock()
    render = lambda notice: long_message(notice.incident, "abcde")  # noqa: E731
    async with delivering(tmp_path, clock, render=render, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def second_is_on_its_way():
            return not robot.answers

        await until(second_is_on_its_way)
    assert robot.taken == ["t(1/3)+1a+1b"]
    clock.now -= DAY_S
    later = lambda notice: long_message(notice.incident, "ABCDEFGH")  # noqa: E731
    async with delivering(tmp_path, clock, render=later, r=robot) as (store, outbox):
        await write(store, outbox, "2", "r", at=clock.now)
        await until(lambda: is_settled(store, ["sent", "sent"]))
    assert robot.taken[:3] == ["t(1/3)+1a+1b", "t(2/3)+1c+1d", "t(3/3)+1e"]
    assert robot.taken[3:] == ["t(1/3)+2A+2B", "t(2/3)+2C+2D", "t(3/3)+2E+2F"]


async def test_a_part_that_is_refused(tmp_path):
    """The rest of that message is lost and told, the next one goes; a fallback gets the whole, not the rest."""
    robot, other, clock = Cutter(None, Refused("rejected", 430102)), Cutter(), FakeClock()
    render = lambda notice: long_message(notice.incident, "abc")  # noqa: E731
    async with delivering(tmp_path, clock, render=render, fallbacks={"r": "other"}, r=robot, other=other) as (
        store,
        outbox,
    ):
        await write(store, outbox, "1", "r")
        await write(store, outbox, "2", "r")
        await until(lambda: is_settled(store, ["handed", "sent", "sent"]))
    assert robot.taken == ["t(1/2)+1a+1b", "t(1/2)+2a+2b", "t(2/2)+2c"]
    assert other.taken == ["t(1/2)+1a+1b", "t(2/2)+1c"]


async def test_each_part_has_its_own_tries(tmp_path):
    """Answers that may be about a message are counted for each part: five and five are not ten."""
    doubt = [Deferred("unknown_code", 300, 99999)] * 5
    robot, clock = Cutter(*doubt, None, *doubt, None), FakeClock()
    render = lambda notice: long_message(notice.incident, "abc")  # noqa: E731
    async with delivering(tmp_path, clock, render=render, r=robot) as (store, outbox):
        await write(store, outbox, "1", "r")

        async def settled():
            return [state for _, state, _ in await states(store)] == ["sent"]

        await let_pass(clock, outbox, settled)
    assert robot.taken == ["t(1/2)+1a+1b", "t(2/2)+1c"]
