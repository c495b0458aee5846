"""A gateway with good credentials names all it can: its own school stays small, and its neighbour notices nothing.

The neighbour's waits are compared with its own of a moment before, beside as many records that name nothing new.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median
from typing import Any

import pytest
from msgspec.structs import replace

from classready.codec import DecodedReport, encode
from classready.observation import Http, Observation, Outcome, Ping, Segment
from collector.core.inventory import SETTINGS
from collector.core.policy import Policy
from collector.engine import Engine
from collector.exposition import Exposition
from collector.exposition.pieces import plain
from collector.text import Names
from collector.views.school import show
from collector.views.summary import summarise
from tests.support.collecting import NOW, POLICY, awake, bandwidth, port, record, report
from tests.support.engines import running

NAMED = 10_000
RECORDS = 100
"""In one report of the hostile gateway."""
TIMES_MAX = 8.0
"""The neighbour's median wait, in its own beside the same load without names. Whether two reports share a commit makes
a factor of five; without caps it is forty and more."""
ATTEMPTS = 3
"""The machine may be busy with others just then; what one gateway does to another shows each time."""
ALONE_REPORTS = 30

CAPS = replace(POLICY, **{setting: getattr(Policy(), setting) for setting in SETTINGS.values()})
STATE_MAX_BYTES = 600_000
SERIES_MAX = 2_000
PAGE_MAX_BYTES = 500_000
ROW_MAX_BYTES = 2_000
"""Of the hostile gateway's school, whatever it names."""


def ping(n: int) -> Ping:
    return Ping(target=f"ping{n}", outcome=Outcome.ANSWERED, sent_count=1, received_count=1)


def trunk(n: int) -> Segment:
    fields: dict[str, Any] = {"outcome": Outcome.ANSWERED, "speed_bps": 10**9, "full_duplex": True}
    return Segment(name=f"sw{n}:uplink", if_name=f"Gi0/{n}", switches=("sw1",), **fields)


NAMING: dict[str, tuple[str, Callable[[int], Observation]]] = {
    "rooms": ("classroom", lambda n: awake(f"s1/x{n}")),
    "exits": ("exit", lambda n: bandwidth(passed=n % 2 == 0, target=f"far{n}", beyond=f"exit{n}")),
    "exits of one target": ("exit", lambda n: bandwidth(passed=True, target="far", beyond=f"exit{n}")),
    "lines": ("test", lambda n: bandwidth(passed=n % 2 == 0, target=f"line{n}")),
    "ways to a room": ("test", lambda n: bandwidth(passed=True, target=f"pc{n}", classroom="s1/r1")),
    "trunks": ("segment", trunk),
    "access points": ("segment", lambda n: replace(trunk(n), name=f"ap{n}")),
    "fetched": ("target", lambda n: Http(target=f"http{n}", outcome=Outcome.ANSWERED)),
    "pinged": ("target", ping),
    "switches": ("switch", lambda n: replace(port("s1/r1"), switch=f"sw{n}")),
    "silent switches": ("switch", lambda n: replace(port("s1/r1"), switch=f"sw{n}", outcome=Outcome.NO_ANSWER)),
}
"""(what there is too much of, the nth of them)."""
ADMITTED = {"exits of one target": 8 + 99 * 7}
"""One at a time is kept of them, so each report may name seven others; of all else as many as its cap says, once."""


class Honest:
    """The gateway of s3: it reports, waits for the ack, and reports again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sequence = count(1)

    async def wait(self) -> float:
        """Return how long one report waited for its ack, in seconds."""
        page = Http(target="p", outcome=Outcome.ANSWERED)
        seen = [port("s3/r1"), awake("s3/r1"), bandwidth(passed=True), page]
        numbers = [next(self._sequence) for _ in seen]
        made = [record(n, one, wall_s=NOW - 4 + n / 4_000) for n, one in zip(numbers, seen, strict=True)]
        started = time.perf_counter()
        ack = await self._engine.submit("gw-two", report(made, gateway="gw-two"), NOW)
        assert not ack.rejected
        return time.perf_counter() - started

    async def median_wait(self, engine: Engine, beside: Sequence[DecodedReport]) -> float:
        """Return the median wait while gw-one sends ``beside``, one report after the other."""

        async def send_all() -> None:
            for one in beside:
                await engine.submit("gw-one", one, NOW)

        other, waits = asyncio.create_task(send_all()), list[float]()
        while not other.done():
            waits.append(await self.wait())
        await other
        return median(waits)

    def verdict(self) -> Any:
        state = self._engine.schools["s3"].state
        room = state.classrooms["r1"]
        return room.verdict.ready, room.verdict.causes, room.latch.value, state.alerts, len(state.uplinks)


def reports(first: int, names: int, make: Callable[[int], Observation]) -> list[DecodedReport]:
    made = [record(first + n, make(n), wall_s=NOW - 4 + n / names) for n in range(names)]
    return [report(made[n : n + RECORDS]) for n in range(0, names, RECORDS)]


def sizes(engine: Engine) -> tuple[int, int, int, int]:
    """(bytes of the state, series, bytes of the page and of the row in a list) of the hostile gateway's school."""
    school, exposition = engine.schools["s1"], Exposition(engine.policy)
    exposition.update(school, NOW)
    series_count = sum(not line.startswith(b"#") for line in plain(exposition.everything(NOW)).splitlines())
    page = show(school, Names(), engine.policy, NOW, "zh", refusals=engine.refusals)
    row = summarise(school, Names(), "zh")
    return len(encode(school.state)), series_count, len(encode(page)), len(encode(row))


@pytest.mark.parametrize("kind", NAMING)
async def test_the_honest_neighbour(tmp_path, kind):
    """It waits as long as beside as many records that name nothing, and is judged as ever; the other stays small."""
    reason, make = NAMING[kind]
    first = count(1, NAMED)
    async with running(tmp_path, policy=CAPS) as (engine, _, _):
        honest = Honest(engine)
        for _ in range(3):
            await honest.wait()
        judged = honest.verdict()
        assert judged[:3] == ("yes", (), "yes")
        for attempt in range(ATTEMPTS):
            usual = reports(next(first), ALONE_REPORTS * RECORDS, lambda _: make(0))
            alone_s = await honest.median_wait(engine, usual)
            beside_s = await honest.median_wait(engine, reports(next(first), NAMED, make))
            if beside_s <= TIMES_MAX * alone_s:
                break
            assert attempt < ATTEMPTS - 1, "the neighbour waited for the hostile gateway each time"
        assert honest.verdict() == judged
        limits = (STATE_MAX_BYTES, SERIES_MAX, PAGE_MAX_BYTES, ROW_MAX_BYTES)
        assert all(size <= limit for size, limit in zip(sizes(engine), limits, strict=True)), sizes(engine)
        [refused] = engine.refusals("gw-one")
        admitted = ADMITTED.get(kind, getattr(CAPS, SETTINGS[reason]))
        assert refused.reason == reason
        assert (attempt + 1) * (NAMED - admitted) <= refused.refused_count <= (attempt + 1) * NAMED
        assert engine.refusals("gw-two") == []
