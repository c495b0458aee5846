"""The HTTP door: who may come in, what is refused how, and the real program killed again and again."""

import asyncio
import http.client
import json
import random
import sqlite3
import threading
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from classready.codec import decode_ack
from classready.report import REPORT_MAX_BYTES
from collector.engine import CommitFailedError, intake
from collector.ingest import http as door
from collector.ingest.gate import BURST_REPORTS
from tests.support.collecting import (
    SPOOL,
    TOKENS,
    Collector,
    FakeClock,
    bandwidth,
    body,
    opened,
    pings,
    record,
    start_engine,
)
from tests.support.engines import counted

TestServer.__test__ = False

QUEUE = "classready_collector_ingest_queue_reports"
RECEIVED = "classready_collector_messages_received_total"


@asynccontextmanager
async def serving(folder):
    """The door on a free port: (post, engine)."""
    clock = FakeClock()
    async with opened(folder) as store:
        engine = await start_engine(store, folder, clock)
        application = web.Application()
        application.add_routes(door.routes(engine, clock))
        task = asyncio.create_task(engine.run())
        async with TestServer(application) as server, ClientSession() as session:

            async def post(data, token: str | None = TOKENS["gw-one"], **headers):
                if token is not None:
                    headers["Authorization"] = f"Bearer {token}"
                async with session.post(server.make_url(door.PATH), data=data, headers=headers) as answer:
                    return answer.status, answer.headers, await answer.read()

            yield post, engine
        task.cancel()


async def test_accepted(tmp_path):
    """A report is answered with its ack, and with a date for a gateway that has no clock."""
    async with serving(tmp_path) as (post, _):
        status, headers, answer = await post(body(pings([1, 2])))
        assert status == 200
        assert "Date" in headers
        assert decode_ack(answer).committed == ((1, 2),)


@pytest.mark.parametrize("token", [None, "", "wrong", "tokén", TOKENS["gw-one"].upper()])
async def test_unknown_token(tmp_path, token):
    """Without a known token nothing is read."""
    async with serving(tmp_path) as (post, engine):
        status, _, answer = await post(body(pings([1])), token)
        assert (status, json.loads(answer)) == (401, {"reason": "unknown_agent"})
        assert not engine.schools["s1"].state.gateways


async def test_foreign_gateway(tmp_path):
    """A credential speaks for its own gateway only."""
    async with serving(tmp_path) as (post, _):
        status, _, answer = await post(body(pings([1])), TOKENS["gw-two"])
        assert (status, json.loads(answer)) == (403, {"reason": "identity"})


async def test_another_machine_with_its_identity(tmp_path):
    """Refused as what it is; it keeps what it has, and the first one is served."""
    async with serving(tmp_path) as (post, _):
        for n in range(1, 6):
            assert (await post(body(sent_monotonic_s=n)))[0] == 200
            status, _, answer = await post(body(boot_id="c" * 8, sent_monotonic_s=n))
        assert (status, json.loads(answer)) == (403, {"reason": "twin"})


MALFORMED = [
    pytest.param(b"", "json", id="empty"),
    pytest.param(b"{}", "schema", id="nothing in it"),
    pytest.param(b"\xff\xfe", "json", id="not UTF-8"),
    pytest.param(b"[" * 50_000, "depth", id="deep"),
    pytest.param(body().replace(b"2.0", b"NaN"), "json", id="NaN"),
    pytest.param(body().replace(b"2.0", b"1e999"), "json", id="infinite"),
    pytest.param(body().replace(b"gw-one", b"../x"), "schema", id="strange gateway"),
]


