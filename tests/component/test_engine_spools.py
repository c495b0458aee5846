"""Ledgers that are kept in memory are those of the store, whatever happened in between."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from classready.codec import DecodedReport
from classready.report import Ack
from collector.engine import CommitFailedError, Engine, queue, transaction
from collector.engine.spools import Spools
from collector.store.tables import ledger as ledger_table
from collector.store.tables import ledger_rejected
from tests.support.collecting import NOW, OTHER_SPOOL, POLICY, SPOOL, port, record, report
from tests.support.engines import rows, running

pytestmark = pytest.mark.usefixtures("every_store")

SPOOLS = (SPOOL, SPOOL, SPOOL, OTHER_SPOOL, "a" * 32)
LIMITS = replace(POLICY, spools_per_gateway_max=2, ranges_per_spool_max=5, rejections_per_spool_max=4)


def some_report(dice: random.Random) -> DecodedReport:
    """New and known sequences, gaps, refused rooms, records of which only the name can be read, none at all."""
    first = dice.randrange(1, 60)
    sequences = dice.sample(range(first, first + 12), dice.randrange(6))
    kinds = [
        record,
        lambda n: record(n, port("s9/r1")),
        lambda n: b'{"sequence": %d, "observation": {"kind": "ping"}}' % n,
        lambda n: b'{"sequence": %d, "observation": {"kind": "weather"}}' % n,
    ]
    records = [dice.choices(kinds, [6, 1, 1, 1])[0](n) for n in sequences]
    return report(records, gateway=dice.choice(("gw-one", "gw-two")), spool_id=dice.choice(SPOOLS))


class Away:
    """A store that fails now and then, before or after everything was written."""

    def __init__(self, dice: random.Random, write: Any) -> None:
        self._dice, self._write = dice, write

    async def __call__(self, *arguments: Any) -> None:
        mood = self._dice.randrange(12)
        if mood == 0:
            raise CommitFailedError
        await self._write(*arguments)
        if mood == 1:
            raise CommitFailedError


async def lived(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Ack | None], object, object]:
    """Return what a collector answered over three lives, and what its store holds then."""
    folder.mkdir()
    dice = random.Random(seed)
    answers: list[Ack | None] = []
    with monkeypatch.context() as patch:
        patch.setattr(queue, "GATHER_S", 0.0)
        patch.setattr(queue, "GATHER_LONGER_S", 0.0)
        patch.setattr(transaction, "write", Away(dice, transaction.write))
        for _ in range(3):
            async with started(folder) as engine:
                for _ in range(25):
                    sent, answer = some_report(dice), None
                    with suppress(CommitFailedError):
                        answer = await engine.submit(sent.report.gateway, sent, NOW)
                    answers.append(answer and replace(answer, sent_at=None, directives=None))
    async with running(folder) as (_, store, _):
        held = [tuple(row)[:-1] for row in await rows(store, ledger_table)]
        refused = [tuple(row)[:4] for row in await rows(store, ledger_rejected)]
    return answers, sorted(held), sorted(refused)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Engine]:
    while True:
        with suppress(CommitFailedError):
            async with running(folder, policy=LIMITS) as (engine, _, _):
                yield engine
            return


@pytest.mark.parametrize("seed", range(3))
async def test_memory_makes_no_difference(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reports, failures and restarts give the same answers and the same store with memory as without."""
    found = await lived(tmp_path / "with", seed, monkeypatch)
    monkeypatch.setattr(Spools, "keep", lambda *_: None)
    assert found == await lived(tmp_path / "without", seed, monkeypatch)
    assert any(found[0])


async def test_a_known_spool_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as (engine, _, _):
        await engine.submit("gw-one", report([record(1), record(2, port("s9/r1"))]), NOW)

        def read() -> None:
            raise AssertionError

        monkeypatch.setattr(engine._writer, "read", read)
        assert (await engine.submit("gw-one", report([record(3)]), NOW)).committed == ((3, 3),)
        monkeypatch.undo()
        again = await engine.submit("gw-one", report([record(2), record(3)]), NOW)
        assert [refusal.reason for refusal in again.rejected] == ["identity"]
