"""A gateway: what its probes saw goes into its spool, and from there in reports to the collector, the newest first."""

from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from bench.scenarios import days, probes
from bench.scenarios.places import Place
from bench.scenarios.world import World
from classready.codec import encode, encode_report
from classready.observation import Observation
from classready.report import Ack, Record, Report

BOOTED_AT: Final = 1_700_000_000.0
SPOOL_MAX: Final = 60
"""Batches kept while the line is cut."""
RETEST_AFTER_S: Final = 300.0
TEST_HOURS: Final = ((12.0, 13.5), (17.0, 18.5))
"""Tests load the line: at noon and after school, as agents are installed."""


class Batch(NamedTuple):
    """What was seen at one moment, with the sequences of its records."""

    at: float
    first: int
    seen: tuple[Observation, ...]


class Gateway:
    """``lesson_interval_s``: of its reports on school days; it announces a longer one for nights and free days."""

    def __init__(self, place: Place, name: str, number: int, lesson_interval_s: float) -> None:
        self.place, self.name = place, name
        self._spool_id = f"{number:032x}"
        self._lesson_interval_s = lesson_interval_s
        self._spool: list[Batch] = []
        self._next = 1
        self._polled_at = 0.0
        self._tested_at: float | None = None
        self._retest: frozenset[str] = frozenset()

    def interval_s(self, now: float) -> float:
        busy = days.is_school_day(days.day_of(now)) and 7.5 <= days.hour_of(now) < 18.5
        return self._lesson_interval_s if busy else max(1_800.0, self._lesson_interval_s)

    def look(self, world: World) -> None:
        """Have every probe that is due observe the world."""
        now, seen = world.now, list[Observation]()
        if now - self._polled_at >= min(self.place.port_poll_s, self.interval_s(now)) - 1:
            self._polled_at = now
            seen += probes.ports(world, self.place, self.name)
        seen += chain(probes.boards(world, self.place, self.name), probes.pages(world, self.place), self._tests(world))
        self._spool = [*self._spool, Batch(now, self._next, tuple(seen))][-SPOOL_MAX:]
        self._next += len(seen)

    def _tests(self, world: World) -> Iterator[Observation]:
        hour = days.hour_of(world.now)
        slot = next((begin for begin, end in TEST_HOURS if begin <= hour < end), None)
        if slot is None:
            return
        slot_at = world.now - (hour - slot) * days.HOUR_S
        found = probes.tests(world, self.place, self.name)
        if self._tested_at is None or self._tested_at < slot_at:
            self._tested_at = world.now
            yield from found
        elif world.now - self._tested_at >= RETEST_AFTER_S and self._retest:
            self._tested_at = world.now
            # only what the collector asked to see again
            yield from (test for test in found if getattr(test, "target", "") in self._retest)

    def reports(self, now: float) -> Iterator[bytes]:
        """Everything in the spool as reports, live records first; each is gone once it was handed over."""
        while self._spool:
            yield self._report(self._spool.pop(), now)

    def acknowledged(self, ack: Ack) -> None:
        self._retest = frozenset(ack.directives.retest if ack.directives else ())

    def _report(self, batch: Batch, now: float) -> bytes:
        report = Report(
            gateway=self.name,
            agent_version="0.1.0",
            spool_id=self._spool_id,
            boot_id="b00b",
            report_interval_s=self.interval_s(now),
            sent_monotonic_s=now - BOOTED_AT,
            sent_at=now,
            spool_records=sum(len(waiting.seen) for waiting in self._spool),
        )
        return encode_report(report, [encode(record) for record in _records(batch)])


def _records(batch: Batch) -> Iterator[Record]:
    """Ports before boards, a tenth of a second apart."""
    count = len(batch.seen)
    for n, seen in enumerate(batch.seen):
        at = batch.at - 0.1 * (count - n)
        yield Record(
            sequence=batch.first + n,
            boot_id="b00b",
            monotonic_s=at - BOOTED_AT,
            wall_s=at,
            clock_quality="good",
            observation=seen,
        )