@pytest.mark.parametrize(("data", "reason"), MALFORMED)
async def test_malformed(tmp_path, data, reason):
    """A malformed report is the sender's fault, with the reason; the next one is served."""
    async with serving(tmp_path) as (post, _):
        status, _, answer = await post(data)
        assert status == 400
        assert json.loads(answer)["reason"] in {reason, "schema"}
        assert (await post(body(pings([1]))))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large(tmp_path, chunked):
    """More than a report may have is refused, announced or not."""
    big = b"x" * (REPORT_MAX_BYTES + 1)

    async def pieces():
        for _ in range(3):
            yield big[: REPORT_MAX_BYTES // 2]

    async with serving(tmp_path) as (post, _):
        status, _, answer = await post(pieces() if chunked else big)
        assert (status, json.loads(answer)) == (413, {"reason": "size"})


async def test_flood(tmp_path):
    """One gateway that floods is told to wait; another one is served."""
    async with serving(tmp_path) as (post, _):
        answers = [await post(body()) for _ in range(int(BURST_REPORTS) + 1)]
        assert {status for status, _, _ in answers[:-1]} == {200}
        status, headers, _ = answers[-1]
        assert (status, headers["Retry-After"]) == (429, "5")
        assert (await post(body(gateway="gw-two"), TOKENS["gw-two"]))[0] == 200


async def test_one_gateway_in_the_queue(tmp_path):
    """While the store hangs, whatever one gateway sends at once takes one place of those that wait, not all."""
    async with serving(tmp_path) as (post, engine):
        before = counted(RECEIVED)
        async with engine._writer.turn():
            other = asyncio.create_task(post(body(pings([1]), gateway="gw-two"), TOKENS["gw-two"]))
            async with asyncio.timeout(20):
                while counted(RECEIVED) == before or counted(QUEUE):
                    await asyncio.sleep(0.05)  # until the intake has taken it
                sent = [asyncio.create_task(post(body(pings([n])))) for n in range(1, 31)]
                while sum(task.done() for task in sent) < 25:
                    await asyncio.sleep(0.01)
                assert counted(QUEUE) <= 1
        assert (await other)[0] == 200
        assert sorted([(await task)[0] for task in sent]) == [200] * 5 + [429] * 25


async def test_a_report_that_meets_a_bug(tmp_path, monkeypatch):
    """It is refused as such, so that its records come singly; what shared its transaction is taken."""
    apply_report = intake.apply_report

    def buggy(draft, decoded, *arguments):
        if any(r.sequence == 13 for r in decoded.records):
            raise IndexError
        return apply_report(draft, decoded, *arguments)

    monkeypatch.setattr(intake, "apply_report", buggy)
    async with serving(tmp_path) as (post, _):
        bad, good = await asyncio.gather(
            post(body(pings([12, 13]))), post(body(pings([13_000]), gateway="gw-two"), TOKENS["gw-two"])
        )
        assert (bad[0], json.loads(bad[2])) == (422, {"reason": "internal"})
        assert good[0] == 200
        assert (await post(body(pings([12]))))[0] == 200


async def test_an_ack_is_bounded(tmp_path):
    """A report of nothing but names has an ack that an agent reads."""
    async with serving(tmp_path) as (post, _):
        status, _, answer = await post(body([b'{"sequence":%d}' % (2**53 - n) for n in range(1_900)]))
        assert status == 200
        assert len(decode_ack(answer).rejected) > 1_000


class Failing:
    """An engine whose store is full."""

    def __init__(self, engine) -> None:
        self.roster, self.enrolment = engine.roster, engine.enrolment

    async def submit(self, *_):
        raise CommitFailedError


async def test_not_committed(tmp_path):
    """What is not durable is not acknowledged: come back later."""
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, FakeClock())
        application = web.Application()
        application.add_routes(door.routes(Failing(engine), FakeClock()))
        async with TestServer(application) as server, ClientSession() as session:
            headers = {"Authorization": f"Bearer {TOKENS['gw-one']}"}
            async with session.post(server.make_url(door.PATH), data=body(), headers=headers) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


# --- the program, killed --------------------------------------------------------------------------------------------

KILLS = 6
RECORDS_EACH = 7


class Sender(threading.Thread):
    """A gateway with a spool in memory: sends, resends until acknowledged, forgets only what an ack names."""

    def __init__(self, url: str, gateway: str) -> None:
        super().__init__(daemon=True)
        self._address = urlsplit(url)
        self._gateway = gateway
        self.spool: dict[int, object] = {}
        self.sent_count = 0
        self.ending = threading.Event()

    def run(self) -> None:
        chooser = random.Random(self._gateway)
        while not self.ending.is_set() or self.spool:
            if not self.ending.is_set():
                self._observe()
            some = chooser.sample(sorted(self.spool), min(len(self.spool), 40))
            try:
                self._acknowledged(self._send([self.spool[n] for n in some]))
            except OSError:
                time.sleep(0.02)

    def _observe(self) -> None:
        for n in range(self.sent_count + 1, self.sent_count + RECORDS_EACH + 1):
            now = {"wall_s": time.time()}
            self.spool[n] = record(n, bandwidth(passed=True) if n % RECORDS_EACH == 0 else None, **now)
        self.sent_count += RECORDS_EACH

    def _send(self, records):
        connection = http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=5)
        try:
            headers = {"Authorization": f"Bearer {TOKENS[self._gateway]}"}
            connection.request("POST", door.PATH, body(records, gateway=self._gateway), headers)
            answer = connection.getresponse()
            data = answer.read()
        except http.client.HTTPException as error:
            raise OSError from error
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(answer.status)
        return decode_ack(data)

    def _acknowledged(self, ack) -> None:
        assert ack.rejected == ()
        for first, last in ack.committed:
            for n in range(first, last + 1):
                self.spool.pop(n, None)
        time.sleep(0.06)


def test_killed_again_and_again(tmp_path):
    """kill -9 at any moment: nothing acknowledged is missing, nothing is there twice, and the file is sound."""
    collector = Collector(tmp_path)
    collector.start()
    senders = [Sender(collector.url, gateway) for gateway in TOKENS]
    for sender in senders:
        sender.start()
    chooser = random.Random(1)
    for _ in range(KILLS):
        time.sleep(chooser.uniform(0.1, 0.7))  # the moment of the kill is the thing under test
        collector.kill()
        collector.start()
    for sender in senders:
        sender.ending.set()
    for sender in senders:
        sender.join(timeout=30)
        assert not sender.is_alive()
    assert collector.stop() == 0
    _check_ledgers(tmp_path, senders)


def _check_ledgers(folder, senders) -> None:
    database = sqlite3.connect(folder / "collector.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for sender in senders:
        query = "SELECT ranges, applied_records FROM ledger WHERE gateway = ? AND spool_id = ?"
        ranges, applied = database.execute(query, [sender._gateway, SPOOL]).fetchone()
        assert json.loads(ranges) == [[1, sender.sent_count]]
        assert applied == sender.sent_count
        query = "SELECT sequence FROM bandwidth_result WHERE gateway = ? ORDER BY sequence"
        found = [n for (n,) in database.execute(query, [sender._gateway])]
        assert found == list(range(RECORDS_EACH, sender.sent_count + 1, RECORDS_EACH))
    database.close()
